//! What a phone heard, as a person would want it told, and whether that was right.

use softphone::Recording;

/// Who speaks, and at which frequency.
#[derive(Clone, Copy)]
pub(super) struct Party {
    pub(super) name: &'static str,
    /// The tone in its voice, in hertz.
    pub(super) hz: u32,
}

/// One phone's recording and what should be in it.
pub(super) struct Ear<'a> {
    pub(super) who: Party,
    pub(super) heard: Recording,
    pub(super) should: &'a [Party],
    pub(super) must_not: &'a [Party],
}

/// Prints what was heard of each party; true if it was just what it should be.
pub(super) fn judge(ear: &Ear<'_>) -> bool {
    let mut good = true;
    println!("  {} (dominant: {})", ear.who.name, dominant(&ear.heard));
    let lines = ear.should.iter().map(|it| (it, true)).chain(ear.must_not.iter().map(|it| (it, false)));
    for (party, wanted) in lines {
        let tone = ear.heard.tone(party.hz);
        // Who should be heard must be heard nearly throughout; who should not, never.
        let right = if wanted { tone.share > THROUGHOUT } else { !tone.heard };
        good &= right;
        let what = if tone.heard { "heard" } else { "not heard" };
        let verdict = if right { "as it should be" } else { "WRONG" };
        println!("    {:<15} {:>5} Hz {:>7.1} dBFS  {what}, {verdict}", party.name, party.hz, tone.level_dbfs);
    }
    good
}

fn dominant(heard: &Recording) -> String {
    heard.dominant_hz().map_or_else(|| "silence".into(), |hz| format!("{hz:.0} Hz"))
}

/// The part of the half seconds in which a voice must be heard: the first and the last may be cut.
const THROUGHOUT: f64 = 0.7;

//! Plays seeds: `sim --seed N` prints one's ladder, `sim --seeds FROM..TO` plays many.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use sim::{Story, play_all};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => seeds("0..1000"),
        ["--seed", seed] => one(seed),
        ["--seeds", range] => seeds(range),
        _ => Err("usage: sim [--seed N | --seeds FROM..TO]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            say(&mut io::stderr(), &what);
            ExitCode::FAILURE
        }
    }
}

fn one(seed: &str) -> Result<(), String> {
    let seed = seed.parse().map_err(|_| format!("{seed} is no seed: a whole number is"))?;
    let mut story = Story::new(seed).told();
    let result = story.play();
    story.ladder().iter().for_each(|line| say(&mut io::stdout(), line));
    let tally = result.map_err(|it| it.to_string())?;
    say(&mut io::stdout(), &format!("{tally:?}"));
    Ok(())
}

fn seeds(range: &str) -> Result<(), String> {
    let bounds = range.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to): (u64, u64) = bounds.ok_or_else(|| format!("{range} is no range of seeds: 0..1000 is one"))?;
    let tally = play_all(from..to).map_err(|it| it.to_string())?;
    say(&mut io::stdout(), &format!("{} seeds: {tally:?}", to.saturating_sub(from)));
    Ok(())
}

/// Nobody may read on, as when the output goes to `head`: that is no failure.
fn say(to: &mut impl Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

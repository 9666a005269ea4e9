//! What stands in the log of a call, and what does not.

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{Arc, Mutex},
};

use domain::{
    ids::{SessionId, Ticket, UserId},
    leg::{LegOrder, Target},
};
use tracing_subscriber::fmt::MakeWriter;

use super::*;

/// A log to look at afterwards.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const CALL: CallId = CallId(0xC0FFEE);
const CALLER: LegId = LegId(LegId::INBOUND | 1);
const AGENT: LegId = LegId(1);

fn at(ms: u64) -> Time {
    Time::from_unix_ms(1_000_000 + ms)
}

fn logged(work: impl FnOnce(&mut Chronicle)) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    let mut chronicle = Chronicle::default();
    tracing::subscriber::with_default(subscriber.with_writer(lines.clone()).finish(), || work(&mut chronicle));
    assert!(chronicle.calls.is_empty() && chronicle.legs.is_empty() && chronicle.offers.is_empty(), "nothing is kept");
    let text = lines.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

fn order(leg: LegId, order: LegOrder) -> Action {
    Action::Leg(LegAction { call: CALL, leg, order })
}

fn session_over() -> Audit {
    Audit {
        at: at(0),
        what: AuditEvent::SessionEnded,
        supervisor: UserId(7),
        supervisor_name: "super1".into(),
        supervisor_number: Some("5005".parse().unwrap()),
        target_number: Some("5551234567".parse().unwrap()),
        target_name: None,
        call: Some(CALL),
        order: None,
        session: Some(SessionId(9)),
        operation: None,
        reason: Some("call_ended".into()),
    }
}

fn a_call(chronicle: &mut Chronicle) {
    let origin = Origin::Trunk { name: "carrier".into(), caller: "+4955512345".into() };
    chronicle.happened(CALLER, &LegEvent::Offered { origin, dialled: "5551234567".into() });
    let dial = LegOrder::Dial {
        to: Target::Device("5551234567".parse().unwrap()),
        from: "+4955512345".into(),
        display: "+4955512345".into(),
        like: Some(CALLER),
        alert: domain::leg::Alert::Ring,
        direction: domain::leg::OfferDirection::SendRecv,
    };
    chronicle.wanted(&order(AGENT, dial), at(1));
    chronicle.wanted(&order(CALLER, LegOrder::Ring), at(10));
    let hears = BTreeMap::from([(CALLER, BTreeSet::from([AGENT])), (AGENT, BTreeSet::from([CALLER]))]);
    chronicle
        .wanted(&Action::Matrix { call: CALL, version: 1, hears: hears.clone(), plays: BTreeMap::new() }, at(2_001));
    chronicle.wanted(&Action::Matrix { call: CALL, version: 2, hears, plays: BTreeMap::new() }, at(3_000));
    chronicle.happened(CALLER, &LegEvent::Ended(Cause::HungUp));
    chronicle.wanted(&order(AGENT, LegOrder::End(Cause::Gone)), at(4_001));
    let records = vec![Record::Audit(session_over())];
    chronicle.wanted(&Action::Store { ticket: Ticket(1), records }, at(4_001));
    chronicle.happened(AGENT, &LegEvent::Ended(Cause::Gone));
    chronicle.wanted(&Action::CallOver(CALL), at(5_001));
}

#[test]
fn a_call_begins_is_established_and_ends_once_with_cause_and_durations() {
    let text = logged(a_call);
    let infos: Vec<&str> = text.lines().filter(|it| it.contains(" INFO ")).collect();
    let wanted = [
        ["a call begins", "trunk=\"carrier\""],
        ["the call is established", "after_ms=2000"],
        ["a supervisor no longer hears", "reason=\"call_ended\""],
        ["the call is over", "cause=\"hung_up\" ms=5000 talked_ms=3000"],
    ];
    assert_eq!(infos.len(), wanted.len(), "{text}");
    for (line, words) in infos.iter().zip(wanted) {
        assert!(words.iter().all(|it| line.contains(it)), "{words:?} in {line}");
        assert!(line.contains(&format!("call{{call={CALL}}}")), "which call: {line}");
    }
}

#[test]
fn nobodys_number_stands_in_it() {
    let text = logged(a_call);
    assert!(!text.contains("55512345") && !text.contains("5005"), "{text}");
    assert!(text.contains("[hidden]"), "{text}");
}

#[test]
fn a_caller_who_is_refused_is_a_call_too() {
    let text = logged(|it| {
        let origin = Origin::Device("5001".parse().unwrap());
        it.happened(CALLER, &LegEvent::Offered { origin, dialled: "nobody".into() });
        it.wanted(&order(CALLER, LegOrder::End(Cause::NotFound)), at(0));
        it.happened(CALLER, &LegEvent::Ended(Cause::NotFound));
        it.wanted(&Action::CallOver(CALL), at(3));
    });
    assert!(text.contains("cause=\"not_found\" ms=3 talked_ms=0"), "{text}");
}

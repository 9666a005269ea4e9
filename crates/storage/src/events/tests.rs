//! The log there and back, read while it is written, and what goes when it is too old or too much.

use domain::{
    ids::{LegId, UserId},
    record::{AuditEvent, Record},
};
use tempfile::TempDir;

use super::*;
use crate::{EventKind, Storage};

const CALL: CallId = CallId(0xC0FFEE);
const LEG: LegId = LegId(LegId::INBOUND | 3);
const KEEP: Keep = Keep { age: Duration::from_secs(3600), octets: 1 << 30 };

fn at(ms: u64) -> Time {
    Time::from_unix_ms(1_795_356_369_000 + ms)
}

fn url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("undertone.db").display())
}

fn page(call: CallId, ms: u64) -> Page {
    let mut page = Page::new(call, at(ms));
    page.event(at(ms), EventKind::SipIn, Some(LEG), "UDP/127.0.0.1:5080\nINVITE sip:1@u SIP/2.0\nTo: <sip:1@u>");
    page
}

async fn database(folder: &TempDir) -> Storage {
    let settings = Settings { url: url(folder), durability: crate::Durability::Process };
    Storage::open(&settings, |_, _| {}).await.unwrap().0
}

fn audit(call: CallId) -> Audit {
    Audit {
        at: at(5),
        what: AuditEvent::SessionActive,
        supervisor: UserId(7),
        supervisor_name: "super1".into(),
        supervisor_number: None,
        target_number: None,
        target_name: None,
        call: Some(call),
        order: None,
        session: None,
        operation: None,
        reason: None,
    }
}

#[tokio::test]
async fn a_call_is_read_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let storage = database(&folder).await;
    storage.store(None, vec![Record::Audit(audit(CALL)), Record::Audit(audit(CallId(1)))]).unwrap();
    storage.audit(1).await.unwrap();
    let mut log = EventLog::open(&url(&folder), KEEP).await.unwrap();
    let mut first = page(CALL, 0);
    first.begins = Some("0151 to 5001".into());
    log.write(&[first, page(CallId(2), 1)], at(2)).await.unwrap();

    let mut reader = Reader::open(&url(&folder)).await.unwrap();
    let running = Summary { call: CALL, begun: at(0), what: "0151 to 5001".into(), over: None };
    let found = reader.recent(10).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&running));
    let trace = reader.trace(CALL).await.unwrap();
    let lines = ["UDP/127.0.0.1:5080", "INVITE sip:1@u SIP/2.0", "To: <sip:1@u>"].map(str::to_owned).to_vec();
    assert_eq!(trace.events, [CallEvent { at: at(0), kind: EventKind::SipIn, leg: Some(LEG), lines }]);
    assert_eq!(trace.audit, [audit(CALL)]);

    let mut last = Page::new(CALL, at(9));
    last.event(at(9), EventKind::Over, None, "HungUp");
    last.ends = Some((at(9), "HungUp".into()));
    log.write(&[last], at(9)).await.unwrap();
    assert_eq!(reader.trace(CALL).await.unwrap().events.len(), 2, "seen without opening it anew");
    assert_eq!(reader.recent(10).await.unwrap(), [Summary { over: Some((at(9), "HungUp".into())), ..running }]);
}

#[tokio::test]
async fn calls_are_found_by_the_beginning_of_their_ids_in_the_log_and_in_the_trail() {
    let folder = tempfile::tempdir().unwrap();
    let storage = database(&folder).await;
    let calls = [0xAB, 0xAC, 0xB0].map(|it: u128| CallId(it << 120));
    storage.store(None, vec![Record::Audit(audit(calls[1]))]).unwrap();
    storage.close().await;
    let mut log = EventLog::open(&url(&folder), KEEP).await.unwrap();
    log.write(&[page(calls[0], 0), page(calls[0], 1), page(calls[2], 0)], at(2)).await.unwrap();
    let mut reader = Reader::open(&url(&folder)).await.unwrap();
    assert_eq!(reader.beginning_with("a").await.unwrap(), calls[..2]);
    assert_eq!(reader.beginning_with("B0").await.unwrap(), calls[2..]);
    assert_eq!(reader.beginning_with("%").await.unwrap(), []);
}

#[tokio::test]
async fn without_a_log_there_is_the_trail_and_without_a_database_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(&url(&folder)).await, Err(OpenError::Connect { .. })));
    let storage = database(&folder).await;
    storage.store(None, vec![Record::Audit(audit(CALL))]).unwrap();
    storage.close().await;
    let mut reader = Reader::open(&url(&folder)).await.unwrap();
    assert_eq!(reader.recent(10).await.unwrap(), []);
    assert_eq!(reader.trace(CALL).await.unwrap(), Trace { events: Vec::new(), audit: vec![audit(CALL)] });
    assert!(!folder.path().join("undertone.events.db").exists(), "looking makes nothing");
}

#[tokio::test]
async fn what_is_too_old_or_too_much_goes() {
    let folder = tempfile::tempdir().unwrap();
    drop(database(&folder).await);
    let mut log = EventLog::open(&url(&folder), KEEP).await.unwrap();
    let calls = |range: std::ops::Range<u32>| range.map(|it| page(CallId(it.into()), it.into())).collect::<Vec<_>>();
    log.write(&calls(0..20), at(20)).await.unwrap();
    let mut reader = Reader::open(&url(&folder)).await.unwrap();
    let hour = KEEP.age.as_millis() as u64;
    log.prune(at(hour + 9)).await.unwrap();
    let left = |found: Vec<CallId>| found.len();
    assert_eq!(left(reader.beginning_with("0000000000000000000000000000000").await.unwrap()), 6, "10 to 15");
    log.keep.octets = 1;
    log.write(&calls(20..30), at(30)).await.unwrap();
    assert_eq!(left(reader.beginning_with("0").await.unwrap()), 0, "all is too much");
}

#[tokio::test]
async fn a_log_in_memory_and_a_file_that_is_no_log_are_refused() {
    let refused = EventLog::open("sqlite::memory:", KEEP).await;
    assert!(matches!(refused, Err(OpenError::Url(..))));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("undertone.events.db"), "no log, whatever its name says").unwrap();
    assert!(EventLog::open(&url(&folder), KEEP).await.is_err());
}

#[test]
fn whatever_a_peer_sends_stays_inside_its_event() {
    let mut page = Page::new(CALL, at(0));
    page.event(at(0), EventKind::SipIn, None, "a\rb\u{85}c\u{1b}[2J\r\n1795356369123 over - 1\n");
    let lines = ["a b c [2J", "1795356369123 over - 1", ""].map(str::to_owned).to_vec();
    assert_eq!(page::read(page.text()), Ok(vec![CallEvent { at: at(0), kind: EventKind::SipIn, leg: None, lines }]));
    for wrong in ["a line of nothing", "12 lunch - 0", "12 over x 0", "12 over - 2\nmore", "12 over - 1 1", ""] {
        assert!(page::read(wrong).is_err(), "{wrong}");
    }
}

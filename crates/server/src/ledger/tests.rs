//! Whose a message is, told by what the tape shows.

use domain::leg::{Alert, OfferDirection};

use super::*;

const CALL: CallId = CallId(0xC0FFEE);
const CALLER: LegId = LegId(LegId::INBOUND | 1);
const AGENT: LegId = LegId(1);

fn at(ms: u64) -> Time {
    Time::from_unix_ms(1_000_000 + ms)
}

fn flow() -> Flow {
    Flow::udp("127.0.0.1:5080".parse().unwrap())
}

/// What passes, as the tape would have it.
#[derive(Default)]
struct Passing(Reel);

impl Passing {
    fn note(mut self, ms: u64, note: Note) -> Self {
        self.0.notes.push((at(ms), note));
        self
    }

    fn bytes(mut self, text: &str) -> (Self, usize) {
        self.0.bytes.extend_from_slice(text.as_bytes());
        (self, text.len())
    }

    fn comes(self, ms: u64, first: &str, call_id: &str, cseq: &str) -> Self {
        let (it, length) = self.bytes(&message(first, call_id, cseq));
        it.note(ms, Note::In(flow(), length))
    }

    fn goes(self, ms: u64, first: &str, call_id: &str, cseq: &str) -> Self {
        let (it, length) = self.bytes(&message(first, call_id, cseq));
        it.note(ms, Note::Out(flow(), length))
    }

    fn told(self, ms: u64, leg: LegId, event: LegEvent) -> Self {
        self.note(ms, Note::Told(leg, event))
    }

    fn offered(self, ms: u64) -> Self {
        let origin = Origin::Trunk { name: "carrier".into(), caller: "0151".into() };
        self.told(ms, CALLER, LegEvent::Offered { origin, dialled: "5001".into() })
    }

    fn ordered(self, ms: u64, leg: LegId, order: LegOrder) -> Self {
        self.note(ms, Note::Ordered(LegAction { call: CALL, leg, order }))
    }

    fn dial(self, ms: u64) -> Self {
        let order = LegOrder::Dial {
            to: Target::Device("5001".parse().unwrap()),
            from: "0151".into(),
            display: String::new(),
            like: Some(CALLER),
            alert: Alert::Ring,
            direction: OfferDirection::SendRecv,
        };
        self.ordered(ms, AGENT, order)
    }

    /// A call as it is set up.
    fn set_up(self) -> Self {
        self.comes(0, "INVITE sip:5001@u SIP/2.0", "a", "1 INVITE")
            .goes(0, "SIP/2.0 100 Trying", "a", "1 INVITE")
            .offered(0)
            .dial(0)
            .goes(0, "INVITE sip:5001@p SIP/2.0", "b", "1 INVITE")
    }
}

fn message(first: &str, call_id: &str, cseq: &str) -> String {
    format!("{first}\r\nVia: SIP/2.0/UDP x\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n")
}

/// Each event as `ms kind leg first-words`.
fn shown(ledger: &mut Ledger) -> Vec<String> {
    let pages = ledger.pages();
    let events = pages.iter().flat_map(Page::events);
    events
        .map(|it| {
            let leg = it.leg.map_or("-", |it| if it == CALLER { "caller" } else { "agent" });
            let what = match it.kind {
                EventKind::SipIn | EventKind::SipOut => it.lines[1].clone(),
                _ => it.lines[0].clone(),
            };
            let way = match it.kind {
                EventKind::SipIn => "<",
                EventKind::SipOut => ">",
                _ => "",
            };
            format!("{} {leg} {way}{what}", it.at.since(at(0)).as_millis())
        })
        .collect()
}

fn taken(passing: Passing) -> Ledger {
    let mut ledger = Ledger::default();
    ledger.take(passing.0);
    ledger
}

#[test]
fn a_call_has_the_messages_of_its_legs_and_the_challenge_before_it() {
    let passing = Passing::default()
        .comes(0, "INVITE sip:5001@u SIP/2.0", "a", "1 INVITE")
        .goes(0, "SIP/2.0 401 Unauthorized", "a", "1 INVITE")
        .comes(1, "ACK sip:5001@u SIP/2.0", "a", "1 ACK")
        .comes(2, "INVITE sip:5001@u SIP/2.0", "a", "2 INVITE")
        .goes(2, "SIP/2.0 100 Trying", "a", "2 INVITE")
        .offered(2)
        .dial(2)
        .goes(2, "INVITE sip:5001@p SIP/2.0", "b", "1 INVITE")
        .comes(5, "SIP/2.0 180 Ringing", "b", "1 INVITE")
        .told(5, AGENT, LegEvent::Ringing)
        .ordered(5, CALLER, LegOrder::Ring)
        .goes(5, "SIP/2.0 180 Ringing", "a", "2 INVITE");
    let mut ledger = taken(passing);
    assert_eq!(
        shown(&mut ledger),
        [
            "0 caller <INVITE sip:5001@u SIP/2.0",
            "0 caller >SIP/2.0 401 Unauthorized",
            "1 caller <ACK sip:5001@u SIP/2.0",
            "2 caller <INVITE sip:5001@u SIP/2.0",
            "2 caller >SIP/2.0 100 Trying",
            "2 caller calls: 0151 at trunk carrier to 5001",
            "2 agent dial device 5001 from 0151, Ring",
            "2 agent >INVITE sip:5001@p SIP/2.0",
            "5 agent <SIP/2.0 180 Ringing",
            "5 agent rings",
            "5 caller ring",
            "5 caller >SIP/2.0 180 Ringing",
        ]
    );
}

#[test]
fn the_page_says_who_calls_whom_from_its_first_message_on() {
    let mut ledger = taken(Passing::default().set_up());
    let pages = ledger.pages();
    let [page] = pages.as_slice() else { panic!("{pages:?}") };
    assert_eq!((page.call, page.at, page.begins.as_deref()), (CALL, at(0), Some("0151 at trunk carrier to 5001")));
    assert_eq!((ledger.pages().len(), ledger.len()), (0, 0), "it begins anew");
}

#[test]
fn forks_of_one_order_are_the_same_legs_and_so_is_what_an_answer_leads_to() {
    let passing = Passing::default()
        .set_up()
        .goes(0, "INVITE sip:5001@q SIP/2.0", "c", "1 INVITE")
        .comes(9, "SIP/2.0 503 Service Unavailable", "b", "1 INVITE")
        .goes(9, "INVITE sip:5001@r SIP/2.0", "d", "1 INVITE")
        .note(10, Note::Else)
        .goes(10, "INVITE sip:5001@s SIP/2.0", "e", "1 INVITE");
    let mut ledger = taken(passing);
    let invites = shown(&mut ledger).into_iter().filter(|it| it.contains("agent >INVITE")).count();
    assert_eq!(invites, 3, "nobody knows whose the last is");
}

#[test]
fn messages_out_of_one_piece_of_a_stream_are_told_apart() {
    let (one, two) =
        (message("INVITE sip:9@u SIP/2.0", "x", "1 INVITE"), message("INVITE sip:5001@u SIP/2.0", "a", "1 INVITE"));
    let peer = flow().remote;
    let (passing, length) = Passing::default().note(0, Note::Connected(peer)).bytes(&format!("{one}{two}"));
    let (first, rest) = (40, length - 40);
    let passing = passing
        .note(0, Note::Stream(peer, first))
        .note(1, Note::Stream(peer, rest))
        .goes(1, "SIP/2.0 404 Not Found", "x", "1 INVITE")
        .goes(1, "SIP/2.0 100 Trying", "a", "1 INVITE")
        .offered(1)
        .dial(1);
    let found = shown(&mut taken(passing));
    assert_eq!(found[..2], ["1 caller <INVITE sip:5001@u SIP/2.0", "1 caller >SIP/2.0 100 Trying"]);
}

#[test]
fn a_matrix_is_told_in_words_and_the_end_with_its_cause() {
    let hears = BTreeMap::from([(CALLER, BTreeSet::from([AGENT])), (AGENT, BTreeSet::new())]);
    let plays = BTreeMap::from([(AGENT, Treatment::Music("8000".parse().unwrap()))]);
    let passing = Passing::default()
        .set_up()
        .note(7, Note::Matrix { call: CALL, version: 2, hears, plays })
        .note(8, Note::Applied { call: CALL, version: 2 })
        .told(9, AGENT, LegEvent::Ended(Cause::HungUp))
        .told(9, CALLER, LegEvent::Ended(Cause::Gone))
        .note(9, Note::Over(CALL));
    let pages = taken(passing).pages();
    let lines: Vec<_> = pages[0].events().into_iter().filter(|it| it.at > at(0)).map(|it| it.lines).collect();
    assert_eq!(lines[0], ["2", "0151 hears 5001", "5001 hears the music of 8000"]);
    assert_eq!(
        lines[1..],
        [["2"], ["is over: hung_up"], ["is over: gone"], ["hung_up"]].map(|it| it.map(str::to_owned).to_vec())
    );
    assert_eq!(pages[0].ends, Some((at(9), "hung_up".to_owned())));
}

#[test]
fn what_is_over_is_forgotten_after_a_while() {
    let passing = Passing::default()
        .set_up()
        .told(1, AGENT, LegEvent::Ended(Cause::HungUp))
        .told(1, CALLER, LegEvent::Ended(Cause::HungUp))
        .note(1, Note::Over(CALL))
        .comes(30_000, "SIP/2.0 200 OK", "b", "2 BYE");
    let mut ledger = taken(passing);
    assert_eq!(shown(&mut ledger).last().unwrap(), "30000 agent <SIP/2.0 200 OK", "the answer to the BYE is its own");
    ledger.take(Passing::default().comes(40_000, "SIP/2.0 200 OK", "b", "2 BYE").note(41_000, Note::Else).0);
    assert_eq!(shown(&mut ledger), Vec::<String>::new());
    assert!(ledger.legs.is_empty() && ledger.dialogs.is_empty() && ledger.calls.is_empty() && ledger.over.is_empty());
}

#[test]
fn strangers_leave_nothing_and_do_not_pile_up() {
    let mut passing = Passing::default().comes(0, "OPTIONS sip:u SIP/2.0", "o", "1 OPTIONS");
    for number in 0..1000 {
        passing = passing.comes(1, "INVITE sip:1@u SIP/2.0", &format!("s{number}"), "1 INVITE");
    }
    let mut ledger = taken(passing);
    assert_eq!((ledger.strangers.len(), ledger.pages().len()), (STRANGERS, 0));
}

#[test]
fn what_was_lost_shows_where_it_is_missing() {
    let mut ledger = taken(Passing::default().set_up());
    ledger.take(Reel { lost: 12, ..Reel::default() });
    ledger.take(Passing::default().comes(5, "SIP/2.0 180 Ringing", "b", "1 INVITE").0);
    let found = shown(&mut ledger);
    assert_eq!(
        found[found.len() - 2..],
        ["5 - 12 events were lost, of this call or of others", "5 agent <SIP/2.0 180 Ringing"]
    );
}

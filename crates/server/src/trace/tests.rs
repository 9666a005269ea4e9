//! A made-up call on paper.

use clock::Time;
use domain::{
    config::MonitorOperation,
    ids::{LegId, UserId},
    record::{Audit, AuditEvent},
};
use storage::{CallEvent, EventKind, Trace};

use super::*;

const CALL: CallId = CallId(0xC0FFEE << 104);
const CALLER: LegId = LegId(LegId::INBOUND | 1);
const AGENT: LegId = LegId(1);
const SUPERVISOR: LegId = LegId(2);
const NEXT: LegId = LegId(3);

fn at(ms: u64) -> Time {
    Time::from_unix_ms(1_795_356_369_000 + ms)
}

fn event(ms: u64, kind: EventKind, leg: Option<LegId>, text: &str) -> CallEvent {
    CallEvent { at: at(ms), kind, leg, lines: text.lines().map(str::to_owned).collect() }
}

fn sip(ms: u64, kind: EventKind, leg: LegId, start: &str, cseq: &str, body: &str) -> CallEvent {
    let port = leg.0 % 100 + 5080;
    event(ms, kind, Some(leg), &format!("UDP/127.0.0.1:{port}\n{start}\nCall-ID: x\nCSeq: {cseq}\n{body}"))
}

fn audit(ms: u64, what: AuditEvent, reason: Option<&str>) -> Audit {
    Audit {
        at: at(ms),
        what,
        supervisor: UserId(7),
        supervisor_name: "super1".into(),
        supervisor_number: Some("5005".parse().unwrap()),
        target_number: Some("5001".parse().unwrap()),
        target_name: Some("agent1".into()),
        call: Some(CALL),
        order: None,
        session: None,
        operation: Some(MonitorOperation::ListenIn),
        reason: reason.map(str::to_owned),
    }
}

fn story() -> Story {
    use EventKind::{Applied, Gap, Matrix, Ordered, Over, SipIn, SipOut, Told};
    let sdp = "Body: SDP at 127.0.0.1, audio 4000 RTP/AVP 0 sendrecv";
    let events = vec![
        sip(0, SipIn, CALLER, "INVITE sip:5001@u SIP/2.0", "1 INVITE", sdp),
        sip(0, SipOut, CALLER, "SIP/2.0 100 Trying", "1 INVITE", ""),
        event(0, Told, Some(CALLER), "calls: 0151 at trunk carrier to 5001\nparty 0151"),
        event(0, Ordered, Some(AGENT), "dial device 5001 from 0151, Ring\nparty 5001"),
        sip(1, SipOut, AGENT, "INVITE sip:5001@p SIP/2.0", "1 INVITE", sdp),
        sip(2000, SipIn, AGENT, "SIP/2.0 200 OK", "1 INVITE", sdp),
        event(2000, Told, Some(AGENT), "has answered"),
        sip(2000, SipOut, AGENT, "ACK sip:5001@p SIP/2.0", "1 ACK", ""),
        sip(2000, SipOut, CALLER, "SIP/2.0 200 OK", "1 INVITE", sdp),
        event(2001, Matrix, None, "1\n0151 hears 5001\n5001 hears 0151"),
        event(2002, Ordered, Some(SUPERVISOR), "dial device 5005 from 5001, AutoAnswer\nparty 5005"),
        sip(2002, SipOut, SUPERVISOR, "INVITE sip:5005@p SIP/2.0", "1 INVITE", sdp),
        sip(2050, SipIn, SUPERVISOR, "SIP/2.0 200 OK", "1 INVITE", sdp),
        event(2051, Matrix, None, "2\n0151 hears 5001\n5001 hears 0151\n5005 hears 0151 and 5001"),
        event(2053, Applied, None, "2"),
        event(2900, Gap, None, "3 events were lost, of this call or of others"),
        sip(3000, SipIn, AGENT, "BYE sip:u SIP/2.0", "2 BYE", ""),
        sip(3000, SipOut, AGENT, "SIP/2.0 200 OK", "2 BYE", ""),
        event(3000, Told, Some(AGENT), "is over: hung_up"),
        event(3001, Ordered, Some(NEXT), "dial device 5002 from 0151, Ring\nparty 5002"),
        sip(3001, SipOut, NEXT, "INVITE sip:5002@p SIP/2.0", "1 INVITE", sdp),
        event(3001, SipOut, Some(NEXT), "TCP/127.0.0.1:4711\nINVITE sip:5002@q SIP/2.0\nCSeq: 1 INVITE"),
        sip(3010, SipIn, NEXT, "SIP/2.0 486 Busy Here", "1 INVITE", ""),
        sip(3011, SipOut, SUPERVISOR, "BYE sip:5005@p SIP/2.0", "2 BYE", ""),
        event(3012, Over, None, "hung_up"),
    ];
    let audit = vec![
        audit(2002, AuditEvent::SessionOffered, None),
        audit(2051, AuditEvent::SessionActive, None),
        audit(3000, AuditEvent::SessionEnded, Some("call_ended")),
    ];
    Story::new(CALL, Trace { events, audit })
}

#[test]
fn the_ladder_of_a_call_that_was_listened_to() {
    let drawn = ladder::draw(&story());
    assert!(drawn.lines().all(|it| it.chars().count() <= 120), "{drawn}");
    assert_eq!(drawn, include_str!("tests/ladder.txt"), "\n{drawn}");
}

#[test]
fn the_same_for_machines() {
    let value = story().json();
    assert_eq!(value["call"], CALL.to_string());
    assert_eq!(
        value["legs"][3],
        json!({"leg": "leg-8000000000000001", "party": "0151", "peers": ["UDP/127.0.0.1:5089"], "inbound": true})
    );
    let events = value["events"].as_array().unwrap();
    assert_eq!((events.len(), &events[0]["kind"], &events[0]["direction"]), (28, &json!("sip"), &json!("in")));
    assert_eq!(events[0]["headers"], json!([["Call-ID", "x"], ["CSeq", "1 INVITE"]]));
    assert_eq!(events[0]["body"], "SDP at 127.0.0.1, audio 4000 RTP/AVP 0 sendrecv");
    let matrices: Vec<_> = events.iter().filter(|it| it["kind"] == "matrix").collect();
    assert_eq!((&matrices[1]["version"], &matrices[1]["ms"]), (&json!(2), &json!(2051)));
    assert_eq!(matrices[1]["hears"][2], "5005 hears 0151 and 5001");
    let audit: Vec<_> = events.iter().filter(|it| it["kind"] == "audit").map(|it| &it["what"]).collect();
    assert_eq!(audit, ["SessionOffered", "SessionActive", "SessionEnded"]);
}

#[test]
fn many_legs_at_once_still_fit() {
    let mut events = Vec::new();
    for leg in 1..=7 {
        let text = format!("dial device 500{leg} from 0151, Ring\nparty 500{leg}");
        events.push(event(leg, EventKind::Ordered, Some(LegId(leg)), &text));
        events.push(sip(leg, EventKind::SipOut, LegId(leg), "INVITE sip:1@p SIP/2.0", "1 INVITE", "Body: SDP"));
    }
    for leg in 1..=7 {
        events.push(sip(10, EventKind::SipIn, LegId(leg), "SIP/2.0 480 Temporarily Unavailable", "1 INVITE", ""));
    }
    let drawn = ladder::draw(&Story::new(CALL, Trace { events, audit: Vec::new() }));
    assert!(drawn.lines().all(|it| it.chars().count() <= 120), "{drawn}");
    assert!(drawn.contains("5007") && drawn.contains(" INVITE") && drawn.contains(" 480 "), "{drawn}");
}

#[test]
fn a_call_is_found_by_what_tells_it_from_others() {
    let said = |text, found: &[CallId]| find(text, found).unwrap_err().to_string();
    assert_eq!(find("c0ff", &[CALL]).unwrap(), CALL);
    assert!(said("c0ff", &[]).contains("nothing is known of a call c0ff"));
    assert!(said("c0", &[CALL, CallId(1)]).contains(&CALL.to_string()));
    for wrong in ["", "5001'", "%", &"0".repeat(33)] {
        assert!(said(wrong, &[]).contains("32 hex digits"), "{wrong}");
    }
}

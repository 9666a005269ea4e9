//! Scripts for RFC 3261 s10.3.

use super::*;
use crate::message::{Method, request, uri};

/// Runs a script. A line is `time | source | fields of the REGISTER, separated by blanks two or more | what follows`.
/// The source is a UDP port on 10.0.0.1; `-` for a time-out. What follows is the status with the listed contacts and
/// changes, as `200 c=3600, bound c`; a contact is named by its user part.
#[track_caller]
fn check(script: &str) {
    let mut registrar = Registrar::new();
    for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let now = at(cells[0].trim_end_matches('s').parse().expect("seconds"));
        let mut out = Vec::new();
        if cells[1] == "-" {
            assert!(registrar.poll_timeout().is_some_and(|it| it <= now), "{line}: nothing is due");
            registrar.handle(Input::Timeout, now, &mut out);
        } else {
            let request = register("5001", cells[2]);
            let from = flow(&format!("10.0.0.1:{}", cells[1]));
            registrar.handle(Input::Register { number: "5001", request: &request, from }, now, &mut out);
        }
        assert_eq!(told(&out), cells[3], "{line}");
        assert_eq!(registrar.len(), registrar.iter().count(), "{line}: every binding has its deadline");
    }
}

fn told(out: &[Output]) -> String {
    let lines = out.iter().map(|it| match it {
        Output::Respond(response) => {
            let contacts: Vec<_> = response.texts(&HeaderName::Contact).iter().map(|it| brief(it)).collect();
            let min = response.text(&HeaderName::MinExpires).map(|it| format!("min={it}"));
            let parts = [response.status.code().to_string()].into_iter().chain(contacts).chain(min);
            parts.collect::<Vec<_>>().join(" ")
        }
        Output::Bound { binding, .. } => format!("bound {}", user(&binding.contact)),
        Output::Unbound { contact, why, .. } => {
            format!("unbound {} {why:?}", user(&uri(contact).expect("a URI")))
        }
    });
    lines.collect::<Vec<_>>().join(", ")
}

fn brief(contact: &str) -> String {
    let name = contact.trim_start_matches("<sip:").split('@').next().unwrap_or_default();
    format!("{name}={}", contact.rsplit('=').next().unwrap_or_default())
}

fn at(seconds: u64) -> Time {
    Time::from_unix_ms(1_000_000_000 + seconds * 1000)
}

fn flow(text: &str) -> Flow {
    Flow::udp(text.parse().expect("an address"))
}

/// A REGISTER from fields such as `id=a  1  m: <sip:x@h>  Expires: 60`: Call-ID, CSeq, then header fields.
fn register(to: &str, fields: &str) -> Request {
    let mut it = request(Method::Register, uri("sip:undertone.local").expect("a URI"));
    it.headers.add(HeaderName::To, format!("<sip:{to}@undertone.local>"));
    it.headers.add(HeaderName::From, format!("<sip:{to}@undertone.local>;tag=1"));
    let mut parts = fields.split("  ").map(str::trim).filter(|it| !it.is_empty());
    it.headers.add(HeaderName::CallId, parts.next().expect("a Call-ID"));
    it.headers.add(HeaderName::CSeq, format!("{} REGISTER", parts.next().expect("a CSeq")));
    for field in parts {
        let (name, value) = field.split_once(':').expect("a field");
        it.headers.add(HeaderName::parse(&name.to_owned().into()), value.trim());
    }
    it
}

fn bind(registrar: &mut Registrar, fields: &str, from: &str, now: Time) -> Vec<Output> {
    let mut out = Vec::new();
    let request = register("5001", fields);
    registrar.handle(Input::Register { number: "5001", request: &request, from: flow(from) }, now, &mut out);
    out
}

#[test]
fn rfc3261_10_3_register_refresh_expire() {
    check(
        "
          0s | 5060 | a  1  m: <sip:x@10.0.0.1>;expires=60  | bound x, 200 x=60
         50s | 5060 | a  2  m: <sip:x@10.0.0.1>;expires=60  | bound x, 200 x=60
         60s | 5060 | a  3                                  | 200 x=50
        110s | -    |                                       | unbound x Expired
        111s | 5060 | a  4                                  | 200
        ",
    );
}

#[test]
fn rfc3261_10_3_7_expires_rules() {
    check(
        "
        0s | 5060 | a  1  m: <sip:x@10.0.0.1>                              | bound x, 200 x=3600
        0s | 5060 | a  2  m: <sip:x@10.0.0.1>  Expires: 120                | bound x, 200 x=120
        0s | 5060 | a  3  m: <sip:x@10.0.0.1>;expires=90  Expires: 120     | bound x, 200 x=90
        0s | 5060 | a  4  m: <sip:x@10.0.0.1>  Expires: 999999             | bound x, 200 x=7200
        0s | 5060 | a  5  m: <sip:x@10.0.0.1>;expires=soon                 | bound x, 200 x=3600
        0s | 5060 | a  6  m: <sip:x@10.0.0.1>;expires=59                   | 423 min=60
        0s | 5060 | a  7  m: <sip:y@10.0.0.1>, <sip:x@10.0.0.1>;expires=1  | 423 min=60
        0s | 5060 | a  8                                                   | 200 x=3600
        0s | 5060 | a  9  m: <sip:x@10.0.0.1>  Expires: 0                  | unbound x Removed, 200
        ",
    );
}

#[test]
fn rfc3261_10_3_6_a_star_removes_everything() {
    check(
        "
        0s | 5060 | a  1  m: <sip:x@10.0.0.1>, <sip:y@10.0.0.2>   | bound x, bound y, 200 y=3600 x=3600
        0s | 5060 | b  1  m: *                                    | 400
        0s | 5060 | b  1  m: *  Expires: 60                       | 400
        0s | 5060 | b  1  m: *  m: <sip:x@10.0.0.1>  Expires: 0   | 400
        0s | 5060 | a  1  m: *  Expires: 0                        | 500
        0s | 5060 | a  2  m: *  Expires: 0                        | unbound x Removed, unbound y Removed, 200
        ",
    );
}

#[test]
fn rfc3261_10_3_7_within_a_call_id_only_a_higher_cseq_counts() {
    check(
        "
        0s | 5060 | a  7  m: <sip:x@10.0.0.1>             | bound x, 200 x=3600
        1s | 5060 | a  7  m: <sip:x@10.0.0.1>;expires=0   | 500
        1s | 5060 | a  6  m: <sip:x@10.0.0.1>;expires=0   | 500
        1s | 5060 | b  1  m: <sip:x@10.0.0.1>;expires=60  | bound x, 200 x=60
        1s | 5060 | b  2  m: <sip:z@10.0.0.1>             | bound z, 200 z=3600 x=60
        ",
    );
}

#[test]
fn rfc3261_10_2_1_2_the_preferred_contact_comes_first() {
    check(
        "
        0s | 5060 | a  1  m: <sip:x@10.0.0.1>;q=0.7  | bound x, 200 x=3600
        0s | 5060 | b  1  m: <sip:y@10.0.0.2>;q=0.2  | bound y, 200 x=3600 y=3600
        0s | 5060 | c  1  m: <sip:z@10.0.0.3>;q=0.7  | bound z, 200 z=3600 x=3600 y=3600
        ",
    );
}

#[test]
fn rfc5626_4_1_the_same_phone_with_another_contact_replaces_its_binding() {
    check(
        r#"
        0s | 5060 | a  1  m: <sip:x@10.0.0.1:1>;+sip.instance="<urn:uuid:1>"  | bound x, 200 x=3600
        0s | 5060 | b  1  m: <sip:y@10.0.0.1:2>;+sip.instance="<urn:uuid:1>"  | unbound x Replaced, bound y, 200 y=3600
        0s | 5060 | c  1  m: <sip:z@10.0.0.1:2>;+sip.instance="<urn:uuid:2>"  | bound z, 200 z=3600 y=3600
        "#,
    );
}

#[test]
fn what_is_no_sip_contact_is_refused() {
    check(
        "
        0s | 5060 | a  1  m: <mailto:x@example.com>  | 400
        0s | 5060 | a  1  m: <tel:+15551234>         | 400
        0s | 5060 | a  1  m: <sip:x@10.0.0.1         | 400
        ",
    );
    let long = format!("a  1  m: <sip:{}@10.0.0.1>", "x".repeat(600));
    assert_eq!(told(&bind(&mut Registrar::new(), &long, "10.0.0.1:5060", at(0))), "400");
}

#[test]
fn rfc3261_10_3_4_a_phone_registers_only_its_own_number() {
    let mut registrar = Registrar::new();
    let (request, from) = (register("5002", "a  1  m: <sip:x@10.0.0.1>"), flow("10.0.0.1:5060"));
    let mut out = Vec::new();
    registrar.handle(Input::Register { number: "5001", request: &request, from }, at(0), &mut out);
    assert_eq!(told(&out), "403");
    assert!(registrar.is_empty());
}

#[test]
fn requests_go_to_the_contact_only_where_the_register_came_from_its_host() {
    for (contact, wanted) in [
        ("sip:x@10.0.0.1:5070", "10.0.0.1:5070"),
        ("sip:x@10.0.0.1", "10.0.0.1:5060"),
        ("sip:x@192.168.1.9:5070", "10.0.0.1:40000"),
        ("sip:x@8.8.8.8", "10.0.0.1:40000"),
        ("sip:x@phone.invalid", "10.0.0.1:40000"),
    ] {
        let mut registrar = Registrar::new();
        bind(&mut registrar, &format!("a  1  m: <{contact}>"), "10.0.0.1:40000", at(0));
        assert_eq!(registrar.bindings("5001")[0].flow, flow(wanted), "{contact}");
    }
}

#[test]
fn the_oldest_of_too_many_phones_gives_way() {
    let mut registrar = Registrar::new();
    for phone in 0..CONTACTS_MAX {
        bind(&mut registrar, &format!("c{phone}  1  m: <sip:p{phone}@10.0.0.1>"), "10.0.0.1:5060", at(0));
    }
    bind(&mut registrar, "c0  2  m: <sip:p0@10.0.0.1>", "10.0.0.1:5060", at(1));
    let out = bind(&mut registrar, "new  1  m: <sip:new@10.0.0.1>", "10.0.0.1:5060", at(2));
    assert!(told(&out).starts_with("unbound p1 Replaced, bound new, 200 new=3600 p0=3599"), "{}", told(&out));
    assert_eq!(registrar.len(), CONTACTS_MAX);
    let eleven: Vec<_> = (0..11).map(|it| format!("<sip:q{it}@10.0.0.1>")).collect();
    let out = bind(&mut registrar, &format!("d  1  m: {}", eleven.join(", ")), "10.0.0.1:5060", at(3));
    assert_eq!(told(&out), "403");
}

#[test]
fn a_restart_keeps_what_has_not_lapsed() {
    let mut before = Registrar::new();
    let mut out = bind(&mut before, "a  3  m: <sip:x@10.0.0.1:5070;line=1>;q=0.5", "10.0.0.1:5060", at(0));
    out.extend(bind(&mut before, "b  1  m: <sip:y@10.0.0.1>;expires=60", "10.0.0.1:5060", at(0)));
    let saved: Vec<_> = out
        .iter()
        .filter_map(|it| match it {
            Output::Bound { number, binding } => binding.saved(number),
            _ => None,
        })
        .collect();
    let mut after = Registrar::new();
    let unreadable = Saved { remote: "nowhere".into(), ..saved[0].clone() };
    after.restore(&[saved[0].clone(), saved[1].clone(), unreadable], at(61));
    let kept: Vec<_> = after.iter().filter_map(|(number, it)| it.saved(number)).collect();
    assert_eq!(kept, saved[..1]);
    assert_eq!(told(&bind(&mut after, "a  3  m: <sip:x@10.0.0.1:5070;line=1>", "10.0.0.1:5060", at(62))), "500");
    assert_eq!(after.poll_timeout(), Some(at(3600)));
}

#[test]
fn a_forgotten_number_loses_its_phones() {
    let mut registrar = Registrar::new();
    bind(&mut registrar, "a  1  m: <sip:x@10.0.0.1>", "10.0.0.1:5060", at(0));
    let mut out = Vec::new();
    registrar.handle(Input::Forget("5001"), at(1), &mut out);
    assert_eq!(told(&out), "unbound x Forgotten");
    assert_eq!((registrar.poll_timeout(), registrar.is_registered("5001")), (None, false));
    out.clear();
    registrar.handle(Input::Closed(flow("10.0.0.1:5060")), at(1), &mut out);
    assert_eq!(told(&out), "");
}

#[test]
fn home_is_exactly_where_the_last_register_came_from() {
    let mut registrar = Registrar::new();
    bind(&mut registrar, "a  1  m: <sip:x@10.0.0.1:5060>;expires=60", "10.0.0.1:40000", at(0));
    assert!(registrar.is_home("5001", flow("10.0.0.1:40000")));
    for other in ["10.0.0.1:5060", "10.0.0.2:40000"] {
        assert!(!registrar.is_home("5001", flow(other)), "{other}");
    }
    assert!(!registrar.is_home("5001", Flow::tcp(flow("10.0.0.1:40000").remote)));
    assert!(!registrar.is_home("5002", flow("10.0.0.1:40000")));
    bind(&mut registrar, "a  2  m: <sip:x@10.0.0.1:5060>;expires=60", "10.0.0.1:40001", at(1));
    assert!(!registrar.is_home("5001", flow("10.0.0.1:40000")));
    registrar.handle(Input::Timeout, at(61), &mut Vec::new());
    assert!(!registrar.is_home("5001", flow("10.0.0.1:40001")));
}

//! The worked examples of RFC 7616 and RFC 2617, and what a server must not be talked into.

use super::*;
use crate::message::{Method, request, response_to};

const REALM: &str = "undertone.local";
const BOTH: [Hash; 2] = [Hash::Sha256, Hash::Md5];

fn at(ms: u64) -> Time {
    Time::from_unix_ms(1_000_000 + ms)
}

fn authenticator() -> Authenticator {
    Authenticator::new(REALM, [7; 32])
}

fn known(user: &str) -> Option<Ha1> {
    (user == "5001").then(|| Ha1::of("5001", REALM, "secret-5001"))
}

fn register() -> Request {
    request(Method::Register, uri("sip:undertone.local").expect("a URI"))
}

fn answer_to(challenges: &[String]) -> Response {
    let mut response = response_to(&register(), 401);
    for it in challenges {
        response.headers.add(HeaderName::WwwAuthenticate, it.as_str());
    }
    response
}

/// A request signed after a fresh challenge at `ms`.
fn signed(it: &mut Authenticator, user: &str, password: &str, ms: u64) -> (Signer, Request) {
    let mut signer = Signer::new(user, password);
    let challenge = answer_to(&it.offer(&BOTH, false, at(ms)));
    assert!(signer.challenged(&challenge, &register()));
    let mut request = register();
    signer.sign(&mut request, 1);
    (signer, request)
}

fn accepted() -> Verdict {
    Verdict::Accepted { user: "5001".into() }
}

fn rfc7616_3_9_1(algorithm: &str, response: &str) -> Given {
    Given::parse(&format!(
        r#"Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm},
           nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001,
           cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}",
           opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS""#
    ))
    .expect("credentials")
}

#[test]
fn rfc7616_3_9_1_worked_example() {
    let ha1 = Ha1::of("Mufasa", "http-auth@example.org", "Circle of Life");
    for (algorithm, response) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let given = rfc7616_3_9_1(algorithm, response);
        assert_eq!(given.expected(&ha1, "GET"), response);
        assert_eq!(given.response, response);
    }
}

#[test]
fn rfc2617_3_5_worked_example() {
    let given = Given::parse(
        r#"Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
           uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", response="", opaque="5ccc069c""#,
    )
    .expect("credentials");
    let ha1 = Ha1::of("Mufasa", "testrealm@host.com", "Circle Of Life");
    assert_eq!(given.expected(&ha1, "GET"), "6629fae49393a05397450978507c4ef1");
}

#[test]
fn rfc8760_2_3_both_algorithms_are_offered_the_better_first() {
    let Verdict::Challenge(it) = authenticator().check(&register(), known, at(0)) else { panic!("no challenge") };
    assert_eq!(it.len(), 2);
    assert!(it[0].contains("algorithm=SHA-256") && it[1].contains("algorithm=MD5"), "{it:?}");
    for challenge in &it {
        assert!(challenge.starts_with(r#"Digest realm="undertone.local", qop="auth", nonce=""#), "{challenge}");
        assert!(!challenge.contains("stale"), "{challenge}");
    }
}

#[test]
fn rfc3261_22_a_request_without_credentials_is_challenged_and_then_accepted() {
    let mut it = authenticator();
    let Verdict::Challenge(challenges) = it.check(&register(), known, at(0)) else { panic!("no challenge") };
    let mut signer = Signer::new("5001", "secret-5001");
    assert!(signer.challenged(&answer_to(&challenges), &register()));
    let mut second = register();
    signer.sign(&mut second, 99);
    assert!(second.text(&HeaderName::Authorization).expect("credentials").contains("algorithm=SHA-256"));
    assert_eq!(it.check(&second, known, at(10)), accepted());
}

#[test]
fn rfc8760_a_phone_that_knows_only_md5_is_accepted() {
    let mut it = authenticator();
    let challenges = it.offer(&BOTH, false, at(0));
    let mut signer = Signer::new("5001", "secret-5001");
    assert!(signer.challenged(&answer_to(&challenges[1..]), &register()));
    let mut request = register();
    signer.sign(&mut request, 1);
    assert_eq!(it.check(&request, known, at(0)), accepted());
}

#[test]
fn rfc7616_3_3_nonces_expire_and_say_stale() {
    let mut it = authenticator();
    let (mut signer, request) = signed(&mut it, "5001", "secret-5001", 0);
    let Verdict::Stale(challenges) = it.check(&request, known, at(300_001)) else { panic!("not stale") };
    assert!(challenges.iter().all(|it| it.ends_with("stale=true")), "{challenges:?}");
    assert!(signer.challenged(&answer_to(&challenges), &request), "a stale nonce is worth another try");
    let mut again = register();
    signer.sign(&mut again, 2);
    assert_eq!(it.check(&again, known, at(300_002)), accepted());
}

#[test]
fn rfc7616_5_12_a_count_is_accepted_once() {
    let mut it = authenticator();
    let (mut signer, first) = signed(&mut it, "5001", "secret-5001", 0);
    let mut second = register();
    signer.sign(&mut second, 2);
    assert_eq!(it.check(&second, known, at(1)), accepted());
    assert!(matches!(it.check(&second, known, at(2)), Verdict::Stale(_)), "replayed");
    assert!(matches!(it.check(&first, known, at(3)), Verdict::Stale(_)), "an older count");
}

#[test]
fn rfc2069_without_qop_a_nonce_is_good_for_one_request() {
    let mut it = authenticator();
    let challenge = it.offer(&BOTH, false, at(0))[1].replace(r#", qop="auth""#, "");
    let mut signer = Signer::new("5001", "secret-5001");
    assert!(signer.challenged(&answer_to(&[challenge]), &register()));
    let mut request = register();
    signer.sign(&mut request, 1);
    assert_eq!(it.check(&request, known, at(1)), accepted());
    assert!(matches!(it.check(&request, known, at(2)), Verdict::Stale(_)));
}

#[test]
fn nonces_of_others_and_of_an_earlier_start_are_stale() {
    let mut other = Authenticator::new(REALM, [8; 32]);
    let (_, request) = signed(&mut other, "5001", "secret-5001", 0);
    assert!(matches!(authenticator().check(&request, known, at(1)), Verdict::Stale(_)));
}

#[test]
fn wrong_passwords_and_unknown_users_look_the_same() {
    let mut it = authenticator();
    let (mut signer, request) = signed(&mut it, "5001", "guess", 0);
    assert_eq!(it.claimed(&request), Some("5001".into()));
    assert_eq!(it.check(&request, known, at(1)), Verdict::Wrong { user: "5001".into() });
    assert_eq!(it.check(&request, known, at(300_002)), Verdict::Wrong { user: "5001".into() }, "with an old nonce too");
    let refusal = answer_to(&it.offer(&BOTH, false, at(1)));
    assert!(!signer.challenged(&refusal, &request), "a second try with the same password is useless");
    let (_, request) = signed(&mut it, "5099", "secret-5001", 2);
    assert_eq!(it.check(&request, known, at(3)), Verdict::Wrong { user: "5099".into() });
    assert_eq!(it.claimed(&register()), None);
}

#[test]
fn rfc3261_22_4_credentials_for_another_uri_or_method_are_refused() {
    let mut it = authenticator();
    let (_, request) = signed(&mut it, "5001", "secret-5001", 0);
    let value = request.text(&HeaderName::Authorization).expect("credentials");
    let mut moved = crate::message::request(Method::Register, uri("sip:5002@undertone.local").expect("a URI"));
    moved.headers.put(HeaderName::Authorization, value.as_str());
    assert_eq!(it.check(&moved, known, at(1)), Verdict::Refused);
    let mut other = crate::message::request(Method::Invite, uri("sip:undertone.local").expect("a URI"));
    other.headers.put(HeaderName::Authorization, value.as_str());
    assert_eq!(it.check(&other, known, at(1)), Verdict::Wrong { user: "5001".into() });
    let mut with_port = crate::message::request(Method::Register, uri("sip:UNDERTONE.local:5060").expect("a URI"));
    with_port.headers.put(HeaderName::Authorization, value);
    assert_eq!(it.check(&with_port, known, at(1)), accepted());
}

#[test]
fn credentials_for_other_realms_and_schemes_are_passed_over() {
    let mut it = authenticator();
    let (_, mut request) = signed(&mut it, "5001", "secret-5001", 0);
    let ours = request.text(&HeaderName::Authorization).expect("credentials");
    request.headers.put(HeaderName::Authorization, "Basic NTAwMTpzZWNyZXQ=");
    request.headers.add(HeaderName::Authorization, ours.replace("undertone.local\", nonce", "elsewhere\", nonce"));
    assert!(matches!(it.check(&request, known, at(1)), Verdict::Challenge(_)));
    request.headers.add(HeaderName::Authorization, ours);
    assert_eq!(it.check(&request, known, at(1)), accepted());
}

#[test]
fn malformed_credentials_are_challenged() {
    for field in [
        "",
        "Digest",
        "Digest ,",
        r#"Digest username="5001"#,
        r#"Digest username="5001", realm="undertone.local""#,
        r#"Digest username="5001", username="5002", realm="undertone.local", nonce="", uri="sip:x", response="""#,
        r#"Digest username="5001", realm="undertone.local", nonce="", uri="sip:x", response="", qop=auth-int"#,
        r#"Digest username="5001", realm="undertone.local", nonce="", uri="sip:x", response="", qop=auth, nc=1"#,
        r#"Digest username="5001", realm="undertone.local", nonce="", uri="sip:x", response="", algorithm=MD4"#,
        "Digest a=\"\\",
    ] {
        let mut request = register();
        request.headers.put(HeaderName::Authorization, field);
        let verdict = authenticator().check(&request, known, at(0));
        assert!(matches!(verdict, Verdict::Challenge(_)), "{field}: {verdict:?}");
    }
}

#[test]
fn the_memory_of_nonces_is_bounded_and_forgetting_never_allows_a_replay() {
    let mut it = authenticator();
    let (_, first) = signed(&mut it, "5001", "secret-5001", 0);
    assert_eq!(it.check(&first, known, at(0)), accepted());
    let given = Given::parse(&first.text(&HeaderName::Authorization).expect("credentials")).expect("parsed");
    for serial in 0..NONCES_MAX as u64 {
        let nonce = it.nonce(NonceId { made: at(1), serial });
        let next = Given {
            nonce,
            user: String::new(),
            realm: String::new(),
            uri: String::new(),
            response: String::new(),
            hash: given.hash,
            protection: None,
        };
        assert!(it.use_up(&next, at(1)));
    }
    assert_eq!(it.counts.len(), NONCES_MAX);
    assert!(matches!(it.check(&first, known, at(2)), Verdict::Stale(_)));
    let (_, later) = signed(&mut it, "5001", "secret-5001", 600_000);
    assert_eq!(it.check(&later, known, at(600_000)), accepted());
    assert_eq!(it.counts.len(), 1, "expired nonces are dropped");
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?} {:?}", Ha1::of("a", "b", "c"), Signer::new("5001", "secret-5001"));
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.starts_with("Ha1(…)"), "{shown}");
}

#[test]
fn names_with_quotes_survive() {
    let mut it = authenticator();
    let (_, request) = signed(&mut it, r#"a"b\c"#, "x", 0);
    let verdict = it.check(&request, |user| (user == r#"a"b\c"#).then(|| Ha1::of(user, REALM, "x")), at(1));
    assert_eq!(verdict, Verdict::Accepted { user: r#"a"b\c"#.into() });
}

/// The algorithms that a phone is offered which asks again and again without credentials.
#[track_caller]
fn offered(it: &mut Authenticator, request: &Request, ms: u64) -> Vec<bool> {
    let Verdict::Challenge(values) = it.check(request, known, at(ms)) else { panic!("no challenge") };
    values.iter().map(|it| it.contains("algorithm=SHA-256")).collect()
}

#[test]
fn rfc8760_2_4_a_phone_that_gives_up_at_sha_256_is_offered_md5_alone() {
    let mut it = authenticator();
    for agent in ["baresip v1.0.0 (x86_64/linux)", "SIPp/3.6"] {
        let mut request = register();
        request.headers.put(HeaderName::UserAgent, agent);
        assert_eq!(offered(&mut it, &request, 0), [false], "{agent}");
    }
    let mut phone = register();
    phone.headers.put(HeaderName::From, "<sip:5001@undertone.local>;tag=1");
    phone.headers.put(HeaderName::Via, "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1");
    assert_eq!(offered(&mut it, &phone, 0), [true, false]);
    assert_eq!(offered(&mut it, &phone, 30_000), [false], "it did not understand");
    let mut other = register();
    other.headers.put(HeaderName::From, "<sip:5001@undertone.local>;tag=1");
    other.headers.put(HeaderName::Via, "SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK1");
    assert_eq!(offered(&mut it, &other, 30_000), [true, false]);
    assert_eq!(offered(&mut it, &phone, 200_000), [true, false], "that is long ago");
    let (_, mut request) = signed(&mut it, "5001", "secret-5001", 200_000);
    for name in [HeaderName::From, HeaderName::Via] {
        request.headers.put(name.clone(), phone.text(&name).expect("a field"));
    }
    assert_eq!(it.check(&request, known, at(200_001)), accepted());
    assert_eq!(offered(&mut it, &phone, 200_002), [true, false], "it did understand");
}

#[test]
fn a_stale_nonce_is_replaced_for_the_algorithm_in_use() {
    let mut it = authenticator();
    let md5 = it.offer(&[Hash::Md5], false, at(0));
    let mut signer = Signer::new("5001", "secret-5001");
    assert!(signer.challenged(&answer_to(&md5), &register()));
    let mut request = register();
    signer.sign(&mut request, 1);
    let Verdict::Stale(values) = it.check(&request, known, at(400_000)) else { panic!("not stale") };
    assert!(values.len() == 1 && values[0].contains("algorithm=MD5, stale=true"), "{values:?}");
}

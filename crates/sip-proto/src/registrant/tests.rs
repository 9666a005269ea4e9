//! Scripts for a registration of ours. A line is `time | what the registrar does | what follows`; timers run before it.

use super::*;
use crate::message::response_to;

fn check(script: &str) {
    let registrar = message::uri("sip:carrier.example").expect("a URI");
    let mut it = Registrant::new(&registrar, "acme", "secret", 1, START);
    it.set_contact("<sip:acme@10.0.0.100:5060>".to_owned());
    let mut sent: Option<Request> = None;
    for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let mut parts = line.split('|').map(str::trim);
        let (at, event, expected) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let at = START + Duration::from_secs_f64(at.trim_end_matches('s').parse().unwrap());
        let mut out = Vec::new();
        while let Some(next) = it.poll_timeout().filter(|it| *it <= at) {
            it.handle(Input::Timeout, next, &mut out);
            assert!(it.poll_timeout().is_none_or(|it| it > next), "a timer fires for ever");
        }
        let words: Vec<_> = event.split_whitespace().collect();
        let response = |code: u16, fields: &[(HeaderName, &str)]| {
            let mut response = response_to(sent.as_ref().expect("something was asked"), code);
            for (name, value) in fields {
                response.headers.add(name.clone(), *value);
            }
            response
        };
        let challenge = |nonce: &str| {
            response(
                401,
                &[
                    (
                        HeaderName::WwwAuthenticate,
                        &*format!(r#"Digest realm="r", nonce="{nonce}", qop="auth", algorithm=MD5"#),
                    ),
                    (
                        HeaderName::WwwAuthenticate,
                        &*format!(r#"Digest realm="r", nonce="{nonce}", qop="auth", algorithm=SHA-256"#),
                    ),
                ],
            )
        };
        let said = match words.as_slice() {
            ["wait"] => None,
            ["silent"] => Some(Err(Input::Unanswered { elsewhere: false })),
            ["silent", "elsewhere"] => Some(Err(Input::Unanswered { elsewhere: true })),
            ["lost"] => Some(Err(Input::Lost)),
            ["leave"] => Some(Err(Input::Leave)),
            ["200"] => Some(Ok(response(200, &[]))),
            ["200", seconds] => {
                let contact = format!("<sip:other@10.0.0.1>;expires=9, <sip:acme@10.0.0.100:5060>;expires={seconds}");
                Some(Ok(response(200, &[(HeaderName::Contact, &contact)])))
            }
            ["401", nonce] => Some(Ok(challenge(nonce))),
            ["423", min] => Some(Ok(response(423, &[(HeaderName::MinExpires, min)]))),
            [code, after] => Some(Ok(response(code.parse().unwrap(), &[(HeaderName::RetryAfter, after)]))),
            [code] => Some(Ok(response(code.parse().unwrap(), &[]))),
            _ => panic!("there is no event {event}"),
        };
        match &said {
            Some(Ok(response)) => it.handle(Input::Response(response), at, &mut out),
            Some(Err(input)) => it.handle(*input, at, &mut out),
            None => {}
        }
        let seen: Vec<_> = out.iter().map(shown).collect();
        assert_eq!(seen.join(", "), expected, "\nin the line: {line}");
        sent = out.into_iter().rev().find_map(|it| if let Output::Send(it) = it { Some(it) } else { None }).or(sent);
    }
}

fn shown(output: &Output) -> String {
    match output {
        Output::Send(request) => {
            let expires = request.text(&HeaderName::Expires).unwrap_or_default();
            let signed = request.text(&HeaderName::Authorization).unwrap_or_default();
            let part = |name: &str| {
                let value = signed.split(name).nth(1)?.split(',').next()?.trim_matches('"');
                Some(value.trim_start_matches('0').to_owned())
            };
            let proof = match (part("algorithm="), part("nonce="), part("nc=")) {
                (Some(algorithm), Some(nonce), Some(count)) => format!(" {algorithm} {nonce} {count}"),
                _ => String::new(),
            };
            format!("{} REGISTER {expires}{proof}", request.cseq().map_or(0, |it| it.sequence))
        }
        Output::Registered(seconds) => format!("registered {seconds}"),
        Output::Failed(Failure::Refused(code)) => format!("refused {code}"),
        Output::Failed(Failure::Unanswered) => "unanswered".to_owned(),
        Output::Left => "left".to_owned(),
    }
}

#[test]
fn rfc3261_10_2_registered_after_a_challenge_and_refreshed_in_time() {
    check(
        "
        0s    | wait     | 1 REGISTER 3600
        0s    | 401 a    | 2 REGISTER 3600 SHA-256 a 1
        0s    | 200 600  | registered 600
        479s  | wait     |
        480s  | wait     | 3 REGISTER 3600 SHA-256 a 2
        480s  | 200 60   | registered 60
        509s  | wait     |
        510s  | wait     | 4 REGISTER 3600 SHA-256 a 3
        510s  | 200      | registered 3600
        3389s | wait     |
        3390s | wait     | 5 REGISTER 3600 SHA-256 a 4
    ",
    );
}

#[test]
fn rfc7616_3_3_a_stale_nonce_is_replaced_and_a_wrong_password_is_not_tried_for_ever() {
    check(
        "
        0s    | wait     | 1 REGISTER 3600
        0s    | 401 a    | 2 REGISTER 3600 SHA-256 a 1
        0s    | 200 100  | registered 100
        60s   | wait     | 3 REGISTER 3600 SHA-256 a 2
        60s   | 401 b    | 4 REGISTER 3600 SHA-256 b 1
        60s   | 200 100  | registered 100
        120s  | wait     | 5 REGISTER 3600 SHA-256 b 2
        120s  | 401 c    | 6 REGISTER 3600 SHA-256 c 1
        120s  | 401 d    | refused 401
        149s  | wait     |
        180s  | wait     | 7 REGISTER 3600 SHA-256 c 2
        180s  | 403      | refused 403
        239s  | wait     |
        300s  | wait     | 8 REGISTER 3600 SHA-256 c 3
    ",
    );
}

#[test]
fn rfc3261_10_2_8_too_brief_an_interval_is_made_longer_once() {
    check(
        "
        0s    | wait      | 1 REGISTER 3600
        0s    | 423 7200  | 2 REGISTER 7200
        0s    | 423 7200  | refused 423
        4s    | wait      | 3 REGISTER 7200
        4s    | 423 999999 | refused 423
    ",
    );
}

#[test]
fn failures_are_further_and_further_apart_and_the_registrar_may_say_when() {
    check(
        "
        0s    | wait            | 1 REGISTER 3600
        32s   | silent          | unanswered
        33.9s | wait            |
        36s   | wait            | 2 REGISTER 3600
        36s   | 500             | refused 500
        39.9s | wait            |
        44s   | wait            | 3 REGISTER 3600
        44s   | 503 100         | refused 503
        143s  | wait            |
        160s  | wait            | 4 REGISTER 3600
        192s  | silent elsewhere | 5 REGISTER 3600
        192s  | 200             | registered 3600
        200s  | 200             |
    ",
    );
}

#[test]
fn rfc5626_4_2_2_a_lost_connection_is_registered_anew_and_the_end_waits_for_nobody() {
    check(
        "
        0s    | wait     | 1 REGISTER 3600
        0s    | 200      | registered 3600
        9s    | lost     |
        10s   | wait     | 2 REGISTER 3600
        10s   | 200      | registered 3600
        20s   | leave    | 3 REGISTER 0
        20s   | 401 a    | 4 REGISTER 0 SHA-256 a 1
        20s   | 200      | left
        9000s | wait     |
    ",
    );
    check(
        "
        0s    | wait     | 1 REGISTER 3600
        1s    | leave    | 2 REGISTER 0
        3.9s  | wait     |
        4s    | wait     | left
        4s    | 200      |
    ",
    );
    check(
        "
        0s    | wait     | 1 REGISTER 3600
        0s    | 500      | refused 500
        1s    | leave    | left
    ",
    );
}

const START: Time = Time::from_unix_ms(1_700_000_000_000);

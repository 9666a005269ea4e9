//! Requests of ours.

use super::*;

#[test]
fn rfc3261_17_1_1_2_an_invite_without_answer() {
    check(
        "
        0s   | send INVITE | > INVITE
        0.5s | wait        | > INVITE
        1.5s | wait        | > INVITE
        3.5s | wait        | > INVITE
        31s  | wait        | > INVITE x2
        32s  | wait        | > INVITE, unanswered
        33s  | < 200       |
    ",
    );
}

#[test]
fn rfc3261_17_1_1_2_an_invite_that_is_refused() {
    check(
        "
        0s   | send INVITE | > INVITE
        0.1s | < 100       | response 100
        9s   | < 180       | response 180
        50s  | < 486       | > ACK, response 486
        51s  | < 486       | > ACK
        99s  | < 486       |
    ",
    );
}

#[test]
fn rfc3261_13_2_2_4_every_2xx_is_acknowledged_as_often_as_it_comes() {
    check(
        "
        0s   | send INVITE | > INVITE
        0.1s | < 200       | response 200
        0.1s | ack         | > ACK
        0.6s | < 200       | > ACK
        0.7s | < 200 INVITE tag=fork | response 200
        0.7s | ack         | > ACK
        0.8s | < 200 INVITE tag=fork | > ACK
        0.9s | < 200       | > ACK
        33s  | < 200       |
    ",
    );
}

#[test]
fn rfc3261_17_1_2_2_other_requests() {
    check(
        "
        0s   | send OPTIONS  | > OPTIONS
        0.5s | wait          | > OPTIONS
        0.6s | < 100 OPTIONS | response 100
        9s   | wait          | > OPTIONS x2
        9.1s | < 200 OPTIONS | response 200
        9.2s | < 200 OPTIONS |
        20s  | wait          |
    ",
    );
    check(
        "
        0s   | send BYE      | > BYE
        32s  | wait          | > BYE x10, unanswered
    ",
    );
}

#[test]
fn rfc3261_9_1_cancel_before_and_after_a_provisional_response() {
    check(
        "
        0s   | send INVITE  | > INVITE
        0.1s | cancel       |
        0.2s | cancel       |
        0.3s | < 100        | response 100, > CANCEL
        0.4s | < 200 CANCEL |
        0.5s | < 487        | > ACK, response 487
    ",
    );
    check(
        "
        0s   | send INVITE  | > INVITE
        0.1s | < 180        | response 180
        0.2s | cancel       | > CANCEL
        0.3s | cancel       |
        0.7s | wait         | > CANCEL
        0.8s | < 481 CANCEL |
        33s  | wait         | unanswered
        34s  | < 487        |
    ",
    );
}

#[test]
fn rfc3261_9_1_nothing_to_cancel() {
    check(
        "
        0s   | send INVITE  | > INVITE
        0.1s | < 200        | response 200
        0.1s | cancel       |
        1s   | send BYE     | > BYE
        1.1s | cancel       |
        1.2s | < 200 BYE    | response 200
    ",
    );
    check(
        "
        0s   | send INVITE | > INVITE
        0.1s | cancel      |
        32s  | wait        | > INVITE x6, unanswered
    ",
    );
}

#[test]
fn a_response_that_was_not_meant_for_us() {
    check(
        "
        0s   | send OPTIONS          | > OPTIONS
        0.1s | < 200 OPTIONS twovias |
        0.2s | < 200 OPTIONS         | response 200
    ",
    );
}

#[test]
fn the_same_seed_says_the_same() {
    let said = |seed| {
        let mut endpoint = Endpoint::new(Config::new("h", ""), seed);
        let mut out = Vec::new();
        endpoint.send(ours("INVITE", ""), Flow::udp(([10, 0, 0, 1], 5060).into()), START, &mut out);
        format!("{out:?}{}", endpoint.token())
    };
    assert_eq!(said(1), said(1));
    assert_ne!(said(1), said(2));
}

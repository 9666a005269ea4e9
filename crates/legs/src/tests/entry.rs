//! What may come in at all.

use super::check;

#[test]
fn rfc3261_16_3_a_call_that_has_hopped_too_often() {
    check(
        "
        0s | 5001 invite 5002 hops=0 | 5001 < 483
        1s | 5001 invite 5002 hops=1 | 5001 < 100, in1 offered 5001 dials 5002
    ",
    );
}

#[test]
fn only_our_hosts_are_served() {
    check(
        "
        0s | 5001 invite 5002 host=elsewhere.example | 5001 < 404
        1s | 5001 invite 5002 host=10.0.0.7          | 5001 < 404
        2s | 5001 invite 5002 host=10.0.0.100        | 5001 < 100, in1 offered 5001 dials 5002
        3s | 5001 invite 5002 host=10.0.0.100:9999   | 5001 < 100, in2 offered 5001 dials 5002
        4s | 5001 invite 5002 host=UNDERTONE.local   | 5001 < 100, in3 offered 5001 dials 5002
    ",
    );
}

#[test]
fn what_was_dialled_is_unescaped() {
    check(
        "
        0s | 5001 invite %35002;phone-context=x | 5001 < 100, in1 offered 5001 dials 5002
        1s | 5001 invite *72                    | 5001 < 100, in2 offered 5001 dials *72
    ",
    );
}

#[test]
fn rfc3261_13_3_1_3_descriptions_that_cannot_be_used() {
    check(
        "
        0s | 5001 invite 5002 codecs=g729 | 5001 < 488
        1s | 5001 invite 5002 garbage     | 5001 < 488
        2s | 5001 invite 5002 text        | 5001 < 415
    ",
    );
}

#[test]
fn rfc3261_17_2_1_a_repeated_invite_is_one_call() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0.5s | 5001 again       | 5001 < 100
        0.6s | in1 ring         | 5001 < 180
        0.7s | 5001 again       | 5001 < 180
        1s   | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        1.1s | 5001 again       |
        1.2s | 5001 ack         | in1 confirmed
    ",
    );
}

#[test]
fn a_draining_server_takes_no_new_calls() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | 5001 ack         | in1 confirmed
        1s   | drain            |
        2s   | 5003 invite 5002 | 5003 < 503
        3s   | 5001 bye         | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
}

#[test]
fn requests_that_need_a_dialog_and_have_none() {
    check(
        "
        0s | 5001 bye    | 5001 < 481 BYE
        0s | 5001 ack    |
        0s | 5001 noise  |
    ",
    );
}

//! What happens inside a dialog that is up.

use super::check;

#[test]
fn rfc3264_8_4_hold_and_retrieve() {
    check(
        "
        0s   | 5001 invite 5002       | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer             | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | 5001 ack               | in1 confirmed
        5s   | 5001 reinvite sendonly | 5001 < 200 PCMU recvonly, in1 10.0.0.1:4000 Pcmu receives, in1 held
        5s   | 5001 ack               |
        6s   | 5001 reinvite inactive | 5001 < 200 PCMU inactive, in1 10.0.0.1:4000 Pcmu none
        6s   | 5001 ack               |
        7s   | 5001 reinvite          | 5001 < 200 PCMU, in1 10.0.0.1:4000 Pcmu both, in1 retrieved
        7s   | 5001 ack               |
        8s   | 5001 reinvite nulled   | 5001 < 200 PCMU recvonly, in1 0.0.0.0:4000 Pcmu receives, in1 held
        8s   | 5001 ack               |
        9s   | 5001 update            | 5001 < 200 UPDATE PCMU, in1 10.0.0.1:4000 Pcmu both, in1 retrieved
    ",
    );
}

#[test]
fn the_called_phone_holds_too() {
    check(
        "
        0s | out1 dial 5002         | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s| 5002 200               | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        2s | 5002 reinvite sendonly | 5002 < 200 PCMU recvonly, out1 10.0.0.2:4000 Pcmu receives, out1 held
        2s | 5002 ack               |
        3s | 5002 reinvite          | 5002 < 200 PCMU, out1 10.0.0.2:4000 Pcmu both, out1 retrieved
        3s | 5002 ack               |
    ",
    );
}

#[test]
fn a_call_may_begin_on_hold() {
    check(
        "
        0s   | 5001 invite 5002 sendonly | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer                | in1 open, in1 10.0.0.1:4000 Pcmu receives, 5001 < 200 PCMU recvonly
        0.1s | 5001 ack                  | in1 held, in1 confirmed
    ",
    );
    check(
        "
        0s | out1 dial 5002    | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s| 5002 200 inactive | 5002 < ACK, out1 10.0.0.2:4000 Pcmu none, out1 held, out1 answered
    ",
    );
}

#[test]
fn rfc3264_8_3_1_a_peer_moves_its_media() {
    check(
        "
        0s | out1 dial 5002          | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s| 5002 200                | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        2s | 5002 reinvite port=5555 | 5002 < 200 PCMU, out1 10.0.0.2:5555 Pcmu both
        2s | 5002 ack                |
    ",
    );
}

#[test]
fn rfc3261_14_2_a_reinvite_that_fails_changes_nothing() {
    check(
        "
        0s | out1 dial 5002              | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s| 5002 200                    | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        2s | 5002 reinvite codecs=g729   | 5002 < 488
        3s | 5002 reinvite garbage       | 5002 < 488
        4s | 5002 reinvite text          | 5002 < 415
        5s | 5002 bye                    | 5002 < 200 BYE, out1 close, out1 ended HungUp
    ",
    );
}

#[test]
fn rfc3261_14_2_an_offerless_reinvite_gets_our_offer() {
    check(
        "
        0s   | out1 dial 5002          | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s | 5002 200                | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        2s   | 5002 reinvite offerless | 5002 < 200 PCMU+PCMA
        2.1s | 5002 ack inactive       | out1 10.0.0.2:4000 Pcmu none, out1 held
    ",
    );
}

#[test]
fn rfc3261_14_1_glare_while_our_offer_is_open() {
    check(
        "
        0s   | out1 dial 5002          | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s | 5002 200                | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        2s   | 5002 reinvite offerless | 5002 < 200 PCMU+PCMA
        2.1s | 5002 update             | 5002 < 491 UPDATE
        2.2s | 5002 reinvite           | 5002 < 491
    ",
    );
}

#[test]
fn rfc3261_14_2_a_reinvite_before_the_first_is_answered() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring         | 5001 < 180
        0.1s | 5001 reinvite    | 5001 < 500
        0.3s | 5001 update      | 5001 < 500 UPDATE
        0.4s | 5001 update empty| 5001 < 200 UPDATE
    ",
    );
}

#[test]
fn a_new_reinvite_shows_that_our_200_has_arrived() {
    check("
        0s   | 5001 invite 5002       | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer             | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | 5001 reinvite sendonly | 5001 < 200 PCMU recvonly, in1 confirmed, in1 10.0.0.1:4000 Pcmu receives, in1 held
        0.2s | 5001 ack               |
        9s   | wait                   |
    ");
}

#[test]
fn rfc3261_15_1_2_bye_in_every_stage() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring         | 5001 < 180
        0.1s | 5001 bye         | 5001 < 200 BYE, 5001 < 487, in1 ended Cancelled
    ",
    );
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | 5001 bye         | 5001 < 200 BYE, in1 close, in1 ended HungUp
        0.2s | 5001 again       | 5001 < 200 BYE
        0.3s | 5001 bye         | 5001 < 481 BYE
        9s   | wait             |
    ",
    );
}

#[test]
fn rfc3261_12_2_2_requests_out_of_order_or_out_of_the_dialog() {
    check(
        "
        0s   | 5001 invite 5002      | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer            | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | 5001 ack              | in1 confirmed
        0.2s | 5001 options          | 5001 < 200 OPTIONS
        0.3s | 5001 bye old          | 5001 < 500 BYE
        0.4s | 5001 bye wrongtag     | 5001 < 481 BYE
        0.5s | 5001 reinvite wrongtag| 5001 < 481
        0.6s | 5001 info             | 5001 < 405 INFO
        0.7s | 5001 bye              | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
}

#[test]
fn v_08_a_silent_leg_is_asked_whether_it_is_there() {
    check(
        "
        0s   | out1 dial 5003 | out1 open, 5003 < INVITE PCMU+PCMA
        0.3s | 5003 200       | 5003 < ACK, out1 10.0.0.3:4000 Pcmu both, out1 answered
        31s  | silent out1    | 5003 < OPTIONS
        31s  | silent out1    |
        31s  | 5003 ok        |
        61s  | silent out1    | 5003 < OPTIONS
        61s  | 5003 gone      | 5003 < BYE, out1 close, out1 ended Gone
    ",
    );
    check(
        "
        0s   | out1 dial 5003 | out1 open, 5003 < INVITE PCMU+PCMA
        0.3s | 5003 200       | 5003 < ACK, out1 10.0.0.3:4000 Pcmu both, out1 answered
        31s  | silent out1    | 5003 < OPTIONS
        62s  | wait           | 5003 < OPTIONS x9
        63s  | wait           | 5003 < OPTIONS, 5003 < BYE, out1 close, out1 ended Gone
        99s  | wait           | 5003 < BYE x10
    ",
    );
}

#[test]
fn what_comes_from_elsewhere_counts_only_with_proof() {
    check(
        "
        0s   | 5001 invite 5002       | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer             | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | 5001 ack               | in1 confirmed
        1s   | elsewhere 5001 bye     | 5001 < 401 BYE SHA-256 MD5
        1s   | elsewhere 5001 reinvite sendonly | 5001 < 401 MD5
        1s   | elsewhere 5001 update  | 5001 < 401 UPDATE MD5
        2s   | 5001 options           | 5001 < 200 OPTIONS
        3s   | elsewhere 5001 bye signed | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
    check(
        "
        0s   | 5001 invite 5002       | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring               | 5001 < 180
        0s   | elsewhere 5001 cancel  | 5001 < 481 CANCEL
        0s   | 5001 cancel            | 5001 < 200 CANCEL, 5001 < 487, in1 ended Cancelled
        0s   | 5001 ack               |
    ",
    );
}

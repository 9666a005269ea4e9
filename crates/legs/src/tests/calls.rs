//! Two legs of a call, and the ways in which a call does not come about.

use super::check;

#[test]
fn a_device_calls_a_device() {
    check(
        "
        0s   | 5001 invite 5002       | 5001 < 100, in1 offered 5001 dials 5002
        0s   | out1 dial 5002 in1     | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s | 5002 100               |
        0.1s | 5002 180               | out1 ringing
        0.1s | in1 ring               | 5001 < 180
        2s   | 5002 200 codecs=pcma   | 5002 < ACK, out1 10.0.0.2:4000 Pcma both, out1 answered
        2s   | in1 answer out1        | in1 open, in1 10.0.0.1:4000 Pcma both, 5001 < 200 PCMA
        2.1s | 5001 ack               | in1 confirmed
        9s   | 5001 bye               | 5001 < 200 BYE, in1 close, in1 ended HungUp
        9s   | out1 end hungup        | 5002 < BYE, out1 close, out1 ended HungUp
        9.1s | 5002 ok                |
        99s  | wait                   |
    ",
    );
}

#[test]
fn the_caller_is_answered_with_the_codec_of_the_callee() {
    check(
        "
        0s | 5001 invite 5002 codecs=pcma,pcmu | 5001 < 100, in1 offered 5001 dials 5002
        0s | out1 dial 5002 in1                | out1 open, 5002 < INVITE PCMA+PCMU
        0.3s| 5002 200                          | 5002 < ACK, out1 10.0.0.2:4000 Pcma both, out1 answered
        1s | in1 answer out1                   | in1 open, in1 10.0.0.1:4000 Pcma both, 5001 < 200 PCMA
    ",
    );
}

#[test]
fn early_media_reaches_the_caller_and_the_200_repeats_it() {
    check(
        "
        0s | 5001 invite 5002         | 5001 < 100, in1 offered 5001 dials 5002
        0s | out1 dial 5002 in1       | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s| 5002 183 sdp codecs=pcma | out1 10.0.0.2:4000 Pcma both, out1 earlymedia
        1s | in1 progress out1        | in1 open, in1 10.0.0.1:4000 Pcma both, 5001 < 183 PCMA
        2s | 5002 183 sdp codecs=pcma |
        3s | 5002 200 empty           | 5002 < ACK, out1 answered
        3s | in1 answer out1          | 5001 < 200 PCMA
        3s | 5001 ack                 | in1 confirmed
    ",
    );
}

#[test]
fn rfc3261_13_2_1_an_offerless_invite_gets_our_offer_and_answers_in_the_ack() {
    check(
        "
        0s   | 5001 invite 5002 offerless | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 progress out9          | 5001 < 180
        1s   | in1 answer                 | in1 open, 5001 < 200 PCMU+PCMA
        1.1s | 5001 ack codecs=pcma       | in1 10.0.0.1:4000 Pcma both, in1 confirmed
    ",
    );
    check(
        "
        0s   | 5001 invite 5002 offerless | 5001 < 100, in1 offered 5001 dials 5002
        1s   | in1 answer                 | in1 open, 5001 < 200 PCMU+PCMA
        1.1s | 5001 ack                   | 5001 < BYE, in1 close, in1 ended NotAcceptable
    ",
    );
}

#[test]
fn rfc3261_9_2_a_caller_cancels_before_anything_else_happened() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0.1s | 5001 cancel      | 5001 < 200 CANCEL, 5001 < 487, in1 ended Cancelled
        0.2s | 5001 cancel      | 5001 < 200 CANCEL
        0.3s | in1 answer       |
        50s  | wait             |
    ",
    );
}

#[test]
fn rfc3261_9_2_a_cancel_that_crosses_our_200_changes_nothing() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        1s   | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        1.1s | 5001 cancel      | 5001 < 200 CANCEL
        1.2s | 5001 ack         | in1 confirmed
        1.3s | 5001 bye         | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
}

#[test]
fn rfc3261_9_1_a_cancel_waits_for_a_provisional_response() {
    check(
        "
        0s   | out1 dial 5002         | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s | out1 end cancelled     | out1 close, out1 ended Cancelled
        0.2s | out1 end cancelled     |
        0.3s | 5002 100               | 5002 < CANCEL
        0.4s | 5002 ok                |
        0.4s | 5002 487               | 5002 < ACK
        0.5s | 5002 487               | 5002 < ACK
        99s  | wait                   |
    ",
    );
}

#[test]
fn e_16_the_200_crosses_our_cancel() {
    check(
        "
        0s   | out1 dial 5002     | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s | 5002 180           | out1 ringing
        2s   | out1 end cancelled | 5002 < CANCEL, out1 close, out1 ended Cancelled
        2s   | 5002 200           | 5002 < ACK, 5002 < BYE
        2.1s | 5002 ok            |
        2.2s | 5002 200           | 5002 < ACK
    ",
    );
}

#[test]
fn rfc3261_13_3_1_4_our_200_is_repeated_until_its_ack() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.4s | wait             |
        0.5s | wait             | 5001 < 200 PCMU
        1.5s | wait             | 5001 < 200 PCMU
        3.6s | 5001 ack         | 5001 < 200 PCMU, in1 confirmed
        3.7s | 5001 again       |
        99s  | wait             |
    ",
    );
}

#[test]
fn rfc3261_13_3_1_4_no_ack_at_all_ends_the_leg() {
    check(
        "
        0s  | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s  | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        33s | wait             | 5001 < 200 PCMU x10, 5001 < BYE, in1 close, in1 ended Gone, 5001 < BYE
        34s | in1 end hungup   | 5001 < BYE
    ",
    );
}

#[test]
fn rfc3261_15_no_bye_before_the_ack_to_our_200() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | in1 end hungup   | in1 close, in1 ended HungUp
        0.2s | 5001 ack         | 5001 < BYE
        0.3s | 5001 ok          |
    ",
    );
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | in1 end hungup   | in1 close, in1 ended HungUp
        33s  | wait             | 5001 < 200 PCMU x10, 5001 < BYE x2
    ",
    );
}

#[test]
fn an_unanswered_caller_is_refused_with_the_cause() {
    for (cause, status) in [
        ("Busy", 486),
        ("Declined", 603),
        ("NoAnswer", 480),
        ("Unavailable", 480),
        ("NotFound", 404),
        ("Forbidden", 403),
        ("NotAcceptable", 488),
        ("Overload", 503),
    ] {
        check(&format!(
            "
            0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
            0s   | in1 end {cause}  | 5001 < {status}, in1 ended {cause}
            9s   | wait             |
        "
        ));
    }
}

#[test]
fn rfc3261_17_2_1_a_refusal_is_repeated_until_its_ack() {
    check(
        "
        0s   | 5001 mute        |
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 end busy     | 5001 < 486, in1 ended Busy
        1.6s | wait             | 5001 < 486 x2
        9s   | wait             | 5001 < 486 x2
        99s  | wait             | 5001 < 486 x6
    ",
    );
}

#[test]
fn a_failed_call_tells_its_cause() {
    for (status, cause) in [
        (302, "Redirected"),
        (401, "Forbidden"),
        (403, "Forbidden"),
        (404, "NotFound"),
        (408, "NoAnswer"),
        (480, "Unavailable"),
        (484, "NotFound"),
        (486, "Busy"),
        (488, "NotAcceptable"),
        (500, "Unavailable"),
        (503, "Unavailable"),
        (600, "Busy"),
        (603, "Declined"),
        (604, "NotFound"),
    ] {
        check(&format!(
            "
            0s   | out1 dial 5002 | out1 open, 5002 < INVITE PCMU+PCMA
            0.3s | 5002 {status}  | 5002 < ACK, out1 close, out1 ended {cause}
            1.1s | 5002 {status}  | 5002 < ACK
            1.2s | out1 end busy  |
        "
        ));
    }
}

#[test]
fn rfc3261_17_1_1_2_a_phone_that_says_nothing() {
    check(
        "
        0s    | out1 dial 5002 | out1 open, 5002 < INVITE PCMU+PCMA
        0.5s  | wait           | 5002 < INVITE PCMU+PCMA
        31.9s | wait           | 5002 < INVITE PCMU+PCMA x5
        32s   | wait           | out1 close, out1 ended Unavailable
        33s   | 5002 200       |
    ",
    );
}

#[test]
fn a_device_without_contact_and_a_trunk_that_is_none() {
    check(
        "
        0s | out1 dial 5004           | out1 ended Unavailable
        0s | out2 dial 0800@nobody    | out2 ended Unavailable
        0s | out3 dial 0800@carrier   | out3 open, 10.0.9.1:5060 < …
    ",
    );
}

#[test]
fn without_a_port_there_is_no_call() {
    check(
        "
        0s | no ports         |
        0s | out1 dial 5002   | out1 ended Overload
        0s | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s | in1 answer       | 5001 < 503, in1 ended Overload
    ",
    );
}

#[test]
fn v_07_a_redirection_is_not_followed() {
    check(
        "
        0s | out1 dial 5003 auto | out1 open, 5003 < INVITE PCMU+PCMA
        0.3s| 5003 302            | 5003 < ACK, out1 close, out1 ended Redirected
    ",
    );
}

#[test]
fn an_answer_without_a_codec_in_common_is_acknowledged_and_ended() {
    check(
        "
        0s | out1 dial 5002        | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s| 5002 200 codecs=g729  | 5002 < ACK, 5002 < BYE, out1 close, out1 ended NotAcceptable
        0.3s | 5002 ok | 
        2s | 5002 200 codecs=g729  | 5002 < ACK
    ",
    );
}

#[test]
fn rfc3261_13_2_2_4_a_second_fork_that_answers_is_hung_up() {
    check(
        "
        0s   | out1 dial 5002   | out1 open, 5002 < INVITE PCMU+PCMA
        0.3s | 5002 200         | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        1.1s | 5002 200         | 5002 < ACK
        1.2s | 5002 200 fork=b  | 5002 < ACK, 5002 < BYE
        1.3s | 5002 200 fork=b  | 5002 < ACK
    ",
    );
}

#[test]
fn a_sendonly_offer_is_never_listened_to() {
    check(
        "
        0s | out1 dial 5003 auto sendonly | out1 open, 5003 < INVITE PCMU+PCMA sendonly
        0.3s| 5003 200 recvonly            | 5003 < ACK, out1 10.0.0.3:4000 Pcmu sends, out1 answered
        2s | 5003 reinvite sendrecv       | 5003 < 200 PCMU sendonly
    ",
    );
}

#[test]
fn late_and_foreign_orders_do_nothing() {
    check(
        "
        0s | out1 end hungup  |
        0s | in5 answer       |
        0s | in5 ring         |
        0s | out1 dial 5002   | out1 open, 5002 < INVITE PCMU+PCMA
        0s | out1 dial 5002   |
        0s | out1 answer      |
        0s | out1 ring        |
        0s | silent out1      |
        0s | silent out7      |
        0.1s | 5002 200         | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        1s | out1 answer      |
        1s | out1 progress in1|
    ",
    );
}

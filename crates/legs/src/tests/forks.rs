//! Several phones of one number, and several answers to one INVITE.

use super::check;

#[test]
fn every_phone_of_a_number_rings_and_one_answer_wins() {
    check(
        "
        0s   | 5001 invite 5005  | 5001 < 100, in1 offered 5001 dials 5005
        0s   | out1 dial 5005 in1| out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 180          | out1 ringing
        0.2s | soft 180          |
        2s   | soft 200          | soft < ACK, desk < CANCEL elsewhere, out1 10.0.0.4:4000 Pcmu both, out1 answered
        2.1s | desk ok           |
        2.1s | desk 487          | desk < ACK
        3s   | soft reinvite sendonly | soft < 200 PCMU recvonly, out1 10.0.0.4:4000 Pcmu receives, out1 held
        3.1s | soft ack          |
        9s   | out1 end hungup   | soft < BYE, out1 close, out1 ended HungUp
        9.1s | soft ok           |
        99s  | wait              |
    ",
    );
}

#[test]
fn a_supervisors_phones_are_asked_to_answer_together() {
    check(
        "
        0s   | out1 dial 5005 auto | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | soft 100            |
        0.1s | desk 200            | desk < ACK, soft < CANCEL elsewhere, out1 10.0.0.5:4000 Pcmu both, out1 answered
    ",
    );
}

#[test]
fn rfc3261_13_2_2_4_two_phones_answer_at_the_same_moment() {
    check(
        "
        0s   | out1 dial 5005 | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 180       | out1 ringing
        0.1s | soft 180       |
        2s   | desk 200       | desk < ACK, soft < CANCEL elsewhere, out1 10.0.0.5:4000 Pcmu both, out1 answered
        2s   | soft ok        |
        2s   | soft 200       | soft < ACK, soft < BYE
        2.1s | soft ok        |
        2.2s | soft 200       | soft < ACK
        2.3s | soft 180       |
        2.4s | desk 180       |
        9s   | desk bye       | desk < 200 BYE, out1 close, out1 ended HungUp
    ",
    );
}

#[test]
fn rfc3261_16_7_the_best_of_several_refusals() {
    for (first, second, cause) in [
        (486, 480, "Busy"),
        (480, 486, "Busy"),
        (503, 486, "Busy"),
        (408, 404, "NotFound"),
        (500, 480, "Unavailable"),
        (486, 302, "Redirected"),
        (480, 484, "NotFound"),
        (415, 486, "NotAcceptable"),
    ] {
        check(&format!(
            "
            0s   | out1 dial 5005 | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
            0.1s | desk 180       | out1 ringing
            0.3s | desk {first}   | desk < ACK
            0.4s | soft {second}  | soft < ACK, out1 close, out1 ended {cause}
        "
        ));
    }
}

#[test]
fn rfc3261_16_7_a_6xx_speaks_for_every_phone() {
    for (status, cause) in [(600, "Busy"), (603, "Declined"), (604, "NotFound")] {
        check(&format!(
            "
            0s   | out1 dial 5005 | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
            0.1s | soft 180       | out1 ringing
            0.3s | desk {status}  | desk < ACK, soft < CANCEL, out1 close, out1 ended {cause}
            0.4s | soft 200       | soft < ACK, soft < BYE
        "
        ));
    }
}

#[test]
fn one_phone_refuses_and_the_other_answers() {
    check(
        "
        0s   | out1 dial 5005 | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 486       | desk < ACK
        0.2s | soft 180       | out1 ringing
        5s   | soft 200       | soft < ACK, out1 10.0.0.4:4000 Pcmu both, out1 answered
    ",
    );
}

#[test]
fn one_phone_is_silent_and_the_other_refuses() {
    check(
        "
        0s   | out1 dial 5005 | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 486       | desk < ACK
        31s  | wait           | soft < INVITE PCMU+PCMA x5
        33s  | wait           | soft < INVITE PCMU+PCMA, out1 close, out1 ended Busy
    ",
    );
}

#[test]
fn everybody_is_cancelled_when_the_caller_gives_up() {
    check(
        "
        0s   | out1 dial 5005     | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 180           | out1 ringing
        0.4s | out1 end cancelled | desk < CANCEL, out1 close, out1 ended Cancelled
        0.4s | soft 180           | soft < CANCEL
        0.4s | soft 183 sdp       |
        0.4s | soft 200           | soft < ACK, soft < BYE
        0.4s | desk 487           | desk < ACK
        0.4s | desk 180           |
    ",
    );
}

#[test]
fn early_media_of_one_phone_only() {
    check(
        "
        0s   | out1 dial 5005 | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 183 sdp   | out1 10.0.0.5:4000 Pcmu both, out1 earlymedia
        0.2s | soft 183 sdp   |
        0.3s | soft 180       |
        0.4s | desk 486       | desk < ACK
        0.5s | soft 183 sdp   | out1 10.0.0.4:4000 Pcmu both
        2s   | soft 200 empty | soft < ACK, out1 answered
    ",
    );
    check(
        "
        0s   | out1 dial 5005           | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 183 sdp             | out1 10.0.0.5:4000 Pcmu both, out1 earlymedia
        0.2s | soft 183 sdp codecs=pcma |
        2s   | soft 200 empty           | soft < ACK, desk < CANCEL elsewhere, out1 10.0.0.4:4000 Pcma both, out1 answered
    ",
    );
}

#[test]
fn rfc3261_12_1_forks_beyond_one_phone_are_early_dialogs_of_their_own() {
    check(
        "
        0s   | out1 dial 5002        | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s | 5002 180 fork=a       | out1 ringing
        0.2s | 5002 180 fork=b       |
        0.3s | 5002 183 sdp fork=a   | out1 10.0.0.2:4000 Pcmu both, out1 earlymedia
        0.4s | 5002 200 fork=b empty | 5002 < ACK, 5002 < BYE, out1 close, out1 ended NotAcceptable
    ",
    );
}

#[test]
fn rfc3311_5_2_an_update_of_the_phone_that_rings() {
    check(
        "
        0s   | out1 dial 5005    | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 180          | out1 ringing
        0.1s | soft 180          |
        0.2s | desk update       | desk < 491 UPDATE
        0.3s | desk update empty | desk < 200 UPDATE
        0.4s | desk bye          | desk < 481 BYE
        2s   | soft 200          | soft < ACK, desk < CANCEL elsewhere, out1 10.0.0.4:4000 Pcmu both, out1 answered
        2.1s | desk update empty | desk < 481 UPDATE
    ",
    );
}

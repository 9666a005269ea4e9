//! Reliable provisional responses (RFC 3262), and what may be described in early dialogs (RFC 3311).

use super::check;

#[test]
fn rfc3262_3_a_caller_who_demands_it_gets_reliable_responses() {
    check(
        "
        0s   | 5001 invite 5002 require=100rel | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring    | 5001 < 180 require=100rel
        0.4s | wait        |
        0.6s | wait        | 5001 < 180 require=100rel
        1.6s | wait        | 5001 < 180 require=100rel
        1.7s | 5001 prack wrong | 5001 < 481 PRACK
        1.8s | 5001 prack  | 5001 < 200 PRACK
        1.9s | 5001 prack  | 5001 < 481 PRACK
        9s   | in1 answer  | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        9s   | 5001 ack    | in1 confirmed
        9.1s | 5001 bye    | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
}

#[test]
fn rfc3262_3_who_only_supports_it_gets_ordinary_responses() {
    check(
        "
        0s   | 5001 invite 5002 supported=100rel | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring    | 5001 < 180
        9s   | wait        |
        9s   | 5001 prack  | 5001 < 481 PRACK
    ",
    );
}

#[test]
fn rfc3262_3_without_prack_the_caller_is_refused_after_64_t1() {
    check(
        "
        0s    | 5001 invite 5002 require=100rel | 5001 < 100, in1 offered 5001 dials 5002
        0s    | in1 ring    | 5001 < 180 require=100rel
        31.9s | wait        | 5001 < 180 require=100rel x6
        32.1s | wait        | 5001 < 500, in1 ended Gone
        40s   | in1 answer  |
    ",
    );
}

#[test]
fn rfc3262_3_one_at_a_time_and_no_200_overtakes_a_description() {
    check(
        "
        0s   | out1 dial 5003 | out1 open, 5003 < INVITE PCMU+PCMA
        0s   | 5003 183 sdp   | out1 10.0.0.3:4000 Pcmu both, out1 earlymedia
        0s   | 5001 invite 5002 require=100rel | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring          | 5001 < 180 require=100rel
        0s   | in1 progress out1 |
        0.1s | 5001 prack        | 5001 < 200 PRACK, in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 183 PCMU require=100rel
        0.2s | in1 answer out1   |
        0.2s | in1 ring          |
        0.3s | 5001 prack        | 5001 < 200 PRACK, 5001 < 200
        0.4s | 5001 ack          | in1 confirmed
    ",
    );
    check(
        "
        0s   | 5001 invite 5002 require=100rel | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring     | 5001 < 180 require=100rel
        0.1s | in1 answer   | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.2s | 5001 prack   | 5001 < 200 PRACK
        0.3s | 5001 ack     | in1 confirmed
    ",
    );
}

#[test]
fn rfc3262_5_without_an_offer_ours_goes_out_with_the_first_of_them() {
    check(
        "
        0s   | 5001 invite 5002 require=100rel offerless | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring     | in1 open, 5001 < 180 PCMU+PCMA require=100rel
        0.1s | 5001 update  | 5001 < 491 UPDATE
        0.2s | in1 answer   |
        0.3s | 5001 prack sdp codecs=pcma | in1 10.0.0.1:4000 Pcma both, 5001 < 200 PRACK, 5001 < 200
        0.4s | 5001 ack     | in1 confirmed
    ",
    );
    check(
        "
        0s   | 5001 invite 5002 require=100rel offerless | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring     | in1 open, 5001 < 180 PCMU+PCMA require=100rel
        0.3s | 5001 prack   | 5001 < 200 PRACK
        0.4s | in1 answer   | 5001 < 488, in1 close, in1 ended NotAcceptable
    ",
    );
}

#[test]
fn rfc3311_5_2_a_caller_changes_its_description_before_the_answer() {
    check(
        "
        0s   | out1 dial 5003 | out1 open, 5003 < INVITE PCMU+PCMA
        0s   | 5003 183 sdp   | out1 10.0.0.3:4000 Pcmu both, out1 earlymedia
        0s   | 5001 invite 5002 require=100rel | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 progress out1 | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 183 PCMU require=100rel
        0.1s | 5001 prack sdp port=4002 | in1 10.0.0.1:4002 Pcmu both, 5001 < 200 PRACK PCMU
        0.2s | 5001 update port=4004    | 5001 < 200 UPDATE PCMU, in1 10.0.0.1:4004 Pcmu both
        0.2s | 5001 update sendonly     | 5001 < 200 UPDATE PCMU recvonly, in1 10.0.0.1:4000 Pcmu receives
        0.3s | in1 answer out1   | 5001 < 200
        0.4s | 5001 ack          | in1 held, in1 confirmed
    ",
    );
}

#[test]
fn rfc3262_4_a_reliable_response_gets_its_prack_once_and_in_order() {
    check(
        "
        0s   | out1 dial 5002   | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s | 5002 180 require=100rel rseq=7     | 5002 < PRACK, out1 ringing
        0.1s | 5002 ok          |
        0.2s | 5002 180 require=100rel rseq=7     |
        0.2s | 5002 183 sdp require=100rel rseq=9 |
        0.3s | 5002 183 sdp require=100rel rseq=8 | 5002 < PRACK, out1 10.0.0.2:4000 Pcmu both, out1 earlymedia
        0.3s | 5002 ok          |
        0.4s | 5002 180 require=100rel rseq=1 fork=b | 5002 < PRACK
        0.4s | 5002 ok          |
        0.5s | 5002 200 empty   | 5002 < ACK, out1 answered
        0.6s | 5002 183 sdp require=100rel rseq=9 |
        9s   | out1 end hungup  | 5002 < BYE, out1 close, out1 ended HungUp
    ",
    );
}

#[test]
fn rfc3262_4_forks_and_branches_are_acknowledged_each_for_itself() {
    check(
        "
        0s   | out1 dial 5005   | out1 open, desk < INVITE PCMU+PCMA, soft < INVITE PCMU+PCMA
        0.1s | desk 183 sdp require=100rel rseq=1 | desk < PRACK, out1 10.0.0.5:4000 Pcmu both, out1 earlymedia
        0.1s | desk ok          |
        0.1s | soft 183 sdp require=100rel rseq=1 | soft < PRACK
        0.1s | soft ok          |
        0.2s | desk update port=4002 | desk < 200 UPDATE PCMU, out1 10.0.0.5:4002 Pcmu both
        0.3s | soft update codecs=pcma | soft < 200 UPDATE PCMA
        0.4s | soft 200 empty   | soft < ACK, desk < CANCEL elsewhere, out1 10.0.0.4:4000 Pcma both, out1 answered
        0.4s | desk ok          |
        0.4s | desk 200 empty   | desk < ACK, desk < BYE
        0.4s | desk ok          |
        2s   | soft bye         | soft < 200 BYE, out1 close, out1 ended HungUp
    ",
    );
}

#[test]
fn a_caller_who_demands_it_gives_up() {
    check(
        "
        0s   | 5001 invite 5002 require=100rel | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring    | 5001 < 180 require=100rel
        0.1s | in1 answer  | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.2s | 5001 bye    | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
    check(
        "
        0s   | 5001 invite 5002 require=100rel | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 ring    | 5001 < 180 require=100rel
        0.1s | 5001 cancel | 5001 < 200 CANCEL, 5001 < 487, in1 ended Cancelled
        0.2s | 5001 prack  | 5001 < 481 PRACK
        99s  | wait        |
    ",
    );
}

//! Session timers (RFC 4028).

use super::check;

#[test]
fn rfc4028_9_we_refresh_by_update_at_half_time() {
    check(
        "
        0s    | 5001 invite 5002 supported=timer updates | 5001 < 100, in1 offered 5001 dials 5002
        0s    | in1 answer    | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU se=1800/uas require=timer
        0s    | 5001 ack      | in1 confirmed
        899s  | wait          |
        900s  | wait          | 5001 < UPDATE se=1800/uac
        900s  | 5001 ok se=1800 refresher=uac |
        1799s | wait          |
        1800s | wait          | 5001 < UPDATE se=1800/uac
        1800s | 5001 ok se=1800 refresher=uas |
        1801s | 5001 update empty supported=timer se=1800 refresher=uac | 5001 < 200 UPDATE se=1800/uac require=timer
        3568s | wait          |
        3569s | wait          | 5001 < BYE, in1 close, in1 ended Gone
    ",
    );
}

#[test]
fn rfc4028_7_4_we_refresh_by_reinvite_with_the_same_description() {
    check(
        "
        0s    | out1 dial 5002 | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s  | 5002 200 supported=timer se=1800 refresher=uac | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        900s  | wait           |
        901s  | wait           | 5002 < reINVITE PCMU+PCMA se=1800/uac same x2
        901s  | 5002 200 supported=timer se=1800 refresher=uac | 5002 < ACK
        901.2s| 5002 200 supported=timer se=1800 refresher=uac | 5002 < ACK
        1000s | 5002 reinvite sendonly supported=timer se=1800 refresher=uas | 5002 < 200 PCMU recvonly se=1800/uas require=timer, out1 10.0.0.2:4000 Pcmu receives, out1 held
        1000s | 5002 ack       |
        1900s | wait           | 5002 < reINVITE PCMU recvonly se=1800/uac same
        1900s | 5002 200 sendonly | 5002 < ACK
        1901s | 5002 bye       | 5002 < 200 BYE, out1 close, out1 ended HungUp
    ",
    );
}

#[test]
fn rfc4028_10_a_peer_that_should_refresh_and_does_not() {
    check(
        "
        0s   | 5001 invite 5002 supported=timer se=90 refresher=uac | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer    | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU se=90/uac require=timer
        0s   | 5001 ack      | in1 confirmed
        45s  | 5001 update empty supported=timer se=90 refresher=uac | 5001 < 200 UPDATE se=90/uac require=timer
        104s | wait          |
        105s | wait          | 5001 < BYE, in1 close, in1 ended Gone
    ",
    );
    check(
        "
        0s    | out1 dial 5002 | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s  | 5002 200 supported=timer se=300 refresher=uas | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        268s  | wait           |
        268.2s| wait           | 5002 < BYE, out1 close, out1 ended Gone
    ",
    );
}

#[test]
fn rfc4028_9_too_short_an_interval_is_refused_with_ours() {
    check(
        "
        0s   | 5001 invite 5002 supported=timer se=89 | 5001 < 422 minse=90
        1s   | 5001 invite 5002 supported=timer se=90 | 5001 < 100, in1 offered 5001 dials 5002
        1s   | in1 answer    | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU se=90/uas require=timer
        1s   | 5001 ack      | in1 confirmed
        2s   | 5001 reinvite supported=timer se=10     | 5001 < 422 minse=90
        3s   | 5001 update empty supported=timer se=10 | 5001 < 422 UPDATE minse=90
        9s   | 5001 bye      | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
}

#[test]
fn rfc4028_9_who_knows_nothing_of_timers_is_refreshed_all_the_same() {
    // A proxy has asked on its behalf: it cannot be told to refresh, and would not understand 422.
    check(
        "
        0s   | 5001 invite 5002 se=60 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer    | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU se=90/uas
        0s   | 5001 ack      | in1 confirmed
        45s  | wait          | 5001 < reINVITE PCMU se=90/uac same
        45s  | 5001 200      | 5001 < ACK
        46s  | 5001 bye      | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer    | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0s   | 5001 ack      | in1 confirmed
        900s | wait          | 5001 < reINVITE PCMU se=1800/uac same
        900s | 5001 488      | 5001 < ACK
        1800s| wait          | 5001 < reINVITE PCMU se=1800/uac same
        1800s| 5001 481      | 5001 < ACK, 5001 < BYE, in1 close, in1 ended Gone
    ",
    );
}

#[test]
fn rfc4028_10_a_dead_supervisor_is_found() {
    check(
        "
        0s    | out1 dial 5003 auto | out1 open, 5003 < INVITE PCMU+PCMA
        0.1s  | 5003 200 updates    | 5003 < ACK, out1 10.0.0.3:4000 Pcmu both, out1 answered
        901s  | wait                | 5003 < UPDATE se=1800/uac x2
        931s  | wait                | 5003 < UPDATE se=1800/uac x8
        932.2s| wait                | 5003 < UPDATE se=1800/uac, 5003 < BYE, out1 close, out1 ended Gone
    ",
    );
}

#[test]
fn rfc4028_7_3_a_422_is_answered_by_a_longer_interval() {
    check(
        "
        0s    | out1 dial 5002        | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s  | 5002 422 minse=1800   | 5002 < ACK, out1 close, out1 ended Unavailable
    ",
    );
    check(
        "
        0s    | out1 dial 5002        | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s  | 5002 422 minse=2000   | 5002 < ACK, 5002 < INVITE PCMU+PCMA se=2000 minse=2000
        0.2s  | 5002 180              | out1 ringing
        0.3s  | 5002 200 supported=timer se=2000 refresher=uac updates | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        1001s | wait                  | 5002 < UPDATE se=2000/uac minse=2000 x2
        1001s | 5002 no 422 minse=3000 | 5002 < UPDATE se=3000/uac minse=3000
        1001s | 5002 ok se=3000 refresher=uac |
        2500s | wait                  |
        2502s | wait                  | 5002 < UPDATE se=3000/uac minse=3000 x2
    ",
    );
}

#[test]
fn rfc4028_7_3_no_one_raises_the_interval_for_ever() {
    check(
        "
        0s    | out1 dial 5002          | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s  | 5002 422 minse=2000     | 5002 < ACK, 5002 < INVITE PCMU+PCMA se=2000 minse=2000
        0.2s  | 5002 422 minse=2001     | 5002 < ACK, 5002 < INVITE PCMU+PCMA se=2001 minse=2001
        0.3s  | 5002 422 minse=2002     | 5002 < ACK, 5002 < INVITE PCMU+PCMA se=2002 minse=2002
        0.4s  | 5002 422 minse=2003     | 5002 < ACK, out1 close, out1 ended Unavailable
    ",
    );
    check(
        "
        0s    | out1 dial 5002          | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s  | 5002 422 minse=99999    | 5002 < ACK, out1 close, out1 ended Unavailable
    ",
    );
}

#[test]
fn rfc3261_14_1_after_491_the_owner_of_the_call_id_waits_longer() {
    check(
        "
        0s     | 5001 connects    |
        0s     | 5001 register expires=3600 | drop sip:5001@10.0.0.1:5060, 5001 < 200 REGISTER
        0s     | out1 dial 5001   | out1 open, 5001 < INVITE PCMU+PCMA
        0s     | 5001 200         | 5001 < ACK, out1 10.0.0.1:4000 Pcmu both, out1 answered
        900s   | wait             | 5001 < reINVITE PCMU+PCMA se=1800/uac same
        900s   | 5001 reinvite    | 5001 < 491
        900s   | 5001 update      | 5001 < 491 UPDATE
        900s   | 5001 491         | 5001 < ACK
        902s   | wait             |
        904s   | wait             | 5001 < reINVITE PCMU+PCMA se=1800/uac same
        904s   | 5001 200         | 5001 < ACK
    ",
    );
    check(
        "
        0s     | 5001 connects          |
        0s     | 5001 invite 5002 updates | 5001 < 100, in1 offered 5001 dials 5002
        0s     | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0s     | 5001 ack         | in1 confirmed
        900s   | wait             | 5001 < UPDATE se=1800/uac
        900s   | 5001 reinvite    | 5001 < 200 PCMU
        900s   | 5001 ack         |
        900s   | 5001 no 491      |
        902s   | wait             | 5001 < UPDATE se=1800/uac
        902s   | 5001 ok          |
    ",
    );
}

#[test]
fn rfc3311_4_who_refuses_update_gets_reinvite() {
    check(
        "
        0s     | out1 dial 5002   | out1 open, 5002 < INVITE PCMU+PCMA
        0s     | 5002 200 updates | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        900s   | wait             | 5002 < UPDATE se=1800/uac
        900s   | 5002 no 405      | 5002 < reINVITE PCMU+PCMA se=1800/uac same
        900s   | 5002 200         | 5002 < ACK
        1800s  | wait             | 5002 < reINVITE PCMU+PCMA se=1800/uac same
    ",
    );
}

#[test]
fn rfc4028_10_a_refresh_that_fails_is_tried_until_the_session_ends() {
    check(
        "
        0s     | out1 dial 5002   | out1 open, 5002 < INVITE PCMU+PCMA
        0s     | 5002 200 supported=timer se=90 refresher=uac updates | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        45s    | wait             | 5002 < UPDATE se=90/uac
        45s    | 5002 no 500      |
        55s    | wait             | 5002 < UPDATE se=90/uac
        55s    | 5002 no 500      |
        59s    | wait             |
        60s    | wait             | 5002 < BYE, out1 close, out1 ended Gone
    ",
    );
}

#[test]
fn a_leg_that_ends_while_it_is_refreshed() {
    check(
        "
        0s     | out1 dial 5002   | out1 open, 5002 < INVITE PCMU+PCMA
        0s     | 5002 200         | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        900s   | wait             | 5002 < reINVITE PCMU+PCMA se=1800/uac same
        900s   | out1 end hungup  | 5002 < BYE, out1 close, out1 ended HungUp
        900s   | 5002 ok          |
        900s   | 5002 200         | 5002 < ACK
        900s   | 5002 200         | 5002 < ACK
    ",
    );
}

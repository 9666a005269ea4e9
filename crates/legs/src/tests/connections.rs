//! Phones on TCP connections.

use super::check;

#[test]
fn rfc3261_18_a_call_over_a_connection_repeats_nothing() {
    check(
        "
        0s   | 5001 connects                |
        0s   | 5001 ping                    | 5001 < pong
        0s   | 5001 register                | drop sip:5001@10.0.0.1:5060, 5001 < 200 REGISTER
        1s   | 5001 half register           |
        1s   | 5001 rest                    | drop sip:5001@10.0.0.1:5060, 5001 < 200 REGISTER
        2s   | out1 dial 5001               | out1 open, 5001 < INVITE PCMU+PCMA
        9s   | 5001 180                     | out1 ringing
        10s  | 5001 200                     | 5001 < ACK, out1 10.0.0.1:4000 Pcmu both, out1 answered
        11s  | 5001 reinvite sendonly       | 5001 < 200 PCMU recvonly, out1 10.0.0.1:4000 Pcmu receives, out1 held
        11s  | 5001 ack                     |
        20s  | out1 end hungup              | 5001 < BYE, out1 close, out1 ended HungUp
        21s  | 5001 ok                      |
        22s  | 5001 invite 5002             | 5001 < 100, in1 offered 5001 dials 5002
        22s  | in1 end busy                 | 5001 < 486, in1 ended Busy
        99s  | wait                         |
    ",
    );
}

#[test]
fn rfc3261_13_3_1_4_the_200_is_repeated_even_there() {
    check(
        "
        0s   | 5001 connects    |
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        1s   | in1 answer       | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        1.6s | 5001 ack         | 5001 < 200 PCMU, in1 confirmed
        3s   | 5001 bye         | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
}

#[test]
fn rfc5626_4_2_2_registrations_and_requests_end_with_their_connection() {
    check(
        "
        0s | 5001 connects    |
        0s | 5001 register    | drop sip:5001@10.0.0.1:5060, 5001 < 200 REGISTER
        1s | out1 dial 5001   | out1 open, 5001 < INVITE PCMU+PCMA
        2s | 5001 180         | out1 ringing
        3s | 5001 disconnects | drop sip:5001@10.0.0.1:5060, unregistered 5001, out1 close, out1 ended Unavailable
        4s | out2 dial 5001   | out2 ended Unavailable
        99s| wait             |
    ",
    );
}

#[test]
fn a_call_outlives_its_connection_if_the_phone_comes_back() {
    let up = "
        0s | 5001 connects    |
        0s | 5001 register    | drop sip:5001@10.0.0.1:5060, 5001 < 200 REGISTER
        1s | out1 dial 5001   | out1 open, 5001 < INVITE PCMU+PCMA
        2s | 5001 200         | 5001 < ACK, out1 10.0.0.1:4000 Pcmu both, out1 answered
        3s | 5001 disconnects | drop sip:5001@10.0.0.1:5060, unregistered 5001";
    check(&format!(
        "{up}
        4s | silent out1      | out1 close, out1 ended Gone
    "
    ));
    check(&format!(
        "{up}
        4s | 5001 connects    |
        4s | 5001 options     | 5001 < 200 OPTIONS
        5s | silent out1      | 5001 < OPTIONS
        5s | 5001 ok          |
        6s | out1 end hungup  | 5001 < BYE, out1 close, out1 ended HungUp
    "
    ));
}

#[test]
fn connections_of_no_use_are_closed() {
    check(
        "
        0s   | 5001 connects         |
        0s   | 5002 connects         |
        0s   | 5003 connects         |
        1s   | 5001 register         | drop sip:5001@10.0.0.1:5060, 5001 < 200 REGISTER
        2s   | 5002 ping             | 5002 < pong
        9s   | 5003 half register    |
        42s  | wait                  | disconnect 10.0.0.3:5060
        301s | wait                  |
        303s | wait                  | disconnect 10.0.0.2:5060
        600s | wait                  |
        602s | wait                  | drop sip:5001@10.0.0.1:5060, unregistered 5001
        700s | wait                  |
        902s | wait                  | disconnect 10.0.0.1:5060
    ",
    );
    check(
        "
        0s | 5001 connects                     |
        1s | 5001 reinvite wrongtag text empty | 5001 < 481
        2s | 5001 noise                        | disconnect 10.0.0.1:5060
    ",
    );
}

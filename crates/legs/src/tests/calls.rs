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

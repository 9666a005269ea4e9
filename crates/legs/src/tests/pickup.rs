//! Telling a phone to answer.

use super::check;

#[test]
fn a_phone_that_rings_is_told_to_answer_by_notify() {
    check(
        "
        0s   | out1 dial 5002                     | out1 open, 5002 < INVITE PCMU+PCMA
        0s   | out1 pickup                        | out1 pickuprefused
        0.1s | 5002 180 events=hold,talk          | out1 answerable, out1 ringing
        0.2s | 5002 180 events=hold,talk          |
        1s   | out1 pickup                        | 5002 < NOTIFY talk
        1s   | 5002 ok                            |
        1.1s | 5002 200                           | 5002 < ACK, out1 10.0.0.2:4000 Pcmu both, out1 answered
        2s   | out1 pickup                        |
        3s   | out1 end hungup                    | 5002 < BYE, out1 close, out1 ended HungUp
        3s   | 5002 ok                            |
        99s  | wait                               |
    ",
    );
}

#[test]
fn a_phone_that_does_not_say_so_is_not_told() {
    check(
        "
        0s   | out1 dial 5002                     | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s | 5002 180 events=hold,conference    | out1 ringing
        0.1s | out1 pickup                        | out1 pickuprefused
    ",
    );
}

#[test]
fn a_phone_that_refuses_or_says_nothing() {
    check(
        "
        0s   | out1 dial 5002                     | out1 open, 5002 < INVITE PCMU+PCMA
        0.1s | 5002 183 sdp events=talk           | out1 answerable, out1 10.0.0.2:4000 Pcmu both, out1 earlymedia
        0.2s | out1 pickup                        | 5002 < NOTIFY talk
        0.2s | 5002 badevent                      | out1 pickuprefused
        1s   | out1 pickup                        | 5002 < NOTIFY talk
        34s  | wait                               | 5002 < NOTIFY talk x10, out1 pickuprefused
        34s  | out1 pickup                        | 5002 < NOTIFY talk
        34s  | 5002 200                           | 5002 < ACK, out1 answered
        34s  | 5002 gone                          |
    ",
    );
}

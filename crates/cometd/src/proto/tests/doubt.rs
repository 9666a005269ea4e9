//! Without acknowledgements: where a message may be lost and we can know, the session ends.

use super::check;

#[test]
fn a_client_that_says_that_its_poll_failed_starts_anew_if_the_answer_had_messages() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | r3 ada: connect A                  |
         1s | publish ada /a=1                   | r3: /a=1, connect ok (retry 0)
         2s | r4 ada: connect A now              | r4: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn a_client_that_says_that_its_poll_failed_goes_on_if_nothing_was_lost() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | r3 ada: connect A                  |
        30s | tick                               | r3: connect ok (retry 0)
        31s | r4 ada: connect A now              | r4: connect ok
        31s | r5 ada: connect A                  |
        32s | publish ada /a=1                   | r5: /a=1, connect ok
        32s | r5 gone                            |
        33s | r6 ada: connect A now              | r6: /a=1, connect ok
    ",
    );
}

#[test]
fn a_client_that_never_waits_is_believed() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         1s | publish ada /a=1                   |
         1s | r3 ada: connect A now              | r3: /a=1, connect ok (retry 0)
         2s | publish ada /a=2                   |
         2s | r4 ada: connect A now              | r4: /a=2, connect ok
         3s | r5 ada: connect A now              | r5: connect ok
    ",
    );
}

#[test]
fn what_was_written_to_a_websocket_that_broke_may_be_lost() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a + connect A     | w1: subscribe ok
         0s | w1 written                         |
         1s | publish ada /a=1                   | w1: /a=1
         1s | w1 written                         |
         2s | w1 closed                          |
         3s | w2 opens ada                       |
         3s | w2: connect A now                  | w2: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn what_came_before_a_reply_that_was_followed_by_a_connect_has_arrived() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a + connect A     | w1: subscribe ok
         0s | w1 written                         |
         1s | publish ada /a=1                   | w1: /a=1
         1s | w1 written                         |
        30s | tick                               | w1: connect ok (retry 0)
        30s | w1 written                         |
        30s | w1: connect A                      |
        31s | w1 closed                          |
        32s | r1 ada: connect A                  |
        33s | publish ada /a=2                   | r1: /a=2, connect ok
    ",
    );
}

#[test]
fn a_websocket_that_is_left_while_a_frame_is_under_way_leaves_doubt() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a                 | w1: subscribe ok
         0s | w1 written                         |
         1s | publish ada /a=1                   | w1: /a=1
         2s | r1 ada: connect A                  | r1: connect 402 (handshake 0)
    ",
    );
}

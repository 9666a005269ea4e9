//! WebSocket: one frame under way at a time, sessions that outlive their socket.

use super::check;

#[test]
fn messages_leave_as_they_come_and_connects_are_held() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a + connect A now | w1: subscribe ok, connect ok (retry 0)
         0s | w1 written                         |
         0s | w1: connect A                      |
         1s | publish ada /a=1                   | w1: /a=1
         2s | w1 written                         |
         2s | publish ada /a=2 + ada /a=3        | w1: /a=2, /a=3
         2s | w1 written                         |
        30s | tick                               | w1: connect ok
        30s | w1 written                         |
        30s | w1: connect A                      |
    ",
    );
}

#[test]
fn the_next_frame_follows_when_the_last_is_written() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1: subscribe A /a                 |
         0s | publish ada /a=1                   |
         0s | w1: connect A now                  |
         0s | publish ada /a=2                   |
         1s | w1 written                         | w1: subscribe ok, connect ok (retry 0), /a=1, /a=2
         1s | w1 written                         |
    ",
    );
}

#[test]
fn a_session_outlives_its_socket_with_what_was_not_written() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a + connect A now | w1: subscribe ok, connect ok (retry 0)
         0s | w1 written                         |
         1s | publish ada /a=1                   | w1: /a=1
         1s | publish ada /a=2                   |
         2s | w1 closed                          |
         3s | w2 opens ada                       |
         3s | w2: connect A now                  | w2: connect ok, /a=1, /a=2
         3s | w2 written                         |
         4s | publish ada /a=3                   | w2: /a=3
    ",
    );
}

#[test]
fn a_session_moves_between_socket_and_polls() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a + connect A     | w1: subscribe ok
         0s | w1 written                         |
         1s | r1 ada: connect A                  | w1: connect 408 (none 0)
         1s | w1 written                         |
         2s | publish ada /a=1                   | r1: /a=1, connect ok (retry 0)
         3s | r2 ada: connect A                  |
         4s | w1: connect A                      | r2: connect 408 (none 0)
         5s | publish ada /a=2                   | w1: /a=2
    ",
    );
}

#[test]
fn a_second_connect_on_the_socket_answers_the_first() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: connect A                      |
         1s | w1: connect A                      | w1: connect 408 (none 0)
         1s | w1 written                         |
        31s | tick                               | w1: connect ok (retry 0)
    ",
    );
}

#[test]
fn disconnect_answers_the_held_connect_first() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: connect A                      |
         1s | w1: disconnect A                   | w1: connect ok (none 0), disconnect ok
    ",
    );
}

#[test]
fn a_socket_without_a_session_is_closed() {
    check(
        "
         0s | w1 opens ada                       |
        40s | tick                               | w1 closes 1000 No session was opened here for too long
        50s | w2 opens ada                       |
        50s | w2: handshake A                    | w2: handshake ok (retry 0)
        50s | w2 written                         |
        90s | tick                               | w2 closes 1000 The session expired; handshake again
    ",
    );
}

#[test]
fn sockets_of_one_principal_do_not_carry_sessions_of_another() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | w1 opens bob                       |
         0s | w1: connect A                      | w1: connect 402 (handshake 0)
    ",
    );
}

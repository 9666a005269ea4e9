//! Bounds and endings: whoever loses something is told.

use super::{check, check_with};
use crate::Settings;

#[test]
fn a_client_that_never_polls_loses_its_session_and_is_told() {
    check_with(
        Settings { max_queued_messages: 2, ..Settings::default() },
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | publish ada /a=1 + ada /a=2        |
         1s | publish ada /a=3                   |
         2s | r3 ada: connect A                  | r3: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn queued_bytes_are_bounded_but_one_long_message_passes() {
    check_with(
        Settings { max_queued_bytes: 40, ..Settings::default() },
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | publish ada /a=[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15] |
         0s | r3 ada: connect A                  | r3: /a=[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15], connect ok (retry 0)
         1s | publish ada /a=1 + ada /a=2        |
         2s | r4 ada: connect A                  | r4: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn much_published_at_once_is_no_reason_to_end_a_session_that_polls() {
    check_with(
        Settings { max_queued_messages: 2, ..Settings::default() },
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | r3 ada: connect A                  |
         0s | publish ada /a=1 + ada /a=2 + ada /a=3 + ada /a=4 | r3: /a=1, /a=2, connect ok (retry 0)
         0s | r4 ada: connect A                  | r4: /a=3, /a=4, connect ok
    ",
    );
}

#[test]
fn a_socket_that_is_not_read_is_closed_with_a_sentence() {
    check_with(
        Settings { max_queued_messages: 2, ..Settings::default() },
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a                 | w1: subscribe ok
         0s | w1 written                         |
         1s | publish ada /a=1                   | w1: /a=1
         1s | publish ada /a=2 + ada /a=3        |
         2s | publish ada /a=4                   | w1 closes 1008 Messages were not read in time; handshake again
         3s | w2 opens ada                       |
         3s | w2: connect A                      | w2: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn a_socket_that_asks_without_reading_is_closed() {
    check_with(
        Settings { max_queued_messages: 2, ..Settings::default() },
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1: /x A + /x A                    |
         0s | w1: /x A                           | w1 closes 1008 Replies are not read while requests are sent
    ",
    );
}

#[test]
fn sessions_whose_messages_were_lost_start_anew() {
    check(
        "
         0s | r1 ada: handshake A + handshake B  | r1: handshake ok (retry 0), handshake ok (retry 0)
         0s | r2 bob: handshake C                | r2: handshake ok (retry 0)
         0s | w1 opens ada                       |
         0s | w1: handshake D                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: connect D                      |
         0s | r3 ada: connect A                  |
         0s | r4 bob: connect C                  |
         1s | lost ada                           | r3: connect 402 (handshake 0); w1: connect 402 (handshake 0)
         1s | r5 ada: connect B                  | r5: connect 402 (handshake 0)
         1s | w1 written                         |
         1s | w1: handshake E                    | w1: handshake ok (retry 0)
         2s | lost all                           | r4: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn a_revoked_principal_loses_sessions_and_sockets() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w2 opens ada                       |
         0s | w3 opens bob                       |
         0s | w1: handshake A                    | w1: handshake ok (retry 0)
         0s | w1 written                         |
         0s | w1: connect A                      |
         1s | revoke ada                         | w1: connect 402 (handshake 0); w1 closes 1008 The login that opened this WebSocket has ended; w2 closes 1008 The login that opened this WebSocket has ended
         2s | w3: handshake B                    | w3: handshake ok (retry 0)
    ",
    );
}

#[test]
fn sessions_of_one_principal_and_of_all_are_bounded() {
    check_with(
        Settings { max_sessions: 3, max_sessions_per_principal: 2, ..Settings::default() },
        "
         0s | r1 ada: handshake A + handshake B + handshake C | r1: handshake ok (retry 0), handshake ok (retry 0), handshake 503 (handshake 1000)
         0s | r2 ada: connect A                  |
         6s | r3 ada: handshake C                | r3: handshake ok (retry 0)
         6s | r4 ada: connect B                  | r4: connect 402 (handshake 0)
         7s | r5 bob: handshake D + handshake E  | r5: handshake ok (retry 0), handshake 503 (handshake 1000)
    ",
    );
}

#[test]
fn subscriptions_of_one_session_are_bounded() {
    check_with(
        Settings { max_subscriptions: 2, ..Settings::default() },
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a,/b          | r2: subscribe ok
         0s | r3 ada: subscribe A /c             | r3: subscribe 403
    ",
    );
}

#[test]
fn sockets_are_bounded() {
    check_with(
        Settings { max_sessions: 1, ..Settings::default() },
        "
         0s | w1 opens ada                       |
         0s | w2 opens ada                       | w2 closes 1013 The server has no room for another WebSocket
    ",
    );
}

#[test]
fn shutdown_answers_everybody_and_takes_no_more() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: connect A                  |
         0s | w1 opens ada                       |
         1s | shutdown                           | r2: connect 402 (handshake 1000); w1 closes 1001 The server is shutting down
         1s | r3 ada: handshake B                | r3: handshake 503 (handshake 1000)
         1s | w2 opens ada                       | w2 closes 1001 The server has no room for another WebSocket
    ",
    );
}

#[test]
fn counts_follow_what_is_open() {
    use super::{Event, Identity, Message, RequestId};
    use clock::Time;

    let mut machine = super::Machine::new(Settings::default(), [0; 32]);
    let client = machine.open("ada".into(), false);
    let text = format!(r#"{{"channel":"/meta/connect","clientId":"{client}"}}"#);
    let messages = Message::read_all(text.as_bytes(), &Settings::default()).unwrap();
    let from = Identity { principal: "ada".into(), browser: Some("b".to_owned()) };
    machine.handle(Event::Request { id: RequestId(1), from, messages }, Time::default());
    assert_eq!((machine.counts().sessions, machine.counts().held_polls), (1, 1));
    machine.handle(Event::Shutdown, Time::default());
    assert_eq!((machine.counts().sessions, machine.counts().held_polls), (0, 0));
    assert!(machine.held_by_browser.is_empty() && machine.polls.is_empty() && machine.deadlines.is_empty());
}

//! The acknowledged-messages extension, and the time-synchronisation extension beside it.

use serde_json::{Value, json};

use super::{Event, Machine, Message, Output, RequestId, Time, check, check_with, identity};
use crate::Settings;

#[test]
fn what_is_not_acknowledged_is_sent_again_before_the_rest() {
    check(
        "
         0s | r1 ada: handshake A #              | r1: handshake ok # (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | r3 ada: connect A now #0           | r3: connect ok #0 (retry 0)
         0s | r4 ada: connect A #0               |
         1s | publish ada /a=1 + ada /a=2        | r4: /a=1, /a=2, connect ok #2
         1s | publish ada /a=3                   |
         2s | r5 ada: connect A now #0           | r5: /a=1, /a=2, /a=3, connect ok #3
         3s | r6 ada: connect A now #0           | r6: /a=1, /a=2, /a=3, connect ok #3
         4s | r7 ada: connect A #3               |
         5s | publish ada /a=4                   | r7: /a=4, connect ok #4
         6s | r8 ada: connect A #4               |
        36s | tick                               | r8: connect ok #4
    ",
    );
}

#[test]
fn a_part_may_be_acknowledged() {
    check(
        "
         0s | r1 ada: handshake A #              | r1: handshake ok # (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | publish ada /a=1                   |
         0s | r3 ada: connect A #0               | r3: /a=1, connect ok #1 (retry 0)
         0s | publish ada /a=2                   |
         0s | r4 ada: connect A #0               | r4: /a=1, /a=2, connect ok #2
         1s | r5 ada: connect A #1               | r5: /a=2, connect ok #2
    ",
    );
}

#[test]
fn numbers_never_sent_and_numbers_left_out_do_no_harm() {
    check(
        "
         0s | r1 ada: handshake A #              | r1: handshake ok # (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | publish ada /a=1                   |
         0s | r3 ada: connect A now #99          | r3: /a=1, connect ok #1 (retry 0)
         0s | publish ada /a=2                   |
         0s | r4 ada: connect A now #-1          | r4: /a=1, /a=2, connect ok #2
         0s | r5 ada: connect A now #99          | r5: connect ok #2
         0s | publish ada /a=3                   |
         0s | r6 ada: connect A now #2           | r6: /a=3, connect ok #3
         0s | r7 ada: connect A now              | r7: connect ok #3
    ",
    );
}

#[test]
fn an_overtaken_connect_disturbs_nobody() {
    check(
        "
         0s | r1 ada: handshake A #              | r1: handshake ok # (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | publish ada /a=1 + ada /a=2        |
         0s | r3 ada: connect A now #0           | r3: /a=1, /a=2, connect ok #2 (retry 0)
         0s | r4 ada: connect A #2               |
         1s | r5 ada: connect A #1               | r5: connect 408 (none 0)
         2s | publish ada /a=3                   | r4: /a=3, connect ok #3
         3s | r6 ada: connect A #3               |
         4s | r7 ada: connect A #0               | r6: connect 408 (none 0)
         5s | publish ada /a=4                   | r7: /a=4, connect ok #4 (retry 0)
    ",
    );
}

#[test]
fn an_answer_that_was_not_sent_does_not_wait_for_the_client_to_say_so() {
    check(
        "
         0s | r1 ada: handshake A #              | r1: handshake ok # (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | r3 ada: connect A #0               |
         1s | publish ada /a=1                   | r3: /a=1, connect ok #1 (retry 0)
         1s | r3 gone                            |
         2s | r4 ada: connect A #0               | r4: /a=1, connect ok #1
         2s | r5 ada: connect A #1               |
         3s | publish ada /a=2                   | r5: /a=2, connect ok #2
    ",
    );
}

#[test]
fn on_a_websocket_messages_leave_with_replies_to_connects_only() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A #                  | w1: handshake ok # (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a                 | w1: subscribe ok
         0s | w1 written                         |
         0s | publish ada /a=1                   |
         0s | w1: connect A now #0               | w1: /a=1, connect ok #1 (retry 0)
         0s | publish ada /a=2                   |
         0s | w1 written                         |
         1s | w1: connect A #1                   | w1: /a=2, connect ok #2
         1s | w1: connect A #2                   |
         1s | publish ada /a=3                   |
         2s | w1 written                         | w1: /a=3, connect ok #3
         2s | w1 written                         |
         2s | w1: connect A #3                   |
        32s | tick                               | w1: connect ok #3
    ",
    );
}

#[test]
fn an_urgent_connect_behind_a_frame_that_is_not_written_is_answered_next() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A #                  | w1: handshake ok # (retry 0)
         0s | w1: connect A now #0               |
         0s | w1 written                         | w1: connect ok #0 (retry 0)
         1s | w1: connect A now #0               |
         2s | w1 written                         | w1: connect ok #0
    ",
    );
}

#[test]
fn what_a_broken_websocket_carried_comes_with_the_next() {
    check(
        "
         0s | w1 opens ada                       |
         0s | w1: handshake A #                  | w1: handshake ok # (retry 0)
         0s | w1 written                         |
         0s | w1: subscribe A /a + connect A #0  | w1: subscribe ok
         0s | w1 written                         |
         1s | publish ada /a=1                   | w1: /a=1, connect ok #1 (retry 0)
         1s | w1 written                         |
         1s | publish ada /a=2                   |
         2s | w1 closed                          |
         3s | w2 opens ada                       |
         3s | w2: connect A now #0               | w2: /a=1, /a=2, connect ok #2
         3s | w2 written                         |
         4s | w2: connect A #2                   |
         5s | r1 ada: connect A now #2           | w2: connect 408 (none 0); r1: connect ok #2 (retry 0)
    ",
    );
}

#[test]
fn messages_that_are_never_acknowledged_are_bounded() {
    check_with(
        Settings { max_queued_messages: 2, ..Settings::default() },
        "
         0s | r1 ada: handshake A #              | r1: handshake ok # (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | publish ada /a=1 + ada /a=2        |
         0s | r3 ada: connect A now #0           | r3: /a=1, /a=2, connect ok #2 (retry 0)
         0s | publish ada /a=3 + ada /a=4        |
         0s | r4 ada: connect A now #0           | r4: /a=1, /a=2, /a=3, /a=4, connect ok #4
         1s | r5 ada: connect A #4               |
         1s | publish ada /a=5                   | r5: /a=5, connect ok #5
         2s | publish ada /a=6 + ada /a=7        |
         2s | r6 ada: connect A #4               | r6: /a=5, /a=6, /a=7, connect ok #7
         2s | publish ada /a=8                   |
         2s | r7 ada: connect A #4               | r7: /a=5, /a=6, /a=7, /a=8, connect ok #8
         2s | publish ada /a=9                   |
         2s | r8 ada: connect A #8               | r8: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn bytes_that_are_never_acknowledged_are_bounded() {
    check_with(
        Settings { max_queued_bytes: 50, ..Settings::default() },
        "
         0s | r1 ada: handshake A #              | r1: handshake ok # (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | publish ada /a=1 + ada /a=2        |
         0s | r3 ada: connect A now #0           | r3: /a=1, /a=2, connect ok #2 (retry 0)
         0s | r4 ada: connect A now #0           | r4: /a=1, /a=2, connect ok #2
         0s | r5 ada: connect A now #2           | r5: connect ok #2
         0s | publish ada /a=3 + ada /a=4        |
         0s | r6 ada: connect A now #2           | r6: /a=3, /a=4, connect ok #4
         0s | r7 ada: connect A now #2           | r7: /a=3, /a=4, connect ok #4
         0s | publish ada /a=5                   |
         0s | r8 ada: connect A now #4           | r8: connect 402 (handshake 0)
    ",
    );
}

struct Asker(Machine);

impl Asker {
    fn ask(&mut self, id: u64, now: u64, message: &Value) -> Vec<Value> {
        let text = message.to_string();
        let messages = Message::read_all(text.as_bytes(), &Settings::default()).unwrap();
        let request = Event::Request { id: RequestId(id), from: identity("ada"), messages };
        self.feed(request, now)
    }

    fn feed(&mut self, event: Event, now: u64) -> Vec<Value> {
        match self.0.handle(event, Time::from_unix_ms(now)).as_slice() {
            [Output::Answer { body, .. }] => serde_json::from_str(body).unwrap(),
            [] => Vec::new(),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn clients_learn_our_time_how_long_they_were_held_and_how_wrong_they_are() {
    let mut server = Asker(Machine::new(Settings::default(), [0; 32]));
    let sync = json!({"timesync": {"tc": 900, "l": 30, "o": 60}});
    let hello = json!({"channel": "/meta/handshake", "supportedConnectionTypes": ["long-polling"], "ext": sync});
    let hello = server.ask(1, 1000, &hello);
    assert_eq!(hello[0]["ext"], json!({"timesync": {"tc": 900, "ts": 1000, "p": 0, "a": -10}}));
    let connect = json!({"channel": "/meta/connect", "clientId": hello[0]["clientId"], "ext": sync});
    assert!(server.ask(2, 2000, &connect).is_empty());
    let replies = server.feed(Event::Timeout, 32_000);
    assert_eq!(replies[0]["ext"], json!({"timesync": {"tc": 900, "ts": 2000, "p": 30_000, "a": -1010}}));
    let replies = server.ask(3, 33_000, &json!({"channel": "/meta/connect", "clientId": "gone", "ext": sync}));
    assert_eq!(replies[0]["ext"]["timesync"]["ts"], json!(33_000));
}

#[test]
fn extensions_that_are_not_understood_are_passed_over() {
    let mut server = Asker(Machine::new(Settings::default(), [0; 32]));
    for ext in [
        json!(7),
        json!([]),
        json!(null),
        json!({"ack": "true"}),
        json!({"ack": false, "timesync": null}),
        json!({"timesync": {"tc": "now"}}),
        json!({"timesync": {"l": 1}}),
        json!({"timesync": 5, "other": {}}),
    ] {
        let hello = json!({"channel": "/meta/handshake", "supportedConnectionTypes": ["long-polling"], "ext": ext});
        let replies = server.ask(1, 1000, &hello);
        assert_eq!((&replies[0]["successful"], replies[0].get("ext")), (&json!(true), None), "{ext}");
    }
    let extremes = json!({"timesync": {"tc": i64::MAX, "l": 1e300, "o": 0.5}});
    let hello = json!({"channel": "/meta/handshake", "supportedConnectionTypes": ["long-polling"], "ext": extremes});
    assert_eq!(server.ask(1, 1000, &hello)[0]["ext"]["timesync"]["a"], json!(i64::MAX));
}

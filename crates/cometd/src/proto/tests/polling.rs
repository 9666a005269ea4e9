//! Long-polling: what is held, what is answered, and in which order.

use super::{check, check_with};
use crate::Settings;

#[test]
fn a_held_connect_is_answered_by_the_first_message() {
    check(
        "
         0s | r1 ada: handshake A              | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /v2/me/*     | r2: subscribe ok
         0s | r3 ada: connect A now            | r3: connect ok (retry 0)
         0s | r4 ada: connect A                |
         3s | publish ada /v2/me/devices=1     | r4: /v2/me/devices=1, connect ok
         3s | r5 ada: connect A                |
        33s | tick                             | r5: connect ok
    ",
    );
}

#[test]
fn messages_wait_for_the_next_connect_and_keep_their_order() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a,/b          | r2: subscribe ok
         1s | publish ada /a=1 + ada /b=2        |
         1s | publish ada /a=3                   |
         1s | r3 ada: subscribe A /c             | r3: subscribe ok
         2s | r4 ada: connect A                  | r4: /a=1, /b=2, /a=3, connect ok (retry 0)
    ",
    );
}

#[test]
fn what_is_published_together_leaves_together() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /**            | r2: subscribe ok
         0s | r3 ada: connect A                  |
         1s | publish ada /a=1 + ada /b/c=2      | r3: /a=1, /b/c=2, connect ok (retry 0)
    ",
    );
}

#[test]
fn wildcards_match_one_level_or_all() {
    check(
        "
         0s | r1 ada: handshake A                                                  | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /v2/me/* + subscribe A /deep/**                  | r2: subscribe ok, subscribe ok
         0s | publish ada /v2/me=1 + ada /v2/me/a=2 + ada /v2/me/a/b=3 + ada /deep/a/b=4 + ada /deep=5 |
         0s | r3 ada: connect A                                                    | r3: /v2/me/a=2, /deep/a/b=4, connect ok (retry 0)
         1s | r4 ada: unsubscribe A /v2/me/*                                       | r4: unsubscribe ok
         1s | publish ada /v2/me/a=6 + ada /deep/a=7                               |
         1s | r5 ada: connect A                                                    | r5: /deep/a=7, connect ok
    ",
    );
}

#[test]
fn a_message_matched_by_several_subscriptions_is_delivered_once() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a/b,/a/*,/**  | r2: subscribe ok
         0s | publish ada /a/b=1                 |
         0s | r3 ada: connect A                  | r3: /a/b=1, connect ok (retry 0)
    ",
    );
}

#[test]
fn every_session_gets_its_principals_messages_and_no_others() {
    check(
        "
         0s | r1 ada: handshake A + handshake B  | r1: handshake ok (retry 0), handshake ok (retry 0)
         0s | r2 bob: handshake C                | r2: handshake ok (retry 0)
         0s | r3 ada: subscribe A /a + subscribe B /a | r3: subscribe ok, subscribe ok
         0s | r4 bob: subscribe C /a             | r4: subscribe ok
         0s | publish ada /a=1 + bob /a=2        |
         0s | publish all /a=3                   |
         0s | r5 ada: connect A                  | r5: /a=1, /a=3, connect ok (retry 0)
         0s | r6 ada: connect B                  | r6: /a=1, /a=3, connect ok (retry 0)
         0s | r7 bob: connect C                  | r7: /a=2, /a=3, connect ok (retry 0)
    ",
    );
}

#[test]
fn a_session_belongs_to_its_principal_alone() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 bob: connect A                  | r2: connect 402 (handshake 0)
         0s | r3 bob: subscribe A /a             | r3: subscribe 402 (handshake 0)
         0s | r4 bob: disconnect A               | r4: disconnect 402 (handshake 0)
         0s | r5 ada@home: connect A             |
         9s | r6 ada@work: subscribe A /a        | r6: subscribe ok
    ",
    );
}

#[test]
fn a_connect_among_other_messages_is_not_held() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a + connect A | r2: subscribe ok, connect ok (retry 0)
         0s | publish ada /a=1                   |
         0s | r3 ada: connect A + unsubscribe A /a | r3: /a=1, connect ok, unsubscribe ok
    ",
    );
}

#[test]
fn a_second_connect_answers_the_first_and_takes_its_place() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | r3 ada: connect A                  |
         1s | r4 ada: connect A                  | r3: connect 408 (none 0)
         2s | publish ada /a=1                   | r4: /a=1, connect ok (retry 0)
    ",
    );
}

#[test]
fn disconnect_answers_the_held_connect_and_ends_the_session() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: connect A                  |
         1s | r3 ada: disconnect A               | r2: connect ok (none 0); r3: disconnect ok
         1s | r4 ada: connect A                  | r4: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn a_session_without_a_connect_for_timeout_and_max_interval_is_removed() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         5s | r2 ada: connect A                  |
        35s | tick                               | r2: connect ok (retry 0)
        44s | r3 ada: connect A now              | r3: connect ok
        83s | r4 ada: subscribe A /a             | r4: subscribe ok
        84s | r5 ada: connect A                  | r5: connect 402 (handshake 0)
    ",
    );
}

#[test]
fn messages_whose_answer_was_not_sent_are_not_lost() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | r3 ada: connect A                  |
         1s | publish ada /a=1 + ada /a=2        | r3: /a=1, /a=2, connect ok (retry 0)
         1s | r3 gone                            |
         2s | publish ada /a=3                   |
         3s | r4 ada: connect A                  | r4: /a=1, /a=2, /a=3, connect ok
         3s | r4 gone                            |
         4s | r5 ada: connect A                  | r5: /a=1, /a=2, /a=3, connect ok
         5s | r6 ada: connect A                  |
         6s | r5 gone                            |
         7s | publish ada /a=4                   | r6: /a=4, connect ok
    ",
    );
}

#[test]
fn a_client_that_hangs_up_is_not_answered_and_may_come_back() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a             | r2: subscribe ok
         0s | r3 ada: connect A                  |
         1s | r3 gone                            |
         2s | publish ada /a=1                   |
        35s | r4 ada: connect A                  | r4: /a=1, connect ok (retry 0)
    ",
    );
}

#[test]
fn four_tabs_of_a_browser_are_held_and_the_fifth_comes_back_later() {
    check(
        "
         0s | r1 ada@b: handshake A + handshake B + handshake C + handshake D + handshake E | r1: handshake ok (retry 0), handshake ok (retry 0), handshake ok (retry 0), handshake ok (retry 0), handshake ok (retry 0)
         0s | r2 ada@b: subscribe D /a + subscribe E /a   | r2: subscribe ok, subscribe ok
         0s | r3 ada@b: connect A                |
         0s | r4 ada@b: connect B                |
         0s | r5 ada@b: connect C                |
         0s | r6 ada@b: connect D                |
         0s | r7 ada@b: connect E                | r7: connect ok (retry 2000 crowded)
         0s | r8 ada@other: handshake F          | r8: handshake ok (retry 0)
         0s | r9 ada@other: connect F            |
         1s | publish ada /a=1                   | r6: /a=1, connect ok (retry 0)
         1s | r10 ada@b: connect D               |
         2s | r11 ada@b: connect E               | r11: /a=1, connect ok (retry 0)
         2s | r12 ada@b: connect E               | r12: connect ok (retry 2000 crowded)
         3s | r3 gone                            |
         4s | r13 ada@b: connect E               |
         5s | publish ada /a=2                   | r13: /a=2, connect ok (retry 0); r10: /a=2, connect ok
    ",
    );
}

#[test]
fn clients_publish_nothing() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: /a/b A + /service/x A      | r2: /a/b 403, /service/x 403
         0s | r3 ada: /a/b nobody                | r3: /a/b 402 (handshake 0)
         0s | r4 ada: publish A + subscribe A nowhere + subscribe A /meta/connect | r4: publish 404, subscribe 400, subscribe 400
    ",
    );
}

#[test]
fn subscriptions_that_the_host_refuses_change_nothing() {
    check(
        "
         0s | r1 ada: handshake A                | r1: handshake ok (retry 0)
         0s | r2 ada: subscribe A /a,/secret/b   | r2: subscribe 403
         0s | r3 ada: subscribe A /secret/*      | r3: subscribe 403
         0s | publish ada /a=1 + ada /secret/b=2 |
         0s | r4 ada: connect A now              | r4: connect ok (retry 0)
    ",
    );
}

#[test]
fn a_handshake_needs_a_connection_type_in_common() {
    check(
        "
         0s | r1 ada: handshake A callback-polling | r1: handshake 406 (none 0)
         0s | r2 ada: handshake A websocket      | r2: handshake ok (retry 0)
    ",
    );
    check_with(
        Settings { websocket: false, ..Settings::default() },
        "
         0s | r1 ada: handshake A websocket      | r1: handshake 406 (none 0)
         0s | r2 ada: handshake A long-polling   | r2: handshake ok (retry 0)
    ",
    );
}

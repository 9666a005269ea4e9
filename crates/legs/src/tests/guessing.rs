//! Who tries passwords is slowed down, and nobody else is.

use super::check;

#[test]
fn wrong_passwords_slow_down_whoever_sends_them() {
    check(
        "
        0s  | elsewhere 5001 register guess    | 5001 < 403 REGISTER
        0s  | elsewhere 5001 register guess    | 5001 < 403 REGISTER
        1s  | elsewhere 5001 invite 5002 guess | 5001 < 403
        1s  | elsewhere 5001 invite 5002 guess | 5001 < 403
        2s  | elsewhere 5001 register guess    | holds off 5001 from 10.6.6.6, 5001 < 403 REGISTER
        2s  | elsewhere 5001 register guess    | 5001 < 503 REGISTER after=1
        2s  | elsewhere 5001 invite 5002 guess | 5001 < 503 after=1
        2s  | elsewhere 5001 register          | 5001 < 503 REGISTER after=1
        2s  | elsewhere 5001 register unsigned | 5001 < 401 REGISTER SHA-256 MD5
        2s  | elsewhere 5002 invite 5001       | 5002 < 100, in1 offered 5002 dials 5001
        3s  | elsewhere 5001 register guess    | 5001 < 403 REGISTER
        3s  | elsewhere 5001 register guess    | 5001 < 503 REGISTER after=2
        5s  | elsewhere 5001 register guess    | 5001 < 403 REGISTER
        6s  | elsewhere 5001 register guess    | 5001 < 503 REGISTER after=3
        9s  | elsewhere 5001 register          | save sip:5001@10.6.6.6:5060, 5001 < 200 REGISTER
    ",
    );
}

#[test]
fn nobody_can_lock_out_a_phone_that_is_registered() {
    check(
        "
        0s | nearby 5001 register guess | 5001 < 403 REGISTER
        0s | nearby 5001 register guess | 5001 < 403 REGISTER
        0s | nearby 5001 register guess | 5001 < 403 REGISTER
        0s | nearby 5001 register guess | 5001 < 403 REGISTER
        0s | nearby 5001 register guess | holds off 5001 from 10.0.0.1, 5001 < 403 REGISTER
        0s | nearby 5001 register guess | 5001 < 503 REGISTER after=1
        0s | 5001 invite 5002           | 5001 < 100, in1 offered 5001 dials 5002
        0s | 5001 register              | save sip:5001@10.0.0.1:5060, 5001 < 200 REGISTER
        0s | nearby 5001 register guess | 5001 < 503 REGISTER after=1
    ",
    );
}

#[test]
fn a_phone_at_home_that_forgets_its_password_holds_off_nobody_behind_its_address() {
    check(
        "
        0s | 5001 register guess        | 5001 < 403 REGISTER
        0s | 5001 register guess        | 5001 < 403 REGISTER
        0s | 5001 register guess        | 5001 < 403 REGISTER
        0s | 5001 register guess        | 5001 < 403 REGISTER
        0s | 5001 register guess        | 5001 < 403 REGISTER
        0s | 5001 register guess        | 5001 < 403 REGISTER
        0s | nearby 5001 invite 5002    | 5001 < 100, in1 offered 5001 dials 5002
    ",
    );
}

#[test]
fn an_unknown_user_is_held_off_like_a_known_one() {
    check(
        "
        0s | elsewhere 5001 register user=5999 | 5001 < 403 REGISTER
        0s | elsewhere 5001 register user=5999 | 5001 < 403 REGISTER
        0s | elsewhere 5001 register user=5999 | 5001 < 403 REGISTER
        0s | elsewhere 5001 register user=5999 | 5001 < 403 REGISTER
        0s | elsewhere 5001 register user=5999 | holds off 5999 from 10.6.6.6, 5001 < 403 REGISTER
        0s | elsewhere 5001 register user=5999 | 5001 < 503 REGISTER after=1
        0s | elsewhere 5001 register           | save sip:5001@10.6.6.6:5060, 5001 < 200 REGISTER
    ",
    );
}

#[test]
fn many_names_from_one_address_hold_off_all_names_there() {
    let tries: String =
        (0..19).map(|it| format!("0s | elsewhere 5001 register user=6{it} | 5001 < 403 REGISTER\n")).collect();
    check(&format!(
        "{tries}
        0s | elsewhere 5001 register user=7000 | holds off all from 10.6.6.6, 5001 < 403 REGISTER
        0s | elsewhere 5002 register           | 5002 < 503 REGISTER after=1
        0s | 5002 register                     | save sip:5002@10.0.0.2:5060, 5002 < 200 REGISTER
        1s | elsewhere 5002 invite 5001        | 5002 < 100, in1 offered 5002 dials 5001
    "
    ));
}

#[test]
fn rfc3261_22_guesses_inside_a_dialog_count_too() {
    check(
        "
        0s   | 5001 invite 5002                    | 5001 < 100, in1 offered 5001 dials 5002
        0s   | in1 answer                          | in1 open, in1 10.0.0.1:4000 Pcmu both, 5001 < 200 PCMU
        0.1s | 5001 ack                            | in1 confirmed
        1s   | elsewhere 5001 bye signed guess     | 5001 < 403 BYE
        1s   | elsewhere 5001 options signed guess | 5001 < 403 OPTIONS
        1s   | elsewhere 5001 options signed guess | 5001 < 403 OPTIONS
        1s   | elsewhere 5001 options signed guess | 5001 < 403 OPTIONS
        1s   | elsewhere 5001 register guess       | holds off 5001 from 10.6.6.6, 5001 < 403 REGISTER
        1s   | elsewhere 5001 bye signed           | 5001 < 503 BYE after=1
        2s   | elsewhere 5001 bye signed           | 5001 < 200 BYE, in1 close, in1 ended HungUp
    ",
    );
}

#[test]
fn stale_nonces_are_no_guesses() {
    check(
        "
        301s | elsewhere 5001 register | 5001 < 401 REGISTER SHA-256
        301s | elsewhere 5001 register | 5001 < 401 REGISTER SHA-256
        301s | elsewhere 5001 register | 5001 < 401 REGISTER SHA-256
        301s | elsewhere 5001 register | 5001 < 401 REGISTER SHA-256
        301s | elsewhere 5001 register | 5001 < 401 REGISTER SHA-256
        301s | elsewhere 5001 register | 5001 < 401 REGISTER SHA-256
    ",
    );
}

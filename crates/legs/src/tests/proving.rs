//! Who is believed to be whom: digest, trunks, registration.

use super::check;

#[test]
fn rfc3261_22_no_unauthenticated_invite_gets_in() {
    check(
        "
        200s | 5001 invite 5002 unsigned     | 5001 < 401 SHA-256 MD5
        201s | stranger invite 5002          | stranger < 401 SHA-256 MD5
        202s | stranger invite 5002 from=5001| stranger < 401 SHA-256 MD5
    ",
    );
}

#[test]
fn rfc8760_2_4_phones_that_know_only_md5_are_asked_for_nothing_else() {
    check(
        "
        200s | 5001 register unsigned                   | 5001 < 401 REGISTER SHA-256 MD5
        201s | 5002 register unsigned agent=baresip_v1. | 5002 < 401 REGISTER MD5
    ",
    );
}

#[test]
fn a_device_may_not_call_as_another() {
    check(
        "
        0s | 5001 invite 5002 from=5003                             | 5001 < 403
        1s | 5001 invite 5002 from=anonymous                        | 5001 < 100, in1 offered 5001 dials 5002
        2s | 5001 invite 5002 from=5003 fromhost=elsewhere.example  | 5001 < 100, in2 offered 5001 dials 5002
    ",
    );
}

#[test]
fn a_trunk_is_known_by_its_address_but_not_as_a_device() {
    check("
        0s | carrier invite 8000 from=0301234567 unsigned | carrier < 100, in1 offered carrier/0301234567 dials 8000
        1s | carrier invite 8000 from=anonymous unsigned  | carrier < 100, in2 offered carrier/ dials 8000
        2s | carrier invite 8000 from=5001 unsigned       | carrier < 401 SHA-256 MD5
        3s | carrier invite 8000 from=5001 fromhost=elsewhere.example unsigned | carrier < 100, in3 offered carrier/5001 dials 8000
    ");
}

#[test]
fn rfc7616_3_4_nonces_expire() {
    check(
        "
        0s   | 5001 invite 5002 | 5001 < 100, in1 offered 5001 dials 5002
        301s | 5001 invite 5002 | 5001 < 401 SHA-256
    ",
    );
}

#[test]
fn a_phone_registers_and_leaves() {
    check(
        "
        200s  | 5001 register unsigned  | 5001 < 401 REGISTER SHA-256 MD5
        201s  | 5001 register as=5002   | 5001 < 403 REGISTER
        202s  | 5001 register           | save sip:5001@10.0.0.1:5060, 5001 < 200 REGISTER
        203s  | 5001 register expires=0 | drop sip:5001@10.0.0.1:5060, unregistered 5001, 5001 < 200 REGISTER
        204s  | out1 dial 5001          | out1 ended Unavailable
        205s  | 5001 register           | save sip:5001@10.0.0.1:5060, registered 5001, 5001 < 200 REGISTER
        206s  | out2 dial 5001          | out2 open, 5001 < INVITE PCMU+PCMA
        206.1s| 5001 486                | 5001 < ACK, out2 close, out2 ended Busy
        804s  | wait                    |
        805s  | wait                    | drop sip:5001@10.0.0.1:5060, unregistered 5001
    ",
    );
}

#[test]
fn a_device_that_is_taken_away_is_no_longer_registered() {
    check(
        "
        0s | forget 5002 | drop sip:5002@10.0.0.2:5060, unregistered 5002
        1s | out1 dial 5002 | out1 ended Unavailable
    ",
    );
}

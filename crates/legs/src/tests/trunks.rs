//! Trunks: our registration there, their challenges, their further addresses, their redirections.

use super::check;

#[test]
fn rfc3261_10_2_registered_at_a_trunk_and_called_through_it() {
    check(
        "
        0s    | resolve telco 10.0.8.1:5060     | telco1 < REGISTER 1 sip:telco.example for 3600
        0s    | telco1 final 401 www=a          | telco1 < REGISTER 2 sip:telco.example signed a.1 for 3600
        0s    | telco1 final 200 granted=100    | telco registered(100)
        1s    | telco1 invite 0800 host=10.0.0.100 from=030 fromhost=telco.example | telco1 < 100, in1 offered telco/030 dials 0800
        2s    | in1 end busy                    | telco1 < 486, in1 ended Busy
        3s    | telco1 invite acme host=10.0.0.100 from=030 fromhost=telco.example | telco1 < 100, in2 offered telco/030 dials acme
        3s    | in2 end busy                    | telco1 < 486, in2 ended Busy
        4s    | telco2 invite 0800 host=10.0.0.100 from=030 fromhost=telco.example unsigned | telco2 < 401 SHA-256 MD5
        60s   | wait                            | telco1 < REGISTER 3 sip:telco.example signed a.2 for 3600
        60s   | telco1 final 200 granted=100    | telco registered(100)
        62s   | drain                           | telco1 < REGISTER 4 sip:telco.example signed a.3 for 0
        62s   | telco1 final 200                | telco unregistered
        200s  | wait                            |
    ",
    );
}

#[test]
fn rfc3263_4_3_a_silent_registrar_gives_way_to_the_next_address() {
    check(
        "
        0s    | resolve telco 10.0.8.1:5060 10.0.8.2:5060 | telco1 < REGISTER 1 sip:telco.example for 3600
        33s   | wait                            | telco1 < REGISTER 1 sip:telco.example for 3600 x10, telco2 < REGISTER 2 sip:telco.example for 3600 x2
        33s   | telco2 final 200                | telco registered(3600)
        34s   | out1 dial 0301@telco            | out1 open, telco2 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        34s   | telco2 486                      | telco2 < ACK, out1 close, out1 ended Busy
        99s   | wait                            |
    ",
    );
    check(
        "
        0s    | resolve telco 10.0.8.1:5060 10.0.8.2:5060 | telco1 < REGISTER 1 sip:telco.example for 3600
        0s    | telco1 final 503                | telco2 < REGISTER 2 sip:telco.example for 3600
        0s    | telco2 final 403                | telco refused(403)
        1s    | resolve telco                   |
        9s    | out1 dial 0301@telco            | out1 ended Unavailable
    ",
    );
}

#[test]
fn a_registration_follows_its_trunk_to_another_address() {
    check(
        "
        0s    | resolve telco 10.0.8.1:5060     | telco1 < REGISTER 1 sip:telco.example for 3600
        0s    | telco1 final 200                | telco registered(3600)
        9s    | resolve telco 10.0.8.2:5060     |
        10s   | wait                            | telco2 < REGISTER 2 sip:telco.example for 3600
        10s   | telco2 final 200                | telco registered(3600)
        11s   | telco1 invite 0800 host=10.0.0.100 from=030 fromhost=telco.example unsigned | telco1 < 401 SHA-256 MD5
        12s   | telco2 invite 0800 host=10.0.0.100 from=030 fromhost=telco.example | telco2 < 100, in1 offered telco/030 dials 0800
        12s   | in1 end busy                    | telco2 < 486, in1 ended Busy
    ",
    );
}

/// Registered; what follows needs no more of it.
const REGISTERED: &str = "
        0s | resolve telco 10.0.8.1:5060 10.0.8.2:5060 | telco1 < REGISTER 1 sip:telco.example for 3600
        0s | telco1 final 200 | telco registered(3600)";

#[test]
fn rfc3261_22_3_a_trunk_that_challenges_calls_gets_its_answer() {
    check(&format!(
        "{REGISTERED}
        1s  | out1 dial 0301@telco              | out1 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        1s  | telco1 407 proxy=n                | telco1 < ACK, telco1 < INVITE 2 sip:0301@telco.example proxy-signed n.1 PCMU+PCMA
        1s  | telco1 183 sdp                    | out1 10.0.8.1:4000 Pcmu both, out1 earlymedia
        3s  | telco1 200                        | telco1 < ACK, out1 answered
        4s  | out1 end hungup                   | telco1 < BYE 3 sip:telco1@10.0.8.1:5060 proxy-signed n.2, out1 close, out1 ended HungUp
        4s  | telco1 ok                         |
        5s  | out2 dial 0302@telco              | out2 open, telco1 < INVITE 1 sip:0302@telco.example proxy-signed n.3 PCMU+PCMA
        5s  | telco1 407 proxy=m                | telco1 < ACK, telco1 < INVITE 2 sip:0302@telco.example proxy-signed m.1 PCMU+PCMA
        5s  | telco1 407 proxy=o                | telco1 < ACK, out2 close, out2 ended Forbidden
        6s  | out3 dial 0303@telco              | out3 open, telco1 < INVITE 1 sip:0303@telco.example proxy-signed m.2 PCMU+PCMA
        6s  | out3 end cancelled                | out3 close, out3 ended Cancelled
        6s  | telco1 407 proxy=p                | telco1 < ACK
        99s | wait                              |
    "
    ));
}

#[test]
fn rfc3261_22_3_a_trunk_that_challenges_inside_a_dialog_gets_its_answer() {
    check(&format!(
        "{REGISTERED}
        1s    | out1 dial 0301@telco            | out1 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        1s    | telco1 200                      | telco1 < ACK, out1 10.0.8.1:4000 Pcmu both, out1 answered
        901s  | wait                            | telco1 < reINVITE 2 sip:telco1@10.0.8.1:5060 PCMU+PCMA se=1800/uac same
        901s  | telco1 407 proxy=n              | telco1 < ACK, telco1 < reINVITE 3 sip:telco1@10.0.8.1:5060 proxy-signed n.1 PCMU+PCMA se=1800/uac same
        901s  | telco1 200                      | telco1 < ACK
        902s  | out1 end hungup                 | telco1 < BYE 4 sip:telco1@10.0.8.1:5060 proxy-signed n.2, out1 close, out1 ended HungUp
        902s  | telco1 final 407 proxy=m        | telco1 < BYE 5 sip:telco1@10.0.8.1:5060 proxy-signed m.1
        902s  | telco1 final 407 proxy=o        |
    "
    ));
}

#[test]
fn a_trunk_without_an_account_that_challenges_has_refused() {
    check(
        "
        1s  | out1 dial 0301@carrier            | out1 open, 10.0.9.1:5060 < …
        1s  | out1 end hungup                   | out1 close, out1 ended HungUp
    ",
    );
}

#[test]
fn rfc3263_4_3_the_next_address_after_503_or_silence() {
    check(&format!(
        "{REGISTERED}
        1s  | out1 dial 0301@telco              | out1 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        1s  | telco1 503 after=20               | telco1 < ACK, telco2 < INVITE 2 sip:0301@telco.example PCMU+PCMA
        1s  | telco2 180                        | out1 ringing
        3s  | telco2 503                        | telco2 < ACK, out1 close, out1 ended Unavailable
        20s | out2 dial 0302@telco              | out2 open, telco1 < INVITE 1 sip:0302@telco.example PCMU+PCMA
        20s | telco1 404                        | telco1 < ACK, out2 close, out2 ended NotFound
        70s | wait                              |
    "
    ));
    check(&format!(
        "{REGISTERED}
        1s  | out1 dial 0301@telco              | out1 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        5s  | wait                              | telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA x3, telco2 < INVITE 2 sip:0301@telco.example PCMU+PCMA
        5s  | telco2 180                        | out1 ringing
        7s  | telco2 200                        | telco2 < ACK, out1 10.0.8.2:4000 Pcmu both, out1 answered
        7s  | out1 end hungup                   | telco2 < BYE 3 sip:telco2@10.0.8.2:5060, out1 close, out1 ended HungUp
        7s  | telco2 ok                         |
    "
    ));
}

#[test]
fn rfc3261_17_1_1_2_a_trunk_that_never_answers_is_unavailable() {
    check(
        "
        0s   | resolve telco 10.0.8.1:5060      | telco1 < REGISTER 1 sip:telco.example for 3600
        0s   | telco1 final 200                 | telco registered(3600)
        1s   | out1 dial 0301@telco             | out1 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        33s  | wait                             | telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA x6, out1 close, out1 ended Unavailable
    ",
    );
}

#[test]
fn rfc3261_8_1_3_4_a_redirection_leads_to_other_numbers_of_the_same_trunk_only() {
    check(&format!(
        "{REGISTERED}
        1s  | out1 dial 0301@telco              | out1 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        1s  | telco1 302 contacts=<sip:1@evil.example>,<sip:0302@telco.example>;q=0.5,<sip:0303@10.0.8.2>,<sip:0301@telco.example> | telco1 < ACK, telco1 < INVITE 2 sip:0303@telco.example PCMU+PCMA
        1s  | telco1 404                        | telco1 < ACK, telco1 < INVITE 3 sip:0302@telco.example PCMU+PCMA
        1s  | telco1 302 contacts=<sip:0301@telco.example>,<sip:0303@telco.example> | telco1 < ACK, out1 close, out1 ended Redirected
        3s  | out2 dial 0301@telco              | out2 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        3s  | telco1 302 contacts=<sip:0301@evil.example>,<tel:0302>,<sip:0303@telco.example:5070;x> | telco1 < ACK, telco1 < INVITE 2 sip:0303@telco.example PCMU+PCMA
        3s  | telco1 486                        | telco1 < ACK, out2 close, out2 ended Busy
        4s  | out3 dial 0301@telco auto         | out3 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        4s  | telco1 302 contacts=<sip:0302@telco.example> | telco1 < ACK, out3 close, out3 ended Redirected
        99s | wait                              |
    "
    ));
}

#[test]
fn redirections_end() {
    let mut script = String::from(REGISTERED);
    script.push_str("\n1s | out1 dial 1@telco | out1 open, telco1 < INVITE 1 sip:1@telco.example PCMU+PCMA");
    for next in 2..=6 {
        script.push_str(&format!(
            "\n1s | telco1 302 contacts=<sip:{next}@telco.example> | telco1 < ACK, telco1 < INVITE {next} sip:{next}@telco.example PCMU+PCMA"
        ));
    }
    script
        .push_str("\n1s | telco1 302 contacts=<sip:7@telco.example> | telco1 < ACK, out1 close, out1 ended Redirected");
    check(&script);
}

#[test]
fn rfc5923_a_trunk_over_tcp_is_connected_to_and_uses_the_connection_both_ways() {
    check(
        "
        0s    | resolve telco 10.0.8.1:5060 tcp | connect 10.0.8.1:5060, telco1 < REGISTER 1 sip:telco.example for 3600
        0s    | telco1 final 401 www=a          | telco1 < REGISTER 2 sip:telco.example signed a.1 for 3600
        0s    | telco1 final 200                | telco registered(3600)
        1s    | out1 dial 0301@telco            | out1 open, telco1 < INVITE 1 sip:0301@telco.example PCMU+PCMA
        1s    | telco1 407 proxy=n              | telco1 < ACK, telco1 < INVITE 2 sip:0301@telco.example proxy-signed n.1 PCMU+PCMA
        1s    | telco1 200                      | telco1 < ACK, out1 10.0.8.1:4000 Pcmu both, out1 answered
        2s    | telco1 invite 0800 host=10.0.0.100 from=030 fromhost=telco.example | telco1 < 100, in1 offered telco/030 dials 0800
        2s    | in1 end busy                    | telco1 < 486, in1 ended Busy
        100s  | wait                            | telco1 < ping
        150s  | telco1 disconnects              |
        150s  | silent out1                     | connect 10.0.8.1:5060, telco1 < OPTIONS 3 sip:telco1@10.0.8.1:5060
        150s  | telco1 ok                       |
        151s  | wait                            | telco1 < REGISTER 3 sip:telco.example signed a.2 for 3600
        151s  | telco1 final 200                | telco registered(3600)
        152s  | telco1 disconnects              |
        153s  | wait                            | connect 10.0.8.1:5060, telco1 < REGISTER 4 sip:telco.example signed a.3 for 3600
        153s  | telco1 disconnects              | telco unreachable
        154s  | out2 dial 0301@telco            | out2 open, connect 10.0.8.1:5060, telco1 < INVITE 1 sip:0301@telco.example proxy-signed n.2 PCMU+PCMA
        154s  | telco1 disconnects              | out2 close, out2 ended Unavailable
    ",
    );
}

//! Calls between two parties.

use super::check;

#[test]
fn a_device_calls_a_device() {
    check(
        "
         0s | 5001 dials 5002   | call 5002
         1s | 5002 rings        | ring 5001
         1s | calls 5001        | Internal Dialing with 5002
         1s | calls 5002        | Internal Ringing with 5001
         2s | 5002 answers      | answer 5001
         2s | hears 5001        | 5002
         2s | hears 5002        | 5001
         2s | calls 5001        | Internal Established with 5002
         2s | told 5001         | Internal Dialing with 5002; Internal Established with 5002
         9s | 5002 hangs up     | bye 5001
         9s | told 5002         | Internal Ringing with 5001; Internal Established with 5001; Internal Released with 5001
         9s | rest              |
    ",
    );
}

#[test]
fn a_trunks_caller_reaches_the_number_that_the_operator_mapped() {
    check(
        "
         0s | 0151 dials 0800   | call 5001
         1s | 5001 plays        | progress 0151
         1s | hears 0151        | 5001
         1s | hears 5001        |
         2s | 5001 answers      | answer 0151
         2s | hears 5001        | 0151
         3s | 0151 hangs up     | bye 5001
         3s | rest              |
    ",
    );
}

#[test]
fn media_flows_as_soon_as_the_caller_is_answered() {
    check(
        "
         0s | acks are slow     |
         0s | 5001 dials 5002   | call 5002
         1s | 5002 answers      | answer 5001
         1s | hears 5001        | 5002
         1s | calls 5001        | Internal Dialing with 5002
         2s | 5001 confirms     |
         2s | calls 5001        | Internal Established with 5002
    ",
    );
}

#[test]
fn what_the_callee_says_reaches_the_caller() {
    for (how, told) in [
        ("is busy", "Busy to"),
        ("declines", "Declined to"),
        ("fails", "Unavailable to"),
        ("redirects", "Unavailable to"),
        ("vanishes", "Unavailable to"),
        ("does not answer", "NoAnswer to"),
    ] {
        check(&format!(
            "
             0s | 5001 dials 5002 | call 5002
             1s | 5002 rings      | ring 5001
             2s | 5002 {how}      | {told} 5001
             2s | calls 5001      |
             2s | rest            |
        "
        ));
    }
}

#[test]
fn nobody_answers_for_a_minute() {
    check(
        "
         0s | 5001 dials 5002 | call 5002
         1s | 5002 rings      | ring 5001
        59s | wait            |
        60s | wait            | NoAnswer to 5002, NoAnswer to 5001
        60s | rest            |
    ",
    );
}

#[test]
fn the_caller_gives_up_as_the_callee_answers() {
    check(
        "
         0s | 5002 is stuck    |
         0s | 5001 dials 5002  | call 5002
         1s | 5001 gives up    | cancel 5002
         1s | 5002 answers     |
         2s | 5002 gives up    |
         2s | rest             |
    ",
    );
}

#[test]
fn where_a_call_may_not_go() {
    check(
        "
         0s | 5001 dials 9999     | NotFound to 5001
         0s | 5001 dials hotline  | NotFound to 5001
         0s | 5001 dials 5001     | Busy to 5001
         0s | 5002 unregisters    |
         1s | 5001 dials 5002     | Unavailable to 5001
         2s | 5002 registers      |
         2s | 5002 dnd on         | ok
         3s | 5001 dials 5002     | Busy to 5001
         3s | told 5001           |
         3s | rest                |
    ",
    );
}

#[test]
fn forwarding_is_followed() {
    check(
        "
         0s | 5001 forwards to 5002 | ok
         1s | 0151 dials 5001       | call 5002
         2s | 0151 gives up         | cancel 5002
         3s | 5002 forwards to 5001 | ok
         4s | 0151 dials 5001       | Unavailable to 0151
         5s | 5002 dials 5001       | Busy to 5002
         6s | 5002 forwards off     | ok
         7s | 5001 forwards to 9999 | ok
         8s | 0151 dials 5001       | NotFound to 0151
    ",
    );
}

#[test]
fn a_device_may_have_several_calls() {
    check(
        "
         0s | 0151 dials 5001   | call 5001
         1s | 5001 answers      | answer 0151
         2s | 0152 dials 5001   | call 5001'
         3s | 5001' is busy     | Busy to 0152
         4s | hears 5001        | 0151
    ",
    );
}

#[test]
fn hold_changes_hearing_and_nothing_else() {
    check(
        "
         0s | 5001 dials 5002   | call 5002
         1s | 5002 answers      | answer 5001
         2s | 5002 holds        |
         2s | hears 5001        |
         2s | hears 5002        |
         2s | calls 5002        | Internal Held with 5001
         2s | calls 5001        | Internal Established with 5002
         3s | 5001 holds        |
         4s | 5002 retrieves    |
         4s | hears 5001        |
         5s | 5001 retrieves    |
         5s | hears 5001        | 5002
         5s | hears 5002        | 5001
    ",
    );
}

#[test]
fn hanging_up_by_the_api() {
    check(
        "
         0s | 5001 dials 5002        | call 5002
         1s | 5002 rings             | ring 5001
         2s | 5002 ends the call     | cancel 5002, Declined to 5001, ok
         3s | 5001 dials 5002        | call 5002
         4s | 5001 ends the call     | cancel 5001, cancel 5002, ok
         5s | 5001 dials 5002        | call 5002
         6s | 5002 answers           | answer 5001
         7s | 5001 ends the call     | bye 5001, bye 5002, ok
         8s | 5001 ends the call     | no: NotFound
         8s | rest                   |
    ",
    );
}

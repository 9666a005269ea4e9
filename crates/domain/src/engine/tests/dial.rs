//! `Dial`: the own phone first, then whoever was dialled.

use super::check;

#[test]
fn the_own_phone_is_called_first_then_the_other() {
    check(
        "
         0s | 5001 wants 5002   | auto-answer 5001, ok
         0s | told 5001         | Internal Dialing with 5002
         0s | calls 5002        |
         0s | can 5001          | Hangup
         0s | 5001 rings        |
         1s | 5001 answers      | call 5002
         1s | told 5001         |
         1s | hears 5001        |
         2s | 5002 rings        |
         2s | told 5002         | Internal Ringing with 5001
         2s | hears 5001        | ringback
         3s | 5002 answers      |
         3s | told 5001         | Internal Established with 5002
         3s | told 5002         | Internal Established with 5001
         3s | hears 5001        | 5002
         3s | hears 5002        | 5001
         3s | can 5001          | Hold Hangup
         4s | 5001 hangs up     | bye 5002
         4s | told 5001         | Internal Released with 5002
         4s | rest              |
    ",
    );
}

#[test]
fn early_media_outside_by_dial_rule() {
    check(
        "
         0s | 5001 wants 0171    | auto-answer 5001, ok
         0s | told 5001          | Outbound Dialing with 171
         1s | 5001 answers       | call 171
         1s | told 5001          |
         2s | 171 rings          |
         2s | hears 5001         | ringback
         3s | 171 plays          |
         3s | hears 5001         | 171
         4s | 171 answers        |
         4s | told 5001          | Outbound Established with 171
         5s | 171 hangs up       | bye 5001
         5s | told 5001          | Outbound Released with 171
         5s | rest               |
    ",
    );
}

#[test]
fn early_media_replaces_ringback() {
    check(
        "
         0s | 5001 wants 0171    | auto-answer 5001, ok
         1s | 5001 answers       | call 171
         2s | 171 plays          |
         2s | hears 5001         | 171
         2s | hears 171          |
         3s | 5001 holds         |
         3s | hears 5001         |
         4s | 5001 retrieves     |
         4s | hears 5001         | 171
    ",
    );
}

#[test]
fn into_a_queue() {
    check(
        "
         0s | 5001 wants 8000 | auto-answer 5001, ok
         1s | 5001 answers    |
         1s | hears 5001      | music of 8000
         1s | calls 5001      | Internal Established with 8000
         2s | 5002 ready      | call 5002, ok
         3s | 5002 answers    |
         3s | hears 5001      | 5002
         3s | calls 5001      | Internal Established with 5002
         4s | 5002 hangs up   | bye 5001
         4s | rest            |
    ",
    );
}

#[test]
fn whom_nobody_may_dial_is_refused_at_once() {
    check(
        "
         0s | 5001 wants 9999     | no: NotFound
         0s | 5001 wants 5001     | no: Forbidden
         0s | 5001 dnd on         | ok
         0s | 5001 wants 5002     | auto-answer 5001, ok
         0s | 5001 wants 5002     | no: NotNow
         1s | 5001 ends the call  | cancel 5001, ok
         2s | 5001 unregisters    |
         2s | 5001 wants 5002     | no: NotNow
         2s | rest                |
    ",
    );
}

#[test]
fn a_second_call_needs_the_first_on_hold() {
    check(
        "
         0s | 0151 dials 5001   | call 5001
         1s | 5001 answers      | answer 0151
         2s | 5001 wants 5002   | no: NotNow
         3s | 5001 parks        | ok
         4s | 5001 wants 5002   | auto-answer 5001', ok
         5s | 5001' answers     | call 5002
         6s | 5002 answers      |
         6s | hears 5001        |
         6s | hears 5001'       | 5002
    ",
    );
}

#[test]
fn the_own_phone_cannot_be_had() {
    for how in ["is busy", "declines", "fails", "does not answer"] {
        check(&format!(
            "
             0s | 5001 wants 5002 | auto-answer 5001, ok
             0s | told 5001       | Internal Dialing with 5002
             1s | 5001 {how}      |
             1s | told 5001       | Internal Released with 5002; failed NotNow
             1s | rest            |
        "
        ));
    }
    check(
        "
         0s | 5001 wants 5002 | auto-answer 5001, ok
         0s | 5001 rings      |
         0s | told 5001       | Internal Dialing with 5002
        29s | wait            |
        30s | wait            | NoAnswer to 5001
        30s | told 5001       | Internal Released with 5002; failed NotNow
        30s | rest            |
    ",
    );
}

#[test]
fn the_other_cannot_be_had() {
    for how in ["is busy", "declines", "fails", "redirects", "vanishes", "does not answer"] {
        check(&format!(
            "
             0s | 5001 wants 5002 | auto-answer 5001, ok
             1s | 5001 answers    | call 5002
             2s | 5002 rings      |
             2s | told 5001       | Internal Dialing with 5002
             3s | 5002 {how}      | {end} 5001
             3s | told 5001       | Internal Released with 5002; failed NotNow
             3s | rest            |
        ",
            end = ending(how),
        ));
    }
    check(
        "
         0s | 5002 dnd on         | ok
         0s | 5001 wants 5002     | auto-answer 5001, ok
         1s | told 5001           | Internal Dialing with 5002
         1s | 5001 answers        | bye 5001
         1s | told 5001           | Internal Released with 5002; failed NotNow
         2s | 5002 dnd off        | ok
         2s | 5002 unregisters    |
         2s | 5001 wants 5002     | auto-answer 5001, ok
         3s | 5001 answers        | bye 5001
         3s | rest                |
    ",
    );
}

fn ending(how: &str) -> &str {
    match how {
        "is busy" => "Busy to",
        "declines" => "Declined to",
        "does not answer" => "NoAnswer to",
        _ => "Unavailable to",
    }
}

#[test]
fn giving_up_at_every_moment() {
    check(
        "
         0s | 5001 wants 5002    | auto-answer 5001, ok
         1s | 5001 ends the call | cancel 5001, ok
         1s | told 5001          | Internal Dialing with 5002; Internal Released with 5002
         2s | 5001 wants 5002    | auto-answer 5001, ok
         3s | 5001 answers       | call 5002
         4s | 5001 ends the call | bye 5001, cancel 5002, ok
         5s | 5001 wants 5002    | auto-answer 5001, ok
         6s | 5001 answers       | call 5002
         7s | 5002 rings         |
         7s | 5001 hangs up      | cancel 5002
         8s | told 5002          | Internal Ringing with 5001; Internal Released with 5001
         8s | 5001 wants 5002    | auto-answer 5001, ok
         8s | 5001 answers       | call 5002
         9s | 5002 rings         |
         9s | 5002 ends the call | cancel 5002, Declined to 5001, ok
        10s | rest               |
    ",
    );
}

#[test]
fn e_03_a_dialled_call_is_monitored_once_it_is_answered() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | 5001 wants 0171      | auto-answer 5001, ok
         1s | 5001 answers         | call 171
         2s | 171 plays            |
         3s | 171 answers          | offer 5005
         4s | 5005 answers         |
         4s | hears 5005           | 171 5001
         4s | hears 171            | 5001
    ",
    );
}

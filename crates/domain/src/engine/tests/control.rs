//! Hold and retrieve by the API, alone and beside what the phone does.

use super::{check, check_with};

#[test]
fn hold_by_the_api_is_a_change_of_who_hears_whom() {
    check(
        "
         0s | 0151 dials 5001   | call 5001
         0s | 5001 rings        | ring 0151
         0s | can 5001          | Hangup
         0s | 5001 parks        | no: NotNow
         1s | 5001 answers      | answer 0151
         1s | can 5001          | Hold Hangup
         1s | 5001 unparks      | no: NotNow
         1s | told 5001         | Inbound Ringing with 0151; Inbound Established with 0151
         2s | 5001 parks        | ok
         2s | told 5001         | Inbound Held with 0151
         2s | can 5001          | Retrieve Hangup
         2s | hears 5001        |
         2s | hears 0151        |
         2s | 5001 parks        | no: NotNow
         3s | 5001 unparks      | ok
         3s | told 5001         | Inbound Established with 0151
         3s | hears 5001        | 0151
         3s | hears 0151        | 5001
         4s | 5001 parks        | ok
         5s | 5001 ends the call | bye 5001, bye 0151, ok
         5s | 5001 unparks      | no: NotFound
         5s | rest              |
    ",
    );
}

#[test]
fn each_ends_only_the_hold_that_it_began() {
    check(
        "
         0s | 5001 dials 5002   | call 5002
         1s | 5002 answers      | answer 5001
         2s | 5002 holds        |
         2s | calls 5002        | Internal Held with 5001
         2s | can 5002          | Hangup
         2s | 5002 parks        | no: NotNow
         2s | 5002 unparks      | no: NotNow
         3s | 5002 retrieves    |
         3s | 5002 parks        | ok
         4s | 5002 holds        |
         5s | 5002 unparks      | ok
         5s | calls 5002        | Internal Held with 5001
         5s | hears 5001        |
         6s | 5002 retrieves    |
         6s | calls 5002        | Internal Established with 5001
         7s | 5002 parks        | ok
         7s | 5002 holds        |
         8s | 5002 retrieves    |
         8s | calls 5002        | Internal Held with 5001
         8s | 5001 parks        | ok
         9s | 5002 unparks      | ok
         9s | hears 5002        |
        10s | 5001 unparks      | ok
        10s | hears 5002        | 5001
    ",
    );
}

#[test]
fn who_waits_in_a_queue_cannot_hold() {
    check(
        "
         0s | 5001 dials 8000 | answer 5001
         0s | calls 5001      | Internal Established with 8000
         0s | can 5001        | Hangup
         0s | 5001 parks      | no: NotNow
    ",
    );
}

#[test]
fn e_05_hold_by_the_api_keeps_the_customer_audible_or_not() {
    let script = |hears: &str, calls: &str| {
        format!(
            "
             0s | 5005 listens to 5001 | ok
             0s | 0151 dials 5001      | call 5001
             1s | 5001 answers         | answer 0151, offer 5005
             1s | 5005 answers         |
             2s | 5001 parks           | ok
             2s | hears 5005           | {hears}
             2s | hears 0151           |
             2s | hears 5001           |
             2s | calls 5005           | {calls}
             3s | 5001 unparks         | ok
             3s | hears 5005           | 0151 5001
        "
        )
    };
    check(&script("0151", "Inbound Established with 5001 0151 muted"));
    check_with(|it| it.monitor_party_on_hold = false, &script("", "Inbound Held with 5001 0151 muted"));
}

#[test]
fn v_06_a_supervisor_holds_by_the_api() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151, offer 5005
         1s | can 5005             | Hangup
         1s | 5005 answers         |
         1s | can 5005             | Hold Hangup
         2s | 5005 parks           | ok
         2s | hears 5005           |
         2s | calls 5005           | Inbound Held with 5001 0151 muted
         2s | can 5005             | Retrieve Hangup
         3s | 5005 unparks         | ok
         3s | hears 5005           | 0151 5001
         3s | hears 5001           | 0151
    ",
    );
}

#[test]
fn r_12_of_several_calls_the_one_not_held_by_anybody_is_joined() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         2s | 5001 parks           | ok
         3s | 0152 dials 5001      | call 5001'
         4s | 5001' answers        | answer 0152
         5s | 5005 listens to 5001 | offer 5005, ok
         5s | 5005 answers         |
         5s | hears 5005           | 0152 5001'
    ",
    );
}

#[test]
fn a_phone_that_takes_orders_answers_by_the_api() {
    check(
        "
         0s | 0151 dials 5001   | call 5001
         0s | 5001 takes orders |
         0s | 5001 rings        | ring 0151
         0s | can 5001          | Answer Hangup
         1s | 5001 picks up     | pick up 5001, ok
         1s | calls 5001        | Inbound Ringing with 0151
         2s | 5001 answers      | answer 0151
         2s | can 5001          | Hold Hangup
         3s | 5001 picks up     | no: NotNow
         4s | 5001 hangs up     | bye 0151
         4s | 5001 picks up     | no: NotFound
         4s | rest              |
    ",
    );
}

#[test]
fn a_phone_that_takes_no_orders_is_answered_by_hand() {
    check(
        "
         0s | 5002 dials 5001   | call 5001
         0s | 5001 rings        | ring 5002
         0s | can 5001          | Hangup
         1s | 5001 picks up     | no: NotNow
         1s | 5002 picks up     | no: NotNow
         2s | 5001 takes orders |
         2s | can 5001          | Answer Hangup
         3s | 5001 picks up     | pick up 5001, ok
         3s | told 5001         | Internal Ringing with 5002; Internal Ringing with 5002
         4s | 5001 takes none   |
         4s | told 5001         | Internal Ringing with 5002; failed NotNow
         4s | can 5001          | Hangup
         5s | 5001 answers      | answer 5002
         5s | 5001 takes none   |
         6s | told 5001         | Internal Established with 5002
    ",
    );
}

#[test]
fn a_supervisor_answers_by_the_api() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151, offer 5005
         1s | 5005 picks up        | no: NotNow
         2s | 5005 takes orders    |
         2s | can 5005             | Answer Hangup
         3s | 5005 picks up        | pick up 5005, ok
         4s | 5005 answers         |
         4s | can 5005             | Hold Hangup
    ",
    );
}

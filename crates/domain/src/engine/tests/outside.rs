//! Calls that leave by a trunk.

use super::check;

#[test]
fn e_03_a_device_calls_outside_and_its_supervisor_listens() {
    check(
        "
          0s | 5005 listens to 5001 | ok
          1s | 5001 dials 00301     | call 0301
          1s | calls 5001           | Outbound Dialing with 0301
          2s | 0301 rings           | ring 5001
          3s | 0301 answers         | answer 5001, offer 5005
          3s | calls 5001           | Outbound Established with 0301
          4s | 5005 answers         |
          4s | hears 5005           | 0301 5001
          4s | hears 0301           | 5001
          4s | calls 5005           | Outbound Established with 0301 5001 muted
          5s | 0301 hangs up        | bye 5001, bye 5005
          5s | calls 5001           |
          5s | rest                 |
    ",
    );
}

#[test]
fn e_04_a_call_outside_is_no_internal_call() {
    super::check_with(
        |it| it.monitor_internal_calls = false,
        "
          0s | 5005 listens to 5001 | ok
          1s | 5001 dials 5002      | call 5002
          2s | 5002 answers         | answer 5001
          3s | 5002 hangs up        | bye 5001
          4s | 5001 dials 00301     | call 0301
          5s | 0301 answers         | answer 5001, offer 5005
    ",
    );
}

#[test]
fn dial_rules_are_tried_in_their_order() {
    check(
        "
          0s | 5001 dials 00301     | call 0301
          1s | 5001 gives up        | cancel 0301
          2s | 5001 dials 0017      | call 7
          3s | 7 is busy            | Busy to 5001
          4s | 5001 dials 0         | NotFound to 5001
          4s | 5001 dials 9999      | NotFound to 5001
          4s | rest                 |
    ",
    );
}

#[test]
fn what_comes_from_a_trunk_never_leaves_by_one() {
    check(
        "
          0s | 0151 dials 00301       | NotFound to 0151
          1s | 5001 forwards to 00301 | ok
          2s | 0151 dials 5001        | NotFound to 0151
          3s | 5002 dials 5001        | call 0301
          4s | 0301 plays             | progress 5002
          4s | hears 5002             | 0301
          5s | 0301 vanishes          | Unavailable to 5002
          5s | rest                   |
    ",
    );
}

#[test]
fn outside_it_may_ring_for_three_minutes() {
    check(
        "
          0s | 5001 dials 00301     | call 0301
        179s | wait                 |
        180s | wait                 | NoAnswer to 0301, NoAnswer to 5001
        180s | rest                 |
    ",
    );
}

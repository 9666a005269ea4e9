//! Queues: who waits, who is rung, and who gives up.

use super::check;

#[test]
fn a_caller_hears_music_until_the_longest_idle_agent_answers() {
    check(
        "
          0s | 5002 ready           | ok
          1s | 5001 ready           | ok
          2s | 5005 listens to 5002 | ok
          3s | 0151 dials 8000      | answer 0151, call 5002
          3s | hears 0151           | music of 8000
          3s | calls 5002           |
          4s | 5002 rings           |
          4s | calls 5002           | Inbound Ringing with 0151
          4s | hears 5002           |
          5s | 5002 answers         | offer 5005
          5s | hears 0151           | 5002
          5s | hears 5002           | 0151
          5s | calls 5002           | Inbound Established with 0151
          6s | 5005 answers         |
          6s | hears 5005           | 0151 5002
          7s | 0151 holds           |
          7s | hears 0151           |
          8s | 0151 hangs up        | bye 5002, bye 5005
          8s | shows 5002           | Ready
          8s | rest                 |
    ",
    );
}

#[test]
fn a_device_in_a_queue_is_shown_the_queue_and_not_who_rings() {
    check(
        "
          0s | 5001 ready         | ok
          1s | 5004 dials 8000    | answer 5004, call 5001
          2s | 5001 rings         |
          2s | calls 5004         | Internal Established with 8000
          3s | 5001 answers       |
          3s | calls 5004         | Internal Established with 5001
          4s | 5004 ends the call | bye 5004, bye 5001, ok
          4s | rest               |
    ",
    );
}

#[test]
fn early_sound_of_the_agents_phone_is_not_heard() {
    check(
        "
          0s | 5001 ready      | ok
          1s | 0151 dials 8000 | answer 0151, call 5001
          2s | 5001 plays      |
          2s | hears 0151      | music of 8000
    ",
    );
}

#[test]
fn calls_wait_in_order_of_arrival_for_agents_of_the_teams() {
    check(
        "
          0s | 5004 logs in    | ok
          0s | 5004 ready      | ok
          1s | 0151 dials 8000 | answer 0151
          2s | 0152 dials 8000 | answer 0152
          3s | 0153 dials 8000 | answer 0153
          4s | 5001 ready      | call 5001, ok
          5s | 5001 answers    |
          5s | hears 0151      | 5001
          5s | hears 0152      | music of 8000
          6s | 0152 gives up   |
          7s | 5001 hangs up   | bye 0151, call 5001
          8s | 5001 answers    |
          8s | hears 0153      | 5001
          9s | 0153 hangs up   | bye 5001
          9s | rest            |
    ",
    );
}

#[test]
fn an_agent_who_does_not_answer_becomes_not_ready_and_the_next_is_tried() {
    check(
        "
          0s | 5001 ready      | ok
          1s | 5002 ready      | ok
          2s | 0151 dials 8000 | answer 0151, call 5001
          3s | 0152 dials 8000 | answer 0152, call 5002
          3s | told 5001       | Ready; voice Ready
         21s | wait            |
         22s | wait            | NoAnswer to 5001
         22s | shows 5001      | NotReady
         22s | told 5001       | NotReady; voice NotReady
         22s | hears 0151      | music of 8000
         22s | 5002 declines   | call 5002
         22s | shows 5002      | Ready
         23s | 5002 answers    |
         23s | hears 0151      | 5002
         24s | restart         |
         24s | shows 5001      | NotReady
         24s | shows 5002      | Ready
    ",
    );
}

#[test]
fn an_agent_who_is_busy_is_asked_again_after_a_while() {
    check(
        "
          0s | 5001 ready      | ok
          1s | 0151 dials 8000 | answer 0151, call 5001
          2s | 5001 is busy    |
         31s | wait            |
         32s | wait            | call 5001
    ",
    );
}

#[test]
fn whoever_is_called_talks_or_does_not_want_to_is_not_offered_a_call() {
    check(
        "
          0s | 5001 ready             | ok
          0s | 5002 ready             | ok
          1s | 0150 dials 5001        | call 5001
          1s | 5002 dnd on            | ok
          2s | 0151 dials 8000        | answer 0151
          3s | 5001 answers           | answer 0150
          4s | 5002 forwards to 5003  | ok
          5s | 5002 dnd off           | ok
          6s | 5002 unregisters       |
          7s | 5002 forwards off      | ok
          8s | 5002 registers         | call 5002
          9s | 5002 answers           |
         10s | 0151 hangs up          | bye 5002
         11s | 0150 hangs up          | bye 5001
         11s | rest                   |
    ",
    );
}

#[test]
fn a_caller_gives_up() {
    check(
        "
          0s | 5001 ready      | ok
          1s | 0151 dials 8000 | answer 0151, call 5001
          2s | 0151 hangs up   | cancel 5001
          2s | shows 5001      | Ready
          2s | rest            |
    ",
    );
}

#[test]
fn an_agent_who_goes_while_ringing_is_no_longer_rung() {
    for how in ["not ready", "logs out"] {
        check(&format!(
            "
              0s | 5001 ready      | ok
              1s | 5002 ready      | ok
              2s | 0151 dials 8000 | answer 0151, call 5001
              3s | 5001 {how}      | cancel 5001, call 5002, ok
              4s | 5002 answers    |
              4s | hears 0151      | 5002
              5s | 0151 hangs up   | bye 5002
              5s | rest            |
        "
        ));
    }
}

#[test]
fn an_agent_may_decline_by_the_api() {
    check(
        "
          0s | 5001 ready         | ok
          1s | 5002 ready         | ok
          2s | 0151 dials 8000    | answer 0151, call 5001
          3s | 5001 rings         |
          4s | 5001 ends the call | cancel 5001, call 5002, ok
          4s | shows 5001         | Ready
    ",
    );
}

#[test]
fn a_full_queue_is_busy() {
    check(
        "
          0s | 0151 dials 8001 | answer 0151
          1s | 0152 dials 8001 | Busy to 0152
          2s | 0151 gives up   |
          3s | 0152 dials 8001 | answer 0152
    ",
    );
}

#[test]
fn whoever_has_waited_for_long_enough_goes_elsewhere() {
    check(
        "
          0s | 0151 dials 8001 | answer 0151
          9s | wait            |
         10s | wait            | call 5003
         10s | hears 0151      | music of 8001
         11s | 5003 is busy    |
         21s | wait            | call 5003
         22s | 5003 answers    |
         22s | hears 0151      | 5003
         23s | 5003 hangs up   | bye 0151
         23s | rest            |
    ",
    );
}

#[test]
fn a_phone_that_rings_may_still_be_answered_when_the_time_is_over() {
    check(
        "
          0s | 0151 dials 8001 | answer 0151
          5s | 5001 ready      | call 5001, ok
         10s | wait            |
         25s | wait            | NoAnswer to 5001, call 5003
         26s | 0151 hangs up   | cancel 5003
         26s | rest            |
    ",
    );
}

#[test]
fn from_one_queue_to_the_end_of_another() {
    check(
        "
          0s | 0151 dials 8002 | answer 0151
          5s | 0152 dials 8000 | answer 0152
         10s | wait            |
         10s | hears 0151      | music of 8000
         11s | 5001 ready      | call 5001, ok
         12s | 5001 answers    |
         12s | hears 0152      | 5001
         13s | 0152 hangs up   | bye 5001, call 5001
         14s | 0151 gives up   | cancel 5001
         14s | rest            |
    ",
    );
}

#[test]
fn after_call_work_ends_by_itself_or_by_ready() {
    check(
        "
          0s | 5001 ready      | ok
          1s | 0151 dials 8001 | answer 0151, call 5001
          2s | 5001 answers    |
          3s | 0151 hangs up   | bye 5001
          3s | shows 5001      | AfterCallWork
          4s | 0152 dials 8000 | answer 0152
         32s | wait            |
         33s | wait            | call 5001
         33s | shows 5001      | Ready
         34s | 5001 answers    |
         35s | 5001 hangs up   | bye 0152
         35s | shows 5001      | Ready
         36s | 0151 dials 8001 | answer 0151, call 5001
         37s | 5001 answers    |
         38s | 5001 hangs up   | bye 0151
         39s | 0152 dials 8000 | answer 0152
         40s | 5001 ready      | call 5001, ok
         41s | 5001 answers    |
         42s | 5001 not ready  | ok
         43s | 5001 hangs up   | bye 0152
         43s | shows 5001      | NotReady
         43s | rest            |
    ",
    );
}

#[test]
fn whoever_was_not_ready_after_the_call_stays_so() {
    check(
        "
          0s | 5001 ready      | ok
          1s | 0151 dials 8001 | answer 0151, call 5001
          2s | 5001 answers    |
          3s | 5001 not ready  | ok
          4s | 0151 hangs up   | bye 5001
          4s | shows 5001      | NotReady
          4s | rest            |
    ",
    );
}

#[test]
fn the_acknowledgement_of_a_caller_may_come_after_the_agent() {
    check(
        "
          0s | acks are slow        |
          0s | 5001 ready           | ok
          0s | 5005 listens to 5001 | ok
          1s | 5004 dials 8000      | answer 5004, call 5001
          1s | hears 5004           | music of 8000
          2s | 5001 answers         |
          2s | hears 5004           | 5001
          3s | 5004 confirms        | offer 5005
    ",
    );
}

#[test]
fn a_restart_loses_those_who_wait() {
    check(
        "
          0s | 5001 ready      | ok
          1s | 0151 dials 8000 | answer 0151, call 5001
          2s | restart         |
          2s | shows 5001      | Ready
          2s | rest            |
          3s | 5001 registers  |
          4s | 0151 dials 8000 | answer 0151, call 5001
    ",
    );
}

#[test]
fn what_is_on_disk_of_an_agent_who_logs_out_as_nobody_answers() {
    check(
        "
          0s | 5001 ready        | ok
          1s | 0151 dials 8000   | answer 0151, call 5001
          2s | storage waits     |
          3s | 5001 logs out     |
         21s | wait              | NoAnswer to 5001
         22s | storage commits   | ok
         22s | storage works     |
         23s | restart           |
         23s | shows 5001        | Offline
    ",
    );
}

//! Outcomes at request time: rows of `supervision.md` a.3.

use super::{check, check_with};

#[test]
fn r_01_valid_request_for_an_idle_target() {
    check(
        "
         0s | capabilities 5005    | [ForwardCallsOn, DoNotDisturbOn, ListenIn]
         0s | 5005 listens to 5001 | ok
         0s | told 5005            | NotReady ListenIn 5001 All Call
         0s | told 5001            |
         0s | capabilities 5005    | [ForwardCallsOn, DoNotDisturbOn, ListenIn, CancelSupervisorMonitoring]
         0s | audit                | OrderArmed
    ",
    );
}

#[test]
fn r_01_by_number() {
    check(
        "
         0s | 5005 listens to number 5001 | ok
         0s | shows 5005                  | NotReady ListenIn 5001 All Call
    ",
    );
}

#[test]
fn r_02_scope_and_mode_are_kept_as_asked() {
    check(
        "
         0s | 5005 listens to 5001 agent next | ok
         0s | shows 5005                      | NotReady ListenIn 5001 Next Agent
    ",
    );
}

#[test]
fn r_04_neither_uri_nor_number() {
    check(
        "
         0s | 5005 listens to nobody | no: Missing
         0s | audit                  | OrderRefused
         0s | told 5005              |
    ",
    );
}

#[test]
fn r_05_uri_and_number_must_agree() {
    check(
        "
         0s | 5005 listens to 5001 and 5002 | no: OutOfRange
         0s | 5005 listens to 5001 and 9999 | no: OutOfRange
         0s | 5005 listens to 5001 and 5001 | ok
    ",
    );
}

#[test]
fn r_06_target_unknown() {
    check(
        "
         0s | 5005 listens to nothing     | no: NotFound
         0s | 5005 listens to number 9999 | no: NotFound
         0s | audit                       | OrderRefused; OrderRefused
    ",
    );
}

#[test]
fn r_08_target_is_the_supervisor_itself() {
    check(
        "
         0s | 5005 listens to 5005 | no: Forbidden
         0s | 5006 listens to 5006 | no: Forbidden
    ",
    );
}

#[test]
fn r_09_target_on_a_call_now() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         5s | 5005 listens to 5001 | offer 5005, ok
         6s | 5005 answers         |
         6s | hears 5005           | 0151 5001
    ",
    );
}

#[test]
fn r_09_without_intrusion_the_next_call_is_joined() {
    check_with(
        |it| it.intrusion = false,
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         5s | 5005 listens to 5001 | ok
         6s | 0151 hangs up        | bye 5001
         7s | 0151 dials 5001      | call 5001
         8s | 5001 answers         | answer 0151, offer 5005
    ",
    );
}

#[test]
fn r_10_target_rings_now() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 rings           | ring 0151
         2s | 5005 listens to 5001 | ok
         3s | 5001 answers         | answer 0151, offer 5005
    ",
    );
}

#[test]
fn r_11_target_has_only_held_calls() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         2s | 5001 holds           |
         3s | 5005 listens to 5001 | offer 5005, ok
         4s | 5005 answers         |
         4s | hears 5005           | 0151
         5s | 5001 retrieves       |
         5s | hears 5005           | 0151 5001
    ",
    );
}

#[test]
fn r_12_of_several_calls_the_one_not_on_hold() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         2s | 5001 holds           |
         3s | 0152 dials 5001      | call 5001'
         4s | 5001' answers        | answer 0152
         5s | 5005 listens to 5001 | offer 5005, ok
         6s | 5005 answers         |
         6s | hears 5005           | 0152 5001'
    ",
    );
}

#[test]
fn r_12_of_several_held_calls_the_one_held_last() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         2s | 5001 holds           |
         3s | 0152 dials 5001      | call 5001'
         4s | 5001' answers        | answer 0152
         5s | 5001' holds          |
         6s | 5005 listens to 5001 | offer 5005, ok
         7s | 5005 answers         |
         7s | hears 5005           | 0152
    ",
    );
}

#[test]
fn r_13_target_not_logged_in() {
    check(
        "
         0s | 5001 logs out        | ok
         1s | 5005 listens to 5001 | no: NotNow
         2s | 5001 logs in         | ok
         2s | 5005 listens to 5001 | ok
    ",
    );
}

#[test]
fn r_14_targets_phone_not_registered() {
    check(
        "
         0s | 5001 unregisters     |
         1s | 5005 listens to 5001 | ok
         2s | 5001 registers       |
         3s | 0151 dials 5001      | call 5001
         4s | 5001 answers         | answer 0151, offer 5005
    ",
    );
}

#[test]
fn r_15_supervisors_phone_not_registered() {
    check(
        "
         0s | 5005 unregisters     |
         0s | capabilities 5005    | [ForwardCallsOn, DoNotDisturbOn]
         1s | 5005 listens to 5001 | no: NotNow
         2s | 5005 registers       |
         3s | 5005 listens to 5001 | ok
    ",
    );
}

#[test]
fn a_supervisor_without_a_session_is_refused() {
    check(
        "
         0s | 5005 logs out        | ok
         1s | 5005 listens to 5001 | no: NotNow
         1s | audit                | OrderRefused
    ",
    );
}

#[test]
fn r_16_supervisor_not_ready_with_do_not_disturb_on() {
    check(
        "
         0s | 5005 dnd on          | ok
         1s | 5005 listens to 5001 | ok
         1s | shows 5005           | NotReady dnd ListenIn 5001 All Call
         2s | 0151 dials 5001      | call 5001
         3s | 5001 answers         | answer 0151, offer 5005
         4s | 0152 dials 5005      | Busy to 0152
    ",
    );
}

#[test]
fn r_17_the_same_target_again_changes_the_order_in_place() {
    check(
        "
         0s | 5005 listens to 5001            | ok
         1s | told 5005                       | NotReady ListenIn 5001 All Call
         2s | 5005 listens to 5001 next agent | ok
         2s | told 5005                       | NotReady ListenIn 5001 Next Agent
         3s | 5005 listens to 5001 next agent | ok
         3s | told 5005                       | NotReady ListenIn 5001 Next Agent
         3s | disk orders                     | 1
         3s | audit                           | OrderArmed; OrderChanged; OrderChanged
    ",
    );
}

#[test]
fn r_17_during_a_session_it_goes_on() {
    check(
        "
         0s | 5005 listens to 5001      | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
         3s | 5005 answers              |
         4s | 5005 listens to 5001 next | ok
         4s | hears 5005                | 0151 5001
         5s | 0151 hangs up             | bye 5001, bye 5005
         5s | shows 5005                | NotReady
    ",
    );
}

#[test]
fn r_18_another_target_while_armed_replaces_the_order() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | told 5005            | NotReady ListenIn 5001 All Call
         1s | 5005 listens to 5002 | ok
         1s | told 5005            | NotReady ListenIn 5002 All Call
         1s | audit                | OrderArmed; OrderEnded replaced; OrderArmed
         1s | disk orders          | 1
         2s | 0151 dials 5001      | call 5001
         3s | 5001 answers         | answer 0151
    ",
    );
}

#[test]
fn r_19_another_target_during_a_session_moves_the_leg() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         2s | 0152 dials 5002      | call 5002
         3s | 5002 answers         | answer 0152
         4s | 5005 listens to 5001 | offer 5005, ok
         5s | 5005 answers         |
         5s | hears 5005           | 0151 5001
         5s | audit                | OrderArmed; SessionOffered; SessionActive
         6s | 5005 listens to 5002 | ok
         6s | hears 5005           | 0152 5002
         6s | hears 5001           | 0151
         6s | calls 5005           | Inbound Established with 5002 0152 muted
         6s | audit                | OrderEnded replaced; OrderArmed; SessionEnded replaced; SessionOffered; SessionActive
         7s | 0151 hangs up        | bye 5001
         8s | 0152 hangs up        | bye 5002, bye 5005
         8s | rest                 |
    ",
    );
}

#[test]
fn r_19_without_a_call_at_the_new_target_the_leg_ends() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         4s | 5005 listens to 5001 | offer 5005, ok
         5s | 5005 answers         |
         6s | 5005 listens to 5002 | bye 5005, ok
         6s | calls 5005           |
         7s | 0152 dials 5002      | call 5002
         8s | 5002 answers         | answer 0152, offer 5005
    ",
    );
}

#[test]
fn r_19_while_the_supervisors_phone_still_rings() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         2s | 0152 dials 5002      | call 5002
         3s | 5002 answers         | answer 0152
         4s | 5005 listens to 5001 | offer 5005, ok
         5s | 5005 listens to 5002 | ok
         6s | 5005 answers         |
         6s | hears 5005           | 0152 5002
         7s | 0152 hangs up        | bye 5002, bye 5005
    ",
    );
}

/// Found by the simulator: a leg on hold stays on hold when it moves.
#[test]
fn r_19_a_leg_on_hold_moves_on_hold() {
    check(
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         2s | 0152 dials 5002      | call 5002
         3s | 5002 answers         | answer 0152
         4s | 5005 listens to 5001 | offer 5005, ok
         5s | 5005 answers         |
         6s | 5005 holds           |
         7s | 5005 listens to 5002 | ok
         7s | hears 5005           |
         7s | calls 5005           | Inbound Held with 5002 0152 muted
         8s | 5005 retrieves       |
         8s | hears 5005           | 0152 5002
    ",
    );
}

#[test]
fn r_20_a_second_supervisor_is_refused() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 5006 listens to 5001 | no: InUse
         2s | 5005 cancels         | ok
         3s | 5006 listens to 5001 | ok
    ",
    );
}

#[test]
fn r_20_as_many_as_the_settings_allow() {
    check_with(
        |it| it.max_supervisors_per_target = 2,
        "
         0s | 5005 listens to 5001 | ok
         0s | 5006 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005, offer 5006
         3s | 5005 answers         |
         3s | 5006 answers         |
         3s | hears 5005           | 0151 5001
         3s | hears 5006           | 0151 5001
         3s | hears 5001           | 0151
         4s | 5005 hangs up        |
         4s | hears 5006           | 0151 5001
         5s | 5001 hangs up        | bye 0151, bye 5006
         5s | rest                 |
    ",
    );
}

#[test]
fn r_20_counts_orders_that_are_being_written() {
    check(
        "
         0s | storage waits        |
         0s | 5005 listens to 5001 |
         1s | 5006 listens to 5001 | no: InUse
         2s | storage refuses      | no: Internal
         2s | storage works        |
         3s | 5006 listens to 5001 | ok
    ",
    );
}

#[test]
fn r_21_a_supervisors_session_is_no_call_of_its_own() {
    check(
        "
         0s | 5006 listens to 5005 | ok
         1s | 5005 listens to 5001 | ok
         2s | 0151 dials 5001      | call 5001
         3s | 5001 answers         | answer 0151, offer 5005
         4s | 5005 answers         |
         5s | 0152 dials 5005      | call 5005'
         6s | 5005' answers        | answer 0152, offer 5006
    ",
    );
}

#[test]
fn r_23_cancel_with_nothing_armed() {
    check(
        "
         0s | 5005 cancels | no: NotNow
         0s | audit        | OrderRefused
    ",
    );
}

#[test]
fn a_queue_cannot_be_monitored_yet() {
    check(
        "
         0s | 5005 listens to number 8000 | no: NotNow
    ",
    );
}

#[test]
fn coach_is_refused_as_unknown() {
    check(
        "
         0s | 5005 coaches 5001 | no: UnknownOperation
         0s | audit             | OrderRefused
    ",
    );
}

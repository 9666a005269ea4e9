//! What ends an order and what it leads to, call after call: rows E-01 to E-04, E-17 to E-21.

use super::{check, check_with};

#[test]
fn e_01_nothing_reaches_the_supervisor_while_the_call_rings() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | told 5005            | NotReady ListenIn 5001 All Call
         1s | 0151 dials 5001      | call 5001
         2s | 5001 rings           | ring 0151
         2s | told 5005            |
         3s | 0151 gives up        | cancel 5001
         3s | told 5005            |
    ",
    );
}

#[test]
fn e_02_target_answers() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | told 5005            | NotReady ListenIn 5001 All Call
         2s | 5001 answers         | answer 0151, offer 5005
         2s | told 5005            | Inbound Ringing with 5001 0151 muted
         2s | hears 5005           |
         2s | told 5001            | Inbound Established with 0151
         3s | 5005 answers         |
         3s | hears 5005           | 0151 5001
         3s | hears 0151           | 5001
         3s | hears 5001           | 0151
         3s | told 5005            | Inbound Established with 5001 0151 muted
         3s | told 5001            | parties: Inbound Established with 0151 listened to
         3s | audit                | OrderArmed; SessionOffered; SessionActive
    ",
    );
}

#[test]
fn e_03_target_dials_out_and_the_far_end_answers() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 5001 dials 5003      | call 5003
         2s | 5003 plays           | progress 5001
         2s | hears 5001           | 5003
         3s | 5003 answers         | answer 5001, offer 5005
         4s | 5005 answers         |
         4s | hears 5005           | 5001 5003
    ",
    );
}

#[test]
fn e_03_not_before_the_ack_to_the_target() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | acks are slow        |
         1s | 5001 dials 5003      | call 5003
         2s | 5003 answers         | answer 5001
         3s | 5001 confirms        | offer 5005
    ",
    );
}

#[test]
fn e_04_internal_calls_may_be_left_alone() {
    check_with(
        |it| it.monitor_internal_calls = false,
        "
         0s | 5005 listens to 5001 | ok
         1s | 5002 dials 5001      | call 5001
         2s | 5001 answers         | answer 5002
         3s | 5002 hangs up        | bye 5001
         4s | 0151 dials 5001      | call 5001
         5s | 5001 answers         | answer 0151, offer 5005
    ",
    );
}

#[test]
fn e_04_a_call_with_the_supervisor_itself_is_skipped() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 5005 dials 5001      | call 5001
         2s | 5001 answers         | answer 5005
         3s | 5005 hangs up        | bye 5001
         3s | audit                | OrderArmed
         3s | rest                 |
    ",
    );
}

#[test]
fn e_17_target_logs_out_without_a_call() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | told 5005            | NotReady ListenIn 5001 All Call
         1s | 5001 logs out        | ok
         1s | told 5005            | NotReady
         1s | disk orders          | 0
         1s | audit                | OrderArmed; OrderEnded target_logged_out
    ",
    );
}

#[test]
fn e_18_target_logs_out_during_a_monitored_call() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5001 logs out        | ok
         4s | shows 5005           | NotReady
         4s | hears 5005           | 0151 5001
         5s | 0151 hangs up        | bye 5001, bye 5005
         6s | audit                | OrderArmed; SessionOffered; SessionActive; OrderEnded target_logged_out; SessionEnded call_ended
    ",
    );
}

#[test]
fn e_19_supervisor_logs_out() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5005 logs out        | bye 5005, ok
         4s | shows 5005           | Offline
         4s | hears 5001           | 0151
         4s | calls 5001           | Inbound Established with 0151
         4s | audit                | OrderArmed; SessionOffered; SessionActive; OrderEnded supervisor_logged_out; SessionEnded supervisor_logged_out
    ",
    );
}

#[test]
fn e_20_cancel_during_a_session_lets_it_run() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5005 cancels         | ok
         4s | shows 5005           | NotReady
         4s | hears 5005           | 0151 5001
         5s | 0151 hangs up        | bye 5001, bye 5005
         6s | 0151 dials 5001      | call 5001
         7s | 5001 answers         | answer 0151
         8s | audit                | OrderArmed; SessionOffered; SessionActive; OrderEnded cancelled; SessionEnded call_ended
    ",
    );
}

#[test]
fn e_20_cancel_ends_the_session_where_the_settings_say_so() {
    check_with(
        |it| it.cancel_ends_session = true,
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5005 cancels         | bye 5005, ok
         4s | hears 5001           | 0151
         4s | calls 5005           |
    ",
    );
}

#[test]
fn e_20_a_new_order_for_the_same_target_takes_the_session_up() {
    check(
        "
         0s | 5005 listens to 5001      | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
         3s | 5005 answers              |
         4s | 5005 cancels              | ok
         5s | 5005 listens to 5001 next | ok
         5s | hears 5005                | 0151 5001
         6s | 5001 hangs up             | bye 0151, bye 5005
         6s | shows 5005                | NotReady
    ",
    );
}

#[test]
fn e_21_an_order_for_one_call_ends_with_its_session() {
    check(
        "
         0s | 5005 listens to 5001 next | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
         3s | 5005 answers              |
         3s | shows 5005                | NotReady ListenIn 5001 Next Call
         3s | told 5005                 | NotReady ListenIn 5001 Next Call; Inbound Ringing with 5001 0151 muted; Inbound Established with 5001 0151 muted
         9s | 0151 hangs up             | bye 5001, bye 5005
         9s | shows 5005                | NotReady
         9s | told 5005                 | NotReady; Inbound Released with 5001 0151 muted
         9s | disk orders               | 0
        10s | 0151 dials 5001           | call 5001
        11s | 5001 answers              | answer 0151
    ",
    );
}

#[test]
fn e_21_with_intrusion_the_call_in_progress_is_the_one_call() {
    check(
        "
         0s | 0151 dials 5001           | call 5001
         1s | 5001 answers              | answer 0151
         2s | 5005 listens to 5001 next | offer 5005, ok
         3s | 5005 answers              |
         9s | 5001 hangs up             | bye 0151, bye 5005
         9s | audit                     | OrderArmed; SessionOffered; SessionActive; SessionEnded call_ended; OrderEnded next_call_done
    ",
    );
}

#[test]
fn e_21_every_call_is_offered_while_an_order_for_all_stands() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5001 hangs up        | bye 0151, bye 5005
         5s | 5002 dials 5001      | call 5001
         6s | 5001 answers         | answer 5002, offer 5005
         7s | 5005 answers         |
         7s | hears 5005           | 5001 5002
         8s | shows 5005           | NotReady ListenIn 5001 All Call
    ",
    );
}

#[test]
fn e_23_orders_and_log_ins_survive_a_restart() {
    check(
        "
         0s | 5005 listens to 5001 agent | ok
         1s | 0151 dials 5001            | call 5001
         2s | 5001 answers               | answer 0151, offer 5005
         3s | 5005 answers               |
         4s | audit                      | OrderArmed; SessionOffered; SessionActive
         5s | restart                    |
         5s | audit                      | SessionEnded server_restart
         5s | shows 5005                 | NotReady ListenIn 5001 All Agent
         5s | told 5005                  | NotReady ListenIn 5001 All Agent; Inbound Ringing with 5001 0151 muted; Inbound Established with 5001 0151 muted
         6s | 5001 registers             |
         6s | 5005 registers             |
         7s | 0151 dials 5001            | call 5001
         8s | 5001 answers               | answer 0151, offer 5005
         9s | 5005 answers               |
         9s | hears 5005                 | 0151 5001
    ",
    );
}

//! What is durable, and when; and what happens when it cannot be.

use super::check;

#[test]
fn an_order_neither_shows_nor_works_before_it_is_written() {
    check(
        "
         0s | storage waits        |
         0s | 5005 listens to 5001 |
         1s | shows 5005           | NotReady
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151
         2s | told 5005            |
         3s | storage commits      | offer 5005, ok
         3s | shows 5005           | NotReady ListenIn 5001 All Call
         4s | storage commits      |
         5s | 5005 answers         |
         5s | hears 5005           | 0151 5001
    ",
    );
}

#[test]
fn an_order_that_cannot_be_written_is_undone() {
    check(
        "
         0s | storage fails        |
         0s | 5005 listens to 5001 | no: Internal
         0s | shows 5005           | NotReady
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151
         2s | told 5005            |
    ",
    );
}

#[test]
fn a_replacement_that_cannot_be_written_leaves_the_old_order() {
    check(
        "
         0s | 5005 listens to 5001      | ok
         1s | storage fails             |
         1s | 5005 listens to 5002      | no: Internal
         2s | 5005 listens to 5001 next | no: Internal
         3s | 5005 cancels              | no: Internal
         3s | shows 5005                | NotReady ListenIn 5001 All Call
    ",
    );
}

#[test]
fn no_storage_no_listening_and_the_call_goes_on() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | storage waits        |
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         3s | hears 5005           |
         3s | hears 5001           | 0151
         3s | calls 5001           | Inbound Established with 0151
         4s | storage refuses      | bye 5005
         4s | hears 5001           | 0151
         4s | calls 5005           |
         5s | shows 5005           | NotReady ListenIn 5001 All Call
         6s | 0151 hangs up        | bye 5001
    ",
    );
}

#[test]
fn the_supervisor_hears_once_the_audit_trail_has_it() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | storage waits        |
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         3s | hears 5005           |
         4s | storage commits      |
         4s | hears 5005           | 0151 5001
         4s | calls 5005           | Inbound Established with 5001 0151 muted
    ",
    );
}

#[test]
fn ends_that_could_not_be_written_are_written_later() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         3s | audit                | OrderArmed; SessionOffered; SessionActive
         4s | storage fails        |
         4s | 5005 hangs up        |
         4s | audit                |
         5s | storage works        |
         9s | audit                | SessionEnded left
    ",
    );
}

#[test]
fn commands_on_the_same_object_wait_for_each_other() {
    check(
        "
         0s | storage waits             |
         0s | 5005 listens to 5001      |
         0s | 5005 listens to 5002 next |
         0s | 5005 cancels              |
         1s | storage commits           | ok
         1s | shows 5005                | NotReady ListenIn 5001 All Call
         2s | storage commits           | ok
         2s | shows 5005                | NotReady ListenIn 5002 Next Call
         3s | storage commits           | ok
         3s | shows 5005                | NotReady
         3s | disk orders               | 0
         3s | rest                      |
    ",
    );
}

#[test]
fn the_target_logs_out_while_an_order_is_being_written() {
    check(
        "
         0s | storage waits        |
         0s | 5001 logs out        |
         0s | 5005 listens to 5001 |
         1s | storage commits      | ok, no: NotNow
         1s | storage commits      |
         1s | shows 5005           | NotReady
         1s | disk orders          | 0
         1s | audit                | OrderArmed; OrderEnded logged_out_meanwhile
    ",
    );
}

#[test]
fn an_order_ends_while_its_change_is_being_written() {
    check(
        "
         0s | 5005 listens to 5001 next | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
         3s | 5005 answers              |
         4s | storage waits             |
         4s | 5005 listens to 5001      |
         5s | 5005 hangs up             |
         5s | shows 5005                | NotReady
         6s | storage commits           | offer 5005, ok
         7s | storage commits           |
         7s | shows 5005                | NotReady ListenIn 5001 All Call
         7s | disk orders               | 1
    ",
    );
}

#[test]
fn log_ins_that_cannot_be_written_are_undone() {
    check(
        "
         0s | 5001 logs out   | ok
         1s | storage fails   |
         1s | 5001 logs in    | no: Internal
         1s | shows 5001      | Offline
         2s | storage works   |
         2s | 5001 logs in    | ok
         3s | storage fails   |
         3s | 5001 logs out   | no: Internal
         3s | shows 5001      | NotReady
         3s | 5001 dnd on     | no: Internal
         3s | shows 5001      | NotReady
    ",
    );
}

/// Found by the simulator: what is written for the order in between must not outlive its cancel.
#[test]
fn an_order_written_while_its_cancel_is_does_not_come_back() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
        21s | storage waits        |
        21s | 5005 cancels         |
        22s | wait                 | cancel 5005
        23s | storage commits      | ok
        23s | storage commits      |
        23s | disk orders          | 0
        24s | restart              |
        24s | shows 5005           | NotReady
    ",
    );
}

#[test]
fn an_order_written_while_it_is_changed_keeps_the_change() {
    check(
        "
         0s | 5005 listens to 5001      | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
        21s | storage waits             |
        21s | 5005 listens to 5001 next |
        22s | wait                      | cancel 5005
        23s | 0151 hangs up             | bye 5001
        24s | storage commits           | ok
        24s | storage commits           |
        25s | restart                   |
        25s | shows 5005                | NotReady ListenIn 5001 Next Call
    ",
    );
}

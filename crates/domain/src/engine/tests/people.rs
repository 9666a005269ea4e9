//! Log-ins, agent states, do-not-disturb, forwarding.

use super::check;

#[test]
fn logging_in_and_out() {
    check(
        "
         0s | 5001 logs out          | ok
         0s | told 5001              | Offline; voice Offline
         1s | 5001 ready             | no: NotNow
         1s | 5001 logs out          | no: NotNow
         2s | 5001 logs in           | ok
         2s | told 5001              | NotReady; voice NotReady
         3s | 5001 ready             | ok
         3s | told 5001              | Ready; voice Ready
         4s | 5001 ready             | ok
         4s | 5001 logs in           | ok
         4s | told 5001              |
         5s | 5001 not ready         | ok
         5s | shows 5001             | NotReady
    ",
    );
}

#[test]
fn do_not_disturb_and_forwarding_show_and_swap_what_can_be_done() {
    check(
        "
         0s | 5001 dnd on            | ok
         0s | told 5001              | NotReady dnd
         0s | capabilities 5001      | [ForwardCallsOn, DoNotDisturbOff]
         1s | 5001 dnd on            | ok
         1s | told 5001              |
         2s | 5001 forwards to 5002  | ok
         2s | capabilities 5001      | [ForwardCallsOff, DoNotDisturbOff]
         3s | 5001 forwards off      | ok
         4s | 5001 dnd off           | ok
         4s | shows 5001             | NotReady
         5s | 5001 forwards to 5001  | no: OutOfRange
    ",
    );
}

#[test]
fn log_ins_and_comforts_survive_a_restart() {
    check(
        "
         0s | 5001 ready             | ok
         0s | 5001 dnd on            | ok
         0s | 5002 logs out          | ok
         1s | restart                |
         1s | shows 5001             | Ready dnd
         1s | shows 5002             | Offline
         1s | told 5001              | Ready; voice Ready; Ready dnd
    ",
    );
}

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

#[test]
fn other_work_takes_no_calls_and_survives_a_restart() {
    check(
        "
         0s | 5001 ready           | ok
         0s | told 5001            | Ready; voice Ready
         1s | 5001 aux work        | ok
         1s | told 5001            | AuxWork; voice AuxWork
         2s | 5001 dials 8000      | answer 5001
         2s | 5001 hangs up        |
         2s | told 5001            | Internal Dialing with 8000; Internal Established with 8000; Internal Released with 8000
         3s | 0151 dials 8000      | answer 0151
         4s | 5001 after call work | ok
         4s | told 5001            | AfterCallWork; voice AfterCallWork
         5s | 5001 ready           | call 5001, ok
         6s | 5001 aux work        | cancel 5001, ok
         7s | 0151 hangs up        |
         8s | restart              |
         8s | shows 5001           | AuxWork
         9s | 5001 after call work | ok
        10s | restart              |
        10s | shows 5001           | AfterCallWork
        11s | 5001 ready           | ok
        11s | shows 5001           | Ready
    ",
    );
}

/// 8001 gives half a minute of after-call work by itself.
#[test]
fn after_call_work_asked_for_lasts_until_the_agent_says_otherwise() {
    check(
        "
         0s | 5001 ready           | ok
         1s | 0151 dials 8001      | answer 0151, call 5001
         2s | 5001 answers         |
         3s | 0151 hangs up        | bye 5001
         3s | shows 5001           | AfterCallWork
         4s | 5001 after call work | ok
        60s | shows 5001           | AfterCallWork
        61s | 5001 ready           | ok
        61s | shows 5001           | Ready
        62s | 0151 dials 8001      | answer 0151, call 5001
        63s | 5001 answers         |
        64s | 5001 after call work | ok
        65s | 0151 hangs up        | bye 5001
        99s | shows 5001           | AfterCallWork
        99s | rest                 |
    ",
    );
}

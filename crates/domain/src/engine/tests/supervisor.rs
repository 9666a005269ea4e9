//! What happens on the supervisor's leg: rows V-01 to V-11 of `supervision.md` a.5.

use super::check;

#[test]
fn v_01_supervisor_busy_gets_no_second_call() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0159 dials 5005      | call 5005
         1s | 5005 answers         | answer 0159
         2s | 0151 dials 5001      | call 5001
         3s | told 5005            | NotReady ListenIn 5001 All Call; Inbound Established with 0159
         3s | 5001 answers         | answer 0151
         3s | told 5005            | failed NotNow
         3s | audit                | OrderArmed; SessionEnded busy
         4s | 0159 hangs up        | bye 5005, offer 5005
         5s | 5005 answers         |
         5s | hears 5005           | 0151 5001
    ",
    );
}

#[test]
fn v_01_no_late_join_without_intrusion() {
    super::check_with(
        |it| it.intrusion = false,
        "
         0s | 5005 listens to 5001 next | ok
         1s | 0159 dials 5005           | call 5005
         2s | 0151 dials 5001           | call 5001
         3s | 5001 answers              | answer 0151
         4s | 0159 gives up             | cancel 5005
         5s | shows 5005                | NotReady ListenIn 5001 Next Call
         6s | 0151 hangs up             | bye 5001
         7s | 0151 dials 5001           | call 5001
         8s | 5001 answers              | answer 0151, offer 5005
    ",
    );
}

#[test]
fn v_01_busy_with_the_session_of_another_call_of_the_target() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5001 holds           |
         5s | 0152 dials 5001      | call 5001'
         6s | 5001' answers        | answer 0152
         6s | hears 5005           | 0151
         7s | 0151 hangs up        | bye 5001, bye 5005, offer 5005
         8s | 5005 answers         |
         8s | hears 5005           | 0152 5001'
    ",
    );
}

#[test]
fn v_02_supervisors_phone_cannot_be_reached() {
    for how in ["is busy", "fails", "does not answer"] {
        check(&format!(
            "
             0s | 5005 listens to 5001 next | ok
             1s | 0151 dials 5001           | call 5001
             2s | 5001 answers              | answer 0151, offer 5005
             2s | told 5005                 | NotReady ListenIn 5001 Next Call; Inbound Ringing with 5001 0151 muted
             3s | 5005 {how}                |
             3s | told 5005                 | Inbound Released with 5001 0151 muted; failed NotNow
             3s | shows 5005                | NotReady ListenIn 5001 Next Call
             3s | audit                     | OrderArmed; SessionOffered; SessionEnded unreachable
             4s | 0159 dials 5005           | call 5005
             5s | 0159 gives up             | cancel 5005
             6s | 0151 hangs up             | bye 5001
             7s | 0151 dials 5001           | call 5001
             8s | 5001 answers              | answer 0151, offer 5005
        "
        ));
    }
}

#[test]
fn v_03_supervisor_declines() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 declines        |
         3s | shows 5005           | NotReady ListenIn 5001 All Call
         3s | audit                | OrderArmed; SessionOffered; SessionEnded rejected
    ",
    );
}

#[test]
fn v_03_declining_uses_an_order_for_one_call_up() {
    check(
        "
         0s | 5005 listens to 5001 next | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
         3s | 5005 declines             |
         3s | shows 5005                | NotReady
         3s | audit                     | OrderArmed; SessionOffered; SessionEnded rejected; OrderEnded next_call_done
    ",
    );
}

#[test]
fn v_04_supervisor_does_not_answer_three_times() {
    check(
        "
         0s | 5005 listens to 5001 next | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
        21s | wait                      |
        22s | wait                      | cancel 5005
        22s | shows 5005                | NotReady ListenIn 5001 Next Call
        23s | 0151 hangs up             | bye 5001
        30s | 0151 dials 5001           | call 5001
        31s | 5001 answers              | answer 0151, offer 5005
        51s | wait                      | cancel 5005
        52s | 0151 hangs up             | bye 5001
        60s | 0151 dials 5001           | call 5001
        61s | 5001 answers              | answer 0151, offer 5005
        61s | audit                     | OrderArmed; SessionOffered; SessionEnded no_answer; SessionOffered; SessionEnded no_answer; SessionOffered
        81s | wait                      | cancel 5005
        81s | shows 5005                | NotReady
        81s | audit                     | SessionEnded no_answer; OrderEnded no_answer_three_times
        82s | hears 5001                | 0151
        83s | 0151 hangs up             | bye 5001
        83s | rest                      |
    ",
    );
}

#[test]
fn v_04_an_answer_in_between_starts_the_count_again() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
        23s | 0151 hangs up        | cancel 5005, bye 5001
        30s | 0151 dials 5001      | call 5001
        31s | 5001 answers         | answer 0151, offer 5005
        52s | 0151 hangs up        | cancel 5005, bye 5001
        60s | 0151 dials 5001      | call 5001
        61s | 5001 answers         | answer 0151, offer 5005
        62s | 5005 answers         |
        63s | 0151 hangs up        | bye 5001, bye 5005
        64s | 0151 dials 5001      | call 5001
        65s | 5001 answers         | answer 0151, offer 5005
        86s | shows 5005           | cancel 5005, NotReady ListenIn 5001 All Call
    ",
    );
}

#[test]
fn v_04_the_count_survives_a_restart() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
        23s | 0151 hangs up        | cancel 5005, bye 5001
        30s | 0151 dials 5001      | call 5001
        31s | 5001 answers         | answer 0151, offer 5005
        52s | 0151 hangs up        | cancel 5005, bye 5001
        53s | restart              |
        53s | 5001 registers       |
        60s | 0151 dials 5001      | call 5001
        61s | 5001 answers         | answer 0151, offer 5005
        82s | shows 5005           | cancel 5005, NotReady
    ",
    );
}

#[test]
fn v_05_supervisor_leaves_and_is_not_called_again_for_that_call() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5005 hangs up        |
         4s | hears 5001           | 0151
         4s | calls 5001           | Inbound Established with 0151
         5s | 5001 holds           |
         6s | 5001 retrieves       |
         6s | audit                | OrderArmed; SessionOffered; SessionActive; SessionEnded left
         7s | 5001 hangs up        | bye 0151
         8s | 0152 dials 5001      | call 5001
         9s | 5001 answers         | answer 0152, offer 5005
    ",
    );
}

#[test]
fn v_05_leaving_uses_an_order_for_one_call_up() {
    check(
        "
         0s | 5005 listens to 5001 next | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
         3s | 5005 answers              |
         4s | 5005 hangs up             |
         4s | shows 5005                | NotReady
    ",
    );
}

#[test]
fn v_05_asking_again_joins_the_call_again() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5005 hangs up        |
         5s | 5005 listens to 5001 | offer 5005, ok
    ",
    );
}

#[test]
fn v_06_supervisor_holds_its_own_leg() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5005 holds           |
         4s | hears 5005           |
         4s | hears 5001           | 0151
         4s | calls 5005           | Inbound Held with 5001 0151 muted
         5s | 5005 retrieves       |
         5s | hears 5005           | 0151 5001
         6s | 5005 holds           |
         7s | 5005 hangs up        |
         7s | calls 5005           |
    ",
    );
}

#[test]
fn v_07_a_redirection_is_not_followed() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 redirects       |
         3s | audit                | OrderArmed; SessionOffered; SessionEnded unreachable
    ",
    );
}

#[test]
fn v_08_supervisors_leg_is_lost() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
        33s | 5005 vanishes        |
        33s | hears 5001           | 0151
        33s | hears 0151           | 5001
        33s | audit                | OrderArmed; SessionOffered; SessionActive; SessionEnded lost
        34s | 5001 hangs up        | bye 0151
        34s | rest                 |
    ",
    );
}

#[test]
fn v_10_a_session_changes_no_agent_state() {
    check(
        "
         0s | 5005 ready           | ok
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         3s | shows 5005           | Ready ListenIn 5001 All Call
         4s | 0151 hangs up        | bye 5001, bye 5005
         4s | shows 5005           | Ready ListenIn 5001 All Call
    ",
    );
}

//! A session and the call it is of: rows E-05, E-06, E-14 to E-16, and when its end is told.

use super::{check, check_with};

#[test]
fn e_05_target_holds_and_the_held_customer_stays_audible() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5001 holds           |
         4s | hears 5005           | 0151
         4s | hears 0151           |
         4s | hears 5001           |
         4s | calls 5001           | Inbound Held with 0151 listened to
         4s | calls 5005           | Inbound Established with 5001 0151 muted
    ",
    );
}

#[test]
fn e_05_or_falls_silent_where_the_settings_say_so() {
    check_with(
        |it| it.monitor_party_on_hold = false,
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | told 5005            | NotReady ListenIn 5001 All Call; Inbound Ringing with 5001 0151 muted; Inbound Established with 5001 0151 muted
         4s | 5001 holds           |
         4s | hears 5005           |
         4s | told 5005            | Inbound Held with 5001 0151 muted
         5s | 5001 retrieves       |
         5s | hears 5005           | 0151 5001
         5s | told 5005            | Inbound Established with 5001 0151 muted
    ",
    );
}

#[test]
fn e_05_the_customer_holds() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 0151 holds           |
         4s | hears 5005           | 5001
         4s | calls 5001           | Inbound Established with 0151 listened to
         5s | 5001 holds           |
         5s | hears 5005           |
    ",
    );
}

#[test]
fn e_06_target_retrieves() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5001 holds           |
         5s | 5001 retrieves       |
         5s | hears 5005           | 0151 5001
         5s | hears 5001           | 0151
         5s | hears 0151           | 5001
         5s | calls 5001           | Inbound Established with 0151 listened to
    ",
    );
}

#[test]
fn e_14_target_hangs_up() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5001 hangs up        | bye 0151, bye 5005
         4s | audit                | OrderArmed; SessionOffered; SessionActive; SessionEnded call_ended
         4s | calls 5005           |
         4s | rest                 |
    ",
    );
}

#[test]
fn e_15_customer_hangs_up_and_nobody_waits_for_the_supervisor() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | 5005 is stuck        |
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         3s | told 5001            | Inbound Established with 0151; parties: Inbound Established with 0151 listened to
         4s | 0151 hangs up        | bye 5001, bye 5005
         4s | calls 5001           |
         4s | told 5001            | Inbound Released with 0151
         4s | calls 5005           |
        36s | 5005 vanishes        |
        36s | rest                 |
    ",
    );
}

#[test]
fn e_16_call_ends_while_the_supervisor_rings() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         0s | 5005 is stuck        |
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         4s | 0151 hangs up        | bye 5001, cancel 5005
         4s | calls 5005           |
         4s | 5005 answers         |
         4s | hears 5005           |
         5s | 5005 gives up        |
         5s | rest                 |
         5s | audit                | OrderArmed; SessionOffered; SessionEnded call_ended
        90s | 0152 dials 5001      | call 5001
        91s | 5001 answers         | answer 0152, offer 5005
    ",
    );
}

#[test]
fn e_16_an_order_for_one_call_has_not_had_it() {
    check(
        "
         0s | 5005 listens to 5001 next | ok
         1s | 0151 dials 5001           | call 5001
         2s | 5001 answers              | answer 0151, offer 5005
         4s | 0151 hangs up             | bye 5001, cancel 5005
         4s | shows 5005                | NotReady ListenIn 5001 Next Call
    ",
    );
}

#[test]
fn e_24_a_supervisor_can_always_hang_up() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         4s | 5005 ends the call   | bye 5005, ok
         4s | hears 5001           | 0151
         5s | 0151 hangs up        | bye 5001
    ",
    );
}

#[test]
fn the_end_of_hearing_is_told_when_media_has_applied_it() {
    check(
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         3s | told 5001            | Inbound Established with 0151; parties: Inbound Established with 0151 listened to
         4s | media waits          |
         5s | 5005 hangs up        |
         5s | calls 5001           | Inbound Established with 0151 listened to
         5s | calls 5005           | Inbound Established with 5001 0151 muted
         5s | told 5001            |
         6s | 5001 holds           |
         6s | told 5001            | Inbound Held with 0151 listened to
         7s | media works          |
         7s | told 5001            | parties: Inbound Held with 0151
         7s | calls 5005           |
    ",
    );
}

#[test]
fn a_8_the_agent_may_never_be_told() {
    check_with(
        |it| it.tell_agent = crate::config::TellAgent::Never,
        "
         0s | 5005 listens to 5001 | ok
         1s | 0151 dials 5001      | call 5001
         2s | 5001 answers         | answer 0151, offer 5005
         3s | 5005 answers         |
         3s | calls 5001           | Inbound Established with 0151
    ",
    );
}

#[test]
fn a_8_the_agent_may_be_told_as_soon_as_an_order_stands() {
    check_with(
        |it| it.tell_agent = crate::config::TellAgent::OnArm,
        "
         0s | 0151 dials 5001      | call 5001
         1s | 5001 answers         | answer 0151
         2s | 5005 listens to 5001 | offer 5005, ok
         2s | calls 5001           | Inbound Established with 0151 listened to
         3s | 5005 cancels         | ok
         3s | calls 5001           | Inbound Established with 0151
    ",
    );
}

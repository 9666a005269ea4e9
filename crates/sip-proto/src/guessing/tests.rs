//! Whom wrong passwords slow down, for how long, and whom not.

use super::*;

fn at(seconds: u64) -> Time {
    Time::from_unix_ms(1_700_000_000_000 + 1000 * seconds)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

const HERE: &str = "192.0.2.1";

/// Fails so often at once, and answers with what begins to be held off.
fn fail(guesses: &mut Guesses, source: &str, user: &str, count: usize, seconds: u64) -> Vec<HeldOff> {
    (0..count).filter_map(|_| guesses.wrong(ip(source), user, at(seconds))).collect()
}

#[test]
fn five_a_minute_for_a_name_from_an_address() {
    let mut it = Guesses::default();
    assert_eq!(fail(&mut it, HERE, "5001", 4, 0), []);
    assert_eq!(it.held_off(ip(HERE), "5001", at(0)), None);
    assert_eq!(fail(&mut it, HERE, "5001", 1, 59), [HeldOff::Name]);
    assert_eq!(it.held_off(ip(HERE), "5001", at(59)), Some(1));
    assert_eq!(it.held_off(ip(HERE), "5002", at(59)), None, "another name");
    assert_eq!(it.held_off(ip("192.0.2.2"), "5001", at(59)), None, "another address");
    assert_eq!(it.held_off(ip(HERE), "5001", at(60)), None);
    assert_eq!(it.logins(), Logins { failed: 5, held_off: 1 });
}

#[test]
fn four_a_minute_are_never_held_off() {
    let mut it = Guesses::default();
    for minute in 0..10 {
        assert_eq!(fail(&mut it, HERE, "5001", 4, 60 * minute), []);
    }
}

#[test]
fn each_further_one_doubles_it_up_to_a_minute_and_a_quiet_minute_ends_it() {
    let mut it = Guesses::default();
    let mut now = 0;
    assert_eq!(fail(&mut it, HERE, "5001", 5, now), [HeldOff::Name]);
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(it.held_off(ip(HERE), "5001", at(now)), Some(wait));
        now += wait;
        assert_eq!(it.held_off(ip(HERE), "5001", at(now)), None);
        assert_eq!(fail(&mut it, HERE, "5001", 1, now), [], "it has begun before");
    }
    now += 60 + 59;
    assert_eq!(fail(&mut it, HERE, "5001", 1, now), []);
    assert_eq!(it.held_off(ip(HERE), "5001", at(now)), Some(60));
    now += 60 + 60;
    assert_eq!(fail(&mut it, HERE, "5001", 4, now), []);
    assert_eq!(it.held_off(ip(HERE), "5001", at(now)), None);
}

#[test]
fn twenty_a_minute_from_an_address_hold_off_every_name_there() {
    let mut it = Guesses::default();
    for user in 0..19 {
        assert_eq!(fail(&mut it, HERE, &format!("{user}"), 1, 0), []);
    }
    assert_eq!(fail(&mut it, HERE, "19", 1, 1), [HeldOff::Address]);
    assert_eq!(it.held_off(ip(HERE), "never tried", at(1)), Some(1));
    assert_eq!(it.held_off(ip("192.0.2.2"), "19", at(1)), None);
}

#[test]
fn a_right_password_clears_the_name_and_not_the_address() {
    let mut it = Guesses::default();
    for _ in 0..4 {
        assert_eq!(fail(&mut it, HERE, "5001", 4, 0), []);
        it.right(ip(HERE), "5001");
    }
    assert_eq!(fail(&mut it, HERE, "5001", 4, 1), [HeldOff::Address]);
}

#[test]
fn an_ipv6_network_is_one_address() {
    let mut it = Guesses::default();
    for host in 1..5 {
        fail(&mut it, &format!("2001:db8::{host}"), "5001", 1, 0);
    }
    assert_eq!(fail(&mut it, "2001:db8::5", "5001", 1, 0), [HeldOff::Name]);
    assert_eq!(it.held_off(ip("2001:db8:0:1::1"), "5001", at(0)), None);
}

#[test]
fn memory_is_bounded_and_the_oldest_is_forgotten_first() {
    let mut it = Guesses::default();
    fail(&mut it, "198.51.100.1", "5001", 5, 0);
    fail(&mut it, HERE, "5001", 5, 1);
    for address in 0..9_999 {
        fail(&mut it, &IpAddr::from(u32::to_be_bytes(address)).to_string(), "x", 1, 1);
    }
    assert_eq!((it.tallies.len(), it.by_age.len()), (20_000, 20_000));
    assert_eq!(it.held_off(ip("198.51.100.1"), "5001", at(0)), None, "forgotten");
    assert_eq!(it.held_off(ip(HERE), "5001", at(1)), Some(1));
    fail(&mut it, HERE, &"5".repeat(60_000), 1, 122);
    assert_eq!((it.tallies.len(), it.by_age.len()), (2, 2), "all others are long past");
    assert!(it.tallies.keys().all(|it| it.1.as_ref().is_none_or(|user| user.len() <= USER_MAX)));
}

#[test]
fn the_log_is_not_flooded() {
    let mut it = Guesses::default();
    let begun: Vec<_> = (0..1000)
        .flat_map(|user| fail(&mut it, &format!("10.0.{}.{}", user / 250, user % 250), "5001", 5, 0))
        .collect();
    assert_eq!(begun.len(), 20);
}

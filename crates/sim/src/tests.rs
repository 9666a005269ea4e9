//! Many seeds, and that a fault would be seen.

use super::{Sabotage, Story, play, play_all};

#[test]
fn ten_thousand_seeds() {
    let tally = play_all(0..10_000).unwrap_or_else(|fault| panic!("{fault}; cargo xtask sim --seed {}", fault.seed));
    assert!(tally.calls > 10_000, "{tally:?}");
    assert!(tally.sessions > 5_000, "{tally:?}");
}

#[test]
fn a_seed_tells_the_same_story_again() {
    assert_eq!(play(42), play(42));
}

/// The first seed, of fifty, whose story shows a fault that was put in.
fn noticed(how: Sabotage) -> String {
    let mut faults = (0..50).filter_map(|seed| Story::new(seed).sabotaged(how).play().err());
    faults.next().map(|it| it.what).unwrap_or_default()
}

#[test]
fn a_supervisor_who_is_heard_is_noticed() {
    assert!(noticed(Sabotage::HeardSupervisor).contains("and may not"));
}

#[test]
fn a_supervisor_who_hears_nothing_is_noticed() {
    assert!(noticed(Sabotage::DeafSupervisor).contains("and should"));
}

#[test]
fn hearing_that_outlives_its_reason_is_noticed() {
    assert!(noticed(Sabotage::NoEnd).contains("and may not"));
}

#[test]
fn a_hold_that_comes_to_nothing_is_noticed() {
    assert!(noticed(Sabotage::NoHold).contains("and may not"));
}

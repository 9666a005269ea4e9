//! Many seeds, and that a fault would be seen.

use super::{play, play_all};

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

//! Invariants under every short sequence of steps, and under long random ones.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::world::World;
use crate::config::Settings;

/// What can happen to a monitored call; a step that does not fit the moment is left out.
const STEPS: [&str; 9] = [
    "0151 holds",
    "0151 retrieves",
    "5001 holds",
    "5001 retrieves",
    "5005 listens to 5001",
    "5005 answers",
    "5005 holds",
    "5005 hangs up",
    "5005 cancels",
];

/// `supervision.md` a.2, E-05 and V-06, said once more: who hears whom on a call of two with one who listens.
fn expected(world: &World) -> [String; 3] {
    let state = |number| world.calls_of(number).first().map(|it| it.state);
    let established = Some(crate::view::CallState::Established);
    let (customer, agent) = (!world.is_holding("0151"), !world.is_holding("5001"));
    let listens = state("5005") == established;
    let heard = |other: bool, name: &str| if customer && agent && other { name.to_owned() } else { String::new() };
    let all: Vec<&str> =
        [("0151", customer), ("5001", agent)].into_iter().filter(|it| listens && it.1).map(|it| it.0).collect();
    [heard(true, "5001"), heard(true, "0151"), all.join(" ")]
}

#[test]
fn a_2_every_sequence_of_four_steps_through_the_engine() {
    let mut world = World::new(Settings::default());
    world.play("0151 dials 5001");
    world.play("5001 answers");
    let mut sequences = 0;
    explore(&world, 4, &mut sequences);
    assert!(sequences > 1000, "{sequences}");
}

fn explore(world: &World, left: u32, sequences: &mut u32) {
    let hears = |name: &str| if world.has_leg(name) { world.hears(name) } else { String::new() };
    assert_eq!([hears("0151"), hears("5001"), hears("5005")], expected(world), "{}", world.ladder());
    *sequences += 1;
    for step in STEPS.into_iter().filter(|step| left > 0 && world.fits(step)) {
        let mut next = world.clone();
        next.play(step);
        explore(&next, left - 1, sequences);
    }
}

const ANYTHING: [&str; 33] = [
    "0151 dials 5001",
    "0152 dials 5001",
    "5002 dials 5001",
    "5001 dials 5002",
    "5005 dials 5003",
    "5001 rings",
    "5001 answers",
    "5001' answers",
    "5002 answers",
    "5001 holds",
    "5001' holds",
    "5001 retrieves",
    "5001 hangs up",
    "5001 is busy",
    "0151 hangs up",
    "0152 gives up",
    "5005 listens to 5001",
    "5005 listens to 5001 next",
    "5005 listens to 5002 agent",
    "5006 listens to 5001",
    "5005 cancels",
    "5005 answers",
    "5005 holds",
    "5005 declines",
    "5005 hangs up",
    "5005 ends the call",
    "5001 logs out",
    "5001 logs in",
    "5005 logs out",
    "5005 logs in",
    "storage waits",
    "storage fails",
    "storage works",
];

/// Storage comes and goes, phones do what they like, events come doubled: nothing breaks, nothing leaks, and the record
/// replays. What is checked at every step stands in `world.rs`.
#[test]
fn anything_may_happen() {
    for seed in 0..300 {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let mut world = World::new(Settings::default());
        let mut seconds = 0;
        for _ in 0..120 {
            seconds += u64::from(chance.next_u32() % 4);
            world.wait_until(std::time::Duration::from_secs(seconds));
            match chance.next_u32() as usize % (ANYTHING.len() + 5) {
                at if at < ANYTHING.len() && world.fits(ANYTHING[at]) => drop(world.play(ANYTHING[at])),
                at if at == ANYTHING.len() => drop(world.play("storage commits")),
                at if at == ANYTHING.len() + 1 => drop(world.play("storage refuses")),
                at if at == ANYTHING.len() + 2 => drop(world.play("media waits")),
                at if at == ANYTHING.len() + 3 => drop(world.play("media works")),
                at if at == ANYTHING.len() + 4 => world.double_an_event(chance.next_u32() as usize),
                _ => {}
            }
        }
        world.play("storage works");
        world.play("storage commits");
        world.play("media works");
        world.all_hang_up();
        world.wait_until(std::time::Duration::from_secs(seconds + 100));
        world.play("wait");
        assert_eq!(world.play("rest"), "", "seed {seed}\n{}", world.ladder());
        world.replay();
    }
}

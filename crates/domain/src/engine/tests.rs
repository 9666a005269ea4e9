//! Scripts: what a person would say happened, and what the engine did about it.
//!
//! A line is `moment | what happens | what is asked of phones and answered`, or `moment | a question | its answer`. The
//! cast: agents 5001 and 5002 (team support), 5003 (nobody's), 5004 (team sales), supervisors 5005 and 5006 (of support),
//! callers behind the trunk by their numbers, queues 8000 to 8002 of support. Storage and media answer at once unless told to wait. Every
//! script is replayed at its end and must come out the same (invariant 6).

mod calls;
mod control;
mod dial;
mod orders;
mod outside;
mod people;
mod queues;
mod replay;
mod requests;
mod rights;
mod sessions;
mod storage;
mod supervisor;
mod words;
mod world;

use std::time::Duration;

use world::World;

use crate::config::{Settings, Supervision};

/// Plays a script with the settings as they come.
fn check(script: &str) {
    check_with(|_| {}, script);
}

/// Plays a script with other settings.
fn check_with(change: impl FnOnce(&mut Supervision), script: &str) {
    let mut settings = Settings::default();
    change(&mut settings.supervision);
    let mut world = World::new(settings);
    for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let columns: Vec<&str> = line.splitn(3, '|').map(str::trim).collect();
        let [at, what, expected] = columns[..] else { panic!("not three columns: {line}") };
        world.wait_until(moment(at));
        let got = world.play(what);
        assert_eq!(got, expected, "at: {line}\n{}", world.ladder());
    }
    world.replay();
}

/// `2s`, `1500ms`.
fn moment(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(ms) => Duration::from_millis(ms.parse().unwrap()),
        None => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

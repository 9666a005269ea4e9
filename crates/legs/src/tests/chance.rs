//! Phones and orders at random: whatever happens, a leg ends once, ports come back, and nothing is left over.

use std::time::Duration;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::world::World;

#[test]
fn whatever_happens_nothing_is_left_over() {
    for seed in 0..400 {
        play(seed);
    }
}

fn play(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut pick = |below: usize| usize::try_from(random.next_u64() % below as u64).unwrap_or(0);
    let mut world = World::new();
    let mut legs = 0;
    for _ in 0..60 {
        world.pass(Duration::from_millis(if pick(60) == 0 {
            [33_000, 950_000][pick(2)]
        } else {
            [0, 1, 20, 100, 700][pick(5)]
        }));
        let event = match pick(3) {
            0 => {
                let order = ORDERS[pick(ORDERS.len())];
                let side = if pick(2) == 0 { "in" } else { "out" };
                format!("{side}{} {order}", 1 + pick(3))
            }
            1 if pick(3) == 0 => {
                legs += 1;
                format!(
                    "out{legs} dial {}",
                    ["5001 in1", "5002 auto", "5003 out1 sendonly", "5004", "1@carrier", "5005", "5005 auto"][pick(7)]
                )
            }
            _ => format!(
                "{} {}",
                ["5001", "5002", "5001", "carrier", "desk", "soft"][pick(6)],
                SAYINGS[pick(SAYINGS.len())]
            ),
        };
        world.happen(&event);
        world.assert_sound(seed);
    }
    world.end_everything();
    world.pass(Duration::from_secs(200));
    world.assert_nothing_left(seed);
}

const ORDERS: [&str; 8] =
    ["ring", "progress out1", "answer", "answer out1", "end hungup", "end busy", "end cancelled", "answer in1"];

const SAYINGS: [&str; 55] = [
    "invite 5002 require=100rel",
    "invite 5002 require=100rel offerless",
    "prack",
    "prack",
    "prack sdp",
    "prack wrong",
    "180 require=100rel rseq=1",
    "183 sdp require=100rel rseq=2",
    "183 sdp require=100rel rseq=1",
    "180 require=100rel rseq=2 fork=b",
    "invite 5002 supported=timer se=90",
    "invite 5002 supported=timer se=60",
    "reinvite supported=timer se=100 refresher=uas",
    "update empty supported=timer se=300 refresher=uac updates",
    "200 supported=timer se=200 refresher=uas",
    "200 supported=timer se=200 updates",
    "422 minse=2000",
    "491",
    "no 491",
    "no 405",
    "invite 5002",
    "invite 5002",
    "invite 5003 offerless",
    "invite 5001 sendonly",
    "invite 5002 garbage",
    "invite 5002 unsigned",
    "ack",
    "ack sdp",
    "ack",
    "cancel",
    "bye",
    "bye old",
    "bye wrongtag",
    "options",
    "update",
    "update inactive",
    "reinvite",
    "reinvite sendonly",
    "reinvite offerless",
    "reinvite codecs=g729",
    "again",
    "again",
    "100",
    "180",
    "183 sdp",
    "200",
    "200 empty",
    "200 fork=b",
    "200 codecs=g729",
    "302",
    "486",
    "487",
    "ok",
    "gone",
    "mute",
];

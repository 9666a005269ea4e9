//! Every hearing matrix of four parties: each is sent exactly the sum of those in its row.

use super::harness::*;

const PARTIES: [char; 4] = ['A', 'B', 'C', 'D'];
/// Levels whose sums all differ, by more than the coarseness of G.711.
const LEVELS: [(char, i16); 4] = [('A', 500), ('B', 1000), ('C', 2000), ('D', 4000)];

/// The cells of a matrix in twelve bits, none of them on the diagonal.
fn rows(bits: u32) -> Vec<(char, String)> {
    let mut cell = 0;
    let mut row = |party: char| {
        let hears = PARTIES.iter().filter(|other| **other != party).filter(|_| {
            cell += 1;
            bits >> (cell - 1) & 1 != 0
        });
        (party, hears.collect::<String>())
    };
    PARTIES.into_iter().map(&mut row).collect()
}

fn level(party: char) -> i32 {
    LEVELS.iter().find(|(it, _)| *it == party).map_or(0, |(_, level)| i32::from(*level))
}

/// Checks every matrix one after the other in the same call, so that every stream also lives through 4,096 changes.
fn check_all(world: &mut World, stride: u32) {
    let mut whole: Vec<Vec<Got>> = vec![Vec::new(); 4];
    for step in 0..4096 {
        let rows = rows(step * stride % 4096);
        world.hear(&rows.iter().map(|(party, hears)| format!("{party}:{hears} ")).collect::<String>());
        // Enough for a mix to take in a source that it had not, with ticks and packets anywhere.
        world.talk(60, &LEVELS);
        let before: Vec<usize> = PARTIES
            .iter()
            .zip(&mut whole)
            .map(|(party, all)| {
                all.extend(world.got(*party));
                all.len()
            })
            .collect();
        world.talk(40, &LEVELS);
        for (((party, hears), all), before) in rows.iter().zip(&mut whole).zip(before) {
            all.extend(world.got(*party));
            let wanted: i32 = hears.chars().map(level).sum();
            assert_eq!(all.len() > before, !hears.is_empty(), "{party} hears {hears}: sent or not");
            for packet in &all[before..] {
                for sample in world.samples(*party, packet) {
                    let error = (i32::from(sample) - wanted).abs();
                    assert!(error <= wanted / 20, "{party} hears {hears}: {sample} for {wanted}");
                }
            }
        }
    }
    whole.iter().for_each(|it| assert_unbroken(it));
}

#[test]
fn all_4096_matrices_sound_as_they_say_in_order() {
    check_all(&mut World::four(), 1);
}

#[test]
fn all_4096_matrices_sound_as_they_say_with_two_laws_and_far_changes() {
    use crate::codec::Codec::{Pcma, Pcmu};
    check_all(&mut World::new(&[('A', Pcmu), ('B', Pcma), ('C', Pcmu), ('D', Pcma)]), 1657);
}

//! The matrix against an independent statement of `supervision.md` a.2, exhaustively.

use super::*;

const CUSTOMER: LegId = LegId(1);
const AGENT: LegId = LegId(2);
const THIRD: LegId = LegId(3);
const SUPERVISOR: LegId = LegId(4);
const PARTIES: [LegId; 3] = [CUSTOMER, AGENT, THIRD];

/// What can happen to a call of four.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A party holds, or retrieves if it holds.
    Hold(LegId),
    /// A party comes, or goes if it is there.
    Come(LegId),
    /// The supervisor joins in this mode, or changes to it.
    Join(MonitorOperation),
    /// The supervisor holds, or retrieves.
    SupervisorHolds,
    /// The supervisor goes.
    Leave,
}

const STEPS: [Step; 11] = [
    Step::Hold(CUSTOMER),
    Step::Hold(AGENT),
    Step::Hold(THIRD),
    Step::Come(CUSTOMER),
    Step::Come(AGENT),
    Step::Come(THIRD),
    Step::Join(MonitorOperation::ListenIn),
    Step::Join(MonitorOperation::Coach),
    Step::Join(MonitorOperation::BargeIn),
    Step::SupervisorHolds,
    Step::Leave,
];

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    here: [bool; 3],
    holds: [bool; 3],
    supervisor: Option<(MonitorOperation, bool)>,
}

impl World {
    fn after(mut self, step: Step) -> Self {
        match step {
            Step::Hold(leg) => self.holds[index(leg)] ^= true,
            Step::Come(leg) => self.here[index(leg)] ^= true,
            Step::Join(mode) => self.supervisor = Some((mode, self.supervisor.is_some_and(|it| it.1))),
            Step::SupervisorHolds => self.supervisor = self.supervisor.map(|(mode, holds)| (mode, !holds)),
            Step::Leave => self.supervisor = None,
        }
        self
    }

    fn matrix(&self, held: HeldParty) -> Matrix {
        let presence = |leg: LegId| if self.holds[index(leg)] { Presence::Away } else { Presence::Talking };
        let parties = PARTIES.into_iter().filter(|it| self.here[index(*it)]).map(|it| (it, presence(it))).collect();
        let listener = |(operation, holds): (MonitorOperation, bool)| Listener {
            leg: SUPERVISOR,
            target: AGENT,
            operation,
            present: !holds,
        };
        hearing(&parties, self.supervisor.map(listener).as_slice(), held)
    }

    /// The rule of a.2, E-05 and V-06, said once more and differently.
    fn may_hear(&self, ear: LegId, mouth: LegId, held: HeldParty) -> bool {
        let talks = |it: LegId| it != SUPERVISOR && self.here[index(it)] && !self.holds[index(it)];
        let on_hold_by_all = PARTIES.into_iter().filter(|it| talks(*it)).count() < 2;
        match (ear, mouth, self.supervisor) {
            (ear, mouth, _) if ear == mouth => false,
            (SUPERVISOR, mouth, Some((_, false))) => talks(mouth) && !(on_hold_by_all && held == HeldParty::Silent),
            (ear, SUPERVISOR, Some((MonitorOperation::BargeIn, false))) => talks(ear),
            (AGENT, SUPERVISOR, Some((MonitorOperation::Coach, false))) => talks(AGENT),
            (SUPERVISOR, ..) | (_, SUPERVISOR, _) => false,
            (ear, mouth, _) => talks(ear) && talks(mouth),
        }
    }
}

fn index(leg: LegId) -> usize {
    PARTIES.into_iter().position(|it| it == leg).unwrap()
}

/// The matrix depends on who is there and how, not on the way to it: sequences that lead to the same state are looked at
/// once, and counted.
#[test]
fn a_2_every_sequence_of_six_operations_on_four_parties() {
    for held in [HeldParty::Audible, HeldParty::Silent] {
        let start = World { here: [true, true, false], ..World::default() };
        let mut reached = BTreeMap::from([(start, 1_u32)]);
        for _ in 0..6 {
            let mut next = BTreeMap::new();
            for (world, ways) in reached {
                check(&world, held);
                STEPS.into_iter().for_each(|step| *next.entry(world.after(step)).or_default() += ways);
            }
            reached = next;
        }
        reached.keys().for_each(|world| check(world, held));
        assert_eq!(reached.values().sum::<u32>(), 11_u32.pow(6));
    }
}

fn check(world: &World, held: HeldParty) {
    let matrix = world.matrix(held);
    for ear in [CUSTOMER, AGENT, THIRD, SUPERVISOR] {
        for mouth in [CUSTOMER, AGENT, THIRD, SUPERVISOR] {
            let hears = matrix.get(&ear).is_some_and(|row| row.contains(&mouth));
            assert_eq!(hears, world.may_hear(ear, mouth, held), "{ear} hears {mouth}: {matrix:?}");
        }
    }
}

#[test]
fn e_03_early_media_reaches_the_caller_alone() {
    let parties = BTreeMap::from([(CUSTOMER, Presence::Early), (AGENT, Presence::Waiting)]);
    let listener = Listener { leg: SUPERVISOR, target: AGENT, operation: MonitorOperation::ListenIn, present: true };
    let matrix = hearing(&parties, &[listener], HeldParty::Audible);
    assert_eq!(matrix[&AGENT], BTreeSet::from([CUSTOMER]));
    assert_eq!(matrix[&CUSTOMER], BTreeSet::new());
    assert_eq!(matrix[&SUPERVISOR], BTreeSet::new());
}

#[test]
fn r_20_two_supervisors_hear_the_call_and_not_each_other() {
    let parties = BTreeMap::from([(CUSTOMER, Presence::Talking), (AGENT, Presence::Talking)]);
    let listener = |leg, operation| Listener { leg, target: AGENT, operation, present: true };
    let (first, second) = (LegId(8), LegId(9));
    let both = [listener(first, MonitorOperation::ListenIn), listener(second, MonitorOperation::ListenIn)];
    let matrix = hearing(&parties, &both, HeldParty::Audible);
    assert_eq!(matrix[&first], BTreeSet::from([CUSTOMER, AGENT]));
    assert_eq!(matrix[&second], BTreeSet::from([CUSTOMER, AGENT]));
    assert_eq!(matrix[&AGENT], BTreeSet::from([CUSTOMER]));
}

#[test]
fn e_05_whoever_waits_in_a_queue_is_played_music_and_is_heard_by_nobody() {
    let parties = BTreeMap::from([(CUSTOMER, Presence::Queued), (AGENT, Presence::Early), (THIRD, Presence::Talking)]);
    let listener = Listener { leg: SUPERVISOR, target: AGENT, operation: MonitorOperation::BargeIn, present: true };
    let rows = hearing(&parties, &[listener], HeldParty::Audible);
    assert!(rows.values().all(|row| !row.contains(&CUSTOMER)), "{rows:?}");
    assert!(rows[&CUSTOMER].is_empty(), "{rows:?}");
    let queue: PhoneNumber = "8000".parse().unwrap();
    assert_eq!(treated(&parties, &queue), BTreeMap::from([(CUSTOMER, Treatment::Music(queue))]));
}

//! Phones that call each other over loopback, each with its own tone, and what the other one hears.

use super::*;
use crate::{behaviour::Answering, recording::Recording};

const SOON: Duration = Duration::from_secs(10);

fn phone(number: &str, hz: u32, server: Option<&Softphone>, behaviour: Behaviour) -> Softphone {
    Softphone::start(Settings {
        number: number.into(),
        password: "secret".into(),
        domain: "undertone.local".into(),
        server: server.map_or(([127, 0, 0, 1], 9).into(), Softphone::sip_address),
        local: [127, 0, 0, 1].into(),
        sound: Sound::Tone { hz },
        behaviour: Behaviour { registers: false, ..behaviour },
    })
    .expect("a phone")
}

fn at_once() -> Behaviour {
    Behaviour::answering(Duration::ZERO)
}

/// Lets them talk until this much has been heard, however slow the machine is.
fn hear(phone: &Softphone, length: Duration) -> Recording {
    let start = Instant::now();
    while phone.heard().length() < length && start.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(50));
    }
    phone.heard()
}

fn has_only(recording: &Recording, hz: u32, not: u32) {
    assert_eq!(recording.tone(hz).share, 1.0, "{hz}: {:?} in {:?}", recording.tone(hz), recording.received);
    assert!(!recording.tone(not).heard, "{not}: {:?}", recording.tone(not));
    assert!((recording.dominant_hz().expect("a tone") - f64::from(hz)).abs() < 3.0);
}

#[test]
fn two_phones_hear_each_other_and_not_themselves() {
    let agent = phone("5001", 1000, None, at_once());
    let customer = phone("5002", 440, Some(&agent), at_once());
    customer.call("5001");
    customer.wait_established(SOON).expect("an answer");
    agent.wait_established(SOON).expect("a call");
    let (by_customer, by_agent) = (hear(&customer, Duration::from_secs(2)), hear(&agent, Duration::from_secs(2)));
    customer.hang_up();
    assert_eq!(agent.wait_ended(SOON), Ok(End::PeerHungUp));
    assert_eq!(customer.wait_ended(SOON), Ok(End::HungUp));
    has_only(&by_customer, 1000, 440);
    has_only(&by_agent, 440, 1000);
    let received = by_customer.received;
    assert_eq!((received.sources, received.sequence_breaks, received.with_csrc), (1, 0, 0), "{received:?}");
}

#[test]
fn a_phone_on_hold_hears_nothing_until_it_is_taken_back() {
    let agent = phone("5001", 1000, None, at_once());
    let customer = phone("5002", 440, Some(&agent), at_once());
    customer.call("5001");
    customer.wait_established(SOON).expect("an answer");
    customer.hold();
    agent.wait(SOON, "no hold", |it| it.held).expect("held");
    customer.wait(SOON, "no agreement", |it| it.holding).expect("agreed");
    let packets = || (agent.heard().received.packets, customer.heard().received.packets);
    let start = Instant::now();
    loop {
        let before = packets();
        std::thread::sleep(Duration::from_millis(300));
        if packets() == before {
            break;
        }
        assert!(start.elapsed() < SOON, "sound goes on although the call is on hold");
    }
    customer.retrieve();
    agent.wait(SOON, "no retrieval", |it| !it.held).expect("retrieved");
    agent.forget();
    has_only(&hear(&agent, Duration::from_secs(1)), 440, 1000);
    agent.hang_up();
    assert_eq!(customer.wait_ended(SOON), Ok(End::PeerHungUp));
}

#[test]
fn a_caller_learns_why_nobody_answers() {
    for (answering, end) in [(Answering::Busy, End::Refused(486)), (Answering::Decline, End::Refused(603))] {
        let agent = phone("5001", 1000, None, Behaviour::with(answering));
        let customer = phone("5002", 440, Some(&agent), at_once());
        customer.call("5001");
        assert_eq!(customer.wait_established(SOON), Err(WaitError::Ended(end)));
    }
}

#[test]
fn a_ringing_phone_is_answered_refused_or_given_up() {
    let agent = phone("5001", 1000, None, Behaviour::with(Answering::Never));
    let customer = phone("5002", 440, Some(&agent), at_once());
    customer.call("5001");
    agent.wait_ringing(SOON).expect("ringing");
    customer.hang_up();
    assert_eq!(agent.wait_ended(SOON), Ok(End::Cancelled));
    assert_eq!(customer.wait_ended(SOON), Ok(End::GaveUp));

    customer.call("5001");
    agent.wait_ringing(SOON).expect("ringing");
    agent.refuse(480);
    assert_eq!(customer.wait_ended(SOON), Ok(End::Refused(480)));

    let events = agent.events();
    customer.call("5001");
    agent.wait_ringing(SOON).expect("ringing");
    agent.answer();
    customer.wait_established(SOON).expect("an answer");
    assert_eq!(events.recv_timeout(SOON), Ok(Event::Ringing { caller: "5002".into(), auto_answer: false }));
    assert_eq!(events.recv_timeout(SOON), Ok(Event::Established));
}

#[test]
fn a_phone_that_is_dropped_hangs_up_and_one_that_vanishes_does_not() {
    let agent = phone("5001", 1000, None, at_once());
    let customer = phone("5002", 440, Some(&agent), at_once());
    customer.call("5001");
    customer.wait_established(SOON).expect("an answer");
    drop(customer);
    assert_eq!(agent.wait_ended(SOON), Ok(End::PeerHungUp));
    let customer = phone("5002", 440, Some(&agent), at_once());
    customer.call("5001");
    customer.wait_established(SOON).expect("an answer");
    customer.vanish();
    assert!(agent.wait_ended(Duration::from_millis(300)).is_err());
}

#[test]
fn nobody_there_is_said_so() {
    let it = phone("5001", 1000, None, at_once());
    assert_eq!(it.wait_established(Duration::from_millis(20)), Err(WaitError::TimedOut("no call was answered")));
    assert_eq!(WaitError::TimedOut("no call was answered").to_string(), "no call was answered in time");
    let recording = it.heard();
    assert_eq!(recording, Recording::default());
}

#[test]
fn a_recording_becomes_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("it.wav");
    Recording::of_samples(vec![0; 8000]).write_wav(&path).expect("a file");
    assert_eq!(std::fs::metadata(path).expect("a file").len(), 16_044);
}

//! Whatever the supervisor's phone does, what customer and agent receive is, message by message and packet by packet,
//! what they receive in a call that nobody listens to.

use std::{
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use e2e::{Phone, Policy, Probe, SUPERVISOR_TONE, Scene, Setup, Source, connect};
use serde_json::json;

/// Packets that each of the two sends: three seconds.
const PACKETS: u32 = 150;

/// What one phone received in the call.
#[derive(Debug, PartialEq, Eq)]
struct Story {
    messages: Vec<String>,
    packets: Vec<Step>,
}

/// A packet, as it differs from the one before.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    sequence: u16,
    timestamp: u32,
    payload_type: u8,
    marker: bool,
    is_same_source: bool,
    payload: Vec<u8>,
}

/// Runs a call in which both sides send numbered packets. `prepare` sets the supervisor up before it, `disturb` does
/// something while it runs.
fn call(
    prepare: impl FnOnce(&Scene, &mut Probe),
    disturb: impl FnOnce(&Scene, &mut Probe) + Send,
) -> (Story, Story, Probe) {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    agent.source(Source::Silent);
    customer.source(Source::Silent);
    prepare(&scene, &mut supervisor);
    let registered = agent.received().len();
    connect(&mut customer, &mut agent, "5001");
    thread::sleep(Duration::from_millis(300));
    customer.source(Source::Counted(PACKETS));
    agent.source(Source::Counted(PACKETS));
    thread::scope(|scope| {
        scope.spawn(|| disturb(&scene, &mut supervisor));
        customer.wait_packets(PACKETS as usize);
        agent.wait_packets(PACKETS as usize);
    });
    // One packet too many would come now.
    thread::sleep(Duration::from_millis(200));
    customer.hang_up();
    agent.wait_ended();
    customer.wait_received("200 BYE", 1);
    (story(&customer, 0), story(&agent, registered), supervisor)
}

fn story(phone: &Probe, registered: usize) -> Story {
    let packets = phone.packets();
    let mut before = packets.first().cloned();
    let mut steps = Vec::new();
    for packet in packets {
        let last = before.replace(packet.clone());
        let last = last.as_ref().unwrap_or(&packet);
        steps.push(Step {
            sequence: packet.sequence.wrapping_sub(last.sequence),
            timestamp: packet.timestamp.wrapping_sub(last.timestamp),
            payload_type: packet.payload_type,
            marker: packet.marker,
            is_same_source: packet.ssrc == last.ssrc && packet.contributors == 0,
            payload: packet.payload,
        });
    }
    let reports = phone.reports();
    assert!(!reports.iter().any(|it| it.windows(4).any(|it| it == b"5005")), "a report names the supervisor");
    // A message that came twice in a row was sent again because the machine was slow to answer; it is one message.
    let mut messages = phone.received()[registered..].to_vec();
    messages.dedup();
    Story { messages, packets: steps }
}

/// The call that nobody listens to.
fn unwatched() -> &'static (Story, Story) {
    static STORY: OnceLock<(Story, Story)> = OnceLock::new();
    STORY.get_or_init(|| {
        let (customer, agent, supervisor) = call(|_, _| {}, |_, _| {});
        assert_eq!(supervisor.calls(), 0);
        for story in [&customer, &agent] {
            assert_eq!(story.packets.len(), PACKETS as usize);
            for (number, packet) in (0..).zip(&story.packets) {
                assert_eq!(u32::from_be_bytes(packet.payload[..4].try_into().unwrap()), number);
                assert!(packet.is_same_source, "packet {number}");
                assert_eq!((packet.sequence, packet.timestamp), if number == 0 { (0, 0) } else { (1, 160) });
            }
        }
        (customer, agent)
    })
}

fn assert_untouched(customer: &Story, agent: &Story) {
    let (unwatched_customer, unwatched_agent) = unwatched();
    assert_eq!(customer.messages, unwatched_customer.messages, "the customer's messages");
    assert_eq!(agent.messages, unwatched_agent.messages, "the agent's messages");
    assert_same("customer", &customer.packets, &unwatched_customer.packets);
    assert_same("agent", &agent.packets, &unwatched_agent.packets);
}

fn assert_same(who: &str, packets: &[Step], unwatched: &[Step]) {
    assert_eq!(packets.len(), unwatched.len(), "{who}: number of packets");
    let different = packets.iter().zip(unwatched).position(|(one, other)| one != other);
    assert_eq!(different, None, "{who}: the first packet that differs");
}

fn arm(scene: &Scene, _: &mut Probe) {
    scene.listen_in("super1", "5001", &json!({}));
}

#[test]
fn the_supervisor_listens() {
    let (customer, agent, supervisor) = call(arm, |_, it| it.wait_packets(100));
    assert!(supervisor.packets().len() > 100);
    assert_untouched(&customer, &agent);
}

#[test]
fn the_supervisor_joins_and_leaves_again_and_again() {
    let come_and_go = |scene: &Scene, supervisor: &mut Probe| {
        for _ in 0..3 {
            scene.listen_in("super1", "5001", &json!({}));
            supervisor.wait_established();
            supervisor.wait_packets(10);
            supervisor.hang_up();
            scene.until("the call is over", |it| it.calls("super1").is_empty());
            scene.cancel_monitoring("super1");
        }
    };
    let (customer, agent, supervisor) = call(|_, _| {}, come_and_go);
    assert_eq!(supervisor.calls(), 3);
    assert_untouched(&customer, &agent);
}

#[test]
fn the_supervisors_phone_refuses() {
    for status in [486, 603, 500] {
        let refuse = |scene: &Scene, it: &mut Probe| {
            it.policy(Policy::Refuse(status));
            arm(scene, it);
        };
        let (customer, agent, supervisor) = call(refuse, |_, _| {});
        assert_eq!(supervisor.end_status(), Some(status));
        assert_untouched(&customer, &agent);
    }
}

#[test]
fn the_supervisors_phone_vanishes_before_the_call() {
    let vanish = |scene: &Scene, it: &mut Probe| {
        arm(scene, it);
        it.vanish();
    };
    let (customer, agent, supervisor) = call(vanish, |_, _| {});
    assert!(supervisor.received().contains(&"INVITE".to_owned()));
    assert_untouched(&customer, &agent);
}

#[test]
fn the_supervisors_phone_vanishes_during_the_call() {
    let (customer, agent, _supervisor) = call(arm, |_, it| {
        it.wait_packets(50);
        it.vanish();
    });
    assert_untouched(&customer, &agent);
}

#[test]
fn the_supervisors_phone_answers_late() {
    let late = |scene: &Scene, it: &mut Probe| {
        it.answer_after(Duration::from_millis(1500));
        arm(scene, it);
    };
    let (customer, agent, supervisor) = call(late, |_, it| it.wait_packets(20));
    assert!(supervisor.packets().len() >= 20);
    assert_untouched(&customer, &agent);
}

#[test]
fn the_supervisor_hangs_up() {
    let (customer, agent, supervisor) = call(arm, |_, it| {
        it.wait_packets(50);
        it.hang_up();
    });
    assert_eq!(supervisor.calls(), 1);
    assert_untouched(&customer, &agent);
}

#[test]
fn the_supervisors_phone_floods_with_sound_and_signalling() {
    let (customer, agent, _supervisor) = call(arm, |_, it| {
        it.wait_packets(10);
        it.source(Source::Tone(SUPERVISOR_TONE));
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            it.flood_media(40);
            for _ in 0..10 {
                it.send_raw(b"OPTIONS sip:flood SIP/2.0\r\nVia: nonsense\r\n\r\n");
                it.send_raw(&[0xff; 200]);
            }
            thread::sleep(Duration::from_millis(5));
        }
    });
    assert_untouched(&customer, &agent);
}

//! SIP beyond the plain call, with phones that others wrote: several contacts, session timers, PRACK, UPDATE.

use e2e::{
    AGENT_TONE, Baresip, CUSTOMER_TONE, Phone, Pjsua, Policy, SUPERVISOR_TONE, Scene, Setup, Sipp, assert_hears,
    connect, listen,
};
use serde_json::json;

#[test]
fn rfc3261_16_7_every_phone_of_a_number_rings_and_one_answers() {
    let scene = Scene::new(&Setup::new());
    let mut desk = Baresip::device(&scene.server, "5001", AGENT_TONE, Policy::Ring);
    let mut soft = Pjsua::device(&scene.server, "5001", 700, Policy::Ring);
    let mut customer = scene.customer();
    for winner in 0..2 {
        customer.dial("5001");
        desk.wait_ringing();
        soft.wait_ringing();
        let (winner, loser): (&mut dyn Phone, &mut dyn Phone) =
            if winner == 0 { (&mut desk, &mut soft) } else { (&mut soft, &mut desk) };
        winner.answer();
        customer.wait_established();
        winner.wait_established();
        loser.wait_ended();
        customer.hang_up();
        winner.wait_ended();
    }
    assert_eq!(
        customer.received().iter().filter(|it| *it == "180 INVITE").count(),
        2,
        "once a call, though two phones ring"
    );
    soft.policy(Policy::Refuse(486));
    customer.dial("5001");
    desk.wait_ringing();
    desk.answer();
    customer.wait_established();
    let heard = listen(1.8, &mut [&mut customer]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, 700]);
    customer.hang_up();
    desk.wait_ended();
    soft.policy(Policy::Refuse(603));
    customer.dial("5001");
    assert_eq!(customer.wait_end_status(), 603, "a 6xx speaks for all");
}

#[test]
fn a_supervisor_with_two_phones_listens_on_the_one_that_answers() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut desk = Baresip::device(&scene.server, "5005", 600, Policy::Ring);
    let mut soft = Pjsua::device(&scene.server, "5005", SUPERVISOR_TONE, Policy::Answer);
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    soft.wait_established();
    desk.wait_ended();
    let heard = listen(1.8, &mut [&mut soft, &mut customer]);
    assert_hears("supervisor", &heard[0], &[AGENT_TONE, CUSTOMER_TONE], &[SUPERVISOR_TONE, 600]);
    assert_hears("customer", &heard[1], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE, 600]);
}

/// A phone that insists on session timers, on both sides of a call.
#[test]
fn rfc4028_9_session_timers_are_agreed_with_a_phone() {
    let scene = Scene::new(&Setup::new());
    let timer = json!({"timer": 90});
    let mut desk = Pjsua::device_with(&scene.server, "5001", AGENT_TONE, Policy::Answer, &timer);
    let mut soft = Pjsua::device_with(&scene.server, "5002", 700, Policy::Answer, &timer);
    connect(&mut soft, &mut desk, "5001");
    assert!(desk.wait_incoming().contains("\r\nSession-Expires: 1800\r\n"));
    soft.hold();
    soft.retrieve();
    desk.hang_up();
    soft.wait_ended();
    let answers = soft.messages("SIP/2.0 200");
    let agreed = answers.iter().find(|it| it.contains("\r\nSession-Expires: 90;refresher=")).expect("it is agreed");
    assert!(agreed.contains("\r\nRequire: timer\r\n"), "{agreed}");
}

#[test]
fn rfc4028_9_sipp_refreshes_and_asks_for_too_little() {
    let scene = Scene::new(&Setup::new());
    let mut agent = scene.agent();
    Sipp::start(scene.server.sip, "timer_caller", scene.server.trunk_port, &["-s", "5001", "-m", "1"]).wait();
    agent.wait_ended();
}

#[test]
fn rfc4028_7_3_sipp_wants_longer_sessions() {
    let scene = Scene::new(&Setup::new());
    let mut agent = scene.agent();
    let far = Sipp::start(scene.server.sip, "timer_callee", scene.server.trunk_port, &["-m", "1"]);
    agent.dial("90307654321");
    agent.wait_established();
    agent.hang_up();
    far.wait();
}

#[test]
fn rfc3262_3_phones_that_demand_prack() {
    let scene = Scene::new(&Setup::new());
    let reliable = json!({"reliable": true});
    let mut desk = Pjsua::device_with(&scene.server, "5001", AGENT_TONE, Policy::Ring, &reliable);
    let mut soft = Pjsua::device_with(&scene.server, "5002", CUSTOMER_TONE, Policy::Answer, &reliable);
    soft.dial("5001");
    desk.wait_ringing();
    soft.wait_state("EARLY");
    desk.answer();
    soft.wait_established();
    desk.wait_established();
    let heard = listen(1.8, &mut [&mut soft, &mut desk]);
    assert_hears("caller", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
    assert_hears("callee", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE]);
    desk.hang_up();
    soft.wait_ended();
    let rings = soft.messages("SIP/2.0 180");
    assert!(rings[0].contains("\r\nRSeq: ") && rings[0].contains("\r\nRequire: 100rel\r\n"), "{rings:?}");
}

#[test]
fn rfc3262_3_sipp_acknowledges_late() {
    let scene = Scene::new(&Setup::new());
    let mut agent = scene.agent();
    agent.answer_after(std::time::Duration::from_secs(3));
    Sipp::start(scene.server.sip, "prack_caller", scene.server.trunk_port, &["-s", "5001", "-m", "1"]).wait();
    agent.wait_ended();
}

#[test]
fn rfc3311_5_2_sipp_updates_before_it_answers() {
    let scene = Scene::new(&Setup::new());
    let mut agent = scene.agent();
    let far = Sipp::start(scene.server.sip, "prack_callee", scene.server.trunk_port, &["-m", "1"]);
    agent.dial("90307654321");
    agent.wait_received("183 INVITE", 1);
    agent.wait_established();
    agent.hang_up();
    far.wait();
}

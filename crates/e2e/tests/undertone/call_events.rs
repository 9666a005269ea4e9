//! What happens to the call while an order or a session stands. Rows E-01 to E-06 and E-14 to E-21.

use std::{thread, time::Duration};

use e2e::{
    AGENT_TONE, CUSTOMER_TONE, Cometd, Phone, Pjsua, Policy, Probe, SUPERVISOR_TONE, Scene, Setup, Source, Transport,
    assert_hears, assert_silent, connect, listen,
};
use serde_json::json;

/// The three, with the order of `super1` on 5001 standing and a desk that hears of it.
struct Listening {
    scene: Scene,
    agent: Probe,
    customer: Probe,
    supervisor: Probe,
    desk: Cometd,
}

fn armed(setup: &Setup, more: &serde_json::Value) -> Listening {
    let scene = Scene::with(setup, &["agent1", "super1"]);
    let (agent, customer, supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    let desk = Cometd::connect(&scene.server, "super1", Transport::LongPolling, &["/v2/me/*"]);
    scene.listen_in("super1", "5001", more);
    Listening { scene, agent, customer, supervisor, desk }
}

/// The same, with the call going and the supervisor on it.
fn listening(setup: &Setup, more: &serde_json::Value) -> Listening {
    let mut it = armed(setup, more);
    connect(&mut it.customer, &mut it.agent, "5001");
    it.supervisor.wait_established();
    it
}

impl Listening {
    /// Demands that the call between customer and agent is as good as new.
    fn assert_call_goes_on(&mut self) {
        let heard = listen(1.8, &mut [&mut self.customer, &mut self.agent]);
        assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
        assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    }
}

#[test]
fn e_02_joining_and_leaving_changes_nothing_for_customer_and_agent() {
    let mut it = listening(&Setup::new(), &json!({}));
    it.supervisor.wait_packets(50);
    it.supervisor.hang_up();
    it.customer.wait_packets(it.customer.packets().len() + 50);
    for (who, phone) in [("customer", &it.customer), ("agent", &it.agent)] {
        let packets = phone.packets();
        assert!(packets.windows(2).all(|it| it[1].ssrc == it[0].ssrc), "{who}: one source all along");
        assert!(packets.windows(2).all(|it| it[1].sequence == it[0].sequence.wrapping_add(1)), "{who}: no gap");
        let steps = packets.windows(2).map(|it| it[1].timestamp.wrapping_sub(it[0].timestamp));
        assert!(steps.into_iter().all(|it| it == 160), "{who}: 20 ms after 20 ms");
        assert!(packets.iter().all(|it| it.contributors == 0), "{who}: no contributor is named");
    }
    let inside = |phone: &Probe| phone.received().iter().filter(|it| *it == "INVITE" || *it == "UPDATE").count();
    assert_eq!((inside(&it.customer), inside(&it.agent)), (0, 1), "no re-INVITE");
}

#[test]
fn e_03_a_call_that_the_agent_makes_is_monitored_once_it_is_answered() {
    let mut it = armed(&Setup::new(), &json!({}));
    let mut callee = Probe::device(&it.scene.server, "5002", Source::Tone(CUSTOMER_TONE));
    callee.policy(Policy::Ring);
    it.agent.dial("5002");
    callee.wait_ringing();
    callee.progress();
    thread::sleep(Duration::from_millis(700));
    assert_eq!(it.supervisor.calls(), 0, "ringback and early media are not monitored");
    callee.answer();
    it.supervisor.wait_established();
    let heard = listen(1.8, &mut [&mut callee, &mut it.agent, &mut it.supervisor]);
    assert_hears("callee", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
}

#[test]
fn e_04_internal_calls_are_monitored_or_not_as_the_setting_says() {
    for is_monitored in [true, false] {
        let setup = Setup::new().with("supervision", &format!("monitor_internal_calls = {is_monitored}"));
        let mut it = armed(&setup, &json!({}));
        let mut colleague = Probe::device(&it.scene.server, "5002", Source::Tone(CUSTOMER_TONE));
        connect(&mut colleague, &mut it.agent, "5001");
        if is_monitored {
            it.supervisor.wait_established();
        } else {
            thread::sleep(Duration::from_millis(700));
            assert_eq!(it.supervisor.calls(), 0);
        }
    }
}

#[test]
fn e_04_a_supervisor_who_is_a_party_of_the_call_is_not_called_again() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.supervisor.dial("5001");
    it.agent.wait_established();
    it.supervisor.wait_established();
    thread::sleep(Duration::from_millis(700));
    assert_eq!(it.supervisor.calls(), 1);
}

#[test]
fn e_05_e_06_hold_and_retrieve_from_a_softphone() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let (mut customer, mut supervisor) = (scene.customer(), scene.supervisor());
    let desk = Cometd::connect(&scene.server, "agent1", Transport::LongPolling, &["/v2/me/calls"]);
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    agent.hold();
    desk.call("Held");
    let heard = listen(2.0, &mut [&mut customer, &mut supervisor]);
    assert_silent("customer", &heard[0], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    agent.retrieve();
    desk.call("Established");
    let heard = listen(2.0, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    assert_eq!(supervisor.received().iter().filter(|it| *it == "INVITE").count(), 1, "E-06: no new leg, no ring");
    // Mix, then one voice alone, then mix: for the phone it is one stream.
    let packets = supervisor.packets();
    assert!(packets.windows(2).all(|it| it[1].ssrc == it[0].ssrc));
    assert!(packets.windows(2).all(|it| it[1].sequence == it[0].sequence.wrapping_add(1)));
}

#[test]
fn e_05_a_held_customer_may_be_kept_from_the_supervisor() {
    let mut it = listening(&Setup::new().with("supervision", "monitor_party_on_hold = false"), &json!({}));
    assert_eq!(it.agent.hold(), 200);
    let heard = listen(1.5, &mut [&mut it.supervisor]);
    assert_silent("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE]);
    assert_eq!(it.agent.retrieve(), 200);
    let heard = listen(1.8, &mut [&mut it.supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
}

#[test]
fn e_14_the_agent_hangs_up_and_all_calls_stay_armed() {
    let mut it = listening(&Setup::new(), &json!({}));
    it.agent.hang_up();
    assert_eq!((it.customer.wait_end_status(), it.supervisor.wait_end_status()), (0, 0));
    it.desk.call("Released");
    assert!(it.scene.order("super1").is_some());
    connect(&mut it.customer, &mut it.agent, "5001");
    it.supervisor.wait_established();
    assert_eq!(it.supervisor.calls(), 2);
}

#[test]
fn e_15_the_customer_hangs_up() {
    let mut it = listening(&Setup::new(), &json!({}));
    it.customer.hang_up();
    assert_eq!((it.agent.wait_end_status(), it.supervisor.wait_end_status()), (0, 0));
    it.desk.call("Released");
    it.scene.until("no call is left", |it| it.calls("super1").is_empty() && it.calls("agent1").is_empty());
}

#[test]
fn e_16_the_call_ends_while_the_supervisor_rings() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.supervisor.policy(Policy::Ring);
    connect(&mut it.customer, &mut it.agent, "5001");
    it.supervisor.wait_ringing();
    it.customer.hang_up();
    assert_eq!(it.supervisor.wait_end_status(), 487);
    it.agent.wait_ended();
    assert!(it.scene.order("super1").is_some());
}

#[test]
fn e_16_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.supervisor.answer_when_cancelled();
    connect(&mut it.customer, &mut it.agent, "5001");
    it.supervisor.wait_ringing();
    it.customer.hang_up();
    it.supervisor.wait_received("ACK", 1);
    assert_eq!(it.supervisor.wait_end_status(), 0, "by a BYE");
    assert!(it.supervisor.packets().is_empty(), "and hears nothing");
}

#[test]
fn e_17_the_target_logs_out() {
    let it = armed(&Setup::new(), &json!({}));
    it.desk.device("an order", |it| it["supervisorMonitoringState"].is_object());
    it.scene.log_out("agent1");
    it.desk.device("no order", |it| it.get("supervisorMonitoringState").is_none());
    assert_eq!(it.scene.order("super1"), None);
}

#[test]
fn e_18_the_target_logs_out_during_the_call() {
    let mut it = listening(&Setup::new(), &json!({}));
    it.scene.log_out("agent1");
    it.scene.until("the order is gone", |it| it.order("super1").is_none());
    let heard = listen(1.8, &mut [&mut it.supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    it.assert_call_goes_on();
}

#[test]
fn e_19_the_supervisor_logs_out_during_the_call() {
    let mut it = listening(&Setup::new(), &json!({}));
    it.scene.log_out("super1");
    assert_eq!(it.supervisor.wait_end_status(), 0);
    it.assert_call_goes_on();
    it.scene.log_in("super1");
    assert_eq!(it.scene.order("super1"), None);
}

#[test]
fn e_20_a_cancel_ends_the_order_and_not_the_session() {
    let mut it = listening(&Setup::new(), &json!({}));
    it.scene.cancel_monitoring("super1");
    it.desk.device("no order", |it| it.get("supervisorMonitoringState").is_none());
    let heard = listen(1.8, &mut [&mut it.supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    let id = it.scene.calls("super1")[0]["id"].as_str().unwrap().to_owned();
    it.scene.server.rest("super1").operate(&format!("/me/calls/{id}"), &json!({"operationName": "Hangup"}));
    assert_eq!(it.supervisor.wait_end_status(), 0, "the supervisor leaves by hand");
    it.assert_call_goes_on();
}

#[test]
fn e_20_a_cancel_ends_the_session_too_where_the_setting_says_so() {
    let mut it = listening(&Setup::new().with("supervision", "cancel_ends_session = true"), &json!({}));
    it.scene.cancel_monitoring("super1");
    assert_eq!(it.supervisor.wait_end_status(), 0);
    it.assert_call_goes_on();
}

#[test]
fn e_21_next_call_is_used_up_by_one_session() {
    let mut it = listening(&Setup::new(), &json!({"supervisorMonitoringMode": "NextCall"}));
    assert_eq!(it.scene.order("super1").unwrap()["mode"], "NextCall", "in use until the session ends");
    it.customer.hang_up();
    it.supervisor.wait_ended();
    it.agent.wait_ended();
    it.desk.device("no order", |it| it.get("supervisorMonitoringState").is_none());
    connect(&mut it.customer, &mut it.agent, "5001");
    thread::sleep(Duration::from_millis(700));
    assert_eq!(it.supervisor.calls(), 1);
}

#[test]
fn scope_agent_hears_the_call_and_ends_with_it() {
    let mut it = listening(&Setup::new(), &json!({"supervisorMonitoringScope": "Agent"}));
    let heard = listen(1.8, &mut [&mut it.supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    it.agent.hang_up();
    assert_eq!(it.supervisor.wait_end_status(), 0);
}

#[test]
fn what_the_agents_desktop_is_told_is_policy() {
    for (policy, is_told) in [("never", false), ("on-join", true)] {
        let setup = Setup::new().with("supervision", &format!("tell_agent = \"{policy}\""));
        let it = listening(&setup, &json!({}));
        it.supervisor.wait_packets(10);
        let call = it.scene.calls("agent1")[0].clone();
        assert_eq!(call["supervisorListeningIn"], is_told, "{policy}: {call}");
    }
}

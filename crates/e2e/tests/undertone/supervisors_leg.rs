//! What the supervisor's phone may do without anybody else noticing. Rows V-01 to V-11.

use std::{thread, time::Duration};

use e2e::{
    AGENT_TONE, CUSTOMER_TONE, Cometd, Phone, Policy, Probe, SUPERVISOR_TONE, Scene, Setup, Source, Transport,
    assert_hears, assert_silent, connect, listen,
};
use serde_json::{Value, json};

struct Armed {
    scene: Scene,
    agent: Probe,
    customer: Probe,
    supervisor: Probe,
    desk: Cometd,
}

fn armed(setup: &Setup, more: &Value) -> Armed {
    let scene = Scene::with(setup, &["agent1", "super1"]);
    let (agent, customer, supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    let desk = Cometd::connect(&scene.server, "super1", Transport::LongPolling, &["/v2/me/*"]);
    scene.listen_in("super1", "5001", more);
    Armed { scene, agent, customer, supervisor, desk }
}

impl Armed {
    fn call(&mut self) {
        connect(&mut self.customer, &mut self.agent, "5001");
    }

    fn end_call(&mut self) {
        self.customer.hang_up();
        self.agent.wait_ended();
    }

    /// Why a session failed, as the supervisor's desk is told.
    fn wait_error(&self) -> Value {
        self.desk.message("/v2/me/devices", "an error", |it| {
            it["messageType"] == "ErrorMessage" && it["errorMessage"].is_string() && it["errorCode"].is_number()
        })
    }

    fn assert_call_goes_on(&mut self) {
        let heard = listen(1.8, &mut [&mut self.customer, &mut self.agent]);
        assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
        assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    }
}

const NEXT_CALL: &str = "NextCall";

#[test]
fn v_01_a_busy_supervisor_is_not_called_and_joins_when_free() {
    let mut it = armed(&Setup::new(), &json!({}));
    let mut friend = Probe::device(&it.scene.server, "5002", Source::Tone(600));
    connect(&mut it.supervisor, &mut friend, "5002");
    it.call();
    it.wait_error();
    assert_eq!(it.supervisor.calls(), 1, "no second INVITE into a conversation");
    assert!(it.scene.order("super1").is_some());
    it.supervisor.hang_up();
    friend.wait_ended();
    it.supervisor.wait_calls(2);
    it.supervisor.wait_established();
    let heard = listen(1.8, &mut [&mut it.supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE, 600]);
}

#[test]
fn v_02_a_phone_that_refuses_with_486_keeps_the_order_in_both_modes() {
    for mode in ["AllCalls", NEXT_CALL] {
        let mut it = armed(&Setup::new(), &json!({"supervisorMonitoringMode": mode}));
        it.supervisor.policy(Policy::Refuse(486));
        it.call();
        it.wait_error();
        assert_eq!(it.scene.order("super1").unwrap()["mode"], mode);
        thread::sleep(Duration::from_millis(500));
        assert_eq!(it.supervisor.calls(), 1, "no second try on the same call");
        it.end_call();
        it.supervisor.policy(Policy::Answer);
        it.call();
        it.supervisor.wait_established();
    }
}

#[test]
fn v_03_declining_uses_up_next_call_and_only_that() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.supervisor.policy(Policy::Refuse(603));
    it.call();
    it.wait_error();
    assert!(it.scene.order("super1").is_some(), "AllCalls stays armed");
    it.end_call();
    it.scene.listen_in("super1", "5001", &json!({"supervisorMonitoringMode": NEXT_CALL}));
    it.desk.device("the second order", |it| it["supervisorMonitoringState"]["mode"] == NEXT_CALL);
    it.call();
    it.desk.device("no order", |it| it.get("supervisorMonitoringState").is_none());
    it.assert_call_goes_on();
}

#[test]
fn v_04_a_phone_that_nobody_answers_is_cancelled_and_after_three_calls_forgotten() {
    let mut it = armed(&Setup::new().with("supervision", "ring_timeout = \"1s\""), &json!({}));
    it.supervisor.policy(Policy::Ring);
    for call in 1..=3 {
        assert!(it.scene.order("super1").is_some(), "before call {call}");
        it.call();
        it.supervisor.wait_received("INVITE", call);
        it.supervisor.wait_received("CANCEL", call);
        it.wait_error();
        it.end_call();
    }
    it.desk.device("no order", |it| it.get("supervisorMonitoringState").is_none());
    assert_eq!(it.scene.order("super1"), None);
}

#[test]
fn v_05_a_supervisor_who_leaves_is_called_for_the_next_call_only() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.call();
    it.supervisor.wait_established();
    it.supervisor.hang_up();
    it.assert_call_goes_on();
    assert_eq!(it.supervisor.calls(), 1, "never again for the call just left");
    assert!(it.scene.order("super1").is_some());
    it.end_call();
    it.call();
    it.supervisor.wait_established();
}

#[test]
fn v_05_leaving_uses_up_next_call() {
    let mut it = armed(&Setup::new(), &json!({"supervisorMonitoringMode": NEXT_CALL}));
    it.call();
    it.supervisor.wait_established();
    it.supervisor.hang_up();
    it.desk.device("no order", |it| it.get("supervisorMonitoringState").is_none());
    it.assert_call_goes_on();
}

#[test]
fn v_06_a_supervisor_who_holds_is_sent_nothing_and_comes_back() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.call();
    it.supervisor.wait_established();
    it.supervisor.wait_packets(10);
    assert_eq!(it.supervisor.hold(), 200);
    let heard = listen(1.5, &mut [&mut it.supervisor]);
    assert_silent("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE]);
    it.assert_call_goes_on();
    assert_eq!(it.supervisor.retrieve(), 200);
    let heard = listen(1.8, &mut [&mut it.supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
}

#[test]
fn v_07_a_redirection_is_not_followed() {
    let mut it = armed(&Setup::new(), &json!({}));
    let elsewhere = Probe::device(&it.scene.server, "5002", Source::Silent);
    it.supervisor.policy(Policy::Refuse(302));
    it.call();
    it.wait_error();
    thread::sleep(Duration::from_millis(500));
    assert_eq!((it.supervisor.calls(), elsewhere.calls()), (1, 0));
    assert!(it.scene.order("super1").is_some());
}

#[test]
fn v_08_a_silent_phone_that_has_forgotten_the_call_is_let_go() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.call();
    it.supervisor.wait_established();
    it.supervisor.wait_packets(10);
    it.supervisor.forget_calls();
    let waited = it.desk.wait_for("the end of the supervisor's call", Duration::from_secs(50), |it| {
        it["message"]["channel"] == "/v2/me/calls" && it["message"]["data"]["call"]["state"] == "Released"
    });
    assert!(it.supervisor.received().contains(&"OPTIONS".to_owned()), "{waited}: {:?}", it.supervisor.received());
    it.assert_call_goes_on();
}

#[test]
fn v_08_a_silent_phone_that_still_answers_goes_on_listening() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.supervisor.source(Source::Silent);
    it.call();
    it.supervisor.wait_established();
    it.supervisor.wait_packets(10);
    thread::sleep(Duration::from_secs(34));
    assert!(it.supervisor.received().contains(&"OPTIONS".to_owned()), "{:?}", it.supervisor.received());
    let heard = listen(1.8, &mut [&mut it.supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
}

#[test]
fn v_11_a_desktop_that_is_gone_cuts_no_sound() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.call();
    it.supervisor.wait_established();
    drop(std::mem::replace(
        &mut it.desk,
        Cometd::connect(&it.scene.server, "super1", Transport::LongPolling, &["/v2/me/*"]),
    ));
    let heard = listen(1.8, &mut [&mut it.supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    assert_eq!(it.scene.calls("super1").len(), 1, "the new desktop finds the call");
    assert!(it.scene.order("super1").is_some(), "and the order");
}

#[test]
fn a_2_the_supervisors_keys_reach_nobody() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.call();
    it.supervisor.wait_established();
    it.supervisor.wait_packets(10);
    it.supervisor.press(5);
    it.customer.press(6);
    it.customer.wait_packets(it.customer.packets().len() + 40);
    assert!(it.customer.keys().is_empty(), "the supervisor's key must not drive the customer's menu");
    assert_eq!(it.agent.keys(), [6], "the customer's own key is relayed");
}

#[test]
fn rtcp_names_each_leg_differently_and_never_the_supervisor() {
    let mut it = armed(&Setup::new(), &json!({}));
    it.call();
    it.supervisor.wait_established();
    let phones = [&it.customer, &it.agent, &it.supervisor];
    let names: Vec<Vec<u8>> = phones
        .iter()
        .map(|phone| {
            it.scene.until("a report with a name", |_| phone.reports().iter().any(|it| name(it).is_some()));
            let reports = phone.reports();
            let names: Vec<_> = reports.iter().filter_map(|it| name(it)).collect();
            assert!(names.iter().all(|it| *it == names[0]), "one name all along: {names:?}");
            names[0].clone()
        })
        .collect();
    assert!(names[0] != names[1] && names[1] != names[2] && names[0] != names[2], "{names:?}");
}

/// The one canonical name in a compound RTCP packet (RFC 3550 s6.5.1).
fn name(compound: &[u8]) -> Option<Vec<u8>> {
    let mut rest = compound;
    while let [first, kind, high, low, ..] = *rest {
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        if kind == 202 {
            assert_eq!(first & 0x1f, 1, "one source and no contributor: {compound:?}");
            assert_eq!(rest[8], 1, "a canonical name: {compound:?}");
            return Some(rest[10..10 + usize::from(rest[9])].to_vec());
        }
        rest = rest.get(length..)?;
    }
    None
}

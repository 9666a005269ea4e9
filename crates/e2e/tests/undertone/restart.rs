//! What survives `kill -9`. Row E-23.

use std::time::Duration;

use e2e::{
    AGENT_TONE, CUSTOMER_TONE, Cometd, Phone, SUPERVISOR_TONE, Scene, Setup, Transport, assert_hears, connect, listen,
};
use serde_json::json;

#[test]
fn e_23_the_order_the_log_ins_and_the_registrations_are_still_there() {
    let mut scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    scene.server.rest("agent1").operate("/me/channels/voice", &json!({"operationName": "Ready"}));
    scene.listen_in("super1", "5001", &json!({"supervisorMonitoringScope": "Agent"}));
    let (order, device, agents) = (scene.order("super1"), scene.device("super1"), scene.device("agent1"));
    assert!(order.is_some());
    // Registrations are saved within a second.
    std::thread::sleep(Duration::from_millis(1500));

    scene.server.kill();
    scene.server.restart();
    assert_eq!(scene.order("super1"), order);
    assert_eq!((scene.device("super1"), scene.device("agent1")), (device, agents));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    let heard = listen(2.0, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
}

#[test]
fn an_order_cancelled_just_before_the_end_stays_cancelled() {
    let mut scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let _supervisor = scene.supervisor();
    for is_cancelled in [false, true] {
        scene.listen_in("super1", "5001", &json!({}));
        if is_cancelled {
            scene.cancel_monitoring("super1");
        }
        scene.server.kill();
        scene.server.restart();
        assert_eq!(scene.order("super1").is_none(), is_cancelled, "an operation answered with 0 is on disk");
    }
}

#[test]
fn a_call_in_progress_is_lost_and_the_next_one_is_monitored() {
    let mut scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    scene.listen_in("super1", "5001", &json!({}));
    std::thread::sleep(Duration::from_millis(1500));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    scene.server.kill();
    scene.server.restart();
    assert!(scene.calls("super1").is_empty() && scene.calls("agent1").is_empty());
    // What the phones still say about the lost call, the server does not know (RFC 3261 s12.2.2).
    for phone in [&mut customer, &mut agent, &mut supervisor] {
        phone.hang_up();
        phone.wait_received("481 BYE", 1);
    }
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
}

#[test]
fn the_official_client_comes_back_by_itself() {
    let mut scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let _supervisor = scene.supervisor();
    let desks = [Transport::LongPolling, Transport::WebSocket]
        .map(|it| Cometd::connect(&scene.server, "super1", it, &["/v2/me/*"]));
    std::thread::sleep(Duration::from_millis(1500));
    scene.server.kill();
    scene.server.restart();
    for desk in &desks {
        desk.wait_for("a new handshake", Duration::from_secs(20), |it| {
            it["event"] == "meta-handshake" && it["message"]["successful"] == true
        });
        desk.wait("a new subscription", |it| it["event"] == "meta-subscribe" && it["message"]["successful"] == true);
    }
    scene.listen_in("super1", "5001", &json!({}));
    for desk in &desks {
        desk.device("the order", |it| it["supervisorMonitoringState"].is_object());
    }
}

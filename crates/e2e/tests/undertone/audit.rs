//! Who listened to whom, when, on which call, and why it ended: all of it is written down.

use e2e::{Phone, Policy, Scene, Setup, connect};
use serde_json::{Value, json};

fn events(rows: &[Value]) -> Vec<&str> {
    rows.iter().filter_map(|it| it["what"].as_str()).collect()
}

#[test]
fn every_order_session_refusal_and_end_is_in_the_trail() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    let path = scene.device_path("super1");
    let myself = json!({"operationName": "ListenIn", "phoneNumber": "5005"});
    assert_eq!(scene.server.rest("super1").refused(&path, &myself), (403, 3));
    scene.listen_in("super1", "5001", &json!({}));
    scene.listen_in("super1", "5001", &json!({"supervisorMonitoringScope": "Agent"}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    supervisor.wait_packets(5);
    scene.until("the agent sees the call", |it| !it.calls("agent1").is_empty());
    let call = scene.calls("agent1")[0]["id"].clone();
    customer.hang_up();
    supervisor.wait_ended();
    agent.wait_ended();
    supervisor.policy(Policy::Refuse(603));
    connect(&mut customer, &mut agent, "5001");
    scene.until("the second session has ended", |it| {
        events(&it.server.audit()).iter().filter(|it| **it == "SessionEnded").count() == 2
    });
    scene.cancel_monitoring("super1");

    let rows = scene.server.audit();
    let expected = [
        "OrderRefused",
        "OrderArmed",
        "OrderChanged",
        "SessionOffered",
        "SessionActive",
        "SessionEnded",
        "SessionOffered",
        "SessionEnded",
        "OrderEnded",
    ];
    assert_eq!(events(&rows), expected, "{rows:#?}");
    for row in &rows {
        assert_eq!((&row["supervisor_name"], &row["supervisor_number"]), (&json!("super1"), &json!("5005")), "{row}");
        assert!(row["at"].as_str().unwrap().ends_with('Z'), "a moment in UTC: {row}");
        let needs_reason = ["OrderRefused", "SessionEnded", "OrderEnded"].contains(&row["what"].as_str().unwrap());
        assert_eq!(row["reason"].as_str().is_some_and(|it| !it.is_empty()), needs_reason, "{row}");
    }
    for row in &rows[1..] {
        assert_eq!((&row["target_number"], &row["target_name"]), (&json!("5001"), &json!("agent1")), "{row}");
        assert_eq!(row["operation"], "ListenIn", "{row}");
    }
    for row in &rows[3..6] {
        assert_eq!((&row["call"], &row["session"]), (&call, &rows[3]["session"]), "{row}");
    }
    assert_ne!(rows[5]["reason"], rows[7]["reason"], "the end of the call is not a refusal");
}

#[test]
fn a_session_that_a_restart_cut_off_is_closed_as_such() {
    let mut scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    supervisor.wait_packets(5);
    scene.server.kill();
    scene.server.restart();
    let rows = scene.server.audit();
    assert_eq!(events(&rows), ["OrderArmed", "SessionOffered", "SessionActive", "SessionEnded"], "{rows:#?}");
    assert_eq!(rows[3]["reason"], "server_restart");
    assert_eq!(rows[3]["session"], rows[1]["session"]);
}

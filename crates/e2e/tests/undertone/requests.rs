//! Requests to listen: what is accepted, what is refused, and with what. Rows.

use std::{thread, time::Duration};

use e2e::{
    AGENT_TONE, CUSTOMER_TONE, Cometd, Phone, Policy, Probe, SUPERVISOR_TONE, Scene, Setup, Source, Transport,
    assert_hears, connect, listen,
};
use serde_json::{Value, json};

/// A scene in which `super1` may listen to `agent1`: both logged in, the supervisor's phone registered.
fn ready(setup: &Setup) -> (Scene, Probe) {
    let scene = Scene::with(setup, &["agent1", "super1"]);
    let supervisor = scene.supervisor();
    (scene, supervisor)
}

/// What `super1` is refused with when `ListenIn` on 5001 is changed by `more`; a null takes a member away.
fn refused(scene: &Scene, more: &Value) -> (u16, i64) {
    let mut body = scene.listen_in_body("super1", "5001", more);
    body.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    scene.server.rest("super1").refused(&scene.device_path("super1"), &body)
}

#[test]
fn r_01_r_02_an_idle_target_is_armed_with_the_defaults() {
    let (scene, supervisor) = ready(&Setup::new());
    let desk = Cometd::connect(&scene.server, "super1", Transport::LongPolling, &["/v2/me/devices"]);
    scene.listen_in("super1", "5001", &json!({}));
    let device = desk.device("an order", |it| it["supervisorMonitoringState"].is_object());
    let order = &device["supervisorMonitoringState"];
    assert_eq!((&order["mode"], &order["scope"]), (&json!("AllCalls"), &json!("Call")));
    assert_eq!(scene.order("super1").as_ref(), Some(order));
    assert_eq!(supervisor.calls(), 0);
}

#[test]
fn r_03_to_r_08_forms_that_are_refused() {
    let (scene, _supervisor) = ready(&Setup::new());
    assert_eq!(refused(&scene, &json!({"supervisorMonitoringScope": "Calls"})), (400, 10), "R-03");
    assert_eq!(refused(&scene, &json!({"supervisorMonitoringMode": "allcalls"})), (400, 10), "R-03");
    assert_eq!(refused(&scene, &json!({"targetDeviceUri": null})), (400, 1), "R-04");
    assert_eq!(refused(&scene, &json!({"phoneNumber": "5002"})), (400, 10), "R-05: they disagree");
    let nobody = format!("{}/api/v2/devices/9c14cad7-17c4-48d0-8492-7cf0ff92c224", scene.server.url());
    assert_eq!(refused(&scene, &json!({"targetDeviceUri": nobody})), (404, 6), "R-06");
    assert_eq!(refused(&scene, &json!({"targetDeviceUri": null, "phoneNumber": "5999"})), (404, 6), "R-06");
    let own = format!("{}/api/v2{}", scene.server.url(), scene.device_path("super1").replace("/me", ""));
    assert_eq!(refused(&scene, &json!({"targetDeviceUri": own})), (403, 3), "R-08");
    assert_eq!(refused(&scene, &json!({"operationName": "ListenOut"})), (400, 10));
    assert_eq!(refused(&scene, &json!({"operationName": null})), (400, 1));
    let body = scene.listen_in_body("super1", "5001", &json!({}));
    let foreign = scene.device_path("agent1");
    assert_eq!(scene.server.rest("super1").refused(&foreign, &body), (404, 6), "R-07");
    assert_eq!(scene.server.rest("super1").refused("/me/devices/nonsense", &body), (404, 6), "R-07");
    assert_eq!(scene.order("super1"), None, "nothing was armed by any of them");
}

#[test]
fn r_05_by_phone_number_alone_or_with_the_uri_it_belongs_to() {
    let (scene, _supervisor) = ready(&Setup::new());
    let path = scene.device_path("super1");
    scene.server.rest("super1").operate(&path, &json!({"operationName": "ListenIn", "phoneNumber": "5001"}));
    let order = scene.order("super1").unwrap();
    assert_eq!(order["targetDeviceUri"], scene.uri("super1", "5001"));
    assert_eq!((&order["phoneNumber"], &order["switchName"]), (&json!("5001"), &json!("SIP_Switch")));
    scene.listen_in("super1", "5001", &json!({"phoneNumber": "5001", "supervisorMonitoringScope": "Agent"}));
    assert_eq!(scene.order("super1").unwrap()["scope"], "Agent");
}

#[test]
fn a_target_uri_is_matched_by_its_path_alone() {
    let (scene, _supervisor) = ready(&Setup::new());
    let uri = scene.uri("super1", "5001").replace("127.0.0.1", "elsewhere.example");
    scene.listen_in("super1", "5001", &json!({"targetDeviceUri": uri}));
    assert_eq!(scene.order("super1").unwrap()["targetDeviceUri"], scene.uri("super1", "5001"));
}

#[test]
fn r_09_a_call_in_progress_is_joined_at_once() {
    let (scene, mut supervisor) = ready(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    scene.listen_in("super1", "5001", &json!({}));
    supervisor.wait_established();
    let heard = listen(2.0, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
}

#[test]
fn r_09_without_intrusion_the_next_call_is_the_first() {
    let (scene, mut supervisor) = ready(&Setup::new().with("supervision", "intrusion = false"));
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    scene.listen_in("super1", "5001", &json!({}));
    thread::sleep(Duration::from_millis(700));
    assert_eq!(supervisor.calls(), 0, "the call in progress is left alone");
    customer.hang_up();
    agent.wait_ended();
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
}

#[test]
fn r_10_e_01_a_ringing_target_is_armed_and_joined_when_it_answers() {
    let (scene, mut supervisor) = ready(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    agent.policy(Policy::Ring);
    customer.dial("5001");
    agent.wait_ringing();
    scene.listen_in("super1", "5001", &json!({}));
    thread::sleep(Duration::from_millis(700));
    assert_eq!(supervisor.calls(), 0, "E-01: nothing while it rings");
    agent.answer();
    supervisor.wait_established();
}

#[test]
fn r_11_a_target_with_only_a_held_call() {
    let (scene, mut supervisor) = ready(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    assert_eq!(agent.hold(), 200);
    scene.listen_in("super1", "5001", &json!({}));
    supervisor.wait_established();
    let heard = listen(2.0, &mut [&mut supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_eq!(agent.retrieve(), 200);
    let heard = listen(2.0, &mut [&mut supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
}

#[test]
fn r_13_to_r_16_who_has_to_be_there() {
    let scene = Scene::with(&Setup::new(), &["super1"]);
    assert_eq!(refused(&scene, &json!({})), (400, 2), "R-13 comes before R-15: the target is not logged in");
    scene.log_in("agent1");
    assert_eq!(refused(&scene, &json!({})), (400, 2), "R-15: the supervisor's phone is not registered");
    let supervisor = scene.supervisor();
    scene.listen_in("super1", "5001", &json!({}));
    assert!(scene.order("super1").is_some(), "R-14: the target's phone need not be registered now");
    assert_eq!(supervisor.register(0), 200);
    scene.cancel_monitoring("super1");
    assert_eq!(refused(&scene, &json!({})), (400, 2), "R-15");
}

#[test]
fn a_supervisor_without_a_session_is_refused() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let _supervisor = scene.supervisor();
    assert_eq!(refused(&scene, &json!({})), (400, 2));
}

#[test]
fn r_16_neither_not_ready_nor_do_not_disturb_keeps_the_call_from_the_supervisor() {
    let (scene, mut supervisor) = ready(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    let path = scene.device_path("super1");
    scene.server.rest("super1").operate(&path, &json!({"operationName": "DoNotDisturbOn"}));
    let device = scene.device("super1");
    assert_eq!((&device["userState"]["state"], &device["doNotDisturb"]), (&json!("NotReady"), &json!("On")));
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
}

#[test]
fn r_17_the_same_target_again_replaces_the_order() {
    let (scene, mut supervisor) = ready(&Setup::new());
    let desk = Cometd::connect(&scene.server, "super1", Transport::LongPolling, &["/v2/me/devices"]);
    scene.listen_in("super1", "5001", &json!({}));
    desk.device("the first order", |it| it["supervisorMonitoringState"]["mode"] == "AllCalls");
    scene.listen_in("super1", "5001", &json!({"supervisorMonitoringMode": "NextCall"}));
    desk.device("the second order", |it| it["supervisorMonitoringState"]["mode"] == "NextCall");
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    scene.listen_in("super1", "5001", &json!({"supervisorMonitoringScope": "Agent"}));
    thread::sleep(Duration::from_millis(500));
    assert_eq!((supervisor.calls(), supervisor.end_status()), (1, None), "the session goes on as it is");
}

#[test]
fn r_18_another_target_while_armed_replaces_the_first() {
    let scene = Scene::with(&Setup::new(), &["agent1", "agent2", "super1"]);
    let mut supervisor = scene.supervisor();
    let desk = Cometd::connect(&scene.server, "super1", Transport::LongPolling, &["/v2/me/devices"]);
    scene.listen_in("super1", "5001", &json!({}));
    scene.listen_in("super1", "5002", &json!({}));
    desk.device("the second order", |it| it["supervisorMonitoringState"]["phoneNumber"] == "5002");
    let (mut first, mut customer) = (scene.agent(), scene.customer());
    let mut second = Probe::device(&scene.server, "5002", Source::Tone(AGENT_TONE));
    connect(&mut customer, &mut first, "5001");
    thread::sleep(Duration::from_millis(500));
    assert_eq!(supervisor.calls(), 0, "5001 is no longer monitored");
    customer.hang_up();
    first.wait_ended();
    connect(&mut customer, &mut second, "5002");
    supervisor.wait_established();
}

#[test]
fn r_19_another_target_while_listening_moves_the_leg_without_a_new_call() {
    let scene = Scene::with(&Setup::new().inbound("0800", "5001"), &["agent1", "agent2", "super1"]);
    let mut supervisor = scene.supervisor();
    let (mut first, mut customer) = (scene.agent(), scene.customer());
    let mut second = Probe::device(&scene.server, "5002", Source::Tone(623));
    let mut other = Probe::device(&scene.server, "5003", Source::Tone(2311));
    connect(&mut customer, &mut first, "5001");
    connect(&mut other, &mut second, "5002");
    scene.listen_in("super1", "5001", &json!({}));
    supervisor.wait_established();
    let heard = listen(1.8, &mut [&mut supervisor]);
    assert_hears("supervisor", &heard[0], &[CUSTOMER_TONE, AGENT_TONE], &[623, 2311, SUPERVISOR_TONE]);
    scene.listen_in("super1", "5002", &json!({}));
    scene.until("the leg has moved", |it| it.order("super1").is_some_and(|it| it["phoneNumber"] == "5002"));
    let heard = listen(1.8, &mut [&mut supervisor]);
    assert_hears("supervisor", &heard[0], &[623, 2311], &[CUSTOMER_TONE, AGENT_TONE, SUPERVISOR_TONE]);
    assert_eq!(supervisor.received().iter().filter(|it| *it == "INVITE").count(), 1, "{:?}", supervisor.received());
    assert_eq!((first.end_status(), customer.end_status()), (None, None), "the first call goes on");
}

#[test]
fn r_20_a_second_supervisor_is_refused_and_the_first_goes_on() {
    let (scene, _supervisor) = ready(&Setup::new());
    scene.log_in("super2");
    let _second = Probe::device(&scene.server, "5006", Source::Silent);
    scene.listen_in("super1", "5001", &json!({}));
    let body = scene.listen_in_body("super2", "5001", &json!({}));
    assert_eq!(scene.server.rest("super2").refused(&scene.device_path("super2"), &body), (409, 19));
    assert!(scene.order("super1").is_some());
}

#[test]
fn r_22_roles_privileges_teams_and_the_feature() {
    let setup = Setup::new().provision(
        "[[devices]]\nphone_number = \"5008\"\nsip_password = \"secret-5008\"\ntelephony_network = \"Private\"\n\n\
         [[users]]\nuser_name = \"super4\"\npassword = \"super4-password\"\nfirst_name = \"Sam\"\nlast_name = \"Test\"\n\
         roles = [\"ROLE_SUPERVISOR\"]\ndevice = \"5008\"\nsupervises = [\"support\"]\nmonitor = [\"Coach\"]\n\n",
    );
    let (scene, _supervisor) = ready(&setup);
    let target = scene.uri("super1", "5001");
    let body = json!({"operationName": "ListenIn", "targetDeviceUri": target});
    for user in ["agent2", "super3", "super4"] {
        scene.log_in(user);
    }
    let _phones = ["5002", "5007", "5008"].map(|it| Probe::device(&scene.server, it, Source::Silent));
    let refused = |user: &str| scene.server.rest(user).refused(&scene.device_path(user), &body);
    assert_eq!(refused("agent2"), (403, 5), "no supervisor");
    assert_eq!(refused("super4"), (403, 5), "may coach, not listen");
    assert_eq!(refused("super3"), (404, 6), "another team's supervisor does not learn that 5001 exists");
    let hidden = scene.server.rest("super3").fetch("/devices?phoneNumber=5001", "uris");
    assert_eq!(hidden, json!([]), "nor finds it");
    let listed = scene.device("agent2");
    assert!(!listed["capabilities"].to_string().contains("ListenIn"), "{listed}");
}

#[test]
fn r_22_without_the_feature_there_is_no_such_operation() {
    let (scene, _supervisor) = ready(&Setup::new().features(&["api-voice"]));
    let path = scene.device_path("super1");
    let mut rest = scene.server.rest("super1");
    let target = format!("{}/api/v2{}", scene.server.url(), scene.device_path("agent1").replace("/me", ""));
    let body = json!({"operationName": "ListenIn", "targetDeviceUri": target});
    let unknown = rest.refused(&path, &json!({"operationName": "NoSuchThing"}));
    assert_eq!(unknown, (400, 10));
    assert_eq!(rest.refused(&path, &body), unknown);
    assert_eq!(rest.refused(&path, &json!({"operationName": "CancelSupervisorMonitoring"})), unknown);
    let device = scene.device("super1").to_string();
    assert!(!device.contains("ListenIn") && !device.contains("Coach") && !device.contains("BargeIn"), "{device}");
}

#[test]
fn r_23_r_24_nothing_to_cancel_and_the_sample_with_its_trailing_comma() {
    let (scene, _supervisor) = ready(&Setup::new());
    let path = scene.device_path("super1");
    let mut rest = scene.server.rest("super1");
    assert_eq!(rest.refused(&path, &json!({"operationName": "CancelSupervisorMonitoring"})), (400, 2), "R-23");
    let target = scene.uri("super1", "5001");
    let sample = format!("{{\n  \"operationName\": \"ListenIn\",\n  \"targetDeviceUri\": \"{target}\",\n}}");
    assert_eq!(rest.refused_text(&path, &sample), (400, 10), "R-24");
    let answer = rest.send("POST", &path, Some(&sample));
    assert!(answer.body.contains("line 4"), "the message names the place: {}", answer.body);
    for body in ["[1]", ""] {
        assert_eq!(rest.refused_text(&path, body).0, 400, "{body:?}");
    }
    assert_eq!(scene.order("super1"), None);
}

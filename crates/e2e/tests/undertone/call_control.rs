//! What a desktop does with calls: dialling, holding, the agent's own states. `gws-api.md` 3.2, 7.

use e2e::{
    AGENT_TONE, CUSTOMER_TONE, Cometd, Phone, Pjsua, Policy, Probe, SUPERVISOR_TONE, Scene, Setup, Sipp, Source,
    Transport, assert_hears, assert_silent, connect, free_port, listen,
};
use serde_json::{Value, json};

/// Far from the 425 Hz of ringback.
const CALLEE_TONE: u32 = 600;

fn operate(scene: &Scene, user: &str, operation: &str) {
    let path = call_path(scene, user);
    scene.server.rest(user).operate(&path, &json!({"operationName": operation}));
}

fn call_path(scene: &Scene, user: &str) -> String {
    format!("/me/calls/{}", scene.calls(user)[0]["id"].as_str().unwrap())
}

/// Where `Dial` is POSTed.
fn dial_path(scene: &Scene, user: &str) -> String {
    format!("{}/calls", scene.device_path(user))
}

fn dial(number: &str) -> Value {
    json!({"operationName": "Dial", "destination": {"phoneNumber": number}})
}

fn capabilities(data: &Value) -> Value {
    data["call"]["capabilities"].clone()
}

fn numbers(data: &Value) -> Vec<&str> {
    let participants = data["call"]["participants"].as_array().into_iter().flatten();
    participants.filter_map(|it| it["phoneNumber"].as_str()).collect()
}

fn invitations(phone: &Pjsua) -> usize {
    phone.received().iter().filter(|it| it.starts_with("INVITE ")).count()
}

#[test]
fn e_05_e_06_hold_by_the_api_by_the_phone_and_by_both() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let (mut customer, mut supervisor) = (scene.customer(), scene.supervisor());
    let desk = Cometd::connect(&scene.server, "agent1", Transport::LongPolling, &["/v2/me/calls"]);
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    assert_eq!(capabilities(&desk.call("Established")), json!(["Hold", "Hangup"]));
    desk.message("/v2/me/calls", "a supervisor who listens", |it| it["call"]["supervisorListeningIn"] == true);

    operate(&scene, "agent1", "Hold");
    let held = desk.call("Held");
    assert_eq!(
        (held["notificationType"].clone(), capabilities(&held)),
        (json!("StatusChange"), json!(["Retrieve", "Hangup"]))
    );
    let heard = listen(1.8, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_silent("customer", &heard[0], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_silent("agent", &heard[1], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);

    agent.hold();
    operate(&scene, "agent1", "Retrieve");
    let phone_holds = |it: &Value| it["call"]["state"] == "Held" && capabilities(it) == json!(["Hangup"]);
    desk.message("/v2/me/calls", "the phone still holds", phone_holds);
    let path = call_path(&scene, "agent1");
    assert_eq!(scene.server.rest("agent1").refused(&path, &json!({"operationName": "Retrieve"})), (400, 2));
    let heard = listen(1.5, &mut [&mut customer]);
    assert_silent("customer", &heard[0], &[AGENT_TONE, SUPERVISOR_TONE]);

    agent.retrieve();
    desk.call("Established");
    let heard = listen(1.8, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    let inside = |phone: &Probe| phone.received().iter().filter(|it| *it == "INVITE" || *it == "UPDATE").count();
    assert_eq!((inside(&customer), invitations(&agent), inside(&supervisor)), (0, 1, 1), "nothing is said over SIP");
    operate(&scene, "agent1", "Hangup");
    assert_eq!(capabilities(&desk.call("Released")), json!([]));
    customer.wait_ended();
}

#[test]
fn dial_calls_the_own_phone_then_the_other_and_is_monitored() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Ring);
    let mut callee = Probe::device(&scene.server, "5002", Source::Tone(CALLEE_TONE));
    let mut supervisor = scene.supervisor();
    callee.policy(Policy::Ring);
    let desk = Cometd::connect(&scene.server, "agent1", Transport::WebSocket, &["/v2/me/*"]);
    scene.listen_in("super1", "5001", &json!({}));
    scene.server.rest("agent1").operate(&dial_path(&scene, "agent1"), &dial("5002"));
    let dialing = desk.call("Dialing");
    assert_eq!((numbers(&dialing), capabilities(&dialing)), (vec!["5002"], json!(["Hangup"])), "{dialing}");
    assert_eq!((&dialing["call"]["callType"], &dialing["call"]["dnis"]), (&json!("Internal"), &json!("5002")));
    let invite = agent.wait_incoming();
    assert!(invite.contains("answer-after=0") && invite.contains("Answer-Mode: Auto"), "{invite}");
    assert!(invite.contains("From: \"agent2 Test\" <sip:5002@"), "it shows whom it will talk to: {invite}");
    assert_eq!(callee.calls(), 0, "not before the own phone has answered");
    agent.answer();
    agent.wait_established();
    callee.wait_ringing();
    // A second of ringback, and four of silence.
    let heard = listen(5.6, &mut [&mut agent]);
    assert_eq!(heard[0].heard_ever(&[425, CALLEE_TONE]), [425]);
    callee.progress();
    let heard = listen(1.8, &mut [&mut agent]);
    assert_hears("agent", &heard[0], &[CALLEE_TONE], &[425, AGENT_TONE]);
    assert_eq!(supervisor.calls(), 0, "E-03");
    callee.answer();
    supervisor.wait_established();
    assert_eq!(desk.call("Established")["call"]["id"], dialing["call"]["id"]);
    let heard = listen(1.8, &mut [&mut callee, &mut agent, &mut supervisor]);
    assert_hears("callee", &heard[0], &[AGENT_TONE], &[CALLEE_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CALLEE_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CALLEE_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    operate(&scene, "agent1", "Hangup");
    agent.wait_ended();
    callee.wait_ended();
    assert_eq!(numbers(&desk.call("Released")), ["5002"]);
}

#[test]
fn dial_outside_and_into_a_queue() {
    let scene = Scene::with(&Setup::new(), &["agent1", "agent2"]);
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut customer = Pjsua::trunk(&scene.server, "0301234567", CUSTOMER_TONE, Policy::Answer);
    let desk = Cometd::connect(&scene.server, "agent1", Transport::LongPolling, &["/v2/me/calls"]);
    let path = dial_path(&scene, "agent1");
    scene.server.rest("agent1").operate(&path, &json!({"operationName": "Dial", "destination": "9030999"}));
    let invite = customer.wait_incoming();
    assert!(invite.starts_with("INVITE sip:030999@") && invite.contains("From: <sip:5001@"), "{invite}");
    customer.wait_established();
    let established = desk.call("Established");
    assert_eq!((numbers(&established), &established["call"]["callType"]), (vec!["030999"], &json!("Outbound")));
    let heard = listen(1.8, &mut [&mut customer, &mut agent]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE]);
    customer.hang_up();
    agent.wait_ended();
    desk.call("Released");

    let mut colleague = Probe::device(&scene.server, "5002", Source::Tone(600));
    scene.server.rest("agent1").operate(&path, &dial("8000"));
    assert_eq!(numbers(&desk.call("Established")), ["8000"], "it waits there");
    scene.server.rest("agent2").operate("/me", &json!({"operationName": "Ready"}));
    colleague.wait_established();
    let heard = listen(1.8, &mut [&mut colleague, &mut agent]);
    assert_hears("colleague", &heard[0], &[AGENT_TONE], &[600]);
    assert_hears("agent", &heard[1], &[600], &[AGENT_TONE]);
}

#[test]
fn a_dial_that_comes_to_nothing_says_why() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let path = dial_path(&scene, "agent1");
    assert_eq!(scene.server.rest("agent1").refused(&path, &dial("5002")), (400, 2), "no phone is registered");
    let mut agent = scene.agent();
    let mut colleague = Probe::device(&scene.server, "5002", Source::Tone(600));
    let refused = |body: &Value| scene.server.rest("agent1").refused(&path, body);
    assert_eq!(refused(&json!({"operationName": "Dial"})), (400, 1));
    assert_eq!(refused(&dial("Bob")), (400, 10));
    assert_eq!(refused(&dial("7777")), (404, 6), "no dial rule leads there");
    assert_eq!(refused(&dial("5001")), (403, 3));
    let others = dial_path(&scene, "agent2");
    assert_eq!(scene.server.rest("agent1").refused(&others, &dial("5002")), (404, 6));

    let desk = Cometd::connect(&scene.server, "agent1", Transport::WebSocket, &["/v2/me/*"]);
    let fails = |agent: &mut Probe, code: u64, text: &str| {
        scene.server.rest("agent1").operate(&path, &dial("5002"));
        desk.call("Dialing");
        desk.call("Released");
        let error = desk.message("/v2/me/devices", "why", |it| it["messageType"] == "ErrorMessage");
        assert_eq!((&error["errorCode"], &error["errorMessage"]), (&json!(code), &json!(text)));
        agent.wait_ended();
    };
    colleague.policy(Policy::Refuse(486));
    fails(&mut agent, 2, "5002 is busy.");
    scene.server.rest("agent2").operate(&scene.device_path("agent2"), &json!({"operationName": "DoNotDisturbOn"}));
    fails(&mut agent, 2, "5002 is busy.");
    agent.policy(Policy::Refuse(603));
    fails(&mut agent, 2, "Your phone declined, so nobody was called.");
    assert_eq!(colleague.calls(), 1);
}

#[test]
fn work_that_keeps_an_agent_from_the_queue_survives_a_kill() {
    let mut scene = Scene::with(&Setup::new(), &["agent1"]);
    let desk = Cometd::connect(&scene.server, "agent1", Transport::LongPolling, &["/v2/me/*"]);
    let states = [
        ("AuxWork", "2B36138D-C564-4562-A8CB-3C32D564F296"),
        ("AfterCallWork", "D3663509-3D82-4DD3-A82E-2EA8EFA02AEF"),
    ];
    let wanted = |name: &str, id: &str| json!({"id": id, "displayName": name, "state": "NotReady", "workMode": name});
    for (name, id) in states {
        scene.server.rest("agent1").operate("/me/channels/voice", &json!({"operationName": name}));
        let device = desk.device(name, |it| it["userState"]["workMode"] == name);
        assert_eq!(device["userState"], wanted(name, id));
        let told = desk.message("/v2/me/channels", name, |it| it["channels"][0]["userState"]["workMode"] == name);
        assert_eq!(told["channels"][0]["userState"], wanted(name, id));
    }
    scene.server.kill();
    scene.server.restart();
    assert_eq!(scene.device("agent1")["userState"], wanted(states[1].0, states[1].1));
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    customer.dial("8000");
    customer.wait_established();
    assert_eq!(agent.calls(), 0, "after-call work is no time for calls");
    scene.server.rest("agent1").operate("/me", &json!({"operationName": "Ready"}));
    agent.wait_established();
}

#[test]
fn answer_tells_a_phone_that_takes_it_and_is_refused_for_one_that_does_not() {
    let scene = Scene::with(&Setup::new(), &["agent1", "agent2"]);
    let mut customer = scene.customer();
    let desk = Cometd::connect(&scene.server, "agent1", Transport::WebSocket, &["/v2/me/*"]);
    let port = free_port();
    Sipp::register(&scene.server, &["5001".to_owned()], port);
    let phone = Sipp::start(scene.server.sip, "talk", port, &["-m", "1"]);
    customer.dial("5001");
    let ringing = desk.call("Ringing");
    assert_eq!(capabilities(&ringing), json!(["Answer", "Hangup"]), "{ringing}");
    operate(&scene, "agent1", "Answer");
    assert_eq!(capabilities(&desk.call("Established")), json!(["Hold", "Hangup"]));
    customer.wait_established();
    operate(&scene, "agent1", "Hangup");
    customer.wait_ended();
    let log = phone.log_when_done();
    assert!(log.contains("told to answer: talk active"), "{log}");

    let mut softphone = Pjsua::device(&scene.server, "5002", AGENT_TONE, Policy::Ring);
    customer.dial("5002");
    softphone.wait_ringing();
    scene.until("it rings", |it| !it.calls("agent2").is_empty());
    assert_eq!(scene.calls("agent2")[0]["capabilities"], json!(["Hangup"]));
    let path = call_path(&scene, "agent2");
    assert_eq!(scene.server.rest("agent2").refused(&path, &json!({"operationName": "Answer"})), (400, 2));
}

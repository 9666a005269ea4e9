//! The main job, on softphones that nobody here wrote.

use std::collections::BTreeSet;

use e2e::{
    AGENT_TONE, Baresip, CUSTOMER, CUSTOMER_TONE, Cometd, Phone, Pjsua, Policy, SUPERVISOR_TONE, Scene, Setup,
    Transport, assert_hears, connect, listen,
};
use serde_json::{Value, json};

#[test]
fn three_softphones_the_request_of_the_page_and_who_hears_whom() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut supervisor = Pjsua::device(&scene.server, "5005", SUPERVISOR_TONE, Policy::Answer);
    let mut customer = Pjsua::trunk(&scene.server, CUSTOMER, CUSTOMER_TONE, Policy::Answer);
    let desk = Cometd::connect(&scene.server, "super1", Transport::LongPolling, &["/v2/me/*"]);
    let agents_desk = Cometd::connect(&scene.server, "agent1", Transport::WebSocket, &["/v2/me/calls"]);

    let target = scene.uri("super1", "5001");
    let path = scene.device_path("super1");
    let body = json!({"operationName": "ListenIn", "targetDeviceUri": target});
    scene.server.rest("super1").operate(&path, &body);
    let device = desk.device("a monitoring state", |it| it["supervisorMonitoringState"].is_object());
    let order = json!({
        "state": "ListenIn", "mode": "AllCalls", "scope": "Call",
        "targetDeviceUri": target, "phoneNumber": "5001", "switchName": "SIP_Switch",
    });
    assert_eq!(device["supervisorMonitoringState"], order);
    assert_is_the_supervisors_device(&device);
    assert_eq!(device, scene.device("super1"), "REST and CometD show the same object");

    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    let heard = listen(3.0, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);

    let established = desk.call("Established");
    assert_is_the_supervisors_call(&established);
    let agents = agents_desk
        .message("/v2/me/calls", "a supervisor who listens", |it| it["call"]["supervisorListeningIn"] == true);
    assert_eq!(agents["call"]["id"], established["call"]["id"], "both see the same call");
    assert_eq!(numbers(&agents["call"]), BTreeSet::from([CUSTOMER.to_owned()]), "the supervisor is no participant");
    assert_eq!(scene.calls("super1")[0]["id"], established["call"]["id"]);

    customer.hang_up();
    agent.wait_ended();
    supervisor.wait_ended();
    let released = desk.call("Released");
    assert_eq!(released["call"]["capabilities"], json!([]));
    scene.until("no call is left", |it| it.calls("super1").is_empty() && it.calls("agent1").is_empty());

    scene.cancel_monitoring("super1");
    let device = desk.device("no monitoring state", |it| it.get("supervisorMonitoringState").is_none());
    assert!(!capabilities(&device).contains("CancelSupervisorMonitoring"), "{device}");
    connect(&mut customer, &mut agent, "5001");
    let heard = listen(1.8, &mut [&mut customer, &mut agent]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[SUPERVISOR_TONE]);
    assert_eq!(invitations(&supervisor), 1, "after the cancel nobody is called");
}

#[test]
fn phones_over_tcp_in_a_call_with_one_over_udp() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut agent = Pjsua::device_over_tcp(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut supervisor = Pjsua::device_over_tcp(&scene.server, "5005", SUPERVISOR_TONE, Policy::Answer);
    let mut customer = Pjsua::device(&scene.server, "5002", CUSTOMER_TONE, Policy::Answer);
    scene.listen_in("super1", "5001", &json!({}));
    // From either side of the connection.
    customer.dial("5001");
    let invite = agent.wait_incoming();
    assert!(invite.contains("Via: SIP/2.0/TCP ") && invite.contains(";transport=tcp>"), "{invite}");
    agent.wait_established();
    supervisor.wait_established();
    agent.hold();
    agent.retrieve();
    let heard = listen(2.0, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    customer.hang_up();
    customer.wait_ended();
    agent.wait_ended();
    supervisor.wait_ended();
    agent.dial("5002");
    customer.wait_established();
    agent.wait_established();
    supervisor.wait_established();
    agent.hang_up();
    customer.wait_ended();
    // A registration ends with its connection.
    agent.vanish();
    customer.dial("5001");
    assert_eq!(customer.wait_end_status(), 480, "nobody is registered any more");
}

#[test]
fn a_baresip_agent_and_a_pjsua_supervisor() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut agent = Baresip::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut supervisor = Pjsua::device(&scene.server, "5005", SUPERVISOR_TONE, Policy::Answer);
    let mut customer = Pjsua::device(&scene.server, "5002", CUSTOMER_TONE, Policy::Answer);
    let desk = Cometd::connect(&scene.server, "super1", Transport::WebSocket, &["/v2/me/devices", "/v2/me/calls"]);
    scene.listen_in("super1", "5001", &json!({}));
    desk.device("a monitoring state", |it| it["supervisorMonitoringState"]["phoneNumber"] == "5001");

    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    let heard = listen(3.0, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    assert_eq!(numbers(&desk.call("Established")["call"]), BTreeSet::from(["5001".to_owned(), "5002".to_owned()]));
    agent.hang_up();
    customer.wait_ended();
    supervisor.wait_ended();
}

#[test]
fn a_baresip_supervisor_is_asked_to_answer_by_itself() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut agent = scene.agent();
    let mut supervisor = Baresip::device(&scene.server, "5005", SUPERVISOR_TONE, Policy::Answer);
    let mut customer = scene.customer();
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    let heard = listen(2.5, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    supervisor.hang_up();
    let heard = listen(1.8, &mut [&mut customer, &mut agent]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
}

#[test]
fn the_supervisors_phone_is_given_the_hints_that_make_it_answer() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let mut agent = scene.agent();
    let supervisor = Pjsua::device(&scene.server, "5005", SUPERVISOR_TONE, Policy::Answer);
    let mut customer = scene.customer();
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    let invite = supervisor.wait_incoming();
    assert!(invite.contains("Answer-Mode: Auto"), "{invite}");
    assert!(invite.contains("answer-after=0") && invite.contains("info=alert-autoanswer"), "{invite}");
    assert!(!invite.contains("a=sendonly") && !invite.contains("a=inactive"), "offered sendrecv: {invite}");
    let agents = agent.seen();
    let agents = agents.iter().find(|it| it.summary == "INVITE").unwrap();
    assert!(!agents.text.contains("answer-after"), "the agent's phone just rings: {}", agents.text);
}

#[test]
fn listen_offer_sendonly_and_a_supervisor_with_another_law() {
    let setup = Setup::new().with("supervision", "listen_offer = \"sendonly\"");
    let scene = Scene::with(&setup, &["agent1", "super1"]);
    let mut agent = scene.agent();
    let mut supervisor = e2e::Probe::unregistered(
        &scene.server,
        "5005",
        e2e::Source::Tone(SUPERVISOR_TONE),
        e2e::Wiring { codecs: vec![e2e::Codec::Pcma], ..e2e::Wiring::default() },
    );
    assert_eq!(supervisor.register(300), 200);
    let mut customer = scene.customer();
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    let invite = supervisor.seen().into_iter().find(|it| it.summary == "INVITE").unwrap();
    assert!(invite.text.contains("a=sendonly"), "{}", invite.text);
    let heard = listen(2.0, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    assert!(supervisor.packets().iter().all(|it| it.payload_type == 8), "it knows A-law only");
}

fn assert_is_the_supervisors_device(device: &Value) {
    assert_eq!(device["deviceState"], "Active", "{device}");
    let not_ready =
        json!({"id": "900D55CC-2BB0-431F-8BF9-D3525B383BE6", "displayName": "Not Ready", "state": "NotReady"});
    assert_eq!(device["userState"], not_ready);
    assert_eq!((&device["phoneNumber"], &device["e164Number"]), (&json!("5005"), &json!("5005")));
    assert_eq!((&device["telephonyNetwork"], &device["doNotDisturb"]), (&json!("Private"), &json!("Off")));
    assert!(device["voiceEnvironmentUri"].is_string(), "{device}");
    let capabilities = capabilities(device);
    for name in ["ListenIn", "CancelSupervisorMonitoring"] {
        assert!(capabilities.contains(name), "{name} is missing: {device}");
    }
}

fn assert_is_the_supervisors_call(data: &Value) {
    let call = &data["call"];
    assert_eq!((&data["notificationType"], &data["phoneNumber"]), (&json!("StatusChange"), &json!("5005")));
    // V-10: a monitoring leg is no business call and starts no wrap-up.
    assert_eq!(data["extensions"], json!({"WrapUpTime": 0, "BusinessCall": 0}));
    assert_eq!(numbers(call), BTreeSet::from([CUSTOMER.to_owned(), "5001".to_owned()]));
    assert_eq!((&call["mute"], &call["supervisorListeningIn"]), (&json!("On"), &json!(false)), "{call}");
    assert_eq!(call["supervisorMonitoringState"], json!({"state": "ListenIn"}));
    assert_eq!(call["monitoring"], true);
    let id = call["id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|it| it.is_ascii_digit() || it.is_ascii_uppercase()), "{id}");
    assert_eq!(call["callUuid"], call["id"]);
    assert!(call["uri"].as_str().unwrap().ends_with(&format!("/api/v2/me/calls/{id}")), "{call}");
    assert_eq!(call["path"], format!("/calls/{id}"));
    assert!(call["duration"].is_string(), "{call}");
    let capabilities = capabilities(call);
    assert!(capabilities.contains("Hangup"), "{call}");
    for refused in ["SingleStepTransfer", "InitiateTransfer", "InitiateConference", "SingleStepConference"] {
        assert!(!capabilities.contains(refused), "V-09: never list what is refused: {call}");
    }
}

fn capabilities(object: &Value) -> BTreeSet<&str> {
    object["capabilities"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn numbers(call: &Value) -> BTreeSet<String> {
    let participants = call["participants"].as_array().unwrap().iter();
    participants.map(|it| it["phoneNumber"].as_str().unwrap().to_owned()).collect()
}

fn invitations(phone: &Pjsua) -> usize {
    phone.received().iter().filter(|it| it.starts_with("INVITE ")).count()
}

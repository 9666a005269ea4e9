//! What can be read, and by whom.

use std::sync::Arc;

use domain::view::{CallState, CallView, Change};

use super::world::{AGENT, AGENTS_DEVICE, CALL, World, call, device};

const AGENTS_DEVICE_JSON: &str = r#"{"id":"00000000-0000-0000-0000-0000000000c1","deviceState":"Active","userState":{"id":"900D55CC-2BB0-431F-8BF9-D3525B383BE6","displayName":"Not Ready","state":"NotReady"},"phoneNumber":"5001","e164Number":"5001","telephonyNetwork":"Private","doNotDisturb":"Off","voiceEnvironmentUri":"","capabilities":["ForwardCallsOn","DoNotDisturbOn"]}"#;

const AGENTS_CALL_JSON: &str = r#"{"id":"00000000000000000000000000000007","callUuid":"00000000000000000000000000000007","connId":"0000000000000007","state":"Established","callType":"Inbound","dnis":"5001","ani":"0301234","deviceUri":"http://cc:8080/api/v2/devices/00000000-0000-0000-0000-0000000000c1","participants":[{"phoneNumber":"0301234","digits":"0301234","formattedPhoneNumber":"0301234","e164Number":""}],"capabilities":["Hold","Hangup"],"duration":"42","mute":"Off","recordingState":"Stopped","supervisorListeningIn":true,"monitoredUserMuted":false,"monitoring":false,"uri":"http://cc:8080/api/v2/me/calls/00000000000000000000000000000007","path":"/calls/00000000000000000000000000000007"}"#;

const VOICE_JSON: &str = r#"{"channel":"voice","userState":{"id":"900D55CC-2BB0-431F-8BF9-D3525B383BE6","displayName":"Not Ready","state":"NotReady"}}"#;

const AGENT_HEAD: &str = r#""id":"0000000000000000000000000000000c","userName":"agent","firstName":"First","lastName":"Last","roles":["ROLE_AGENT"],"enabled":true,"changePasswordOnFirstLogin":false"#;
const AGENT_TAIL: &str = r#""uri":"http://cc:8080/api/v2/users/0000000000000000000000000000000c","path":"/users/0000000000000000000000000000000c""#;

const VOICE_FEATURE: &str = r#"{"id":"api-voice","displayName":"Voice","description":"Calls, devices and the voice channel","uri":"http://cc:8080/api/v2/features/api-voice","path":"/features/api-voice"}"#;

/// What a user gets from a path, with status 200.
async fn read(world: &World, name: &str, path: &str) -> String {
    let answer = world.get(name, path).await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.body
}

async fn refused(world: &World, name: &str, path: &str) -> (u16, String) {
    let answer = world.get(name, path).await;
    assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert!(body["statusMessage"].is_string(), "{path}: {body}");
    (answer.status.as_u16(), body["statusCode"].to_string())
}

fn not_found() -> (u16, String) {
    (404, "6".into())
}

fn not_permitted() -> (u16, String) {
    (403, "5".into())
}

fn uris(paths: &[&str]) -> String {
    let list: Vec<String> = paths.iter().map(|it| format!("\"http://cc:8080/api/v2{it}\"")).collect();
    format!(r#"{{"statusCode":0,"uris":[{}]}}"#, list.join(","))
}

#[tokio::test]
async fn me_has_the_subresources_that_were_asked_for() {
    let world = World::new();
    world.features(&["api-voice"]);
    let body = |middle: &str| format!(r#"{{"statusCode":0,"user":{{{AGENT_HEAD},{middle}{AGENT_TAIL}}}}}"#);
    assert_eq!(read(&world, "agent", "/me").await, body(""));
    assert_eq!(read(&world, "agent", "/me?subresources=").await, body(""));
    let devices = format!(r#""devices":[{AGENTS_DEVICE_JSON}],"#);
    let channels = format!(r#""channels":[{VOICE_JSON}],"channelStates":[{VOICE_JSON}],"#);
    let features = format!(r#""features":[{VOICE_FEATURE}],"#);
    let list = format!(r#"{devices}{channels}"settings":{{}},{features}"#);
    assert_eq!(read(&world, "agent", "/me?subresources=features,devices,channels,settings").await, body(&list));
    let all = format!(r#"{devices}"calls":[{AGENTS_CALL_JSON}],{channels}"settings":{{}},{features}"#);
    assert_eq!(read(&world, "agent", "/me?subresources=*").await, body(&all));
}

#[tokio::test]
async fn own_devices() {
    let world = World::new();
    let one = "/devices/00000000-0000-0000-0000-0000000000c1";
    assert_eq!(read(&world, "agent", "/me/devices").await, uris(&[one]));
    let whole = format!(r#"{{"statusCode":0,"devices":[{AGENTS_DEVICE_JSON}]}}"#);
    assert_eq!(read(&world, "agent", "/me/devices?fields=*").await, whole);
    let single = format!(r#"{{"statusCode":0,"device":{AGENTS_DEVICE_JSON}}}"#);
    assert_eq!(read(&world, "agent", &format!("/me{one}")).await, single);
    for foreign in ["/me/devices/00000000-0000-0000-0000-0000000000b1", "/me/devices/7", "/me/devices/%ff"] {
        assert_eq!(refused(&world, "agent", foreign).await, not_found(), "{foreign}");
    }
}

#[tokio::test]
async fn a_standing_order_shows_on_the_device() {
    let body = read(&World::new(), "lead", "/me/devices?fields=*").await;
    let wanted = r#""supervisorMonitoringState":{"state":"ListenIn","mode":"AllCalls","scope":"Call","targetDeviceUri":"http://cc:8080/api/v2/devices/00000000-0000-0000-0000-0000000000c1","phoneNumber":"5001","switchName":"SIP_Switch"}"#;
    assert!(body.contains(wanted), "{body}");
}

#[tokio::test]
async fn own_live_calls() {
    let world = World::new();
    let one = "/me/calls/00000000000000000000000000000007";
    assert_eq!(read(&world, "agent", "/me/calls").await, uris(&[one]));
    let whole = format!(r#"{{"statusCode":0,"calls":[{AGENTS_CALL_JSON}]}}"#);
    assert_eq!(read(&world, "agent", "/me/calls?fields=*").await, whole);
    assert_eq!(read(&world, "agent", one).await, format!(r#"{{"statusCode":0,"call":{AGENTS_CALL_JSON}}}"#));
    assert_eq!(refused(&world, "lead", one).await, not_found());
    assert_eq!(refused(&world, "agent", "/me/calls/x").await, not_found());
    assert_eq!(read(&world, "lead", "/me/calls?fields=*").await, r#"{"statusCode":0,"calls":[]}"#);
}

#[tokio::test]
async fn calls_that_are_over_are_gone() {
    let world = World::new();
    world.views.apply(Change::Call(Arc::new(CallView { state: CallState::Released, ..call() })));
    assert_eq!(read(&world, "agent", "/me/calls").await, uris(&[]));
    world.views.apply(Change::Call(Arc::new(call())));
    assert_eq!(read(&world, "agent", "/me/calls").await, uris(&["/me/calls/00000000000000000000000000000007"]));
    world.views.apply(Change::CallGone(CALL, AGENTS_DEVICE));
    assert_eq!(read(&world, "agent", "/me/calls").await, uris(&[]));
}

#[tokio::test]
async fn own_channels() {
    let world = World::new();
    let list = format!(r#"{{"statusCode":0,"channels":[{VOICE_JSON}]}}"#);
    assert_eq!(read(&world, "agent", "/me/channels").await, list);
    assert_eq!(
        read(&world, "agent", "/me/channels/voice").await,
        format!(r#"{{"statusCode":0,"channel":{VOICE_JSON}}}"#)
    );
    assert_eq!(refused(&world, "agent", "/me/channels/chat").await, not_found());
}

#[tokio::test]
async fn a_device_is_found_by_its_number_by_those_who_may_know_of_it() {
    let world = World::new();
    let agents = uris(&["/devices/00000000-0000-0000-0000-0000000000c1"]);
    let sellers = uris(&["/devices/00000000-0000-0000-0000-0000000000d1"]);
    for name in ["admin", "lead", "agent"] {
        assert_eq!(read(&world, name, "/devices?phoneNumber=5001").await, agents, "{name}");
    }
    // Supervising a team means nothing without the role.
    assert_eq!(read(&world, "seller", "/devices?phoneNumber=5001").await, uris(&[]));
    assert_eq!(read(&world, "lead", "/devices?phoneNumber=%2B495002").await, uris(&[]));
    assert_eq!(read(&world, "admin", "/devices?phoneNumber=%2B495002").await, sellers);
    assert_eq!(read(&world, "admin", "/devices?phoneNumber=+495002").await, sellers);
    assert_eq!(read(&world, "lead", "/devices?phoneNumber=4711").await, uris(&[]));
    let whole = format!(r#"{{"statusCode":0,"devices":[{AGENTS_DEVICE_JSON}]}}"#);
    assert_eq!(read(&world, "lead", "/devices?phoneNumber=5001&fields=*").await, whole);
    assert_eq!(refused(&world, "lead", "/devices?phoneNumber=ada").await, (400, "10".into()));
    assert_eq!(refused(&world, "lead", "/devices?phoneNumber=1&phoneNumber=2").await, (400, "10".into()));
}

#[tokio::test]
async fn all_devices_are_the_administrators() {
    let world = World::new();
    let all = ["b1", "c1", "d1"].map(|it| format!("/devices/00000000-0000-0000-0000-0000000000{it}"));
    assert_eq!(read(&world, "admin", "/devices").await, uris(&all.each_ref().map(String::as_str)));
    for name in ["lead", "agent"] {
        assert_eq!(refused(&world, name, "/devices").await, not_permitted());
    }
}

#[tokio::test]
async fn one_device_is_there_for_those_who_may_know_of_it() {
    let world = World::new();
    let agents = "/devices/00000000-0000-0000-0000-0000000000c1";
    for name in ["admin", "lead", "agent"] {
        let wanted = format!(r#"{{"statusCode":0,"device":{AGENTS_DEVICE_JSON}}}"#);
        assert_eq!(read(&world, name, agents).await, wanted, "{name}");
    }
    assert_eq!(refused(&world, "seller", agents).await, not_found());
    assert_eq!(refused(&world, "admin", "/devices/nonsense").await, not_found());
}

#[tokio::test]
async fn a_number_that_moved_is_found_where_it_is() {
    let world = World::new();
    world.views.apply(Change::Device(Arc::new(device(AGENTS_DEVICE, AGENT, "5009", "support"))));
    assert_eq!(read(&world, "admin", "/devices?phoneNumber=5001").await, uris(&[]));
    let there = uris(&["/devices/00000000-0000-0000-0000-0000000000c1"]);
    assert_eq!(read(&world, "admin", "/devices?phoneNumber=5009").await, there);
}

#[tokio::test]
async fn users_are_there_for_those_who_lead_them() {
    let world = World::new();
    let paths = ["a", "b", "c", "d"].map(|it| format!("/users/0000000000000000000000000000000{it}"));
    let [admin, lead, agent, seller] = paths.each_ref().map(String::as_str);
    assert_eq!(read(&world, "admin", "/users").await, uris(&[admin, lead, agent, seller]));
    assert_eq!(read(&world, "lead", "/users").await, uris(&[lead, agent]));
    assert_eq!(refused(&world, "agent", "/users").await, not_permitted());

    let wanted = format!(r#"{{"statusCode":0,"user":{{{AGENT_HEAD},{AGENT_TAIL}}}}}"#);
    for name in ["admin", "lead", "agent"] {
        assert_eq!(read(&world, name, agent).await, wanted, "{name}");
    }
    assert_eq!(refused(&world, "lead", seller).await, not_found());
    assert_eq!(refused(&world, "agent", seller).await, not_permitted());
    assert_eq!(refused(&world, "admin", "/users/nonsense").await, not_found());
    let whole = format!(r#"{{"statusCode":0,"users":[{{{AGENT_HEAD},{AGENT_TAIL}}}]}}"#);
    let listed = read(&world, "lead", "/users?fields=*").await;
    assert!(listed.ends_with(&whole[whole.find("{\"id\"").unwrap()..]), "{listed}");

    let devices = uris(&["/devices/00000000-0000-0000-0000-0000000000c1"]);
    assert_eq!(read(&world, "lead", &format!("{agent}/devices")).await, devices);
    assert_eq!(refused(&world, "lead", &format!("{seller}/devices")).await, not_found());
}

#[tokio::test]
async fn features_assigned_and_known() {
    let world = World::new();
    world.features(&["api-voice", "api-supervisor-monitoring"]);
    let both = uris(&["/features/api-supervisor-monitoring", "/features/api-voice"]);
    assert_eq!(read(&world, "agent", "/features").await, both);
    let one = format!(r#"{{"statusCode":0,"feature":{VOICE_FEATURE}}}"#);
    assert_eq!(read(&world, "agent", "/features/api-voice").await, one);
    assert_eq!(refused(&world, "agent", "/features/api-multimedia").await, not_found());
    assert_eq!(refused(&world, "lead", "/system/features").await, not_permitted());
    let known = read(&world, "admin", "/system/features?fields=*").await;
    assert!(known.starts_with(&format!(r#"{{"statusCode":0,"features":[{VOICE_FEATURE},"#)), "{known}");
    world.features(&["api-voice"]);
    let only = format!(r#"{{"statusCode":0,"features":[{VOICE_FEATURE}]}}"#);
    assert_eq!(read(&world, "agent", "/features?fields=*").await, only);
}

#[tokio::test]
async fn without_the_voice_feature_its_resources_do_not_exist() {
    let world = World::new();
    world.features(&["api-provisioning-read"]);
    let agent = "/users/0000000000000000000000000000000c";
    let agents_devices = format!("{agent}/devices");
    let paths = [
        "/me/devices",
        "/me/devices/00000000-0000-0000-0000-0000000000c1",
        "/me/calls",
        "/me/calls/00000000000000000000000000000007",
        "/me/channels",
        "/me/channels/voice",
        "/devices?phoneNumber=5001",
        "/devices/00000000-0000-0000-0000-0000000000c1",
        &agents_devices,
    ];
    for path in paths {
        assert_eq!(refused(&world, "agent", path).await, not_found(), "{path}");
    }
    let me = read(&world, "agent", "/me?subresources=*").await;
    assert!(!me.contains("devices") && !me.contains("calls") && !me.contains("channel"), "{me}");
    assert!(me.contains("\"features\":["), "{me}");
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist() {
    let world = World::new();
    let unknown = r#"{"statusCode":6,"statusMessage":"this resource does not exist"}"#;
    for path in ["/api/v2/nothing", "/api/v2/me/devices/x/y", "/nothing", "/api/v3/me"] {
        assert_eq!(world.send("GET", path, &[], "").await.short(), (404, unknown), "{path}");
    }
    let answer = world.send("DELETE", "/api/v2/diagnostics/version", &[], "").await;
    let wrong = r#"{"statusCode":3,"statusMessage":"This method is not allowed on this resource"}"#;
    assert_eq!(answer.short(), (405, wrong));
    assert_eq!(
        world.send("PUT", "/api/v2/me", &[("authorization", &super::world::basic("agent"))], "").await.status,
        405
    );
}

#[tokio::test]
async fn version_and_health_need_no_log_in() {
    let world = World::new();
    let version = world.send("GET", "/api/v2/diagnostics/version", &[], "").await;
    assert_eq!(version.short(), (200, r#"{"statusCode":0,"version":"0.1.0.0"}"#));
    assert_eq!(world.send("GET", "/health/live", &[], "").await.short(), (200, r#"{"statusCode":0}"#));
    assert_eq!(world.send("GET", "/health/ready", &[], "").await.status, 200);
    *world.backend.down.lock().unwrap() = true;
    for path in ["/health/live", "/health/ready"] {
        let answer = world.send("GET", path, &[], "").await;
        assert_eq!(answer.short(), (503, r#"{"statusCode":4,"statusMessage":"The fake is down"}"#));
    }
}

//! The REST API: logging in, CSRF, shapes, agent states, features.

use std::collections::BTreeSet;

use e2e::{Cometd, Http, Rest, Scene, Setup, Transport};
use serde_json::{Value, json};

fn users() -> [&'static str; 2] {
    ["agent1", "super1"]
}

#[test]
fn who_is_not_logged_in_gets_20() {
    let scene = Scene::new(&Setup::new());
    let http = scene.server.http();
    let bare = http.send("GET", "/api/v2/me", &[], None);
    assert_eq!((bare.status, bare.code()), (401, 20));
    assert!(bare.header("content-type").unwrap().starts_with("application/json"), "{:?}", bare.headers);
    let mut wrong = Rest::script(http.clone(), "agent1", "wrong");
    assert_eq!((wrong.get("/me").status, wrong.get("/me").code()), (401, 20));
    let mut nobody = Rest::script(http.clone(), "nobody", "agent1-password");
    assert_eq!(nobody.get("/me").code(), 20);
    let post = http.send("POST", "/api/v2/me", &[("Content-Type", "application/json")], Some("{"));
    assert_eq!((post.status, post.code()), (401, 20), "before anything else is looked at");
}

#[test]
fn what_needs_no_login() {
    let scene = Scene::new(&Setup::new());
    let http = scene.server.http();
    let version = http.send("GET", "/api/v2/diagnostics/version", &[], None);
    assert_eq!((version.status, version.code()), (200, 0));
    let parts = version.json()["version"].as_str().unwrap().split('.').count();
    assert_eq!(parts, 4, "{}", version.body);
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(http.send("GET", path, &[], None).status, 200, "{path}");
    }
    let nowhere =
        http.send("GET", "/api/v2/nowhere", &[("Authorization", "Basic YWdlbnQxOmFnZW50MS1wYXNzd29yZA==")], None);
    assert_eq!((nowhere.status, nowhere.code()), (404, 6));
}

#[test]
fn me_and_its_subresources() {
    let scene = Scene::with(&Setup::new(), &users());
    let mut rest = scene.server.rest("super1");
    let me = rest.fetch("/me", "user");
    assert_eq!((&me["userName"], &me["enabled"]), (&json!("super1"), &json!(true)));
    assert_eq!(me["changePasswordOnFirstLogin"], false);
    let roles: BTreeSet<&str> = me["roles"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(roles, BTreeSet::from(["ROLE_AGENT", "ROLE_SUPERVISOR"]));
    let id = me["id"].as_str().unwrap();
    assert!(id.len() == 32 && id.bytes().all(|it| it.is_ascii_hexdigit() && !it.is_ascii_uppercase()), "{id}");
    assert_eq!(me["uri"], format!("{}/api/v2/users/{id}", scene.server.url()));
    assert_eq!(me["path"], format!("/users/{id}"));
    assert!(me.get("devices").is_none(), "{me}");
    let all = rest.fetch("/me?subresources=*", "user");
    assert_eq!(all["devices"], json!([scene.device("super1")]));
    assert_eq!(all["calls"], json!([]));
    assert!(all["features"].as_array().unwrap().iter().any(|it| it["id"] == "api-supervisor-monitoring"), "{all}");
    let some = rest.fetch("/me?subresources=devices,features", "user");
    assert!(some.get("devices").is_some() && some.get("calls").is_none(), "{some}");
    assert!(!all.to_string().contains("password\""), "no secret is shown");
}

#[test]
fn collections_with_and_without_fields() {
    let scene = Scene::with(&Setup::new(), &users());
    let mut rest = scene.server.rest("super1");
    let device = scene.device("super1");
    let id = device["id"].as_str().unwrap();
    let uris = rest.fetch("/me/devices", "uris");
    assert_eq!(uris.as_array().unwrap().len(), 1, "{uris}");
    assert!(uris[0].as_str().unwrap().starts_with(&format!("{}/api/v2/", scene.server.url())), "{uris}");
    assert!(uris[0].as_str().unwrap().ends_with(id), "{uris}");
    assert_eq!(rest.fetch(&format!("/me/devices/{id}"), "device"), device);
    assert_eq!(rest.fetch("/me/calls", "uris"), json!([]));
    assert_eq!(rest.fetch("/me/calls?fields=*", "calls"), json!([]));
    let found = rest.fetch("/devices?phoneNumber=5001&fields=*", "devices");
    assert_eq!(found[0]["phoneNumber"], "5001");
    assert_eq!(rest.fetch("/devices?phoneNumber=5999", "uris"), json!([]));
    let target = scene.uri("super1", "5001");
    let path = target.split("/api/v2").nth(1).unwrap();
    assert_eq!(rest.fetch(path, "device")["phoneNumber"], "5001");
    let all = rest.get("/devices");
    assert_eq!((all.status, all.code()), (403, 5), "listing all needs ROLE_ADMIN");
    let mut admin = scene.server.rest("admin");
    assert_eq!(admin.fetch("/devices", "uris").as_array().unwrap().len(), 6);
    let people = admin.fetch("/users?fields=*", "users");
    assert_eq!(people.as_array().unwrap().len(), 7, "{people}");
    let agent = people.as_array().unwrap().iter().find(|it| it["userName"] == "agent1").unwrap();
    let devices = admin.fetch(&format!("/users/{}/devices?fields=*", agent["id"].as_str().unwrap()), "devices");
    assert_eq!(devices[0]["phoneNumber"], "5001");
    let missing = admin.get("/users/00000000000000000000000000000000/devices");
    assert_eq!((missing.status, missing.code()), (404, 6));
}

#[test]
fn the_session_and_the_agents_states() {
    let scene = Scene::new(&Setup::new());
    let before = scene.device("agent1");
    assert_eq!(before["userState"]["displayName"], "Offline", "{before}");
    assert_eq!(before["deviceState"], "Inactive");
    scene.log_in("agent1");
    assert_eq!(scene.device("agent1")["userState"]["state"], "NotReady");
    let desk = Cometd::connect(&scene.server, "agent1", Transport::LongPolling, &["/v2/me/*"]);
    let mut rest = scene.server.rest("agent1");
    rest.operate("/me/channels/voice", &json!({"operationName": "Ready"}));
    let ready = json!({"id": "9430250E-0A1B-421F-B372-F29E69366DED", "displayName": "Ready", "state": "Ready"});
    let device = desk.device("Ready", |it| it["userState"]["state"] == "Ready");
    assert_eq!(device["userState"], ready);
    assert_eq!(scene.device("agent1")["userState"], ready);
    rest.operate("/me/channels/voice", &json!({"operationName": "NotReady"}));
    desk.device("NotReady", |it| it["userState"]["state"] == "NotReady");
    let channels = rest.get("/me/channels?fields=*");
    assert!(channels.body.contains("\"voice\"") && channels.body.contains("NotReady"), "{}", channels.body);
    scene.log_out("agent1");
    assert_eq!(scene.device("agent1")["userState"]["displayName"], "Offline");
    let (status, code) = rest.refused("/me/channels/voice", &json!({"operationName": "Ready"}));
    assert_eq!((status, code), (400, 2), "no session");
    let body = json!({"operationName": "StartContactCenterSession", "channels": ["voice", "chat"]});
    let partial = rest.post("/me", &body);
    assert_eq!((partial.status, partial.code()), (200, 7), "{}", partial.body);
    let body = json!({"operationName": "StartContactCenterSession", "channels": ["chat"]});
    assert_ne!(scene.server.rest("agent2").post("/me", &body).code(), 0);
}

#[test]
fn csrf_is_demanded_of_browsers_and_not_of_scripts() {
    let scene = Scene::new(&Setup::new());
    let body = json!({"operationName": "StartContactCenterSession", "channels": ["voice"]});
    let mut browser = scene.server.browser("agent1");
    let me = browser.get("/me");
    assert_eq!(me.header("x-csrf-header"), Some("X-CSRF-TOKEN"));
    assert_eq!(me.header("x-csrf-token").unwrap().len(), 36, "a UUID");
    let cookie = me.headers.iter().find(|it| it.0 == "set-cookie" && it.1.starts_with("JSESSIONID=")).unwrap();
    assert!(cookie.1.contains("HttpOnly") && !cookie.1.contains("Secure"), "{cookie:?}");
    browser.forget_password();
    assert_eq!(browser.get("/me").code(), 0, "the cookie is enough");
    browser.operate("/me", &body);

    let session = format!("JSESSIONID={}", browser.cookie("JSESSIONID").unwrap());
    let http = scene.server.http();
    let post = |headers: &[(&str, &str)]| {
        let all = [headers, &[("Content-Type", "application/json")]].concat();
        http.send("POST", "/api/v2/me", &all, Some(&body.to_string()))
    };
    for token in [&[][..], &[("X-CSRF-TOKEN", "00000000-0000-0000-0000-000000000000")]] {
        let answer = post(&[&[("Cookie", session.as_str())], token].concat());
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert!(answer.body.contains("Missing or invalid Csrf token"), "{}", answer.body);
    }
    let basic = ("Authorization", "Basic YWdlbnQxOmFnZW50MS1wYXNzd29yZA==");
    assert_eq!(post(&[basic]).code(), 0, "a script needs none");
    assert_eq!(post(&[basic, ("Origin", "http://evil.example")]).status, 403, "a page elsewhere does");
    assert_eq!(post(&[("Cookie", "JSESSIONID=guessed")]).code(), 20);
}

#[test]
fn the_end_of_the_session_ends_the_cookie_too() {
    let scene = Scene::new(&Setup::new());
    let mut browser = scene.server.browser("agent1");
    browser.get("/me");
    browser.forget_password();
    browser.operate("/me", &json!({"operationName": "StartContactCenterSession", "channels": ["voice"]}));
    browser.operate("/me", &json!({"operationName": "EndContactCenterSession"}));
    let after = browser.get("/me");
    assert_eq!((after.status, after.code()), (401, 20));
}

#[test]
fn features_and_what_is_gone_without_them() {
    let scene = Scene::new(&Setup::new());
    let mut rest = scene.server.rest("agent1");
    let ids = |features: &Value| -> BTreeSet<String> {
        features.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    let assigned = rest.fetch("/features?fields=*", "features");
    assert_eq!(ids(&assigned), BTreeSet::from(["api-voice".to_owned(), "api-supervisor-monitoring".to_owned()]));
    let one = assigned.as_array().unwrap().iter().find(|it| it["id"] == "api-voice").unwrap();
    assert_eq!(one["uri"], format!("{}/api/v2/features/api-voice", scene.server.url()));
    assert_eq!(one["path"], "/features/api-voice");
    assert!(one["displayName"].is_string() && one["description"].is_string(), "{one}");
    let known = scene.server.rest("admin").fetch("/system/features?fields=*", "features");
    assert!(ids(&known).len() > 2, "{known}");

    let mute = Scene::new(&Setup::new().features(&["api-supervisor-monitoring"]));
    let mut rest = mute.server.rest("agent1");
    assert_eq!(rest.get("/me/calls").status, 404, "a resource of a feature that is off");
    let body = json!({"operationName": "StartContactCenterSession", "channels": ["voice"]});
    assert_eq!(rest.refused("/me", &body), rest.refused("/me", &json!({"operationName": "NoSuchThing"})));
}

#[test]
fn failed_log_ins_are_counted_and_good_ones_are_not() {
    let scene = Scene::new(&Setup::new());
    for _ in 0..30 {
        assert_eq!(scene.server.rest("agent1").get("/me").status, 200);
    }
    let mut wrong = Rest::script(scene.server.http(), "agent2", "wrong");
    for _ in 0..10 {
        assert_eq!(wrong.get("/me").status, 401);
    }
    let refused = wrong.get("/me");
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.header("retry-after").is_some_and(|it| it.parse::<u32>().is_ok()), "{:?}", refused.headers);
    assert_eq!(scene.server.rest("agent1").get("/me").status, 200, "others are not locked out");
}

#[test]
fn bodies_that_are_no_json_or_too_big() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let mut rest = scene.server.rest("agent1");
    for body in ["", "{", "null", "\u{0}"] {
        assert_eq!(rest.refused_text("/me", body).0, 400, "{body:?}");
    }
    let huge = format!("{{\"operationName\": \"{}\"}}", "x".repeat(4_000_000));
    let http: Http = scene.server.http();
    let headers = [("Authorization", "Basic YWdlbnQxOmFnZW50MS1wYXNzd29yZA=="), ("Content-Type", "application/json")];
    let answer = std::panic::catch_unwind(|| http.send("POST", "/api/v2/me", &headers, Some(&huge)));
    // The server may close the connection before it has read all of it.
    if let Ok(answer) = answer {
        assert!(matches!(answer.status, 400 | 413), "{} {}", answer.status, answer.body);
    }
    assert_eq!(scene.server.rest("agent1").get("/me").code(), 0);
}

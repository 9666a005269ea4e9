//! CometD: the official client on both transports, and by hand what only strange clients do.

use std::{
    thread,
    time::{Duration, Instant},
};

use e2e::{Cometd, Http, HttpAnswer, Scene, Server, Setup, Transport, connect};
use serde_json::{Value, json};

const BOTH: [Transport; 2] = [Transport::LongPolling, Transport::WebSocket];

#[test]
fn both_transports_bring_the_same_messages() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let desks = BOTH.map(|it| Cometd::connect(&scene.server, "agent1", it, &["/v2/me/devices", "/v2/me/calls"]));
    let mut rest = scene.server.rest("agent1");
    for state in ["Ready", "NotReady", "Ready"] {
        rest.operate("/me/channels/voice", &json!({"operationName": state}));
        for desk in &desks {
            desk.device(state, |it| it["userState"]["state"] == state);
        }
    }
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    for desk in &desks {
        assert_eq!(desk.call("Ringing")["call"]["callType"], "Inbound");
        desk.call("Established");
    }
    e2e::Phone::hang_up(&mut customer);
    for desk in &desks {
        desk.call("Released");
    }
    assert_eq!(desks[0].messages("/v2/me/devices"), desks[1].messages("/v2/me/devices"), "in the same order");
}

#[test]
fn everybody_hears_only_of_himself() {
    let scene = Scene::with(&Setup::new(), &["agent1", "agent2", "super1"]);
    let own = Cometd::connect(&scene.server, "agent1", Transport::LongPolling, &["/v2/me/*"]);
    let other = Cometd::connect(&scene.server, "agent2", Transport::WebSocket, &["/v2/me/*", "/v2/me/devices"]);
    scene.server.rest("agent1").operate("/me/channels/voice", &json!({"operationName": "Ready"}));
    own.device("Ready", |it| it["userState"]["state"] == "Ready");
    scene.server.rest("agent2").operate("/me/channels/voice", &json!({"operationName": "Ready"}));
    other.device("Ready", |it| it["userState"]["state"] == "Ready");
    let numbers = |desk: &Cometd| -> Vec<Value> {
        desk.messages("/v2/me/devices").iter().map(|it| it["devices"][0]["phoneNumber"].clone()).collect()
    };
    assert!(numbers(&own).iter().all(|it| it == "5001"), "{:?}", numbers(&own));
    assert!(numbers(&other).iter().all(|it| it == "5002"), "{:?}", numbers(&other));
}

#[test]
fn unsubscribing_and_disconnecting() {
    for transport in BOTH {
        let scene = Scene::with(&Setup::new(), &["agent1"]);
        let mut desk = Cometd::connect(&scene.server, "agent1", transport, &["/v2/me/devices"]);
        let witness = Cometd::connect(&scene.server, "agent1", transport, &["/v2/me/devices"]);
        let mut rest = scene.server.rest("agent1");
        desk.unsubscribe("/v2/me/devices");
        rest.operate("/me/channels/voice", &json!({"operationName": "Ready"}));
        witness.device("Ready", |it| it["userState"]["state"] == "Ready");
        desk.subscribe("/v2/me/devices");
        rest.operate("/me/channels/voice", &json!({"operationName": "NotReady"}));
        desk.device("NotReady", |it| it["userState"]["state"] == "NotReady");
        assert_eq!(desk.messages("/v2/me/devices").len(), 1, "what came while unsubscribed is not told later");
        desk.disconnect();
    }
}

#[test]
fn who_may_connect() {
    let scene = Scene::new(&Setup::new());
    for transport in BOTH {
        let start = |password: &str, headers: Value| {
            Cometd::start(&scene.server, "agent1", password, transport, &["/v2/me/*"], &headers)
        };
        let failed = |it: &Value| it["event"] == "meta-handshake" && it["message"]["successful"] == false;
        start("wrong", json!({})).wait("a refused handshake", failed);
        start("agent1-password", json!({"Origin": "http://evil.example"})).wait("a refused handshake", failed);
        let own = json!({"Origin": scene.server.url()});
        let succeeded = |it: &Value| it["event"] == "meta-handshake" && it["message"]["successful"] == true;
        start("agent1-password", own).wait("a handshake", succeeded);
    }
}

#[test]
fn a_subscription_to_what_is_nobodys_or_somebody_elses() {
    let scene = Scene::new(&Setup::new());
    let channels = ["/v2/me/devices", "/v2/users"];
    let desk = Cometd::start(&scene.server, "agent1", "agent1-password", Transport::LongPolling, &channels, &json!({}));
    desk.wait("the own devices", |it| {
        it["event"] == "meta-subscribe"
            && it["message"]["subscription"] == channels[0]
            && it["message"]["successful"] == true
    });
    desk.wait("the users, which are for supervisors", |it| {
        it["event"] == "meta-subscribe"
            && it["message"]["subscription"] == channels[1]
            && it["message"]["successful"] == false
    });
}

/// A Bayeux client by hand: a tab of a browser whose cookies all tabs share.
struct Tab {
    http: Http,
    cookies: String,
    client: String,
}

const URL: &str = "/api/v2/notifications";
const BASIC: &str = "Basic YWdlbnQxOmFnZW50MS1wYXNzd29yZA==";

fn post(http: &Http, url: &str, cookies: &str, body: &Value) -> HttpAnswer {
    let headers = [("Authorization", BASIC), ("Cookie", cookies), ("Content-Type", "application/json")];
    http.send("POST", url, &headers, Some(&body.to_string()))
}

impl Tab {
    fn open(server: &Server, cookies: &mut String) -> Self {
        let http = server.http();
        let handshake = json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"], "id": "1"}]);
        let answer = post(&http, URL, cookies, &handshake);
        for (_, value) in answer.headers.iter().filter(|it| it.0 == "set-cookie") {
            let pair = value.split(';').next().unwrap();
            *cookies = if cookies.is_empty() { pair.to_owned() } else { format!("{cookies}; {pair}") };
        }
        let shaken = answer.json()[0].clone();
        assert_eq!((&shaken["successful"], &shaken["id"]), (&json!(true), &json!("1")), "{shaken}");
        let tab = Self { http, cookies: cookies.clone(), client: shaken["clientId"].as_str().unwrap().to_owned() };
        // Several messages in one request, the first connect among them: it is answered at once.
        let batch = json!([
            {"channel": "/meta/subscribe", "clientId": tab.client, "subscription": "/v2/me/devices", "id": "2"},
            {"channel": "/meta/connect", "clientId": tab.client, "connectionType": "long-polling", "id": "3", "advice": {"timeout": 0}},
        ]);
        let answers = post(&tab.http, &format!("{URL}/"), &tab.cookies, &batch).json();
        assert!(answers.as_array().unwrap().iter().all(|it| it["successful"] == true), "{answers}");
        tab
    }

    /// One long poll; answers with what came and how long it took.
    fn poll(&self) -> (Vec<Value>, Duration) {
        let began = Instant::now();
        let connect =
            json!([{"channel": "/meta/connect", "clientId": self.client, "connectionType": "long-polling", "id": "4"}]);
        let answer = post(&self.http, &format!("{URL}/connect"), &self.cookies, &connect).json();
        (answer.as_array().unwrap().clone(), began.elapsed())
    }
}

#[test]
fn several_tabs_of_one_browser_wait_side_by_side() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let mut cookies = String::new();
    let tabs: Vec<Tab> = (0..4).map(|_| Tab::open(&scene.server, &mut cookies)).collect();
    thread::scope(|scope| {
        let polls: Vec<_> = tabs.iter().map(|it| scope.spawn(|| it.poll())).collect();
        thread::sleep(Duration::from_millis(1500));
        scene.server.rest("agent1").operate("/me/channels/voice", &json!({"operationName": "Ready"}));
        for poll in polls {
            let (messages, waited) = poll.join().unwrap();
            assert!(waited > Duration::from_millis(1200), "no tab is sent away: {messages:?}");
            assert!(!format!("{messages:?}").contains("multiple-clients"), "{messages:?}");
            assert!(
                messages.iter().any(|it| it["data"]["devices"][0]["userState"]["state"] == "Ready"),
                "{messages:?}"
            );
        }
    });
}

/// Waits for a figure of `/metrics`.
fn until_figure(server: &Server, name: &str, wanted: &str, meanwhile: impl Fn()) {
    let deadline = Instant::now() + 2 * e2e::SOON;
    let line = format!("{name} {wanted}");
    while !server.http().send("GET", "/metrics", &[], None).body.lines().any(|it| it == line) {
        assert!(Instant::now() < deadline, "there is no figure {line}");
        meanwhile();
    }
}

#[test]
fn a_session_without_a_connect_ends() {
    let setup = Setup::new().with("cometd", "timeout = \"1s\"").with("cometd", "max_interval = \"1s\"");
    let scene = Scene::new(&setup);
    let tab = Tab::open(&scene.server, &mut String::new());
    until_figure(&scene.server, "undertone_cometd_sessions", "1", || thread::sleep(Duration::from_millis(100)));
    until_figure(&scene.server, "undertone_cometd_sessions", "0", || thread::sleep(Duration::from_millis(100)));
    let (answers, _) = tab.poll();
    assert!(answers[0]["error"].as_str().unwrap().starts_with("402:"), "{answers:?}");
    assert_eq!(answers[0]["advice"]["reconnect"], "handshake");
}

#[test]
fn who_never_reads_loses_the_own_session_and_nobody_elses() {
    let scene = Scene::with(&Setup::new().with("cometd", "max_interval = \"10m\""), &["agent1"]);
    let _silent = Tab::open(&scene.server, &mut String::new());
    let reader = Cometd::connect(&scene.server, "agent1", Transport::WebSocket, &["/v2/me/devices"]);
    let memory = scene.server.memory_kib();
    let toggle = || {
        for _ in 0..50 {
            for state in ["Ready", "NotReady"] {
                scene.server.rest("agent1").operate("/me/channels/voice", &json!({"operationName": state}));
            }
        }
    };
    until_figure(&scene.server, "undertone_cometd_sessions_lost_total{why=\"unread\"}", "1", toggle);
    until_figure(&scene.server, "undertone_cometd_sessions", "1", || thread::sleep(Duration::from_millis(100)));
    assert!(scene.server.memory_kib() < memory + 64 * 1024, "its messages were kept");
    scene.server.rest("agent1").operate("/me/channels/voice", &json!({"operationName": "Ready"}));
    reader.device("the last change", |it| it["userState"]["state"] == "Ready");
}

#[test]
fn an_http_session_that_nobody_uses_ends() {
    let scene = Scene::new(&Setup::new().with("http", "session_timeout = \"4s\""));
    let mut browser = scene.server.browser("agent1");
    assert_eq!(browser.get("/me").status, 200);
    browser.forget_password();
    assert_eq!(browser.get("/me").status, 200, "the cookie is enough");
    thread::sleep(Duration::from_millis(4_500));
    assert_eq!(browser.get("/me").status, 401);
}

#[test]
fn an_unknown_client_is_told_to_shake_hands_again() {
    let scene = Scene::new(&Setup::new());
    let connect =
        json!([{"channel": "/meta/connect", "clientId": "nobody", "connectionType": "long-polling", "id": "7"}]);
    let answer = post(&scene.server.http(), URL, "", &connect).json()[0].clone();
    assert_eq!((&answer["successful"], &answer["id"]), (&json!(false), &json!("7")), "{answer}");
    assert!(answer["error"].as_str().unwrap().starts_with("402:"), "{answer}");
    assert_eq!(answer["advice"]["reconnect"], "handshake");
}

#[test]
fn another_users_client_id_is_of_no_use() {
    let scene = Scene::with(&Setup::new(), &["agent1", "agent2"]);
    let tab = Tab::open(&scene.server, &mut String::new());
    let connect =
        json!([{"channel": "/meta/connect", "clientId": tab.client, "connectionType": "long-polling", "id": "7"}]);
    let headers = [("Authorization", "Basic YWdlbnQyOmFnZW50Mi1wYXNzd29yZA=="), ("Content-Type", "application/json")];
    let answer = scene.server.http().send("POST", URL, &headers, Some(&connect.to_string()));
    assert!(answer.status == 403 || answer.status == 401 || answer.json()[0]["successful"] == false, "{}", answer.body);
}

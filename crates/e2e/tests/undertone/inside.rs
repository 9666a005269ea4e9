//! What an operator sees: figures, health, the log, and how it stops.

use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use e2e::{Phone, Scene, Setup, connect};
use serde_json::json;

/// The value of a figure, labels included in its name.
fn figure(scene: &Scene, name: &str) -> Option<f64> {
    let answer = scene.server.http().send("GET", "/metrics", &[], None);
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").is_some_and(|it| it.starts_with("text/plain")));
    answer.body.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + e2e::SOON;
    while !so() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(100));
    }
}

fn terminate(scene: &Scene) {
    let pid = scene.server.pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

fn health(scene: &Scene, path: &str) -> u16 {
    scene.server.http().send("GET", path, &[], None).status
}

#[test]
fn figures_follow_a_call_and_hold_no_number() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();
    let is = |name: &str, value: f64| until(&format!("{name} is not {value}"), || figure(&scene, name) == Some(value));
    is("undertone_calls", 1.0);
    is("undertone_sessions", 1.0);
    is("undertone_orders", 1.0);
    is("undertone_legs{state=\"up\"}", 3.0);
    is("undertone_media_ports_leased", 3.0);
    is("undertone_calls_established_total", 1.0);
    customer.hang_up();
    agent.wait_ended();
    is("undertone_calls", 0.0);
    is("undertone_calls_ended_total{cause=\"hung_up\"}", 1.0);
    is("undertone_sessions_ended_total{reason=\"call_ended\"}", 1.0);
    let packets = ["0", "1"].map(|it| format!("undertone_media_packets_total{{worker=\"{it}\",direction=\"out\"}}"));
    assert!(packets.iter().filter_map(|it| figure(&scene, it)).sum::<f64>() > 10.0);
    assert!(figure(&scene, "undertone_sip_datagrams_total{direction=\"in\"}").is_some_and(|it| it > 5.0));
    assert!(figure(&scene, "undertone_driver_turn_seconds_count").is_some_and(|it| it > 5.0));
    let text = scene.server.http().send("GET", "/metrics", &[], None).body;
    let labels: Vec<&str> =
        text.lines().filter_map(|it| it.split_once('{')?.1.split_once('}')).map(|it| it.0).collect();
    assert!(!labels.iter().any(|it| it.contains("5001") || it.contains("5005") || it.contains("super1")), "{labels:?}");
}

#[test]
fn the_log_tells_of_a_call_without_numbers() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    customer.hang_up();
    agent.wait_ended();
    scene.server.logged("the call is over");
    let log = scene.server.log();
    for words in ["listening", "a call begins", "the call is established", "cause=\"hung_up\"", "[hidden]"] {
        assert!(log.contains(words), "{words} is not in: {log}");
    }
    let about = log.lines().filter(|it| it.contains("call{call=")).collect::<Vec<_>>().join("\n");
    assert!(!about.contains("=5001"), "{about}");
}

#[test]
fn while_it_drains_nothing_begins_and_what_runs_goes_on_until_the_deadline() {
    let scene = Scene::with(&Setup::new().with("server", "drain_timeout = \"4s\""), &["agent1", "super1"]);
    let (mut agent, mut customer, _supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    connect(&mut customer, &mut agent, "5001");
    assert_eq!((health(&scene, "/health/live"), health(&scene, "/health/ready")), (200, 200));
    terminate(&scene);
    until("it is still ready", || health(&scene, "/health/ready") == 503);
    assert_eq!(health(&scene, "/health/live"), 200, "it is not to be killed for it");
    let body = scene.listen_in_body("super1", "5001", &json!({}));
    let path = scene.device_path("super1");
    let refused = scene.server.rest("super1").refused(&path, &body);
    assert_eq!(refused.0, 503, "an order that would begin a call");
    let dial = json!({"operationName": "Dial", "destination": {"phoneNumber": "5002"}});
    assert_eq!(scene.server.rest("super1").refused(&format!("{path}/calls"), &dial).0, 503);
    customer.wait_packets(customer.packets().len() + 20);
    assert_eq!(customer.end_status(), None, "the running call goes on");
    // Nobody hangs up.
    scene.server.wait_gone(Duration::from_secs(20));
}

//! `undertone trace` beside a real server: a listened-in call while it runs and afterwards.

use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use e2e::{Phone, Scene, Server, Setup, connect};
use serde_json::{Value, json};

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json_of(server: &Server, arguments: &[&str]) -> Value {
    serde_json::from_str(&text(&server.trace(&[&["--json"], arguments].concat()))).unwrap()
}

/// What a trace says once it says so.
fn until(what: &str, read: impl Fn() -> Value, so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + e2e::SOON;
    loop {
        let value = read();
        if so(&value) {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: {value:#}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn events<'a>(trace: &'a Value, kind: &str) -> Vec<&'a Value> {
    trace["events"].as_array().unwrap().iter().filter(|it| it["kind"] == kind).collect()
}

/// Start lines of a party's messages, `<` for those that came in.
fn messages(trace: &Value, party: &str) -> Vec<String> {
    let leg = trace["legs"].as_array().unwrap().iter().find(|it| it["party"] == party).unwrap()["leg"].clone();
    let of = events(trace, "sip").into_iter().filter(|it| it["leg"] == leg);
    of.map(|it| {
        let way = if it["direction"] == "in" { '<' } else { '>' };
        let start = it["start"].as_str().unwrap();
        let short = start.strip_prefix("SIP/2.0 ").unwrap_or_else(|| start.split(' ').next().unwrap());
        format!("{way}{short}")
    })
    .collect()
}

fn in_order(found: &[String], wanted: &[&str]) {
    let mut rest = found.iter();
    for it in wanted {
        assert!(rest.any(|found| found == it), "{it} is not in its place in {found:?}");
    }
}

#[test]
fn a_listened_in_call_shows_every_leg_the_matrices_and_the_audit_lines_running_and_over() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    scene.listen_in("super1", "5001", &json!({}));
    connect(&mut customer, &mut agent, "5001");
    supervisor.wait_established();

    let list = until("the call is listed", || json_of(&scene.server, &[]), |it| !it["calls"][0].is_null());
    let call = list["calls"][0]["call"].as_str().unwrap().to_owned();
    assert_eq!(list["calls"][0]["over"], Value::Null);
    let read = || json_of(&scene.server, &[&call[..12].to_lowercase()]);
    let running =
        until("both matrices", read, |it| events(it, "matrix").len() >= 2 && events(it, "applied").len() >= 2);
    in_order(&messages(&running, "5005"), &[">INVITE", "<200 OK", ">ACK"]);
    assert!(events(&running, "over").is_empty());

    customer.hang_up();
    agent.wait_ended();
    let over =
        until("the end", read, |it| !events(it, "over").is_empty() && messages(it, "5005").contains(&"<200 OK".into()));
    assert_eq!(events(&over, "over")[0]["cause"], "hung_up");
    in_order(&messages(&over, e2e::CUSTOMER), &["<INVITE", ">100 Trying", ">200 OK", "<ACK", "<BYE", ">200 OK"]);
    in_order(&messages(&over, "5001"), &[">INVITE", "<200 OK", ">ACK", ">BYE"]);
    in_order(&messages(&over, "5005"), &[">INVITE", "<200 OK", ">ACK", ">BYE"]);
    let words: Vec<String> = events(&over, "matrix").iter().map(|it| it["hears"].to_string()).collect();
    let both = format!("5005 hears 5001 and {}", e2e::CUSTOMER);
    assert!(words.iter().any(|it| it.contains(&both)), "{words:?}");
    assert!(!words.iter().any(|it| it.contains("hears 5005") || it.contains("and 5005")), "{words:?}");
    let audit: Vec<_> = events(&over, "audit").iter().map(|it| it["what"].clone()).collect();
    assert_eq!(audit, ["SessionOffered", "SessionActive", "SessionEnded"]);
    assert!(events(&over, "gap").is_empty());

    let ladder = text(&scene.server.trace(&[&call]));
    for words in [
        "undertone",
        "INVITE + SDP",
        "200 OK (BYE)",
        "audit: SessionActive ListenIn by super1",
        "the call is over: hung_up",
    ] {
        assert!(ladder.contains(words), "{words} is not in\n{ladder}");
    }
    assert!(ladder.lines().all(|it| it.chars().count() <= 120), "{ladder}");
    let lines = text(&scene.server.trace(&[]));
    assert!(lines.contains(&format!("{call}  {} at trunk carrier to 5001", e2e::CUSTOMER)), "{lines}");
}

#[test]
fn the_log_outlives_the_server_and_holds_no_digest() {
    let mut scene = Scene::new(&Setup::new());
    let (mut agent, mut caller) = (scene.agent(), scene.supervisor());
    connect(&mut caller, &mut agent, "5001");
    caller.hang_up();
    agent.wait_ended();
    scene.server.stop(Duration::from_secs(10));
    let list = json_of(&scene.server, &[]);
    let trace = json_of(&scene.server, &[list["calls"][0]["call"].as_str().unwrap()]);
    // A device proves itself at its INVITE: the challenge and what was answered are there, their secrets are not.
    in_order(
        &messages(&trace, "5005"),
        &["<INVITE", ">401 Unauthorized", "<ACK", "<INVITE", ">200 OK", "<ACK", "<BYE"],
    );
    let whole = trace.to_string();
    assert!(whole.contains("[\"Authorization\",\"(left out)\"]"), "{trace:#}");
    assert!(!whole.contains("nonce=") && !whole.contains("response="), "{trace:#}");
    let file = std::fs::read(scene.server.folder().join("undertone.events.db")).unwrap();
    assert!(!file.windows(6).any(|it| it == b"nonce="));
}

#[test]
fn what_cannot_be_shown_is_answered_with_a_sentence() {
    let scene = Scene::new(&Setup::new().with("storage", "events = \"off\""));
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    customer.hang_up();
    agent.wait_ended();
    assert!(text(&scene.server.trace(&[])).starts_with("no call"));
    assert!(!scene.server.folder().join("undertone.events.db").exists());
    assert!(refusal(&scene.server.trace(&["ABCD"])).contains("nothing is known of a call ABCD"));
    assert!(refusal(&scene.server.trace(&["5001'; --"])).contains("callUuid"));
    std::fs::write(scene.server.folder().join("empty.toml"), "[storage]\nurl = \"sqlite://nowhere.db\"\n").unwrap();
    let mut elsewhere = Command::new(e2e::binary());
    elsewhere.args(["trace", "--config", "empty.toml"]).current_dir(scene.server.folder());
    let refused = refusal(&elsewhere.output().unwrap());
    assert!(refused.contains("nowhere.db"), "{refused}");
    assert!(!scene.server.folder().join("nowhere.db").exists(), "looking makes nothing");
}

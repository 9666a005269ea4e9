//! SIPp: callers who give up at the worst moment, and two hundred calls at once.

use std::{thread, time::Duration};

use e2e::{Phone, Probe, Scene, Server, Setup, Sipp, Source, connect, free_port, heavy};

#[test]
fn cancel_races() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let agent = scene.agent();
    let port = scene.server.trunk_port;
    // Before and after the phone rings, then about when it answers.
    for (scenario, delay_ms) in [
        ("cancel_at_once", 5000),
        ("cancel_ringing", 5000),
        ("cancel_race", 18),
        ("cancel_race", 20),
        ("cancel_race", 22),
    ] {
        agent.answer_after(Duration::from_millis(delay_ms));
        // An answer may come in the very moment in which the CANCEL goes out; SIPp would give up there by default.
        let calls = ["-s", "5001", "-m", "15", "-l", "1", "-r", "20", "-default_behaviors", "all,-abortunexp"];
        Sipp::start(scene.server.sip, scenario, port, &calls).wait();
    }
    scene.until("no call is left", |it| it.calls("agent1").is_empty());
    scene.until("every leg is over", |_| agent.all_ended());
    let (mut customer, mut agent) = (scene.customer(), agent);
    agent.policy(e2e::Policy::Answer);
    connect(&mut customer, &mut agent, "5001");
}

#[test]
fn two_hundred_calls_at_once() {
    let _machine = heavy();
    let numbers: Vec<String> = (6000..6200).map(|it: u32| it.to_string()).collect();
    let devices = numbers.iter().map(|it| {
        let secret = Server::secret(it);
        format!(
            "[[devices]]\nphone_number = \"{it}\"\nsip_password = \"{secret}\"\ntelephony_network = \"Private\"\n\n"
        )
    });
    let setup = Setup::new().media_ports(1000).provision(&devices.collect::<String>());
    let server = Server::start(&setup);
    let port = free_port();
    Sipp::register(&server, &numbers, port);
    let answering = Sipp::start(server.sip, "answer", port, &["-m", "200"]);
    thread::sleep(Duration::from_millis(300));
    // All are up before the first hangs up.
    Sipp::call(server.sip, &numbers, server.trunk_port, 50, Duration::from_secs(6)).wait();
    answering.wait();
    let mut agent = Probe::device(&server, "5001", Source::Silent);
    let mut colleague = Probe::device(&server, "5002", Source::Silent);
    connect(&mut agent, &mut colleague, "5002");
}

#[test]
fn calls_give_their_ports_back() {
    // Room for four calls of three legs.
    let scene = Scene::with(&Setup::new().media_ports(24), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    scene.listen_in("super1", "5001", &serde_json::json!({}));
    for round in 1..=25 {
        connect(&mut customer, &mut agent, "5001");
        supervisor.wait_calls(round);
        supervisor.wait_established();
        customer.hang_up();
        agent.wait_ended();
        supervisor.wait_ended();
    }
}

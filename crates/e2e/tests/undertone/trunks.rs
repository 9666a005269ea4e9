//! Carriers as they are, played by SIPp: they want us registered, ask for passwords, redirect, refuse, and have names.

use std::time::Duration;

use e2e::{Answer, Phone, Policy, Probe, Scene, Setup, Sipp, Source, connect, free_port, name_server};

/// A second trunk, and how to dial it.
fn trunk(keys: &str) -> String {
    format!("[[trunks]]\nname = \"telco\"\n{keys}\n\n[[dial_rules]]\nprefix = \"7\"\ntrunk = \"telco\"\n\n")
}

const ACCOUNT: &str = "username = \"acme\"\npassword = \"secret\"";

#[test]
fn we_register_at_a_carrier_refresh_and_take_it_back_when_we_end() {
    let port = free_port();
    let keys = format!("address = \"127.0.0.1:{port}\"\nregister = true\n{ACCOUNT}");
    let mut scene = Scene::new(&Setup::new().provision(&trunk(&keys)));
    let carrier = Sipp::start(scene.server.sip, "carrier_register", port, &["-m", "1"]);
    scene.until("the carrier has registered us", |it| metric(it, "undertone_trunks{state=\"registered\"} 1"));
    scene.until("and again", |it| metric(it, "undertone_trunk_registrations_total{result=\"registered\"} 2"));
    scene.server.stop(Duration::from_secs(10));
    carrier.wait();
}

fn metric(scene: &Scene, line: &str) -> bool {
    scene.server.http().send("GET", "/metrics", &[], None).body.lines().any(|it| it == line)
}

#[test]
fn a_carrier_that_asks_for_a_password_gets_it() {
    let port = free_port();
    let scene = Scene::new(&Setup::new().provision(&trunk(&format!("address = \"127.0.0.1:{port}\"\n{ACCOUNT}"))));
    let mut agent = scene.agent();
    let carrier = Sipp::start(scene.server.sip, "carrier_challenge", port, &["-m", "2"]);
    for _ in 0..2 {
        agent.dial("70301");
        agent.wait_established();
        agent.hang_up();
    }
    carrier.wait();
}

#[test]
fn a_redirection_leads_to_another_number_of_the_carrier() {
    let port = free_port();
    let scene = Scene::new(&Setup::new().provision(&trunk(&format!("address = \"127.0.0.1:{port}\""))));
    let mut agent = scene.agent();
    let carrier = Sipp::start(scene.server.sip, "carrier_redirect", port, &["-m", "1"]);
    agent.dial("70301");
    agent.wait_established();
    agent.hang_up();
    carrier.wait();
}

#[test]
fn what_a_carrier_answers_is_what_its_caller_is_told() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    for (refusal, told) in
        [(404, 404), (403, 403), (486, 486), (603, 603), (488, 488), (503, 480), (500, 480), (407, 403)]
    {
        customer.policy(Policy::Refuse(refusal));
        agent.dial("90301");
        assert_eq!(agent.wait_end_status(), told, "{refusal}");
    }
}

#[test]
fn what_callers_of_a_carrier_dial_leads_to_a_queue() {
    let scene = Scene::with(&Setup::new().inbound("0800123456", "8000"), &["agent1"]);
    scene.server.rest("agent1").operate("/me", &serde_json::json!({"operationName": "Ready"}));
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "0800123456");
    customer.hang_up();
    agent.wait_ended();
}

#[test]
fn rfc3263_a_carrier_known_by_its_domain_alone() {
    let (busy, good) = (free_port(), free_port());
    let dns = name_server(vec![
        ("telco.test", Answer::Naptr(20, "SIP+D2T", "_sip._tcp.telco.test")),
        ("telco.test", Answer::Naptr(10, "SIP+D2U", "_sip._udp.telco.test")),
        ("_sip._udp.telco.test", Answer::Srv(2, 0, good, "gw2.telco.test")),
        ("_sip._udp.telco.test", Answer::Srv(1, 0, busy, "gw1.telco.test")),
        ("gw1.telco.test", Answer::A([127, 0, 0, 1].into())),
        ("gw2.telco.test", Answer::A([127, 0, 0, 1].into())),
    ]);
    let setup = Setup::new().with("sip", &format!("dns = \"{dns}\"")).provision(&trunk("address = \"telco.test\""));
    let scene = Scene::new(&setup);
    let gateway = |port| Probe::open(scene.server.sip, "0301", None, port, Source::Silent, e2e::Wiring::default());
    let (mut first, mut second) = (gateway(busy), gateway(good));
    scene.until("the name is known", |it| metric(it, "undertone_trunks{state=\"by_address\"} 2"));
    first.policy(Policy::Refuse(503));
    let mut agent = scene.agent();
    connect(&mut agent, &mut second, "70301");
    assert_eq!(first.calls(), 1, "the preferred gateway was asked first");
    agent.hang_up();
    second.wait_ended();
    // Requests from any of its addresses are the trunk's.
    connect(&mut second, &mut agent, "5001");
}

#[test]
fn a_carrier_over_tcp_is_connected_to() {
    let port = free_port();
    let keys = format!("address = \"127.0.0.1:{port}\"\ntransport = \"tcp\"");
    let scene = Scene::new(&Setup::new().provision(&trunk(&keys)));
    let mut agent = scene.agent();
    agent.dial("70301");
    assert_eq!(agent.wait_end_status(), 480, "nobody listens there");
    let carrier = Sipp::start(scene.server.sip, "answer_tcp", port, &["-t", "t1", "-m", "2"]);
    std::thread::sleep(Duration::from_secs(1));
    for _ in 0..2 {
        agent.dial("70301");
        agent.wait_established();
        agent.hang_up();
    }
    carrier.wait();
}

//! IPv6, alone and beside IPv4, on softphones that nobody here wrote.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use e2e::{
    AGENT_TONE, Baresip, CUSTOMER_TONE, Phone, Pjsua, Policy, SUPERVISOR_TONE, Scene, Setup, assert_hears, connect,
    listen,
};
use serde_json::json;

const IP4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const IP6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[test]
fn a_call_over_ipv6_is_listened_to_over_ipv6() {
    let setup = Setup::new().listen(IP6).with("media", "address = \"::1\"");
    let scene = Scene::with(&setup, &["agent1", "super1"]);
    let mut agent = Baresip::device_at(&scene.server, IP6, "5001", AGENT_TONE, Policy::Answer);
    let mut supervisor = Baresip::device_at(&scene.server, IP6, "5005", SUPERVISOR_TONE, Policy::Answer);
    let mut customer = Baresip::device_at(&scene.server, IP6, "5002", CUSTOMER_TONE, Policy::Answer);
    scene.listen_in("super1", "5001", &json!({}));
    three_hear_what_they_should(&mut customer, &mut agent, &mut supervisor);
    customer.hang_up();
    agent.wait_ended();
    supervisor.wait_ended();
}

#[test]
fn rfc5118_4_9_a_supervisor_over_ipv6_listens_to_a_call_over_ipv4() {
    let scene = Scene::with(&both_families(), &["agent1", "super1"]);
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut supervisor = Baresip::device_at(&scene.server, IP6, "5005", SUPERVISOR_TONE, Policy::Answer);
    let mut customer = Pjsua::device_over_tcp(&scene.server, "5002", CUSTOMER_TONE, Policy::Answer);
    scene.listen_in("super1", "5001", &json!({}));
    three_hear_what_they_should(&mut customer, &mut agent, &mut supervisor);
    let to_agent = agent.wait_incoming();
    assert!(to_agent.contains("c=IN IP4 127.0.0.1") && !to_agent.contains('['), "{to_agent}");
    supervisor.hang_up();
    agent.hold();
    agent.retrieve();
    agent.hang_up();
    customer.wait_ended();
}

#[test]
fn phones_of_both_families_talk_and_are_listened_to() {
    let scene = Scene::with(&both_families(), &["agent1", "super1"]);
    let mut agent = Baresip::device_at(&scene.server, IP6, "5001", AGENT_TONE, Policy::Answer);
    let mut supervisor = Pjsua::device(&scene.server, "5005", SUPERVISOR_TONE, Policy::Answer);
    let mut customer = Baresip::device_at(&scene.server, IP4, "5002", CUSTOMER_TONE, Policy::Answer);
    scene.listen_in("super1", "5001", &json!({}));
    three_hear_what_they_should(&mut customer, &mut agent, &mut supervisor);
    customer.hang_up();
    agent.wait_ended();
    supervisor.wait_ended();
    // And from the other side.
    agent.dial("5002");
    customer.wait_established();
    supervisor.wait_established();
    agent.hang_up();
    customer.wait_ended();
}

fn both_families() -> Setup {
    let setup = Setup::new().listen(Ipv6Addr::UNSPECIFIED.into());
    setup.with("media", "address = \"127.0.0.1\"").with("media", "address6 = \"::1\"")
}

fn three_hear_what_they_should(customer: &mut dyn Phone, agent: &mut dyn Phone, supervisor: &mut dyn Phone) {
    connect(customer, agent, "5001");
    supervisor.wait_established();
    let heard = listen(2.0, &mut [customer, agent, supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
}

//! Queues as callers and agents meet them: music, then the agent who has been idle for longest.

use e2e::{
    AGENT_TONE, CUSTOMER, CUSTOMER_TONE, Cometd, Phone, Pjsua, Policy, Probe, Recording, SUPERVISOR_TONE, Scene, Setup,
    Source, Transport, assert_hears, assert_silent, listen, write_wav,
};
use serde_json::json;

const TONES: [u32; 3] = [AGENT_TONE, CUSTOMER_TONE, SUPERVISOR_TONE];

fn ready(scene: &Scene, user: &str) {
    scene.server.rest(user).operate("/me", &json!({"operationName": "Ready"}));
}

fn state(scene: &Scene, user: &str) -> String {
    let state = &scene.device(user)["userState"];
    state["workMode"].as_str().or(state["state"].as_str()).unwrap_or_default().to_owned()
}

#[track_caller]
fn assert_music(who: &str, heard: &Recording) {
    assert_silent(who, heard, &TONES);
    let loudest = |it: &[i16]| it.iter().map(|it| it.unsigned_abs()).max().unwrap_or(0);
    let quarters: Vec<u16> = heard.samples.chunks_exact(heard.rate as usize / 4).map(loudest).collect();
    assert!(quarters.len() >= 4, "{who} recorded only {:.2} s", heard.seconds());
    assert!(quarters[1..].iter().all(|it| (300..12_000).contains(it)), "{who} hears a hole or noise: {quarters:?}");
}

#[test]
fn a_caller_hears_music_then_the_agent_and_the_supervisor_hears_both() {
    let scene = Scene::with(&Setup::new().inbound("0800123456", "8000"), &["agent1", "super1"]);
    let mut agent = scene.agent();
    let mut supervisor = scene.supervisor();
    let mut customer = Pjsua::trunk(&scene.server, CUSTOMER, CUSTOMER_TONE, Policy::Answer);
    agent.policy(Policy::Ring);
    scene.listen_in("super1", "5001", &json!({}));
    customer.dial("0800123456");
    customer.wait_established();
    assert_music("customer", &listen(1.8, &mut [&mut customer])[0]);
    assert_eq!(agent.calls(), 0, "not ready, not rung");
    ready(&scene, "agent1");
    agent.wait_ringing();
    assert_music("customer", &listen(1.8, &mut [&mut customer])[0]);
    assert!(scene.calls("super1").is_empty(), "nothing to listen to yet");
    agent.answer();
    supervisor.wait_established();
    let heard = listen(1.8, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &[SUPERVISOR_TONE]);
    let call = &scene.calls("agent1")[0];
    assert_eq!((&call["callType"], &call["dnis"]), (&json!("Inbound"), &json!("0800123456")), "{call}");
    customer.hang_up();
    agent.wait_ended();
    supervisor.wait_ended();
}

#[test]
fn the_callers_stream_is_one_from_music_to_agent() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    customer.dial("8000");
    customer.wait_established();
    customer.wait_packets(30);
    ready(&scene, "agent1");
    agent.wait_established();
    customer.wait_packets(customer.packets().len() + 50);
    let packets = customer.packets();
    assert!(packets.windows(2).all(|it| it[1].ssrc == it[0].ssrc), "one source");
    assert!(packets.windows(2).all(|it| it[1].sequence == it[0].sequence.wrapping_add(1)), "no gap in the numbers");
    let steps = packets.windows(2).map(|it| it[1].timestamp.wrapping_sub(it[0].timestamp));
    assert!(steps.clone().all(|it| (160..16_000).contains(&it)), "no leap in time: {:?}", steps.max());
}

#[test]
fn nobody_answers_then_the_next_agent_and_after_call_work() {
    let queue = "[[queues]]\nphone_number = \"8001\"\nname = \"short\"\nteams = [\"support\"]\n\
                 ring_timeout = \"1s\"\nwrap_up_time = \"2s\"\nmax_waiting = 1\n";
    let scene = Scene::with(&Setup::new().provision(queue), &["agent1", "agent2"]);
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    let mut colleague = Probe::device(&scene.server, "5002", Source::Tone(600));
    let desk = Cometd::connect(&scene.server, "agent1", Transport::WebSocket, &["/v2/me/channels"]);
    agent.policy(Policy::Ring);
    ready(&scene, "agent1");
    desk.message("/v2/me/channels", "ready", |it| it["channels"][0]["userState"]["state"] == "Ready");
    ready(&scene, "agent2");
    customer.dial("8001");
    agent.wait_ringing();
    desk.message("/v2/me/channels", "not ready", |it| it["channels"][0]["userState"]["state"] == "NotReady");
    colleague.wait_established();
    let heard = listen(1.8, &mut [&mut customer]);
    assert_hears("customer", &heard[0], &[600], &TONES);
    assert_eq!((state(&scene, "agent1"), state(&scene, "agent2")), ("NotReady".into(), "Ready".into()));
    colleague.hang_up();
    customer.wait_ended();
    scene.until("after-call work", |it| state(it, "agent2") == "AfterCallWork");
    scene.until("ready again", |it| state(it, "agent2") == "Ready");
    customer.dial("8001");
    colleague.wait_established();
}

#[test]
fn a_full_queue_overflow_and_music_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("music.wav");
    write_wav(&file, &Recording::tone(700, 8000, 2)).unwrap();
    let queue = format!(
        "[[queues]]\nphone_number = \"8001\"\nname = \"full\"\nmusic = \"{}\"\nmax_waiting = 1\n\
         overflow_after = \"4s\"\noverflow_to = \"5002\"\n",
        file.display()
    );
    let scene = Scene::new(&Setup::new().provision(&queue));
    let (mut customer, mut other) = (scene.customer(), scene.agent());
    let mut colleague = Probe::device(&scene.server, "5002", Source::Tone(600));
    customer.dial("8001");
    customer.wait_established();
    other.dial("8001");
    assert_eq!(other.wait_end_status(), 486, "one waits, and there is room for one");
    assert_hears("customer", &listen(1.8, &mut [&mut customer])[0], &[700], &TONES);
    colleague.wait_established();
    assert_hears("customer", &listen(1.8, &mut [&mut customer])[0], &[600], &[700]);
}

#[test]
fn a_caller_gives_up_and_an_agent_leaves() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    agent.policy(Policy::Ring);
    ready(&scene, "agent1");
    customer.dial("8000");
    agent.wait_ringing();
    customer.wait_established();
    customer.hang_up();
    assert_eq!(agent.wait_end_status(), 487);
    customer.dial("8000");
    agent.wait_calls(2);
    agent.wait_ringing();
    customer.wait_established();
    scene.log_out("agent1");
    agent.wait_received("CANCEL", 2);
    assert_music("customer", &listen(1.8, &mut [&mut customer])[0]);
}

//! Calls between phones, without any supervisor: registration, ringing, refusing, cancelling, holding, both laws.

use std::{thread, time::Duration};

use e2e::{
    AGENT_TONE, Baresip, CUSTOMER, CUSTOMER_TONE, Codec, Phone, Pjsua, Policy, Probe, Scene, Setup, Source, Wiring,
    assert_hears, assert_silent, connect, listen,
};
use serde_json::json;

fn device(scene: &Scene, number: &str, wiring: Wiring) -> Probe {
    let phone = Probe::unregistered(&scene.server, number, Source::Tone(CUSTOMER_TONE), wiring);
    assert_eq!(phone.register(300), 200);
    phone
}

#[test]
fn registration_by_both_hashes_and_its_end() {
    let scene = Scene::new(&Setup::new());
    let mut caller = scene.customer();
    for sha256 in [false, true] {
        let phone = device(&scene, "5001", Wiring { sha256, ..Wiring::default() });
        caller.dial("5001");
        caller.wait_established();
        caller.hang_up();
        phone.wait_end_status();
        assert_eq!(phone.register(0), 200);
        caller.dial("5001");
        assert_eq!(caller.wait_end_status(), 480, "nobody is registered any more");
        assert_eq!(phone.calls(), 1);
    }
}

#[test]
fn registration_with_a_wrong_secret_or_for_an_unknown_number() {
    let scene = Scene::new(&Setup::new());
    for (number, sha256) in [("5001", false), ("5001", true), ("5999", false)] {
        let wiring = Wiring { sha256, secret: Some("wrong".to_owned()), ..Wiring::default() };
        let status = Probe::unregistered(&scene.server, number, Source::Silent, wiring).register(300);
        assert!(matches!(status, 401 | 403), "{number}: {status}");
    }
    let mut caller = scene.customer();
    caller.dial("5001");
    assert_eq!(caller.wait_end_status(), 480);
}

#[test]
fn only_who_proves_it_is_a_device() {
    let scene = Scene::new(&Setup::new());
    let agent = scene.agent();
    let wrong = Wiring { secret: Some("wrong".to_owned()), ..Wiring::default() };
    let mut liar = Probe::unregistered(&scene.server, "5002", Source::Silent, wrong);
    liar.dial("5001");
    assert!(matches!(liar.wait_end_status(), 401 | 403 | 407), "{:?}", liar.end_status());
    let mut trunk = Probe::trunk(&scene.server, "5002", Source::Silent);
    trunk.dial("5001");
    assert!(matches!(trunk.wait_end_status(), 401 | 403 | 407), "not even from the trunk: {:?}", trunk.end_status());
    let mut stranger =
        Probe::open(scene.server.sip, "0170555", None, e2e::free_port(), Source::Silent, Wiring::default());
    stranger.dial("5001");
    assert!(matches!(stranger.wait_end_status(), 401 | 403 | 407), "{:?}", stranger.end_status());
    assert_eq!(agent.calls(), 0);
}

#[test]
fn options_and_nonsense() {
    let scene = Scene::new(&Setup::new());
    let phone = scene.agent();
    assert_eq!(phone.ping(), 200);
    for nonsense in [&b"\r\n\r\n"[..], b"", b"INVITE\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", &[0xff; 3000]] {
        phone.send_raw(nonsense);
    }
    assert_eq!(phone.ping(), 200);
}

#[test]
fn device_to_device_and_trunk_to_device_on_real_phones() {
    let scene = Scene::new(&Setup::new());
    let mut agent = Baresip::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut colleague = Pjsua::device(&scene.server, "5002", CUSTOMER_TONE, Policy::Answer);
    connect(&mut agent, &mut colleague, "5002");
    let heard = listen(2.0, &mut [&mut agent, &mut colleague]);
    assert_hears("baresip", &heard[0], &[CUSTOMER_TONE], &[AGENT_TONE]);
    assert_hears("pjsua", &heard[1], &[AGENT_TONE], &[CUSTOMER_TONE]);
    agent.hang_up();
    colleague.wait_ended();
    agent.wait_ended();
    let mut customer = Pjsua::trunk(&scene.server, CUSTOMER, 600, Policy::Answer);
    connect(&mut customer, &mut colleague, "5002");
    let heard = listen(2.0, &mut [&mut customer, &mut colleague]);
    assert_hears("customer", &heard[0], &[CUSTOMER_TONE], &[600]);
    assert_hears("colleague", &heard[1], &[600], &[CUSTOMER_TONE]);
    colleague.press("159");
    colleague.hang_up();
    customer.wait_ended();
}

#[test]
fn what_trunk_callers_dial_and_numbers_that_nobody_has() {
    let scene = Scene::new(&Setup::new().inbound("0800123456", "5001"));
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "0800123456");
    customer.hang_up();
    agent.wait_ended();
    customer.dial("90307654321");
    assert!(matches!(customer.wait_end_status(), 403 | 404), "from trunk to trunk: {:?}", customer.end_status());
    for unknown in ["5999", "7", "0800000"] {
        agent.dial(unknown);
        assert_eq!(agent.wait_end_status(), 404, "{unknown}");
    }
}

#[test]
fn a_device_calls_outside_and_is_listened_to() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    scene.listen_in("super1", "5001", &serde_json::json!({}));
    customer.policy(Policy::Ring);
    agent.dial("90307654321");
    agent.wait_received("180 INVITE", 1);
    let invite = customer.seen().into_iter().find(|it| it.summary == "INVITE").expect("it rings").text;
    assert!(invite.starts_with("INVITE sip:0307654321@"), "the prefix is stripped: {invite}");
    assert!(invite.contains("From: <sip:5001@"), "the number and no name: {invite}");
    assert_eq!(scene.calls("agent1")[0]["callType"], "Outbound");
    customer.answer();
    agent.wait_established();
    supervisor.wait_established();
    let heard = listen(1.8, &mut [&mut customer, &mut agent, &mut supervisor]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE, e2e::SUPERVISOR_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE, e2e::SUPERVISOR_TONE]);
    assert_hears("supervisor", &heard[2], &[AGENT_TONE, CUSTOMER_TONE], &[e2e::SUPERVISOR_TONE]);
    agent.hang_up();
    customer.wait_ended();
    customer.policy(Policy::Refuse(486));
    agent.dial("90307654321");
    assert_eq!(agent.wait_end_status(), 486);
}

#[test]
fn ringback_and_early_media() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    agent.policy(Policy::Ring);
    customer.dial("5001");
    agent.wait_ringing();
    customer.wait_received("180 INVITE", 1);
    assert!(customer.packets().is_empty(), "nothing to hear yet");
    agent.progress();
    customer.wait_received("183 INVITE", 1);
    let heard = listen(1.8, &mut [&mut customer]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
    assert_eq!(customer.end_status(), None);
    agent.answer();
    customer.wait_established();
    let heard = listen(1.8, &mut [&mut customer, &mut agent]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE]);
}

#[test]
fn a_caller_is_refused_with_the_callees_reason() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    for (refusal, shown) in [(486, 486), (603, 603), (480, 480), (408, 480), (500, 480), (302, 480), (488, 488)] {
        agent.policy(Policy::Refuse(refusal));
        customer.dial("5001");
        let status = customer.wait_end_status();
        // No answer may be told as 408 or as 480: both say that nobody came to the phone.
        assert!(status == shown || (refusal == 408 && status == 408), "{refusal} became {status}");
    }
}

#[test]
fn do_not_disturb_and_forwarding_apply() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    let mut colleague = Probe::device(&scene.server, "5002", Source::Tone(600));
    let mut rest = scene.server.rest("agent1");
    let path = scene.device_path("agent1");
    rest.operate(&path, &json!({"operationName": "DoNotDisturbOn"}));
    customer.dial("5001");
    assert_eq!(customer.wait_end_status(), 486);
    rest.operate(&path, &json!({"operationName": "DoNotDisturbOff"}));
    rest.operate(&path, &json!({"operationName": "ForwardCallsOn", "destination": "5002"}));
    assert_eq!(scene.device("agent1")["forwardTo"], "5002");
    connect(&mut customer, &mut colleague, "5001");
    customer.hang_up();
    colleague.wait_ended();
    assert_eq!(agent.calls(), 0);
    rest.operate(&path, &json!({"operationName": "ForwardCallsOff"}));
    connect(&mut customer, &mut agent, "5001");
}

#[test]
fn a_caller_gives_up_at_every_moment() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    agent.policy(Policy::Ring);
    for round in 1..=3 {
        customer.dial("5001");
        agent.wait_calls(round);
        customer.wait_received("180 INVITE", round);
        customer.cancel();
        assert_eq!((customer.wait_end_status(), agent.wait_end_status()), (487, 487));
    }
    agent.answer_when_cancelled();
    customer.dial("5001");
    agent.wait_calls(4);
    customer.wait_received("180 INVITE", 4);
    customer.cancel();
    assert_eq!(customer.wait_end_status(), 487);
    agent.wait_received("ACK", 4);
    assert_eq!(agent.wait_end_status(), 0, "the late answer is acknowledged and ended by a BYE");
    agent.policy(Policy::Answer);
    connect(&mut customer, &mut agent, "5001");
}

#[test]
fn hold_stays_on_the_leg_that_holds() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    let before = customer.received();
    assert_eq!(agent.hold(), 200);
    let heard = listen(1.5, &mut [&mut customer, &mut agent]);
    assert_silent("customer", &heard[0], &[AGENT_TONE]);
    assert_silent("agent", &heard[1], &[CUSTOMER_TONE]);
    assert_eq!(agent.retrieve(), 200);
    let heard = listen(1.8, &mut [&mut customer, &mut agent]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE]);
    assert_eq!(customer.received(), before, "the other side was told nothing");
    assert_eq!(agent.request_in_call("OPTIONS"), 200);
    let ssrc = customer.packets()[0].ssrc;
    assert!(customer.packets().iter().all(|it| it.ssrc == ssrc), "one stream all along");
}

#[test]
fn one_law_into_the_other() {
    let scene = Scene::new(&Setup::new());
    for (one, other) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
        let wiring = |it| Wiring { codecs: vec![it], ..Wiring::default() };
        let mut callee = Probe::unregistered(&scene.server, "5001", Source::Tone(AGENT_TONE), wiring(one));
        assert_eq!(callee.register(300), 200);
        let mut caller = Probe::trunk_wired(&scene.server, CUSTOMER, Source::Tone(CUSTOMER_TONE), wiring(other));
        connect(&mut caller, &mut callee, "5001");
        let heard = listen(1.8, &mut [&mut caller, &mut callee]);
        assert_hears("caller", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
        assert_hears("callee", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE]);
        caller.hang_up();
        callee.wait_ended();
        drop(caller);
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_common_call_needs_no_transcoding() {
    let scene = Scene::new(&Setup::new());
    let prefers = |first, second| Wiring { codecs: vec![first, second], ..Wiring::default() };
    let mut callee = device(&scene, "5001", prefers(Codec::Pcmu, Codec::Pcma));
    let mut caller =
        Probe::trunk_wired(&scene.server, CUSTOMER, Source::Tone(CUSTOMER_TONE), prefers(Codec::Pcma, Codec::Pcmu));
    connect(&mut caller, &mut callee, "5001");
    caller.wait_packets(20);
    callee.wait_packets(20);
    let kinds = |phone: &Probe| phone.packets().iter().map(|it| it.payload_type).collect::<Vec<_>>();
    assert!(kinds(&caller).iter().all(|it| *it == 8) && kinds(&callee).iter().all(|it| *it == 8), "the caller's first");
}

#[test]
fn keys_are_relayed_between_real_phones_and_probes() {
    let scene = Scene::new(&Setup::new());
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut customer = scene.customer();
    connect(&mut customer, &mut agent, "5001");
    customer.press(4);
    agent.wait_digits("4");
    agent.press("27");
    let until = std::time::Instant::now() + e2e::SOON;
    while customer.keys().len() < 2 {
        assert!(std::time::Instant::now() < until, "{:?}", customer.keys());
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(customer.keys(), [2, 7]);
}

#[test]
fn repeated_and_looping_requests() {
    let scene = Scene::new(&Setup::new());
    let agent = scene.agent();
    let customer = scene.customer();
    let invite = |call: &str, hops: u8| {
        let (port, sip) = (customer.port(), scene.server.sip);
        let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";
        format!(
            "INVITE sip:5001@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call}\r\n\
             Max-Forwards: {hops}\r\nFrom: <sip:0301@127.0.0.1:{port}>;tag={call}\r\nTo: <sip:5001@{sip}>\r\n\
             Call-ID: {call}\r\nCSeq: 1 INVITE\r\nContact: <sip:0301@127.0.0.1:{port}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    };
    for _ in 0..3 {
        customer.send_raw(invite("repeated", 70).as_bytes());
    }
    agent.wait_calls(1);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(agent.calls(), 1, "a repeated INVITE is one call");
    customer.send_raw(invite("looping", 0).as_bytes());
    customer.wait_received("483 INVITE", 1);
    customer.send_raw(invite("repeated", 70).replace("branch=z9hG4bK", "branch=z9hG4bKother").as_bytes());
    customer.wait_received("482 INVITE", 1);
    let been_here = format!("\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKx\r\nMax-Forwards", scene.server.sip);
    customer.send_raw(invite("back", 70).replace("\r\nMax-Forwards", &been_here).as_bytes());
    customer.wait_received("482 INVITE", 2);
    assert_eq!(agent.calls(), 1);
}

#[test]
fn a_party_that_is_gone_does_not_keep_the_other() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    agent.vanish();
    customer.hang_up();
    // Its BYE is answered at once, whether or not the other leg ever answers ours.
    customer.wait_received("200 BYE", 1);
    let mut colleague = Probe::device(&scene.server, "5002", Source::Silent);
    connect(&mut customer, &mut colleague, "5002");
}

#[test]
fn a_source_is_locked_to_its_address() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    agent.wait_packets(20);
    let intruder = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut packet = vec![0x80, 0, 0, 1, 0, 0, 0, 1, 9, 9, 9, 9];
    packet.resize(172, 0x2a);
    let target = customer.media_remote().unwrap();
    for _ in 0..50 {
        intruder.send_to(&packet, target).unwrap();
    }
    agent.wait_packets(agent.packets().len() + 30);
    assert!(!agent.packets().iter().any(|it| it.payload == packet[12..]), "an intruder is not heard");
}

#[test]
fn a_new_stream_of_the_speaker_leaves_what_the_listener_gets_unbroken() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    agent.wait_packets(30);
    customer.restart_stream();
    let heard = listen(1.8, &mut [&mut agent]);
    assert_hears("agent", &heard[0], &[CUSTOMER_TONE], &[AGENT_TONE]);
    let packets = agent.packets();
    assert!(packets.windows(2).all(|it| it[1].ssrc == it[0].ssrc), "one source");
    assert!(packets.windows(2).all(|it| it[1].sequence == it[0].sequence.wrapping_add(1)), "no gap in the numbers");
    let steps = packets.windows(2).map(|it| it[1].timestamp.wrapping_sub(it[0].timestamp));
    assert!(steps.clone().all(|it| (160..16_000).contains(&it)), "no leap in time: {:?}", steps.max());
}

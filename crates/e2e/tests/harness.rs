//! The phones of the tests against each other, without a server: what they report can be trusted.

use std::time::Duration;

use e2e::{
    Baresip, Codec, Phone, Pjsua, Policy, Probe, Sipp, Source, Wiring, assert_hears, connect, free_port, free_ports,
    listen,
};

#[test]
fn two_pjsua_phones_hear_each_other() {
    let (one_port, other_port) = (free_port(), free_port());
    let mut one = Pjsua::start(&at(other_port), "100", None, one_port, 440, Policy::Ring);
    let mut other = Pjsua::start(&at(one_port), "200", None, other_port, 1000, Policy::Answer);
    connect(&mut one, &mut other, "200");
    let heard = listen(2.5, &mut [&mut one, &mut other]);
    assert_hears("one", &heard[0], &[1000], &[440, 1700]);
    assert_hears("other", &heard[1], &[440], &[1000, 1700]);
    one.press("12");
    other.wait_digits("12");
    one.hold();
    one.retrieve();
    one.hang_up();
    other.wait_ended();
    assert!(other.received().iter().any(|it| it.starts_with("BYE ")), "{:?}", other.received());
}

#[test]
fn baresip_and_pjsua_hear_each_other() {
    let (one_port, other_port) = (free_ports(2), free_port());
    let mut one = Baresip::start(&at(other_port), "100", None, one_port, 440, Policy::Answer);
    let mut other = Pjsua::start(&at(one_port), "200", None, other_port, 1000, Policy::Answer);
    connect(&mut one, &mut other, "200");
    let heard = listen(2.5, &mut [&mut one, &mut other]);
    assert_hears("baresip", &heard[0], &[1000], &[440, 1700]);
    assert_hears("pjsua", &heard[1], &[440], &[1000, 1700]);
    one.hang_up();
    other.wait_ended();
    one.wait_ended();
}

#[test]
fn baresip_rings_until_it_is_told_to_answer() {
    let (one_port, other_port) = (free_ports(2), free_port());
    let mut one = Baresip::start(&at(other_port), "100", None, one_port, 440, Policy::Ring);
    let mut other = Pjsua::start(&at(one_port), "200", None, other_port, 1000, Policy::Answer);
    other.dial("100");
    one.wait_ringing();
    one.answer();
    one.wait_established();
    other.wait_established();
    other.hang_up();
    one.wait_ended();
}

#[test]
fn a_probe_and_a_pjsua_phone_hear_each_other_in_both_laws() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let (one_port, other_port) = (free_port(), free_port());
        let wiring = Wiring { codecs: vec![codec], ..Wiring::default() };
        let mut one = probe(other_port, one_port, Source::Tone(440), wiring);
        let mut other = Pjsua::start(&at(one_port), "200", None, other_port, 1000, Policy::Answer);
        connect(&mut one, &mut other, "200");
        let heard = listen(2.0, &mut [&mut one, &mut other]);
        assert_hears("probe", &heard[0], &[1000], &[440, 1700]);
        assert_hears("pjsua", &heard[1], &[440], &[1000, 1700]);
        assert_eq!((one.hold(), one.retrieve()), (200, 200));
        one.press(7);
        other.wait_digits("7");
        other.press("3");
        one.wait_packets(one.packets().len() + 20);
        assert_eq!(one.keys(), [3]);
        other.hang_up();
        one.wait_ended();
        assert!(one.received().contains(&"180 INVITE".to_owned()), "{:?}", one.received());
    }
}

#[test]
fn two_probes_call_hold_cancel_and_refuse() {
    let (one_port, other_port) = (free_port(), free_port());
    let mut one = probe(other_port, one_port, Source::Counted(25), Wiring::default());
    let mut other = probe(one_port, other_port, Source::Counted(25), Wiring::default());
    connect(&mut one, &mut other, "200");
    other.wait_packets(25);
    let numbers: Vec<u32> =
        other.packets().iter().map(|it| u32::from_be_bytes(it.payload[..4].try_into().unwrap())).collect();
    assert_eq!(numbers, (0..25).collect::<Vec<_>>());
    assert_eq!(other.request_in_call("OPTIONS"), 200);
    one.hang_up();
    assert_eq!(other.wait_end_status(), 0);

    other.policy(Policy::Refuse(603));
    one.dial("200");
    assert_eq!(one.wait_end_status(), 603);

    other.policy(Policy::Ring);
    one.dial("200");
    other.wait_ringing();
    one.cancel();
    assert_eq!((one.wait_end_status(), other.wait_end_status()), (487, 487));

    other.answer_when_cancelled();
    one.dial("200");
    other.wait_ringing();
    one.cancel();
    one.wait_established();

    other.vanish();
    one.hang_up();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(other.received().last().unwrap(), "BYE");
    assert_eq!(other.end_status(), None);
}

#[test]
fn sipp_cancels_at_every_moment() {
    for (scenario, delay_ms) in
        [("cancel_ringing", 5000), ("cancel_race", 0), ("cancel_race", 22), ("cancel_race", 5000)]
    {
        let (port, sipp_port) = (free_port(), free_port());
        let phone = probe(sipp_port, port, Source::Silent, Wiring::default());
        phone.answer_after(Duration::from_millis(delay_ms));
        let peer = ([127, 0, 0, 1], port).into();
        Sipp::start(peer, scenario, sipp_port, &["-s", "200", "-m", "1"]).wait();
        let end = phone.wait_end_status();
        assert!(end == if delay_ms == 5000 { 487 } else { 0 } || delay_ms == 22, "{scenario} after {delay_ms}: {end}");
    }
}

fn probe(server: u16, port: u16, source: Source, wiring: Wiring) -> Probe {
    Probe::open(([127, 0, 0, 1], server).into(), "100", None, port, source, wiring)
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

//! Scripts: phones and a small registrar on a virtual wire that takes 10 ms each way.

mod world;

use sip_proto::digest::Ha1;

use self::world::{World, check};
use super::*;
use crate::behaviour::{Answering, Behaviour};

fn ringing_for(ms: u64) -> Behaviour {
    Behaviour::answering(Duration::from_millis(ms))
}

fn two(of_b: Behaviour) -> World {
    let mut it = World::new();
    it.phone("a", "b", ringing_for(1000));
    it.phone("b", "a", of_b);
    it
}

fn registering(password: &str, expires_s: u32) -> World {
    let mut it = World::new();
    it.serve(Ha1::of("a", "undertone.local", "secret-a"));
    let behaviour = Behaviour { expires_s, ..Behaviour::default() };
    it.phone_with_password("a", "server", password, behaviour);
    it
}

#[test]
fn rfc3261_10_2_registers_with_digest_refreshes_and_leaves() {
    check(
        registering("secret-a", 100),
        "
          0s | a registers   | a Registered
         79s | -             | a Registered
         81s | -             |
        100s | a unregisters | a Unregistered
        900s | -             |
        ",
    );
}

#[test]
fn rfc3261_21_4_17_a_time_too_brief_is_raised() {
    check(
        registering("secret-a", 5),
        "
         0s | a registers | a Registered
        47s | -           | a Registered
        49s | -           |
        ",
    );
}

#[test]
fn a_wrong_password_is_said_and_tried_again_seldom() {
    check(
        registering("guess", 100),
        "
         0s | a registers | a RegistrationFailed(403)
         5s | -           | a RegistrationFailed(403)
        10s | -           |
        ",
    );
}

#[test]
fn rfc3261_17_1_2_2_a_server_that_is_not_there_is_noticed_and_found_again() {
    check(
        registering("secret-a", 100),
        "
         0s | cut server  |
         0s | a registers |
        31s | -           | a RegistrationFailed(408)
        33s | mend server | a Registered
        99s | -           |
        ",
    );
}

#[test]
fn rfc3261_22_2_a_challenged_invite_is_sent_again_with_credentials() {
    // The little server knows nobody to call, and says so only to those it knows.
    check(
        registering("secret-a", 100),
        "
        0s | a calls z | a Ended(Refused(404))
        ",
    );
    check(
        registering("guess", 100),
        "
        0s | a calls z | a Ended(Refused(403))
        ",
    );
}

#[test]
fn rfc3261_13_a_call_is_answered_and_hung_up_by_either_side() {
    check(
        two(ringing_for(1000)),
        "
        0s | a calls b  | b Ringing a, a Progress(180)
        1s | -          | b Established, b sends, a Established, a sends
        5s | a hangs up | a Ended(HungUp), b Ended(PeerHungUp)
        6s | a calls b  | b Ringing a, a Progress(180)
        7s | -          | b Established, b sends, a Established, a sends
        9s | b hangs up | b Ended(HungUp), a Ended(PeerHungUp)
        ",
    );
}

#[test]
fn rfc3261_17_every_single_datagram_may_be_lost() {
    for lost in 0..8 {
        let mut it = two(ringing_for(1000));
        it.lose_one_after(lost);
        check(
            it,
            "
             0s | a calls b   | b Ringing a, a Progress(180), b Established, b sends, a Established, a sends
            20s | a hangs up  | a Ended(HungUp), b Ended(PeerHungUp)
            90s | -           |
            ",
        );
    }
}

#[test]
fn rfc3261_17_every_datagram_may_come_twice() {
    let mut it = two(ringing_for(1000));
    it.double();
    check(
        it,
        "
         0s | a calls b  | b Ringing a, a Progress(180), b Established, b sends, a Established, a sends
         5s | a holds    | b listens, b Held, a Holding, a listens
         6s | a hangs up | a Ended(HungUp), b Ended(PeerHungUp)
        90s | -          |
        ",
    );
}

#[test]
fn rfc3261_9_a_caller_gives_up() {
    check(
        two(Behaviour::with(Answering::Never)),
        "
         0s | a calls b  | b Ringing a, a Progress(180)
        30s | a hangs up | b Ended(Cancelled), a Ended(GaveUp)
        ",
    );
}

#[test]
fn rfc3261_15_an_answer_that_crosses_a_cancel_is_ended_with_bye() {
    // b answers at 1.010; the answer is on the wire when a gives up.
    check(
        two(ringing_for(1000)),
        "
        0s     | a calls b  | b Ringing a, a Progress(180)
        1s     | -          | b Established, b sends
        1.015s | a hangs up | a Ended(GaveUp), b Ended(PeerHungUp)
        9s     | a calls b  | b Ringing a, a Progress(180), b Established, b sends, a Established, a sends
        90s    | -          |
        ",
    );
}

#[test]
fn rfc3261_21_busy_declining_and_silent_phones() {
    for (answering, end) in [(Answering::Busy, "Refused(486)"), (Answering::Decline, "Refused(603)")] {
        check(two(Behaviour::with(answering)), &format!("0s | a calls b | a Ended({end})"));
    }
    check(
        two(Behaviour::with(Answering::Silent)),
        "
          0s | a calls b  |
        200s | a hangs up | a Ended(GaveUp)
        ",
    );
    check(
        two(Behaviour::with(Answering::Never)),
        "
        0s | a calls b     | b Ringing a, a Progress(180)
        1s | b refuses 480 | b Ended(Declined(480)), a Ended(Refused(480))
        2s | a calls b     | b Ringing a, a Progress(180)
        3s | b answers     | b Established, b sends, a Established, a sends
        ",
    );
}

#[test]
fn a_phone_in_a_call_is_busy_for_others() {
    let mut it = two(ringing_for(0));
    it.phone("c", "b", ringing_for(0));
    check(
        it,
        "
        0s | a calls b | b Ringing a, b Established, b sends, a Established, a sends
        1s | c calls b | c Ended(Refused(486))
        2s | a calls b |
        ",
    );
}

#[test]
fn rfc3264_8_4_hold_and_retrieve() {
    check(
        two(ringing_for(0)),
        "
        0s | a calls b   | b Ringing a, b Established, b sends, a Established, a sends
        1s | a holds     | b listens, b Held, a Holding, a listens
        2s | a holds     |
        3s | b holds     | a listens, a Held, b Holding, b listens
        4s | a retrieves | b listens, b Retrieved, a Resumed, a listens
        5s | b retrieves | a sends, a Retrieved, b Resumed, b sends
        6s | -           |
        ",
    );
}

#[test]
fn rfc3261_14_1_glare_is_settled_and_both_get_their_way() {
    let mut it = two(ringing_for(0));
    it.run_script(
        "
        0s | a calls b | b Ringing a, b Established, b sends, a Established, a sends
        ",
    );
    it.at(1000);
    it.command("a holds");
    it.command("b holds");
    it.run_until(9000);
    let told = it.told();
    assert!(told.contains("a Holding") && told.contains("b Holding"), "{told}");
}

#[test]
fn rfc3261_13_3_1_4_an_answer_without_ack_ends_the_call() {
    check(
        two(ringing_for(1000)),
        "
         0s | a calls b | b Ringing a, a Progress(180)
        .9s | cut a     | b Established, b sends
        33s | -         | b Ended(Lost)
        90s | -         |
        ",
    );
}

#[test]
fn rfc3261_15_no_bye_before_the_ack_to_our_200() {
    let mut it = two(ringing_for(1000));
    it.run_script(
        "
         0s | a calls b  | b Ringing a, a Progress(180)
        .9s | cut a      | b Established, b sends
         2s | b hangs up | b Ended(HungUp)
        ",
    );
    assert!(!it.sent("b").iter().any(|it| it.starts_with("BYE")), "the 200 has no ACK yet");
    it.command("mend a");
    it.run_until(6000);
    assert_eq!(it.told(), "a Established, a sends, a Ended(PeerHungUp)");
    // Without any ACK it comes when the 200 is given up (RFC 3261 s13.3.1.4).
    let mut it = two(ringing_for(1000));
    it.run_script(
        "
         0s | a calls b  | b Ringing a, a Progress(180)
        .9s | cut a      | b Established, b sends
         2s | b hangs up | b Ended(HungUp)
        90s | -          |
        ",
    );
    assert!(it.sent("b").iter().any(|it| it.starts_with("BYE")), "the 200 has been given up");
}

#[test]
fn rfc3261_12_2_1_2_a_peer_that_is_gone_ends_the_call() {
    check(
        two(ringing_for(0)),
        "
         0s | a calls b | b Ringing a, b Established, b sends, a Established, a sends
         1s | cut b     |
         2s | a holds   |
        33s | -         | a Ended(Lost)
        90s | -         |
        ",
    );
}

#[test]
fn rfc5373_phones_answer_by_themselves_when_asked_to() {
    for (field, auto) in [
        ("Answer-Mode: Auto", true),
        ("Answer-Mode: Manual", false),
        ("Call-Info: <sip:x>;answer-after=0", true),
        ("Alert-Info: <http://x>; info=alert-autoanswer", true),
        ("Alert-Info: <http://x>", false),
    ] {
        let mut it = two(Behaviour::with(Answering::Never));
        it.raw("a", "b", &world::invite(field, Some(world::OFFER)));
        it.run_until(1000);
        let wanted = if auto { "b Ringing x auto, b Established, b sends" } else { "b Ringing x" };
        assert_eq!(it.told(), wanted, "{field}");
    }
    let mut it = two(Behaviour { auto_answer: false, ..Behaviour::with(Answering::Never) });
    it.raw("a", "b", &world::invite("Answer-Mode: Auto", Some(world::OFFER)));
    it.run_until(1000);
    assert_eq!(it.told(), "b Ringing x auto");
}

#[test]
fn rfc3261_13_3_what_cannot_be_answered_is_refused() {
    for (offer, code) in [
        ("v=0\r\n", "SIP/2.0 488"),
        (&world::OFFER.replace("RTP/AVP 0", "RTP/AVP 18"), "SIP/2.0 488"),
        (&world::OFFER.replace("RTP/AVP 0", "RTP/SAVP 0"), "SIP/2.0 488"),
    ] {
        let mut it = two(ringing_for(0));
        it.raw("a", "b", &world::invite("Subject: x", Some(offer)));
        it.run_until(1000);
        assert_eq!(it.told(), "");
        assert!(it.sent("b").iter().any(|it| it.starts_with(code)), "{offer}: {:?}", it.sent("b"));
    }
}

#[test]
fn rfc3264_5_an_invite_without_offer_is_answered_with_one() {
    let mut it = two(ringing_for(0));
    it.raw("a", "b", &world::invite("Subject: x", None));
    it.run_until(100);
    assert_eq!(it.told(), "b Ringing x, b Established");
    let answer = it.sent("b").iter().find(|it| it.starts_with("SIP/2.0 200")).expect("an answer").clone();
    assert!(answer.contains("m=audio 4002 RTP/AVP 0 8 101"), "{answer}");
    it.raw("a", "b", &world::ack_to(&answer, world::OFFER));
    it.run_until(200);
    assert_eq!(it.told(), "b sends");
}

#[test]
fn rfc3261_12_2_2_requests_of_unknown_dialogs_are_refused() {
    let mut it = two(ringing_for(0));
    let stray = world::invite("Subject: x", None).replace("To: <sip:b@undertone.local>", "To: <sip:b@h>;tag=nobody");
    it.raw("a", "b", &stray);
    it.raw("a", "b", &stray.replace("INVITE", "BYE").replace("z9hG4bK1", "z9hG4bK2"));
    it.run_until(100);
    assert_eq!(it.sent("b").iter().filter(|it| it.starts_with("SIP/2.0 481")).count(), 2, "{:?}", it.sent("b"));
    it.raw("a", "b", &world::invite("Subject: x", None).replace("INVITE", "OPTIONS").replace("z9hG4bK1", "z9hG4bK3"));
    it.run_until(200);
    assert!(it.sent("b").iter().any(|it| it.starts_with("SIP/2.0 200")));
}

#[test]
fn on_a_bad_wire_every_call_comes_to_an_end_on_both_sides() {
    for seed in 0..200 {
        let mut it = two(ringing_for(300));
        it.lose_at_random(seed, 20);
        for (ms, command) in [(0, "a calls b"), (1500, "a holds"), (1600, "b holds"), (4000, "a retrieves")] {
            it.at(ms);
            it.command(command);
        }
        it.at(9000 + 10 * seed);
        it.command(if seed % 2 == 0 { "a hangs up" } else { "b hangs up" });
        it.run_until(200_000);
        // A side whose BYE was lost for good may stay, but then it never heard of it; a repeated try ends it.
        for name in ["a", "b"] {
            it.command(&format!("{name} holds"));
        }
        it.run_until(400_000);
        for name in ["a", "b"] {
            it.command(&format!("{name} retrieves"));
        }
        it.run_until(600_000);
        assert!(!it.is_busy("a") && !it.is_busy("b"), "seed {seed}: {}", it.told());
    }
}

#[test]
fn the_same_seed_and_inputs_give_the_same_messages() {
    let run = || {
        let mut it = two(ringing_for(300));
        it.lose_at_random(7, 20);
        it.command("a calls b");
        it.run_until(60_000);
        it.sent("a").to_vec()
    };
    assert_eq!(run(), run());
}

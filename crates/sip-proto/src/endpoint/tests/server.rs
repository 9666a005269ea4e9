//! Requests that come in.

use super::*;

#[test]
fn rfc3261_17_2_1_invite_refused() {
    check(
        "
        0s   | < INVITE           | request INVITE
        0.1s | < INVITE           |
        0.2s | wait               | > 100 INVITE
        0.3s | < INVITE           | > 100 INVITE
        1s   | respond 180        | > 180 INVITE
        1.1s | < INVITE           | > 180 INVITE
        2s   | respond 486        | > 486 INVITE
        2.1s | < INVITE           | > 486 INVITE
        2.6s | respond 200        | > 486 INVITE
        2.7s | < ACK              |
        2.8s | < ACK              |
        9s   | respond 200        |
    ",
    );
}

#[test]
fn rfc3261_17_2_1_a_refusal_without_ack_is_repeated_for_64_t1() {
    check(
        "
        0s   | < INVITE    | request INVITE
        0s   | respond 404 | > 404 INVITE
        0.5s | wait        | > 404 INVITE
        1.5s | wait        | > 404 INVITE
        3.5s | wait        | > 404 INVITE
        31.9s| wait        | > 404 INVITE x7
        33s  | wait        |
    ",
    );
}

#[test]
fn rfc6026_7_1_an_accepted_invite_absorbs_its_repetitions() {
    check(
        "
        0s   | < INVITE           | request INVITE
        0.1s | respond 200        | > 200 INVITE
        0.2s | < INVITE           |
        0.6s | wait               | > 200 INVITE
        0.7s | < ACK branch=other totag=a |
        1.6s | wait               | > 200 INVITE
        2s   | respond 200        |
        33s  | wait               | > 200 INVITE x8, unacknowledged
    ",
    );
}

#[test]
fn rfc3261_17_2_2_other_requests() {
    check(
        "
        0s   | < BYE totag=x | request BYE
        0.1s | < BYE totag=x |
        0.2s | respond 200   | > 200 BYE
        0.3s | < BYE totag=x | > 200 BYE
        0.4s | respond 500   |
        32.3s| < BYE totag=x | request BYE
        33s  | respond 481   | > 481 BYE
    ",
    );
}

#[test]
fn rfc3261_9_2_cancel() {
    check(
        "
        0s   | < CANCEL      | > 481 CANCEL
        1s   | < INVITE call=2| request INVITE
        1.1s | < CANCEL call=2| > 200 CANCEL, cancelled
        1.15s | < CANCEL call=2| > 200 CANCEL
        1.17s| respond 487   | > 487 INVITE
        1.4s | < ACK call=2  |
        2s   | < INVITE call=3| request INVITE
        2.1s | respond 486   | > 486 INVITE
        2.2s | < CANCEL call=3| > 200 CANCEL
        2.3s | < ACK call=3  |
    ",
    );
}

#[test]
fn rfc3261_18_2_2_and_rfc3581_where_responses_go() {
    check(
        "
        0s | < BYE call=1 totag=x                       | request BYE
        0s | respond 200                                | > 200 BYE
        0s | < BYE call=2 totag=x rport                 | request BYE
        0s | respond 200                                | > 200 BYE to 5066
        0s | < BYE call=3 totag=x via=192.168.1.7:7000  | request BYE
        0s | respond 200                                | > 200 BYE to 7000
        0s | < BYE call=4 totag=x via=phone.example     | request BYE
        0s | respond 200                                | > 200 BYE
    ",
    );
}

#[test]
fn rfc3581_4_received_and_rport_are_what_the_socket_saw() {
    let mut endpoint = Endpoint::new(Config::new("10.0.0.100:5060", ""), 1);
    let text = incoming("BYE", &["totag=x"])
        .replace(";branch=z9hG4bK1", " ; rport ;branch=z9hG4bK1;received=6.6.6.6, SIP/2.0/TCP far;branch=z9hG4bK2");
    let mut out = Vec::new();
    let from = Flow::udp(([10, 0, 0, 1], 5066).into());
    endpoint.handle(Input::Received { bytes: text.as_bytes(), from }, START, &mut out);
    let [Output::Request { request, .. }] = out.as_slice() else { panic!("{out:?}") };
    assert_eq!(
        request.text(&HeaderName::Via).as_deref(),
        Some("SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;received=10.0.0.1;rport=5066, SIP/2.0/TCP far;branch=z9hG4bK2")
    );
}

#[test]
fn rfc3261_8_2_1_methods_that_are_not_taken() {
    check(
        "
        0s | < MESSAGE call=1 | > 405 MESSAGE Allow=INVITE,ACK,CANCEL,BYE,OPTIONS
        0s | < FROBNICATE call=2 | > 501 FROBNICATE Allow=INVITE,ACK,CANCEL,BYE,OPTIONS
        0s | < ACK call=3     |
    ",
    );
}

#[test]
fn rfc3261_8_2_2_3_an_extension_that_is_demanded() {
    check(
        "
        0s | < INVITE require=100rel,frob   | > 420 INVITE Unsupported=100rel,frob
        0.1s | < ACK                        |
    ",
    );
}

#[test]
fn rfc3261_11_2_options_outside_a_dialog() {
    check(
        "
        0s | < OPTIONS call=1          | > 200 OPTIONS Allow=INVITE,ACK,CANCEL,BYE,OPTIONS
        0s | < OPTIONS call=2 totag=x  | request OPTIONS
        0s | respond 481               | > 481 OPTIONS
    ",
    );
}

#[test]
fn rfc3261_16_3_a_request_that_has_been_here() {
    check(
        "
        0s   | < INVITE call=1 passed=10.9.9.9;branch=z9hG4bKa,10.0.0.100:5060;branch=z9hG4bKb | > 482 INVITE
        0.1s | < ACK call=1            |
        1s   | < INVITE call=2 passed=10.0.0.100;branch=z9hG4bKb | > 482 INVITE
        1.1s | < ACK call=2            |
        2s   | < MESSAGE call=3 passed=10.0.0.100:5060;branch=z9hG4bKb | > 482 MESSAGE
        3s   | < INVITE call=4 passed=10.0.0.100:5061;branch=z9hG4bKb | request INVITE
        3.1s | respond 486             | > 486 INVITE
        3.1s | < ACK call=4            |
        4s   | < INVITE call=5 totag=x passed=10.0.0.100:5060;branch=z9hG4bKb | request INVITE
        4.1s | respond 481             | > 481 INVITE
        4.1s | < ACK call=5            |
    ",
    );
}

#[test]
fn rfc5393_4_1_a_spiral_is_no_loop() {
    let mut world = World::new(Config::new("10.0.0.100:5060", "Undertone"));
    world.happen("send INVITE");
    let via = world.ours[0].text(&HeaderName::Via).expect("every request has one");
    let via = via.trim_start_matches("SIP/2.0/UDP ");
    world.happen(&format!("< INVITE call=back passed={via} uri={}", world.ours[0].uri));
    world.happen(&format!("< INVITE call=other passed={via} uri=sip:elsewhere@d"));
    assert_eq!(world.seen, ["> INVITE", "> 482 INVITE", "request INVITE"]);
}

#[test]
fn rfc3261_8_2_2_2_a_merged_request() {
    check(
        "
        0s   | < INVITE proxied branch=1 | request INVITE
        0.1s | < INVITE proxied branch=2 | > 482 INVITE
        0.15s | < ACK branch=2           |
        0.2s | wait                      | > 100 INVITE
        0.3s | < INVITE proxied branch=3 totag=x | request INVITE
        0.4s | respond 481               | > 481 INVITE
        0.5s | < ACK branch=3            |
        1s   | respond 486 1             | > 486 INVITE
        1.1s | < ACK branch=1            |
    ",
    );
}

#[test]
fn requests_that_are_not_valid() {
    check(
        "
        0s | < INVITE call=1 cseqmethod=BYE | > 400 BYE
        0s | < BYE call=2 version=7.0       | > 505 BYE
        0s | < BYE call=3 nofrom            |
        0s | < ACK call=4 cseqmethod=BYE    |
        0s | < BYE call=5 nohops totag=x    | request BYE
        0s | respond 200                    | > 200 BYE
    ",
    );
}

#[test]
fn rfc3261_17_2_3_a_peer_of_rfc_2543() {
    check(
        "
        0s   | < INVITE old | request INVITE
        0.1s | < INVITE old |
        0.2s | respond 200  | > 100 INVITE, > 200 INVITE
        33s  | wait         | > 200 INVITE x10, unacknowledged
    ",
    );
}

#[test]
fn rfc3261_21_5_4_full_but_with_room_for_dialogs() {
    let mut config = Config::new("10.0.0.100:5060", "Undertone");
    config.transactions_max = 10;
    let mut script = String::new();
    for call in 0..9 {
        script += &format!("0s | < INVITE call={call} | request INVITE\n");
    }
    script += "0s | < INVITE call=10        | > 503 INVITE Retry-After=5
        0s | < INVITE call=10        | > 503 INVITE Retry-After=5
        0s | < CANCEL call=1         | > 200 CANCEL, cancelled
        0s | < BYE call=12 totag=x   | > 503 BYE Retry-After=5
        0s | send INVITE             | full\n";
    for call in 1..10 {
        script += &format!("0.1s | respond 486 {call} | > 486 INVITE\n0.1s | < ACK call={} |\n", call - 1);
    }
    check_with(config, &script);
}

#[test]
fn a_flood_costs_nothing_but_its_senders_share() {
    let mut config = Config::new("10.0.0.100:5060", "Undertone");
    config.rates.stranger = crate::shedding::Rate { per_second: 1, burst: 2 };
    check_with(
        config,
        "
        0s   | < INVITE call=1               | request INVITE
        0s   | respond 180                   | > 180 INVITE
        0s   | send INVITE                   | > INVITE
        0s   | < REGISTER call=2             | > 405 REGISTER Allow=INVITE,ACK,CANCEL,BYE,OPTIONS
        0s   | < REGISTER call=2             | > 405 REGISTER Allow=INVITE,ACK,CANCEL,BYE,OPTIONS
        0s   | < INVITE call=3               | > 503 INVITE Retry-After=5
        0s   | < OPTIONS call=4              | > 503 OPTIONS Retry-After=5
        0s   | < INVITE call=5               |
        0s   | < OPTIONS call=6              |
        0s   | < CANCEL call=7               |
        0.1s | < INVITE call=1 totag=x cseq=2 branch=b | request INVITE
        0.1s | respond 200                   | > 200 INVITE
        0.1s | < ACK call=1 totag=x cseq=2 branch=e | acked
        0.1s | < INFO call=1 totag=x cseq=3 branch=c |
        0.1s | < CANCEL call=1               | > 200 CANCEL, cancelled
        0.1s | respond 487 1                 | > 487 INVITE
        0.1s | < ACK call=1                  |
        0.1s | < 200                         | response 200
        0.1s | < BYE call=1 totag=x cseq=4 branch=d | request BYE
        0.1s | respond 200                   | > 200 BYE
        5s   | < INVITE call=8               | request INVITE
        5s   | respond 486                   | > 486 INVITE
        5s   | < ACK call=8                  |
    ",
    );
}

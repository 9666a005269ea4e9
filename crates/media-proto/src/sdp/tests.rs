//! Offer/answer by section of RFC 3264.

use super::*;

const OFFER: &str = "v=0\r\no=alice 2890844526 2890844527 IN IP4 192.0.2.10\r\ns=A call\r\nc=IN IP4 192.0.2.10\r\n\
    t=0 0\r\nm=audio 49170 RTP/AVP 8 0 18 97\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\na=ptime:20\r\na=sendrecv\r\n";

fn author() -> Author {
    Author::new("127.0.0.1".parse().expect("an address"), 20_000, 7)
}

fn with_audio(lines: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{lines}")
}

fn parse(text: &str) -> Description {
    Description::parse(text).expect("a usable description")
}

#[track_caller]
fn refused_because(text: &str, why: &NotAcceptable) {
    assert_eq!(Description::parse(text).as_ref(), Err(why), "{text}");
}

/// One case a line: offered direction | wanted | answered.
#[track_caller]
fn check_directions(table: &str) {
    for line in table.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let offer = parse(&with_audio(&format!("m=audio 4000 RTP/AVP 0\r\na={}\r\n", cells[0])));
        let wanted = Direction::parse(cells[1]).expect("a direction");
        let answer = author().answer(&offer, None, wanted).expect("an answer");
        assert_eq!(answer.direction.as_str(), cells[2], "{line}");
        assert!(answer.text.contains(&format!("a={}\r\n", cells[2])), "{line}: {}", answer.text);
    }
}

#[test]
fn rfc8866_an_offer_is_read() {
    let it = parse(OFFER);
    assert_eq!(it.rtp, "192.0.2.10:49170".parse().expect("an address"));
    assert_eq!(it.rtcp, "192.0.2.10:49171".parse().expect("an address"));
    assert_eq!(it.codecs, [(Codec::Pcma, 8), (Codec::Pcmu, 0)]);
    assert_eq!(it.telephone_event, Some(97));
    assert_eq!(it.direction, Direction::SendRecv);
    assert_eq!((it.ptime_ms, it.session_id, it.version), (Some(20), 2_890_844_526, 2_890_844_527));
    assert!(!it.holds());
}

#[test]
fn rfc8866_5_7_the_streams_own_connection_address_wins() {
    let it = parse(&with_audio("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 198.51.100.7\r\n"));
    assert_eq!(it.rtp, "198.51.100.7:4000".parse().expect("an address"));
}

#[test]
fn rfc8866_5_7_ip6_is_understood_and_answered_in_kind() {
    let text = "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    assert_eq!(parse(text).rtp, "[2001:db8::1]:4000".parse().expect("an address"));
    let offer = Author::new("::1".parse().expect("an address"), 9, 1).offer(&Codec::ALL, Direction::SendRecv);
    assert!(offer.contains("c=IN IP6 ::1\r\n"), "{offer}");
}

#[test]
fn rfc8866_5_7_host_names_and_groups_are_refused_by_name() {
    refused_because(
        &with_audio("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 phone.example.com\r\n"),
        &NotAcceptable::HostName("phone.example.com".into()),
    );
    refused_because(
        &with_audio("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127\r\n"),
        &NotAcceptable::BadAddress(IpAddr::from([224, 2, 1, 1])),
    );
    refused_because(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",
        &NotAcceptable::NoAddress,
    );
}

#[test]
fn rfc8866_6_7_a_direction_at_session_level_counts() {
    let text = OFFER.replace("a=sendrecv\r\n", "").replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
    assert_eq!(parse(&text).direction, Direction::SendOnly);
}

#[test]
fn rfc3605_the_rtcp_attribute_is_used() {
    let it = parse(&with_audio("m=audio 4000 RTP/AVP 0\r\na=rtcp:5003\r\n"));
    assert_eq!(it.rtcp, "192.0.2.1:5003".parse().expect("an address"));
    let it = parse(&with_audio("m=audio 4000 RTP/AVP 0\r\na=rtcp:5003 IN IP4 192.0.2.9\r\n"));
    assert_eq!(it.rtcp, "192.0.2.9:5003".parse().expect("an address"));
    let it = parse(&with_audio("m=audio 4000 RTP/AVP 0\r\na=rtcp:nonsense\r\n"));
    assert_eq!(it.rtcp, "192.0.2.1:4001".parse().expect("an address"));
}

#[test]
fn rfc3551_payload_types_mean_what_their_rtpmap_says() {
    // 0 is taken for something else, PCMU has a dynamic number and odd capitals.
    let it = parse(&with_audio("m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:0 G722/8000\r\na=rtpmap:96 pcmu/8000/1\r\n"));
    assert_eq!(it.codecs, [(Codec::Pcmu, 96)]);
    refused_because(
        &with_audio("m=audio 4000 RTP/AVP 96 200\r\na=rtpmap:96 PCMU/16000\r\n"),
        &NotAcceptable::NoCommonCodec,
    );
}

#[test]
fn rfc3264_6_what_cannot_be_answered_says_why() {
    refused_because(&with_audio("m=video 4000 RTP/AVP 31\r\n"), &NotAcceptable::NoAudio);
    refused_because(&with_audio("m=audio 0 RTP/AVP 0\r\n"), &NotAcceptable::PortZero);
    refused_because(&with_audio("m=audio 4000 RTP/AVP 18\r\n"), &NotAcceptable::NoCommonCodec);
    refused_because(&with_audio("m=audio 4000 RTP/SAVP 0\r\n"), &NotAcceptable::Transport("RTP/SAVP".into()));
    for text in ["", "v=0\r\n", "hello", "v=0\r\no=- x y IN IP4 1.2.3.4\r\n", &"v=0\r\n".repeat(10_000)] {
        let malformed = matches!(Description::parse(text), Err(NotAcceptable::Malformed(_)));
        assert!(malformed, "{text:.20}");
    }
    let many = with_audio(&"m=audio 4000 RTP/AVP 0\r\n".repeat(17));
    assert!(matches!(Description::parse(&many), Err(NotAcceptable::Malformed(_))));
}

#[test]
fn rfc3264_6_an_answer_has_the_streams_of_the_offer_in_its_order() {
    let offer = parse(&with_audio(
        "m=video 5000 RTP/AVP 31 32\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0\r\nm=audio 4004 RTP/AVP 0\r\n",
    ));
    assert_eq!(offer.rtp.port(), 4002);
    let text = author().answer(&offer, None, Direction::SendRecv).expect("an answer").text;
    let lines: Vec<_> = text.lines().filter(|it| it.starts_with("m=")).collect();
    let wanted = ["m=video 0 RTP/AVP 31", "m=audio 0 RTP/SAVP 0", "m=audio 20000 RTP/AVP 0", "m=audio 0 RTP/AVP 0"];
    assert_eq!(lines, wanted);
}

#[test]
fn rfc3264_6_1_an_answer_keeps_the_payload_types_of_the_offer() {
    let answer = author().answer(&parse(OFFER), None, Direction::SendRecv).expect("an answer");
    assert_eq!((answer.codec, answer.payload_type, answer.telephone_event), (Codec::Pcma, 8, Some(97)));
    assert_eq!(
        answer.text,
        "v=0\r\no=- 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 97\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let no_events = parse(&with_audio("m=audio 4000 RTP/AVP 0\r\n"));
    let answer = author().answer(&no_events, None, Direction::SendRecv).expect("an answer");
    assert!(answer.telephone_event.is_none() && !answer.text.contains("telephone-event"));
}

#[test]
fn rfc3264_6_1_the_preferred_codec_is_taken_if_offered() {
    let answer = author().answer(&parse(OFFER), Some(Codec::Pcmu), Direction::SendRecv).expect("an answer");
    assert_eq!((answer.codec, answer.payload_type), (Codec::Pcmu, 0));
    let only_a = parse(&with_audio("m=audio 4000 RTP/AVP 8\r\n"));
    let answer = author().answer(&only_a, Some(Codec::Pcmu), Direction::SendRecv).expect("an answer");
    assert_eq!(answer.codec, Codec::Pcma);
}

#[test]
fn rfc3264_6_1_directions() {
    check_directions(
        "
        sendrecv | sendrecv | sendrecv
        sendrecv | sendonly | sendonly
        sendonly | sendrecv | recvonly
        sendonly | sendonly | inactive
        recvonly | sendrecv | sendonly
        inactive | sendrecv | inactive
        ",
    );
}

#[test]
fn rfc3264_8_4_hold_is_understood_in_all_its_forms() {
    for (line, holds) in [
        ("a=sendonly", true),
        ("a=inactive", true),
        ("c=IN IP4 0.0.0.0", true),
        ("a=recvonly", false),
        ("b=AS:64", false),
    ] {
        let it = parse(&with_audio(&format!("m=audio 4000 RTP/AVP 0\r\n{line}\r\n")));
        assert_eq!(it.holds(), holds, "{line}");
    }
    let old = parse(&with_audio("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n"));
    let answer = author().answer(&old, None, Direction::SendRecv).expect("an answer");
    assert_eq!(answer.direction, Direction::RecvOnly);
}

#[test]
fn rfc3264_5_an_offer_lists_codecs_in_order() {
    let text = author().offer(&[Codec::Pcma, Codec::Pcmu], Direction::SendOnly);
    assert_eq!(
        text,
        "v=0\r\no=- 7 7 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n\
         a=ptime:20\r\na=sendonly\r\n"
    );
}

#[test]
fn rfc3264_8_the_version_rises_only_with_a_change() {
    let mut it = author();
    let first = it.offer(&Codec::ALL, Direction::SendRecv);
    assert_eq!(it.offer(&Codec::ALL, Direction::SendRecv), first);
    let held = it.offer(&Codec::ALL, Direction::SendOnly);
    assert!(held.contains("o=- 7 8 IN IP4"), "{held}");
    let answer = it.answer(&parse(OFFER), None, Direction::SendRecv).expect("an answer");
    assert!(answer.text.contains("o=- 7 9 IN IP4"), "{}", answer.text);
    it.move_to("127.0.0.2".parse().expect("an address"), 30_000);
    let moved = it.offer(&Codec::ALL, Direction::SendRecv);
    assert!(moved.contains("o=- 7 10 IN IP4 127.0.0.2") && moved.contains("m=audio 30000"), "{moved}");
}

#[test]
fn rfc3264_8_a_later_offer_keeps_refused_streams_and_payload_types() {
    let mut it = author();
    let offer = parse(&with_audio(
        "m=video 5000 RTP/AVP 31\r\nm=audio 4002 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n",
    ));
    it.answer(&offer, None, Direction::SendRecv).expect("an answer");
    let again = it.offer(&Codec::ALL, Direction::SendRecv);
    let lines: Vec<_> = again.lines().filter(|it| it.starts_with("m=")).collect();
    assert_eq!(lines, ["m=video 0 RTP/AVP 31", "m=audio 20000 RTP/AVP 0 8 96"]);
}

#[test]
fn rfc3264_7_our_own_descriptions_are_understood() {
    let offer = parse(&author().offer(&Codec::ALL, Direction::SendRecv));
    assert_eq!(offer.codecs, [(Codec::Pcmu, 0), (Codec::Pcma, 8)]);
    let answer = Author::new("127.0.0.9".parse().expect("an address"), 5000, 1)
        .answer(&offer, Some(Codec::Pcma), Direction::SendRecv)
        .expect("an answer");
    let read = parse(&answer.text);
    assert_eq!((read.rtp.port(), read.codecs, read.telephone_event), (5000, vec![(Codec::Pcma, 8)], Some(101)));
}

/// The body of a torture message, which `sip-proto` keeps.
fn torture(name: &str) -> String {
    let path = format!("{}/../sip-proto/src/endpoint/tests/rfc5118/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    let message = std::fs::read_to_string(path).expect("the message is there");
    message.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

#[test]
fn rfc5118_4_6_ip6_addresses() {
    let text = torture("ipv6-in-sdp");
    refused_because(&text, &NotAcceptable::NoCommonCodec);
    let it = parse(&text.replace("RTP/AVP 2", "RTP/AVP 2 0"));
    assert_eq!(it.rtp, "[2001:db8::20]:6000".parse().expect("an address"));
}

#[test]
fn rfc5118_4_8_each_stream_has_an_address_of_its_own() {
    let it = parse(&torture("mult-ip-in-sdp"));
    assert_eq!(it.rtp, "192.0.2.1:22334".parse().expect("an address"));
    let answer = author().answer(&it, None, Direction::SendRecv).expect("an answer");
    assert!(answer.text.contains("m=audio 20000 RTP/AVP 0\r\n"), "{}", answer.text);
    assert!(answer.text.contains("m=video 0 RTP/AVP 107\r\n"), "{}", answer.text);
}

#[test]
fn rfc5118_4_9_a_mapped_address_is_an_ip4_peers() {
    let text = torture("ipv4-mapped-ipv6");
    refused_because(&text, &NotAcceptable::NoCommonCodec);
    let it = parse(&text.replace("RTP/AVP 2", "RTP/AVP 2 0\r\na=rtcp:6010 IN IP6 ::ffff:192.0.2.3"));
    assert_eq!(it.rtp, "192.0.2.2:6000".parse().expect("an address"));
    assert_eq!(it.rtcp, "192.0.2.3:6010".parse().expect("an address"));
    refused_because(
        &text.replace("::ffff:192.0.2.2", "::ffff:224.0.0.1"),
        &NotAcceptable::BadAddress("224.0.0.1".parse().expect("an address")),
    );
}

//! What is kept of a message, and above all what is not.

use super::*;

const PEER: &str = "127.0.0.1:5080";

fn kept(message: &str) -> String {
    let bytes = message.replace('\n', "\r\n");
    let mut text = Vec::new();
    Message::read(bytes.as_bytes()).unwrap().write(Flow::udp(PEER.parse().unwrap()), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn headers_by_name_and_a_summary_of_the_description() {
    let text = kept(
        "INVITE sip:5001@u SIP/2.0\nv: SIP/2.0/UDP a;branch=1\nVia: SIP/2.0/UDP b\nf: <sip:0151@a>;tag=1\nTo:  <sip:5001@u>\n\
         i: x@a\nCSeq: 1 INVITE\nX-Secret: 42\nc: application/sdp\n\n\
         v=0\nc=IN IP4 10.0.0.1\nm=audio 4000 RTP/SAVP 0 101\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\na=sendonly\n",
    );
    assert_eq!(
        text,
        "UDP/127.0.0.1:5080\nINVITE sip:5001@u SIP/2.0\nVia: SIP/2.0/UDP a;branch=1\nFrom: <sip:0151@a>;tag=1\nTo: <sip:5001@u>\n\
         Call-ID: x@a\nCSeq: 1 INVITE\nContent-Type: application/sdp\n\
         Body: SDP at 10.0.0.1, audio 4000 RTP/SAVP 0 101 sendonly, keys left out"
    );
}

#[test]
fn no_secret_is_kept() {
    let text = kept(
        "INVITE sip:5001:hunter2@u SIP/2.0\nCall-ID: x\nCSeq: 1 INVITE\nContact: \"A\" <sips:a:hunter2@b:5061;transport=tcp>, <sip:c@d>\n\
         From: <sip:b@10.0.0.1:5060>\nauthorization: Digest username=\"5001\", response=\"hunter2\"\nProxy-Authorization: hunter2\n\
         WWW-Authenticate: Digest nonce=\"hunter2\"\nContent-Type: text/plain\n\nhunter2",
    );
    assert!(!text.contains("hunter2"), "{text}");
    for line in [
        "INVITE sip:5001:…@u SIP/2.0",
        "Contact: \"A\" <sips:a:…@b:5061;transport=tcp>, <sip:c@d>",
        "From: <sip:b@10.0.0.1:5060>",
        "Authorization: (left out)",
        "WWW-Authenticate: (left out)",
        "Body: 7 octets",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {text}");
    }
}

#[test]
fn peers_are_shown_as_flows_show_themselves() {
    for peer in ["0.10.255.1:9", "192.168.0.100:65535", "1.2.3.4:0", "[2001:db8::1]:5060"] {
        for flow in [Flow::udp(peer.parse().unwrap()), Flow::tcp(peer.parse().unwrap())] {
            let mut text = Vec::new();
            push_flow(&mut text, flow);
            assert_eq!(String::from_utf8(text).unwrap(), flow.to_string());
        }
    }
}

#[test]
fn long_values_are_cut_and_noise_is_no_message() {
    let text = kept(&format!("SIP/2.0 200 {}\nCall-ID: x\n\n", "é".repeat(1000)));
    assert!(text.len() < 450 && text.contains('…'), "{text}");
    for noise in [&b"\r\n\r\n"[..], b"HELLO there, how are you?\r\n", b"\x00\x01\xff\xfe................"] {
        assert!(Message::read(noise).is_none());
    }
    let broken = Message::read(b"BYE sip:\xff SIP/2.0\r\nCall-ID").unwrap();
    assert_eq!((broken.call_id(), broken.method(), broken.is_request()), (None, None, true));
}

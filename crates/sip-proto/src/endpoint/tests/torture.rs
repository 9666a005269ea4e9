//! The torture messages of RFC 4475 and RFC 5118, and random damage to them.
//!
//! Those of RFC 4475 are its appendix A octet by octet. The archive of RFC 5118 has lost the CR of every line, the last line
//! of two heads and the space of one empty `s=`, and states a Content-Length (`ipv6-in-sdp`) that no line ends lead to:
//! this much is mended.

use std::{fs, path::PathBuf};

use rand_chacha::rand_core::Rng;

use super::*;
use crate::shedding::Rate;

/// What becomes of each: `request` and `response` reach the user agent, `> 400` is what we answer ourselves, `-` is dropped.
/// For those that the RFC calls invalid, every outcome but "reaches the user agent" is right.
const RFC4475: &str = "
badaspec: > 400
badbranch: > 200
baddate: request INVITE
baddn: -
badinv01: -
badvers: > 505
bcast: -
bext01: > 420
bigcode: -
clerr: > 400
cparam01: request REGISTER
cparam02: request REGISTER
dblreq: request REGISTER
esc01: request INVITE
esc02: > 501
escnull: request REGISTER
escruri: > 400
insuf: -
intmeth: > 501
inv2543: request INVITE
invut: request INVITE
longreq: request INVITE
ltgtruri: > 400
lwsdisp: > 200
lwsruri: > 400
lwsstart: > 400
mcl01: > 400
mismatch01: > 400
mismatch02: > 400
mpart01: > 405
multi01: > 400
ncl: > 400
noreason: -
novelsc: > 416
quotbal: > 400
regaut01: request REGISTER
regbadct: request REGISTER
regescrt: request REGISTER
scalar02: > 400
scalarlg: -
sdp01: request INVITE
semiuri: > 200
test: -
transports: > 200
trws: > 400
unkscm: > 416
unksm2: request REGISTER
unreason: -
wsinv: request INVITE
zeromf: > 200
";

/// The RFC wants 400 for `ipv6-bad` alone; a third colon and brackets around `received` are to be borne.
const RFC5118: &str = "
ipv4-mapped-ipv6: request INVITE
ipv6-bad: > 400
ipv6-bug-abnf-3-colons: > 200
ipv6-correct-abnf-2-colons: > 200
ipv6-good: request REGISTER
ipv6-in-sdp: request INVITE
mult-ip-in-header: request BYE
mult-ip-in-sdp: request INVITE
port-ambiguous: request REGISTER
port-unambiguous: request REGISTER
via-received-param-no-delim: > 200
via-received-param-with-delim: request BYE
";

fn messages(rfc: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/endpoint/tests").join(rfc);
    let entries = fs::read_dir(folder).expect("the messages are there").flatten().map(|it| it.path());
    let mut found: Vec<_> = entries
        .filter(|it| it.extension().is_some_and(|it| it == "dat"))
        .map(|it| {
            let name = it.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read(it).expect("it can be read"))
        })
        .collect();
    found.sort();
    found
}

fn outcome(endpoint: &mut Endpoint, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    let from = Flow::udp(([10, 0, 0, 1], 5066).into());
    endpoint.handle(Input::Received { bytes, from }, START, &mut out);
    let shown = out.iter().map(|it| match it {
        Output::Request { request, .. } => format!("request {}", request.method),
        Output::Response { .. } => "response".to_owned(),
        Output::Transmit { bytes, .. } => {
            let line = bytes.split(|it| *it == b'\r').next().unwrap_or_default();
            format!("> {}", String::from_utf8_lossy(line).split(' ').nth(1).unwrap_or_default())
        }
        other => format!("{other:?}"),
    });
    let shown = shown.collect::<Vec<_>>().join(", ");
    if shown.is_empty() { "-".to_owned() } else { shown }
}

/// What becomes of each message, each before an endpoint of its own and all of them before one.
#[track_caller]
fn check(rfc: &str, outcomes: &str) {
    let mut config = Config::new("10.0.0.100:5060", "Undertone");
    config.allow.push(Method::Register);
    let messages = messages(rfc);
    let seen: String = messages
        .iter()
        .map(|(name, bytes)| format!("{name}: {}\n", outcome(&mut Endpoint::new(config.clone(), 1), bytes)))
        .collect();
    assert_eq!(seen.trim(), outcomes.trim());
    let mut endpoint = Endpoint::new(config, 1);
    for (_, bytes) in &messages {
        outcome(&mut endpoint, bytes);
    }
    let ping =
        b"OPTIONS sip:10.0.0.100 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKping\r\nMax-Forwards: 70\r\n\
        From: <sip:a@10.0.0.1>;tag=1\r\nTo: <sip:10.0.0.100>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\n\r\n";
    assert_eq!(outcome(&mut endpoint, ping), "> 200", "the endpoint is well afterwards");
}

#[test]
fn rfc4475_3() {
    check("rfc4475", RFC4475);
}

#[test]
fn rfc5118_4() {
    check("rfc5118", RFC5118);
}

#[test]
fn damaged_messages_do_no_harm() {
    let mut config = Config::new("10.0.0.100:5060", "Undertone");
    let endless = Rate { per_second: 1_000_000, burst: 1_000_000 };
    config.rates = Rates { stranger: endless, strangers: endless, known: endless };
    let mut endpoint = Endpoint::new(config, 1);
    let mut random = ChaCha8Rng::seed_from_u64(4475);
    let messages = [messages("rfc4475"), messages("rfc5118")].concat();
    let mut pick = |below: usize| usize::try_from(random.next_u64()).unwrap_or(0) % below.max(1);
    for _ in 0..20_000 {
        let mut bytes = messages[pick(messages.len())].1.clone();
        for _ in 0..=pick(4) {
            let at = pick(bytes.len());
            match pick(4) {
                0 => bytes.truncate(at),
                1 => bytes[at..].reverse(),
                2 => bytes.insert(at, b"\r\n;,<>\"=:@\0 "[pick(12)]),
                _ => bytes[at] = u8::try_from(pick(256)).unwrap_or(0),
            }
            if bytes.is_empty() {
                break;
            }
        }
        outcome(&mut endpoint, &bytes);
    }
    assert!(endpoint.transactions() < 20_000);
}

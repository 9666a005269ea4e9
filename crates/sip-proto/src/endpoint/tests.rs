//! Scripts for the transaction layer: `time | what happens | all that follows`. `<` is what arrives, `>` what is sent; the
//! same thing several times in a row is shown as `… x7`. Timers run between the lines.

mod client;
mod server;
mod torture;

use std::time::Duration;

use super::*;
use crate::message::{request, uri};

/// Plays a script and compares.
fn check(script: &str) {
    check_with(Config::new("10.0.0.100:5060", "Undertone"), script);
}

fn check_with(config: Config, script: &str) {
    let mut world = World::new(config);
    for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let parts: Vec<_> = line.split('|').map(str::trim).collect();
        let [at, event, expected] = parts.as_slice() else { panic!("unreadable line: {line}") };
        world.run_until(START + Duration::from_secs_f64(at.trim_end_matches('s').parse().expect("a moment")));
        world.happen(event);
        assert_eq!(folded(std::mem::take(&mut world.seen)), *expected, "\nin the line: {line}");
    }
    world.run_until(START + Duration::from_secs(1000));
    assert_eq!(world.endpoint.transactions(), 0, "every transaction ends");
    assert_eq!(world.endpoint.poll_timeout(), None, "no timer is left");
    assert!(world.endpoint.repeats.is_empty() && world.endpoint.unacked.is_empty() && world.endpoint.merges.is_empty());
}

struct World {
    endpoint: Endpoint,
    now: Time,
    seen: Vec<String>,
    /// The last request that came up, and the last of ours with what it was.
    asked: Vec<ServerId>,
    sent: Vec<ClientId>,
    /// What we sent last by method, to be answered by the peer.
    ours: Vec<Request>,
    last_response: Option<Response>,
}

impl World {
    fn new(config: Config) -> Self {
        let endpoint = Endpoint::new(config, 1);
        Self { endpoint, now: START, seen: vec![], asked: vec![], sent: vec![], ours: vec![], last_response: None }
    }

    fn run_until(&mut self, moment: Time) {
        while let Some(next) = self.endpoint.poll_timeout().filter(|it| *it <= moment) {
            self.now = next;
            let mut out = Vec::new();
            self.endpoint.handle(Input::Timeout, next, &mut out);
            self.take(out);
        }
        self.now = moment;
    }

    fn happen(&mut self, event: &str) {
        let words: Vec<_> = event.split_whitespace().collect();
        let mut out = Vec::new();
        match words.as_slice() {
            ["<", first, options @ ..] => {
                let bytes =
                    if first.parse::<u16>().is_ok() { self.response(first, options) } else { incoming(first, options) };
                let from = Flow::udp(([10, 0, 0, 1], 5066).into());
                self.endpoint.handle(Input::Received { bytes: bytes.as_bytes(), from }, self.now, &mut out);
            }
            ["respond", code, nth @ ..] => {
                let nth = nth.first().map_or(self.asked.len(), |it| it.parse().expect("a number"));
                let id = self.asked[nth - 1];
                let code = code.parse().expect("a status");
                if let Some(response) = self.endpoint.response(id, code) {
                    self.endpoint.respond(id, response, self.now, &mut out);
                }
            }
            ["send", method] => {
                let to = Flow::udp(([10, 0, 0, 1], 5060).into());
                let sent = self.endpoint.send(ours(method, ""), to, self.now, &mut out);
                match sent {
                    Some(id) => self.sent.push(id),
                    None => self.seen.push("full".to_owned()),
                }
            }
            ["cancel"] => self.endpoint.cancel(*self.sent.last().expect("sent"), false, self.now, &mut out),
            ["ack"] => {
                let tag = self.last_response.as_ref().and_then(MessageExt::to_tag).unwrap_or_default();
                let to = Flow::udp(([10, 0, 0, 1], 5060).into());
                let invite = *self.sent.last().expect("sent");
                self.endpoint.acknowledge(invite, ours("ACK", &tag), to, &mut out);
            }
            ["wait"] => {}
            _ => panic!("unreadable event: {event}"),
        }
        self.take(out);
    }

    /// The peer's response to the last request of this method that we sent.
    fn response(&self, code: &str, options: &[&str]) -> String {
        let method = options.first().copied().unwrap_or("INVITE");
        let ours = self.ours.iter().rev().find(|it| it.method.to_string() == method).expect("it was sent");
        let field = |name| ours.text(&name).unwrap_or_default();
        let tag = option(options, "tag").unwrap_or("peer");
        let via = if options.contains(&"twovias") { "Via: SIP/2.0/UDP x;branch=z9hG4bKx\r\n" } else { "" };
        format!(
            "SIP/2.0 {code} Whatever\r\nVia: {}\r\n{via}From: {}\r\nTo: {};tag={tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Content-Length: 0\r\n\r\n",
            field(HeaderName::Via),
            field(HeaderName::From),
            field(HeaderName::To),
            field(HeaderName::CallId),
            field(HeaderName::CSeq),
        )
    }

    fn take(&mut self, out: Vec<Output>) {
        for output in out {
            let summary = match output {
                Output::Transmit { to, bytes } => self.transmitted(to, &bytes),
                Output::Request { id, request, .. } => {
                    self.asked.push(id);
                    format!("request {}", request.method)
                }
                Output::Response { response, .. } => {
                    let code = response.status.code();
                    self.last_response = Some(*response);
                    format!("response {code}")
                }
                Output::Unanswered { .. } => "unanswered".to_owned(),
                Output::Cancelled { .. } => "cancelled".to_owned(),
                Output::Acked { .. } => "acked".to_owned(),
                Output::Unacknowledged { .. } => "unacknowledged".to_owned(),
            };
            self.seen.push(summary);
        }
    }

    fn transmitted(&mut self, to: Flow, bytes: &[u8]) -> String {
        let port = if to.remote.port() == 5060 { String::new() } else { format!(" to {}", to.remote.port()) };
        match message::parse(bytes).expect("what we send is SIP") {
            Message::Request(request) => {
                assert_eq!(sipx_sip::validate_request(&request), [], "what we send is valid");
                let shown = format!("> {}{port}", request.method);
                self.ours.push(request);
                shown
            }
            Message::Response(response) => {
                let code = response.status.code();
                assert!(code == 100 || response.to_tag().is_some(), "RFC 3261 s8.2.6.2");
                let method = response.cseq().map(|it| it.method.to_string()).unwrap_or_default();
                let hint = [HeaderName::Allow, HeaderName::Unsupported, HeaderName::RetryAfter]
                    .into_iter()
                    .filter_map(|it| Some(format!(" {it}={}", response.text(&it)?.replace(", ", ","))))
                    .collect::<String>();
                format!("> {code} {method}{port}{hint}")
            }
        }
    }
}

fn option<'a>(options: &[&'a str], name: &str) -> Option<&'a str> {
    options.iter().find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
}

/// A request of a peer's. Unless told otherwise it has branch 1 and is in no dialog.
fn incoming(method: &str, options: &[&str]) -> String {
    let value = |name, default| option(options, name).unwrap_or(default);
    let call = value("call", "1");
    let branch = value("branch", call);
    let branch = if options.contains(&"old") { String::new() } else { format!(";branch=z9hG4bK{branch}") };
    let rport = if options.contains(&"rport") { ";rport" } else { "" };
    let tag = option(options, "totag").map(|it| format!(";tag={it}")).unwrap_or_default();
    let hops = if options.contains(&"proxied") { "10.9.9.9;branch=z9hG4bKfar" } else { "" };
    let hops = option(options, "passed").unwrap_or(hops).split(',').filter(|it| !it.is_empty());
    let hop: String = hops.map(|it| format!("Via: SIP/2.0/UDP {it}\r\n")).collect();
    let require = option(options, "require").map(|it| format!("Require: {it}\r\n")).unwrap_or_default();
    let from = if options.contains(&"nofrom") { "" } else { "From: <sip:a@b>;tag=a\r\n" };
    format!(
        "{method} {} SIP/{}\r\nVia: SIP/2.0/UDP {}{rport}{branch}\r\n{hop}{from}To: <sip:c@d>{tag}\r\n\
         Call-ID: {call}\r\nCSeq: {} {}\r\n{}{require}Content-Length: 0\r\n\r\n",
        value("uri", "sip:c@d"),
        value("version", "2.0"),
        value("via", "10.0.0.1:5060"),
        value("cseq", "1"),
        value("cseqmethod", method),
        if options.contains(&"nohops") { "" } else { "Max-Forwards: 70\r\n" },
    )
}

fn ours(method: &str, tag: &str) -> Request {
    let bytes: &'static str = match method {
        "INVITE" => "INVITE",
        "BYE" => "BYE",
        "ACK" => "ACK",
        _ => "OPTIONS",
    };
    let method = Method::parse(&bytes.into());
    let mut it = request(method.clone(), uri("sip:c@10.0.0.1").expect("a URI"));
    it.headers.add(HeaderName::From, "<sip:us@d>;tag=us");
    it.headers
        .add(HeaderName::To, if tag.is_empty() { "<sip:c@d>".to_owned() } else { format!("<sip:c@d>;tag={tag}") });
    it.headers.add(HeaderName::CallId, "ours");
    it.headers.add(HeaderName::CSeq, format!("1 {method}"));
    it
}

fn folded(seen: Vec<String>) -> String {
    let mut shown: Vec<(String, usize)> = Vec::new();
    for it in seen {
        match shown.last_mut() {
            Some((last, count)) if *last == it => *count += 1,
            _ => shown.push((it, 1)),
        }
    }
    let shown = shown.into_iter().map(|(it, count)| if count == 1 { it } else { format!("{it} x{count}") });
    shown.collect::<Vec<_>>().join(", ")
}

const START: Time = Time::from_unix_ms(1_700_000_000_000);

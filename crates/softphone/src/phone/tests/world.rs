//! The virtual wire of the scripts, and a registrar at the end of it.

use std::{collections::BTreeSet, net::Ipv4Addr};

use sip_proto::{
    digest::{Authenticator, Ha1, Verdict},
    registrar::{self, Registrar},
};

use super::*;

pub(super) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 9000 RTP/AVP 0\r\n";

pub(super) struct World {
    phones: BTreeMap<&'static str, Phone>,
    server: Option<Server>,
    wire: BTreeMap<(u64, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    order: u64,
    now_ms: u64,
    log: Vec<String>,
    sent: BTreeMap<String, Vec<String>>,
    cut: BTreeSet<String>,
    lose_after: Option<usize>,
    doubles: bool,
    loss: Option<(ChaCha8Rng, u32)>,
}

struct Server {
    endpoint: Endpoint,
    authenticator: Authenticator,
    registrar: Registrar,
    known: Ha1,
}

/// Runs a script. A line is `time | command | what is told until the next line`.
#[track_caller]
pub(super) fn check(mut world: World, script: &str) {
    world.run_script(script);
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            phones: BTreeMap::new(),
            server: None,
            wire: BTreeMap::new(),
            order: 0,
            now_ms: 0,
            log: Vec::new(),
            sent: BTreeMap::new(),
            cut: BTreeSet::new(),
            lose_after: None,
            doubles: false,
            loss: None,
        }
    }

    pub(super) fn phone(&mut self, name: &'static str, server: &str, behaviour: Behaviour) {
        self.phone_with_password(name, server, &format!("secret-{name}"), behaviour);
    }

    pub(super) fn phone_with_password(
        &mut self,
        name: &'static str,
        server: &str,
        password: &str,
        behaviour: Behaviour,
    ) {
        let sip = address(name);
        let account = Account {
            number: name.into(),
            password: password.into(),
            domain: "undertone.local".into(),
            server: Flow::udp(address(server)),
            sip,
            rtp: SocketAddr::new(sip.ip(), sip.port() - 1060),
            behaviour,
            seed: u64::from(sip.port()),
        };
        self.phones.insert(name, Phone::new(account));
    }

    pub(super) fn serve(&mut self, known: Ha1) {
        let mut config = Config::new(address("server").to_string(), "test");
        config.allow.push(Method::Register);
        self.server = Some(Server {
            endpoint: Endpoint::new(config, 1),
            authenticator: Authenticator::new("undertone.local", [1; 32]),
            registrar: Registrar::new(),
            known,
        });
    }

    pub(super) fn lose_one_after(&mut self, passed: usize) {
        self.lose_after = Some(passed);
    }

    pub(super) fn lose_at_random(&mut self, seed: u64, percent: u32) {
        self.loss = Some((ChaCha8Rng::seed_from_u64(seed), percent));
    }

    pub(super) fn double(&mut self) {
        self.doubles = true;
    }

    pub(super) fn is_busy(&self, name: &str) -> bool {
        self.phones[name].is_busy()
    }

    pub(super) fn told(&mut self) -> String {
        std::mem::take(&mut self.log).join(", ")
    }

    pub(super) fn sent(&self, name: &str) -> &[String] {
        self.sent.get(name).map_or(&[], Vec::as_slice)
    }

    /// Puts a message on the wire that no phone of ours wrote.
    pub(super) fn raw(&mut self, from: &str, to: &str, message: &str) {
        self.post(address(from), address(to), message.as_bytes());
    }

    #[track_caller]
    pub(super) fn run_script(&mut self, script: &str) {
        let lines: Vec<Vec<&str>> = script
            .lines()
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .map(|it| it.split('|').map(str::trim).collect())
            .collect();
        for (index, cells) in lines.iter().enumerate() {
            self.at(ms(cells[0]));
            self.command(cells[1]);
            // A line tells of all that happens before the next; the last one of all that its command leads to.
            self.run_until(lines.get(index + 1).map_or(self.now_ms + 900, |next| ms(next[0])));
            assert_eq!(self.told(), cells[2], "{}", cells.join(" | "));
        }
    }

    pub(super) fn at(&mut self, ms: u64) {
        self.run_until(ms);
    }

    pub(super) fn command(&mut self, text: &str) {
        let mut words = text.split(' ');
        let (name, verb, what) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        let input = match (name, verb) {
            ("-", _) => return,
            ("cut", name) => {
                self.cut.insert(name.to_owned());
                return;
            }
            ("mend", name) => {
                self.cut.remove(name);
                return;
            }
            (_, "calls") => Input::Call(what),
            (_, "hangs") => Input::HangUp,
            (_, "holds") => Input::Hold,
            (_, "retrieves") => Input::Retrieve,
            (_, "answers") => Input::Answer,
            (_, "refuses") => Input::Refuse(what.parse().expect("a code")),
            (_, "registers") => Input::Register,
            (_, "unregisters") => Input::Unregister,
            _ => panic!("what is {text}?"),
        };
        self.tell(name, input);
    }

    /// Lets time pass.
    pub(super) fn run_until(&mut self, ms: u64) {
        loop {
            let arrival = self.wire.first_key_value().map(|((at, _), _)| *at);
            let due = self.phones.values().filter_map(Phone::poll_timeout).map(|it| it.unix_ms() - START);
            let server = self.server.iter().filter_map(|it| it.endpoint.poll_timeout()).map(|it| it.unix_ms() - START);
            let Some(next) = due.chain(server).chain(arrival).min().filter(|it| *it < ms) else { break };
            self.now_ms = self.now_ms.max(next);
            if arrival == Some(next) {
                self.deliver();
            } else {
                self.time_out();
            }
        }
        self.now_ms = self.now_ms.max(ms);
    }

    fn now(&self) -> Time {
        Time::from_unix_ms(START + self.now_ms)
    }

    fn time_out(&mut self) {
        let now = self.now();
        let names: Vec<_> = self
            .phones
            .iter()
            .filter(|(_, it)| it.poll_timeout().is_some_and(|it| it <= now))
            .map(|(it, _)| *it)
            .collect();
        for name in names {
            self.tell(name, Input::Timeout);
        }
        if let Some(server) = &mut self.server {
            let mut out = Vec::new();
            server.endpoint.handle(sip_proto::Input::Timeout, now, &mut out);
            self.serve_all(out);
        }
    }

    fn deliver(&mut self) {
        let Some((_, (from, to, bytes))) = self.wire.pop_first() else { return };
        let (from_flow, now) = (Flow::udp(from), self.now());
        if to == address("server") {
            let Some(server) = &mut self.server else { return };
            let mut out = Vec::new();
            server.endpoint.handle(sip_proto::Input::Received { bytes: &bytes, from: from_flow }, now, &mut out);
            self.serve_all(out);
        } else if let Some(name) = self.phones.keys().copied().find(|it| address(it) == to) {
            self.tell(name, Input::Received { bytes: &bytes, from: from_flow });
        }
    }

    fn tell(&mut self, name: &str, input: Input<'_>) {
        let now = self.now();
        let Some((name, phone)) = self.phones.iter_mut().find(|(it, _)| **it == name) else { panic!("no {name}") };
        let (name, outputs) = (*name, phone.handle(input, now));
        for output in outputs {
            match output {
                Output::Transmit { to, bytes } => self.post(address(name), to.remote, &bytes),
                Output::Media(Some(media)) => {
                    self.log.push(format!("{name} {}", if media.sends { "sends" } else { "listens" }));
                }
                Output::Media(None) => {}
                Output::Event(Event::Ringing { caller, auto_answer }) => {
                    self.log.push(format!("{name} Ringing {caller}{}", if auto_answer { " auto" } else { "" }));
                }
                Output::Event(event) => self.log.push(format!("{name} {event:?}")),
            }
        }
    }

    fn post(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let name = name_of(from);
        self.sent.entry(name.clone()).or_default().push(String::from_utf8_lossy(bytes).into_owned());
        let lost = match &mut self.lose_after {
            Some(0) => {
                self.lose_after = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        let unlucky = self.loss.as_mut().is_some_and(|(random, percent)| random.next_u32() % 100 < *percent);
        if lost || unlucky || self.cut.contains(&name) || self.cut.contains(&name_of(to)) {
            return;
        }
        for _ in 0..=usize::from(self.doubles) {
            self.order += 1;
            self.wire.insert((self.now_ms + 10, self.order), (from, to, bytes.to_vec()));
        }
    }

    fn serve_all(&mut self, outputs: Vec<sip_proto::Output>) {
        let now = self.now();
        let mut outputs = outputs;
        while !outputs.is_empty() {
            let mut more = Vec::new();
            for output in outputs {
                match output {
                    sip_proto::Output::Transmit { to, bytes } => self.post(address("server"), to.remote, &bytes),
                    sip_proto::Output::Request { id, request, from, .. } => {
                        let Some(server) = &mut self.server else { return };
                        let response = server.answer(&request, from, now);
                        server.endpoint.respond(id, response, now, &mut more);
                    }
                    _ => {}
                }
            }
            outputs = more;
        }
    }
}

impl Server {
    fn answer(&mut self, request: &Request, from: Flow, now: Time) -> Response {
        let known = self.known;
        let user = match self.authenticator.check(request, |_| Some(known), now) {
            Verdict::Accepted { user } => user,
            Verdict::Wrong { .. } | Verdict::Refused => return response_to(request, 403),
            Verdict::Challenge(values) | Verdict::Stale(values) => {
                let mut response = response_to(request, 401);
                for it in values {
                    response.headers.add(HeaderName::WwwAuthenticate, it);
                }
                return response;
            }
        };
        if request.method != Method::Register {
            return response_to(request, 404);
        }
        let mut out = Vec::new();
        self.registrar.handle(registrar::Input::Register { number: &user, request, from }, now, &mut out);
        let response = out.into_iter().find_map(|it| match it {
            registrar::Output::Respond(response) => Some(response),
            _ => None,
        });
        response.expect("a REGISTER is answered")
    }
}

/// An INVITE of somebody called x, from where a is.
pub(super) fn invite(field: &str, offer: Option<&str>) -> String {
    let body = offer.unwrap_or("");
    let kind = if offer.is_some() { "Content-Type: application/sdp\r\n" } else { "" };
    format!(
        "INVITE sip:b@undertone.local SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:x@undertone.local>;tag=9\r\nTo: <sip:b@undertone.local>\r\nCall-ID: raw\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:x@{a}>\r\n{field}\r\n{kind}Content-Length: {length}\r\n\r\n{body}",
        a = address("a"),
        length = body.len()
    )
}

/// The ACK to an answer to [`invite`], with a body.
pub(super) fn ack_to(answer: &str, body: &str) -> String {
    let to = answer.lines().find(|it| it.starts_with("To:")).expect("a To");
    format!(
        "ACK sip:b@undertone.local SIP/2.0\r\nVia: SIP/2.0/UDP {a};branch=z9hG4bK9;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:x@undertone.local>;tag=9\r\n{to}\r\nCall-ID: raw\r\nCSeq: 1 ACK\r\n\
         Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
        a = address("a"),
        length = body.len()
    )
}

fn address(name: &str) -> SocketAddr {
    let port = match name {
        "a" => 5061,
        "b" => 5062,
        "c" => 5063,
        _ => 5060,
    };
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn name_of(at: SocketAddr) -> String {
    ["a", "b", "c"].into_iter().find(|it| address(it) == at).unwrap_or("server").to_owned()
}

fn ms(text: &str) -> u64 {
    let seconds: f64 = text.trim_end_matches('s').parse().expect("seconds");
    (seconds * 1000.0).round() as u64
}

const START: u64 = 1_000_000_000;

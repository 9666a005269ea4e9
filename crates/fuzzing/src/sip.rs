//! SIP from a trunk's address, as datagrams and over a connection, before the whole of [`legs`].

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use clock::Time;
use domain::{
    config::{Trunk, TrunkTransport},
    event::Directory,
    ids::{CallId, LegId},
    leg::{Alert, Cause, LegAction, LegEvent, LegOrder, OfferDirection, Target},
};
use legs::{Input, Legs, Output, Ports, Settings};
use sip_proto::{
    Flow, HeaderName, Message, MessageExt, Method, Streams, message,
    registrar::{self, Registrar},
    stream::Unreadable,
};

use crate::parts;

/// Datagrams one after the other, a tenth of a second apart. In each, `%TAG%` stands for the To tag of our last response,
/// `%VIA%`, `%FROM%` and `%CALL%` for those fields of our last request, so that a story can go on.
///
/// # Panics
/// If what we send is no SIP, or if the machine does not come to rest, or is not well then.
pub fn sip_datagrams(data: &[u8]) {
    let mut world = World::new();
    for part in parts(data) {
        let bytes = world.filled(part);
        world.feed(&Input::Datagram { bytes: &bytes, source: TRUNK });
        register(&bytes, world.now);
        world.pass(Duration::from_millis(100));
    }
    world.come_to_rest();
}

/// One connection: the first octet says in how large pieces the others come.
///
/// # Panics
/// As [`sip_datagrams`], and if the pieces make a difference.
pub fn sip_stream(data: &[u8]) {
    let (size, bytes) = data.split_first().map_or((1, data), |(size, rest)| (usize::from(*size).max(1), rest));
    assert_eq!(divided(bytes, size), divided(bytes, bytes.len().max(1)), "in pieces of {size}");
    let mut world = World::new();
    world.feed(&Input::Connected(TRUNK));
    for bytes in bytes.chunks(size) {
        if world.is_disconnected {
            break;
        }
        world.feed(&Input::Stream { bytes, source: TRUNK });
    }
    world.pass(Duration::from_secs(1));
    world.feed(&Input::Disconnected(TRUNK));
    world.come_to_rest();
}

/// The messages in a stream as long as it can be read, and the pings.
fn divided(bytes: &[u8], size: usize) -> (Vec<Vec<u8>>, usize, bool) {
    let (mut streams, mut messages, mut pings) = (Streams::default(), Vec::new(), 0);
    streams.open(TRUNK, START);
    for piece in bytes.chunks(size) {
        match streams.receive(TRUNK, piece, START) {
            Ok(received) => {
                pings += received.pings;
                messages.extend(received.messages.iter().map(|it| match it {
                    Message::Request(it) => it.encode(),
                    Message::Response(it) => it.encode(),
                }));
            }
            // What came in the piece in which it broke may be lost with it.
            Err(Unreadable) => return (Vec::new(), 0, true),
        }
    }
    (messages, pings, false)
}

/// A REGISTER as if its sender had proved to be 5001.
fn register(bytes: &[u8], now: Time) {
    let Some(Message::Request(request)) = message::parse(bytes).filter(is_register) else { return };
    let (mut registrar, mut out) = (Registrar::new(), Vec::new());
    let input = registrar::Input::Register { number: "5001", request: &request, from: Flow::udp(TRUNK) };
    registrar.handle(input, now, &mut out);
    let answers = out.iter().filter(|it| matches!(it, registrar::Output::Respond(_))).count();
    assert_eq!(answers, 1, "a REGISTER gets one answer");
    while let Some(next) = registrar.poll_timeout() {
        registrar.handle(registrar::Input::Timeout, next, &mut out);
        assert!(registrar.poll_timeout().is_none_or(|it| it > next), "a timer fires for ever");
    }
    assert_eq!(registrar.len(), 0, "every contact expires");
}

fn is_register(message: &Message) -> bool {
    matches!(message, Message::Request(it) if it.method == Method::Register)
}

/// All legs, and a domain that answers every call and calls the trunk once for each.
struct World {
    legs: Legs,
    ports: Leases,
    now: Time,
    out: Vec<Output>,
    /// What the placeholders stand for.
    known: BTreeMap<&'static str, String>,
    is_disconnected: bool,
    dialled: u64,
    up: Vec<LegId>,
}

#[derive(Default)]
struct Leases(Vec<LegId>);

impl Ports for Leases {
    fn lease(&mut self, leg: LegId) -> Option<u16> {
        assert!(!self.0.contains(&leg), "{leg} leases twice");
        self.0.push(leg);
        (self.0.len() <= 8).then_some(20_000)
    }

    fn release(&mut self, leg: LegId) {
        self.0.retain(|it| *it != leg);
    }
}

impl World {
    fn new() -> Self {
        let settings = Settings::new("example.com", US, US.ip());
        let mut world = Self {
            legs: Legs::new(settings, 1),
            ports: Leases::default(),
            now: START,
            out: Vec::new(),
            known: BTreeMap::new(),
            is_disconnected: false,
            dialled: 0,
            up: Vec::new(),
        };
        let trunk = Trunk {
            name: "carrier".to_owned(),
            address: TRUNK.to_string(),
            transport: TrunkTransport::Udp,
            account: None,
            inbound: BTreeMap::new(),
        };
        world.feed(&Input::Directory(Directory { devices: BTreeMap::new(), trunks: vec![trunk] }));
        world
    }

    fn feed(&mut self, input: &Input<'_>) {
        self.legs.handle(input.clone(), &mut self.ports, self.now, &mut self.out);
        // Each of our own orders may lead to more, but not for ever.
        for _ in 0..100 {
            let outputs = std::mem::take(&mut self.out);
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                self.on(output);
            }
        }
        panic!("one input leads to endless outputs");
    }

    fn on(&mut self, output: Output) {
        match output {
            Output::Transmit { bytes, .. } => self.sent(&bytes),
            Output::Disconnect(_) => self.is_disconnected = true,
            Output::Event(leg, LegEvent::Offered { .. }) => {
                self.dialled += 1;
                let to = Target::Trunk { name: "carrier".to_owned(), number: "5002".to_owned() };
                let (alert, direction) = (Alert::Ring, OfferDirection::SendRecv);
                let dial =
                    LegOrder::Dial { to, from: "5001".into(), display: "A".into(), like: Some(leg), alert, direction };
                self.order(LegId(self.dialled), dial);
                self.order(leg, LegOrder::Ring);
                self.order(leg, LegOrder::Answer { like: None });
            }
            Output::Event(leg, LegEvent::Confirmed | LegEvent::Answered) => self.up.push(leg),
            Output::Event(leg, LegEvent::Ended(_)) => self.up.retain(|it| *it != leg),
            _ => {}
        }
    }

    fn order(&mut self, leg: LegId, order: LegOrder) {
        let order = LegAction { call: CallId(7), leg, order };
        self.legs.handle(Input::Order(order), &mut self.ports, self.now, &mut self.out);
    }

    /// Notes what the placeholders stand for from now on. What we send must be what we would take.
    fn sent(&mut self, bytes: &[u8]) {
        if bytes == b"\r\n" {
            return;
        }
        match message::parse(bytes) {
            Some(Message::Response(it)) => {
                self.known.extend(it.to_tag().map(|it| ("%TAG%", it)));
            }
            Some(Message::Request(it)) => {
                for (name, field) in
                    [("%VIA%", HeaderName::Via), ("%FROM%", HeaderName::From), ("%CALL%", HeaderName::CallId)]
                {
                    self.known.extend(it.text(&field).map(|it| (name, it)));
                }
            }
            None => panic!("this is no SIP:\n{}", String::from_utf8_lossy(bytes)),
        }
    }

    fn filled(&self, part: &[u8]) -> Vec<u8> {
        let mut bytes = part.to_vec();
        for (name, value) in &self.known {
            // Once is enough for a message, and many times would be a way to make it grow.
            if let Some(at) = bytes.windows(name.len()).position(|it| it == name.as_bytes()) {
                bytes.splice(at..at + name.len(), value.bytes());
            }
        }
        bytes
    }

    fn pass(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    fn run_until(&mut self, moment: Time) {
        while let Some(next) = self.legs.poll_timeout().filter(|it| *it <= moment) {
            self.now = self.now.max(next);
            self.feed(&Input::Timeout);
            assert!(self.legs.poll_timeout().is_none_or(|it| it > next), "a timer fires for ever");
        }
        self.now = moment;
    }

    /// Whoever rings has rung enough, and whoever talks is asked whether he is there, and has no answer; nothing is left
    /// then.
    fn come_to_rest(&mut self) {
        self.pass(Duration::from_secs(300));
        for leg in (1..=self.dialled).map(LegId).filter(|it| !self.up.contains(it)).collect::<Vec<_>>() {
            self.order(leg, LegOrder::End(Cause::NoAnswer));
        }
        for leg in self.up.clone() {
            self.feed(&Input::Silent(leg));
        }
        self.pass(Duration::from_secs(300));
        assert_eq!((self.legs.len(), self.legs.transactions()), (0, 0), "legs and transactions at rest");
        assert!(self.ports.0.is_empty(), "ports at rest");
        self.known.clear();
        self.feed(&Input::Datagram { bytes: PING, source: TRUNK });
        assert!(self.known.contains_key("%TAG%"), "no answer to OPTIONS");
    }
}

const START: Time = Time::from_unix_ms(1_700_000_000_000);
const US: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 100)), 5060);
const TRUNK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 9, 1)), 5080);
const PING: &[u8] = b"OPTIONS sip:10.0.0.100 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.9.1:5080;branch=z9hG4bKlast\r\n\
    Max-Forwards: 70\r\nFrom: <sip:a@10.0.9.1>;tag=1\r\nTo: <sip:10.0.0.100>\r\nCall-ID: last\r\nCSeq: 1 OPTIONS\r\n\r\n";

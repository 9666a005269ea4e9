//! The script language. A line is `time | what happens | all that follows`; timers run between the lines, and what they
//! do is shown in front of what the next line does. The same thing several times in a row is shown as `… x7`.
//!
//! Phones 5001 to 5003 are registered at 10.0.0.1 to 10.0.0.3, `desk` and `soft` both as 5005 at 10.0.0.4 and 10.0.0.5; the
//! trunk `carrier` is at 10.0.9.1:5080. The trunk `telco`, where we register, has no address until a script resolves its name;
//! `telco1` and `telco2` are at 10.0.8.1 and 10.0.8.2.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use clock::Time;
use domain::{
    config::{Account, Ha1, Secret, Trunk, TrunkTransport},
    event::Directory,
    ids::{CallId, LegId},
    leg::{Alert, Cause, LegAction, LegEvent, LegOrder, OfferDirection, Origin, Target},
    record::Registration,
};

use sip_proto::Flow;

use super::phone::Phone;
use crate::{Input, Legs, MediaOrder, Output, Ports, Settings};

/// Plays a script and compares.
pub(super) fn check(script: &str) {
    let mut world = World::new();
    for line in script.lines().map(str::trim).filter(|it| !it.is_empty()) {
        let mut parts = line.split('|').map(str::trim);
        let (at, event, expected) = (parts.next(), parts.next(), parts.next());
        let (Some(at), Some(event), Some(expected)) = (at, event, expected) else { panic!("unreadable line: {line}") };
        world.run_until(moment(at));
        world.happen(event);
        let seen = folded(std::mem::take(&mut world.seen));
        assert_eq!(seen, expected, "\nin the line: {line}");
    }
    assert!(world.legs.endpoint.transactions() < 100, "transactions are bounded in any script");
}

pub(super) struct World {
    legs: Legs,
    phones: BTreeMap<String, Phone>,
    ports: Count,
    now: Time,
    seen: Vec<String>,
    out: Vec<Output>,
}

/// Ports that are given out and come back.
#[derive(Default)]
struct Count {
    leased: Vec<LegId>,
    exhausted: bool,
}

impl Ports for Count {
    fn lease(&mut self, leg: LegId) -> Option<u16> {
        assert!(!self.leased.contains(&leg), "{leg} leases twice");
        if self.exhausted {
            return None;
        }
        self.leased.push(leg);
        Some(20_000)
    }

    fn release(&mut self, leg: LegId) {
        let before = self.leased.len();
        self.leased.retain(|it| *it != leg);
        assert_eq!(self.leased.len() + 1, before, "{leg} gives back what it has not");
    }
}

impl World {
    pub(super) fn new() -> Self {
        let contact = SocketAddr::from(([10, 0, 0, 100], 5060));
        let settings = Settings::new("undertone.local", contact, contact.ip());
        let mut world = Self {
            legs: Legs::new(settings, 1),
            phones: BTreeMap::new(),
            ports: Count::default(),
            now: START,
            seen: Vec::new(),
            out: Vec::new(),
        };
        world.feed(Input::Directory(directory()));
        for (index, (name, number)) in (1..).zip(PHONES) {
            let address = SocketAddr::from(([10, 0, 0, index], 5060));
            world.phones.insert(name.to_owned(), Phone::new(name, address));
            world.feed(Input::Registrations(vec![Registration {
                number: number.parse().expect("a number"),
                contact: format!("sip:{name}@{address}"),
                source: address.to_string(),
                call_id: format!("register-{name}"),
                cseq: 0,
                expires: START + Duration::from_secs(3600),
                agent: String::new(),
                preference: 1000,
                instance: String::new(),
                reg_id: 0,
                path: Vec::new(),
            }]));
        }
        let others = [
            ("carrier", ([10, 0, 9, 1], 5080)),
            ("stranger", ([10, 6, 6, 6], 5060)),
            ("telco1", ([10, 0, 8, 1], 5060)),
            ("telco2", ([10, 0, 8, 2], 5060)),
        ];
        for (name, address) in others {
            world.phones.insert(name.to_owned(), Phone::new(name, address.into()));
        }
        for name in ["5001", "5002", "5003"] {
            world.prime(name);
        }
        world.seen.clear();
        world
    }

    /// Lets a phone learn a nonce, so that what it sends later is signed.
    fn prime(&mut self, name: &str) {
        self.deliver(name, "register unsigned");
        let phone = self.phones.get_mut(name).expect("it is there");
        let sent = sip_proto::message::parse(phone.last.as_bytes());
        let challenge = self.out.iter().find_map(|it| match it {
            Output::Transmit { bytes, .. } => sip_proto::message::parse(bytes),
            _ => None,
        });
        if let (Some(sip_proto::Message::Request(sent)), Some(sip_proto::Message::Response(response))) =
            (sent, challenge)
        {
            assert!(phone.signer.challenged(&response, &sent));
        }
        self.out.clear();
    }

    fn run_until(&mut self, moment: Time) {
        while let Some(next) = self.legs.poll_timeout().filter(|it| *it <= moment) {
            self.now = self.now.max(next);
            self.feed(Input::Timeout);
            assert!(self.legs.poll_timeout().is_none_or(|it| it > next), "a timer fires for ever");
        }
        self.now = moment;
    }

    pub(super) fn happen(&mut self, event: &str) {
        let words: Vec<_> = event.split_whitespace().collect();
        match words.as_slice() {
            ["wait"] => {}
            ["resolve", trunk, targets @ ..] => {
                let (trunk, transport) = ((*trunk).to_owned(), targets.contains(&"tcp"));
                let flow = |it: &&str| Some(it.parse().ok()?).map(if transport { Flow::tcp } else { Flow::udp });
                self.feed(Input::Resolved { trunk, targets: targets.iter().filter_map(flow).collect() });
            }
            ["drain"] => self.feed(Input::Drain),
            ["no", "ports"] => self.ports.exhausted = true,
            ["silent", leg] => self.feed(Input::Silent(leg_id(leg))),
            ["forget", number] => {
                let mut directory = directory();
                directory.devices.retain(|it, _| it.as_str() != *number);
                self.feed(Input::Directory(directory));
            }
            [leg, rest @ ..] if leg.starts_with("in") || leg.starts_with("out") => {
                let action = LegAction { call: CallId(7), leg: leg_id(leg), order: order(rest) };
                self.feed(Input::Order(action));
            }
            [place @ ("elsewhere" | "nearby"), phone, rest @ ..] => {
                let home = self.phones[*phone].address;
                let elsewhere = SocketAddr::from(([10, 6, 6, 6], 5060));
                let nearby = SocketAddr::new(home.ip(), 6060);
                self.phone(phone).address = if *place == "nearby" { nearby } else { elsewhere };
                self.deliver(phone, &rest.join(" "));
                self.phone(phone).address = home;
            }
            [phone, "connects"] => self.connect(phone, true),
            [phone, "disconnects"] => self.connect(phone, false),
            [phone, rest @ ..] => self.deliver(phone, &rest.join(" ")),
            [] => {}
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    /// Every leg is over that the domain has not been told of otherwise, and none twice.
    pub(super) fn assert_sound(&self, seed: u64) {
        let ended = |leg: &str| self.seen.iter().filter(|it| it.starts_with(&format!("{leg} ended"))).count();
        for leg in self.seen.iter().filter_map(|it| it.split_once(" ended").map(|it| it.0)) {
            assert_eq!(ended(leg), 1, "seed {seed}: {leg} {:?}", self.seen);
            assert!(!self.legs.legs.contains_key(&leg_id(leg)), "seed {seed}: {leg} is over and there");
            let last = self.seen.iter().rposition(|it| it.starts_with(&format!("{leg} "))).map(|it| &self.seen[it]);
            assert!(last.is_some_and(|it| it.contains("ended")), "seed {seed}: after the end of {leg}: {last:?}");
        }
    }

    pub(super) fn end_everything(&mut self) {
        let legs: Vec<_> = self.legs.legs.keys().copied().collect();
        for leg in legs {
            let order = LegOrder::End(Cause::HungUp);
            self.feed(Input::Order(LegAction { call: CallId(7), leg, order }));
        }
    }

    pub(super) fn assert_nothing_left(&self, seed: u64) {
        let Legs { endpoint, legs, dialogs, servers, clients, farewells, alarms, .. } = &self.legs;
        assert!(legs.is_empty(), "seed {seed}");
        assert!(dialogs.is_empty(), "seed {seed}: {dialogs:?}");
        assert!(servers.is_empty(), "seed {seed}: {servers:?}");
        assert!(clients.is_empty(), "seed {seed}");
        assert!(farewells.is_empty(), "seed {seed}");
        assert!(alarms.is_empty(), "seed {seed}");
        assert_eq!(endpoint.transactions(), 0, "seed {seed}");
        assert!(self.ports.leased.is_empty(), "seed {seed}: {:?}", self.ports.leased);
    }

    fn phone(&mut self, name: &str) -> &mut Phone {
        self.phones.get_mut(name).unwrap_or_else(|| panic!("there is no phone {name}"))
    }

    fn deliver(&mut self, name: &str, says: &str) {
        let words: Vec<_> = says.split(' ').collect();
        let phone = self.phones.get_mut(name).unwrap_or_else(|| panic!("there is no phone {name}"));
        let (text, source) = (phone.say(&words), phone.address);
        let bytes = text.as_bytes();
        let is_connected = phone.is_connected;
        self.feed(if is_connected { Input::Stream { bytes, source } } else { Input::Datagram { bytes, source } });
    }

    fn connect(&mut self, name: &str, connects: bool) {
        let phone = self.phones.get_mut(name).unwrap_or_else(|| panic!("there is no phone {name}"));
        phone.is_connected = connects;
        let source = phone.address;
        self.feed(if connects { Input::Connected(source) } else { Input::Disconnected(source) });
    }

    fn feed(&mut self, input: Input<'_>) {
        self.out.clear();
        self.legs.handle(input, &mut self.ports, self.now, &mut self.out);
        for output in std::mem::take(&mut self.out) {
            let summary = self.summary(&output);
            self.seen.push(summary);
            self.out.push(output);
        }
        self.acknowledge();
    }

    /// Phones acknowledge refusals at once; nothing comes of that.
    fn acknowledge(&mut self) {
        let acks = self.phones.values_mut().filter_map(|it| Some((it.acks.take()?, it.address, it.is_connected)));
        for (ack, source, is_connected) in acks.collect::<Vec<_>>() {
            let mut out = Vec::new();
            let bytes = ack.as_bytes();
            let input = if is_connected { Input::Stream { bytes, source } } else { Input::Datagram { bytes, source } };
            self.legs.handle(input, &mut self.ports, self.now, &mut out);
            assert_eq!(out, [], "an ACK to a refusal is the end of it");
        }
    }

    fn summary(&mut self, output: &Output) -> String {
        match output {
            Output::Transmit { to, bytes } => match self.phones.values_mut().find(|it| it.address == to.remote) {
                Some(phone) if to.transport.is_connected() != phone.is_connected => {
                    panic!("{} is not reached over {to}", phone.name)
                }
                Some(phone) => format!("{} < {}", phone.name.clone(), phone.hear(bytes)),
                None => format!("{} < …", to.remote),
            },
            Output::Event(leg, event) => format!("{} {}", name(*leg), event_name(event)),
            Output::Media(MediaOrder::Open { leg, .. }) => format!("{} open", name(*leg)),
            Output::Media(MediaOrder::Close { leg }) => format!("{} close", name(*leg)),
            Output::Media(MediaOrder::Configure { leg, stream }) => {
                let way = match (stream.sending, stream.receiving) {
                    (true, true) => "both",
                    (true, false) => "sends",
                    (false, true) => "receives",
                    (false, false) => "none",
                };
                format!("{} {} {:?} {way}", name(*leg), stream.rtp, stream.codec)
            }
            Output::Registered(number) => format!("registered {number}"),
            Output::Unregistered(number) => format!("unregistered {number}"),
            Output::SaveRegistration(it) => format!("save {}", it.contact),
            Output::Connect(peer) => {
                let phone = self.phones.values_mut().find(|it| it.address == *peer);
                phone.expect("somebody is there").is_connected = true;
                format!("connect {peer}")
            }
            Output::Trunk { name, state } => format!("{name} {state:?}").to_lowercase(),
            Output::HeldOff { source, user } => format!("holds off {} from {source}", user.as_deref().unwrap_or("all")),
            Output::Disconnect(peer) => format!("disconnect {peer}"),
            Output::DropRegistration { contact, .. } => format!("drop {contact}"),
        }
    }
}

fn directory() -> Directory {
    let devices = ["5001", "5002", "5003", "5004", "5005"].map(|number| {
        let ha1 = sip_proto::digest::Ha1::of(number, "undertone.local", &format!("secret-{number}"));
        (number.parse().expect("a number"), Some(Secret(Ha1 { md5: ha1.md5, sha256: ha1.sha256 })))
    });
    let carrier = Trunk {
        name: "carrier".into(),
        address: "10.0.9.1".into(),
        transport: TrunkTransport::Udp,
        account: None,
        inbound: BTreeMap::new(),
    };
    let account = Account { user_name: "acme".into(), password: Secret("secret".into()), register: true };
    let telco =
        Trunk { name: "telco".into(), address: "telco.example".into(), account: Some(account), ..carrier.clone() };
    Directory { devices: devices.into(), trunks: vec![carrier, telco] }
}

fn order(words: &[&str]) -> LegOrder {
    match words {
        ["ring"] => LegOrder::Ring,
        ["progress", like] => LegOrder::Progress { like: leg_id(like) },
        ["answer"] => LegOrder::Answer { like: None },
        ["answer", like] => LegOrder::Answer { like: Some(leg_id(like)) },
        ["pickup"] => LegOrder::PickUp,
        ["end", cause] => LegOrder::End(cause_named(cause)),
        ["dial", to, options @ ..] => LegOrder::Dial {
            to: match to.split_once('@') {
                Some((number, trunk)) => Target::Trunk { name: trunk.to_owned(), number: number.to_owned() },
                None => Target::Device(to.parse().expect("a number")),
            },
            from: "5001".to_owned(),
            display: "Ada \"the\" Agent".to_owned(),
            like: options.iter().find(|it| it.starts_with("in") || it.starts_with("out")).map(|it| leg_id(it)),
            alert: if options.contains(&"auto") { Alert::AutoAnswer } else { Alert::Ring },
            direction: if options.contains(&"sendonly") { OfferDirection::SendOnly } else { OfferDirection::SendRecv },
        },
        _ => panic!("there is no order {words:?}"),
    }
}

fn cause_named(name: &str) -> Cause {
    CAUSES.into_iter().find(|it| format!("{it:?}").eq_ignore_ascii_case(name)).expect("a cause")
}

fn event_name(event: &LegEvent) -> String {
    match event {
        LegEvent::Offered { origin: Origin::Device(number), dialled } => format!("offered {number} dials {dialled}"),
        LegEvent::Offered { origin: Origin::Trunk { name, caller }, dialled } => {
            format!("offered {name}/{caller} dials {dialled}")
        }
        LegEvent::Ended(cause) => format!("ended {cause:?}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn leg_id(name: &str) -> LegId {
    let number = |it: &str| it.parse::<u64>().expect("a leg's number");
    match name.strip_prefix("in") {
        Some(it) => LegId(LegId::INBOUND | number(it)),
        None => LegId(number(name.trim_start_matches("out"))),
    }
}

fn name(leg: LegId) -> String {
    if leg.is_inbound() { format!("in{}", leg.0 & !LegId::INBOUND) } else { format!("out{}", leg.0) }
}

/// `2.5s` after the start.
fn moment(text: &str) -> Time {
    let seconds: f64 = text.trim_end_matches('s').parse().expect("a moment");
    START + Duration::from_secs_f64(seconds)
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

const PHONES: [(&str, &str); 5] =
    [("5001", "5001"), ("5002", "5002"), ("5003", "5003"), ("soft", "5005"), ("desk", "5005")];

const CAUSES: [Cause; 12] = [
    Cause::HungUp,
    Cause::Cancelled,
    Cause::Busy,
    Cause::Declined,
    Cause::NoAnswer,
    Cause::Unavailable,
    Cause::NotFound,
    Cause::Forbidden,
    Cause::NotAcceptable,
    Cause::Redirected,
    Cause::Gone,
    Cause::Overload,
];

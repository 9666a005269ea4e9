//! One seed's story: phones, network and server on one clock, from the first registration to the last BYE.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use clock::Time;
use domain::{
    command::{CallOperation, Command},
    config::Settings,
    event::Event,
    ids::{LegId, RequestId},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sip_proto::Flow;
use softphone::{Account, Input, Output, Phone};

use crate::{
    Fault, Tally,
    actors::{self, Deed, OUTSIDE, Wish},
    model::Model,
    network::{Network, Packet, Weather, phone_address, server_address, trunk_address},
    server::{DOMAIN, Outside, Sabotage, Server, StorageWeather, Told},
};

/// A world and what happens in it.
pub struct Story {
    seed: u64,
    now: Time,
    start: Time,
    chance: ChaCha8Rng,
    network: Network,
    server: Server,
    model: Model,
    phones: BTreeMap<&'static str, Phone>,
    addresses: BTreeMap<SocketAddr, &'static str>,
    next_deed: Time,
    requests: u64,
    wishes: BTreeMap<RequestId, (&'static str, Wish)>,
    ladder: Option<Vec<String>>,
    steps: u64,
}

impl Story {
    /// The world of a seed, before anything has happened.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        let fair = chance.next_u32().is_multiple_of(4);
        let weather = Weather {
            lost: if fair { 0 } else { chance.next_u32() % 150 },
            doubled: chance.next_u32() % 100,
            delay_ms_max: 2 + chance.next_u32() % 120,
        };
        let storage = StorageWeather {
            failing: if chance.next_u32().is_multiple_of(2) { 0 } else { chance.next_u32() % 200 },
            delay_ms_max: 1 + chance.next_u32() % 300,
        };
        let start = Time::from_unix_ms(1_700_000_000_000);
        let mut settings = Settings::default();
        settings.supervision.intrusion = !chance.next_u32().is_multiple_of(4);
        settings.supervision.cancel_ends_session = chance.next_u32().is_multiple_of(4);
        settings.supervision.max_supervisors_per_target = 1 + (chance.next_u32() % 2) as usize;
        Self {
            seed,
            now: start,
            start,
            network: Network::new(weather),
            server: Server::new(settings, storage, chance.next_u64()),
            model: Model::default(),
            phones: BTreeMap::new(),
            addresses: BTreeMap::new(),
            next_deed: start,
            requests: 0,
            wishes: BTreeMap::new(),
            ladder: None,
            steps: 0,
            chance,
        }
    }

    /// Keeps a ladder of all that happens, for [`Self::ladder`].
    #[must_use]
    pub fn told(mut self) -> Self {
        self.ladder = Some(Vec::new());
        self
    }

    /// With a fault put in on purpose.
    #[must_use]
    pub fn sabotaged(mut self, how: Sabotage) -> Self {
        self.server.sabotage = Some(how);
        self
    }

    /// All that happened, a line each.
    #[must_use]
    pub fn ladder(&self) -> &[String] {
        self.ladder.as_deref().unwrap_or_default()
    }

    /// Plays it to its end.
    ///
    /// # Errors
    /// Something was not as it must be; the rest is not played.
    pub fn play(&mut self) -> Result<Tally, Fault> {
        let at = |it: &Self| it.now.since(it.start).as_millis();
        self.play_acts().map_err(|what| Fault {
            seed: self.seed,
            at_ms: u64::try_from(at(self)).unwrap_or(u64::MAX),
            what,
        })?;
        Ok(Tally {
            datagrams: self.network.sent(),
            calls: self.model.calls,
            sessions: self.model.sessions,
            cells: self.server.cells,
        })
    }

    fn play_acts(&mut self) -> Result<(), String> {
        self.open()?;
        self.until(self.start + OPENING, false)?;
        self.next_deed = self.now;
        self.until(self.start + OPENING + ACTION, true)?;
        self.close()
    }

    /// Everybody is set up, registers and logs in, under a fair sky.
    fn open(&mut self) -> Result<(), String> {
        let storm = (self.network.weather, self.server.storage);
        self.network.weather = Weather { lost: 0, doubled: 0, delay_ms_max: 2 };
        self.server.storage.failing = 0;
        self.ask(Command::Provision(actors::provision()), None)?;
        self.until(self.start + Duration::from_millis(500), false)?;
        for (line, number) in (1..).zip(actors::everybody()) {
            self.plug_in(number, line);
        }
        for number in actors::seats() {
            self.wish(number, Wish::LogIn)?;
        }
        self.until(self.start + OPENING, false)?;
        (self.network.weather, self.server.storage) = storm;
        Ok(())
    }

    /// Everybody hangs up, the sky clears, and nothing must be left.
    fn close(&mut self) -> Result<(), String> {
        self.network.weather = Weather { lost: 0, doubled: 0, delay_ms_max: 20 };
        self.server.storage.failing = 0;
        for _ in 0..3 {
            for number in actors::everybody() {
                self.does(number, Input::HangUp);
            }
            self.until(self.now + Duration::from_secs(6), false)?;
        }
        // A phone that lost its power never says good-bye: media's silence has it asked (V-08).
        self.tell(Told::Silence)?;
        self.until(self.now + CLOSING, false)?;
        self.server.left(&self.model).map_or(Ok(()), Err)
    }

    fn plug_in(&mut self, number: &'static str, line: u8) {
        let outside = OUTSIDE.contains(&number);
        let sip = if outside { trunk_address(line) } else { phone_address(line) };
        let account = Account {
            number: actors::number(number).into(),
            password: actors::password(actors::number(number)),
            domain: DOMAIN.into(),
            server: Flow::udp(server_address()),
            sip,
            rtp: (sip.ip(), 4000).into(),
            behaviour: actors::behaviour(number, &mut self.chance),
            seed: self.chance.next_u64(),
        };
        self.addresses.insert(sip, number);
        self.phones.insert(number, Phone::new(account));
        if !outside {
            self.does(number, Input::Register);
        }
    }

    /// Lets time pass up to a moment.
    fn until(&mut self, end: Time, acting: bool) -> Result<(), String> {
        loop {
            let phones = self.phones.values().filter_map(Phone::poll_timeout).min();
            let deed = acting.then_some(self.next_deed);
            let next = [self.network.next(), self.server.next(), phones, deed].into_iter().flatten().min();
            let Some(next) = next.filter(|it| *it <= end) else { break };
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err("the world spins without coming to an end".into());
            }
            self.now = self.now.max(next);
            self.step(acting)?;
        }
        self.now = end;
        Ok(())
    }

    fn step(&mut self, acting: bool) -> Result<(), String> {
        while let Some(packet) = self.network.arrived(self.now) {
            self.arrives(packet)?;
        }
        let due: Vec<&'static str> = self
            .phones
            .iter()
            .filter(|(_, it)| it.poll_timeout().is_some_and(|at| at <= self.now))
            .map(|(number, _)| *number)
            .collect();
        for number in due {
            self.does(number, Input::Timeout);
        }
        if self.server.next().is_some_and(|it| it <= self.now) {
            self.serve(None)?;
        }
        if acting && self.next_deed <= self.now {
            self.act()?;
        }
        Ok(())
    }

    fn arrives(&mut self, packet: Packet) -> Result<(), String> {
        if packet.to == server_address() {
            self.note(|| format!("{} → server: {}", packet.from, first_line(&packet.bytes)));
            return self.tell(Told::Datagram { bytes: packet.bytes, from: packet.from });
        }
        if let Some(number) = self.addresses.get(&packet.to).copied() {
            self.note(|| format!("server → {number}: {}", first_line(&packet.bytes)));
            self.does(number, Input::Received { bytes: &packet.bytes, from: Flow::udp(packet.from) });
        }
        Ok(())
    }

    /// A phone is told something.
    fn does(&mut self, number: &'static str, input: Input<'_>) {
        let Some(phone) = self.phones.get_mut(number) else { return };
        let from = self.addresses.iter().find(|(_, it)| **it == number).map(|(address, _)| *address);
        let outputs = phone.handle(input, self.now);
        for output in outputs {
            match output {
                Output::Transmit { to, bytes } => {
                    let Some(from) = from else { continue };
                    let packet = Packet { from, to: to.remote, bytes };
                    self.network.send(&packet, &mut self.chance, self.now);
                }
                Output::Event(event) => self.note(|| format!("        {number}: {event:?}")),
                Output::Media(_) => {}
            }
        }
    }

    fn tell(&mut self, told: Told) -> Result<(), String> {
        self.serve(Some(told))
    }

    /// The server does a step, and what it sends goes out.
    fn serve(&mut self, told: Option<Told>) -> Result<(), String> {
        self.with_server(|server, outside| match told {
            Some(told) => server.step(told, outside),
            None => server.tick(outside),
        })
    }

    fn with_server(
        &mut self,
        act: impl FnOnce(&mut Server, &mut Outside<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let (mut send, mut ended) = (Vec::new(), Vec::<LegId>::new());
        let mut outside = Outside {
            model: &mut self.model,
            chance: &mut self.chance,
            now: self.now,
            send: &mut send,
            ended: &mut ended,
            wishes: &mut self.wishes,
            tells: self.ladder.is_some(),
        };
        let result = act(&mut self.server, &mut outside);
        for line in std::mem::take(&mut self.server.log) {
            self.note(|| format!("        {line}"));
        }
        ended.into_iter().for_each(|leg| self.model.unbind(leg));
        for (to, bytes) in send {
            let packet = Packet { from: server_address(), to, bytes };
            self.network.send(&packet, &mut self.chance, self.now);
        }
        result
    }

    fn wish(&mut self, number: &'static str, wish: Wish) -> Result<(), String> {
        let Some(command) = actors::command(number, wish, &self.server) else { return Ok(()) };
        self.note(|| format!("{number} asks: {wish:?}"));
        if let (Some(Sabotage::NoHold), Wish::Operate(CallOperation::Hold, call)) = (self.server.sabotage, wish) {
            self.model.parked(number, call, true, self.now);
            return Ok(());
        }
        self.ask(command, Some((number, wish)))
    }

    fn ask(&mut self, command: Command, wish: Option<(&'static str, Wish)>) -> Result<(), String> {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.wishes.extend(wish.map(|it| (request, it)));
        self.tell(Told::Command(request, command))
    }

    /// Somebody does something.
    fn act(&mut self) -> Result<(), String> {
        let pause = Duration::from_millis(u64::from(self.chance.next_u32() % 1500));
        self.next_deed = self.now + pause;
        let deed = actors::deed(&mut self.chance);
        self.note(|| format!("{deed:?}"));
        match deed {
            Deed::Dials(number, whom) => self.does(number, Input::Call(whom)),
            Deed::HangsUp(number) => self.does(number, Input::HangUp),
            Deed::Holds(number) => self.does(number, Input::Hold),
            Deed::Retrieves(number) => self.does(number, Input::Retrieve),
            Deed::Crashes(number) => {
                let line = (1..).zip(actors::everybody()).find(|(_, it)| *it == number).map(|it| it.0);
                line.into_iter().for_each(|line| self.plug_in(number, line));
            }
            Deed::Asks(number, wish) => self.wish(number, wish)?,
            Deed::Controls(number, operation) => {
                if let Some(call) = self.server.call_of(number) {
                    self.wish(number, Wish::Operate(operation, call))?;
                }
            }
            Deed::Restart => {
                let seed = self.chance.next_u64();
                self.wishes.clear();
                self.with_server(|server, outside| server.restart(seed, outside))?;
            }
            Deed::Nothing => {
                let stray = Event::Applied { call: domain::ids::CallId(1), version: 1 };
                self.tell(Told::Event(stray))?;
            }
        }
        Ok(())
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.now.since(self.start).as_millis();
        if let Some(ladder) = &mut self.ladder {
            ladder.push(format!("{at:>8} {}", line()));
        }
    }
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().to_owned()
}

/// Time to set up, register and log in.
const OPENING: Duration = Duration::from_secs(2);
/// Time in which people act.
const ACTION: Duration = Duration::from_secs(40);
/// Time for the last transactions to end: 32 s to ask a dead phone whether it is there (RFC 3261 s17.1.2.2), and as long
/// again for the BYE that tells it.
const CLOSING: Duration = Duration::from_secs(150);
/// More steps than any story takes.
const STEPS_MAX: u64 = 100_000;

//! The server of the world: the engine and the legs, with storage that is slow and fails, and media that answers late.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use clock::Time;
use domain::{
    Engine,
    command::{CallOperation, Calls, Command, Refusal, Reply},
    config::Settings,
    event::{Action, Event, Outcome},
    ids::{CallId, DeviceId, LegId, RequestId, Ticket},
    leg::{LegEvent, LegOrder},
    record::{AuditEvent, Record},
    view::{Change, DeviceView, UserView},
};
use legs::{Legs, MediaOrder, Output, Ports};
use media_proto::{
    codec::Codec,
    plan::{Plan, plans},
};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use crate::{actors::Wish, disk::Disk, model::Model, network::server_address};

/// What the server is told.
#[derive(Debug)]
pub(crate) enum Told {
    Datagram {
        bytes: Vec<u8>,
        from: SocketAddr,
    },
    Event(Event),
    Command(RequestId, Command),
    /// Media has heard nothing from these legs.
    Silence,
}

/// What storage and media are about to answer, of the server's this life.
#[derive(Debug)]
enum Late {
    Stored { ticket: Ticket, outcome: Outcome, records: Vec<Record> },
    Applied { call: CallId, version: u64 },
}

/// A fault put in on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Whoever hears two parties, as a supervisor does, is heard by both.
    HeardSupervisor,
    /// Whoever hears two parties hears nobody.
    DeafSupervisor,
    /// Hearing that has been given is never taken away.
    NoEnd,
    /// Users are promised `Hold`, and nothing comes of it.
    NoHold,
}

type Matrix = BTreeMap<LegId, BTreeSet<LegId>>;

impl Sabotage {
    fn spoil(self, before: Option<&Matrix>, mut hears: Matrix) -> Matrix {
        let listeners: Vec<LegId> = hears.iter().filter(|(_, row)| row.len() > 1).map(|(leg, _)| *leg).collect();
        match self {
            Self::HeardSupervisor => {
                let talking = hears.iter_mut().filter(|(_, row)| row.len() == 1);
                talking.for_each(|(_, row)| row.extend(&listeners));
            }
            Self::DeafSupervisor => {
                listeners.iter().for_each(|leg| drop(hears.insert(*leg, BTreeSet::new())));
            }
            Self::NoHold => {}
            Self::NoEnd => {
                for (leg, row) in before.into_iter().flatten() {
                    hears.entry(*leg).or_default().extend(row);
                }
            }
        }
        hears
    }
}

/// How storage behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StorageWeather {
    pub(crate) failing: u32,
    pub(crate) delay_ms_max: u32,
}

pub(crate) struct Server {
    engine: Engine,
    legs: Legs,
    leases: Leases,
    settings: Settings,
    disk: Disk,
    pub(crate) storage: StorageWeather,
    late: BTreeMap<(Time, u64), Late>,
    lated: u64,
    matrices: BTreeMap<CallId, Matrix>,
    /// Legs that have a port, with their codec once it is settled.
    media: BTreeMap<LegId, Option<Codec>>,
    pub(crate) devices: BTreeMap<String, DeviceView>,
    pub(crate) users: BTreeMap<String, UserView>,
    /// Whose views of which calls are shown: each device's number with its calls.
    calls: BTreeMap<(CallId, DeviceId), String>,
    pub(crate) cells: u64,
    pub(crate) sabotage: Option<Sabotage>,
    /// When hearing that is missing was last looked for.
    looked: Time,
    pub(crate) log: Vec<String>,
}

#[derive(Default)]
struct Leases {
    leased: BTreeMap<LegId, u16>,
    next: u16,
}

impl Ports for Leases {
    fn lease(&mut self, leg: LegId) -> Option<u16> {
        self.next = self.next.wrapping_add(2) % 20_000;
        let port = 20_000 + self.next;
        self.leased.insert(leg, port);
        Some(port)
    }

    fn release(&mut self, leg: LegId) {
        self.leased.remove(&leg);
    }
}

/// What is still to be done within one step.
enum Work {
    Legs(legs_input::Owned),
    Engine(Event),
    Act(Action),
}

mod legs_input {
    use std::net::SocketAddr;

    use domain::{event::Directory, ids::LegId, leg::LegAction, record::Registration};

    /// An input of the legs that owns its octets.
    pub(super) enum Owned {
        Datagram { bytes: Vec<u8>, source: SocketAddr },
        Order(LegAction),
        Directory(Directory),
        Registrations(Vec<Registration>),
        Silent(LegId),
        Timeout,
    }
}

use legs_input::Owned;

impl Server {
    pub(crate) fn new(settings: Settings, storage: StorageWeather, seed: u64) -> Self {
        Self {
            engine: Engine::new(settings.clone(), seed),
            legs: legs(seed),
            leases: Leases::default(),
            settings,
            disk: Disk::default(),
            storage,
            late: BTreeMap::new(),
            lated: 0,
            matrices: BTreeMap::new(),
            media: BTreeMap::new(),
            devices: BTreeMap::new(),
            users: BTreeMap::new(),
            calls: BTreeMap::new(),
            cells: 0,
            sabotage: None,
            looked: Time::default(),
            log: Vec::new(),
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        let late = self.late.first_key_value().map(|((at, _), _)| *at);
        [late, self.engine.poll_timeout(), self.legs.poll_timeout()].into_iter().flatten().min()
    }

    /// A call that this number is shown.
    pub(crate) fn call_of(&self, number: &str) -> Option<CallId> {
        self.calls.iter().find(|(_, it)| *it == number).map(|((call, _), _)| *call)
    }

    pub(crate) fn counts(&self) -> domain::engine::Counts {
        self.engine.counts()
    }

    /// One step: what the server does on being told something. Answers with the datagrams to send.
    pub(crate) fn step(&mut self, told: Told, world: &mut Outside<'_>) -> Result<(), String> {
        let mut work = VecDeque::new();
        match told {
            Told::Datagram { bytes, from } => work.push_back(Work::Legs(Owned::Datagram { bytes, source: from })),
            Told::Event(event) => work.push_back(Work::Engine(event)),
            Told::Silence => {
                let legs: Vec<LegId> = self.media.keys().copied().collect();
                work.extend(legs.into_iter().map(|leg| Work::Legs(Owned::Silent(leg))));
            }
            Told::Command(request, command) => match self.engine.command(request, command, world.now) {
                Ok(actions) => queue(actions, &mut work, world),
                Err(refusal) => world.answered(request, &Err(refusal)),
            },
        }
        self.work_off(work, world)
    }

    /// Timers that are due, of the engine, the legs, storage and media, one after the other.
    pub(crate) fn tick(&mut self, world: &mut Outside<'_>) -> Result<(), String> {
        if self.legs.poll_timeout().is_some_and(|it| it <= world.now) {
            self.work_off([Work::Legs(Owned::Timeout)].into(), world)?;
        }
        if self.engine.poll_timeout().is_some_and(|it| it <= world.now) {
            self.work_off([Work::Engine(Event::Timeout)].into(), world)?;
        }
        while let Some(first) = self.late.first_entry().filter(|it| it.key().0 <= world.now) {
            let event = match first.remove() {
                Late::Applied { call, version } => Event::Applied { call, version },
                Late::Stored { ticket, outcome, records } => {
                    if outcome == Outcome::Committed {
                        records.into_iter().for_each(|it| self.commit(it, world));
                    }
                    Event::Stored { ticket, outcome }
                }
            };
            self.work_off([Work::Engine(event)].into(), world)?;
        }
        Ok(())
    }

    fn commit(&mut self, record: Record, world: &mut Outside<'_>) {
        if let Record::Audit(it) = &record
            && it.what == AuditEvent::SessionOffered
        {
            let number =
                |it: &Option<domain::ids::PhoneNumber>| it.as_ref().map(ToString::to_string).unwrap_or_default();
            world.model.audited(&number(&it.supervisor_number), &number(&it.target_number), world.now);
        }
        self.disk.write(record);
    }

    fn work_off(&mut self, mut work: VecDeque<Work>, world: &mut Outside<'_>) -> Result<(), String> {
        while let Some(next) = work.pop_front() {
            match next {
                Work::Legs(input) => self.legs_do(input, &mut work, world)?,
                Work::Engine(event) => {
                    // Networks and adapters repeat themselves; what is said twice must count once.
                    let twice = !matches!(event, Event::Timeout) && world.chance.next_u32().is_multiple_of(50);
                    if world.tells {
                        self.log.push(format!("{event:?}"));
                    }
                    for event in std::iter::repeat_n(event, if twice { 2 } else { 1 }) {
                        let actions = self.engine.handle(event, world.now);
                        queue(actions, &mut work, world);
                    }
                }
                Work::Act(action) => self.act(action, &mut work, world),
            }
        }
        self.check(world)
    }

    fn legs_do(&mut self, input: Owned, work: &mut VecDeque<Work>, world: &mut Outside<'_>) -> Result<(), String> {
        let mut out = Vec::new();
        let mut call_id = None;
        let mut dialled = None;
        let now = world.now;
        let (legs, ports) = (&mut self.legs, &mut self.leases);
        match input {
            Owned::Datagram { bytes, source } => {
                call_id = world.model.came(&bytes, now);
                legs.handle(legs::Input::Datagram { bytes: &bytes, source }, ports, now, &mut out);
            }
            Owned::Order(action) => {
                world.model.on_call(action.leg, action.call);
                dialled = matches!(action.order, LegOrder::Dial { .. }).then_some(action.leg);
                legs.handle(legs::Input::Order(action), ports, now, &mut out);
            }
            Owned::Directory(it) => legs.handle(legs::Input::Directory(it), ports, now, &mut out),
            Owned::Registrations(it) => legs.handle(legs::Input::Registrations(it), ports, now, &mut out),
            Owned::Silent(leg) => legs.handle(legs::Input::Silent(leg), ports, now, &mut out),
            Owned::Timeout => legs.handle(legs::Input::Timeout, ports, now, &mut out),
        }
        for output in out {
            match output {
                Output::Transmit { to, bytes } => {
                    let sent = world.model.went(&bytes, now)?;
                    if let (Some(leg), Some(id)) = (dialled.take(), sent) {
                        world.model.bind(leg, id);
                    }
                    world.send.push((to.remote, bytes));
                }
                Output::Event(leg, event) => {
                    // Of several phones that a leg calls, the one that answers is its own.
                    if let (LegEvent::Offered { .. } | LegEvent::Answered, Some(id)) = (&event, &call_id) {
                        world.model.bind(leg, id.clone());
                    }
                    if matches!(event, LegEvent::Ended(_)) {
                        world.ended.push(leg);
                    }
                    work.push_back(Work::Engine(Event::Leg(leg, event)));
                }
                Output::Media(order) => self.media_do(&order),
                Output::Registered(number) => work.push_back(Work::Engine(Event::Registered(number))),
                Output::Unregistered(number) => work.push_back(Work::Engine(Event::Unregistered(number))),
                Output::SaveRegistration(it) => self.disk.register(it),
                Output::Trunk { name, .. } => return Err(format!("nobody registers at {name}")),
                Output::HeldOff { source, .. } => return Err(format!("everybody at {source} knows the password")),
                Output::Connect(peer) | Output::Disconnect(peer) => {
                    return Err(format!("nobody is connected, not even {peer}"));
                }
                Output::DropRegistration { number, contact } => {
                    self.disk.write(Record::RegistrationGone { number, contact });
                }
            }
        }
        Ok(())
    }

    fn media_do(&mut self, order: &MediaOrder) {
        match *order {
            MediaOrder::Open { leg, .. } => {
                self.media.insert(leg, None);
            }
            MediaOrder::Configure { leg, stream } => {
                self.media.insert(leg, Some(stream.codec));
            }
            MediaOrder::Close { leg } => {
                self.media.remove(&leg);
            }
        }
    }

    fn act(&mut self, action: Action, work: &mut VecDeque<Work>, world: &mut Outside<'_>) {
        if world.tells && !matches!(action, Action::Publish(_)) {
            self.log.push(format!("    {action:?}"));
        }
        match action {
            Action::Leg(it) => work.push_back(Work::Legs(Owned::Order(it))),
            Action::Matrix { call, version, hears, .. } => {
                hears.keys().for_each(|leg| world.model.on_call(*leg, call));
                let hears = self.sabotage.map_or(hears.clone(), |it| it.spoil(self.matrices.get(&call), hears));
                self.matrices.insert(call, hears);
                let at = world.now + Duration::from_millis(u64::from(1 + world.chance.next_u32() % 40));
                self.later(at, Late::Applied { call, version });
            }
            Action::CallOver(call) => {
                self.matrices.remove(&call);
            }
            Action::Store { ticket, records } => {
                let StorageWeather { failing, delay_ms_max } = self.storage;
                let outcome =
                    if world.chance.next_u32() % 1000 < failing { Outcome::Failed } else { Outcome::Committed };
                let at = world.now + Duration::from_millis(u64::from(world.chance.next_u32() % delay_ms_max.max(1)));
                self.later(at, Late::Stored { ticket, outcome, records });
            }
            Action::Publish(Change::Device(it)) => {
                self.devices.insert(it.phone_number.to_string(), DeviceView::clone(&it));
            }
            Action::Publish(Change::User(it)) => {
                self.users.insert(it.user_name.clone(), UserView::clone(&it));
            }
            Action::Publish(Change::Call(it)) => {
                self.calls.insert((it.call, it.device), it.phone_number.to_string());
            }
            Action::Publish(Change::CallGone(call, device)) => {
                self.calls.remove(&(call, device));
            }
            Action::Publish(_) | Action::Music { .. } | Action::Notify(_) | Action::Reply { .. } => {}
            Action::Directory(it) => work.push_back(Work::Legs(Owned::Directory(it))),
        }
    }

    /// Storage commits in order, as one writer does.
    fn later(&mut self, at: Time, what: Late) {
        let stored = matches!(what, Late::Stored { .. });
        let last = self.late.iter().rev().find(|(_, it)| stored && matches!(it, Late::Stored { .. }));
        let at = last.map_or(at, |((last, _), _)| at.max(*last));
        self.lated += 1;
        self.late.insert((at, self.lated), what);
    }

    /// Nobody hears what is not theirs, at no moment.
    fn check(&mut self, world: &Outside<'_>) -> Result<(), String> {
        let codecs: BTreeMap<LegId, Codec> =
            self.media.iter().filter_map(|(leg, codec)| Some((*leg, (*codec)?))).collect();
        for matrix in self.matrices.values() {
            for (ear, plan) in plans(matrix, &codecs) {
                for mouth in heard(&plan) {
                    self.cells += 1;
                    if let Some(what) = world.model.forbidden(ear, mouth) {
                        return Err(what);
                    }
                }
            }
        }
        let hears = |ear: LegId, mouth: LegId| {
            self.matrices.values().any(|it| it.get(&ear).is_some_and(|row| row.contains(&mouth)))
        };
        // What is missing stays missing, so it need not be looked for at every step.
        if world.now.since(self.looked) < LOOK_AFTER {
            return Ok(());
        }
        self.looked = world.now;
        world.model.missing(hears, world.now).map_or(Ok(()), Err)
    }

    /// The process is killed and started again.
    pub(crate) fn restart(&mut self, seed: u64, world: &mut Outside<'_>) -> Result<(), String> {
        self.engine = Engine::new(self.settings.clone(), seed);
        self.legs = legs(seed);
        self.leases = Leases::default();
        self.late.clear();
        self.matrices.clear();
        self.media.clear();
        self.devices.clear();
        self.calls.clear();
        let saved = self.disk.saved();
        world.model.restarted(BTreeMap::new());
        let mut work: VecDeque<Work> = [Work::Legs(Owned::Registrations(saved.registrations.clone()))].into();
        let actions = self.engine.restore(saved, world.now);
        work.extend(actions.into_iter().map(Work::Act));
        self.work_off(work, world)?;
        world.model.restarted(self.orders());
        Ok(())
    }

    /// The orders that stand, as devices show them: who watches whom, and whether for one call.
    fn orders(&self) -> BTreeMap<String, (String, bool)> {
        let shown = self.devices.iter().filter_map(|(number, it)| Some((number.clone(), it.monitoring.as_ref()?)));
        let next = |it: &domain::view::MonitoringView| it.calls == Calls::Next;
        shown.map(|(number, it)| (number, (it.phone_number.to_string(), next(it)))).collect()
    }

    /// What is left when the world has come to rest, and should not be.
    pub(crate) fn left(&self, model: &Model) -> Option<String> {
        let counts = self.counts();
        let (sessions, orders) = self.disk.open();
        let left = [
            ("calls", counts.calls),
            ("legs of the engine", counts.legs),
            ("sessions", counts.sessions),
            ("timers", counts.timers),
            ("writes", counts.writes),
            ("legs", self.legs.len()),
            ("transactions", self.legs.transactions()),
            ("leases", self.leases.leased.len()),
            ("media legs", self.media.len()),
            ("matrices", self.matrices.len()),
            ("sessions on disk", sessions),
            ("orders too many or few on disk", orders.abs_diff(counts.orders)),
            ("legs of the model", model.bound().len()),
        ];
        let left: Vec<String> = left.iter().filter(|it| it.1 > 0).map(|(what, n)| format!("{n} {what}")).collect();
        (!left.is_empty()).then(|| format!("left behind: {}", left.join(", ")))
    }
}

/// What the server's step touches around it.
pub(crate) struct Outside<'a> {
    pub(crate) model: &'a mut Model,
    pub(crate) chance: &'a mut ChaCha8Rng,
    pub(crate) now: Time,
    /// Datagrams to send.
    pub(crate) send: &'a mut Vec<(SocketAddr, Vec<u8>)>,
    /// Legs that have ended: unknown to the model after the step.
    pub(crate) ended: &'a mut Vec<LegId>,
    /// What was asked for and by whom, until it is answered.
    pub(crate) wishes: &'a mut BTreeMap<RequestId, (&'static str, Wish)>,
    /// Whether somebody reads the ladder.
    pub(crate) tells: bool,
}

impl Outside<'_> {
    /// What a user was promised is right from then on.
    fn answered(&mut self, request: RequestId, result: &Result<Reply, Refusal>) {
        let Some((number, wish)) = self.wishes.remove(&request).filter(|_| result.is_ok()) else { return };
        match wish {
            Wish::Listen(target, calls) => self.model.ordered(number, target, calls == Calls::Next, self.now),
            Wish::Cancel => self.model.cancelled(number),
            Wish::LogOut => self.model.logged_out(number, self.now),
            Wish::Dial(whom) => self.model.asked_to_dial(number, whom),
            Wish::Operate(CallOperation::Hold, call) => self.model.parked(number, call, true, self.now),
            Wish::Operate(CallOperation::Retrieve, call) => self.model.parked(number, call, false, self.now),
            Wish::LogIn | Wish::Ready | Wish::DoNotDisturb(_) | Wish::Operate(..) => {}
        }
    }
}

/// Puts actions in line. An answer counts from the moment at which the engine gave it, whatever stands before it.
fn queue(actions: Vec<Action>, work: &mut VecDeque<Work>, world: &mut Outside<'_>) {
    for action in &actions {
        if let Action::Reply { request, result } = action {
            world.answered(*request, result);
        }
    }
    work.extend(actions.into_iter().map(Work::Act));
}

fn heard(plan: &Plan<LegId>) -> Vec<LegId> {
    match plan {
        Plan::Silent => Vec::new(),
        Plan::Relay(one) | Plan::Transcode(one) => vec![*one],
        Plan::Mix(several) => several.clone(),
    }
}

fn legs(seed: u64) -> Legs {
    let address = server_address();
    let mut settings = legs::Settings::new(DOMAIN, address, address.ip());
    // Shorter than phones would allow that know of session timers, so that sessions are refreshed while much else happens.
    settings.session_expires = Duration::from_secs(20);
    Legs::new(settings, seed)
}

/// The SIP domain of the world.
pub(crate) const DOMAIN: &str = "undertone.local";

/// How often hearing that is missing is looked for.
const LOOK_AFTER: Duration = Duration::from_millis(200);

//! The stage on which scripts are played: names for legs, and storage and media that answer at once unless told not to.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use clock::Time;

use crate::{
    command::*,
    config::*,
    engine::Engine,
    event::{Action, Event, Outcome, Saved},
    ids::*,
    leg::*,
    matrix::Treatment,
    record::{Audit, AuditEvent, Order, Record},
    view::*,
};

/// What the engine was given, to be given again.
#[derive(Clone)]
enum Input {
    Event(Event, Time),
    Command(RequestId, Command, Time),
    Restore(Saved, Time),
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) engine: Engine,
    settings: Settings,
    now: Time,
    start: Time,
    legs: BTreeMap<String, LegId>,
    /// Phones that do not let go of a leg.
    stuck: BTreeSet<String>,
    slow_ack: bool,
    storage: Option<Outcome>,
    media_answers: bool,
    unstored: VecDeque<Ticket>,
    unapplied: VecDeque<(CallId, u64)>,
    pub(super) disk: Disk,
    writing: BTreeMap<Ticket, Vec<Record>>,
    matrices: BTreeMap<CallId, BTreeMap<LegId, BTreeSet<LegId>>>,
    plays: BTreeMap<CallId, BTreeMap<LegId, Treatment>>,
    devices: BTreeMap<String, DeviceView>,
    calls: BTreeMap<(CallId, DeviceId), CallView>,
    users: BTreeMap<String, UserView>,
    told: BTreeMap<UserId, Vec<String>>,
    numbers: BTreeMap<UserId, u64>,
    audit: Vec<Audit>,
    requests: u64,
    inbound: u64,
    inputs: Vec<(Input, Vec<Action>)>,
    ladder: String,
    over: BTreeSet<CallId>,
    /// Legs whose peer has put us on hold.
    holding: BTreeSet<LegId>,
    /// What timers led to since the last line.
    late: Vec<String>,
}

impl Input {
    fn event(&self) -> Option<Event> {
        match self {
            Self::Event(event, _) => Some(event.clone()),
            Self::Command(..) | Self::Restore(..) => None,
        }
    }
}

fn is_offer(event: &Event) -> bool {
    matches!(event, Event::Leg(_, LegEvent::Offered { .. } | LegEvent::Ended(_)) | Event::Stored { .. })
}

/// What storage holds.
#[derive(Default, Clone)]
pub(super) struct Disk {
    pub(super) saved: Saved,
}

impl Disk {
    fn write(&mut self, record: Record) {
        let saved = &mut self.saved;
        match record {
            Record::ContactCenter(it) => saved.contact_center = Some(it),
            Record::Device(it) => put(&mut saved.devices, it, |it| it.id),
            Record::User(it) => put(&mut saved.users, it, |it| it.id),
            Record::Queue(it) => put(&mut saved.queues, it, |it| it.phone_number.clone()),
            Record::Trunk(it) => put(&mut saved.trunks, it, |it| it.name.clone()),
            Record::DialRules(it) => saved.dial_rules = it,
            Record::LogIn(it) => put(&mut saved.log_ins, it, |it| it.user),
            Record::LogOut(user) => saved.log_ins.retain(|it| it.user != user),
            Record::Comfort(it) => put(&mut saved.comforts, it, |it| it.device),
            Record::Order(it) => put(&mut saved.orders, it, |it| it.id),
            Record::OrderGone(id) => saved.orders.retain(|it| it.id != id),
            Record::SessionEnded(id) => saved.open_sessions.retain(|it| it.session != Some(id)),
            Record::Audit(it) if it.what == AuditEvent::SessionOffered => saved.open_sessions.push(it),
            Record::Audit(_) | Record::SessionBegun(_) => {}
            Record::Registration(_) | Record::RegistrationGone { .. } => {}
        }
    }

    pub(super) fn orders(&self) -> &[Order] {
        &self.saved.orders
    }
}

fn put<T, K: PartialEq>(all: &mut Vec<T>, new: T, key: impl Fn(&T) -> K) {
    let id = key(&new);
    all.retain(|it| key(it) != id);
    all.push(new);
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        let start = Time::from_unix_ms(1_700_000_000_000);
        let mut world = Self {
            engine: Engine::new(settings.clone(), 7),
            settings,
            now: start,
            start,
            legs: BTreeMap::new(),
            stuck: BTreeSet::new(),
            slow_ack: false,
            storage: Some(Outcome::Committed),
            media_answers: true,
            unstored: VecDeque::new(),
            unapplied: VecDeque::new(),
            disk: Disk::default(),
            writing: BTreeMap::new(),
            matrices: BTreeMap::new(),
            plays: BTreeMap::new(),
            devices: BTreeMap::new(),
            calls: BTreeMap::new(),
            users: BTreeMap::new(),
            told: BTreeMap::new(),
            numbers: BTreeMap::new(),
            audit: Vec::new(),
            requests: 0,
            inbound: LegId::INBOUND,
            inputs: Vec::new(),
            ladder: String::new(),
            over: BTreeSet::new(),
            holding: BTreeSet::new(),
            late: Vec::new(),
        };
        world.command(Command::Provision(cast()));
        for number in ["5001", "5002", "5003", "5004", "5005", "5006"] {
            world.event(Event::Registered(number.parse().unwrap()));
        }
        for number in ["5001", "5002", "5005", "5006"] {
            assert_eq!(world.play(&format!("{number} logs in")), "ok");
        }
        world.told.clear();
        world
    }

    pub(super) fn ladder(&self) -> &str {
        &self.ladder
    }

    fn elapsed(&self) -> String {
        format!("{:?}", self.now.since(self.start))
    }

    /// Lets time pass; what timers lead to is the next line's.
    pub(super) fn wait_until(&mut self, moment: Duration) {
        let until = self.start + moment;
        assert!(until >= self.now, "time runs backwards");
        while let Some(at) = self.engine.poll_timeout().filter(|it| *it <= until) {
            self.now = self.now.max(at);
            let out = self.event(Event::Timeout);
            self.ladder += &format!("{:>8} timeout: {}\n", self.elapsed(), out.join(", "));
            self.late.extend(out);
        }
        self.now = until;
    }

    /// Tells the engine of an event; answers with what came of it, once all has settled.
    pub(super) fn event(&mut self, event: Event) -> Vec<String> {
        let actions = self.engine.handle(event.clone(), self.now);
        self.inputs.push((Input::Event(event, self.now), actions.clone()));
        self.carry_out(actions)
    }

    pub(super) fn command(&mut self, command: Command) -> Vec<String> {
        self.requests += 1;
        let request = RequestId(self.requests);
        let actions = match self.engine.command(request, command.clone(), self.now) {
            Ok(actions) => actions,
            Err(refusal) => vec![Action::Reply { request, result: Err(refusal) }],
        };
        self.inputs.push((Input::Command(request, command, self.now), actions.clone()));
        self.carry_out(actions)
    }

    fn carry_out(&mut self, actions: Vec<Action>) -> Vec<String> {
        self.in_order(&actions);
        let mut shown = Vec::new();
        let mut answers = VecDeque::new();
        for action in actions {
            self.carry_out_one(action, &mut shown, &mut answers);
        }
        self.check_hearing();
        for answer in answers {
            shown.extend(self.event(answer));
        }
        shown
    }

    fn carry_out_one(&mut self, action: Action, shown: &mut Vec<String>, answers: &mut VecDeque<Event>) {
        match action {
            Action::Leg(LegAction { call, leg, order }) => {
                assert!(!self.over.contains(&call), "an order for a call that is over");
                shown.push(self.leg_order(leg, &order, answers));
            }
            Action::Matrix { call, version, hears, plays } => {
                self.matrices.insert(call, hears);
                self.plays.insert(call, plays);
                if self.media_answers {
                    answers.push_back(Event::Applied { call, version });
                } else {
                    self.unapplied.push_back((call, version));
                }
            }
            Action::CallOver(call) => {
                self.matrices.remove(&call);
                self.plays.remove(&call);
                assert!(self.over.insert(call), "over twice");
            }
            Action::Store { ticket, records } => {
                self.writing.insert(ticket, records);
                match self.storage {
                    Some(outcome) => answers.push_back(self.store(ticket, outcome)),
                    None => self.unstored.push_back(ticket),
                }
            }
            Action::Publish(change) => self.publish(change),
            Action::Notify(it) => self.notify(&it),
            Action::Reply { result, .. } => shown.push(super::words::reply(&result)),
            Action::Directory(_) | Action::Music { .. } => {}
        }
    }

    fn store(&mut self, ticket: Ticket, outcome: Outcome) -> Event {
        let records = self.writing.remove(&ticket).unwrap();
        if outcome == Outcome::Committed {
            for record in records {
                if let Record::Audit(it) = &record {
                    self.audit.push(it.clone());
                }
                self.disk.write(record);
            }
        }
        Event::Stored { ticket, outcome }
    }

    /// Storage answers all that it was asked while it was told to wait.
    pub(super) fn storage(&mut self, outcome: Outcome) -> Vec<String> {
        let mut shown = Vec::new();
        for ticket in std::mem::take(&mut self.unstored) {
            let event = self.store(ticket, outcome);
            shown.extend(self.event(event));
        }
        shown
    }

    pub(super) fn set_storage(&mut self, outcome: Option<Outcome>) {
        self.storage = outcome;
    }

    pub(super) fn set_media(&mut self, answers: bool) -> Vec<String> {
        self.media_answers = answers;
        if !answers {
            return Vec::new();
        }
        let waiting = std::mem::take(&mut self.unapplied);
        waiting.into_iter().flat_map(|(call, version)| self.event(Event::Applied { call, version })).collect()
    }

    pub(super) fn set_slow_ack(&mut self) {
        self.slow_ack = true;
    }

    pub(super) fn set_stuck(&mut self, name: &str) {
        self.stuck.insert(name.to_owned());
    }

    fn leg_order(&mut self, leg: LegId, order: &LegOrder, answers: &mut VecDeque<Event>) -> String {
        if let LegOrder::Dial { to, display, alert, like, .. } = order {
            assert!(like.is_none_or(|it| self.legs.values().any(|leg| *leg == it)), "like an unknown leg");
            let name = self.name_leg(leg, &super::words::target(to));
            let verb = match (alert, display.starts_with("ListenIn")) {
                (Alert::AutoAnswer, true) => "offer",
                (Alert::Ring, true) => "ring for a session at",
                (Alert::Ring, false) => "call",
                (Alert::AutoAnswer, false) => "auto-answer",
            };
            return format!("{verb} {name}");
        }
        let name = self.name_of(leg);
        match order {
            LegOrder::Answer { .. } if !self.slow_ack => answers.push_back(Event::Leg(leg, LegEvent::Confirmed)),
            LegOrder::End(cause) if !self.stuck.contains(&name) => {
                answers.push_back(Event::Leg(leg, LegEvent::Ended(*cause)));
                self.legs.remove(&name);
            }
            _ => {}
        }
        format!("{} {name}", super::words::order(order))
    }

    fn name_leg(&mut self, leg: LegId, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.legs.contains_key(&name) {
            name.push('\'');
        }
        self.legs.insert(name.clone(), leg);
        name
    }

    pub(super) fn name_of(&self, leg: LegId) -> String {
        let found = self.legs.iter().find(|(_, it)| **it == leg);
        found.map_or_else(|| format!("?{leg}"), |(name, _)| name.clone())
    }

    pub(super) fn leg(&self, name: &str) -> LegId {
        *self.legs.get(name).unwrap_or_else(|| panic!("{name} has no leg\n{}", self.ladder))
    }

    /// A peer calls.
    pub(super) fn dials(&mut self, name: &str, origin: Origin, dialled: &str) -> Vec<String> {
        self.inbound += 1;
        let leg = LegId(self.inbound);
        self.name_leg(leg, name);
        self.event(Event::Leg(leg, LegEvent::Offered { origin, dialled: dialled.into() }))
    }

    pub(super) fn leg_event(&mut self, name: &str, event: LegEvent) -> Vec<String> {
        let leg = self.leg(name);
        match event {
            LegEvent::Ended(_) => drop(self.legs.remove(name)),
            LegEvent::Held => drop(self.holding.insert(leg)),
            LegEvent::Retrieved => drop(self.holding.remove(&leg)),
            _ => {}
        }
        self.event(Event::Leg(leg, event))
    }

    fn publish(&mut self, change: Change) {
        match change {
            Change::Device(it) => {
                self.devices.insert(it.phone_number.to_string(), DeviceView::clone(&it));
            }
            Change::User(it) => {
                self.users.insert(it.user_name.clone(), UserView::clone(&it));
            }
            Change::Call(it) => {
                self.calls.insert((it.call, it.device), CallView::clone(&it));
            }
            Change::CallGone(call, device) => {
                self.calls.remove(&(call, device)).expect("a view is gone that was never there");
            }
            Change::ContactCenter(_) | Change::Queue(_) => {}
        }
    }

    fn notify(&mut self, it: &Notification) {
        let number = self.numbers.entry(it.user).or_default();
        *number += 1;
        assert_eq!(it.number, *number, "messages are numbered without a gap");
        let text = self.notice(&it.notice);
        self.told.entry(it.user).or_default().push(text);
    }

    /// Readers see a change before an answer, and an answer comes before a message.
    fn in_order(&self, actions: &[Action]) {
        let rank = |it: &Action| match it {
            Action::Leg(_) | Action::Store { .. } | Action::Directory(_) | Action::Music { .. } => None,
            Action::Matrix { .. } => Some(0),
            Action::Publish(Change::ContactCenter(_) | Change::Queue(_)) => None,
            Action::Publish(_) => Some(1),
            Action::Reply { .. } => Some(2),
            Action::Notify(_) => Some(3),
            Action::CallOver(_) => Some(4),
        };
        let ranks: Vec<_> = actions.iter().filter_map(rank).collect();
        assert!(ranks.is_sorted(), "{actions:#?}");
    }

    /// In ListenIn nobody hears the supervisor, whatever happens.
    fn check_hearing(&self) {
        for (call, view) in self.calls.values().filter(|it| it.muted).map(|it| (it.call, it)) {
            let Some(matrix) = self.matrices.get(&call) else { continue };
            let number = view.phone_number.as_str();
            let own: Vec<_> = self.legs.iter().filter(|(name, _)| name.trim_end_matches('\'') == number).collect();
            for (name, leg) in own {
                assert!(matrix.values().all(|row| !row.contains(leg)), "{name} is heard: {matrix:?}");
            }
        }
    }

    /// Whom a leg hears, by name.
    pub(super) fn hears(&self, name: &str) -> String {
        let leg = self.leg(name);
        let rows: Vec<_> = self.matrices.values().filter_map(|it| it.get(&leg)).collect();
        let mut heard: BTreeSet<String> = rows.into_iter().flatten().map(|it| self.name_of(*it)).collect();
        let played = self.plays.values().filter_map(|it| it.get(&leg));
        heard.extend(played.map(|it| match it {
            Treatment::Music(queue) => format!("music of {queue}"),
            Treatment::Ringback => "ringback".to_owned(),
        }));
        heard.into_iter().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn is_holding(&self, name: &str) -> bool {
        self.legs.get(name).is_some_and(|it| self.holding.contains(it))
    }

    pub(super) fn has_leg(&self, name: &str) -> bool {
        self.legs.contains_key(name)
    }

    /// Whether a line can be played at all: phones without a leg do nothing on it.
    pub(super) fn fits(&self, what: &str) -> bool {
        let words: Vec<&str> = what.split(' ').collect();
        let on_a_leg = matches!(
            words[1..],
            ["rings" | "answers" | "holds" | "retrieves" | "declines"] | ["hangs" | "gives", "up"] | ["is", "busy"]
        );
        !on_a_leg || self.has_leg(words[0])
    }

    /// An event of the past comes once more, as networks have it.
    pub(super) fn double_an_event(&mut self, which: usize) {
        let past: Vec<Event> = self.inputs.iter().filter_map(|(input, _)| input.event()).collect();
        // The answer to a leg of today must not be mistaken for one of yesterday: `Offered` would begin a new call.
        if let Some(event) = past.get(which % past.len().max(1)).filter(|it| !is_offer(it)) {
            self.event(event.clone());
        }
    }

    pub(super) fn all_hang_up(&mut self) {
        let names: Vec<String> = self.legs.keys().cloned().collect();
        for name in names {
            if self.has_leg(&name) {
                self.leg_event(&name, LegEvent::Ended(Cause::HungUp));
            }
        }
    }

    pub(super) fn device(&self, number: &str) -> &DeviceView {
        self.devices.get(number).unwrap_or_else(|| panic!("no device {number} is shown"))
    }

    pub(super) fn user_of(&self, number: &str) -> UserId {
        let name = super::words::user_name(number);
        self.users.get(name).unwrap_or_else(|| panic!("no user {name} is shown")).id
    }

    pub(super) fn calls_of(&self, number: &str) -> Vec<&CallView> {
        self.calls.values().filter(|it| it.phone_number.as_str() == number).collect()
    }

    pub(super) fn told(&mut self, number: &str) -> String {
        let user = self.user_of(number);
        self.told.remove(&user).unwrap_or_default().join("; ")
    }

    pub(super) fn audit(&mut self) -> String {
        let audit = std::mem::take(&mut self.audit);
        audit.iter().map(super::words::audit).collect::<Vec<_>>().join("; ")
    }

    pub(super) fn audit_entries(&self) -> &[Audit] {
        &self.audit
    }

    /// The server starts again with what is on disk: calls are lost.
    pub(super) fn restart(&mut self) {
        let saved = self.disk.saved.clone();
        self.engine = Engine::new(self.settings.clone(), 8);
        self.inputs.clear();
        self.legs.clear();
        self.matrices.clear();
        self.plays.clear();
        self.calls.clear();
        self.numbers.clear();
        self.devices.clear();
        let actions = self.engine.restore(saved.clone(), self.now);
        self.inputs.push((Input::Restore(saved, self.now), actions.clone()));
        let shown = self.carry_out(actions);
        assert!(shown.is_empty(), "{shown:?}");
    }

    pub(super) fn note(&mut self, what: &str, out: &str) {
        self.ladder += &format!("{:>8} {what:40} {out}\n", self.elapsed());
    }

    pub(super) fn take_late(&mut self) -> Vec<String> {
        std::mem::take(&mut self.late)
    }

    /// Invariant 6: the same events and commands lead to the same state and the same actions.
    pub(super) fn replay(&self) {
        let seed = if matches!(self.inputs.first(), Some((Input::Restore(..), _))) { 8 } else { 7 };
        let mut engine = Engine::new(self.settings.clone(), seed);
        for (input, actions) in &self.inputs {
            let again = match input.clone() {
                Input::Event(event, now) => engine.handle(event, now),
                Input::Restore(saved, now) => engine.restore(saved, now),
                Input::Command(request, command, now) => match engine.command(request, command, now) {
                    Ok(actions) => actions,
                    Err(refusal) => vec![Action::Reply { request, result: Err(refusal) }],
                },
            };
            assert_eq!(&again, actions);
        }
        assert_eq!(engine, self.engine);
    }
}

/// 8000 as it comes, 8001 with after-call work and room for one, from where one goes to 5003 after ten seconds, 8002
/// from where one goes to 8000.
fn queues() -> Vec<Queue> {
    let queue = |number: &str, to: Option<&str>| {
        let overflow = to.map(|to| Overflow { after: Duration::from_secs(10), to: to.parse().unwrap() });
        let plain = Queue::new(number.parse().unwrap(), "s".into(), ["support".into()].into());
        Queue { overflow, ..plain }
    };
    let small = Queue { wrap_up_time: Duration::from_secs(30), max_waiting: 1, ..queue("8001", Some("5003")) };
    vec![queue("8000", None), small, queue("8002", Some("8000"))]
}

/// The contact centre of the scripts.
pub(super) fn cast() -> Provision {
    use MonitorOperation::{BargeIn, Coach, ListenIn};
    let device = |number: &str| Device {
        id: DeviceId(0),
        phone_number: number.parse().unwrap(),
        ha1: None,
        telephony_network: TelephonyNetwork::Private,
        auto_answer: None,
    };
    let user = |number: &str, roles: &[Role], teams: &[&str], supervises: &[&str]| User {
        id: UserId(0),
        user_name: super::words::user_name(number).into(),
        password_hash: Secret(String::new()),
        first_name: super::words::user_name(number).into(),
        last_name: String::new(),
        roles: roles.iter().copied().collect(),
        device: number.parse().ok(),
        teams: teams.iter().map(|it| (*it).into()).collect(),
        supervises: supervises.iter().map(|it| (*it).into()).collect(),
        monitor: [ListenIn, Coach, BargeIn].into(),
    };
    let mut features: BTreeSet<String> = ContactCenter::DEFAULT_FEATURES.map(Into::into).into();
    features.insert(ContactCenter::MONITORING.into());
    let both = [Role::Agent, Role::Supervisor];
    Provision {
        contact_center: Some(ContactCenter { features, ..ContactCenter::default() }),
        devices: ["5001", "5002", "5003", "5004", "5005", "5006"].map(device).into(),
        users: vec![
            user("5001", &[Role::Agent], &["support"], &[]),
            user("5002", &[Role::Agent], &["support"], &[]),
            user("5004", &[Role::Agent], &["sales"], &[]),
            user("5005", &both, &["leads"], &["support"]),
            user("5006", &both, &["leads"], &["support", "leads"]),
        ],
        queues: queues(),
        trunks: vec![Trunk {
            name: "carrier".into(),
            address: "127.0.0.1:5080".into(),
            transport: TrunkTransport::Udp,
            account: None,
            inbound: [("0800".to_owned(), "5001".parse().unwrap())].into(),
        }],
        dial_rules: Some(
            [("00", "no such trunk"), ("001", "carrier"), ("0", "carrier"), ("", "no such trunk")]
                .map(|(prefix, trunk)| DialRule { prefix: prefix.into(), trunk: trunk.into() })
                .into(),
        ),
    }
}

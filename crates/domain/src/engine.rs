//! The engine: the one owner of all that lives, told what happened and asked for what is wanted.

mod call;
mod command;
mod control;
mod dial;
mod flush;
mod hold;
mod join;
mod leg;
mod order;
mod people;
mod provision;
mod publish;
mod queue;
mod refuse;
mod restore;
mod session;
mod store;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use clock::Time;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use self::{
    call::Call,
    people::People,
    session::Session,
    store::{Lock, Pending},
};
use crate::{
    command::{Command, Refusal, Reply},
    config::{ContactCenter, Settings},
    event::{Action, Event},
    ids::{CallId, DeviceId, LegId, OrderId, RequestId, SessionId, Ticket, UserId},
    leg::{LegAction, LegOrder},
    record::{Order, Record},
    view::Notice,
};

/// The contact centre in motion.
///
/// Invariant: a recorded list of events and commands replays to the same state and the same actions. Nothing here reads
/// a clock, and every random id comes from the seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    settings: Settings,
    chance: ChaCha8Rng,
    last_leg: u64,
    last_ticket: u64,
    center: ContactCenter,
    people: People,
    calls: BTreeMap<CallId, Call>,
    /// Which call a leg is on, until it has ended.
    legs: BTreeMap<LegId, CallId>,
    /// The orders that stand.
    orders: BTreeMap<OrderId, Order>,
    sessions: BTreeMap<SessionId, Session>,
    timers: BTreeSet<(Time, Timer)>,
    /// Calls that wait in queues, the first come first.
    line: BTreeMap<u64, CallId>,
    last_place: u64,
    /// What hinges on a `Store` action that is not answered yet.
    pending: BTreeMap<Ticket, Pending>,
    /// Commands that wait for an earlier one on the same object.
    queued: BTreeMap<Lock, VecDeque<(RequestId, Command)>>,
    /// Orders written down by themselves while a command about them was being written: once it is, it is written again.
    overtaken: BTreeSet<OrderId>,
    /// Records that could not be written, to be tried again.
    unwritten: VecDeque<Vec<Record>>,
    outbox: Outbox,
}

/// How much lives in an engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls whose last leg has not ended.
    pub calls: usize,
    /// Calls that wait in queues.
    pub waiting: usize,
    /// Legs that have not ended.
    pub legs: usize,
    /// Monitoring sessions, those included whose end is not announced yet.
    pub sessions: usize,
    /// Monitoring orders that stand.
    pub orders: usize,
    /// Timers that run.
    pub timers: usize,
    /// `Store` actions that are not answered.
    pub writes: usize,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Nobody answers this call.
    NoAnswer(CallId),
    /// This call has waited in its queue for long enough.
    Overflow(CallId),
    /// This agent may be asked again for this call.
    AskAgain(CallId, UserId),
    /// The agent's after-call work is over.
    WrapUp(UserId),
    /// The supervisor's phone has rung for long enough (V-04).
    Offer(SessionId),
    /// Records are tried again.
    Rewrite,
}

/// What one event or command leads to. Empty between two of them.
#[derive(Clone, Debug, Default, PartialEq)]
struct Outbox {
    /// Orders to legs and storage, in their order.
    acts: Vec<Action>,
    replies: Vec<Action>,
    notices: Vec<(UserId, Notice)>,
    calls: BTreeSet<CallId>,
    devices: BTreeSet<DeviceId>,
    /// Devices whose state is pushed even if it has not changed.
    again: BTreeSet<DeviceId>,
    users: BTreeSet<UserId>,
    /// Supervisors' devices that may have become free for a call that they missed (V-01).
    freed: BTreeSet<DeviceId>,
    /// Whether somebody may have become free for those who wait in queues, or somebody has come to wait.
    distribute: bool,
    directory: bool,
    /// Nobody is told of the first publication after a start.
    hushed: bool,
}

impl Engine {
    /// An empty contact centre. `seed` decides every random id.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            chance: ChaCha8Rng::seed_from_u64(seed),
            last_leg: 0,
            last_ticket: 0,
            center: ContactCenter::default(),
            people: People::default(),
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            orders: BTreeMap::new(),
            sessions: BTreeMap::new(),
            timers: BTreeSet::new(),
            line: BTreeMap::new(),
            last_place: 0,
            pending: BTreeMap::new(),
            queued: BTreeMap::new(),
            overtaken: BTreeSet::new(),
            unwritten: VecDeque::new(),
            outbox: Outbox::default(),
        }
    }

    /// Takes note of something that happened. Late, repeated and foreign events change nothing.
    pub fn handle(&mut self, event: Event, now: Time) -> Vec<Action> {
        match event {
            Event::Leg(leg, event) => self.on_leg(leg, event, now),
            Event::Registered(number) => self.on_registration(&number, true),
            Event::Unregistered(number) => self.on_registration(&number, false),
            Event::Applied { call, version } => self.on_applied(call, version),
            Event::Stored { ticket, outcome } => self.on_stored(ticket, outcome, now),
            Event::Timeout => self.on_timeout(now),
        }
        self.flush(now)
    }

    /// Carries a command out, or refuses it. The answer is among the actions, now or, for a durable command, after its
    /// commit; a monitoring request that is refused is written to the audit trail, so its refusal is an action too.
    ///
    /// # Errors
    /// The command was refused and nothing has changed.
    pub fn command(&mut self, request: RequestId, command: Command, now: Time) -> Result<Vec<Action>, Refusal> {
        self.take(request, command, now)?;
        Ok(self.flush(now))
    }

    /// When to call [`Self::handle`] with [`Event::Timeout`], if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How much lives now: for figures, and for tests that nothing is left behind.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            calls: self.calls.len(),
            waiting: self.line.len(),
            legs: self.legs.len(),
            sessions: self.sessions.len(),
            orders: self.orders.len(),
            timers: self.timers.len(),
            writes: self.pending.len(),
        }
    }

    fn on_timeout(&mut self, now: Time) {
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, timer));
            match timer {
                Timer::NoAnswer(call) => self.nobody_answers(call, now),
                Timer::Overflow(call) => self.overflow(call, now),
                Timer::AskAgain(..) => self.outbox.distribute = true,
                Timer::WrapUp(agent) => drop(self.wrap_up_ends(agent, now)),
                Timer::Offer(session) => self.offer_lapses(session, now),
                Timer::Rewrite => self.rewrite(now),
            }
        }
    }

    fn on_registration(&mut self, number: &crate::ids::PhoneNumber, registered: bool) {
        let Some(id) = self.people.by_number(number) else { return };
        let Some(phone) = self.people.phone_mut(id) else { return };
        if phone.registered != registered {
            phone.registered = registered;
            self.outbox.distribute = true;
            self.outbox.devices.insert(id);
        }
    }

    fn draw(&mut self) -> u128 {
        (u128::from(self.chance.next_u64()) << 64) | u128::from(self.chance.next_u64())
    }

    /// A random UUID of version 4 (RFC 9562 s5.4).
    fn draw_device_id(&mut self) -> DeviceId {
        let bits = self.draw() & !(0xf << 76) & !(0x3 << 62);
        DeviceId(bits | (4 << 76) | (2 << 62))
    }

    /// The next leg that goes out.
    fn draw_leg(&mut self) -> LegId {
        self.last_leg += 1;
        LegId(self.last_leg)
    }

    fn order_leg(&mut self, call: CallId, leg: LegId, order: LegOrder) {
        self.outbox.acts.push(Action::Leg(LegAction { call, leg, order }));
    }

    fn reply(&mut self, request: RequestId, result: Result<Reply, Refusal>) {
        self.outbox.replies.push(Action::Reply { request, result });
    }
}

#[cfg(test)]
mod tests;

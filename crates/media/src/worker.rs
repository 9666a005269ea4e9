//! A worker thread: an epoll, the sockets of its calls, and a heap of their timers.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, SyncSender},
    },
};

use domain::ids::{CallId, LegId};
use media_proto::{
    call::{Call, Channel, Moving, Remote, Settings, Sink, Slot},
    micros::Micros,
    music::Music,
    plan::Matrix,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use rustix::{
    buffer::spare_capacity,
    event::{EventfdFlags, Timespec, epoll, eventfd},
};

use crate::{
    clock::Clock,
    media::{Event, Snapshot},
    ports::Lease,
};

/// What a worker is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    Open {
        call: CallId,
        leg: LegId,
        lease: Lease,
    },
    Configure {
        leg: LegId,
        remote: Remote,
    },
    Matrix {
        call: CallId,
        version: u64,
        hears: Matrix<LegId>,
        plays: BTreeMap<LegId, Arc<Music>>,
    },
    Close {
        leg: LegId,
    },
    CloseCall {
        call: CallId,
    },
    /// A leg goes on to another call, of this worker or of another.
    Move {
        leg: LegId,
        call: CallId,
        worker: usize,
    },
    /// A leg will arrive from another worker: orders for it wait until then.
    Expect {
        leg: LegId,
    },
    Snapshot {
        reply: SyncSender<Snapshot>,
        /// Each leg's own counters as well.
        legs: bool,
    },
}

/// A leg that comes from another worker, with its sockets.
#[derive(Debug)]
pub(crate) struct Arrival {
    call: CallId,
    leg: LegId,
    moving: Moving<LegId>,
    lease: Lease,
}

/// How legs come to a worker. Not bounded by itself: a leg is on the way once at a time.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) arrivals: Sender<Arrival>,
    pub(crate) wake: Wake,
}

/// A worker's place among the others.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) number: usize,
    pub(crate) inbox: Receiver<Order>,
    pub(crate) arrivals: Receiver<Arrival>,
    pub(crate) gates: Arc<[Gate]>,
    pub(crate) wake: Wake,
}

/// Wakes a worker out of its epoll.
#[derive(Clone, Debug)]
pub(crate) struct Wake(Arc<(OwnedFd, AtomicBool)>);

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new((counter, AtomicBool::new(false)))))
    }

    pub(crate) fn wake(&self) {
        // The only error is a counter that is full, and then the worker is woken anyway.
        let _ = rustix::io::write(&self.0.0, &1_u64.to_ne_bytes());
    }

    pub(crate) fn stop(&self) {
        self.0.1.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn is_stopped(&self) -> bool {
        self.0.1.load(Ordering::Relaxed)
    }

    fn reset(&self) {
        let _ = rustix::io::read(&self.0.0, &mut [0; 8]);
    }
}

pub(crate) struct Worker {
    post: Post,
    clock: Clock,
    epoll: OwnedFd,
    deliver: Arc<dyn Fn(Event) + Send + Sync>,
    rng: ChaCha8Rng,
    silent_us: u64,
    calls: Vec<Option<CallEntry>>,
    by_call: BTreeMap<CallId, usize>,
    by_leg: BTreeMap<LegId, Place>,
    /// Orders for legs that are on their way here.
    expected: BTreeMap<LegId, Vec<Order>>,
    /// Legs that came before the order to expect them was read: the two come by different ways.
    early: BTreeMap<LegId, Arrival>,
    /// When each call wants to be woken. Entries that a call has thought better of are passed over.
    timers: BinaryHeap<Reverse<(Micros, usize)>>,
    opened: u64,
    totals: Totals,
}

/// Where a leg is.
#[derive(Clone, Copy, Debug)]
struct Place {
    call: usize,
    slot: Slot,
}

struct CallEntry {
    id: CallId,
    media: Call<LegId>,
    /// The sockets of the legs, by slot.
    leases: Vec<Option<Lease>>,
    armed: Option<Micros>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    received: u64,
    sent: u64,
    unsent: u64,
}

impl Worker {
    pub(crate) fn new(
        post: Post,
        clock: Clock,
        deliver: Arc<dyn Fn(Event) + Send + Sync>,
        seed: [u8; 32],
        silent_us: u64,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &post.wake.0.0, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        Ok(Self {
            post,
            clock,
            epoll,
            deliver,
            rng: ChaCha8Rng::from_seed(seed),
            silent_us,
            calls: Vec::new(),
            by_call: BTreeMap::new(),
            by_leg: BTreeMap::new(),
            expected: BTreeMap::new(),
            early: BTreeMap::new(),
            timers: BinaryHeap::new(),
            opened: 0,
            totals: Totals::default(),
        })
    }

    /// Works until it is stopped, then says goodbye on every leg.
    pub(crate) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        let mut datagram = [0; DATAGRAM_OCTETS];
        while !self.post.wake.is_stopped() {
            let timeout = self.until_next_timer();
            events.clear();
            if let Err(error) = epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref())
                && error != rustix::io::Errno::INTR
            {
                tracing::error!(%error, "epoll failed; this media worker ends");
                break;
            }
            for event in &events {
                match { event.data }.u64() {
                    WAKE => self.take_orders(),
                    token => self.take_datagram(token, &mut datagram),
                }
            }
            self.handle_timers();
        }
        let calls: Vec<CallId> = self.by_call.keys().copied().collect();
        calls.into_iter().for_each(|call| self.close_call(call));
    }

    fn until_next_timer(&self) -> Option<Timespec> {
        let Reverse((due, _)) = self.timers.peek()?;
        // Whole milliseconds are all that epoll knows; rounding up wakes it late rather than twice.
        let ms = due.since(self.clock.now()).div_ceil(1000);
        Some(Timespec { tv_sec: (ms / 1000).cast_signed(), tv_nsec: (ms % 1000 * 1_000_000).cast_signed() })
    }

    /// One datagram and no more, so that a leg that floods delays each other leg by one datagram a turn at most.
    fn take_datagram(&mut self, token: u64, datagram: &mut [u8]) {
        let (call, slot, channel) = untoken(token);
        let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) else { return };
        let Some(lease) = entry.leases.get(slot.0).and_then(Option::as_ref) else { return };
        // Errors are those of an earlier datagram or an event of a socket closed since; there is nothing to read.
        let Ok((length, from)) = socket(lease, channel).recv_from(datagram) else { return };
        self.totals.received += 1;
        let from = canonical(from);
        let Some(datagram) = datagram.get_mut(..length) else { return };
        let now = self.clock.now();
        let CallEntry { media, leases, .. } = entry;
        match channel {
            Channel::Rtp => {
                let mut wire = Wire { leases, totals: &mut self.totals, deliver: &self.deliver };
                media.rtp(slot, datagram, from, now, &mut wire);
            }
            Channel::Rtcp => media.rtcp(slot, datagram, from, now),
        }
    }

    fn handle_timers(&mut self) {
        let now = self.clock.now();
        while let Some(Reverse((due, call))) = self.timers.peek().copied().filter(|Reverse((due, _))| *due <= now) {
            self.timers.pop();
            let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) else { continue };
            if entry.armed != Some(due) {
                continue;
            }
            entry.armed = None;
            let CallEntry { media, leases, .. } = entry;
            media.handle_timeout(now, &mut Wire { leases, totals: &mut self.totals, deliver: &self.deliver });
            self.arm(call);
        }
    }

    /// Puts a call's next moment into the heap if it is not there yet.
    fn arm(&mut self, call: usize) {
        let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) else { return };
        let next = entry.media.poll_timeout();
        if next != entry.armed {
            entry.armed = next;
            self.timers.extend(next.map(|due| Reverse((due, call))));
        }
    }

    fn take_orders(&mut self) {
        self.post.wake.reset();
        while let Ok(arrival) = self.post.arrivals.try_recv() {
            if self.expected.contains_key(&arrival.leg) {
                self.arrive(arrival);
            } else {
                self.early.insert(arrival.leg, arrival);
            }
        }
        for _ in 0..ORDERS_A_TURN {
            match self.post.inbox.try_recv() {
                Ok(order) => self.take(order),
                Err(_) => return,
            }
        }
        // There may be more; packets come first.
        self.post.wake.wake();
    }

    fn take(&mut self, order: Order) {
        let about = match order {
            Order::Configure { leg, .. } | Order::Close { leg } | Order::Move { leg, .. } => Some(leg),
            _ => None,
        };
        if let Some(waiting) = about.and_then(|it| self.expected.get_mut(&it)) {
            waiting.push(order);
            return;
        }
        match order {
            Order::Open { call, leg, lease } => self.open(call, leg, lease),
            Order::Configure { leg, remote } => {
                let now = self.clock.now();
                self.with_leg(leg, |media, slot| media.configure(slot, remote, now));
            }
            Order::Matrix { call, version, hears, plays } => self.matrix(call, version, hears, plays),
            Order::Close { leg } => self.close(leg),
            Order::CloseCall { call } => self.close_call(call),
            Order::Move { leg, call, worker } => self.depart(leg, call, worker),
            Order::Expect { leg } => match self.early.remove(&leg) {
                Some(arrival) => self.arrive(arrival),
                None => drop(self.expected.insert(leg, Vec::new())),
            },
            // Nobody waits for it any more, then.
            Order::Snapshot { reply, legs } => drop(reply.try_send(self.snapshot(legs))),
        }
    }

    fn with_leg(&mut self, leg: LegId, work: impl FnOnce(&mut Call<LegId>, Slot)) {
        let Some(Place { call, slot }) = self.by_leg.get(&leg).copied() else { return };
        if let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) {
            work(&mut entry.media, slot);
            self.arm(call);
        }
    }

    fn open(&mut self, id: CallId, leg: LegId, lease: Lease) {
        if self.by_leg.contains_key(&leg) {
            tracing::error!(%leg, "a leg was opened twice");
            return;
        }
        let call = self.call(id);
        let now = self.clock.now();
        let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) else { return };
        let slot = entry.media.open(leg, now);
        self.watch(leg, Place { call, slot }, lease);
    }

    /// Reads from a leg's sockets from now on.
    fn watch(&mut self, leg: LegId, place: Place, lease: Lease) {
        let Place { call, slot } = place;
        for channel in [Channel::Rtp, Channel::Rtcp] {
            let data = epoll::EventData::new_u64(token(call, slot, channel));
            if let Err(error) = epoll::add(&self.epoll, socket(&lease, channel), data, epoll::EventFlags::IN) {
                tracing::error!(%leg, %error, "a media socket cannot be watched");
            }
        }
        let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) else { return };
        if entry.leases.len() <= slot.0 {
            entry.leases.resize_with(slot.0 + 1, || None);
        }
        entry.leases[slot.0] = Some(lease);
        self.by_leg.insert(leg, place);
        self.arm(call);
    }

    /// A leg goes on to another call, with its sockets and its stream; its peer notices nothing.
    fn depart(&mut self, leg: LegId, to: CallId, worker: usize) {
        let Some(Place { call, slot }) = self.by_leg.remove(&leg) else { return };
        let now = self.clock.now();
        let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) else { return };
        let lease = entry.leases.get_mut(slot.0).and_then(Option::take);
        let (Some(moving), Some(lease)) = (entry.media.take(slot, now), lease) else { return };
        for channel in [Channel::Rtp, Channel::Rtcp] {
            if let Err(error) = epoll::delete(&self.epoll, socket(&lease, channel)) {
                tracing::error!(%leg, %error, "a media socket is still watched");
            }
        }
        if entry.media.is_empty() {
            let id = entry.id;
            self.forget(id);
        } else {
            self.arm(call);
        }
        let arrival = Arrival { call: to, leg, moving, lease };
        match self.post.gates.get(worker) {
            Some(_) if worker == self.post.number => self.arrive(arrival),
            Some(gate) => {
                // A worker ends only when all do.
                let _ = gate.arrivals.send(arrival);
                gate.wake.wake();
            }
            None => {}
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let Arrival { call: id, leg, moving, lease } = arrival;
        let call = self.call(id);
        let now = self.clock.now();
        let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) else { return };
        let slot = entry.media.put(moving, now);
        self.watch(leg, Place { call, slot }, lease);
        for order in self.expected.remove(&leg).unwrap_or_default() {
            self.take(order);
        }
    }

    /// The place of a call, new if it has none.
    fn call(&mut self, id: CallId) -> usize {
        if let Some(call) = self.by_call.get(&id) {
            return *call;
        }
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        // Seven and twenty have no common divisor: neighbours are far apart and twenty calls fill every millisecond.
        let settings = Settings { phase_us: self.opened * 7 % 20 * 1000, silent_us: self.silent_us };
        self.opened += 1;
        let entry = CallEntry { id, media: Call::new(settings, seed), leases: Vec::new(), armed: None };
        let call = self.calls.iter().position(Option::is_none).unwrap_or(self.calls.len());
        if call == self.calls.len() {
            self.calls.push(None);
        }
        self.calls[call] = Some(entry);
        self.by_call.insert(id, call);
        call
    }

    fn matrix(&mut self, id: CallId, version: u64, hears: Matrix<LegId>, plays: BTreeMap<LegId, Arc<Music>>) {
        // An empty matrix for a call that is over already must not bring it back.
        let known = self.by_call.contains_key(&id) || !plays.is_empty() || hears.values().any(|it| !it.is_empty());
        if known {
            let call = self.call(id);
            let now = self.clock.now();
            if let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) {
                entry.media.hear(hears, now);
                entry.media.play(plays, now);
                self.arm(call);
            }
        }
        (self.deliver)(Event::Applied { call: id, version });
    }

    fn close(&mut self, leg: LegId) {
        let Some(Place { call, slot }) = self.by_leg.remove(&leg) else { return };
        let now = self.clock.now();
        let Some(entry) = self.calls.get_mut(call).and_then(Option::as_mut) else { return };
        let CallEntry { media, leases, .. } = entry;
        media.close(slot, now, &mut Wire { leases, totals: &mut self.totals, deliver: &self.deliver });
        // The descriptors leave the epoll by being closed: nothing else refers to their sockets.
        if let Some(lease) = leases.get_mut(slot.0) {
            *lease = None;
        }
        if media.is_empty() {
            let id = entry.id;
            self.forget(id);
        } else {
            self.arm(call);
        }
    }

    fn close_call(&mut self, id: CallId) {
        let Some(call) = self.by_call.get(&id) else { return };
        let legs: Vec<LegId> =
            self.calls.get(*call).and_then(Option::as_ref).map_or_else(Vec::new, |it| it.media.legs().collect());
        legs.into_iter().for_each(|leg| self.close(leg));
        self.forget(id);
    }

    fn forget(&mut self, id: CallId) {
        if let Some(call) = self.by_call.remove(&id) {
            self.calls[call] = None;
        }
    }

    fn snapshot(&self, with_legs: bool) -> Snapshot {
        let entries = || self.calls.iter().flatten();
        let detailed = entries().filter(|_| with_legs);
        let legs = detailed.flat_map(|it| it.media.counters().map(|(leg, counters)| (it.id, leg, counters)));
        let Totals { received, sent, unsent } = self.totals;
        Snapshot { worker: self.post.number, calls: entries().count(), received, sent, unsent, legs: legs.collect() }
    }
}

/// A call's way out.
struct Wire<'a> {
    leases: &'a [Option<Lease>],
    totals: &'a mut Totals,
    deliver: &'a Arc<dyn Fn(Event) + Send + Sync>,
}

impl Sink<LegId> for Wire<'_> {
    fn send(&mut self, slot: Slot, channel: Channel, to: SocketAddr, packet: &[u8]) {
        let Some(lease) = self.leases.get(slot.0).and_then(Option::as_ref) else { return };
        match socket(lease, channel).send_to(packet, lease.destination(to)) {
            Ok(_) => self.totals.sent += 1,
            // A full buffer or an address without a way to it: the packet is lost, as on any network.
            Err(_) => self.totals.unsent += 1,
        }
    }

    fn silent(&mut self, leg: LegId, for_us: u64) {
        (self.deliver)(Event::Silent { leg, since_ms: for_us / 1000 });
    }
}

/// An IPv4 peer of a socket for both families has one address, whichever way it is written.
fn canonical(from: SocketAddr) -> SocketAddr {
    match from.ip().to_canonical() {
        IpAddr::V4(ip) => (ip, from.port()).into(),
        // With the link that a local address is on.
        IpAddr::V6(_) => from,
    }
}

const fn socket(lease: &Lease, channel: Channel) -> &UdpSocket {
    match channel {
        Channel::Rtp => &lease.rtp,
        Channel::Rtcp => &lease.rtcp,
    }
}

/// What epoll gives back for a socket: the call, the slot of the leg in it, and which of its two sockets.
const fn token(call: usize, slot: Slot, channel: Channel) -> u64 {
    (call as u64) << 32 | (slot.0 as u64) << 1 | matches!(channel, Channel::Rtcp) as u64
}

const fn untoken(token: u64) -> (usize, Slot, Channel) {
    let channel = if token & 1 == 0 { Channel::Rtp } else { Channel::Rtcp };
    ((token >> 32) as usize, Slot((token as u32 >> 1) as usize), channel)
}

const WAKE: u64 = u64::MAX;
const EVENTS: usize = 256;
const ORDERS_A_TURN: usize = 128;
/// A packet of sound has at most some 900 octets; a longer datagram is cut and then refused.
const DATAGRAM_OCTETS: usize = 2048;

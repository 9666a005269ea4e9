//! The handle that the rest of the server holds: it gives orders to the workers and never waits for them.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    io,
    net::IpAddr,
    num::NonZeroUsize,
    ops::RangeInclusive,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread::JoinHandle,
    time::Duration,
};

use domain::{
    ids::{CallId, LegId, PhoneNumber},
    matrix::Treatment,
};
use media_proto::{
    call::{Counters, Remote},
    music::Music,
    plan::Matrix,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use thiserror::Error;

use crate::{
    clock::Clock,
    ports::{Lease, Ports},
    worker::{Gate, Order, Post, Wake, Worker},
};

/// What media needs to know at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the sockets are. What SDP advertises is the caller's business.
    pub bind: IpAddr,
    /// The ports of RTP and RTCP.
    pub ports: RangeInclusive<u16>,
    /// Worker threads; `None` for one a core and at most four.
    pub workers: Option<NonZeroUsize>,
    /// After how much silence a leg is reported silent, and again each time as much has passed (V-08).
    pub silent_after: Duration,
    /// Where all that is random begins: SSRCs, canonical names, first numbers, the spread of reports. Must come from
    /// the system's own chance in production.
    pub seed: [u8; 32],
}

/// What the workers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The matrix of this version is in force: every packet from now on follows it.
    Applied {
        /// The call.
        call: CallId,
        /// The version given with the matrix.
        version: u64,
    },
    /// Neither RTP nor RTCP has come from a leg that should send something (V-08).
    Silent {
        /// The leg.
        leg: LegId,
        /// For how long, in milliseconds.
        since_ms: u64,
    },
}

/// What a worker counts, for metrics and diagnosis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Which worker.
    pub worker: usize,
    /// Calls that it has.
    pub calls: usize,
    /// Datagrams received, whatever became of them.
    pub received: u64,
    /// Datagrams sent.
    pub sent: u64,
    /// Datagrams that the system did not take.
    pub unsent: u64,
    /// Every leg's own counters.
    pub legs: Vec<(CallId, LegId, Counters)>,
}

/// The worker of the call has as many orders waiting as it may: no new leg now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the media workers are overloaded")]
pub struct Busy;

/// All media of this process. Dropping it says goodbye on every leg and ends the workers.
///
/// Orders are handed to the workers at once, and [`Self::flush`] wakes them: one turn of the driver gives several orders
/// to one worker, and waking it costs both of them more than the orders do.
#[derive(Debug)]
pub struct Media {
    ports: Ports,
    workers: Vec<Line>,
    /// Which worker has a leg, and which call it belongs to.
    legs: BTreeMap<LegId, (usize, CallId)>,
    calls: BTreeMap<CallId, Vec<LegId>>,
    /// What is played in queues that have no music of their own.
    melody: Arc<Music>,
    ringback: Arc<Music>,
    music: BTreeMap<PhoneNumber, Arc<Music>>,
}

/// The line to one worker.
#[derive(Debug)]
struct Line {
    orders: SyncSender<Order>,
    wake: Wake,
    /// Orders that found the line full, in order. Only legs that are open already can add to it, since a worker with
    /// a backlog gets no new ones.
    backlog: VecDeque<Order>,
    /// Orders were given of which the worker may not know yet.
    asleep: bool,
    thread: Option<JoinHandle<()>>,
}

impl Media {
    /// Starts the workers. Events arrive on the receiver; each answers an order or comes at most once every
    /// [`Settings::silent_after`] a leg, so a reader that gives the orders itself also bounds the queue.
    ///
    /// # Errors
    /// The system gives no thread or no descriptor.
    pub fn start(settings: &Settings) -> io::Result<(Self, Receiver<Event>)> {
        let (sender, receiver) = mpsc::channel();
        // A receiver that is gone wants no events.
        let media = Self::start_with(settings, move |event| drop(sender.send(event)))?;
        Ok((media, receiver))
    }

    /// As [`Self::start`], with each event given to `deliver` on the worker's own thread. It must not block.
    ///
    /// # Errors
    /// The system gives no thread or no descriptor.
    pub fn start_with(settings: &Settings, deliver: impl Fn(Event) + Send + Sync + 'static) -> io::Result<Self> {
        let deliver: Arc<dyn Fn(Event) + Send + Sync> = Arc::new(deliver);
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let count = settings.workers.map_or(cores.min(MAX_WORKERS), NonZeroUsize::get);
        let mut rng = ChaCha8Rng::from_seed(settings.seed);
        let ports = Ports::new(settings.bind, &settings.ports, rng.next_u32());
        let clock = Clock::start();
        let mut media = Self {
            ports,
            workers: Vec::new(),
            legs: BTreeMap::new(),
            calls: BTreeMap::new(),
            melody: Arc::new(Music::melody()),
            ringback: Arc::new(Music::ringback()),
            music: BTreeMap::new(),
        };
        let mut gates = Vec::new();
        let mut ways_in = Vec::new();
        for _ in 0..count {
            let (arrivals, way_in) = mpsc::channel();
            gates.push(Gate { arrivals, wake: Wake::new()? });
            ways_in.push(way_in);
        }
        let gates: Arc<[Gate]> = gates.into();
        for (number, (arrivals, gate)) in ways_in.into_iter().zip(gates.iter()).enumerate() {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            let (orders, inbox) = mpsc::sync_channel(ORDERS);
            let wake = gate.wake.clone();
            let silent_us = u64::try_from(settings.silent_after.as_micros()).unwrap_or(u64::MAX);
            let post = Post { number, inbox, arrivals, gates: Arc::clone(&gates), wake: wake.clone() };
            let worker = Worker::new(post, clock, Arc::clone(&deliver), seed, silent_us)?;
            let thread = std::thread::Builder::new().name(format!("media-{number}")).spawn(move || worker.run())?;
            media.workers.push(Line { orders, wake, backlog: VecDeque::new(), asleep: false, thread: Some(thread) });
        }
        Ok(media)
    }

    /// Where legs get their ports.
    #[must_use]
    pub const fn ports(&self) -> &Ports {
        &self.ports
    }

    /// A leg of a call is there, with these ports. Nothing is sent to it before [`Self::configure`].
    ///
    /// # Errors
    /// [`Busy`]; the ports are returned.
    pub fn open(&mut self, call: CallId, leg: LegId, lease: Lease) -> Result<(), Busy> {
        let worker = self.worker_of(call);
        self.workers.iter_mut().for_each(Line::push);
        if self.workers.get(worker).is_none_or(|it| !it.backlog.is_empty()) {
            return Err(Busy);
        }
        self.legs.insert(leg, (worker, call));
        self.calls.entry(call).or_default().push(leg);
        self.give(worker, Order::Open { call, leg, lease });
        Ok(())
    }

    /// What signalling has settled about a leg's peer, again upon each change of its SDP: its address is learned anew.
    pub fn configure(&mut self, leg: LegId, remote: Remote) {
        if let Some((worker, _)) = self.legs.get(&leg) {
            self.give(*worker, Order::Configure { leg, remote });
        }
    }

    /// What those who wait in a queue are played from their next matrix on; `None` for the melody.
    pub fn set_music(&mut self, queue: PhoneNumber, music: Option<Music>) {
        match music {
            Some(music) => drop(self.music.insert(queue, Arc::new(music))),
            None => drop(self.music.remove(&queue)),
        }
    }

    fn music(&self, treatment: &Treatment) -> Arc<Music> {
        Arc::clone(match treatment {
            Treatment::Music(queue) => self.music.get(queue).unwrap_or(&self.melody),
            Treatment::Ringback => &self.ringback,
        })
    }

    /// Who hears whom in a call from now on, the whole matrix, and which legs are played what beside. [`Event::Applied`]
    /// answers. A leg with a row that was opened for another call moves to this one, its stream unbroken.
    pub fn matrix(&mut self, call: CallId, version: u64, hears: Matrix<LegId>, plays: &BTreeMap<LegId, Treatment>) {
        let plays = plays.iter().map(|(leg, it)| (*leg, self.music(it))).collect();
        for leg in hears.keys() {
            self.bring(*leg, call);
        }
        self.give(self.worker_of(call), Order::Matrix { call, version, hears, plays });
    }

    /// A leg is over: it is told goodbye by RTCP, and its ports are returned.
    pub fn close(&mut self, leg: LegId) {
        if let Some((worker, call)) = self.legs.remove(&leg) {
            self.leave(leg, call);
            self.give(worker, Order::Close { leg });
        }
    }

    /// A call is over: all legs that it still has are closed and its matrix is forgotten.
    pub fn close_call(&mut self, call: CallId) {
        for leg in self.calls.get(&call).cloned().unwrap_or_default() {
            self.close(leg);
        }
        self.give(self.worker_of(call), Order::CloseCall { call });
    }

    /// Asks every worker for its counters and its legs'; each answers once on the receiver.
    pub fn snapshot(&mut self) -> Receiver<Snapshot> {
        self.ask(true)
    }

    /// Asks every worker for its own counters, which also shows that it is at work; each answers once on the receiver.
    pub fn pulse(&mut self) -> Receiver<Snapshot> {
        self.ask(false)
    }

    fn ask(&mut self, legs: bool) -> Receiver<Snapshot> {
        let (reply, answers) = mpsc::sync_channel(self.workers.len());
        for worker in 0..self.workers.len() {
            self.give(worker, Order::Snapshot { reply: reply.clone(), legs });
        }
        self.flush();
        answers
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Wakes the workers that were given orders, and gives them what they had no room for. To be called whenever all
    /// orders of the moment are given, and now and then while [`Self::backlog`] is not 0.
    pub fn flush(&mut self) {
        for line in &mut self.workers {
            line.push();
            if std::mem::take(&mut line.asleep) {
                line.wake.wake();
            }
        }
    }

    /// How many orders wait here because a worker had no room for them.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.workers.iter().map(|it| it.backlog.len()).sum()
    }

    fn worker_of(&self, call: CallId) -> usize {
        // Ids are unique but need not be random; the multiplication spreads them (Knuth, TAOCP 6.4).
        let spread = (call.0 ^ call.0 >> 64) as u64;
        (spread.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % self.workers.len().max(1)
    }

    /// Moves a leg that is in another call to this one.
    fn bring(&mut self, leg: LegId, call: CallId) {
        let worker = self.worker_of(call);
        let Some(place) = self.legs.get_mut(&leg).filter(|it| it.1 != call) else { return };
        let (from, old) = std::mem::replace(place, (worker, call));
        self.leave(leg, old);
        self.calls.entry(call).or_default().push(leg);
        if from != worker {
            self.give(worker, Order::Expect { leg });
        }
        self.give(from, Order::Move { leg, call, worker });
    }

    fn leave(&mut self, leg: LegId, call: CallId) {
        if let Entry::Occupied(mut legs) = self.calls.entry(call) {
            legs.get_mut().retain(|it| *it != leg);
            if legs.get().is_empty() {
                legs.remove();
            }
        }
    }

    fn give(&mut self, worker: usize, order: Order) {
        if let Some(line) = self.workers.get_mut(worker) {
            line.backlog.push_back(order);
            line.push();
        }
    }
}

impl Line {
    fn push(&mut self) {
        if self.backlog.is_empty() {
            return;
        }
        self.asleep = true;
        while let Some(order) = self.backlog.pop_front() {
            match self.orders.try_send(order) {
                Ok(()) => {}
                Err(TrySendError::Full(order)) => {
                    self.backlog.push_front(order);
                    break;
                }
                Err(TrySendError::Disconnected(order)) => {
                    tracing::error!(?order, "a media worker has ended before its time");
                    self.backlog.clear();
                }
            }
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        for line in &self.workers {
            line.wake.stop();
        }
        for thread in self.workers.iter_mut().filter_map(|it| it.thread.take()) {
            if thread.join().is_err() {
                tracing::error!("a media worker panicked");
            }
        }
    }
}

const MAX_WORKERS: usize = 4;
/// Orders that may wait at a worker: some 700 calls set up at once.
const ORDERS: usize = 4096;

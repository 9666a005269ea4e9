//! The sound of all parties: one thread that sends, paced to each packet's own moment, and one that receives.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{buffer::spare_capacity, event::epoll};

use crate::{
    Failed,
    stamp::{self, OCTETS, SILENCE, Stamp},
};

/// What a leg of the generator is, by its place in the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Caller,
    Agent,
    Supervisor,
}

/// One party's end of one call.
pub(crate) struct Leg {
    number: u16,
    part: Part,
    socket: UdpSocket,
    port: u16,
    /// The server's port for it; 0 while it does not speak.
    target: AtomicU16,
    sent: AtomicU32,
    heard: Mutex<Heard>,
}

/// What has come to a leg since it began to speak.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) packets: u64,
    /// When the first packet came.
    pub(crate) first: Option<Instant>,
    /// Changes of SSRC and steps of the sequence other than one.
    pub(crate) breaks: u64,
    /// Packets with the stamp of somebody whom this leg must not hear.
    pub(crate) leaks: u64,
    stream: Option<(u32, u16)>,
    /// The end of the packet before, in which a stamp may have begun, and when that packet came.
    tail: Option<([u8; OCTETS - 1], Instant)>,
}

/// The delays that were measured, in microseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delays {
    /// From a party's send to the other party's receive.
    pub(crate) relay: Vec<f64>,
    /// From an agent's send of a sample to its place in what the listener receives.
    pub(crate) ear: Vec<f64>,
}

/// All legs, and the threads that serve them.
pub(crate) struct Sound {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    start: Instant,
    legs: Vec<Leg>,
    stopped: AtomicBool,
    recording: AtomicBool,
    quiet_callers: AtomicBool,
    delays: Mutex<Delays>,
    /// Packets sent more than five milliseconds after their moment.
    late: AtomicU32,
}

impl Sound {
    /// Sockets for so many calls, nobody speaking yet.
    pub(crate) fn new(calls: usize) -> Result<Self, Failed> {
        let parts = [Part::Caller, Part::Agent, Part::Supervisor];
        let legs: Result<Vec<Leg>, Failed> =
            (0..calls * LEGS).map(|it| Leg::new(it as u16, parts[it % LEGS])).collect();
        let shared = Arc::new(Shared {
            start: Instant::now(),
            legs: legs?,
            stopped: AtomicBool::new(false),
            recording: AtomicBool::new(false),
            quiet_callers: AtomicBool::new(false),
            delays: Mutex::default(),
            late: AtomicU32::new(0),
        });
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for leg in &shared.legs {
            let data = epoll::EventData::new_u64(u64::from(leg.number));
            epoll::add(&epoll, &leg.socket, data, epoll::EventFlags::IN)?;
        }
        let (speaking, hearing) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            thread::Builder::new().name("speak".into()).spawn(move || speaking.speak())?,
            thread::Builder::new().name("hear".into()).spawn(move || hearing.hear(&epoll))?,
        ];
        Ok(Self { shared, threads })
    }

    /// A leg by call and part.
    pub(crate) fn leg(&self, call: usize, part: Part) -> &Leg {
        &self.shared.legs[call * LEGS + part as usize]
    }

    /// Whether callers send silence, so that agents' stamps can be read in a mix.
    pub(crate) fn quiet_callers(&self, quiet: bool) {
        self.shared.quiet_callers.store(quiet, Ordering::Relaxed);
    }

    /// Notes delays from now on.
    pub(crate) fn record(&self) {
        *locked(&self.shared.delays) = Delays::default();
        self.shared.recording.store(true, Ordering::Relaxed);
    }

    /// Ends that and hands them over.
    pub(crate) fn recorded(&self) -> Delays {
        self.shared.recording.store(false, Ordering::Relaxed);
        std::mem::take(&mut locked(&self.shared.delays))
    }

    /// How many packets the generator itself has sent late.
    pub(crate) fn late(&self) -> u32 {
        self.shared.late.load(Ordering::Relaxed)
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

impl Leg {
    fn new(number: u16, part: Part) -> Result<Self, Failed> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let (target, sent) = (AtomicU16::new(0), AtomicU32::new(0));
        Ok(Self { number, part, socket, port, target, sent, heard: Mutex::default() })
    }

    /// Where it wants RTP.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Speaks to that port of the server's, and forgets what it has heard.
    pub(crate) fn start(&self, port: u16) {
        if self.target.swap(port, Ordering::Relaxed) != port {
            *locked(&self.heard) = Heard::default();
            self.sent.store(0, Ordering::Relaxed);
        }
    }

    /// Falls silent.
    pub(crate) fn stop(&self) {
        self.target.store(0, Ordering::Relaxed);
    }

    /// What has come so far.
    pub(crate) fn heard(&self) -> Heard {
        locked(&self.heard).clone()
    }

    /// How many packets it has sent since it began.
    pub(crate) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    fn send(&self, start: Instant, quiet: bool) {
        let target = self.target.load(Ordering::Relaxed);
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let mut packet = [SILENCE; HEADER + FRAME];
        packet[..2].copy_from_slice(&[0x80, if number == 0 { 0x80 } else { 0 }]);
        packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&number.wrapping_mul(FRAME as u32).to_be_bytes());
        packet[8..12].copy_from_slice(&(0x5EED_0000 | u32::from(self.number)).to_be_bytes());
        if !quiet || self.part != Part::Caller {
            let at_us = start.elapsed().as_micros() as u64;
            stamp::write(Stamp { leg: self.number, number, at_us }, &mut packet[HEADER..]);
        }
        // What cannot be sent is lost, and counted by whoever misses it.
        let _ = self.socket.send_to(&packet, (Ipv4Addr::LOCALHOST, target));
    }
}

impl Shared {
    fn speak(&self) {
        // Linux rounds a sleep up by fifty microseconds unless it is told not to.
        if let Ok(thread) = fs::read_link("/proc/thread-self") {
            let name = thread.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
            let _ = fs::write(format!("/proc/{name}/timerslack_ns"), "1000");
        }
        let mut order: Vec<(Duration, &Leg)> = self.legs.iter().map(|it| (phase(it.number), it)).collect();
        order.sort_by_key(|it| it.0);
        let mut period = Instant::now();
        while !self.stopped.load(Ordering::Relaxed) {
            let quiet = self.quiet_callers.load(Ordering::Relaxed);
            for (phase, leg) in &order {
                if leg.target.load(Ordering::Relaxed) == 0 {
                    continue;
                }
                let (due, now) = (period + *phase, Instant::now());
                match due.checked_duration_since(now) {
                    Some(early) if !early.is_zero() => thread::sleep(early),
                    _ if now.duration_since(due) > Duration::from_millis(5) => {
                        self.late.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => {}
                }
                leg.send(self.start, quiet);
            }
            period += PERIOD;
            let now = Instant::now();
            match period.checked_duration_since(now) {
                Some(early) => thread::sleep(early),
                None if now.duration_since(period) > 5 * PERIOD => period = now,
                None => {}
            }
        }
    }

    fn hear(&self, epoll: &OwnedFd) {
        let mut events = Vec::with_capacity(256);
        let mut datagram = [0; 2048];
        let nap = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        while !self.stopped.load(Ordering::Relaxed) {
            events.clear();
            if epoll::wait(epoll, spare_capacity(&mut events), Some(&nap)).is_err() {
                continue;
            }
            for event in &events {
                let Some(leg) = self.legs.get({ event.data }.u64() as usize) else { continue };
                let Ok(length) = leg.socket.recv(&mut datagram) else { continue };
                self.take(leg, &datagram[..length], Instant::now());
            }
        }
    }

    fn take(&self, leg: &Leg, packet: &[u8], now: Instant) {
        let (Some(header), Some(payload)) = (packet.first_chunk::<HEADER>(), packet.get(HEADER..)) else { return };
        // Reports have types of their own, and go to another port anyway.
        if header[1] & 0x7F != 0 {
            return;
        }
        let sequence = u16::from_be_bytes([header[2], header[3]]);
        let ssrc = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        let mut heard = locked(&leg.heard);
        heard.packets += 1;
        heard.first.get_or_insert(now);
        if heard.stream.is_some_and(|before| before != (ssrc, sequence.wrapping_sub(1))) {
            heard.breaks += 1;
        }
        heard.stream = Some((ssrc, sequence));
        match leg.part {
            Part::Caller | Part::Agent => self.relayed(leg, &mut heard, payload, now),
            Part::Supervisor => self.mixed(leg, &mut heard, payload, now),
        }
    }

    fn relayed(&self, leg: &Leg, heard: &mut Heard, payload: &[u8], now: Instant) {
        let Some(stamp) = stamp::read(payload) else {
            // Silence is nobody's; anything else is a mix in which somebody may be who should not.
            heard.leaks += u64::from(payload.iter().any(|it| *it != SILENCE));
            return;
        };
        let partner = if leg.part == Part::Caller { leg.number + 1 } else { leg.number - 1 };
        if stamp.leg != partner {
            heard.leaks += 1;
        } else if self.recording.load(Ordering::Relaxed) {
            locked(&self.delays).relay.push(self.since(stamp, now));
        }
    }

    fn mixed(&self, leg: &Leg, heard: &mut Heard, payload: &[u8], now: Instant) {
        // A bare loop gives a listener its own packets back.
        let agent = leg.number - 1;
        let before = heard.tail.take();
        if let Some(tail) = payload.last_chunk() {
            heard.tail = Some((*tail, now));
        }
        if !self.recording.load(Ordering::Relaxed) {
            return;
        }
        let Some((tail, tail_at)) = before else { return };
        let mut sound = [0; OCTETS - 1 + FRAME];
        let (first, rest) = sound.split_at_mut(OCTETS - 1);
        first.copy_from_slice(&tail);
        let Some(rest) = rest.get_mut(..payload.len()) else { return };
        rest.copy_from_slice(payload);
        let Some((start, stamp)) = stamp::find(&sound) else { return };
        if stamp.leg != agent {
            return;
        }
        // A phone that plays a packet as it comes plays its samples one after the other, an eighth of a millisecond each.
        let (at, into) = match start.checked_sub(OCTETS - 1) {
            Some(into) => (now, into),
            None => (tail_at, FRAME + start - (OCTETS - 1)),
        };
        locked(&self.delays).ear.push(self.since(stamp, at) + into as f64 * 125.0);
    }

    fn since(&self, stamp: Stamp, now: Instant) -> f64 {
        now.duration_since(self.start).as_micros() as f64 - stamp.at_us as f64
    }
}

/// Where in the twenty milliseconds a leg's packets lie: spread evenly, neighbours far apart.
fn phase(leg: u16) -> Duration {
    let spread = u32::from(leg).wrapping_mul(0x9E37_79B9);
    Duration::from_nanos((u64::from(spread) * PERIOD.as_nanos() as u64) >> 32)
}

fn locked<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Legs of a call.
pub(crate) const LEGS: usize = 3;
const PERIOD: Duration = Duration::from_millis(20);
const HEADER: usize = 12;
const FRAME: usize = 160;

//! The sound of one call of a probe: sends its source every 20 ms and keeps every packet that comes.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::{g711, ports::free_ports, tones::Recording};

/// A law of G.711.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Payload type 0.
    Pcmu,
    /// Payload type 8.
    Pcma,
}

/// What a probe sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A sine of this frequency.
    Tone(u32),
    /// Packets that are all different and can be told by their number; then nothing.
    Counted(u32),
    /// Nothing.
    Silent,
}

/// A packet as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When.
    pub at: Instant,
    /// The marker bit.
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Time stamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Contributing sources.
    pub contributors: usize,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// The media of one call.
pub(super) struct Media {
    socket: UdpSocket,
    control: UdpSocket,
    state: Mutex<State>,
}

struct State {
    remote: Option<SocketAddr>,
    codec: Codec,
    /// The payload type of telephone events.
    event: u8,
    source: Source,
    is_sending: bool,
    is_open: bool,
    /// What `Counted` has sent, and how many samples everything has.
    sent: u32,
    clock: u32,
    sequence: u16,
    ssrc: u32,
    received: Vec<Packet>,
    reports: Vec<Vec<u8>>,
    /// RFC 4733 packets that wait their turn.
    events: Vec<(u8, u16, bool)>,
    /// When the key was pressed that they tell of.
    pressed: u32,
}

impl Media {
    /// Binds two neighbouring ports and starts the thread.
    pub(super) fn open(source: Source, codec: Codec) -> Arc<Self> {
        let port = free_ports(2);
        let socket = UdpSocket::bind(("127.0.0.1", port)).expect("a port that was free just now");
        let control = UdpSocket::bind(("127.0.0.1", port + 1)).expect("a port that was free just now");
        control.set_nonblocking(true).expect("a bound socket");
        let state = State {
            remote: None,
            codec,
            event: EVENT,
            source,
            is_sending: true,
            is_open: true,
            sent: 0,
            clock: 0,
            // Near its end, so that every longer call sees it wrap around.
            sequence: 65_500,
            ssrc: SSRC,
            received: Vec::new(),
            reports: Vec::new(),
            events: Vec::new(),
            pressed: 0,
        };
        let media = Arc::new(Self { socket, control, state: Mutex::new(state) });
        let running = Arc::clone(&media);
        thread::spawn(move || running.run());
        media
    }

    pub(super) fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |it| it.port())
    }

    /// Sends to there, in that law, from the next packet on.
    pub(super) fn send_to(&self, remote: SocketAddr, codec: Codec, event: u8, is_sending: bool) {
        let mut state = self.lock();
        (state.remote, state.codec, state.event, state.is_sending) = (Some(remote), codec, event, is_sending);
    }

    pub(super) fn source(&self, source: Source) {
        let mut state = self.lock();
        (state.source, state.sent) = (source, 0);
    }

    /// Goes on as another stream, as a phone does whose user pressed mute: new source, new numbers, new times.
    pub(super) fn restart(&self) {
        let mut state = self.lock();
        state.ssrc = state.ssrc.wrapping_add(1);
        state.sequence = state.sequence.wrapping_add(31_000);
        state.clock = state.clock.wrapping_add(800_000_000);
    }

    /// Queues the packets of one key: three while it is pressed, three times its end (RFC 4733 s2.5.1.4).
    pub(super) fn press(&self, digit: u8) {
        let mut state = self.lock();
        for step in 1..=3 {
            state.events.push((digit, step * 160, false));
        }
        for _ in 0..3 {
            state.events.push((digit, 640, true));
        }
    }

    /// Sends `count` packets as fast as they go.
    pub(super) fn flood(&self, count: u32) {
        let Some(remote) = self.lock().remote else { return };
        let mut packet = vec![0x80, 0];
        packet.resize(172, 0xff);
        for number in 0..count {
            let [.., high, low] = number.to_be_bytes();
            (packet[2], packet[3]) = (high, low);
            // A full buffer is part of what a flood is for.
            let _ = self.socket.send_to(&packet, remote);
        }
    }

    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.lock().remote
    }

    pub(super) fn close(&self) {
        self.lock().is_open = false;
    }

    /// Every RTP packet so far.
    pub(super) fn received(&self) -> Vec<Packet> {
        self.lock().received.clone()
    }

    /// Every RTCP packet so far.
    pub(super) fn reports(&self) -> Vec<Vec<u8>> {
        self.lock().reports.clone()
    }

    fn run(&self) {
        let mut next = Instant::now();
        let mut buffer = [0; 2048];
        while self.lock().is_open {
            let now = Instant::now();
            if now >= next {
                self.send();
                next += TICK;
            }
            let left = next.saturating_duration_since(Instant::now()).max(Duration::from_micros(500));
            if self.socket.set_read_timeout(Some(left)).is_err() {
                return;
            }
            if let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                let packet = parse(&buffer[..length], Instant::now());
                self.lock().received.extend(packet);
            }
            while let Ok((length, _)) = self.control.recv_from(&mut buffer) {
                self.lock().reports.push(buffer[..length].to_vec());
            }
        }
    }

    fn send(&self) {
        let mut state = self.lock();
        let timestamp = state.clock;
        state.clock = state.clock.wrapping_add(160);
        let Some(remote) = state.remote.filter(|_| state.is_sending) else { return };
        let Some(body) = state.next_body(timestamp) else { return };
        let mut packet = vec![0x80, body.kind];
        packet.extend_from_slice(&state.sequence.to_be_bytes());
        packet.extend_from_slice(&body.timestamp.to_be_bytes());
        packet.extend_from_slice(&state.ssrc.to_be_bytes());
        packet.extend_from_slice(&body.payload);
        state.sequence = state.sequence.wrapping_add(1);
        // Loopback loses nothing while the other side is there; when it is not, there is nobody to tell.
        let _ = self.socket.send_to(&packet, remote);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marker and payload type, time stamp, payload.
struct Body {
    kind: u8,
    timestamp: u32,
    payload: Vec<u8>,
}

impl State {
    fn next_body(&mut self, timestamp: u32) -> Option<Body> {
        if !self.events.is_empty() {
            let (digit, duration, is_end) = self.events.remove(0);
            let marker = if duration == 160 { 0x80 } else { 0 };
            // All packets of one key carry the time when it was pressed.
            if duration == 160 {
                self.pressed = timestamp;
            }
            let pressed = self.pressed;
            let [high, low] = duration.to_be_bytes();
            let payload = vec![digit, if is_end { 0x80 | 10 } else { 10 }, high, low];
            return Some(Body { kind: marker | self.event, timestamp: pressed, payload });
        }
        let kind = if self.codec == Codec::Pcmu { 0 } else { 8 };
        let payload = match self.source {
            Source::Silent => return None,
            Source::Counted(count) if self.sent >= count => return None,
            Source::Counted(_) => counted(self.sent),
            Source::Tone(frequency) => tone(frequency, timestamp, self.codec),
        };
        self.sent += 1;
        Some(Body { kind, timestamp, payload })
    }
}

/// 20 ms of a packet that differs from all others: its number, then bytes made from it.
pub(super) fn counted(number: u32) -> Vec<u8> {
    let mut payload = number.to_be_bytes().to_vec();
    let mut noise = number.wrapping_mul(2_654_435_761).wrapping_add(1);
    while payload.len() < 160 {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        payload.push(noise.to_be_bytes()[0]);
    }
    payload
}

fn tone(frequency: u32, timestamp: u32, codec: Codec) -> Vec<u8> {
    let step = std::f64::consts::TAU * f64::from(frequency) / 8000.0;
    #[expect(clippy::cast_possible_truncation, reason = "the amplitude fits")]
    let sample = |it: u32| (10_362.0 * (step * f64::from(timestamp.wrapping_add(it))).sin()) as i16;
    let law = if codec == Codec::Pcmu { g711::mu_law } else { g711::a_law };
    (0..160).map(|it| law(sample(it))).collect()
}

fn parse(bytes: &[u8], at: Instant) -> Option<Packet> {
    let word = |from: usize| Some(u32::from_be_bytes(bytes.get(from..from + 4)?.try_into().ok()?));
    let first = *bytes.first()?;
    let contributors = usize::from(first & 0x0f);
    let mut start = 12 + 4 * contributors;
    if first & 0x10 != 0 {
        start += 4 + 4 * usize::from(u16::from_be_bytes(bytes.get(start + 2..start + 4)?.try_into().ok()?));
    }
    (first >> 6 == 2).then_some(())?;
    Some(Packet {
        at,
        marker: bytes.get(1)? & 0x80 != 0,
        payload_type: bytes.get(1)? & 0x7f,
        sequence: u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?),
        timestamp: word(4)?,
        ssrc: word(8)?,
        contributors,
        payload: bytes.get(start..)?.to_vec(),
    })
}

/// What these packets sound like; what is missing between two time stamps is silence.
pub(super) fn decode(packets: &[Packet]) -> Recording {
    let mut samples = Vec::new();
    let audio = packets.iter().filter(|it| matches!(it.payload_type, 0 | 8));
    let mut expected: Option<(u32, u32)> = None;
    for packet in audio {
        if let Some((ssrc, timestamp)) = expected {
            let gap = packet.timestamp.wrapping_sub(timestamp);
            // A late packet or a new stream begins where the sound is now.
            if ssrc == packet.ssrc && gap < 80_000 {
                samples.extend(std::iter::repeat_n(0, gap as usize));
            }
        }
        let law = if packet.payload_type == 0 { g711::from_mu_law } else { g711::from_a_law };
        samples.extend(packet.payload.iter().map(|it| law(*it)));
        let length = u32::try_from(packet.payload.len()).unwrap_or(0);
        expected = Some((packet.ssrc, packet.timestamp.wrapping_add(length)));
    }
    Recording { rate: 8000, samples }
}

const TICK: Duration = Duration::from_millis(20);
/// The payload type that the probe's own offers give to telephone events.
pub(super) const EVENT: u8 = 101;
/// Each socket begins with one stream, so the same number serves all.
const SSRC: u32 = 0x0e2e_0e2e;

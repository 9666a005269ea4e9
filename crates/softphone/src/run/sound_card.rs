//! The sound thread: a packet every 20 ms by the clock while there is a call, and everything that came in.

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};

use clock::Clock;
use media_proto::codec::Codec;

use super::Shared;
use crate::{
    phone::Media,
    rtp::Packet,
    sound::{Sound, Voice},
};

/// What the sound thread is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Media(Option<Media>),
    Say(Sound),
    Quit,
}

pub(super) struct SoundCard {
    socket: UdpSocket,
    /// Held so that RTCP of the peer does not bounce; a phone this small has nothing to report.
    _rtcp: UdpSocket,
    voice: Voice,
    seed: u64,
    inbox: Receiver<Order>,
    shared: Arc<Shared>,
    clock: Clock,
    stream: Option<Stream>,
}

/// One call's outgoing stream.
struct Stream {
    media: Media,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// The last packet was followed by a pause, so that the next one is marked (RFC 3551 s4.1).
    paused: bool,
    due: Instant,
}

impl SoundCard {
    pub(super) fn new(
        socket: UdpSocket,
        rtcp: UdpSocket,
        sound: Sound,
        seed: u64,
        inbox: Receiver<Order>,
        shared: Arc<Shared>,
        clock: Clock,
    ) -> Self {
        Self { socket, _rtcp: rtcp, voice: Voice::new(sound), seed, inbox, shared, clock, stream: None }
    }

    pub(super) fn run(mut self) {
        if self.socket.set_nonblocking(true).is_err() {
            return;
        }
        loop {
            let goes_on = match self.stream.as_ref().map(|it| it.due) {
                None => self.rest(),
                Some(due) => {
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    self.obey()
                }
            };
            if !goes_on {
                return;
            }
            self.listen();
            self.speak();
        }
    }

    /// Waits for the next call; false when it is time to end.
    fn rest(&mut self) -> bool {
        match self.inbox.recv_timeout(REST) {
            Ok(order) => self.take(order),
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(order) if self.take(order) => {}
                Err(TryRecvError::Empty) => return true,
                Ok(_) | Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn take(&mut self, order: Order) -> bool {
        match order {
            Order::Quit => return false,
            Order::Say(sound) => self.voice = Voice::new(sound),
            Order::Media(None) => {
                self.listen();
                self.stream = None;
            }
            Order::Media(Some(media)) => match &mut self.stream {
                Some(stream) => stream.media = media,
                None => self.stream = Some(Stream::new(media, self.next_seed())),
            },
        }
        true
    }

    /// Takes what came in; outside a call it belongs to nobody.
    fn listen(&mut self) {
        let mut buffer = [0; 2048];
        // More than this in one turn is a flood, and the system drops the rest.
        for _ in 0..PACKETS_A_TURN {
            let Ok(length) = self.socket.recv(&mut buffer) else { return };
            let Some(stream) = &self.stream else { continue };
            let Some(packet) = buffer.get(..length).and_then(Packet::parse) else { continue };
            let codec = if packet.payload_type == stream.media.payload_type {
                Some(stream.media.codec)
            } else {
                Codec::from_payload_type(packet.payload_type)
            };
            if let Some(codec) = codec {
                self.shared.recorder().hear(&packet, codec, self.clock.now());
            }
        }
    }

    fn speak(&mut self) {
        let Some(stream) = &mut self.stream else { return };
        let late = Instant::now().saturating_duration_since(stream.due);
        if late > LATE_MAX {
            // The machine stood still: what was not said then is not said now.
            let skipped = u32::try_from(late.as_millis() / PACKET.as_millis()).unwrap_or(0);
            stream.due += PACKET * skipped;
            stream.timestamp = stream.timestamp.wrapping_add(skipped * SAMPLES as u32);
            stream.paused = true;
        }
        stream.due += PACKET;
        let timestamp = stream.timestamp;
        stream.timestamp = timestamp.wrapping_add(SAMPLES as u32);
        if !stream.media.sends {
            stream.paused = true;
            return;
        }
        let (mut samples, mut payload) = ([0; SAMPLES], [0; SAMPLES]);
        self.voice.speak(&mut samples);
        stream.media.codec.encode(&samples, &mut payload);
        let packet = Packet {
            payload_type: stream.media.payload_type,
            marker: std::mem::take(&mut stream.paused),
            sequence: stream.sequence,
            timestamp,
            ssrc: stream.ssrc,
            csrcs: 0,
            payload: &payload,
        };
        stream.sequence = stream.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(12 + SAMPLES);
        packet.write(&mut bytes);
        // A peer that has closed its port is no reason to stop: the call will end by SIP.
        let _ = self.socket.send_to(&bytes, stream.media.remote);
    }

    fn next_seed(&mut self) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.seed
    }
}

impl Stream {
    /// A stream with a source, sequence and time stamp of its own (RFC 3550 s5.1).
    fn new(media: Media, seed: u64) -> Self {
        Self {
            media,
            ssrc: (seed >> 32) as u32,
            sequence: (seed >> 8) as u16,
            timestamp: (seed >> 16) as u32,
            paused: true,
            due: Instant::now(),
        }
    }
}

const PACKET: Duration = Duration::from_millis(20);
const SAMPLES: usize = 160;
/// Behind by more than this, packets are left out instead of sent in a burst.
const LATE_MAX: Duration = Duration::from_millis(200);
/// How often a phone without a call empties its socket.
const REST: Duration = Duration::from_millis(100);
const PACKETS_A_TURN: usize = 200;

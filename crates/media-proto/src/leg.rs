//! One leg of a call as media sees it: whom we accept packets from, what it sent, what it is sent, and its reports.

use core::net::SocketAddr;
use std::sync::Arc;

use rand_chacha::{ChaCha8Rng, rand_core::Rng};

use crate::{
    codec::Codec,
    micros::Micros,
    music::{Music, Playing},
    outgoing::Outgoing,
    playout::Playout,
    rtcp::{Block, CNAME_OCTETS, MAX_OCTETS, Report},
    sdp::TELEPHONE_EVENT,
    source::Source,
};

/// What signalling has settled about a leg's peer. Told again upon each change of its SDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Where the peer's SDP wants RTP.
    pub rtp: SocketAddr,
    /// Where it wants RTCP.
    pub rtcp: SocketAddr,
    /// The codec that both sides use.
    pub codec: Codec,
    /// The peer's payload type for it, for the packets that we send.
    pub payload_type: u8,
    /// The peer's payload type for telephone events, for the packets that we send.
    pub telephone_event: Option<u8>,
    /// Our payload type for telephone events, for the packets that the peer sends. The one of our own offers is
    /// understood anyway.
    pub telephone_event_in: Option<u8>,
    /// Whether the peer wants to be sent anything: its SDP's direction is sendrecv or recvonly.
    pub sending: bool,
    /// Whether the peer sends: its SDP's direction is sendrecv or sendonly.
    pub receiving: bool,
}

/// A leg's counters, all since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// RTP packets that counted.
    pub packets_in: u64,
    /// Octets of payload in them.
    pub octets_in: u64,
    /// Packets lost on the way to us, in the stream that counts now. Duplicates can make it negative.
    pub lost_in: i32,
    /// Mean deviation of the spacing of the packets that came, in samples at 8000 Hz.
    pub jitter_in: u32,
    /// RTP packets sent.
    pub packets_out: u32,
    /// Octets of payload in them.
    pub octets_out: u32,
    /// Packets that the peer says it lost.
    pub lost_out: i32,
    /// Spacing that the peer sees, in samples at 8000 Hz.
    pub jitter_out: u32,
    /// Datagrams from somebody who is not this leg's peer.
    pub foreign: u64,
    /// Datagrams from the peer that were no packet of this leg: broken, of an unknown payload type, repeated, or sent
    /// although its SDP says that it does not send.
    pub unusable: u64,
}

#[derive(Debug)]
pub(crate) struct Leg<K> {
    pub(crate) key: K,
    pub(crate) remote: Option<Remote>,
    /// The address that the peer's packets come from, once the first one has shown it.
    locked: Option<SocketAddr>,
    locked_rtcp: Option<SocketAddr>,
    /// Where they came from before the SDP changed. Good for sending as long as it names the same address, so that a
    /// peer behind an address translator has no gap when it takes us back from hold.
    before: Option<SocketAddr>,
    pub(crate) source: Source,
    pub(crate) playout: Playout,
    pub(crate) out: Outgoing,
    cname: [u8; CNAME_OCTETS],
    next_report: Micros,
    heard_at: Micros,
    next_silence: Micros,
    last_block: Option<Block>,
    pub(crate) foreign: u64,
    pub(crate) unusable: u64,
    /// The legs that are sent what this one sends, packet by packet.
    pub(crate) relays_to: Vec<usize>,
    /// The legs whose mix this one is in, for the events that are passed into it.
    pub(crate) mixes_to: Vec<usize>,
    /// The legs in the mix that this one is sent; empty if it is sent none.
    pub(crate) mix_of: Vec<usize>,
    /// What it is played beside that.
    pub(crate) playing: Option<Playing>,
}

/// What a payload type means on a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Sound(Codec),
    Event,
    ComfortNoise,
}

impl<K> Leg<K> {
    pub(crate) fn new(key: K, source_id: u64, rng: &mut ChaCha8Rng) -> Self {
        let numbers = rng.next_u64();
        Self {
            key,
            remote: None,
            locked: None,
            locked_rtcp: None,
            before: None,
            source: Source::new(source_id, Codec::Pcmu),
            playout: Playout::new(),
            // The sequence begins in its lower half, so that it does not wrap before a receiver knows it.
            out: Outgoing::new(rng.next_u32(), numbers as u16 & 0x7FFF, (numbers >> 32) as u32),
            cname: std::array::from_fn(|_| BASE64[rng.next_u32() as usize % BASE64.len()]),
            next_report: Micros(u64::MAX),
            heard_at: Micros(0),
            next_silence: Micros(u64::MAX),
            last_block: None,
            foreign: 0,
            unusable: 0,
            relays_to: Vec::new(),
            mixes_to: Vec::new(),
            mix_of: Vec::new(),
            playing: None,
        }
    }

    pub(crate) fn configure(&mut self, remote: Remote, silent_us: u64, now: Micros, rng: &mut ChaCha8Rng) {
        if self.remote.is_none() {
            // The first report comes after half the interval (RFC 3550 s6.2).
            self.next_report = now + interval_us(rng) / 2;
        }
        if self.next_silence == Micros(u64::MAX) {
            self.heard_at = now;
            self.next_silence = now + silent_us;
        }
        if self.remote.as_ref() != Some(&remote) {
            let same_address = self.remote.as_ref().is_some_and(|it| it.rtp == remote.rtp);
            self.before = self.locked.take().or(self.before).filter(|_| same_address);
            self.locked_rtcp = None;
        }
        self.source.speak(remote.codec);
        self.remote = Some(remote);
        if !self.may_be_sent() {
            self.out.pause();
        }
    }

    /// Whether what it is sent is added up by the clock, and not relayed.
    pub(crate) fn is_sent_a_mix(&self) -> bool {
        !self.mix_of.is_empty() || self.playing.is_some()
    }

    /// What it is played from now on; the same goes on where it is.
    pub(crate) fn play(&mut self, music: Option<&Arc<Music>>) {
        let same = |it: &Playing| music.is_some_and(|music| Arc::ptr_eq(music, &it.music));
        self.playing = self.playing.take().filter(same).or_else(|| music.map(Playing::new));
    }

    /// Whether RTP may go to this leg's peer now.
    pub(crate) fn may_be_sent(&self) -> bool {
        self.remote.as_ref().is_some_and(|it| it.sending) && self.rtp_to().is_some()
    }

    /// Where its RTP goes: to where its own comes from, else to where its SDP says.
    pub(crate) fn rtp_to(&self) -> Option<SocketAddr> {
        let described = self.remote.as_ref().map(|it| it.rtp).filter(is_somewhere)?;
        Some(self.locked.or(self.before).unwrap_or(described))
    }

    /// Where its RTCP goes: to where its own comes from, else to where its SDP says; with a peer behind an address
    /// translator, to the port above the one that its RTP comes from.
    pub(crate) fn rtcp_to(&self) -> Option<SocketAddr> {
        let remote = self.remote.as_ref()?;
        let translated = self.locked.or(self.before).filter(|it| it.ip() != remote.rtp.ip());
        let guessed = translated.and_then(|it| Some(SocketAddr::new(it.ip(), it.port().checked_add(1)?)));
        self.locked_rtcp.or(guessed).or(Some(remote.rtcp)).filter(is_somewhere)
    }

    /// What a packet with this payload type would be.
    pub(crate) fn payload(&self, payload_type: u8) -> Option<Payload> {
        let remote = self.remote.as_ref()?;
        if payload_type == remote.payload_type {
            return Some(Payload::Sound(remote.codec));
        }
        if Some(payload_type) == remote.telephone_event_in || Some(payload_type) == remote.telephone_event {
            return Some(Payload::Event);
        }
        match payload_type {
            COMFORT_NOISE => Some(Payload::ComfortNoise),
            // What our own offers call it, whatever number the answer has chosen for the other way.
            TELEPHONE_EVENT => Some(Payload::Event),
            // A peer may change to the other law that it was offered without a word (RFC 3264 s5.1).
            _ => Codec::from_payload_type(payload_type).map(Payload::Sound),
        }
    }

    /// Whether a valid RTP packet from `from` is this leg's; the first one settles it.
    pub(crate) fn accept(&mut self, from: SocketAddr, now: Micros) -> bool {
        let accepted = *self.locked.get_or_insert(from) == from;
        if accepted {
            self.heard_at = now;
        } else {
            self.foreign += 1;
        }
        accepted
    }

    /// Whether RTCP from `from` is this leg's: it must come from the host that RTP comes from.
    pub(crate) fn accept_rtcp(&mut self, from: SocketAddr) -> bool {
        let host = self.locked.or_else(|| self.remote.as_ref().map(|it| it.rtcp)).map(|it| it.ip());
        let accepted = host == Some(from.ip()) && *self.locked_rtcp.get_or_insert(from) == from;
        if !accepted {
            self.foreign += 1;
        }
        accepted
    }

    pub(crate) fn reported(&mut self, block: Option<Block>, now: Micros) {
        self.heard_at = now;
        self.last_block = block.or(self.last_block);
    }

    /// When [`Self::report_if_due`] or [`Self::silent_for`] has something to do.
    pub(crate) fn next_chore(&self) -> Micros {
        self.next_report.min(self.next_silence)
    }

    /// Writes the report that is due, if one is, and says how long it is.
    pub(crate) fn report_if_due(
        &mut self,
        out: &mut [u8; MAX_OCTETS],
        now: Micros,
        rng: &mut ChaCha8Rng,
    ) -> Option<usize> {
        if now < self.next_report {
            return None;
        }
        self.next_report = now + interval_us(rng);
        Some(self.report(out, false, now))
    }

    pub(crate) fn report(&mut self, out: &mut [u8; MAX_OCTETS], bye: bool, now: Micros) -> usize {
        let (sender, block) = (self.out.report(now), self.source.report(now));
        Report { ssrc: self.out.ssrc(), sender, block, cname: self.cname, bye }.write(out)
    }

    /// For how many microseconds nothing has come from a leg that should send something, once every `silent_us`.
    pub(crate) fn silent_for(&mut self, silent_us: u64, now: Micros) -> Option<u64> {
        if now < self.next_silence {
            return None;
        }
        let silent = now.since(self.heard_at);
        let expected = self.remote.as_ref().is_some_and(|it| it.receiving || it.sending);
        let alarm = expected && silent >= silent_us;
        self.next_silence = if alarm || !expected { now + silent_us } else { self.heard_at + silent_us };
        alarm.then_some(silent)
    }

    pub(crate) fn counters(&self) -> Counters {
        let ((packets_in, octets_in), (packets_out, octets_out)) = (self.source.totals(), self.out.totals());
        Counters {
            packets_in,
            octets_in,
            lost_in: self.source.lost(),
            jitter_in: self.source.jitter(),
            packets_out,
            octets_out,
            lost_out: self.last_block.map_or(0, |it| it.lost),
            jitter_out: self.last_block.map_or(0, |it| it.jitter),
            foreign: self.foreign,
            unusable: self.unusable,
        }
    }
}

/// Five seconds, drawn from half to one and a half of it and shortened as RFC 3550 s6.3.1 says.
fn interval_us(rng: &mut ChaCha8Rng) -> u64 {
    const SHORTENED_US: u64 = 4_104_206; // 5 s / (e - 3/2)
    SHORTENED_US / 2 + rng.next_u64() % SHORTENED_US
}

fn is_somewhere(address: &SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}

const COMFORT_NOISE: u8 = 13;
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

//! The media of one call: its legs, its hearing matrix, and every packet between them. No socket, no clock.

use core::net::SocketAddr;
use std::{collections::BTreeMap, sync::Arc};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

pub use crate::leg::{Counters, Remote};
use crate::{
    codec::Codec,
    leg::{Leg, Payload},
    micros::Micros,
    music::Music,
    outgoing::Relayed,
    plan::{Matrix, Plan, plans},
    playout::{FRAME, FRAME_US},
    rtcp::{self, MAX_OCTETS},
    rtp::{self, HEADER_OCTETS, Packet},
    source::{Arrival, MAX_PAYLOAD},
};

/// Which of a leg's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// The sound.
    Rtp,
    /// The reports.
    Rtcp,
}

/// Where a call's packets go out and its news are told. Called in the middle of the work, so that nothing has to be
/// kept; it must not block.
pub trait Sink<K> {
    /// Send this packet from the leg's socket.
    fn send(&mut self, slot: Slot, channel: Channel, to: SocketAddr, packet: &[u8]);
    /// Neither RTP nor RTCP has come from a leg that should send something, for so many microseconds (V-08).
    fn silent(&mut self, leg: K, for_us: u64);
}

/// A leg's place in its call, so that a packet need not be looked up. Used again after the leg is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub usize);

/// What the media of a call depends on beside its legs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where in the 20 ms of the clock the call's mixes run: 0 to 19,999. Different for the calls of a worker, so that
    /// their work does not come all at once.
    pub phase_us: u64,
    /// After how much silence a leg is reported silent (V-08).
    pub silent_us: u64,
}

/// A leg on its way from one call to another.
#[derive(Debug)]
pub struct Moving<K>(Leg<K>);

/// The media of one call. `K` names its legs.
///
/// Invariant: a packet of one leg is sent to another only along the plan made from the matrix; there is no other way
/// from leg to leg in here.
#[derive(Debug)]
pub struct Call<K> {
    settings: Settings,
    rng: ChaCha8Rng,
    legs: Vec<Option<Leg<K>>>,
    sources: u64,
    matrix: Matrix<K>,
    plays: BTreeMap<K, Arc<Music>>,
    /// Legs that are in somebody's mix and the frames last taken from them.
    mixed: Vec<(usize, [i16; FRAME])>,
    next_mix: Option<Micros>,
    next_chore: Micros,
}

impl<K: Copy + Ord> Call<K> {
    /// A call without legs. All that is random in it comes from `seed`.
    #[must_use]
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        Self {
            settings,
            rng: ChaCha8Rng::from_seed(seed),
            legs: Vec::new(),
            sources: 0,
            matrix: Matrix::new(),
            plays: BTreeMap::new(),
            mixed: Vec::new(),
            next_mix: None,
            next_chore: Micros(u64::MAX),
        }
    }

    /// A leg is there. Nothing is sent to it, and nothing from it counts, before [`Self::configure`].
    pub fn open(&mut self, key: K, now: Micros) -> Slot {
        self.sources += 1;
        let leg = Leg::new(key, self.sources, &mut self.rng);
        let slot = self.enter(leg);
        self.replan(now);
        slot
    }

    fn enter(&mut self, leg: Leg<K>) -> Slot {
        let free = self.legs.iter().position(Option::is_none);
        let slot = free.unwrap_or_else(|| {
            self.legs.push(None);
            self.legs.len() - 1
        });
        self.legs[slot] = Some(leg);
        Slot(slot)
    }

    /// What signalling has settled about the leg's peer, again upon each change. The peer's address is learned anew;
    /// what we send goes on unbroken.
    pub fn configure(&mut self, slot: Slot, remote: Remote, now: Micros) {
        let silent_us = self.settings.silent_us;
        if let Some(leg) = self.legs.get_mut(slot.0).and_then(Option::as_mut) {
            leg.configure(remote, silent_us, now, &mut self.rng);
            self.replan(now);
        }
    }

    /// Who hears whom from now on: the whole matrix. Cells of legs that are not open count once they are.
    pub fn hear(&mut self, matrix: Matrix<K>, now: Micros) {
        self.matrix = matrix;
        self.replan(now);
    }

    /// What legs are played from now on, beside those whom they hear: a leg without music here is played none.
    pub fn play(&mut self, plays: BTreeMap<K, Arc<Music>>, now: Micros) {
        self.plays = plays;
        self.replan(now);
    }

    /// The leg is over: it is told goodbye, and no one else is told anything.
    pub fn close(&mut self, slot: Slot, now: Micros, sink: &mut impl Sink<K>) {
        let Some(mut leg) = self.legs.get_mut(slot.0).and_then(Option::take) else { return };
        if let Some(to) = leg.rtcp_to() {
            let mut out = [0; MAX_OCTETS];
            let length = leg.report(&mut out, true, now);
            sink.send(slot, Channel::Rtcp, to, &out[..length]);
        }
        self.replan(now);
    }

    /// A leg leaves for another call: it keeps its stream, its peer and what it has heard.
    pub fn take(&mut self, slot: Slot, now: Micros) -> Option<Moving<K>> {
        let mut leg = self.legs.get_mut(slot.0).and_then(Option::take)?;
        leg.out.pause();
        leg.playout.stop();
        self.replan(now);
        Some(Moving(leg))
    }

    /// A leg comes from another call. The cells that the matrix has for it count from now on.
    pub fn put(&mut self, Moving(mut leg): Moving<K>, now: Micros) -> Slot {
        self.sources += 1;
        leg.source.rename(self.sources);
        let slot = self.enter(leg);
        self.replan(now);
        slot
    }

    /// Whether no leg is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.legs.iter().all(Option::is_none)
    }

    /// The open legs.
    pub fn legs(&self) -> impl Iterator<Item = K> {
        self.legs.iter().flatten().map(|it| it.key)
    }

    /// The counters of every open leg.
    pub fn counters(&self) -> impl Iterator<Item = (K, Counters)> {
        self.legs.iter().flatten().map(|it| (it.key, it.counters()))
    }

    /// What an open leg is sent now.
    #[must_use]
    pub fn plans(&self) -> BTreeMap<K, Plan<K>> {
        // What a leg speaks that has no codec yet makes no difference: it sends nothing and is sent nothing.
        let codec = |leg: &Leg<K>| leg.remote.as_ref().map_or(Codec::Pcmu, |it| it.codec);
        plans(&self.matrix, &self.legs.iter().flatten().map(|it| (it.key, codec(it))).collect())
    }

    /// A datagram came to a leg's RTP port. It is changed on its way.
    pub fn rtp(&mut self, slot: Slot, datagram: &mut [u8], from: SocketAddr, now: Micros, sink: &mut impl Sink<K>) {
        if rtp::is_rtcp(datagram) {
            return self.rtcp(slot, datagram, from, now);
        }
        let Some(leg) = self.legs.get_mut(slot.0).and_then(Option::as_mut) else { return };
        let packet = Packet::parse(datagram).filter(|it| it.payload.len() <= MAX_PAYLOAD);
        let Some((packet, payload)) = packet.and_then(|it| leg.payload(it.header.payload_type).map(|kind| (it, kind)))
        else {
            leg.unusable += 1;
            return;
        };
        if !leg.accept(from, now) {
            return;
        }
        let Some(arrival) = take_in(leg, &packet, payload, datagram, now) else {
            leg.unusable += 1;
            return;
        };
        match payload {
            Payload::Sound(codec) => self.relay(slot, &packet, codec, arrival, datagram, now, sink),
            Payload::Event => self.event(slot, &packet, arrival, datagram, now, sink),
            Payload::ComfortNoise => {}
        }
    }

    /// A datagram came to a leg's RTCP port.
    pub fn rtcp(&mut self, slot: Slot, datagram: &[u8], from: SocketAddr, now: Micros) {
        let Some(leg) = self.legs.get_mut(slot.0).and_then(Option::as_mut) else { return };
        let Some(heard) = rtcp::parse(datagram, leg.out.ssrc()) else {
            leg.unusable += 1;
            return;
        };
        if leg.accept_rtcp(from) {
            leg.reported(heard.block, now);
            if let Some((ssrc, ntp_middle)) = heard.sender {
                leg.source.sender_report(ssrc, ntp_middle, now);
            }
        }
    }

    /// When [`Self::handle_timeout`] has something to do, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Micros> {
        let next = self.next_mix.map_or(self.next_chore, |it| it.min(self.next_chore));
        (next != Micros(u64::MAX)).then_some(next)
    }

    /// Does what is due: frames of mixes, reports, and the watch for silence.
    pub fn handle_timeout(&mut self, now: Micros, sink: &mut impl Sink<K>) {
        while let Some(due) = self.next_mix.filter(|due| *due <= now) {
            // After a stall, what nobody would wait for is left out.
            let skipped = if now.since(due) > STALL_US { now.since(due) / FRAME_US } else { 0 };
            let at = due + skipped * FRAME_US;
            self.mix(skipped as u32, at, sink);
            self.next_mix = Some(at + FRAME_US);
        }
        if self.next_chore <= now {
            self.do_chores(now, sink);
        }
    }

    fn do_chores(&mut self, now: Micros, sink: &mut impl Sink<K>) {
        let mut out = [0; MAX_OCTETS];
        for (slot, leg) in self.legs.iter_mut().enumerate() {
            let Some(leg) = leg else { continue };
            if let Some(length) = leg.report_if_due(&mut out, now, &mut self.rng)
                && let Some(to) = leg.rtcp_to()
            {
                sink.send(Slot(slot), Channel::Rtcp, to, &out[..length]);
            }
            if let Some(silent) = leg.silent_for(self.settings.silent_us, now) {
                sink.silent(leg.key, silent);
            }
        }
        self.schedule_chores();
    }

    fn schedule_chores(&mut self) {
        self.next_chore = self.legs.iter().flatten().map(Leg::next_chore).min().unwrap_or(Micros(u64::MAX));
    }

    #[expect(clippy::too_many_arguments, reason = "a packet in all its parts")]
    fn relay(
        &mut self,
        slot: Slot,
        packet: &Packet,
        codec: Codec,
        arrival: Arrival,
        datagram: &mut [u8],
        now: Micros,
        sink: &mut impl Sink<K>,
    ) {
        let Some((id, relays)) = self.relays(slot) else { return };
        let mut spoken = codec;
        // First those who speak as it does, then, with the payload turned, the others.
        for wanted in [codec, other(codec)] {
            for hearer in 0..relays {
                let Some((to, leg)) = self.hearer(slot, hearer, |it| &it.relays_to) else { continue };
                let Some(remote) = leg.remote.as_ref().filter(|it| it.codec == wanted) else { continue };
                let marker = packet.header.marker || arrival.restarted;
                let octets = packet.payload.len() as u32;
                let relayed = Relayed { marker, payload_type: remote.payload_type, octets };
                if spoken != wanted {
                    spoken.transcode(wanted, &mut datagram[packet.payload.clone()]);
                    spoken = wanted;
                }
                if let Some(header) = leg.out.relay(id, arrival.position, relayed, now) {
                    send(to, leg, &header, packet, datagram, sink);
                }
            }
        }
    }

    fn event(
        &mut self,
        slot: Slot,
        packet: &Packet,
        arrival: Arrival,
        datagram: &mut [u8],
        now: Micros,
        sink: &mut impl Sink<K>,
    ) {
        let Some((id, relays)) = self.relays(slot) else { return };
        let mixes = self.legs.get(slot.0).and_then(Option::as_ref).map_or(0, |it| it.mixes_to.len());
        for hearer in 0..relays + mixes {
            let found = match hearer.checked_sub(relays) {
                None => self.hearer(slot, hearer, |it| &it.relays_to),
                Some(hearer) => self.hearer(slot, hearer, |it| &it.mixes_to),
            };
            let Some((to, leg)) = found else { continue };
            let Some(payload_type) = leg.remote.as_ref().and_then(|it| it.telephone_event) else { continue };
            let octets = packet.payload.len() as u32;
            let relayed = Relayed { marker: packet.header.marker, payload_type, octets };
            if let Some(header) = leg.out.event(id, arrival.position, relayed, now) {
                send(to, leg, &header, packet, datagram, sink);
            }
        }
    }

    /// The id of a leg's source and how many legs are sent its packets.
    fn relays(&self, slot: Slot) -> Option<(u64, usize)> {
        self.legs.get(slot.0)?.as_ref().map(|it| (it.source.id(), it.relays_to.len()))
    }

    /// The leg at `index` of a list of hearers, if it may be sent anything.
    fn hearer(
        &mut self,
        slot: Slot,
        index: usize,
        list: impl Fn(&Leg<K>) -> &Vec<usize>,
    ) -> Option<(usize, &mut Leg<K>)> {
        let to = *list(self.legs.get(slot.0)?.as_ref()?).get(index)?;
        let leg = self.legs.get_mut(to)?.as_mut()?;
        leg.may_be_sent().then_some((to, leg))
    }

    fn mix(&mut self, skipped: u32, now: Micros, sink: &mut impl Sink<K>) {
        for (slot, frame) in &mut self.mixed {
            if let Some(leg) = self.legs.get_mut(*slot).and_then(Option::as_mut) {
                leg.playout.skip(skipped);
                leg.playout.take(leg.source.history(), now, frame);
            }
        }
        for (slot, leg) in self.legs.iter_mut().enumerate() {
            let Some(leg) = leg.as_mut().filter(|it| it.is_sent_a_mix() && it.may_be_sent()) else { continue };
            let played = leg.playing.as_mut().map(|it| it.frame(skipped));
            let (Some(remote), Some(to)) = (&leg.remote, leg.rtp_to()) else { continue };
            let heard = self.mixed.iter().filter(|(it, _)| leg.mix_of.contains(it)).map(|(_, frame)| frame);
            let sum = add_up(heard.chain(&played));
            let mut packet = [0; HEADER_OCTETS + FRAME];
            let (header, payload) = packet.split_at_mut(HEADER_OCTETS);
            remote.codec.encode(&sum, payload);
            header.copy_from_slice(&leg.out.mix(skipped, remote.payload_type, now).octets());
            sink.send(Slot(slot), Channel::Rtp, to, &packet);
        }
    }

    /// Makes the plans from the matrix and lays them out by slot. Streams whose feed stays the same do not notice.
    fn replan(&mut self, now: Micros) {
        let plans = self.plans();
        let slots: BTreeMap<K, (usize, u64)> = (self.legs.iter().enumerate())
            .filter_map(|(slot, leg)| leg.as_ref().map(|it| (it.key, (slot, it.source.id()))))
            .collect();
        for leg in self.legs.iter_mut().flatten() {
            leg.relays_to.clear();
            leg.mixes_to.clear();
            leg.mix_of.clear();
            leg.play(self.plays.get(&leg.key));
        }
        for (key, plan) in plans {
            let Some((slot, _)) = slots.get(&key).copied() else { continue };
            self.lay_out(slot, &plan, &slots);
        }
        let mut mixed: Vec<usize> = self.legs.iter().flatten().flat_map(|it| it.mix_of.iter().copied()).collect();
        mixed.sort_unstable();
        mixed.dedup();
        for (slot, leg) in self.legs.iter_mut().enumerate() {
            if let Some(leg) = leg.as_mut().filter(|_| mixed.binary_search(&slot).is_err()) {
                leg.playout.stop();
            }
        }
        self.mixed = mixed.into_iter().map(|it| (it, [0; FRAME])).collect();
        let mixes = self.legs.iter().flatten().any(Leg::is_sent_a_mix);
        self.next_mix = mixes.then(|| self.next_mix.unwrap_or_else(|| self.first_mix(now)));
        self.schedule_chores();
    }

    fn lay_out(&mut self, slot: usize, plan: &Plan<K>, slots: &BTreeMap<K, (usize, u64)>) {
        let place = |key: &K| slots.get(key).copied();
        let sources = match plan {
            Plan::Silent => Vec::new(),
            Plan::Relay(one) | Plan::Transcode(one) => Vec::from_iter(place(one)),
            Plan::Mix(several) => several.iter().filter_map(place).collect(),
        };
        let played = self.legs.get(slot).and_then(Option::as_ref).is_some_and(|it| it.playing.is_some());
        let mixes = played || matches!(plan, Plan::Mix(_));
        for (source, _) in &sources {
            if let Some(source) = self.legs.get_mut(*source).and_then(Option::as_mut) {
                if mixes { &mut source.mixes_to } else { &mut source.relays_to }.push(slot);
            }
        }
        let Some(leg) = self.legs.get_mut(slot).and_then(Option::as_mut) else { return };
        match *sources {
            [] if !played => leg.out.pause(),
            [(_, id)] if !mixes => leg.out.feed_from(id),
            [..] => {
                leg.out.feed_from_mix();
                leg.mix_of = sources.iter().map(|(source, _)| *source).collect();
            }
        }
    }

    /// The next moment of the call's own phase.
    fn first_mix(&self, now: Micros) -> Micros {
        let into = (now.0 + FRAME_US - self.settings.phase_us % FRAME_US) % FRAME_US;
        now + (FRAME_US - into) % FRAME_US
    }
}

/// Lets a packet into its leg's source. `None`: it does not count.
fn take_in<K>(leg: &mut Leg<K>, packet: &Packet, payload: Payload, datagram: &[u8], now: Micros) -> Option<Arrival> {
    if !leg.remote.as_ref().is_some_and(|it| it.receiving) {
        return None;
    }
    let octets = datagram.get(packet.payload.clone())?;
    let Payload::Sound(codec) = payload else { return leg.source.other(&packet.header, octets, now) };
    if octets.is_empty() {
        return None;
    }
    let end_before = leg.source.history().end();
    let arrival = leg.source.sound(&packet.header, codec, octets, now)?;
    leg.playout.arrived(arrival.position, end_before);
    Some(arrival)
}

/// Puts our header in front of the payload, over whatever header it came with, and sends it.
fn send<K>(
    slot: usize,
    leg: &Leg<K>,
    header: &rtp::Header,
    packet: &Packet,
    datagram: &mut [u8],
    sink: &mut impl Sink<K>,
) {
    let start = packet.payload.start.saturating_sub(HEADER_OCTETS);
    let whole = datagram.get_mut(start..packet.payload.end);
    if let (Some(whole), Some(to)) = (whole, leg.rtp_to()) {
        whole[..HEADER_OCTETS].copy_from_slice(&header.octets());
        sink.send(Slot(slot), Channel::Rtp, to, whole);
    }
}

fn add_up<'a>(frames: impl Iterator<Item = &'a [i16; FRAME]>) -> [i16; FRAME] {
    let mut sum = [0_i32; FRAME];
    for frame in frames {
        for (sum, sample) in sum.iter_mut().zip(frame) {
            *sum += i32::from(*sample);
        }
    }
    sum.map(|it| it.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16)
}

const fn other(codec: Codec) -> Codec {
    match codec {
        Codec::Pcmu => Codec::Pcma,
        Codec::Pcma => Codec::Pcmu,
    }
}

/// A mix that is late by more than this leaves frames out instead of sending them all at once: 100 ms.
const STALL_US: u64 = 100_000;

#[cfg(test)]
mod tests;

//! Calls that are held: what each costs in CPU and memory, and how long sound takes through it.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failed, Plan,
    bare::Bare,
    figures::{Figure, slope, spread},
    http::Connection,
    phones::{self, Phones, agent, supervisor},
    rtp::{Delays, Part, Sound},
    server::{People, Server, agent_name, listen_in, supervisor_name},
    usage::{Reading, Usage, memory_kib},
};

/// `bridged`
pub(crate) fn bridged(plan: &Plan) -> Result<(), Failed> {
    Hold::measure(plan, Kind::Bridged)?.report(plan);
    Ok(())
}

/// `listened`
pub(crate) fn listened(plan: &Plan) -> Result<(), Failed> {
    Hold::measure(plan, Kind::Listened)?.report(plan);
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bridged,
    Listened,
}

/// What was found out at one number of calls.
struct Step {
    calls: usize,
    usage: Usage,
    /// Packets that came out at all legs meanwhile.
    packets: u64,
    delays: Delays,
    /// Packets sent and packets heard by the parties, breaks, and leaks.
    counts: Counts,
    memory_kib: f64,
    late: u32,
}

/// The bare loop at one number of calls.
struct Pass {
    calls: usize,
    usage: Usage,
    packets: u64,
    /// How many packets the generator sent meanwhile.
    sent: u64,
    delays: Delays,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    sent: u64,
    heard: u64,
    breaks: u64,
    leaks: u64,
}

/// A whole run.
struct Hold {
    kind: Kind,
    steps: Vec<Step>,
    /// The bare loop before and after.
    bare: Vec<Pass>,
    /// Milliseconds from an agent's 200 to the first packet at the listener.
    joins: Vec<f64>,
    log: String,
}

impl Kind {
    const fn legs(self) -> usize {
        match self {
            Self::Bridged => 2,
            Self::Listened => 3,
        }
    }

    fn parts(self) -> &'static [Part] {
        &[Part::Caller, Part::Agent, Part::Supervisor][..self.legs()]
    }
}

impl Hold {
    fn measure(plan: &Plan, kind: Kind) -> Result<Self, Failed> {
        let most = plan.sizes.last().copied().unwrap_or(1);
        let sound = Arc::new(Sound::new(most)?);
        let mut bare = bare_loop(plan, kind, &sound)?;
        let trunk = phones::trunk()?;
        let supervisors = if kind == Kind::Listened { most } else { 0 };
        let server = Server::start(&plan.binary, People { agents: most, supervisors }, trunk.local_addr()?)?;
        let mut phones = Phones::new(server.sip, trunk, Arc::clone(&sound), most, true)?;
        phones.register(&(0..most).map(agent).collect::<Vec<_>>())?;
        if kind == Kind::Listened {
            arm(&server, &mut phones, most)?;
        }
        let mut steps: Vec<Step> = Vec::new();
        for calls in plan.sizes.iter().copied() {
            let held = steps.last().map_or(0, |it| it.calls);
            set_up(&mut phones, kind, held..calls)?;
            steps.push(Step::measure(plan, kind, calls, &server, &sound, &mut phones));
        }
        let first = |place| sound.leg(place, Part::Supervisor).heard().first;
        let since = |place: usize| Some((first(place)?, phones.calls[place].answered?));
        let joins = (0..most).filter_map(since).map(|(first, answered)| ms(first, answered)).collect();
        for place in 0..most {
            phones.hang_up(place);
            phones.pump(Duration::from_millis(5));
        }
        phones.pump(Duration::from_secs(1));
        for (place, part) in (0..most).flat_map(|it| kind.parts().iter().map(move |part| (it, *part))) {
            sound.leg(place, part).stop();
        }
        let log = server.log();
        drop(server);
        bare.extend(bare_loop(plan, kind, &sound)?);
        Ok(Self { kind, steps, bare, joins, log })
    }

    fn report(mut self, plan: &Plan) {
        self.cpu().print(plan.form);
        self.size().print(plan.form);
        self.delay().print(plan.form);
        if self.kind == Kind::Listened {
            self.join().print(plan.form);
            self.ear().print(plan.form);
        }
        self.memory().print(plan.form);
        if !self.log.is_empty() {
            eprintln!("bench: the server has logged:\n{}", self.log.lines().take(10).collect::<Vec<_>>().join("\n"));
        }
    }

    fn cpu(&self) -> Figure {
        // By the packets that came out, since a loop that loses packets does less.
        let packets = 3000.0 * self.kind.legs() as f64;
        let point = |it: &Usage, packets: u64| (packets as f64 / it.wall, it.cpu / it.wall);
        let server: Vec<_> = self.steps.iter().map(|it| point(&it.usage, it.packets)).collect();
        let bare: Vec<_> = self.bare.iter().map(|it| point(&it.usage, it.packets)).collect();
        let (server, bare) = (slope(&server) * packets, slope(&bare) * packets);
        let last = self.steps.last();
        let (name, target) = match self.kind {
            Kind::Bridged => ("CPU s a minute of a bridged call", "1.3 x bare loop"),
            Kind::Listened => ("CPU s a minute of a call listened to", "1.3 x bare loop and 0.042 s"),
        };
        Figure {
            name,
            value: format!("{server:.4} s"),
            numbers: vec![server, bare],
            target,
            ratio: Some(server / bare),
            note: format!(
                "bare loop {bare:.4} s; {:.2} and {:.2} us a packet; threads at {} calls in {:.1} s: {}",
                server / packets * 1e6,
                bare / packets * 1e6,
                last.map_or(0, |it| it.calls),
                last.map_or(0.0, |it| it.usage.wall),
                last.map_or_else(String::new, |it| it.usage.shares()),
            ),
            ..self.frame()
        }
    }

    fn size(&self) -> Figure {
        let minute = 3000.0 * self.kind.legs() as f64;
        let each = |usage: &Usage, packets: u64| usage.cpu / packets as f64 * minute;
        let of = |it: Option<&Step>| it.map_or(0.0, |it| each(&it.usage, it.packets));
        let (first, last) = (of(self.steps.first()), of(self.steps.last()));
        let bare = |step: Option<&Step>| {
            let calls = step.map(|it| it.calls);
            self.bare.iter().filter(|it| Some(it.calls) == calls).map(|it| each(&it.usage, it.packets)).sum::<f64>()
        };
        let bare = bare(self.steps.last()) / bare(self.steps.first());
        Figure {
            name: "cost of a call, most calls : fewest",
            value: format!("{:.2}", last / first),
            numbers: vec![last / first, bare],
            target: "1.1 at 1,000 : 300",
            note: format!("{last:.4} : {first:.4} s a minute; the bare loop's are as {bare:.2} : 1"),
            ..self.frame()
        }
    }

    fn delay(&mut self) -> Figure {
        let mut bare: Vec<f64> =
            self.bare_of_last().flat_map(|it| it.delays.relay.iter().map(|us| us / 1000.0)).collect();
        let unrelayed: u64 = self.bare_of_last().map(|it| it.sent.saturating_sub(it.packets)).sum();
        let Some(step) = self.steps.last() else { return Figure::default() };
        let mut delays: Vec<f64> = step.delays.relay.iter().map(|us| us / 1000.0).collect();
        let (numbers, value) = spread(&mut delays);
        let (bare, bare_text) = spread(&mut bare);
        let Counts { sent, heard, breaks, leaks } = step.counts;
        Figure {
            name: "delay of a relayed packet, p50 / p99",
            value,
            ratio: Some(numbers[0] / bare[0]),
            numbers,
            target: "0.05 / 0.2 ms",
            note: format!(
                "through the bare loop {bare_text}, which lost {unrelayed}; {} of {sent} packets lost, {breaks} SSRC or sequence breaks, {leaks} \
                 heard by whom they are not for; {} sent late by the generator",
                sent.saturating_sub(heard),
                step.late,
            ),
            calls: step.calls.to_string(),
            rate: format!("{} packets/s", step.calls * self.kind.legs() * 50),
            idle: step.usage.idle,
        }
    }

    fn join(&mut self) -> Figure {
        let (numbers, value) = spread(&mut self.joins);
        Figure {
            name: "agent's 200 to the listener's first packet",
            value,
            numbers,
            target: "22 / 30 ms",
            rate: format!("{SET_UPS_A_SECOND} set-ups/s"),
            note: format!("{} listeners", self.joins.len()),
            ..self.frame()
        }
    }

    fn ear(&self) -> Figure {
        let Some(step) = self.steps.last() else { return Figure::default() };
        let mut delays: Vec<f64> = step.delays.ear.iter().map(|us| us / 1000.0).collect();
        let (numbers, value) = spread(&mut delays);
        Figure {
            name: "mouth to listener's ear, p50 / p99",
            value,
            numbers,
            target: "20 / 30 ms",
            calls: step.calls.to_string(),
            rate: format!("{} packets/s", step.calls * self.kind.legs() * 50),
            idle: step.usage.idle,
            note: format!("{} samples followed from send to playing", delays.len()),
            ..Figure::default()
        }
    }

    fn memory(&self) -> Figure {
        let pairs: Vec<(f64, f64)> = self.steps.iter().map(|it| (it.calls as f64, it.memory_kib)).collect();
        let each = slope(&pairs);
        let (name, target) = match self.kind {
            Kind::Bridged => ("memory of a call", "40 KiB"),
            Kind::Listened => ("memory of a call listened to", "60 KiB"),
        };
        let sizes: Vec<String> = pairs.iter().map(|it| format!("{:.0} KiB at {}", it.1, it.0)).collect();
        Figure {
            name,
            value: format!("{each:.1} KiB"),
            numbers: vec![each],
            target,
            note: format!("{}; the devices and users of all are there from the start", sizes.join(", ")),
            ..self.frame()
        }
    }

    fn frame(&self) -> Figure {
        let calls: Vec<String> = self.steps.iter().map(|it| it.calls.to_string()).collect();
        let most = self.steps.last().map_or(0, |it| it.calls * self.kind.legs() * 50);
        let idle = self.steps.iter().map(|it| it.usage.idle).fold(1.0, f64::min);
        Figure { calls: calls.join(" and "), rate: format!("up to {most} packets/s"), idle, ..Figure::default() }
    }

    fn bare_of_last(&self) -> impl Iterator<Item = &Pass> {
        let last = self.steps.last().map(|it| it.calls);
        self.bare.iter().filter(move |it| Some(it.calls) == last)
    }
}

impl Step {
    fn measure(plan: &Plan, kind: Kind, calls: usize, server: &Server, sound: &Sound, phones: &mut Phones) -> Self {
        let set_up = Instant::now();
        // The join is behind us and learnt addresses are settled.
        sound.quiet_callers(false);
        phones.pump(Duration::from_secs(2));
        let (counted, late, came) = (Counts::of(kind, calls, sound), sound.late(), whole(kind, calls, sound).1);
        sound.record();
        let before = Reading::of(server.pid());
        phones.pump(plan.time);
        let usage = Reading::of(server.pid()).since(&before);
        let mut delays = sound.recorded();
        let packets = whole(kind, calls, sound).1 - came;
        let (counts, late) = (Counts::of(kind, calls, sound).since(counted), sound.late() - late);
        if kind == Kind::Listened {
            sound.quiet_callers(true);
            phones.pump(Duration::from_millis(500));
            sound.record();
            phones.pump(plan.time.min(Duration::from_secs(5)));
            delays.ear = sound.recorded().ear;
            sound.quiet_callers(false);
        }
        phones.pump(plan.memory_after.saturating_sub(set_up.elapsed()));
        Self { calls, usage, packets, delays, counts, memory_kib: memory_kib(server.pid()), late }
    }
}

impl Counts {
    /// Of the two parties of all calls.
    fn of(kind: Kind, calls: usize, sound: &Sound) -> Self {
        let mut counts = Self::default();
        for (place, part) in (0..calls).flat_map(|it| kind.parts()[..2].iter().map(move |part| (it, *part))) {
            let leg = sound.leg(place, part);
            let heard = leg.heard();
            counts.sent += u64::from(leg.sent());
            counts.heard += heard.packets;
            counts.breaks += heard.breaks;
            counts.leaks += heard.leaks;
        }
        counts
    }

    const fn since(self, before: Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            heard: self.heard - before.heard,
            breaks: self.breaks - before.breaks,
            leaks: self.leaks - before.leaks,
        }
    }
}

/// Packets sent by all legs, and packets that came to them.
fn whole(kind: Kind, calls: usize, sound: &Sound) -> (u64, u64) {
    let legs = (0..calls).flat_map(|it| kind.parts().iter().map(move |part| sound.leg(it, *part)));
    legs.fold((0, 0), |sum, it| (sum.0 + u64::from(it.sent()), sum.1 + it.heard().packets))
}

/// The same packets through the bare loop, at each number of calls.
fn bare_loop(plan: &Plan, kind: Kind, sound: &Sound) -> Result<Vec<Pass>, Failed> {
    let most = plan.sizes.last().copied().unwrap_or(1);
    let bare = Bare::start(most, kind.legs())?;
    let mut found = Vec::new();
    let mut speaking = 0;
    for calls in plan.sizes.iter().copied() {
        for place in speaking..calls {
            for (number, part) in kind.parts().iter().enumerate() {
                let port = bare.port(place * kind.legs() + number).ok_or("the bare loop has not started")?;
                sound.leg(place, *part).start(port);
            }
        }
        speaking = calls;
        thread::sleep(Duration::from_secs(1));
        sound.record();
        let (sent, came) = whole(kind, calls, sound);
        let before = Reading::of(bare.pid());
        thread::sleep(plan.time);
        let usage = Reading::of(bare.pid()).since(&before);
        let (sent, packets) = {
            let now = whole(kind, calls, sound);
            (now.0 - sent, now.1 - came)
        };
        found.push(Pass { calls, usage, packets, sent, delays: sound.recorded() });
    }
    for (place, part) in (0..most).flat_map(|it| kind.parts().iter().map(move |part| (it, *part))) {
        sound.leg(place, part).stop();
    }
    Ok(found)
}

/// Every supervisor listens to the agent of the same place.
pub(crate) fn arm(server: &Server, phones: &mut Phones, most: usize) -> Result<(), Failed> {
    phones.register(&(0..most).map(supervisor).collect::<Vec<_>>())?;
    server.log_in((0..most).map(agent_name))?;
    server.log_in((0..most).map(supervisor_name))?;
    let devices = server.own_devices(&(0..most).map(supervisor_name).collect::<Vec<_>>())?;
    let mut connection = Connection::open(server.http)?;
    for (place, device) in devices.iter().enumerate() {
        listen_in(&mut connection, place, device)?;
    }
    Ok(())
}

fn set_up(phones: &mut Phones, kind: Kind, places: std::ops::Range<usize>) -> Result<(), Failed> {
    for place in places.clone() {
        phones.call(place);
        phones.pump(Duration::from_secs(1) / SET_UPS_A_SECOND);
    }
    let is_up = |phones: &Phones, place: usize| {
        phones.calls[place].connected.is_some() && (kind == Kind::Bridged || phones.calls[place].listened.is_some())
    };
    phones.pump_until(Duration::from_secs(5), |it| places.clone().all(|place| is_up(it, place)));
    let missing: Vec<usize> = places.filter(|place| !is_up(phones, *place)).collect();
    if let Some(first) = missing.first() {
        return Err(format!("{} calls were not set up, such as {:?}", missing.len(), phones.calls[*first]).into());
    }
    Ok(())
}

pub(crate) fn ms(later: Instant, earlier: Instant) -> f64 {
    later.saturating_duration_since(earlier).as_secs_f64() * 1000.0
}

const SET_UPS_A_SECOND: u32 = 25;

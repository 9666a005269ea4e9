//! The one thread that owns the engine: it takes what happened, asks the machines, and carries out what they say.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use clock::{Clock, Time};
use domain::{
    command::{Command, DeviceOperation, Refusal, Reply, UserRequest},
    engine::Engine,
    event::{Action, Event, Outcome},
    ids::{LegId, PhoneNumber, RequestId, Ticket},
    leg::{Cause, LegAction, LegOrder},
    record::Record,
};
use legs::{Input, MediaOrder, Output, Ports, Stream};
use tokio::sync::{mpsc, oneshot};

use crate::{
    chronicle::Chronicle,
    figures::{self, Sample, Sampler},
    http::Push,
    pulse::Pulse,
    tape::{Note, Tape},
};

/// What the rest of the server may ask of the driver.
pub(crate) enum Ask {
    /// Carry out a command and answer it.
    Command(Command, oneshot::Sender<Result<Reply, Refusal>>),
    /// Take no new calls, and end when the last one is over.
    Drain,
    /// End now.
    Stop,
}

/// What ends the driver's sleep.
enum Woken {
    Sip(io::Result<()>),
    Ask(Ask),
    Tiding(Tiding),
    Timer,
}

/// What the adapters tell the driver, from their own threads.
pub(crate) enum Tiding {
    /// A `Store` action was committed, or could not be.
    Stored(Ticket, Outcome),
    /// From a media worker.
    Media(media::Event),
}

/// Everything that the driver drives.
pub(crate) struct Driver {
    clock: Clock,
    engine: Engine,
    sip: sip::Sip,
    media: media::Media,
    storage: storage::Storage,
    views: Arc<rest::Views>,
    push: Push,
    pulse: Arc<Pulse>,
    sampler: Sampler,
    chronicle: Chronicle,
    asks: mpsc::Receiver<Ask>,
    tidings: mpsc::UnboundedReceiver<Tiding>,
    leases: Leases,
    waiting: BTreeMap<RequestId, oneshot::Sender<Result<Reply, Refusal>>>,
    last_request: u64,
    /// Carried out in this order, whatever each of them leads to.
    actions: VecDeque<Action>,
    outputs: Vec<Output>,
    draining: bool,
}

/// What a driver is made of.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) engine: Engine,
    pub(crate) sip: sip::Sip,
    pub(crate) media: media::Media,
    pub(crate) storage: storage::Storage,
    pub(crate) views: Arc<rest::Views>,
    pub(crate) push: Push,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) tape: Tape,
    pub(crate) asks: mpsc::Receiver<Ask>,
    /// Not bounded by itself: every tiding answers an order of the driver's own, or comes once in half a minute.
    pub(crate) tidings: mpsc::UnboundedReceiver<Tiding>,
}

impl Driver {
    /// Begins with what storage held.
    pub(crate) fn new(parts: Parts, saved: domain::event::Saved) -> Self {
        let Parts { clock, engine, sip, media, storage, views, push, pulse, tape, asks, tidings } = parts;
        let leases = Leases { ports: media.ports().clone(), waiting: BTreeMap::new(), tape };
        let mut driver = Self {
            clock,
            engine,
            sip,
            media,
            storage,
            views,
            push,
            sampler: Sampler::new(pulse.clone()),
            chronicle: Chronicle::default(),
            pulse,
            asks,
            tidings,
            leases,
            waiting: BTreeMap::new(),
            last_request: 0,
            actions: VecDeque::new(),
            outputs: Vec::new(),
            draining: false,
        };
        let now = driver.clock.now();
        let registrations = saved.registrations.clone();
        driver.actions.extend(driver.engine.restore(saved, now));
        driver.settle(now);
        driver.sip.handle(Input::Registrations(registrations), &mut driver.leases, now, &mut driver.outputs);
        driver.settle(now);
        driver
    }

    /// Runs until it is told to stop, or has drained.
    pub(crate) async fn run(mut self) {
        loop {
            if self.draining && self.sip.legs().is_drained() {
                break;
            }
            let sleep = self.sleep();
            let woken = tokio::select! {
                readable = self.sip.readable() => Woken::Sip(readable),
                Some(ask) = self.asks.recv() => Woken::Ask(ask),
                Some(tiding) = self.tidings.recv() => Woken::Tiding(tiding),
                () = tokio::time::sleep(sleep) => Woken::Timer,
            };
            let begun = Instant::now();
            match woken {
                Woken::Sip(readable) => self.receive(readable),
                Woken::Ask(ask) => {
                    if self.ask(ask).is_break() {
                        break;
                    }
                }
                Woken::Tiding(tiding) => self.tiding(&tiding),
                Woken::Timer => {}
            }
            self.timeouts();
            self.measure(begun);
        }
        self.end().await;
    }

    fn receive(&mut self, readable: io::Result<()>) {
        let now = self.clock.now();
        self.pulse.sip(readable.is_ok());
        match readable {
            Ok(()) => self.sip.receive(&mut self.leases, now, &mut self.outputs),
            Err(error) => tracing::error!(%error, "the SIP socket"),
        }
        self.settle(now);
    }

    /// Notes how long the turn took, and once a second what there is.
    fn measure(&mut self, begun: Instant) {
        let now = self.clock.now();
        self.sampler.turned(begun.elapsed(), now);
        self.sampler.take_media(now);
        if self.sampler.is_due(now) {
            let sample = Sample {
                sip: &self.sip,
                engine: self.engine.counts(),
                cometd: self.push.stats(),
                storage: self.storage.figures(),
                inbox: self.asks.len(),
            };
            self.sampler.sample(&sample, &mut self.media, now);
        }
    }

    /// How long nothing need be done, as far as the machines know.
    fn sleep(&self) -> Duration {
        let next = [self.engine.poll_timeout(), self.sip.poll_timeout(), self.leases.tape.due()];
        let next = next.into_iter().flatten().min();
        let idle = if self.media.backlog() > 0 { BACKLOG } else { IDLE };
        next.map_or(idle, |at| at.since(self.clock.now()).min(idle))
    }

    fn timeouts(&mut self) {
        let now = self.clock.now();
        if self.sip.poll_timeout().is_some_and(|at| at <= now) {
            self.sip.handle(Input::Timeout, &mut self.leases, now, &mut self.outputs);
        }
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.tell(Event::Timeout, now);
        }
        self.settle(now);
        self.media.flush();
        self.leases.tape.hand_on(now);
    }

    fn ask(&mut self, ask: Ask) -> std::ops::ControlFlow<()> {
        let now = self.clock.now();
        match ask {
            Ask::Command(command, answer) => self.command(command, answer, now),
            Ask::Drain => {
                tracing::info!(legs = self.sip.legs().len(), "draining: no new calls");
                self.draining = true;
                self.pulse.drain();
                self.sip.handle(Input::Drain, &mut self.leases, now, &mut self.outputs);
            }
            Ask::Stop => return std::ops::ControlFlow::Break(()),
        }
        self.settle(now);
        std::ops::ControlFlow::Continue(())
    }

    fn command(&mut self, command: Command, answer: oneshot::Sender<Result<Reply, Refusal>>, now: Time) {
        if self.draining && begins_call(&command) {
            // Whoever asks is told to come back later, without an answer from the engine.
            return;
        }
        self.last_request += 1;
        let request = RequestId(self.last_request);
        match self.engine.command(request, command, now) {
            Ok(actions) => {
                self.waiting.insert(request, answer);
                self.actions.extend(actions);
            }
            // Whoever asked may have gone.
            Err(refusal) => {
                figures::refused(refusal.kind);
                drop(answer.send(Err(refusal)));
            }
        }
    }

    fn tiding(&mut self, tiding: &Tiding) {
        let now = self.clock.now();
        match *tiding {
            Tiding::Stored(ticket, outcome) => self.tell(Event::Stored { ticket, outcome }, now),
            Tiding::Media(media::Event::Applied { call, version }) => {
                self.leases.tape.happened(now, || Note::Applied { call, version });
                self.tell(Event::Applied { call, version }, now);
            }
            Tiding::Media(media::Event::Silent { leg, since_ms }) => {
                tracing::debug!(%leg, since_ms, "silent: asking whether the peer is still there");
                self.sip.handle(Input::Silent(leg), &mut self.leases, now, &mut self.outputs);
            }
        }
        self.settle(now);
    }

    fn tell(&mut self, event: Event, now: Time) {
        self.actions.extend(self.engine.handle(event, now));
    }

    /// Carries out everything that is to be done, and everything that follows from it.
    fn settle(&mut self, now: Time) {
        loop {
            self.take_outputs(now);
            let Some(action) = self.actions.pop_front() else { break };
            self.act(action, now);
        }
    }

    fn take_outputs(&mut self, now: Time) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Event(leg, event) => {
                    self.chronicle.happened(leg, &event);
                    self.tell(Event::Leg(leg, event), now);
                }
                Output::Registered(number) => self.tell(Event::Registered(number), now),
                Output::Unregistered(number) => self.tell(Event::Unregistered(number), now),
                Output::Media(order) => self.order_media(&order, now),
                Output::SaveRegistration(it) => self.keep(vec![Record::Registration(it)]),
                Output::DropRegistration { number, contact } => {
                    self.keep(vec![Record::RegistrationGone { number, contact }]);
                }
                Output::Trunk { name, state } => figures::trunk(&name, state),
                Output::HeldOff { source, user } => figures::held_off(source, user.as_deref()),
                // The adapter has done these.
                Output::Transmit { .. } | Output::Connect(_) | Output::Disconnect(_) => {}
            }
        }
        // Keeps its memory for the next turn.
        if self.outputs.is_empty() {
            self.outputs = outputs;
        }
    }

    fn act(&mut self, action: Action, now: Time) {
        self.chronicle.wanted(&action, now);
        match action {
            Action::Leg(order) => {
                let _within = self.chronicle.within(order.call);
                self.sip.handle(Input::Order(order), &mut self.leases, now, &mut self.outputs);
            }
            Action::Matrix { call, version, hears, plays } => {
                let note = || Note::Matrix { call, version, hears: hears.clone(), plays: plays.clone() };
                self.leases.tape.happened(now, note);
                self.media.matrix(call, version, hears, &plays);
            }
            Action::Music { queue, file } => self.music(queue, file.as_deref()),
            Action::CallOver(call) => {
                self.leases.tape.happened(now, || Note::Over(call));
                self.media.close_call(call);
            }
            Action::Store { ticket, records } => self.store(ticket, records, now),
            Action::Publish(change) => self.views.apply(change),
            Action::Notify(message) => self.push.send(&message, now),
            Action::Reply { request, result } => {
                if let Err(refusal) = &result {
                    figures::refused(refusal.kind);
                }
                if let Some(answer) = self.waiting.remove(&request) {
                    // Whoever asked may have gone.
                    drop(answer.send(result));
                }
            }
            Action::Directory(directory) => {
                self.sip.handle(Input::Directory(directory), &mut self.leases, now, &mut self.outputs);
            }
        }
    }

    /// Read here, since it changes only when an operator says so.
    fn music(&mut self, queue: PhoneNumber, file: Option<&str>) {
        let music = file.and_then(|file| {
            let error = |error| tracing::error!(%queue, file, %error, "music cannot be played; the melody is instead");
            crate::music::read(Path::new(file)).map_err(error).ok()
        });
        self.media.set_music(queue, music);
    }

    fn store(&mut self, ticket: Ticket, records: Vec<Record>, now: Time) {
        if let Err(error) = self.storage.store(Some(ticket), records) {
            tracing::error!(%ticket, %error, "not stored");
            self.tell(Event::Stored { ticket, outcome: Outcome::Failed }, now);
        }
    }

    /// Writes what nobody waits for.
    fn keep(&self, records: Vec<Record>) {
        if let Err(error) = self.storage.store(None, records) {
            tracing::error!(%error, "a registration was not stored");
        }
    }

    fn order_media(&mut self, order: &MediaOrder, now: Time) {
        match *order {
            MediaOrder::Open { call, leg } => {
                let Some(lease) = self.leases.waiting.remove(&leg) else { return };
                if let Err(error) = self.media.open(call, leg, lease) {
                    tracing::warn!(%leg, %error, "the leg is ended");
                    let order = LegOrder::End(Cause::Overload);
                    let order = LegAction { call, leg, order };
                    self.sip.handle(Input::Order(order), &mut self.leases, now, &mut self.outputs);
                }
            }
            MediaOrder::Configure { leg, ref stream } => self.media.configure(leg, remote(stream)),
            MediaOrder::Close { leg } => self.media.close(leg),
        }
    }

    /// Says goodbye on every leg, and writes what is to be written.
    async fn end(mut self) {
        self.push.shutdown();
        self.leases.tape.end();
        self.storage.close().await;
        drop(self.media);
        self.asks.close();
    }
}

/// Whether a command would have us call somebody, now or with the next call.
fn begins_call(command: &Command) -> bool {
    match command {
        Command::User { request: UserRequest::Device { operation, .. }, .. } => {
            matches!(operation, DeviceOperation::Monitor(..) | DeviceOperation::Dial(_))
        }
        _ => false,
    }
}

fn remote(it: &Stream) -> media::Remote {
    media::Remote {
        rtp: it.rtp,
        rtcp: it.rtcp,
        codec: it.codec,
        payload_type: it.payload_type,
        telephone_event: it.telephone_event,
        telephone_event_in: it.telephone_event,
        sending: it.sending,
        receiving: it.receiving,
    }
}

/// What the SIP side needs of us: the leases of legs that media has not been told of yet, and what passes taken down.
struct Leases {
    ports: media::Ports,
    waiting: BTreeMap<LegId, media::Lease>,
    tape: Tape,
}

impl sip::Host for Leases {
    fn before(&mut self, input: &Input<'_>, now: Time) {
        self.tape.before(input, now);
    }

    fn after(&mut self, output: &Output) {
        self.tape.after(output);
    }
}

impl Ports for Leases {
    fn lease(&mut self, leg: LegId) -> Option<u16> {
        let lease = self.ports.lease()?;
        let port = lease.rtp_port();
        self.waiting.insert(leg, lease);
        Some(port)
    }

    fn release(&mut self, leg: LegId) {
        self.waiting.remove(&leg);
    }
}

/// The longest sleep: a turn costs nothing, and a clock that jumped is noticed.
const IDLE: Duration = Duration::from_secs(1);
/// How soon media is offered again what it had no room for.
const BACKLOG: Duration = Duration::from_millis(2);

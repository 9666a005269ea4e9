//! Legs: each one dialog with one phone or trunk, its offer and answer, and its port. Legs know nothing of each other but
//! which codec another one likes; what the domain sees of them is [`LegEvent`].

mod admission;
mod answers;
mod attempts;
mod calling;
mod connections;
mod dialogs;
mod enrolments;
mod inbound;
mod leg;
mod outbound;
mod pickup;
mod registration;
mod reliable;
mod settings;
mod timer;
mod trunks;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clock::Time;
use domain::{
    event::Directory,
    ids::{CallId, LegId, PhoneNumber},
    leg::{Cause, LegAction, LegEvent, LegOrder},
    record::Registration,
};
use media_proto::codec::Codec;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sip_proto::{
    ClientId, Dialog, DialogId, Endpoint, Flow, Output as Wire, Request, Response, ServerId, Streams,
    digest::Authenticator,
    guessing::{Guesses, Logins},
    registrar::Registrar,
    shedding::Shed,
};
use std::net::{IpAddr, SocketAddr};

use self::{
    admission::{Peers, Refusal},
    leg::Leg,
    trunks::Trunks,
};
pub use self::{
    enrolments::{TrunkCounts, TrunkState},
    settings::Settings,
};

/// What the legs are told.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram {
        /// Its octets.
        bytes: &'a [u8],
        /// Who sent it.
        source: SocketAddr,
    },
    /// A peer has opened a TCP connection.
    Connected(SocketAddr),
    /// Octets came over a connection.
    Stream {
        /// They.
        bytes: &'a [u8],
        /// Who sent them.
        source: SocketAddr,
    },
    /// A connection is closed, whoever closed it, or could not be written to.
    Disconnected(SocketAddr),
    /// The domain wants something of a leg.
    Order(LegAction),
    /// The devices and trunks, whenever they change.
    Directory(Directory),
    /// A trunk's name has been resolved, anew or for the first time.
    Resolved {
        /// The trunk's name in the directory.
        trunk: String,
        /// Where it is, the best first.
        targets: Vec<Flow>,
    },
    /// The registrations that were saved before a restart.
    Registrations(Vec<Registration>),
    /// Nothing has been heard from this leg's peer for a while: it is asked whether it is still there (V-08).
    Silent(LegId),
    /// [`Legs::poll_timeout`] has been reached.
    Timeout,
    /// No new calls from now on: they get 503.
    Drain,
}

/// What the legs want done, and what they have to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Transmit {
        /// Where.
        to: Flow,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// Connect to this peer; what is to be transmitted to it waits until then. [`Input::Disconnected`] says that it
    /// failed.
    Connect(SocketAddr),
    /// Close the connection with this peer.
    Disconnect(SocketAddr),
    /// How our registration at a trunk stands, for the log.
    Trunk {
        /// The trunk's name.
        name: String,
        /// How.
        state: TrunkState,
    },
    /// Too many wrong passwords came from there, and more are not looked at for a while, for the log.
    HeldOff {
        /// Where from.
        source: IpAddr,
        /// The one user name that is meant; `None` for all.
        user: Option<String>,
    },
    /// Tell the domain.
    Event(LegId, LegEvent),
    /// Tell the media workers.
    Media(MediaOrder),
    /// A device has a contact now and had none before.
    Registered(PhoneNumber),
    /// A device has no contact any more.
    Unregistered(PhoneNumber),
    /// Keep this over a restart; it replaces one of the same number and contact.
    SaveRegistration(Registration),
    /// No longer keep this.
    DropRegistration {
        /// The device's number.
        number: PhoneNumber,
        /// The contact, as in [`Registration::contact`].
        contact: String,
    },
}

/// What the media workers are to do for a leg, always in this order: open, configure any number of times, close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaOrder {
    /// The leg has leased a port (see [`Ports`]) and belongs to this call, whose worker takes it.
    Open {
        /// The call.
        call: CallId,
        /// The leg.
        leg: LegId,
    },
    /// What the peer's description and ours have settled. Each such order replaces the one before; where the peer's
    /// address changes, the source is to be learned anew.
    Configure {
        /// The leg.
        leg: LegId,
        /// What was settled.
        stream: Stream,
    },
    /// The leg is over and its port given back.
    Close {
        /// The leg.
        leg: LegId,
    },
}

/// The audio stream between us and one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Where the peer wants RTP.
    pub rtp: SocketAddr,
    /// Where the peer wants RTCP.
    pub rtcp: SocketAddr,
    /// What we send. The peer may send any law of G.711 under its static payload type.
    pub codec: Codec,
    /// The payload type of `codec`.
    pub payload_type: u8,
    /// The payload type of telephone-event, if the peer takes it.
    pub telephone_event: Option<u8>,
    /// Whether the peer wants to hear us (not on hold).
    pub sending: bool,
    /// Whether the peer sends.
    pub receiving: bool,
}

/// How many legs are at each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// A peer calls us and is not answered yet.
    pub offered: usize,
    /// We call a peer that has not answered yet.
    pub calling: usize,
    /// Answered.
    pub up: usize,
}

/// Who hands out RTP ports, at once. The lease itself stays with the one who drives the legs.
pub trait Ports {
    /// An RTP port for a leg (the one above is for RTCP), or `None` if there is none left.
    fn lease(&mut self, leg: LegId) -> Option<u16>;
    /// The leg's port is free again.
    fn release(&mut self, leg: LegId);
}

/// All legs of this node, with the registrar that they are found by.
///
/// Invariant: a leg tells [`LegEvent::Ended`] exactly once, and nothing after it. A leg is in `legs` until then.
pub struct Legs {
    settings: Settings,
    endpoint: Endpoint,
    authenticator: Authenticator,
    guesses: Guesses,
    registrar: Registrar,
    streams: Streams,
    peers: Peers,
    trunks: Trunks,
    random: ChaCha8Rng,
    legs: BTreeMap<LegId, Leg>,
    dialogs: HashMap<DialogId, LegId>,
    servers: HashMap<ServerId, LegId>,
    clients: HashMap<ClientId, Purpose>,
    /// Dialogs to be ended as soon as our 2xx is acknowledged: before that RFC 3261 s15 forbids it.
    farewells: HashMap<ServerId, Dialog>,
    /// When which leg is to be looked at.
    alarms: BTreeSet<(Time, LegId)>,
    inbound: u64,
    draining: bool,
    wire: Vec<Wire>,
}

/// What a request of ours is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// The INVITE that makes a leg.
    Invite(LegId),
    /// An OPTIONS to see whether a leg's peer is still there.
    Probe(LegId),
    /// A refresh of a leg's session (RFC 4028).
    Refresh(LegId),
    /// A NOTIFY that tells a leg's phone to answer.
    PickUp(LegId),
    /// A REGISTER at a trunk.
    Enrol(u64),
}

/// What goes with every input.
struct Context<'a> {
    ports: &'a mut dyn Ports,
    now: Time,
    out: &'a mut Vec<Output>,
}

impl Context<'_> {
    fn tell(&mut self, leg: LegId, event: LegEvent) {
        self.out.push(Output::Event(leg, event));
    }
}

impl Legs {
    /// Without legs, devices and trunks. The same seed and inputs give the same outputs; the seed must not be guessed,
    /// because tags and nonces follow from it.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut key = [0; 32];
        random.fill_bytes(&mut key);
        Self {
            endpoint: Endpoint::new(settings.endpoint(), random.next_u64()),
            authenticator: Authenticator::new(&settings.domain, key),
            guesses: Guesses::default(),
            registrar: Registrar::new(),
            streams: Streams::default(),
            peers: Peers::default(),
            trunks: Trunks::default(),
            random,
            legs: BTreeMap::new(),
            dialogs: HashMap::new(),
            servers: HashMap::new(),
            clients: HashMap::new(),
            farewells: HashMap::new(),
            alarms: BTreeSet::new(),
            inbound: 0,
            draining: false,
            wire: Vec::new(),
            settings,
        }
    }

    /// Takes one input and appends what follows from it, in the order in which it is to be done.
    pub fn handle(&mut self, input: Input<'_>, ports: &mut dyn Ports, now: Time, out: &mut Vec<Output>) {
        let cx = &mut Context { ports, now, out };
        match input {
            Input::Datagram { bytes, source } => {
                let received = sip_proto::Input::Received { bytes, from: Flow::udp(source) };
                self.endpoint.handle(received, now, &mut self.wire);
                self.dispatch(cx);
            }
            Input::Connected(source) => self.streams.open(source, now),
            Input::Stream { bytes, source } => self.on_stream(source, bytes, cx),
            Input::Disconnected(source) => self.on_disconnected(source, cx),
            Input::Timeout => {
                self.close_idle(cx);
                self.endpoint.handle(sip_proto::Input::Timeout, now, &mut self.wire);
                self.dispatch(cx);
                self.expire_registrations(cx);
                self.ring_alarms(cx);
                self.trunk_timeouts(cx);
            }
            Input::Order(action) => self.order(action, cx),
            Input::Directory(directory) => self.on_directory(&directory, cx),
            Input::Resolved { trunk, targets } => self.on_resolved(&trunk, targets, cx),
            Input::Registrations(saved) => self.restore(saved, cx),
            Input::Silent(leg) => self.probe(leg, cx),
            Input::Drain => {
                self.draining = true;
                self.withdraw(cx);
            }
        }
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`], if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let alarm = self.alarms.first().map(|it| it.0);
        let machines = [
            self.endpoint.poll_timeout(),
            self.registrar.poll_timeout(),
            self.streams.poll_timeout(),
            self.trunks.poll_timeout(),
        ];
        machines.into_iter().flatten().chain(alarm).min()
    }

    /// How many legs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.legs.len()
    }

    /// Whether there is no leg.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// How many legs are at each stage.
    #[must_use]
    pub fn stages(&self) -> Stages {
        self.legs.values().fold(Stages::default(), |mut sum, leg| {
            match leg.stage {
                leg::Stage::Offered { .. } => sum.offered += 1,
                leg::Stage::Calling(_) => sum.calling += 1,
                leg::Stage::Up { .. } => sum.up += 1,
            }
            sum
        })
    }

    /// How many contacts are registered.
    #[must_use]
    pub fn registrations(&self) -> usize {
        self.registrar.len()
    }

    /// How many SIP transactions are held.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.endpoint.transactions()
    }

    /// How many new requests were not let in because there were too many.
    #[must_use]
    pub fn shed(&self) -> Shed {
        self.endpoint.shed()
    }

    /// How many log-ins failed or were held off.
    #[must_use]
    pub fn logins(&self) -> Logins {
        self.guesses.logins()
    }

    fn order(&mut self, action: LegAction, cx: &mut Context<'_>) {
        let LegAction { call, leg, order } = action;
        if let LegOrder::Dial { to, from, display, like, alert, direction } = order {
            let dial = outbound::Dial { to, from, display, like, alert, direction };
            return self.dial(call, leg, &dial, cx);
        }
        let Some(it) = self.legs.get_mut(&leg) else { return };
        it.call = Some(call);
        match order {
            LegOrder::Ring => self.ring(leg, cx),
            LegOrder::Progress { like } => self.progress(leg, like, cx),
            LegOrder::Answer { like } => self.answer(leg, like, cx),
            LegOrder::PickUp => self.pick_up(leg, cx),
            LegOrder::End(cause) => self.end(leg, cause, cx),
            LegOrder::Dial { .. } => {}
        }
    }

    /// Passes on what the endpoint has to say, which may make it say more.
    fn dispatch(&mut self, cx: &mut Context<'_>) {
        for output in std::mem::take(&mut self.wire) {
            match output {
                Wire::Transmit { to, bytes } => cx.out.push(Output::Transmit { to, bytes }),
                Wire::Request { id, request, from, tag } => self.on_request(id, &request, from, &tag, cx),
                Wire::Response { id, response, from } => self.on_response(id, &response, from, cx),
                Wire::Unanswered { id } => self.on_unanswered(id, cx),
                Wire::Cancelled { id } => self.on_cancelled(id, cx),
                Wire::Acked { id, ack } => self.on_acked(id, &ack, cx),
                Wire::Unacknowledged { id } => self.on_unacknowledged(id, cx),
            }
            self.flush(cx);
        }
    }

    /// What the transaction layer sends because of a call of ours; it tells nothing else then.
    fn flush(&mut self, cx: &mut Context<'_>) {
        for output in self.wire.drain(..) {
            if let Wire::Transmit { to, bytes } = output {
                cx.out.push(Output::Transmit { to, bytes });
            }
        }
    }

    fn respond(&mut self, id: ServerId, response: Response, cx: &mut Context<'_>) {
        self.endpoint.respond(id, response, cx.now, &mut self.wire);
        self.flush(cx);
    }

    /// Answers a request with nothing but a status.
    fn refuse(&mut self, id: ServerId, code: u16, cx: &mut Context<'_>) {
        self.turn_away(id, Refusal::Status(code), cx);
    }

    fn send(&mut self, request: Request, to: Flow, cx: &mut Context<'_>) -> Option<ClientId> {
        let sent = self.endpoint.send(request, to, cx.now, &mut self.wire);
        self.flush(cx);
        sent
    }

    /// Notes when a leg is to be looked at next.
    fn arm(&mut self, id: LegId) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let next = leg.due();
        if let Some(before) = std::mem::replace(&mut leg.alarm, next) {
            self.alarms.remove(&(before, id));
        }
        self.alarms.extend(next.map(|at| (at, id)));
    }

    /// Looks at every leg whose moment has come.
    fn ring_alarms(&mut self, cx: &mut Context<'_>) {
        let due: Vec<_> = self.alarms.iter().take_while(|it| it.0 <= cx.now).map(|it| it.1).collect();
        for id in due {
            self.on_alarm(id, cx);
            self.arm(id);
        }
    }

    /// Forgets a leg, gives its port back and tells the domain that it is over.
    fn finish(&mut self, id: LegId, cause: Cause, cx: &mut Context<'_>) {
        let Some(leg) = self.legs.remove(&id) else { return };
        for dialog in leg.dialogs() {
            self.dialogs.remove(dialog.id());
        }
        if let Some(at) = leg.alarm {
            self.alarms.remove(&(at, id));
        }
        for server in leg.servers() {
            self.servers.remove(&server);
        }
        for client in leg.clients() {
            self.clients.remove(&client);
            self.forget_attempt(client);
        }
        if leg.media.is_some() {
            cx.out.push(Output::Media(MediaOrder::Close { leg: id }));
            cx.ports.release(id);
        }
        cx.tell(id, LegEvent::Ended(cause));
    }
}

//! The transaction layer: messages in, messages and events out, retransmissions and time-outs in between.
//!
//! Beyond RFC 3261 s17 and RFC 6026 it does what every user agent needs and no transaction does: it repeats a 2xx until its
//! ACK comes (s13.3.1.4), acknowledges a repeated 2xx again (s13.2.2.4), pairs CANCEL with its INVITE (s9), refuses what
//! no user agent here could take, and answers OPTIONS outside dialogs.

mod client;
mod server;
mod stateless;
mod timers;
mod via;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use clock::Time;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sipx_sip::{Output as Step, Reliability, TransactionKey, TuEvent, transaction::Timers};

use self::{
    client::Client,
    server::{AckKey, MergeKey, Repeat, Server},
    timers::{Heap, Timer},
};
use crate::{
    message::{self, HeaderName, HeadersExt, Message, MessageExt, Method, Request, Response},
    shedding::{Rates, Shares, Shed, Verdict, begins},
    transport::{Flow, Transport},
};

/// A server transaction: a request that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(u64);

/// A client transaction: a request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(u64);

/// What an endpoint is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port` where peers reach us: what our `Via` says.
    pub sent_by: String,
    /// The same for messages over TCP.
    pub sent_by_tcp: String,
    /// Both for peers with IPv6 addresses, where those are others: over UDP and over TCP.
    pub sent_by_ip6: Option<[String; 2]>,
    /// `User-Agent` of our requests and `Server` of our responses.
    pub agent: String,
    /// The methods that the transaction user takes; others get 405, or 501 where nobody knows them.
    pub allow: Vec<Method>,
    /// The option tags that a `Require` may name (RFC 3261 s8.2.2.3).
    pub supported: Vec<String>,
    /// T1 of RFC 3261 s17.1.1.1, which all other times follow from; 500 ms.
    pub t1_ms: u64,
    /// How many transactions are held at once. New requests get 503 above nine tenths of it, so that those inside
    /// dialogs still have room.
    pub transactions_max: usize,
    /// How many new requests are let in.
    pub rates: Rates,
}

impl Config {
    /// A configuration with the usual times and limits.
    #[must_use]
    pub fn new(sent_by: impl Into<String>, agent: impl Into<String>) -> Self {
        let sent_by = sent_by.into();
        Self {
            sent_by_tcp: sent_by.clone(),
            sent_by_ip6: None,
            sent_by,
            agent: agent.into(),
            allow: vec![Method::Invite, Method::Ack, Method::Cancel, Method::Bye, Method::Options],
            supported: Vec::new(),
            t1_ms: 500,
            transactions_max: 50_000,
            rates: Rates::default(),
        }
    }

    /// What our `Via` says on the way to a peer.
    fn sent_by(&self, to: Flow) -> &str {
        let usual = [&self.sent_by, &self.sent_by_tcp];
        let [udp, tcp] = match &self.sent_by_ip6 {
            Some([udp, tcp]) if to.remote.is_ipv6() => [udp, tcp],
            _ => usual,
        };
        if to.transport.is_connected() { tcp } else { udp }
    }
}

/// What an endpoint is handed.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A datagram.
    Received {
        /// The octets.
        bytes: &'a [u8],
        /// Where they came from.
        from: Flow,
    },
    /// A message that came over a connection, see [`crate::stream`].
    Message {
        /// The message.
        message: Message,
        /// The connection.
        from: Flow,
    },
    /// A connection is closed: what was sent over it gets no answer (RFC 3261 s17.1.4).
    Closed(Flow),
    /// [`Endpoint::poll_timeout`] has been reached.
    Timeout,
}

/// What an endpoint wants done, and what it has to tell.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit {
        /// Where.
        to: Flow,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// A request that nobody has seen before; it is to be answered with [`Endpoint::respond`]. An INVITE gets 100 from us
    /// 200 ms later if nobody has answered it by then.
    Request {
        /// To answer it with.
        id: ServerId,
        /// The request, its topmost `Via` completed with `received` and `rport`.
        request: Box<Request>,
        /// Where it came from.
        from: Flow,
        /// The tag that our responses put into `To` where the request has none.
        tag: String,
    },
    /// A response to a request of ours: any number of provisional ones, then a final one; for INVITE possibly several
    /// 2xx with different tags.
    Response {
        /// Which request.
        id: ClientId,
        /// The response.
        response: Box<Response>,
        /// Where it came from.
        from: Flow,
    },
    /// A request of ours got no final response in time (timers B, F; 64 T1 after a CANCEL).
    Unanswered {
        /// Which request.
        id: ClientId,
    },
    /// The peer cancels its INVITE, which has no final response yet. The CANCEL is answered; 487 for the INVITE is not.
    Cancelled {
        /// The INVITE.
        id: ServerId,
    },
    /// The first ACK to our 2xx.
    Acked {
        /// The INVITE.
        id: ServerId,
        /// The ACK, which may carry an answer.
        ack: Box<Request>,
    },
    /// Our 2xx got no ACK within 64 T1 (RFC 3261 s13.3.1.4): the dialog is to be ended with BYE.
    Unacknowledged {
        /// The INVITE.
        id: ServerId,
    },
}

/// One user agent's transactions.
pub struct Endpoint {
    config: Config,
    timers: Timers,
    random: ChaCha8Rng,
    salt: u64,
    next: u64,
    servers: HashMap<ServerId, Server>,
    server_keys: HashMap<TransactionKey, ServerId>,
    clients: HashMap<ClientId, Client>,
    client_keys: HashMap<TransactionKey, ClientId>,
    merges: HashMap<MergeKey, ServerId>,
    repeats: HashMap<ServerId, Repeat>,
    unacked: HashMap<AckKey, ServerId>,
    heap: Heap,
    shares: Shares,
}

impl Endpoint {
    /// An endpoint without transactions. The same seed and inputs give the same outputs.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let t1 = std::time::Duration::from_millis(config.t1_ms.max(1));
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        Self {
            timers: Timers { t1, ..Timers::default() },
            salt: random.next_u64(),
            random,
            shares: Shares::new(config.rates),
            config,
            next: 0,
            servers: HashMap::new(),
            server_keys: HashMap::new(),
            clients: HashMap::new(),
            client_keys: HashMap::new(),
            merges: HashMap::new(),
            repeats: HashMap::new(),
            unacked: HashMap::new(),
            heap: Heap::default(),
        }
    }

    /// Takes one input and appends what follows from it.
    pub fn handle(&mut self, input: Input<'_>, now: Time, out: &mut Vec<Output>) {
        match input {
            // A flood is not worth reading.
            Input::Received { bytes, from } if self.shares.is_spent(from.remote.ip(), now) && begins(bytes) => {
                self.shares.dropped();
            }
            Input::Received { bytes, from } => match message::parse(bytes) {
                Some(message) => self.on_message(message, from, now, out),
                None if self.shares.take(from.remote.ip(), now) == Verdict::Pass => {
                    self.refuse_unreadable(bytes, from, out);
                }
                None => {}
            },
            Input::Message { message, from } => self.on_message(message, from, now, out),
            Input::Closed(flow) => self.on_closed(flow, now, out),
            Input::Timeout => {
                while let Some(timer) = self.heap.due(now) {
                    self.on_timer(timer, now, out);
                }
            }
        }
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`], if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.heap.next()
    }

    /// How many transactions are held.
    #[must_use]
    pub fn transactions(&self) -> usize {
        self.servers.len() + self.clients.len()
    }

    /// How many new requests were not let in because there were too many.
    #[must_use]
    pub fn shed(&self) -> Shed {
        self.shares.shed
    }

    /// Whoever sent this has proved who he is: his address may cause far more work from now on.
    pub fn vouch(&mut self, from: Flow, now: Time) {
        self.shares.vouch(from.remote.ip(), now);
    }

    /// A fresh tag, Call-ID or nonce: 64 random bits in hex (RFC 3261 s19.3 wants 32).
    pub fn token(&mut self) -> String {
        format!("{:016x}", self.random.next_u64())
    }

    fn new_id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn on_message(&mut self, message: Message, from: Flow, now: Time, out: &mut Vec<Output>) {
        match message {
            Message::Request(request) => self.on_request(request, from, now, out),
            Message::Response(response) => self.on_response(response, from, now, out),
        }
    }

    fn on_timer(&mut self, timer: Timer, now: Time, out: &mut Vec<Output>) {
        match timer {
            Timer::Server(id, timer) => {
                let steps = self.servers.get_mut(&id).map(|it| it.machine.on_timer(timer)).unwrap_or_default();
                self.run_server(id, steps, now, out);
            }
            Timer::Client(id, timer) => {
                let steps = self.clients.get_mut(&id).map(|it| it.machine.on_timer(timer)).unwrap_or_default();
                self.run_client(id, steps, None, now, out);
            }
            Timer::Repeat(id) => self.repeat(id, now, out),
            Timer::Abandon(id) => self.abandon(id, out),
        }
    }
}

fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    message.write_to(&mut bytes);
    bytes
}

fn reliability(transport: Transport) -> Reliability {
    match transport {
        Transport::Udp => Reliability::Unreliable,
        Transport::Tcp => Reliability::Reliable,
    }
}

/// How many forks of one INVITE are acknowledged again by themselves.
const ACKS_MAX: usize = 8;

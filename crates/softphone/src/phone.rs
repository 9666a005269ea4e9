//! The phone as a pure machine: SIP in, SIP out, and what its user and its sound card need to know.

mod call;
mod register;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use clock::Time;
use media_proto::codec::Codec;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use sip_proto::{
    ClientId, Config, Endpoint, Flow, HeaderName, HeadersExt, MessageExt, Method, Request, Response, ServerId,
    message::{self, response_to},
};

use self::{
    call::{Call, Farewell},
    register::Registration,
};
use crate::behaviour::Behaviour;

/// Whose phone it is, and where.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its number, which is its user name too.
    pub number: String,
    /// Its password.
    pub password: String,
    /// The SIP domain.
    pub domain: String,
    /// Where every request outside a dialog goes: the server, or another phone.
    pub server: Flow,
    /// Where it receives SIP.
    pub sip: SocketAddr,
    /// Where it receives RTP.
    pub rtp: SocketAddr,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// Where its random ids come from. The same seed and inputs give the same outputs.
    pub seed: u64,
}

/// What a phone is told.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram.
    Received {
        /// The octets.
        bytes: &'a [u8],
        /// Where they came from.
        from: Flow,
    },
    /// [`Phone::poll_timeout`] has been reached.
    Timeout,
    /// Register now, and again before the time is over.
    Register,
    /// Take the registration back.
    Unregister,
    /// Call this number. Does nothing while there is a call.
    Call(&'a str),
    /// Answer the call that rings.
    Answer,
    /// Refuse the call that rings with this status code.
    Refuse(u16),
    /// End the call, whatever its state.
    HangUp,
    /// Put the peer on hold.
    Hold,
    /// Take the peer back from hold.
    Retrieve,
    /// Behave otherwise from the next call on.
    Behave(&'a Behaviour),
}

/// What a phone wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram.
    Transmit {
        /// Where.
        to: Flow,
        /// The message.
        bytes: Vec<u8>,
    },
    /// Set up sound so, or let it be silent (`None`).
    Media(Option<Media>),
    /// Tell the user.
    Event(Event),
}

/// How sound flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// Where RTP goes.
    pub remote: SocketAddr,
    /// The codec to send with.
    pub codec: Codec,
    /// Its payload type.
    pub payload_type: u8,
    /// Whether to send now: not before the answer, not on hold.
    pub sends: bool,
}

/// What a user notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server knows where the phone is.
    Registered,
    /// The server has been told to forget it.
    Unregistered,
    /// Registering failed with this status code; 408 if nobody answered. The phone keeps trying.
    RegistrationFailed(u16),
    /// Somebody calls.
    Ringing {
        /// The user part of `From`.
        caller: String,
        /// Whether the caller asks the phone to answer by itself.
        auto_answer: bool,
    },
    /// The call that we make has got this far (180, 183 and so on).
    Progress(u16),
    /// The call is answered, by either side.
    Established,
    /// The peer put us on hold.
    Held,
    /// The peer took us back.
    Retrieved,
    /// The peer has agreed to our putting it on hold.
    Holding,
    /// The peer has agreed to our taking it back.
    Resumed,
    /// The call is over.
    Ended(End),
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// We hung up.
    HungUp,
    /// The peer hung up.
    PeerHungUp,
    /// We gave up before an answer.
    GaveUp,
    /// The caller gave up before we answered.
    Cancelled,
    /// The peer refused with this status code.
    Refused(u16),
    /// We refused with this status code.
    Declined(u16),
    /// Nobody answered our request, or our answer was never acknowledged.
    Lost,
}

/// One phone with one line.
pub struct Phone {
    account: Account,
    endpoint: Endpoint,
    random: ChaCha8Rng,
    registration: Registration,
    call: Option<Call>,
    /// What requests of ours were for, until they are answered.
    sent: BTreeMap<ClientId, Sent>,
    /// Calls that were hung up before our 200 had its ACK; their BYE waits for it (RFC 3261 s15).
    farewells: BTreeMap<ServerId, Farewell>,
    queue: Vec<sip_proto::Output>,
}

/// What a request of ours was for.
enum Sent {
    Register(Box<Request>),
    Invite(Box<Request>),
    /// A re-INVITE.
    Change(Box<Request>),
    Bye,
}

impl Phone {
    /// A phone that has done nothing yet; it registers when told to.
    #[must_use]
    pub fn new(account: Account) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(account.seed);
        let mut config = Config::new(account.sip.to_string(), "Undertone softphone");
        config.transactions_max = 1000;
        Self {
            endpoint: Endpoint::new(config, random.next_u64()),
            registration: Registration::new(&account, random.next_u64()),
            random,
            account,
            call: None,
            sent: BTreeMap::new(),
            farewells: BTreeMap::new(),
            queue: Vec::new(),
        }
    }

    /// Takes one input and says what follows.
    pub fn handle(&mut self, input: Input<'_>, now: Time) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Received { bytes, from } => {
                self.endpoint.handle(sip_proto::Input::Received { bytes, from }, now, &mut self.queue);
            }
            Input::Timeout => {
                self.endpoint.handle(sip_proto::Input::Timeout, now, &mut self.queue);
                self.registration_timeout(now);
                self.call_timeout(now, &mut out);
            }
            Input::Register => self.register(now),
            Input::Unregister => self.unregister(now),
            Input::Call(number) => self.dial(number, now, &mut out),
            Input::Answer => self.answer(now, &mut out),
            Input::Refuse(code) => self.refuse(code, now, &mut out),
            Input::HangUp => self.hang_up(now, &mut out),
            Input::Hold => self.hold(true, now),
            Input::Retrieve => self.hold(false, now),
            Input::Behave(behaviour) => self.account.behaviour = behaviour.clone(),
        }
        self.drain(now, &mut out);
        out
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`], if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let mine = [self.registration.due(), self.call.as_ref().and_then(Call::due)];
        mine.into_iter().flatten().chain(self.endpoint.poll_timeout()).min()
    }

    /// Whether there is a call in any state.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.call.is_some()
    }

    fn drain(&mut self, now: Time, out: &mut Vec<Output>) {
        while !self.queue.is_empty() {
            for it in std::mem::take(&mut self.queue) {
                self.on_output(it, now, out);
            }
        }
    }

    fn on_output(&mut self, output: sip_proto::Output, now: Time, out: &mut Vec<Output>) {
        match output {
            sip_proto::Output::Transmit { to, bytes } => out.push(Output::Transmit { to, bytes }),
            sip_proto::Output::Request { id, request, from, tag } => self.on_request(id, request, from, tag, now, out),
            sip_proto::Output::Response { id, response, from } => self.on_response(id, &response, from, now, out),
            sip_proto::Output::Unanswered { id } => self.on_silence(id, now, out),
            sip_proto::Output::Cancelled { id } => self.on_cancelled(id, now, out),
            sip_proto::Output::Acked { id, ack } => self.on_ack(id, &ack, now, out),
            sip_proto::Output::Unacknowledged { id } => self.on_unacknowledged(id, now, out),
        }
    }

    fn on_request(
        &mut self,
        id: ServerId,
        request: Box<Request>,
        from: Flow,
        tag: String,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        match (&request.method, request.to_tag()) {
            (Method::Invite, None) => self.on_invite(id, request, from, tag, now, out),
            (_, None) => self.reply(id, &request, 481, now),
            (_, Some(_)) => self.on_request_inside(id, &request, from, now, out),
        }
    }

    fn on_response(&mut self, id: ClientId, response: &Response, from: Flow, now: Time, out: &mut Vec<Output>) {
        let is_final = response.status.is_final();
        match self.sent.remove(&id) {
            Some(Sent::Register(request)) if is_final => self.on_registered(&request, response, now, out),
            Some(Sent::Invite(invite)) => {
                // Another 2xx may follow from elsewhere, and will need its ACK and BYE.
                if !is_final || response.status.is_success() {
                    self.sent.insert(id, Sent::Invite(invite.clone()));
                }
                self.on_invite_response(id, &invite, response, from, now, out);
            }
            Some(Sent::Change(request)) if is_final => self.on_change_response(id, &request, response, from, now, out),
            Some(other) if !is_final => {
                self.sent.insert(id, other);
            }
            _ => {}
        }
    }

    fn on_silence(&mut self, id: ClientId, now: Time, out: &mut Vec<Output>) {
        match self.sent.remove(&id) {
            Some(Sent::Register(_)) => self.registration_failed(408, now, out),
            Some(Sent::Invite(_)) => self.on_invite_silence(id, out),
            // RFC 3261 s12.2.1.2: a peer that does not answer inside the dialog is gone.
            Some(Sent::Change(_)) => self.end(End::Lost, out),
            Some(Sent::Bye) | None => {}
        }
    }

    fn send(&mut self, request: Request, to: Flow, purpose: fn(Box<Request>) -> Sent, now: Time) -> Option<ClientId> {
        let id = self.endpoint.send(request.clone(), to, now, &mut self.queue)?;
        self.sent.insert(id, purpose(Box::new(request)));
        // Answered INVITEs stay here for late forks, but not for ever.
        while self.sent.len() > SENT_MAX {
            self.sent.pop_first();
        }
        Some(id)
    }

    fn reply(&mut self, id: ServerId, request: &Request, code: u16, now: Time) {
        self.endpoint.respond(id, response_to(request, code), now, &mut self.queue);
    }

    /// Our Contact and what every dialog-making message carries.
    fn introduce(&self, message: &mut impl MessageExt) {
        let contact = self.contact();
        message.fields_mut().put(HeaderName::Contact, contact);
        message.fields_mut().put(HeaderName::Allow, self.endpoint.allow());
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{}>", message::escape_user(&self.account.number), self.account.sip)
    }

    /// Our address of record.
    fn own_address(&self) -> String {
        format!("<sip:{}@{}>", message::escape_user(&self.account.number), self.account.domain)
    }

    fn chance(&mut self, from: Duration, to: Duration) -> Duration {
        let range = u64::try_from(to.saturating_sub(from).as_millis()).unwrap_or(0).max(1);
        from + Duration::from_millis(self.random.next_u64() % range)
    }
}

/// How many requests are remembered.
const SENT_MAX: usize = 32;

//! The Bayeux protocol as a state machine: sessions, subscriptions, queues and timeouts, without any input or output.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::Duration,
};

use clock::Time;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::Settings;

mod channel;
mod ext;
mod message;
mod polls;
mod principal;
mod queue;
mod reply;
mod session;
mod sockets;
#[cfg(test)]
mod tests;

pub use message::{BadRequest, ClientId, Message, Permission};
pub use principal::{Identity, Principal};

use ext::Ack;
use message::{Body, ConnectionType};
use reply::{Advice, Array, Reply};
use session::{CONNECT, Held, Link, Session, Socket};

/// One HTTP request that waits for its answer. Numbered by whoever feeds the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One WebSocket. Numbered by whoever feeds the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// For whom something is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All sessions of one principal.
    Principal(Principal),
    /// All sessions.
    Everybody,
}

/// Something to be delivered.
#[derive(Clone, Debug)]
pub struct Publication {
    /// Whose sessions get it, if they subscribed.
    pub to: Audience,
    /// The channel it is published on.
    pub channel: Box<str>,
    /// Its data: JSON, passed on as it is.
    pub data: Arc<str>,
}

/// Why the host ends sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Messages for them were lost before they reached the machine; the clients may come back at once.
    Lost,
    /// The principal may not be here any more. Its WebSockets are closed, since they were let in under that name.
    Revoked,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A POST came in.
    Request {
        /// What its answer will be given under.
        id: RequestId,
        /// Who asks.
        from: Identity,
        /// Its body.
        messages: Vec<Message>,
    },
    /// Whoever waited for this answer has gone, before or just after it was given; it was not sent.
    Gone(RequestId),
    /// A WebSocket was opened.
    SocketOpened {
        /// Its name from now on.
        id: SocketId,
        /// Who opened it; asked once.
        from: Identity,
    },
    /// A message came in on a WebSocket.
    Frame {
        /// On which.
        id: SocketId,
        /// What it holds.
        messages: Vec<Message>,
    },
    /// The frame last sent to this WebSocket has been written, and the next may follow.
    Written(SocketId),
    /// A WebSocket is gone, whoever closed it.
    SocketClosed(SocketId),
    /// The host published these, in this order.
    Publish(Vec<Publication>),
    /// The host ends sessions.
    End(Audience, Ending),
    /// [`Machine::poll_timeout`] has passed.
    Timeout,
    /// The server is going away.
    Shutdown,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Answer an HTTP request.
    Answer {
        /// Which.
        id: RequestId,
        /// A JSON array of messages.
        body: String,
    },
    /// Send a text frame, and report [`Event::Written`] when it left.
    Send {
        /// To which WebSocket.
        id: SocketId,
        /// A JSON array of messages.
        frame: String,
    },
    /// Close a WebSocket.
    Close {
        /// Which.
        id: SocketId,
        /// The status code (RFC 6455 section 7.4).
        code: u16,
        /// A sentence for people.
        reason: &'static str,
    },
}

/// Figures for an operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions now.
    pub sessions: u64,
    /// WebSockets now.
    pub sockets: u64,
    /// Long polls held now.
    pub held_polls: u64,
    /// Messages put on their way to a session, ever.
    pub delivered: u64,
    /// Sessions ended because too much waited for them, ever.
    pub unread: u64,
    /// Sessions ended because messages were lost before they could be queued, ever.
    pub lost: u64,
    /// Sessions ended because messages may have been lost with a connection, ever.
    pub doubtful: u64,
}

/// All sessions of a server.
///
/// Invariant: a session's messages leave in the order of their publication, and only from the front of its queue. What
/// cannot be kept ends the session.
pub struct Machine {
    settings: Settings,
    types: Vec<ConnectionType>,
    rng: ChaCha20Rng,
    now: Time,
    sessions: BTreeMap<ClientId, Session>,
    by_principal: BTreeMap<Principal, BTreeSet<ClientId>>,
    sockets: BTreeMap<SocketId, Socket>,
    /// Held polls, and those answered last, whose answer may still come back as not sent.
    polls: BTreeMap<RequestId, ClientId>,
    held_by_browser: BTreeMap<Arc<str>, usize>,
    deadlines: BTreeSet<(Time, Due)>,
    /// Sessions that got messages during the event at hand.
    touched: Vec<ClientId>,
    counts: Counts,
    is_shut_down: bool,
    outputs: Vec<Output>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Session(ClientId),
    Socket(SocketId),
}

/// Why a session ends on the server's own account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Unread,
    Host(Ending),
    Expired,
    Shutdown,
    /// Another session of the principal needs the room.
    Evicted,
    /// The client may have missed messages that cannot be sent again.
    Doubt,
}

/// What a handshake asks for.
struct Terms<'a> {
    is_version_supported: bool,
    types: &'a [ConnectionType],
    wants_acks: bool,
}

/// Where a message came from.
#[derive(Clone, Copy)]
enum Via<'a> {
    /// Alone in its request or not: only a lonely connect is held, as its answer would hold back the others' replies.
    Request {
        id: RequestId,
        is_alone: bool,
        browser: Option<&'a str>,
    },
    Socket(SocketId),
}

impl Machine {
    /// A server without sessions. Whoever knows `seed` can foretell every client id.
    #[must_use]
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        let websocket = settings.websocket.then_some(ConnectionType::Websocket);
        Self {
            settings,
            types: websocket.into_iter().chain([ConnectionType::LongPolling]).collect(),
            rng: ChaCha20Rng::from_seed(seed),
            now: Time::default(),
            sessions: BTreeMap::new(),
            by_principal: BTreeMap::new(),
            sockets: BTreeMap::new(),
            polls: BTreeMap::new(),
            held_by_browser: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            touched: Vec::new(),
            counts: Counts::default(),
            is_shut_down: false,
            outputs: Vec::new(),
        }
    }

    /// Takes in what happened at `now` and says what to do.
    pub fn handle(&mut self, event: Event, now: Time) -> Vec<Output> {
        self.now = now;
        match event {
            Event::Request { id, from, messages } => self.request(id, &from, &messages),
            Event::Gone(id) => self.gone(id),
            Event::SocketOpened { id, from } => self.socket_opened(id, from),
            Event::Frame { id, messages } => self.frame(id, &messages),
            Event::Written(id) => self.written(id),
            Event::SocketClosed(id) => self.socket_closed(id),
            Event::Publish(publications) => publications.iter().for_each(|it| self.publish(it)),
            Event::End(whose, why) => self.end_of(&whose, why),
            Event::Timeout => self.time_out(),
            Event::Shutdown => self.shut_down(),
        }
        for id in mem::take(&mut self.touched) {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.is_touched = false;
                self.flush(id);
            }
        }
        mem::take(&mut self.outputs)
    }

    /// When to call [`Self::handle`] with [`Event::Timeout`], if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The figures as they stand.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { sessions: self.sessions.len() as u64, sockets: self.sockets.len() as u64, ..self.counts }
    }

    /// Answers one message. `None` where the answer follows later.
    fn reply(&mut self, from: &Identity, message: &Message, via: Via<'_>, before: &mut Array) -> Option<String> {
        if let Body::Handshake { is_version_supported, types, wants_acks } = &message.body {
            let terms = Terms { is_version_supported: *is_version_supported, types, wants_acks: *wants_acks };
            return Some(self.handshake(from, message, &terms, via));
        }
        let known = message.client.filter(|it| self.belongs_to(*it, &from.principal));
        let Some(client) = known else {
            let advice = Advice::handshake(Duration::ZERO);
            return Some(Reply::to(message, self.now).error(UNKNOWN_CLIENT).advice(advice).text());
        };
        match &message.body {
            Body::Connect { wait, ack } => return self.connect(client, message, *wait, *ack, via, before),
            Body::Disconnect => self.disconnect(client, via),
            Body::Subscribe(wanted, permission) => {
                let outcome = match permission {
                    Permission::Granted => self.subscribe(client, &wanted.channels),
                    Permission::Refused => Err("403::This client may not subscribe to that"),
                };
                let reply = Reply::to(message, self.now).client(client).subscription(&wanted.raw);
                return Some(match outcome {
                    Ok(()) => reply.text(),
                    Err(why) => reply.error(why).text(),
                });
            }
            Body::Unsubscribe(wanted) => {
                if let Some(session) = self.sessions.get_mut(&client) {
                    session.subscriptions.retain(|it| !wanted.channels.contains(it));
                }
                return Some(Reply::to(message, self.now).client(client).subscription(&wanted.raw).text());
            }
            Body::Publish => {
                return Some(Reply::to(message, self.now).error("403::Clients may not publish here").text());
            }
            Body::UnknownMeta => return Some(Reply::to(message, self.now).error("404::Unknown meta channel").text()),
            Body::Malformed(why) => return Some(Reply::to(message, self.now).error(&format!("400::{why}")).text()),
            Body::Handshake { .. } => {}
        }
        Some(Reply::to(message, self.now).client(client).text())
    }

    fn handshake(&mut self, from: &Identity, message: &Message, wanted: &Terms<'_>, via: Via<'_>) -> String {
        let types: Vec<_> = self.types.iter().copied().filter(|it| wanted.types.contains(it)).collect();
        let reply = Reply::to(message, self.now);
        if !wanted.is_version_supported {
            return reply.terms(&self.types).error("400::Unsupported version").advice(Advice::none()).text();
        }
        if types.is_empty() {
            let error = "406::No connection type in common";
            return reply.terms(&self.types).error(error).advice(Advice::none()).text();
        }
        if !self.make_room(&from.principal) {
            let advice = Advice::handshake(FULL_INTERVAL);
            return reply.terms(&types).error("503::Too many sessions").advice(advice).text();
        }
        let client = self.open(from.principal.clone(), wanted.wants_acks);
        if let Via::Socket(socket) = via {
            self.attach(client, socket, None);
        }
        let ack = wanted.wants_acks.then_some(Ack::Agreed(true));
        reply.terms(&types).client(client).ack(ack).advice(Advice::retry(&self.settings)).text()
    }

    fn open(&mut self, principal: Principal, has_acks: bool) -> ClientId {
        let client = ClientId(u128::from(self.rng.next_u64()) << 64 | u128::from(self.rng.next_u64()));
        self.by_principal.entry(principal.clone()).or_default().insert(client);
        self.sessions.insert(client, Session::new(client, principal, has_acks, self.now));
        self.schedule(client);
        client
    }

    /// Whether one more session of this principal may be; for that, the one silent longest may have to go.
    fn make_room(&mut self, principal: &Principal) -> bool {
        if self.is_shut_down {
            return false;
        }
        let theirs = self.by_principal.get(principal);
        if theirs.is_some_and(|it| it.len() >= self.settings.max_sessions_per_principal) {
            let silent = theirs.into_iter().flatten().filter_map(|it| {
                let session = self.sessions.get(it)?;
                let is_silent =
                    matches!(session.link, Link::None) && self.now.since(session.idle_since) >= SILENT_AFTER;
                is_silent.then_some((session.idle_since, *it))
            });
            let Some((_, oldest)) = silent.min() else { return false };
            self.end(oldest, Why::Evicted);
        }
        self.sessions.len() < self.settings.max_sessions
    }

    fn connect(
        &mut self,
        client: ClientId,
        message: &Message,
        wait: Option<Duration>,
        ack: Option<u64>,
        via: Via<'_>,
        before: &mut Array,
    ) -> Option<String> {
        let session = self.sessions.get(&client)?;
        // Held up on its way and overtaken by a later one of the same client. Zero is what a reloaded page says.
        let is_stale = ack.is_some_and(|it| it > 0 && session.has_acks && session.queue.has_passed(it));
        if is_stale {
            return Some(Reply::to(message, self.now).client(client).error(REPLACED).advice(Advice::none()).text());
        }
        let (on, is_alone) = match via {
            Via::Socket(socket) => (Some(socket), true),
            Via::Request { is_alone, .. } => (None, is_alone),
        };
        if session.is_in_doubt(on, wait.is_some_and(|it| it.is_zero())) {
            self.counts.doubtful += 1;
            self.end(client, Why::Doubt);
            let advice = Advice::handshake(Duration::ZERO);
            return Some(Reply::to(message, self.now).error(UNKNOWN_CLIENT).advice(advice).text());
        }
        let wait = wait.unwrap_or(self.settings.timeout).min(self.settings.timeout);
        let held = Held::new(message, self.now, if is_alone { wait } else { Duration::ZERO });
        match via {
            Via::Socket(socket) => self.connect_on_socket(client, held, ack, socket),
            Via::Request { id, browser, .. } => self.connect_by_poll(client, held, ack, id, browser, before),
        }
    }

    fn subscribe(&mut self, client: ClientId, channels: &[Box<str>]) -> Result<(), &'static str> {
        let Some(session) = self.sessions.get_mut(&client) else { return Err(UNKNOWN_CLIENT) };
        if session.subscriptions.len() + channels.len() > self.settings.max_subscriptions {
            return Err("403::Too many subscriptions");
        }
        session.subscriptions.extend(channels.iter().cloned());
        Ok(())
    }

    /// A held connect is answered first, so that the client sees the end of its session last.
    fn disconnect(&mut self, client: ClientId, via: Via<'_>) {
        let Some(session) = self.remove(client) else { return };
        match &session.link {
            Link::None => {}
            Link::Poll(poll) => {
                let reply = session.dismissed(poll.held.id.as_deref());
                self.answer(poll.request, &reply);
            }
            Link::Socket(socket, held) => {
                if let Some(held) = held {
                    self.reply_on(*socket, session.dismissed(held.id.as_deref()));
                }
                self.leave(*socket);
                if !matches!(via, Via::Socket(it) if it == *socket) {
                    self.pump(*socket);
                }
            }
        }
    }

    fn publish(&mut self, publication: &Publication) {
        let patterns = channel::patterns(&publication.channel);
        let is_meant = |session: &Session| patterns.iter().any(|it| session.subscriptions.contains(it.as_str()));
        let sessions = &self.sessions;
        let ids: Vec<ClientId> = match &publication.to {
            Audience::Everybody => sessions.iter().filter(|(_, it)| is_meant(it)).map(|(id, _)| *id).collect(),
            Audience::Principal(principal) => {
                let theirs = self.by_principal.get(principal).into_iter().flatten();
                theirs.filter(|it| sessions.get(it).is_some_and(is_meant)).copied().collect()
            }
        };
        if ids.is_empty() {
            return;
        }
        let text = reply::published(&publication.channel, &publication.data);
        for id in ids {
            self.enqueue(id, &text);
        }
    }

    fn enqueue(&mut self, id: ClientId, text: &Arc<str>) {
        let has_room =
            |it: &Self| it.sessions.get(&id).is_some_and(|session| session.queue.has_room(text, &it.settings));
        if !has_room(self) {
            // Much may be published at once; what can leave makes room.
            self.flush(id);
            if !has_room(self) {
                self.counts.unread += 1;
                self.end(id, Why::Unread);
                return;
            }
        }
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.queue.push(text.clone());
        if !mem::replace(&mut session.is_touched, true) {
            self.touched.push(id);
        }
        self.counts.delivered += 1;
    }

    /// Sends on what waits, if there is a way.
    fn flush(&mut self, id: ClientId) {
        let Some(session) = self.sessions.get(&id) else { return };
        match session.link {
            _ if !session.queue.is_waiting() => {}
            Link::None => {}
            Link::Poll(_) => self.answer_poll(id),
            Link::Socket(socket, _) => self.pump(socket),
        }
    }

    fn end_of(&mut self, whose: &Audience, why: Ending) {
        let theirs: Vec<ClientId> = match whose {
            Audience::Everybody => self.sessions.keys().copied().collect(),
            Audience::Principal(it) => self.by_principal.get(it).into_iter().flatten().copied().collect(),
        };
        for id in theirs {
            self.counts.lost += u64::from(why == Ending::Lost);
            self.end(id, Why::Host(why));
        }
        if why == Ending::Revoked {
            let is_theirs = |it: &Socket| match whose {
                Audience::Everybody => true,
                Audience::Principal(principal) => it.from.principal == *principal,
            };
            let sockets: Vec<_> = self.sockets.iter().filter(|(_, it)| is_theirs(it)).map(|(id, _)| *id).collect();
            for id in sockets {
                self.close(id, POLICY, "The login that opened this WebSocket has ended");
            }
        }
    }

    /// Ends a session for which there is no place any more, and tells its client as soon as there is a way.
    fn end(&mut self, id: ClientId, why: Why) {
        let Some(session) = self.remove(id) else { return };
        let interval = if why == Why::Shutdown { FULL_INTERVAL } else { Duration::ZERO };
        let gone = |id| Reply::on(CONNECT, id).error(UNKNOWN_CLIENT).advice(Advice::handshake(interval)).text();
        match session.link {
            Link::None => {}
            Link::Poll(poll) => self.answer(poll.request, &gone(poll.held.id.as_deref())),
            Link::Socket(socket, held) => {
                if let Some(held) = held {
                    self.reply_on(socket, gone(held.id.as_deref()));
                }
                self.leave(socket);
                match why {
                    Why::Unread => self.close(socket, POLICY, "Messages were not read in time; handshake again"),
                    Why::Expired => self.close(socket, NORMAL, "The session expired; handshake again"),
                    Why::Host(_) | Why::Shutdown | Why::Evicted | Why::Doubt => self.pump(socket),
                }
            }
        }
    }

    /// Takes a session out of every index. Whoever waits in its link is the caller's to answer.
    fn remove(&mut self, id: ClientId) -> Option<Session> {
        if matches!(self.sessions.get(&id)?.link, Link::Poll(_)) {
            self.counts.held_polls -= 1;
        }
        let session = self.sessions.remove(&id)?;
        self.deadlines.remove(&(session.deadline, Due::Session(id)));
        if let Some(theirs) = self.by_principal.get_mut(&session.principal) {
            theirs.remove(&id);
            if theirs.is_empty() {
                self.by_principal.remove(&session.principal);
            }
        }
        if let Some(answered) = session.answered {
            self.polls.remove(&answered.request);
        }
        if let Link::Poll(poll) = &session.link {
            self.polls.remove(&poll.request);
            self.release_browser(poll.browser.as_deref());
        }
        Some(session)
    }

    fn time_out(&mut self) {
        while let Some((_, due)) = self.deadlines.first().copied().filter(|(at, _)| *at <= self.now) {
            match due {
                Due::Socket(id) => self.close(id, NORMAL, "No session was opened here for too long"),
                Due::Session(id) => match self.sessions.get(&id).map(|it| &it.link) {
                    Some(Link::Poll(_)) => self.answer_poll(id),
                    Some(Link::Socket(socket, Some(_))) => {
                        let socket = *socket;
                        self.answer_held(id, socket);
                        self.pump(socket);
                    }
                    _ => self.end(id, Why::Expired),
                },
            }
        }
    }

    fn shut_down(&mut self) {
        self.is_shut_down = true;
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.flush(id);
            self.end(id, Why::Shutdown);
        }
        for id in self.sockets.keys().copied().collect::<Vec<_>>() {
            self.close(id, GOING_AWAY, "The server is shutting down");
        }
    }

    fn belongs_to(&self, client: ClientId, principal: &Principal) -> bool {
        self.sessions.get(&client).is_some_and(|it| it.principal == *principal)
    }

    /// Brings the list of deadlines up to date with a session.
    fn schedule(&mut self, id: ClientId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let due = session.due(&self.settings);
        self.deadlines.remove(&(session.deadline, Due::Session(id)));
        self.deadlines.insert((due, Due::Session(id)));
        session.deadline = due;
    }

    fn answer(&mut self, id: RequestId, reply: &str) {
        let mut body = Array::default();
        body.push(reply);
        self.outputs.push(Output::Answer { id, body: body.finish() });
    }
}

const UNKNOWN_CLIENT: &str = "402::Unknown client";
const REPLACED: &str = "408::Replaced by a newer connect";

/// When to try again where there was no room, or where the server goes away.
const FULL_INTERVAL: Duration = Duration::from_secs(1);

/// A client that polls comes back at once, so one that has been away for this long may give way to another.
const SILENT_AFTER: Duration = Duration::from_secs(5);

/// RFC 6455 section 7.4.1.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const POLICY: u16 = 1008;

//! What the machine remembers of one session, of one WebSocket, and of a poll that is held.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use clock::Time;
use serde_json::value::RawValue;

use super::{
    Identity, Principal, REPLACED, RequestId, SocketId,
    ext::{Ack, Sync},
    message::{ClientId, Message},
    queue::Queue,
    reply::{Advice, Array, Reply},
};
use crate::Settings;

/// One client between its handshake and its end.
pub(super) struct Session {
    id: ClientId,
    pub(super) principal: Principal,
    pub(super) subscriptions: BTreeSet<Box<str>>,
    pub(super) queue: Queue,
    /// Whether the client says what arrived. Its messages then leave with replies to connects only, on a WebSocket too.
    pub(super) has_acks: bool,
    /// The poll that was answered last, if the client has not been back since.
    pub(super) answered: Option<Answered>,
    /// The number of the last message handed on before the last reply to a connect.
    sent_before_reply: u64,
    /// The number up to which messages need no more care, as far as can be known.
    settled: u64,
    pub(super) link: Link,
    /// When the client last connected, or shook hands.
    pub(super) seen: Time,
    /// Since when there is no link, where there is none.
    pub(super) idle_since: Time,
    /// The interval it was told last.
    pub(super) interval: Duration,
    /// Whether the next reply to a connect carries advice, because what the client holds is not what it should.
    pub(super) owes_advice: bool,
    /// Under which moment the machine's list of deadlines has this session.
    pub(super) deadline: Time,
    /// Already on the list of sessions to be flushed.
    pub(super) is_touched: bool,
}

/// How a session's messages may leave.
pub(super) enum Link {
    /// Not at the moment.
    None,
    /// As the answer to a held `/meta/connect`.
    Poll(Poll),
    /// As frames; with the `/meta/connect` that is held there, if any.
    Socket(SocketId, Option<Held>),
}

#[derive(Clone, Copy)]
pub(super) struct Answered {
    pub(super) request: RequestId,
    /// Whether it was one that may be held. What asks for an answer at once may do so always, or after a failure.
    pub(super) may_wait: bool,
}

pub(super) struct Poll {
    pub(super) request: RequestId,
    pub(super) held: Held,
    pub(super) browser: Option<Arc<str>>,
}

/// What is to be known of a connect when it is answered.
pub(super) struct Held {
    pub(super) id: Option<Box<RawValue>>,
    sync: Option<Sync>,
    since: Time,
    pub(super) until: Time,
}

impl Held {
    pub(super) fn new(message: &Message, now: Time, wait: Duration) -> Self {
        Self { id: message.id.clone(), sync: message.sync, since: now, until: now + wait }
    }
}

impl Session {
    pub(super) fn new(id: ClientId, principal: Principal, has_acks: bool, now: Time) -> Self {
        Self {
            id,
            principal,
            subscriptions: BTreeSet::new(),
            queue: Queue::default(),
            has_acks,
            answered: None,
            sent_before_reply: 0,
            settled: 0,
            link: Link::None,
            seen: now,
            idle_since: now,
            interval: Duration::ZERO,
            owes_advice: true,
            deadline: now,
            is_touched: false,
        }
    }

    /// When something has to happen: a held connect is answered, or the session is over.
    pub(super) fn due(&self, settings: &Settings) -> Time {
        match &self.link {
            Link::Poll(Poll { held, .. }) | Link::Socket(_, Some(held)) => held.until,
            Link::None | Link::Socket(_, None) => {
                // A timer may be late; a client always has this long after its answer.
                let back_by = (self.seen + settings.timeout).max(self.idle_since);
                back_by + self.interval + settings.max_interval
            }
        }
    }

    /// The reply to a connect that went well; it follows the messages that leave with it.
    pub(super) fn connected(&mut self, held: &Held, settings: &Settings, now: Time) -> String {
        self.sent_before_reply = self.queue.last_handed_on();
        let advice = mem::take(&mut self.owes_advice).then(|| Advice::retry(settings));
        self.reply(held, now).advice(advice).text()
    }

    /// The reply to a connect that is not held because others are.
    pub(super) fn crowded(&mut self, held: &Held, settings: &Settings, now: Time) -> String {
        self.sent_before_reply = self.queue.last_handed_on();
        self.owes_advice = true;
        self.reply(held, now).advice(Advice::multiple_clients(settings)).text()
    }

    fn reply<'a>(&self, held: &'a Held, now: Time) -> Reply<'a> {
        let ack = self.has_acks.then(|| Ack::UpTo(self.queue.last_handed_on()));
        let synced = held.sync.map(|it| it.answer(held.since, now));
        Reply::on(CONNECT, held.id.as_deref()).client(self.id).ack(ack).synced(synced)
    }

    /// The reply to a connect that gives way to a newer one. A client that sees it has lost its session to another copy
    /// of itself; were it told to retry, the two would chase each other.
    pub(super) fn replaced(&mut self, id: Option<&RawValue>) -> String {
        self.owes_advice = true;
        Reply::on(CONNECT, id).client(self.id).error(REPLACED).advice(Advice::none()).text()
    }

    /// The reply to a connect that was held when the client disconnected.
    pub(super) fn dismissed(&self, id: Option<&RawValue>) -> String {
        Reply::on(CONNECT, id).client(self.id).advice(Advice::none()).text()
    }

    /// Whether messages may be lost for ever, now that the client connects, on a WebSocket or not, and wants an answer
    /// at once or not. With acknowledgements none are.
    ///
    /// What was written to a WebSocket has arrived once a connect follows there on the reply to an earlier one. What
    /// left with the answer to a poll has arrived as far as can be known, unless the client asks for an answer at once
    /// where it did not before: that is how clients go on after a connect failed.
    pub(super) fn is_in_doubt(&self, on: Option<SocketId>, is_urgent: bool) -> bool {
        if self.has_acks {
            return false;
        }
        match (self.answered, &self.link) {
            (Some(answered), _) => answered.may_wait && is_urgent && self.queue.is_handed_on(),
            (None, Link::Socket(here, _)) if on == Some(*here) => false,
            (None, _) => self.queue.last_handed_on() > self.settled,
        }
    }

    /// The client is back on a new way. What it says has arrived, or without acknowledgements all that was handed on,
    /// is done with; the rest is sent again. The poll that was answered last, if it was one, is returned.
    pub(super) fn come_back(&mut self, ack: Option<u64>) -> Option<RequestId> {
        match ack.filter(|_| self.has_acks) {
            Some(number) => {
                self.queue.acknowledge(number);
                self.queue.take_back();
            }
            None => self.queue.confirm(),
        }
        self.settled = self.queue.last_handed_on();
        self.answered.take().map(|it| it.request)
    }

    /// The client connects where it did before, where nothing is lost without all being lost.
    pub(super) fn stay(&mut self, ack: Option<u64>) {
        match ack {
            Some(number) if self.has_acks => self.queue.acknowledge(number),
            _ if self.has_acks => self.queue.confirm(),
            _ => self.settled = self.sent_before_reply,
        }
    }

    /// What was handed on did not leave: it waits again, before everything else.
    pub(super) fn take_back(&mut self) {
        self.queue.take_back();
        self.answered = None;
    }

    /// Puts into a frame what may leave now: messages, or with acknowledgements a held connect with its messages.
    /// Whether a connect was answered.
    pub(super) fn fill(&mut self, frame: &mut Array, settings: &Settings, now: Time) -> bool {
        if !self.has_acks {
            self.queue.hand_on(|it| frame.push(it));
            return false;
        }
        let Link::Socket(_, held) = &mut self.link else { return false };
        let Some(held) = held.take_if(|it| self.queue.is_waiting() || it.until <= now) else { return false };
        self.queue.hand_on(|it| frame.push(it));
        frame.push(&self.connected(&held, settings, now));
        true
    }
}

/// One open WebSocket.
pub(super) struct Socket {
    pub(super) from: Identity,
    pub(super) session: Option<ClientId>,
    /// Replies not yet sent, in order. They leave before the session's messages.
    pub(super) replies: Vec<String>,
    /// A frame was handed on and is not yet written. There is never more than one, so a client that does not read
    /// fills its own queue and nothing else.
    pub(super) is_busy: bool,
    /// When it is closed, should it have no session by then.
    pub(super) idle_until: Time,
}

pub(super) const CONNECT: &str = "/meta/connect";

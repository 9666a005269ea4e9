//! What the machine remembers of one session, of one WebSocket, and of a poll that is held.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use clock::Time;
use serde_json::value::RawValue;

use super::{
    Identity, Principal, RequestId, SocketId,
    message::ClientId,
    reply::{Advice, Reply},
};
use crate::Settings;

/// One client between its handshake and its end.
pub(super) struct Session {
    id: ClientId,
    pub(super) principal: Principal,
    pub(super) subscriptions: BTreeSet<Box<str>>,
    pub(super) queue: Queue,
    /// What was handed on last and may yet turn out not to have left: the answer to a poll until the client's next
    /// connect, a frame until it is written. (Acknowledgements by the client would be kept here.)
    pub(super) unconfirmed: Vec<Arc<str>>,
    /// The poll that was answered with `unconfirmed`.
    pub(super) answered: Option<RequestId>,
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

pub(super) struct Poll {
    pub(super) request: RequestId,
    pub(super) held: Held,
    pub(super) browser: Option<Arc<str>>,
}

pub(super) struct Held {
    pub(super) id: Option<Box<RawValue>>,
    pub(super) until: Time,
}

impl Session {
    pub(super) fn new(id: ClientId, principal: Principal, now: Time) -> Self {
        Self {
            id,
            principal,
            subscriptions: BTreeSet::new(),
            queue: Queue::default(),
            unconfirmed: Vec::new(),
            answered: None,
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

    /// The reply to a connect that went well.
    pub(super) fn connected(&mut self, id: Option<&RawValue>, settings: &Settings) -> String {
        let advice = mem::take(&mut self.owes_advice).then(|| Advice::retry(settings));
        Reply::on(CONNECT, id).client(self.id).advice(advice).text()
    }

    /// The reply to a connect that gives way to a newer one. A client that sees it has lost its session to another copy
    /// of itself; were it told to retry, the two would chase each other.
    pub(super) fn replaced(&mut self, id: Option<&RawValue>) -> String {
        self.owes_advice = true;
        Reply::on(CONNECT, id).client(self.id).error("408::Replaced by a newer connect").advice(Advice::none()).text()
    }

    /// The reply to a connect that was held when the client disconnected.
    pub(super) fn dismissed(&self, id: Option<&RawValue>) -> String {
        Reply::on(CONNECT, id).client(self.id).advice(Advice::none()).text()
    }

    /// What was handed on has arrived, as far as can be known. The poll that carried it, if it was one, is returned.
    pub(super) fn confirm(&mut self) -> Option<RequestId> {
        self.unconfirmed.clear();
        self.answered.take()
    }

    /// What was handed on did not leave: it waits again, before everything else.
    pub(super) fn take_back(&mut self) {
        self.queue.put_back(mem::take(&mut self.unconfirmed));
        self.answered = None;
    }
}

/// Messages on their way to one session.
#[derive(Default)]
pub(super) struct Queue {
    messages: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Queue {
    /// Whether `more` may join. A queue without messages takes one of any length.
    pub(super) fn has_room(&self, more: &str, settings: &Settings) -> bool {
        self.messages.is_empty()
            || (self.messages.len() < settings.max_queued_messages
                && self.bytes + more.len() <= settings.max_queued_bytes)
    }

    pub(super) fn push(&mut self, message: Arc<str>) {
        self.bytes += message.len();
        self.messages.push_back(message);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<Arc<str>> {
        self.bytes = 0;
        mem::take(&mut self.messages).into()
    }

    fn put_back(&mut self, messages: Vec<Arc<str>>) {
        for message in messages.into_iter().rev() {
            self.bytes += message.len();
            self.messages.push_front(message);
        }
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

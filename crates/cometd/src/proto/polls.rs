//! Long-polling: requests, polls that are held, and how many of one browser's may be.

use std::{mem, sync::Arc};

use super::{
    Array, ClientId, Identity, Machine, Message, Output, RequestId, Via,
    session::{Answered, Held, Link, Poll},
};

impl Machine {
    /// A request is answered at once, unless it is a lonely connect that may be held.
    pub(super) fn request(&mut self, id: RequestId, from: &Identity, messages: &[Message]) {
        let via = Via::Request { id, is_alone: messages.len() == 1, browser: from.browser.as_deref() };
        let mut body = Array::default();
        for message in messages {
            let reply = self.reply(from, message, via, &mut body);
            if let Some(reply) = reply {
                body.push(&reply);
            }
        }
        if !body.is_empty() {
            self.outputs.push(Output::Answer { id, body: body.finish() });
        }
    }

    /// Messages leave only with the reply to a connect. Replies to other messages travel on another connection, and
    /// what two connections carry has no order.
    pub(super) fn connect_by_poll(
        &mut self,
        client: ClientId,
        held: Held,
        ack: Option<u64>,
        request: RequestId,
        browser: Option<&str>,
        before: &mut Array,
    ) -> Option<String> {
        self.detach(client);
        self.come_back(client, ack);
        let may_wait = held.until > self.now;
        let is_crowded = may_wait && self.is_crowded(browser);
        let session = self.sessions.get_mut(&client)?;
        session.seen = self.now;
        session.interval = self.settings.interval;
        let reply = if session.queue.is_waiting() {
            session.queue.hand_on(|it| before.push(it));
            session.answered = Some(Answered { request, may_wait });
            self.polls.insert(request, client);
            session.connected(&held, &self.settings, self.now)
        } else if is_crowded {
            session.interval = self.settings.multiple_clients_interval;
            session.crowded(&held, &self.settings, self.now)
        } else if may_wait {
            self.hold(client, held, request, browser);
            return None;
        } else {
            session.connected(&held, &self.settings, self.now)
        };
        self.schedule(client);
        Some(reply)
    }

    /// Answers a held poll with all that waits.
    pub(super) fn answer_poll(&mut self, client: ClientId) {
        let Some(Poll { request, held, .. }) = self.take_poll(client) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let mut body = Array::default();
        session.queue.hand_on(|it| body.push(it));
        body.push(&session.connected(&held, &self.settings, self.now));
        session.answered = Some(Answered { request, may_wait: true });
        self.polls.insert(request, client);
        self.schedule(client);
        self.outputs.push(Output::Answer { id: request, body: body.finish() });
    }

    /// The client hung up: a held poll is held no more, and messages that were to leave with its answer wait again.
    pub(super) fn gone(&mut self, request: RequestId) {
        let Some(client) = self.polls.remove(&request) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        if session.answered.is_some_and(|it| it.request == request) {
            session.take_back();
            self.flush(client);
        } else {
            self.take_poll(client);
            self.schedule(client);
        }
    }

    /// Takes a session off whatever carries it. A connect that was held there is answered.
    pub(super) fn detach(&mut self, client: ClientId) {
        if let Some(poll) = self.take_poll(client) {
            let Some(session) = self.sessions.get_mut(&client) else { return };
            let reply = session.replaced(poll.held.id.as_deref());
            self.answer(poll.request, &reply);
            return;
        }
        let Some(session) = self.sessions.get_mut(&client) else { return };
        if let Link::Socket(socket, held) = mem::replace(&mut session.link, Link::None) {
            session.idle_since = self.now;
            let reply = held.map(|it| session.replaced(it.id.as_deref()));
            if let Some(reply) = reply {
                self.reply_on(socket, reply);
            }
            self.leave(socket);
            self.pump(socket);
            self.schedule(client);
        }
    }

    /// The client is back, on a new way.
    pub(super) fn come_back(&mut self, client: ClientId, ack: Option<u64>) {
        let answered = self.sessions.get_mut(&client).and_then(|it| it.come_back(ack));
        if let Some(request) = answered {
            self.polls.remove(&request);
        }
    }

    pub(super) fn release_browser(&mut self, browser: Option<&str>) {
        let Some(browser) = browser else { return };
        if let Some(held) = self.held_by_browser.get_mut(browser) {
            *held -= 1;
            if *held == 0 {
                self.held_by_browser.remove(browser);
            }
        }
    }

    fn is_crowded(&self, browser: Option<&str>) -> bool {
        let held = browser.and_then(|it| self.held_by_browser.get(it));
        held.is_some_and(|it| *it >= self.settings.max_polls_per_browser)
    }

    fn hold(&mut self, client: ClientId, held: Held, request: RequestId, browser: Option<&str>) {
        let browser: Option<Arc<str>> = browser.map(Arc::from);
        if let Some(browser) = browser.clone() {
            *self.held_by_browser.entry(browser).or_default() += 1;
        }
        self.polls.insert(request, client);
        self.counts.held_polls += 1;
        if let Some(session) = self.sessions.get_mut(&client) {
            session.link = Link::Poll(Poll { request, held, browser });
        }
        self.schedule(client);
    }

    fn take_poll(&mut self, client: ClientId) -> Option<Poll> {
        let session = self.sessions.get_mut(&client)?;
        match mem::replace(&mut session.link, Link::None) {
            Link::Poll(poll) => {
                self.polls.remove(&poll.request);
                self.counts.held_polls -= 1;
                session.idle_since = self.now;
                self.release_browser(poll.browser.as_deref());
                Some(poll)
            }
            other => {
                session.link = other;
                None
            }
        }
    }
}

//! Long-polling: requests, polls that are held, and how many of one browser's may be.

use std::{mem, sync::Arc, time::Duration};

use super::{
    Array, ClientId, Identity, Machine, Message, Output, RequestId, Via,
    reply::{Advice, Reply},
    session::{Held, Link, Poll, Session},
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
        message: &Message,
        wait: Duration,
        request: RequestId,
        browser: Option<&str>,
        before: &mut Array,
    ) -> Option<String> {
        self.detach(client);
        self.confirm(client);
        let is_crowded = !wait.is_zero() && self.is_crowded(browser);
        let session = self.sessions.get_mut(&client)?;
        session.seen = self.now;
        session.interval = self.settings.interval;
        let messages = session.queue.take();
        let reply = if !messages.is_empty() || wait.is_zero() {
            session.connected(message.id.as_deref(), &self.settings)
        } else if is_crowded {
            session.interval = self.settings.multiple_clients_interval;
            session.owes_advice = true;
            Reply::to(message).client(client).advice(Advice::multiple_clients(&self.settings)).text()
        } else {
            self.hold(client, message, wait, request, browser);
            return None;
        };
        messages.iter().for_each(|it| before.push(it));
        if !messages.is_empty() {
            session.unconfirmed = messages;
            session.answered = Some(request);
            self.polls.insert(request, client);
        }
        self.schedule(client);
        Some(reply)
    }

    /// Answers a held poll with all that waits.
    pub(super) fn answer_poll(&mut self, client: ClientId) {
        let Some(poll) = self.take_poll(client) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let messages = session.queue.take();
        let reply = session.connected(poll.held.id.as_deref(), &self.settings);
        session.answered = Some(poll.request);
        session.unconfirmed.clone_from(&messages);
        self.polls.insert(poll.request, client);
        self.schedule(client);
        self.answer(poll.request, &messages, &reply);
    }

    /// The client hung up: a held poll is held no more, and messages that were to leave with its answer wait again.
    pub(super) fn gone(&mut self, request: RequestId) {
        let Some(client) = self.polls.remove(&request) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        if session.answered == Some(request) {
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
            self.answer(poll.request, &[], &reply);
            return;
        }
        let Some(session) = self.sessions.get_mut(&client) else { return };
        if let Link::Socket(socket, held) = mem::replace(&mut session.link, Link::None) {
            session.take_back();
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

    /// The client is back, so it has what it was sent.
    pub(super) fn confirm(&mut self, client: ClientId) {
        let answered = self.sessions.get_mut(&client).and_then(Session::confirm);
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

    fn hold(&mut self, client: ClientId, message: &Message, wait: Duration, request: RequestId, browser: Option<&str>) {
        let browser: Option<Arc<str>> = browser.map(Arc::from);
        if let Some(browser) = browser.clone() {
            *self.held_by_browser.entry(browser).or_default() += 1;
        }
        self.polls.insert(request, client);
        self.counts.held_polls += 1;
        if let Some(session) = self.sessions.get_mut(&client) {
            let held = Held { id: message.id.clone(), until: self.now + wait };
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

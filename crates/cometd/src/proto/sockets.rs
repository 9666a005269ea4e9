//! WebSockets: one frame under way at a time, replies and messages as they come.

use std::mem;

use super::{
    Array, ClientId, Due, GOING_AWAY, Identity, Link, Machine, Message, Output, POLICY, SocketId, Via,
    session::{Held, Socket},
};

impl Machine {
    pub(super) fn socket_opened(&mut self, id: SocketId, from: Identity) {
        if self.is_shut_down || self.sockets.len() >= self.settings.max_sessions {
            let reason = "The server has no room for another WebSocket";
            self.outputs.push(Output::Close {
                id,
                code: if self.is_shut_down { GOING_AWAY } else { TRY_LATER },
                reason,
            });
            return;
        }
        let idle_until = self.idle_until();
        let socket = Socket { from, session: None, replies: Vec::new(), is_busy: false, idle_until };
        self.sockets.insert(id, socket);
        self.deadlines.insert((idle_until, Due::Socket(id)));
    }

    pub(super) fn frame(&mut self, id: SocketId, messages: &[Message]) {
        for message in messages {
            let Some(from) = self.sockets.get(&id).map(|it| it.from.clone()) else { return };
            let reply = self.reply(&from, message, Via::Socket(id), &mut Array::default());
            if let Some(reply) = reply {
                self.reply_on(id, reply);
            }
        }
        self.pump(id);
        let unread = self.sockets.get(&id).map_or(0, |it| it.replies.len());
        if unread > self.settings.max_queued_messages {
            self.close(id, POLICY, "Replies are not read while requests are sent");
        }
    }

    pub(super) fn connect_on_socket(
        &mut self,
        client: ClientId,
        held: Held,
        ack: Option<u64>,
        socket: SocketId,
    ) -> Option<String> {
        self.attach(client, socket, ack);
        let session = self.sessions.get_mut(&client)?;
        session.seen = self.now;
        session.interval = self.settings.interval;
        // With acknowledgements the reply may have messages to take along; it leaves with the frame.
        let is_due = held.until <= self.now && !session.has_acks;
        let reply = is_due.then(|| session.connected(&held, &self.settings, self.now));
        if !is_due {
            session.link = Link::Socket(socket, Some(held));
        }
        self.schedule(client);
        reply
    }

    /// From now on this WebSocket carries this session, and no other. A connect still held anywhere is answered.
    pub(super) fn attach(&mut self, client: ClientId, id: SocketId, ack: Option<u64>) {
        let here = self.sockets.get(&id).and_then(|it| it.session);
        if here == Some(client) {
            let Some(session) = self.sessions.get_mut(&client) else { return };
            match &mut session.link {
                Link::Socket(_, held @ Some(_)) => {
                    let reply = held.take().map(|it| session.replaced(it.id.as_deref()));
                    reply.into_iter().for_each(|it| self.reply_on(id, it));
                }
                _ => session.stay(ack),
            }
            return;
        }
        if let Some(other) = here {
            self.detach(other);
        }
        self.detach(client);
        self.come_back(client, ack);
        let (Some(socket), Some(session)) = (self.sockets.get_mut(&id), self.sessions.get_mut(&client)) else { return };
        socket.session = Some(client);
        session.link = Link::Socket(id, None);
        self.deadlines.remove(&(socket.idle_until, Due::Socket(id)));
        if !mem::replace(&mut session.is_touched, true) {
            self.touched.push(client);
        }
        self.schedule(client);
    }

    /// The WebSocket goes on without a session, for a while.
    pub(super) fn leave(&mut self, id: SocketId) {
        let idle_until = self.idle_until();
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.session = None;
        socket.idle_until = idle_until;
        self.deadlines.insert((idle_until, Due::Socket(id)));
    }

    /// A connect was held for its time.
    pub(super) fn answer_held(&mut self, client: ClientId, socket: SocketId) {
        let Some(session) = self.sessions.get_mut(&client) else { return };
        if let Link::Socket(_, held) = &mut session.link
            && let Some(held) = held.take()
        {
            let reply = session.connected(&held, &self.settings, self.now);
            self.reply_on(socket, reply);
        }
        self.schedule(client);
    }

    /// Queues a reply; [`Self::pump`] sends it.
    pub(super) fn reply_on(&mut self, id: SocketId, reply: String) {
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.replies.push(reply);
        }
    }

    /// Sends all that waits as one frame, unless one is still under way.
    pub(super) fn pump(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(&id).filter(|it| !it.is_busy) else { return };
        let mut frame = Array::default();
        mem::take(&mut socket.replies).iter().for_each(|it| frame.push(it));
        let client = socket.session;
        let session = client.and_then(|it| self.sessions.get_mut(&it));
        let has_answered = session.is_some_and(|it| it.fill(&mut frame, &self.settings, self.now));
        if !frame.is_empty() {
            socket.is_busy = true;
            self.outputs.push(Output::Send { id, frame: frame.finish() });
        }
        if let Some(client) = client.filter(|_| has_answered) {
            self.schedule(client);
        }
    }

    pub(super) fn written(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.is_busy = false;
        if let Some(session) = socket.session.and_then(|it| self.sessions.get_mut(&it)).filter(|it| !it.has_acks) {
            session.queue.confirm();
        }
        self.pump(id);
    }

    /// The session lives on for a while, so that its client can come back on another WebSocket.
    pub(super) fn socket_closed(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.remove(&id) else { return };
        let Some(client) = socket.session else {
            self.deadlines.remove(&(socket.idle_until, Due::Socket(id)));
            return;
        };
        if let Some(session) = self.sessions.get_mut(&client) {
            session.link = Link::None;
            session.idle_since = self.now;
            session.take_back();
            self.schedule(client);
        }
    }

    /// A frame that is under way may still arrive before the close, so without acknowledgements it is not sent again.
    pub(super) fn close(&mut self, id: SocketId, code: u16, reason: &'static str) {
        self.pump(id);
        if let Some(socket) = self.sockets.get(&id) {
            let session = socket.session.and_then(|it| self.sessions.get_mut(&it));
            if let Some(session) = session.filter(|it| !it.has_acks) {
                session.queue.confirm();
            }
            self.socket_closed(id);
            self.outputs.push(Output::Close { id, code, reason });
        }
    }

    fn idle_until(&self) -> clock::Time {
        self.now + self.settings.timeout + self.settings.max_interval
    }
}

/// RFC 6455 section 7.4.2, registered as "Try Again Later".
const TRY_LATER: u16 = 1013;

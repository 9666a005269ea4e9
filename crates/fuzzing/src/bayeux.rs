//! Bodies of Bayeux requests.

use std::{sync::Arc, time::Duration};

use clock::Time;
use cometd::{
    Identity, Principal, Settings,
    proto::{Audience, Event, Machine, Message, Output, Publication, RequestId, SocketId},
};

use crate::parts;

/// Bodies of one user, a second apart, the even ones by POST and the odd ones on a WebSocket; a message is published
/// after each. `%ID%` stands for the client id given last.
///
/// # Panics
/// If what is sent is no JSON array, if a request is answered twice or never, or if the machine does not come to rest.
pub fn bayeux(data: &[u8]) {
    let settings = Settings { max_queued_messages: 8, max_sessions: 8, ..Settings::default() };
    let mut world = World { machine: Machine::new(settings.clone(), [1; 32]), now: START, open: Vec::new(), id: None };
    let from = Identity { principal: Principal::from("ada"), browser: None };
    world.handle(Event::SocketOpened { id: SOCKET, from: from.clone() });
    for (index, part) in (0..).zip(parts(data)) {
        let body = world.filled(part);
        let Ok(mut messages) = Message::read_all(&body, &settings) else { continue };
        messages.iter_mut().for_each(|it| it.permit(|channel| channel.starts_with("/a")));
        if index % 2 == 0 {
            world.open.push(RequestId(index));
            world.handle(Event::Request { id: RequestId(index), from: from.clone(), messages });
        } else {
            world.handle(Event::Frame { id: SOCKET, messages });
        }
        let (to, channel) = (Audience::Everybody, "/a".into());
        world.handle(Event::Publish(vec![Publication { to, channel, data: Arc::from(r#"{"a":1}"#) }]));
        world.pass(Duration::from_secs(1));
    }
    world.handle(Event::SocketClosed(SOCKET));
    world.pass(Duration::from_secs(300));
    assert!(world.open.is_empty(), "requests without an answer: {:?}", world.open);
    assert_eq!((world.machine.counts().sessions, world.machine.poll_timeout()), (0, None), "all sessions expire");
}

struct World {
    machine: Machine,
    now: Time,
    open: Vec<RequestId>,
    id: Option<String>,
}

impl World {
    fn handle(&mut self, event: Event) {
        for output in self.machine.handle(event, self.now) {
            match output {
                Output::Answer { id, body } => {
                    let at = self.open.iter().position(|it| *it == id);
                    self.open.remove(at.expect("one answer for each request"));
                    self.sent(&body);
                }
                Output::Send { frame, .. } => {
                    self.sent(&frame);
                    self.handle(Event::Written(SOCKET));
                }
                Output::Close { .. } => {}
            }
        }
    }

    /// What a client reads must be JSON; a client id in it can be used from now on.
    fn sent(&mut self, text: &str) {
        assert!(text.starts_with('[') && text.ends_with(']'), "{text}");
        let nested = Settings { max_nesting: 64, max_messages_per_request: 10_000, ..Settings::default() };
        assert!(Message::read_all(text.as_bytes(), &nested).is_ok(), "{text}");
        if let Some((_, rest)) = text.split_once("\"clientId\":\"") {
            self.id = rest.split('"').next().map(str::to_owned);
        }
    }

    fn filled(&self, part: &[u8]) -> Vec<u8> {
        let Some(id) = &self.id else { return part.to_vec() };
        String::from_utf8(part.to_vec()).map_or_else(|_| part.to_vec(), |it| it.replacen("%ID%", id, 4).into_bytes())
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.machine.poll_timeout().filter(|it| *it <= end) {
            self.now = self.now.max(next);
            self.handle(Event::Timeout);
            assert!(self.machine.poll_timeout().is_none_or(|it| it > next), "a timer fires for ever");
        }
        self.now = end;
    }
}

const START: Time = Time::from_unix_ms(1_700_000_000_000);
const SOCKET: SocketId = SocketId(1);

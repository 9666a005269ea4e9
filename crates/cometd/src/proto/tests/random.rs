//! Many seeded runs of clients that come, go, hang up and change their transport, against a model that knows what
//! each must have got. Half of the clients acknowledge.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::{Value, json};

use super::{
    super::session::Link, Audience, Duration, Ending, Event, Machine, Message, Output, Publication, RequestId,
    Settings, SocketId, Time, identity,
};

/// A client as it sees itself.
struct Client {
    id: String,
    /// The next number it must be told.
    wants: u64,
    way: Way,
    /// The number of the last reply to a connect, if this client acknowledges.
    ack: Option<u64>,
    /// Whether its last connect failed, as far as it knows.
    has_failed: bool,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Way {
    None,
    Poll(u64),
    /// A WebSocket, and whether a frame is on it that the server does not yet know to be written.
    Socket(u64, bool),
    /// It was told that its session is gone.
    Over,
}

struct Run {
    rng: ChaCha8Rng,
    machine: Machine,
    settings: Settings,
    now: Time,
    clients: Vec<Client>,
    published: u64,
    next: u64,
}

#[test]
fn every_client_gets_everything_in_order_until_it_is_told_otherwise() {
    let mut received = 0;
    for seed in 0..500 {
        let mut run = Run::new(seed);
        for _ in 0..300 {
            run.step();
            run.check_indexes();
        }
        received += run.clients.iter().map(|it| it.wants).sum::<u64>();
        run.all_leave();
    }
    assert!(received > 10_000, "the runs show nothing: {received}");
}

impl Run {
    fn new(seed: u64) -> Self {
        let settings = Settings {
            max_queued_messages: 12,
            max_polls_per_browser: 2,
            max_sessions: 8,
            max_sessions_per_principal: 6,
            ..Settings::default()
        };
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            machine: Machine::new(settings.clone(), [1; 32]),
            settings,
            now: Time::from_unix_ms(1),
            clients: Vec::new(),
            published: 0,
            next: 1,
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.rng.next_u64() % limit
    }

    fn step(&mut self) {
        self.clients.retain(|it| it.way != Way::Over);
        match self.below(100) {
            0..5 => self.come(),
            5..35 => self.publish(),
            35..45 => self.pass_time(),
            45 => self.end(),
            _ if self.clients.is_empty() => self.come(),
            _ => {
                let which = self.below(self.clients.len() as u64) as usize;
                self.act(which);
            }
        }
    }

    fn come(&mut self) {
        let ack = (self.below(2) == 0).then_some(0);
        let types = ["long-polling", "websocket"];
        let ext = json!({"ack": ack.is_some()});
        let hello = json!([{"channel": "/meta/handshake", "supportedConnectionTypes": types, "ext": ext}]);
        let id = self.number();
        let reply = self.request(id, &hello).expect("a handshake is answered at once");
        let Some(client) = reply[0]["clientId"].as_str() else { return };
        let subscribe = json!({"channel": "/meta/subscribe", "clientId": client, "subscription": "/a"});
        let id = self.number();
        self.request(id, &subscribe);
        let (id, wants) = (client.to_owned(), self.published);
        self.clients.push(Client { id, wants, way: Way::None, ack, has_failed: false });
    }

    fn publish(&mut self) {
        let count = 1 + self.below(4);
        let list = (self.published..self.published + count).map(|number| Publication {
            to: Audience::Principal("ada".into()),
            channel: "/a".into(),
            data: number.to_string().into(),
        });
        let list = list.collect();
        self.published += count;
        self.feed(Event::Publish(list));
    }

    fn pass_time(&mut self) {
        let seconds = self.below(12);
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.machine.poll_timeout().filter(|it| *it <= until) {
            self.now = due;
            self.feed(Event::Timeout);
        }
        self.now = until;
    }

    fn end(&mut self) {
        let why = if self.below(2) == 0 { Ending::Lost } else { Ending::Revoked };
        self.feed(Event::End(Audience::Everybody, why));
    }

    fn act(&mut self, which: usize) {
        let client = &self.clients[which];
        let way = client.way;
        let mut connect = json!({"channel": "/meta/connect", "clientId": client.id, "ext": {"ack": client.ack}});
        if client.has_failed {
            connect["advice"] = json!({"timeout": 0});
        }
        let choice = self.below(10);
        match way {
            Way::Over => {}
            Way::None if choice < 6 => {
                let id = self.number();
                self.clients[which].way = Way::Poll(id);
                self.request(id, &connect);
            }
            Way::None => {
                let id = self.number();
                self.clients[which].way = Way::Socket(id, false);
                self.feed(Event::SocketOpened { id: SocketId(id), from: identity("ada") });
                self.frame(id, &connect);
            }
            Way::Poll(id) if choice < 3 => {
                self.lose(which);
                self.feed(Event::Gone(RequestId(id)));
            }
            Way::Poll(_) if choice < 4 => {
                let id = self.number();
                self.clients[which].way = Way::Poll(id);
                self.request(id, &connect);
            }
            Way::Poll(_) => {}
            Way::Socket(id, true) => {
                self.clients[which].way = Way::Socket(id, false);
                self.feed(Event::Written(SocketId(id)));
            }
            Way::Socket(id, false) if choice < 5 => self.frame(id, &connect),
            Way::Socket(id, false) if choice < 7 => {
                self.lose(which);
                self.feed(Event::SocketClosed(SocketId(id)));
            }
            Way::Socket(..) => {}
        }
    }

    fn lose(&mut self, which: usize) {
        self.clients[which].way = Way::None;
        self.clients[which].has_failed = true;
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A request, and its answer if no client is waiting for it.
    fn request(&mut self, id: u64, messages: &Value) -> Option<Value> {
        let mut messages = Message::read_all(messages.to_string().as_bytes(), &self.settings).unwrap();
        messages.iter_mut().for_each(|it| it.permit(|_| true));
        let from = identity("ada@browser");
        self.feed(Event::Request { id: RequestId(id), from, messages })
    }

    fn frame(&mut self, id: u64, message: &Value) {
        let messages = Message::read_all(message.to_string().as_bytes(), &self.settings).unwrap();
        self.feed(Event::Frame { id: SocketId(id), messages });
    }

    fn feed(&mut self, event: Event) -> Option<Value> {
        let mut unclaimed = None;
        for output in self.machine.handle(event, self.now) {
            match output {
                Output::Answer { id, body } => {
                    let waiting = self.clients.iter().position(|it| it.way == Way::Poll(id.0));
                    match waiting {
                        None => unclaimed = Some(serde_json::from_str(&body).unwrap()),
                        // One answer in four never arrives; of half of those nobody knows.
                        Some(which) => match self.below(8) {
                            0 => {
                                self.lose(which);
                                self.feed(Event::Gone(id));
                            }
                            1 if self.is_told_of_losses(which) => self.lose(which),
                            _ => {
                                self.clients[which].way = Way::None;
                                self.read(which, &body);
                            }
                        },
                    }
                }
                Output::Send { id, frame } => self.sent(id, &frame),
                Output::Close { id, .. } => {
                    for client in &mut self.clients {
                        if matches!(client.way, Way::Socket(it, _) if it == id.0) {
                            client.way = Way::None;
                            client.has_failed = true;
                        }
                    }
                }
            }
        }
        unclaimed
    }

    /// Without acknowledgements a client that did not want to wait cannot say that it got no answer.
    fn is_told_of_losses(&self, which: usize) -> bool {
        let client = &self.clients[which];
        client.ack.is_some() || !client.has_failed
    }

    /// A frame arrives and is known to be written a little later; or the WebSocket breaks, before the frame is written
    /// or after.
    fn sent(&mut self, id: SocketId, frame: &str) {
        let which = self.clients.iter().position(|it| matches!(it.way, Way::Socket(socket, _) if socket == id.0));
        let Some(which) = which else { return };
        assert_eq!(self.clients[which].way, Way::Socket(id.0, false), "two frames at once");
        match self.below(12) {
            0 => {
                self.lose(which);
                self.feed(Event::SocketClosed(id));
            }
            1 => {
                self.lose(which);
                self.feed(Event::Written(id));
                self.feed(Event::SocketClosed(id));
            }
            _ => {
                self.clients[which].way = Way::Socket(id.0, true);
                self.read(which, frame);
            }
        }
    }

    fn read(&mut self, which: usize, body: &str) {
        let client = &mut self.clients[which];
        for message in serde_json::from_str::<Vec<Value>>(body).unwrap() {
            if let Some(number) = message["data"].as_u64() {
                assert_eq!(number, client.wants);
                client.wants += 1;
                continue;
            }
            if message["advice"]["reconnect"] == "handshake" {
                client.way = Way::Over;
            } else if message["channel"] == "/meta/connect" && message["successful"] == true {
                client.has_failed = false;
                assert_eq!(message["ext"]["ack"].is_u64(), client.ack.is_some());
                client.ack = message["ext"]["ack"].as_u64();
            }
        }
    }

    fn check_indexes(&self) {
        let machine = &self.machine;
        let polls = machine.sessions.values().filter(|it| matches!(it.link, Link::Poll(_))).count();
        assert_eq!(polls, machine.held_by_browser.values().sum::<usize>());
        assert_eq!(polls as u64, machine.counts().held_polls);
        assert!(polls <= self.settings.max_polls_per_browser);
        let answered = machine.sessions.values().filter(|it| it.answered.is_some()).count();
        assert_eq!(polls + answered, machine.polls.len());
        let idle = machine.sockets.values().filter(|it| it.session.is_none()).count();
        assert_eq!(machine.deadlines.len(), machine.sessions.len() + idle);
        assert!(machine.touched.is_empty() && machine.outputs.is_empty());
        for (id, session) in &machine.sessions {
            if let Link::Socket(socket, _) = session.link {
                assert_eq!(machine.sockets[&socket].session, Some(*id));
            }
        }
    }

    fn all_leave(mut self) {
        self.clients.clear();
        while let Some(due) = self.machine.poll_timeout() {
            self.now = due;
            self.feed(Event::Timeout);
            self.check_indexes();
        }
        let left = (self.machine.sessions.len(), self.machine.sockets.len(), self.machine.polls.len());
        assert_eq!(left, (0, 0, 0));
        assert!(self.machine.by_principal.is_empty());
    }
}

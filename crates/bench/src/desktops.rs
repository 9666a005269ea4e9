//! Many CometD clients on one thread: each connects, subscribes, and counts what it is sent.

use std::{
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{buffer::spare_capacity, event::epoll};
use serde_json::{Value, json};

use crate::{Failed, http::Connection};

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    LongPolling,
    WebSocket,
}

/// Clients that are connected and subscribed to everything of their own.
pub(crate) struct Desktops {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    start: Instant,
    stopped: AtomicBool,
    deliveries: AtomicU64,
    failures: AtomicU64,
    /// When each client was last sent something, in microseconds since the start.
    last: Vec<AtomicU64>,
}

struct Client {
    connection: Connection,
    user: String,
    connect: String,
    transport: Transport,
}

impl Desktops {
    /// One client for each of `users`.
    pub(crate) fn connect(http: SocketAddr, users: &[String], transport: Transport) -> Result<Self, Failed> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut clients = Vec::new();
        for (place, user) in users.iter().enumerate() {
            let client = Client::connect(http, user, transport)?;
            client.connection.stream().set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(place as u64);
            epoll::add(&epoll, client.connection.stream(), data, epoll::EventFlags::IN)?;
            clients.push(client);
        }
        let shared = Arc::new(Shared {
            start: Instant::now(),
            stopped: AtomicBool::new(false),
            deliveries: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            last: users.iter().map(|_| AtomicU64::new(0)).collect(),
        });
        let working = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("desktops".into()).spawn(move || working.run(&epoll, &mut clients))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// How many messages have come to all of them together.
    pub(crate) fn deliveries(&self) -> u64 {
        self.shared.deliveries.load(Ordering::Relaxed)
    }

    /// How many clients were cut off.
    pub(crate) fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Waits for so many messages in all.
    pub(crate) fn wait(&self, deliveries: u64, limit: Duration) {
        let until = Instant::now() + limit;
        while self.deliveries() < deliveries && Instant::now() < until {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// When that client was last sent something.
    pub(crate) fn last(&self, place: usize) -> Option<Instant> {
        let us = self.shared.last.get(place)?.load(Ordering::Acquire);
        (us > 0).then(|| self.shared.start + Duration::from_micros(us))
    }
}

impl Drop for Desktops {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, epoll: &OwnedFd, clients: &mut [Client]) {
        let mut events = Vec::with_capacity(256);
        let nap = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        while !self.stopped.load(Ordering::Relaxed) {
            events.clear();
            if epoll::wait(epoll, spare_capacity(&mut events), Some(&nap)).is_err() {
                continue;
            }
            for event in &events {
                let place = { event.data }.u64() as usize;
                let Some(client) = clients.get_mut(place) else { continue };
                if self.serve(place, client).is_err() {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    // It would be told of its end again and again.
                    let _ = epoll::delete(epoll, client.connection.stream());
                }
            }
        }
    }

    fn serve(&self, place: usize, client: &mut Client) -> Result<(), Failed> {
        client.connection.fill()?;
        while let Some(text) = client.take()? {
            let found = text.matches("\"channel\":\"/v2/me").count() as u64;
            if found > 0 {
                let us = self.start.elapsed().as_micros() as u64;
                if let Some(last) = self.last.get(place) {
                    last.store(us.max(1), Ordering::Release);
                }
                self.deliveries.fetch_add(found, Ordering::Relaxed);
            }
            if text.contains("\"channel\":\"/meta/connect\"") {
                client.poll()?;
            }
        }
        Ok(())
    }
}

impl Client {
    fn connect(http: SocketAddr, user: &str, transport: Transport) -> Result<Self, Failed> {
        let mut connection = Connection::open(http)?;
        let name = match transport {
            Transport::LongPolling => "long-polling",
            Transport::WebSocket => {
                connection.upgrade(user, NOTIFICATIONS)?;
                "websocket"
            }
        };
        let mut client = Self { connection, user: user.to_owned(), connect: String::new(), transport };
        let hello = json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": [name]}]);
        let answer = client.ask(&hello)?;
        let id = answer.pointer("/0/clientId").and_then(Value::as_str).ok_or("a handshake failed")?.to_owned();
        client.ask(&json!([{"channel": "/meta/subscribe", "clientId": id, "subscription": "/v2/me/*"}]))?;
        client.connect = json!([{"channel": "/meta/connect", "clientId": id, "connectionType": name}]).to_string();
        // The first is answered at once, with advice.
        client.poll()?;
        Ok(client)
    }

    fn ask(&mut self, message: &Value) -> Result<Value, Failed> {
        self.send(&message.to_string())?;
        loop {
            if let Some(text) = self.take()? {
                return Ok(serde_json::from_str(&text)?);
            }
            self.connection.fill()?;
        }
    }

    fn poll(&mut self) -> Result<(), Failed> {
        let text = std::mem::take(&mut self.connect);
        let sent = self.send(&text);
        self.connect = text;
        sent
    }

    fn send(&mut self, text: &str) -> Result<(), Failed> {
        match self.transport {
            Transport::LongPolling => self.connection.send(&self.user, NOTIFICATIONS, Some(text)),
            Transport::WebSocket => self.connection.send_frame(text),
        }
    }

    fn take(&mut self) -> Result<Option<String>, Failed> {
        match self.transport {
            Transport::LongPolling => self.connection.take(),
            Transport::WebSocket => self.connection.take_frame(),
        }
    }
}

const NOTIFICATIONS: &str = "/notifications";

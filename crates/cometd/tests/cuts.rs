//! Connections that are cut after every single byte: what a client gets is in order, and where messages are acknowledged
//! it is all of them, once.
#![expect(clippy::unwrap_used, reason = "what a test cannot do fails it")]

#[path = "cuts/client.rs"]
mod client;
#[path = "cuts/proxy.rs"]
mod proxy;

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use axum::{response::Response, serve::ListenerExt};
use client::{Client, Transport};
use clock::Clock;
use cometd::{Handle, Host, Identity, Principal, Settings};
use http::request::Parts;
use proxy::{Proxy, Way};

struct Everybody;

impl Host for Everybody {
    async fn authenticate(&self, _head: &Parts) -> Result<Identity, Response> {
        Ok(Identity { principal: Principal::from("ada"), browser: None })
    }

    fn may_subscribe(&self, _principal: &Principal, _channel: &str) -> bool {
        true
    }
}

/// A server with a runtime of its own, which ends with the process.
fn serve(timeout: Duration) -> (SocketAddr, Handle) {
    let (started, start) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            // Nobody disconnects here.
            let settings = Settings { max_sessions_per_principal: 100_000, timeout, ..Settings::default() };
            let server = cometd::start(settings, Clock::start(), [8; 32], Everybody);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            started.send((listener.local_addr().unwrap(), server.handle())).unwrap();
            let listener = listener.tap_io(|it| it.set_nodelay(true).unwrap());
            axum::serve(listener, server.router::<()>("/")).await.unwrap();
        });
    });
    start.recv().unwrap()
}

/// One conversation after the other, with the connection cut one byte later each time.
struct Trial {
    server: SocketAddr,
    handle: Handle,
    proxy: Proxy,
    transport: Transport,
    has_acks: bool,
    /// The number published last.
    published: u64,
    /// Conversations that had to start anew, and others that went on over another connection.
    ended: usize,
    resumed: usize,
}

impl Trial {
    fn new(transport: Transport, has_acks: bool) -> Self {
        // Without acknowledgements messages pass a connect that is held on a WebSocket, which so is answered in between.
        let is_passed = transport == Transport::WebSocket && !has_acks;
        let (server, handle) = serve(Duration::from_millis(if is_passed { 5 } else { 30_000 }));
        let proxy = Proxy::before(server);
        Self { server, handle, proxy, transport, has_acks, published: 0, ended: 0, resumed: 0 }
    }

    fn publish(&mut self, count: u64) {
        for _ in 0..count {
            self.published += 1;
            self.handle.deliver(&Principal::from("ada"), "/numbers", Arc::from(self.published.to_string()));
        }
    }

    fn run_until(client: &mut Client, is_so: impl Fn(&Client) -> bool) {
        // A cut costs a few steps; whoever needs more than this gets nowhere.
        assert!((0..30).any(|_| is_so(client) || (client.step() && is_so(client))), "{:?}", client.seen);
    }

    /// Cuts after every byte of one way, until there is no such byte any more.
    fn cut_everywhere(&mut self, way: Way) {
        for position in 0.. {
            assert!(position < 5_000, "conversations are shorter than this");
            let (cuts, first) = (self.proxy.cuts(), self.published + 1);
            let mut client = match self.transport {
                Transport::LongPolling => self.poll_cut_at(way, position),
                Transport::WebSocket => self.socket_cut_at(way, position),
            };
            self.ends_well(&mut client, first);
            if self.proxy.cuts() == cuts {
                return;
            }
        }
    }

    /// The connection that carries one connect is cut: messages wait for it, and another comes meanwhile.
    fn poll_cut_at(&mut self, way: Way, position: usize) -> Client {
        let mut client = Client::new(self.server, self.transport, self.has_acks);
        Self::run_until(&mut client, Client::is_settled);
        self.publish(2);
        client.go_by(self.proxy.address);
        self.proxy.cut_after(way, position);
        client.step();
        client
    }

    /// The connection that carries a whole conversation is cut.
    fn socket_cut_at(&mut self, way: Way, position: usize) -> Client {
        let mut client = Client::new(self.proxy.address, self.transport, self.has_acks);
        self.proxy.cut_after(way, position);
        Self::run_until(&mut client, Client::is_settled);
        for count in [1, 2] {
            self.publish(count);
            let last = self.published;
            // If the session is gone, so may the message be.
            let sessions = client.seen.len();
            while client.step() && client.is_settled() && client.last_seen() != Some(last) {}
            if client.seen.len() > sessions || !client.is_settled() {
                break;
            }
        }
        client
    }

    /// Whatever happened, a client that goes on gets what is published from now on, and it got nothing out of order.
    fn ends_well(&mut self, client: &mut Client, first: u64) {
        self.proxy.cut_after(Way::Up, usize::MAX);
        let mut last = u64::MAX;
        for _ in 0..10 {
            Self::run_until(client, Client::is_settled);
            self.publish(2);
            last = self.published;
            // What is published while a client starts anew is none of its business.
            let sessions = client.seen.len();
            Self::run_until(client, |it| it.last_seen() == Some(last) || it.seen.len() > sessions);
            if client.last_seen() == Some(last) {
                break;
            }
        }
        assert_eq!(client.last_seen(), Some(last));
        for session in &client.seen {
            assert!(session.windows(2).all(|it| it[1] == it[0] + 1), "{:?}", client.seen);
        }
        let sessions = client.seen.len();
        if self.has_acks {
            assert_eq!(client.seen, [(first..=last).collect::<Vec<_>>()]);
        }
        self.ended += usize::from(sessions > 1);
        self.resumed += usize::from(sessions == 1 && client.breaks > 0);
    }
}

#[test]
fn with_acknowledgements_a_poll_cut_anywhere_loses_and_repeats_nothing() {
    let mut trial = Trial::new(Transport::LongPolling, true);
    trial.cut_everywhere(Way::Up);
    trial.cut_everywhere(Way::Down);
    assert!(trial.resumed > 200, "{}", trial.resumed);
}

#[test]
fn with_acknowledgements_a_websocket_cut_anywhere_loses_and_repeats_nothing() {
    let mut trial = Trial::new(Transport::WebSocket, true);
    trial.cut_everywhere(Way::Up);
    trial.cut_everywhere(Way::Down);
    assert!(trial.resumed > 1_000, "{}", trial.resumed);
}

#[test]
fn without_acknowledgements_a_poll_cut_anywhere_loses_nothing_silently() {
    let mut trial = Trial::new(Transport::LongPolling, false);
    trial.cut_everywhere(Way::Up);
    assert!(trial.resumed > 100, "{}", trial.resumed);
    trial.cut_everywhere(Way::Down);
    assert!(trial.ended > 100, "{}", trial.ended);
}

#[test]
fn without_acknowledgements_a_websocket_cut_anywhere_loses_nothing_silently() {
    let mut trial = Trial::new(Transport::WebSocket, false);
    trial.cut_everywhere(Way::Up);
    trial.cut_everywhere(Way::Down);
    assert!(trial.resumed > 500, "{}", trial.resumed);
    assert!(trial.ended > 100, "{}", trial.ended);
}

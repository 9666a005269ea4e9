//! The SIP sockets, and the legs behind them: datagrams and connections in and out, nothing decided.

mod connections;
mod locate;
mod names;
mod settings;

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use clock::Time;
use legs::{Input, Legs};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;

pub use self::settings::Settings;
use self::{
    connections::{Connections, Event},
    names::{Names, Resolved},
};
pub use legs::{MediaOrder, Output, Ports, Stream, TrunkCounts, TrunkState};

/// What went over the sockets, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams, and pieces of streams, read.
    pub received: u64,
    /// Messages written.
    pub sent: u64,
    /// Messages not written because the socket could not take them; SIP over UDP sends them again.
    pub dropped: u64,
}

/// Whoever drives the legs: it hands out ports, and may watch what passes. What follows from an input is shown after it
/// and before the next one.
pub trait Host: Ports {
    /// The legs are about to be told this.
    fn before(&mut self, _input: &Input<'_>, _now: Time) {}

    /// The legs want this; it is about to be done.
    fn after(&mut self, _output: &Output) {}
}

/// One UDP socket, one TCP listener with its connections, and all legs. Its driver owns it on one thread: it waits for [`Sip::readable`], for
/// [`Sip::poll_timeout`] and for orders, and hands each on.
pub struct Sip {
    socket: UdpSocket,
    /// Whether the socket is one of IPv6.
    is_ip6: bool,
    connections: Connections,
    names: Names,
    /// What has happened on a connection or to a name, seen while waiting.
    seen: Option<Seen>,
    legs: Legs,
    buffer: Box<[u8]>,
    outputs: Vec<Output>,
    counters: Counters,
}

enum Seen {
    Connection(Event),
    Name(Resolved),
}

impl Sip {
    /// Opens the sockets. To be called inside the tokio runtime that drives this.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub fn bind(settings: &Settings, seed: u64) -> io::Result<Self> {
        let socket = open(settings.listen)?;
        let listen = socket.local_addr()?;
        let connections = Connections::listen(settings.tcp.unwrap_or(listen))?;
        Ok(Self {
            legs: Legs::new(settings.legs(listen, connections.local_addr()), seed),
            socket,
            is_ip6: listen.is_ipv6(),
            connections,
            names: Names::new(settings.dns, listen.ip(), seed)?,
            seen: None,
            buffer: vec![0; DATAGRAM_MAX].into(),
            outputs: Vec::new(),
            counters: Counters::default(),
        })
    }

    /// Where the socket listens: with the port that was chosen if 0 was asked for.
    ///
    /// # Errors
    /// The socket does not know, which cannot be of a bound one.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Waits until there is something to [`Self::receive`]. May be given up at any moment.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub async fn readable(&mut self) -> io::Result<()> {
        if self.seen.is_some() {
            return Ok(());
        }
        tokio::select! {
            readable = self.socket.readable() => readable,
            Some(event) = self.connections.next() => {
                self.seen = Some(Seen::Connection(event));
                Ok(())
            }
            Some(resolved) = self.names.next() => {
                self.seen = Some(Seen::Name(resolved));
                Ok(())
            }
        }
    }

    /// Reads what has come, but no more than a batch so that timers and orders get their turn; the socket is still
    /// readable then. Sends what follows, and appends all else to `events`.
    pub fn receive(&mut self, host: &mut dyn Host, now: Time, events: &mut Vec<Output>) {
        for _ in 0..BATCH {
            let (length, source) = match self.socket.try_recv_from(&mut self.buffer) {
                Ok(it) => it,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP message about something sent earlier; the next read goes on.
                Err(error) => {
                    tracing::trace!(%error, "receiving");
                    continue;
                }
            };
            self.counters.received += 1;
            let bytes = self.buffer.get(..length).unwrap_or_default();
            // An IPv4 peer of a socket for both families has one address, whichever way it is written.
            let source = SocketAddr::new(source.ip().to_canonical(), source.port());
            let input = Input::Datagram { bytes, source };
            host.before(&input, now);
            self.legs.handle(input, host, now, &mut self.outputs);
            self.transmit(host, now, events);
        }
        for _ in 0..BATCH {
            let seen = self.seen.take().or_else(|| self.connections.pending().map(Seen::Connection));
            match seen {
                Some(Seen::Connection(event)) => self.connection(&event, host, now, events),
                Some(Seen::Name(Resolved { trunk, targets })) => {
                    self.handle(Input::Resolved { trunk, targets }, host, now, events);
                }
                None => break,
            }
        }
    }

    fn connection(&mut self, event: &Event, host: &mut dyn Host, now: Time, events: &mut Vec<Output>) {
        if !self.connections.note(event) {
            return;
        }
        let input = match event {
            Event::Opened(it, _) => Input::Connected(it.peer),
            Event::Bytes(it, bytes) => {
                self.counters.received += 1;
                Input::Stream { bytes, source: it.peer }
            }
            Event::Closed(it) => Input::Disconnected(it.peer),
        };
        self.handle(input, host, now, events);
    }

    /// Hands the legs an order, a directory, a time-out or any other input; sends what follows, and appends all else to
    /// `events`.
    pub fn handle(&mut self, input: Input<'_>, host: &mut dyn Host, now: Time, events: &mut Vec<Output>) {
        host.before(&input, now);
        if let Input::Directory(directory) = &input {
            self.names.follow(&directory.trunks);
        }
        self.legs.handle(input, host, now, &mut self.outputs);
        self.transmit(host, now, events);
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`], if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.legs.poll_timeout()
    }

    /// The legs, to be counted.
    #[must_use]
    pub fn legs(&self) -> &Legs {
        &self.legs
    }

    /// What went over the socket.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn transmit(&mut self, host: &mut dyn Host, now: Time, events: &mut Vec<Output>) {
        // Each connection that is lost here is lost once, so this ends.
        while !self.outputs.is_empty() {
            let mut lost = Vec::new();
            let mut outputs = std::mem::take(&mut self.outputs);
            for output in outputs.drain(..) {
                host.after(&output);
                match output {
                    Output::Transmit { to, bytes } if to.transport.is_connected() => {
                        if !self.over_connection(to.remote, bytes) {
                            lost.push(to.remote);
                        }
                    }
                    Output::Transmit { to, bytes } => self.over_socket(to.remote, &bytes),
                    Output::Connect(peer) => self.connections.connect(peer),
                    Output::Disconnect(peer) => self.connections.close(peer),
                    other => events.push(other),
                }
            }
            // Keeps its memory for the next turn.
            self.outputs = outputs;
            lost.dedup();
            for peer in lost {
                let input = Input::Disconnected(peer);
                host.before(&input, now);
                self.legs.handle(input, host, now, &mut self.outputs);
            }
        }
    }

    fn over_socket(&mut self, to: SocketAddr, bytes: &[u8]) {
        // A socket for both families knows an IPv4 peer by its IPv6 form.
        let destination = match to.ip() {
            IpAddr::V4(ip) if self.is_ip6 => (ip.to_ipv6_mapped(), to.port()).into(),
            _ => to,
        };
        match self.socket.try_send_to(bytes, destination) {
            Ok(_) => self.counters.sent += 1,
            Err(error) => {
                tracing::trace!(%error, %to, "sending");
                self.counters.dropped += 1;
            }
        }
    }

    fn over_connection(&mut self, to: SocketAddr, bytes: Vec<u8>) -> bool {
        let sent = self.connections.send(to, bytes);
        let counter = if sent { &mut self.counters.sent } else { &mut self.counters.dropped };
        *counter += 1;
        sent
    }
}

fn open(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    if listen.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A burst of registrations after a power cut must fit; the kernel may allow less.
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "the receive buffer stays as it is");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(listen))?;
    UdpSocket::from_std(socket.into())
}

/// How long a leg may be silent before it is to be asked with [`Input::Silent`] (V-08).
pub const SILENCE: Duration = Duration::from_secs(30);

/// The longest datagram that UDP can carry.
const DATAGRAM_MAX: usize = 65_535;
const RECEIVE_BUFFER: usize = 4 << 20;
/// At some 20 µs a datagram, a millisecond or so.
const BATCH: usize = 64;

//! The SIP socket, and the legs behind it: datagrams in and out, nothing decided.

mod settings;

#[cfg(test)]
mod tests;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use clock::Time;
use domain::{config::Trunk, event::Directory};
use legs::{Input, Legs};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;

pub use self::settings::Settings;
pub use legs::{MediaOrder, Output, Ports, Stream};

/// What went over the socket, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams read.
    pub received: u64,
    /// Datagrams written.
    pub sent: u64,
    /// Datagrams not written because the socket could not take them; SIP over UDP sends them again.
    pub dropped: u64,
}

/// One UDP socket and all legs. Its driver owns it on one thread: it waits for [`Sip::readable`], for
/// [`Sip::poll_timeout`] and for orders, and hands each on.
pub struct Sip {
    socket: UdpSocket,
    legs: Legs,
    buffer: Box<[u8]>,
    outputs: Vec<Output>,
    counters: Counters,
}

impl Sip {
    /// Opens the socket. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(settings: &Settings, seed: u64) -> io::Result<Self> {
        let socket = open(settings.listen)?;
        let listen = socket.local_addr()?;
        Ok(Self {
            legs: Legs::new(settings.legs(listen), seed),
            socket,
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
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Reads what has come, but no more than a batch so that timers and orders get their turn; the socket is still
    /// readable then. Sends what follows, and appends all else to `events`.
    pub fn receive(&mut self, ports: &mut dyn Ports, now: Time, events: &mut Vec<Output>) {
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
            self.legs.handle(Input::Datagram { bytes, source }, ports, now, &mut self.outputs);
            self.transmit(events);
        }
    }

    /// Hands the legs an order, a directory, a time-out or any other input; sends what follows, and appends all else to
    /// `events`.
    pub fn handle(&mut self, input: Input<'_>, ports: &mut dyn Ports, now: Time, events: &mut Vec<Output>) {
        self.legs.handle(input, ports, now, &mut self.outputs);
        self.transmit(events);
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

    fn transmit(&mut self, events: &mut Vec<Output>) {
        for output in self.outputs.drain(..) {
            let Output::Transmit { to, bytes } = output else {
                events.push(output);
                continue;
            };
            match self.socket.try_send_to(&bytes, to.remote) {
                Ok(_) => self.counters.sent += 1,
                Err(error) => {
                    tracing::trace!(%error, %to, "sending");
                    self.counters.dropped += 1;
                }
            }
        }
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

/// Replaces the host names of trunks by their addresses, one entry each, because the legs ask no resolver. Names that
/// cannot be resolved now are left out. Not to be awaited on the thread of [`Sip`].
pub async fn resolve(mut directory: Directory) -> Directory {
    let mut trunks = Vec::with_capacity(directory.trunks.len());
    for trunk in directory.trunks {
        if !is_named(&trunk) {
            trunks.push(trunk);
            continue;
        }
        let (host, port) = host_and_port(&trunk);
        match tokio::net::lookup_host((host, 0)).await {
            Ok(found) => {
                let mut addresses: Vec<_> = found.map(|it| it.ip()).collect();
                addresses.dedup();
                trunks.extend(addresses.into_iter().map(|ip| Trunk {
                    address: port.map_or_else(|| ip.to_string(), |port| with_port(ip, port)),
                    ..trunk.clone()
                }));
            }
            Err(error) => tracing::warn!(trunk = trunk.name, %error, "the trunk's address cannot be resolved"),
        }
    }
    directory.trunks = trunks;
    directory
}

/// Whether a trunk's address is a host name, which [`resolve`] must turn into addresses.
#[must_use]
pub fn is_named(trunk: &Trunk) -> bool {
    let (host, _) = host_and_port(trunk);
    !host.contains(':') && !host.starts_with('[') && host.parse::<IpAddr>().is_err()
}

fn host_and_port(trunk: &Trunk) -> (&str, Option<&str>) {
    match trunk.address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (&trunk.address, None),
    }
}

fn with_port(ip: IpAddr, port: &str) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("[{ip}]:{port}"),
    }
}

/// How long a leg may be silent before it is to be asked with [`Input::Silent`] (V-08).
pub const SILENCE: Duration = Duration::from_secs(30);

/// The longest datagram that UDP can carry.
const DATAGRAM_MAX: usize = 65_535;
const RECEIVE_BUFFER: usize = 4 << 20;
/// At some 20 µs a datagram, a millisecond or so.
const BATCH: usize = 64;

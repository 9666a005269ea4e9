//! Leases of port pairs: RTP on an even port, RTCP on the next (RFC 3550 s11).

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// The ports that legs may use. A clone leases from the same range.
#[derive(Clone, Debug)]
pub struct Ports {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bind: IpAddr,
    first: u16,
    pairs: u32,
    /// Where the next search begins. Ports are used in turn, so that one just returned rests for as long as possible
    /// and the last packets of an old call do not reach a new one.
    next: AtomicU32,
    leased: AtomicUsize,
}

impl Ports {
    /// The even ports of `range` with the odd ones above them; the first search begins at a place made from `chance`.
    #[must_use]
    pub fn new(bind: IpAddr, range: &RangeInclusive<u16>, chance: u32) -> Self {
        let first = range.start().checked_next_multiple_of(2).unwrap_or(u16::MAX);
        let pairs = (u32::from(*range.end()) + 1).saturating_sub(u32::from(first)) / 2;
        let next = AtomicU32::new(chance.checked_rem(pairs).unwrap_or(0));
        Self { shared: Arc::new(Shared { bind, first, pairs, next, leased: AtomicUsize::new(0) }) }
    }

    /// Binds a free pair. `None`: none of the next hundred was free, or the process may open no more sockets.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        let Shared { first, pairs, next, .. } = &*self.shared;
        for _ in 0..TRIES.min(*pairs) {
            let pair = next.fetch_add(1, Ordering::Relaxed) % pairs;
            let port = first + u16::try_from(pair * 2).ok()?;
            match self.bind(port) {
                Ok(lease) => return Some(lease),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    tracing::warn!(port, %error, "cannot bind a media port");
                    return None;
                }
            }
        }
        None
    }

    /// How many pairs are leased now.
    #[must_use]
    pub fn leased(&self) -> usize {
        self.shared.leased.load(Ordering::Relaxed)
    }

    /// How many pairs the range has.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.shared.pairs as usize
    }

    fn bind(&self, port: u16) -> io::Result<Lease> {
        let socket = |port| {
            let at = SocketAddr::new(self.shared.bind, port);
            let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
            if at.is_ipv6() {
                socket.set_only_v6(false)?;
            }
            socket.set_nonblocking(true)?;
            socket.bind(&SockAddr::from(at))?;
            Ok::<_, io::Error>(UdpSocket::from(socket))
        };
        let (rtp, rtcp) = (socket(port)?, socket(port + 1)?);
        self.shared.leased.fetch_add(1, Ordering::Relaxed);
        Ok(Lease { port, rtp, rtcp, shared: Arc::clone(&self.shared) })
    }
}

/// A pair of bound sockets. Dropping it returns the ports.
#[derive(Debug)]
pub struct Lease {
    port: u16,
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    shared: Arc<Shared>,
}

impl Lease {
    /// The even port, for the `m=` line of our SDP. RTCP is on the next.
    #[must_use]
    pub const fn rtp_port(&self) -> u16 {
        self.port
    }

    /// A peer's address as the sockets want it: one for both families knows an IPv4 peer by its IPv6 form.
    pub(crate) fn destination(&self, to: SocketAddr) -> SocketAddr {
        match to.ip() {
            IpAddr::V4(ip) if self.shared.bind.is_ipv6() => (ip.to_ipv6_mapped(), to.port()).into(),
            _ => to,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.leased.fetch_sub(1, Ordering::Relaxed);
    }
}

const TRIES: u32 = 100;

#[cfg(test)]
mod tests;

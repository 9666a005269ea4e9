//! Where a message came from and where one goes, without assuming a transport.

use std::{fmt, net::SocketAddr};

/// How messages travel. TLS and WebSocket become further variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams: lost, doubled and reordered, so transactions retransmit.
    Udp,
    /// A connection: nothing on it is lost while it lives.
    Tcp,
}

impl Transport {
    /// The name as a `Via` states it (RFC 3261 s20.42).
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// Whether messages travel on connections, which are used both ways and not opened by us.
    #[must_use]
    pub const fn is_connected(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp => true,
        }
    }

    /// The port of a SIP URI that states none (RFC 3261 s19.1.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
        }
    }
}

/// One way to a peer: the transport and the peer's address on it. Everything that is sent names the flow it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// The peer's address.
    pub remote: SocketAddr,
}

impl Flow {
    /// The way to `remote` over UDP.
    #[must_use]
    pub const fn udp(remote: SocketAddr) -> Self {
        Self { transport: Transport::Udp, remote }
    }

    /// The connection with `remote`, which opened it.
    #[must_use]
    pub const fn tcp(remote: SocketAddr) -> Self {
        Self { transport: Transport::Tcp, remote }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.transport.via_name(), self.remote)
    }
}

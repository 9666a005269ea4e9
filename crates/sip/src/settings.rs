//! Where we listen and how we name ourselves.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    time::Duration,
};

/// Where we listen and how we name ourselves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[sip] domain`.
    pub domain: String,
    /// `[sip] udp`.
    pub listen: SocketAddr,
    /// `[sip] tcp`; `None` is the address and port of `listen`.
    pub tcp: Option<SocketAddr>,
    /// The address in `Contact` and `Via`; needed only where `listen` is every address and the way to the peers is not
    /// the way to the internet.
    pub advertise: Option<IpAddr>,
    /// `[sip] session_expires`: how long a session lives unless it is refreshed (RFC 4028), 90 s at least.
    pub session_expires: Duration,
    /// `[sip] dns`: the name server that is asked for trunks, instead of those of the system.
    pub dns: Option<SocketAddr>,
    /// `[media] address`: what SDP advertises.
    pub media: IpAddr,
    /// `[media] address6`: what it advertises to peers with an IPv6 address.
    pub media6: Option<Ipv6Addr>,
}

impl Settings {
    pub(crate) fn legs(&self, listen: SocketAddr, tcp: SocketAddr) -> legs::Settings {
        let advertised = self.advertise.unwrap_or_else(|| reachable(listen.ip()));
        let contact = SocketAddr::new(advertised, listen.port());
        let mut settings = legs::Settings::new(&self.domain, contact, self.media);
        settings.contact_tcp = SocketAddr::new(self.advertise.unwrap_or_else(|| reachable(tcp.ip())), tcp.port());
        settings.contact6 = [listen.ip(), tcp.ip()].into_iter().find_map(ip6_beside);
        settings.media6 = self.media6;
        settings.session_expires = self.session_expires;
        settings.listeners = vec![listen.ip(), tcp.ip()];
        settings
    }
}

/// The address itself, or for "every address" the one that the way out of this machine begins at.
fn reachable(listen: IpAddr) -> IpAddr {
    if !listen.is_unspecified() {
        return listen;
    }
    // Connecting a datagram socket sends nothing: it asks the routing table (192.0.2.1 is for documentation).
    let probe = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    probe().unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// The IPv6 address of a socket for both families, whose IPv4 address is the [`reachable`] one.
fn ip6_beside(listen: IpAddr) -> Option<Ipv6Addr> {
    let IpAddr::V6(Ipv6Addr::UNSPECIFIED) = listen else { return None };
    // 2001:db8:: is for documentation.
    let probe = || {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9)).ok()?;
        match socket.local_addr().ok()?.ip() {
            IpAddr::V6(it) => Some(it),
            IpAddr::V4(_) => None,
        }
    };
    Some(probe().unwrap_or(Ipv6Addr::LOCALHOST))
}

//! What the legs are told once: who we are and where we are reached.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use sip_proto::{Config, Flow, Host, Method, Transport, Uri, reliable, session};

/// Who we are and where we are reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The SIP domain, also the digest realm.
    pub domain: String,
    /// Where peers reach us: what `Via` and `Contact` say. Where the socket is bound to every address, this must be one
    /// of them.
    pub contact: SocketAddr,
    /// The same for those who reach us over TCP.
    pub contact_tcp: SocketAddr,
    /// Our address, at the same ports, for peers with an IPv6 address where `contact` has an IPv4 one.
    pub contact6: Option<Ipv6Addr>,
    /// Further addresses under which requests may name us; an unspecified one (`0.0.0.0`, `::`) stands for those of this
    /// machine alone.
    pub listeners: Vec<IpAddr>,
    /// The address that SDP advertises.
    pub media: IpAddr,
    /// The one that it advertises to peers with an IPv6 address, where `media` is an IPv4 one.
    pub media6: Option<Ipv6Addr>,
    /// `User-Agent` and `Server`.
    pub agent: String,
    /// T1 of RFC 3261 s17.1.1.1 in milliseconds: 500 but in tests.
    pub t1_ms: u64,
    /// How long a session lives unless it is refreshed (RFC 4028); 90 s at least.
    pub session_expires: Duration,
    /// The most SIP transactions that are held at once.
    pub transactions_max: usize,
    /// The most legs that peers may begin.
    pub legs_max: usize,
}

impl Settings {
    /// The usual settings.
    #[must_use]
    pub fn new(domain: impl Into<String>, contact: SocketAddr, media: IpAddr) -> Self {
        Self {
            domain: domain.into(),
            contact,
            contact_tcp: contact,
            contact6: None,
            listeners: Vec::new(),
            media,
            media6: None,
            agent: "Undertone".to_owned(),
            t1_ms: 500,
            session_expires: Duration::from_secs(1800),
            transactions_max: 100_000,
            legs_max: 20_000,
        }
    }

    pub(crate) fn endpoint(&self) -> Config {
        let mut config = Config::new(self.contact.to_string(), self.agent.clone());
        config.sent_by_tcp = self.contact_tcp.to_string();
        let ip6 = |at: SocketAddr| self.contact6.map_or(at, |it| (it, at.port()).into()).to_string();
        config.sent_by_ip6 = self.contact6.map(|_| [ip6(self.contact), ip6(self.contact_tcp)]);
        config.allow = vec![
            Method::Invite,
            Method::Ack,
            Method::Cancel,
            Method::Bye,
            Method::Options,
            Method::Update,
            Method::Prack,
            Method::Register,
        ];
        config.supported = [reliable::OPTION, session::OPTION, "path", "outbound"].map(str::to_owned).into();
        config.t1_ms = self.t1_ms;
        config.transactions_max = self.transactions_max;
        config
    }

    /// Our `Contact` for a peer, in its transport and its family of addresses.
    pub(crate) fn contact_field(&self, to: Flow) -> String {
        let ip6 = self.contact6.filter(|_| to.remote.is_ipv6());
        let towards = |at: SocketAddr| ip6.map_or(at, |it| (it, at.port()).into());
        match to.transport {
            Transport::Udp => format!("<sip:{}>", towards(self.contact)),
            Transport::Tcp => format!("<sip:{};transport=tcp>", towards(self.contact_tcp)),
        }
    }

    /// The address that SDP advertises to a peer, and the one of the other family if we have one.
    pub(crate) fn media_towards(&self, peer: IpAddr) -> (IpAddr, Option<IpAddr>) {
        match self.media6.map(IpAddr::from) {
            Some(ip6) if peer.is_ipv6() => (ip6, Some(self.media)),
            other => (self.media, other),
        }
    }

    /// Whether a URI is for us: the domain, or the address of a listener with any port or none.
    pub(crate) fn is_ours(&self, uri: &Uri) -> bool {
        match uri.host() {
            Some(Host::Ip(ip)) => {
                let ip = &ip.to_canonical();
                *ip == self.contact.ip()
                    || *ip == self.contact_tcp.ip()
                    || self.contact6.is_some_and(|it| *ip == it)
                    || self.listeners.iter().any(|it| it == ip || (it.is_unspecified() && ip.is_loopback()))
                    || self.domain == ip.to_string()
            }
            Some(host @ Host::Name(_)) => host.to_string().eq_ignore_ascii_case(&self.domain),
            None => false,
        }
    }
}

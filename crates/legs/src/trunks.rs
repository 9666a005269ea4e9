//! The trunks: where each is, who sends from there, and which of its addresses is to be tried next.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use clock::Time;
use domain::{
    config::{self, Account, TrunkTransport},
    leg::Origin,
};
use sip_proto::{ClientId, Flow, Host, Request, Transport, Uri, digest::Signer, message};

use crate::{Context, Legs, Output, attempts::Attempt, enrolments::Enrolment};

/// All trunks, with what is under way towards them.
#[derive(Default)]
pub(crate) struct Trunks {
    pub(crate) all: BTreeMap<String, Trunk>,
    /// The INVITEs that may be tried again.
    pub(crate) attempts: BTreeMap<ClientId, Attempt>,
    /// When the next address is tried although the last one may still answer.
    pub(crate) impatience: BTreeSet<(Time, ClientId)>,
    /// Our registrations, by number.
    pub(crate) enrolments: BTreeMap<u64, Enrolment>,
    pub(crate) enrolled: u64,
    /// Connections to be kept open, and when they are pinged next.
    pub(crate) pings: BTreeMap<SocketAddr, Time>,
}

pub(crate) struct Trunk {
    is: config::Trunk,
    pub(crate) host: String,
    /// `None` covers every source port of the host.
    port: Option<u16>,
    /// Where it is, the best first; none while its name is not resolved.
    targets: Vec<Flow>,
    /// Targets that failed, and until when the others are preferred.
    resting: BTreeMap<Flow, Time>,
    /// Answers its challenges to our calls.
    pub(crate) signer: Option<Signer>,
}

impl Trunk {
    fn new(is: &config::Trunk) -> Self {
        let (host, port) = host_and_port(&is.address);
        let targets = literal(host).map(|ip| literal_target(ip, port, is.transport)).into_iter().collect();
        let signer = is.account.as_ref().map(|it| Signer::new(&it.user_name, &it.password.0));
        Self { host: host.to_owned(), port, targets, resting: BTreeMap::new(), signer, is: is.clone() }
    }

    fn is_where(&self, other: &config::Trunk) -> bool {
        self.is.address == other.address && self.is.transport == other.transport
    }

    pub(crate) fn account(&self) -> Option<&Account> {
        self.is.account.as_ref()
    }

    /// Whether requests from there are its.
    fn sends_from(&self, from: Flow) -> bool {
        let remote = SocketAddr::new(from.remote.ip().to_canonical(), from.remote.port());
        self.targets.iter().any(|it| {
            // Whoever connects has a port of the moment.
            let any_port = self.port.is_none() || (from.transport.is_connected() && it.transport.is_connected());
            it.remote.ip() == remote.ip() && (any_port || it.remote.port() == remote.port())
        })
    }

    /// Its addresses in the order in which they are to be tried now: those that failed lately last.
    pub(crate) fn ways(&self, now: Time) -> Vec<Flow> {
        let rests = |it: &Flow| self.resting.get(it).is_some_and(|until| *until > now);
        let (resting, fresh): (Vec<_>, Vec<_>) = self.targets.iter().copied().partition(rests);
        fresh.into_iter().chain(resting).collect()
    }

    /// Whether it has an address at all.
    pub(crate) fn is_resolved(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Whether there is an address beside this one that has not failed lately.
    pub(crate) fn has_fresh_way_but(&self, flow: Flow, now: Time) -> bool {
        let rests = |it: &Flow| self.resting.get(it).is_some_and(|until| *until > now);
        self.targets.iter().any(|it| *it != flow && !rests(it))
    }

    /// This address did not answer, or has said that it cannot now (RFC 3263 s4.3).
    pub(crate) fn rest(&mut self, flow: Flow, wait: Option<Duration>, now: Time) {
        let wait = wait.unwrap_or(REST).min(REST_MAX);
        self.resting.retain(|it, until| *until > now && self.targets.contains(it));
        if self.targets.contains(&flow) {
            self.resting.insert(flow, now + wait);
        }
    }

    /// This address works.
    pub(crate) fn wake(&mut self, flow: Flow) {
        self.resting.remove(&flow);
    }

    /// `sip:user@host:port` there; without a user, `sip:host:port`.
    pub(crate) fn uri(&self, user: &str) -> Option<Uri> {
        let host = match literal(&self.host) {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            Some(ip) => ip.to_string(),
            None => self.host.clone(),
        };
        // A literal address states its port, as it always did; a name's port may be for its domain to choose.
        let port = self.port.or_else(|| literal(&self.host).map(|_| Transport::Udp.default_port()));
        let port = port.map(|it| format!(":{it}")).unwrap_or_default();
        let user = if user.is_empty() { String::new() } else { format!("{}@", message::escape_user(user)) };
        message::uri(&format!("sip:{user}{host}{port}"))
    }

    /// Whether a URI names this very trunk.
    pub(crate) fn is_at(&self, uri: &Uri) -> bool {
        let same_port = match (uri.port(), self.port) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        let same_host = match uri.host() {
            Some(Host::Ip(ip)) => self.targets.iter().any(|it| it.remote.ip() == ip.to_canonical()),
            Some(host @ Host::Name(_)) => host.to_string().eq_ignore_ascii_case(&self.host),
            None => false,
        };
        same_host && same_port && uri.scheme().is_sip()
    }
}

impl Trunks {
    /// The trunk that sends from here. One with a port is meant more precisely than one without.
    pub(crate) fn at(&self, from: Flow) -> Option<(&str, &Trunk)> {
        let mut here = self.all.iter().filter(|(_, it)| it.sends_from(from)).map(|(name, it)| (name.as_str(), it));
        let first = here.next()?;
        if first.1.port.is_some() {
            return Some(first);
        }
        Some(here.find(|(_, it)| it.port.is_some()).unwrap_or(first))
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        let enrolments = self.enrolments.values().filter_map(Enrolment::poll_timeout).min();
        let impatience = self.impatience.first().map(|it| it.0);
        [enrolments, impatience, self.pings.values().min().copied()].into_iter().flatten().min()
    }
}

impl Legs {
    /// What is known of a trunk stays known as long as it is the same one.
    pub(crate) fn on_trunks(&mut self, trunks: &[config::Trunk], cx: &mut Context<'_>) {
        let mut before = std::mem::take(&mut self.trunks.all);
        for it in trunks {
            let mut trunk = Trunk::new(it);
            if let Some(before) = before.remove(&it.name).filter(|before| before.is_where(it)) {
                (trunk.targets, trunk.resting) = (before.targets, before.resting);
                if before.is.account == it.account {
                    trunk.signer = before.signer;
                }
            }
            self.trunks.all.insert(it.name.clone(), trunk);
        }
        self.enrol(cx);
    }

    /// A trunk's name has been resolved.
    pub(crate) fn on_resolved(&mut self, name: &str, targets: Vec<Flow>, cx: &mut Context<'_>) {
        let Some(trunk) = self.trunks.all.get_mut(name) else { return };
        if literal(&trunk.host).is_none() && trunk.targets != targets {
            trunk.targets = targets;
            self.enrol(cx);
        }
    }

    /// Who calls from there, if it is a trunk: as it shows its callers.
    pub(crate) fn trunk_origin(&self, from: Flow, sender: &Uri, user: String) -> Option<Origin> {
        let (name, _) = self.trunks.at(from)?;
        Some(Origin::Trunk { name: name.to_owned(), caller: shown(sender, user) })
    }

    /// What was dialled, as a trunk says it: where it calls the account that we registered, the number that its caller
    /// dialled stands in `P-Called-Party-ID` (RFC 7315 s4.2) or in `To`.
    pub(crate) fn dialled_through(&self, from: Flow, request: &Request) -> String {
        let user = number(&request.uri);
        let account = self.trunks.at(from).and_then(|(_, it)| it.account());
        if account.is_none_or(|it| it.user_name != user) {
            return user;
        }
        crate::attempts::called_party(request).filter(|it| !it.is_empty()).unwrap_or(user)
    }

    /// Opens a connection where one is needed and there is none. Only trunks are connected to.
    pub(crate) fn reach(&mut self, flow: Flow, cx: &mut Context<'_>) {
        if flow.transport.is_connected() && !self.streams.is_open(flow.remote) {
            self.streams.open(flow.remote, cx.now);
            cx.out.push(Output::Connect(flow.remote));
        }
    }

    /// Whether a flow leads to a trunk that we may connect to.
    pub(crate) fn leads_to_trunk(&self, flow: Flow) -> bool {
        self.trunks.all.values().any(|it| it.targets.contains(&flow))
    }

    /// Tries what has waited for long enough.
    pub(crate) fn trunk_timeouts(&mut self, cx: &mut Context<'_>) {
        self.lose_patience(cx);
        self.enrolment_timeouts(cx);
        self.ping_trunks(cx);
    }
}

/// The number in a URI: what follows a semicolon are parameters of a telephone number (RFC 3966 s3), not part of it.
pub(crate) fn number(uri: &Uri) -> String {
    message::user(uri).split(';').next().unwrap_or_default().to_owned()
}

/// The caller's number as a trunk shows it; empty when withheld (RFC 3323 s4.1.1.3).
fn shown(uri: &Uri, user: String) -> String {
    let host = uri.host().map(ToString::to_string).unwrap_or_default();
    if user.eq_ignore_ascii_case("anonymous") || host.eq_ignore_ascii_case("anonymous.invalid") {
        return String::new();
    }
    user
}

/// `127.0.0.1`, `127.0.0.1:5080`, `::1`, `[::1]:5080`, `carrier.example`, `carrier.example:5080`.
fn host_and_port(text: &str) -> (&str, Option<u16>) {
    if let Some((host, port)) = text.strip_prefix('[').and_then(|it| it.split_once(']')) {
        return (host, port.strip_prefix(':').and_then(|it| it.parse().ok()));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (text, None),
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    host.parse::<IpAddr>().ok().map(|it| it.to_canonical())
}

fn literal_target(ip: IpAddr, port: Option<u16>, transport: TrunkTransport) -> Flow {
    let transport = if transport == TrunkTransport::Tcp { Transport::Tcp } else { Transport::Udp };
    Flow { transport, remote: SocketAddr::new(ip, port.unwrap_or(transport.default_port())) }
}

/// For how long an address that failed is tried after the others, and the most that it may ask for itself.
const REST: Duration = Duration::from_secs(60);
const REST_MAX: Duration = Duration::from_secs(600);

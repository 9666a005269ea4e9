//! Where a trunk is, by the rules of RFC 3263: NAPTR where neither port nor transport is given, SRV where no port is, addresses.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use domain::config::{Trunk, TrunkTransport};
use hickory_resolver::{
    TokioResolver,
    net::NetError,
    proto::rr::{RData, RecordType},
};
use rand_chacha::{ChaCha8Rng, rand_core::Rng};
use sip_proto::{Flow, Transport};

/// What was found, and for how long it holds.
pub(crate) struct Located {
    pub(crate) targets: Vec<Flow>,
    pub(crate) lasts: Duration,
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    pub(crate) host: String,
}

/// The queries that belong to one question.
pub(crate) struct Locator<'a> {
    pub(crate) resolver: &'a TokioResolver,
    pub(crate) random: &'a mut ChaCha8Rng,
    /// Which addresses our socket can send to.
    pub(crate) fits: fn(IpAddr) -> bool,
    until: Option<Instant>,
}

impl<'a> Locator<'a> {
    pub(crate) fn new(resolver: &'a TokioResolver, random: &'a mut ChaCha8Rng, fits: fn(IpAddr) -> bool) -> Self {
        Self { resolver, random, fits, until: None }
    }

    /// Asks until every address is known.
    pub(crate) async fn locate(mut self, trunk: &Trunk) -> Result<Located, NetError> {
        let (host, port) = host_and_port(&trunk.address);
        let wanted = match trunk.transport {
            TrunkTransport::Any => None,
            TrunkTransport::Udp => Some(Transport::Udp),
            TrunkTransport::Tcp => Some(Transport::Tcp),
        };
        let plain = wanted.unwrap_or(Transport::Udp);
        let mut targets = match (port, wanted) {
            (Some(port), _) => self.addresses(host, port, plain).await?,
            (None, Some(transport)) => self.services(&service_name(host, transport), transport).await?,
            (None, None) => self.naming_authority(host).await?,
        };
        if targets.is_empty() && port.is_none() {
            targets = self.addresses(host, plain.default_port(), plain).await?;
        }
        let mut seen = Vec::new();
        targets.retain(|it| {
            !seen.contains(it) && {
                seen.push(*it);
                true
            }
        });
        targets.truncate(TARGETS_MAX);
        let lasts = self.until.map_or(LASTS_MAX, |it| it.saturating_duration_since(Instant::now()));
        Ok(Located { targets, lasts: lasts.clamp(LASTS_MIN, LASTS_MAX) })
    }

    /// RFC 3263 s4.1: the transports that the domain offers, in its order; without such records, what we would take.
    async fn naming_authority(&mut self, host: &str) -> Result<Vec<Flow>, NetError> {
        let mut offers = Vec::new();
        for data in self.records(host, RecordType::NAPTR).await? {
            let RData::NAPTR(it) = data else { continue };
            let transport = match it.services.to_ascii_uppercase().as_slice() {
                b"SIP+D2U" => Transport::Udp,
                b"SIP+D2T" => Transport::Tcp,
                _ => continue,
            };
            if it.flags.eq_ignore_ascii_case(b"s") {
                offers.push((it.order, it.preference, it.replacement.to_string(), transport));
            }
        }
        offers.sort_by_key(|it| (it.0, it.1));
        if offers.is_empty() {
            offers.extend([Transport::Udp, Transport::Tcp].map(|it| (0, 0, service_name(host, it), it)));
        }
        let mut targets = Vec::new();
        for (_, _, name, transport) in offers.into_iter().take(SERVICES_MAX) {
            targets.extend(self.services(&name, transport).await?);
        }
        Ok(targets)
    }

    /// RFC 3263 s4.2 and RFC 2782.
    async fn services(&mut self, name: &str, transport: Transport) -> Result<Vec<Flow>, NetError> {
        let services = self.records(name, RecordType::SRV).await?.into_iter().filter_map(|it| match it {
            RData::SRV(it) if !it.target.is_root() => {
                Some(Service { priority: it.priority, weight: it.weight, port: it.port, host: it.target.to_string() })
            }
            _ => None,
        });
        let services = in_order(services.take(SERVICES_MAX).collect(), self.random);
        let mut targets = Vec::new();
        for it in services {
            targets.extend(self.addresses(&it.host, it.port, transport).await?);
        }
        Ok(targets)
    }

    async fn addresses(&mut self, host: &str, port: u16, transport: Transport) -> Result<Vec<Flow>, NetError> {
        let found = match self.resolver.lookup_ip(host).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        self.holds_until(found.valid_until());
        let fitting = found.iter().map(|ip| ip.to_canonical()).filter(|ip| (self.fits)(*ip));
        Ok(fitting.map(|ip| Flow { transport, remote: (ip, port).into() }).collect())
    }

    async fn records(&mut self, name: &str, kind: RecordType) -> Result<Vec<RData>, NetError> {
        match self.resolver.lookup(absolute(name), kind).await {
            Ok(found) => {
                self.holds_until(found.valid_until());
                Ok(found.answers().iter().map(|it| it.data.clone()).collect())
            }
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn holds_until(&mut self, at: Instant) {
        self.until = Some(self.until.map_or(at, |it| it.min(at)));
    }
}

/// RFC 2782: by priority, and within one by chance in proportion to the weights.
pub(crate) fn in_order(mut services: Vec<Service>, random: &mut ChaCha8Rng) -> Vec<Service> {
    // Those of weight 0 first, so that they too have a chance.
    services.sort_by_key(|it| (it.priority, it.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(priority) = services.first().map(|it| it.priority) {
        let group = services.iter().take_while(|it| it.priority == priority);
        let sum: u32 = group.clone().map(|it| u32::from(it.weight)).sum();
        let drawn = random.next_u32() % (sum + 1);
        let mut running = 0;
        let chosen = group.clone().position(|it| {
            running += u32::from(it.weight);
            running >= drawn
        });
        ordered.push(services.remove(chosen.unwrap_or(0)));
    }
    ordered
}

/// Whether a trunk's address is a host name, rather than an address that the legs can read.
pub(crate) fn is_named(address: &str) -> bool {
    let (host, _) = host_and_port(address);
    let is_address = host.contains(':') || host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    !is_address && !host.eq_ignore_ascii_case("localhost")
}

fn host_and_port(address: &str) -> (&str, Option<u16>) {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse().ok()),
        _ => (address, None),
    }
}

fn service_name(host: &str, transport: Transport) -> String {
    format!("_sip._{}.{host}", transport.via_name().to_ascii_lowercase())
}

/// A name that no search domain is appended to.
fn absolute(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

/// How many records of an answer, and how many addresses, are looked at.
const SERVICES_MAX: usize = 8;
const TARGETS_MAX: usize = 16;
/// A name is asked for again no sooner and no later than this, whatever its time to live.
const LASTS_MIN: Duration = Duration::from_secs(2);
const LASTS_MAX: Duration = Duration::from_secs(3600);

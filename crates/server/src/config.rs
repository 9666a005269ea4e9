//! `undertone.toml` and the environment, read once at start; a mistake is answered with file, line and what would be right.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    path::Path,
    time::Duration,
};

use domain::{
    config::{ConsultCalls, Settings, Supervision, TellAgent, Tone},
    leg::OfferDirection,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use toml::{Table, Value};

/// All settings; every one has a default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) http: Http,
    pub(crate) cometd: Cometd,
    pub(crate) sip: Sip,
    pub(crate) media: Media,
    pub(crate) storage: Storage,
    pub(crate) supervision: SupervisionTable,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    /// How long running calls may go on after SIGTERM.
    pub(crate) drain_timeout: Span,
}

impl Default for Server {
    fn default() -> Self {
        Self { drain_timeout: Span(Duration::from_secs(30)) }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    /// Without a slash at the end.
    #[serde(deserialize_with = "public_url")]
    pub(crate) public_url: String,
    pub(crate) csrf: bool,
    /// How long an HTTP session lives unused.
    pub(crate) session_timeout: Span,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_url: "http://127.0.0.1:8080".into(),
            csrf: true,
            session_timeout: Span(Duration::from_secs(1_800)),
        }
    }
}

/// What clients of CometD are told and given.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cometd {
    /// How long a poll is held when there is nothing to say.
    timeout: Span,
    /// How much later a client may come back.
    max_interval: Span,
}

impl Default for Cometd {
    fn default() -> Self {
        let usual = cometd::Settings::default();
        Self { timeout: Span(usual.timeout), max_interval: Span(usual.max_interval) }
    }
}

impl Cometd {
    pub(crate) fn settings(&self) -> cometd::Settings {
        let (timeout, max_interval) = (self.timeout.0, self.max_interval.0);
        cometd::Settings { timeout, max_interval, ..cometd::Settings::default() }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sip {
    #[serde(deserialize_with = "host_name")]
    pub(crate) domain: String,
    pub(crate) udp: SocketAddr,
    /// The same as `udp` where it is not written.
    pub(crate) tcp: Option<SocketAddr>,
    /// Asked for the names of trunks; the system's name servers where it is not written.
    pub(crate) dns: Option<SocketAddr>,
    /// How long a session lives unless it is refreshed (RFC 4028).
    #[serde(deserialize_with = "session_interval")]
    pub(crate) session_expires: Duration,
}

impl Default for Sip {
    fn default() -> Self {
        let local = SocketAddr::from(([127, 0, 0, 1], 5060));
        Self {
            domain: "undertone.local".into(),
            udp: local,
            tcp: None,
            dns: None,
            session_expires: Duration::from_secs(1800),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Media {
    pub(crate) address: IpAddr,
    /// What SDP advertises to those who have an IPv6 address, where `address` is an IPv4 one.
    pub(crate) address6: Option<Ipv6Addr>,
    pub(crate) bind: Option<IpAddr>,
    pub(crate) ports: Ports,
}

impl Default for Media {
    fn default() -> Self {
        Self { address: IpAddr::from([127, 0, 0, 1]), address6: None, bind: None, ports: Ports(20_000..=29_999) }
    }
}

impl Media {
    /// Where the sockets are.
    pub(crate) fn bind_address(&self) -> IpAddr {
        let both = self.address6.map(|_| Ipv6Addr::UNSPECIFIED.into());
        self.bind.or(both).unwrap_or(self.address)
    }
}

/// A range of UDP ports, written `20000-29999`.
#[derive(Clone, Debug)]
pub(crate) struct Ports(pub(crate) RangeInclusive<u16>);

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let range = text.split_once('-').and_then(|(first, last)| {
            let (first, last) = (first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?);
            (first >= 1_024 && last > first).then_some(first..=last)
        });
        let wrong = || format!("\"{text}\" is not a range of ports above 1023 such as \"20000-29999\"");
        range.map(Self).ok_or_else(|| serde::de::Error::custom(wrong()))
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Storage {
    #[serde(deserialize_with = "storage_url")]
    pub(crate) url: String,
    /// How long the event log is kept.
    events: Age,
    /// The most that it may take.
    events_max_mb: u32,
}

impl Storage {
    /// How much of the event log is kept; `None` where none is to be written.
    pub(crate) fn keep(&self) -> Option<storage::Keep> {
        self.events.0.map(|age| storage::Keep { age, octets: u64::from(self.events_max_mb) << 20 })
    }
}

/// A length of time, written `7d` or `12h`, or `off`.
#[derive(Clone, Copy, Debug)]
struct Age(Option<Duration>);

impl<'de> Deserialize<'de> for Age {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if text == "off" {
            return Ok(Self(None));
        }
        let span = humantime::parse_duration(&text).ok().filter(|it| !it.is_zero());
        let wrong = || format!("\"{text}\" is neither \"off\" nor a length of time such as \"7d\" or \"12h\"");
        span.map(|it| Self(Some(it))).ok_or_else(|| serde::de::Error::custom(wrong()))
    }
}

impl Default for Storage {
    fn default() -> Self {
        let week = Duration::from_secs(7 * 86_400);
        Self { url: "sqlite://undertone.db".into(), events: Age(Some(week)), events_max_mb: 1024 }
    }
}

/// The `[supervision]` table as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SupervisionTable {
    intrusion: Option<bool>,
    max_supervisors_per_target: Option<AtLeastOne>,
    queue_monitoring: Option<bool>,
    ring_timeout: Option<Span>,
    listen_offer: Option<Listen>,
    monitor_internal_calls: Option<bool>,
    monitor_consult_calls: Option<Consult>,
    monitor_party_on_hold: Option<bool>,
    cancel_ends_session: Option<bool>,
    tell_agent: Option<Tell>,
    tone: Option<Beep>,
    extensions: Option<bool>,
}

impl SupervisionTable {
    /// The engine's settings: what is written, and the defaults for the rest.
    pub(crate) fn settings(&self) -> Settings {
        let default = Supervision::default();
        let supervision = Supervision {
            intrusion: self.intrusion.unwrap_or(default.intrusion),
            max_supervisors_per_target: self
                .max_supervisors_per_target
                .map_or(default.max_supervisors_per_target, |it| it.0),
            queue_monitoring: self.queue_monitoring.unwrap_or(default.queue_monitoring),
            ring_timeout: self.ring_timeout.map_or(default.ring_timeout, |it| it.0),
            listen_offer: self.listen_offer.map_or(default.listen_offer, Into::into),
            monitor_internal_calls: self.monitor_internal_calls.unwrap_or(default.monitor_internal_calls),
            monitor_consult_calls: self.monitor_consult_calls.map_or(default.monitor_consult_calls, Into::into),
            monitor_party_on_hold: self.monitor_party_on_hold.unwrap_or(default.monitor_party_on_hold),
            cancel_ends_session: self.cancel_ends_session.unwrap_or(default.cancel_ends_session),
            tell_agent: self.tell_agent.map_or(default.tell_agent, Into::into),
            tone: self.tone.map_or(default.tone, Into::into),
            extensions: self.extensions.unwrap_or(default.extensions),
        };
        Settings { supervision }
    }
}

#[derive(Clone, Copy, Debug)]
struct AtLeastOne(usize);

impl<'de> Deserialize<'de> for AtLeastOne {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match usize::deserialize(input)? {
            0 => Err(serde::de::Error::custom("0 supervisors could watch nobody; 1 is the least")),
            some => Ok(Self(some)),
        }
    }
}

/// A length of time, written `20s`, `500ms`, `5m` or `1h`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let Wait(span) = Wait::deserialize(input)?;
        if span.is_zero() {
            return Err(serde::de::Error::custom("a length of time must be longer than nothing"));
        }
        Ok(Self(span))
    }
}

/// A session timer (RFC 4028 s5): nobody may ask for less than 90 seconds.
fn session_interval<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let Span(span) = Span::deserialize(input)?;
    if span < Duration::from_secs(90) {
        return Err(serde::de::Error::custom(
            "sessions may be refreshed every 90s at most (RFC 4028), \"30m\" is usual",
        ));
    }
    Ok(span)
}

/// The same, or `0s` for not at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait(pub(crate) Duration);

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let wrong = |_| format!("\"{text}\" is not a length of time such as \"20s\", \"500ms\" or \"5m\"");
        let span = humantime::parse_duration(&text).map_err(wrong).map_err(serde::de::Error::custom)?;
        // What is longer than a day is a slip, and far from where moments end.
        let day = Duration::from_secs(86_400);
        (span <= day).then_some(Self(span)).ok_or_else(|| serde::de::Error::custom("a length of time is a day at most"))
    }
}

/// A setting that is one of a few words, and what each of them means to the domain.
macro_rules! words {
    ($name:ident => $meaning:ident { $($word:literal $variant:ident $value:ident),+ }) => {
        #[derive(Clone, Copy, Debug, Deserialize)]
        enum $name {
            $(#[serde(rename = $word)] $variant),+
        }

        impl From<$name> for $meaning {
            fn from(it: $name) -> Self {
                match it {
                    $($name::$variant => $meaning::$value),+
                }
            }
        }
    };
}

words!(Listen => OfferDirection { "sendrecv" SendRecv SendRecv, "sendonly" SendOnly SendOnly });
words!(Consult => ConsultCalls { "none" None None, "orig" Orig Orig, "dest" Dest Dest, "all" All All });
words!(Tell => TellAgent { "never" Never Never, "on-arm" OnArm OnArm, "on-join" OnJoin OnJoin });
words!(Beep => Tone { "none" None None, "agent" Agent Agent, "customer" Customer Customer, "all" All All });

fn public_url<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text = String::deserialize(input)?;
    let plain = text.trim_end_matches('/');
    let host = plain.strip_prefix("http://").or_else(|| plain.strip_prefix("https://"));
    if host.is_none_or(str::is_empty) {
        let wrong = format!("\"{text}\" is not a URL such as \"http://127.0.0.1:8080\" or \"https://cc.example.net\"");
        return Err(serde::de::Error::custom(wrong));
    }
    Ok(plain.to_owned())
}

fn host_name<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text = String::deserialize(input)?;
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-');
    if text.is_empty() || !text.chars().all(plain) {
        let wrong = format!("\"{text}\" is not a domain such as \"undertone.local\"");
        return Err(serde::de::Error::custom(wrong));
    }
    Ok(text)
}

fn storage_url<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let text = String::deserialize(input)?;
    let wrong = match text.split_once("://") {
        Some(("sqlite", path)) if !path.is_empty() => return Ok(text),
        Some(("postgres" | "postgresql", _)) => {
            "PostgreSQL comes with the cluster; one node stores in SQLite, such as \"sqlite://undertone.db\"".to_owned()
        }
        _ => format!("\"{text}\" is not a database such as \"sqlite://undertone.db\""),
    };
    Err(serde::de::Error::custom(wrong))
}

/// What is wrong in a file or in the environment, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The file, or the variable's name.
    pub(crate) place: String,
    /// The line, counted from 1, where it is a file and one line is to blame.
    pub(crate) line: Option<usize>,
    /// What is wrong and what would be right.
    pub(crate) what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.what),
            None => write!(f, "{}: {}", self.place, self.what),
        }
    }
}

impl std::error::Error for Mistake {}

/// Reads a TOML file into `T`; a mistake names file and line.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<(T, String), Mistake> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|why| Mistake {
        place: place.clone(),
        line: None,
        what: format!("cannot be read: {why}"),
    })?;
    let parsed = parse(&place, &text)?;
    Ok((parsed, text))
}

fn parse<T: DeserializeOwned>(place: &str, text: &str) -> Result<T, Mistake> {
    toml::from_str(text).map_err(|why| Mistake {
        place: place.to_owned(),
        line: why.span().map(|it| line_of(text, it.start)),
        what: why.message().trim().replace('\n', "; "),
    })
}

/// The line, counted from 1, that a byte of `text` is on.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|it| *it == b'\n').count() + 1
}

impl Config {
    /// The file, if there is one, and then the environment over it: `UNDERTONE_SIP__UDP=…` is `udp` of `[sip]`.
    pub(crate) fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Mistake> {
        let mut table = match path {
            Some(path) => {
                // Once for the mistakes, which know their line, and once for the table that the environment goes over.
                let (_, text) = read::<Self>(path)?;
                parse::<Table>(&path.display().to_string(), &text)?
            }
            None => Table::new(),
        };
        for (name, text) in environment {
            let Some(key) = name.strip_prefix(PREFIX) else { continue };
            let Some((section, key)) = key.split_once("__") else { continue };
            overlay(&mut table, &name, &section.to_ascii_lowercase(), &key.to_ascii_lowercase(), &text)?;
        }
        let whole = || "undertone.toml with the environment".to_owned();
        Self::deserialize(table).map_err(|why| Mistake { place: whole(), line: None, what: why.message().to_owned() })
    }
}

/// Sets one value. A text such as `20s` is no TOML value and is taken as a string, and so is one that only fits so.
fn overlay(table: &mut Table, name: &str, section: &str, key: &str, text: &str) -> Result<(), Mistake> {
    let as_toml = parse::<Table>(name, &format!("value = {text}")).ok().and_then(|mut it| it.remove("value"));
    let candidates = as_toml.into_iter().chain([Value::String(text.to_owned())]);
    let mut wrong = String::new();
    for value in candidates {
        let alone = Table::from_iter([(section.to_owned(), Value::Table(Table::from_iter([(key.to_owned(), value)])))]);
        match Config::deserialize(alone.clone()) {
            Ok(_) => {
                for (section, values) in alone {
                    let Value::Table(values) = values else { continue };
                    if let Value::Table(there) = table.entry(section).or_insert_with(|| Value::Table(Table::new())) {
                        there.extend(values);
                    }
                }
                return Ok(());
            }
            Err(why) => wrong = why.message().trim().replace('\n', "; "),
        }
    }
    Err(Mistake { place: name.to_owned(), line: None, what: wrong })
}

const PREFIX: &str = "UNDERTONE_";

#[cfg(test)]
mod tests;

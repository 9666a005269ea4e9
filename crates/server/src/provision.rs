//! `contact-center.toml`: the objects that it names, with their passwords already turned into what is stored.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    str::FromStr,
};

use domain::{
    config::{
        Account, ContactCenter, Device, DialRule, Ha1, MonitorOperation, Overflow, Provision, Queue, Role, Secret,
        TelephonyNetwork, Trunk, TrunkTransport, User,
    },
    ids::{DeviceId, PhoneNumber, UserId},
};
use rest::{hash_password, is_password_hash, password_matches};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::config::{Mistake, Span, Wait, line_of, read};

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    contact_center: Option<ContactCenterTable>,
    devices: Vec<Spanned<DeviceTable>>,
    users: Vec<Spanned<UserTable>>,
    queues: Vec<Spanned<QueueTable>>,
    trunks: Vec<Spanned<TrunkTable>>,
    dial_rules: Option<Vec<Spanned<DialRuleTable>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactCenterTable {
    name: Option<String>,
    switch_name: Option<String>,
    features: Option<BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceTable {
    phone_number: Number,
    sip_password: Option<Password>,
    #[serde(default)]
    telephony_network: Network,
    auto_answer: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    user_name: Name,
    password: Option<Password>,
    password_hash: Option<Hash>,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    last_name: String,
    #[serde(default = "agent_alone")]
    roles: BTreeSet<RoleName>,
    device: Option<Number>,
    #[serde(default)]
    teams: BTreeSet<String>,
    #[serde(default)]
    supervises: BTreeSet<String>,
    #[serde(default = "every_operation")]
    monitor: BTreeSet<OperationName>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueTable {
    phone_number: Number,
    name: String,
    #[serde(default)]
    teams: BTreeSet<String>,
    /// Beside this file, if it has no other folder.
    music: Option<PathBuf>,
    ring_timeout: Option<Span>,
    overflow_after: Option<Span>,
    overflow_to: Option<Number>,
    wrap_up_time: Option<Wait>,
    max_waiting: Option<NonZeroUsize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrunkTable {
    name: Name,
    address: TrunkAddress,
    #[serde(default)]
    transport: Transport,
    #[serde(default)]
    register: bool,
    username: Option<Word>,
    password: Option<Password>,
    #[serde(default)]
    inbound: BTreeMap<String, Number>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DialRuleTable {
    prefix: String,
    trunk: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum RoleName {
    #[serde(rename = "ROLE_AGENT")]
    Agent,
    #[serde(rename = "ROLE_SUPERVISOR")]
    Supervisor,
    #[serde(rename = "ROLE_ADMIN")]
    Admin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
enum OperationName {
    ListenIn,
    Coach,
    BargeIn,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Network {
    #[default]
    Private,
    Public,
}

/// How a trunk is spoken to; left out, its domain may say.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Transport {
    #[default]
    Any,
    Udp,
    Tcp,
}

fn agent_alone() -> BTreeSet<RoleName> {
    BTreeSet::from([RoleName::Agent])
}

fn every_operation() -> BTreeSet<OperationName> {
    BTreeSet::from([OperationName::ListenIn, OperationName::Coach, OperationName::BargeIn])
}

#[derive(Clone, Debug)]
struct Number(PhoneNumber);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        PhoneNumber::from_str(&String::deserialize(input)?).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A name that a person types or that stands in a log line.
#[derive(Clone, Debug)]
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        // A colon would end the user name of HTTP Basic (RFC 7617 s2).
        if text.is_empty() || text.len() > 64 || text.chars().any(|it| it.is_control() || it == ':') {
            return Err(serde::de::Error::custom(
                "a name has 1 to 64 characters and neither \":\" nor control characters",
            ));
        }
        Ok(Self(text))
    }
}

/// A user name at a trunk.
#[derive(Clone, Debug)]
struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        if text.is_empty() || text.len() > 128 || text.chars().any(|it| it.is_control() || it.is_whitespace()) {
            return Err(serde::de::Error::custom("a username has 1 to 128 characters and no blanks"));
        }
        Ok(Self(text))
    }
}

/// A password in clear, for as long as it takes to hash it.
struct Password(String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match String::deserialize(input)? {
            empty if empty.is_empty() => Err(serde::de::Error::custom("an empty password protects nothing")),
            text => Ok(Self(text)),
        }
    }
}

/// `$argon2id$…`
#[derive(Debug)]
struct Hash(Secret<String>);

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        is_password_hash(&text)
            .then_some(Self(Secret(text)))
            .ok_or_else(|| serde::de::Error::custom("a password_hash is an Argon2 hash such as \"$argon2id$v=19$m=…\""))
    }
}

/// `host` or `host:port`.
#[derive(Clone, Debug)]
struct TrunkAddress(String);

impl<'de> Deserialize<'de> for TrunkAddress {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        let good = text.parse::<IpAddr>().is_ok()
            || text.parse::<SocketAddr>().is_ok()
            || is_host(&text)
            || text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok());
        if good {
            return Ok(Self(text));
        }
        let wrong = format!("\"{text}\" is not a host with or without a port, such as \"127.0.0.1:5080\"");
        Err(serde::de::Error::custom(wrong))
    }
}

/// A host name, or an IPv4 address; digits and dots alone that are none are a mistake in one.
fn is_host(text: &str) -> bool {
    let numeric = text.chars().all(|it| it.is_ascii_digit() || it == '.');
    let label = |it: &str| !it.is_empty() && !it.starts_with('-') && !it.ends_with('-');
    let named =
        text.split('.').all(label) && text.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '.' | '-'));
    if numeric { text.parse::<Ipv4Addr>().is_ok() } else { named }
}

/// A password could not be turned into a hash.
#[derive(Debug, thiserror::Error)]
#[error("password: {0}")]
pub(crate) struct Unhashed(String);

impl File {
    /// Reads the file; a mistake names file and line.
    pub(crate) fn load(path: &Path) -> Result<Self, Mistake> {
        let (mut file, text) = read::<Self>(path)?;
        file.find_music(path);
        file.check(&path.display().to_string(), &text)?;
        Ok(file)
    }

    /// Music is looked for beside the file that names it, wherever the server is started.
    fn find_music(&mut self, path: &Path) {
        let folder = path.parent().and_then(|it| std::path::absolute(it).ok()).unwrap_or_default();
        for queue in self.queues.iter_mut().map(Spanned::get_mut) {
            queue.music = queue.music.take().map(|it| folder.join(it));
        }
    }

    /// What TOML's own types cannot say: a user has one password, and nothing stands in the file twice.
    fn check(&self, place: &str, text: &str) -> Result<(), Mistake> {
        let at = |span: std::ops::Range<usize>, what: String| Mistake {
            place: place.to_owned(),
            line: Some(line_of(text, span.start)),
            what,
        };
        let mut numbers = BTreeSet::new();
        let devices = self.devices.iter().map(|it| (it.span(), &it.get_ref().phone_number.0));
        let queues = self.queues.iter().map(|it| (it.span(), &it.get_ref().phone_number.0));
        for (span, number) in devices.chain(queues) {
            if !numbers.insert(number) {
                return Err(at(
                    span,
                    format!("the number {number} stands here a second time; a number is one device or one queue"),
                ));
            }
        }
        for queue in &self.queues {
            queue.get_ref().check().map_err(|what| at(queue.span(), what))?;
        }
        let mut names = BTreeSet::new();
        for user in &self.users {
            let name = &user.get_ref().user_name.0;
            if !names.insert(name) {
                return Err(at(user.span(), format!("the user {name} stands here a second time")));
            }
            let it = user.get_ref();
            if it.password.is_some() == it.password_hash.is_some() {
                return Err(at(user.span(), format!("the user {name} needs either a password or a password_hash")));
            }
        }
        let mut trunks = BTreeSet::new();
        for trunk in &self.trunks {
            let name = &trunk.get_ref().name.0;
            if !trunks.insert(name) {
                return Err(at(trunk.span(), format!("the trunk {name} stands here a second time")));
            }
            let it = trunk.get_ref();
            if it.username.is_some() != it.password.is_some() || (it.register && it.username.is_none()) {
                return Err(at(
                    trunk.span(),
                    format!(
                        "the trunk {name} needs both a username and a password, to register and to answer challenges"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// The objects, ready for the engine. `known` has the hashes stored, by user name: an unchanged password keeps its
    /// hash, and with it the log-ins that are remembered under it.
    pub(crate) fn objects(
        self,
        sip_domain: &str,
        known: &BTreeMap<String, Secret<String>>,
    ) -> Result<Provision, Unhashed> {
        let users = self.users.into_iter().map(|it| user(it.into_inner(), known)).collect::<Result<_, _>>()?;
        Ok(Provision {
            contact_center: self.contact_center.map(contact_center),
            devices: self.devices.into_iter().map(|it| device(it.into_inner(), sip_domain)).collect(),
            users,
            queues: self.queues.into_iter().map(|it| queue(it.into_inner())).collect(),
            trunks: self.trunks.into_iter().map(|it| trunk(it.into_inner())).collect(),
            dial_rules: self.dial_rules.map(|it| it.into_iter().map(|it| dial_rule(it.into_inner())).collect()),
        })
    }
}

fn contact_center(it: ContactCenterTable) -> ContactCenter {
    let default = ContactCenter::default();
    ContactCenter {
        name: it.name.unwrap_or(default.name),
        switch_name: it.switch_name.unwrap_or(default.switch_name),
        features: it.features.unwrap_or(default.features),
    }
}

fn device(it: DeviceTable, sip_domain: &str) -> Device {
    let number = it.phone_number.0;
    let ha1 = it.sip_password.map(|password| {
        let both = sip_proto::digest::Ha1::of(number.as_str(), sip_domain, &password.0);
        Secret(Ha1 { md5: both.md5, sha256: both.sha256 })
    });
    let telephony_network = match it.telephony_network {
        Network::Private => TelephonyNetwork::Private,
        Network::Public => TelephonyNetwork::Public,
    };
    Device { id: DeviceId(0), phone_number: number, ha1, telephony_network, auto_answer: it.auto_answer }
}

fn user(it: UserTable, known: &BTreeMap<String, Secret<String>>) -> Result<User, Unhashed> {
    let password_hash = match (it.password, it.password_hash) {
        (Some(Password(password)), _) => {
            match known.get(&it.user_name.0).filter(|hash| password_matches(hash, &password)) {
                Some(unchanged) => unchanged.clone(),
                None => hash_password(&password).map_err(|why| Unhashed(why.to_string()))?,
            }
        }
        (None, Some(Hash(hash))) => hash,
        (None, None) => return Err(Unhashed(format!("the user {} has none", it.user_name.0))),
    };
    let roles = it.roles.iter().map(|role| match role {
        RoleName::Agent => Role::Agent,
        RoleName::Supervisor => Role::Supervisor,
        RoleName::Admin => Role::Admin,
    });
    let monitor = it.monitor.iter().map(|operation| match operation {
        OperationName::ListenIn => MonitorOperation::ListenIn,
        OperationName::Coach => MonitorOperation::Coach,
        OperationName::BargeIn => MonitorOperation::BargeIn,
    });
    Ok(User {
        id: UserId(0),
        user_name: it.user_name.0,
        password_hash,
        first_name: it.first_name,
        last_name: it.last_name,
        roles: roles.collect(),
        device: it.device.map(|it| it.0),
        teams: it.teams,
        supervises: it.supervises,
        monitor: monitor.collect(),
    })
}

impl QueueTable {
    fn check(&self) -> Result<(), String> {
        let number = &self.phone_number.0;
        if self.overflow_after.is_some() != self.overflow_to.is_some() {
            return Err(format!("the queue {number} needs both overflow_after and overflow_to, or neither"));
        }
        if self.overflow_to.as_ref().is_some_and(|it| it.0 == *number) {
            return Err(format!("the queue {number} cannot overflow to itself"));
        }
        match self.music.as_ref().map(|file| (file, crate::music::read(file))) {
            Some((file, Err(why))) => {
                Err(format!("the music of the queue {number}, {}, cannot be played: {why}", file.display()))
            }
            _ => Ok(()),
        }
    }
}

fn queue(it: QueueTable) -> Queue {
    let default = Queue::new(it.phone_number.0, it.name, it.teams);
    let overflow = it.overflow_after.zip(it.overflow_to);
    Queue {
        music: it.music.map(|it| it.display().to_string()),
        ring_timeout: it.ring_timeout.map_or(default.ring_timeout, |it| it.0),
        overflow: overflow.map(|(after, to)| Overflow { after: after.0, to: to.0 }),
        wrap_up_time: it.wrap_up_time.map_or(default.wrap_up_time, |it| it.0),
        max_waiting: it.max_waiting.map_or(default.max_waiting, NonZeroUsize::get),
        ..default
    }
}

fn trunk(it: TrunkTable) -> Trunk {
    let account = it.username.zip(it.password).map(|(user_name, password)| Account {
        user_name: user_name.0,
        password: Secret(password.0),
        register: it.register,
    });
    Trunk {
        name: it.name.0,
        address: it.address.0,
        transport: match it.transport {
            Transport::Any => TrunkTransport::Any,
            Transport::Udp => TrunkTransport::Udp,
            Transport::Tcp => TrunkTransport::Tcp,
        },
        account,
        inbound: it.inbound.into_iter().map(|(dialled, number)| (dialled, number.0)).collect(),
    }
}

fn dial_rule(it: DialRuleTable) -> DialRule {
    DialRule { prefix: it.prefix, trunk: it.trunk }
}

#[cfg(test)]
mod tests;

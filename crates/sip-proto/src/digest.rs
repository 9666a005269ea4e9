//! Digest authentication (RFC 8760, RFC 7616, RFC 3261 s22): our challenges, and our answers to a peer's.

use std::{collections::BTreeMap, fmt, hint::black_box, time::Duration};

use clock::Time;
use md5::Md5;
use sha2::{Digest, Sha256};
use sipx_sip::auth::{Challenge, Credentials, respond, strongest};

use crate::message::{HeaderName, HeadersExt, MessageExt, Request, Response, Uri, quoted, uri};

/// What is kept of a password: H(user:realm:password) for both algorithms (RFC 7616 s3.4.2). As good as the password
/// within its realm, so it is not shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    /// With MD5.
    pub md5: [u8; 16],
    /// With SHA-256.
    pub sha256: [u8; 32],
}

impl Ha1 {
    /// Of a user name, the realm (the SIP domain) and a password.
    #[must_use]
    pub fn of(user: &str, realm: &str, password: &str) -> Self {
        let text = format!("{user}:{realm}:{password}");
        Self { md5: Md5::digest(&text).into(), sha256: Sha256::digest(&text).into() }
    }

    fn hex(&self, hash: Hash) -> String {
        match hash {
            Hash::Md5 => hex(&self.md5),
            Hash::Sha256 => hex(&self.sha256),
        }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// What a request's credentials are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The sender knows the password of this user.
    Accepted {
        /// The user name, which is a device's number.
        user: String,
    },
    /// There are no credentials for our realm, or none that can be understood: answer 401 with these values of
    /// `WWW-Authenticate`, one a header field, in this order.
    Challenge(Vec<String>),
    /// The password is right but the nonce is too old, unknown or used up: answer 401 with these values, which say so,
    /// and the phone tries again without asking anybody.
    Stale(Vec<String>),
    /// The password is wrong, or there is no such user: answer 403. The nonce does not matter: whoever guesses learns as
    /// much with an old one.
    Wrong {
        /// The user name that was claimed.
        user: String,
    },
    /// The credentials are for another URI: answer 403.
    Refused,
}

/// Our side: challenges requests and judges the answers.
///
/// A nonce proves by itself that it is ours and when it was made; only nonces that were used are remembered, for
/// their counts. That memory is bounded: when it is full, the oldest nonce and all before it become stale.
///
/// Both algorithms are offered, SHA-256 first. RFC 8760 s2.4 has a phone pass over what it does not know, but baresip 1.0
/// and SIPp 3.6 give up at it. So phones known for that are offered MD5 alone, and so is a phone that was offered both
/// and comes again without an answer; a stale nonce is replaced for the algorithm that the phone has just used.
#[derive(Clone)]
pub struct Authenticator {
    realm: String,
    key: [u8; 32],
    lifetime: Duration,
    serial: u64,
    /// The highest count seen with each nonce in use.
    counts: BTreeMap<NonceId, u32>,
    /// Nonces up to this one are stale unless they are in `counts`.
    forgotten: Option<NonceId>,
    /// Phones that were offered both algorithms and have not answered yet.
    waiting: BTreeMap<String, Time>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("realm", &self.realm).field("in_use", &self.counts.len()).finish()
    }
}

impl Authenticator {
    /// For a realm (the SIP domain), with a key that nobody else knows: random and new at each start.
    #[must_use]
    pub fn new(realm: &str, key: [u8; 32]) -> Self {
        Self {
            realm: realm.to_owned(),
            key,
            lifetime: NONCE_LIFETIME,
            serial: 0,
            counts: BTreeMap::new(),
            forgotten: None,
            waiting: BTreeMap::new(),
        }
    }

    /// With another lifetime of nonces than five minutes.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Judges the `Authorization` of a request; `ha1_of` finds what is kept for a user name.
    pub fn check(&mut self, request: &Request, ha1_of: impl FnOnce(&str) -> Option<Ha1>, now: Time) -> Verdict {
        let fields = request.texts(&HeaderName::Authorization);
        let method = String::from_utf8_lossy(request.method.as_bytes()).into_owned();
        match self.judge(&fields, &method, &request.uri, ha1_of, now) {
            Judged::Accepted(user) => {
                self.waiting.remove(&who(request));
                Verdict::Accepted { user }
            }
            Judged::Unknown => Verdict::Challenge(self.challenge(request, now)),
            Judged::Stale(hash) => Verdict::Stale(self.offer(&[hash], true, now)),
            Judged::Wrong(user) => Verdict::Wrong { user },
            Judged::Refused => Verdict::Refused,
        }
    }

    /// Who the sender claims to be, if there are credentials that [`Self::check`] would look at.
    #[must_use]
    pub fn claimed(&self, request: &Request) -> Option<String> {
        self.given(&request.texts(&HeaderName::Authorization)).map(|it| it.user)
    }

    fn given(&self, fields: &[String]) -> Option<Given> {
        fields.iter().take(FIELDS_MAX).filter_map(|it| Given::parse(it)).find(|it| it.realm == self.realm)
    }

    fn judge(
        &mut self,
        fields: &[String],
        method: &str,
        target: &Uri,
        ha1_of: impl FnOnce(&str) -> Option<Ha1>,
        now: Time,
    ) -> Judged {
        let Some(given) = self.given(fields) else { return Judged::Unknown };
        if !aims_at(&given.uri, target) {
            return Judged::Refused;
        }
        // An unknown user costs the same work as a known one, so that the time taken tells nothing.
        let known = ha1_of(&given.user);
        let ha1 = known.unwrap_or(Ha1 { md5: [0; 16], sha256: self.key });
        let right = same(&given.expected(&ha1, method), &given.response);
        if !right || known.is_none() {
            return Judged::Wrong(given.user);
        }
        if self.use_up(&given, now) { Judged::Accepted(given.user) } else { Judged::Stale(given.hash) }
    }

    /// Values of `WWW-Authenticate` for a request without credentials of ours, the preferred algorithm first (RFC 8760
    /// s2.3).
    fn challenge(&mut self, request: &Request, now: Time) -> Vec<String> {
        let agent = request.text(&HeaderName::UserAgent).unwrap_or_default();
        let phone = who(request);
        self.waiting.retain(|_, since| now.since(*since) <= WAITING);
        if MD5_ALONE.iter().any(|it| agent.starts_with(it)) || self.waiting.contains_key(&phone) {
            return self.offer(&[Hash::Md5], false, now);
        }
        if self.waiting.len() < WAITING_MAX {
            self.waiting.insert(phone, now);
        }
        self.offer(&[Hash::Sha256, Hash::Md5], false, now)
    }

    fn offer(&mut self, hashes: &[Hash], stale: bool, now: Time) -> Vec<String> {
        self.serial = self.serial.wrapping_add(1);
        let nonce = self.nonce(NonceId { made: now, serial: self.serial });
        let realm = quoted(&self.realm);
        let stale = if stale { ", stale=true" } else { "" };
        let value = |hash: &Hash| {
            format!(r#"Digest realm={realm}, qop="auth", nonce="{nonce}", algorithm={}{stale}"#, hash.name())
        };
        hashes.iter().map(value).collect()
    }

    /// Whether this use of the nonce is a first one; notes it.
    fn use_up(&mut self, given: &Given, now: Time) -> bool {
        while self.counts.first_key_value().is_some_and(|(oldest, _)| now.since(oldest.made) > self.lifetime) {
            self.counts.pop_first();
        }
        let Some(id) = self.recognise(&given.nonce) else { return false };
        if now.since(id.made) > self.lifetime {
            return false;
        }
        // Without qop there is no count, so such a nonce is good for one request.
        let count = given.protection.as_ref().map_or(1, |it| it.count);
        match self.counts.get_mut(&id) {
            Some(highest) if count <= *highest => return false,
            Some(highest) => *highest = count,
            None if self.forgotten.is_some_and(|it| id <= it) => return false,
            None => {
                self.counts.insert(id, count);
            }
        }
        if self.counts.len() > NONCES_MAX
            && let Some((oldest, _)) = self.counts.pop_first()
        {
            self.forgotten = self.forgotten.max(Some(oldest));
        }
        true
    }

    fn nonce(&self, id: NonceId) -> String {
        // The hashed text has a fixed length and the hash is cut, so that nothing can be appended to it.
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(id.made.unix_ms().to_be_bytes());
        hash.update(id.serial.to_be_bytes());
        let proof = hash.finalize();
        let proof = proof.iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        format!("{:016x}{:016x}{proof}", id.made.unix_ms(), id.serial)
    }

    fn recognise(&self, nonce: &str) -> Option<NonceId> {
        let part = |from: usize| u64::from_str_radix(nonce.get(from..from + 16)?, 16).ok();
        let id = NonceId { made: Time::from_unix_ms(part(0)?), serial: part(16)? };
        same(&self.nonce(id), nonce).then_some(id)
    }
}

/// What credentials turned out to be.
enum Judged {
    Accepted(String),
    Stale(Hash),
    Wrong(String),
    Refused,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NonceId {
    made: Time,
    serial: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha256 => "SHA-256",
        }
    }

    fn of(self, text: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// The credentials that a client gave.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    user: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    hash: Hash,
    protection: Option<Protection>,
}

/// What `qop=auth` adds.
#[derive(Debug, PartialEq, Eq)]
struct Protection {
    count: u32,
    count_text: String,
    cnonce: String,
}

impl Given {
    /// `None` for another scheme, for algorithms and protections that we do not offer, and for nonsense.
    fn parse(field: &str) -> Option<Self> {
        let mut params = params(after_scheme(field)?)?;
        let hash = match params.remove("algorithm").map(|it| it.to_ascii_uppercase()).as_deref() {
            None | Some("MD5") => Hash::Md5,
            Some("SHA-256") => Hash::Sha256,
            Some(_) => return None,
        };
        let protection = match params.remove("qop") {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => {
                let count_text = params.remove("nc").filter(|it| it.len() == 8)?;
                let count = u32::from_str_radix(&count_text, 16).ok()?;
                Some(Protection { count, count_text, cnonce: params.remove("cnonce")? })
            }
            Some(_) => return None,
        };
        Some(Self {
            user: params.remove("username")?,
            realm: params.remove("realm")?,
            nonce: params.remove("nonce")?,
            uri: params.remove("uri")?,
            response: params.remove("response")?.to_ascii_lowercase(),
            hash,
            protection,
        })
    }

    /// What the response must be (RFC 7616 s3.4.1).
    fn expected(&self, ha1: &Ha1, method: &str) -> String {
        let ha1 = ha1.hex(self.hash);
        let ha2 = self.hash.of(&format!("{method}:{}", self.uri));
        let nonce = &self.nonce;
        self.hash.of(&match &self.protection {
            Some(Protection { count_text, cnonce, .. }) => format!("{ha1}:{nonce}:{count_text}:{cnonce}:auth:{ha2}"),
            None => format!("{ha1}:{nonce}:{ha2}"),
        })
    }
}

/// Answers a peer's challenges: for a phone that registers and calls, or a trunk that we register with. Keeps the
/// last challenge, so that later requests are signed before they are challenged again.
#[derive(Clone, Debug)]
pub struct Signer {
    credentials: Credentials,
    challenge: Option<Challenge>,
    count: u32,
}

impl Signer {
    /// For a user name and a password.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self { credentials: Credentials::new(user, password), challenge: None, count: 0 }
    }

    /// Takes the challenges of a 401 or 407 to the request `sent`. False if trying again is useless: there is none that
    /// we understand, or the answer to a challenge just received was refused.
    pub fn challenged(&mut self, response: &Response, sent: &Request) -> bool {
        let from_proxy = response.status.code() == 407;
        let (asked, answered) = if from_proxy {
            (HeaderName::ProxyAuthenticate, HeaderName::ProxyAuthorization)
        } else {
            (HeaderName::WwwAuthenticate, HeaderName::Authorization)
        };
        let fields = response.texts(&asked);
        let challenges = fields.iter().take(FIELDS_MAX).filter_map(|it| Challenge::parse(it.as_bytes(), from_proxy));
        let Some(best) = strongest(challenges.collect()) else { return false };
        // A refused nonce that had been used before may have expired; a new one cannot have.
        let tried = sent
            .texts(&answered)
            .iter()
            .filter_map(|it| params(after_scheme(it)?))
            .any(|it| it.get("realm") == Some(&best.realm) && it.get("nc").is_none_or(|count| count == "00000001"));
        if tried && !best.stale {
            return false;
        }
        (self.challenge, self.count) = (Some(best), 0);
        true
    }

    /// Adds credentials to a request if there has been a challenge. `cnonce` should be random.
    pub fn sign(&mut self, request: &mut Request, cnonce: u64) {
        let Some(challenge) = &self.challenge else { return };
        self.count = self.count.saturating_add(1);
        let method = String::from_utf8_lossy(request.method.as_bytes()).into_owned();
        let target = request.uri.to_string();
        let cnonce = format!("{cnonce:016x}");
        let value = respond(challenge, &self.credentials, &method, &target, self.count, &cnonce);
        request.headers.put(challenge.response_header(), value);
    }
}

/// A phone, as far as a request without credentials tells: who it says it is, and the hop it came over.
fn who(request: &Request) -> String {
    let from = request.from_address().map(|it| it.uri.to_string()).unwrap_or_default();
    let via = request.via().map(|it| format!("{}:{}", it.host, it.port.unwrap_or_default())).unwrap_or_default();
    format!("{from} {via}").chars().take(WHO_MAX).collect()
}

/// Whether credentials for `given` fit a request for `target`: the same user and host. Ports and parameters may
/// differ, because phones and proxies add and drop them on the way (RFC 3261 s22.4).
fn aims_at(given: &str, target: &Uri) -> bool {
    let Some(given) = uri(given) else { return false };
    let hosts_agree = match (given.host(), target.host()) {
        (Some(one), Some(other)) => one.equivalent(other),
        (None, None) => return given.equivalent(target),
        _ => false,
    };
    hosts_agree && given.decoded_user() == target.decoded_user()
}

fn after_scheme(field: &str) -> Option<&str> {
    let (scheme, rest) = field.trim().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case("Digest").then_some(rest)
}

/// `name=value` pairs with names in lower case. `None` if they are malformed or a name comes twice, because then two
/// readers could take different values.
fn params(text: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = value(after.trim_start())?;
        if found.insert(name.trim().to_ascii_lowercase(), value).is_some() || found.len() > PARAMS_MAX {
            return None;
        }
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(found)
}

/// A token or a quoted string, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(',').unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((value.trim_end().to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, it)) = chars.next() {
        match it {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            _ => value.push(it),
        }
    }
    None
}

/// Compares without telling by the time taken how much was right.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && black_box(one.bytes().zip(other.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b))) == 0
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|it| char::from_digit(it.into(), 16).unwrap_or('0')));
        text
    })
}

/// How long a nonce may be used.
const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// How many nonces in use are remembered: some 3 MB, and as many phones registering within five minutes.
const NONCES_MAX: usize = 50_000;
/// `User-Agent`s that give up where SHA-256 is offered too.
const MD5_ALONE: [&str; 3] = ["baresip v0.", "baresip v1.", "SIPp"];
/// For how long a phone is remembered that was offered both, how many are, and how much of each.
const WAITING: Duration = Duration::from_secs(120);
const WAITING_MAX: usize = 1000;
const WHO_MAX: usize = 128;
/// How many header fields and parameters of one message are looked at.
const FIELDS_MAX: usize = 8;
const PARAMS_MAX: usize = 20;

#[cfg(test)]
mod tests;

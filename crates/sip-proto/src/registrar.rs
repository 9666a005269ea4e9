//! The registrar (RFC 3261 s10.3): where the phones of each device number are now.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use clock::Time;

use crate::{
    message::{
        self, Address, ContactValue, HeaderName, HeadersExt, Host, MessageExt, Request, Response, Uri, quoted,
        response_to, user,
    },
    transport::{Flow, Transport},
};

/// One phone that registered for a number.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The URI that requests for it carry.
    pub contact: Uri,
    /// Where requests for it are sent. If the contact's host is the very address that the REGISTER came from, then that
    /// address and the contact's port; in all other cases (names, private addresses behind a NAT, addresses of others)
    /// the address and port that the REGISTER came from, because there the phone has shown that it is.
    pub flow: Flow,
    /// Where the REGISTER came from; after a restart the same as `flow`.
    source: Flow,
    /// When it lapses unless it is registered again.
    pub expires: Time,
    /// Its `User-Agent`; may be empty.
    pub agent: String,
    /// Preference in thousandths; the `q` of the contact, 1000 if it has none.
    pub preference: u16,
    call_id: String,
    sequence: u32,
    /// `+sip.instance`: the same phone, whatever its contact (RFC 5626 s4.1); may be empty.
    instance: String,
    /// Which of the phone's flows this is (RFC 5626 s4.2); 0 for phones that know nothing of flows.
    reg_id: u32,
    /// The proxies on the way to the phone, as `Route` values, the nearest to us first (RFC 3327 s5.4).
    pub path: Vec<String>,
    serial: u64,
}

/// A binding as it is kept over a restart: texts and numbers only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The device's number.
    pub number: String,
    /// The contact URI.
    pub contact: String,
    /// Where requests are sent, such as `192.0.2.1:5060`; always over UDP, since connections do not outlive us.
    pub remote: String,
    /// When it lapses, in milliseconds since the Unix epoch.
    pub expires_unix_ms: u64,
    /// The `User-Agent`.
    pub agent: String,
    /// Preference in thousandths.
    pub preference: u16,
    /// The Call-ID of the REGISTER.
    pub call_id: String,
    /// The CSeq number of the REGISTER.
    pub sequence: u32,
    /// The `+sip.instance` of the contact.
    pub instance: String,
    /// Its `reg-id`; 0 without one.
    pub reg_id: u32,
    /// The values of `Path`.
    pub path: Vec<String>,
}

impl Binding {
    /// What to keep over a restart; `None` for a binding that lives on a connection.
    #[must_use]
    pub fn saved(&self, number: &str) -> Option<Saved> {
        match self.flow.transport {
            Transport::Tcp => None,
            Transport::Udp => Some(Saved {
                number: number.to_owned(),
                contact: self.contact.to_string(),
                remote: self.flow.remote.to_string(),
                expires_unix_ms: self.expires.unix_ms(),
                agent: self.agent.clone(),
                preference: self.preference,
                call_id: self.call_id.clone(),
                sequence: self.sequence,
                instance: self.instance.clone(),
                reg_id: self.reg_id,
                path: self.path.clone(),
            }),
        }
    }

    fn of_saved(saved: &Saved) -> Option<Self> {
        let flow = Flow::udp(saved.remote.parse().ok()?);
        Some(Self {
            contact: message::uri(&saved.contact)?,
            flow,
            source: flow,
            expires: Time::from_unix_ms(saved.expires_unix_ms),
            agent: saved.agent.clone(),
            preference: saved.preference,
            call_id: saved.call_id.clone(),
            sequence: saved.sequence,
            instance: saved.instance.clone(),
            reg_id: saved.reg_id,
            path: saved.path.clone(),
            serial: 0,
        })
    }

    /// The same phone has one binding, or one for each of its flows (RFC 5626 s6).
    fn is_replaced_by(&self, contact: &Uri, instance: &str, reg_id: u32) -> bool {
        let same_phone = !instance.is_empty() && instance == self.instance;
        match reg_id {
            0 => same_phone || self.contact.equivalent(contact),
            _ if same_phone => self.reg_id == reg_id || self.reg_id == 0,
            // Another phone with the same contact: it has taken over the address.
            _ => self.instance.is_empty() && self.contact.equivalent(contact),
        }
    }

    /// The `Contact` that lists it.
    fn listed(&self, now: Time) -> String {
        let seconds = self.expires.since(now).as_millis().div_ceil(1000);
        let mut text = format!("<{}>", self.contact);
        if !self.instance.is_empty() {
            text.push_str(&format!(";+sip.instance={}", quoted(&self.instance)));
        }
        if self.reg_id > 0 {
            text.push_str(&format!(";reg-id={}", self.reg_id));
        }
        format!("{text};expires={seconds}")
    }
}

/// Why a binding is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The phone said so.
    Removed,
    /// It was not registered again in time.
    Expired,
    /// The same phone registered with another contact, or too many phones registered and this one was the oldest.
    Replaced,
    /// Its connection is closed.
    Closed,
    /// The device is gone or has another password.
    Forgotten,
}

/// What the registrar is told.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A REGISTER of a phone that has proved to be this number's.
    Register {
        /// The number, as authenticated.
        number: &'a str,
        /// The request.
        request: &'a Request,
        /// Where it came from.
        from: Flow,
    },
    /// A connection is closed.
    Closed(Flow),
    /// Drop all bindings of a number.
    Forget(&'a str),
    /// [`Registrar::poll_timeout`] has been reached.
    Timeout,
}

/// What follows.
#[derive(Debug)]
pub enum Output {
    /// Answer the REGISTER with this.
    Respond(Response),
    /// A phone registered, anew or again: to be saved if [`Binding::saved`] gives something.
    Bound {
        /// The number.
        number: String,
        /// The binding as it is now; it replaces one with the same contact text.
        binding: Binding,
    },
    /// A phone is gone.
    Unbound {
        /// The number.
        number: String,
        /// The contact, as in [`Saved::contact`].
        contact: String,
        /// Why.
        why: Why,
    },
}

/// All bindings.
#[derive(Clone, Debug, Default)]
pub struct Registrar {
    /// The bindings of a number, the one registered last at the end. No number is here without a binding.
    numbers: BTreeMap<String, Vec<Binding>>,
    deadlines: BTreeMap<(Time, u64), String>,
    serial: u64,
}

impl Registrar {
    /// Without any binding.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one input and appends what follows from it.
    pub fn handle(&mut self, input: Input<'_>, now: Time, out: &mut Vec<Output>) {
        match input {
            Input::Register { number, request, from } => {
                let response = match self.register(number, request, from, now, out) {
                    Ok(()) => self.listing(number, request, now),
                    Err(refusal) => refusal.response(request),
                };
                out.push(Output::Respond(response));
            }
            Input::Closed(flow) => {
                let numbers: Vec<_> = self.numbers.keys().cloned().collect();
                for number in numbers {
                    self.remove(&number, |it| it.flow == flow && flow.transport.is_connected(), Why::Closed, out);
                }
            }
            Input::Forget(number) => self.remove(number, |_| true, Why::Forgotten, out),
            Input::Timeout => {
                while let Some(entry) = self.deadlines.first_entry().filter(|it| it.key().0 <= now) {
                    let ((_, serial), number) = entry.remove_entry();
                    self.remove(&number, |it| it.serial == serial, Why::Expired, out);
                }
            }
        }
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`], if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.first_key_value().map(|((at, _), _)| *at)
    }

    /// The phones of a number, the preferred one first, and among equals the one registered last. A phone with several
    /// flows is there once, with the flow registered last (RFC 5626 s7).
    #[must_use]
    pub fn bindings(&self, number: &str) -> Vec<&Binding> {
        let mut found = self.all_bindings(number);
        let mut seen = BTreeSet::new();
        found.retain(|it| it.instance.is_empty() || seen.insert(&it.instance));
        found
    }

    fn all_bindings(&self, number: &str) -> Vec<&Binding> {
        let mut found: Vec<_> = self.numbers.get(number).into_iter().flatten().rev().collect();
        found.sort_by_key(|it| std::cmp::Reverse(it.preference));
        found
    }

    /// Whether a phone is registered for this number.
    #[must_use]
    pub fn is_registered(&self, number: &str) -> bool {
        self.numbers.contains_key(number)
    }

    /// Whether a phone of this number has registered from exactly there.
    #[must_use]
    pub fn is_home(&self, number: &str, from: Flow) -> bool {
        self.numbers.get(number).is_some_and(|them| them.iter().any(|it| it.source == from))
    }

    /// How many phones are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether no phone is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// Every binding with its number, to be listed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Binding)> {
        self.numbers.iter().flat_map(|(number, them)| them.iter().map(|it| (number.as_str(), it)))
    }

    /// Takes back what was saved before a restart. What has lapsed since or cannot be read is passed over.
    pub fn restore(&mut self, saved: &[Saved], now: Time) {
        for it in saved {
            if let Some(binding) = Binding::of_saved(it).filter(|it| it.expires > now) {
                self.put(&it.number, binding, &mut Vec::new());
            }
        }
    }

    /// RFC 3261 s10.3 from step 4 on: everything is checked before anything is changed.
    fn register(
        &mut self,
        number: &str,
        request: &Request,
        from: Flow,
        now: Time,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let named = request.to_address().ok_or(Refusal::Malformed)?;
        if user(&named.uri) != number {
            return Err(Refusal::NotYours);
        }
        let call_id = request.call_id();
        let sequence = request.cseq().ok_or(Refusal::Malformed)?.sequence;
        let order = Order { call_id: &call_id, sequence };
        match wanted(request)? {
            Wanted::Nothing => Ok(()),
            Wanted::RemoveAll => {
                self.check_order(number, order, |_| true)?;
                self.remove(number, |_| true, Why::Removed, out);
                Ok(())
            }
            Wanted::Contacts(contacts) => {
                let path = path(request)?;
                if contacts.iter().any(|it| it.reg_id > 0) && !has_edge(request, &path) {
                    return Err(Refusal::NoOutbound);
                }
                for it in &contacts {
                    self.check_order(number, order, |bound| bound.is_replaced_by(&it.uri, &it.instance, it.reg_id))?;
                }
                for it in contacts {
                    self.bind(number, it, order, request, from, now, out);
                }
                Ok(())
            }
        }
    }

    /// s10.3 steps 6 and 7: within one Call-ID a REGISTER must be newer than the one that made the binding.
    fn check_order(&self, number: &str, order: Order<'_>, whose: impl Fn(&Binding) -> bool) -> Result<(), Refusal> {
        let mut bound = self.numbers.get(number).into_iter().flatten().filter(|it| whose(it));
        if bound.any(|it| it.call_id == order.call_id && it.sequence >= order.sequence) {
            return Err(Refusal::OutOfOrder);
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "one contact of a request, with all that the request says")]
    fn bind(
        &mut self,
        number: &str,
        wanted: WantedContact,
        order: Order<'_>,
        request: &Request,
        from: Flow,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let WantedContact { uri, instance, reg_id, preference, seconds } = wanted;
        if seconds == 0 {
            return self.remove(number, |it| it.is_replaced_by(&uri, &instance, reg_id), Why::Removed, out);
        }
        let path = path(request).unwrap_or_default();
        let agent = request.text(&HeaderName::UserAgent).unwrap_or_default();
        let binding = Binding {
            flow: if reg_id > 0 || !path.is_empty() { from } else { flow_to(&uri, from) },
            source: from,
            contact: uri,
            expires: now + Duration::from_secs(seconds),
            agent: agent.chars().take(AGENT_MAX).collect(),
            preference,
            call_id: order.call_id.to_owned(),
            sequence: order.sequence,
            instance,
            reg_id,
            path,
            serial: 0,
        };
        self.put(number, binding, out);
    }

    fn put(&mut self, number: &str, mut binding: Binding, out: &mut Vec<Output>) {
        self.serial += 1;
        binding.serial = self.serial;
        let text = binding.contact.to_string();
        let mut gone = Vec::new();
        let bound = self.numbers.entry(number.to_owned()).or_default();
        bound.retain(|it| {
            let replaced = it.is_replaced_by(&binding.contact, &binding.instance, binding.reg_id);
            if replaced {
                gone.push(it.clone());
            }
            !replaced
        });
        if bound.len() >= CONTACTS_MAX {
            gone.push(bound.remove(0));
        }
        bound.push(binding.clone());
        for it in gone {
            self.deadlines.remove(&(it.expires, it.serial));
            let contact = it.contact.to_string();
            if contact != text {
                out.push(Output::Unbound { number: number.to_owned(), contact, why: Why::Replaced });
            }
        }
        self.deadlines.insert((binding.expires, binding.serial), number.to_owned());
        out.push(Output::Bound { number: number.to_owned(), binding });
    }

    fn remove(&mut self, number: &str, which: impl Fn(&Binding) -> bool, why: Why, out: &mut Vec<Output>) {
        let Some(bound) = self.numbers.get_mut(number) else { return };
        let mut gone = Vec::new();
        bound.retain(|it| {
            let leaves = which(it);
            if leaves {
                gone.push(it.clone());
            }
            !leaves
        });
        if bound.is_empty() {
            self.numbers.remove(number);
        }
        for it in gone {
            self.deadlines.remove(&(it.expires, it.serial));
            out.push(Output::Unbound { number: number.to_owned(), contact: it.contact.to_string(), why });
        }
    }

    /// s10.3 step 8: 200 with every binding of the number and what is left of its time.
    fn listing(&self, number: &str, request: &Request, now: Time) -> Response {
        let mut response = response_to(request, 200);
        for it in self.all_bindings(number) {
            response.headers.add(HeaderName::Contact, it.listed(now));
        }
        response.headers.add(HeaderName::Supported, "path, outbound");
        for it in request.texts(&HeaderName::Path) {
            response.headers.add(HeaderName::Path, it);
        }
        if matches!(wanted(request), Ok(Wanted::Contacts(contacts)) if contacts.iter().any(|it| it.reg_id > 0)) {
            // RFC 5626 s6: the phone may rely on it.
            response.headers.add(HeaderName::Require, "outbound");
        }
        response
    }
}

#[derive(Clone, Copy)]
struct Order<'a> {
    call_id: &'a str,
    sequence: u32,
}

/// What a REGISTER asks for.
enum Wanted {
    /// It only asks what is bound.
    Nothing,
    /// `Contact: *`.
    RemoveAll,
    Contacts(Vec<WantedContact>),
}

struct WantedContact {
    uri: Uri,
    instance: String,
    /// 0 unless the phone uses RFC 5626.
    reg_id: u32,
    preference: u16,
    /// 0 removes the binding.
    seconds: u64,
}

/// Why a REGISTER changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    Malformed,
    NotYours,
    TooBrief,
    OutOfOrder,
    TooMany,
    /// A proxy is between us and the phone that knows nothing of its flows (RFC 5626 s6).
    NoOutbound,
}

impl Refusal {
    fn response(self, request: &Request) -> Response {
        let code = match self {
            Self::Malformed => 400,
            Self::NotYours | Self::TooMany => 403,
            Self::TooBrief => 423,
            Self::NoOutbound => 439,
            Self::OutOfOrder => 500,
        };
        let mut response = response_to(request, code);
        if self == Self::TooBrief {
            response.headers.add(HeaderName::MinExpires, SECONDS_MIN.to_string());
        }
        response
    }
}

fn wanted(request: &Request) -> Result<Wanted, Refusal> {
    let for_all = request.text(&HeaderName::Expires);
    let contacts: Vec<_> = request.headers.typed_all::<ContactValue>().take(CONTACTS_MAX + 1).collect();
    if contacts.len() > CONTACTS_MAX {
        return Err(Refusal::TooMany);
    }
    let mut wanted = Vec::with_capacity(contacts.len());
    let alone = contacts.len() == 1;
    let with_flows = supports(request, "outbound");
    for it in contacts {
        match it.map_err(|_| Refusal::Malformed)? {
            // s10.3 step 6: a star stands alone and removes.
            ContactValue::Wildcard if alone && for_all.as_deref().map(str::trim) == Some("0") => {
                return Ok(Wanted::RemoveAll);
            }
            ContactValue::Wildcard => return Err(Refusal::Malformed),
            ContactValue::Address(it) => wanted.push(wanted_contact(it, for_all.as_deref(), with_flows)?),
        }
    }
    Ok(if wanted.is_empty() { Wanted::Nothing } else { Wanted::Contacts(wanted) })
}

fn wanted_contact(it: Address, for_all: Option<&str>, with_flows: bool) -> Result<WantedContact, Refusal> {
    let text = |name| it.param(name).map(|it| String::from_utf8_lossy(it).into_owned());
    // Nothing but SIP can be called here.
    if !it.uri.scheme().is_sip() || it.uri.host().is_none() || it.uri.to_bytes().len() > CONTACT_LENGTH_MAX {
        return Err(Refusal::Malformed);
    }
    let asked = text("expires").or_else(|| for_all.map(str::to_owned));
    let seconds = match asked.map(|it| it.trim().parse::<u64>()) {
        // A malformed value counts as the default (s20.19, s10.3 step 7).
        None | Some(Err(_)) => SECONDS_DEFAULT,
        Some(Ok(0)) => 0,
        Some(Ok(seconds)) if seconds < SECONDS_MIN => return Err(Refusal::TooBrief),
        Some(Ok(seconds)) => seconds.min(SECONDS_MAX),
    };
    let preference = text("q").and_then(|it| it.trim().parse::<f32>().ok()).map_or(1000, thousandths);
    let instance = text("+sip.instance").filter(|it| it.len() <= CONTACT_LENGTH_MAX).unwrap_or_default();
    // Without an instance it says nothing (RFC 5626 s6).
    let reg_id = text("reg-id").filter(|_| with_flows && !instance.is_empty());
    let reg_id = reg_id.and_then(|it| it.trim().parse().ok()).unwrap_or(0);
    Ok(WantedContact { instance, reg_id, preference, seconds, uri: it.uri })
}

fn supports(request: &Request, option: &str) -> bool {
    let fields = request.texts(&HeaderName::Supported);
    fields.iter().flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case(option))
}

/// The values of `Path` (RFC 3327), to be used as they are for `Route`.
fn path(request: &Request) -> Result<Vec<String>, Refusal> {
    let path = request.texts(&HeaderName::Path);
    let fits = path.len() <= PATH_MAX && path.iter().all(|it| it.len() <= CONTACT_LENGTH_MAX);
    fits.then_some(path).ok_or(Refusal::TooMany)
}

/// Whether whoever the phone speaks to keeps its flow: we do ourselves, and a proxy says so (RFC 5626 s5.1).
fn has_edge(request: &Request, path: &[String]) -> bool {
    request.headers.typed_all::<message::Via>().count() <= 1
        || path.last().is_some_and(|it| it.split([';', '>']).any(|it| it.trim().eq_ignore_ascii_case("ob")))
}

fn thousandths(q: f32) -> u16 {
    (q.clamp(0.0, 1.0) * 1000.0).round() as u16
}

/// The rule that [`Binding::flow`] states.
fn flow_to(contact: &Uri, from: Flow) -> Flow {
    match contact.host() {
        Some(Host::Ip(ip)) if *ip == from.remote.ip() && !from.transport.is_connected() => {
            let port = contact.port().unwrap_or(from.transport.default_port());
            Flow { remote: SocketAddr::new(*ip, port), ..from }
        }
        _ => from,
    }
}

/// Seconds that a binding lives if nobody says, and the bounds of what a phone may ask for.
const SECONDS_DEFAULT: u64 = 3600;
const SECONDS_MIN: u64 = 60;
const SECONDS_MAX: u64 = 7200;
/// How many phones one number may have.
const CONTACTS_MAX: usize = 10;
/// What a phone may make us keep, in octets and characters.
const CONTACT_LENGTH_MAX: usize = 512;
const AGENT_MAX: usize = 128;
const PATH_MAX: usize = 5;

#[cfg(test)]
mod tests;

//! The event log's own side: whose message was it, on which call, and what of it may be kept. Told by the tape, on a
//! thread of its own, it fills pages.
//!
//! A message belongs to a leg by its Call-ID. The tape shows what follows from what: the INVITE that an order to dial
//! leads to is that leg's, and a leg that came in is told of right after the 100 to its INVITE.

mod excerpt;
mod run;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use clock::Time;
use domain::{
    ids::{CallId, LegId},
    leg::{Cause, LegAction, LegEvent, LegOrder, Origin, Target},
    matrix::Treatment,
};
use sip_proto::{Flow, Streams};
use storage::{EventKind, Page};

use self::excerpt::Message;
pub(crate) use self::run::start;
use crate::{
    figures::cause_name,
    tape::{Note, Reel},
};

/// The legs and calls that run, as far as their messages have to be told apart, and the pages that are being filled.
#[derive(Default)]
pub(crate) struct Ledger {
    streams: Streams,
    /// Whose a Call-ID is.
    dialogs: HashMap<String, LegId>,
    legs: HashMap<LegId, Leg>,
    calls: HashMap<CallId, Call>,
    /// Legs that came in and have no call yet.
    offers: BTreeSet<LegId>,
    /// What goes about an INVITE of nobody: a challenge comes before the leg.
    strangers: VecDeque<(String, Event)>,
    /// What is over, but may still say something.
    over: VecDeque<(Time, Over)>,
    /// The leg that the present input was for.
    cause: Option<LegId>,
    /// The Call-ID of the last message about an INVITE of nobody since the present input.
    invited: Option<String>,
    scratch: Vec<u8>,
}

#[derive(Default)]
struct Leg {
    /// The number or name of who is there.
    party: String,
    /// Who calls whom, if it came in.
    begins: String,
    call: Option<CallId>,
    call_ids: Vec<String>,
    /// What happened before it had a call.
    early: Vec<Event>,
}

#[derive(Default)]
struct Call {
    has_begun: bool,
    /// Of the first leg that ended.
    cause: Option<Cause>,
    /// How many events were lost since the last that was written down, of this call or others.
    missing: u64,
    page: Option<Page>,
}

struct Event {
    at: Time,
    kind: EventKind,
    leg: LegId,
    text: String,
}

enum Over {
    Leg(LegId),
    Call(CallId),
}

impl Ledger {
    /// Takes what has passed.
    pub(crate) fn take(&mut self, reel: Reel) {
        let Reel { notes, bytes, lost } = reel;
        let mut bytes = bytes.as_slice();
        for (at, note) in notes {
            self.forget(at);
            if !matches!(note, Note::Out(..) | Note::Told(..)) {
                (self.cause, self.invited) = (None, None);
            }
            match note {
                Note::In(from, length) => self.message(at, EventKind::SipIn, from, split(&mut bytes, length)),
                Note::Out(to, length) => self.message(at, EventKind::SipOut, to, split(&mut bytes, length)),
                Note::Stream(from, length) => self.stream(at, Flow::tcp(from), split(&mut bytes, length)),
                Note::Connected(peer) => self.streams.open(peer, at),
                Note::Disconnected(peer) => self.streams.close(peer),
                Note::Told(leg, event) => self.told(at, leg, &event),
                Note::Ordered(action) => self.ordered(at, &action),
                Note::Matrix { call, version, hears, plays } => self.matrix(at, call, version, &hears, &plays),
                Note::Applied { call, version } => self.event_of(call, at, EventKind::Applied, &version.to_string()),
                Note::Over(call) => self.call_over(at, call),
                Note::Else => {}
            }
        }
        if lost > 0 {
            self.missing(lost);
        }
    }

    /// So much is missing from what runs now.
    pub(crate) fn missing(&mut self, events: u64) {
        if self.legs.len().max(self.calls.len()) > LEGS_MAX {
            // Their ends may have been among what is missing.
            *self = Self::default();
        }
        self.calls.values_mut().for_each(|it| it.missing += events);
    }

    /// The pages that something is on, the first first; they begin anew.
    pub(crate) fn pages(&mut self) -> Vec<Page> {
        let mut pages: Vec<Page> = self.calls.values_mut().filter_map(|it| it.page.take()).collect();
        pages.sort_by_key(|it| (it.at, it.call));
        pages
    }

    /// How much is on the pages, in octets.
    pub(crate) fn len(&self) -> usize {
        self.calls.values().filter_map(|it| it.page.as_ref()).map(Page::len).sum()
    }

    fn stream(&mut self, at: Time, from: Flow, bytes: &[u8]) {
        // What cannot be read, the legs do not read either: they close the connection.
        let Ok(received) = self.streams.receive(from.remote, bytes, at) else { return };
        for message in received.messages {
            self.message(at, EventKind::SipIn, from, &message.to_bytes());
        }
    }

    fn message(&mut self, at: Time, kind: EventKind, peer: Flow, bytes: &[u8]) {
        let Some(message) = Message::read(bytes) else { return };
        let (Some(call_id), Some(method)) = (message.call_id(), message.method()) else { return };
        let mut leg = self.dialogs.get(call_id).copied();
        if leg.is_none() && kind == EventKind::SipOut && method == "INVITE" && message.is_request() {
            leg = self.cause;
            self.claim(call_id, leg);
        }
        let is_strange = leg.is_none() && matches!(method, "INVITE" | "ACK");
        if leg.is_none() && !is_strange {
            return;
        }
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        message.write(peer, &mut text);
        // Nearly all are ASCII, and this looks at sixteen octets at a time.
        let words = std::str::from_utf8(&text).map_or_else(|_| String::from_utf8_lossy(&text), Into::into);
        match leg {
            Some(leg) => {
                if kind == EventKind::SipIn {
                    self.cause = Some(leg);
                }
                self.event(at, kind, leg, &words);
            }
            None => {
                self.invited = Some(call_id.to_owned());
                if self.strangers.len() >= STRANGERS {
                    self.strangers.pop_front();
                }
                let event = Event { at, kind, leg: LegId(0), text: words.into_owned() };
                self.strangers.push_back((call_id.to_owned(), event));
            }
        }
        self.scratch = text;
    }

    /// The Call-ID is this leg's from now on, and so is what was said about it.
    fn claim(&mut self, call_id: &str, leg: Option<LegId>) {
        let Some(leg) = leg else { return };
        self.dialogs.insert(call_id.to_owned(), leg);
        self.legs.entry(leg).or_default().call_ids.push(call_id.to_owned());
        let (earlier, others): (VecDeque<_>, VecDeque<_>) = self.strangers.drain(..).partition(|it| it.0 == call_id);
        self.strangers = others;
        for (_, Event { at, kind, text, .. }) in earlier {
            self.event(at, kind, leg, &text);
        }
    }

    fn told(&mut self, at: Time, leg: LegId, event: &LegEvent) {
        let words = match event {
            LegEvent::Offered { origin, dialled } => return self.offered(at, leg, origin, dialled),
            LegEvent::Ringing => "rings".into(),
            LegEvent::Answerable => "can be told to answer".into(),
            LegEvent::PickUpRefused => "has not answered as it was told".into(),
            LegEvent::EarlyMedia => "plays something".into(),
            LegEvent::Answered => "has answered".into(),
            LegEvent::Confirmed => "is connected".into(),
            LegEvent::Held => "holds".into(),
            LegEvent::Retrieved => "is back from hold".into(),
            LegEvent::Ended(cause) => {
                self.over.push_back((at, Over::Leg(leg)));
                self.offers.remove(&leg);
                let call = self.legs.get(&leg).and_then(|it| it.call);
                if let Some(call) = call.and_then(|it| self.calls.get_mut(&it)) {
                    call.cause.get_or_insert(*cause);
                }
                format!("is over: {}", cause_name(*cause))
            }
        };
        self.event(at, EventKind::Told, leg, &words);
    }

    fn offered(&mut self, at: Time, leg: LegId, origin: &Origin, dialled: &str) {
        if let Some(call_id) = self.invited.take() {
            self.claim(&call_id, Some(leg));
        }
        let (party, begins) = match origin {
            Origin::Device(number) => (number.to_string(), format!("{number} to {dialled}")),
            Origin::Trunk { name, caller } => {
                let caller = if caller.is_empty() { "anonymous" } else { caller };
                (caller.to_owned(), format!("{caller} at trunk {name} to {dialled}"))
            }
        };
        let words = format!("calls: {begins}\n{PARTY}{party}");
        let it = self.legs.entry(leg).or_default();
        (it.party, it.begins) = (party, begins);
        self.offers.insert(leg);
        self.event(at, EventKind::Told, leg, &words);
    }

    fn ordered(&mut self, at: Time, action: &LegAction) {
        let LegAction { call, leg, ref order } = *action;
        self.cause = Some(leg);
        let (words, like) = match order {
            LegOrder::Dial { to, from, alert, like, .. } => {
                let (party, whom) = match to {
                    Target::Device(number) => (number.to_string(), format!("device {number}")),
                    Target::Trunk { name, number } => (number.clone(), format!("{number} at trunk {name}")),
                };
                let words = format!("dial {whom} from {from}, {alert:?}\n{PARTY}{party}");
                let it = self.legs.entry(leg).or_default();
                it.party = party;
                it.begins = format!("dial {whom} from {from}");
                (words, *like)
            }
            LegOrder::Ring => ("ring".into(), None),
            LegOrder::Progress { .. } => ("let it hear what plays".into(), None),
            LegOrder::Answer { .. } => ("answer".into(), None),
            LegOrder::PickUp => ("tell it to answer".into(), None),
            LegOrder::End(cause) => (format!("end: {}", cause_name(*cause)), None),
        };
        if !self.calls.get(&call).is_some_and(|it| it.has_begun) {
            self.begin(at, call, leg, like);
        }
        self.join(leg, call);
        self.event(at, EventKind::Ordered, leg, &words);
    }

    /// A call begins with the leg that came in, even if something is wanted of another leg first: the engine answers an
    /// offer before it hears of the next one.
    fn begin(&mut self, at: Time, call: CallId, leg: LegId, like: Option<LegId>) {
        let offers = &self.offers;
        let first = [Some(leg), like].into_iter().flatten().find(|it| offers.contains(it));
        let first = first.or_else(|| offers.first().copied()).unwrap_or(leg);
        let begins = self.legs.get(&first).map(|it| it.begins.clone()).unwrap_or_default();
        let early = self.legs.get(&first).and_then(|it| it.early.first()).map_or(at, |it| it.at);
        let page = self.page(call, early);
        page.begins = Some(begins);
        if let Some(call) = self.calls.get_mut(&call) {
            call.has_begun = true;
        }
        self.join(first, call);
    }

    /// The leg is on this call from now on, with all that happened before it was on any.
    fn join(&mut self, leg: LegId, call: CallId) {
        let it = self.legs.entry(leg).or_default();
        it.call = Some(call);
        self.offers.remove(&leg);
        for Event { at, kind, leg, text } in std::mem::take(&mut it.early) {
            self.event(at, kind, leg, &text);
        }
    }

    fn matrix(
        &mut self,
        at: Time,
        call: CallId,
        version: u64,
        hears: &BTreeMap<LegId, BTreeSet<LegId>>,
        plays: &BTreeMap<LegId, Treatment>,
    ) {
        hears.keys().for_each(|leg| self.join(*leg, call));
        let name = |leg: &LegId| self.legs.get(leg).map_or_else(|| leg.to_string(), |it| it.party.clone());
        let mut text = version.to_string();
        for (leg, heard) in hears.iter().filter(|it| !it.1.is_empty()) {
            let heard: Vec<String> = heard.iter().map(name).collect();
            text.push_str(&format!("\n{} hears {}", name(leg), heard.join(" and ")));
        }
        for (leg, treatment) in plays {
            let what = match treatment {
                Treatment::Music(queue) => format!("the music of {queue}"),
                Treatment::Ringback => "ringback".into(),
            };
            text.push_str(&format!("\n{} hears {what}", name(leg)));
        }
        self.event_of(call, at, EventKind::Matrix, &text);
    }

    fn call_over(&mut self, at: Time, call: CallId) {
        let cause = self.calls.get(&call).and_then(|it| it.cause).map_or("unknown", cause_name);
        self.event_of(call, at, EventKind::Over, cause);
        self.page(call, at).ends = Some((at, cause.to_owned()));
        self.over.push_back((at, Over::Call(call)));
    }

    fn event(&mut self, at: Time, kind: EventKind, leg: LegId, text: &str) {
        let it = self.legs.entry(leg).or_default();
        match it.call {
            Some(call) => self.page(call, at).event(at, kind, Some(leg), text),
            None if it.early.len() < EARLY => it.early.push(Event { at, kind, leg, text: text.to_owned() }),
            None => {}
        }
    }

    fn event_of(&mut self, call: CallId, at: Time, kind: EventKind, text: &str) {
        self.page(call, at).event(at, kind, None, text);
    }

    fn page(&mut self, call: CallId, at: Time) -> &mut Page {
        let it = self.calls.entry(call).or_default();
        let page = it.page.get_or_insert_with(|| Page::new(call, at));
        if it.missing > 0 {
            let text = format!("{} events were lost, of this call or of others", std::mem::take(&mut it.missing));
            page.event(at, EventKind::Gap, None, &text);
        }
        page
    }

    /// Forgets what has been over for long enough.
    fn forget(&mut self, now: Time) {
        while self.over.front().is_some_and(|it| now.since(it.0) > AFTERWARDS) {
            match self.over.pop_front() {
                Some((_, Over::Leg(leg))) => {
                    let call_ids = self.legs.remove(&leg).map(|it| it.call_ids).unwrap_or_default();
                    for call_id in call_ids {
                        self.dialogs.remove(&call_id);
                    }
                }
                Some((_, Over::Call(call))) => {
                    // A page that is not written yet stays until it is.
                    if self.calls.get(&call).is_some_and(|it| it.page.is_none()) {
                        self.calls.remove(&call);
                    } else {
                        self.over.push_back((now, Over::Call(call)));
                    }
                }
                None => {}
            }
        }
    }
}

/// The first octets, taken away.
fn split<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (first, rest) = bytes.split_at_checked(length).unwrap_or((bytes, &[]));
    *bytes = rest;
    first
}

/// Before the name of who is at a leg, in the second line of the event that tells.
pub(crate) const PARTY: &str = "party ";

/// How long what is over may still say something: 64 T1 of RFC 3261 and a little.
const AFTERWARDS: Duration = Duration::from_secs(35);
/// Messages about INVITEs of nobody.
const STRANGERS: usize = 256;
/// Events of a leg before it has a call.
const EARLY: usize = 64;
/// More legs than a server has.
const LEGS_MAX: usize = 100_000;

#[cfg(test)]
mod tests;

//! What happened on a call, as it is written into the event log and read out of it: plain text, an event after the other.
//!
//! An event is a line `1795356369123 in 9223372036854775809 12` (when, what sort of thing, on which leg or `-`, how many lines
//! follow) and those lines, as they came. They are made fit to be shown when they are read: writing has to be cheap.

use clock::Time;
use domain::ids::{CallId, LegId};

use crate::names::Named;

/// What happened on one call since its page before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The call.
    pub call: CallId,
    /// When the first of it happened.
    pub at: Time,
    /// Who calls whom, if the call begins on this page.
    pub begins: Option<String>,
    /// When and why the call was over, if it is on this page.
    pub ends: Option<(Time, String)>,
    events: String,
    count: u64,
}

/// One thing that happened on a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallEvent {
    /// When.
    pub at: Time,
    /// What sort of thing.
    pub kind: EventKind,
    /// On which leg, where it is about one.
    pub leg: Option<LegId>,
    /// What: the first line says it in short. That of a SIP message is the other end; the start line, the headers that
    /// were kept and `Body: …`, a summary, follow.
    pub lines: Vec<String>,
}

/// What sort of thing happened on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A SIP message came in.
    SipIn,
    /// A SIP message went out.
    SipOut,
    /// A leg told the engine something.
    Told,
    /// The engine ordered something of a leg.
    Ordered,
    /// Who hears whom from now on: the version, then a line for each who hears somebody.
    Matrix,
    /// Media has put a version of the matrix in force.
    Applied,
    /// The call is over.
    Over,
    /// Events are missing here.
    Gap,
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new(call: CallId, at: Time) -> Self {
        Self { call, at, begins: None, ends: None, events: String::new(), count: 0 }
    }

    /// Writes an event down.
    pub fn event(&mut self, at: Time, kind: EventKind, leg: Option<LegId>, text: &str) {
        self.count += 1;
        push_number(&mut self.events, at.unix_ms());
        self.events.push(' ');
        self.events.push_str(kind.name());
        self.events.push(' ');
        match leg {
            Some(leg) => push_number(&mut self.events, leg.0),
            None => self.events.push('-'),
        }
        self.events.push(' ');
        let ends = memchr::memchr_iter(b'\n', text.as_bytes()).count();
        push_number(&mut self.events, ends as u64 + 1);
        self.events.push('\n');
        self.events.push_str(text);
        self.events.push('\n');
    }

    /// Its length in octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing is on it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many events are on it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The events on it, as they will be read.
    ///
    /// # Panics
    /// Never: what is written can be read.
    #[must_use]
    pub fn events(&self) -> Vec<CallEvent> {
        read(&self.events).expect("each event was written with its count of lines")
    }

    /// The text that is stored.
    pub(crate) fn text(&self) -> &str {
        &self.events
    }
}

/// The events of a page, or the line that is not as we write it. Characters that are no part of a text become spaces.
pub(crate) fn read(text: &str) -> Result<Vec<CallEvent>, String> {
    let mut events: Vec<CallEvent> = Vec::new();
    let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    while let Some(line) = lines.next() {
        let (mut event, count) = head(line).ok_or_else(|| shown(line))?;
        for _ in 0..count {
            event.lines.push(lines.next().map(shown).ok_or_else(|| shown(line))?);
        }
        events.push(event);
    }
    Ok(events)
}

fn head(line: &str) -> Option<(CallEvent, usize)> {
    let mut words = line.split(' ');
    let at = Time::from_unix_ms(words.next()?.parse().ok()?);
    let kind = EventKind::named(words.next()?)?;
    let leg = match words.next()? {
        "-" => None,
        leg => Some(LegId(leg.parse().ok()?)),
    };
    let count = words.next()?.parse().ok()?;
    words.next().is_none().then(|| (CallEvent { at, kind, leg, lines: Vec::new() }, count))
}

fn shown(line: &str) -> String {
    line.trim_end_matches('\r').chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// In decimal digits.
fn push_number(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

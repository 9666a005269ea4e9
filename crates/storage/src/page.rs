//! What happened on a call, as it is written into the event log and read out of it: plain text, an event after the other.
//!
//! An event is a line `1795356369123 in 8000000000000001` (when, what sort of thing, on which leg or `-`) and any number of
//! lines that begin with a space.

use std::fmt::Write as _;

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

    /// Writes an event down. Characters that are no part of a text become spaces.
    pub fn event(&mut self, at: Time, kind: EventKind, leg: Option<LegId>, text: &str) {
        self.count += 1;
        // Writing into a string cannot fail.
        let _ = match leg {
            Some(leg) => writeln!(self.events, "{} {} {:x}", at.unix_ms(), kind.name(), leg.0),
            None => writeln!(self.events, "{} {} -", at.unix_ms(), kind.name()),
        };
        for line in text.split('\n') {
            self.events.push(' ');
            if line.chars().any(char::is_control) {
                self.events.extend(line.chars().map(|it| if it.is_control() { ' ' } else { it }));
            } else {
                self.events.push_str(line);
            }
            self.events.push('\n');
        }
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
    #[must_use]
    pub fn events(&self) -> Vec<CallEvent> {
        read(&self.events).unwrap_or_default()
    }

    /// The text that is stored.
    pub(crate) fn text(&self) -> &str {
        &self.events
    }
}

/// The events of a page, or the line that is not as we write it.
pub(crate) fn read(text: &str) -> Result<Vec<CallEvent>, String> {
    let mut events: Vec<CallEvent> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix(' '), events.last_mut()) {
            (Some(more), Some(event)) => event.lines.push(more.to_owned()),
            _ => events.push(head(line).ok_or_else(|| line.to_owned())?),
        }
    }
    Ok(events)
}

fn head(line: &str) -> Option<CallEvent> {
    let mut words = line.split(' ');
    let at = Time::from_unix_ms(words.next()?.parse().ok()?);
    let kind = EventKind::named(words.next()?)?;
    let leg = match words.next()? {
        "-" => None,
        leg => Some(LegId(u64::from_str_radix(leg, 16).ok()?)),
    };
    words.next().is_none().then(|| CallEvent { at, kind, leg, lines: Vec::new() })
}

//! A call's events and audit lines, brought together and understood: who is at each leg, what each message is.

use std::collections::BTreeMap;

use clock::Time;
use domain::{
    ids::{CallId, LegId},
    record::Audit,
};
use serde_json::{Value, json};
use storage::{CallEvent, EventKind, Trace};

use crate::ledger::PARTY;

/// What happened on a call, in its order.
pub(super) struct Story {
    pub(super) call: CallId,
    pub(super) scenes: Vec<Scene>,
    pub(super) legs: BTreeMap<LegId, Who>,
}

/// One thing that happened.
pub(super) enum Scene {
    Event(CallEvent),
    Audit(Audit),
}

/// Who is at a leg.
#[derive(Default)]
pub(super) struct Who {
    /// Number or name.
    pub(super) party: String,
    /// Where its messages came from and went to: several where several phones were called at once.
    pub(super) peers: Vec<String>,
}

/// A SIP message, as far as it was kept.
pub(super) struct Sip<'a> {
    pub(super) peer: &'a str,
    pub(super) start: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: Option<&'a str>,
}

impl Story {
    pub(super) fn new(call: CallId, trace: Trace) -> Self {
        let mut legs: BTreeMap<LegId, Who> = BTreeMap::new();
        for event in &trace.events {
            let Some(leg) = event.leg else { continue };
            let who = legs.entry(leg).or_default();
            if let Some(sip) = Sip::of(event) {
                if !who.peers.iter().any(|it| it == sip.peer) {
                    who.peers.push(sip.peer.to_owned());
                }
            } else if let Some(party) = event.lines.iter().find_map(|it| it.strip_prefix(PARTY)) {
                party.clone_into(&mut who.party);
            }
        }
        Self { call, scenes: merge(trace), legs }
    }

    /// The moment from which times are counted.
    pub(super) fn begun(&self) -> Time {
        self.scenes.first().map_or_else(Time::default, Scene::at)
    }

    /// What a leg is called.
    pub(super) fn name(&self, leg: LegId) -> String {
        let party = self.legs.get(&leg).map(|it| it.party.as_str()).filter(|it| !it.is_empty());
        party.map_or_else(|| leg.to_string(), str::to_owned)
    }

    /// Which of a leg's peers it is, where it is not the first.
    pub(super) fn place(&self, leg: LegId, peer: &str) -> Option<usize> {
        let at = self.legs.get(&leg)?.peers.iter().position(|it| it == peer)?;
        (at > 0).then_some(at + 1)
    }

    /// All of it, for machines.
    pub(super) fn json(&self) -> Value {
        let legs = self.legs.iter().map(|(leg, who)| {
            json!({"leg": leg.to_string(), "party": who.party, "peers": who.peers, "inbound": leg.is_inbound()})
        });
        let begun = self.begun();
        json!({
            "call": self.call.to_string(),
            "begun": begun.to_string(),
            "legs": legs.collect::<Vec<_>>(),
            "events": self.scenes.iter().map(|it| it.json(begun)).collect::<Vec<_>>(),
        })
    }
}

impl Scene {
    pub(super) fn at(&self) -> Time {
        match self {
            Self::Event(it) => it.at,
            Self::Audit(it) => it.at,
        }
    }

    fn json(&self, begun: Time) -> Value {
        let mut object = match self {
            Self::Event(it) => event_json(it),
            Self::Audit(it) => json!({
                "kind": "audit",
                "what": format!("{:?}", it.what),
                "supervisor": it.supervisor_name,
                "supervisor_number": it.supervisor_number.as_ref().map(ToString::to_string),
                "target": it.target_name,
                "target_number": it.target_number.as_ref().map(ToString::to_string),
                "session": it.session.map(|it| it.to_string()),
                "operation": it.operation.map(|it| format!("{it:?}")),
                "reason": it.reason,
            }),
        };
        object["at"] = json!(self.at().to_string());
        object["ms"] = json!(self.at().since(begun).as_millis());
        object
    }
}

/// Where both happened within one millisecond, the audit line stands behind what came in and before what followed.
fn merge(trace: Trace) -> Vec<Scene> {
    let mut audit = trace.audit.into_iter().peekable();
    let mut scenes = Vec::new();
    for event in trace.events {
        let comes_in = matches!(event.kind, EventKind::SipIn | EventKind::Told | EventKind::Applied);
        while let Some(it) = audit.next_if(|it| it.at < event.at || (it.at == event.at && !comes_in)) {
            scenes.push(Scene::Audit(it));
        }
        scenes.push(Scene::Event(event));
    }
    scenes.extend(audit.map(Scene::Audit));
    scenes
}

fn event_json(it: &CallEvent) -> Value {
    let leg = it.leg.map(|it| it.to_string());
    if let Some(sip) = Sip::of(it) {
        let direction = if it.kind == EventKind::SipIn { "in" } else { "out" };
        let headers: Vec<_> = sip.headers.iter().map(|(name, value)| json!([name, value])).collect();
        return json!({
            "kind": "sip", "direction": direction, "leg": leg,
            "peer": sip.peer, "start": sip.start, "headers": headers, "body": sip.body,
        });
    }
    let first = it.lines.first();
    let rest = it.lines.get(1..).unwrap_or_default();
    match it.kind {
        EventKind::Matrix => json!({"kind": "matrix", "version": number(first), "hears": rest}),
        EventKind::Applied => json!({"kind": "applied", "version": number(first)}),
        EventKind::Told => json!({"kind": "told", "leg": leg, "words": first}),
        EventKind::Ordered => json!({"kind": "order", "leg": leg, "words": first}),
        EventKind::Over => json!({"kind": "over", "cause": first}),
        EventKind::Gap | EventKind::SipIn | EventKind::SipOut => json!({"kind": "gap", "words": first}),
    }
}

fn number(text: Option<&String>) -> Option<u64> {
    text.and_then(|it| it.parse().ok())
}

impl<'a> Sip<'a> {
    /// `None` for what is no message.
    pub(super) fn of(event: &'a CallEvent) -> Option<Self> {
        let [peer, start, headers @ ..] = event.lines.as_slice() else { return None };
        if !matches!(event.kind, EventKind::SipIn | EventKind::SipOut) {
            return None;
        }
        let mut headers: Vec<_> = headers.iter().filter_map(|it| it.split_once(": ")).collect();
        let body = headers.pop_if(|it| it.0 == "Body").map(|it| it.1);
        Some(Self { peer, start, headers, body })
    }

    /// The message in a few words: `INVITE + SDP`, `200 OK (BYE)`.
    pub(super) fn label(&self) -> String {
        let body = if self.body.is_some_and(|it| it.starts_with("SDP")) { " + SDP" } else { "" };
        let Some(status) = self.start.strip_prefix("SIP/2.0 ") else {
            return format!("{}{body}", self.start.split(' ').next().unwrap_or_default());
        };
        let cseq = self.headers.iter().find(|it| it.0 == "CSeq").and_then(|it| it.1.split(' ').nth(1));
        match cseq {
            Some("INVITE") | None => format!("{status}{body}"),
            Some(method) => format!("{status} ({method}){body}"),
        }
    }
}

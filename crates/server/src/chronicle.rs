//! What happens on calls, seen by the driver as it passes: a log line for each beginning and end, and its counters.
//!
//! Numbers are shown only if [`crate::log::Number`] is told to.

use std::collections::BTreeMap;

use clock::Time;
use domain::{
    event::Action,
    ids::{CallId, LegId},
    leg::{Cause, LegAction, LegEvent, Origin},
    record::{Audit, AuditEvent, Record},
};
use tracing::{Span, span::EnteredSpan};

use crate::{
    figures,
    log::{Number, Ordered, Told},
};

/// The calls that run, as far as the log wants to know.
#[derive(Default)]
pub(crate) struct Chronicle {
    calls: BTreeMap<CallId, Track>,
    /// Which call a leg is on, until it has ended.
    legs: BTreeMap<LegId, CallId>,
    /// What a leg that came in said first, until the domain gives it a call.
    offers: BTreeMap<LegId, (Origin, String)>,
}

/// One call.
struct Track {
    span: Span,
    begun: Time,
    established: Option<Time>,
    /// Of the first leg that ended.
    cause: Option<Cause>,
}

impl Chronicle {
    /// Something happened on a leg, and the engine is about to be told.
    pub(crate) fn happened(&mut self, leg: LegId, event: &LegEvent) {
        let _within = self.within_leg(leg);
        tracing::debug!(%leg, event = %Told(event), "leg");
        match event {
            LegEvent::Offered { origin, dialled } => {
                self.offers.insert(leg, (origin.clone(), dialled.clone()));
            }
            LegEvent::Ended(cause) => {
                self.offers.remove(&leg);
                let track = self.legs.remove(&leg).and_then(|it| self.calls.get_mut(&it));
                if let Some(track) = track {
                    track.cause.get_or_insert(*cause);
                }
            }
            _ => {}
        }
    }

    /// The engine wants something done, and it is about to be.
    pub(crate) fn wanted(&mut self, action: &Action, now: Time) {
        match action {
            Action::Leg(order) => self.ordered(order, now),
            Action::Matrix { call, hears, .. } if hears.values().any(|it| !it.is_empty()) => {
                self.established(*call, now);
            }
            Action::CallOver(call) => self.over(*call, now),
            Action::Store { records, .. } => records.iter().for_each(|it| self.stored(it)),
            _ => {}
        }
    }

    /// The span of a call: what is logged until it is dropped says which call it is about.
    pub(crate) fn within(&self, call: CallId) -> Option<EnteredSpan> {
        self.calls.get(&call).map(|it| it.span.clone().entered())
    }

    fn within_leg(&self, leg: LegId) -> Option<EnteredSpan> {
        self.legs.get(&leg).and_then(|it| self.within(*it))
    }

    fn ordered(&mut self, action: &LegAction, now: Time) {
        let LegAction { call, leg, order } = action;
        if !self.calls.contains_key(call) {
            let span = tracing::info_span!("call", %call);
            self.calls.insert(*call, Track { span, begun: now, established: None, cause: None });
            let _within = self.within(*call);
            figures::call_begun();
            // The engine answers an offer before it hears of the next one, but perhaps with an order for another leg first.
            match self.offers.remove(leg).or_else(|| self.offers.pop_first().map(|it| it.1)) {
                Some((Origin::Device(caller), dialled)) => {
                    tracing::info!(from = %Number(caller.as_str()), to = %Number(&dialled), "a call begins");
                }
                Some((Origin::Trunk { name, caller }, dialled)) => {
                    let (from, to) = (Number(&caller), Number(&dialled));
                    tracing::info!(trunk = name, %from, %to, "a call begins");
                }
                None => tracing::info!("a call begins"),
            }
        }
        self.legs.insert(*leg, *call);
        let _within = self.within(*call);
        tracing::debug!(%leg, order = %Ordered(order), "order");
    }

    fn established(&mut self, call: CallId, now: Time) {
        let Some(track) = self.calls.get_mut(&call).filter(|it| it.established.is_none()) else { return };
        track.established = Some(now);
        figures::call_established();
        let after_ms = now.since(track.begun).as_millis();
        track.span.in_scope(|| tracing::info!(after_ms, "the call is established"));
    }

    fn over(&mut self, call: CallId, now: Time) {
        let Some(track) = self.calls.remove(&call) else { return };
        figures::call_ended(track.cause);
        let cause = track.cause.map_or("unknown", figures::cause_name);
        let ms = now.since(track.begun).as_millis();
        let talked_ms = track.established.map_or(0, |it| now.since(it).as_millis());
        track.span.in_scope(|| tracing::info!(cause, ms, talked_ms, "the call is over"));
    }

    fn stored(&self, record: &Record) {
        let Record::Audit(it) = record else { return };
        // The reason of a refusal is a sentence, which may hold a number; all others are from a fixed set.
        let reason = it.reason.as_deref().filter(|_| it.what != AuditEvent::OrderRefused);
        figures::audited(it.what, reason);
        let _within = it.call.and_then(|it| self.within(it));
        log_audit(it, reason.unwrap_or(""));
    }
}

fn log_audit(it: &Audit, reason: &str) {
    let number = |it: &Option<domain::ids::PhoneNumber>| it.as_ref().map_or_else(String::new, ToString::to_string);
    let (target, by) = (number(&it.target_number), it.supervisor);
    let target = Number(&target);
    let operation = it.operation.map_or("", |it| match it {
        domain::config::MonitorOperation::ListenIn => "ListenIn",
        domain::config::MonitorOperation::Coach => "Coach",
        domain::config::MonitorOperation::BargeIn => "BargeIn",
    });
    let order = it.order.map(tracing::field::display);
    let session = it.session.map(tracing::field::display);
    match it.what {
        AuditEvent::OrderArmed => tracing::info!(order, %by, %target, operation, "an order stands"),
        AuditEvent::OrderChanged => tracing::info!(order, %by, %target, operation, "an order is replaced"),
        AuditEvent::OrderRefused => tracing::info!(%by, %target, operation, "an order is refused"),
        AuditEvent::OrderEnded => tracing::info!(order, %by, %target, reason, "an order has ended"),
        AuditEvent::SessionOffered => tracing::info!(session, %by, %target, operation, "a supervisor is called"),
        AuditEvent::SessionActive => tracing::info!(session, %by, %target, operation, "a supervisor hears the call"),
        AuditEvent::SessionEnded => tracing::info!(session, %by, %target, reason, "a supervisor no longer hears"),
    }
}

#[cfg(test)]
mod tests;

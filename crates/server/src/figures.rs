//! `/metrics`: what is counted, under which names, and the sample that the driver takes once a second.
//!
//! Nothing is counted here for each packet or datagram: the adapters count those, and the sample reads their sums. No
//! label holds a number, a name or an address.

use std::{
    sync::{Arc, OnceLock, mpsc::Receiver},
    time::Duration,
};

use clock::Time;
use domain::{command::RefusalKind, engine::Counts, leg::Cause, record::AuditEvent};
use metrics::{Histogram, Unit, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::pulse::Pulse;

/// Begins to count, once for the process, and gives the way to read it. `None` if the library refuses our buckets.
pub(crate) fn start() -> Option<PrometheusHandle> {
    static STARTED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let begin = || {
        let buckets = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(TURN.into()), &TURN_BUCKETS);
        let recorder = buckets.ok()?.build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        for (name, kind, unit, help) in FIGURES {
            match kind {
                Kind::Counter => metrics::describe_counter!(*name, *unit, *help),
                Kind::Gauge => metrics::describe_gauge!(*name, *unit, *help),
                Kind::Histogram => metrics::describe_histogram!(*name, *unit, *help),
            }
        }
        Some(handle)
    };
    STARTED.get_or_init(begin).clone()
}

/// Keeps what nobody asks for from piling up: samples of histograms wait until they are read.
pub(crate) async fn keep_up(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP).await;
        handle.run_upkeep();
    }
}

/// What the driver reads once a second.
pub(crate) struct Sample<'a> {
    pub(crate) sip: &'a sip::Sip,
    pub(crate) engine: Counts,
    pub(crate) cometd: cometd::Stats,
    pub(crate) storage: storage::Figures,
    /// Commands that wait for the driver.
    pub(crate) inbox: usize,
}

/// The driver's side: its turns are timed, and once a second everything is read.
pub(crate) struct Sampler {
    pulse: Arc<Pulse>,
    due: Time,
    turn: Histogram,
    /// The media workers' answers to the last question, and how many there are to come.
    media: Option<(Receiver<media::Snapshot>, usize)>,
}

impl Sampler {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Self {
        Self { pulse, due: Time::default(), turn: histogram!(TURN), media: None }
    }

    /// A turn has ended that took so long.
    pub(crate) fn turned(&self, took: Duration, now: Time) {
        self.turn.record(took);
        self.pulse.turn(now);
    }

    /// Whether it is time for [`Self::sample`].
    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.due <= now
    }

    /// Reads everything. Media workers are asked, and their answers taken when they are there; a worker that does not
    /// answer is not asked again.
    pub(crate) fn sample(&mut self, it: &Sample<'_>, media: &mut media::Media, now: Time) {
        self.due = now + EVERY;
        sample_sip(it.sip);
        gauge!("undertone_calls").set(it.engine.calls as f64);
        gauge!("undertone_sessions").set(it.engine.sessions as f64);
        gauge!("undertone_orders").set(it.engine.orders as f64);
        gauge!("undertone_inbox_commands").set(it.inbox as f64);
        sample_cometd(&it.cometd);
        gauge!("undertone_storage_waiting").set(it.storage.waiting as f64);
        counter!("undertone_storage_committed_total").absolute(it.storage.committed);
        counter!("undertone_storage_failed_total").absolute(it.storage.failed);
        gauge!("undertone_media_ports_leased").set(media.ports().leased() as f64);
        gauge!("undertone_media_ports").set(media.ports().pairs() as f64);
        gauge!("undertone_media_orders_waiting").set(media.backlog() as f64);
        if self.media.is_none() {
            self.media = Some((media.pulse(), media.workers()));
        }
        self.take_media(now);
    }

    /// Takes what the media workers have answered by now.
    pub(crate) fn take_media(&mut self, now: Time) {
        let Some((answers, missing)) = &mut self.media else { return };
        while let Ok(it) = answers.try_recv() {
            sample_worker(&it);
            *missing = missing.saturating_sub(1);
        }
        if *missing == 0 {
            self.media = None;
            self.pulse.media(now);
        }
    }
}

fn sample_sip(sip: &sip::Sip) {
    let sip::Counters { received, sent, dropped } = sip.counters();
    counter!("undertone_sip_datagrams_total", "direction" => "in").absolute(received);
    counter!("undertone_sip_datagrams_total", "direction" => "out").absolute(sent);
    counter!("undertone_sip_datagrams_dropped_total").absolute(dropped);
    let shed = sip.legs().shed();
    counter!("undertone_sip_requests_shed_total", "how" => "refused").absolute(shed.refused);
    counter!("undertone_sip_requests_shed_total", "how" => "dropped").absolute(shed.dropped);
    let logins = sip.legs().logins();
    counter!("undertone_sip_logins_failed_total").absolute(logins.failed);
    counter!("undertone_sip_logins_held_off_total").absolute(logins.held_off);
    gauge!("undertone_sip_transactions").set(sip.legs().transactions() as f64);
    gauge!("undertone_registrations").set(sip.legs().registrations() as f64);
    let stages = sip.legs().stages();
    let sip::TrunkCounts { by_address, registered, registering, failed, unresolved } = sip.legs().trunks();
    for (state, count) in [
        ("by_address", by_address),
        ("registered", registered),
        ("registering", registering),
        ("failed", failed),
        ("unresolved", unresolved),
    ] {
        gauge!("undertone_trunks", "state" => state).set(count as f64);
    }
    for (state, count) in [("offered", stages.offered), ("calling", stages.calling), ("up", stages.up)] {
        gauge!("undertone_legs", "state" => state).set(count as f64);
    }
}

fn sample_cometd(it: &cometd::Stats) {
    gauge!("undertone_cometd_sessions").set(it.sessions as f64);
    gauge!("undertone_cometd_sockets").set(it.sockets as f64);
    gauge!("undertone_cometd_held_polls").set(it.held_polls as f64);
    counter!("undertone_cometd_deliveries_total").absolute(it.delivered);
    for (why, count) in [("unread", it.unread), ("lost", it.lost), ("doubtful", it.doubtful)] {
        counter!("undertone_cometd_sessions_lost_total", "why" => why).absolute(count);
    }
}

fn sample_worker(it: &media::Snapshot) {
    let worker = it.worker.to_string();
    gauge!("undertone_media_calls", "worker" => worker.clone()).set(it.calls as f64);
    for (direction, count) in [("in", it.received), ("out", it.sent)] {
        counter!("undertone_media_packets_total", "worker" => worker.clone(), "direction" => direction).absolute(count);
    }
    counter!("undertone_media_packets_unsent_total", "worker" => worker).absolute(it.unsent);
}

/// Too many wrong passwords for SIP came from an address.
pub(crate) fn held_off(source: std::net::IpAddr, user: Option<&str>) {
    let every_user = user.is_none();
    tracing::warn!(%source, every_user, "too many wrong SIP passwords; more from there wait, up to a minute each");
    if let Some(user) = user {
        tracing::debug!(%source, user, "this user is held off there");
    }
}

/// Our registration at a trunk stands otherwise than before.
pub(crate) fn trunk(name: &str, state: sip::TrunkState) {
    let result = match state {
        sip::TrunkState::Registered(seconds) => {
            // Each refresh says so again.
            tracing::debug!(trunk = name, seconds, "registered at the trunk");
            "registered"
        }
        sip::TrunkState::Refused(status) => {
            tracing::warn!(trunk = name, status, "the trunk refuses our registration; trying again later");
            "refused"
        }
        sip::TrunkState::Unreachable => {
            tracing::warn!(trunk = name, "the trunk does not answer our registration; trying again later");
            "unreachable"
        }
        sip::TrunkState::Unregistered => {
            tracing::info!(trunk = name, "no longer registered at the trunk");
            "unregistered"
        }
    };
    counter!("undertone_trunk_registrations_total", "result" => result).increment(1);
}

/// A command was refused.
pub(crate) fn refused(kind: RefusalKind) {
    let kind = match kind {
        RefusalKind::UnknownOperation => "unknown_operation",
        RefusalKind::NotPermitted => "not_permitted",
        RefusalKind::Missing => "missing",
        RefusalKind::OutOfRange => "out_of_range",
        RefusalKind::NotFound => "not_found",
        RefusalKind::Forbidden => "forbidden",
        RefusalKind::NotNow => "not_now",
        RefusalKind::InUse => "in_use",
        RefusalKind::Internal => "internal",
    };
    counter!("undertone_commands_refused_total", "kind" => kind).increment(1);
}

/// Something was written into the audit trail; the reason is that of an end, one of a fixed set.
pub(crate) fn audited(what: AuditEvent, reason: Option<&str>) {
    let name = match what {
        AuditEvent::OrderArmed => "order_armed",
        AuditEvent::OrderChanged => "order_changed",
        AuditEvent::OrderRefused => "order_refused",
        AuditEvent::OrderEnded => "order_ended",
        AuditEvent::SessionOffered => "session_offered",
        AuditEvent::SessionActive => "session_active",
        AuditEvent::SessionEnded => {
            let reason = reason.unwrap_or("unknown").to_owned();
            counter!("undertone_sessions_ended_total", "reason" => reason).increment(1);
            "session_ended"
        }
    };
    counter!("undertone_audit_entries_total", "what" => name).increment(1);
}

/// A call has begun.
pub(crate) fn call_begun() {
    counter!("undertone_calls_begun_total").increment(1);
}

/// The two parties of a call hear each other for the first time.
pub(crate) fn call_established() {
    counter!("undertone_calls_established_total").increment(1);
}

/// A call is over.
pub(crate) fn call_ended(cause: Option<Cause>) {
    counter!("undertone_calls_ended_total", "cause" => cause.map_or("unknown", cause_name)).increment(1);
}

/// Events stand in the log.
pub(crate) fn events_written(events: u64) {
    counter!("undertone_events_written_total").increment(events);
}

/// Events were not written down.
pub(crate) fn events_lost(events: u64) {
    counter!("undertone_events_lost_total").increment(events);
}

/// A request was answered.
pub(crate) fn answered(method: &'static str, route: &str, status: u16) {
    let (route, status) = (route.to_owned(), status.to_string());
    counter!("undertone_http_requests_total", "method" => method, "route" => route, "status" => status).increment(1);
}

/// The name of a cause, in labels and logs.
pub(crate) fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::HungUp => "hung_up",
        Cause::Cancelled => "cancelled",
        Cause::Busy => "busy",
        Cause::Declined => "declined",
        Cause::NoAnswer => "no_answer",
        Cause::Unavailable => "unavailable",
        Cause::NotFound => "not_found",
        Cause::Forbidden => "forbidden",
        Cause::NotAcceptable => "not_acceptable",
        Cause::Redirected => "redirected",
        Cause::Gone => "gone",
        Cause::Overload => "overload",
    }
}

/// How a figure behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Every figure. `docs/metrics.md` lists the same, with its labels.
const FIGURES: &[(&str, Kind, Unit, &str)] = &[
    ("undertone_sip_datagrams_total", Kind::Counter, Unit::Count, "SIP datagrams read and written"),
    ("undertone_sip_datagrams_dropped_total", Kind::Counter, Unit::Count, "SIP datagrams that the socket did not take"),
    ("undertone_sip_requests_shed_total", Kind::Counter, Unit::Count, "SIP requests beyond their sender's share"),
    ("undertone_sip_logins_failed_total", Kind::Counter, Unit::Count, "SIP credentials with a wrong password or user"),
    (
        "undertone_sip_logins_held_off_total",
        Kind::Counter,
        Unit::Count,
        "SIP credentials not looked at after wrong ones",
    ),
    ("undertone_sip_transactions", Kind::Gauge, Unit::Count, "SIP transactions held"),
    ("undertone_registrations", Kind::Gauge, Unit::Count, "Contacts registered"),
    ("undertone_trunks", Kind::Gauge, Unit::Count, "Trunks by how our registration there stands"),
    ("undertone_trunk_registrations_total", Kind::Counter, Unit::Count, "Our registrations at trunks, by result"),
    ("undertone_legs", Kind::Gauge, Unit::Count, "Legs by state"),
    ("undertone_calls", Kind::Gauge, Unit::Count, "Calls whose last leg has not ended"),
    ("undertone_calls_begun_total", Kind::Counter, Unit::Count, "Calls begun"),
    ("undertone_calls_established_total", Kind::Counter, Unit::Count, "Calls on which somebody heard somebody"),
    ("undertone_calls_ended_total", Kind::Counter, Unit::Count, "Calls ended, by the cause of the first leg's end"),
    ("undertone_sessions", Kind::Gauge, Unit::Count, "Monitoring sessions"),
    ("undertone_sessions_ended_total", Kind::Counter, Unit::Count, "Monitoring sessions ended, by reason"),
    ("undertone_orders", Kind::Gauge, Unit::Count, "Monitoring orders that stand"),
    ("undertone_audit_entries_total", Kind::Counter, Unit::Count, "Entries given to the audit trail"),
    ("undertone_commands_refused_total", Kind::Counter, Unit::Count, "Commands refused, by kind"),
    ("undertone_inbox_commands", Kind::Gauge, Unit::Count, "Commands that wait for the driver"),
    (TURN, Kind::Histogram, Unit::Seconds, "How long a turn of the driver took"),
    ("undertone_media_ports", Kind::Gauge, Unit::Count, "Pairs of ports that there are"),
    ("undertone_media_ports_leased", Kind::Gauge, Unit::Count, "Pairs of ports in use"),
    ("undertone_media_orders_waiting", Kind::Gauge, Unit::Count, "Orders that a media worker had no room for"),
    ("undertone_media_calls", Kind::Gauge, Unit::Count, "Calls of a media worker"),
    ("undertone_media_packets_total", Kind::Counter, Unit::Count, "RTP and RTCP packets of a media worker"),
    ("undertone_media_packets_unsent_total", Kind::Counter, Unit::Count, "Packets that the system did not take"),
    ("undertone_cometd_sessions", Kind::Gauge, Unit::Count, "CometD sessions"),
    ("undertone_cometd_sockets", Kind::Gauge, Unit::Count, "CometD WebSockets"),
    ("undertone_cometd_held_polls", Kind::Gauge, Unit::Count, "Long polls held"),
    ("undertone_cometd_deliveries_total", Kind::Counter, Unit::Count, "Messages put on their way to a session"),
    ("undertone_cometd_sessions_lost_total", Kind::Counter, Unit::Count, "Sessions ended because messages were lost"),
    ("undertone_http_requests_total", Kind::Counter, Unit::Count, "HTTP requests answered"),
    ("undertone_storage_waiting", Kind::Gauge, Unit::Count, "Stores that wait to be written"),
    ("undertone_storage_committed_total", Kind::Counter, Unit::Count, "Stores committed"),
    ("undertone_storage_failed_total", Kind::Counter, Unit::Count, "Stores that could not be written"),
    ("undertone_events_written_total", Kind::Counter, Unit::Count, "Events written into the event log"),
    ("undertone_events_lost_total", Kind::Counter, Unit::Count, "Events missing in the event log"),
];

const TURN: &str = "undertone_driver_turn_seconds";
const TURN_BUCKETS: [f64; 12] = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];
const EVERY: Duration = Duration::from_secs(1);
const UPKEEP: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;

//! One supervisor hearing one call: a session of a monitoring order (`supervision.md` a.4, a.5).

use std::fmt;

use clock::Time;

use super::{
    Engine, Timer,
    hold::Hold,
    refuse::{not_now, unwritten},
};
use crate::{
    command::{Calls, Refusal},
    config::MonitorOperation,
    ids::{CallId, DeviceId, LegId, OrderId, SessionId, UserId},
    leg::Cause,
    matrix::Listener,
    record::{Audit, AuditEvent, Order, Record},
    view::Notice,
};

/// A supervisor's presence on one call. The standing order that led to it is kept apart: it may end earlier (E-18,
/// E-20) or stay for the next call.
///
/// Invariant: it hears only while it is `Active`, and it becomes that only when its phone has answered and its
/// beginning is in the audit trail.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Session {
    pub(super) id: SessionId,
    /// The order that it is of, which may be gone.
    pub(super) order: OrderId,
    pub(super) supervisor: UserId,
    pub(super) device: DeviceId,
    pub(super) call: CallId,
    pub(super) leg: LegId,
    pub(super) target: DeviceId,
    pub(super) target_leg: LegId,
    pub(super) operation: MonitorOperation,
    pub(super) state: State,
    /// Whether its beginning is in the audit trail.
    pub(super) written: bool,
    /// Whether the phone can be told to answer.
    pub(super) answerable: bool,
    /// Whether the supervisor holds (V-06).
    pub(super) hold: Hold,
    pub(super) since: Time,
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The supervisor's phone is being called.
    Offering { until: Time },
    /// It has answered; the audit trail is awaited.
    Answered,
    /// The supervisor hears the call.
    Active,
    /// Over; shown until the media worker has taken its hearing away.
    Leaving,
}

/// Why a session, or an order, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Cancelled,
    Replaced,
    TargetLoggedOut,
    SupervisorLoggedOut,
    LoggedOutMeanwhile,
    NextCallDone,
    NoAnswerThreeTimes,
    CallEnded,
    Left,
    Lost,
    Busy,
    Unreachable,
    Rejected,
    NoAnswer,
    Storage,
    NotPermitted,
    ServerRestart,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
            Self::TargetLoggedOut => "target_logged_out",
            Self::SupervisorLoggedOut => "supervisor_logged_out",
            Self::LoggedOutMeanwhile => "logged_out_meanwhile",
            Self::NextCallDone => "next_call_done",
            Self::NoAnswerThreeTimes => "no_answer_three_times",
            Self::CallEnded => "call_ended",
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::Rejected => "rejected",
            Self::NoAnswer => "no_answer",
            Self::Storage => "storage",
            Self::NotPermitted => "not_permitted",
            Self::ServerRestart => "server_restart",
        })
    }
}

impl Session {
    pub(super) fn listener(&self) -> Listener {
        Listener {
            leg: self.leg,
            target: self.target_leg,
            operation: self.operation,
            present: self.state == State::Active && !self.hold.is_on(),
        }
    }
}

impl Engine {
    pub(super) fn supervisor_answers(&mut self, id: SessionId, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let State::Offering { until } = session.state else { return };
        session.state = State::Answered;
        self.timers.remove(&(until, Timer::Offer(id)));
        self.activate(id, now);
    }

    pub(super) fn session_is_written(&mut self, id: SessionId, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.written = true;
        self.activate(id, now);
    }

    /// No storage, no listening; the call goes on.
    pub(super) fn session_is_unwritten(&mut self, id: SessionId, now: Time) {
        self.session_ends(id, Reason::Storage, now);
    }

    fn activate(&mut self, id: SessionId, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.state != State::Answered || !session.written {
            return;
        }
        session.state = State::Active;
        let (order, call) = (session.order, session.call);
        self.outbox.calls.insert(call);
        let session = session.clone();
        let mut records = vec![self.audit_session(AuditEvent::SessionActive, &session, None, now)];
        if let Some(order) = self.orders.get_mut(&order).filter(|it| it.unanswered > 0) {
            order.unanswered = 0;
            let order = order.clone();
            records.push(self.order_record(order));
        }
        self.note(records);
    }

    pub(super) fn supervisor_can_answer(&mut self, id: SessionId, answerable: bool) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.answerable = answerable;
        self.outbox.calls.insert(session.call);
    }

    pub(super) fn supervisor_holds(&mut self, id: SessionId, held: bool, now: Time) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.hold.set_by_phone(held, now);
        self.outbox.calls.insert(session.call);
    }

    /// Ends a session and its leg. The call is not touched.
    pub(super) fn session_ends(&mut self, id: SessionId, why: Reason, now: Time) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (call, leg) = (session.call, session.leg);
        let cause = match session.state {
            State::Offering { .. } => Cause::Cancelled,
            State::Answered | State::Active => Cause::HungUp,
            State::Leaving => return,
        };
        if let Some(call) = self.calls.get_mut(&call) {
            call.listeners.remove(&leg);
        }
        self.end_leg(call, leg, cause);
        self.conclude(id, why, now);
    }

    /// The supervisor's leg has ended by itself.
    pub(super) fn supervisor_is_gone(&mut self, id: SessionId, cause: Cause, now: Time) {
        let Some(session) = self.sessions.get(&id) else { return };
        let why = match (session.state, cause) {
            (State::Offering { .. }, Cause::Declined) => Reason::Rejected,
            (State::Offering { .. }, _) => Reason::Unreachable,
            (_, Cause::HungUp) => Reason::Left,
            _ => Reason::Lost,
        };
        self.conclude(id, why, now);
    }

    /// Ends a session whose leg goes on to another call.
    pub(super) fn session_gives_up_leg(&mut self, id: SessionId, now: Time) {
        let Some(session) = self.sessions.get(&id) else { return };
        let leg = session.leg;
        if let Some(call) = self.calls.get_mut(&session.call) {
            call.listeners.remove(&leg);
        }
        self.conclude(id, Reason::Replaced, now);
    }

    fn conclude(&mut self, id: SessionId, why: Reason, now: Time) {
        let Some(session) = self.sessions.remove(&id) else { return };
        if let State::Offering { until } = session.state {
            self.timers.remove(&(until, Timer::Offer(id)));
        }
        if let Some(phone) = self.people.phone_mut(session.device) {
            phone.session = phone.session.filter(|it| *it != id);
        }
        self.outbox.freed.insert(session.device);
        self.outbox.distribute = true;
        self.outbox.calls.insert(session.call);
        let entry = self.audit_session(AuditEvent::SessionEnded, &session, Some(why), now);
        self.note(vec![Record::SessionEnded(id), entry]);
        if let Some(refusal) = failure(why) {
            self.outbox.notices.push((session.supervisor, Notice::Failed(refusal)));
        }
        let heard = matches!(session.state, State::Answered | State::Active);
        self.order_after(session.order, why, heard, now);
        if session.state == State::Active
            && let Some(call) = self.calls.get_mut(&session.call)
        {
            call.leaving.insert(id, None);
            self.sessions.insert(id, Session { state: State::Leaving, ..session });
        }
    }

    /// What the end of a session means for its order (the second table of a.4).
    fn order_after(&mut self, id: OrderId, why: Reason, heard: bool, now: Time) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let used_up = match why {
            Reason::Left | Reason::Lost | Reason::Rejected => true,
            // Who has heard nothing has not had the call.
            Reason::CallEnded => heard,
            Reason::NoAnswer => return self.unanswered(id, now),
            _ => false,
        };
        if used_up && order.calls == Calls::Next {
            self.order_ends(id, Reason::NextCallDone, now);
        }
    }

    /// A forgotten order does not ring a desk all day (V-04).
    fn unanswered(&mut self, id: OrderId, now: Time) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.unanswered = order.unanswered.saturating_add(1);
        let order: Order = order.clone();
        if order.unanswered >= UNANSWERED_MAX {
            self.order_ends(id, Reason::NoAnswerThreeTimes, now);
        } else {
            let record = self.order_record(order);
            self.note(vec![record]);
        }
    }

    pub(super) fn audit_session(&self, what: AuditEvent, session: &Session, why: Option<Reason>, at: Time) -> Record {
        Record::Audit(Audit {
            call: Some(session.call),
            order: Some(session.order),
            session: Some(session.id),
            operation: Some(session.operation),
            reason: why.map(|it| it.to_string()),
            ..self.audit(what, session.supervisor, Some(session.device), Some(session.target), at)
        })
    }
}

/// What the supervisor is told where the end of a session is a failure (V-02 to V-04).
fn failure(why: Reason) -> Option<Refusal> {
    match why {
        Reason::Unreachable => Some(not_now("Your phone could not be reached for the monitored call.")),
        Reason::Rejected => Some(not_now("Your phone declined the monitored call.")),
        Reason::NoAnswer => Some(not_now("Your phone did not answer the monitored call in time.")),
        Reason::Lost => Some(not_now("The connection to your phone was lost during the monitored call.")),
        Reason::Storage => Some(Refusal {
            text: "The session could not be written to the audit trail, so you may not listen; tell the operator to \
                   look at the server's storage."
                .into(),
            ..unwritten()
        }),
        _ => None,
    }
}

/// Sessions in a row that the supervisor's phone may leave unanswered (V-04).
const UNANSWERED_MAX: u8 = 3;

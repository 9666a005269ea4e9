//! What is written down, what hinges on it, and what waits for it.

use std::collections::VecDeque;

use clock::Time;

use super::{Engine, Timer, refuse::unwritten};
use crate::{
    command::{Command, Reply},
    event::{Action, Outcome},
    ids::{DeviceId, OrderId, RequestId, SessionId, Ticket, UserId},
    record::{Comfort, LogIn, Order, Record},
};

/// What hinges on a `Store` action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pending {
    /// A durable command: made, and answered, once it is written.
    Command { request: RequestId, lock: Lock, change: Durable, reply: Reply },
    /// A session's beginning: no cell towards the supervisor before it is written.
    Session(SessionId),
    /// Nothing: something that has happened whether or not it can be written. Tried again until it is.
    Nothing(Vec<Record>),
}

/// A durable command's change, made when it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Durable {
    LogIn(LogIn),
    LogOut(UserId),
    AgentState(LogIn),
    Comfort(Comfort),
    /// The order, and whether it changes in place the one that stood.
    Arm(Order, Before),
    Disarm(OrderId),
    Provision(Vec<Record>),
}

/// What stood before an order that is being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// The same order, to be changed in place.
    Same,
    /// No order of this supervisor's, or one for another target.
    Other,
}

/// The object of a durable command: while one is being written, the next on the same object waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lock {
    Operator,
    User(UserId),
    Device(DeviceId),
}

impl Engine {
    /// Writes records whose truth does not depend on it.
    pub(super) fn note(&mut self, records: Vec<Record>) {
        let pending = Pending::Nothing(records.clone());
        self.store(records, pending);
    }

    pub(super) fn store(&mut self, records: Vec<Record>, pending: Pending) {
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.pending.insert(ticket, pending);
        self.outbox.acts.push(Action::Store { ticket, records });
    }

    /// Writes a durable command down; it is made and answered when that is done.
    pub(super) fn store_command(
        &mut self,
        request: RequestId,
        lock: Lock,
        records: Vec<Record>,
        change: Durable,
        reply: Reply,
    ) {
        self.queued.insert(lock, VecDeque::new());
        self.store(records, Pending::Command { request, lock, change, reply });
    }

    pub(super) fn on_stored(&mut self, ticket: Ticket, outcome: Outcome, now: Time) {
        match (self.pending.remove(&ticket), outcome) {
            (Some(Pending::Command { request, lock, change, reply }), outcome) => {
                let result = match outcome {
                    Outcome::Committed => self.make(change, now).map(|()| reply),
                    Outcome::Failed => {
                        if let Lock::User(user) = lock {
                            self.overtaken.retain(|it| self.orders.get(it).is_none_or(|it| it.supervisor != user));
                        }
                        self.unmake(change);
                        Err(unwritten())
                    }
                };
                self.reply(request, result);
                self.release(lock, now);
            }
            (Some(Pending::Session(session)), Outcome::Committed) => self.session_is_written(session, now),
            (Some(Pending::Session(session)), Outcome::Failed) => self.session_is_unwritten(session, now),
            (Some(Pending::Nothing(records)), Outcome::Failed) => self.try_again_later(records, now),
            (Some(Pending::Nothing(_)) | None, _) => {}
        }
    }

    fn make(&mut self, change: Durable, now: Time) -> Result<(), crate::command::Refusal> {
        match change {
            Durable::LogIn(log_in) => self.make_log_in(log_in),
            Durable::LogOut(user) => self.make_log_out(user, now),
            Durable::AgentState(log_in) => self.make_agent_state(log_in, now),
            Durable::Comfort(comfort) => self.make_comfort(comfort),
            Durable::Arm(order, before) => return self.make_order(order, before, now),
            Durable::Disarm(order) => self.make_cancel(order, now),
            Durable::Provision(records) => self.make_provision(records),
        }
        Ok(())
    }

    fn unmake(&mut self, change: Durable) {
        match change {
            Durable::LogIn(log_in) => self.unreserve(log_in.device),
            Durable::Arm(order, _) => self.no_longer_being_armed(&order),
            Durable::LogOut(_)
            | Durable::AgentState(_)
            | Durable::Comfort(_)
            | Durable::Disarm(_)
            | Durable::Provision(_) => {}
        }
    }

    /// Lets the commands that wait for this object go on, up to the next one that must be written.
    fn release(&mut self, lock: Lock, now: Time) {
        let Some(mut queue) = self.queued.remove(&lock) else { return };
        while let Some((request, command)) = queue.pop_front() {
            if let Err(refusal) = self.run(request, command, now) {
                self.reply(request, Err(refusal));
            }
            if let Some(fresh) = self.queued.get_mut(&lock) {
                *fresh = queue;
                return;
            }
        }
    }

    /// Makes a command wait if one on the same object is being written; gives it back if not.
    pub(super) fn wait_for(
        &mut self,
        lock: Lock,
        request: RequestId,
        command: Command,
    ) -> Result<Option<Command>, crate::command::Refusal> {
        let Some(queue) = self.queued.get_mut(&lock) else { return Ok(Some(command)) };
        if queue.len() >= QUEUED_MAX {
            return Err(super::refuse::not_now(
                "Too many requests for the same object are waiting to be written; wait for their answers.",
            ));
        }
        queue.push_back((request, command));
        Ok(None)
    }

    /// Whether a change of this user's log-in is being written.
    pub(super) fn log_in_is_changing(&self, user: UserId) -> bool {
        self.pending.values().any(|it| match it {
            Pending::Command { change: Durable::LogIn(it) | Durable::AgentState(it), .. } => it.user == user,
            Pending::Command { change: Durable::LogOut(it), .. } => *it == user,
            _ => false,
        })
    }

    fn try_again_later(&mut self, records: Vec<Record>, now: Time) {
        if self.unwritten.len() >= UNWRITTEN_MAX {
            self.unwritten.pop_front();
        }
        self.unwritten.push_back(records);
        if !self.timers.iter().any(|(_, it)| *it == Timer::Rewrite) {
            self.timers.insert((now + REWRITE_AFTER, Timer::Rewrite));
        }
    }

    pub(super) fn rewrite(&mut self, _now: Time) {
        for mut records in std::mem::take(&mut self.unwritten) {
            // An order or a log-in that has changed or gone by now must not come back from an old record.
            records.retain(|it| match it {
                Record::Order(order) => self.orders.get(&order.id) == Some(order),
                Record::LogIn(log_in) => self.people.person(log_in.user).is_some_and(|it| it.log_in == Some(*log_in)),
                _ => true,
            });
            if !records.is_empty() {
                self.note(records);
            }
        }
    }
}

/// How many commands may wait for one object.
const QUEUED_MAX: usize = 32;
/// How many failed writes are kept to be tried again.
const UNWRITTEN_MAX: usize = 10_000;
/// When failed writes are tried again.
const REWRITE_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

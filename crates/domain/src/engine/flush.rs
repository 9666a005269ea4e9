//! From what has changed to actions, in the order that readers rely on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use clock::Time;

use super::Engine;
use crate::{
    event::Action,
    ids::{CallId, DeviceId, LegId, UserId},
    matrix::{HeldParty, Listener, Matrix, Presence, Treatment, hearing, treated},
    view::{CallNotice, CallState, CallView, Change, Notice, Notification},
};

impl Engine {
    /// Orders to legs and storage first, then matrices, then all that has changed for readers, then answers, then
    /// messages: a GET is never older than an answer or a message, and an answer comes before its message.
    pub(super) fn flush(&mut self, now: Time) -> Vec<Action> {
        while let Some(device) = self.outbox.freed.pop_first() {
            self.join_late(device, now);
        }
        if std::mem::take(&mut self.outbox.distribute) {
            self.distribute(now);
        }
        let mut out = std::mem::take(&mut self.outbox.acts);
        if std::mem::take(&mut self.outbox.directory) {
            out.push(Action::Directory(self.people.directory()));
        }
        let calls = std::mem::take(&mut self.outbox.calls);
        calls.iter().for_each(|call| self.send_matrix(*call, &mut out));
        let mut notices = Vec::new();
        for call in &calls {
            self.publish_call(*call, now, &mut out, &mut notices);
        }
        self.publish_people(&mut out, &mut notices);
        out.append(&mut self.outbox.replies);
        notices.append(&mut self.outbox.notices);
        if !std::mem::take(&mut self.outbox.hushed) {
            out.extend(notices.into_iter().filter_map(|(user, notice)| self.numbered(user, notice)));
        }
        for call in calls {
            if self.calls.get(&call).is_some_and(super::call::Call::is_finished) {
                self.calls.remove(&call);
                out.push(Action::CallOver(call));
            }
        }
        out
    }

    fn numbered(&mut self, user: UserId, notice: Notice) -> Option<Action> {
        let person = self.people.person_mut(user)?;
        person.told += 1;
        Some(Action::Notify(Notification { user, number: person.told, notice }))
    }

    /// Sends a call's matrix where it differs from the last, and notes which version takes hearing away from sessions
    /// that have ended.
    fn send_matrix(&mut self, id: CallId, out: &mut Vec<Action>) {
        let Some((hears, plays)) = self.matrix(id) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let finished = call.is_finished();
        let silent = is_silent(&hears) && is_silent(&call.hears);
        let changed = plays != call.plays || (hears != call.hears && !silent);
        if changed && !finished {
            call.version += 1;
            call.hears.clone_from(&hears);
            call.plays.clone_from(&plays);
            out.push(Action::Matrix { call: id, version: call.version, hears, plays });
        }
        // Nothing need be awaited where nothing was taken away: the supervisor had us on hold, or no leg is left.
        let at_once: Vec<_> = call.leaving.iter().filter(|(_, it)| finished || (it.is_none() && !changed)).collect();
        let at_once: Vec<_> = at_once.into_iter().map(|(session, _)| *session).collect();
        for session in at_once {
            call.leaving.remove(&session);
            self.sessions.remove(&session);
        }
        let version = call.version;
        call.leaving.values_mut().for_each(|it| *it = it.or(Some(version)));
    }

    /// A row for every leg, those being ended included, and what legs are played.
    fn matrix(&self, id: CallId) -> Option<(Matrix, BTreeMap<LegId, Treatment>)> {
        let call = self.calls.get(&id)?;
        let parties: BTreeMap<LegId, Presence> = call.parties.iter().map(|(leg, it)| (*leg, it.presence())).collect();
        let sessions = call.listeners.values().filter_map(|it| self.sessions.get(it));
        let listeners: Vec<Listener> = sessions.map(super::session::Session::listener).collect();
        let audible = self.settings.supervision.monitor_party_on_hold;
        let held = if audible { HeldParty::Audible } else { HeldParty::Silent };
        let mut rows = hearing(&parties, &listeners, held);
        rows.extend(call.closing.iter().map(|leg| (*leg, BTreeSet::new())));
        let plays = match &call.visit {
            Some(visit) => treated(&parties, &visit.queue),
            None => call.hears_ringback().map(|it| (it, Treatment::Ringback)).into_iter().collect(),
        };
        Some((rows, plays))
    }

    fn publish_call(&mut self, id: CallId, now: Time, out: &mut Vec<Action>, notices: &mut Vec<(UserId, Notice)>) {
        let devices: BTreeSet<DeviceId> = self.devices_on(id);
        let views: Vec<_> = devices.into_iter().map(|it| (it, self.call_view(id, it))).collect();
        let Some(call) = self.calls.get_mut(&id) else { return };
        for (device, view) in views {
            let old = call.views.get(&device);
            match (old, view) {
                (Some(old), Some(new)) if **old == new => {}
                (old, Some(new)) => {
                    let notice = old.map_or(CallNotice::StatusChange, |old| what_changed(old, &new));
                    let new = Arc::new(new);
                    call.views.insert(device, Arc::clone(&new));
                    out.push(Action::Publish(Change::Call(Arc::clone(&new))));
                    tell(notices, notice, new);
                }
                (Some(old), None) => {
                    let last = released(old, now);
                    call.views.remove(&device);
                    out.push(Action::Publish(Change::CallGone(id, device)));
                    tell(notices, CallNotice::StatusChange, Arc::new(last));
                }
                (None, None) => {}
            }
        }
    }

    /// Devices that are on a call or have been shown it.
    fn devices_on(&self, id: CallId) -> BTreeSet<DeviceId> {
        let Some(call) = self.calls.get(&id) else { return BTreeSet::new() };
        let parties = call.parties.values().filter_map(super::call::Party::device);
        let sessions = call.listeners.values().chain(call.leaving.keys());
        let listeners = sessions.filter_map(|it| self.sessions.get(it)).map(|it| it.device);
        parties.chain(listeners).chain(call.views.keys().copied()).collect()
    }

    fn publish_people(&mut self, out: &mut Vec<Action>, notices: &mut Vec<(UserId, Notice)>) {
        for user in std::mem::take(&mut self.outbox.users) {
            let Some(view) = self.user_view(user) else { continue };
            let Some(person) = self.people.person_mut(user) else { continue };
            if person.published.as_deref() != Some(&view) {
                let view = Arc::new(view);
                person.published = Some(Arc::clone(&view));
                out.push(Action::Publish(Change::User(view)));
            }
        }
        let again = std::mem::take(&mut self.outbox.again);
        let mut devices = std::mem::take(&mut self.outbox.devices);
        devices.extend(&again);
        for device in devices {
            let Some(view) = self.device_view(device) else { continue };
            let Some(phone) = self.people.phone_mut(device) else { continue };
            let changed = phone.published.as_deref() != Some(&view);
            if !changed && !again.contains(&device) {
                continue;
            }
            let view = Arc::new(view);
            if changed {
                phone.published = Some(Arc::clone(&view));
                out.push(Action::Publish(Change::Device(Arc::clone(&view))));
            }
            notices.extend(view.owner.map(|owner| (owner, Notice::Device(view))));
        }
    }
}

fn is_silent(matrix: &Matrix) -> bool {
    matrix.values().all(BTreeSet::is_empty)
}

fn tell(notices: &mut Vec<(UserId, Notice)>, what: CallNotice, view: Arc<CallView>) {
    notices.extend(view.owner.map(|owner| (owner, Notice::Call(what, view))));
}

/// A supervisor that comes or goes counts as a party that does.
fn what_changed(old: &CallView, new: &CallView) -> CallNotice {
    let status = |it: &CallView| (it.state, it.muted, it.capabilities.clone());
    if status(old) == status(new) { CallNotice::ParticipantsUpdated } else { CallNotice::StatusChange }
}

fn released(last: &CallView, now: Time) -> CallView {
    CallView {
        state: CallState::Released,
        capabilities: Vec::new(),
        until: Some(now),
        supervisor_listening_in: false,
        ..last.clone()
    }
}

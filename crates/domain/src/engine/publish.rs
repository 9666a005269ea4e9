//! What readers see, worked out from the state as it is.

use std::collections::BTreeSet;

use super::{
    Engine,
    call::{Call, Party, PartyState, Phase, Way},
    people::{Person, Phone},
    session::{Session, State},
};
use crate::{
    config::{ContactCenter, MonitorOperation, Role, TellAgent},
    ids::{CallId, DeviceId, LegId, UserId},
    view::{AgentState, CallState, CallType, CallView, Capability, DeviceView, MonitoringView, UserView},
};

impl Engine {
    pub(super) fn user_view(&self, id: UserId) -> Option<UserView> {
        let person = self.people.person(id)?;
        let user = &person.user;
        Some(UserView {
            id,
            user_name: user.user_name.clone(),
            password_hash: user.password_hash.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            roles: user.roles.clone(),
            devices: self.people.devices_of(id),
            teams: user.teams.clone(),
            supervises: user.supervises.clone(),
            agent_state: person.state(),
        })
    }

    pub(super) fn device_view(&self, id: DeviceId) -> Option<DeviceView> {
        let phone = self.people.phone(id)?;
        let owner = self.people.owner(id);
        let user = phone.user.and_then(|it| self.people.person(it));
        let teams = owner.and_then(|it| self.people.person(it)).map(|it| it.user.teams.clone());
        Some(DeviceView {
            id,
            owner,
            teams: teams.unwrap_or_default(),
            active: user.is_some(),
            agent_state: user.map_or(AgentState::Offline, Person::state),
            phone_number: phone.device.phone_number.clone(),
            telephony_network: phone.device.telephony_network,
            do_not_disturb: phone.do_not_disturb,
            forward_to: phone.forward_to.clone(),
            capabilities: self.device_capabilities(phone, owner),
            monitoring: self.monitoring(id),
        })
    }

    /// What the owner can do now; what would be refused for a reason that lies with the owner is not listed.
    fn device_capabilities(&self, phone: &Phone, owner: Option<UserId>) -> Vec<Capability> {
        let Some(owner) = owner.and_then(|it| self.people.person(it)) else { return Vec::new() };
        if !self.center.has(ContactCenter::VOICE) {
            return Vec::new();
        }
        let mut all = vec![
            if phone.forward_to.is_some() { Capability::ForwardCallsOff } else { Capability::ForwardCallsOn },
            if phone.do_not_disturb { Capability::DoNotDisturbOff } else { Capability::DoNotDisturbOn },
        ];
        if !self.center.has(ContactCenter::MONITORING) || !owner.is(Role::Supervisor) {
            return all;
        }
        let may = owner.user.monitor.contains(&MonitorOperation::ListenIn);
        if may && phone.registered && phone.user == Some(owner.user.id) {
            all.push(Capability::ListenIn);
        }
        if phone.order.is_some() {
            all.push(Capability::CancelSupervisorMonitoring);
        }
        all
    }

    fn monitoring(&self, device: DeviceId) -> Option<MonitoringView> {
        let order = self.order_of(device).filter(|_| self.center.has(ContactCenter::MONITORING))?;
        Some(MonitoringView {
            operation: order.operation,
            calls: order.calls,
            scope: order.scope,
            target: Some(order.target),
            phone_number: self.people.number(order.target)?.clone(),
            switch_name: self.center.switch_name.clone(),
        })
    }

    /// A device's view of a call, if it is on it and its phone knows of it.
    pub(super) fn call_view(&self, id: CallId, device: DeviceId) -> Option<CallView> {
        let call = self.calls.get(&id)?;
        match call.party_of(device) {
            Some((leg, party)) => self.party_view(id, call, device, leg, party),
            None => self.supervisor_view(id, call, device),
        }
    }

    fn party_view(&self, id: CallId, call: &Call, device: DeviceId, leg: LegId, party: &Party) -> Option<CallView> {
        let state = party_state(call, party)?;
        let mut call_type = call_type(call);
        let others: Vec<String> = match &call.visit {
            _ if party.state == PartyState::Summoned => {
                let way = self.route(&party.who, call.dialled.parse().ok().as_ref());
                let outside = if let Ok(Way::Trunk { number, .. }) = way { Some(number) } else { None };
                call_type = if outside.is_some() { CallType::Outbound } else { call_type };
                vec![outside.unwrap_or_else(|| call.dialled.clone())]
            }
            // Whom its call is offered to is none of the caller's business.
            Some(visit) if matches!(party.state, PartyState::Waiting { .. }) => vec![visit.queue.to_string()],
            _ => call.parties.iter().filter(|(it, _)| **it != leg).map(|(_, it)| self.number_of(&it.who)).collect(),
        };
        let comes_in = !leg.is_inbound() && call_type == CallType::Inbound;
        Some(CallView {
            call: id,
            device,
            phone_number: self.people.number(device)?.clone(),
            owner: self.people.owner(device),
            state,
            call_type,
            ani: others.first().filter(|_| comes_in).cloned(),
            participants: others,
            dnis: call.dialled.clone(),
            capabilities: self.party_can(call, party),
            since: party.since,
            until: None,
            muted: false,
            supervisor_listening_in: self.is_told(call, device),
            monitoring: None,
        })
    }

    /// Whether this device's user is told that a supervisor listens (a.8).
    fn is_told(&self, call: &Call, device: DeviceId) -> bool {
        let ordered = || self.people.phone(device).is_some_and(|it| !it.watched_by.is_empty());
        let joined = || self.sessions_on(call).any(|it| it.target == device && hears(it));
        match self.settings.supervision.tell_agent {
            TellAgent::Never => false,
            TellAgent::OnJoin => joined(),
            TellAgent::OnArm => ordered() || joined(),
        }
    }

    fn sessions_on<'a>(&'a self, call: &'a Call) -> impl Iterator<Item = &'a Session> {
        call.listeners.values().chain(call.leaving.keys()).filter_map(|it| self.sessions.get(it))
    }

    /// The supervisor's own view: the same call, seen from outside the conversation.
    fn supervisor_view(&self, id: CallId, call: &Call, device: DeviceId) -> Option<CallView> {
        let session = self.sessions_on(call).find(|it| it.device == device)?;
        let last = call.views.get(&device);
        let participants = call.parties.values().map(|it| self.number_of(&it.who)).collect();
        let over = call.phase == Phase::Over;
        let leaving = last.filter(|_| session.state == State::Leaving);
        Some(CallView {
            call: id,
            device,
            phone_number: self.people.number(device)?.clone(),
            owner: self.people.owner(device),
            state: match session.state {
                State::Offering { .. } | State::Answered => CallState::Ringing,
                State::Active if is_deaf(call, session) => CallState::Held,
                State::Active => CallState::Established,
                State::Leaving => last.map_or(CallState::Established, |it| it.state),
            },
            call_type: last.map_or_else(|| call_type(call), |it| it.call_type),
            participants: last.filter(|_| over).map_or(participants, |it| it.participants.clone()),
            dnis: self.people.number(session.target).map(ToString::to_string).unwrap_or_default(),
            ani: None,
            capabilities: leaving.map_or_else(|| self.session_can(call, session), |it| it.capabilities.clone()),
            since: session.since,
            until: None,
            muted: session.operation != MonitorOperation::BargeIn,
            supervisor_listening_in: false,
            monitoring: Some(session.operation),
        })
    }
}

fn hears(session: &Session) -> bool {
    matches!(session.state, State::Active | State::Leaving)
}

/// Whether the supervisor hears nobody now: it holds (V-06), or nobody is left to be heard (E-05).
fn is_deaf(call: &Call, session: &Session) -> bool {
    session.hold.is_on() || call.hears.get(&session.leg).is_none_or(BTreeSet::is_empty)
}

fn party_state(call: &Call, party: &Party) -> Option<CallState> {
    match party.state {
        PartyState::Dialled => None,
        PartyState::Summoned
        | PartyState::Calling
        | PartyState::Answering
        | PartyState::Waiting { confirmed: false } => Some(CallState::Dialing),
        PartyState::Ringing | PartyState::Early => Some(CallState::Ringing),
        PartyState::Up | PartyState::Waiting { .. } if party.hold.is_on() => Some(CallState::Held),
        PartyState::Up | PartyState::Waiting { .. } => (call.phase != Phase::Over).then_some(CallState::Established),
    }
}

fn call_type(call: &Call) -> CallType {
    let outside = call.parties.iter().find(|(_, it)| it.device().is_none());
    match outside {
        None => CallType::Internal,
        Some((leg, _)) if leg.is_inbound() => CallType::Inbound,
        Some(_) => CallType::Outbound,
    }
}

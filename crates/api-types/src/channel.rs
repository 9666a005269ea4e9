//! Channels, and the agent state on them.

use domain::view::AgentState;
use serde::Serialize;

/// The name of the only channel there is.
pub const VOICE_CHANNEL: &str = "voice";

/// `userState`: an agent's state on a channel (`gws-api.md` 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserState {
    /// Constant for each state, the same in every contact centre.
    pub id: &'static str,
    /// For people.
    pub display_name: &'static str,
    /// For programs.
    pub state: &'static str,
    /// What the agent does instead of taking calls, where that has a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_mode: Option<&'static str>,
}

/// A channel of a user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its name, `voice`.
    pub channel: &'static str,
    /// The user's state on it.
    pub user_state: UserState,
}

/// The `userState` of an agent state. The mixed case in the id of Offline is as documented.
#[must_use]
pub fn user_state(state: AgentState) -> UserState {
    let work_mode = match state {
        AgentState::AfterCallWork => Some("AfterCallWork"),
        AgentState::AuxWork => Some("AuxWork"),
        AgentState::Ready | AgentState::NotReady | AgentState::Offline => None,
    };
    let (id, display_name, state) = match state {
        AgentState::Ready => ("9430250E-0A1B-421F-B372-F29E69366DED", "Ready", "Ready"),
        AgentState::NotReady => ("900D55CC-2BB0-431F-8BF9-D3525B383BE6", "Not Ready", "NotReady"),
        AgentState::AfterCallWork => ("D3663509-3D82-4DD3-A82E-2EA8EFA02AEF", "AfterCallWork", "NotReady"),
        AgentState::AuxWork => ("2B36138D-C564-4562-A8CB-3C32D564F296", "AuxWork", "NotReady"),
        AgentState::Offline => ("0F7F5003-EF26-4D13-A6Ef-D0C7EC819BEB", "Offline", "LoggedOut"),
    };
    UserState { id, display_name, state, work_mode }
}

/// The voice channel of a user in this state.
#[must_use]
pub fn channel(state: AgentState) -> Channel {
    Channel { channel: VOICE_CHANNEL, user_state: user_state(state) }
}

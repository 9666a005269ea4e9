//! What the engine is told, and what it answers with.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    command::{Refusal, Reply},
    config::{Device, Secret, Trunk},
    ids::{CallId, LegId, PhoneNumber, RequestId, Ticket},
    leg::{LegAction, LegEvent},
    matrix::Treatment,
    record::{Comfort, Record},
    view::{Change, Notification},
};

/// Something that happened. The engine takes every event in every state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// On a leg.
    Leg(LegId, LegEvent),
    /// A device has at least one registered contact from now on.
    Registered(PhoneNumber),
    /// A device has no registered contact any more.
    Unregistered(PhoneNumber),
    /// The media worker applied this version of a call's hearing matrix.
    Applied {
        /// The call.
        call: CallId,
        /// The version.
        version: u64,
    },
    /// A `Store` action was committed, or could not be.
    Stored {
        /// The action's ticket.
        ticket: Ticket,
        /// Whether it is on disk.
        outcome: Outcome,
    },
    /// The moment that `poll_timeout` named has come.
    Timeout,
}

/// Whether something is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Committed,
    /// It is not, and will not be.
    Failed,
}

/// What to do. Actions are carried out in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask something of a leg.
    Leg(LegAction),
    /// Who hears whom on a call from now on: the whole matrix, every time.
    Matrix {
        /// The call.
        call: CallId,
        /// Counts up by one for each matrix of this call; answered by [`Event::Applied`].
        version: u64,
        /// For each party's leg, the legs that it hears.
        hears: BTreeMap<LegId, BTreeSet<LegId>>,
        /// The legs that are played something beside what they hear of others.
        plays: BTreeMap<LegId, Treatment>,
    },
    /// What those who wait in a queue are played, whenever it changes: a WAV file, or a melody of our own.
    Music {
        /// The queue.
        queue: PhoneNumber,
        /// The file.
        file: Option<String>,
    },
    /// A call is over: nothing of it need be kept.
    CallOver(CallId),
    /// Write these down together; answered by [`Event::Stored`].
    Store {
        /// Names the action.
        ticket: Ticket,
        /// What to write.
        records: Vec<Record>,
    },
    /// Readers see this from now on.
    Publish(Change),
    /// Tell a user's desktops.
    Notify(Notification),
    /// Answer a command.
    Reply {
        /// The command's number.
        request: RequestId,
        /// Its answer.
        result: Result<Reply, Refusal>,
    },
    /// Devices and trunks as the SIP side must know them, whenever they change.
    Directory(Directory),
}

/// Devices and trunks as the SIP side must know them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Devices by number, with their digest secrets.
    pub devices: BTreeMap<PhoneNumber, Option<Secret<crate::config::Ha1>>>,
    /// Trunks.
    pub trunks: Vec<Trunk>,
}

/// What storage held when the server started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The contact centre.
    pub contact_center: Option<crate::config::ContactCenter>,
    /// Devices.
    pub devices: Vec<Device>,
    /// Their do-not-disturb and forwarding.
    pub comforts: Vec<Comfort>,
    /// Users.
    pub users: Vec<crate::config::User>,
    /// Queues.
    pub queues: Vec<crate::config::Queue>,
    /// Trunks.
    pub trunks: Vec<Trunk>,
    /// Dial rules.
    pub dial_rules: Vec<crate::config::DialRule>,
    /// Who was logged in.
    pub log_ins: Vec<crate::record::LogIn>,
    /// Orders that stood.
    pub orders: Vec<crate::record::Order>,
    /// Sessions that were open when the server went down, with the audit entry that began them: the engine closes them
    /// as `server_restart`.
    pub open_sessions: Vec<crate::record::Audit>,
    /// Registrations that have not been taken back; some may have lapsed.
    pub registrations: Vec<crate::record::Registration>,
}

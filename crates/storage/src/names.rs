//! How enums are written in columns: by name, never by number.

use domain::{
    command::{Calls, Scope},
    config::{MonitorOperation, Role, TelephonyNetwork, TrunkTransport},
    record::AuditEvent,
    view::AgentState,
};

use crate::page::EventKind;

/// An enum with a name for each variant.
pub(crate) trait Named: Sized {
    /// What the column holds, for messages.
    const KIND: &'static str;

    /// The variant's name.
    fn name(self) -> &'static str;

    /// The variant of a name.
    fn named(name: &str) -> Option<Self>;
}

macro_rules! named {
    ($type:ident, $kind:literal, { $($variant:ident => $name:literal,)+ }) => {
        impl Named for $type {
            const KIND: &'static str = $kind;

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

named!(Role, "a role", {
    Agent => "ROLE_AGENT",
    Supervisor => "ROLE_SUPERVISOR",
    Admin => "ROLE_ADMIN",
});

named!(MonitorOperation, "a monitoring operation", {
    ListenIn => "ListenIn",
    Coach => "Coach",
    BargeIn => "BargeIn",
});

named!(TelephonyNetwork, "a telephony network", {
    Private => "Private",
    Public => "Public",
});

named!(TrunkTransport, "a trunk's transport", {
    Any => "any",
    Udp => "udp",
    Tcp => "tcp",
});

named!(AgentState, "an agent state", {
    Offline => "Offline",
    NotReady => "NotReady",
    Ready => "Ready",
    AfterCallWork => "AfterCallWork",
    AuxWork => "AuxWork",
});

named!(Scope, "a monitoring scope", {
    Call => "Call",
    Agent => "Agent",
});

named!(Calls, "a monitoring mode", {
    Next => "NextCall",
    All => "AllCalls",
});

named!(AuditEvent, "an audit event", {
    OrderArmed => "OrderArmed",
    OrderChanged => "OrderChanged",
    OrderRefused => "OrderRefused",
    OrderEnded => "OrderEnded",
    SessionOffered => "SessionOffered",
    SessionActive => "SessionActive",
    SessionEnded => "SessionEnded",
});

named!(EventKind, "a sort of event", {
    SipIn => "in",
    SipOut => "out",
    Told => "told",
    Ordered => "order",
    Matrix => "matrix",
    Applied => "applied",
    Over => "over",
    Gap => "gap",
});

//! All that the domain sees of a leg, and all that it may ask of one. No SIP, no SDP, no codec.

use crate::ids::{CallId, LegId, PhoneNumber};

/// What happened on a leg. The first event of a leg that came in is [`LegEvent::Offered`], the last of every leg
/// [`LegEvent::Ended`], exactly once; nothing follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegEvent {
    /// A peer calls us. It has been authenticated: the origin is who it says it is.
    Offered {
        /// Who calls.
        origin: Origin,
        /// What was dialled: the user part of the request URI, not yet checked against any number plan.
        dialled: String,
    },
    /// The phone that we call rings.
    Ringing,
    /// The phone that we call says that it can be told to answer (`Allow-Events: talk`): before it rings or plays.
    Answerable,
    /// The phone that we call plays something before it answers (183 or 180 with SDP).
    EarlyMedia,
    /// The phone has not done as [`LegOrder::PickUp`] told it.
    PickUpRefused,
    /// The phone that we call answered; media flows from now on.
    Answered,
    /// The ACK to our answer has arrived, or as good as: media flows from now on. For a leg that came in.
    Confirmed,
    /// The peer put us on hold: it does not want to hear us now (RFC 3264 s8.4).
    Held,
    /// The peer took us back from hold.
    Retrieved,
    /// The leg is over.
    Ended(Cause),
}

/// Who began a leg that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A device of ours, proved by its digest.
    Device(PhoneNumber),
    /// A trunk, known by its address or registration, and the caller's number as it gives it, if it gives one.
    Trunk {
        /// The trunk's name.
        name: String,
        /// The caller's number or user name as the trunk shows it; empty when withheld.
        caller: String,
    },
}

/// What to do with a leg. Orders for a leg that has ended, or that do not fit its state, do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegOrder {
    /// Call somebody: the first order of a leg that goes out.
    Dial {
        /// Whom.
        to: Target,
        /// Who is shown as calling: a number or user name, and a name to display.
        from: String,
        /// The name displayed with `from`; may be empty.
        display: String,
        /// Offer the codecs of this leg first, so that the call needs no transcoding.
        like: Option<LegId>,
        /// How the phone should alert.
        alert: Alert,
        /// The direction that our offer states.
        direction: OfferDirection,
    },
    /// Tell the caller that it rings (180).
    Ring,
    /// Let the caller hear what `like` plays before it answers (183 with SDP).
    Progress {
        /// Answer with this leg's codec if the caller has it.
        like: LegId,
    },
    /// Answer the caller (200).
    Answer {
        /// Answer with this leg's codec if the caller has it.
        like: Option<LegId>,
    },
    /// Tell the phone that rings to answer, as if its user did (NOTIFY with `Event: talk`). It does, or
    /// [`LegEvent::PickUpRefused`] follows.
    PickUp,
    /// End the leg, whatever its state: a final response, CANCEL or BYE. [`LegEvent::Ended`] follows, at once or when
    /// the peer has been told as far as it can be.
    End(Cause),
}

/// Whom to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A device of ours, where it is registered now.
    Device(PhoneNumber),
    /// A number behind a trunk.
    Trunk {
        /// The trunk's name.
        name: String,
        /// The number as the trunk should see it.
        number: String,
    },
}

/// How a phone that we call should alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// It rings and somebody answers it.
    Ring,
    /// It is asked to answer by itself (`Answer-Mode: Auto`, `Call-Info: …;answer-after=0`,
    /// `Alert-Info: …;info=alert-autoanswer`); redirection is not followed.
    AutoAnswer,
}

/// The direction attribute of our SDP offer (RFC 3264 s5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferDirection {
    /// Both ways; who is heard is decided by the hearing matrix alone.
    SendRecv,
    /// We only send: for phones that answer by themselves only then (RFC 5373 s4.5).
    SendOnly,
}

/// Why a leg ended, or with what a caller is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// Somebody hung up (BYE; 200 to it).
    HungUp,
    /// The caller gave up before an answer (CANCEL, 487).
    Cancelled,
    /// 486, 600.
    Busy,
    /// 603.
    Declined,
    /// 408, or nobody answered in time; 480 with no contact is [`Cause::Unavailable`].
    NoAnswer,
    /// 480, 5xx, no contact registered, transport failure.
    Unavailable,
    /// 404, 484, 604: no such number.
    NotFound,
    /// 403.
    Forbidden,
    /// 488, 415: no codec in common.
    NotAcceptable,
    /// 3xx; redirections are not followed (V-07).
    Redirected,
    /// The peer no longer answers inside its dialog (408, 481, or a probe without an answer).
    Gone,
    /// The server is shutting down or shedding load (503).
    Overload,
}

/// A leg's event or order together with the call that the leg belongs to, once it belongs to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegAction {
    /// The call: all its legs share one media worker.
    pub call: CallId,
    /// The leg.
    pub leg: LegId,
    /// What to do.
    pub order: LegOrder,
}

//! How a phone treats calls that come in, and what it offers.

use std::time::Duration;

use media_proto::codec::Codec;

/// How a phone behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What it does when it is called.
    pub answering: Answering,
    /// Whether it answers at once where the caller asks for that (`Answer-Mode`, `answer-after=0`, `alert-autoanswer`).
    pub auto_answer: bool,
    /// Whether it registers by itself when it starts.
    pub registers: bool,
    /// For how long it registers, in seconds.
    pub expires_s: u32,
    /// The codecs that it offers, in this order, and those that it prefers in an answer.
    pub codecs: Vec<Codec>,
}

/// What a phone does when it is called while it is free. A phone in a call is always busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// It rings and answers after this time; with zero it does not even ring.
    After(Duration),
    /// It rings until somebody says [`crate::Input::Answer`] or the caller gives up.
    Never,
    /// 486.
    Busy,
    /// 603.
    Decline,
    /// It says nothing but the 100 of its transaction layer.
    Silent,
}

impl Behaviour {
    /// Answers calls after this time.
    #[must_use]
    pub fn answering(after: Duration) -> Self {
        Self::with(Answering::After(after))
    }

    /// Answers calls in this way, answers at once where asked to, registers for an hour, offers PCMU and then PCMA.
    #[must_use]
    pub fn with(answering: Answering) -> Self {
        Self { answering, auto_answer: true, registers: true, expires_s: 3600, codecs: Codec::ALL.to_vec() }
    }
}

impl Default for Behaviour {
    /// Answers calls after a second.
    fn default() -> Self {
        Self::answering(Duration::from_secs(1))
    }
}

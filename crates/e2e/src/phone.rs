//! What every phone of the tests can do, whatever it is made of.

use crate::tones::Recording;

/// What a phone does when it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Rings, and answers at once.
    Answer,
    /// Rings until told.
    Ring,
    /// Refuses with this status.
    Refuse(u16),
}

/// A phone: registered or a trunk's far end, with one tone to send.
pub trait Phone {
    /// Calls a number at the server.
    fn dial(&mut self, number: &str);
    /// Decides about the calls to come.
    fn policy(&mut self, policy: Policy);
    /// Answers the call that rings.
    fn answer(&mut self);
    /// Waits until the phone rings.
    fn wait_ringing(&mut self);
    /// Waits until the call is established.
    fn wait_established(&mut self);
    /// Waits until the call is over.
    fn wait_ended(&mut self);
    /// Ends the call, in whatever state it is.
    fn hang_up(&mut self);
    /// Begins to record what it hears.
    fn start_recording(&mut self);
    /// Ends that and answers with what it heard.
    fn stop_recording(&mut self) -> Recording;
}

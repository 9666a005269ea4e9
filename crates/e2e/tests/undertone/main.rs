//! The real server with real phones and real clients, one topic a file. Tests that show a row of the semantics table
//! are named after it.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

mod api;
mod audit;
mod call_control;
mod call_events;
mod command_line;
mod dialogs;
mod hostile;
mod inside;
mod ipv6;
mod listening;
mod load;
mod notifications;
mod queues;
mod requests;
mod restart;
mod sip;
mod supervisors_leg;
mod trace;
mod trunks;
mod untouched;

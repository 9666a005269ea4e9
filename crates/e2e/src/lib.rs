//! The real binary, real phones and the real CometD client, held together for the tests in `tests/`.
//!
//! Each party sends a tone of its own, so a recording tells who hears whom. All waits are bounded; what fails says what
//! was waited for and what happened instead. `cargo xtask setup` installs the phones.

mod baresip;
mod cometd;
mod dns;
mod g711;
mod http;
mod phone;
mod pjsua;
mod ports;
mod probe;
mod process;
mod rest;
mod scene;
mod server;
mod sipp;
mod tones;
mod tools;
mod wav;

pub use baresip::Baresip;
pub use cometd::{Cometd, Transport};
pub use dns::{Answer, name_server};
pub use http::{Answer as HttpAnswer, Http};
pub use phone::{Phone, Policy};
pub use pjsua::Pjsua;
pub use ports::{free_port, free_ports};
pub use probe::{Codec, Packet, Probe, Seen, Source, Wiring};
pub use rest::Rest;
pub use scene::{AGENT_TONE, CUSTOMER, CUSTOMER_TONE, SUPERVISOR_TONE, Scene, connect, heavy, light, listen};
pub use server::{Server, Setup};
pub use sipp::Sipp;
pub use tones::{Recording, assert_hears, assert_silent};
pub use tools::binary;
pub use wav::write as write_wav;

/// How long anything that should happen at once may take on a busy machine.
pub const SOON: std::time::Duration = std::time::Duration::from_secs(10);

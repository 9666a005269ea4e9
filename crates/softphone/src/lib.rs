//! A small SIP phone: [`Phone`] is its pure machine, [`Softphone`] runs one on real sockets with sound and an ear.
//!
//! The demonstration, the simulator and the benchmarks call with it. Everything but [`run`] reads no clock and no socket.

pub mod behaviour;
pub mod phone;
pub mod recording;
pub mod rtp;
pub mod run;
pub mod sound;
pub mod tones;

pub use behaviour::{Answering, Behaviour};
pub use phone::{Account, End, Event, Input, Media, Output, Phone};
pub use recording::{Received, Recorder, Recording};
pub use run::{Line, Settings, Softphone, Status, WaitError};
pub use sound::{Sound, Voice};
pub use tones::{HalfSecond, Tone};

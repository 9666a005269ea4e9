//! The media of all calls on real sockets: ports, worker threads, and one datagram at a time.
//!
//! A thread of the caller's own holds [`Media`] and gives orders; none of its methods waits for anything. The legs of a
//! call live on one worker, which runs [`media_proto::call::Call`] for it. Between the socket that a packet comes from
//! and the one that it leaves by there is no lock and no allocation.

mod clock;
mod media;
mod ports;
mod worker;

pub use media::{Busy, Event, Media, Settings, Snapshot};
pub use media_proto::{
    call::{Counters, Remote},
    codec::Codec,
    music::{BadMusic, Music},
};
pub use ports::{Lease, Ports};

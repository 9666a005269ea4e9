//! What media means, without sockets: descriptions, packets, codecs, and who hears whom.

pub mod call;
pub mod codec;
mod leg;
pub mod micros;
pub mod music;
pub mod outgoing;
pub mod plan;
pub mod playout;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod source;

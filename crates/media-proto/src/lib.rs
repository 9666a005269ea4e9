//! What media means, without sockets: descriptions, packets, codecs and who hears whom.

pub mod codec;
pub mod sdp;

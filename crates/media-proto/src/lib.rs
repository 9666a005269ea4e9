//! What media means, without sockets: descriptions, packets, codecs.

pub mod codec;
pub mod sdp;

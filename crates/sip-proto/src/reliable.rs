//! Reliable provisional responses (RFC 3262): what a message says of them, and how they are numbered.

pub use sipx_sip::rel::{Numbering, OPTION_TAG as OPTION, RAck, RSeq, Received, Sequence};

use crate::message::{HeaderName, MessageExt, Request, Response};

/// The `RSeq` of a response that its receiver must acknowledge with PRACK; `None` of every other.
#[must_use]
pub fn number(response: &Response) -> Option<u32> {
    let is_provisional = (101..200).contains(&response.status.code());
    let is_reliable = is_provisional && response.has_option(&HeaderName::Require, OPTION);
    response.headers.typed::<RSeq>().filter(|_| is_reliable)?.ok().map(|it| it.0)
}

/// What a PRACK acknowledges; `None` if it does not say so in a way that can be read.
#[must_use]
pub fn acknowledged(prack: &Request) -> Option<RAck> {
    prack.headers.typed::<RAck>()?.ok()
}

//! `received` and `rport`: where a response goes (RFC 3261 s18.2, RFC 3581).

use sipx_sip::headers::via::first_hop_end;

use crate::{
    message::{Header, HeaderName, MessageExt, Request},
    transport::Flow,
};

/// Completes the topmost `Via` with what the socket saw and says where responses go. `None` if there is no usable `Via`.
pub(super) fn complete(request: &mut Request, from: Flow) -> Option<Flow> {
    let via = request.via()?;
    let asked_port = via.rport().is_some();
    let port = if asked_port { from.remote.port() } else { via.port.unwrap_or(from.transport.default_port()) };
    let value = request.fields().value(&HeaderName::Via)?.into_owned();
    let (hop, rest) = value.split_at(first_hop_end(&value));
    let mut text = String::new();
    for (index, part) in String::from_utf8_lossy(hop).split(';').map(str::trim).enumerate() {
        let name = part.split('=').next().unwrap_or_default().trim();
        // A peer's own idea of these two is not to be believed.
        if index > 0 && (name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport")) {
            continue;
        }
        if index > 0 {
            text.push(';');
        }
        text.push_str(part);
    }
    text.push_str(&format!(";received={}", from.remote.ip()));
    if asked_port {
        text.push_str(&format!(";rport={}", from.remote.port()));
    }
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(rest);
    let header = Header::build(HeaderName::Via, bytes).ok()?;
    request.headers.remove_first(&HeaderName::Via);
    request.headers.push_front(header);
    Some(Flow { transport: from.transport, remote: (from.remote.ip(), port).into() })
}

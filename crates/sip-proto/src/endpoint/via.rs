//! `received` and `rport`: where a response goes (RFC 3261 s18.2, RFC 3581).

use sipx_sip::headers::via::first_hop_end;

use sipx_sip::TransactionKey;

use crate::{
    message::{Header, HeaderName, MessageExt, Method, Request, Via},
    transport::Flow,
};

/// The transaction that a request belongs to (RFC 3261 s17.2.3), from its `Via` where that is enough.
pub(super) fn key(request: &Request, via: &Via) -> Option<TransactionKey> {
    if !via.has_rfc3261_branch() {
        return TransactionKey::from_request(request);
    }
    let mut sent_by = via.host.to_string().to_ascii_lowercase();
    if let Some(port) = via.port {
        sent_by.push_str(&format!(":{port}"));
    }
    let method = if request.method == Method::Ack { &Method::Invite } else { &request.method };
    Some(TransactionKey::Rfc3261 {
        branch: via.branch()?.to_vec(),
        sent_by: sent_by.into_bytes(),
        method: method.as_bytes().to_vec(),
    })
}

/// Completes the topmost `Via` with what the socket saw and says where responses go. `None` if it has none.
pub(super) fn complete(request: &mut Request, via: &Via, from: Flow) -> Option<Flow> {
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
    // Over a connection the answer takes that connection (s18.2.2).
    let port = if from.transport.is_connected() { from.remote.port() } else { port };
    Some(Flow { transport: from.transport, remote: (from.remote.ip(), port).into() })
}

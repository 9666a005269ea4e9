//! What is kept of a SIP message: where it goes, its start line, the headers that explain a call, and a summary of its
//! body. Headers are kept by name, so that no secret comes in by way of one that nobody thought of.
//!
//! This is done for every message of every call, so it looks at each octet once and parses nothing.

use std::net::SocketAddr;

use memchr::memchr;
use sip_proto::Flow;

/// A message, divided into its lines.
#[derive(Default)]
pub(super) struct Message<'a> {
    start: &'a [u8],
    /// Names as they are written down, and values.
    headers: Vec<(Header, &'a [u8])>,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// `None` for what has no start line of SIP.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (start, mut rest) = line(bytes);
        if !start.starts_with(b"SIP/2.0 ") && !start.ends_with(b" SIP/2.0") {
            return None;
        }
        let mut headers = Vec::with_capacity(16);
        loop {
            let (this, after) = line(rest);
            rest = after;
            if this.is_empty() {
                return Some(Self { start, headers, body: rest });
            }
            // A line that begins with a space goes on with the one before (RFC 3261 s7.3.1) and is left out.
            if let Some(colon) = memchr(b':', this)
                && let Some(header) = Header::named(this.get(..colon).unwrap_or_default())
            {
                headers.push((header, this.get(colon + 1..).unwrap_or_default().trim_ascii()));
            }
        }
    }

    pub(super) fn is_request(&self) -> bool {
        !self.start.starts_with(b"SIP/2.0 ")
    }

    pub(super) fn call_id(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value("Call-ID")?).ok()
    }

    /// The method of its CSeq: in a response, of what it answers.
    pub(super) fn method(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value("CSeq")?).ok()?.split_ascii_whitespace().nth(1)
    }

    fn value(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|it| it.0.name == name).map(|it| it.1)
    }

    /// Writes what is kept of it, a line each.
    pub(super) fn write(&self, peer: Flow, text: &mut Vec<u8>) {
        push_flow(text, peer);
        text.push(b'\n');
        push_uris(text, self.start);
        let mut has_via = false;
        for (header, value) in &self.headers {
            // The first says who sent it; the others are the way before.
            if header.name == "Via" && std::mem::replace(&mut has_via, true) {
                continue;
            }
            text.push(b'\n');
            text.extend_from_slice(header.name.as_bytes());
            text.extend_from_slice(b": ");
            match header.kept {
                Kept::Plain => push_short(text, value),
                Kept::Uris => push_uris(text, value),
                Kept::Name => text.extend_from_slice(b"(left out)"),
            }
        }
        if !self.body.is_empty() {
            text.extend_from_slice(b"\nBody: ");
            self.summarise(text);
        }
    }

    fn summarise(&self, text: &mut Vec<u8>) {
        let kind = self.value("Content-Type").unwrap_or_default();
        if !kind.get(..SDP.len()).is_some_and(|it| it.eq_ignore_ascii_case(SDP)) {
            text.extend_from_slice(format!("{} octets", self.body.len()).as_bytes());
            return;
        }
        text.extend_from_slice(b"SDP");
        let (mut rest, mut has_keys) = (self.body, false);
        while !rest.is_empty() {
            let (this, after) = line(rest);
            rest = after;
            match this.split_at_checked(2) {
                Some((b"m=", media)) => {
                    text.extend_from_slice(b", ");
                    push_short(text, media);
                }
                Some((b"c=", address)) => {
                    text.extend_from_slice(b" at ");
                    push_short(text, address.rsplit(|it| *it == b' ').next().unwrap_or_default());
                }
                Some((b"a=", it @ (b"sendrecv" | b"sendonly" | b"recvonly" | b"inactive"))) => {
                    text.push(b' ');
                    text.extend_from_slice(it);
                }
                Some((b"a=", it)) => has_keys |= it.starts_with(b"crypto:"),
                Some((b"k=", _)) => has_keys = true,
                _ => {}
            }
        }
        if has_keys {
            text.extend_from_slice(b", keys left out");
        }
    }
}

/// The first line without its end, and what follows it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = memchr(b'\n', bytes) else { return (bytes, &[]) };
    let (line, rest) = (bytes.get(..end).unwrap_or_default(), bytes.get(end + 1..).unwrap_or_default());
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// A header that is kept.
#[derive(Clone, Copy)]
struct Header {
    /// In full, as RFC 3261 writes it.
    name: &'static str,
    kept: Kept,
}

/// What of a header is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Its value.
    Plain,
    /// Its value without the passwords that URIs may have.
    Uris,
    /// That it was there; what it says is secret.
    Name,
}

impl Header {
    /// The header of this name or compact form (RFC 3261 s7.3.3), if it is kept.
    fn named(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii_end();
        let first = name.first()?.to_ascii_lowercase();
        let full = if name.len() == 1 { COMPACT.iter().find(|it| it.0 == first)?.1.as_bytes() } else { name };
        let first = full.first()?.to_ascii_lowercase();
        let group = KEPT.get(usize::from(first.checked_sub(b'a')?))?;
        let (name, kept) = group.iter().find(|it| full.eq_ignore_ascii_case(it.0.as_bytes()))?;
        Some(Self { name, kept: *kept })
    }
}

/// A value that is not too long.
fn push_short(text: &mut Vec<u8>, value: &[u8]) {
    text.extend_from_slice(value.get(..VALUE_MAX).unwrap_or(value));
    if value.len() > VALUE_MAX {
        text.extend_from_slice("…".as_bytes());
    }
}

/// The same without the passwords of its URIs (RFC 3261 s19.1.1): what stands between a colon that follows no scheme and an
/// at sign.
fn push_uris(text: &mut Vec<u8>, value: &[u8]) {
    let mut rest = value.get(..VALUE_MAX).unwrap_or(value);
    while let Some(at) = memchr(b'@', rest) {
        let (user, after) = rest.split_at(at);
        let colon = user.iter().rposition(|it| matches!(it, b':' | b'<' | b'"' | b' ' | b','));
        let colon = colon.filter(|it| user.get(*it) == Some(&b':'));
        let before = colon.and_then(|it| user.get(..it)).unwrap_or_default();
        let is_scheme = [&b"sip"[..], b"sips"].iter().any(|it| ends_with_word(before, it));
        match colon {
            Some(colon) if !is_scheme => {
                text.extend_from_slice(user.get(..=colon).unwrap_or_default());
                text.extend_from_slice("…".as_bytes());
            }
            _ => text.extend_from_slice(user),
        }
        text.push(b'@');
        rest = after.get(1..).unwrap_or_default();
    }
    push_short(text, rest);
    if value.len() > VALUE_MAX {
        text.extend_from_slice("…".as_bytes());
    }
}

fn ends_with_word(text: &[u8], word: &[u8]) -> bool {
    let Some(start) = text.len().checked_sub(word.len()) else { return false };
    let is_part = start.checked_sub(1).and_then(|it| text.get(it)).is_some_and(u8::is_ascii_alphanumeric);
    !is_part && text.get(start..).is_some_and(|it| it.eq_ignore_ascii_case(word))
}

/// As [`Flow`] shows itself, at a tenth of the cost where it is of IPv4.
fn push_flow(text: &mut Vec<u8>, flow: Flow) {
    let SocketAddr::V4(remote) = flow.remote else {
        return text.extend_from_slice(flow.to_string().as_bytes());
    };
    text.extend_from_slice(flow.transport.via_name().as_bytes());
    for (before, octet) in [b'/', b'.', b'.', b'.'].iter().zip(remote.ip().octets()) {
        text.push(*before);
        push_number(text, u16::from(octet));
    }
    text.push(b':');
    push_number(text, remote.port());
}

fn push_number(text: &mut Vec<u8>, number: u16) {
    let mut unit = 10_000;
    while unit > 1 && number < unit {
        unit /= 10;
    }
    while unit > 0 {
        text.push(b'0' + (number / unit % 10) as u8);
        unit /= 10;
    }
}

const COMPACT: &[(u8, &str)] = &[
    (b'v', "Via"),
    (b'f', "From"),
    (b't', "To"),
    (b'i', "Call-ID"),
    (b'm', "Contact"),
    (b'c', "Content-Type"),
    (b'k', "Supported"),
    (b'x', "Session-Expires"),
    (b'o', "Event"),
    (b'r', "Refer-To"),
    (b'b', "Referred-By"),
];

use Kept::{Name, Plain, Uris};

/// By their first letter.
const KEPT: [&[(&str, Kept)]; 26] = [
    &[("Alert-Info", Plain), ("Answer-Mode", Plain), ("Authorization", Name), ("Authentication-Info", Name)],
    &[],
    &[("Call-ID", Plain), ("CSeq", Plain), ("Contact", Uris), ("Content-Type", Plain), ("Call-Info", Plain)],
    &[],
    &[("Event", Plain)],
    &[("From", Uris)],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[],
    &[("Min-SE", Plain)],
    &[],
    &[],
    &[("P-Asserted-Identity", Uris), ("Privacy", Plain), ("Proxy-Authenticate", Name), ("Proxy-Authorization", Name)],
    &[],
    &[
        ("Route", Uris),
        ("Record-Route", Uris),
        ("Require", Plain),
        ("RSeq", Plain),
        ("RAck", Plain),
        ("Reason", Plain),
        ("Retry-After", Plain),
        ("Refer-To", Uris),
        ("Referred-By", Uris),
        ("Replaces", Plain),
    ],
    &[("Supported", Plain), ("Session-Expires", Plain), ("Server", Plain)],
    &[("To", Uris)],
    &[("User-Agent", Plain), ("Unsupported", Plain)],
    &[("Via", Plain)],
    &[("Warning", Plain), ("WWW-Authenticate", Name)],
    &[],
    &[],
    &[],
];

const SDP: &[u8] = b"application/sdp";
const VALUE_MAX: usize = 400;

#[cfg(test)]
mod tests;

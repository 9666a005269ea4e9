//! What is kept of a SIP message: where it goes, its start line, the headers that explain a call, and a summary of its
//! body. Headers are kept by name, so that no secret comes in by way of one that nobody thought of.

use std::borrow::Cow;

use sip_proto::Flow;

/// A message, looked at but not parsed.
pub(super) struct Message<'a> {
    head: Cow<'a, str>,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// `None` for what has no start line of SIP.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
        let (head, body) = match end {
            Some(at) => (bytes.get(..at)?, bytes.get(at + 4..).unwrap_or_default()),
            None => (bytes, &[][..]),
        };
        let message = Self { head: String::from_utf8_lossy(head), body };
        (message.start().starts_with("SIP/2.0 ") || message.is_request()).then_some(message)
    }

    fn start(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn is_request(&self) -> bool {
        self.start().ends_with(" SIP/2.0")
    }

    pub(super) fn call_id(&self) -> Option<&str> {
        self.value("Call-ID", "i")
    }

    /// The method of its CSeq: in a response, of what it answers.
    pub(super) fn method(&self) -> Option<&str> {
        self.value("CSeq", "CSeq")?.split_ascii_whitespace().nth(1)
    }

    fn value(&self, name: &str, short: &str) -> Option<&str> {
        self.headers().find(|it| it.0.eq_ignore_ascii_case(name) || it.0.eq_ignore_ascii_case(short)).map(|it| it.1)
    }

    /// Names and values; lines that go on with the one before (RFC 3261 s7.3.1) are left out.
    fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.head.lines().skip(1).filter(|it| !it.starts_with([' ', '\t']));
        lines.filter_map(|it| it.split_once(':')).map(|(name, value)| (name.trim_end(), value.trim()))
    }

    /// Writes what is kept of it, a line each.
    pub(super) fn write(&self, peer: Flow, text: &mut String) {
        text.push_str(&peer.to_string());
        text.push('\n');
        push_value(text, self.start());
        let mut has_via = false;
        for (name, value) in self.headers() {
            let is = |it: &&(&str, &str)| name.eq_ignore_ascii_case(it.0) || name.eq_ignore_ascii_case(it.1);
            let kept = KEPT.iter().find(is).map(|it| it.0);
            let secret = || SECRET.iter().find(|it| name.eq_ignore_ascii_case(it)).copied();
            match kept {
                // The first says who sent it; the others are the way before.
                Some("Via") if std::mem::replace(&mut has_via, true) => {}
                Some(name) => {
                    text.push('\n');
                    text.push_str(name);
                    text.push_str(": ");
                    push_value(text, value);
                }
                None => {
                    if let Some(name) = secret() {
                        text.push('\n');
                        text.push_str(name);
                        text.push_str(": (left out)");
                    }
                }
            }
        }
        if !self.body.is_empty() {
            text.push_str("\nBody: ");
            self.summarise(text);
        }
    }

    fn summarise(&self, text: &mut String) {
        let kind = self.value("Content-Type", "c").unwrap_or("unknown");
        if !kind.get(..15).is_some_and(|it| it.eq_ignore_ascii_case("application/sdp")) {
            text.push_str(&format!("{} octets", self.body.len()));
            return;
        }
        text.push_str("SDP");
        let body = String::from_utf8_lossy(self.body);
        let mut has_keys = false;
        for line in body.lines() {
            match line.split_at_checked(2) {
                Some(("m=", media)) => {
                    text.push_str(", ");
                    push_value(text, media);
                }
                Some(("c=", address)) => {
                    text.push_str(" at ");
                    push_value(text, address.rsplit(' ').next().unwrap_or_default());
                }
                Some(("a=", it @ ("sendrecv" | "sendonly" | "recvonly" | "inactive"))) => {
                    text.push(' ');
                    text.push_str(it);
                }
                Some(("a=", it)) => has_keys |= it.starts_with("crypto:"),
                Some(("k=", _)) => has_keys = true,
                _ => {}
            }
        }
        if has_keys {
            text.push_str(", keys left out");
        }
    }
}

/// A value that is not too long and has no password in a URI (RFC 3261 s19.1.1).
fn push_value(text: &mut String, value: &str) {
    let short = value.char_indices().nth(VALUE_MAX).map_or(value, |(at, _)| value.get(..at).unwrap_or_default());
    let mut rest = short;
    while let Some(at) = [rest.find("sip:"), rest.find("sips:")].into_iter().flatten().min() {
        let (before, uri) = rest.split_at(at);
        let (scheme, address) = uri.split_at(uri.find(':').map_or(uri.len(), |it| it + 1));
        text.push_str(before);
        text.push_str(scheme);
        rest = address;
        let user = address.find(['@', '>', ' ', ',']).filter(|it| address[*it..].starts_with('@'));
        if let Some(end) = user
            && let Some((name, _)) = address[..end].split_once(':')
        {
            text.push_str(name);
            text.push_str(":…");
            rest = &address[end..];
        }
    }
    text.push_str(rest);
    if short.len() < value.len() {
        text.push('…');
    }
}

/// With their compact forms (RFC 3261 s7.3.3).
const KEPT: &[(&str, &str)] = &[
    ("Via", "v"),
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("CSeq", "CSeq"),
    ("Contact", "m"),
    ("Route", "Route"),
    ("Record-Route", "Record-Route"),
    ("Require", "Require"),
    ("Supported", "k"),
    ("Unsupported", "Unsupported"),
    ("Session-Expires", "x"),
    ("Min-SE", "Min-SE"),
    ("RSeq", "RSeq"),
    ("RAck", "RAck"),
    ("Reason", "Reason"),
    ("Warning", "Warning"),
    ("Retry-After", "Retry-After"),
    ("Alert-Info", "Alert-Info"),
    ("Call-Info", "Call-Info"),
    ("Answer-Mode", "Answer-Mode"),
    ("Event", "o"),
    ("Refer-To", "r"),
    ("Referred-By", "b"),
    ("Replaces", "Replaces"),
    ("P-Asserted-Identity", "P-Asserted-Identity"),
    ("Privacy", "Privacy"),
    ("User-Agent", "User-Agent"),
    ("Server", "Server"),
    ("Content-Type", "c"),
];

/// That they were there is worth knowing; what they say is not.
const SECRET: &[&str] =
    &["Authorization", "Proxy-Authorization", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info"];

const VALUE_MAX: usize = 400;

#[cfg(test)]
mod tests;

//! SIP as text: read and written here without the server's own parser, so that the two check each other.

use md5::{Digest, Md5};
use sha2::Sha256;

/// A request or a response.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The request line or the status line.
    first: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
    /// All of it, as it came.
    pub(super) text: String,
}

impl Message {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let first = lines.next()?.to_owned();
        let header =
            |line: &str| line.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        Some(Self { first, headers: lines.filter_map(header).collect(), body: body.to_owned(), text: text.to_owned() })
    }

    /// The status of a response.
    pub(super) fn status(&self) -> Option<u16> {
        self.first.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// The method: a request's own, or that of the request which a response answers.
    pub(super) fn method(&self) -> &str {
        self.header("CSeq").and_then(|it| it.split(' ').nth(1)).unwrap_or("")
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|it| is_named(&it.0, name)).map(|it| it.1.as_str())
    }

    /// Every header of that name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(|it| is_named(&it.0, name)).map(|it| it.1.as_str())
    }

    pub(super) fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or("")
    }

    pub(super) fn sequence(&self) -> u32 {
        self.header("CSeq").and_then(|it| it.split(' ').next()?.parse().ok()).unwrap_or(0)
    }

    pub(super) fn branch(&self) -> &str {
        self.header("Via").and_then(|it| parameter(it, "branch")).unwrap_or("")
    }

    pub(super) fn to_tag(&self) -> Option<&str> {
        self.header("To").and_then(|it| parameter(it, "tag"))
    }

    /// The URI in its Contact.
    pub(super) fn contact(&self) -> Option<&str> {
        let value = self.header("Contact")?;
        match value.split_once('<') {
            Some((_, rest)) => rest.split('>').next(),
            None => value.split(';').next(),
        }
    }

    /// As a test log shows it: `INVITE`, or `180 INVITE`.
    pub(super) fn summary(&self) -> String {
        match self.status() {
            Some(status) => format!("{status} {}", self.method()),
            None => self.method().to_owned(),
        }
    }

    /// The start of a response to this request: all that must be copied (RFC 3261 s8.2.6.2), with our tag.
    pub(super) fn response(&self, status: u16, tag: &str) -> String {
        let mut text = format!("SIP/2.0 {status} {}\r\n", reason(status));
        for name in ["Via", "Record-Route"] {
            self.all(name).for_each(|it| text.push_str(&format!("{name}: {it}\r\n")));
        }
        let to = self.header("To").unwrap_or("");
        let needs_tag = self.to_tag().is_none() && status != 100;
        let tag = if needs_tag { format!(";tag={tag}") } else { String::new() };
        let from = self.header("From").unwrap_or("");
        let sequence = self.header("CSeq").unwrap_or("");
        text + &format!("From: {from}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {sequence}\r\n", self.call_id())
    }
}

/// Whether a header is of that name, long or short.
fn is_named(header: &str, name: &str) -> bool {
    let short = SHORT.iter().find(|it| it.0 == name).map_or(name, |it| it.1);
    header.eq_ignore_ascii_case(name) || header.eq_ignore_ascii_case(short)
}

/// A parameter behind a header's value or URI.
pub(super) fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let found = value.split(';').skip(1).find_map(|it| it.trim().strip_prefix(name)?.strip_prefix('='));
    found.map(|it| it.trim_end_matches('>'))
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Whatever",
    }
}

/// Which hash a digest uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha256,
}

impl Hash {
    fn of(self, text: &str) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect();
        match self {
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
            Self::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

/// The answer to the challenge of this response that uses `hash` (RFC 8760): header name and value.
pub(super) fn authorise(
    challenged: &Message,
    hash: Hash,
    (user, password): (&str, &str),
    (method, uri): (&str, &str),
) -> Option<(&'static str, String)> {
    let (name, answer) = match challenged.status()? {
        401 => ("WWW-Authenticate", "Authorization"),
        407 => ("Proxy-Authenticate", "Proxy-Authorization"),
        _ => return None,
    };
    let wanted = if hash == Hash::Md5 { "MD5" } else { "SHA-256" };
    let is_it = |it: &&str| field(it, "algorithm").unwrap_or("MD5").eq_ignore_ascii_case(wanted);
    let challenge = challenged.all(name).find(is_it)?;
    let (realm, nonce) = (field(challenge, "realm")?, field(challenge, "nonce")?);
    let secret = hash.of(&format!("{user}:{realm}:{password}"));
    let request = hash.of(&format!("{method}:{uri}"));
    let start =
        format!("Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={wanted}");
    let opaque = field(challenge, "opaque").map_or(String::new(), |it| format!(", opaque=\"{it}\""));
    let value = if field(challenge, "qop").is_some() {
        let response = hash.of(&format!("{secret}:{nonce}:00000001:0a4f113b:auth:{request}"));
        format!("{start}, response=\"{response}\", qop=auth, nc=00000001, cnonce=\"0a4f113b\"{opaque}")
    } else {
        format!("{start}, response=\"{}\"{opaque}", hash.of(&format!("{secret}:{nonce}:{request}")))
    };
    Some((answer, value))
}

/// A field of a challenge, without its quotes.
fn field<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let fields = challenge.strip_prefix("Digest ").unwrap_or(challenge).split(',');
    let found = fields.filter_map(|it| it.trim().split_once('=')).find(|it| it.0.eq_ignore_ascii_case(name));
    found.map(|it| it.1.trim_matches('"'))
}

const SHORT: [(&str, &str); 6] =
    [("Via", "v"), ("From", "f"), ("To", "t"), ("Call-ID", "i"), ("Contact", "m"), ("Content-Length", "l")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc7616_3_9_1_both_hashes() {
        let challenge = |algorithm: &str| {
            let text = format!(
                "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"auth\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"F\"\r\n\r\n"
            );
            Message::parse(text.as_bytes()).unwrap()
        };
        // HA1 and HA2 of the example; the client nonce is fixed here, so the response is checked against its parts.
        for (hash, name) in [(Hash::Md5, "MD5"), (Hash::Sha256, "SHA-256")] {
            let who = ("Mufasa", "Circle of Life");
            let (header, value) = authorise(&challenge(name), hash, who, ("GET", "/dir/index.html")).unwrap();
            let secret = hash.of("Mufasa:http-auth@example.org:Circle of Life");
            let request = hash.of("GET:/dir/index.html");
            let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
            let response = hash.of(&format!("{secret}:{nonce}:00000001:0a4f113b:auth:{request}"));
            assert_eq!(header, "Authorization");
            assert!(value.contains(&format!("response=\"{response}\"")) && value.contains("opaque=\"F\""), "{value}");
        }
        assert_eq!(Hash::Md5.of("GET:/dir/index.html"), "39aff3a2bab6126f332b942af96d3366");
    }

    #[test]
    fn reads_messages() {
        let text = "INVITE sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\nTo: <sip:a@b;x=y>;tag=7\r\n\
                    Contact: \"A\" <sip:c@d:1;e>;f\r\nCSeq: 3 INVITE\r\n\r\nbody";
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (message.branch(), message.to_tag(), message.contact()),
            ("z9hG4bK1", Some("7"), Some("sip:c@d:1;e"))
        );
        assert_eq!((message.sequence(), message.method(), message.summary().as_str()), (3, "INVITE", "INVITE"));
    }
}

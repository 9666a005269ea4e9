//! SIP as text, as far as a load generator needs it: cheap to read, cheap to write.

use md5::{Digest, Md5};

/// A datagram that looks like SIP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    text: &'a str,
}

impl<'a> Message<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        text.contains("\r\n").then_some(Self { text })
    }

    fn first(&self) -> &'a str {
        self.text.split("\r\n").next().unwrap_or_default()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        self.first().strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// The method: a request's own, or that of the request which a response answers.
    pub(crate) fn method(&self) -> &'a str {
        self.header("CSeq").and_then(|it| it.split(' ').nth(1)).unwrap_or_default()
    }

    /// The user in the request line's URI.
    pub(crate) fn user(&self) -> Option<&'a str> {
        self.first().split(' ').nth(1)?.strip_prefix("sip:")?.split('@').next()
    }

    /// The first header of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// Every header of that name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.split("\r\n").skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.trim_end().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The URI of its Contact.
    pub(crate) fn contact(&self) -> Option<&'a str> {
        let value = self.header("Contact")?;
        value.split_once('<').map_or(Some(value), |it| it.1.split('>').next())
    }

    /// The port of the audio stream in its SDP.
    pub(crate) fn audio_port(&self) -> Option<u16> {
        let (_, body) = self.text.split_once("\r\n\r\n")?;
        let line = body.split("\r\n").find_map(|it| it.strip_prefix("m=audio "))?;
        line.split(' ').next()?.parse().ok()
    }

    /// A response to this request with `tag` where the dialog has none of ours yet.
    pub(crate) fn response(&self, status: &str, tag: &str, more: &str, body: &str) -> String {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for via in self.all("Via") {
            text.push_str("Via: ");
            text.push_str(via);
            text.push_str("\r\n");
        }
        let header = |name| self.header(name).unwrap_or_default();
        let to = header("To");
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
        text + &format!(
            "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            header("From"),
            header("Call-ID"),
            header("CSeq"),
            body.len()
        )
    }

    /// The answer to this challenge: the `Authorization` of a REGISTER to `uri` (RFC 7616, MD5).
    pub(crate) fn authorization(&self, user: &str, password: &str, uri: &str) -> Option<String> {
        let challenge = self.all("WWW-Authenticate").find(|it| !it.contains("SHA"))?;
        let value = |name: &str| {
            let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let (realm, nonce) = (value("realm")?, value("nonce")?);
        let secret = hash(&format!("{user}:{realm}:{password}"));
        let request = hash(&format!("REGISTER:{uri}"));
        let response = hash(&format!("{secret}:{nonce}:00000001:bench:auth:{request}"));
        Some(format!(
            "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"bench\"\r\n"
        ))
    }
}

/// An offer or answer of PCMU, with RTCP at a port where nobody minds it.
pub(crate) fn sdp(port: u16, rtcp: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=rtcp:{rtcp}\r\na=sendrecv\r\n"
    )
}

fn hash(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_of_a_message_is_found() {
        let body = sdp(4000, 4001);
        let text = format!(
            "INVITE sip:100001@127.0.0.1:7 SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nvia: SIP/2.0/UDP b\r\nFrom: <sip:x@y>;tag=1\r\n\
             To: <sip:z@y>\r\nCall-ID: 9\r\nCSeq: 2 INVITE\r\nContact: <sip:c@d:1>;x=1\r\n\r\n{body}"
        );
        let message = Message::parse(text.as_bytes()).expect("it is text");
        assert_eq!((message.status(), message.method(), message.user()), (None, "INVITE", Some("100001")));
        assert_eq!((message.contact(), message.audio_port()), (Some("sip:c@d:1"), Some(4000)));
        let answer = message.response("200 OK", "t", "", "");
        let answer = Message::parse(answer.as_bytes()).expect("it is text");
        assert_eq!((answer.status(), answer.method()), (Some(200), "INVITE"));
        assert_eq!(answer.all("Via").collect::<Vec<_>>(), ["SIP/2.0/UDP a", "SIP/2.0/UDP b"]);
        assert_eq!(answer.header("to"), Some("<sip:z@y>;tag=t"));
    }

    #[test]
    fn rfc7616_3_9_1_a_challenge_is_answered_as_its_example_would_with_md5() {
        // The example's own numbers belong to GET and its cnonce; the hash function is what can be shared.
        assert_eq!(hash("Mufasa:http-auth@example.org:Circle of Life"), "3d78807defe7de2157e2b0b6573a855f");
    }
}

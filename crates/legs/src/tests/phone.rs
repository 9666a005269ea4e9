//! A phone for scripts: it says what it is told to say and remembers only what it needs for that.

use std::{fmt::Write, net::SocketAddr};

use sip_proto::{
    HeaderName, MessageExt, Method, Request, Response,
    digest::Signer,
    message::{self, Message},
};

pub(super) struct Phone {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) signer: Signer,
    /// What it sent last, to be sent again.
    pub(super) last: String,
    call: Call,
    /// The last INVITE and the last other request that it was sent.
    invite: Option<Request>,
    other: Option<Request>,
    count: u32,
    /// What its next PRACK acknowledges.
    rack: String,
    /// The `o=` that it was sent last.
    origin: String,
    /// It talks over a connection.
    pub(super) is_connected: bool,
    /// It does not acknowledge refusals by itself.
    is_mute: bool,
    /// The ACK to a refusal, to be sent at once.
    pub(super) acks: Option<String>,
}

/// What it knows of its latest dialog.
#[derive(Clone, Default)]
struct Call {
    call_id: String,
    local: String,
    remote: String,
    target: String,
    sequence: u32,
    /// Of its last INVITE.
    invited: u32,
    branch: String,
    uri: String,
}

impl Phone {
    pub(super) fn new(name: &str, address: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            address,
            signer: Signer::new(name, &format!("secret-{name}")),
            last: String::new(),
            call: Call::default(),
            invite: None,
            other: None,
            count: 0,
            rack: String::new(),
            origin: String::new(),
            is_connected: false,
            is_mute: false,
            acks: None,
        }
    }

    /// Notes what it was sent and says it in two words.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> String {
        if bytes == b"\r\n" {
            return "pong".to_owned();
        }
        if bytes == b"\r\n\r\n" {
            return "ping".to_owned();
        }
        match message::parse(bytes) {
            Some(Message::Request(request)) => self.hear_request(request),
            Some(Message::Response(response)) => self.hear_response(&response),
            None => "noise".to_owned(),
        }
    }

    fn hear_request(&mut self, request: Request) -> String {
        let mut summary = request.method.to_string();
        if request.headers.get(&HeaderName::Reason).is_some() {
            summary.push_str(" elsewhere");
        }
        if self.is_trunk() && request.method != Method::Ack {
            let cseq = request.cseq().map_or(0, |it| it.sequence);
            let _ = write!(summary, " {cseq} {}{}", request.uri, proof(&request));
            summary.extend(request.text(&HeaderName::Expires).map(|it| format!(" for {it}")));
        }
        let sequence = |it: &Request| it.cseq().map_or(0, |it| it.sequence);
        let after = self.other.as_ref().filter(|it| it.call_id() == request.call_id() && it.method != request.method);
        let is_later = after.is_none_or(|it| sequence(&request) > sequence(it));
        if !is_later && !matches!(request.method, Method::Ack | Method::Cancel) {
            summary.push_str(" out of order");
        }
        if let Some(event) = request.text(&HeaderName::Event) {
            let _ = write!(summary, " {event}");
        }
        if let Some(direction) = direction(&request) {
            let _ = write!(summary, " {direction}");
        }
        summary.push_str(&timer(&request));
        let is_same = self.notes_origin(&request);
        if request.method == Method::Invite && request.to_tag().is_some() {
            summary = format!("re{summary}{}", if is_same { " same" } else { "" });
            self.invite = Some(request);
        } else if request.method == Method::Invite {
            self.call = Call {
                call_id: request.call_id(),
                local: format!(
                    "{};tag={}-{}",
                    request.text(&HeaderName::To).unwrap_or_default(),
                    self.name,
                    self.count
                ),
                remote: request.text(&HeaderName::From).unwrap_or_default(),
                target: contact(&request),
                sequence: 100,
                ..Call::default()
            };
            self.invite = Some(request);
        } else if request.method != Method::Ack {
            self.other = Some(request);
        }
        summary
    }

    /// Whether a description has the same `o=` as the one before it.
    fn notes_origin(&mut self, message: &impl MessageExt) -> bool {
        let text = String::from_utf8_lossy(message.content()).into_owned();
        let Some(origin) = text.lines().find(|it| it.starts_with("o=")) else { return false };
        std::mem::replace(&mut self.origin, origin.to_owned()) == origin
    }

    /// Addresses of a trunk that registers us say more of what they hear.
    fn is_trunk(&self) -> bool {
        self.name.starts_with("telco")
    }

    fn hear_response(&mut self, response: &Response) -> String {
        let code = response.status.code();
        let method = response.cseq().map(|it| it.method.clone());
        if method == Some(Method::Invite) && code > 100 && response.call_id() == self.call.call_id {
            if !self.call.remote.contains(";tag=") {
                self.call.remote = response.text(&HeaderName::To).unwrap_or_default();
            }
            if code >= 300 && !self.is_mute {
                self.acks = Some(self.ack_of_refusal(response));
            }
            if response.contact().is_some() {
                self.call.target = contact(response);
            }
        }
        if let (Some(number), Some(cseq)) = (response.text(&HeaderName::RSeq), response.cseq()) {
            self.rack = format!("{number} {} INVITE", cseq.sequence);
        }
        let mut summary = code.to_string();
        if let Some(method) = method.filter(|it| *it != Method::Invite) {
            let _ = write!(summary, " {method}");
        }
        for challenge in response.texts(&HeaderName::WwwAuthenticate) {
            let algorithm = challenge.split("algorithm=").nth(1).and_then(|it| it.split(',').next());
            let _ = write!(summary, " {}", algorithm.unwrap_or("?"));
        }
        // The usual five seconds are not shown.
        if let Some(it) = response.text(&HeaderName::RetryAfter).filter(|it| code == 503 && it != "5") {
            let _ = write!(summary, " after={it}");
        }
        if let Some(direction) = direction(response) {
            let _ = write!(summary, " {direction}");
        }
        self.notes_origin(response);
        summary.push_str(&timer(response));
        summary
    }

    /// The datagram for what a script says.
    pub(super) fn say(&mut self, words: &[&str]) -> String {
        self.count += 1;
        let text = match words {
            ["again"] => return self.last.clone(),
            ["invite", to, options @ ..] => self.invite(to, options),
            ["register", options @ ..] => self.register(options),
            ["reinvite", options @ ..] => {
                self.call.sequence += 1;
                self.call.invited = self.call.sequence;
                self.call.branch = format!("z9hG4bK-{}-{}", self.name, self.count);
                self.call.uri = self.call.target.clone();
                self.inside("INVITE", options)
            }
            ["ack", options @ ..] => self.ack(options),
            ["cancel"] => self.cancel(),
            ["mute"] => {
                self.is_mute = true;
                return String::new();
            }
            ["ping"] => "\r\n\r\n".to_owned(),
            ["half", rest @ ..] => {
                let whole = self.say(rest);
                return whole[..whole.len() / 2].to_owned();
            }
            ["rest"] => {
                let whole = self.last.clone();
                return whole[whole.len() / 2..].to_owned();
            }
            ["noise"] => "noise\r\n\r\n".to_owned(),
            ["prack", options @ ..] => {
                self.call.sequence += 1;
                let rack = format!("rack={}", if options.contains(&"wrong") { "77 7 INVITE" } else { &self.rack });
                self.inside("PRACK", &[&[rack.as_str()], options].concat())
            }
            [method @ ("bye" | "options" | "update" | "info"), options @ ..] => {
                self.call.sequence += 1;
                let text = self.inside(&method.to_uppercase(), options);
                if options.contains(&"signed") { self.signed(&text) } else { text }
            }
            ["final", code, options @ ..] => self.reply(self.other.clone(), code, options),
            ["ok", options @ ..] => self.reply(self.other.clone(), "200", &[&["empty"], options].concat()),
            ["no", code, options @ ..] => self.reply(self.other.clone(), code, &[&["empty"], options].concat()),
            ["gone"] => self.reply(self.other.clone(), "481", &["empty"]),
            ["badevent"] => self.reply(self.other.clone(), "489", &["empty"]),
            [code, options @ ..] => self.reply(self.invite.clone(), code, options),
            [] => String::new(),
        };
        // Whoever does not know the password.
        let text = if words.contains(&"guess") { text.replace("response=\"", "response=\"x") } else { text };
        let text = match value(words, "user") {
            Some(it) => text.replace(&format!("username=\"{}\"", self.name), &format!("username=\"{it}\"")),
            None => text,
        };
        let text = if self.is_connected { text.replace("SIP/2.0/UDP", "SIP/2.0/TCP") } else { text };
        self.last.clone_from(&text);
        text
    }

    fn invite(&mut self, to: &str, options: &[&str]) -> String {
        let host = value(options, "host").unwrap_or("undertone.local");
        let from_host = value(options, "fromhost").unwrap_or("undertone.local");
        let from = value(options, "from").unwrap_or(&self.name).to_owned();
        let (name, count) = (self.name.clone(), self.count);
        self.call = Call {
            call_id: format!("{name}-{count}"),
            local: format!("<sip:{from}@{from_host}>;tag={name}-{count}"),
            remote: format!("<sip:{to}@{host}>"),
            target: format!("{}:{to}@{host}", value(options, "scheme").unwrap_or("sip")),
            sequence: 1,
            invited: 1,
            branch: format!("z9hG4bK-{name}-{count}"),
            uri: String::new(),
        };
        self.call.uri = self.call.target.clone();
        let text = self.inside("INVITE", options);
        if options.contains(&"unsigned") { text } else { self.signed(&text) }
    }

    fn register(&mut self, options: &[&str]) -> String {
        let (name, count) = (self.name.clone(), self.count);
        let number = value(options, "as").unwrap_or(&self.name).to_owned();
        let expires = value(options, "expires").unwrap_or("600");
        let agent = value(options, "agent").unwrap_or("phone").replace('_', " ");
        let text = format!(
            "REGISTER sip:undertone.local SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{name}-{count}\r\n\
             From: <sip:{number}@undertone.local>;tag={count}\r\nTo: <sip:{number}@undertone.local>\r\n\
             Call-ID: register-{name}\r\nCSeq: {count} REGISTER\r\nContact: <sip:{name}@{address}>\r\n\
             Expires: {expires}\r\nUser-Agent: {agent}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            address = self.address,
        );
        if options.contains(&"unsigned") { text } else { self.signed(&text) }
    }

    fn signed(&mut self, text: &str) -> String {
        match message::parse(text.as_bytes()) {
            Some(Message::Request(mut request)) => {
                self.signer.sign(&mut request, u64::from(self.count));
                String::from_utf8_lossy(&request.encode()).into_owned()
            }
            _ => text.to_owned(),
        }
    }

    fn inside(&self, method: &str, options: &[&str]) -> String {
        let Call { call_id, local, remote, target, sequence, branch, .. } = &self.call;
        let (call_id, target) =
            if call_id.is_empty() { ("none", "sip:undertone.local") } else { (&**call_id, &**target) };
        let local = if local.is_empty() { "<sip:a@b>;tag=1" } else { local };
        let remote = if remote.is_empty() { "<sip:undertone.local>;tag=2" } else { remote };
        let branch = if method == "INVITE" { branch.clone() } else { format!("z9hG4bK-{}-{}", self.name, self.count) };
        let remote = if options.contains(&"wrongtag") { format!("{remote}x") } else { remote.to_owned() };
        let sequence = if options.contains(&"old") { sequence.saturating_sub(2) } else { *sequence };
        let hops = value(options, "hops").unwrap_or("70");
        let body = if matches!(method, "INVITE" | "UPDATE") || options.contains(&"sdp") {
            self.body(options)
        } else {
            String::new()
        };
        let (name, address) = (&self.name, self.address);
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch={branch}\r\nFrom: {local}\r\nTo: {remote}\r\n\
             Call-ID: {call_id}\r\nCSeq: {sequence} {method}\r\nContact: <sip:{name}@{address}>\r\n\
             Max-Forwards: {hops}\r\n{}{}",
            extras(options),
            tail(&body, options)
        )
    }

    fn ack(&self, options: &[&str]) -> String {
        let Call { call_id, local, remote, target, invited: sequence, .. } = &self.call;
        let body = if options.is_empty() { String::new() } else { self.body(options) };
        format!(
            "ACK {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-{}-{}\r\nFrom: {local}\r\nTo: {remote}\r\n\
             Call-ID: {call_id}\r\nCSeq: {sequence} ACK\r\nMax-Forwards: 70\r\n{}",
            self.address,
            self.name,
            self.count,
            tail(&body, options)
        )
    }

    /// It belongs to the INVITE's own transaction (RFC 3261 s17.1.1.3).
    fn ack_of_refusal(&self, response: &Response) -> String {
        let Call { call_id, local, uri, invited: sequence, branch, .. } = &self.call;
        format!(
            "ACK {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch}\r\nFrom: {local}\r\nTo: {}\r\n\
             Call-ID: {call_id}\r\nCSeq: {sequence} ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.address,
            response.text(&HeaderName::To).unwrap_or_default(),
        )
    }

    fn cancel(&self) -> String {
        let Call { call_id, local, remote, uri, invited: sequence, branch, .. } = &self.call;
        let remote = remote.split(";tag=").next().unwrap_or_default();
        format!(
            "CANCEL {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch={branch}\r\nFrom: {local}\r\nTo: {remote}\r\n\
             Call-ID: {call_id}\r\nCSeq: {sequence} CANCEL\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.address
        )
    }

    fn reply(&self, request: Option<Request>, code: &str, options: &[&str]) -> String {
        let Some(request) = request else { return String::new() };
        let field = |name| request.text(&name).unwrap_or_default();
        let to = field(HeaderName::To);
        let fork = value(options, "fork").unwrap_or("");
        let to = match request.method {
            _ if to.contains(";tag=") => to,
            Method::Register => format!("{to};tag={}", self.name),
            _ => format!("{}{fork}", self.call.local),
        };
        let says = !options.contains(&"empty") && (code.starts_with('2') || options.contains(&"sdp"));
        let body = if says { self.body(options) } else { String::new() };
        format!(
            "SIP/2.0 {code} Whatever\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: {}\r\n{}{}",
            field(HeaderName::Via),
            field(HeaderName::From),
            field(HeaderName::CallId),
            field(HeaderName::CSeq),
            value(options, "contacts").map_or_else(|| format!("<sip:{}@{}>", self.name, self.address), str::to_owned),
            extras(options),
            tail(&body, options)
        )
    }

    fn body(&self, options: &[&str]) -> String {
        if options.contains(&"offerless") || options.contains(&"empty") {
            return String::new();
        }
        if options.contains(&"garbage") {
            return "this is not SDP".to_owned();
        }
        let address = if options.contains(&"nulled") { "0.0.0.0".to_owned() } else { self.address.ip().to_string() };
        let port = value(options, "port").unwrap_or("4000");
        let codecs = match value(options, "codecs") {
            Some("pcma") => "8 101",
            Some("g729") => "18",
            Some("pcma,pcmu") => "8 0 101",
            _ => "0 8 101",
        };
        let direction = ["sendonly", "recvonly", "inactive"].into_iter().find(|it| options.contains(it));
        format!(
            "v=0\r\no=- 1 {} IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP {codecs}\r\n\
             a=rtpmap:101 telephone-event/8000\r\na={}\r\n",
            self.count,
            direction.unwrap_or("sendrecv")
        )
    }
}

/// The header fields that a script asks for.
fn extras(options: &[&str]) -> String {
    let mut text = String::new();
    if let Some(it) = value(options, "se") {
        let refresher = value(options, "refresher").map(|it| format!(";refresher={it}")).unwrap_or_default();
        let _ = write!(text, "Session-Expires: {it}{refresher}\r\n");
    }
    let digest = |nonce| format!("Digest realm=\"telco\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256");
    for (name, field) in [("www", "WWW-Authenticate"), ("proxy", "Proxy-Authenticate")] {
        if let Some(it) = value(options, name) {
            let _ = write!(text, "{field}: {}\r\n", digest(it));
        }
    }
    let plain = [
        ("minse", "Min-SE"),
        ("require", "Require"),
        ("supported", "Supported"),
        ("rseq", "RSeq"),
        ("rack", "RAck"),
        ("granted", "Expires"),
        ("after", "Retry-After"),
    ];
    for (name, field) in plain {
        if let Some(it) = value(options, name) {
            let _ = write!(text, "{field}: {it}\r\n");
        }
    }
    if options.contains(&"updates") {
        text.push_str("Allow: INVITE, ACK, BYE, UPDATE\r\n");
    }
    text
}

fn tail(body: &str, options: &[&str]) -> String {
    let kind = if options.contains(&"text") { "text/plain" } else { "application/sdp" };
    let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
    let events = value(options, "events").map(|it| format!("Allow-Events: {}\r\n", it.replace(',', ", ")));
    format!("{kind}{}Content-Length: {}\r\n\r\n{body}", events.unwrap_or_default(), body.len())
}

/// The nonce and its count, where a request is signed.
fn proof(request: &Request) -> String {
    let names = [(HeaderName::Authorization, "signed"), (HeaderName::ProxyAuthorization, "proxy-signed")];
    let found = names.into_iter().filter_map(|(name, shown)| {
        let text = request.text(&name)?;
        let part =
            |name: &str| text.split(name).nth(1)?.split(',').next().map(|it| it.trim_matches(['"', '0']).to_owned());
        Some(format!(" {shown} {}.{}", part("nonce=")?, part("nc=")?))
    });
    found.collect()
}

fn value<'a>(options: &[&'a str], name: &str) -> Option<&'a str> {
    options.iter().find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
}

fn contact(message: &impl MessageExt) -> String {
    message.contact().map(|it| it.uri.to_string()).unwrap_or_default()
}

/// The codecs and the direction of a body, such as `PCMU,PCMA sendonly`; sendrecv is not said.
fn direction(message: &impl MessageExt) -> Option<String> {
    let text = std::str::from_utf8(message.content()).ok().filter(|it| !it.is_empty())?;
    let codecs: Vec<_> = text
        .lines()
        .filter_map(|it| it.strip_prefix("a=rtpmap:")?.split_once(' '))
        .filter_map(|(_, it)| it.split('/').next())
        .filter(|it| *it != "telephone-event")
        .collect();
    let direction = ["sendonly", "recvonly", "inactive"].into_iter().find(|it| text.contains(&format!("a={it}")));
    Some(format!("{}{}", codecs.join("+"), direction.map(|it| format!(" {it}")).unwrap_or_default()))
}

/// What a message says of session timers; what every first INVITE of ours says is not shown.
fn timer(message: &impl MessageExt) -> String {
    let mut text = String::new();
    if let Some(it) = message.text(&HeaderName::SessionExpires).filter(|it| it != "1800") {
        let _ = write!(text, " se={}", it.replace(";refresher=", "/"));
    }
    if let Some(it) = message.text(&HeaderName::MinSe) {
        let _ = write!(text, " minse={it}");
    }
    if let Some(it) = message.text(&HeaderName::Require) {
        let _ = write!(text, " require={it}");
    }
    text
}

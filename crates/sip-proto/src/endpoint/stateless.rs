//! Refusals and answers that need no transaction user.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Endpoint, Output, via};
use crate::{
    message::{self, HeaderName, HeadersExt, MessageExt, Method, Request, Response, response_to},
    transport::Flow,
};

/// The header fields of a request that could not be read, as far as a response needs them.
fn salvage(bytes: &[u8]) -> Option<Request> {
    let head = bytes.get(..bytes.len().min(HEAD_MAX))?;
    let end = head.windows(4).position(|it| it == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(head.get(..end)?).replace("\r\n ", " ").replace("\r\n\t", " ");
    let (start, fields) = text.split_once("\r\n")?;
    let (method, rest) = start.split_once(' ')?;
    if method.contains('/') || !rest.trim_end().ends_with("SIP/2.0") {
        return None;
    }
    // The Request-URI may be what cannot be read; a response does not need it.
    let method = Method::parse(&method.as_bytes().to_vec().into());
    let mut request = Request::new(method, message::uri("sip:invalid")?);
    for field in fields.split("\r\n") {
        let Some((name, value)) = field.split_once(':') else { continue };
        let name = HeaderName::parse(&name.trim().as_bytes().to_vec().into());
        if NEEDED.contains(&name) {
            request.headers.add(name, value.trim());
        }
    }
    Some(request)
}

/// What a response copies from its request.
const NEEDED: [HeaderName; 5] =
    [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq];

/// Nobody sends this many octets of header fields in earnest.
const HEAD_MAX: usize = 8192;

impl Endpoint {
    /// Answers without keeping anything. A repetition gets the same answer with the same tag (RFC 3261 s8.2.7).
    pub(super) fn refuse(&self, request: &Request, code: u16, to: Flow, out: &mut Vec<Output>) {
        let mut response = response_to(request, code);
        if code == 503 {
            response.headers.add(HeaderName::RetryAfter, "5");
        }
        self.complete_response(&mut response, self.stateless_tag(request).as_deref());
        out.push(Output::Transmit { to, bytes: response.encode() });
    }

    /// A tag for a request that has none, which every repetition gets again though nothing is kept of it.
    pub(super) fn stateless_tag(&self, request: &Request) -> Option<String> {
        if request.to_tag().is_some() {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        (self.salt, request.call_id(), request.text(&HeaderName::Via)).hash(&mut hasher);
        Some(format!("{:016x}", hasher.finish()))
    }

    /// Answers 400 to a request that cannot be read as a whole, if those parts of it can that a response needs
    /// (RFC 3261 s8.2.6.2).
    pub(super) fn refuse_unreadable(&self, bytes: &[u8], from: Flow, out: &mut Vec<Output>) {
        let Some(mut request) = salvage(bytes) else { return };
        let Some(via) = request.via() else { return };
        let Some(reply_to) = via::complete(&mut request, &via, from) else { return };
        let answerable = request.method != Method::Ack
            && NEEDED.iter().all(|it| request.headers.get(it).is_some())
            && request.to_address().is_some()
            && request.from_address().is_some()
            && request.cseq().is_some();
        if answerable {
            self.refuse(&request, 400, reply_to, out);
        }
    }

    /// The response to a new request that no transaction user needs to see, if there is one.
    pub(super) fn answer_alone(&self, request: &Request) -> Option<Response> {
        if !self.config.allow.contains(&request.method) {
            let code = if matches!(request.method, Method::Other(_)) { 501 } else { 405 };
            return Some(self.with_allow(response_to(request, code)));
        }
        if !request.uri.scheme().is_sip() {
            return Some(response_to(request, 416));
        }
        let unknown = self.unknown_extensions(request);
        if !unknown.is_empty() {
            let mut response = response_to(request, 420);
            response.headers.add(HeaderName::Unsupported, unknown.join(", "));
            return Some(response);
        }
        if request.method == Method::Options && request.to_tag().is_none() {
            let mut response = self.with_allow(response_to(request, 200));
            response.headers.add(HeaderName::Accept, "application/sdp");
            return Some(response);
        }
        None
    }

    /// The extensions that a request demands and we lack (RFC 3261 s8.2.2.3).
    fn unknown_extensions(&self, request: &Request) -> Vec<String> {
        request
            .texts(&HeaderName::Require)
            .iter()
            .flat_map(|it| it.split(','))
            .map(|it| it.trim().to_owned())
            .filter(|it| !it.is_empty() && !self.config.supported.iter().any(|ours| ours.eq_ignore_ascii_case(it)))
            .collect()
    }

    fn with_allow(&self, mut response: Response) -> Response {
        response.headers.add(HeaderName::Allow, self.allow());
        if !self.config.supported.is_empty() {
            response.headers.add(HeaderName::Supported, self.supported());
        }
        response
    }

    /// The value of our `Allow`.
    #[must_use]
    pub fn allow(&self) -> String {
        self.config.allow.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// The value of our `Supported`.
    #[must_use]
    pub fn supported(&self) -> String {
        self.config.supported.join(", ")
    }

    /// Adds what every response of ours carries, and the tag that the request lacks.
    pub(super) fn complete_response(&self, response: &mut Response, tag: Option<&str>) {
        if response.status.code() > 100
            && let Some(tag) = tag
            && let Some(to) = response.text(&HeaderName::To)
        {
            response.headers.put(HeaderName::To, format!("{to};tag={tag}"));
        }
        if !self.config.agent.is_empty() {
            response.headers.put(HeaderName::Server, self.config.agent.clone());
        }
        if response.headers.get(&HeaderName::ContentLength).is_none() {
            response.headers.add(HeaderName::ContentLength, response.body().len().to_string());
        }
    }
}

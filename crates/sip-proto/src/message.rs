//! SIP messages: the parser's types under our names, and the few questions that everybody asks of a message.

pub use sipx_sip::{
    Address, CSeq, Header, HeaderName, Headers, Host, HostName, Message, Method, Param, Params, Request, Response,
    Scheme, StatusCode, Uri, Via,
    headers::{Contact, ContactValue, ContentType, Expires, From, MaxForwards, RecordRoute, Route, To},
};
use sipx_sip::{Limits, message::Version, parse_datagram, update::peer_allows};

use crate::transport::{Flow, Transport};

/// Reads one datagram. `None` for what is no SIP message: keep-alives, STUN, noise, over-long messages.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Message> {
    // A keep-alive of line ends or zeros (RFC 5626 s4.4.1) is frequent and not worth a parse.
    if bytes.len() < SHORTEST {
        return None;
    }
    parse_datagram(bytes.to_vec().into(), &Limits::datagram()).ok()
}

/// A response to `request` with the headers that RFC 3261 s8.2.6.2 wants copied and the usual reason phrase. The
/// endpoint adds the To tag, `Server` and `Content-Length` when it is sent.
#[must_use]
pub fn response_to(request: &Request, code: u16) -> Response {
    let status = StatusCode::new(code.clamp(100, 699)).expect("the code was brought into the range that is allowed");
    let mut response = Response::new(status, reason_phrase(code));
    for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        for header in request.headers.get_all(&name) {
            response.headers.push(header.clone());
        }
    }
    response.version = Version::Sip20;
    response
}

/// A request with nothing but its start line; the endpoint adds `Via`, `Max-Forwards`, `User-Agent`, `Content-Length`.
#[must_use]
pub fn request(method: Method, uri: Uri) -> Request {
    Request::new(method, uri)
}

/// Reads a URI; `None` if it is not one.
#[must_use]
pub fn uri(text: &str) -> Option<Uri> {
    Uri::parse(text.as_bytes().to_vec().into()).ok()
}

/// The user part for `sip:<user>@…`, with everything escaped that the grammar does not allow there (RFC 3261 s25.1).
#[must_use]
pub fn escape_user(user: &str) -> String {
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A quoted string (RFC 3261 s25.1) with `"` and `\` escaped and line breaks gone.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for it in text.chars().filter(|it| !it.is_control()) {
        if matches!(it, '"' | '\\') {
            out.push('\\');
        }
        out.push(it);
    }
    out.push('"');
    out
}

/// The user part of a URI, unescaped; empty if it has none.
#[must_use]
pub fn user(uri: &Uri) -> String {
    uri.decoded_user().map(|it| String::from_utf8_lossy(&it).into_owned()).unwrap_or_default()
}

/// The address that a URI names without asking a resolver: its host where that is an IP literal, its port or the
/// default one.
#[must_use]
pub fn literal_flow(uri: &Uri) -> Option<Flow> {
    match uri.host()? {
        Host::Ip(ip) => {
            // Whatever it asks for: we open no connections, and everybody takes UDP (RFC 3261 s18).
            let transport = Transport::Udp;
            Some(Flow { transport, remote: (ip.to_canonical(), uri.port().unwrap_or(transport.default_port())).into() })
        }
        Host::Name(_) => None,
    }
}

/// Adds and replaces header fields; what could break a line is taken out rather than refused.
pub trait HeadersExt {
    /// Appends a field.
    fn add(&mut self, name: HeaderName, value: impl Into<String>);
    /// Replaces every field of this name with one.
    fn put(&mut self, name: HeaderName, value: impl Into<String>);
}

impl HeadersExt for Headers {
    fn add(&mut self, name: HeaderName, value: impl Into<String>) {
        if let Ok(header) = Header::build(name, harmless(value.into())) {
            self.push(header);
        }
    }

    fn put(&mut self, name: HeaderName, value: impl Into<String>) {
        self.remove_all(&name);
        self.add(name, value);
    }
}

/// A header name that the parser has no variant for, such as `Answer-Mode`.
#[must_use]
pub fn other_header(name: &'static str) -> HeaderName {
    HeaderName::parse(&name.into())
}

/// What everybody asks of a message, request or response.
#[allow(clippy::wrong_self_convention)] // `from` is the name of a header field here.
pub trait MessageExt {
    /// All header fields.
    fn fields(&self) -> &Headers;
    /// All header fields, to be changed.
    fn fields_mut(&mut self) -> &mut Headers;
    /// Sets the body with its type and length.
    fn carry(&mut self, content_type: &str, body: impl Into<Vec<u8>>);
    /// The octets of the body.
    fn content(&self) -> &[u8];
    /// The whole message as it goes on the wire.
    fn encode(&self) -> Vec<u8>;

    /// The first field of this name as text.
    fn text(&self, name: &HeaderName) -> Option<String> {
        self.fields().value(name).map(|it| lossy(&it))
    }

    /// Every field of this name, one entry a line, top first.
    fn texts(&self, name: &HeaderName) -> Vec<String> {
        self.fields().get_all(name).map(|it| lossy(&it.value())).collect()
    }

    /// The `Call-ID`; empty if there is none, which validation has excluded for messages from an endpoint.
    fn call_id(&self) -> String {
        self.text(&HeaderName::CallId).unwrap_or_default()
    }

    /// The `CSeq`.
    fn cseq(&self) -> Option<CSeq> {
        self.fields().typed::<CSeq>()?.ok()
    }

    /// The address in `From`.
    fn from_address(&self) -> Option<Address> {
        Some(self.fields().typed::<From>()?.ok()?.0)
    }

    /// The address in `To`.
    fn to_address(&self) -> Option<Address> {
        Some(self.fields().typed::<To>()?.ok()?.0)
    }

    /// The tag in `From`.
    fn from_tag(&self) -> Option<String> {
        self.from_address()?.tag().map(lossy)
    }

    /// The tag in `To`: its presence makes a request one inside a dialog.
    fn to_tag(&self) -> Option<String> {
        self.to_address()?.tag().map(lossy)
    }

    /// The first `Contact` that is an address.
    fn contact(&self) -> Option<Address> {
        Some(self.fields().typed::<Contact>()?.ok()?.0)
    }

    /// The topmost `Via`.
    fn via(&self) -> Option<Via> {
        self.fields().typed::<Via>()?.ok()
    }

    /// Whether a list of option tags, such as `Supported`, names this one.
    fn has_option(&self, list: &HeaderName, tag: &str) -> bool {
        self.texts(list).iter().flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case(tag))
    }

    /// Whether its sender takes UPDATE (RFC 3311 s4); `None` if it does not say what it takes.
    fn allows_update(&self) -> Option<bool> {
        self.fields().get(&HeaderName::Allow).map(|_| peer_allows(self.fields()))
    }

    /// Whether the body is SDP.
    fn has_sdp(&self) -> bool {
        !self.content().is_empty()
            && self.fields().typed::<ContentType>().is_some_and(|it| it.is_ok_and(|it| it.is("application", "sdp")))
    }
}

macro_rules! message_ext {
    ($message:ty) => {
        impl MessageExt for $message {
            fn fields(&self) -> &Headers {
                &self.headers
            }

            fn fields_mut(&mut self) -> &mut Headers {
                &mut self.headers
            }

            fn carry(&mut self, content_type: &str, body: impl Into<Vec<u8>>) {
                let body = body.into();
                self.headers.put(HeaderName::ContentType, content_type);
                self.headers.put(HeaderName::ContentLength, body.len().to_string());
                self.set_body(body.into());
            }

            fn content(&self) -> &[u8] {
                self.body()
            }

            fn encode(&self) -> Vec<u8> {
                let mut out = Vec::with_capacity(1024);
                self.write_to(&mut out);
                out
            }
        }
    };
}

message_ext!(Request);
message_ext!(Response);

/// The usual reason phrase of a status code (RFC 3261 s21 and later RFCs).
#[must_use]
pub const fn reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        439 => "First Hop Lacks Outbound Support",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        _ => "Unspecified",
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn harmless(mut value: String) -> String {
    if value.contains(['\r', '\n', '\0']) {
        value = value.replace(['\r', '\n', '\0'], " ");
    }
    value
}

/// No SIP message is shorter than a start line with the mandatory fields.
const SHORTEST: usize = 20;

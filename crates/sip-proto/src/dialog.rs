//! A dialog (RFC 3261 s12): what two user agents have agreed to call each other, and how they reach each other.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::{
    message::{self, HeaderName, Headers, HeadersExt, MessageExt, Method, Request, Response, Uri},
    transport::Flow,
};

/// What identifies a dialog (RFC 3261 s12): the Call-ID and both tags, ours first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local: String,
    /// The peer's tag; empty where the peer is of RFC 2543 and has none.
    pub remote: String,
}

impl DialogId {
    /// The dialog that a request we received claims to belong to; `None` if it claims none (no To tag).
    #[must_use]
    pub fn of_request(request: &Request) -> Option<Self> {
        Some(Self {
            call_id: request.call_id(),
            local: request.to_tag()?,
            remote: request.from_tag().unwrap_or_default(),
        })
    }

    /// The dialog that a response to a request of ours belongs to; `None` if it makes none (no To tag).
    #[must_use]
    pub fn of_response(response: &Response) -> Option<Self> {
        Some(Self { call_id: response.call_id(), local: response.from_tag()?, remote: response.to_tag()? })
    }
}

/// A request came out of order: its CSeq is lower than one seen before (RFC 3261 s12.2.2: 500).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the CSeq is lower than that of an earlier request")]
pub struct OutOfOrder;

/// One side of a dialog, early or confirmed.
#[derive(Clone, Debug)]
pub struct Dialog {
    id: DialogId,
    /// What we put into From: an address without tag.
    local: String,
    /// What we put into To: an address without tag.
    remote: String,
    target: Uri,
    routes: Vec<String>,
    flow: Flow,
    local_sequence: u32,
    remote_sequence: Option<u32>,
}

impl Dialog {
    /// The dialog that our response to `invite` makes (s12.1.1). `None` if the request has no usable Contact.
    #[must_use]
    pub fn as_server(invite: &Request, our_tag: &str, from: Flow) -> Option<Self> {
        Some(Self {
            id: DialogId {
                call_id: invite.call_id(),
                local: our_tag.to_owned(),
                remote: invite.from_tag().unwrap_or_default(),
            },
            local: without_tag(&invite.text(&HeaderName::To)?),
            remote: without_tag(&invite.text(&HeaderName::From)?),
            target: invite.contact()?.uri,
            routes: routes(&invite.headers),
            flow: from,
            local_sequence: 0,
            remote_sequence: invite.cseq().map(|it| it.sequence),
        })
    }

    /// The dialog that a response with a To tag makes of our `invite` (s12.1.2), or, of a re-INVITE, the one that it was
    /// sent in. Without a Contact, as provisional responses may be, requests go to where the INVITE went.
    #[must_use]
    pub fn as_client(invite: &Request, response: &Response, from: Flow) -> Option<Self> {
        let is_first = invite.to_tag().is_none();
        Some(Self {
            id: DialogId {
                call_id: invite.call_id(),
                local: invite.from_tag()?,
                remote: response.to_tag().unwrap_or_default(),
            },
            local: without_tag(&invite.text(&HeaderName::From)?),
            remote: without_tag(&response.text(&HeaderName::To)?),
            target: response.contact().map_or_else(|| invite.uri.clone(), |it| it.uri),
            routes: if is_first {
                routes(&response.headers).into_iter().rev().collect()
            } else {
                invite.texts(&HeaderName::Route)
            },
            flow: from,
            local_sequence: invite.cseq()?.sequence,
            remote_sequence: None,
        })
    }

    /// What identifies it.
    #[must_use]
    pub fn id(&self) -> &DialogId {
        &self.id
    }

    /// Where its requests are addressed to.
    #[must_use]
    pub fn target(&self) -> &Uri {
        &self.target
    }

    /// Where its requests go: the connection that the peer has opened, if there is one, because we open none; else the
    /// first route, or else the peer's Contact, where that is an address that can be reached; the flow that the dialog
    /// came about on otherwise, which leads through a peer's NAT.
    #[must_use]
    pub fn flow(&self) -> Flow {
        if self.flow.transport.is_connected() {
            return self.flow;
        }
        if let Some(route) = self.routes.first() {
            return route_uri(route).as_ref().and_then(message::literal_flow).unwrap_or(self.flow);
        }
        match message::literal_flow(&self.target) {
            Some(flow) if can_reach(flow.remote.ip(), self.flow.remote.ip()) => flow,
            _ => self.flow,
        }
    }

    /// A new request inside the dialog (s12.2.1.1), with the next CSeq.
    pub fn request(&mut self, method: &Method) -> Request {
        self.local_sequence = self.local_sequence.saturating_add(1);
        self.build(method, self.local_sequence)
    }

    /// Passes over CSeq numbers that a copy of this dialog may have used: gaps are normal (s12.2.2), repetitions are not.
    pub fn leap(&mut self) {
        self.local_sequence = self.local_sequence.saturating_add(1000);
    }

    /// The ACK to a 2xx of the INVITE or re-INVITE with this CSeq number (s13.2.2.4).
    #[must_use]
    pub fn ack(&self, sequence: u32) -> Request {
        self.build(&Method::Ack, sequence)
    }

    /// Whether the peer, or a proxy on the way to it, is known to be at this address: because what counts came from there,
    /// or because the dialog names it. Ports are of no account: translators change them.
    #[must_use]
    pub fn is_at(&self, ip: IpAddr) -> bool {
        let names_it = |uri: &Uri| message::literal_flow(uri).is_some_and(|it| it.remote.ip() == ip);
        self.flow.remote.ip() == ip
            || names_it(&self.target)
            || self.routes.iter().filter_map(|it| route_uri(it)).any(|it| names_it(&it))
    }

    /// Notes a request of the peer's; gaps in its CSeq are normal (s12.2.2).
    ///
    /// # Errors
    /// The request is older than one seen before.
    pub fn accept(&mut self, request: &Request) -> Result<(), OutOfOrder> {
        let Some(sequence) = request.cseq().map(|it| it.sequence) else { return Err(OutOfOrder) };
        if self.remote_sequence.is_some_and(|it| sequence < it) {
            return Err(OutOfOrder);
        }
        self.remote_sequence = Some(sequence);
        Ok(())
    }

    /// Takes over the peer's new Contact from a target refresh request or its 2xx (s12.2.1.2, s12.2.2).
    pub fn refresh(&mut self, message: &impl MessageExt, from: Flow) {
        if let Some(contact) = message.contact() {
            self.target = contact.uri;
        }
        self.flow = from;
    }

    /// The peer's connection is gone and it has another one now.
    pub fn take_along(&mut self, to: Flow) {
        self.flow = to;
    }

    /// A 2xx may bring a route set that the early dialog's response did not (s13.2.2.4).
    pub fn confirm(&mut self, response: &Response, from: Flow) {
        self.refresh(response, from);
        self.routes = routes(&response.headers).into_iter().rev().collect();
    }

    fn build(&self, method: &Method, sequence: u32) -> Request {
        let strict = self.routes.first().and_then(|it| route_uri(it)).filter(|it| !is_loose(it));
        let target = self.target.to_string();
        let mut request = Request::new(method.clone(), strict.clone().unwrap_or_else(|| self.target.clone()));
        if strict.is_some() {
            // s12.2.1.1: a strict router wants its own address on the request line and the target last.
            for route in self.routes.iter().skip(1) {
                request.headers.add(HeaderName::Route, route.as_str());
            }
            request.headers.add(HeaderName::Route, format!("<{target}>"));
        } else {
            for route in &self.routes {
                request.headers.add(HeaderName::Route, route.as_str());
            }
        }
        request.headers.add(HeaderName::From, tagged(&self.local, &self.id.local));
        request.headers.add(HeaderName::To, tagged(&self.remote, &self.id.remote));
        request.headers.add(HeaderName::CallId, self.id.call_id.as_str());
        request.headers.add(HeaderName::CSeq, format!("{sequence} {method}"));
        request
    }
}

/// Every Record-Route address, top first, one entry each.
fn routes(headers: &Headers) -> Vec<String> {
    headers
        .typed_all::<message::RecordRoute>()
        .filter_map(Result::ok)
        .take(ROUTES_MAX)
        .map(|it| format!("<{}>", it.0.uri))
        .collect()
}

fn route_uri(route: &str) -> Option<Uri> {
    message::uri(route.trim_start_matches('<').trim_end_matches('>'))
}

fn is_loose(uri: &Uri) -> bool {
    uri.params().is_some_and(|it| it.contains("lr"))
}

/// Whether an address that a peer states can be meant for us. A private address of a peer that we see elsewhere is
/// behind its NAT.
fn can_reach(stated: IpAddr, seen: IpAddr) -> bool {
    if stated == seen {
        return true;
    }
    match stated {
        IpAddr::V4(ip) => {
            let is_inside = ip.is_private() || ip.is_link_local() || ip.is_unspecified() || ip.is_loopback();
            !is_inside || (ip.is_loopback() && seen.is_loopback())
        }
        IpAddr::V6(ip) => !(ip.is_loopback() || ip.is_unspecified() || ip.is_unicast_link_local()),
    }
}

/// The address of a From or To field with its tag taken off: everything else must come back as it was.
fn without_tag(field: &str) -> String {
    let end_of_uri = field.rfind('>').map_or(0, |it| it + 1);
    let (address, params) = field.split_at(end_of_uri);
    let kept = params
        .split(';')
        .enumerate()
        .filter(|(index, it)| {
            *index == 0 || !it.trim_start().get(..4).is_some_and(|it| it.eq_ignore_ascii_case("tag="))
        })
        .map(|(_, it)| it)
        .collect::<Vec<_>>();
    format!("{address}{}", kept.join(";")).trim().to_owned()
}

fn tagged(address: &str, tag: &str) -> String {
    if tag.is_empty() { address.to_owned() } else { format!("{address};tag={tag}") }
}

/// A peer may not make us carry more hops than any real path has.
const ROUTES_MAX: usize = 32;

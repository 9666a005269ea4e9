//! Legs that we begin: from the order to dial to the INVITEs that we send.

use clock::Time;
use domain::{
    ids::{CallId, LegId},
    leg::{Alert, Cause, LegEvent, OfferDirection, Target},
};
use media_proto::{codec::Codec, sdp::Direction};
use sip_proto::{
    ClientId, Flow, HeaderName, HeadersExt, MessageExt, Method, Request, Uri,
    message::{self, escape_user, other_header, quoted},
    registrar::Binding,
};

use crate::{
    Context, Legs, MediaOrder, Output, Purpose,
    attempts::First,
    calling::Calling,
    inbound::SDP,
    leg::{Leg, Stage},
    timer,
};

/// The order to call somebody.
pub(crate) struct Dial {
    pub(crate) to: Target,
    pub(crate) from: String,
    pub(crate) display: String,
    pub(crate) like: Option<LegId>,
    pub(crate) alert: Alert,
    pub(crate) direction: OfferDirection,
}

/// Whom an INVITE addresses and where it goes.
struct Destination {
    uri: Uri,
    to: String,
    flow: Flow,
    /// Proxies on the way.
    path: Vec<String>,
    trunk: Option<Behind>,
}

/// What is particular to a call through a trunk.
struct Behind {
    name: String,
    /// The address that we call from, where the trunk knows us by an account.
    caller: Option<String>,
}

impl Legs {
    /// Calls every phone that is registered for the number at once; the first that answers has the call.
    pub(crate) fn dial(&mut self, call: CallId, id: LegId, dial: &Dial, cx: &mut Context<'_>) {
        if self.legs.contains_key(&id) {
            return;
        }
        let destinations = self.destinations(&dial.to, cx.now);
        let Some(first) = destinations.first().map(|it| it.flow) else {
            return cx.tell(id, LegEvent::Ended(Cause::Unavailable));
        };
        let limit = match dial.direction {
            OfferDirection::SendRecv => Direction::SendRecv,
            OfferDirection::SendOnly => Direction::SendOnly,
        };
        let Some(mut media) = self.lease(id, limit, first, cx) else {
            return cx.tell(id, LegEvent::Ended(Cause::Overload));
        };
        let liked = self.liked(dial.like);
        let hops = dial.like.and_then(|it| self.legs.get(&it)).map_or(70, |it| it.hops.saturating_sub(1));
        cx.out.push(Output::Media(MediaOrder::Open { call, leg: id }));
        let mut calling = Calling::default();
        for destination in destinations {
            let mut invite = self.invite(&destination, dial, hops);
            let flow = destination.flow;
            invite.carry(SDP, media.offer_to(flow.remote, &liked));
            if let Some((client, invite)) = self.send_invite(invite, destination, dial.alert, id, cx) {
                calling.add(client, invite, flow);
            }
        }
        let has_begun = !calling.clients().is_empty();
        let mut leg = Leg::new(Stage::Calling(calling), hops);
        leg.call = Some(call);
        leg.codecs = liked;
        leg.media = Some(media);
        self.legs.insert(id, leg);
        if !has_begun {
            self.finish(id, Cause::Overload, cx);
        }
    }

    fn send_invite(
        &mut self,
        invite: Request,
        to: Destination,
        alert: Alert,
        leg: LegId,
        cx: &mut Context<'_>,
    ) -> Option<(ClientId, Request)> {
        if let Some(behind) = to.trunk {
            // Whoever is to answer by itself is the one that was asked for (V-07).
            let first = First { trunk: behind.name, flow: to.flow, follows: alert == Alert::Ring };
            return self.attempt(leg, first, invite, cx);
        }
        let client = self.send(invite.clone(), to.flow, cx)?;
        self.clients.insert(client, Purpose::Invite(leg));
        Some((client, invite))
    }

    fn destinations(&self, to: &Target, now: Time) -> Vec<Destination> {
        match to {
            Target::Device(number) => {
                let to = format!("<sip:{number}@{}>", self.settings.domain);
                let bindings = self.registrar.bindings(number.as_str()).into_iter();
                let destination = |it: &Binding| {
                    let (uri, path) = (it.contact.clone(), it.path.clone());
                    Destination { uri, to: to.clone(), flow: it.flow, path, trunk: None }
                };
                bindings.map(destination).collect()
            }
            Target::Trunk { name, number } => self.behind(name, number, now).into_iter().collect(),
        }
    }

    fn behind(&self, name: &str, number: &str, now: Time) -> Option<Destination> {
        let trunk = self.trunks.all.get(name)?;
        let uri = trunk.uri(number)?;
        let caller = trunk.account().and_then(|it| trunk.uri(&it.user_name)).map(|it| format!("<{it}>"));
        let flow = *trunk.ways(now).first()?;
        let trunk = Some(Behind { name: name.to_owned(), caller });
        Some(Destination { to: format!("<{uri}>"), uri, flow, path: Vec::new(), trunk })
    }

    fn invite(&mut self, destination: &Destination, dial: &Dial, hops: u8) -> Request {
        let domain = &self.settings.domain;
        let from = if dial.from.is_empty() {
            // RFC 3323 s4.1.1.3.
            r#""Anonymous" <sip:anonymous@anonymous.invalid>"#.to_owned()
        } else if let Some(caller) = destination.trunk.as_ref().and_then(|it| it.caller.as_ref()) {
            caller.clone()
        } else if dial.display.is_empty() {
            format!("<sip:{}@{domain}>", escape_user(&dial.from))
        } else {
            format!("{} <sip:{}@{domain}>", quoted(&dial.display), escape_user(&dial.from))
        };
        let mut invite = message::request(Method::Invite, destination.uri.clone());
        let headers = &mut invite.headers;
        headers.add(HeaderName::MaxForwards, hops.to_string());
        for route in &destination.path {
            headers.add(HeaderName::Route, route.as_str());
        }
        headers.add(HeaderName::From, format!("{from};tag={}", self.endpoint.token()));
        headers.add(HeaderName::To, destination.to.clone());
        headers.add(HeaderName::CallId, self.endpoint.token());
        headers.add(HeaderName::CSeq, "1 INVITE");
        headers.add(HeaderName::Contact, self.settings.contact_field(destination.flow));
        headers.add(HeaderName::Allow, self.endpoint.allow());
        headers.add(HeaderName::Supported, self.endpoint.supported());
        timer::ask(headers, self.settings.session_expires, None, None);
        if dial.alert == Alert::AutoAnswer {
            // Phones differ in which of these they know: RFC 5373, Polycom and Yealink, Grandstream.
            headers.add(other_header("Answer-Mode"), "Auto");
            headers.add(HeaderName::CallInfo, format!("<sip:{domain}>;answer-after=0"));
            headers.add(HeaderName::AlertInfo, format!("<http://{domain}>;info=alert-autoanswer"));
        }
        invite
    }

    /// The codecs to offer first, so that a call with that leg needs no transcoding.
    pub(crate) fn liked(&self, like: Option<LegId>) -> Vec<Codec> {
        like.and_then(|it| self.legs.get(&it)).map_or_else(|| Codec::ALL.to_vec(), Leg::liked)
    }
}

//! Legs that we begin: from the order to dial to the ACK that we send.

use domain::{
    ids::{CallId, LegId},
    leg::{Alert, Cause, LegEvent, OfferDirection, Target},
};
use media_proto::{codec::Codec, sdp::Direction};
use sip_proto::{
    ClientId, Dialog, Flow, HeaderName, HeadersExt, MessageExt, Method, Request, Response, Uri,
    message::{self, escape_user, other_header, quoted},
};

use crate::{
    Context, Legs, MediaOrder, Output, Purpose,
    answers::cause_of,
    inbound::{SDP, description},
    leg::{Leg, Stage},
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
}

impl Legs {
    pub(crate) fn dial(&mut self, call: CallId, id: LegId, dial: &Dial, cx: &mut Context<'_>) {
        if self.legs.contains_key(&id) {
            return;
        }
        let Some(destination) = self.destination(&dial.to) else {
            return cx.tell(id, LegEvent::Ended(Cause::Unavailable));
        };
        let limit = match dial.direction {
            OfferDirection::SendRecv => Direction::SendRecv,
            OfferDirection::SendOnly => Direction::SendOnly,
        };
        let Some(mut media) = self.lease(id, limit, cx) else {
            return cx.tell(id, LegEvent::Ended(Cause::Overload));
        };
        let liked = self.liked(dial.like);
        let hops = dial.like.and_then(|it| self.legs.get(&it)).map_or(70, |it| it.hops.saturating_sub(1));
        let mut invite = self.invite(&destination, dial, hops);
        invite.carry(SDP, media.author.offer(&liked, limit));
        let Some(client) = self.send_first(invite, destination.flow, call, id, cx) else {
            cx.out.push(Output::Media(MediaOrder::Close { leg: id }));
            cx.ports.release(id);
            return cx.tell(id, LegEvent::Ended(Cause::Overload));
        };
        let mut leg = Leg::new(Stage::Calling { invite: client, rang: false, early: None }, hops);
        leg.call = Some(call);
        leg.codecs = liked;
        leg.media = Some(media);
        self.legs.insert(id, leg);
        self.clients.insert(client, Purpose::Invite(id));
    }

    fn send_first(
        &mut self,
        invite: Request,
        to: Flow,
        call: CallId,
        leg: LegId,
        cx: &mut Context<'_>,
    ) -> Option<ClientId> {
        cx.out.push(Output::Media(MediaOrder::Open { call, leg }));
        self.send(invite, to, cx)
    }

    fn destination(&self, to: &Target) -> Option<Destination> {
        match to {
            Target::Device(number) => {
                let binding = *self.registrar.bindings(number.as_str()).first()?;
                let to = format!("<sip:{number}@{}>", self.settings.domain);
                Some(Destination { uri: binding.contact.clone(), to, flow: binding.flow })
            }
            Target::Trunk { name, number } => {
                let flow = self.peers.trunk_flow(name)?;
                let text = format!("sip:{}@{}", escape_user(number), flow.remote);
                Some(Destination { uri: message::uri(&text)?, to: format!("<{text}>"), flow })
            }
        }
    }

    fn invite(&mut self, destination: &Destination, dial: &Dial, hops: u8) -> Request {
        let domain = &self.settings.domain;
        let from = if dial.from.is_empty() {
            // RFC 3323 s4.1.1.3.
            r#""Anonymous" <sip:anonymous@anonymous.invalid>"#.to_owned()
        } else if dial.display.is_empty() {
            format!("<sip:{}@{domain}>", escape_user(&dial.from))
        } else {
            format!("{} <sip:{}@{domain}>", quoted(&dial.display), escape_user(&dial.from))
        };
        let mut invite = message::request(Method::Invite, destination.uri.clone());
        let headers = &mut invite.headers;
        headers.add(HeaderName::MaxForwards, hops.to_string());
        headers.add(HeaderName::From, format!("{from};tag={}", self.endpoint.token()));
        headers.add(HeaderName::To, destination.to.clone());
        headers.add(HeaderName::CallId, self.endpoint.token());
        headers.add(HeaderName::CSeq, "1 INVITE");
        headers.add(HeaderName::Contact, self.settings.contact_field(destination.flow.transport));
        headers.add(HeaderName::Allow, self.endpoint.allow());
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

    pub(crate) fn on_response(&mut self, client: ClientId, response: &Response, from: Flow, cx: &mut Context<'_>) {
        match self.clients.get(&client) {
            Some(Purpose::Invite(id)) => self.on_call_response(*id, client, response, from, cx),
            Some(Purpose::Probe(id)) => self.on_probed(*id, client, response.status.code(), cx),
            // The leg is over: whoever answers it now gets ACK and BYE (E-16).
            None => self.decline_fork(client, response, from, cx),
        }
    }

    fn on_call_response(&mut self, id: LegId, client: ClientId, response: &Response, from: Flow, cx: &mut Context<'_>) {
        let status = response.status.code();
        match self.legs.get(&id).map(|it| &it.stage) {
            Some(Stage::Calling { .. }) if status < 200 => self.on_progress(id, response, cx),
            Some(Stage::Calling { .. }) if status < 300 => self.on_answered(id, client, response, from, cx),
            Some(Stage::Calling { .. }) => self.finish(id, cause_of(status), cx),
            _ => self.decline_fork(client, response, from, cx),
        }
    }

    fn on_progress(&mut self, id: LegId, response: &Response, cx: &mut Context<'_>) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Stage::Calling { rang, early, .. } = &mut leg.stage else { return };
        match description(response) {
            Ok(Some(peer)) => {
                let first = early.is_none();
                *early = Some(peer.clone());
                let preferred = leg.codecs.first().copied();
                leg.settle(id, &peer, preferred, cx);
                if first {
                    cx.tell(id, LegEvent::EarlyMedia);
                }
            }
            _ if response.status.code() == 180 && !*rang => {
                *rang = true;
                cx.tell(id, LegEvent::Ringing);
            }
            _ => {}
        }
    }

    fn on_answered(&mut self, id: LegId, client: ClientId, response: &Response, from: Flow, cx: &mut Context<'_>) {
        let Some(dialog) = self.acknowledge(client, response, from, cx) else {
            return self.finish(id, Cause::Unavailable, cx);
        };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Stage::Calling { early, .. } = &mut leg.stage else { return };
        // What came early is the answer where the 2xx does not repeat it (RFC 3261 s13.2.1).
        let peer = description(response).ok().flatten().or_else(|| early.take());
        self.dialogs.insert(dialog.id().clone(), id);
        leg.stage = Stage::Up { dialog, invite: Some(client), unacked: None, probe: None };
        let preferred = leg.codecs.first().copied();
        let Some(peer) = peer else { return self.hang_up(id, Cause::NotAcceptable, cx) };
        leg.settle(id, &peer, preferred, cx);
        if leg.codec().is_none() {
            return self.hang_up(id, Cause::NotAcceptable, cx);
        }
        leg.confirm(id, cx);
    }

    /// Sends the ACK that every 2xx needs, wanted or not (RFC 3261 s13.2.2.4).
    fn acknowledge(
        &mut self,
        client: ClientId,
        response: &Response,
        from: Flow,
        cx: &mut Context<'_>,
    ) -> Option<Dialog> {
        let invite = self.endpoint.sent(client)?;
        let dialog = Dialog::as_client(invite, response, from)?;
        let ack = dialog.ack(invite.cseq()?.sequence);
        self.endpoint.acknowledge(client, ack, dialog.flow(), &mut self.wire);
        self.flush(cx);
        Some(dialog)
    }

    fn decline_fork(&mut self, client: ClientId, response: &Response, from: Flow, cx: &mut Context<'_>) {
        let accepts = response.status.is_success() && response.cseq().is_some_and(|it| it.method == Method::Invite);
        if accepts && let Some(dialog) = self.acknowledge(client, response, from, cx) {
            self.bye(dialog, cx);
        }
    }

    pub(crate) fn on_unanswered(&mut self, client: ClientId, cx: &mut Context<'_>) {
        match self.clients.get(&client).copied() {
            Some(Purpose::Invite(id)) => self.finish(id, Cause::Unavailable, cx),
            Some(Purpose::Probe(id)) => self.on_probed(id, client, 408, cx),
            None => {}
        }
    }
}

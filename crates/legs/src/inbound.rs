//! Legs that a peer begins: from its INVITE to the ACK of our answer.

use domain::{
    ids::LegId,
    leg::{Cause, LegEvent, Origin},
};
use media_proto::sdp::{Author, Description, Direction};
use rand_chacha::rand_core::Rng;
use sip_proto::{Dialog, Flow, HeaderName, HeadersExt, MessageExt, Method, Request, Response, ServerId};

use crate::{
    Context, Legs, MediaOrder, Output,
    admission::{Refusal, hops},
    answers::status_of,
    leg::{Leg, Media, Stage, Unacked, codecs},
    reliable::{Exchange, Reliable, Wanted},
    timer::Timer,
    trunks::number,
};

impl Legs {
    pub(crate) fn on_request(&mut self, id: ServerId, request: &Request, from: Flow, tag: &str, cx: &mut Context<'_>) {
        match request.method {
            Method::Register => self.on_register(id, request, from, cx),
            _ if request.to_tag().is_some() => self.on_request_inside(id, request, from, cx),
            Method::Invite => {
                if let Err(refusal) = self.on_invite(id, request, from, tag, cx) {
                    self.turn_away(id, refusal, cx);
                }
            }
            _ => self.refuse(id, 481, cx),
        }
    }

    fn on_invite(
        &mut self,
        id: ServerId,
        request: &Request,
        from: Flow,
        tag: &str,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        self.check_target(request)?;
        if hops(request) == 0 {
            return Err(Refusal::Status(483));
        }
        if self.draining || self.legs.len() >= self.settings.legs_max {
            return Err(Refusal::Status(503));
        }
        let origin = self.origin(request, from, cx)?;
        self.endpoint.vouch(from, cx.now);
        let offer = description(request).map_err(Refusal::Status)?;
        let timer = Timer::as_server(request, &self.settings, cx.now).map_err(Refusal::Status)?;
        let dialog = Dialog::as_server(request, tag, from).ok_or(Refusal::Status(400))?;
        // At once, and not after 200 ms: it stops the peer's retransmissions whatever happens next.
        self.refuse(id, 100, cx);
        self.inbound += 1;
        let leg = LegId(LegId::INBOUND | self.inbound);
        let dialled = match &origin {
            Origin::Trunk { .. } => self.dialled_through(from, request),
            Origin::Device(_) => number(&request.uri),
        };
        self.dialogs.insert(dialog.id().clone(), leg);
        self.servers.insert(id, leg);
        let codecs = offer.as_ref().map(codecs).unwrap_or_default();
        let reliable = Reliable::demanded(request, self.random.next_u32());
        let stage = Stage::Offered { invite: id, offer, dialog, early: None, timer, reliable };
        let mut it = Leg::new(stage, hops(request));
        it.codecs = codecs;
        self.legs.insert(leg, it);
        cx.tell(leg, LegEvent::Offered { origin, dialled });
        Ok(())
    }

    pub(crate) fn ring(&mut self, id: LegId, cx: &mut Context<'_>) {
        if self.must_wait(id, Wanted::Ring) {
            return;
        }
        self.tell_caller(id, 180, None, cx);
    }

    pub(crate) fn progress(&mut self, id: LegId, like: LegId, cx: &mut Context<'_>) {
        if self.must_wait(id, Wanted::Progress(like)) {
            return;
        }
        self.tell_caller(id, 183, Some(like), cx);
    }

    /// A provisional response. To an offer it brings our answer if the caller is to hear something (`like`); to a caller
    /// who made no offer the first reliable one must bring ours, and no other can (RFC 3261 s13.2.1).
    fn tell_caller(&mut self, id: LegId, code: u16, like: Option<LegId>, cx: &mut Context<'_>) {
        let Some(Stage::Offered { invite, offer, reliable, .. }) = self.legs.get(&id).map(|it| &it.stage) else {
            return;
        };
        let invite = *invite;
        let text = match (offer, reliable.as_ref().map(|it| it.exchange)) {
            (_, Some(Exchange::Done | Exchange::Offered)) => Ok(None),
            (None, Some(Exchange::Open)) => self.offer_text(id, like, cx).map(Some),
            (None, None) => return self.send_provisional(id, invite, 180, None, cx),
            (Some(_), _) if like.is_some() => self.answer_text(id, like, cx).map(Some),
            (Some(_), _) => Ok(None),
        };
        match text {
            Ok(text) => self.send_provisional(id, invite, code, text, cx),
            Err(cause) => self.end(id, cause, cx),
        }
    }

    pub(crate) fn answer(&mut self, id: LegId, like: Option<LegId>, cx: &mut Context<'_>) {
        if self.must_wait(id, Wanted::Answer(like)) {
            return;
        }
        let Some(leg) = self.legs.get(&id) else { return };
        let Stage::Offered { invite, offer, timer, reliable, .. } = &leg.stage else { return };
        let is_done = reliable.as_ref().is_some_and(|it| it.exchange != Exchange::Open);
        let (invite, offers, mut timer) = (*invite, offer.is_none() && !is_done, *timer);
        let text = match offers {
            // Both sides have described themselves already, or the answer that the caller owed has not come.
            _ if is_done => {
                if leg.codec().is_some() {
                    Ok(None)
                } else {
                    Err(Cause::NotAcceptable)
                }
            }
            true => self.offer_text(id, like, cx).map(Some),
            false => self.answer_text(id, like, cx).map(Some),
        };
        let text = match text {
            Ok(text) => text,
            Err(cause) => return self.end(id, cause, cx),
        };
        let Some(mut response) = self.dialog_response(invite, 200) else { return };
        if let Some(text) = text {
            response.carry(SDP, text);
        }
        timer.agree(&mut response.headers);
        self.respond(invite, response, cx);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        if let Stage::Offered { dialog, .. } = &leg.stage {
            let unacked = Some(Unacked { server: invite, first: true, offers });
            timer.restart(cx.now);
            leg.stage = Stage::Up { dialog: dialog.clone(), invite: None, unacked, probe: None, timer };
        }
        self.arm(id);
    }

    /// Our answer to the offer in the INVITE; the same in every response that carries it (RFC 3261 s13.2.1).
    fn answer_text(&mut self, id: LegId, like: Option<LegId>, cx: &mut Context<'_>) -> Result<String, Cause> {
        let preferred = like.and_then(|it| self.legs.get(&it)?.codec());
        self.open_media(id, Direction::SendRecv, cx)?;
        let leg = self.legs.get_mut(&id).ok_or(Cause::Gone)?;
        let (Stage::Offered { offer: Some(offer), early, .. }, Some(media)) = (&mut leg.stage, &mut leg.media) else {
            return Err(Cause::NotAcceptable);
        };
        if let Some(text) = early {
            return Ok(text.clone());
        }
        media.face(offer);
        let answer = media.author.answer(offer, preferred, media.limit).map_err(|_| Cause::NotAcceptable)?;
        *early = Some(answer.text.clone());
        let stream = media.settled(offer, &answer);
        leg.held = offer.holds();
        leg.configure(id, stream, cx);
        Ok(answer.text)
    }

    /// Our offer to a caller that made none (RFC 3261 s13.2.1); the ACK will bring the answer.
    fn offer_text(&mut self, id: LegId, like: Option<LegId>, cx: &mut Context<'_>) -> Result<String, Cause> {
        let liked = self.liked(like);
        self.open_media(id, Direction::SendRecv, cx)?;
        let media = self.legs.get_mut(&id).and_then(|it| it.media.as_mut()).ok_or(Cause::Gone)?;
        Ok(media.author.offer(&liked, media.limit))
    }

    /// Leases a port for a leg that has none.
    fn open_media(&mut self, id: LegId, limit: Direction, cx: &mut Context<'_>) -> Result<(), Cause> {
        let leg = self.legs.get(&id).ok_or(Cause::Gone)?;
        if leg.media.is_some() {
            return Ok(());
        }
        let call = leg.call.ok_or(Cause::Gone)?;
        let peer = leg.dialogs().first().map(|it| it.flow()).ok_or(Cause::Gone)?;
        let media = self.lease(id, limit, peer, cx).ok_or(Cause::Overload)?;
        cx.out.push(Output::Media(MediaOrder::Open { call, leg: id }));
        if let Some(leg) = self.legs.get_mut(&id) {
            leg.media = Some(media);
        }
        Ok(())
    }

    pub(crate) fn lease(&mut self, id: LegId, limit: Direction, peer: Flow, cx: &mut Context<'_>) -> Option<Media> {
        let port = cx.ports.lease(id)?;
        let (address, other) = self.settings.media_towards(peer.remote.ip());
        let author = Author::new(address, port, self.random.next_u64());
        Some(Media { author, other, limit, stream: None })
    }

    /// The peer gave up. If our 200 has crossed its CANCEL, the endpoint does not tell, and a BYE will come.
    pub(crate) fn on_cancelled(&mut self, server: ServerId, cx: &mut Context<'_>) {
        self.refuse(server, 487, cx);
        if let Some(&id) = self.servers.get(&server) {
            self.finish(id, Cause::Cancelled, cx);
        }
    }

    pub(crate) fn on_acked(&mut self, server: ServerId, ack: &Request, cx: &mut Context<'_>) {
        if let Some(dialog) = self.farewells.remove(&server) {
            return self.bye(dialog, cx);
        }
        let Some(id) = self.servers.remove(&server) else { return };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Stage::Up { unacked, .. } = &mut leg.stage else { return };
        let Some(answered) = unacked.take_if(|it| it.server == server) else { return };
        let settled = answered.offers.then(|| description(ack).ok().flatten());
        match settled {
            // The ACK owes us an answer (RFC 3261 s13.2.2.4). Without it there is no sound; a re-INVITE changes nothing.
            Some(None) if answered.first => return self.hang_up(id, Cause::NotAcceptable, cx),
            Some(Some(peer)) => leg.settle(id, &peer, None, cx),
            Some(None) | None => {}
        }
        if answered.first {
            leg.confirm(id, cx);
        }
    }

    /// RFC 3261 s13.3.1.4: no ACK, no session.
    pub(crate) fn on_unacknowledged(&mut self, server: ServerId, cx: &mut Context<'_>) {
        if let Some(dialog) = self.farewells.remove(&server) {
            return self.bye(dialog, cx);
        }
        let Some(id) = self.servers.remove(&server) else { return };
        if let Some(Stage::Up { unacked, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) {
            *unacked = None;
        }
        self.hang_up(id, Cause::Gone, cx);
    }

    /// Ends a leg whatever its stage.
    pub(crate) fn end(&mut self, id: LegId, cause: Cause, cx: &mut Context<'_>) {
        match self.legs.get(&id).map(|it| &it.stage) {
            Some(Stage::Offered { invite, .. }) => {
                self.refuse(*invite, status_of(cause), cx);
                self.finish(id, cause, cx);
            }
            Some(Stage::Calling(calling)) => {
                // The domain need not wait. If a peer answers all the same, it gets ACK and BYE (E-16).
                let branches = calling.clients();
                self.cancel(&branches, false, cx);
                self.finish(id, cause, cx);
            }
            Some(Stage::Up { .. }) => self.hang_up(id, cause, cx),
            None => {}
        }
    }

    /// A response that makes or keeps a dialog: with our Contact and the route that the request took (s12.1.1).
    pub(crate) fn dialog_response(&self, id: ServerId, code: u16) -> Option<Response> {
        let mut response = self.endpoint.dialog_response(id, code)?;
        let from = self.endpoint.came_from(id)?;
        response.headers.add(HeaderName::Contact, self.settings.contact_field(from));
        if code >= 200 {
            response.headers.add(HeaderName::Allow, self.endpoint.allow());
            response.headers.add(HeaderName::Supported, self.endpoint.supported());
        }
        Some(response)
    }
}

/// The description in a message, `None` if it has no body; otherwise the status to refuse it with.
pub(crate) fn description(message: &impl MessageExt) -> Result<Option<Description>, u16> {
    if message.content().is_empty() {
        return Ok(None);
    }
    if !message.has_sdp() {
        return Err(415);
    }
    let text = std::str::from_utf8(message.content()).map_err(|_| 488_u16)?;
    Description::parse(text).map(Some).map_err(|_| 488)
}

/// The type of the only bodies that we send.
pub(crate) const SDP: &str = "application/sdp";

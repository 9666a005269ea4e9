//! Inside a dialog: hold, retrieve and moves by re-INVITE and UPDATE, BYE, and probes of a silent peer.

use domain::{
    ids::LegId,
    leg::{Cause, LegEvent},
};
use media_proto::sdp::Description;
use sip_proto::{
    ClientId, Dialog, DialogId, Flow, HeaderName, HeadersExt, MessageExt, Method, Request, Response, ServerId,
};

use crate::{
    Context, Legs, MediaOrder, Output, Purpose, Stream,
    inbound::{SDP, description},
    leg::{Leg, Stage, Unacked, codecs},
    timer::Timer,
};

impl Legs {
    pub(crate) fn on_request_inside(&mut self, id: ServerId, request: &Request, from: Flow, cx: &mut Context<'_>) {
        let Some(dialog_id) = DialogId::of_request(request) else { return self.disown(id, cx) };
        let Some((_, dialog)) = self.inside(&dialog_id) else { return self.disown(id, cx) };
        // Before it counts for anything: a forged CSeq would shut out the peer's own requests.
        if !dialog.is_at(from.remote.ip())
            && let Err(refusal) = self.admit_from_elsewhere(request, from, cx)
        {
            return self.turn_away(id, refusal, cx);
        }
        let Some((leg, dialog)) = self.inside(&dialog_id) else { return self.disown(id, cx) };
        if dialog.accept(request).is_err() {
            return self.refuse(id, 500, cx);
        }
        // The peer has connected again; whoever can name the dialog may take it along.
        let before = dialog.flow().remote;
        if from.transport.is_connected()
            && !self.streams.is_open(before)
            && let Some((_, dialog)) = self.inside(&dialog_id)
        {
            dialog.take_along(from);
        }
        let is_early = self.legs.get(&leg).is_some_and(|it| matches!(it.stage, Stage::Calling(_)));
        match request.method {
            // Whom we call may refuse, but not end what is not there yet (s15).
            Method::Bye if is_early => self.refuse(id, 481, cx),
            Method::Bye => {
                self.refuse(id, 200, cx);
                self.on_bye(leg, cx);
            }
            Method::Options => {
                if let Some(mut response) = self.dialog_response(id, 200) {
                    response.headers.add(HeaderName::Accept, SDP);
                    self.respond(id, response, cx);
                }
            }
            Method::Prack => self.on_prack(leg, id, request, &dialog_id, cx),
            Method::Invite | Method::Update => {
                if let Err(code) = self.renegotiate(leg, id, request, from, cx) {
                    // All stays as it was (RFC 3261 s14.2).
                    self.refuse(id, code, cx);
                }
            }
            _ => self.refuse(id, 405, cx),
        }
    }

    fn inside(&mut self, id: &DialogId) -> Option<(LegId, &mut Dialog)> {
        let leg = *self.dialogs.get(id)?;
        Some((leg, self.legs.get_mut(&leg)?.dialog_mut(id)?))
    }

    fn on_bye(&mut self, id: LegId, cx: &mut Context<'_>) {
        match self.legs.get(&id).map(|it| &it.stage) {
            // A caller may end an early dialog with BYE (s15); its INVITE still wants an answer.
            Some(Stage::Offered { invite, .. }) => {
                self.refuse(*invite, 487, cx);
                self.finish(id, Cause::Cancelled, cx);
            }
            Some(Stage::Up { unacked, .. }) => {
                if let Some(unacked) = unacked {
                    self.endpoint.stop_repeating(unacked.server);
                }
                self.finish(id, Cause::HungUp, cx);
            }
            _ => {}
        }
    }

    /// A new offer, or a request for one, inside a dialog. The other legs never hear of it but through the domain.
    fn renegotiate(
        &mut self,
        id: LegId,
        server: ServerId,
        request: &Request,
        from: Flow,
        cx: &mut Context<'_>,
    ) -> Result<(), u16> {
        let is_invite = request.method == Method::Invite;
        let dialog_id = DialogId::of_request(request).ok_or(481_u16)?;
        let leg = self.legs.get_mut(&id).ok_or(481_u16)?;
        let offer = description(request)?;
        let before = match &leg.stage {
            // Our own answer to the first INVITE is still open (s14.2, RFC 3311 s5.2).
            Stage::Offered { .. } | Stage::Calling(_) if is_invite => return Err(500),
            Stage::Offered { .. } | Stage::Calling(_) => {
                if offer.is_some() {
                    leg.may_be_offered(&dialog_id)?;
                }
                None
            }
            // An offer of ours is open: glare.
            Stage::Up { unacked: Some(Unacked { offers: true, .. }), .. } if is_invite || offer.is_some() => {
                return Err(491);
            }
            Stage::Up { timer, .. } if timer.offers() && (is_invite || offer.is_some()) => return Err(491),
            Stage::Up { unacked, .. } => *unacked,
        };
        let is_up = matches!(leg.stage, Stage::Up { .. });
        let renewed = is_up.then(|| Timer::as_server(request, &self.settings, cx.now)).transpose()?;
        let (text, stream) = leg.new_description(offer.as_ref(), is_invite)?;
        if let Some(dialog) = leg.dialog_mut(&dialog_id) {
            dialog.refresh(request, from);
        }
        if is_invite && let Some(before) = before {
            // Whoever goes on to a new transaction has our 200, even if its ACK is lost.
            self.endpoint.stop_repeating(before.server);
            self.servers.remove(&before.server);
        }
        let mut response = self.dialog_response(server, 200).ok_or(500_u16)?;
        if let Some(text) = text {
            response.carry(SDP, text);
        }
        if let Some(renewed) = &renewed {
            renewed.agree(&mut response.headers);
        }
        self.respond(server, response, cx);
        let Some(leg) = self.legs.get_mut(&id) else { return Ok(()) };
        if let (Stage::Up { timer, .. }, Some(renewed)) = (&mut leg.stage, renewed) {
            timer.renew(renewed, request);
        }
        if is_invite && let Stage::Up { unacked, .. } = &mut leg.stage {
            *unacked = Some(Unacked { server, first: false, offers: offer.is_none() });
            self.servers.insert(server, id);
        }
        if before.is_some_and(|it| it.first && is_invite) {
            leg.confirm(id, cx);
        }
        if let (Some(offer), Some(stream)) = (offer, stream) {
            leg.take(id, &dialog_id, &offer, stream, cx);
        }
        self.arm(id);
        Ok(())
    }

    /// Asks a peer that has been silent whether it is still there (V-08).
    pub(crate) fn probe(&mut self, id: LegId, cx: &mut Context<'_>) {
        let Some(Stage::Up { dialog, probe: None, .. }) = self.legs.get(&id).map(|it| &it.stage) else { return };
        let dialog = dialog.clone();
        let Some(flow) = self.way(&dialog, cx) else { return self.hang_up(id, Cause::Gone, cx) };
        let Some(Stage::Up { dialog, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return };
        let request = dialog.request(&Method::Options);
        let Some(client) = self.send(request, flow, cx) else { return };
        self.clients.insert(client, Purpose::Probe(id));
        if let Some(Stage::Up { probe, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) {
            *probe = Some(client);
        }
    }

    /// RFC 3261 s12.2.1.2: 408 and 481 end the dialog; every other answer shows that somebody is there.
    pub(crate) fn on_probed(&mut self, id: LegId, client: ClientId, status: u16, cx: &mut Context<'_>) {
        if status < 200 {
            return;
        }
        self.clients.remove(&client);
        if let Some(Stage::Up { probe, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) {
            *probe = None;
        }
        if matches!(status, 408 | 481) {
            self.hang_up(id, Cause::Gone, cx);
        }
    }

    /// Ends a leg that is up: BYE, at once or when our 200 has been acknowledged.
    pub(crate) fn hang_up(&mut self, id: LegId, cause: Cause, cx: &mut Context<'_>) {
        if let Some(Stage::Up { dialog, unacked, .. }) = self.legs.get(&id).map(|it| &it.stage) {
            let dialog = dialog.clone();
            match unacked.filter(|it| it.first) {
                Some(unacked) => {
                    self.farewells.insert(unacked.server, dialog);
                }
                None => self.bye(dialog, cx),
            }
        }
        self.finish(id, cause, cx);
    }

    pub(crate) fn bye(&mut self, mut dialog: Dialog, cx: &mut Context<'_>) {
        let Some(flow) = self.way(&dialog, cx) else { return };
        // However the peer answers, and if it does not: the dialog is over (s15.1.1).
        self.send_inside(dialog.request(&Method::Bye), flow, cx);
    }

    /// A BYE that a trunk wants signed says it again; else the trunk would believe the call goes on.
    pub(crate) fn bye_again(&mut self, client: ClientId, refusal: &Response, from: Flow, cx: &mut Context<'_>) {
        let Some(mut bye) = self.endpoint.sent(client).filter(|it| it.method == Method::Bye).cloned() else { return };
        if !self.learns(client, refusal, from) {
            return;
        }
        let sequence = bye.cseq().map_or(1, |it| it.sequence).saturating_add(1);
        bye.headers.put(HeaderName::CSeq, format!("{sequence} BYE"));
        bye.headers.remove_all(&HeaderName::Via);
        self.send_inside(bye, from, cx);
    }
}

impl Leg {
    /// Our side of a new offer/answer exchange: the answer and what it settles, or an offer. An UPDATE without a body
    /// refreshes the dialog only.
    pub(crate) fn new_description(
        &mut self,
        offer: Option<&Description>,
        is_invite: bool,
    ) -> Result<(Option<String>, Option<Stream>), u16> {
        if offer.is_none() && !is_invite {
            return Ok((None, None));
        }
        let liked = self.liked();
        let agreed = self.codec();
        let media = self.media.as_mut().ok_or(500_u16)?;
        match offer {
            Some(offer) => {
                media.face(offer);
                let answer = media.author.answer(offer, agreed, media.limit).map_err(|_| 488_u16)?;
                let stream = media.settled(offer, &answer);
                Ok((Some(answer.text), Some(stream)))
            }
            None => Ok((Some(media.author.offer(&liked, media.limit)), None)),
        }
    }

    /// The peer's offer holds from now on. Of several phones that have not answered yet, one at most is heard.
    pub(crate) fn take(
        &mut self,
        id: LegId,
        dialog: &DialogId,
        offer: &Description,
        stream: Stream,
        cx: &mut Context<'_>,
    ) {
        if let Stage::Calling(calling) = &mut self.stage
            && !calling.describes(dialog, offer)
        {
            return;
        }
        self.describe(offer);
        self.configure(id, stream, cx);
        self.hold(id, offer.holds(), cx);
    }

    /// Notes which codecs the peer has.
    pub(crate) fn describe(&mut self, peer: &Description) {
        self.codecs = codecs(peer);
    }

    /// The peer's answer to an offer of ours. One without a codec in common changes nothing.
    pub(crate) fn settle(
        &mut self,
        id: LegId,
        peer: &Description,
        preferred: Option<media_proto::codec::Codec>,
        cx: &mut Context<'_>,
    ) {
        let agreed = preferred.or_else(|| self.codec());
        let Some(media) = &mut self.media else { return };
        let Some(stream) = media.settle(peer, agreed) else { return };
        if media.face(peer) {
            // What this one of several phones was offered is what later descriptions follow.
            media.author.offer(&self.codecs, media.limit);
        }
        self.describe(peer);
        self.configure(id, stream, cx);
        self.hold(id, peer.holds(), cx);
    }

    /// Tells the media workers what was settled, if it is anything new.
    pub(crate) fn configure(&mut self, id: LegId, stream: Stream, cx: &mut Context<'_>) {
        let Some(media) = &mut self.media else { return };
        if media.stream.replace(stream) != Some(stream) {
            cx.out.push(Output::Media(MediaOrder::Configure { leg: id, stream }));
        }
    }

    /// Media flows from now on. A hold that came with the answer is told first, so that nobody hears what is held.
    pub(crate) fn confirm(&mut self, id: LegId, cx: &mut Context<'_>) {
        self.confirmed = true;
        if self.held {
            cx.tell(id, LegEvent::Held);
        }
        cx.tell(id, if id.is_inbound() { LegEvent::Confirmed } else { LegEvent::Answered });
    }

    /// Notes whether the peer has us on hold; before the leg is confirmed the domain is not told.
    pub(crate) fn hold(&mut self, id: LegId, held: bool, cx: &mut Context<'_>) {
        if self.held != held && self.confirmed {
            cx.tell(id, if held { LegEvent::Held } else { LegEvent::Retrieved });
        }
        self.held = held;
    }
}

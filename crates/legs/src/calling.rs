//! A leg that we begin, until it is up: several phones are called at once, one answer wins (RFC 3261 s13.2.2, s16.7).

use std::time::Duration;

use domain::{
    ids::LegId,
    leg::{Cause, LegEvent},
};
use media_proto::sdp::Description;
use sip_proto::{
    ClientId, Dialog, DialogId, Flow, HeaderName, HeadersExt, MessageExt, Method, Request, Response,
    reliable::{self, RAck, Received, Sequence},
    session,
};

use crate::{
    Context, Legs, Purpose,
    answers::{cause_of, rank},
    inbound::description,
    leg::Stage,
    pickup,
    timer::{self, Timer},
};

/// The phones that a leg calls.
#[derive(Default)]
pub(crate) struct Calling {
    branches: Vec<Branch>,
    /// The domain has been told that it rings.
    rang: bool,
    /// The branch whose early media is heard.
    heard: Option<ClientId>,
    /// The domain has been told of early media.
    played: bool,
    /// The domain has been told that the phone can be told to answer.
    pub(crate) told_pick_up: bool,
    /// The best refusal so far: its rank and what it means.
    refusal: Option<((u16, u16), Cause)>,
}

/// One INVITE of ours.
struct Branch {
    invite: ClientId,
    /// What it says and where it went, to be sent again on other terms.
    request: Request,
    to: Flow,
    earlies: Vec<Early>,
}

/// An early dialog: proxies on the way may have made several of one INVITE.
pub(crate) struct Early {
    pub(crate) dialog: Dialog,
    /// What the peer has described in it.
    description: Option<Description>,
    /// The reliable responses that have come in it.
    sequence: Sequence,
    /// One of them has answered our offer.
    is_settled: bool,
    /// Whether the phone can be told to answer.
    picks_up: bool,
}

impl Calling {
    pub(crate) fn add(&mut self, invite: ClientId, request: Request, to: Flow) {
        self.branches.push(Branch { invite, request, to, earlies: Vec::new() });
    }

    fn branch_mut(&mut self, invite: ClientId) -> Option<&mut Branch> {
        self.branches.iter_mut().find(|it| it.invite == invite)
    }

    /// The INVITE as it was sent.
    pub(crate) fn request(&self, invite: ClientId) -> Option<&Request> {
        self.branches.iter().find(|it| it.invite == invite).map(|it| &it.request)
    }

    pub(crate) fn clients(&self) -> Vec<ClientId> {
        self.branches.iter().map(|it| it.invite).collect()
    }

    pub(crate) fn dialogs(&self) -> impl Iterator<Item = &Dialog> {
        self.branches.iter().flat_map(|it| &it.earlies).map(|it| &it.dialog)
    }

    /// A dialog with a phone that can be told to answer.
    pub(crate) fn picks_up(&mut self) -> Option<&mut Dialog> {
        let mut earlies = self.branches.iter_mut().flat_map(|it| &mut it.earlies);
        earlies.find(|it| it.picks_up).map(|it| &mut it.dialog)
    }

    pub(crate) fn early_mut(&mut self, id: &DialogId) -> Option<&mut Early> {
        self.branches.iter_mut().flat_map(|it| &mut it.earlies).find(|it| it.dialog.id() == id)
    }

    /// Whether our offer has been answered in this early dialog, so that its peer may make one of its own.
    pub(crate) fn is_settled(&self, dialog: &DialogId) -> bool {
        let mut earlies = self.branches.iter().flat_map(|it| &it.earlies);
        earlies.any(|it| it.is_settled && it.dialog.id() == dialog)
    }

    /// Notes what a peer now describes. True if it is the one that is heard.
    pub(crate) fn describes(&mut self, dialog: &DialogId, peer: &Description) -> bool {
        let heard = self.heard;
        for branch in &mut self.branches {
            if let Some(early) = branch.earlies.iter_mut().find(|it| it.dialog.id() == dialog) {
                early.description = Some(peer.clone());
                return heard == Some(branch.invite);
            }
        }
        false
    }

    /// Notes how a branch failed. True if there is nothing more to wait for.
    fn fail(&mut self, invite: ClientId, rank: (u16, u16), cause: Cause) -> bool {
        self.branches.retain(|it| it.invite != invite);
        self.heard = self.heard.filter(|it| *it != invite);
        if self.refusal.is_none_or(|(best, _)| rank < best) {
            self.refusal = Some((rank, cause));
        }
        rank.0 == EVERYWHERE || self.branches.is_empty()
    }
}

impl Legs {
    pub(crate) fn on_response(&mut self, client: ClientId, response: &Response, from: Flow, cx: &mut Context<'_>) {
        match self.clients.get(&client).copied() {
            Some(Purpose::Invite(_)) if self.tries_again(client, response, cx) => {}
            Some(Purpose::Invite(id)) => self.on_call_response(id, client, response, from, cx),
            Some(Purpose::Probe(id)) => self.on_probed(id, client, response.status.code(), cx),
            Some(Purpose::Refresh(id)) => self.on_refreshed(id, client, response, from, cx),
            Some(Purpose::PickUp(id)) => self.on_picked_up(id, client, response.status.code(), cx),
            Some(Purpose::Enrol(number)) => self.on_enrolled(number, client, response, cx),
            // The leg is over or somebody else's: whoever answers it now gets ACK and BYE (E-16).
            None if matches!(response.status.code(), 401 | 407) => self.bye_again(client, response, from, cx),
            None => self.decline_fork(client, response, from, cx),
        }
    }

    fn on_call_response(&mut self, id: LegId, client: ClientId, response: &Response, from: Flow, cx: &mut Context<'_>) {
        let status = response.status.code();
        let is_open = matches!(self.legs.get(&id).map(|it| &it.stage), Some(Stage::Calling(_)));
        match status {
            _ if !is_open => self.decline_fork(client, response, from, cx),
            ..200 => self.on_progress(id, client, response, from, cx),
            200..300 => self.on_answered(id, client, response, from, cx),
            422 if self.call_longer(id, client, response, cx) => {}
            _ => self.on_failed(id, client, rank(status), cause_of(status), cx),
        }
    }

    fn on_progress(&mut self, id: LegId, client: ClientId, response: &Response, from: Flow, cx: &mut Context<'_>) {
        let peer = description(response).ok().flatten();
        let number = reliable::number(response);
        if let Some(early) = self.early(id, client, response, from) {
            // What is missing in between will come again (RFC 3262 s4).
            let is_next = number.is_none_or(|it| early.sequence.accept(it) == Received::Acknowledge);
            if !is_next {
                return;
            }
            early.is_settled |= number.is_some() && peer.is_some();
            early.picks_up |= pickup::accepts(response);
            early.description = peer.clone().or_else(|| early.description.take());
            if let Some(number) = number {
                self.acknowledge_early(id, response, number, cx);
            }
        } else if number.is_some() {
            return;
        }
        self.note_pick_up(id, cx);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Stage::Calling(calling) = &mut leg.stage else { return };
        let is_heard = calling.heard.is_none_or(|it| it == client);
        match peer {
            // Of several phones that play something, only one can be heard.
            Some(peer) if is_heard => {
                let first = !std::mem::replace(&mut calling.played, true);
                calling.heard = Some(client);
                let preferred = leg.codecs.first().copied();
                leg.settle(id, &peer, preferred, cx);
                if first {
                    cx.tell(id, LegEvent::EarlyMedia);
                }
            }
            None if is_heard && response.status.code() == 180 && !calling.rang => {
                calling.rang = true;
                cx.tell(id, LegEvent::Ringing);
            }
            _ => {}
        }
    }

    /// A provisional response with a tag makes an early dialog (s12.1.2), in which the peer may send requests.
    fn early(&mut self, id: LegId, client: ClientId, response: &Response, from: Flow) -> Option<&mut Early> {
        if response.status.code() == 100 || response.to_tag().is_none() {
            return None;
        }
        let dialog = self.endpoint.sent(client).and_then(|it| Dialog::as_client(it, response, from))?;
        let Stage::Calling(calling) = &mut self.legs.get_mut(&id)?.stage else { return None };
        let earlies = &mut calling.branch_mut(client)?.earlies;
        let known = earlies.iter().position(|it| it.dialog.id() == dialog.id());
        if known.is_none() && earlies.len() < EARLIES_MAX {
            self.dialogs.insert(dialog.id().clone(), id);
            let (sequence, is_settled) = (Sequence::default(), false);
            earlies.push(Early { dialog, description: None, sequence, is_settled, picks_up: false });
            return earlies.last_mut();
        }
        earlies.get_mut(known?)
    }

    /// Sends the PRACK to a reliable response (RFC 3262 s4). However it is answered, the call goes on.
    fn acknowledge_early(&mut self, id: LegId, response: &Response, number: u32, cx: &mut Context<'_>) {
        let Some(dialog) = DialogId::of_response(response) else { return };
        let Some(dialog) = self.legs.get_mut(&id).and_then(|it| it.dialog_mut(&dialog)) else { return };
        let sequence = response.cseq().map_or(0, |it| it.sequence);
        let rack = RAck { rseq: number, cseq: sequence, method: Method::Invite.as_bytes().to_vec() };
        let mut prack = dialog.request(&Method::Prack);
        prack.headers.add(HeaderName::RAck, rack.to_string());
        let dialog = dialog.clone();
        if let Some(flow) = self.way(&dialog, cx) {
            self.send(prack, flow, cx);
        }
    }

    fn on_answered(&mut self, id: LegId, client: ClientId, response: &Response, from: Flow, cx: &mut Context<'_>) {
        let Some(Stage::Calling(calling)) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return };
        let calling = std::mem::take(calling);
        for early in calling.dialogs() {
            self.dialogs.remove(early.id());
        }
        let asked = self.endpoint.sent(client).map(|it| (session::expires(it), session::min_se(it)));
        let others: Vec<_> = calling.clients().into_iter().filter(|it| *it != client).collect();
        let dialog = self.acknowledge(client, response, from, cx);
        self.cancel(&others, true, cx);
        let (Some(dialog), Some((asked, floor))) = (dialog, asked) else {
            return self.finish(id, Cause::Unavailable, cx);
        };
        let asked = asked.map_or(self.settings.session_expires, |it| it.interval);
        let timer = Timer::as_client(asked, floor, response, cx.now);
        // What came early in this dialog is the answer where the 2xx does not repeat it (s13.2.1).
        let mut earlies = calling.branches.into_iter().flat_map(|it| it.earlies);
        let early = earlies.find(|it| it.dialog.id() == dialog.id());
        let (dialog, early) = match early {
            Some(mut early) => {
                early.dialog.confirm(response, from);
                (early.dialog, early.description)
            }
            None => (dialog, None),
        };
        let peer = description(response).ok().flatten().or(early);
        self.dialogs.insert(dialog.id().clone(), id);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        leg.stage = Stage::Up { dialog, invite: Some(client), unacked: None, probe: None, timer };
        let preferred = leg.codecs.first().copied();
        let Some(peer) = peer else { return self.hang_up(id, Cause::NotAcceptable, cx) };
        leg.settle(id, &peer, preferred, cx);
        if leg.codec().is_none() {
            return self.hang_up(id, Cause::NotAcceptable, cx);
        }
        leg.confirm(id, cx);
        self.arm(id);
    }

    fn on_failed(&mut self, id: LegId, client: ClientId, rank: (u16, u16), cause: Cause, cx: &mut Context<'_>) {
        self.forget_attempt(client);
        let Some(Stage::Calling(calling)) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return };
        self.clients.remove(&client);
        let gone = calling.branches.iter().filter(|it| it.invite == client).flat_map(|it| &it.earlies);
        for early in gone {
            self.dialogs.remove(early.dialog.id());
        }
        if !calling.fail(client, rank, cause) {
            return;
        }
        let cause = calling.refusal.map_or(cause, |it| it.1);
        let others = calling.clients();
        self.cancel(&others, false, cx);
        self.finish(id, cause, cx);
    }

    /// Gives up INVITEs of ours, perhaps because another phone has answered. Whoever answers one of them all the same
    /// gets ACK and BYE (E-16).
    pub(crate) fn cancel(&mut self, invites: &[ClientId], elsewhere: bool, cx: &mut Context<'_>) {
        for invite in invites {
            self.clients.remove(invite);
            self.forget_attempt(*invite);
            self.endpoint.cancel(*invite, elsewhere, cx.now, &mut self.wire);
        }
        self.flush(cx);
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
        // The dialog of a re-INVITE has had its BYE already.
        let is_first = self.endpoint.sent(client).is_some_and(|it| it.to_tag().is_none());
        if accepts && let Some(mut dialog) = self.acknowledge(client, response, from, cx).filter(|_| is_first) {
            // There may have been PRACKs in it.
            dialog.leap();
            self.bye(dialog, cx);
        }
    }

    /// A proxy or phone on the way wants sessions to live longer before they are refreshed (RFC 4028 s7.3).
    fn call_longer(&mut self, id: LegId, client: ClientId, response: &Response, cx: &mut Context<'_>) -> bool {
        let Some(Stage::Calling(calling)) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return false };
        let Some(branch) = calling.branch_mut(client) else { return false };
        let (mut invite, to) = (branch.request.clone(), branch.to);
        let sequence = invite.cseq().map_or(1, |it| it.sequence);
        let asked = session::expires(&invite).map_or(Duration::ZERO, |it| it.interval);
        let Some(interval) = timer::longer(asked, response).filter(|_| sequence < TRIES_MAX) else { return false };
        invite.headers.put(HeaderName::CSeq, format!("{} INVITE", sequence + 1));
        timer::ask(&mut invite.headers, interval, None, Some(interval));
        self.call_again(id, client, invite, to, cx)
    }

    /// Goes on with another INVITE in place of one that was refused, and with no early dialog. False if it cannot be sent.
    pub(crate) fn call_again(
        &mut self,
        id: LegId,
        before: ClientId,
        mut invite: Request,
        to: Flow,
        cx: &mut Context<'_>,
    ) -> bool {
        self.prepare_again(before, &mut invite, to, cx);
        let Some(next) = self.send(invite.clone(), to, cx) else { return false };
        self.attempt_goes_on(before, next, to, cx);
        self.clients.remove(&before);
        self.clients.insert(next, Purpose::Invite(id));
        let Some(Stage::Calling(calling)) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return false };
        calling.heard = calling.heard.filter(|it| *it != before);
        if let Some(branch) = calling.branch_mut(before) {
            (branch.invite, branch.request, branch.to) = (next, invite, to);
            for early in branch.earlies.drain(..) {
                self.dialogs.remove(early.dialog.id());
            }
        }
        true
    }

    pub(crate) fn on_unanswered(&mut self, client: ClientId, cx: &mut Context<'_>) {
        match self.clients.get(&client).copied() {
            Some(Purpose::Invite(_)) if self.tries_elsewhere(client, cx) => {}
            Some(Purpose::Invite(id)) => self.on_failed(id, client, SILENCE, Cause::Unavailable, cx),
            Some(Purpose::Probe(id)) => self.on_probed(id, client, 408, cx),
            Some(Purpose::Refresh(id)) => self.on_refresh_failed(id, client, 408, None, cx),
            Some(Purpose::PickUp(id)) => self.on_picked_up(id, client, 408, cx),
            Some(Purpose::Enrol(number)) => self.on_unenrolled(number, client, cx),
            None => {}
        }
    }
}

/// The class of refusals that speak for every phone of the person (6xx), as [`rank`] has it.
const EVERYWHERE: u16 = 0;

/// A phone that says nothing tells less than any that refuses.
const SILENCE: (u16, u16) = (u16::MAX, 0);

/// More forks of one INVITE than any real path makes are not followed.
const EARLIES_MAX: usize = 8;

/// How many INVITEs one phone is sent for one call.
const TRIES_MAX: u32 = 4;

//! Reliable provisional responses (RFC 3262): ours to callers who demand them, and the PRACK that each of them gets.

use std::time::Duration;

use clock::Time;
use domain::{ids::LegId, leg::Cause};
use sip_proto::{
    DialogId, HeaderName, HeadersExt, MessageExt, Method, Request, Response, ServerId,
    reliable::{self, Numbering},
};

use crate::{
    Context, Legs,
    inbound::{SDP, description},
    leg::{Leg, Stage},
};

/// What a caller who demands reliable responses has been sent and has yet to be sent.
pub(crate) struct Reliable {
    numbering: Numbering,
    /// The CSeq of the INVITE.
    sequence: u32,
    pending: Option<Pending>,
    /// What is to be said as soon as the last response is acknowledged.
    wanted: Option<Wanted>,
    pub(crate) exchange: Exchange,
}

/// How far offer and answer have come in reliable messages (RFC 3261 s13.2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// Our description has not been sent.
    Open,
    /// An offer of ours waits for the answer in a PRACK.
    Offered,
    /// Both sides have described themselves.
    Done,
}

/// What the domain wants a caller to be told; a later wish replaces an earlier one.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    Ring,
    Progress(LegId),
    Answer(Option<LegId>),
}

/// A response that has no PRACK yet.
struct Pending {
    response: Response,
    interval: Duration,
    again: Time,
    until: Time,
}

impl Reliable {
    /// For a caller who demands it (s3); `first` makes the first number hard to guess.
    pub(crate) fn demanded(invite: &Request, first: u32) -> Option<Self> {
        invite.has_option(&HeaderName::Require, reliable::OPTION).then(|| Self {
            numbering: Numbering::starting_at(first >> 8),
            sequence: invite.cseq().map_or(0, |it| it.sequence),
            pending: None,
            wanted: None,
            exchange: Exchange::Open,
        })
    }

    /// Whether a 2xx must wait: none may overtake a description that is not acknowledged (s3).
    fn is_waiting(&self) -> bool {
        self.pending.as_ref().is_some_and(|it| it.response.has_sdp())
    }

    pub(crate) fn due(&self) -> Option<Time> {
        self.pending.as_ref().map(|it| it.again)
    }
}

impl Legs {
    fn reliable(&mut self, id: LegId) -> Option<&mut Reliable> {
        match self.legs.get_mut(&id).map(|it| &mut it.stage) {
            Some(Stage::Offered { reliable, .. }) => reliable.as_mut(),
            _ => None,
        }
    }

    /// Whether something must wait for a PRACK; it is done as soon as that comes.
    pub(crate) fn must_wait(&mut self, id: LegId, wanted: Wanted) -> bool {
        let Some(it) = self.reliable(id) else { return false };
        let waits = match wanted {
            Wanted::Answer(_) => it.is_waiting(),
            Wanted::Ring | Wanted::Progress(_) => it.pending.is_some(),
        };
        let answers = matches!(it.wanted, Some(Wanted::Answer(_)));
        if waits && !answers {
            it.wanted = Some(wanted);
        }
        waits
    }

    /// Sends a provisional response in the way in which the caller wants it.
    pub(crate) fn send_provisional(
        &mut self,
        id: LegId,
        invite: ServerId,
        code: u16,
        text: Option<String>,
        cx: &mut Context<'_>,
    ) {
        let Some(mut response) = self.dialog_response(invite, code) else { return };
        let describes = text.is_some();
        if let Some(text) = text {
            response.carry(SDP, text);
        }
        let t1 = Duration::from_millis(self.settings.t1_ms);
        let Some(Stage::Offered { offer, reliable: Some(it), .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage)
        else {
            return self.respond(invite, response, cx);
        };
        let Some(number) = it.numbering.allocate() else { return };
        response.headers.add(HeaderName::Require, reliable::OPTION);
        response.headers.add(HeaderName::RSeq, number.to_string());
        if describes {
            it.exchange = if offer.is_some() { Exchange::Done } else { Exchange::Offered };
        }
        let (again, until) = (cx.now + t1, cx.now + 64 * t1);
        it.pending = Some(Pending { response: response.clone(), interval: t1, again, until });
        self.respond(invite, response, cx);
        self.arm(id);
    }

    /// A response has had no PRACK: it is repeated, and after 64 T1 the caller is refused (s3).
    pub(crate) fn repeat_provisional(&mut self, id: LegId, cx: &mut Context<'_>) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Stage::Offered { invite, reliable: Some(it), .. } = &mut leg.stage else { return };
        let invite = *invite;
        let Some(pending) = it.pending.as_mut().filter(|it| it.again <= cx.now) else { return };
        if pending.until <= cx.now {
            self.refuse(invite, 500, cx);
            return self.finish(id, Cause::Gone, cx);
        }
        pending.interval *= 2;
        pending.again = (cx.now + pending.interval).min(pending.until);
        let response = pending.response.clone();
        self.respond(invite, response, cx);
    }

    pub(crate) fn on_prack(
        &mut self,
        id: LegId,
        server: ServerId,
        request: &Request,
        dialog: &DialogId,
        cx: &mut Context<'_>,
    ) {
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Stage::Offered { reliable: Some(it), .. } = &mut leg.stage else {
            // It has crossed our 2xx.
            let code = if matches!(leg.stage, Stage::Up { .. }) { 200 } else { 481 };
            return self.refuse(server, code, cx);
        };
        let (sequence, method) = (it.sequence, Method::Invite);
        let matches = reliable::acknowledged(request)
            .is_some_and(|rack| it.numbering.acknowledge(&rack, sequence, method.as_bytes()));
        if !matches {
            return self.refuse(server, 481, cx);
        }
        it.pending = None;
        let wanted = it.wanted.take();
        match self.take_prack(id, server, request, dialog, cx) {
            Ok(response) => self.respond(server, response, cx),
            Err(code) => self.refuse(server, code, cx),
        }
        self.arm(id);
        match wanted {
            Some(Wanted::Ring) => self.ring(id, cx),
            Some(Wanted::Progress(like)) => self.progress(id, like, cx),
            Some(Wanted::Answer(like)) => self.answer(id, like, cx),
            None => {}
        }
    }

    /// What a PRACK describes: the answer to our offer, or an offer once ours has been answered (s5).
    fn take_prack(
        &mut self,
        id: LegId,
        server: ServerId,
        request: &Request,
        dialog: &DialogId,
        cx: &mut Context<'_>,
    ) -> Result<Response, u16> {
        let peer = description(request)?;
        let mut response = self.endpoint.response(server, 200).ok_or(500_u16)?;
        let leg = self.legs.get_mut(&id).ok_or(481_u16)?;
        let Stage::Offered { reliable: Some(it), .. } = &mut leg.stage else { return Err(481) };
        let Some(peer) = peer else { return Ok(response) };
        match it.exchange {
            Exchange::Offered => {
                it.exchange = Exchange::Done;
                leg.settle(id, &peer, None, cx);
            }
            Exchange::Done => {
                if let (Some(text), Some(stream)) = leg.new_description(Some(&peer), false)? {
                    response.carry(SDP, text);
                    leg.take(id, dialog, &peer, stream, cx);
                }
            }
            Exchange::Open => return Err(500),
        }
        Ok(response)
    }
}

impl Leg {
    /// Whether it may take another offer before it is answered; otherwise the status to refuse it with (RFC 3311 s5.2).
    pub(crate) fn may_be_offered(&self, dialog: &DialogId) -> Result<(), u16> {
        match &self.stage {
            // Our own offer is open until the peer has answered it reliably.
            Stage::Calling(calling) => {
                if calling.is_settled(dialog) {
                    Ok(())
                } else {
                    Err(491)
                }
            }
            Stage::Offered { reliable, .. } => match reliable.as_ref().map_or(Exchange::Open, |it| it.exchange) {
                Exchange::Done => Ok(()),
                Exchange::Offered => Err(491),
                Exchange::Open => Err(500),
            },
            Stage::Up { .. } => Ok(()),
        }
    }
}

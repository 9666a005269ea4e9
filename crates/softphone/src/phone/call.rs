//! The phone's one call, from either side: offer and answer, hold, and every way to end.

use std::time::Duration;

use clock::Time;
use media_proto::{
    codec::Codec,
    sdp::{Author, Description, Direction},
};
use rand_chacha::rand_core::Rng;
use sip_proto::{
    ClientId, Dialog, DialogId, Flow, HeaderName, HeadersExt, MessageExt, Method, Request, Response, ServerId,
    digest::Signer,
    message::{self, response_to},
};

use super::{End, Event, Media, Output, Phone, Sent};
use crate::behaviour::Answering;

pub(super) struct Call {
    author: Author,
    signer: Signer,
    state: State,
    /// What the peer described last.
    peer: Option<Description>,
    /// The codec to send with and its payload type.
    codec: Option<(Codec, u8)>,
    /// Whether the user wants the peer on hold.
    hold: bool,
    /// Whether the peer has been told.
    holding: bool,
    /// Whether the peer has us on hold.
    held: bool,
    /// Whether we began the call, and so made its Call-ID.
    ours: bool,
}

enum State {
    /// We call.
    Dialing {
        client: Option<ClientId>,
        given_up: bool,
        /// The last provisional response.
        progress: u16,
    },
    /// We are called.
    Alerting { server: ServerId, invite: Box<Request>, from: Flow, tag: String, answer_at: Option<Time> },
    Talking {
        dialog: Box<Dialog>,
        /// Our answer to this INVITE has no ACK yet.
        unacked: Option<ServerId>,
        change: Change,
    },
}

/// What is left of a call that we hung up before the ACK to our 200.
pub(super) struct Farewell {
    dialog: Box<Dialog>,
    signer: Signer,
}

/// Our re-INVITE.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// Under way, to put the peer on hold or take it back.
    Asked {
        holds: bool,
    },
    /// The peer asked at the same time; ours is to be repeated then (RFC 3261 s14.1).
    Again {
        at: Time,
    },
}

/// A response to the INVITE of the call that we make now.
struct Ours {
    given_up: bool,
    /// It was a challenge that can be answered.
    again: bool,
}

impl Call {
    fn new(author: Author, signer: Signer, state: State) -> Self {
        let ours = matches!(state, State::Dialing { .. });
        Self { author, signer, state, peer: None, codec: None, hold: false, holding: false, held: false, ours }
    }

    pub(super) fn due(&self) -> Option<Time> {
        match &self.state {
            State::Alerting { answer_at, .. } => *answer_at,
            State::Talking { change: Change::Again { at }, .. } => Some(*at),
            State::Dialing { .. } | State::Talking { .. } => None,
        }
    }

    fn direction(&self) -> Direction {
        if self.hold { Direction::SendOnly } else { Direction::SendRecv }
    }

    /// The sound that fits what both sides have said; on hold we send nothing.
    fn media(&self) -> Option<Media> {
        let (peer, (codec, payload_type)) = (self.peer.as_ref()?, self.codec?);
        let talking = matches!(self.state, State::Talking { .. });
        let sends = talking && !self.holding && peer.direction.receives();
        Some(Media { remote: peer.rtp, codec, payload_type, sends })
    }

    fn dialog_is(&self, id: &DialogId) -> bool {
        matches!(&self.state, State::Talking { dialog, .. } if dialog.id() == id)
    }
}

impl Phone {
    pub(super) fn dial(&mut self, number: &str, now: Time, out: &mut Vec<Output>) {
        if self.call.is_some() {
            return;
        }
        let domain = &self.account.domain;
        let Some(uri) = message::uri(&format!("sip:{}@{domain}", message::escape_user(number))) else { return };
        let to = format!("<{uri}>");
        let mut invite = message::request(Method::Invite, uri);
        let from = format!("{};tag={}", self.own_address(), self.endpoint.token());
        invite.headers.add(HeaderName::From, from);
        invite.headers.add(HeaderName::To, to);
        invite.headers.add(HeaderName::CallId, self.endpoint.token());
        invite.headers.add(HeaderName::CSeq, "1 INVITE");
        self.introduce(&mut invite);
        let mut call = self.new_call(State::Dialing { client: None, given_up: false, progress: 0 });
        let offer = call.author.offer(&self.account.behaviour.codecs, Direction::SendRecv);
        invite.carry("application/sdp", offer);
        self.call = Some(call);
        self.send_invite(invite, now);
        if matches!(self.call, Some(Call { state: State::Dialing { client: None, .. }, .. })) {
            self.end(End::Lost, out);
        }
    }

    fn new_call(&mut self, state: State) -> Call {
        let rtp = self.account.rtp;
        let author = Author::new(rtp.ip(), rtp.port(), self.random.next_u64());
        Call::new(author, Signer::new(&self.account.number, &self.account.password), state)
    }

    fn send_invite(&mut self, invite: Request, now: Time) {
        let id = self.send(invite, self.account.server, Sent::Invite, now);
        if let Some(Call { state: State::Dialing { client, .. }, .. }) = &mut self.call {
            *client = id;
        }
    }

    pub(super) fn on_invite_response(
        &mut self,
        id: ClientId,
        invite: &Request,
        response: &Response,
        from: Flow,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let code = response.status.code();
        let current = match &mut self.call {
            Some(Call { state: State::Dialing { client, given_up, .. }, signer, .. }) if *client == Some(id) => {
                Some(Ours {
                    given_up: *given_up,
                    again: !*given_up && matches!(code, 401 | 407) && signer.challenged(response, invite),
                })
            }
            _ => None,
        };
        match (current, code) {
            (_, 100) => {}
            (Some(Ours { given_up: false, .. }), 101..200) => self.on_progress(response, code, out),
            (Some(Ours { given_up: false, .. }), 200..300) => self.on_answered(id, invite, response, from, now, out),
            // The answer crossed our CANCEL, or came from a second phone: it is accepted and ended (RFC 3261 s15).
            (_, 200..300) => self.accept_and_end(id, invite, response, from, now, out),
            (Some(Ours { again: true, .. }), _) => self.invite_again(invite.clone(), now),
            (Some(Ours { given_up: true, .. }), 300..) => self.end(End::GaveUp, out),
            (Some(_), 300..) => self.end(End::Refused(code), out),
            _ => {}
        }
    }

    fn invite_again(&mut self, mut invite: Request, now: Time) {
        let sequence = invite.cseq().map_or(1, |it| it.sequence) + 1;
        invite.headers.put(HeaderName::CSeq, format!("{sequence} INVITE"));
        let cnonce = self.random.next_u64();
        if let Some(call) = &mut self.call {
            call.signer.sign(&mut invite, cnonce);
        }
        self.send_invite(invite, now);
    }

    fn on_progress(&mut self, response: &Response, code: u16, out: &mut Vec<Output>) {
        if let Some(Call { state: State::Dialing { progress, .. }, .. }) = &mut self.call
            && *progress != code
        {
            *progress = code;
            out.push(Output::Event(Event::Progress(code)));
        }
        if self.take_description(response) {
            self.tell_media(out);
        }
    }

    fn on_answered(
        &mut self,
        id: ClientId,
        invite: &Request,
        response: &Response,
        from: Flow,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Some(dialog) = Dialog::as_client(invite, response, from) else {
            return self.end(End::Lost, out);
        };
        let ack = dialog.ack(invite.cseq().map_or(1, |it| it.sequence));
        self.endpoint.acknowledge(id, ack, dialog.flow(), &mut self.queue);
        self.take_description(response);
        let Some(call) = &mut self.call else { return };
        call.state = State::Talking { dialog: Box::new(dialog), unacked: None, change: Change::None };
        if call.media().is_none() {
            // An answer without a usable description is no call.
            self.send_bye(now);
            return self.end(End::Lost, out);
        }
        out.push(Output::Event(Event::Established));
        self.tell_media(out);
        self.tell_held(out);
        self.steer(now);
    }

    fn accept_and_end(
        &mut self,
        id: ClientId,
        invite: &Request,
        response: &Response,
        from: Flow,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let Some(mut dialog) = Dialog::as_client(invite, response, from) else { return };
        let is_ours = self.call.as_ref().is_some_and(|it| it.dialog_is(dialog.id()));
        if is_ours {
            return;
        }
        let ack = dialog.ack(invite.cseq().map_or(1, |it| it.sequence));
        self.endpoint.acknowledge(id, ack, dialog.flow(), &mut self.queue);
        let bye = dialog.request(&Method::Bye);
        self.send(bye, dialog.flow(), |_| Sent::Bye, now);
        if matches!(&self.call, Some(Call { state: State::Dialing { client, .. }, .. }) if *client == Some(id)) {
            self.end(End::GaveUp, out);
        }
    }

    pub(super) fn on_invite_silence(&mut self, id: ClientId, out: &mut Vec<Output>) {
        if let Some(Call { state: State::Dialing { client, given_up, .. }, .. }) = &self.call
            && *client == Some(id)
        {
            let why = if *given_up { End::GaveUp } else { End::Lost };
            self.end(why, out);
        }
    }

    pub(super) fn on_invite(
        &mut self,
        id: ServerId,
        invite: Box<Request>,
        from: Flow,
        tag: String,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let answering = self.account.behaviour.answering;
        match answering {
            _ if self.call.is_some() => return self.reply(id, &invite, 486, now),
            Answering::Busy => return self.reply(id, &invite, 486, now),
            Answering::Decline => return self.reply(id, &invite, 603, now),
            Answering::Silent => return,
            Answering::After(_) | Answering::Never => {}
        }
        let peer = match invite.has_sdp().then(|| describe(invite.content())) {
            Some(None) => return self.reply(id, &invite, 488, now),
            Some(peer) => peer,
            None => None,
        };
        let auto_answer = asks_to_answer(&invite);
        let wait = match answering {
            _ if auto_answer && self.account.behaviour.auto_answer => Some(Duration::ZERO),
            Answering::After(wait) => Some(wait),
            _ => None,
        };
        let caller = invite.from_address().map(|it| message::user(&it.uri)).unwrap_or_default();
        if wait != Some(Duration::ZERO) {
            let mut ringing = response_to(&invite, 180);
            self.introduce(&mut ringing);
            self.endpoint.respond(id, ringing, now, &mut self.queue);
        }
        let answer_at = wait.map(|it| now + it);
        let mut call = self.new_call(State::Alerting { server: id, invite, from, tag, answer_at });
        call.peer = peer;
        self.call = Some(call);
        out.push(Output::Event(Event::Ringing { caller, auto_answer }));
        self.call_timeout(now, out);
    }

    pub(super) fn call_timeout(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(call) = &mut self.call else { return };
        if call.due().is_none_or(|it| it > now) {
            return;
        }
        match &mut call.state {
            State::Alerting { .. } => self.answer(now, out),
            State::Talking { change, .. } => {
                *change = Change::None;
                self.steer(now);
            }
            State::Dialing { .. } => {}
        }
    }

    pub(super) fn answer(&mut self, now: Time, out: &mut Vec<Output>) {
        let Some(Call { state: State::Alerting { server, invite, from, tag, .. }, .. }) = &self.call else { return };
        let (server, invite, from, tag) = (*server, invite.clone(), *from, tag.clone());
        let Some(dialog) = Dialog::as_server(&invite, &tag, from) else {
            self.reply(server, &invite, 400, now);
            return self.end(End::Declined(400), out);
        };
        let Some(body) = self.own_description() else {
            self.reply(server, &invite, 488, now);
            return self.end(End::Declined(488), out);
        };
        let mut response = response_to(&invite, 200);
        self.introduce(&mut response);
        response.carry("application/sdp", body);
        self.endpoint.respond(server, response, now, &mut self.queue);
        if let Some(call) = &mut self.call {
            call.state = State::Talking { dialog: Box::new(dialog), unacked: Some(server), change: Change::None };
        }
        out.push(Output::Event(Event::Established));
        self.tell_media(out);
        self.tell_held(out);
    }

    /// An answer to what the peer offered, or an offer if it did not; `None` if there is no common codec.
    fn own_description(&mut self) -> Option<String> {
        let codecs = &self.account.behaviour.codecs;
        let call = self.call.as_mut()?;
        let direction = call.direction();
        let Some(peer) = &call.peer else { return Some(call.author.offer(codecs, direction)) };
        let preferred = codecs.iter().copied().find(|codec| peer.codecs.iter().any(|(known, _)| known == codec))?;
        let answer = call.author.answer(peer, Some(preferred), direction).ok()?;
        call.codec = Some((answer.codec, answer.payload_type));
        Some(answer.text)
    }

    pub(super) fn refuse(&mut self, code: u16, now: Time, out: &mut Vec<Output>) {
        let Some(Call { state: State::Alerting { server, invite, .. }, .. }) = &self.call else { return };
        let (server, invite) = (*server, invite.clone());
        self.reply(server, &invite, code, now);
        self.end(End::Declined(code), out);
    }

    pub(super) fn hang_up(&mut self, now: Time, out: &mut Vec<Output>) {
        match self.call.as_mut().map(|it| &mut it.state) {
            Some(State::Dialing { client, given_up, .. }) => {
                *given_up = true;
                match *client {
                    Some(id) => self.endpoint.cancel(id, false, now, &mut self.queue),
                    None => self.end(End::GaveUp, out),
                }
            }
            Some(State::Alerting { .. }) => self.refuse(603, now, out),
            Some(State::Talking { unacked: Some(server), .. }) => {
                let server = *server;
                if let Some(Call { state: State::Talking { dialog, .. }, signer, .. }) = self.call.take() {
                    self.farewells.insert(server, Farewell { dialog, signer });
                }
                Self::say_ended(End::HungUp, out);
            }
            Some(State::Talking { .. }) => {
                self.send_bye(now);
                self.end(End::HungUp, out);
            }
            None => {}
        }
    }

    /// The BYE that had to wait for the ACK, or for the end of waiting for it. True if there was one.
    fn say_farewell(&mut self, id: ServerId, now: Time) -> bool {
        let Some(Farewell { mut dialog, mut signer }) = self.farewells.remove(&id) else { return false };
        let (mut bye, to) = (dialog.request(&Method::Bye), dialog.flow());
        signer.sign(&mut bye, self.random.next_u64());
        self.send(bye, to, |_| Sent::Bye, now);
        true
    }

    /// The peer ends a call whose end we had yet to tell.
    fn answer_farewell(&mut self, id: ServerId, request: &Request, now: Time) -> bool {
        let Some(dialog) = DialogId::of_request(request).filter(|_| request.method == Method::Bye) else {
            return false;
        };
        let Some(waiting) = self.farewells.iter().find(|it| *it.1.dialog.id() == dialog).map(|it| *it.0) else {
            return false;
        };
        self.farewells.remove(&waiting);
        self.endpoint.stop_repeating(waiting);
        self.reply(id, request, 200, now);
        true
    }

    fn send_bye(&mut self, now: Time) {
        let Some(Call { state: State::Talking { dialog, .. }, signer, .. }) = &mut self.call else { return };
        let (mut bye, to) = (dialog.request(&Method::Bye), dialog.flow());
        signer.sign(&mut bye, self.random.next_u64());
        self.send(bye, to, |_| Sent::Bye, now);
    }

    pub(super) fn hold(&mut self, hold: bool, now: Time) {
        if let Some(call) = &mut self.call {
            call.hold = hold;
            self.steer(now);
        }
    }

    /// Tells the peer of a hold or its end, one re-INVITE at a time, and none while our answer has no ACK.
    fn steer(&mut self, now: Time) {
        let contact = self.contact();
        let codecs = &self.account.behaviour.codecs;
        let Some(call) = &mut self.call else { return };
        let direction = call.direction();
        let State::Talking { dialog, unacked: None, change: change @ Change::None } = &mut call.state else { return };
        if call.hold == call.holding {
            return;
        }
        *change = Change::Asked { holds: call.hold };
        let mut request = dialog.request(&Method::Invite);
        request.headers.put(HeaderName::Contact, contact);
        request.carry("application/sdp", call.author.offer(codecs, direction));
        let to = dialog.flow();
        call.signer.sign(&mut request, self.random.next_u64());
        if self.send(request, to, Sent::Change, now).is_none()
            && let Some(Call { state: State::Talking { change, .. }, .. }) = &mut self.call
        {
            *change = Change::Again { at: now + GLARE_MIN };
        }
    }

    pub(super) fn on_change_response(
        &mut self,
        id: ClientId,
        sent: &Request,
        response: &Response,
        from: Flow,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let ours = self.call.as_ref().is_some_and(|it| it.ours);
        let pause = if ours { self.chance(GLARE_MIN, GLARE_MAX) } else { self.chance(Duration::ZERO, GLARE_OTHER_MAX) };
        let Some(call) = &mut self.call else { return };
        let State::Talking { dialog, change, .. } = &mut call.state else { return };
        let Change::Asked { holds } = *change else { return };
        if dialog.id().call_id != sent.call_id() {
            return;
        }
        *change = Change::None;
        match response.status.code() {
            200..300 => {
                dialog.refresh(response, from);
                let ack = dialog.ack(sent.cseq().map_or(1, |it| it.sequence));
                self.endpoint.acknowledge(id, ack, dialog.flow(), &mut self.queue);
                call.holding = holds;
                self.take_description(response);
                out.push(Output::Event(if holds { Event::Holding } else { Event::Resumed }));
                self.tell_media(out);
                self.tell_held(out);
            }
            401 | 407 if call.signer.challenged(response, sent) => {}
            491 => *change = Change::Again { at: now + pause },
            // RFC 3261 s12.2.1.2: the peer no longer knows the call.
            408 | 481 => {
                self.send_bye(now);
                return self.end(End::Lost, out);
            }
            // Refused: everything stays as it was (RFC 3261 s14.1).
            _ => call.hold = call.holding,
        }
        self.steer(now);
    }

    pub(super) fn on_request_inside(
        &mut self,
        id: ServerId,
        request: &Request,
        from: Flow,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let known = DialogId::of_request(request).filter(|id| self.call.as_ref().is_some_and(|it| it.dialog_is(id)));
        let Some(Call { state: State::Talking { dialog, .. }, .. }) = self.call.as_mut().filter(|_| known.is_some())
        else {
            if !self.answer_farewell(id, request, now) {
                self.reply(id, request, 481, now);
            }
            return;
        };
        if dialog.accept(request).is_err() {
            return self.reply(id, request, 500, now);
        }
        match request.method {
            Method::Bye => {
                self.reply(id, request, 200, now);
                self.end(End::PeerHungUp, out);
            }
            Method::Invite => self.on_reinvite(id, request, from, now, out),
            _ => self.reply(id, request, 200, now),
        }
    }

    fn on_reinvite(&mut self, id: ServerId, request: &Request, from: Flow, now: Time, out: &mut Vec<Output>) {
        let Some(call) = &mut self.call else { return };
        let State::Talking { dialog, unacked, change } = &mut call.state else { return };
        if unacked.is_some() || matches!(change, Change::Asked { .. }) {
            return self.reply(id, request, 491, now);
        }
        let before = call.peer.clone();
        call.peer = match request.has_sdp().then(|| describe(request.content())) {
            Some(None) => return self.reply(id, request, 488, now),
            Some(peer) => peer,
            None => None,
        };
        dialog.refresh(request, from);
        *unacked = Some(id);
        let offered = call.peer.is_some();
        let Some(body) = self.own_description() else {
            if let Some(Call { peer, state: State::Talking { unacked, .. }, .. }) = &mut self.call {
                (*peer, *unacked) = (before, None);
            }
            return self.reply(id, request, 488, now);
        };
        let mut response = response_to(request, 200);
        self.introduce(&mut response);
        response.carry("application/sdp", body);
        self.endpoint.respond(id, response, now, &mut self.queue);
        let Some(call) = &mut self.call else { return };
        if !offered {
            // Until the ACK brings the answer, everything stays as it was.
            call.peer = before;
            return;
        }
        // Our answer states our direction too, so that a hold that was to be asked for is already told.
        if call.holding != call.hold {
            call.holding = call.hold;
            out.push(Output::Event(if call.hold { Event::Holding } else { Event::Resumed }));
        }
        self.tell_media(out);
        self.tell_held(out);
    }

    pub(super) fn on_ack(&mut self, id: ServerId, ack: &Request, now: Time, out: &mut Vec<Output>) {
        if self.say_farewell(id, now) {
            return;
        }
        let Some(Call { state: State::Talking { unacked, .. }, .. }) = &mut self.call else { return };
        if *unacked != Some(id) {
            return;
        }
        *unacked = None;
        if self.take_description(ack) {
            self.tell_media(out);
            self.tell_held(out);
        }
        self.steer(now);
    }

    pub(super) fn on_unacknowledged(&mut self, id: ServerId, now: Time, out: &mut Vec<Output>) {
        if self.say_farewell(id, now) {
            return;
        }
        if matches!(&self.call, Some(Call { state: State::Talking { unacked, .. }, .. }) if *unacked == Some(id)) {
            self.send_bye(now);
            self.end(End::Lost, out);
        }
    }

    pub(super) fn on_cancelled(&mut self, id: ServerId, now: Time, out: &mut Vec<Output>) {
        match &self.call {
            Some(Call { state: State::Alerting { server, invite, .. }, .. }) if *server == id => {
                let invite = invite.clone();
                self.reply(id, &invite, 487, now);
                self.end(End::Cancelled, out);
            }
            Some(Call { state: State::Talking { unacked, .. }, .. }) if *unacked == Some(id) => {}
            // A phone that keeps silent leaves even this to its transaction layer.
            _ => {
                if let Some(response) = self.endpoint.response(id, 487) {
                    self.endpoint.respond(id, response, now, &mut self.queue);
                }
            }
        }
    }

    pub(super) fn end(&mut self, why: End, out: &mut Vec<Output>) {
        if self.call.take().is_some() {
            Self::say_ended(why, out);
        }
    }

    fn say_ended(why: End, out: &mut Vec<Output>) {
        out.push(Output::Media(None));
        out.push(Output::Event(Event::Ended(why)));
    }

    /// Takes the peer's answer from a message; false if there is none that can be used.
    fn take_description(&mut self, message: &impl MessageExt) -> bool {
        let Some(call) = &mut self.call else { return false };
        let Some(peer) = message.has_sdp().then(|| describe(message.content())).flatten() else { return false };
        call.codec = peer.choose(None);
        call.peer = Some(peer);
        true
    }

    fn tell_media(&mut self, out: &mut Vec<Output>) {
        if let Some(media) = self.call.as_ref().and_then(Call::media) {
            out.push(Output::Media(Some(media)));
        }
    }

    fn tell_held(&mut self, out: &mut Vec<Output>) {
        let Some(call) = &mut self.call else { return };
        let held = call.peer.as_ref().is_some_and(Description::holds);
        if held != call.held {
            call.held = held;
            out.push(Output::Event(if held { Event::Held } else { Event::Retrieved }));
        }
    }
}

fn describe(body: &[u8]) -> Option<Description> {
    Description::parse(std::str::from_utf8(body).ok()?).ok()
}

/// Whether the caller asks the phone to answer by itself: RFC 5373, or one of the two habits older than it.
fn asks_to_answer(invite: &Request) -> bool {
    let has = |name: &HeaderName, sign: &str| {
        invite.texts(name).iter().any(|it| it.to_ascii_lowercase().replace(' ', "").contains(sign))
    };
    has(&message::other_header("Answer-Mode"), "auto")
        || has(&message::other_header("Priv-Answer-Mode"), "auto")
        || has(&HeaderName::CallInfo, "answer-after=0")
        || has(&HeaderName::AlertInfo, "info=alert-autoanswer")
}

/// The side that made the Call-ID waits 2.1 to 4 s after a 491 and the other up to 2 s (RFC 3261 s14.1).
const GLARE_MIN: Duration = Duration::from_millis(2100);
const GLARE_MAX: Duration = Duration::from_millis(4000);
const GLARE_OTHER_MAX: Duration = Duration::from_secs(2);

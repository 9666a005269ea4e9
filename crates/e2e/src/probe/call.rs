//! The calls of a probe: just enough of RFC 3261 to be a phone, and a log of all that comes.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use super::{
    Behaviour, Shared, State,
    media::{Codec, Media},
    message::Message,
    next_number,
};
use crate::phone::Policy;

/// A SIP message as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Its kind: `INVITE`, or `180 INVITE`.
    pub summary: String,
    /// All of it.
    pub text: String,
}

impl Seen {
    /// The value of its first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        Message::parse(self.text.as_bytes())?.header(name).map(str::to_owned)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// INVITE sent, nothing but 100 has come.
    Calling,
    /// It rings.
    Early,
    Established,
    /// By a refusal with this status, or by BYE: 0.
    Ended(u16),
}

pub(super) struct Call {
    id: String,
    pub(super) is_caller: bool,
    pub(super) phase: Phase,
    pub(super) media: Arc<Media>,
    pub(super) direction: &'static str,
    pub(super) reinvite_status: Option<u16>,
    /// Our side of From and To, tag included, and the peer's.
    local: String,
    remote: String,
    /// Where requests go: what was dialled, then the peer's contact.
    target: String,
    sequence: u32,
    /// The INVITE we are answering.
    invite: Option<Message>,
    /// The INVITE we sent last: branch and number.
    sent: (String, u32),
    /// What we said last to their INVITE, and the ACK we sent last, for repetitions.
    last_reply: String,
    last_ack: String,
    has_proved: bool,
    tag: String,
}

impl Call {
    /// Whether it has been answered or refused.
    pub(super) fn is_decided(&self) -> bool {
        matches!(self.phase, Phase::Established | Phase::Ended(_))
    }

    pub(super) const fn end_status(&self) -> Option<u16> {
        match self.phase {
            Phase::Ended(status) => Some(status),
            _ => None,
        }
    }
}

impl Shared {
    pub(super) fn dial(&self, number: &str) {
        let mut state = self.lock();
        let count = next_number();
        let media = Media::open(state.source, self.codecs[0]);
        let tag = format!("t{count}");
        // A trunk's callers are at the trunk; a device is at the server's domain.
        let host = if self.secret.is_some() { self.server.to_string() } else { format!("127.0.0.1:{}", self.port()) };
        let target = format!("sip:{number}@{}", self.server);
        let mut call = Call {
            id: format!("c-{}-{count}", self.port()),
            is_caller: true,
            phase: Phase::Calling,
            media,
            direction: "sendrecv",
            reinvite_status: None,
            local: format!("<sip:{}@{host}>;tag={tag}", self.number),
            remote: format!("<{target}>"),
            target,
            sequence: 0,
            invite: None,
            sent: (String::new(), 0),
            last_reply: String::new(),
            last_ack: String::new(),
            has_proved: false,
            tag,
        };
        self.invite(&mut call, None);
        state.calls.push(call);
    }

    /// Sends an INVITE, the first or a later one, perhaps with the answer to a challenge.
    pub(super) fn invite(&self, call: &mut Call, challenge: Option<&Message>) {
        call.sequence += 1;
        let branch = format!("z9hG4bK-{}-{}", call.id, call.sequence);
        let proof = challenge.map_or(String::new(), |it| self.authorisation(it, "INVITE", &call.target));
        let sdp = self.sdp(call, None);
        let body = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
        call.sent = (branch.clone(), call.sequence);
        self.send(&self.head(call, "INVITE", &branch, call.sequence, &format!("{proof}{body}")));
    }

    pub(super) fn cancel(&self, call: &mut Call) {
        let (branch, sequence) = call.sent.clone();
        self.send(&self.head(call, "CANCEL", &branch, sequence, "Content-Length: 0\r\n\r\n"));
    }

    pub(super) fn request_in_call(&self, call: &mut Call, method: &str) {
        call.sequence += 1;
        let branch = format!("z9hG4bK-{}-{}", call.id, call.sequence);
        self.send(&self.head(call, method, &branch, call.sequence, "Content-Length: 0\r\n\r\n"));
    }

    pub(super) fn hang_up(&self, call: &mut Call) {
        match (call.phase, call.is_caller) {
            (Phase::Established, _) => {
                self.request_in_call(call, "BYE");
                end(call, 0);
            }
            (Phase::Calling | Phase::Early, true) => self.cancel(call),
            (Phase::Early, false) => {
                self.reply_invite(call, 486, false);
                end(call, 486);
            }
            _ => {}
        }
    }

    /// Answers the call that rings.
    pub(super) fn accept(&self, call: &mut Call) {
        self.reply_invite(call, 200, true);
        call.phase = Phase::Established;
    }

    /// A response to their INVITE, kept for repetitions.
    pub(super) fn reply_invite(&self, call: &mut Call, status: u16, has_sdp: bool) {
        let Some(invite) = call.invite.clone() else { return };
        let start = invite.response(status, &call.tag) + &self.contact();
        call.last_reply = if has_sdp {
            let sdp = self.sdp(call, Some(&invite));
            self.connect(call, &invite.body);
            format!("{start}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
        } else {
            format!("{start}Content-Length: 0\r\n\r\n")
        };
        self.send(&call.last_reply);
    }

    pub(super) fn handle(&self, state: &mut State, message: Message) {
        state.seen.push(Seen { at: Instant::now(), summary: message.summary(), text: message.text.clone() });
        if state.behaviour == Behaviour::Deaf {
            return;
        }
        if message.status().is_some() {
            self.handle_response(state, message);
        } else {
            self.handle_request(state, message);
        }
    }

    fn handle_response(&self, state: &mut State, message: Message) {
        let status = message.status().unwrap_or(0);
        if message.method() != "INVITE" {
            if status >= 200 {
                state.responses.push(message);
            }
            return;
        }
        let Some(call) = state.calls.iter_mut().find(|it| it.id == message.call_id()) else { return };
        if message.sequence() != call.sent.1 {
            return;
        }
        match status {
            0..=100 => {}
            101..=199 => {
                if call.phase == Phase::Calling {
                    call.phase = Phase::Early;
                }
                self.connect(call, &message.body);
            }
            200..=299 => self.established(call, &message),
            _ => self.refused(call, &message, status),
        }
    }

    fn established(&self, call: &mut Call, message: &Message) {
        let is_new = call.phase != Phase::Established || call.reinvite_status.is_none();
        if is_new {
            call.remote = message.header("To").unwrap_or("").to_owned();
            call.target = message.contact().unwrap_or(&call.target).to_owned();
            self.connect(call, &message.body);
            let branch = format!("z9hG4bK-{}-{}-ack", call.id, call.sequence);
            call.last_ack = self.head(call, "ACK", &branch, call.sent.1, "Content-Length: 0\r\n\r\n");
        }
        if call.phase == Phase::Established {
            call.reinvite_status.get_or_insert(200);
        } else if call.end_status().is_none() {
            call.phase = Phase::Established;
        }
        self.send(&call.last_ack);
    }

    fn refused(&self, call: &mut Call, message: &Message, status: u16) {
        let to = message.header("To").unwrap_or("").to_owned();
        let was = std::mem::replace(&mut call.remote, to);
        let (branch, sequence) = call.sent.clone();
        self.send(&self.head(call, "ACK", &branch, sequence, "Content-Length: 0\r\n\r\n"));
        call.remote = was;
        if matches!(status, 401 | 407) && !call.has_proved && self.secret.is_some() {
            call.has_proved = true;
            self.invite(call, Some(message));
        } else if call.phase == Phase::Established {
            call.reinvite_status = Some(status);
        } else if call.end_status().is_none() {
            end(call, status);
        }
    }

    fn handle_request(&self, state: &mut State, message: Message) {
        let index = state.calls.iter().position(|it| it.id == message.call_id());
        match (message.method(), index) {
            ("INVITE", None) if message.to_tag().is_none() => self.offered(state, message),
            ("INVITE", Some(index)) => self.invited_again(&mut state.calls[index], message),
            ("ACK", _) => {}
            (_, Some(_)) if state.behaviour == Behaviour::Forgetful => self.reply(&message, 481),
            ("CANCEL", Some(index)) => {
                let crosses = state.behaviour == Behaviour::AnswerOnCancel;
                self.cancelled(&mut state.calls[index], &message, crosses);
            }
            ("BYE", Some(index)) => {
                self.reply(&message, 200);
                end(&mut state.calls[index], 0);
            }
            ("OPTIONS", None) | (_, Some(_)) => self.reply(&message, 200),
            _ => self.reply(&message, 481),
        }
    }

    fn offered(&self, state: &mut State, message: Message) {
        let count = next_number();
        let is_busy = state.current().is_some();
        let mut call = Call {
            id: message.call_id().to_owned(),
            is_caller: false,
            phase: Phase::Early,
            media: Media::open(state.source, self.codecs[0]),
            direction: "sendrecv",
            reinvite_status: None,
            local: format!("{};tag=t{count}", message.header("To").unwrap_or("")),
            remote: message.header("From").unwrap_or("").to_owned(),
            target: message.contact().unwrap_or("").to_owned(),
            sequence: 1000,
            invite: Some(message),
            sent: (String::new(), 0),
            last_reply: String::new(),
            last_ack: String::new(),
            has_proved: true,
            tag: format!("t{count}"),
        };
        let at = state.calls.len();
        match state.behaviour {
            Behaviour::Plain(Policy::Refuse(status)) => {
                self.reply_invite(&mut call, status, false);
                end(&mut call, status);
            }
            Behaviour::Plain(Policy::Answer) if is_busy => {
                self.reply_invite(&mut call, 486, false);
                end(&mut call, 486);
            }
            Behaviour::Plain(Policy::Answer) => {
                self.reply_invite(&mut call, 180, false);
                self.accept(&mut call);
            }
            Behaviour::AnswerAfter(delay) => {
                self.reply_invite(&mut call, 180, false);
                state.due = Some((Instant::now() + delay, at));
            }
            Behaviour::Plain(Policy::Ring) | Behaviour::AnswerOnCancel => self.reply_invite(&mut call, 180, false),
            Behaviour::Forgetful | Behaviour::Deaf => {}
        }
        state.calls.push(call);
    }

    /// A repetition of the INVITE, or a new offer inside the call.
    fn invited_again(&self, call: &mut Call, message: Message) {
        let is_repeated = call.invite.as_ref().is_some_and(|it| it.branch() == message.branch());
        if is_repeated {
            return self.send(&call.last_reply);
        }
        call.invite = Some(message);
        self.reply_invite(call, 200, true);
    }

    fn cancelled(&self, call: &mut Call, message: &Message, crosses: bool) {
        if crosses {
            self.accept(call);
            return self.reply(message, 200);
        }
        self.reply(message, 200);
        if call.phase == Phase::Early {
            self.reply_invite(call, 487, false);
            end(call, 487);
        }
    }

    fn reply(&self, request: &Message, status: u16) {
        self.send(&(request.response(status, "t") + "Content-Length: 0\r\n\r\n"));
    }

    /// A request of ours up to and with its last part, which is body headers and body.
    fn head(&self, call: &Call, method: &str, branch: &str, sequence: u32, rest: &str) -> String {
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{};branch={branch};rport\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {sequence} {method}\r\n{}{rest}",
            call.target,
            self.port(),
            call.local,
            call.remote,
            call.id,
            self.contact(),
        )
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@127.0.0.1:{}>\r\n", self.number, self.port())
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |it| it.port())
    }

    /// Our description: an offer, or an answer to the offer of `invite`.
    fn sdp(&self, call: &Call, invite: Option<&Message>) -> String {
        let offer = invite.and_then(|it| Description::parse(&it.body));
        let direction = match offer.as_ref().map_or("sendrecv", |it| it.direction) {
            "sendonly" => "recvonly",
            "inactive" => "inactive",
            "recvonly" => "sendonly",
            _ => call.direction,
        };
        let event = offer.as_ref().map_or(super::media::EVENT, |it| it.event);
        let codecs: Vec<Codec> = match offer {
            Some(offer) => offer.codecs.into_iter().filter(|it| self.codecs.contains(it)).take(1).collect(),
            None => self.codecs.clone(),
        };
        let kinds: Vec<&str> = codecs.iter().map(|it| if *it == Codec::Pcmu { "0" } else { "8" }).collect();
        format!(
            "v=0\r\no=probe 1 {} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP {} {event}\r\n\
             a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:{event} telephone-event/8000\r\n\
             a=fmtp:{event} 0-15\r\na=ptime:20\r\na={direction}\r\n",
            call.sequence + 1,
            call.media.port(),
            kinds.join(" "),
        )
    }

    /// Sends the call's sound to where the peer's description says.
    fn connect(&self, call: &Call, body: &str) {
        let Some(theirs) = Description::parse(body) else { return };
        let Some(codec) = theirs.codecs.iter().find(|it| self.codecs.contains(it)) else { return };
        let wants_sound = matches!(theirs.direction, "sendrecv" | "recvonly");
        call.media.send_to(theirs.address, *codec, theirs.event, wants_sound);
    }
}

fn end(call: &mut Call, status: u16) {
    call.phase = Phase::Ended(status);
    call.media.close();
}

/// What matters of the peer's SDP.
struct Description {
    address: SocketAddr,
    codecs: Vec<Codec>,
    direction: &'static str,
    /// The payload type of telephone events.
    event: u8,
}

impl Description {
    fn parse(body: &str) -> Option<Self> {
        let value = |name: &'static str| body.lines().filter_map(move |it| it.strip_prefix(name));
        let address = value("c=IN IP4 ").next()?.trim().parse().ok()?;
        let mut media = value("m=audio ").next()?.split_whitespace();
        let port = media.next()?.parse().ok()?;
        let law = |it: &str| match it {
            "0" => Some(Codec::Pcmu),
            "8" => Some(Codec::Pcma),
            _ => None,
        };
        let codecs = media.skip(1).filter_map(law).collect();
        let directions = ["sendonly", "recvonly", "inactive"];
        let direction =
            directions.into_iter().find(|it| value("a=").any(|line| line.trim() == *it)).unwrap_or("sendrecv");
        let event = value("a=rtpmap:").find(|it| it.contains("telephone-event"));
        let event = event.and_then(|it| it.split(' ').next()?.parse().ok()).unwrap_or(super::media::EVENT);
        Some(Self { address: SocketAddr::new(address, port), codecs, direction, event })
    }
}

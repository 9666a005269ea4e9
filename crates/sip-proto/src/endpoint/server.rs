//! Requests that come in: server transactions, CANCEL, and the 2xx that is repeated until its ACK.

use std::time::Duration;

use sipx_sip::{ServerTransaction, transaction::ServerState, validate_request};

use super::{
    Endpoint, Flow, HeaderName, MessageExt, Method, Output, Request, Response, ServerId, Step, Time, Timer,
    TransactionKey, TuEvent, Verdict, encode, reliability, via,
};
use crate::{
    message::{Via, response_to},
    transport::Transport,
};

pub(super) struct Server {
    pub(super) machine: ServerTransaction,
    key: TransactionKey,
    from: Flow,
    reply_to: Flow,
    tag: String,
    /// The request has a tag of its own in `To`.
    is_tagged: bool,
    merges: Option<MergeKey>,
}

impl Server {
    /// The tag that responses add.
    fn added_tag(&self) -> Option<String> {
        (!self.is_tagged).then(|| self.tag.clone())
    }
}

/// What an ACK to a 2xx is known by; its branch is its own (RFC 3261 s13.2.2.4).
pub(super) type AckKey = (String, String, u32);

/// What the same INVITE over two ways has in common (RFC 3261 s8.2.2.2).
pub(super) type MergeKey = (String, String, u32);

/// A 2xx that has no ACK yet.
pub(super) struct Repeat {
    key: AckKey,
    bytes: Vec<u8>,
    to: Flow,
    interval: Duration,
    until: Time,
}

impl Endpoint {
    /// Answers a request: provisional responses, then a final one. Late and second final responses do nothing.
    pub fn respond(&mut self, id: ServerId, mut response: Response, now: Time, out: &mut Vec<Output>) {
        let Some(server) = self.servers.get(&id) else { return };
        if !matches!(server.machine.state(), ServerState::Trying | ServerState::Proceeding) {
            return;
        }
        self.complete_response(&mut response, server.added_tag().as_deref());
        let Some(server) = self.servers.get_mut(&id) else { return };
        let accepts = server.machine.request().method == Method::Invite && response.status.is_success();
        let to = server.reply_to;
        let repeated = accepts.then(|| (ack_key(&response), response.encode()));
        let steps = server.machine.on_tu_response(response);
        self.run_server(id, steps, now, out);
        if let Some((Some(key), bytes)) = repeated {
            let interval = self.timers.t1;
            self.heap.note(now + interval, Timer::Repeat(id));
            self.unacked.insert(key.clone(), id);
            self.repeats.insert(id, Repeat { key, bytes, to, interval, until: now + self.timers.timeout() });
        }
    }

    /// Answers a request and forgets it: for challenges, so that requests without credentials cost no memory (s8.2.7). A
    /// repetition is a new request then.
    pub fn dismiss(&mut self, id: ServerId, mut response: Response, out: &mut Vec<Output>) {
        let Some(server) = self.forget(id) else { return };
        self.complete_response(&mut response, self.stateless_tag(server.machine.request()).as_deref());
        out.push(Output::Transmit { to: server.reply_to, bytes: response.encode() });
    }

    /// Answers a request that claimed to belong to something and does not, and forgets it. It costs its sender's share
    /// after all, and beyond that share there is no answer.
    pub fn disown(&mut self, id: ServerId, response: Response, now: Time, out: &mut Vec<Output>) {
        let Some(from) = self.came_from(id) else { return };
        match self.shares.take(from.remote.ip(), now) {
            Verdict::Pass => self.dismiss(id, response, out),
            Verdict::Refuse | Verdict::Drop => drop(self.forget(id)),
        }
    }

    /// The start of a response to a request that came in, while its transaction lives.
    #[must_use]
    pub fn response(&self, id: ServerId, code: u16) -> Option<Response> {
        self.servers.get(&id).map(|it| response_to(it.machine.request(), code))
    }

    /// The start of a response that makes or keeps a dialog: with the Record-Route fields of the request (s12.1.1).
    #[must_use]
    pub fn dialog_response(&self, id: ServerId, code: u16) -> Option<Response> {
        let request = self.servers.get(&id)?.machine.request();
        let mut response = response_to(request, code);
        for header in request.headers.get_all(&HeaderName::RecordRoute) {
            response.headers.push(header.clone());
        }
        Some(response)
    }

    /// Where a request came from, while its transaction lives.
    #[must_use]
    pub fn came_from(&self, id: ServerId) -> Option<Flow> {
        self.servers.get(&id).map(|it| it.from)
    }

    /// No longer repeats a 2xx: the peer has shown in another way that it has it.
    pub fn stop_repeating(&mut self, id: ServerId) {
        if let Some(repeat) = self.repeats.remove(&id) {
            self.unacked.remove(&repeat.key);
        }
    }

    /// Whether an INVITE that came in still waits for a final response.
    #[must_use]
    pub fn is_unanswered(&self, id: ServerId) -> bool {
        self.servers.get(&id).is_some_and(|it| it.machine.state() == sipx_sip::transaction::ServerState::Proceeding)
    }

    pub(super) fn on_request(&mut self, mut request: Request, from: Flow, now: Time, out: &mut Vec<Output>) {
        let finding = validate_request(&request).into_iter().find(|it| !it.is_repairable());
        let Some(via) = request.via() else { return };
        let Some(reply_to) = via::complete(&mut request, &via, from) else { return };
        if let Some(finding) = finding {
            if request.method != Method::Ack && request.headers.get(&HeaderName::From).is_some() {
                self.refuse(&request, finding.status(), reply_to, out);
            }
            return;
        }
        let Some(key) = via::key(&request, &via) else { return };
        if let Some(&id) = self.server_keys.get(&key) {
            let steps = self.servers.get_mut(&id).map(|it| it.machine.on_request(&request)).unwrap_or_default();
            return self.run_server(id, steps, now, out);
        }
        let verdict = match request.method {
            Method::Ack => return self.on_ack(request, out),
            _ if belongs(&request) => Verdict::Pass,
            _ => self.shares.take(from.remote.ip(), now),
        };
        match verdict {
            Verdict::Pass if self.is_full(&request) => self.refuse(&request, 503, reply_to, out),
            Verdict::Pass => self.on_new_request(request, key, from, reply_to, now, out),
            Verdict::Refuse => self.refuse(&request, 503, reply_to, out),
            Verdict::Drop => {}
        }
    }

    fn on_new_request(
        &mut self,
        request: Request,
        key: TransactionKey,
        from: Flow,
        reply_to: Flow,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        let id = ServerId(self.new_id());
        let tag = self.token();
        let is_tagged = request.to_tag().is_some();
        let (machine, steps) = ServerTransaction::new(request, reliability(from.transport), self.timers);
        self.server_keys.insert(key.clone(), id);
        self.servers.insert(id, Server { machine, key, from, reply_to, tag, is_tagged, merges: None });
        self.run_server(id, steps, now, out);
    }

    pub(super) fn run_server(&mut self, id: ServerId, steps: Vec<Step>, now: Time, out: &mut Vec<Output>) {
        for step in steps {
            let Some(server) = self.servers.get(&id) else { return };
            match step {
                Step::Send(message) => {
                    out.push(Output::Transmit { to: server.reply_to, bytes: encode(&message) });
                }
                Step::SetTimer { timer, after } => self.heap.note(now + after, Timer::Server(id, timer)),
                Step::ToTu(event) => match *event {
                    TuEvent::Request(request) => self.on_fresh(id, request, now, out),
                    TuEvent::Ack(ack) => self.on_ack(*ack, out),
                    // No ACK to a refusal: nobody waits for it. Responses never come here.
                    _ => {}
                },
                Step::Terminated(_) => drop(self.forget(id)),
                _ => {}
            }
        }
    }

    /// A request that was never seen before.
    fn on_fresh(&mut self, id: ServerId, request: Box<Request>, now: Time, out: &mut Vec<Output>) {
        let Some(server) = self.servers.get(&id) else { return };
        let (from, tag) = (server.from, server.tag.clone());
        if request.method == Method::Cancel {
            return self.on_cancel(id, &request, now, out);
        }
        if self.has_looped(&request) || self.is_merged(id, &request) {
            return self.respond(id, response_to(&request, 482), now, out);
        }
        match self.answer_alone(&request) {
            Some(response) if belongs(&request) => self.disown(id, response, now, out),
            Some(response) => self.respond(id, response, now, out),
            None => out.push(Output::Request { id, request, from, tag }),
        }
    }

    fn on_cancel(&mut self, id: ServerId, cancel: &Request, now: Time, out: &mut Vec<Output>) {
        let target = TransactionKey::for_cancelled_invite(cancel).and_then(|it| self.server_keys.get(&it).copied());
        // It takes the way of its INVITE (s9.1), and so comes from the same host.
        let host = |id| self.came_from(id).map(|it| it.remote.ip());
        let target = target.filter(|it| host(*it) == host(id));
        let Some(target) = target else {
            return self.disown(id, response_to(cancel, 481), now, out);
        };
        // RFC 3261 s9.2: the tag of the INVITE's own responses.
        let tag = self.servers.get(&target).map(|it| it.tag.clone());
        if let (Some(tag), Some(server)) = (tag, self.servers.get_mut(&id)) {
            server.tag = tag;
        }
        self.respond(id, response_to(cancel, 200), now, out);
        if self.is_unanswered(target) {
            out.push(Output::Cancelled { id: target });
        }
    }

    fn on_ack(&mut self, ack: Request, out: &mut Vec<Output>) {
        let key = ack.cseq().zip(ack.to_tag()).map(|(cseq, tag)| (ack.call_id(), tag, cseq.sequence));
        let Some(id) = key.and_then(|it| self.unacked.remove(&it)) else { return };
        self.repeats.remove(&id);
        out.push(Output::Acked { id, ack: Box::new(ack) });
    }

    pub(super) fn repeat(&mut self, id: ServerId, now: Time, out: &mut Vec<Output>) {
        let Some(repeat) = self.repeats.get_mut(&id) else { return };
        if repeat.until <= now {
            if let Some(repeat) = self.repeats.remove(&id) {
                self.unacked.remove(&repeat.key);
            }
            return out.push(Output::Unacknowledged { id });
        }
        out.push(Output::Transmit { to: repeat.to, bytes: repeat.bytes.clone() });
        repeat.interval = self.timers.double_capped(repeat.interval);
        let next = (now + repeat.interval).min(repeat.until);
        self.heap.note(next, Timer::Repeat(id));
    }

    /// Whether a request has been here before: it names us among those that it has passed (RFC 3261 s16.3 item 4). One
    /// that we know to have sent elsewhere is a spiral, which is no fault; its Max-Forwards bounds it.
    fn has_looped(&self, request: &Request) -> bool {
        if request.to_tag().is_some() {
            return false;
        }
        let passed = request.headers.typed_all::<Via>().skip(1).take(HOPS_MAX).filter_map(Result::ok);
        passed.filter(|it| self.is_ours(it)).any(|it| {
            let sent = via::key(request, &it).and_then(|it| self.clients.get(self.client_keys.get(&it)?));
            sent.is_none_or(|it| it.machine.request().uri.equivalent(&request.uri))
        })
    }

    fn is_ours(&self, via: &Via) -> bool {
        let text = format!("{}:{}", via.host, via.port.unwrap_or(Transport::Udp.default_port()));
        let usual = [&self.config.sent_by, &self.config.sent_by_tcp].into_iter();
        usual.chain(self.config.sent_by_ip6.iter().flatten()).any(|it| it.eq_ignore_ascii_case(&text))
    }

    /// Whether this INVITE has come before by another way (s8.2.2.2).
    fn is_merged(&mut self, id: ServerId, request: &Request) -> bool {
        if request.method != Method::Invite || request.to_tag().is_some() {
            return false;
        }
        let (Some(tag), Some(cseq)) = (request.from_tag(), request.cseq()) else { return false };
        let key = (request.call_id(), tag, cseq.sequence);
        if *self.merges.entry(key.clone()).or_insert(id) != id {
            return true;
        }
        if let Some(server) = self.servers.get_mut(&id) {
            server.merges = Some(key);
        }
        false
    }

    fn forget(&mut self, id: ServerId) -> Option<Server> {
        let server = self.servers.remove(&id)?;
        self.server_keys.remove(&server.key);
        if let Some(key) = &server.merges {
            self.merges.remove(key);
        }
        Some(server)
    }

    fn is_full(&self, request: &Request) -> bool {
        let max = self.config.transactions_max;
        let reserved = if belongs(request) { 0 } else { max / 10 };
        self.transactions() + reserved >= max
    }
}

/// Whether a request claims to belong to something that has begun. If nothing of the kind is known, it costs no memory: see
/// [`Endpoint::disown`].
fn belongs(request: &Request) -> bool {
    request.to_tag().is_some() || request.method == Method::Cancel
}

fn ack_key(response: &Response) -> Option<AckKey> {
    Some((response.call_id(), response.to_tag()?, response.cseq()?.sequence))
}

/// No request has passed more hops than a Max-Forwards allows.
const HOPS_MAX: usize = 255;

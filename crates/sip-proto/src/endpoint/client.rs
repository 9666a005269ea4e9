//! Requests of ours: client transactions, CANCEL, and the ACK that answers a 2xx as often as it comes.

use sipx_sip::{ClientTransaction, transaction::ClientState, validate_response};

use super::{
    ACKS_MAX, ClientId, Endpoint, Flow, HeaderName, HeadersExt, MessageExt, Method, Output, Request, Response, Step,
    Time, Timer, TransactionKey, TuEvent, encode, reliability,
};

pub(super) struct Client {
    pub(super) machine: ClientTransaction,
    key: TransactionKey,
    to: Flow,
    /// The ACKs sent to 2xx responses, by the tag of the peer.
    acks: Vec<(String, Flow, Vec<u8>)>,
    cancel: Cancel,
    /// Another phone has answered what is cancelled here.
    elsewhere: bool,
}

impl Client {
    /// The ACK that has been sent for a 2xx with this tag.
    fn acknowledged(&self, response: &Response) -> Option<(Flow, Vec<u8>)> {
        if self.acks.is_empty() || !response.status.is_success() {
            return None;
        }
        let tag = response.to_tag()?;
        self.acks.iter().find(|it| it.0 == tag).map(|it| (it.1, it.2.clone()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    /// As soon as a provisional response allows it (RFC 3261 s9.1).
    Wanted,
    Sent,
    /// The transaction is itself a CANCEL: nobody waits for its response.
    Itself,
}

impl Endpoint {
    /// Sends a request in a transaction of its own. `Via`, `Max-Forwards` (70 unless given), `User-Agent` and
    /// `Content-Length` are added. `None` where no more transactions fit, or a mandatory field is missing.
    pub fn send(&mut self, mut request: Request, to: Flow, now: Time, out: &mut Vec<Output>) -> Option<ClientId> {
        // A dialog must be able to end even when peers have taken all the room there is.
        let max = self.config.transactions_max;
        let room = if request.to_tag().is_some() { max + max / 10 } else { max };
        if self.transactions() >= room {
            return None;
        }
        self.complete_request(&mut request, to);
        self.start(request, to, Cancel::No, now, out)
    }

    /// Cancels an INVITE of ours: at once, or as soon as the peer has shown that it has it. An INVITE that has its final
    /// response is left alone: whoever wanted it cancelled will see that response. With `elsewhere` the phone is told that
    /// another one has answered, so that it shows no missed call (RFC 3326 s3.1).
    pub fn cancel(&mut self, id: ClientId, elsewhere: bool, now: Time, out: &mut Vec<Output>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.cancel != Cancel::No || client.machine.request().method != Method::Invite {
            return;
        }
        client.elsewhere = elsewhere;
        match client.machine.state() {
            ClientState::Calling => client.cancel = Cancel::Wanted,
            ClientState::Proceeding => self.send_cancel(id, now, out),
            _ => {}
        }
    }

    /// A request of ours while its transaction lives; that of an INVITE lives for 64 T1 after its first 2xx.
    #[must_use]
    pub fn sent(&self, id: ClientId) -> Option<&Request> {
        self.clients.get(&id).map(|it| it.machine.request())
    }

    /// Sends the ACK to a 2xx, and again whenever that 2xx comes again.
    pub fn acknowledge(&mut self, invite: ClientId, mut ack: Request, to: Flow, out: &mut Vec<Output>) {
        self.complete_request(&mut ack, to);
        let bytes = ack.encode();
        if let (Some(client), Some(tag)) = (self.clients.get_mut(&invite), ack.to_tag())
            && client.acks.len() < ACKS_MAX
        {
            client.acks.push((tag, to, bytes.clone()));
        }
        out.push(Output::Transmit { to, bytes });
    }

    fn complete_request(&mut self, request: &mut Request, to: Flow) {
        let branch = self.token();
        let sent_by = self.config.sent_by(to);
        let via = format!("SIP/2.0/{} {sent_by};branch=z9hG4bK{branch};rport", to.transport.via_name());
        request.headers.remove_all(&HeaderName::Via);
        if let Ok(via) = crate::message::Header::build(HeaderName::Via, via) {
            request.headers.push_front(via);
        }
        if request.headers.get(&HeaderName::MaxForwards).is_none() {
            request.headers.add(HeaderName::MaxForwards, "70");
        }
        if !self.config.agent.is_empty() {
            request.headers.put(HeaderName::UserAgent, self.config.agent.clone());
        }
        if request.headers.get(&HeaderName::ContentLength).is_none() {
            request.headers.add(HeaderName::ContentLength, request.body().len().to_string());
        }
    }

    fn start(
        &mut self,
        request: Request,
        to: Flow,
        cancel: Cancel,
        now: Time,
        out: &mut Vec<Output>,
    ) -> Option<ClientId> {
        let key = TransactionKey::from_sent_request(&request)?;
        let id = ClientId(self.new_id());
        let (machine, steps) = ClientTransaction::new(request, reliability(to.transport), self.timers);
        self.client_keys.insert(key.clone(), id);
        self.clients.insert(id, Client { machine, key, to, acks: Vec::new(), cancel, elsewhere: false });
        self.run_client(id, steps, None, now, out);
        Some(id)
    }

    pub(super) fn on_response(&mut self, response: Response, from: Flow, now: Time, out: &mut Vec<Output>) {
        if validate_response(&response).iter().any(|it| !it.is_repairable()) {
            return;
        }
        // RFC 3261 s8.1.3.3: a second Via means that it was misdirected.
        if response.headers.count(&HeaderName::Via) != 1 {
            return;
        }
        let Some(&id) = TransactionKey::from_response(&response).and_then(|it| self.client_keys.get(&it)) else {
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else { return };
        // A provisional response that comes late must not look like the final one come again, which is acknowledged.
        if response.status.code() < 200 && client.machine.state() == ClientState::Completed {
            return;
        }
        let steps = client.machine.on_response(response);
        self.run_client(id, steps, Some(from), now, out);
        let Some(client) = self.clients.get(&id) else { return };
        if client.cancel == Cancel::Wanted && client.machine.state() == ClientState::Proceeding {
            self.send_cancel(id, now, out);
        }
    }

    pub(super) fn run_client(
        &mut self,
        id: ClientId,
        steps: Vec<Step>,
        from: Option<Flow>,
        now: Time,
        out: &mut Vec<Output>,
    ) {
        for step in steps {
            let Some(client) = self.clients.get(&id) else { return };
            match step {
                Step::Send(message) => out.push(Output::Transmit { to: client.to, bytes: encode(&message) }),
                Step::SetTimer { timer, after } => self.heap.note(now + after, Timer::Client(id, timer)),
                Step::ToTu(_) if client.cancel == Cancel::Itself => {}
                Step::ToTu(event) => match *event {
                    TuEvent::Response(response) => {
                        match client.acknowledged(&response) {
                            // The peer did not see our ACK (RFC 3261 s13.2.2.4).
                            Some((to, bytes)) => out.push(Output::Transmit { to, bytes }),
                            None => out.push(Output::Response { id, response, from: from.unwrap_or(client.to) }),
                        }
                    }
                    TuEvent::Timeout | TuEvent::TransportError => out.push(Output::Unanswered { id }),
                    _ => {}
                },
                Step::Terminated(_) => self.forget_client(id),
                _ => {}
            }
        }
    }

    /// RFC 3261 s17.1.4: whoever waits for an answer over this connection need wait no longer.
    pub(super) fn on_closed(&mut self, flow: Flow, now: Time, out: &mut Vec<Output>) {
        let mut lost: Vec<_> = self.clients.iter().filter(|(_, it)| it.to == flow).map(|(id, _)| *id).collect();
        lost.sort_unstable();
        for id in lost {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            // What has its final response wants nothing more.
            let waits =
                matches!(client.machine.state(), ClientState::Calling | ClientState::Trying | ClientState::Proceeding);
            if waits {
                let steps = client.machine.on_transport_error();
                self.run_client(id, steps, None, now, out);
            }
        }
    }

    fn send_cancel(&mut self, id: ClientId, now: Time, out: &mut Vec<Output>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.cancel = Cancel::Sent;
        let (mut cancel, to) = (cancel_for(client.machine.request()), client.to);
        if client.elsewhere {
            cancel.headers.add(HeaderName::Reason, "SIP ;cause=200 ;text=\"Call completed elsewhere\"");
        }
        self.start(cancel, to, Cancel::Itself, now, out);
        self.heap.note(now + self.timers.timeout(), Timer::Abandon(id));
    }

    /// RFC 3261 s9.1: no final response 64 T1 after the CANCEL means that none will come.
    pub(super) fn abandon(&mut self, id: ClientId, out: &mut Vec<Output>) {
        if self.clients.get(&id).is_some_and(|it| it.machine.state() == ClientState::Proceeding) {
            self.forget_client(id);
            out.push(Output::Unanswered { id });
        }
    }

    fn forget_client(&mut self, id: ClientId) {
        if let Some(client) = self.clients.remove(&id) {
            self.client_keys.remove(&client.key);
        }
    }
}

/// RFC 3261 s9.1: the same Request-URI, Call-ID, To, From, CSeq number, Route and topmost Via.
fn cancel_for(invite: &Request) -> Request {
    let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
    for name in [
        HeaderName::Via,
        HeaderName::Route,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::MaxForwards,
        HeaderName::UserAgent,
    ] {
        for header in invite.headers.get_all(&name) {
            cancel.headers.push(header.clone());
        }
    }
    let sequence = invite.cseq().map_or(1, |it| it.sequence);
    cancel.headers.add(HeaderName::CSeq, format!("{sequence} CANCEL"));
    cancel.headers.add(HeaderName::ContentLength, "0");
    cancel
}

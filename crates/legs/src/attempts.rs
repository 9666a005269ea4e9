//! Calls towards trunks that do not succeed at once: challenges answered, further addresses tried, redirections followed.
//!
//! A redirection leads to another number of the same trunk and never to another host: where calls go is the operator's to say.

use std::{collections::VecDeque, time::Duration};

use clock::Time;
use domain::ids::LegId;
use rand_chacha::rand_core::Rng;
use sip_proto::{
    ClientId, ContactValue, Flow, HeaderName, HeadersExt, MessageExt, Request, Response, Uri,
    message::{self, other_header},
};

use crate::{
    Context, Legs, Purpose,
    leg::Stage,
    trunks::{Trunk, number},
};

/// An INVITE towards a trunk, and what else can be tried.
pub(crate) struct Attempt {
    leg: LegId,
    trunk: String,
    flow: Flow,
    /// Addresses that have not been tried for this number.
    ways: VecDeque<Flow>,
    /// Numbers that the trunk has named and that have not been tried, and all that were named.
    numbers: VecDeque<String>,
    named: Vec<String>,
    follows: bool,
    challenged: u8,
    /// When the next address is tried if nothing at all has been heard.
    impatient: Option<Time>,
}

/// What goes out first.
pub(crate) struct First {
    pub(crate) trunk: String,
    pub(crate) flow: Flow,
    /// Whether redirections are followed: never by a leg that is to be answered by itself (V-07).
    pub(crate) follows: bool,
}

impl Legs {
    /// Sends the first INVITE of a leg towards a trunk, and gives it back as it was sent.
    pub(crate) fn attempt(
        &mut self,
        leg: LegId,
        first: First,
        mut invite: Request,
        cx: &mut Context<'_>,
    ) -> Option<(ClientId, Request)> {
        let First { trunk, flow, follows } = first;
        let ways = self.trunks.all.get(&trunk)?.ways(cx.now).into_iter().filter(|it| *it != flow).collect();
        self.prepare(&trunk, &mut invite, flow, cx);
        let client = self.send(invite.clone(), flow, cx)?;
        self.clients.insert(client, Purpose::Invite(leg));
        let (numbers, named) = (VecDeque::new(), vec![number(&invite.uri)]);
        self.note_attempt(
            client,
            Attempt { leg, trunk, flow, ways, numbers, named, follows, challenged: 0, impatient: None },
            cx,
        );
        Some((client, invite))
    }

    /// Signs an INVITE if we have been challenged before, and connects where that is needed.
    fn prepare(&mut self, trunk: &str, invite: &mut Request, flow: Flow, cx: &mut Context<'_>) {
        invite.headers.put(HeaderName::Contact, self.settings.contact_field(flow));
        self.sign(trunk, invite);
        self.reach(flow, cx);
    }

    /// Answers what the trunk has asked before; credentials of an earlier attempt go.
    fn sign(&mut self, trunk: &str, request: &mut Request) {
        request.headers.remove_all(&HeaderName::Authorization);
        request.headers.remove_all(&HeaderName::ProxyAuthorization);
        let cnonce = self.random.next_u64();
        if let Some(signer) = self.trunks.all.get_mut(trunk).and_then(|it| it.signer.as_mut()) {
            signer.sign(request, cnonce);
        }
    }

    /// Sends a request inside a dialog, signed if it goes to a trunk that has challenged us before (RFC 3261 s22.3).
    pub(crate) fn send_inside(&mut self, mut request: Request, to: Flow, cx: &mut Context<'_>) -> Option<ClientId> {
        if let Some(trunk) = self.trunks.at(to).map(|(name, _)| name.to_owned()) {
            self.sign(&trunk, &mut request);
        }
        self.send(request, to, cx)
    }

    /// Whether a trunk's challenge to a request inside a dialog can be answered by sending it again. What was signed
    /// for a challenge just received is not.
    pub(crate) fn learns(&mut self, client: ClientId, response: &Response, from: Flow) -> bool {
        let Some(sent) = self.endpoint.sent(client) else { return false };
        let fresh = |name| sent.texts(name).iter().any(|it| it.contains("nc=00000001"));
        if fresh(&HeaderName::Authorization) || fresh(&HeaderName::ProxyAuthorization) {
            return false;
        }
        let Some(trunk) = self.trunks.at(from).map(|(name, _)| name.to_owned()) else { return false };
        let signer = self.trunks.all.get_mut(&trunk).and_then(|it| it.signer.as_mut());
        signer.is_some_and(|it| it.challenged(response, sent))
    }

    /// The same for one that takes the place of another, if that went to a trunk.
    pub(crate) fn prepare_again(&mut self, before: ClientId, invite: &mut Request, flow: Flow, cx: &mut Context<'_>) {
        if let Some(trunk) = self.trunks.attempts.get(&before).map(|it| it.trunk.clone()) {
            self.prepare(&trunk, invite, flow, cx);
        }
    }

    /// One INVITE has taken the place of another.
    pub(crate) fn attempt_goes_on(&mut self, before: ClientId, next: ClientId, flow: Flow, cx: &Context<'_>) {
        if let Some(attempt) = self.trunks.attempts.remove(&before) {
            self.note_attempt(next, Attempt { flow, ..attempt }, cx);
        }
    }

    fn note_attempt(&mut self, client: ClientId, mut attempt: Attempt, cx: &Context<'_>) {
        attempt.impatient = (!attempt.ways.is_empty()).then(|| cx.now + PATIENCE);
        self.trunks.impatience.extend(attempt.impatient.map(|at| (at, client)));
        self.trunks.attempts.insert(client, attempt);
    }

    /// Sees whether a response leaves something to be tried; true if that is under way now.
    pub(crate) fn tries_again(&mut self, client: ClientId, response: &Response, cx: &mut Context<'_>) -> bool {
        let status = response.status.code();
        let Some(attempt) = self.trunks.attempts.get_mut(&client) else { return false };
        if let Some(at) = attempt.impatient.take() {
            self.trunks.impatience.remove(&(at, client));
        }
        let Some(trunk) = self.trunks.all.get_mut(&attempt.trunk) else { return false };
        if status != 503 {
            trunk.wake(attempt.flow);
        }
        if status < 300 {
            if status >= 200 {
                self.trunks.attempts.remove(&client);
            }
            return false;
        }
        let (trunk_name, leg) = (attempt.trunk.clone(), attempt.leg);
        if matches!(status, 401 | 407) {
            return self.answers(&trunk_name, leg, client, response) && self.call_there(client, None, cx);
        }
        let next = match status {
            300..=399 if attempt.follows => attempt.redirected(response, trunk).next_number(trunk, cx.now),
            503 => {
                trunk.rest(attempt.flow, retry_after(response), cx.now);
                if attempt.next_way() {
                    return self.call_there(client, None, cx);
                }
                attempt.next_number(trunk, cx.now)
            }
            // RFC 3261 s8.1.3.4: the next contact, unless somebody has spoken for all of them.
            404 | 408 | 410 | 480 | 484 | 500..=599 => attempt.next_number(trunk, cx.now),
            _ => None,
        };
        next.is_some() && self.call_there(client, next, cx)
    }

    /// Whether the trunk's challenge can be answered; each is answered once, whatever they say of stale nonces.
    fn answers(&mut self, trunk: &str, leg: LegId, client: ClientId, response: &Response) -> bool {
        let Some(attempt) = self.trunks.attempts.get_mut(&client) else { return false };
        attempt.challenged += 1;
        let Some(Stage::Calling(calling)) = self.legs.get(&leg).map(|it| &it.stage) else { return false };
        let signer = self.trunks.all.get_mut(trunk).and_then(|it| it.signer.as_mut());
        match (signer, calling.request(client)) {
            (Some(signer), Some(sent)) if attempt.challenged <= CHALLENGES_MAX => signer.challenged(response, sent),
            _ => false,
        }
    }

    /// Nobody answered there, or the connection is closed: true if another address is tried now.
    pub(crate) fn tries_elsewhere(&mut self, client: ClientId, cx: &mut Context<'_>) -> bool {
        let Some(attempt) = self.trunks.attempts.get_mut(&client) else { return false };
        if let Some(at) = attempt.impatient.take() {
            self.trunks.impatience.remove(&(at, client));
        }
        if let Some(trunk) = self.trunks.all.get_mut(&attempt.trunk) {
            trunk.rest(attempt.flow, None, cx.now);
        }
        attempt.next_way() && self.call_there(client, None, cx)
    }

    /// Tries the next address where one has been silent for a while. Should the first answer all the same, it is
    /// cancelled, or acknowledged and ended.
    pub(crate) fn lose_patience(&mut self, cx: &mut Context<'_>) {
        while let Some(&(at, client)) = self.trunks.impatience.first().filter(|it| it.0 <= cx.now) {
            self.trunks.impatience.remove(&(at, client));
            if self.tries_elsewhere(client, cx) {
                self.endpoint.cancel(client, false, cx.now, &mut self.wire);
                self.flush(cx);
            }
        }
    }

    /// The next INVITE takes the place of the one that failed, and may be for another number.
    fn call_there(&mut self, before: ClientId, uri: Option<Uri>, cx: &mut Context<'_>) -> bool {
        let Some((leg, flow)) = self.trunks.attempts.get(&before).map(|it| (it.leg, it.flow)) else { return false };
        let Some(mut invite) = self.attempted(leg, before).cloned() else { return false };
        let sequence = invite.cseq().map_or(1, |it| it.sequence).saturating_add(1);
        invite.headers.put(HeaderName::CSeq, format!("{sequence} INVITE"));
        invite.uri = uri.unwrap_or(invite.uri);
        self.call_again(leg, before, invite, flow, cx)
    }

    fn attempted(&self, leg: LegId, client: ClientId) -> Option<&Request> {
        let Some(Stage::Calling(calling)) = self.legs.get(&leg).map(|it| &it.stage) else { return None };
        calling.request(client)
    }

    /// The leg is over, or has got what it wanted.
    pub(crate) fn forget_attempt(&mut self, client: ClientId) {
        if let Some(at) = self.trunks.attempts.remove(&client).and_then(|it| it.impatient) {
            self.trunks.impatience.remove(&(at, client));
        }
    }
}

impl Attempt {
    /// Notes the numbers that a redirection names, the preferred one first; those of this trunk only.
    fn redirected(&mut self, response: &Response, trunk: &Trunk) -> &mut Self {
        let contacts = response.headers.typed_all::<ContactValue>().filter_map(Result::ok).take(CONTACTS_MAX);
        let mut found: Vec<(f32, String)> = contacts
            .filter_map(|it| match it {
                ContactValue::Address(it) if trunk.is_at(&it.uri) => {
                    let q = it.param("q").and_then(|it| std::str::from_utf8(it).ok()?.trim().parse().ok());
                    Some((q.unwrap_or(1.0), number(&it.uri)))
                }
                _ => None,
            })
            .collect();
        found.sort_by(|one, other| other.0.total_cmp(&one.0));
        let mut new = VecDeque::new();
        for (_, it) in found {
            if !it.is_empty() && !self.named.contains(&it) && self.named.len() <= CONTACTS_MAX {
                self.named.push(it.clone());
                new.push_back(it);
            }
        }
        new.append(&mut self.numbers);
        self.numbers = new;
        self
    }

    /// What to call next, on the address that the last answer came from.
    fn next_number(&mut self, trunk: &Trunk, now: Time) -> Option<Uri> {
        let uri = self.numbers.pop_front().and_then(|it| trunk.uri(&it))?;
        self.ways = trunk.ways(now).into_iter().filter(|it| *it != self.flow).collect();
        Some(uri)
    }

    fn next_way(&mut self) -> bool {
        let Some(flow) = self.ways.pop_front() else { return false };
        self.flow = flow;
        true
    }
}

/// Whom a request was meant for, beyond the account that it is addressed to.
pub(crate) fn called_party(request: &Request) -> Option<String> {
    let stated = request.text(&other_header("P-Called-Party-ID"));
    let stated = stated.as_deref().and_then(|it| it.split(['<', '>']).find(|it| it.contains(':')));
    match stated.and_then(message::uri) {
        Some(uri) => Some(number(&uri)),
        None => Some(number(&request.to_address()?.uri)),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.text(&HeaderName::RetryAfter)?;
    let seconds = text.trim().split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// How long an address may be silent before the next one is tried: four repetitions of the INVITE (RFC 3261 s17.1.1.2).
const PATIENCE: Duration = Duration::from_secs(4);
/// A trunk may find a nonce stale and then ask anew.
const CHALLENGES_MAX: u8 = 3;
/// How many contacts of redirections one call follows.
const CONTACTS_MAX: usize = 5;

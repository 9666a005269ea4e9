//! Session timers (RFC 4028): a leg's session is refreshed by one of the two sides, and over if nobody does.
//!
//! Every leg has one. Where the peer knows nothing of timers we refresh for our own sake, to learn that it is gone.

use std::time::Duration;

use clock::Time;
use domain::{ids::LegId, leg::Cause};
use rand_chacha::rand_core::Rng;
use sip_proto::{
    ClientId, Flow, HeaderName, Headers, HeadersExt, MessageExt, Method, Request, Response,
    session::{self, ABSOLUTE_MIN_INTERVAL, Answer, Refresher, Session, SessionExpires},
};

use crate::{
    Context, Legs, Purpose, Settings,
    inbound::{SDP, description},
    leg::Stage,
};

/// The timer of one leg.
#[derive(Clone, Copy)]
pub(crate) struct Timer {
    session: Session,
    /// The interval that a 422 has demanded.
    floor: Option<Duration>,
    /// The peer has agreed to it, and so ends the session by itself when it expires.
    agreed: bool,
    /// The peer takes UPDATE.
    updates: bool,
    refreshed: Time,
    /// When to act next.
    at: Time,
    /// Our refresh that has no answer yet.
    refresh: Option<Refresh>,
    /// What our 2xx says: the interval, who refreshes, and whether the peer is to understand it.
    says: Option<(SessionExpires, bool)>,
}

#[derive(Clone, Copy)]
struct Refresh {
    client: ClientId,
    is_invite: bool,
}

impl Timer {
    /// What a peer's INVITE, re-INVITE or UPDATE leads to (s9).
    ///
    /// # Errors
    /// 422: it wants to be refreshed more often than anybody may ask.
    pub(crate) fn as_server(request: &Request, settings: &Settings, now: Time) -> Result<Self, u16> {
        let supports = request.has_option(&HeaderName::Supported, session::OPTION);
        let ours = settings.session_expires.max(session::min_se(request).unwrap_or_default()).min(INTERVAL_MAX);
        let mut asked = session::expires(request);
        if let Some(it) = asked.as_mut().filter(|_| !supports) {
            // It is a proxy's wish, and its sender would not understand 422.
            it.interval = it.interval.max(ABSOLUTE_MIN_INTERVAL);
        }
        let updates = request.allows_update().unwrap_or(false);
        let begin = |interval: Duration, refresher, says| {
            let session = Session { interval, we_refresh: refresher == Refresher::Uas };
            Self::new(session, says, updates, now)
        };
        match session::answer(supports, asked, session::min_se(request), ABSOLUTE_MIN_INTERVAL) {
            Answer::TooBrief(_) => Err(422),
            Answer::None => Ok(begin(ours, Refresher::Uas, None)),
            Answer::Accept(it) => {
                let interval = asked.map_or(ours, |asked| asked.interval.min(ours));
                // A peer that does not know of timers cannot be asked to refresh.
                let refresher = if supports { it.refresher } else { Refresher::Uas };
                let says = SessionExpires { interval, refresher: Some(refresher) };
                Ok(begin(interval, refresher, Some((says, it.require && supports))))
            }
        }
    }

    /// What the 2xx to our INVITE, re-INVITE or UPDATE leads to (s7.2).
    pub(crate) fn as_client(asked: Duration, floor: Option<Duration>, response: &Response, now: Time) -> Self {
        let agreed = session::expires(response);
        let ours = Session { interval: asked, we_refresh: true };
        let mut session = agreed.and_then(|it| session::adopt(Some(it), None)).unwrap_or(ours);
        session.interval = session.interval.min(INTERVAL_MAX);
        let updates = response.allows_update().unwrap_or(false);
        Self { agreed: agreed.is_some(), floor, ..Self::new(session, None, updates, now) }
    }

    fn new(session: Session, says: Option<(SessionExpires, bool)>, updates: bool, now: Time) -> Self {
        let at = now + session.act_after();
        Self { session, floor: None, agreed: says.is_some(), updates, refreshed: now, at, refresh: None, says }
    }

    /// Writes what was settled into our 2xx (s9).
    pub(crate) fn agree(&self, headers: &mut Headers) {
        let Some((expires, requires)) = self.says else { return };
        headers.put(HeaderName::SessionExpires, expires.to_string());
        if requires {
            headers.add(HeaderName::Require, session::OPTION);
        }
    }

    /// The session has just been refreshed.
    pub(crate) fn restart(&mut self, now: Time) {
        self.refreshed = now;
        self.at = now + self.session.act_after();
    }

    /// The peer has refreshed, perhaps on other terms. What it takes stays known where it does not say.
    pub(crate) fn renew(&mut self, next: Self, request: &Request) {
        let updates = request.allows_update().unwrap_or(self.updates);
        *self = Self { updates, floor: self.floor, refresh: self.refresh, ..next };
    }

    /// Takes over what the 2xx to our refresh says.
    fn refreshed_by(&mut self, response: &Response, now: Time) {
        let next = Self::as_client(self.session.interval, self.floor, response, now);
        let updates = response.allows_update().unwrap_or(self.updates);
        *self = Self { updates, ..next };
    }

    pub(crate) fn due(&self) -> Time {
        self.at
    }

    pub(crate) fn client(&self) -> Option<ClientId> {
        self.refresh.map(|it| it.client)
    }

    /// Whether an offer of ours is open in it.
    pub(crate) fn offers(&self) -> bool {
        self.refresh.is_some_and(|it| it.is_invite)
    }

    /// Whoever has not been refreshed by now says BYE, a little before everybody on the way forgets the session (s10).
    fn end(&self) -> Time {
        self.refreshed + Session { we_refresh: false, ..self.session }.act_after()
    }
}

impl Legs {
    pub(crate) fn on_alarm(&mut self, id: LegId, cx: &mut Context<'_>) {
        self.repeat_provisional(id, cx);
        let Some(Stage::Up { timer, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return };
        if timer.at > cx.now {
            return;
        }
        if timer.agreed && timer.end() <= cx.now {
            return self.hang_up(id, Cause::Gone, cx);
        }
        if timer.refresh.is_some() {
            // Its transaction has an end of its own.
            timer.at = cx.now + timer.session.interval;
            return;
        }
        self.refresh(id, cx);
    }

    /// Refreshes a session: by UPDATE without a description, or by a re-INVITE with the one that holds (s7.4).
    fn refresh(&mut self, id: LegId, cx: &mut Context<'_>) {
        let Some(leg) = self.legs.get(&id) else { return };
        let Stage::Up { dialog, unacked, timer, .. } = &leg.stage else { return };
        let is_invite = !timer.updates;
        let text = leg.media.as_ref().and_then(|it| it.author.last()).filter(|_| is_invite);
        let waits = is_invite && unacked.is_some();
        let (interval, floor) = (timer.session.interval, timer.floor);
        let dialog = dialog.clone();
        let Some(flow) = self.way(&dialog, cx) else { return self.hang_up(id, Cause::Gone, cx) };
        let Some(Stage::Up { dialog, timer, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return };
        timer.at = cx.now + PAUSE;
        if waits {
            return;
        }
        let mut request = dialog.request(if is_invite { &Method::Invite } else { &Method::Update });
        let headers = &mut request.headers;
        headers.add(HeaderName::Contact, self.settings.contact_field(flow));
        headers.add(HeaderName::Allow, self.endpoint.allow());
        headers.add(HeaderName::Supported, self.endpoint.supported());
        ask(headers, interval, Some(Refresher::Uac), floor);
        if let Some(text) = text {
            request.carry(SDP, text);
        }
        let Some(client) = self.send_inside(request, flow, cx) else { return };
        self.clients.insert(client, Purpose::Refresh(id));
        if let Some(Stage::Up { timer, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) {
            timer.refresh = Some(Refresh { client, is_invite });
            // Its transaction may take longer than the session has left.
            timer.at = if timer.agreed { timer.end().max(cx.now + PAUSE) } else { cx.now + interval };
        }
    }

    pub(crate) fn on_refreshed(
        &mut self,
        id: LegId,
        client: ClientId,
        response: &Response,
        from: Flow,
        cx: &mut Context<'_>,
    ) {
        let status = response.status.code();
        if status < 200 {
            return;
        }
        if status >= 300 {
            if matches!(status, 401 | 407) && self.learns(client, response, from) {
                self.clients.remove(&client);
                self.forget_refresh(id);
                self.refresh(id, cx);
            } else {
                self.on_refresh_failed(id, client, status, Some(response), cx);
            }
            return self.arm(id);
        }
        self.clients.remove(&client);
        let sequence = response.cseq().map_or(0, |it| it.sequence);
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let Stage::Up { dialog, timer, .. } = &mut leg.stage else { return };
        let is_invite = timer.offers();
        timer.refreshed_by(response, cx.now);
        dialog.refresh(response, from);
        if is_invite {
            let (ack, to) = (dialog.ack(sequence), dialog.flow());
            if let Ok(Some(peer)) = description(response) {
                leg.settle(id, &peer, None, cx);
            }
            self.endpoint.acknowledge(client, ack, to, &mut self.wire);
            self.flush(cx);
        }
        self.arm(id);
    }

    fn forget_refresh(&mut self, id: LegId) {
        if let Some(Stage::Up { timer, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) {
            timer.refresh = None;
        }
    }

    /// Our refresh was refused, or got no answer (408).
    pub(crate) fn on_refresh_failed(
        &mut self,
        id: LegId,
        client: ClientId,
        status: u16,
        response: Option<&Response>,
        cx: &mut Context<'_>,
    ) {
        self.clients.remove(&client);
        let pause = self.glare_pause(id);
        let Some(Stage::Up { timer, .. }) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return };
        let is_update = !timer.offers();
        timer.refresh = None;
        let longer = response.and_then(|it| longer(timer.session.interval, it));
        match (status, longer) {
            // s10 and RFC 3261 s12.2.1.2: the peer is gone, or no longer knows the dialog.
            (408 | 481, _) => self.hang_up(id, Cause::Gone, cx),
            (422, Some(interval)) => {
                (timer.session.interval, timer.floor) = (interval, Some(interval));
                self.refresh(id, cx);
            }
            (405 | 501, _) if is_update => {
                timer.updates = false;
                self.refresh(id, cx);
            }
            (491, _) => timer.at = cx.now + pause,
            // Somebody is there. Who has agreed to a timer wants it refreshed all the same.
            _ if timer.agreed => timer.at = (cx.now + RETRY).min(timer.end().max(cx.now + PAUSE)),
            _ => timer.restart(cx.now),
        }
    }

    /// How long to wait after 491 (RFC 3261 s14.1): whoever made the Call-ID waits longer.
    fn glare_pause(&mut self, id: LegId) -> Duration {
        let steps = u64::from(self.random.next_u32());
        Duration::from_millis(if id.is_inbound() { steps % 201 * 10 } else { 2100 + steps % 191 * 10 })
    }
}

/// Asks for a session of this length. `refresher` is for requests inside a dialog, `floor` what a 422 has demanded.
pub(crate) fn ask(headers: &mut Headers, interval: Duration, refresher: Option<Refresher>, floor: Option<Duration>) {
    headers.put(HeaderName::SessionExpires, SessionExpires { interval, refresher }.to_string());
    if let Some(floor) = floor {
        headers.put(HeaderName::MinSe, floor.as_secs().to_string());
    }
}

/// The interval that a 422 demands (s7.3), if it is longer than what was asked for and not beyond reason.
pub(crate) fn longer(asked: Duration, refusal: &Response) -> Option<Duration> {
    session::min_se(refusal).filter(|it| *it > asked && *it <= INTERVAL_MAX)
}

/// A day: beyond that nobody would notice anything by a session timer.
const INTERVAL_MAX: Duration = Duration::from_secs(86_400);

/// Before a refresh is tried again that cannot be sent now, or was refused.
const PAUSE: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(10);

//! Who may call and register: hosts, trunks by address, devices by digest. No INVITE gets past here unproved.

use std::collections::BTreeMap;

use domain::{event::Directory, ids::PhoneNumber, leg::Origin};
use rand_chacha::rand_core::Rng;
use sip_proto::{
    Flow, HeaderName, HeadersExt, MessageExt, Request, Response, ServerId,
    digest::{Ha1, Verdict},
    guessing::HeldOff,
    message::{self, MaxForwards},
    session,
};

use crate::{Context, Legs, Output, inbound::SDP};

/// The devices that we know.
#[derive(Default)]
pub(crate) struct Peers {
    devices: BTreeMap<PhoneNumber, Option<Ha1>>,
}

impl Peers {
    pub(crate) fn of(directory: &Directory) -> Self {
        let ha1 = |it: &domain::config::Ha1| Ha1 { md5: it.md5, sha256: it.sha256 };
        let devices = directory.devices.iter().map(|(number, it)| (number.clone(), it.as_ref().map(|it| ha1(&it.0))));
        Self { devices: devices.collect() }
    }

    /// Whether the number is a device's.
    pub(crate) fn device(&self, number: &str) -> Option<&PhoneNumber> {
        let number: PhoneNumber = number.parse().ok()?;
        self.devices.get_key_value(&number).map(|it| it.0)
    }

    pub(crate) fn ha1(&self, user: &str) -> Option<Ha1> {
        self.devices.get(&user.parse::<PhoneNumber>().ok()?).copied()?
    }

    /// The devices whose secrets are not what they were.
    pub(crate) fn changed<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a PhoneNumber> {
        self.devices.iter().filter(|(number, ha1)| next.devices.get(number) != Some(ha1)).map(|it| it.0)
    }
}

/// Why a request does not get in.
pub(crate) enum Refusal {
    /// With a bare status.
    Status(u16),
    /// With challenges in it.
    Challenge(Vec<String>),
    /// Until so many seconds have passed.
    Later(u64),
}

impl Legs {
    /// Who sent this INVITE, proved.
    pub(crate) fn origin(&mut self, request: &Request, from: Flow, cx: &mut Context<'_>) -> Result<Origin, Refusal> {
        let sender = request.from_address().ok_or(Refusal::Status(400))?;
        let user = message::user(&sender.uri);
        let claimed = self.settings.is_ours(&sender.uri).then(|| self.peers.device(&user).cloned()).flatten();
        if claimed.is_none()
            && let Some(trunk) = self.trunk_origin(from, &sender.uri, user)
        {
            return Ok(trunk);
        }
        let device = self.prove(request, from, cx)?;
        if claimed.is_some_and(|it| it != device) {
            return Err(Refusal::Status(403));
        }
        Ok(Origin::Device(device))
    }

    /// Whether a request inside a dialog counts although its peer is not known to be where it comes from: from a trunk, which
    /// may have several addresses, or from whoever proves to be a device of ours, as a phone can that has moved.
    pub(crate) fn admit_from_elsewhere(
        &mut self,
        request: &Request,
        from: Flow,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if self.trunks.at(from).is_some() {
            return Ok(());
        }
        self.prove(request, from, cx).map(drop)
    }

    /// The device whose password the sender knows. Who has sent too many wrong ones waits, but for phones that are known to
    /// be where they are: nobody can lock them out.
    pub(crate) fn prove(
        &mut self,
        request: &Request,
        from: Flow,
        cx: &mut Context<'_>,
    ) -> Result<PhoneNumber, Refusal> {
        let (peers, source) = (&self.peers, from.remote.ip());
        let claimed = self.authenticator.claimed(request);
        let is_home = claimed.as_ref().is_some_and(|it| self.registrar.is_home(it, from));
        if let Some(user) = claimed.filter(|_| !is_home)
            && let Some(seconds) = self.guesses.held_off(source, &user, cx.now)
        {
            return Err(Refusal::Later(seconds));
        }
        match self.authenticator.check(request, |user| peers.ha1(user), cx.now) {
            Verdict::Accepted { user } => {
                if !is_home {
                    self.guesses.right(source, &user);
                }
                peers.device(&user).cloned().ok_or(Refusal::Status(403))
            }
            Verdict::Challenge(fields) | Verdict::Stale(fields) => Err(Refusal::Challenge(fields)),
            Verdict::Wrong { .. } if is_home => {
                self.guesses.wrong_at_home();
                Err(Refusal::Status(403))
            }
            Verdict::Wrong { user } => {
                if let Some(what) = self.guesses.wrong(source, &user, cx.now) {
                    let user = (what == HeldOff::Name).then_some(user);
                    cx.out.push(Output::HeldOff { source, user });
                }
                Err(Refusal::Status(403))
            }
            Verdict::Refused => Err(Refusal::Status(403)),
        }
    }

    /// Whether a request is addressed to us at all.
    pub(crate) fn check_target(&self, request: &Request) -> Result<(), Refusal> {
        if !request.uri.scheme().is_sip() {
            return Err(Refusal::Status(416));
        }
        if !self.settings.is_ours(&request.uri) {
            return Err(Refusal::Status(404));
        }
        Ok(())
    }

    /// Answers a request inside a dialog that we do not know; a flood of them costs no memory.
    pub(crate) fn disown(&mut self, id: ServerId, cx: &mut Context<'_>) {
        if let Some(response) = self.endpoint.response(id, 481) {
            self.endpoint.disown(id, response, cx.now, &mut self.wire);
            self.flush(cx);
        }
    }

    pub(crate) fn turn_away(&mut self, id: ServerId, refusal: Refusal, cx: &mut Context<'_>) {
        match refusal {
            Refusal::Status(code) => {
                if let Some(mut response) = self.endpoint.response(id, code) {
                    self.hint(&mut response, code);
                    self.respond(id, response, cx);
                }
            }
            Refusal::Later(seconds) => {
                if let Some(mut response) = self.endpoint.response(id, 503) {
                    response.headers.add(HeaderName::RetryAfter, seconds.to_string());
                    self.endpoint.dismiss(id, response, &mut self.wire);
                    self.flush(cx);
                }
            }
            Refusal::Challenge(fields) => {
                if let Some(response) = self.endpoint.response(id, 401) {
                    self.endpoint.dismiss(id, challenge(response, fields), &mut self.wire);
                    self.flush(cx);
                }
            }
        }
    }

    /// What helps the peer to do better next time.
    fn hint(&mut self, response: &mut Response, code: u16) {
        match code {
            415 => response.headers.add(HeaderName::Accept, SDP),
            422 => response.headers.add(HeaderName::MinSe, session::ABSOLUTE_MIN_INTERVAL.as_secs().to_string()),
            // Everybody tries again at a moment of his own (RFC 3261 s14.2, RFC 3311 s5.2).
            500 => response.headers.add(HeaderName::RetryAfter, (self.random.next_u32() % 11).to_string()),
            503 => response.headers.add(HeaderName::RetryAfter, "5"),
            _ => {}
        }
    }
}

/// How many more hops a request may take.
pub(crate) fn hops(request: &Request) -> u8 {
    request.headers.typed::<MaxForwards>().and_then(Result::ok).map_or(70, |it| it.0)
}

fn challenge(mut response: Response, fields: Vec<String>) -> Response {
    for field in fields {
        response.headers.add(HeaderName::WwwAuthenticate, field);
    }
    response
}

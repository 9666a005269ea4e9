//! Our own registration with a registrar elsewhere (RFC 3261 s10.2): with digest, refreshed in time, tried again after a failure.

#[cfg(test)]
mod tests;

use std::time::Duration;

use clock::Time;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::{
    digest::Signer,
    message::{self, ContactValue, HeaderName, HeadersExt, MessageExt, Method, Request, Response, Uri},
};

/// One contact of one address of record, kept registered.
///
/// It says what to send and is told what came of it; transactions, and where the request goes, are for its owner. At
/// most one request is under way at a time.
#[derive(Clone, Debug)]
pub struct Registrant {
    registrar: Uri,
    record: String,
    contact: String,
    signer: Signer,
    call_id: String,
    sequence: u32,
    seconds: u64,
    random: ChaCha8Rng,
    failures: u32,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Not registered; the next attempt is at this moment.
    Waiting(Time),
    /// A request is under way.
    Asking { request: Request, challenged: u8, until: Option<Time> },
    /// A request to be forgotten is under way, for which nobody waits longer than to this moment.
    Leaving { request: Request, challenged: u8, give_up: Time },
    /// Registered until the second moment, to be refreshed at the first.
    Registered(Time, Time),
    /// Not registered, and not to be.
    Left,
}

/// What a registrant is told.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// [`Registrant::poll_timeout`] has been reached.
    Timeout,
    /// The final response to the request that is under way.
    Response(&'a Response),
    /// The request that is under way got no answer. It is sent again at once where there is another address to send
    /// it to.
    Unanswered {
        /// Whether there is.
        elsewhere: bool,
    },
    /// What was registered is worth nothing any more: the connection is closed, or the registrar's address has changed.
    Lost,
    /// It is to be registered no longer.
    Leave,
}

/// What follows.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send this.
    Send(Request),
    /// It is registered now, or again, for so many seconds.
    Registered(u64),
    /// It is not registered; another attempt follows.
    Failed(Failure),
    /// It is registered no longer, as was wished; nothing follows.
    Left,
}

/// Why a registration failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The registrar's status.
    Refused(u16),
    /// Nobody answered.
    Unanswered,
}

/// How a registrant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Registered, as far as is known.
    Registered,
    /// The first attempt is under way or to come.
    Trying,
    /// The last attempt failed.
    Failed,
    /// Not registered, as was wished.
    Left,
}

impl Registrant {
    /// Registers `user` at `registrar` (`sip:host`), proved by `password`. Everything random follows from `seed`.
    #[must_use]
    pub fn new(registrar: &Uri, user: &str, password: &str, seed: u64, now: Time) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let host = registrar.host().map(ToString::to_string).unwrap_or_default();
        Self {
            registrar: registrar.clone(),
            record: format!("<sip:{}@{host}>", message::escape_user(user)),
            contact: String::new(),
            signer: Signer::new(user, password),
            call_id: format!("{:016x}", random.next_u64()),
            sequence: 0,
            seconds: SECONDS,
            random,
            failures: 0,
            state: State::Waiting(now),
        }
    }

    /// What is registered from the next request on: a value of `Contact`.
    pub fn set_contact(&mut self, contact: String) {
        self.contact = contact;
    }

    /// With another wish than an hour.
    #[must_use]
    pub fn for_seconds(mut self, seconds: u64) -> Self {
        self.seconds = seconds;
        self
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match &self.state {
            State::Left => Standing::Left,
            State::Registered(..) | State::Asking { until: Some(_), .. } => Standing::Registered,
            _ if self.failures > 0 => Standing::Failed,
            _ => Standing::Trying,
        }
    }

    /// Whether it is on its way out.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        matches!(self.state, State::Left | State::Leaving { .. })
    }

    /// When to call [`Self::handle`] with [`Input::Timeout`], if at all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Waiting(at) | State::Registered(at, _) | State::Leaving { give_up: at, .. } => Some(at),
            State::Asking { .. } | State::Left => None,
        }
    }

    /// Takes one input and appends what follows from it.
    pub fn handle(&mut self, input: Input<'_>, now: Time, out: &mut Vec<Output>) {
        match (&self.state, input) {
            (State::Waiting(at), Input::Timeout) if *at <= now => self.ask(None, 0, out),
            (State::Registered(at, until), Input::Timeout) if *at <= now => {
                let until = *until;
                self.ask(Some(until).filter(|it| *it > now), 0, out);
            }
            // Not at once: a registrar that closes every connection would be asked without end.
            (State::Registered(..), Input::Lost) => self.state = State::Waiting(now + LOST),
            // What is under way may still register us.
            (State::Registered(..) | State::Asking { .. }, Input::Leave) => self.ask_to_leave(now + LEAVING, 0, out),
            (State::Waiting(_), Input::Leave) => self.leave(out),
            (State::Asking { .. }, Input::Response(response)) => self.answered(response, now, out),
            (State::Asking { until, .. }, Input::Unanswered { elsewhere: true }) => {
                let until = *until;
                self.ask(until.filter(|it| *it > now), 0, out);
            }
            (State::Asking { .. }, Input::Unanswered { .. }) => self.fail(Failure::Unanswered, None, now, out),
            (State::Leaving { .. }, Input::Response(response)) => self.released(response, out),
            (State::Leaving { .. }, Input::Unanswered { .. }) => self.leave(out),
            (State::Leaving { give_up, .. }, Input::Timeout) if *give_up <= now => self.leave(out),
            _ => {}
        }
    }

    fn ask(&mut self, until: Option<Time>, challenged: u8, out: &mut Vec<Output>) {
        let request = self.request(self.seconds);
        self.state = State::Asking { request: request.clone(), challenged, until };
        out.push(Output::Send(request));
    }

    fn ask_to_leave(&mut self, give_up: Time, challenged: u8, out: &mut Vec<Output>) {
        let request = self.request(0);
        self.state = State::Leaving { request: request.clone(), challenged, give_up };
        out.push(Output::Send(request));
    }

    fn request(&mut self, seconds: u64) -> Request {
        self.sequence = self.sequence.saturating_add(1);
        let mut request = message::request(Method::Register, self.registrar.clone());
        let headers = &mut request.headers;
        headers.add(HeaderName::From, format!("{};tag={:016x}", self.record, self.random.next_u64()));
        headers.add(HeaderName::To, self.record.as_str());
        headers.add(HeaderName::CallId, self.call_id.as_str());
        headers.add(HeaderName::CSeq, format!("{} REGISTER", self.sequence));
        headers.add(HeaderName::Contact, self.contact.as_str());
        headers.add(HeaderName::Expires, seconds.to_string());
        self.signer.sign(&mut request, self.random.next_u64());
        request
    }

    fn answered(&mut self, response: &Response, now: Time, out: &mut Vec<Output>) {
        let State::Asking { request, challenged, until } = &self.state else { return };
        let (challenged, until) = (*challenged, *until);
        match response.status.code() {
            ..200 => {}
            200..300 => {
                let granted = granted(response, request).unwrap_or(self.seconds).clamp(1, SECONDS_MAX);
                self.failures = 0;
                self.state = State::Registered(now + refresh_after(granted), now + Duration::from_secs(granted));
                out.push(Output::Registered(granted));
            }
            401 | 407 if challenged < CHALLENGES_MAX && self.signer.challenged(response, request) => {
                self.ask(until, challenged + 1, out);
            }
            423 => match response.text(&HeaderName::MinExpires).and_then(|it| it.trim().parse().ok()) {
                Some(min) if min > self.seconds && min <= SECONDS_MAX => {
                    self.seconds = min;
                    self.ask(until, 0, out);
                }
                _ => self.fail(Failure::Refused(423), None, now, out),
            },
            code => {
                let wait = response.text(&HeaderName::RetryAfter).and_then(|it| leading_number(&it));
                self.fail(Failure::Refused(code), wait, now, out);
            }
        }
    }

    /// However the registrar answers: a challenge is worth an answer, and nothing else is worth waiting for.
    fn released(&mut self, response: &Response, out: &mut Vec<Output>) {
        let State::Leaving { request, challenged, give_up } = &self.state else { return };
        let (challenged, give_up) = (*challenged, *give_up);
        match response.status.code() {
            ..200 => {}
            401 | 407 if challenged < CHALLENGES_MAX && self.signer.challenged(response, request) => {
                self.ask_to_leave(give_up, challenged + 1, out);
            }
            _ => self.leave(out),
        }
    }

    /// Tries again later: after twice as long each time, as long as the registrar says, and a while where it knows us and
    /// does not want us.
    fn fail(&mut self, why: Failure, wait: Option<u64>, now: Time, out: &mut Vec<Output>) {
        let least = if matches!(why, Failure::Refused(401 | 403 | 404 | 407)) { REFUSED } else { RETRY };
        let pause = least.saturating_mul(1 << self.failures.min(10)).min(RETRY_MAX);
        let pause = pause.max(Duration::from_secs(wait.unwrap_or(0).min(SECONDS_MAX)));
        self.failures = self.failures.saturating_add(1);
        // Between half and the whole of it (RFC 5626 s4.5), so that not everybody comes back at once.
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX / 2).max(1);
        let pause = Duration::from_millis(half + self.random.next_u64() % half);
        self.state = State::Waiting(now + pause.max(Duration::from_secs(wait.unwrap_or(0).min(SECONDS_MAX))));
        out.push(Output::Failed(why));
    }

    fn leave(&mut self, out: &mut Vec<Output>) {
        self.state = State::Left;
        out.push(Output::Left);
    }
}

/// The seconds that the registrar gave the contact that was asked for.
fn granted(response: &Response, sent: &Request) -> Option<u64> {
    let ours = sent.contact()?.uri;
    let mut contacts = response.headers.typed_all::<ContactValue>().filter_map(Result::ok);
    let stated = contacts.find_map(|it| match it {
        ContactValue::Address(it) if it.uri.equivalent(&ours) => {
            String::from_utf8_lossy(it.param("expires")?).trim().parse().ok()
        }
        _ => None,
    });
    stated.or_else(|| response.text(&HeaderName::Expires)?.trim().parse().ok())
}

/// Early enough for a lost datagram and its repetitions, which take 32 s.
fn refresh_after(granted: u64) -> Duration {
    let granted = Duration::from_secs(granted);
    (granted * 4 / 5).min(granted.saturating_sub(Duration::from_secs(40))).max(granted / 2)
}

/// `Retry-After` may have a comment and parameters behind its number (RFC 3261 s20.33).
fn leading_number(text: &str) -> Option<u64> {
    text.trim().split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
}

/// What is asked for, and the most that is believed.
const SECONDS: u64 = 3600;
const SECONDS_MAX: u64 = 86_400;
/// The first pause after a failure, after a refusal, and the longest.
const RETRY: Duration = Duration::from_secs(4);
const REFUSED: Duration = Duration::from_secs(60);
const RETRY_MAX: Duration = Duration::from_secs(600);
/// How soon a registration that was lost is made anew, and how long the registrar may take to forget us.
const LOST: Duration = Duration::from_secs(1);
const LEAVING: Duration = Duration::from_secs(3);
/// A registrar may challenge twice: a stale nonce, then the real question.
const CHALLENGES_MAX: u8 = 3;

//! The phone's registration: with digest, refreshed in time, tried again after a failure.

use std::time::Duration;

use clock::Time;
use rand_chacha::rand_core::Rng;
use sip_proto::{ContactValue, HeaderName, HeadersExt, MessageExt, Method, Request, Response, digest::Signer, message};

use super::{Account, Event, Output, Phone, Sent};

pub(super) struct Registration {
    signer: Signer,
    call_id: String,
    sequence: u32,
    expires_s: u32,
    due: Option<Time>,
    wanted: bool,
}

impl Registration {
    pub(super) fn new(account: &Account, id: u64) -> Self {
        Self {
            signer: Signer::new(&account.number, &account.password),
            call_id: format!("{id:016x}"),
            sequence: 0,
            expires_s: account.behaviour.expires_s,
            due: None,
            wanted: false,
        }
    }

    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }
}

impl Phone {
    pub(super) fn register(&mut self, now: Time) {
        self.registration.wanted = true;
        self.send_register(now);
    }

    pub(super) fn unregister(&mut self, now: Time) {
        self.registration.wanted = false;
        self.send_register(now);
    }

    pub(super) fn registration_timeout(&mut self, now: Time) {
        if self.registration.due.is_some_and(|it| it <= now) {
            self.send_register(now);
        }
    }

    fn send_register(&mut self, now: Time) {
        self.registration.due = None;
        let Some(uri) = message::uri(&format!("sip:{}", self.account.domain)) else { return };
        let tag = self.endpoint.token();
        let it = &mut self.registration;
        it.sequence += 1;
        let expires = if it.wanted { it.expires_s } else { 0 };
        let mut request = message::request(Method::Register, uri);
        request.headers.add(HeaderName::CallId, it.call_id.as_str());
        request.headers.add(HeaderName::CSeq, format!("{} REGISTER", it.sequence));
        request.headers.add(HeaderName::From, format!("{};tag={tag}", self.own_address()));
        request.headers.add(HeaderName::To, self.own_address());
        request.headers.add(HeaderName::Contact, self.contact());
        request.headers.add(HeaderName::Expires, expires.to_string());
        self.registration.signer.sign(&mut request, self.random.next_u64());
        self.send(request, self.account.server, Sent::Register, now);
    }

    pub(super) fn on_registered(&mut self, sent: &Request, response: &Response, now: Time, out: &mut Vec<Output>) {
        match response.status.code() {
            200..300 if !self.registration.wanted => out.push(Output::Event(Event::Unregistered)),
            200..300 => {
                let granted = self.granted(response).unwrap_or(self.registration.expires_s);
                // Early enough for a lost datagram and its repetitions.
                self.registration.due = Some(now + Duration::from_secs(granted.into()) * 4 / 5);
                out.push(Output::Event(Event::Registered));
            }
            401 | 407 if self.registration.signer.challenged(response, sent) => self.send_register(now),
            423 => {
                let min = response.text(&HeaderName::MinExpires).and_then(|it| it.trim().parse().ok());
                match min.filter(|it| *it > self.registration.expires_s) {
                    Some(min) => {
                        self.registration.expires_s = min;
                        self.send_register(now);
                    }
                    None => self.registration_failed(423, now, out),
                }
            }
            code => self.registration_failed(code, now, out),
        }
    }

    pub(super) fn registration_failed(&mut self, code: u16, now: Time, out: &mut Vec<Output>) {
        if self.registration.wanted {
            let pause = self.chance(RETRY, RETRY * 2);
            self.registration.due = Some(now + pause);
        }
        out.push(Output::Event(Event::RegistrationFailed(code)));
    }

    /// The seconds that the server gave our contact.
    fn granted(&self, response: &Response) -> Option<u32> {
        let ours = message::uri(self.contact().trim_matches(['<', '>']))?;
        let mut contacts = response.headers.typed_all::<ContactValue>().filter_map(Result::ok);
        let granted = contacts.find_map(|it| match it {
            ContactValue::Address(it) if it.uri.equivalent(&ours) => {
                String::from_utf8_lossy(it.param("expires")?).parse().ok()
            }
            _ => None,
        });
        granted.or_else(|| response.text(&HeaderName::Expires)?.trim().parse().ok())
    }
}

/// The shortest pause after a failure; up to twice as long, so that phones do not come back all at once.
const RETRY: Duration = Duration::from_secs(5);

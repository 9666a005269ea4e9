//! REGISTER, and what the domain and the storage hear of it.

use clock::Time;
use domain::{event::Directory, ids::PhoneNumber, record::Registration};
use sip_proto::{
    Flow, MessageExt, Request, ServerId, message,
    registrar::{Input, Output as Registered, Saved},
};

use crate::{
    Context, Legs, Output,
    admission::{Peers, Refusal},
};

impl Legs {
    pub(crate) fn on_register(&mut self, id: ServerId, request: &Request, from: Flow, cx: &mut Context<'_>) {
        let number = match self.registering(request, from, cx) {
            Ok(number) => number,
            Err(refusal) => return self.turn_away(id, refusal, cx),
        };
        self.endpoint.vouch(from, cx.now);
        let input = Input::Register { number: number.as_str(), request, from };
        for output in self.registrar_says(input, cx) {
            if let Registered::Respond(response) = output {
                self.respond(id, response, cx);
            }
        }
    }

    /// Whose contacts this request wants to change: the number in To, by its own device only (RFC 3261 s10.3 step 4).
    fn registering(&mut self, request: &Request, from: Flow, cx: &mut Context<'_>) -> Result<PhoneNumber, Refusal> {
        self.check_target(request)?;
        let device = self.prove(request, from, cx)?;
        let record = request.to_address().ok_or(Refusal::Status(400))?;
        if !self.settings.is_ours(&record.uri) {
            return Err(Refusal::Status(404));
        }
        if message::user(&record.uri) != device.as_str() {
            return Err(Refusal::Status(403));
        }
        Ok(device)
    }

    pub(crate) fn expire_registrations(&mut self, cx: &mut Context<'_>) {
        self.registrar_says(Input::Timeout, cx);
    }

    /// A device that is gone, or whose password has changed, is no longer registered.
    pub(crate) fn on_directory(&mut self, directory: &Directory, cx: &mut Context<'_>) {
        let next = Peers::of(directory);
        let changed: Vec<_> = self.peers.changed(&next).cloned().collect();
        self.peers = next;
        for number in changed {
            self.registrar_says(Input::Forget(number.as_str()), cx);
        }
        self.on_trunks(&directory.trunks, cx);
    }

    pub(crate) fn restore(&mut self, saved: Vec<Registration>, cx: &mut Context<'_>) {
        let mut numbers: Vec<_> = saved.iter().map(|it| it.number.clone()).collect();
        numbers.sort();
        numbers.dedup();
        let saved: Vec<_> = saved.into_iter().map(read).collect();
        self.registrar.restore(&saved, cx.now);
        let present = numbers.into_iter().filter(|it| self.registrar.is_registered(it.as_str()));
        cx.out.extend(present.map(Output::Registered));
    }

    /// Hands the registrar something, reports what changes by it, and leaves the response to the caller.
    pub(crate) fn registrar_says(&mut self, input: Input<'_>, cx: &mut Context<'_>) -> Vec<Registered> {
        let before = match input {
            Input::Register { number, .. } => self.registrar.is_registered(number),
            _ => true,
        };
        let mut said = Vec::new();
        self.registrar.handle(input, cx.now, &mut said);
        for output in &said {
            match output {
                Registered::Bound { number, binding } => {
                    let Ok(number) = number.parse::<PhoneNumber>() else { continue };
                    cx.out.push(match binding.saved(number.as_str()) {
                        Some(saved) => Output::SaveRegistration(write(number, saved)),
                        // It lives on a connection now, and ends with it.
                        None => Output::DropRegistration { number, contact: binding.contact.to_string() },
                    });
                }
                Registered::Unbound { number, contact, .. } => {
                    let Ok(number) = number.parse::<PhoneNumber>() else { continue };
                    cx.out.push(Output::DropRegistration { number, contact: contact.clone() });
                }
                Registered::Respond(_) => {}
            }
        }
        self.tell_presence(&said, before, cx);
        said
    }

    fn tell_presence(&self, said: &[Registered], before: bool, cx: &mut Context<'_>) {
        let mut numbers: Vec<PhoneNumber> = said
            .iter()
            .filter_map(|it| match it {
                Registered::Bound { number, .. } | Registered::Unbound { number, .. } => number.parse().ok(),
                Registered::Respond(_) => None,
            })
            .collect();
        numbers.sort();
        numbers.dedup();
        for number in numbers {
            match (before, self.registrar.is_registered(number.as_str())) {
                (false, true) => cx.out.push(Output::Registered(number)),
                (true, false) => cx.out.push(Output::Unregistered(number)),
                _ => {}
            }
        }
    }
}

fn write(number: PhoneNumber, saved: Saved) -> Registration {
    Registration {
        number,
        contact: saved.contact,
        source: saved.remote,
        call_id: saved.call_id,
        cseq: saved.sequence,
        expires: Time::from_unix_ms(saved.expires_unix_ms),
        agent: saved.agent,
        preference: saved.preference,
        instance: saved.instance,
        reg_id: saved.reg_id,
        path: saved.path,
    }
}

fn read(kept: Registration) -> Saved {
    Saved {
        number: kept.number.as_str().to_owned(),
        contact: kept.contact,
        remote: kept.source,
        expires_unix_ms: kept.expires.unix_ms(),
        agent: kept.agent,
        preference: kept.preference,
        call_id: kept.call_id,
        sequence: kept.cseq,
        instance: kept.instance,
        reg_id: kept.reg_id,
        path: kept.path,
    }
}

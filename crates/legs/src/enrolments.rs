//! Our registrations at trunks: which there are, what comes of them, and the connections that are kept open for them.

use std::time::Duration;

use clock::Time;
use domain::config::Account;
use rand_chacha::rand_core::Rng;
use sip_proto::{
    ClientId, Flow, HeaderName, HeadersExt, Response, Transport,
    registrant::{Failure, Input, Output as Said, Registrant, Standing},
};

use crate::{Context, Legs, Output, Purpose};

/// One registration of ours.
pub(crate) struct Enrolment {
    trunk: String,
    account: Account,
    registrant: Registrant,
    /// Where the last request went: calls come from there.
    flow: Option<Flow>,
    client: Option<ClientId>,
}

/// What the log is told of our registration at a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrunkState {
    /// It knows where to send calls, for so many seconds.
    Registered(u64),
    /// It refused with this status; we try again later.
    Refused(u16),
    /// It does not answer; we try again later.
    Unreachable,
    /// It sends no calls any more, as was wished.
    Unregistered,
}

/// How many trunks stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkCounts {
    /// Known by address alone.
    pub by_address: usize,
    /// Registered there.
    pub registered: usize,
    /// The first registration is under way.
    pub registering: usize,
    /// The last attempt to register failed.
    pub failed: usize,
    /// Its name has no address.
    pub unresolved: usize,
}

impl Enrolment {
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.registrant.poll_timeout()
    }
}

impl Legs {
    /// How many trunks stand how.
    #[must_use]
    pub fn trunks(&self) -> TrunkCounts {
        let mut counts = TrunkCounts::default();
        for (name, trunk) in &self.trunks.all {
            let standing = self.trunks.enrolments.values().find(|it| it.trunk == *name);
            let count = match standing.map(|it| it.registrant.standing()) {
                _ if !trunk.is_resolved() => &mut counts.unresolved,
                Some(Standing::Registered) => &mut counts.registered,
                Some(Standing::Trying | Standing::Left) => &mut counts.registering,
                Some(Standing::Failed) => &mut counts.failed,
                None => &mut counts.by_address,
            };
            *count += 1;
        }
        counts
    }

    /// Whether nothing is left to be done before the end: no leg, and no registration that still has to be taken back.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.legs.is_empty() && self.trunks.enrolments.is_empty()
    }

    /// Begins registrations that are wanted, ends those that are not, and moves those whose trunk has moved.
    pub(crate) fn enrol(&mut self, cx: &mut Context<'_>) {
        let numbers: Vec<_> = self.trunks.enrolments.keys().copied().collect();
        for number in numbers {
            let Some(it) = self.trunks.enrolments.get(&number) else { continue };
            let trunk = self
                .trunks
                .all
                .get(&it.trunk)
                .filter(|trunk| trunk.account().is_some_and(|account| account.register && *account == it.account));
            match trunk {
                None => self.enrolment_handles(number, Input::Leave, cx),
                Some(trunk) if it.flow.is_some_and(|flow| !trunk.ways(cx.now).contains(&flow)) => {
                    self.enrolment_handles(number, Input::Lost, cx);
                }
                Some(_) => {}
            }
        }
        let wanted = self.trunks.all.iter().filter_map(|(name, trunk)| {
            let account = trunk.account().filter(|it| it.register && trunk.is_resolved())?;
            // While one is being taken back, whatever the trunk learns last counts.
            let exists = self.trunks.enrolments.values().any(|it| it.trunk == *name);
            (!exists && !self.draining).then(|| Some((name.clone(), account.clone(), trunk.uri("")?))).flatten()
        });
        for (trunk, account, registrar) in wanted.collect::<Vec<_>>() {
            let (user, password) = (&account.user_name, &account.password.0);
            let registrant = Registrant::new(&registrar, user, password, self.random.next_u64(), cx.now);
            self.trunks.enrolled += 1;
            let enrolment = Enrolment { trunk, account, registrant, flow: None, client: None };
            self.trunks.enrolments.insert(self.trunks.enrolled, enrolment);
        }
        self.enrolment_timeouts(cx);
    }

    /// Takes back every registration: the server is about to stop.
    pub(crate) fn withdraw(&mut self, cx: &mut Context<'_>) {
        for number in self.trunks.enrolments.keys().copied().collect::<Vec<_>>() {
            self.enrolment_handles(number, Input::Leave, cx);
        }
    }

    pub(crate) fn enrolment_timeouts(&mut self, cx: &mut Context<'_>) {
        let due = |it: &Enrolment| it.poll_timeout().is_some_and(|at| at <= cx.now);
        let due: Vec<_> = self.trunks.enrolments.iter().filter(|(_, it)| due(it)).map(|(number, _)| *number).collect();
        for number in due {
            self.enrolment_handles(number, Input::Timeout, cx);
        }
    }

    /// A response to a REGISTER of ours.
    pub(crate) fn on_enrolled(&mut self, number: u64, client: ClientId, response: &Response, cx: &mut Context<'_>) {
        let status = response.status.code();
        if status < 200 {
            return;
        }
        self.clients.remove(&client);
        let Some(it) = self.trunks.enrolments.get_mut(&number).filter(|it| it.client == Some(client)) else { return };
        it.client = None;
        let trunk = self.trunks.all.get(&it.trunk);
        if status == 503 && it.flow.is_some_and(|flow| trunk.is_some_and(|it| it.has_fresh_way_but(flow, cx.now))) {
            // The next address may do better (RFC 3263 s4.3).
            return self.enrolment_unanswered(number, cx);
        }
        if let (Some(trunk), Some(flow)) = (self.trunks.all.get_mut(&it.trunk), it.flow) {
            trunk.wake(flow);
        }
        self.enrolment_handles(number, Input::Response(response), cx);
    }

    pub(crate) fn on_unenrolled(&mut self, number: u64, client: ClientId, cx: &mut Context<'_>) {
        self.clients.remove(&client);
        let Some(it) = self.trunks.enrolments.get_mut(&number).filter(|it| it.client == Some(client)) else { return };
        it.client = None;
        self.enrolment_unanswered(number, cx);
    }

    fn enrolment_unanswered(&mut self, number: u64, cx: &mut Context<'_>) {
        let Some(it) = self.trunks.enrolments.get(&number) else { return };
        let mut elsewhere = false;
        if let (Some(trunk), Some(flow)) = (self.trunks.all.get_mut(&it.trunk), it.flow) {
            elsewhere = trunk.has_fresh_way_but(flow, cx.now);
            trunk.rest(flow, None, cx.now);
        }
        self.enrolment_handles(number, Input::Unanswered { elsewhere }, cx);
    }

    /// A connection is closed: the trunk cannot reach us over it any more.
    pub(crate) fn enrolments_lost(&mut self, flow: Flow, cx: &mut Context<'_>) {
        self.trunks.pings.remove(&flow.remote);
        let lost = self.trunks.enrolments.iter().filter(|(_, it)| it.flow == Some(flow));
        for number in lost.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.enrolment_handles(number, Input::Lost, cx);
        }
    }

    fn enrolment_handles(&mut self, number: u64, input: Input<'_>, cx: &mut Context<'_>) {
        let Some(it) = self.trunks.enrolments.get_mut(&number) else { return };
        let ways = self.trunks.all.get(&it.trunk).map(|trunk| trunk.ways(cx.now)).unwrap_or_default();
        // Where it was, as long as that is one of the best; else the best, or where it was although the trunk is gone.
        let flow = it.flow.filter(|flow| ways.first() == Some(flow)).or(ways.first().copied()).or(it.flow);
        let Some(flow) = flow else { return };
        it.registrant.set_contact(contact(&self.settings, &it.account.user_name, flow));
        let mut said = Vec::new();
        it.registrant.handle(input, cx.now, &mut said);
        for said in said {
            self.enrolment_says(number, flow, said, cx);
        }
    }

    fn enrolment_says(&mut self, number: u64, flow: Flow, said: Said, cx: &mut Context<'_>) {
        let state = match said {
            Said::Send(mut request) => {
                request.headers.put(HeaderName::Allow, self.endpoint.allow());
                self.reach(flow, cx);
                let client = self.send(request, flow, cx);
                let Some(it) = self.trunks.enrolments.get_mut(&number) else { return };
                (it.flow, it.client) = (Some(flow), client);
                match client {
                    Some(client) => self.clients.insert(client, Purpose::Enrol(number)),
                    // There is no room for another transaction.
                    None => return self.enrolment_handles(number, Input::Unanswered { elsewhere: false }, cx),
                };
                return;
            }
            Said::Registered(seconds) => {
                if flow.transport.is_connected() {
                    self.trunks.pings.entry(flow.remote).or_insert(cx.now + PING);
                }
                TrunkState::Registered(seconds)
            }
            Said::Failed(Failure::Refused(status)) => TrunkState::Refused(status),
            Said::Failed(Failure::Unanswered) => TrunkState::Unreachable,
            Said::Left => TrunkState::Unregistered,
        };
        let Some(it) = self.trunks.enrolments.get(&number) else { return };
        cx.out.push(Output::Trunk { name: it.trunk.clone(), state });
        if state == TrunkState::Unregistered {
            self.trunks.enrolments.remove(&number);
            self.enrol(cx);
        }
    }

    /// Whether a registration lives on this connection.
    pub(crate) fn is_enrolled_over(&self, flow: Flow) -> bool {
        self.trunks.enrolments.values().any(|it| it.flow == Some(flow))
    }

    /// Pings keep a connection open through address translators (RFC 5626 s4.4.1).
    pub(crate) fn ping_trunks(&mut self, cx: &mut Context<'_>) {
        let due = self.trunks.pings.iter().filter(|(_, at)| **at <= cx.now);
        for remote in due.map(|(remote, _)| *remote).collect::<Vec<_>>() {
            let flow = Flow { transport: Transport::Tcp, remote };
            if self.is_enrolled_over(flow) && self.is_open(flow) {
                cx.out.push(Output::Transmit { to: flow, bytes: PING_BYTES.to_vec() });
                self.trunks.pings.insert(remote, cx.now + PING);
            } else {
                self.trunks.pings.remove(&remote);
            }
        }
    }
}

/// Our contact at a trunk; its user tells us for which account a call comes.
fn contact(settings: &crate::Settings, user: &str, to: Flow) -> String {
    let field = settings.contact_field(to);
    field.replacen("sip:", &format!("sip:{}@", sip_proto::message::escape_user(user)), 1)
}

/// RFC 5626 s4.4.1: between 95 and 120 s over a connection.
const PING: Duration = Duration::from_secs(100);
const PING_BYTES: &[u8] = b"\r\n\r\n";

//! Who may hear whom, by what was seen on the wire at the server's door and by the answers that users got.
//!
//! This knows nothing of the engine's ways: it reads SIP as text, and the rule is [`Model::may_hear`].

mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clock::Time;
use domain::ids::{CallId, LegId};

use crate::actors::QUEUE;
use wire::Seen;

/// A dialog with a phone, as the wire shows it. Named by its Call-ID.
#[derive(Clone, Debug, Default)]
struct Dialog {
    /// Whether the phone began it.
    by_phone: bool,
    /// The phone's number.
    phone: String,
    /// The number that the phone dialled, or is shown as its caller's.
    other: String,
    /// Whom the supervisor at this phone is to hear.
    listens: Option<String>,
    /// Whether the supervisor's right to hear it is in the audit trail.
    audited: bool,
    answered: bool,
    early: bool,
    holds: bool,
    /// Whether its user has asked the server for `Hold`.
    parked: bool,
    /// Whether the server began it because its user had asked for `Dial`: it stands for a call of the phone's.
    summoned: bool,
    over: bool,
    /// The phone's tag, once the dialog is answered: a second phone that answers the same INVITE is another dialog.
    tag: String,
    /// The CSeq of the INVITE that began it.
    invite: u32,
    /// What later INVITEs ask for, until they are answered.
    asked: BTreeMap<u32, bool>,
    /// The CSeq of the server's last re-INVITE that was answered.
    refreshed: u32,
    changed: Time,
}

/// A supervisor's right to listen.
#[derive(Clone, Debug)]
struct Right {
    target: String,
    next_only: bool,
}

/// The reference.
#[derive(Default)]
pub(crate) struct Model {
    dialogs: BTreeMap<String, Dialog>,
    legs: BTreeMap<LegId, String>,
    /// Which call a leg is on.
    calls_of: BTreeMap<LegId, CallId>,
    /// Who asked to be connected to whom.
    dials: BTreeSet<(String, String)>,
    /// Supervisors' rights, by number.
    rights: BTreeMap<String, Right>,
    pub(crate) calls: u64,
    pub(crate) sessions: u64,
}

impl Model {
    /// Whether the phone of dialog `x` may hear that of dialog `y`.
    fn may_hear(&self, x: &Dialog, y: &Dialog) -> bool {
        let live = |it: &Dialog| !it.over;
        let talks = |it: &Dialog| live(it) && it.answered && !it.holds;
        let away = |it: &Dialog| it.holds || it.parked;
        if !live(x) || !live(y) || away(x) || away(y) || y.listens.is_some() {
            return false;
        }
        if let Some(target) = &x.listens {
            let with_target = |z: &&Dialog| z.answered && live(z) && (y.phone == *target || z.phone == *target);
            return talks(x) && x.audited && talks(y) && self.partners(y).any(|z| with_target(&z));
        }
        let waits = x.by_phone && !x.answered || x.summoned && x.answered;
        are_partners(x, y) && (talks(x) && talks(y) || waits && y.early && !y.answered)
    }

    fn partners<'a>(&'a self, of: &'a Dialog) -> impl Iterator<Item = &'a Dialog> {
        self.dialogs.values().filter(|it| !it.over && are_partners(of, it))
    }

    /// Holds a matrix against the rule: what is in it must be allowed now.
    pub(crate) fn forbidden(&self, ear: LegId, mouth: LegId) -> Option<String> {
        let dialog = |leg: LegId| self.legs.get(&leg).and_then(|it| self.dialogs.get(it));
        match (dialog(ear), dialog(mouth)) {
            (Some(x), Some(y)) if self.may_hear(x, y) => None,
            (x, y) => Some(format!("{ear} hears {mouth} and may not: {x:?} hears {y:?}")),
        }
    }

    /// What is allowed and has been for long enough must be in the matrix.
    pub(crate) fn missing(&self, hears: impl Fn(LegId, LegId) -> bool, now: Time) -> Option<String> {
        let legs: Vec<(LegId, &Dialog)> = self
            .legs
            .iter()
            .filter_map(|(leg, id)| Some((*leg, self.dialogs.get(id).filter(|it| !it.over)?)))
            .collect();
        let only = |phone: &str| legs.iter().filter(|(_, it)| it.phone == phone).count() == 1;
        for (ear, x) in &legs {
            for (mouth, y) in &legs {
                let watched = x.listens.as_deref().unwrap_or(&x.phone);
                let partners = self.partners(y).map(|it| it.changed);
                let changed = partners.chain([x.changed, y.changed]).max().unwrap_or(now);
                let settled = now.since(changed) > SETTLING;
                let clear = only(&x.phone) && only(&y.phone) && only(watched);
                if settled && clear && ear != mouth && self.may_hear(x, y) && !hears(*ear, *mouth) {
                    return Some(format!("{ear} does not hear {mouth} and should: {x:?} hears {y:?}"));
                }
            }
        }
        None
    }

    /// A datagram has reached the server.
    pub(crate) fn came(&mut self, bytes: &[u8], now: Time) -> Option<String> {
        let seen = Seen::read(bytes)?;
        let id = seen.call_id.clone();
        if seen.code.is_some() {
            self.answer_came(&seen, now);
        } else {
            self.request_came(&seen, now);
        }
        Some(id)
    }

    fn request_came(&mut self, seen: &Seen, now: Time) {
        match seen.method.as_str() {
            "INVITE" if !seen.inside => {
                let dialog = self.dialogs.entry(seen.call_id.clone()).or_default();
                if dialog.answered || (dialog.invite >= seen.cseq && dialog.invite > 0) {
                    return;
                }
                *dialog = Dialog {
                    by_phone: true,
                    phone: seen.from.clone(),
                    other: seen.target.clone(),
                    holds: seen.holds,
                    invite: seen.cseq,
                    changed: now,
                    ..Dialog::default()
                };
            }
            "INVITE" => {
                if let Some(dialog) = self.dialogs.get_mut(&seen.call_id) {
                    dialog.asked.insert(seen.cseq, seen.holds);
                }
            }
            _ => {}
        }
    }

    fn answer_came(&mut self, seen: &Seen, now: Time) {
        let code = seen.code.unwrap_or(0);
        let Some(dialog) = self.dialogs.get_mut(&seen.call_id) else { return };
        if seen.method != "INVITE" {
            return;
        }
        if dialog.by_phone || seen.cseq != dialog.invite {
            // An answer to the server's re-INVITE says anew whether its phone holds.
            if (200..300).contains(&code) && seen.cseq > dialog.refreshed {
                dialog.refreshed = seen.cseq;
                if seen.holds != dialog.holds {
                    (dialog.holds, dialog.changed) = (seen.holds, now);
                }
            }
            return;
        }
        match code {
            180..=199 if seen.has_body => (dialog.early, dialog.changed) = (true, now),
            200..=299 if !dialog.answered && !dialog.over => {
                (dialog.answered, dialog.holds, dialog.changed) = (true, seen.holds, now);
                dialog.tag.clone_from(&seen.tags[1]);
                (self.calls, self.sessions) = match dialog.listens {
                    Some(_) => (self.calls, self.sessions + 1),
                    None => (self.calls + 1, self.sessions),
                };
            }
            300.. if !dialog.answered => self.ends(seen, now),
            _ => {}
        }
    }

    /// The server has sent a datagram. Answers with the Call-ID, and what is wrong with it.
    pub(crate) fn went(&mut self, bytes: &[u8], now: Time) -> Result<Option<String>, String> {
        let Some(seen) = Seen::read(bytes) else { return Ok(None) };
        match seen.code {
            Some(code) => self.answer_went(&seen, code, now),
            None => self.request_went(&seen, now)?,
        }
        Ok(Some(seen.call_id))
    }

    fn answer_went(&mut self, seen: &Seen, code: u16, now: Time) {
        // A BYE that overtakes the answer which it is to end is refused with 481, and changes nothing.
        if seen.method == "BYE" && code == 200 {
            return self.ends(seen, now);
        }
        let Some(dialog) = self.dialogs.get_mut(&seen.call_id).filter(|_| seen.method == "INVITE") else { return };
        if seen.cseq != dialog.invite || !dialog.by_phone {
            if let Some(holds) = dialog.asked.remove(&seen.cseq).filter(|it| code == 200 && *it != dialog.holds) {
                (dialog.holds, dialog.changed) = (holds, now);
            }
            return;
        }
        match code {
            200..=299 if !dialog.answered && !dialog.over => {
                (dialog.answered, dialog.changed) = (true, now);
                dialog.tag.clone_from(&seen.tags[0]);
            }
            300.. if !dialog.answered => self.ends(seen, now),
            _ => {}
        }
    }

    fn request_went(&mut self, seen: &Seen, now: Time) -> Result<(), String> {
        match seen.method.as_str() {
            "INVITE" if !seen.inside && !self.dialogs.contains_key(&seen.call_id) => {
                let listens = seen.display.strip_prefix("ListenIn ").map(str::to_owned);
                let right = self.rights.get(&seen.target).map(|it| &it.target);
                if listens.is_some() && listens.as_ref() != right {
                    return Err(format!("{} is offered {listens:?} without an order: {right:?}", seen.target));
                }
                let summoned = seen.answers_itself && listens.is_none();
                if summoned && !self.dials.contains(&(seen.target.clone(), seen.from.clone())) {
                    return Err(format!("{} is to answer by itself and has not asked for {}", seen.target, seen.from));
                }
                let dialog = Dialog {
                    phone: seen.target.clone(),
                    other: seen.from.clone(),
                    listens,
                    summoned,
                    invite: seen.cseq,
                    changed: now,
                    ..Dialog::default()
                };
                self.dialogs.insert(seen.call_id.clone(), dialog);
            }
            "BYE" | "CANCEL" => self.ends(seen, now),
            _ => {}
        }
        Ok(())
    }

    fn ends(&mut self, seen: &Seen, now: Time) {
        let Some(dialog) = self.dialogs.get_mut(&seen.call_id).filter(|it| !it.over) else { return };
        if dialog.answered && !seen.tags.contains(&dialog.tag) {
            return;
        }
        (dialog.over, dialog.changed) = (true, now);
        // An order for one call has had it once its supervisor has heard it.
        let heard = dialog.listens.is_some() && dialog.answered && dialog.audited;
        if heard && self.rights.get(&dialog.phone).is_some_and(|it| it.next_only) {
            self.rights.remove(&dialog.phone.clone());
        }
    }

    /// A leg is that of this dialog.
    pub(crate) fn bind(&mut self, leg: LegId, call_id: String) {
        self.legs.insert(leg, call_id);
    }

    pub(crate) fn unbind(&mut self, leg: LegId) {
        // Its dialog is remembered: an INVITE that has no answer yet is repeated until it can be cancelled.
        self.calls_of.remove(&leg);
        if let Some(dialog) = self.legs.remove(&leg).and_then(|it| self.dialogs.get_mut(&it)) {
            dialog.over = true;
        }
    }

    pub(crate) fn on_call(&mut self, leg: LegId, call: CallId) {
        self.calls_of.insert(leg, call);
    }

    /// `Dial` has been accepted: from now on the server may call this phone to connect it.
    pub(crate) fn asked_to_dial(&mut self, number: &str, whom: &str) {
        self.dials.insert((number.to_owned(), whom.to_owned()));
    }

    /// `Hold` or `Retrieve` has been accepted for what this phone is to a call: a party, or else a listener.
    pub(crate) fn parked(&mut self, number: &str, call: CallId, parked: bool, now: Time) {
        let on_it = |(leg, id): (&LegId, &String)| {
            let dialog = self.dialogs.get(id).filter(|it| it.phone == number && it.listens.is_none())?;
            (self.calls_of.get(leg) == Some(&call) && !dialog.over).then(|| id.clone())
        };
        let party: Vec<String> = self.legs.iter().filter_map(on_it).collect();
        for (id, dialog) in &mut self.dialogs {
            let listens = party.is_empty() && dialog.phone == number && dialog.listens.is_some() && !dialog.over;
            if listens || party.contains(id) {
                (dialog.parked, dialog.changed) = (parked, now);
            }
        }
    }

    /// A supervisor's order has been accepted. Its phone, if it is listening, listens there from now on.
    pub(crate) fn ordered(&mut self, supervisor: &str, target: &str, next_only: bool, now: Time) {
        self.rights.insert(supervisor.to_owned(), Right { target: target.to_owned(), next_only });
        let listening = |it: &&mut Dialog| it.phone == supervisor && it.listens.is_some();
        for dialog in self.dialogs.values_mut().filter(listening) {
            if dialog.listens.as_deref() != Some(target) {
                (dialog.listens, dialog.audited, dialog.changed) = (Some(target.to_owned()), false, now);
            }
        }
    }

    pub(crate) fn cancelled(&mut self, supervisor: &str) {
        self.rights.remove(supervisor);
    }

    /// Nobody listens for a user who has logged out, and no order on one stands (E-17 to E-19).
    pub(crate) fn logged_out(&mut self, number: &str, now: Time) {
        self.rights.remove(number);
        self.rights.retain(|_, right| right.target != number);
        let listening = |it: &&mut Dialog| it.phone == number && it.listens.is_some();
        for dialog in self.dialogs.values_mut().filter(listening) {
            (dialog.audited, dialog.changed) = (false, now);
        }
    }

    /// The beginning of a session has been committed to the audit trail.
    pub(crate) fn audited(&mut self, supervisor: &str, target: &str, now: Time) {
        let the_one = |it: &&mut Dialog| it.phone == supervisor && it.listens.as_deref() == Some(target) && !it.over;
        for dialog in self.dialogs.values_mut().filter(the_one) {
            (dialog.audited, dialog.changed) = (true, now);
        }
    }

    /// The server has been started again: it knows of no dialog.
    pub(crate) fn restarted(&mut self, orders: BTreeMap<String, (String, bool)>) {
        self.dialogs.clear();
        self.legs.clear();
        self.calls_of.clear();
        self.dials.clear();
        let right = |(supervisor, (target, next_only))| (supervisor, Right { target, next_only });
        self.rights = orders.into_iter().map(right).collect();
    }

    /// Legs that the model has not seen the end of.
    pub(crate) fn bound(&self) -> BTreeSet<LegId> {
        self.legs.keys().copied().collect()
    }
}

/// Whether two dialogs are the two sides of one call: one began it, and the other was called for it.
fn are_partners(x: &Dialog, y: &Dialog) -> bool {
    let began = |x: &Dialog, y: &Dialog| {
        // A phone that was called for its own `Dial` has begun the call as much as one that dialled.
        let begins = |it: &Dialog| it.by_phone || it.summoned;
        // Whoever calls the queue is a partner of everybody who is called for it.
        let called = x.other == y.phone || x.other == QUEUE;
        begins(x) && !begins(y) && y.listens.is_none() && called && y.other == x.phone
    };
    x.listens.is_none() && (began(x, y) || began(y, x))
}

/// How long it may take until everybody hears what is theirs to hear: storage is slow, and so is the network.
const SETTLING: Duration = Duration::from_secs(2);

//! Phones that can be told to answer: `Allow-Events: talk` says so, `NOTIFY` with `Event: talk` tells them.
//!
//! No RFC defines the event; Polycom, Yealink, Snom, Grandstream and others take it inside the early dialog of the call that
//! rings, without a subscription.

use domain::{ids::LegId, leg::LegEvent};
use sip_proto::{ClientId, HeaderName, HeadersExt, MessageExt, Method, Response};

use crate::{Context, Legs, Purpose, leg::Stage};

/// Whether the phone that sends this response can be told to answer.
pub(crate) fn accepts(response: &Response) -> bool {
    let fields = response.texts(&HeaderName::AllowEvents);
    fields.iter().flat_map(|it| it.split(',')).any(|it| it.trim().eq_ignore_ascii_case("talk"))
}

impl Legs {
    /// Tells the domain, once, that the phone can be told to answer.
    pub(crate) fn note_pick_up(&mut self, id: LegId, cx: &mut Context<'_>) {
        let Some(Stage::Calling(calling)) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return };
        if calling.picks_up().is_some() && !std::mem::replace(&mut calling.told_pick_up, true) {
            cx.tell(id, LegEvent::Answerable);
        }
    }

    /// Of several phones that ring the first that takes it is told: one answer wins anyway.
    pub(crate) fn pick_up(&mut self, id: LegId, cx: &mut Context<'_>) {
        let Some(Stage::Calling(calling)) = self.legs.get_mut(&id).map(|it| &mut it.stage) else { return };
        let asked = calling.picks_up().map(|it| (it.request(&Method::Notify), it.clone()));
        let sent = asked.and_then(|(mut notify, dialog)| {
            let flow = self.way(&dialog, cx)?;
            notify.headers.add(HeaderName::Contact, self.settings.contact_field(flow));
            notify.headers.add(HeaderName::Event, "talk");
            notify.headers.add(HeaderName::SubscriptionState, "active");
            self.send(notify, flow, cx)
        });
        match sent {
            Some(client) => drop(self.clients.insert(client, Purpose::PickUp(id))),
            None => cx.tell(id, LegEvent::PickUpRefused),
        }
    }

    /// A phone that has answered meanwhile has done as it was told, whatever it says.
    pub(crate) fn on_picked_up(&mut self, id: LegId, client: ClientId, status: u16, cx: &mut Context<'_>) {
        if status < 200 {
            return;
        }
        self.clients.remove(&client);
        let rings = matches!(self.legs.get(&id).map(|it| &it.stage), Some(Stage::Calling(_)));
        if status >= 300 && rings {
            cx.tell(id, LegEvent::PickUpRefused);
        }
    }
}

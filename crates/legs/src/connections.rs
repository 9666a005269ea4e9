//! TCP connections that peers open: messages out of them, keep-alives, and what ends with them.

use std::net::SocketAddr;

use sip_proto::{Dialog, Flow, Input as Wire, registrar, stream::PONG};

use crate::{Context, Legs, Output, leg::Leg};

impl Legs {
    pub(crate) fn on_stream(&mut self, source: SocketAddr, bytes: &[u8], cx: &mut Context<'_>) {
        let Ok(received) = self.streams.receive(source, bytes, cx.now) else {
            return self.disconnect(source, cx);
        };
        let from = Flow::tcp(source);
        for _ in 0..received.pings {
            cx.out.push(Output::Transmit { to: from, bytes: PONG.to_vec() });
        }
        for message in received.messages {
            self.endpoint.handle(Wire::Message { message, from }, cx.now, &mut self.wire);
            self.dispatch(cx);
        }
    }

    /// Phones that were registered over the connection no longer are (RFC 5626 s4.2.2), and requests that went over it
    /// get no answer. Dialogs live on: their phones may connect again.
    pub(crate) fn on_disconnected(&mut self, source: SocketAddr, cx: &mut Context<'_>) {
        self.streams.close(source);
        let flow = Flow::tcp(source);
        self.registrar_says(registrar::Input::Closed(flow), cx);
        self.endpoint.handle(Wire::Closed(flow), cx.now, &mut self.wire);
        self.dispatch(cx);
        self.enrolments_lost(flow, cx);
    }

    /// Where a dialog's requests go now. A phone whose connection is gone may have registered over another one; a trunk
    /// is connected to again.
    pub(crate) fn way(&mut self, dialog: &Dialog, cx: &mut Context<'_>) -> Option<Flow> {
        let flow = dialog.flow();
        if self.leads_to_trunk(flow) {
            self.reach(flow, cx);
        }
        if self.is_open(flow) {
            return Some(flow);
        }
        let again =
            |it: &&registrar::Binding| it.flow.transport.is_connected() && it.contact.equivalent(dialog.target());
        self.registrar.iter().map(|(_, it)| it).find(again).map(|it| it.flow)
    }

    pub(crate) fn is_open(&self, flow: Flow) -> bool {
        !flow.transport.is_connected() || self.streams.is_open(flow.remote)
    }

    fn disconnect(&mut self, source: SocketAddr, cx: &mut Context<'_>) {
        cx.out.push(Output::Disconnect(source));
        self.on_disconnected(source, cx);
    }

    /// Closes connections that nothing useful comes over.
    pub(crate) fn close_idle(&mut self, cx: &mut Context<'_>) {
        while let Some(overdue) = self.streams.overdue(cx.now) {
            let flow = Flow::tcp(overdue.remote);
            if overdue.is_idle && self.is_used(flow) {
                self.streams.keep(overdue.remote, cx.now);
            } else {
                self.disconnect(overdue.remote, cx);
            }
        }
    }

    /// Whether a phone is registered over this connection or has a call over it.
    fn is_used(&self, flow: Flow) -> bool {
        self.registrar.iter().any(|(_, it)| it.flow == flow)
            || self.is_enrolled_over(flow)
            || self.legs.values().flat_map(Leg::dialogs).map(Dialog::flow).any(|it| it == flow)
    }
}

//! The one task that owns the machine: feeds it, carries out what it says, and keeps its one timer.

use std::{collections::HashMap, future::pending, mem, time::Duration};

use clock::{Clock, Time};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::handle::{Inbox, Order};
use crate::proto::{Audience, Event, Identity, Machine, Message, Output, Publication, RequestId, SocketId};

/// What HTTP handlers and WebSocket tasks report.
pub(super) enum Input {
    Request { id: RequestId, from: Identity, messages: Vec<Message>, answer: oneshot::Sender<String> },
    SocketOpened { id: SocketId, from: Identity, orders: mpsc::Sender<SocketOrder> },
    Event(Event),
}

/// What a WebSocket's task is to do.
#[derive(Debug)]
pub(super) enum SocketOrder {
    Send(String),
    Close { code: u16, reason: &'static str },
}

pub(super) struct Owner {
    machine: Machine,
    clock: Clock,
    inputs: mpsc::Receiver<Input>,
    late: mpsc::UnboundedReceiver<Event>,
    inbox: Inbox,
    waiting: HashMap<RequestId, oneshot::Sender<String>>,
    sockets: HashMap<SocketId, mpsc::Sender<SocketOrder>>,
    has_shut_down: bool,
}

impl Owner {
    pub(super) fn new(
        machine: Machine,
        clock: Clock,
        inputs: mpsc::Receiver<Input>,
        late: mpsc::UnboundedReceiver<Event>,
        inbox: Inbox,
    ) -> Self {
        let (waiting, sockets) = (HashMap::new(), HashMap::new());
        Self { machine, clock, inputs, late, inbox, waiting, sockets, has_shut_down: false }
    }

    /// Runs until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let (mut inputs, mut orders) = (Vec::with_capacity(AT_ONCE), Vec::with_capacity(AT_ONCE));
        let mut timer: Option<Time> = None;
        let mut sleep = Box::pin(sleep_until(Instant::now()));
        loop {
            let due = self.machine.poll_timeout();
            // Deadlines mostly move away; a timer that fires too early costs less than one that is set again each time.
            if let Some(due) = due.filter(|due| timer.is_none_or(|it| *due < it)) {
                timer = Some(due);
                sleep.as_mut().reset(Instant::now() + due.since(self.clock.now()).max(Duration::from_millis(1)));
            }
            tokio::select! {
                count = self.inputs.recv_many(&mut inputs, AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                }
                Some(event) = self.late.recv() => self.feed(event),
                // Without publishers there may still be clients.
                _ = receive(&mut self.inbox.orders, &mut orders) => {}
                () = self.inbox.urgent.noted() => {}
                () = &mut sleep, if timer.is_some() => {
                    timer = None;
                    self.feed(Event::Timeout);
                }
            }
            self.end_lost();
            self.carry_out(&mut orders);
            inputs.drain(..).for_each(|it| self.take_in(it));
            if self.inbox.urgent.is_shut_down() && !mem::replace(&mut self.has_shut_down, true) {
                self.shut_down(&mut orders);
            }
            self.inbox.urgent.show(self.machine.counts());
        }
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Request { id, from, messages, answer } => {
                let is_gone = answer.is_closed();
                self.waiting.insert(id, answer);
                self.feed(Event::Request { id, from, messages });
                if is_gone {
                    self.feed(Event::Gone(id));
                }
            }
            Input::SocketOpened { id, from, orders } => {
                self.sockets.insert(id, orders);
                self.feed(Event::SocketOpened { id, from });
            }
            Input::Event(event) => self.feed(event),
        }
    }

    /// Publications that came together leave together.
    fn carry_out(&mut self, orders: &mut Vec<Order>) {
        let mut publications: Vec<Publication> = Vec::new();
        for order in orders.drain(..) {
            match order {
                Order::Deliver(it) => publications.push(it),
                Order::End(whose, why) => {
                    self.feed(Event::Publish(mem::take(&mut publications)));
                    self.feed(Event::End(whose, why));
                }
            }
        }
        if !publications.is_empty() {
            self.feed(Event::Publish(publications));
        }
    }

    fn end_lost(&mut self) {
        let Some(ended) = self.inbox.urgent.take_ended() else { return };
        if let Some(why) = ended.everybody {
            tracing::warn!("the inbox is full; all sessions start anew");
            self.feed(Event::End(Audience::Everybody, why));
        }
        for (principal, why) in ended.principals {
            tracing::warn!(%principal, "the inbox is full; the sessions of one principal start anew");
            self.feed(Event::End(Audience::Principal(principal), why));
        }
    }

    fn shut_down(&mut self, orders: &mut Vec<Order>) {
        while let Ok(order) = self.inbox.orders.try_recv() {
            orders.push(order);
        }
        self.carry_out(orders);
        self.feed(Event::Shutdown);
    }

    fn feed(&mut self, event: Event) {
        match &event {
            Event::Gone(id) => drop(self.waiting.remove(id)),
            Event::SocketClosed(id) => drop(self.sockets.remove(id)),
            _ => {}
        }
        let now = self.clock.now();
        let mut undone = Vec::new();
        for output in self.machine.handle(event, now) {
            undone.extend(self.act(output));
        }
        for event in undone {
            self.feed(event);
        }
    }

    /// Carries out one output. An answer that nobody waits for any more comes back as an event.
    fn act(&mut self, output: Output) -> Option<Event> {
        match output {
            Output::Answer { id, body } => {
                let is_sent = self.waiting.remove(&id).is_some_and(|it| it.send(body).is_ok());
                return (!is_sent).then_some(Event::Gone(id));
            }
            Output::Send { id, frame } => self.order(id, SocketOrder::Send(frame)),
            Output::Close { id, code, reason } => {
                self.order(id, SocketOrder::Close { code, reason });
                self.sockets.remove(&id);
            }
        }
        None
    }

    /// Invariant: a WebSocket's orders are never more than a frame and a close, for which there is room.
    fn order(&mut self, id: SocketId, order: SocketOrder) {
        let Some(orders) = self.sockets.get(&id) else { return };
        let sent = orders.try_send(order);
        debug_assert!(!matches!(sent, Err(mpsc::error::TrySendError::Full(_))), "two frames at once");
    }
}

/// Waits for orders; for ever, once nobody can give any.
async fn receive(from: &mut mpsc::Receiver<Order>, into: &mut Vec<Order>) {
    if from.recv_many(into, AT_ONCE).await == 0 {
        pending::<()>().await;
    }
}

/// How much is taken up before clients are answered. More would save little, and would delay the first.
const AT_ONCE: usize = 256;

/// Orders a WebSocket's task may have waiting: a frame and a close.
pub(super) const SOCKET_ORDERS: usize = 2;

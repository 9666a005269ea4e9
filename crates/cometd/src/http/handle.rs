//! How the program around the server publishes, and what it can see.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::{
    Notify,
    mpsc::{self, error::TrySendError},
};

use crate::proto::{Audience, Counts, Ending, Principal, Publication};

/// Publishes to sessions. Nothing here waits; it may be used from any thread. Calls of one thread keep their order.
#[derive(Clone)]
pub struct Handle {
    orders: mpsc::Sender<Order>,
    pub(super) shared: Arc<Urgent>,
}

/// Figures for an operator.
pub type Stats = Counts;

/// What is passed to the owner of the machine in order.
#[derive(Debug)]
pub(super) enum Order {
    Deliver(Publication),
    End(Audience, Ending),
}

/// The receiving side of a [`Handle`].
pub(super) struct Inbox {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) urgent: Arc<Urgent>,
}

/// What cannot wait in a queue, and what can be read without asking.
#[derive(Default)]
pub(super) struct Urgent {
    /// Set whenever `ended` is not empty.
    has_ended: AtomicBool,
    ended: Mutex<Ended>,
    is_shut_down: AtomicBool,
    wake: Notify,
    stats: [AtomicU64; 7],
}

/// Whose sessions have to end because an order for them found no room.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) principals: BTreeMap<Principal, Ending>,
    pub(super) everybody: Option<Ending>,
}

pub(super) fn channel(room: usize) -> (Handle, Inbox) {
    let (sender, orders) = mpsc::channel(room.max(1));
    let urgent = Arc::new(Urgent::default());
    (Handle { orders: sender, shared: urgent.clone() }, Inbox { orders, urgent })
}

impl Handle {
    /// Delivers `data`, which is JSON, to all sessions of the principal that subscribed to `channel`.
    ///
    /// If the server cannot keep up and its inbox is full, the principal's sessions end and their clients are told to
    /// shake hands again: a message is never left out silently.
    pub fn deliver(&self, principal: &Principal, channel: &str, data: Arc<str>) {
        let to = Audience::Principal(principal.clone());
        self.send(Order::Deliver(Publication { to, channel: channel.into(), data }));
    }

    /// Delivers `data`, which is JSON, to all sessions that subscribed to `channel`, whoever they belong to.
    pub fn broadcast(&self, channel: &str, data: Arc<str>) {
        self.send(Order::Deliver(Publication { to: Audience::Everybody, channel: channel.into(), data }));
    }

    /// Ends all sessions and WebSockets of the principal, as when it logged out: whoever comes back is authenticated
    /// again. Deliveries before this call still leave before it.
    pub fn end_principal_sessions(&self, principal: &Principal) {
        self.send(Order::End(Audience::Principal(principal.clone()), Ending::Revoked));
    }

    /// Answers every held poll, closes every WebSocket and takes no more requests. What was delivered before is still
    /// sent where there is a way.
    pub fn shutdown(&self) {
        self.shared.is_shut_down.store(true, Ordering::Release);
        self.shared.wake.notify_one();
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.stats().sessions
    }

    /// The figures as they stood a moment ago.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let [sessions, sockets, held_polls, delivered, unread, lost, doubtful] =
            self.shared.stats.each_ref().map(|it| it.load(Ordering::Relaxed));
        Stats { sessions, sockets, held_polls, delivered, unread, lost, doubtful }
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.shared.is_shut_down()
    }

    fn send(&self, order: Order) {
        match self.orders.try_send(order) {
            Ok(()) | Err(TrySendError::Closed(_)) => {}
            Err(TrySendError::Full(Order::Deliver(it))) => self.shared.end(it.to, Ending::Lost),
            Err(TrySendError::Full(Order::End(whose, why))) => self.shared.end(whose, why),
        }
    }
}

impl Urgent {
    /// Takes what was noted since the last call. Whoever takes orders out of the inbox asks this before carrying them
    /// out, since they are younger than the order that found no room.
    pub(super) fn take_ended(&self) -> Option<Ended> {
        if !self.has_ended.swap(false, Ordering::AcqRel) {
            return None;
        }
        Some(std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.is_shut_down.load(Ordering::Acquire)
    }

    /// Returns when something was noted here.
    pub(super) async fn noted(&self) {
        self.wake.notified().await;
    }

    pub(super) fn show(&self, counts: Counts) {
        let Counts { sessions, sockets, held_polls, delivered, unread, lost, doubtful } = counts;
        for (shown, count) in self.stats.iter().zip([sessions, sockets, held_polls, delivered, unread, lost, doubtful])
        {
            shown.store(count, Ordering::Relaxed);
        }
    }

    fn end(&self, whose: Audience, why: Ending) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match whose {
            // The greater ending does all that the lesser does.
            Audience::Principal(principal) if ended.everybody < Some(why) => {
                let noted = ended.principals.entry(principal).or_insert(why);
                *noted = why.max(*noted);
            }
            Audience::Principal(_) => {}
            Audience::Everybody => ended.everybody = ended.everybody.max(Some(why)),
        }
        self.has_ended.store(true, Ordering::Release);
        drop(ended);
        self.wake.notify_one();
    }
}

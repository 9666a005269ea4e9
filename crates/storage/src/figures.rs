//! What an operator wants to know of the database: how much waits, how much was written, and whether it can be written.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// What has been written and what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Stores that wait to be written.
    pub waiting: usize,
    /// Stores committed since the start.
    pub committed: u64,
    /// Stores that could not be written, since the start.
    pub failed: u64,
    /// Whether the last attempt to write failed. It is repeated every second until the database can be written again.
    pub is_ailing: bool,
}

/// Kept by the writing task, read by everybody.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    committed: AtomicU64,
    failed: AtomicU64,
    is_ailing: AtomicBool,
}

impl Tally {
    pub(crate) fn committed(&self, stores: usize) {
        self.committed.fetch_add(stores as u64, Relaxed);
        self.is_ailing.store(false, Relaxed);
    }

    pub(crate) fn failed(&self, stores: usize) {
        self.failed.fetch_add(stores as u64, Relaxed);
        self.is_ailing.store(true, Relaxed);
    }

    pub(crate) fn is_ailing(&self) -> bool {
        self.is_ailing.load(Relaxed)
    }

    pub(crate) fn read(&self, waiting: usize) -> Figures {
        Figures {
            waiting,
            committed: self.committed.load(Relaxed),
            failed: self.failed.load(Relaxed),
            is_ailing: self.is_ailing(),
        }
    }
}

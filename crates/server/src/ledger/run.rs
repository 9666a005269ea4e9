//! The thread that keeps the event log.

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use clock::Clock;
use storage::{EventLog, Keep, Page};
use tokio::runtime::Runtime;

use super::Ledger;
use crate::{
    figures,
    tape::{Reel, Tape},
};

/// Opens the log and starts its thread, which ends when the tape is gone and all of it is written. Where the log cannot
/// be opened there is none: calls do not need it.
pub(crate) fn start(url: &str, keep: Keep, clock: Clock) -> (Tape, Option<JoinHandle<()>>) {
    let begin = || -> Result<_, Box<dyn std::error::Error>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let log = runtime.block_on(EventLog::open(url, keep))?;
        let (sender, reels) = mpsc::sync_channel(REELS);
        let keeper = Keeper { ledger: Ledger::default(), log, runtime, clock, is_failing: false };
        let thread = std::thread::Builder::new().name("events".into()).spawn(move || keeper.run(&reels))?;
        Ok((Tape::new(sender), Some(thread)))
    };
    begin().unwrap_or_else(|error| {
        tracing::error!(%error, "there is no event log");
        (Tape::default(), None)
    })
}

struct Keeper {
    ledger: Ledger,
    log: EventLog,
    runtime: Runtime,
    clock: Clock,
    is_failing: bool,
}

impl Keeper {
    fn run(mut self, reels: &Receiver<Reel>) {
        let mut since = Instant::now();
        loop {
            let wait = if self.ledger.len() == 0 { IDLE } else { PAGE.saturating_sub(since.elapsed()) };
            match reels.recv_timeout(wait) {
                Ok(reel) => {
                    if self.ledger.len() == 0 {
                        since = Instant::now();
                    }
                    self.ledger.take(reel);
                    if since.elapsed() < PAGE && self.ledger.len() < ENOUGH {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.write();
        }
        self.write();
        let Self { log, runtime, .. } = self;
        if let Err(error) = runtime.block_on(log.close()) {
            tracing::warn!(%error, "the event log did not close cleanly");
        }
    }

    /// Writes what there is. Where that fails it is lost: the log is not worth more memory than it has.
    fn write(&mut self) {
        let (pages, now) = (self.ledger.pages(), self.clock.now());
        let events = pages.iter().map(Page::count).sum();
        let written = if pages.is_empty() { self.log_prune(now) } else { self.log_write(&pages, now) };
        match written {
            Ok(()) => {
                figures::events_written(events);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!("the event log can be written again");
                }
            }
            Err(error) => {
                figures::events_lost(events);
                self.ledger.missing(events);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::error!(%error, "events are lost");
                }
            }
        }
    }

    fn log_write(&mut self, pages: &[Page], now: clock::Time) -> Result<(), storage::WriteError> {
        self.runtime.block_on(self.log.write(pages, now))
    }

    fn log_prune(&mut self, now: clock::Time) -> Result<(), storage::WriteError> {
        self.runtime.block_on(self.log.prune(now))
    }
}

/// Pieces of tape that may wait: with [`Tape`]'s own bounds, what a second of a storm makes.
const REELS: usize = 16;
/// How long a page may be filled. With the tape's own wait it is on disk within a second.
const PAGE: Duration = Duration::from_millis(500);
/// Octets after which it is not filled further.
const ENOUGH: usize = 1 << 20;
/// How often old pages are looked for while nothing happens.
const IDLE: Duration = Duration::from_secs(3600);

//! The task that owns the connection: it writes what waits, several stores in one transaction.

use std::{sync::Arc, time::Duration};

use domain::{event::Outcome, ids::Ticket, record::Audit, record::Record};
use sqlx::{Connection, Error, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::{
    figures::Tally,
    load::{self, LoadError},
    write::write,
};

/// What the task is asked for.
pub(crate) enum Job {
    /// Records to be committed together.
    Store(Store),
    /// The newest entries of the audit trail.
    Audit(u32, oneshot::Sender<Result<Vec<Audit>, LoadError>>),
    /// Write what waits, close the database, say so.
    Close(oneshot::Sender<()>),
}

/// Records to be committed together.
pub(crate) struct Store {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) records: Vec<Record>,
}

/// Works until it is told to close or nobody is left to tell it anything.
pub(crate) async fn run(
    mut db: SqliteConnection,
    mut jobs: mpsc::Receiver<Job>,
    tally: Arc<Tally>,
    mut report: impl FnMut(Ticket, Outcome),
) {
    let mut waiting = Vec::new();
    let mut closing = None;
    while closing.is_none() && wait(&mut db, &mut jobs, &mut waiting, &tally).await {
        let mut batch = Vec::new();
        for job in waiting.drain(..) {
            match job {
                Job::Store(store) => batch.push(store),
                Job::Audit(limit, answer) => {
                    store_all(&mut db, std::mem::take(&mut batch), &tally, &mut report).await;
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(load::audit_trail(&mut db, limit).await);
                }
                Job::Close(answer) => {
                    jobs.close();
                    closing = Some(answer);
                }
            }
        }
        store_all(&mut db, batch, &tally, &mut report).await;
    }
    drain(&mut db, &mut jobs, &tally, &mut report).await;
    if let Err(error) = db.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
    if let Some(answer) = closing {
        let _ = answer.send(());
    }
}

/// Waits for jobs; false when there will be none. While the database cannot be written it is tried every second, since
/// those who look for another server meanwhile give us nothing to write.
async fn wait(
    db: &mut SqliteConnection,
    jobs: &mut mpsc::Receiver<Job>,
    waiting: &mut Vec<Job>,
    tally: &Tally,
) -> bool {
    loop {
        let more = jobs.recv_many(waiting, BATCH);
        if !tally.is_ailing() {
            return more.await > 0;
        }
        match tokio::time::timeout(PROBE, more).await {
            Ok(count) => return count > 0,
            Err(_) => {
                if probe(db).await.is_ok() {
                    tally.committed(0);
                    tracing::info!("the database can be written again");
                }
            }
        }
    }
}

/// Writes to the file without changing what it says: a number in its header that nobody else uses.
async fn probe(db: &mut SqliteConnection) -> Result<(), Error> {
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *db).await?;
    let next = if version == 0 { "PRAGMA user_version = 1" } else { "PRAGMA user_version = 0" };
    sqlx::query(next).execute(db).await.map(drop)
}

/// What was queued before the queue was closed.
async fn drain(
    db: &mut SqliteConnection,
    jobs: &mut mpsc::Receiver<Job>,
    tally: &Tally,
    report: &mut impl FnMut(Ticket, Outcome),
) {
    let mut batch = Vec::new();
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Store(store) => batch.push(store),
            Job::Audit(..) => {}
            Job::Close(answer) => drop(answer),
        }
    }
    store_all(db, batch, tally, report).await;
}

/// Everything in one transaction; where its records fail, each store in one of its own, so that a bad one fails alone.
/// Where no transaction can even begin, all fail at once: waiting for a lock once for each would take an hour.
async fn store_all(
    db: &mut SqliteConnection,
    batch: Vec<Store>,
    tally: &Tally,
    report: &mut impl FnMut(Ticket, Outcome),
) {
    match commit(db, &batch).await {
        Ok(()) if batch.is_empty() => {}
        Ok(()) => {
            tally.committed(batch.len());
            tell(&batch, Outcome::Committed, report);
        }
        Err(Failure::Records(_)) if batch.len() > 1 => {
            for store in batch {
                // Boxed, because it calls itself; one store is not divided further.
                Box::pin(store_all(db, vec![store], tally, &mut *report)).await;
            }
        }
        Err(Failure::Begin(error) | Failure::Records(error)) => {
            tracing::error!(%error, stores = batch.len(), "records could not be written");
            tally.failed(batch.len());
            tell(&batch, Outcome::Failed, report);
        }
    }
}

fn tell(stores: &[Store], outcome: Outcome, report: &mut impl FnMut(Ticket, Outcome)) {
    stores.iter().filter_map(|it| it.ticket).for_each(|ticket| report(ticket, outcome));
}

/// At which point a transaction failed.
enum Failure {
    /// Before anything of it was written.
    Begin(Error),
    /// At one of its records, or at its end.
    Records(Error),
}

async fn commit(db: &mut SqliteConnection, stores: &[Store]) -> Result<(), Failure> {
    if stores.is_empty() {
        return Ok(());
    }
    // A write lock from the start: a read lock that has to grow can fail at once, whatever the busy timeout.
    let mut transaction = db.begin_with("BEGIN IMMEDIATE").await.map_err(Failure::Begin)?;
    for record in stores.iter().flat_map(|it| &it.records) {
        write(&mut transaction, record).await.map_err(Failure::Records)?;
    }
    transaction.commit().await.map_err(Failure::Records)
}

/// Stores in one transaction at most.
const BATCH: usize = 256;
/// How often a database that could not be written is tried again.
const PROBE: Duration = Duration::from_secs(1);

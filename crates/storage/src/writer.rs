//! The task that owns the connection: it writes what waits, several stores in one transaction.

use domain::{event::Outcome, ids::Ticket, record::Audit, record::Record};
use sqlx::{Connection, Error, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use crate::{
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
    mut report: impl FnMut(Ticket, Outcome),
) {
    let mut waiting = Vec::new();
    let mut closing = None;
    while closing.is_none() && jobs.recv_many(&mut waiting, BATCH).await > 0 {
        let mut batch = Vec::new();
        for job in waiting.drain(..) {
            match job {
                Job::Store(store) => batch.push(store),
                Job::Audit(limit, answer) => {
                    store_all(&mut db, std::mem::take(&mut batch), &mut report).await;
                    // Whoever asked may have stopped waiting.
                    let _ = answer.send(load::audit_trail(&mut db, limit).await);
                }
                Job::Close(answer) => {
                    jobs.close();
                    closing = Some(answer);
                }
            }
        }
        store_all(&mut db, batch, &mut report).await;
    }
    drain(&mut db, &mut jobs, &mut report).await;
    if let Err(error) = db.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
    if let Some(answer) = closing {
        let _ = answer.send(());
    }
}

/// What was queued before the queue was closed.
async fn drain(db: &mut SqliteConnection, jobs: &mut mpsc::Receiver<Job>, report: &mut impl FnMut(Ticket, Outcome)) {
    let mut batch = Vec::new();
    while let Some(job) = jobs.recv().await {
        match job {
            Job::Store(store) => batch.push(store),
            Job::Audit(..) => {}
            Job::Close(answer) => drop(answer),
        }
    }
    store_all(db, batch, report).await;
}

/// Everything in one transaction; where its records fail, each store in one of its own, so that a bad one fails alone.
/// Where no transaction can even begin, all fail at once: waiting for a lock once for each would take an hour.
async fn store_all(db: &mut SqliteConnection, batch: Vec<Store>, report: &mut impl FnMut(Ticket, Outcome)) {
    match commit(db, &batch).await {
        Ok(()) => tell(&batch, Outcome::Committed, report),
        Err(Failure::Records(_)) if batch.len() > 1 => {
            for store in batch {
                // Boxed, because it calls itself; one store is not divided further.
                Box::pin(store_all(db, vec![store], &mut *report)).await;
            }
        }
        Err(Failure::Begin(error) | Failure::Records(error)) => {
            tracing::error!(%error, stores = batch.len(), "records could not be written");
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

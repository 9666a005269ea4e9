//! What survives a restart, in SQLite: configuration, log-ins, orders, registrations and the audit trail.
//!
//! [`Storage::open`] reads everything back and starts one task that owns the database. [`Storage::store`] never waits:
//! what it takes is committed in its order, and each ticket is reported as committed or failed. [`EventLog`] is apart
//! from it: what happened on calls, for people to look at.

mod events;
mod figures;
mod load;
mod names;
mod page;
mod write;
mod writer;

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domain::{
    event::{Outcome, Saved},
    ids::Ticket,
    record::{Audit, Record},
};
pub use events::{EventLog, Keep, Reader, Summary, Trace, WriteError};
pub use figures::Figures;
use figures::Tally;
pub use load::LoadError;
pub use page::{CallEvent, EventKind, Page};
use sqlx::{
    ConnectOptions, SqlSafeStr, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use writer::{Job, Store};

/// A handle on the database; clones share it. The database is closed when the last is gone, or by [`Storage::close`].
#[derive(Clone, Debug)]
pub struct Storage {
    jobs: mpsc::Sender<Job>,
    tally: Arc<Tally>,
}

/// The `[storage]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `sqlite://path`, with the path as SQLite takes it; `sqlite::memory:` for nothing on disk.
    pub url: String,
    /// What a commit outlives.
    pub durability: Durability,
}

/// What a commit outlives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process (`synchronous=NORMAL`).
    #[default]
    Process,
    /// Loss of power as well (`synchronous=FULL`).
    Power,
}

/// Why the database could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another database.
    #[error("storage.url \"{0}\": {1}")]
    Url(String, &'static str),
    /// The file could not be made.
    #[error("cannot create the database {0}: {1}", path.display(), error)]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file could not be opened as a database.
    #[error("cannot open the database {url}: {error}")]
    Connect {
        /// The URL.
        url: String,
        /// Why.
        error: sqlx::Error,
    },
    /// The tables could not be brought to this version.
    #[error("cannot bring the database {url} to this version: {error}")]
    Migrate {
        /// The URL.
        url: String,
        /// Why.
        error: MigrateError,
    },
    /// The tables could not be read.
    #[error("cannot read the database {url}: {error}")]
    Load {
        /// The URL.
        url: String,
        /// Why.
        error: LoadError,
    },
}

/// Why records were not taken. They will not be written; nothing is reported for their ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Too much waits already.
    #[error("too much is waiting to be written")]
    Full,
    /// The database is closed.
    #[error("the database is closed")]
    Closed,
}

impl Storage {
    /// Opens the database, makes it if there is none, brings its tables to this version and reads them. The writing
    /// task is spawned on the present tokio runtime; `report` is called there and must not block.
    ///
    /// # Errors
    /// Nothing is left running.
    pub async fn open(
        settings: &Settings,
        report: impl FnMut(Ticket, Outcome) + Send + 'static,
    ) -> Result<(Self, Saved), OpenError> {
        let url = || settings.url.clone();
        let options = options(settings)?;
        let mut db = options.connect().await.map_err(|error| OpenError::Connect { url: url(), error })?;
        migrate(&mut db, MIGRATIONS).await.map_err(|error| OpenError::Migrate { url: url(), error })?;
        let saved = load::saved(&mut db).await.map_err(|error| OpenError::Load { url: url(), error })?;
        let (jobs, inbox) = mpsc::channel(QUEUE);
        let tally = Arc::<Tally>::default();
        tokio::spawn(writer::run(db, inbox, tally.clone(), report));
        Ok((Self { jobs, tally }, saved))
    }

    /// Writes these records together, some time soon, after all that was given before. With a ticket the outcome is
    /// reported. Never waits, and may be called from any thread.
    ///
    /// # Errors
    /// Nothing is written, and nothing will be reported.
    pub fn store(&self, ticket: Option<Ticket>, records: Vec<Record>) -> Result<(), StoreError> {
        self.jobs.try_send(Job::Store(Store { ticket, records })).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Full,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })
    }

    /// The newest entries of the audit trail, the newest first, with all that was given to [`Self::store`] before.
    ///
    /// # Errors
    /// SQLite's, or an entry that is not as we write them; a closed database reads as such.
    pub async fn audit(&self, limit: u32) -> Result<Vec<Audit>, LoadError> {
        let (answer, result) = oneshot::channel();
        let closed = || LoadError::Sqlite(sqlx::Error::WorkerCrashed);
        self.jobs.send(Job::Audit(limit, answer)).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }

    /// What has been written and what waits, as it stood a moment ago. May be called from any thread.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.tally.read(self.jobs.max_capacity() - self.jobs.capacity())
    }

    /// Writes what waits, then closes the database.
    pub async fn close(&self) {
        let (answer, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(answer)).await.is_ok() {
            // An error means that somebody else closed it first.
            let _ = closed.await;
        }
    }
}

/// How to open the database; its file is made if it is not there.
fn options(settings: &Settings) -> Result<SqliteConnectOptions, OpenError> {
    let options = unmade(settings)?;
    if !settings.url.contains(":memory:") && !settings.url.contains("mode=") {
        create(options.get_filename())?;
    }
    let synchronous = match settings.durability {
        Durability::Process => SqliteSynchronous::Normal,
        Durability::Power => SqliteSynchronous::Full,
    };
    Ok(options.journal_mode(SqliteJournalMode::Wal).synchronous(synchronous))
}

/// How to open a database that is there.
fn unmade(settings: &Settings) -> Result<SqliteConnectOptions, OpenError> {
    let url = &settings.url;
    let refuse = |why| Err(OpenError::Url(url.clone(), why));
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return refuse("PostgreSQL is for clusters, which do not exist yet; write sqlite://undertone.db");
    }
    if !url.starts_with("sqlite:") {
        return refuse("only SQLite can be used; write sqlite://undertone.db");
    }
    let options: SqliteConnectOptions = url.parse().map_err(|error| OpenError::Connect { url: url.clone(), error })?;
    if !url.contains(":memory:") && !url.contains("mode=") && options.get_filename().as_os_str().is_empty() {
        return refuse("the file's name is missing; write sqlite://undertone.db");
    }
    // No foreign keys: an order or a log-in outlives a restart in which its user is provisioned anew.
    Ok(options.busy_timeout(BUSY).foreign_keys(false).disable_statement_logging())
}

/// Makes the file readable by its owner alone, since it holds password hashes; SQLite gives its side files the same
/// mode. A file that is there already keeps its mode.
fn create(path: &Path) -> Result<(), OpenError> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(OpenError::Create { path: path.to_owned(), error }),
    }
}

/// Migrations are embedded by hand: sqlx's own macro for it would bring its whole macro crate into the build.
async fn migrate(
    db: &mut SqliteConnection,
    migrations: &[(i64, &'static str, &'static str)],
) -> Result<(), MigrateError> {
    let migrations = migrations.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect()).run_direct(None, db, false).await
}

/// Version, name, text; a migration that was ever released is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "initial", include_str!("../migrations/0001_initial.sql")),
    (2, "queue", include_str!("../migrations/0002_queue.sql")),
    (3, "accounts_and_flows", include_str!("../migrations/0003_accounts_and_flows.sql")),
];

/// Stores that may wait to be written.
const QUEUE: usize = 4096;

/// How long another process may hold the database, such as one that backs it up.
const BUSY: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(5) };

#[cfg(test)]
mod tests;

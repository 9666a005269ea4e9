//! The event log: a file of its own beside the database, so that nothing that must be durable ever waits behind it. What
//! is in it is for looking at; losing it loses no state.

use std::{path::PathBuf, time::Duration};

use clock::Time;
use domain::{ids::CallId, record::Audit};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Row, SqliteConnection, sqlite::Sqlite};
use thiserror::Error;

use crate::{
    OpenError, Settings,
    load::{self, LoadError},
    page::{self, CallEvent, Page},
};

/// How much of the log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// For how long.
    pub age: Duration,
    /// How much, in octets, about.
    pub octets: u64,
}

/// The log, to be written. What is too old, or too much, goes a little with each write.
#[derive(Debug)]
pub struct EventLog {
    db: SqliteConnection,
    keep: Keep,
    /// Pages written since old ones were last looked for.
    fresh: usize,
}

/// Why pages were not written.
#[derive(Debug, Error)]
#[error("the event log cannot be written: {0}")]
pub struct WriteError(#[from] sqlx::Error);

impl EventLog {
    /// Opens the log that belongs to this database, and makes it if there is none.
    ///
    /// # Errors
    /// The file cannot be opened or made, or is no log; a database in memory has none.
    pub async fn open(url: &str, keep: Keep) -> Result<Self, OpenError> {
        let path = path(url)?;
        crate::create(&path)?;
        let settings = Settings { url: url.to_owned(), durability: crate::Durability::Process };
        let options = crate::options(&settings)?.filename(&path);
        let shown = || path.display().to_string();
        let mut db = options.connect().await.map_err(|error| OpenError::Connect { url: shown(), error })?;
        let migrated = crate::migrate(&mut db, MIGRATIONS).await;
        migrated.map_err(|error| OpenError::Migrate { url: shown(), error })?;
        Ok(Self { db, keep, fresh: 0 })
    }

    /// Writes pages together.
    ///
    /// # Errors
    /// None of them is written.
    pub async fn write(&mut self, pages: &[Page], now: Time) -> Result<(), WriteError> {
        let mut transaction = self.db.begin_with("BEGIN IMMEDIATE").await?;
        for pages in pages.chunks(TOGETHER) {
            let mut insert: QueryBuilder<Sqlite> =
                QueryBuilder::new("INSERT INTO page (call, at, begins, ended, ends, events) ");
            insert.push_values(pages, |mut row, it| {
                row.push_bind(it.call.to_string())
                    .push_bind(milliseconds(it.at))
                    .push_bind(it.begins.as_deref())
                    .push_bind(it.ends.as_ref().map(|it| milliseconds(it.0)))
                    .push_bind(it.ends.as_ref().map(|it| it.1.as_str()))
                    .push_bind(it.text());
            });
            insert.build().persistent(pages.len() == TOGETHER).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        self.fresh += pages.len();
        if self.fresh >= FRESH {
            self.prune(now).await?;
        }
        Ok(())
    }

    /// Removes pages that are too old or too many, the oldest first, not many at a time.
    ///
    /// # Errors
    /// Nothing is removed.
    pub async fn prune(&mut self, now: Time) -> Result<(), WriteError> {
        self.fresh = 0;
        let mut oldest = Time::from_unix_ms(now.unix_ms().saturating_sub(whole_ms(self.keep.age)));
        if self.size().await? > self.keep.octets {
            oldest = now;
        }
        sqlx::query(REMOVE).bind(milliseconds(oldest)).execute(&mut self.db).await?;
        Ok(())
    }

    /// What is in use of the file, in octets.
    async fn size(&mut self) -> Result<u64, WriteError> {
        let row = sqlx::query(SIZE).fetch_one(&mut self.db).await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }

    /// Closes the file.
    ///
    /// # Errors
    /// SQLite's.
    pub async fn close(self) -> Result<(), WriteError> {
        Ok(self.db.close().await?)
    }
}

/// The log and the audit trail, to be read while a server may be writing them.
#[derive(Debug)]
pub struct Reader {
    /// There is none where no log was ever written.
    log: Option<SqliteConnection>,
    state: SqliteConnection,
}

/// A call, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The call.
    pub call: CallId,
    /// When it began.
    pub begun: Time,
    /// Who calls whom.
    pub what: String,
    /// When and why it was over, if it is.
    pub over: Option<(Time, String)>,
}

/// All that is known of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// In the order in which it happened.
    pub events: Vec<CallEvent>,
    /// The audit trail's entries about it, in their order.
    pub audit: Vec<Audit>,
}

impl Reader {
    /// Opens what there is, to be read alone.
    ///
    /// # Errors
    /// There is no database, or it cannot be opened.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let path = path(url)?;
        let settings = Settings { url: url.to_owned(), durability: crate::Durability::Process };
        let options = crate::unmade(&settings)?.read_only(true).create_if_missing(false);
        let failed = |error| OpenError::Connect { url: url.to_owned(), error };
        let state = options.connect().await.map_err(failed)?;
        let log = if path.exists() { Some(options.filename(&path).connect().await.map_err(failed)?) } else { None };
        Ok(Self { log, state })
    }

    /// The calls that began last, the newest first.
    ///
    /// # Errors
    /// SQLite's, or a page that is not as we write it.
    pub async fn recent(&mut self, limit: u32) -> Result<Vec<Summary>, LoadError> {
        let Some(log) = &mut self.log else { return Ok(Vec::new()) };
        load::summaries(log, sqlx::query(RECENT).bind(limit)).await
    }

    /// The calls whose ids begin like this, ten at most.
    ///
    /// # Errors
    /// As [`Self::recent`].
    pub async fn beginning_with(&mut self, prefix: &str) -> Result<Vec<CallId>, LoadError> {
        let prefix = prefix.to_ascii_uppercase();
        // The next text that does not begin like this.
        let end = format!("{prefix}~");
        let mut found = Vec::new();
        if let Some(log) = &mut self.log {
            let sql = "SELECT DISTINCT call FROM page WHERE call >= ? AND call < ? LIMIT 10";
            found.extend(load::calls(log, "page", sqlx::query(sql).bind(&prefix).bind(&end)).await?);
        }
        let sql = "SELECT DISTINCT call FROM audit WHERE call >= ? AND call < ? LIMIT 10";
        found.extend(load::calls(&mut self.state, "audit", sqlx::query(sql).bind(&prefix).bind(&end)).await?);
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// All that is known of a call.
    ///
    /// # Errors
    /// As [`Self::recent`].
    pub async fn trace(&mut self, call: CallId) -> Result<Trace, LoadError> {
        let mut events = Vec::new();
        if let Some(log) = &mut self.log {
            for text in load::pages(log, call).await? {
                events.extend(page::read(&text).map_err(|line| LoadError::Page { call, line })?);
            }
        }
        Ok(Trace { events, audit: load::audit_of(&mut self.state, call).await? })
    }
}

/// `undertone.db` has its log in `undertone.events.db`.
fn path(url: &str) -> Result<PathBuf, OpenError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(OpenError::Url(url.to_owned(), "a database in memory has no event log"));
    }
    let settings = Settings { url: url.to_owned(), durability: crate::Durability::Process };
    let options = crate::unmade(&settings)?;
    let database = options.get_filename();
    let mut name = database.file_stem().unwrap_or_default().to_owned();
    name.push(".events.db");
    Ok(database.with_file_name(name))
}

fn milliseconds(at: Time) -> i64 {
    i64::try_from(at.unix_ms()).unwrap_or(i64::MAX)
}

fn whole_ms(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}

const MIGRATIONS: &[(i64, &str, &str)] = &[(1, "page", include_str!("../event_migrations/0001_page.sql"))];

const RECENT: &str = "SELECT call, at, begins,
        (SELECT ended FROM page AS last WHERE last.call = page.call AND ended IS NOT NULL) AS ended,
        (SELECT ends FROM page AS last WHERE last.call = page.call AND ended IS NOT NULL) AS ends
    FROM page WHERE begins IS NOT NULL ORDER BY id DESC LIMIT ?";
/// More than are written between two times, and so few that it takes a moment only.
const REMOVE: &str = "DELETE FROM page WHERE id IN (SELECT id FROM page ORDER BY id LIMIT 1024) AND at <= ?";
const SIZE: &str = "SELECT (page_count - freelist_count) * page_size
    FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()";
/// After so many pages old ones are looked for.
const FRESH: usize = if cfg!(test) { 8 } else { 256 };
/// Pages in one statement.
const TOGETHER: usize = 64;

#[cfg(test)]
mod tests;

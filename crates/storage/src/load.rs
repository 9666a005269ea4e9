//! What the database holds, read strictly: a value that is not what we write is an error that names its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    time::{Duration, UNIX_EPOCH},
};

use clock::Time;
use domain::{
    config::{Account, ContactCenter, Device, DialRule, Ha1, Overflow, Queue, Secret, Trunk, User},
    event::Saved,
    ids::CallId,
    record::{Audit, Comfort, LogIn, Order, Registration},
};
use sqlx::{
    Decode, Row, SqliteConnection, Type,
    query::Query,
    sqlite::{Sqlite, SqliteArguments, SqliteRow},
};
use thiserror::Error;

use crate::{events::Summary, names::Named};

/// Why the database could not be read.
#[derive(Debug, Error)]
pub enum LoadError {
    /// SQLite says why.
    #[error(transparent)]
    Sqlite(#[from] sqlx::Error),
    /// A value is not what we write.
    #[error("table {table}, column {column}: {what} (in the row that begins with \"{row}\")")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The first column of the row.
        row: String,
        /// What is wrong.
        what: String,
    },
    /// A page of the event log is not as we write it.
    #[error("the event log of the call {call} has a line that makes no sense: {line:?}")]
    Page {
        /// The call.
        call: CallId,
        /// The line.
        line: String,
    },
}

/// Reads all that the engine needs to go on.
pub(crate) async fn saved(db: &mut SqliteConnection) -> Result<Saved, LoadError> {
    Ok(Saved {
        contact_center: contact_center(db).await?,
        devices: all(db, "device", "SELECT * FROM device ORDER BY phone_number", device).await?,
        comforts: all(db, "comfort", "SELECT * FROM comfort ORDER BY device", comfort).await?,
        users: users(db).await?,
        queues: queues(db).await?,
        trunks: trunks(db).await?,
        dial_rules: all(db, "dial_rule", "SELECT prefix, trunk FROM dial_rule ORDER BY position", dial_rule).await?,
        log_ins: all(db, "log_in", "SELECT * FROM log_in ORDER BY user", log_in).await?,
        orders: all(db, "monitoring_order", "SELECT * FROM monitoring_order ORDER BY rowid", order).await?,
        open_sessions: all(db, "audit", OPEN_SESSIONS, audit).await?,
        registrations: all(db, "registration", "SELECT * FROM registration ORDER BY number, contact", registration)
            .await?,
    })
}

/// The newest entries of the audit trail, the newest first.
pub(crate) async fn audit_trail(db: &mut SqliteConnection, limit: u32) -> Result<Vec<Audit>, LoadError> {
    let rows = sqlx::query("SELECT * FROM audit ORDER BY id DESC LIMIT ?").bind(limit).fetch_all(db).await?;
    rows.iter().map(|row| audit(&Place { table: "audit", row })).collect()
}

/// The entries of the audit trail about a call, the first first.
pub(crate) async fn audit_of(db: &mut SqliteConnection, call: CallId) -> Result<Vec<Audit>, LoadError> {
    let rows = sqlx::query("SELECT * FROM audit WHERE call = ? ORDER BY id").bind(call.to_string());
    rows.fetch_all(db).await?.iter().map(|row| audit(&Place { table: "audit", row })).collect()
}

/// Calls in short, as the event log has them.
pub(crate) async fn summaries(
    db: &mut SqliteConnection,
    query: Query<'_, Sqlite, SqliteArguments>,
) -> Result<Vec<Summary>, LoadError> {
    let read = |it: &Place<'_>| {
        let ended: Option<u64> = it.raw::<Option<i64>>("ended")?.map(i64::unsigned_abs);
        let ends: Option<String> = it.raw("ends")?;
        Ok(Summary {
            call: it.parsed("call")?,
            begun: Time::from_unix_ms(it.small("at")?),
            what: it.text("begins")?,
            over: ended.map(Time::from_unix_ms).zip(ends),
        })
    };
    query.fetch_all(db).await?.iter().map(|row| read(&Place { table: "page", row })).collect()
}

/// The column `call`.
pub(crate) async fn calls(
    db: &mut SqliteConnection,
    table: &'static str,
    query: Query<'_, Sqlite, SqliteArguments>,
) -> Result<Vec<CallId>, LoadError> {
    query.fetch_all(db).await?.iter().map(|row| Place { table, row }.parsed("call")).collect()
}

/// The pages of a call, in their order.
pub(crate) async fn pages(db: &mut SqliteConnection, call: CallId) -> Result<Vec<String>, LoadError> {
    let rows = sqlx::query("SELECT events FROM page WHERE call = ? ORDER BY id").bind(call.to_string());
    rows.fetch_all(db).await?.iter().map(|row| Place { table: "page", row }.text("events")).collect()
}

/// A row, and where it stands.
struct Place<'a> {
    table: &'static str,
    row: &'a SqliteRow,
}

impl Place<'_> {
    fn raw<'r, T: Decode<'r, Sqlite> + Type<Sqlite>>(&'r self, column: &'static str) -> Result<T, LoadError> {
        Ok(self.row.try_get(column)?)
    }

    fn text(&self, column: &'static str) -> Result<String, LoadError> {
        self.raw(column)
    }

    /// Something with a text form: an id, a number.
    fn parsed<T: FromStr<Err: ToString>>(&self, column: &'static str) -> Result<T, LoadError> {
        let text: &str = self.raw(column)?;
        text.parse().map_err(|error: T::Err| self.damaged(column, error.to_string()))
    }

    fn perhaps<T: FromStr<Err: ToString>>(&self, column: &'static str) -> Result<Option<T>, LoadError> {
        match self.raw::<Option<&str>>(column)? {
            Some(_) => self.parsed(column).map(Some),
            None => Ok(None),
        }
    }

    fn named<T: Named>(&self, column: &'static str) -> Result<T, LoadError> {
        let text: &str = self.raw(column)?;
        T::named(text).ok_or_else(|| self.damaged(column, format!("\"{text}\" is not {}", T::KIND)))
    }

    fn small<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, LoadError> {
        let number: i64 = self.raw(column)?;
        T::try_from(number).map_err(|_| self.damaged(column, format!("{number} is out of range")))
    }

    fn span(&self, column: &'static str) -> Result<Duration, LoadError> {
        self.small(column).map(Duration::from_millis)
    }

    fn time(&self, column: &'static str) -> Result<Time, LoadError> {
        let text: &str = self.raw(column)?;
        let wall = humantime::parse_rfc3339(text).map_err(|error| self.damaged(column, format!("{error}: {text}")))?;
        let since = wall.duration_since(UNIX_EPOCH).map_err(|_| self.damaged(column, format!("{text} is too old")))?;
        Ok(Time::from_unix_ms(0) + since)
    }

    fn bytes<const N: usize>(&self, column: &'static str) -> Result<Option<[u8; N]>, LoadError> {
        let Some(bytes) = self.raw::<Option<&[u8]>>(column)? else {
            return Ok(None);
        };
        let exact = bytes.try_into().map_err(|_| self.damaged(column, format!("{} bytes, not {N}", bytes.len())))?;
        Ok(Some(exact))
    }

    fn damaged(&self, column: &'static str, what: String) -> LoadError {
        let row = self.row.try_get_unchecked(0).unwrap_or_default();
        LoadError::Damaged { table: self.table, column, row, what }
    }
}

async fn all<T>(
    db: &mut SqliteConnection,
    table: &'static str,
    sql: &'static str,
    read: impl Fn(&Place<'_>) -> Result<T, LoadError>,
) -> Result<Vec<T>, LoadError> {
    let rows = sqlx::query(sql).fetch_all(db).await?;
    rows.iter().map(|row| read(&Place { table, row })).collect()
}

/// Lists in a table of their own, by the key that they belong to.
async fn lists<T: Ord>(
    db: &mut SqliteConnection,
    table: &'static str,
    sql: &'static str,
    read: impl Fn(&Place<'_>) -> Result<T, LoadError>,
) -> Result<BTreeMap<String, BTreeSet<T>>, LoadError> {
    let pairs = all(db, table, sql, |it| Ok((it.text("key")?, read(it)?))).await?;
    let mut lists = BTreeMap::<String, BTreeSet<T>>::new();
    for (key, item) in pairs {
        lists.entry(key).or_default().insert(item);
    }
    Ok(lists)
}

async fn contact_center(db: &mut SqliteConnection) -> Result<Option<ContactCenter>, LoadError> {
    let features =
        all(db, "contact_center_feature", "SELECT feature FROM contact_center_feature", |it| it.text("feature"));
    let features: BTreeSet<String> = features.await?.into_iter().collect();
    let centers = all(db, "contact_center", "SELECT * FROM contact_center", |it| {
        Ok(ContactCenter { name: it.text("name")?, switch_name: it.text("switch_name")?, features: features.clone() })
    });
    Ok(centers.await?.pop())
}

fn device(it: &Place<'_>) -> Result<Device, LoadError> {
    let ha1 = match (it.bytes("ha1_md5")?, it.bytes("ha1_sha256")?) {
        (Some(md5), Some(sha256)) => Some(Secret(Ha1 { md5, sha256 })),
        (None, None) => None,
        _ => return Err(it.damaged("ha1_md5", "one digest secret without the other".into())),
    };
    Ok(Device {
        id: it.parsed("id")?,
        phone_number: it.parsed("phone_number")?,
        ha1,
        telephony_network: it.named("telephony_network")?,
        auto_answer: it.raw("auto_answer")?,
    })
}

fn comfort(it: &Place<'_>) -> Result<Comfort, LoadError> {
    Ok(Comfort {
        device: it.parsed("device")?,
        do_not_disturb: it.raw("do_not_disturb")?,
        forward_to: it.perhaps("forward_to")?,
    })
}

async fn users(db: &mut SqliteConnection) -> Result<Vec<User>, LoadError> {
    let team = |it: &Place<'_>| it.text("team");
    let roles = lists(db, "user_role", "SELECT user AS key, role FROM user_role", |it| it.named("role")).await?;
    let teams = lists(db, "user_team", "SELECT user AS key, team FROM user_team", team).await?;
    let supervises = lists(db, "user_supervises", "SELECT user AS key, team FROM user_supervises", team).await?;
    let operation = |it: &Place<'_>| it.named("operation");
    let monitor = lists(db, "user_monitor", "SELECT user AS key, operation FROM user_monitor", operation).await?;
    let read = |it: &Place<'_>| {
        let key = it.text("id")?;
        Ok(User {
            id: it.parsed("id")?,
            user_name: it.text("user_name")?,
            password_hash: Secret(it.text("password_hash")?),
            first_name: it.text("first_name")?,
            last_name: it.text("last_name")?,
            roles: roles.get(&key).cloned().unwrap_or_default(),
            device: it.perhaps("device")?,
            teams: teams.get(&key).cloned().unwrap_or_default(),
            supervises: supervises.get(&key).cloned().unwrap_or_default(),
            monitor: monitor.get(&key).cloned().unwrap_or_default(),
        })
    };
    all(db, "user", "SELECT * FROM user ORDER BY user_name", read).await
}

async fn queues(db: &mut SqliteConnection) -> Result<Vec<Queue>, LoadError> {
    let teams = lists(db, "queue_team", "SELECT queue AS key, team FROM queue_team", |it| it.text("team")).await?;
    let read = |it: &Place<'_>| {
        let key = it.text("phone_number")?;
        Ok(Queue {
            phone_number: it.parsed("phone_number")?,
            name: it.text("name")?,
            teams: teams.get(&key).cloned().unwrap_or_default(),
            music: it.raw("music")?,
            ring_timeout: it.span("ring_timeout_ms")?,
            overflow: match it.perhaps("overflow_to")? {
                Some(to) => Some(Overflow { after: it.span("overflow_after_ms")?, to }),
                None => None,
            },
            wrap_up_time: it.span("wrap_up_time_ms")?,
            max_waiting: it.small("max_waiting")?,
        })
    };
    all(db, "queue", "SELECT * FROM queue ORDER BY phone_number", read).await
}

async fn trunks(db: &mut SqliteConnection) -> Result<Vec<Trunk>, LoadError> {
    let inbound = lists(db, "trunk_inbound", "SELECT trunk AS key, dialled, number FROM trunk_inbound", |it| {
        Ok((it.text("dialled")?, it.parsed("number")?))
    });
    let inbound = inbound.await?;
    let read = |it: &Place<'_>| {
        let name = it.text("name")?;
        let inbound = inbound.get(&name).cloned().unwrap_or_default().into_iter().collect();
        let account = match it.raw("username")? {
            Some(user_name) => {
                Some(Account { user_name, password: Secret(it.text("password")?), register: it.raw("register")? })
            }
            None => None,
        };
        Ok(Trunk { name, address: it.text("address")?, transport: it.named("transport")?, account, inbound })
    };
    all(db, "trunk", "SELECT * FROM trunk ORDER BY name", read).await
}

fn dial_rule(it: &Place<'_>) -> Result<DialRule, LoadError> {
    Ok(DialRule { prefix: it.text("prefix")?, trunk: it.text("trunk")? })
}

fn log_in(it: &Place<'_>) -> Result<LogIn, LoadError> {
    Ok(LogIn { user: it.parsed("user")?, device: it.parsed("device")?, state: it.named("state")? })
}

fn order(it: &Place<'_>) -> Result<Order, LoadError> {
    Ok(Order {
        id: it.parsed("id")?,
        supervisor: it.parsed("supervisor")?,
        device: it.parsed("device")?,
        target: it.parsed("target")?,
        operation: it.named("operation")?,
        scope: it.named("scope")?,
        calls: it.named("calls")?,
        unanswered: it.small("unanswered")?,
    })
}

fn registration(it: &Place<'_>) -> Result<Registration, LoadError> {
    Ok(Registration {
        number: it.parsed("number")?,
        contact: it.text("contact")?,
        source: it.text("source")?,
        call_id: it.text("call_id")?,
        cseq: it.small("cseq")?,
        expires: it.time("expires")?,
        agent: it.text("agent")?,
        preference: it.small("preference")?,
        instance: it.text("instance")?,
        reg_id: it.small("reg_id")?,
        path: it.text("path")?.lines().map(str::to_owned).collect(),
    })
}

fn audit(it: &Place<'_>) -> Result<Audit, LoadError> {
    let operation = match it.raw::<Option<&str>>("operation")? {
        Some(_) => Some(it.named("operation")?),
        None => None,
    };
    Ok(Audit {
        at: it.time("at")?,
        what: it.named("what")?,
        supervisor: it.parsed("supervisor")?,
        supervisor_name: it.text("supervisor_name")?,
        supervisor_number: it.perhaps("supervisor_number")?,
        target_number: it.perhaps("target_number")?,
        target_name: it.raw("target_name")?,
        call: it.perhaps("call")?,
        order: it.perhaps("monitoring_order")?,
        session: it.perhaps("session")?,
        operation,
        reason: it.raw("reason")?,
    })
}

/// The first entry of each session that was begun and has not ended.
const OPEN_SESSIONS: &str = "SELECT * FROM audit WHERE id IN (
        SELECT min(audit.id) FROM audit JOIN open_session ON open_session.session = audit.session
        WHERE audit.what IN ('SessionOffered', 'SessionActive') GROUP BY audit.session)
    ORDER BY id";

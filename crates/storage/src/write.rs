//! Each record as SQL.

use std::time::Duration;

use domain::{
    config::{ContactCenter, Device, DialRule, Queue, Trunk, User},
    record::{Audit, Comfort, LogIn, Order, Record, Registration},
};
use sqlx::{
    Error, SqliteConnection,
    query::Query,
    sqlite::{Sqlite, SqliteArguments},
};

use crate::names::Named;

/// Writes one record inside the transaction that is open.
pub(crate) async fn write(db: &mut SqliteConnection, record: &Record) -> Result<(), Error> {
    match record {
        Record::ContactCenter(it) => contact_center(db, it).await,
        Record::Device(it) => run(db, device(it)).await,
        Record::User(it) => user(db, it).await,
        Record::Queue(it) => queue(db, it).await,
        Record::Trunk(it) => trunk(db, it).await,
        Record::DialRules(it) => dial_rules(db, it).await,
        Record::LogIn(it) => run(db, log_in(it)).await,
        Record::LogOut(it) => run(db, keyed("DELETE FROM log_in WHERE user = ?", it.to_string())).await,
        Record::Comfort(it) => run(db, comfort(it)).await,
        Record::Order(it) => run(db, order(it)).await,
        Record::OrderGone(it) => run(db, keyed("DELETE FROM monitoring_order WHERE id = ?", it.to_string())).await,
        Record::SessionBegun(it) => {
            run(db, keyed("INSERT INTO open_session (session) VALUES (?) ON CONFLICT DO NOTHING", it.to_string())).await
        }
        Record::SessionEnded(it) => run(db, keyed("DELETE FROM open_session WHERE session = ?", it.to_string())).await,
        Record::Audit(it) => run(db, audit(it)).await,
        Record::Registration(it) => run(db, registration(it)).await,
        Record::RegistrationGone { number, contact } => {
            let gone = sqlx::query("DELETE FROM registration WHERE number = ? AND contact = ?");
            run(db, gone.bind(number.to_string()).bind(contact.clone())).await
        }
    }
}

type Statement = Query<'static, Sqlite, SqliteArguments>;

async fn run(db: &mut SqliteConnection, statement: Statement) -> Result<(), Error> {
    statement.execute(db).await.map(|_| ())
}

fn keyed(sql: &'static str, key: String) -> Statement {
    sqlx::query(sql).bind(key)
}

/// A list in a table of its own: what belonged to the key goes, what belongs to it now comes.
async fn list(
    db: &mut SqliteConnection,
    [delete, insert]: [&'static str; 2],
    key: &str,
    items: impl Iterator<Item = String>,
) -> Result<(), Error> {
    run(db, keyed(delete, key.to_owned())).await?;
    for item in items {
        run(db, keyed(insert, key.to_owned()).bind(item)).await?;
    }
    Ok(())
}

async fn contact_center(db: &mut SqliteConnection, it: &ContactCenter) -> Result<(), Error> {
    let statement = sqlx::query(
        "INSERT INTO contact_center (one, name, switch_name) VALUES (1, ?, ?)
         ON CONFLICT DO UPDATE SET name = excluded.name, switch_name = excluded.switch_name",
    );
    run(db, statement.bind(it.name.clone()).bind(it.switch_name.clone())).await?;
    run(db, sqlx::query("DELETE FROM contact_center_feature")).await?;
    for feature in &it.features {
        run(db, keyed("INSERT INTO contact_center_feature (feature) VALUES (?)", feature.clone())).await?;
    }
    Ok(())
}

fn device(it: &Device) -> Statement {
    sqlx::query(
        "INSERT INTO device (id, phone_number, ha1_md5, ha1_sha256, telephony_network, auto_answer)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET phone_number = excluded.phone_number, ha1_md5 = excluded.ha1_md5,
             ha1_sha256 = excluded.ha1_sha256, telephony_network = excluded.telephony_network,
             auto_answer = excluded.auto_answer",
    )
    .bind(it.id.to_string())
    .bind(it.phone_number.to_string())
    .bind(it.ha1.as_ref().map(|it| it.0.md5.to_vec()))
    .bind(it.ha1.as_ref().map(|it| it.0.sha256.to_vec()))
    .bind(it.telephony_network.name())
    .bind(it.auto_answer)
}

async fn user(db: &mut SqliteConnection, it: &User) -> Result<(), Error> {
    let id = it.id.to_string();
    let statement = sqlx::query(
        "INSERT INTO user (id, user_name, password_hash, first_name, last_name, device) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET user_name = excluded.user_name, password_hash = excluded.password_hash,
             first_name = excluded.first_name, last_name = excluded.last_name, device = excluded.device",
    )
    .bind(id.clone())
    .bind(it.user_name.clone())
    .bind(it.password_hash.0.clone())
    .bind(it.first_name.clone())
    .bind(it.last_name.clone())
    .bind(it.device.as_ref().map(ToString::to_string));
    run(db, statement).await?;
    list(db, USER_ROLE, &id, it.roles.iter().map(|it| it.name().to_owned())).await?;
    list(db, USER_TEAM, &id, it.teams.iter().cloned()).await?;
    list(db, USER_SUPERVISES, &id, it.supervises.iter().cloned()).await?;
    list(db, USER_MONITOR, &id, it.monitor.iter().map(|it| it.name().to_owned())).await
}

async fn queue(db: &mut SqliteConnection, it: &Queue) -> Result<(), Error> {
    let number = it.phone_number.to_string();
    let statement = sqlx::query(
        "INSERT INTO queue (phone_number, name, music, ring_timeout_ms, overflow_after_ms, overflow_to, wrap_up_time_ms,
             max_waiting)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET name = excluded.name, music = excluded.music,
             ring_timeout_ms = excluded.ring_timeout_ms, overflow_after_ms = excluded.overflow_after_ms,
             overflow_to = excluded.overflow_to, wrap_up_time_ms = excluded.wrap_up_time_ms,
             max_waiting = excluded.max_waiting",
    )
    .bind(number.clone())
    .bind(it.name.clone())
    .bind(it.music.clone())
    .bind(milliseconds(it.ring_timeout))
    .bind(it.overflow.as_ref().map_or(0, |it| milliseconds(it.after)))
    .bind(it.overflow.as_ref().map(|it| it.to.to_string()))
    .bind(milliseconds(it.wrap_up_time))
    .bind(i64::try_from(it.max_waiting).unwrap_or(i64::MAX));
    run(db, statement).await?;
    list(db, QUEUE_TEAM, &number, it.teams.iter().cloned()).await
}

fn milliseconds(it: Duration) -> i64 {
    i64::try_from(it.as_millis()).unwrap_or(i64::MAX)
}

async fn trunk(db: &mut SqliteConnection, it: &Trunk) -> Result<(), Error> {
    let statement = sqlx::query(
        "INSERT INTO trunk (name, address, transport, username, password, register) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET address = excluded.address, transport = excluded.transport,
             username = excluded.username, password = excluded.password, register = excluded.register",
    )
    .bind(it.name.clone())
    .bind(it.address.clone())
    .bind(it.transport.name())
    .bind(it.account.as_ref().map(|it| it.user_name.clone()))
    .bind(it.account.as_ref().map(|it| it.password.0.clone()))
    .bind(it.account.as_ref().is_some_and(|it| it.register));
    run(db, statement).await?;
    run(db, keyed("DELETE FROM trunk_inbound WHERE trunk = ?", it.name.clone())).await?;
    for (dialled, number) in &it.inbound {
        let statement = keyed("INSERT INTO trunk_inbound (trunk, dialled, number) VALUES (?, ?, ?)", it.name.clone());
        run(db, statement.bind(dialled.clone()).bind(number.to_string())).await?;
    }
    Ok(())
}

async fn dial_rules(db: &mut SqliteConnection, rules: &[DialRule]) -> Result<(), Error> {
    run(db, sqlx::query("DELETE FROM dial_rule")).await?;
    for rule in rules {
        let statement = sqlx::query("INSERT INTO dial_rule (prefix, trunk) VALUES (?, ?)");
        run(db, statement.bind(rule.prefix.clone()).bind(rule.trunk.clone())).await?;
    }
    Ok(())
}

fn log_in(it: &LogIn) -> Statement {
    sqlx::query(
        "INSERT INTO log_in (user, device, state) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET device = excluded.device, state = excluded.state",
    )
    .bind(it.user.to_string())
    .bind(it.device.to_string())
    .bind(it.state.name())
}

fn comfort(it: &Comfort) -> Statement {
    sqlx::query(
        "INSERT INTO comfort (device, do_not_disturb, forward_to) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET do_not_disturb = excluded.do_not_disturb, forward_to = excluded.forward_to",
    )
    .bind(it.device.to_string())
    .bind(it.do_not_disturb)
    .bind(it.forward_to.as_ref().map(ToString::to_string))
}

fn order(it: &Order) -> Statement {
    sqlx::query(
        "INSERT INTO monitoring_order (id, supervisor, device, target, operation, scope, calls, unanswered)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET supervisor = excluded.supervisor, device = excluded.device,
             target = excluded.target, operation = excluded.operation, scope = excluded.scope,
             calls = excluded.calls, unanswered = excluded.unanswered",
    )
    .bind(it.id.to_string())
    .bind(it.supervisor.to_string())
    .bind(it.device.to_string())
    .bind(it.target.to_string())
    .bind(it.operation.name())
    .bind(it.scope.name())
    .bind(it.calls.name())
    .bind(it.unanswered)
}

fn registration(it: &Registration) -> Statement {
    sqlx::query(
        "INSERT INTO registration (number, contact, source, call_id, cseq, expires, agent, preference, instance,
             reg_id, path)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET source = excluded.source, call_id = excluded.call_id, cseq = excluded.cseq,
             expires = excluded.expires, agent = excluded.agent, preference = excluded.preference,
             instance = excluded.instance, reg_id = excluded.reg_id, path = excluded.path",
    )
    .bind(it.number.to_string())
    .bind(it.contact.clone())
    .bind(it.source.clone())
    .bind(it.call_id.clone())
    .bind(it.cseq)
    .bind(it.expires.to_string())
    .bind(it.agent.clone())
    .bind(it.preference)
    .bind(it.instance.clone())
    .bind(it.reg_id)
    .bind(it.path.join("\n"))
}

fn audit(it: &Audit) -> Statement {
    sqlx::query(
        "INSERT INTO audit (at, what, supervisor, supervisor_name, supervisor_number, target_number, target_name,
             call, monitoring_order, session, operation, reason)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(it.at.to_string())
    .bind(it.what.name())
    .bind(it.supervisor.to_string())
    .bind(it.supervisor_name.clone())
    .bind(it.supervisor_number.as_ref().map(ToString::to_string))
    .bind(it.target_number.as_ref().map(ToString::to_string))
    .bind(it.target_name.clone())
    .bind(it.call.map(|it| it.to_string()))
    .bind(it.order.map(|it| it.to_string()))
    .bind(it.session.map(|it| it.to_string()))
    .bind(it.operation.map(Named::name))
    .bind(it.reason.clone())
}

const USER_ROLE: [&str; 2] =
    ["DELETE FROM user_role WHERE user = ?", "INSERT INTO user_role (user, role) VALUES (?, ?)"];
const USER_TEAM: [&str; 2] =
    ["DELETE FROM user_team WHERE user = ?", "INSERT INTO user_team (user, team) VALUES (?, ?)"];
const USER_SUPERVISES: [&str; 2] =
    ["DELETE FROM user_supervises WHERE user = ?", "INSERT INTO user_supervises (user, team) VALUES (?, ?)"];
const USER_MONITOR: [&str; 2] =
    ["DELETE FROM user_monitor WHERE user = ?", "INSERT INTO user_monitor (user, operation) VALUES (?, ?)"];
const QUEUE_TEAM: [&str; 2] =
    ["DELETE FROM queue_team WHERE queue = ?", "INSERT INTO queue_team (queue, team) VALUES (?, ?)"];

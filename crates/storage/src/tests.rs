//! Every record there and back, restarts without a goodbye, and failures that stay with whom they belong to.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::Path, sync::mpsc};

use clock::Time;
use domain::{
    command::{Calls, Scope},
    config::{
        Account, ContactCenter, Device, DialRule, Ha1, MonitorOperation, Overflow, Queue, Role, Secret,
        TelephonyNetwork, Trunk, TrunkTransport, User,
    },
    event::{Outcome, Saved},
    ids::{CallId, DeviceId, OrderId, PhoneNumber, SessionId, Ticket, UserId},
    record::{Audit, AuditEvent, Comfort, LogIn, Order, Record, Registration},
    view::AgentState,
};
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::*;

/// A folder with a database in it, and the outcomes that its storage reports.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("undertone.db")
    }

    fn settings(&self) -> Settings {
        Settings { url: format!("sqlite://{}", self.path().display()), durability: Durability::Process }
    }

    async fn open(&self) -> (Storage, Saved, mpsc::Receiver<(Ticket, Outcome)>) {
        let (report, reports) = mpsc::channel();
        let (storage, saved) =
            Storage::open(&self.settings(), move |ticket, outcome| report.send((ticket, outcome)).unwrap())
                .await
                .unwrap();
        (storage, saved, reports)
    }

    /// Stores, closes, opens again.
    async fn after(&self, records: Vec<Record>) -> Saved {
        let (storage, _, reports) = self.open().await;
        storage.store(Some(Ticket(1)), records).unwrap();
        storage.close().await;
        assert_eq!(reports.try_recv().unwrap(), (Ticket(1), Outcome::Committed));
        let (storage, saved, _) = self.open().await;
        storage.close().await;
        saved
    }

    async fn raw(&self, sql: &'static str) {
        let mut db = SqliteConnectOptions::new().filename(self.path()).connect().await.unwrap();
        sqlx::query(sql).execute(&mut db).await.unwrap();
    }
}

fn number(text: &str) -> PhoneNumber {
    text.parse().unwrap()
}

fn device(id: u128, phone_number: &str) -> Device {
    Device {
        id: DeviceId(id),
        phone_number: number(phone_number),
        ha1: Some(Secret(Ha1 { md5: [7; 16], sha256: [9; 32] })),
        telephony_network: TelephonyNetwork::Public,
        auto_answer: None,
    }
}

fn user(id: u128) -> User {
    User {
        id: UserId(id),
        user_name: format!("user{id}"),
        password_hash: Secret("$argon2id$v=19$x".into()),
        first_name: "Ada".into(),
        last_name: "O'Agent".into(),
        roles: [Role::Agent, Role::Supervisor].into(),
        device: Some(number("5001")),
        teams: ["support".into(), "sales".into()].into(),
        supervises: ["support".into()].into(),
        monitor: [MonitorOperation::ListenIn, MonitorOperation::BargeIn].into(),
    }
}

fn order(id: u128) -> Order {
    Order {
        id: OrderId(id),
        supervisor: UserId(1),
        device: DeviceId(2),
        target: DeviceId(3),
        operation: MonitorOperation::Coach,
        scope: Scope::Agent,
        calls: Calls::Next,
        unanswered: 2,
    }
}

fn audit(what: AuditEvent, session: u128) -> Audit {
    Audit {
        at: Time::from_unix_ms(1_795_356_369_123),
        what,
        supervisor: UserId(1),
        supervisor_name: "lead".into(),
        supervisor_number: Some(number("5005")),
        target_number: Some(number("5001")),
        target_name: Some("agent1".into()),
        call: Some(CallId(0xABC)),
        order: Some(OrderId(4)),
        session: Some(SessionId(session)),
        operation: Some(MonitorOperation::ListenIn),
        reason: Some("call_ended".into()),
    }
}

fn registration(contact: &str) -> Registration {
    Registration {
        number: number("5001"),
        contact: contact.into(),
        source: "127.0.0.1:40000".into(),
        call_id: "abc@host".into(),
        cseq: u32::MAX,
        expires: Time::from_unix_ms(1_795_356_369_001),
        agent: "phone 1.0".into(),
        preference: 500,
        instance: "<urn:uuid:1>".into(),
        reg_id: 2,
        path: vec!["<sip:edge1;lr>".into(), "<sip:edge2;lr>".into()],
    }
}

#[tokio::test]
async fn an_empty_database_is_made_and_holds_nothing() {
    let place = Place::new();
    let (storage, saved, _) = place.open().await;
    assert_eq!(saved, Saved::default());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path()), 0o600);
    storage.store(None, vec![Record::Device(device(1, "5001"))]).unwrap();
    storage.audit(1).await.unwrap();
    assert_eq!(mode(&place.folder.path().join("undertone.db-wal")), 0o600);
}

#[tokio::test]
async fn the_contact_center_comes_back_as_it_last_was() {
    let last = ContactCenter {
        name: "Demo".into(),
        switch_name: "Switch".into(),
        features: ["api-voice".into(), "api-supervisor-monitoring".into()].into(),
    };
    let records = vec![Record::ContactCenter(ContactCenter::default()), Record::ContactCenter(last.clone())];
    assert_eq!(Place::new().after(records).await.contact_center, Some(last));
}

#[tokio::test]
async fn devices_and_their_comforts_come_back_as_they_last_were() {
    let plain = Device { ha1: None, telephony_network: TelephonyNetwork::Private, ..device(2, "5002") };
    let comfort = Comfort { device: DeviceId(1), do_not_disturb: true, forward_to: Some(number("+49301")) };
    let other = Comfort { device: DeviceId(2), do_not_disturb: false, forward_to: None };
    let saved = Place::new()
        .after(vec![
            Record::Device(Device { ha1: None, ..device(1, "5009") }),
            Record::Device(device(1, "5001")),
            Record::Device(plain.clone()),
            Record::Comfort(Comfort { do_not_disturb: false, ..comfort.clone() }),
            Record::Comfort(comfort.clone()),
            Record::Comfort(other.clone()),
        ])
        .await;
    assert_eq!(saved.devices, vec![device(1, "5001"), plain]);
    assert_eq!(saved.comforts, vec![comfort, other]);
}

#[tokio::test]
async fn users_come_back_as_they_last_were() {
    let bare =
        User { roles: [].into(), device: None, teams: [].into(), supervises: [].into(), monitor: [].into(), ..user(2) };
    let records = vec![Record::User(user(2)), Record::User(user(1)), Record::User(bare.clone())];
    assert_eq!(Place::new().after(records).await.users, vec![user(1), bare]);
}

#[tokio::test]
async fn queues_trunks_and_dial_rules_come_back_as_they_last_were() {
    let plain = Queue::new(number("8000"), "support".into(), ["support".into()].into());
    let queue = Queue {
        music: Some("/music.wav".into()),
        ring_timeout: Duration::from_millis(1_500),
        overflow: Some(Overflow { after: Duration::from_secs(60), to: number("5001") }),
        wrap_up_time: Duration::from_secs(10),
        max_waiting: 7,
        ..plain.clone()
    };
    let other = Queue { phone_number: number("8001"), ..plain.clone() };
    let trunk = Trunk {
        name: "carrier".into(),
        address: "127.0.0.1:5080".into(),
        transport: TrunkTransport::Tcp,
        account: Some(Account { user_name: "acme".into(), password: Secret("secret".into()), register: true }),
        inbound: BTreeMap::from([("0800123456".into(), number("8000")), ("".into(), number("5001"))]),
    };
    let rule = |prefix: &str| DialRule { prefix: prefix.into(), trunk: "carrier".into() };
    let rules = vec![rule("9"), rule("0"), rule("")];
    let saved = Place::new()
        .after(vec![
            Record::Queue(Queue { teams: ["other".into()].into(), ..queue.clone() }),
            Record::Queue(plain),
            Record::Queue(queue.clone()),
            Record::Queue(other.clone()),
            Record::Trunk(Trunk { inbound: BTreeMap::from([("1".into(), number("1"))]), ..trunk.clone() }),
            Record::Trunk(trunk.clone()),
            Record::DialRules(vec![rule("7")]),
            Record::DialRules(rules.clone()),
        ])
        .await;
    assert_eq!(saved.queues, vec![queue, other]);
    assert_eq!(saved.trunks, vec![trunk]);
    assert_eq!(saved.dial_rules, rules);
}

#[tokio::test]
async fn log_ins_and_orders_stand_until_they_are_gone() {
    let log_in = |user, state| LogIn { user: UserId(user), device: DeviceId(5), state };
    let saved = Place::new()
        .after(vec![
            Record::LogIn(log_in(1, AgentState::NotReady)),
            Record::LogIn(log_in(1, AgentState::Ready)),
            Record::LogIn(log_in(2, AgentState::NotReady)),
            Record::LogOut(UserId(2)),
            Record::LogOut(UserId(3)),
            Record::Order(Order { unanswered: 0, ..order(9) }),
            Record::Order(order(4)),
            Record::Order(order(9)),
            Record::Order(order(5)),
            Record::OrderGone(OrderId(5)),
        ])
        .await;
    assert_eq!(saved.log_ins, vec![log_in(1, AgentState::Ready)]);
    // In the order in which they were first accepted.
    assert_eq!(saved.orders, vec![order(9), order(4)]);
}

#[tokio::test]
async fn registrations_are_kept_by_number_and_contact() {
    let saved = Place::new()
        .after(vec![
            Record::Registration(Registration { cseq: 1, ..registration("sip:a") }),
            Record::Registration(registration("sip:a")),
            Record::Registration(registration("sip:b")),
            Record::RegistrationGone { number: number("5001"), contact: "sip:b".into() },
        ])
        .await;
    assert_eq!(saved.registrations, vec![registration("sip:a")]);
}

#[tokio::test]
async fn sessions_that_have_no_end_come_back_with_what_began_them() {
    let records = vec![
        Record::SessionBegun(SessionId(1)),
        Record::Audit(audit(AuditEvent::SessionOffered, 1)),
        Record::SessionBegun(SessionId(2)),
        Record::Audit(audit(AuditEvent::SessionOffered, 2)),
        Record::Audit(audit(AuditEvent::SessionActive, 2)),
        Record::Audit(audit(AuditEvent::SessionActive, 1)),
        Record::Audit(audit(AuditEvent::SessionEnded, 1)),
        Record::SessionEnded(SessionId(1)),
    ];
    assert_eq!(Place::new().after(records).await.open_sessions, vec![audit(AuditEvent::SessionOffered, 2)]);
}

#[tokio::test]
async fn the_audit_trail_keeps_every_entry_and_lets_none_be_changed() {
    let place = Place::new();
    let bare = Audit {
        supervisor_number: None,
        target_number: None,
        target_name: None,
        call: None,
        order: None,
        session: None,
        operation: None,
        reason: None,
        ..audit(AuditEvent::OrderRefused, 0)
    };
    let (storage, ..) = place.open().await;
    let entries = vec![Record::Audit(bare.clone()), Record::Audit(audit(AuditEvent::OrderArmed, 7))];
    storage.store(None, entries).unwrap();
    assert_eq!(storage.audit(10).await.unwrap(), vec![audit(AuditEvent::OrderArmed, 7), bare]);
    assert_eq!(storage.audit(1).await.unwrap(), vec![audit(AuditEvent::OrderArmed, 7)]);
    storage.close().await;

    let mut db = SqliteConnectOptions::new().filename(place.path()).connect().await.unwrap();
    for forbidden in ["UPDATE audit SET reason = ''", "DELETE FROM audit"] {
        let error = sqlx::query(forbidden).execute(&mut db).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
}

#[test]
fn what_was_reported_as_committed_survives_the_end_of_the_process() {
    let place = Place::new();
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = runtime();
    let (storage, _, reports) = first.block_on(place.open());
    storage.store(Some(Ticket(1)), vec![Record::Order(order(4))]).unwrap();
    assert_eq!(reports.recv().unwrap(), (Ticket(1), Outcome::Committed));
    // What a killed process leaves behind, while this one still has the files open.
    let copy = Place::new();
    for side in ["", "-wal"] {
        let name = format!("undertone.db{side}");
        fs::copy(place.folder.path().join(&name), copy.folder.path().join(&name)).unwrap();
    }
    first.shutdown_background();
    let (_, saved, _) = runtime().block_on(copy.open());
    assert_eq!(saved.orders, vec![order(4)]);
}

#[tokio::test]
async fn many_stores_are_each_reported_once_and_in_their_order() {
    let place = Place::new();
    let (storage, _, reports) = place.open().await;
    for n in 0..1000 {
        storage.store(Some(Ticket(n)), vec![Record::Order(order(n.into()))]).unwrap();
    }
    storage.close().await;
    let tickets: Vec<(Ticket, Outcome)> = reports.try_iter().collect();
    assert_eq!(tickets, (0..1000).map(|n| (Ticket(n), Outcome::Committed)).collect::<Vec<_>>());
    assert_eq!(place.open().await.1.orders.len(), 1000);
    assert_eq!(storage.store(None, Vec::new()), Err(StoreError::Closed));
}

#[tokio::test]
async fn a_store_that_fails_fails_as_a_whole_and_alone() {
    let place = Place::new();
    let (storage, _, reports) = place.open().await;
    // Given before the task runs, so that all three wait together. The number of the second is taken.
    storage.store(Some(Ticket(1)), vec![Record::Device(device(1, "5001"))]).unwrap();
    storage.store(Some(Ticket(2)), vec![Record::Order(order(4)), Record::Device(device(2, "5001"))]).unwrap();
    storage.store(Some(Ticket(3)), vec![Record::Device(device(3, "5003"))]).unwrap();
    storage.close().await;
    let outcomes: Vec<(Ticket, Outcome)> = reports.try_iter().collect();
    let wanted = [(Ticket(1), Outcome::Committed), (Ticket(2), Outcome::Failed), (Ticket(3), Outcome::Committed)];
    assert_eq!(outcomes, wanted.to_vec());
    let (_, saved, _) = place.open().await;
    assert_eq!(saved.devices, vec![device(1, "5001"), device(3, "5003")]);
    assert_eq!(saved.orders, vec![]);
}

#[tokio::test]
async fn a_database_that_takes_no_writes_fails_each_store() {
    let place = Place::new();
    place.open().await.0.close().await;
    let settings = Settings { url: format!("{}?mode=ro", place.settings().url), durability: Durability::Power };
    let (report, reports) = mpsc::channel();
    // A database that may only be read refuses every write, as one on a full disk does.
    let opened = Storage::open(&settings, move |ticket, outcome| report.send((ticket, outcome)).unwrap()).await;
    let (storage, _) = opened.unwrap();
    storage.store(Some(Ticket(1)), vec![Record::Order(order(4))]).unwrap();
    storage.store(Some(Ticket(2)), vec![Record::Order(order(5))]).unwrap();
    storage.close().await;
    let outcomes: Vec<(Ticket, Outcome)> = reports.try_iter().collect();
    assert_eq!(outcomes, vec![(Ticket(1), Outcome::Failed), (Ticket(2), Outcome::Failed)]);
}

#[tokio::test]
async fn a_database_that_another_process_holds_fails_all_that_waits_at_once() {
    let place = Place::new();
    let (storage, _, reports) = place.open().await;
    let mut other = SqliteConnectOptions::new().filename(place.path()).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    for n in 0..100 {
        storage.store(Some(Ticket(n)), vec![Record::Order(order(n.into()))]).unwrap();
    }
    // The audit trail can still be read.
    assert_eq!(storage.audit(1).await.unwrap(), vec![]);
    let outcomes: Vec<(Ticket, Outcome)> = reports.try_iter().collect();
    assert_eq!(outcomes, (0..100).map(|n| (Ticket(n), Outcome::Failed)).collect::<Vec<_>>());

    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    storage.store(Some(Ticket(100)), vec![Record::Order(order(4))]).unwrap();
    storage.close().await;
    assert_eq!(reports.try_iter().collect::<Vec<_>>(), [(Ticket(100), Outcome::Committed)]);
}

#[tokio::test]
async fn a_database_that_could_not_be_written_ails_until_it_can_without_anybody_writing() {
    let place = Place::new();
    let (storage, _, _reports) = place.open().await;
    storage.store(None, vec![Record::Order(order(1))]).unwrap();
    storage.audit(1).await.unwrap();
    assert_eq!(storage.figures(), Figures { waiting: 0, committed: 1, failed: 0, is_ailing: false });
    let mut other = SqliteConnectOptions::new().filename(place.path()).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    storage.store(None, vec![Record::Order(order(2))]).unwrap();
    storage.audit(1).await.unwrap();
    assert_eq!(storage.figures(), Figures { waiting: 0, committed: 1, failed: 1, is_ailing: true });
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let well = async {
        while storage.figures().is_ailing {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), well).await.expect("the database can be written again");
}

#[tokio::test]
async fn more_than_the_queue_holds_is_refused_at_once() {
    let place = Place::new();
    let (storage, ..) = place.open().await;
    // The runtime has one thread, and this test never lets go of it: nothing is written meanwhile.
    let taken = (0..QUEUE + 10).take_while(|_| storage.store(None, Vec::new()).is_ok()).count();
    assert_eq!(taken, QUEUE);
    assert_eq!(storage.store(None, Vec::new()), Err(StoreError::Full));
}

#[tokio::test]
async fn urls_of_other_databases_are_refused_with_a_sentence() {
    for (url, wanted) in [
        ("postgres://db/undertone", "PostgreSQL is for clusters"),
        ("mysql://db/undertone", "only SQLite"),
        ("undertone.db", "only SQLite"),
        ("sqlite://", "file's name is missing"),
        ("sqlite:///nowhere/at/all/undertone.db", "cannot create the database /nowhere/at/all/undertone.db"),
    ] {
        let settings = Settings { url: url.into(), durability: Durability::Process };
        let error = Storage::open(&settings, |_, _| {}).await.unwrap_err().to_string();
        assert!(error.contains(wanted), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let place = Place::new();
    fs::write(place.path(), "this is a letter, not a database, and longer than a header").unwrap();
    let error = Storage::open(&place.settings(), |_, _| {}).await.unwrap_err();
    assert!(error.to_string().contains("file is not a database"), "{error}");
}

#[tokio::test]
async fn a_value_that_nobody_writes_is_refused_with_its_place() {
    let place = Place::new();
    place.after(vec![Record::Order(order(4))]).await;
    place.raw("UPDATE monitoring_order SET scope = 'Galaxy'").await;
    let error = Storage::open(&place.settings(), |_, _| {}).await.unwrap_err().to_string();
    let wanted = "table monitoring_order, column scope: \"Galaxy\" is not a monitoring scope \
                  (in the row that begins with \"00000000000000000000000000000004\")";
    assert!(error.ends_with(wanted), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let place = Place::new();
    place.open().await.0.close().await;
    place
        .raw("INSERT INTO _sqlx_migrations SELECT 99, 'x', installed_on, 1, checksum, 0 FROM _sqlx_migrations LIMIT 1")
        .await;
    let error = Storage::open(&place.settings(), |_, _| {}).await.unwrap_err();
    assert!(matches!(error, OpenError::Migrate { .. }), "{error}");
}

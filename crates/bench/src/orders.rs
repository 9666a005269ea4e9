//! Orders and messages: how soon a POST shows at the desktop, and what deliveries cost.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    Failed, Plan,
    desktops::{Desktops, Transport},
    figures::{Figure, spread},
    held::ms,
    http::Connection,
    phones::{self, Phones, supervisor},
    rtp::Sound,
    server::{People, Server, agent_name, cancel, listen_in, supervisor_name},
    usage::{Reading, Usage},
};

/// `orders`: from the POST of ListenIn to its message, while all clients hold their connections.
pub(crate) fn latency(plan: &Plan) -> Result<(), Failed> {
    let trunk = phones::trunk()?;
    let people = People { agents: SUPERVISORS, supervisors: SUPERVISORS.max(plan.clients) };
    let server = Server::start(&plan.binary, people, trunk.local_addr()?)?;
    let sound = std::sync::Arc::new(Sound::new(SUPERVISORS)?);
    let mut phones = Phones::new(server.sip, trunk, sound, SUPERVISORS, false)?;
    phones.register(&(0..SUPERVISORS).map(supervisor).collect::<Vec<_>>())?;
    server.log_in((0..SUPERVISORS).flat_map(|it| [agent_name(it), supervisor_name(it)]))?;
    let devices = server.own_devices(&(0..SUPERVISORS).map(supervisor_name).collect::<Vec<_>>())?;
    for transport in [Transport::LongPolling, Transport::WebSocket] {
        let users: Vec<String> = (0..plan.clients.max(SUPERVISORS)).map(supervisor_name).collect();
        let desktops = Desktops::connect(server.http, &users, transport)?;
        thread::sleep(Duration::from_millis(500));
        let before = Reading::of(server.pid());
        let mut connection = Connection::open(server.http)?;
        let mut times = Vec::new();
        for turn in 0..ORDERS {
            let place = turn % SUPERVISORS;
            let posted = Instant::now();
            listen_in(&mut connection, place, &devices[place])?;
            thread::sleep(Duration::from_millis(15));
            times.extend(desktops.last(place).filter(|it| *it > posted).map(|it| ms(it, posted)));
            cancel(&mut connection, place, &devices[place])?;
            thread::sleep(Duration::from_millis(15));
        }
        let usage = Reading::of(server.pid()).since(&before);
        let (numbers, value) = spread(&mut times);
        Figure {
            name: match transport {
                Transport::LongPolling => "ListenIn POST to its message, long-polling",
                Transport::WebSocket => "ListenIn POST to its message, WebSocket",
            },
            value,
            numbers,
            target: "p99 5 ms",
            calls: "none".into(),
            rate: format!("{} sessions open, {} of {ORDERS} orders seen, about 30/s", users.len(), times.len()),
            idle: usage.idle,
            note: format!("{} clients cut off", desktops.failures()),
            ..Figure::default()
        }
        .print(plan.form);
    }
    Ok(())
}

/// `polling`
pub(crate) fn polling(plan: &Plan) -> Result<(), Failed> {
    deliveries(plan, Transport::LongPolling)
}

/// `websocket`
pub(crate) fn websocket(plan: &Plan) -> Result<(), Failed> {
    deliveries(plan, Transport::WebSocket)
}

/// CPU of deliveries, less that of the POSTs that lead to them.
fn deliveries(plan: &Plan, transport: Transport) -> Result<(), Failed> {
    let trunk = phones::trunk()?;
    let server = Server::start(&plan.binary, People { agents: plan.clients, supervisors: 0 }, trunk.local_addr()?)?;
    server.log_in((0..plan.clients).map(agent_name))?;
    let devices = server.own_devices(&(0..plan.clients).map(agent_name).collect::<Vec<_>>())?;
    let mut agents = Switches { connection: Connection::open(server.http)?, devices, turn: 0 };
    let single: Vec<String> = (0..plan.clients).map(agent_name).collect();
    let groups = plan.clients.div_ceil(SESSIONS_A_USER);
    let shared: Vec<String> = (0..plan.clients).map(|it| agent_name(it % groups)).collect();
    let rows = match transport {
        Transport::LongPolling => [
            ("CPU s per 100,000 deliveries, polling, to all", "1.3 s", shared, groups),
            ("CPU s per 100,000 deliveries, polling, single", "8 s", single, plan.clients),
        ],
        Transport::WebSocket => [
            ("CPU s per 100,000 deliveries, WebSocket, to all", "0.6 s", shared, groups),
            ("CPU s per 100,000 deliveries, WebSocket, single", "5 s", single, plan.clients),
        ],
    };
    for (name, target, users, heads) in rows {
        // What the POSTs cost when nobody is told: before and after, since the machine is not alike all the time.
        let quiet = plan.time / 2;
        let (posts_before, alone_before) = agents.measure(&server, heads, quiet)?;
        let desktops = Desktops::connect(server.http, &users, transport)?;
        thread::sleep(Duration::from_millis(500));
        let (posts, (usage, delivered)) = agents.measure_with(&server, heads, plan.time, Some(&desktops))?;
        let cut_off = desktops.failures();
        drop(desktops);
        // A session whose poll broke off is over soon after; until then messages wait in it.
        thread::sleep(SESSIONS_END);
        let (posts_after, alone_after) = agents.measure(&server, heads, quiet)?;
        let each = (alone_before.cpu + alone_after.cpu) / (posts_before + posts_after) as f64;
        let cost = (usage.cpu - each * posts as f64) / delivered as f64 * 1e5;
        Figure {
            name,
            value: format!("{cost:.2} s"),
            numbers: vec![cost],
            target,
            calls: "none".into(),
            rate: format!("{} clients, {:.0} deliveries/s", plan.clients, delivered as f64 / usage.wall),
            idle: usage.idle,
            note: format!(
                "{delivered} deliveries of {posts} POSTs, whose own {:.0} us each are left out; {} clients cut off; \
                 threads in {:.1} s: {}",
                each * 1e6,
                cut_off,
                usage.wall,
                usage.shares()
            ),
            ..Figure::default()
        }
        .print(plan.form);
    }
    Ok(())
}

/// Agents who do not want to be disturbed, and do, in turn, which each time is one message to each of their sessions.
struct Switches {
    connection: Connection,
    devices: Vec<String>,
    turn: usize,
}

impl Switches {
    fn change(&mut self, heads: usize, posts: usize) -> Result<(), Failed> {
        for _ in 0..posts {
            let (place, on) = (self.turn % heads, (self.turn / heads).is_multiple_of(2));
            let body = json!({"operationName": if on { "DoNotDisturbOn" } else { "DoNotDisturbOff" }}).to_string();
            let path = format!("/me/devices/{}", self.devices[place]);
            self.connection.ask(&agent_name(place), &path, Some(&body))?;
            self.turn += 1;
        }
        Ok(())
    }

    fn measure(&mut self, server: &Server, heads: usize, time: Duration) -> Result<(usize, Usage), Failed> {
        self.measure_with(server, heads, time, None).map(|(posts, usage)| (posts, usage.0))
    }

    /// POSTs for so long, one after the other, and what the server used until the last message had come; the number of
    /// messages too.
    fn measure_with(
        &mut self,
        server: &Server,
        heads: usize,
        time: Duration,
        desktops: Option<&Desktops>,
    ) -> Result<(usize, (Usage, u64)), Failed> {
        // Whole rounds of both states, so that every POST changes something.
        self.turn = 0;
        self.change(heads, 2 * heads)?;
        thread::sleep(Duration::from_millis(300));
        let (first, begin) = (desktops.map_or(0, Desktops::deliveries), Instant::now());
        let before = Reading::of(server.pid());
        let mut posts = 0;
        while begin.elapsed() < time {
            self.change(heads, 1)?;
            posts += 1;
        }
        if let Some(desktops) = desktops {
            let mut seen = 0;
            while seen != desktops.deliveries() {
                seen = desktops.deliveries();
                desktops.wait(u64::MAX, Duration::from_millis(100));
            }
        }
        let usage = Reading::of(server.pid()).since(&before);
        Ok((posts, (usage, desktops.map_or(0, Desktops::deliveries) - first)))
    }
}

const SUPERVISORS: usize = 50;
const ORDERS: usize = 200;
/// The server's `max_interval` and a little more.
const SESSIONS_END: Duration = Duration::from_secs(11);
/// The server allows 64.
const SESSIONS_A_USER: usize = 60;

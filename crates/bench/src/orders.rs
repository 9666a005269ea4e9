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
    let devices = server.own_devices(0..SUPERVISORS)?;
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

/// `cometd`: CPU of deliveries, less that of the POSTs that lead to them.
pub(crate) fn deliveries(plan: &Plan) -> Result<(), Failed> {
    let trunk = phones::trunk()?;
    let server = Server::start(&plan.binary, People { agents: plan.clients, supervisors: 0 }, trunk.local_addr()?)?;
    server.log_in((0..plan.clients).map(agent_name))?;
    let mut agents = States { connection: Connection::open(server.http)?, turn: 0 };
    agents.change(plan.clients, plan.clients)?;
    // What the POSTs cost when nobody is told.
    let (posts, alone) = agents.measure(&server, plan.clients, plan.time.min(Duration::from_secs(5)))?;
    let each = alone.cpu / posts as f64;
    for transport in [Transport::LongPolling, Transport::WebSocket] {
        let single: Vec<String> = (0..plan.clients).map(agent_name).collect();
        let groups = plan.clients.div_ceil(SESSIONS_A_USER);
        let shared: Vec<String> = (0..plan.clients).map(|it| agent_name(it % groups)).collect();
        for (users, heads, name, target) in [
            (shared, groups, "to all", if transport == Transport::LongPolling { "1.3 s" } else { "0.6 s" }),
            (single, plan.clients, "to one", if transport == Transport::LongPolling { "8 s" } else { "5 s" }),
        ] {
            let desktops = Desktops::connect(server.http, &users, transport)?;
            thread::sleep(Duration::from_millis(500));
            let (posts, usage) = agents.measure_with(&server, heads, plan.time, Some(&desktops))?;
            let (delivered, usage, cut) = (usage.1, usage.0, desktops.failures());
            let cost = (usage.cpu - each * posts as f64) / delivered as f64 * 1e5;
            Figure {
                name: match (transport, name) {
                    (Transport::LongPolling, "to all") => "CPU s per 100,000 deliveries, polling, to all",
                    (Transport::LongPolling, _) => "CPU s per 100,000 deliveries, polling, single",
                    (Transport::WebSocket, "to all") => "CPU s per 100,000 deliveries, WebSocket, to all",
                    (Transport::WebSocket, _) => "CPU s per 100,000 deliveries, WebSocket, single",
                },
                value: format!("{cost:.2} s"),
                numbers: vec![cost],
                target,
                calls: "none".into(),
                rate: format!("{} clients, {:.0} deliveries/s", plan.clients, delivered as f64 / usage.wall),
                idle: usage.idle,
                note: format!(
                    "{delivered} deliveries of {posts} POSTs, whose own {:.0} us each are left out; {cut} clients cut off; \
                     threads in {:.1} s: {}",
                    each * 1e6,
                    usage.wall,
                    usage.shares()
                ),
                ..Figure::default()
            }
            .print(plan.form);
        }
    }
    Ok(())
}

/// Agents who are ready and not ready in turn, which each time is one message to each of their sessions.
struct States {
    connection: Connection,
    turn: usize,
}

impl States {
    fn change(&mut self, heads: usize, posts: usize) -> Result<(), Failed> {
        for _ in 0..posts {
            let (place, ready) = (self.turn % heads, self.turn / heads % 2 == 0);
            let body = json!({"operationName": if ready { "Ready" } else { "NotReady" }}).to_string();
            self.connection.ask(&agent_name(place), "/me", Some(&body))?;
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
/// The server allows 64.
const SESSIONS_A_USER: usize = 60;

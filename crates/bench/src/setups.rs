//! Setting calls up, and listeners who join calls in progress.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Failed, Plan,
    figures::{Figure, spread},
    held::ms,
    http::Connection,
    phones::{self, Phones, agent, supervisor},
    rtp::{Leg, Part, Sound},
    server::{People, Server, agent_name, listen_in, supervisor_name},
    usage::Reading,
};

/// `setups`: whole calls without sound, from INVITE to the answer to BYE.
pub(crate) fn run(plan: &Plan) -> Result<(), Failed> {
    let sound = Arc::new(Sound::new(PLACES)?);
    let trunk = phones::trunk()?;
    let server = Server::start(&plan.binary, People { agents: PLACES, supervisors: 0 }, trunk.local_addr()?)?;
    let mut phones = Phones::new(server.sip, trunk, sound, PLACES, false)?;
    phones.register(&(0..PLACES).map(agent).collect::<Vec<_>>())?;
    // Some first, so that what is made once is made.
    let mut times = Vec::new();
    pass(&mut phones, 2 * RATE as usize, &mut times)?;
    times.clear();
    let before = Reading::of(server.pid());
    phones.pump(Duration::from_secs(2));
    let idle = Reading::of(server.pid()).since(&before);
    let before = Reading::of(server.pid());
    let calls = plan.time.as_secs() as usize * RATE as usize;
    pass(&mut phones, calls, &mut times)?;
    let usage = Reading::of(server.pid()).since(&before);
    let cpu = (usage.cpu - idle.cpu / idle.wall * usage.wall) / calls as f64 * 1000.0;
    let frame = Figure {
        calls: format!("{calls}, each held {} s", HOLD.as_secs_f64()),
        rate: format!("{RATE} set-ups/s"),
        idle: usage.idle,
        ..Figure::default()
    };
    Figure {
        name: "CPU s per 1,000 call set-ups",
        value: format!("{cpu:.3} s"),
        numbers: vec![cpu],
        target: "0.6 s",
        note: format!("threads in {:.1} s: {}", usage.wall, usage.shares()),
        ..frame.clone()
    }
    .print(plan.form);
    let (numbers, value) = spread(&mut times);
    let note = "the agent's phone rings and answers at once".to_owned();
    Figure { name: "set-up time, median / p99", value, numbers, target: "1 / 3 ms", note, ..frame }.print(plan.form);
    Ok(())
}

/// So many calls at [`RATE`], each hung up after [`HOLD`]; their set-up times in milliseconds.
fn pass(phones: &mut Phones, calls: usize, times: &mut Vec<f64>) -> Result<(), Failed> {
    let begin = Instant::now();
    let each = Duration::from_secs(1) / RATE;
    let behind = (HOLD.as_secs_f64() / each.as_secs_f64()) as usize;
    for number in 0..calls + behind {
        if let Some(over) = number.checked_sub(behind) {
            let place = over % PLACES;
            let call = &phones.calls[place];
            let (Some(invited), Some(connected)) = (call.invited, call.connected) else {
                return Err(format!("call {over} was not set up: {call:?}").into());
            };
            times.push(ms(connected, invited));
            phones.hang_up(place);
        }
        if number < calls {
            phones.call(number % PLACES);
        }
        phones.pump((begin + each * (number as u32 + 1)).saturating_duration_since(Instant::now()));
    }
    phones.pump_until(Duration::from_secs(2), |it| it.calls.iter().all(|it| it.ended || it.invited.is_none()));
    Ok(())
}

/// `joins`: calls go on, and one after the other is joined.
pub(crate) fn joins(plan: &Plan) -> Result<(), Failed> {
    let sound = Arc::new(Sound::new(JOINS)?);
    let trunk = phones::trunk()?;
    let people = People { agents: JOINS, supervisors: JOINS };
    let server = Server::start(&plan.binary, people, trunk.local_addr()?)?;
    let mut phones = Phones::new(server.sip, trunk, Arc::clone(&sound), JOINS, true)?;
    phones.register(&(0..JOINS).map(agent).chain((0..JOINS).map(supervisor)).collect::<Vec<_>>())?;
    server.log_in((0..JOINS).map(agent_name).chain((0..JOINS).map(supervisor_name)))?;
    let devices = server.own_devices(&(0..JOINS).map(supervisor_name).collect::<Vec<_>>())?;
    for place in 0..JOINS {
        phones.call(place);
        phones.pump(Duration::from_millis(20));
    }
    phones.pump(Duration::from_secs(1));
    let before = Reading::of(server.pid());
    let counted = parties(&sound);
    let http = server.http;
    // Orders wait for their answers, so somebody else gives them while the phones answer.
    let orders = thread::spawn(move || -> Result<Vec<Instant>, Failed> {
        let mut connection = Connection::open(http)?;
        let mut posted = Vec::new();
        for (place, device) in devices.iter().enumerate() {
            posted.push(Instant::now());
            listen_in(&mut connection, place, device)?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(posted)
    });
    phones.pump_until(Duration::from_secs(20), |_| orders.is_finished());
    phones.pump(Duration::from_secs(2));
    let usage = Reading::of(server.pid()).since(&before);
    let posted = orders.join().map_err(|_| "the thread of the orders panicked")??;
    let (breaks, leaks) = parties(&sound);
    let first = |place: usize| sound.leg(place, Part::Supervisor).heard().first;
    let mut times: Vec<f64> =
        posted.iter().enumerate().filter_map(|(place, posted)| Some(ms(first(place)?, *posted))).collect();
    let (breaks, leaks) = (breaks - counted.0, leaks - counted.1);
    let (spread_of, joined) = (spread(&mut times).1, times.len());
    Figure {
        name: "SSRC or sequence breaks when a listener joins",
        value: breaks.to_string(),
        numbers: vec![breaks as f64, leaks as f64],
        target: "0",
        calls: JOINS.to_string(),
        rate: format!("{joined} joins, 20/s"),
        idle: usage.idle,
        note: format!(
            "{leaks} packets of supervisors or strangers heard by the parties; POST to the listener's first packet {spread_of}"
        ),
        ..Figure::default()
    }
    .print(plan.form);
    Ok(())
}

/// Breaks and leaks at all parties.
fn parties(sound: &Sound) -> (u64, u64) {
    let legs = (0..JOINS).flat_map(|it| [sound.leg(it, Part::Caller), sound.leg(it, Part::Agent)]);
    legs.map(Leg::heard).fold((0, 0), |sum, it| (sum.0 + it.breaks, sum.1 + it.leaks))
}

/// Agents who take turns.
const PLACES: usize = 150;
/// Set-ups a second, as the peers were measured with.
const RATE: u32 = 50;
const HOLD: Duration = Duration::from_secs(1);
const JOINS: usize = 60;

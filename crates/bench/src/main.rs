//! A load generator of the project's own: it runs the real server under load, measures, and prints each figure.

#![allow(clippy::print_stdout, reason = "standard output is where the figures go")]

mod bare;
mod desktops;
mod figures;
mod held;
mod http;
mod message;
mod orders;
mod phones;
mod rtp;
mod server;
mod setups;
mod stamp;
mod usage;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};

use figures::Form;

/// Anything that ends the run early, told in one sentence.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Measures the server beside this program under load on the loopback interface.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// What to measure; without it, everything.
    #[arg(value_enum)]
    names: Vec<Name>,
    /// Numbers of held calls, the smallest first. Figures per call are slopes between them.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 300])]
    sizes: Vec<usize>,
    /// How long each measurement goes on.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    seconds: u64,
    /// How long after the last set-up memory is read: when SIP's transactions are gone.
    #[arg(long, default_value_t = 40, value_name = "SECONDS")]
    memory_after: u64,
    /// CometD clients.
    #[arg(long, default_value_t = 1_000)]
    clients: usize,
    /// One JSON object a line instead of text.
    #[arg(long)]
    json: bool,
    /// The server, if it is not the `undertone` beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Bridged calls: CPU, delay, memory.
    Bridged,
    /// Calls that are listened to: CPU, the join, mouth to ear, memory.
    Listened,
    /// Setting calls up: CPU and time.
    Setups,
    /// Listeners who join calls in progress: what the parties notice.
    Joins,
    /// From an order's POST to its message.
    Orders,
    /// CPU of CometD deliveries by long-polling.
    Polling,
    /// CPU of CometD deliveries over WebSockets.
    Websocket,
}

/// Measures, and prints what it found.
type Scene = fn(&Plan) -> Result<(), Failed>;

/// What every measurement needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) binary: PathBuf,
    pub(crate) sizes: Vec<usize>,
    pub(crate) time: Duration,
    pub(crate) memory_after: Duration,
    pub(crate) clients: usize,
    pub(crate) form: Form,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((name, arguments)) if name == bare::NAME => bare::run(arguments),
        _ => run(Arguments::parse()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failed> {
    let Arguments { names, mut sizes, seconds, memory_after, clients, json, binary } = arguments;
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.first().is_none_or(|it| *it == 0) || sizes.last().is_some_and(|it| *it > MOST_CALLS) {
        return Err(format!("--sizes must be numbers from 1 to {MOST_CALLS}").into());
    }
    let binary = match binary {
        Some(it) => it,
        None => std::env::current_exe()?.with_file_name("undertone"),
    };
    let plan = Plan {
        binary: binary.canonicalize().map_err(|it| format!("{}: {it}", binary.display()))?,
        sizes,
        time: Duration::from_secs(seconds),
        memory_after: Duration::from_secs(memory_after),
        clients,
        form: if json { Form::JsonLines } else { Form::Text },
    };
    figures::machine(plan.form);
    let wanted = |name| names.is_empty() || names.contains(&name);
    let scenes: [(Name, Scene); 7] = [
        (Name::Bridged, held::bridged),
        (Name::Listened, held::listened),
        (Name::Setups, setups::run),
        (Name::Joins, setups::joins),
        (Name::Orders, orders::latency),
        (Name::Polling, orders::polling),
        (Name::Websocket, orders::websocket),
    ];
    for (name, scene) in scenes {
        if wanted(name) {
            scene(&plan).map_err(|why| format!("{name:?}: {why}"))?;
        }
    }
    Ok(())
}

/// Stamps count legs in sixteen bits, and the limit of open files is usually near.
const MOST_CALLS: usize = 3_000;

//! The `undertone` binary: reads its configuration, builds the parts, runs them, drains.

#![allow(clippy::print_stdout, reason = "standard output is how a program speaks to whoever started it")]

mod chronicle;
mod config;
mod demo;
mod driver;
mod figures;
mod http;
mod ledger;
mod log;
mod music;
mod provision;
mod pulse;
mod serve;
mod tape;
mod trace;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// A contact-centre voice server whose heart is call supervision.
#[derive(Debug, Parser)]
#[command(name = "undertone", version, about)]
struct Arguments {
    /// How the log on standard error reads.
    #[arg(long, global = true, value_enum, default_value = "text")]
    log_format: log::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or Ctrl-C.
    Serve(Files),
    /// Say what is wrong with the files, and do nothing else.
    Check(Files),
    /// Show what happened on a call, from the event log; without a call, the calls that began last.
    Trace(trace::Arguments),
    /// Run a small contact centre that calls itself, and listen in on it.
    Demo {
        /// Show it once and exit: 0 only if everybody heard just what they should.
        #[arg(long)]
        once: bool,
    },
}

/// What to read.
#[derive(Debug, clap::Args)]
struct Files {
    /// The settings, `undertone.toml`; without it, the defaults and the environment.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Objects to be made as the file says, `contact-center.toml`.
    #[arg(long, value_name = "FILE")]
    provision: Option<PathBuf>,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log::start(arguments.log_format);
    let done = match arguments.command {
        Command::Serve(files) => read(&files).and_then(|(config, provision)| Ok(serve::run(&config, provision)?)),
        Command::Check(files) => read(&files).map(|_| println!("the files are in order")),
        Command::Trace(it) => trace::run(&it),
        Command::Demo { once } => demo::run(once),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("undertone: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Anything that ends the program early, told in one sentence.
type Failed = Box<dyn std::error::Error + Send + Sync>;

fn read(files: &Files) -> Result<(config::Config, Option<provision::File>), Failed> {
    let config = config::Config::load(files.config.as_deref(), std::env::vars())?;
    let provision = files.provision.as_deref().map(provision::File::load).transpose()?;
    Ok((config, provision))
}

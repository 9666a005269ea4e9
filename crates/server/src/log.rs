//! Logs go to standard error; `RUST_LOG` says how much of them (`debug`, `info,domain=trace`), and
//! `UNDERTONE_LOG_NUMBERS=true` that people's numbers may stand in them.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use clap::ValueEnum;
use domain::leg::{LegEvent, LegOrder, Origin, Target};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// How a log line reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Starts logging, once for the process.
pub(crate) fn start(format: Format) {
    SHOWS_NUMBERS.store(std::env::var("UNDERTONE_LOG_NUMBERS").is_ok_and(|it| it == "true"), Relaxed);
    let asked = std::env::var("RUST_LOG").ok();
    let filter = asked.and_then(|it| it.parse().ok()).unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Text => registry.with(layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))).init(),
        Format::Json => registry.with(layer.json()).init(),
    }
}

/// A number, or what was dialled, as a log may show it: not at all, unless the operator said so.
pub(crate) struct Number<'a>(pub(crate) &'a str);

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = if self.0.is_empty() || SHOWS_NUMBERS.load(Relaxed) { self.0 } else { "[hidden]" };
        f.write_str(shown)
    }
}

/// What happened on a leg, with its numbers as [`Number`] shows them.
pub(crate) struct Told<'a>(pub(crate) &'a LegEvent);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LegEvent::Offered { origin: Origin::Device(caller), dialled } => {
                write!(f, "Offered by device {} to {}", Number(caller.as_str()), Number(dialled))
            }
            LegEvent::Offered { origin: Origin::Trunk { name, caller }, dialled } => {
                write!(f, "Offered by {} at trunk {name} to {}", Number(caller), Number(dialled))
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// What is to be done with a leg, with its numbers as [`Number`] shows them.
pub(crate) struct Ordered<'a>(pub(crate) &'a LegOrder);

impl fmt::Display for Ordered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            LegOrder::Dial { to: Target::Device(number), from, alert, .. } => {
                write!(f, "Dial device {} from {} ({alert:?})", Number(number.as_str()), Number(from))
            }
            LegOrder::Dial { to: Target::Trunk { name, number }, from, .. } => {
                write!(f, "Dial {} at trunk {name} from {}", Number(number), Number(from))
            }
            other => write!(f, "{other:?}"),
        }
    }
}

static SHOWS_NUMBERS: AtomicBool = AtomicBool::new(false);

//! Logs go to standard error; `RUST_LOG` says how much of them (`debug`, `info,domain=trace`).

use clap::ValueEnum;
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
    let asked = std::env::var("RUST_LOG").ok();
    let filter = asked.and_then(|it| it.parse().ok()).unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Text => registry.with(layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))).init(),
        Format::Json => registry.with(layer.json()).init(),
    }
}

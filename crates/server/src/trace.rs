//! `undertone trace`: what happened on a call, read from the event log and the audit trail, as a ladder or as JSON.

mod ladder;
mod story;

use std::path::PathBuf;

use domain::ids::CallId;
use serde_json::json;
use storage::{Reader, Summary};

use self::story::Story;
use crate::{Failed, config::Config};

/// What to show, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The call: its callUuid, or as much of its beginning as tells it from others.
    call: Option<String>,
    /// The settings that the server was started with; without it, the defaults and the environment.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failed> {
    let config = Config::load(arguments.config.as_deref(), std::env::vars())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let text = runtime.block_on(async {
        let mut reader = Reader::open(&config.storage.url).await?;
        match &arguments.call {
            Some(call) => one(&mut reader, call, arguments.json).await,
            None => recent(&mut reader, arguments.json).await,
        }
    })?;
    print!("{text}");
    Ok(())
}

async fn one(reader: &mut Reader, call: &str, as_json: bool) -> Result<String, Failed> {
    let call = find(call, &reader.beginning_with(call).await?)?;
    let story = Story::new(call, reader.trace(call).await?);
    if as_json {
        return Ok(format!("{:#}\n", story.json()));
    }
    Ok(ladder::draw(&story))
}

fn find(text: &str, found: &[CallId]) -> Result<CallId, Failed> {
    if text.is_empty() || text.len() > 32 || !text.bytes().all(|it| it.is_ascii_hexdigit()) {
        return Err(format!("\"{text}\" is not the beginning of a callUuid, which has 32 hex digits").into());
    }
    match found {
        [] => Err(format!(
            "nothing is known of a call {text}; `undertone trace` lists what is, and [storage] events says how long it is kept"
        )
        .into()),
        [one] => Ok(*one),
        many => {
            let ids: Vec<String> = many.iter().map(|it| format!("\n  {it}")).collect();
            Err(format!("several calls begin with {text}; write more of one of these:{}", ids.concat()).into())
        }
    }
}

async fn recent(reader: &mut Reader, as_json: bool) -> Result<String, Failed> {
    let calls = reader.recent(RECENT).await?;
    if as_json {
        let calls = calls.iter().map(|it| {
            let over = it.over.as_ref().map(|(at, why)| json!({"at": at.to_string(), "cause": why}));
            json!({"call": it.call.to_string(), "begun": it.begun.to_string(), "what": it.what, "over": over})
        });
        return Ok(format!("{:#}\n", json!({"calls": calls.collect::<Vec<_>>()})));
    }
    if calls.is_empty() {
        return Ok("no call stands in the event log\n".to_owned());
    }
    Ok(calls.iter().map(line).collect())
}

fn line(it: &Summary) -> String {
    let end = it.over.as_ref().map_or_else(
        || "still running".to_owned(),
        |(at, why)| format!("{:.1} s, {why}", at.since(it.begun).as_secs_f64()),
    );
    format!("{}  {}  {}  ({end})\n", it.begun, it.call, it.what)
}

/// Calls that are listed.
const RECENT: u32 = 20;

#[cfg(test)]
mod tests;

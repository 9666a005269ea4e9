//! A small Bayeux server: tells everybody who asks how many seconds it has been running.
//!
//! `cargo run -p cometd --example ticks`, then `node crates/cometd/tests/node/ticks.mjs http://127.0.0.1:8081/bayeux`.

use std::{collections::hash_map::RandomState, hash::BuildHasher, sync::Arc, time::Duration};

use axum::response::Response;
use clock::Clock;
use cometd::{Host, Identity, Principal, Settings};
use http::request::Parts;

struct Everybody;

impl Host for Everybody {
    async fn authenticate(&self, _head: &Parts) -> Result<Identity, Response> {
        Ok(Identity { principal: Principal::from("everybody"), browser: None })
    }

    fn may_subscribe(&self, _principal: &Principal, channel: &str) -> bool {
        channel.starts_with("/ticks/")
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let server = cometd::start(Settings::default(), Clock::start(), seed(), Everybody);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
    let handle = server.handle();
    tokio::spawn(async move {
        for seconds in 1_u64.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            handle.broadcast("/ticks/seconds", Arc::from(seconds.to_string()));
        }
    });
    axum::serve(listener, server.router("/bayeux")).await
}

/// The standard library's hash maps are keyed from the system's entropy, which is good enough for an example.
fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for (number, part) in seed.chunks_exact_mut(8).enumerate() {
        part.copy_from_slice(&RandomState::new().hash_one(number).to_ne_bytes());
    }
    seed
}

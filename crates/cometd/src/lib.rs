//! A complete Bayeux server (the protocol of CometD), reusable by itself.
//!
//! [`proto`] is a pure state machine: who is connected, who subscribed to what, which messages wait for whom. It reads
//! no clock and opens no socket. [`http`] puts it behind axum: long-polling by POST and WebSocket on the same URLs.
//! The program around it says who asks and who may subscribe ([`Host`]) and publishes through a [`Handle`]:
//!
//! ```no_run
//! use std::sync::Arc;
//! use cometd::{Host, Identity, Principal, Settings};
//!
//! struct Everybody;
//!
//! impl Host for Everybody {
//!     async fn authenticate(&self, _head: &::http::request::Parts) -> Result<Identity, axum::response::Response> {
//!         Ok(Identity { principal: Principal::from("everybody"), browser: None })
//!     }
//!
//!     fn may_subscribe(&self, _principal: &Principal, channel: &str) -> bool {
//!         channel.starts_with("/news/")
//!     }
//! }
//!
//! # async fn run() {
//! let server = cometd::start(Settings::default(), clock::Clock::start(), [7; 32], Everybody);
//! let app: axum::Router = server.router("/notifications");
//! server.handle().deliver(&Principal::from("everybody"), "/news/weather", Arc::from(r#"{"rain":true}"#));
//! # }
//! ```
//!
//! What it promises: messages of one principal reach each of its sessions in the order in which they were delivered;
//! nothing is ever dropped from the middle of that order. Where a bound is reached, the session ends as a whole and its
//! client is told to shake hands again, and so knows that it must read its state afresh.

pub mod http;
pub mod proto;

mod settings;

pub use http::{Handle, Host, Server, Stats, start};
pub use proto::{Identity, Principal};
pub use settings::Settings;

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
//!
//! Connections break, and what was on its way then may have arrived or not. A client decides what that means:
//!
//! - With the acknowledged-messages extension (`ext.ack`, on both transports) it gets every message exactly once, in
//!   order, over as many connections as it takes, as long as it is back before its session expires. Its messages travel
//!   with replies to `/meta/connect` only. The number in such a reply is that of the last message sent so far; whatever
//!   the next connect does not acknowledge is sent again, before the rest.
//! - Without it no message is ever sent twice or out of order, and one that is known not to have left is sent again. Where
//!   one may be lost, the session ends (`402`, `reconnect: handshake`) as far as that can be known: when a client comes
//!   back from a WebSocket on which messages were written since the last reply to a connect that was followed by another
//!   connect; and when it asks for an answer at once (`advice.timeout: 0`, as clients do after a failed connect) where
//!   the answer to its last connect, which might have been held, had messages. What the answer to a connect that was
//!   itself urgent carried, or one whose loss the client does not mention, can be lost unnoticed.
//!
//! The time-synchronisation extension (`ext.timesync`) is answered in every reply to a meta message.

pub mod http;
pub mod proto;

mod settings;

pub use http::{Handle, Host, Server, Stats, start};
pub use proto::{Identity, Principal};
pub use settings::Settings;

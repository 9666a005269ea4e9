//! The official CometD client in Node.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};

use crate::{SOON, process::LineProcess, server::Server, tools};

/// How the client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP requests that are answered when there is something to say.
    LongPolling,
    /// One WebSocket.
    WebSocket,
}

/// A client that is connected and subscribed.
pub struct Cometd {
    process: LineProcess,
}

impl Cometd {
    /// Connects as `user` and subscribes to `channels`.
    ///
    /// # Panics
    /// If the server does not accept that.
    #[must_use]
    pub fn connect(server: &Server, user: &str, transport: Transport, channels: &[&str]) -> Self {
        let client = Self::start(server, user, &Server::password(user), transport, channels, &json!({}));
        let shaken = client.wait("handshake", |it| it["event"] == "meta-handshake");
        assert_eq!(shaken["message"]["successful"], true, "{user}'s handshake: {shaken}");
        for channel in channels {
            let subscribed = client.wait("subscription", |it| {
                it["event"] == "meta-subscribe" && it["message"]["subscription"] == *channel
            });
            assert_eq!(subscribed["message"]["successful"], true, "{user}'s subscription: {subscribed}");
        }
        client
    }

    /// Starts a client whose success is the test's to judge. `headers` go with each request.
    #[must_use]
    pub fn start(
        server: &Server,
        user: &str,
        password: &str,
        transport: Transport,
        channels: &[&str],
        headers: &Value,
    ) -> Self {
        let name = match transport {
            Transport::LongPolling => "long-polling",
            Transport::WebSocket => "websocket",
        };
        let settings = json!({
            "url": format!("{}/api/v2/notifications", server.url()),
            "user": user,
            "password": password,
            "transport": name,
            "subscribe": channels,
            "headers": headers,
            "modules": tools::tool("node"),
        });
        let mut command = Command::new("node");
        command.arg(tools::own_file("node/cometd-client.mjs")).arg(settings.to_string());
        Self { process: LineProcess::start(&format!("CometD client of {user}"), &mut command) }
    }

    /// The first message not found before, on `channel`, whose data `wanted` accepts; answers with its data.
    ///
    /// # Panics
    /// If none comes in time.
    pub fn message(&self, channel: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let is_it = |it: &Value| {
            it["event"] == "message" && it["message"]["channel"] == channel && wanted(&it["message"]["data"])
        };
        self.process.wait(what, SOON, is_it)["message"]["data"].clone()
    }

    /// The next device state with or without a monitoring order; answers with the device.
    pub fn device(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let data = self.message("/v2/me/devices", what, |it| {
            it["messageType"] == "DeviceStateChangeMessage" && wanted(&it["devices"][0])
        });
        data["devices"][0].clone()
    }

    /// The next call message whose call is in `state`; answers with the whole data.
    pub fn call(&self, state: &str) -> Value {
        self.message("/v2/me/calls", &format!("a call that is {state}"), |it| {
            it["messageType"] == "CallStateChangeMessage" && it["call"]["state"] == state
        })
    }

    /// The data of every message on `channel` so far.
    #[must_use]
    pub fn messages(&self, channel: &str) -> Vec<Value> {
        let history = self.process.history().into_iter();
        let on_channel = history.filter(|it| it["event"] == "message" && it["message"]["channel"] == channel);
        on_channel.map(|it| it["message"]["data"].clone()).collect()
    }

    /// The first event of the client itself that `wanted` accepts.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.process.wait(what, SOON, wanted)
    }

    /// The same with a time limit of one's own.
    pub fn wait_for(&self, what: &str, limit: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        self.process.wait(what, limit, wanted)
    }

    /// Every event of the client so far.
    #[must_use]
    pub fn history(&self) -> Vec<Value> {
        self.process.history()
    }

    /// Subscribes to one more channel.
    pub fn subscribe(&mut self, channel: &str) {
        self.process.order(&json!({"order": "subscribe", "channel": channel}));
        let is_it = |it: &Value| it["event"] == "meta-subscribe" && it["message"]["subscription"] == channel;
        self.process.wait("subscription", SOON, is_it);
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, channel: &str) {
        self.process.order(&json!({"order": "unsubscribe", "channel": channel}));
        let is_it = |it: &Value| it["event"] == "meta-unsubscribe" && it["message"]["subscription"] == channel;
        self.process.wait("end of subscription", SOON, is_it);
    }

    /// Says goodbye.
    pub fn disconnect(&mut self) {
        self.process.order(&json!({"order": "disconnect"}));
        self.process.wait("disconnect", SOON, |it| it["event"] == "disconnected");
    }
}

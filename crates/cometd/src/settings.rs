//! What a host may set: times told to clients, and the bounds of everything that can grow.

use std::time::Duration;

/// Times and bounds of a Bayeux server. The defaults are those of CometD where it has any.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a `/meta/connect` is held when there is nothing to say.
    pub timeout: Duration,
    /// How long a client waits between the answer to a `/meta/connect` and the next one.
    pub interval: Duration,
    /// How much later than that a client may come back. A session without a connect for `timeout` and this is removed.
    pub max_interval: Duration,
    /// How many connects are held at once for one browser. Browsers open six connections to a host under HTTP/1.1, and
    /// some must stay free for other requests; polls beyond this number are answered at once.
    pub max_polls_per_browser: usize,
    /// The interval told to a poll beyond [`Self::max_polls_per_browser`], with `multiple-clients` advice.
    pub multiple_clients_interval: Duration,
    /// Whether WebSocket is offered beside long-polling.
    pub websocket: bool,
    /// Sessions, and also WebSockets, of everybody together.
    pub max_sessions: usize,
    /// Sessions of one principal. Beyond it the session that was silent longest makes room, if one is without a
    /// connection; else the handshake is refused.
    pub max_sessions_per_principal: usize,
    /// Subscriptions of one session.
    pub max_subscriptions: usize,
    /// Messages waiting for one session, or again after they were not acknowledged. Beyond it the session ends. As many
    /// again may be on their way.
    pub max_queued_messages: usize,
    /// Bytes of messages waiting for one session. Beyond it the session ends; a single message may be longer.
    pub max_queued_bytes: usize,
    /// Publications waiting to be taken up, of all principals together.
    pub max_inbox: usize,
    /// Bytes of a request's body, or of a WebSocket message from a client.
    pub max_body_bytes: usize,
    /// Messages in one request.
    pub max_messages_per_request: usize,
    /// How deep arrays and objects of a request may be nested.
    pub max_nesting: usize,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            interval: Duration::ZERO,
            max_interval: Duration::from_secs(10),
            max_polls_per_browser: 4,
            multiple_clients_interval: Duration::from_secs(2),
            websocket: true,
            max_sessions: 20_000,
            max_sessions_per_principal: 64,
            max_subscriptions: 256,
            max_queued_messages: 1_000,
            max_queued_bytes: 1 << 20,
            max_inbox: 16_384,
            max_body_bytes: 64 << 10,
            max_messages_per_request: 64,
            max_nesting: 16,
            body_timeout: Duration::from_secs(10),
        }
    }
}

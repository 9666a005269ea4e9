//! A desktop as the demo needs it: REST requests and a CometD long-poll, each printed as it happens.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use base64::Engine as _;
use serde_json::{Value, json};

/// What a request came to nothing with.
pub(super) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// One user's desktop.
pub(super) struct Desktop {
    http: ureq::Agent,
    base: String,
    user: &'static str,
    authorization: String,
}

impl Desktop {
    pub(super) fn new(base: &str, user: &'static str, password: &str) -> Self {
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let http = config.timeout_global(Some(Duration::from_secs(40))).build().into();
        Self { http, base: format!("{base}/api/v2"), user, authorization: format!("Basic {credentials}") }
    }

    /// A GET, shown with the part of its answer that `pick` names (a JSON pointer).
    pub(super) fn get(&self, path: &str, pick: &str) -> Result<Value, Failed> {
        println!("  {} → GET /api/v2{path}", self.user);
        let mut answer =
            self.http.get(format!("{}{path}", self.base)).header("Authorization", &self.authorization).call()?;
        let body: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
        let picked = body.pointer(pick).cloned().ok_or_else(|| format!("no {pick} in {body}"))?;
        println!("  {} ← {picked}", self.user);
        Ok(picked)
    }

    /// A POST of an operation, which must be answered with 0.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<(), Failed> {
        println!("  {} → POST /api/v2{path}\n      {body}", self.user);
        let answer = self.send(path, body)?;
        println!("  {} ← {answer}", self.user);
        match answer["statusCode"].as_i64() {
            Some(0) => Ok(()),
            _ => Err(format!("{} was refused: {answer}", body["operationName"]).into()),
        }
    }

    fn send(&self, path: &str, body: &Value) -> Result<Value, Failed> {
        let mut answer = self
            .http
            .post(format!("{}{path}", self.base))
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json")
            .send(body.to_string())?;
        Ok(serde_json::from_str(&answer.body_mut().read_to_string()?)?)
    }

    /// Shakes hands, subscribes to all of the user's own topics and prints what arrives.
    pub(super) fn listen(self: Arc<Self>) -> Result<Messages, Failed> {
        let greeting = json!([{"channel": "/meta/handshake", "version": "1.0",
            "supportedConnectionTypes": ["long-polling"]}]);
        let welcome = self.send("/notifications/handshake", &greeting)?;
        let client = welcome.pointer("/0/clientId").and_then(Value::as_str).ok_or("the handshake failed")?.to_owned();
        let subscription = json!([{"channel": "/meta/subscribe", "clientId": client, "subscription": "/v2/me/*"}]);
        self.send("/notifications/", &subscription)?;
        println!("  {} ⇄ CometD: subscribed to /v2/me/*", self.user);
        let (sender, receiver) = mpsc::sync_channel(256);
        let ended = Arc::new(AtomicBool::new(false));
        let poll = Poll { desktop: self, client, sender, ended: ended.clone() };
        let thread = std::thread::Builder::new().name("demo-cometd".into()).spawn(move || poll.run())?;
        Ok(Messages { receiver: Mutex::new(receiver), ended, thread: Some(thread) })
    }
}

/// The long-poll loop of one desktop.
struct Poll {
    desktop: Arc<Desktop>,
    client: String,
    sender: mpsc::SyncSender<Value>,
    ended: Arc<AtomicBool>,
}

impl Poll {
    fn run(self) {
        while !self.ended.load(Ordering::Relaxed) {
            // A short timeout of the client's own lets the demo end without waiting for a held poll.
            let connect = json!([{"channel": "/meta/connect", "clientId": self.client,
                "connectionType": "long-polling", "advice": {"timeout": 1_000}}]);
            let Ok(Value::Array(messages)) = self.desktop.send("/notifications/connect", &connect) else { return };
            for message in messages {
                let meta = message["channel"].as_str().is_none_or(|it| it.starts_with("/meta/"));
                if meta {
                    continue;
                }
                println!("  {} ⇐ {}\n      {}", self.desktop.user, message["channel"], message["data"]);
                if self.sender.try_send(message).is_err() {
                    return;
                }
            }
        }
    }
}

/// The messages that have arrived for one desktop.
pub(super) struct Messages {
    receiver: Mutex<mpsc::Receiver<Value>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Messages {
    /// Waits for a message of which `wanted` is true; others are passed over.
    pub(super) fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value, Failed> {
        let until = Instant::now() + Duration::from_secs(10);
        let receiver = self.receiver.lock().map_err(|_| "the demo's own thread failed")?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let message = receiver.recv_timeout(left).map_err(|_| format!("no CometD message with {what} came"))?;
            if wanted(&message) {
                return Ok(message);
            }
        }
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that failed has nothing left to say here.
            let _ = thread.join();
        }
    }
}

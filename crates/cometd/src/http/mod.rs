//! The machine behind axum: long-polling by POST and WebSocket, at one URL and everything below it.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{FromRequestParts, Request, State, WebSocketUpgrade},
    response::{IntoResponse, Response},
    routing::any,
};
use clock::Clock;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Settings,
    proto::{Event, Identity, Machine, Message, Principal, RequestId, SocketId},
};

mod handle;
mod owner;
mod socket;
#[cfg(test)]
mod tests;

pub use handle::{Handle, Stats};

use owner::{Input, Owner};

/// What the program around the server decides.
pub trait Host: Send + Sync + 'static {
    /// Who asks. Called for every POST and for every WebSocket before it is opened, so here is also the place to look at
    /// `Origin`. `axum::extract::ConnectInfo` is among the extensions if the program serves with it.
    ///
    /// # Errors
    /// The HTTP answer to refuse with.
    fn authenticate(&self, head: &Parts) -> impl Future<Output = Result<Identity, Response>> + Send;

    /// Whether the principal may subscribe to this channel or pattern, such as `/v2/me/calls` or `/v2/me/*`. Called
    /// for every subscription; must not block.
    fn may_subscribe(&self, principal: &Principal, channel: &str) -> bool;
}

/// A running server. It ends when this and all its routers and handles are gone.
pub struct Server<H> {
    shared: Arc<Shared<H>>,
    handle: Handle,
}

/// Starts a server. `seed` must be hard to guess, as all client ids come from it.
///
/// # Panics
/// If called outside a tokio runtime.
#[must_use]
pub fn start<H: Host>(settings: Settings, clock: Clock, seed: [u8; 32], host: H) -> Server<H> {
    let (inputs, input) = mpsc::channel(INPUTS);
    let (late, too_late) = mpsc::unbounded_channel();
    let (handle, inbox) = handle::channel(settings.max_inbox);
    let machine = Machine::new(settings.clone(), seed);
    tokio::spawn(Owner::new(machine, clock, input, too_late, inbox).run());
    Server { shared: Arc::new(Shared { host, settings, inputs, late, handle: handle.clone() }), handle }
}

impl<H: Host> Server<H> {
    /// Routes for `base`, such as `/notifications`, with and without a slash at its end, and for everything below it:
    /// the official client appends `/handshake`, `/connect` and so on.
    pub fn router<S: Clone + Send + Sync + 'static>(&self, base: &str) -> Router<S> {
        let base = base.trim_end_matches('/');
        let top = if base.is_empty() { "/" } else { base };
        let mut router =
            Router::new().route(top, any(serve::<H>)).route(&format!("{base}/{{*below}}"), any(serve::<H>));
        if !base.is_empty() {
            router = router.route(&format!("{base}/"), any(serve::<H>));
        }
        router.with_state(self.shared.clone())
    }

    /// For publishing; clone it freely.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

struct Shared<H> {
    host: H,
    settings: Settings,
    inputs: mpsc::Sender<Input>,
    /// For what is noticed in a destructor, which cannot wait. At most one for each open connection.
    late: mpsc::UnboundedSender<Event>,
    handle: Handle,
}

async fn serve<H: Host>(State(shared): State<Arc<Shared<H>>>, request: Request) -> Response {
    let (mut head, body) = request.into_parts();
    let from = match shared.host.authenticate(&head).await {
        Ok(identity) => identity,
        Err(refusal) => return refusal,
    };
    if head.method == Method::POST {
        return match post(&shared, from, &head, body).await {
            Ok(answer) => answer,
            Err((status, why)) => refuse(status, &why),
        };
    }
    if !shared.settings.websocket || !head.headers.contains_key(header::UPGRADE) {
        let mut answer =
            refuse(StatusCode::METHOD_NOT_ALLOWED, "Bayeux messages come by POST, or over a WebSocket where it is on");
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
        Ok(upgrade) => open(shared, from, upgrade),
        Err(refusal) => refusal.into_response(),
    }
}

async fn post<H: Host>(
    shared: &Shared<H>,
    from: Identity,
    head: &Parts,
    body: Body,
) -> Result<Response, (StatusCode, String)> {
    let limit = shared.settings.max_body_bytes;
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|it| it > limit) {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("A request may have {limit} bytes")));
    }
    let body = tokio::time::timeout(shared.settings.body_timeout, to_bytes(body, limit)).await;
    let Ok(body) = body else {
        return Err((StatusCode::REQUEST_TIMEOUT, "The request did not arrive in time".to_owned()));
    };
    let body = body.map_err(|_| {
        (StatusCode::PAYLOAD_TOO_LARGE, format!("The request broke off or has more than {limit} bytes"))
    })?;
    let messages = shared.read(&body, &from.principal).map_err(|it| (StatusCode::BAD_REQUEST, it))?;
    let answer = shared.ask(from, messages).await;
    let answer = answer.ok_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, "The server is shutting down".to_owned()))?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], answer).into_response())
}

impl<H: Host> Shared<H> {
    /// Messages with the host's word on their subscriptions, or a sentence on why there are none.
    fn read(&self, body: &[u8], principal: &Principal) -> Result<Vec<Message>, String> {
        let mut messages = Message::read_all(body, &self.settings).map_err(|it| it.to_string())?;
        for message in &mut messages {
            message.permit(|channel| self.host.may_subscribe(principal, channel));
        }
        Ok(messages)
    }

    /// Waits for the machine's answer. Should the caller be dropped while waiting, the machine is told.
    async fn ask(&self, from: Identity, messages: Vec<Message>) -> Option<String> {
        if self.handle.is_shut_down() {
            return None;
        }
        let id = RequestId(NEXT.fetch_add(1, Ordering::Relaxed));
        let (answer, answered) = oneshot::channel();
        let mut unanswered = TellIfDropped { late: &self.late, event: Some(Event::Gone(id)) };
        self.inputs.send(Input::Request { id, from, messages, answer }).await.ok()?;
        let answer = answered.await.ok();
        unanswered.event = None;
        answer
    }
}

fn open<H: Host>(shared: Arc<Shared<H>>, from: Identity, upgrade: WebSocketUpgrade) -> Response {
    let limit = shared.settings.max_body_bytes;
    let id = SocketId(NEXT.fetch_add(1, Ordering::Relaxed));
    upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(READ_BUFFER)
        .protocols(["bayeux"])
        .on_upgrade(move |stream| socket::run(shared, id, from, stream))
}

/// Reports an event when it is dropped, unless the event was taken out before.
struct TellIfDropped<'a> {
    late: &'a mpsc::UnboundedSender<Event>,
    event: Option<Event>,
}

impl Drop for TellIfDropped<'_> {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            // Without a receiver the server is gone, and with it all that could be freed.
            let _ = self.late.send(event);
        }
    }
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{why}\n")).into_response()
}

/// Names of requests and WebSockets. They only have to differ.
static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// Requests under way to the owner of the machine. It takes them all at once, so few are needed.
const INPUTS: usize = 1024;
/// Octets read from a WebSocket at once. What clients send is short, and the buffer is cleared before each read.
const READ_BUFFER: usize = 4096;

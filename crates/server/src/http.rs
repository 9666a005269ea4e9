//! HTTP: REST and CometD on one port, wired to the driver.

mod listener;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use api_types::{Links, notification};
use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request},
    http::{Method, header, request::Parts},
    middleware::{self, Next},
    response::Response,
    routing::get,
};
use clock::{Clock, Time};
use cometd::{Host, Identity, Principal};
use domain::{
    command::{Command, Reply},
    view::Notification,
};
use metrics_exporter_prometheus::PrometheusHandle;
use rest::{Api, Backend, CommandError, Logins, Views};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::listener::serve;
use crate::{driver::Ask, figures, pulse::Pulse};

/// The way from HTTP to the driver.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) clock: Clock,
    pub(crate) pulse: Arc<Pulse>,
    /// To be asked how it is, and nothing else.
    pub(crate) storage: storage::Storage,
}

impl Backend for Gateway {
    async fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let (answer, answered) = oneshot::channel();
        self.asks.try_send(Ask::Command(command, answer)).map_err(|_| CommandError::Overloaded)?;
        // The driver drops what it will not answer only when it ends.
        let result = answered.await.map_err(|_| CommandError::Overloaded)?;
        Ok(result?)
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn live(&self) -> Result<(), &'static str> {
        self.pulse.live(self.clock.now())
    }

    fn ready(&self) -> Result<(), &'static str> {
        if self.asks.is_closed() {
            return Err("The server has stopped");
        }
        self.pulse.ready(self.clock.now(), &self.storage.figures())
    }
}

/// The way from the driver to the desktops.
#[derive(Clone)]
pub(crate) struct Push {
    cometd: cometd::Handle,
    links: Links,
}

impl Push {
    pub(crate) fn new(cometd: cometd::Handle, links: Links) -> Self {
        Self { cometd, links }
    }

    /// Hands a message over, without waiting for anybody.
    pub(crate) fn send(&self, message: &Notification, now: Time) {
        let (channel, data) = notification(message, &self.links, now);
        match serde_json::to_string(&data) {
            Ok(data) => self.cometd.deliver(&principal(message.user), channel, data.into()),
            Err(error) => tracing::error!(%error, channel, "a message could not be written as JSON"),
        }
    }

    pub(crate) fn stats(&self) -> cometd::Stats {
        self.cometd.stats()
    }

    pub(crate) fn shutdown(&self) {
        self.cometd.shutdown();
    }
}

/// What CometD asks of the server: who somebody is, and what they may hear.
pub(crate) struct Door {
    pub(crate) logins: Arc<Logins>,
    pub(crate) clock: Clock,
}

impl Host for Door {
    async fn authenticate(&self, head: &Parts) -> Result<Identity, Response> {
        if !self.logins.origin_is_ours(&head.headers) {
            return Err(rest::refuse_origin());
        }
        let peer = head.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.0.ip());
        let login = self.logins.authenticate(&head.headers, peer, self.clock.now()).await;
        let login = login.map_err(|error| rest::refuse_login(error, &head.headers))?;
        let browser = login.session.map(fingerprint);
        Ok(Identity { principal: principal(login.user), browser })
    }

    fn may_subscribe(&self, _: &Principal, channel: &str) -> bool {
        // Deliveries are addressed to one principal, so everybody's `/v2/me/…` is their own.
        channel == "/v2/me" || channel.starts_with("/v2/me/") || matches!(channel, "/v2/*" | "/v2/**" | "/*" | "/**")
    }
}

fn principal(user: domain::ids::UserId) -> Principal {
    user.to_string().into()
}

/// All routes.
pub(crate) fn router(
    gateway: Gateway,
    views: Arc<Views>,
    logins: Arc<Logins>,
    links: Links,
    cometd: &cometd::Server<Door>,
    metrics: Option<PrometheusHandle>,
) -> Router {
    let api = Api { backend: gateway, views, logins, links };
    let mut router = rest::router(api).merge(cometd.router("/api/v2/notifications"));
    if let Some(handle) = metrics {
        let show = move || async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render()) };
        router = router.route("/metrics", get(show));
    }
    router.layer(middleware::from_fn(count))
}

/// Counts what was answered, by the route's pattern: what a client makes up gets no label of its own.
async fn count(request: Request, next: Next) -> Response {
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        _ => "other",
    };
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    figures::answered(method, route.as_ref().map_or("other", MatchedPath::as_str), response.status().as_u16());
    response
}

/// What the tabs of one browser have in common, without showing the cookie.
fn fingerprint(session: rest::SessionKey) -> String {
    let mut hasher = DefaultHasher::new();
    session.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

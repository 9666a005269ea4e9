//! HTTP: REST and CometD on one port, wired to the driver.

mod listener;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use api_types::{Links, notification};
use axum::{Router, extract::ConnectInfo, http::request::Parts, response::Response};
use clock::{Clock, Time};
use cometd::{Host, Identity, Principal};
use domain::{
    command::{Command, Reply},
    view::Notification,
};
use rest::{Api, Backend, CommandError, Logins, Views};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::listener::serve;
use crate::driver::Ask;

/// The way from HTTP to the driver.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) clock: Clock,
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

    fn ready(&self) -> bool {
        !self.asks.is_closed()
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
) -> Router {
    let api = Api { backend: gateway, views, logins, links };
    rest::router(api).merge(cometd.router("/api/v2/notifications"))
}

/// What the tabs of one browser have in common, without showing the cookie.
fn fingerprint(session: rest::SessionKey) -> String {
    let mut hasher = DefaultHasher::new();
    session.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

//! The REST API under `/api/v2`: routes, log-in, and one mapping of refusals to replies.
//!
//! [`router`] serves it. Reads come from [`Views`], which the owner of the engine keeps up to date; everything that
//! changes something goes through [`Backend`]. [`Logins`] says who asks, here and for the notifications.

mod guard;
mod logins;
mod problem;
mod routes;
mod views;

use std::{future::Future, sync::Arc};

use api_types::Links;
use axum::{
    Router, middleware,
    routing::{MethodRouter, get, post},
};
use clock::Time;
use domain::command::{Command, Refusal, Reply};
use thiserror::Error;

pub use logins::{
    Login, LoginError, LoginSettings, Logins, NewSession, SessionKey, StartError, hash_password, is_password_hash,
    password_matches,
};
pub use problem::{refuse_login, refuse_origin};
pub use views::Views;

/// What carries commands out: the engine, as the server reaches it.
pub trait Backend: Send + Sync + 'static {
    /// Carries out a command. What it changed is in the [`Views`] before it is answered.
    fn command(&self, command: Command) -> impl Future<Output = Result<Reply, CommandError>> + Send;

    /// The present moment.
    fn now(&self) -> Time;

    /// Whether the server is at work, for `/health/live`.
    ///
    /// # Errors
    /// What stands still.
    fn live(&self) -> Result<(), &'static str> {
        Ok(())
    }

    /// Whether the server takes calls and requests, for `/health/ready`.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// The engine refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The engine's inbox is full: nothing was tried.
    #[error("too many requests are waiting")]
    Overloaded,
}

/// All that the routes need.
#[derive(Debug)]
pub struct Api<B> {
    /// Carries out commands.
    pub backend: B,
    /// What readers see.
    pub views: Arc<Views>,
    /// Who is logged in.
    pub logins: Arc<Logins>,
    /// The URIs in bodies.
    pub links: Links,
}

/// The routes under `/api/v2` and `/health`, with a fallback for all other paths: what is merged with it must have none.
/// Log-ins are counted by address where the server is served with `ConnectInfo<SocketAddr>`.
pub fn router<B: Backend>(api: Api<B>) -> Router {
    let api = Arc::new(api);
    Router::new()
        .nest("/api/v2", guarded().route_layer(middleware::from_fn_with_state(api.clone(), guard::guard)))
        .route("/api/v2/diagnostics/version", get(routes::system::version))
        .route("/health/live", get(routes::system::live))
        .route("/health/ready", get(routes::system::ready))
        .fallback(routes::unknown_path)
        .method_not_allowed_fallback(routes::wrong_method)
        .with_state(api)
}

/// The routes that need a log-in.
fn guarded<B: Backend>() -> Router<Arc<Api<B>>> {
    use routes::{devices, features, me, users};
    let routes: [(&str, MethodRouter<Arc<Api<B>>>); 16] = [
        ("/me", get(me::me).post(me::operate)),
        ("/me/devices", get(me::devices)),
        ("/me/devices/{id}", get(me::device).post(me::operate_device)),
        ("/me/devices/{id}/calls", post(me::operate_device_calls)),
        ("/me/calls", get(me::calls)),
        ("/me/calls/{id}", get(me::call).post(me::operate_call)),
        ("/me/channels", get(me::channels)),
        ("/me/channels/{channel}", get(me::channel).post(me::operate_channel)),
        ("/devices", get(devices::list)),
        ("/devices/{id}", get(devices::one)),
        ("/users", get(users::list)),
        ("/users/{id}", get(users::one)),
        ("/users/{id}/devices", get(users::devices)),
        ("/features", get(features::list)),
        ("/features/{id}", get(features::one)),
        ("/system/features", get(features::all)),
    ];
    routes.into_iter().fold(Router::new(), |router, (path, methods)| router.route(path, methods))
}

#[cfg(test)]
mod tests;

//! What needs no log-in: the version and the server's health.

use std::sync::Arc;

use api_types::{Done, Found};
use axum::{extract::State, response::Response};

use crate::{
    Api, Backend,
    problem::{Problem, ok},
};

/// `GET /api/v2/diagnostics/version`: a version of four parts, as clients of the API expect.
pub(crate) async fn version() -> Response {
    ok(&Found("version", concat!(env!("CARGO_PKG_VERSION"), ".0")))
}

/// `GET /health/live`: the process answers.
pub(crate) async fn live() -> Response {
    ok(&Done)
}

/// `GET /health/ready`: the server takes requests.
pub(crate) async fn ready<B: Backend>(State(api): State<Arc<Api<B>>>) -> Result<Response, Problem> {
    match api.backend.ready() {
        true => Ok(ok(&Done)),
        false => Err(Problem::Overloaded),
    }
}

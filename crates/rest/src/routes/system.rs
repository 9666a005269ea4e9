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

/// `GET /health/live`: the server is at work; 503 says that it should be started anew.
pub(crate) async fn live<B: Backend>(State(api): State<Arc<Api<B>>>) -> Result<Response, Problem> {
    api.backend.live().map(|()| ok(&Done)).map_err(Problem::Unwell)
}

/// `GET /health/ready`: the server takes calls and requests; 503 says that they should go elsewhere for now.
pub(crate) async fn ready<B: Backend>(State(api): State<Arc<Api<B>>>) -> Result<Response, Problem> {
    api.backend.ready().map(|()| ok(&Done)).map_err(Problem::Unwell)
}

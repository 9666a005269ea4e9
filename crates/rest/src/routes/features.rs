//! The contact centre's features, and all that the server knows.

use std::sync::Arc;

use api_types::{Found, all_features, feature};
use axum::{Extension, extract::State, response::Response};
use domain::config::Role;

use super::{Id, Parameters, Wanted, collection, id, parameters};
use crate::{
    Api, Backend,
    guard::Caller,
    problem::{Problem, ok},
};

/// `GET /features`
pub(crate) async fn list<B: Backend>(State(api): State<Arc<Api<B>>>, query: Wanted) -> Result<Response, Problem> {
    let center = api.views.contact_center();
    let ids: Vec<&str> = center.features.iter().map(String::as_str).collect();
    Ok(reply(&api, &parameters(query)?, &ids))
}

/// `GET /features/{id}`
pub(crate) async fn one<B: Backend>(State(api): State<Arc<Api<B>>>, path: Id) -> Result<Response, Problem> {
    let id = id(path)?;
    if !api.views.contact_center().has(&id) {
        return Err(Problem::not_found("this feature"));
    }
    Ok(ok(&Found("feature", feature(&id, &api.links))))
}

/// `GET /system/features`
pub(crate) async fn all<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    query: Wanted,
) -> Result<Response, Problem> {
    if !caller.user.roles.contains(&Role::Admin) {
        return Err(Problem::not_permitted("only administrators may list the system's features"));
    }
    let ids: Vec<&str> = all_features().collect();
    Ok(reply(&api, &parameters(query)?, &ids))
}

fn reply<B>(api: &Api<B>, parameters: &Parameters, ids: &[&str]) -> Response {
    collection("features", parameters, ids, |it| feature(it, &api.links), |it| api.links.feature(it))
}

//! Other users, as far as the caller may know of them.

use std::sync::Arc;

use api_types::{Found, user};
use axum::{Extension, extract::State, response::Response};
use domain::{config::Role, view::UserView};

use super::{Id, Wanted, collection, devices::reply, id, parameters, voice};
use crate::{
    Api, Backend,
    guard::Caller,
    problem::{Problem, ok},
    views::sees_user,
};

/// `GET /users`: all for an administrator, the teams supervised and oneself for a supervisor.
pub(crate) async fn list<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    query: Wanted,
) -> Result<Response, Problem> {
    let parameters = parameters(query)?;
    if !leads(&caller.user) {
        return Err(Problem::not_permitted("only supervisors and administrators may list users"));
    }
    let mut users = api.views.users();
    users.retain(|it| sees_user(&caller.user, it));
    Ok(collection("users", &parameters, &users, |it| user(it, &api.links), |it| api.links.user(it.id)))
}

/// `GET /users/{id}`
pub(crate) async fn one<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
) -> Result<Response, Problem> {
    let view = find(&api, &caller.user, path)?;
    Ok(ok(&Found("user", user(&view, &api.links))))
}

/// `GET /users/{id}/devices`
pub(crate) async fn devices<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
    query: Wanted,
) -> Result<Response, Problem> {
    voice(&api)?;
    let parameters = parameters(query)?;
    let view = find(&api, &caller.user, path)?;
    Ok(reply(&api, &parameters, &api.views.devices_of(&view)))
}

/// An agent is refused for lack of a role; a supervisor is not told of users outside the teams.
fn find<B>(api: &Api<B>, caller: &UserView, path: Id) -> Result<Arc<UserView>, Problem> {
    let found = id(path)?.parse().ok().and_then(|it| api.views.user(it));
    match found.filter(|it| sees_user(caller, it)) {
        Some(view) => Ok(view),
        None if leads(caller) => Err(Problem::not_found("this user")),
        None => Err(Problem::not_permitted("only supervisors and administrators may read other users")),
    }
}

fn leads(user: &UserView) -> bool {
    user.roles.contains(&Role::Supervisor) || user.roles.contains(&Role::Admin)
}

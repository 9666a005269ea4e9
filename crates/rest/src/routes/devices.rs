//! All devices, as far as the caller may know of them: where a supervisor finds a target.

use std::sync::Arc;

use api_types::{Found, device};
use axum::{Extension, extract::State, response::Response};
use domain::{config::Role, ids::PhoneNumber, view::DeviceView};

use super::{Id, Parameters, Wanted, collection, id, parameters, voice};
use crate::{
    Api, Backend,
    guard::Caller,
    problem::{Problem, ok},
    views::sees_device,
};

/// `GET /devices`: all for an administrator; with `phoneNumber` one, if the caller may know of it, for everybody.
pub(crate) async fn list<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    query: Wanted,
) -> Result<Response, Problem> {
    voice(&api)?;
    let parameters = parameters(query)?;
    let found = match &parameters.phone_number {
        Some(text) => {
            let device = api.views.device_numbered(&number(text)?);
            device.into_iter().filter(|it| sees_device(&caller.user, it)).collect()
        }
        None if caller.user.roles.contains(&Role::Admin) => api.views.devices(),
        None => return Err(Problem::not_permitted("only administrators may list all devices; name a phoneNumber")),
    };
    Ok(reply(&api, &parameters, &found))
}

/// `GET /devices/{id}`
pub(crate) async fn one<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
) -> Result<Response, Problem> {
    voice(&api)?;
    let found = id(path)?.parse().ok().and_then(|it| api.views.device(it));
    match found.filter(|it| sees_device(&caller.user, it)) {
        Some(view) => Ok(ok(&Found("device", device(&view, &api.links)))),
        None => Err(Problem::not_found("this device")),
    }
}

/// A list of devices.
pub(super) fn reply<B>(api: &Api<B>, parameters: &Parameters, devices: &[Arc<DeviceView>]) -> Response {
    collection("devices", parameters, devices, |it| device(it, &api.links), |it| api.links.device(it.id))
}

/// A plus sign that was not escaped arrives as a space.
fn number(text: &str) -> Result<PhoneNumber, Problem> {
    let text = text.strip_prefix(' ').map_or_else(|| text.to_owned(), |it| format!("+{it}"));
    text.parse().map_err(|error| Problem::out_of_range(&format!("phoneNumber: {error}")))
}

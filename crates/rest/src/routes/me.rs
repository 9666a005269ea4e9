//! The caller: devices, calls, channels, and what can be done with them.

use std::{sync::Arc, time::Duration};

use api_types::{
    Done, Found, Settings, User, VOICE_CHANNEL, call as call_resource, channel as channel_resource,
    device as device_resource, feature, partial,
    request::{self, Operation},
    user,
};
use axum::{
    Extension,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    response::Response,
};
use domain::{
    command::{Command, Refusal, RefusalKind, Reply, UserRequest},
    view::UserView,
};
use http::header::SET_COOKIE;
use tokio::time::timeout;

use super::{Id, Wanted, collection, devices::reply as device_list, has_voice, id, parameters, voice};
use crate::{
    Api, Backend, CommandError,
    guard::Caller,
    problem::{Problem, ok},
};

/// `GET /me`
pub(crate) async fn me<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    query: Wanted,
) -> Result<Response, Problem> {
    let wanted = parameters(query)?.subresources.unwrap_or_default();
    let mut resource = user(&caller.user, &api.links);
    subresources(&api, &caller.user, &wanted, &mut resource);
    Ok(ok(&Found("user", resource)))
}

fn subresources<B: Backend>(api: &Api<B>, caller: &UserView, wanted: &str, resource: &mut User) {
    let has = |name: &str| wanted.split(',').any(|it| matches!(it.trim(), "*") || it.trim() == name);
    let voice = has_voice(api);
    let links = &api.links;
    if voice && has("devices") {
        let devices = api.views.devices_of(caller);
        resource.devices = Some(devices.iter().map(|it| device_resource(it, links)).collect());
    }
    if voice && has("calls") {
        let now = api.backend.now();
        let calls = api.views.calls_of(caller.id);
        resource.calls = Some(calls.iter().map(|it| call_resource(it, links, now)).collect());
    }
    if voice && has("channels") {
        resource.channels = Some(vec![channel_resource(caller.agent_state)]);
        resource.channel_states.clone_from(&resource.channels);
    }
    if has("settings") {
        resource.settings = Some(Settings::default());
    }
    if has("features") {
        let center = api.views.contact_center();
        resource.features = Some(center.features.iter().map(|it| feature(it, links)).collect());
    }
}

/// `GET /me/devices`
pub(crate) async fn devices<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    query: Wanted,
) -> Result<Response, Problem> {
    voice(&api)?;
    Ok(device_list(&api, &parameters(query)?, &api.views.devices_of(&caller.user)))
}

/// `GET /me/devices/{id}`
pub(crate) async fn device<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
) -> Result<Response, Problem> {
    voice(&api)?;
    let own = id(path)?.parse().ok().filter(|it| caller.user.devices.contains(it));
    match own.and_then(|it| api.views.device(it)) {
        Some(view) => Ok(ok(&Found("device", device_resource(&view, &api.links)))),
        None => Err(Problem::not_found("this device")),
    }
}

/// `GET /me/calls`
pub(crate) async fn calls<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    query: Wanted,
) -> Result<Response, Problem> {
    voice(&api)?;
    let parameters = parameters(query)?;
    let (calls, now) = (api.views.calls_of(caller.user.id), api.backend.now());
    let whole = |it: &Arc<_>| call_resource(it, &api.links, now);
    Ok(collection("calls", &parameters, &calls, whole, |it| api.links.call(it.call)))
}

/// `GET /me/calls/{id}`
pub(crate) async fn call<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
) -> Result<Response, Problem> {
    voice(&api)?;
    let wanted = id(path)?.parse().ok();
    let calls = api.views.calls_of(caller.user.id);
    match calls.iter().find(|it| Some(it.call) == wanted) {
        Some(view) => Ok(ok(&Found("call", call_resource(view, &api.links, api.backend.now())))),
        None => Err(Problem::not_found("this call")),
    }
}

/// `GET /me/channels`
pub(crate) async fn channels<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    voice(&api)?;
    Ok(ok(&Found("channels", [channel_resource(caller.user.agent_state)])))
}

/// `GET /me/channels/voice`
pub(crate) async fn channel<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
) -> Result<Response, Problem> {
    voice(&api)?;
    match id(path)?.as_str() {
        VOICE_CHANNEL => Ok(ok(&Found("channel", channel_resource(caller.user.agent_state)))),
        _ => Err(Problem::not_found("this channel")),
    }
}

/// `POST /me`
pub(crate) async fn operate<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    http: Request,
) -> Result<Response, Problem> {
    let operation = request::me(&body(http).await?)?;
    let ends = operation.request == UserRequest::EndSession;
    let mut response = carry_out(&api, &caller, operation).await?;
    if let Some(session) = caller.session.filter(|_| ends) {
        api.logins.end_session(session);
        response.headers_mut().append(SET_COOKIE, api.logins.cookie_removal());
    }
    Ok(response)
}

/// `POST /me/devices/{id}`
pub(crate) async fn operate_device<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
    http: Request,
) -> Result<Response, Problem> {
    let operation = request::device(&id(path)?, &body(http).await?)?;
    carry_out(&api, &caller, operation).await
}

/// `POST /me/devices/{id}/calls`
pub(crate) async fn operate_device_calls<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
    http: Request,
) -> Result<Response, Problem> {
    let operation = request::device_calls(&id(path)?, &body(http).await?)?;
    carry_out(&api, &caller, operation).await
}

/// `POST /me/calls/{id}`
pub(crate) async fn operate_call<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
    http: Request,
) -> Result<Response, Problem> {
    let operation = request::call(&id(path)?, &body(http).await?)?;
    carry_out(&api, &caller, operation).await
}

/// `POST /me/channels/voice`
pub(crate) async fn operate_channel<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(caller): Extension<Caller>,
    path: Id,
    http: Request,
) -> Result<Response, Problem> {
    if id(path)? != VOICE_CHANNEL {
        return Err(Problem::not_found("this channel"));
    }
    let operation = request::voice_channel(&body(http).await?)?;
    carry_out(&api, &caller, operation).await
}

async fn body(http: Request) -> Result<Bytes, Problem> {
    match timeout(BODY_TIME, to_bytes(http.into_body(), BODY_SIZE)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // The connection broke, in which case nobody reads the answer, or the limit was reached.
        Ok(Err(_)) => Err(Problem::TooLarge),
        Err(_) => Err(Problem::TooSlow),
    }
}

async fn carry_out<B: Backend>(api: &Api<B>, caller: &Caller, operation: Operation) -> Result<Response, Problem> {
    let Operation { name, request } = operation;
    if !has_voice(api) {
        return Err(request::unknown_operation(&name).into());
    }
    let command = api.backend.command(Command::User { by: caller.user.id, request });
    match timeout(COMMAND_TIME, command).await {
        Ok(Ok(Reply::Done)) => Ok(ok(&Done)),
        Ok(Ok(Reply::Partial(results))) => Ok(ok(&partial(&results))),
        // A feature that is off must answer as an operation that does not exist does, to the letter.
        Ok(Err(CommandError::Refused(Refusal { kind: RefusalKind::UnknownOperation, .. }))) => {
            Err(request::unknown_operation(&name).into())
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            tracing::error!(operation = name, "a command was not answered in time");
            Err(Problem::NoAnswer)
        }
    }
}

/// No operation needs more.
const BODY_SIZE: usize = 64 * 1024;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// How long a command may take: longer than storage waits for a database that somebody else holds.
const COMMAND_TIME: Duration = Duration::from_secs(15);

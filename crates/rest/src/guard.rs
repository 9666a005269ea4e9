//! What every request passes that needs a log-in: who asks, and whether a browser was tricked into asking.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::Response,
};
use domain::view::UserView;
use http::{HeaderValue, Method, request::Parts};

use crate::{Api, Backend, NewSession, SessionKey, problem::Problem};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) user: Arc<UserView>,
    pub(crate) session: Option<SessionKey>,
}

/// Logs the caller in, demands the CSRF token where it is due, and gives readers their session and token.
pub(crate) async fn guard<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let mut caller = admit(&api, &parts).await?;
    let reads = matches!(parts.method, Method::GET | Method::HEAD);
    if !reads && !api.logins.csrf_satisfied(&parts.headers, caller.session) {
        return Err(Problem::Csrf);
    }
    let opened = match caller.session {
        // Only a reader gets a session of its own accord: scripts that POST with Basic leave none behind.
        None if reads => api.logins.open_session(caller.user.id, api.backend.now()),
        _ => None,
    };
    caller.session = caller.session.or(opened.as_ref().map(|it| it.key));
    let session = caller.session;
    parts.extensions.insert(caller);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if reads {
        hand_over(&api, &mut response, session, opened.as_ref());
    }
    Ok(response)
}

async fn admit<B: Backend>(api: &Api<B>, parts: &Parts) -> Result<Caller, Problem> {
    let headers = &parts.headers;
    let login = api
        .logins
        .authenticate(headers, peer(parts), api.backend.now())
        .await
        .map_err(|it| Problem::login(it, headers))?;
    let user = api.views.user(login.user).ok_or(Problem::NotLoggedIn { dialog: false })?;
    Ok(Caller { user, session: login.session })
}

fn peer(parts: &Parts) -> IpAddr {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it| it.0.ip())
}

fn hand_over<B: Backend>(
    api: &Api<B>,
    response: &mut Response,
    session: Option<SessionKey>,
    opened: Option<&NewSession>,
) {
    let headers = response.headers_mut();
    if let Some(token) = session.and_then(|it| api.logins.csrf_token(it)) {
        headers.insert("x-csrf-header", HeaderValue::from_static("X-CSRF-TOKEN"));
        headers.insert("x-csrf-token", token);
    }
    if let Some(opened) = opened {
        headers.append(http::header::SET_COOKIE, opened.set_cookie.clone());
    }
}

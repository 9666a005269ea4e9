//! Who asks: HTTP Basic, or the session that a `JSESSIONID` cookie names.

mod password;
mod sessions;
mod throttle;

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use clock::Time;
use domain::{ids::UserId, view::UserView};
use http::{HeaderMap, HeaderValue, header};
use thiserror::Error;

use password::{Attempt, Checker};
pub use password::{hash_password, is_password_hash, password_matches};
pub use sessions::SessionKey;
use sessions::Sessions;

use crate::Views;

/// Log-ins and HTTP sessions, shared by REST and the notifications.
#[derive(Debug)]
pub struct Logins {
    views: Arc<Views>,
    checker: Checker,
    sessions: Mutex<Sessions>,
    csrf: bool,
    origin: String,
    cookie_attributes: &'static str,
}

/// What the log-in depends on, from the `[http]` table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSettings {
    /// Prefix of every URI in a body; cookies are `Secure` where it is https.
    pub public_url: String,
    /// Whether a token is demanded of browsers.
    pub csrf: bool,
    /// How long an HTTP session lives unused.
    pub session_timeout: Duration,
}

/// Somebody who is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub user: UserId,
    /// The HTTP session, if the request named one of this user's.
    pub session: Option<SessionKey>,
}

/// Why a request is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LoginError {
    /// No credentials, wrong ones, or a session that is over.
    #[error("not logged in")]
    NotAuthenticated,
    /// Too many failed log-ins, of this user or from this address: wait so long.
    #[error("too many failed log-ins")]
    Throttled(Duration),
    /// Too many log-ins wait to be checked.
    #[error("too many log-ins are waiting")]
    Busy,
}

/// Why log-ins cannot be checked at all.
#[derive(Debug, Error)]
pub enum StartError {
    /// The operating system gives no randomness.
    #[error("no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
    /// The thread that checks passwords cannot be started.
    #[error("cannot start the thread that checks passwords: {0}")]
    Thread(#[from] io::Error),
}

/// A session that was just opened.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Its key.
    pub key: SessionKey,
    /// The `Set-Cookie` header that hands it to the client.
    pub set_cookie: HeaderValue,
}

impl Logins {
    /// Starts the thread that checks passwords; it ends with this object.
    ///
    /// # Errors
    /// No randomness, or no thread.
    pub fn start(views: Arc<Views>, settings: &LoginSettings) -> Result<Self, StartError> {
        let https = settings.public_url.starts_with("https://");
        Ok(Self {
            checker: Checker::start(views.clone())?,
            views,
            sessions: Mutex::new(Sessions::new(settings.session_timeout)),
            csrf: settings.csrf,
            origin: origin_of(&settings.public_url),
            cookie_attributes: if https { SECURE } else { PLAIN },
        })
    }

    /// Says who sends these headers. Basic credentials count before a cookie; a cookie beside them only names the
    /// session, if it is the same user's.
    ///
    /// # Errors
    /// Nobody, or not now.
    pub async fn authenticate(&self, headers: &HeaderMap, peer: IpAddr, now: Time) -> Result<Login, LoginError> {
        let session = self.session(headers, now);
        let Some((name, password)) = basic(headers)? else {
            let (key, user) = session.ok_or(LoginError::NotAuthenticated)?;
            self.views.user(user).ok_or(LoginError::NotAuthenticated)?;
            return Ok(Login { user, session: Some(key) });
        };
        let user = self.views.user_named(&name);
        let id = user.as_ref().map(|it| it.id);
        self.check(user, &name, password, peer, now).await?;
        let user = id.ok_or(LoginError::NotAuthenticated)?;
        Ok(Login { user, session: session.filter(|it| it.1 == user).map(|it| it.0) })
    }

    async fn check(
        &self,
        user: Option<Arc<UserView>>,
        name: &str,
        password: String,
        peer: IpAddr,
        now: Time,
    ) -> Result<(), LoginError> {
        self.checker.check(Attempt { user, name: name.to_owned(), password, peer, now }).await
    }

    /// Opens a session for somebody whom [`Self::authenticate`] named. `None`, and logged, without randomness.
    #[must_use]
    pub fn open_session(&self, user: UserId, now: Time) -> Option<NewSession> {
        let opened = self.sessions().open(user, now);
        let key = opened.inspect_err(|error| tracing::error!(%error, "no session can be opened")).ok()?;
        let cookie = format!("{COOKIE}={}{}", key.cookie(), self.cookie_attributes);
        Some(NewSession { key, set_cookie: HeaderValue::try_from(cookie).ok()? })
    }

    /// Ends a session, if it is not over yet.
    pub fn end_session(&self, key: SessionKey) {
        self.sessions().end(key);
    }

    /// The `Set-Cookie` header that takes the cookie back.
    #[must_use]
    pub fn cookie_removal(&self) -> HeaderValue {
        HeaderValue::from_static("JSESSIONID=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax")
    }

    /// The session's CSRF token; none where tokens are not demanded.
    #[must_use]
    pub fn csrf_token(&self, key: SessionKey) -> Option<HeaderValue> {
        let token = self.csrf.then(|| self.sessions().token(key)).flatten()?;
        HeaderValue::try_from(token).ok()
    }

    /// Whether a request that changes something carries the token that it needs: a request with a cookie or an
    /// `Origin`, as a browser sends it, needs its session's; one with neither needs none.
    #[must_use]
    pub fn csrf_satisfied(&self, headers: &HeaderMap, session: Option<SessionKey>) -> bool {
        if !self.csrf || (cookie(headers).is_none() && !headers.contains_key(header::ORIGIN)) {
            return true;
        }
        let wanted = session.and_then(|it| self.csrf_token(it));
        wanted.is_some_and(|wanted| headers.get("x-csrf-token") == Some(&wanted))
    }

    /// Whether a request comes from a page of ours or from no page at all. `/api/v2/notifications` demands no token,
    /// so a foreign page is kept out by this.
    #[must_use]
    pub fn origin_is_ours(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
        let authority = origin.split_once("://").map(|it| it.1);
        origin.eq_ignore_ascii_case(&self.origin) || (authority.is_some() && authority == host)
    }

    /// The session that a cookie names, if it is not over; it is used from now on.
    fn session(&self, headers: &HeaderMap, now: Time) -> Option<(SessionKey, UserId)> {
        let key = cookie(headers)?.parse().ok()?;
        self.sessions().touch(key, now).map(|user| (key, user))
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// User name and password, if the request has an `Authorization: Basic` (RFC 7617 s2).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, LoginError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| LoginError::NotAuthenticated)?;
    match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("basic") => {
            let pair = BASE64_STANDARD.decode(rest.trim()).ok().and_then(|it| String::from_utf8(it).ok());
            let pair = pair.as_deref().and_then(|it| it.split_once(':'));
            let (name, password) = pair.ok_or(LoginError::NotAuthenticated)?;
            Ok(Some((name.to_owned(), password.to_owned())))
        }
        _ => Err(LoginError::NotAuthenticated),
    }
}

/// The value of the session cookie, in whichever `Cookie` header it stands.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|it| it.to_str().ok());
    let mut pairs = lines.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
    pairs.find(|it| it.0 == COOKIE).map(|it| it.1.trim_matches('"'))
}

/// Scheme and authority of a URL.
fn origin_of(url: &str) -> String {
    let authority_at = url.find("://").map_or(0, |it| it + 3);
    let end = url[authority_at..].find('/').map_or(url.len(), |it| authority_at + it);
    url[..end].to_owned()
}

const COOKIE: &str = "JSESSIONID";
const PLAIN: &str = "; Path=/; HttpOnly; SameSite=Lax";
const SECURE: &str = "; Path=/; HttpOnly; SameSite=Lax; Secure";

#[cfg(test)]
mod tests;

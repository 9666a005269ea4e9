//! Everything that can go wrong with a request, and the one place where it becomes a reply.

use std::time::Duration;

use api_types::{Code, Failure};
use axum::response::{IntoResponse, Response};
use domain::command::{Refusal, RefusalKind};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::{CommandError, LoginError};

/// Why a request was not answered as wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The engine, or the form of the request, says no.
    Refused(Refusal),
    /// No log-in, or a wrong one. A browser shows its own dialog only where `dialog` is set.
    NotLoggedIn { dialog: bool },
    /// Too many failed log-ins.
    Throttled(Duration),
    /// The token is missing or wrong.
    Csrf,
    /// Too much to do already.
    Overloaded,
    /// The method does not fit the path.
    WrongMethod,
    /// The body is larger than any operation needs.
    TooLarge,
    /// The body did not come in time.
    TooSlow,
    /// A command was not answered in time.
    NoAnswer,
    /// The server is not well: what is wrong.
    Unwell(&'static str),
}

impl Problem {
    /// Nothing there, or nothing that the caller may know of.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::refused(RefusalKind::NotFound, &format!("{what} does not exist"))
    }

    /// A role is lacking.
    pub(crate) fn not_permitted(text: &str) -> Self {
        Self::refused(RefusalKind::NotPermitted, text)
    }

    /// A value is not one of those allowed.
    pub(crate) fn out_of_range(text: &str) -> Self {
        Self::refused(RefusalKind::OutOfRange, text)
    }

    fn refused(kind: RefusalKind, text: &str) -> Self {
        Self::Refused(Refusal { kind, text: text.to_owned() })
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Refused(refusal) => Self::Refused(refusal),
            CommandError::Overloaded => Self::Overloaded,
        }
    }
}

impl Problem {
    /// Why nobody is logged in. A page that asks in the background must be able to show its own form, so only others
    /// are asked for a browser's dialog.
    pub(crate) fn login(error: LoginError, headers: &HeaderMap) -> Self {
        match error {
            LoginError::NotAuthenticated => Self::NotLoggedIn { dialog: !headers.contains_key("x-requested-with") },
            other => other.into(),
        }
    }
}

/// The answer to a request at `/api/v2/notifications` that is nobody's.
#[must_use]
pub fn refuse_login(error: LoginError, headers: &HeaderMap) -> Response {
    Problem::login(error, headers).into_response()
}

/// The answer to a request at `/api/v2/notifications` from a foreign page (see [`crate::Logins::origin_is_ours`]).
#[must_use]
pub fn refuse_origin() -> Response {
    let text = "This Origin may not read notifications; the page must come from the server's public_url";
    Problem::refused(RefusalKind::Forbidden, text).into_response()
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::NotAuthenticated => Self::NotLoggedIn { dialog: false },
            LoginError::Throttled(wait) => Self::Throttled(wait),
            LoginError::Busy => Self::Overloaded,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, text) = match &self {
            Self::Refused(it) => (refusal_status(it.kind), it.kind.into(), it.text.as_str()),
            Self::NotLoggedIn { .. } => {
                (StatusCode::UNAUTHORIZED, Code::NotAuthenticated, "Access denied, please log in")
            }
            Self::Throttled(_) => {
                (StatusCode::TOO_MANY_REQUESTS, Code::NotAuthenticated, "Access denied: too many failed log-ins")
            }
            Self::Csrf => (StatusCode::FORBIDDEN, Code::Forbidden, "Missing or invalid Csrf token"),
            Self::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, Code::Internal, "The server is overloaded, please try again")
            }
            Self::Unwell(what) => (StatusCode::SERVICE_UNAVAILABLE, Code::Internal, *what),
            Self::WrongMethod => {
                (StatusCode::METHOD_NOT_ALLOWED, Code::Forbidden, "This method is not allowed on this resource")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::OutOfRange, "The body is too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, Code::OutOfRange, "The body did not arrive in time"),
            Self::NoAnswer => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Code::Internal,
                "The request was not answered in time and may still be carried out",
            ),
        };
        let mut response = json(status, &Failure { status_code: code, status_message: text.to_owned() });
        if let Some((name, value)) = self.header() {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl Problem {
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::NotLoggedIn { dialog: true } => Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Undertone\", charset=\"UTF-8\""),
            )),
            // Whole seconds, rounded up: a client that waits as told is let in.
            Self::Throttled(wait) => Some((header::RETRY_AFTER, (wait.as_millis().div_ceil(1000) as u64).into())),
            Self::Overloaded => Some((header::RETRY_AFTER, 1.into())),
            _ => None,
        }
    }
}

/// The HTTP status beside each refusal (`gws-api.md` 1.3).
fn refusal_status(kind: RefusalKind) -> StatusCode {
    match kind {
        RefusalKind::UnknownOperation | RefusalKind::Missing | RefusalKind::OutOfRange | RefusalKind::NotNow => {
            StatusCode::BAD_REQUEST
        }
        RefusalKind::NotPermitted | RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::InUse => StatusCode::CONFLICT,
        RefusalKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A reply with a body. Strict clients refuse any other media type.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, headers, bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "a body could not be written");
            let body = r#"{"statusCode":4,"statusMessage":"The reply could not be written"}"#;
            (StatusCode::INTERNAL_SERVER_ERROR, headers, body).into_response()
        }
    }
}

/// A reply with status 200.
pub(crate) fn ok(body: &impl Serialize) -> Response {
    json(StatusCode::OK, body)
}

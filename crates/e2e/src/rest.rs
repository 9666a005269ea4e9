//! A user of the REST API: as a script (Basic and nothing else) or as a browser (cookies and the CSRF pair).

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::http::{Answer, Http};

/// One user of the API.
#[derive(Clone, Debug)]
pub struct Rest {
    http: Http,
    basic: Option<String>,
    /// `Some` for a browser: the cookies it has been given.
    cookies: Option<Vec<(String, String)>>,
    csrf: Option<(String, String)>,
}

impl Rest {
    /// A script: Basic with every request, no cookies.
    #[must_use]
    pub fn script(http: Http, user: &str, password: &str) -> Self {
        Self { http, basic: Some(basic(user, password)), cookies: None, csrf: None }
    }

    /// A browser: it logs in by a GET with Basic and keeps cookies and the CSRF pair from there on.
    #[must_use]
    pub fn browser(http: Http, user: &str, password: &str) -> Self {
        Self { cookies: Some(Vec::new()), ..Self::script(http, user, password) }
    }

    /// From here on only the cookies say who it is.
    pub fn forget_password(&mut self) {
        self.basic = None;
    }

    /// The cookie of that name.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().flatten().find(|it| it.0 == name).map(|it| it.1.as_str())
    }

    /// GET `/api/v2` + `path`.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, None)
    }

    /// POST to `/api/v2` + `path`.
    #[track_caller]
    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(&body.to_string()))
    }

    /// Any request to `/api/v2` + `path`, with a body as it is.
    #[track_caller]
    pub fn send(&mut self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let mut headers = Vec::new();
        if let Some(basic) = &self.basic {
            headers.push(("Authorization", basic.as_str()));
        }
        let cookies: Vec<String> =
            self.cookies.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        if let Some((name, token)) = self.csrf.as_ref().filter(|_| method != "GET") {
            headers.push((name, token));
        }
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        let answer = self.http.send(method, &format!("/api/v2{path}"), &headers, body);
        self.remember(&answer);
        answer
    }

    /// GET that must succeed; answers with the member `name` of the body.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    pub fn fetch(&mut self, path: &str, name: &str) -> Value {
        let answer = self.get(path);
        assert_eq!((answer.status, answer.code()), (200, 0), "GET {path}: {}", answer.body);
        let body = answer.json();
        assert!(body.get(name).is_some(), "GET {path} has no \"{name}\": {body}");
        body[name].clone()
    }

    /// An operation that must be accepted.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn operate(&mut self, path: &str, body: &Value) {
        let answer = self.post(path, body);
        assert_eq!((answer.status, answer.code()), (200, 0), "POST {path} {body}: {}", answer.body);
        assert_eq!(answer.json(), json!({"statusCode": 0}), "POST {path} {body}");
    }

    /// An operation that must be refused: HTTP status and the API's code. The body holds the reason and nothing else.
    ///
    /// # Panics
    /// If it is accepted, or refused without a reason.
    #[track_caller]
    pub fn refused(&mut self, path: &str, body: &Value) -> (u16, i64) {
        self.refused_text(path, &body.to_string())
    }

    /// The same with a body that need not be JSON.
    ///
    /// # Panics
    /// If it is accepted, or refused without a reason.
    #[track_caller]
    pub fn refused_text(&mut self, path: &str, body: &str) -> (u16, i64) {
        let answer = self.send("POST", path, Some(body));
        let code = answer.code();
        assert_ne!(code, 0, "POST {path} {body} was accepted");
        let json = answer.json();
        let names: Vec<&String> = json.as_object().into_iter().flat_map(|it| it.keys()).collect();
        assert_eq!(names, ["statusCode", "statusMessage"], "POST {path} {body}: {}", answer.body);
        assert!(json["statusMessage"].as_str().is_some_and(|it| it.len() > 3), "{}", answer.body);
        (answer.status, code)
    }

    fn remember(&mut self, answer: &Answer) {
        let Some(cookies) = &mut self.cookies else { return };
        for (_, value) in answer.headers.iter().filter(|it| it.0 == "set-cookie") {
            let pair = value.split(';').next().unwrap_or("");
            if let Some((name, value)) = pair.split_once('=') {
                cookies.retain(|it| it.0 != name);
                cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        if let (Some(name), Some(token)) = (answer.header("x-csrf-header"), answer.header("x-csrf-token")) {
            self.csrf = Some((name.to_owned(), token.to_owned()));
        }
    }
}

/// The value of an `Authorization` header.
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

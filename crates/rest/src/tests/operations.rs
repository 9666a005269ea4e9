//! Log-in and CSRF at the door, what reaches the engine, and how its answers look.

use domain::{
    command::{
        AgentRequest, CallOperation, Command, DeviceOperation, Refusal, RefusalKind, Reply, StartSession, UserRequest,
    },
    ids::UserId,
};

use super::world::{AGENT, AGENTS_DEVICE, Answer, CALL, IDLE, LEAD, World, basic};
use crate::{CommandError, LoginSettings};

const DONE: (u16, &str) = (200, r#"{"statusCode":0}"#);
const DENIED: &str = r#"{"statusCode":20,"statusMessage":"Access denied, please log in"}"#;
const NO_TOKEN: (u16, &str) = (403, r#"{"statusCode":3,"statusMessage":"Missing or invalid Csrf token"}"#);
const READY: &str = r#"{"operationName":"Ready"}"#;

fn user(by: UserId, request: UserRequest) -> Command {
    Command::User { by, request }
}

impl World {
    fn asked(&self) -> Vec<Command> {
        std::mem::take(&mut self.backend.asked.lock().unwrap())
    }

    fn answers(&self, answer: Result<Reply, CommandError>) {
        self.backend.answers.lock().unwrap().push_back(answer);
    }

    /// Cookie and token, as a browser has them after its first GET.
    async fn browser(&self, name: &str) -> (String, String) {
        let first = self.get(name, "/me").await;
        assert_eq!(first.header("x-csrf-header"), Some("X-CSRF-TOKEN"));
        let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        (cookie, first.header("x-csrf-token").unwrap().to_owned())
    }

    async fn ready(&self, headers: &[(&str, &str)]) -> Answer {
        self.send("POST", "/api/v2/me", headers, READY).await
    }
}

#[tokio::test]
async fn without_a_log_in_everything_is_denied() {
    let world = World::new();
    for (method, path) in [("GET", "/api/v2/me"), ("POST", "/api/v2/me"), ("GET", "/api/v2/devices")] {
        let answer = world.send(method, path, &[], "").await;
        assert_eq!(answer.short(), (401, DENIED), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"Undertone\", charset=\"UTF-8\""));
        assert_eq!(answer.header("set-cookie"), None);
    }
    // A page that asks in the background must not make the browser ask for a password.
    let answer = world.send("GET", "/api/v2/me", &[("x-requested-with", "XMLHttpRequest")], "").await;
    assert_eq!((answer.short(), answer.header("www-authenticate")), ((401, DENIED), None));
    let wrong = format!("{}x", basic("agent"));
    let answer = world.send("GET", "/api/v2/me", &[("authorization", &wrong)], "").await;
    assert_eq!(answer.short(), (401, DENIED));
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn too_many_failures_are_told_to_wait() {
    let world = World::new();
    let wrong = [("authorization", "Basic YWdlbnQ6d3Jvbmc=")];
    for _ in 0..10 {
        assert_eq!(world.send("GET", "/api/v2/me", &wrong, "").await.status, 401);
    }
    let answer = world.send("GET", "/api/v2/me", &wrong, "").await;
    let body = r#"{"statusCode":20,"statusMessage":"Access denied: too many failed log-ins"}"#;
    assert_eq!(answer.short(), (429, body));
    assert_eq!(answer.header("retry-after"), Some("6"));
}

#[tokio::test]
async fn a_get_hands_out_a_session_and_its_token_once() {
    let world = World::new();
    let (cookie, token) = world.browser("agent").await;
    let again = world.send("GET", "/api/v2/me", &[("cookie", &cookie)], "").await;
    assert_eq!(again.status, 200);
    assert_eq!(again.header("set-cookie"), None);
    assert_eq!(again.header("x-csrf-token"), Some(token.as_str()));
    // A refused GET has them as well.
    let refused = world.get("agent", "/me/devices/7").await;
    assert_eq!(refused.status, 404);
    assert!(refused.header("set-cookie").is_some() && refused.header("x-csrf-token").is_some());
}

#[tokio::test]
async fn csrf_is_demanded_of_browsers_alone() {
    let world = World::new();
    let (cookie, token) = world.browser("agent").await;
    let (_, others_token) = world.browser("lead").await;
    let basic = basic("agent");
    let login = ("authorization", basic.as_str());
    let cookie = ("cookie", cookie.as_str());
    let token = ("x-csrf-token", token.as_str());
    let origin = ("origin", "http://cc:8080");
    let expired = ("cookie", "JSESSIONID=00000000000000000000000000000000");
    let others = ("x-csrf-token", others_token.as_str());
    let cases = [
        (vec![login], DONE),
        (vec![login, ("cookie", "theme=dark")], DONE),
        (vec![login, origin], NO_TOKEN),
        (vec![login, origin, token], NO_TOKEN),
        (vec![login, cookie], NO_TOKEN),
        (vec![login, expired], NO_TOKEN),
        (vec![cookie], NO_TOKEN),
        (vec![cookie, others], NO_TOKEN),
        (vec![cookie, origin, token], DONE),
        (vec![login, cookie, token], DONE),
    ];
    for (headers, wanted) in cases {
        assert_eq!(world.ready(&headers).await.short(), wanted, "{headers:?}");
        assert_eq!(world.asked().len(), usize::from(wanted == DONE), "{headers:?}");
    }
    assert_eq!(world.ready(&[expired]).await.short(), (401, DENIED));
}

#[tokio::test]
async fn csrf_can_be_switched_off() {
    let world = World::with(&LoginSettings { public_url: "http://cc:8080".into(), csrf: false, session_timeout: IDLE });
    let first = world.get("agent", "/me").await;
    assert_eq!(first.header("x-csrf-token"), None);
    let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap();
    assert_eq!(world.ready(&[("cookie", cookie), ("origin", "http://evil")]).await.short(), DONE);
}

#[tokio::test]
async fn a_script_that_posts_leaves_no_session_behind() {
    let answer = World::new().post("agent", "/me", READY).await;
    assert_eq!(answer.short(), DONE);
    assert_eq!(answer.header("set-cookie"), None);
}

#[tokio::test]
async fn operations_reach_the_engine() {
    let world = World::new();
    let start = r#"{"operationName":"StartContactCenterSession","channels":["voice"]}"#;
    let session = StartSession { channels: vec!["voice".into()] };
    let cases = [
        ("/me", start, UserRequest::StartSession(Ok(session))),
        ("/me", READY, UserRequest::SetAgentState(AgentRequest::Ready)),
        ("/me/channels/voice", r#"{"operationName":"NotReady"}"#, UserRequest::SetAgentState(AgentRequest::NotReady)),
        (
            "/me/devices/00000000-0000-0000-0000-0000000000c1",
            r#"{"operationName":"CancelSupervisorMonitoring"}"#,
            UserRequest::Device { device: Some(AGENTS_DEVICE), operation: DeviceOperation::CancelMonitoring },
        ),
        (
            "/me/devices/nonsense",
            r#"{"operationName":"ForwardCallsOff"}"#,
            UserRequest::Device { device: None, operation: DeviceOperation::ForwardOff },
        ),
        (
            "/me/calls/00000000000000000000000000000007",
            r#"{"operationName":"Hangup"}"#,
            UserRequest::Call { call: Some(CALL), operation: CallOperation::Hangup },
        ),
        (
            "/me/devices/00000000-0000-0000-0000-0000000000c1/calls",
            r#"{"operationName":"Dial","destination":{"phoneNumber":"5002"}}"#,
            UserRequest::Device {
                device: Some(AGENTS_DEVICE),
                operation: DeviceOperation::Dial(Ok("5002".parse().unwrap())),
            },
        ),
    ];
    for (path, body, request) in cases {
        assert_eq!(world.post("agent", path, body).await.short(), DONE, "{path}");
        assert_eq!(world.asked(), [user(AGENT, request)], "{path}");
    }
    assert_eq!(world.post("agent", "/me/channels/chat", READY).await.status, 404);
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn refusals_have_one_status_and_one_code_each() {
    let world = World::new();
    let cases = [
        (RefusalKind::NotPermitted, 403, 5),
        (RefusalKind::Missing, 400, 1),
        (RefusalKind::OutOfRange, 400, 10),
        (RefusalKind::NotFound, 404, 6),
        (RefusalKind::Forbidden, 403, 3),
        (RefusalKind::NotNow, 400, 2),
        (RefusalKind::InUse, 409, 19),
        (RefusalKind::Internal, 500, 4),
    ];
    for (kind, status, code) in cases {
        world.answers(Err(Refusal { kind, text: "no \"way\"".into() }.into()));
        let body = format!(r#"{{"statusCode":{code},"statusMessage":"no \"way\""}}"#);
        let answer = world.post("agent", "/me", READY).await;
        assert_eq!(answer.short(), (status, body.as_str()), "{kind:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn r_22_a_feature_that_is_off_answers_like_an_operation_that_does_not_exist() {
    let world = World::new();
    let device = "/me/devices/00000000-0000-0000-0000-0000000000b1";
    let unknown = |name: &str| {
        format!(r#"{{"statusCode":10,"statusMessage":"\"{name}\" is not an operation of this resource"}}"#)
    };
    let answer = world.post("lead", device, r#"{"operationName":"Dance"}"#).await;
    assert_eq!(answer.short(), (400, unknown("Dance").as_str()));
    assert!(world.asked().is_empty());

    let off = Refusal { kind: RefusalKind::UnknownOperation, text: "monitoring is switched off".into() };
    world.answers(Err(off.into()));
    let answer = world.post("lead", device, r#"{"operationName":"ListenIn","phoneNumber":"5001"}"#).await;
    assert_eq!(answer.short(), (400, unknown("ListenIn").as_str()));
    assert!(matches!(&world.asked()[..], [Command::User { by: LEAD, .. }]));

    world.features(&[]);
    assert_eq!(world.post("lead", "/me", READY).await.short(), (400, unknown("Ready").as_str()));
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn a_session_with_some_channels_is_a_partial_success() {
    let world = World::new();
    let no_chat = Refusal { kind: RefusalKind::NotFound, text: "there is no chat".into() };
    world.answers(Ok(Reply::Partial(vec![("voice".into(), None), ("chat".into(), Some(no_chat))])));
    let start = r#"{"operationName":"StartContactCenterSession","channels":["voice","chat"]}"#;
    let body = r#"{"statusCode":7,"channels":[{"channel":"voice","statusCode":0},{"channel":"chat","statusCode":6,"statusMessage":"there is no chat"}]}"#;
    assert_eq!(world.post("agent", "/me", start).await.short(), (200, body));
}

#[tokio::test]
async fn a_full_inbox_is_told_to_come_back() {
    let world = World::new();
    world.answers(Err(CommandError::Overloaded));
    let answer = world.post("agent", "/me", READY).await;
    let body = r#"{"statusCode":4,"statusMessage":"The server is overloaded, please try again"}"#;
    assert_eq!(answer.short(), (503, body));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn ending_the_session_ends_the_http_session_too() {
    let world = World::new();
    let (cookie, token) = world.browser("agent").await;
    let headers = [("cookie", cookie.as_str()), ("x-csrf-token", token.as_str())];
    let end = r#"{"operationName":"EndContactCenterSession"}"#;

    let refusal = Refusal { kind: RefusalKind::NotNow, text: "there is no session".into() };
    world.answers(Err(refusal.into()));
    assert_eq!(world.send("POST", "/api/v2/me", &headers, end).await.status, 400);
    assert_eq!(world.send("GET", "/api/v2/me", &headers, "").await.status, 200);

    let answer = world.send("POST", "/api/v2/me", &headers, end).await;
    assert_eq!(answer.short(), DONE);
    assert_eq!(answer.header("set-cookie"), Some("JSESSIONID=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"));
    assert_eq!(world.send("GET", "/api/v2/me", &headers, "").await.short(), (401, DENIED));
}

#[tokio::test]
async fn r_24_a_trailing_comma_is_named_with_its_position() {
    let world = World::new();
    let answer = world.post("lead", "/me/devices/x", "{\n  \"operationName\": \"ListenIn\",\n}").await;
    let body = r#"{"statusCode":10,"statusMessage":"the body is not valid JSON: trailing comma at line 3 column 1"}"#;
    assert_eq!(answer.short(), (400, body));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let world = World::new();
    let padded = |size: usize| format!("{READY}{}", " ".repeat(size - READY.len()));
    assert_eq!(world.post("agent", "/me", &padded(64 * 1024)).await.short(), DONE);
    let body = r#"{"statusCode":10,"statusMessage":"The body is too large"}"#;
    assert_eq!(world.post("agent", "/me", &padded(64 * 1024 + 1)).await.short(), (413, body));
}

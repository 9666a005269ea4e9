//! The server over real sockets, spoken to byte by byte.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    response::{IntoResponse, Response},
};
use clock::Clock;
use http::{StatusCode, header, request::Parts};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{Handle, Host, start};
use crate::{Identity, Principal, Settings};

mod overload;
mod websocket;

/// The user is what `Authorization` says; nobody else comes in.
struct Door;

impl Host for Door {
    async fn authenticate(&self, head: &Parts) -> Result<Identity, Response> {
        let user = head.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
        match user {
            Some(user) => Ok(Identity { principal: Principal::from(user), browser: Some("browser".to_owned()) }),
            None => Err((StatusCode::UNAUTHORIZED, r#"{"statusCode":20}"#).into_response()),
        }
    }

    fn may_subscribe(&self, principal: &Principal, channel: &str) -> bool {
        channel.starts_with(&format!("/{principal}/"))
    }
}

async fn serve(settings: Settings) -> (String, Handle) {
    let server = start(settings, Clock::start(), [5; 32], Door);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let app: Router = server.router("/api/notifications");
    tokio::spawn(async { axum::serve(listener, app).await });
    (address, server.handle())
}

struct Client(TcpStream);

impl Client {
    async fn new(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, path: &str, body: &str) {
        let request = format!(
            "POST /api/notifications{path} HTTP/1.1\r\nHost: x\r\nAuthorization: ada\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.write_all(request.as_bytes()).await.unwrap();
    }

    /// Status and body of one answer with a `Content-Length`.
    async fn answer(&mut self) -> (u16, String) {
        timeout(PATIENCE, self.read_answer()).await.expect("an answer in time")
    }

    async fn read_answer(&mut self) -> (u16, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length =
            head.lines().find_map(|it| it.strip_prefix("content-length: ")).map_or(0, |it| it.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
    }

    async fn ask(&mut self, path: &str, messages: &Value) -> Value {
        self.send(path, &messages.to_string()).await;
        let (status, body) = self.answer().await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn handshake(&mut self) -> String {
        let hello =
            json!([{"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}]);
        let replies = self.ask("/handshake", &hello).await;
        replies[0]["clientId"].as_str().unwrap().to_owned()
    }

    async fn subscribe(&mut self, client: &str, channel: &str) -> Value {
        let wanted = json!({"channel": "/meta/subscribe", "clientId": client, "subscription": channel});
        self.ask("/", &wanted).await[0].clone()
    }
}

fn connect(client: &str) -> Value {
    json!([{"channel": "/meta/connect", "clientId": client, "connectionType": "long-polling"}])
}

/// Long enough for any machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_client_polls_at_all_forms_of_the_url() {
    let (address, handle) = serve(Settings::default()).await;
    let mut client = Client::new(&address).await;
    let id = client.handshake().await;
    assert_eq!(client.subscribe(&id, "/ada/*").await["successful"], json!(true));
    assert_eq!(client.subscribe(&id, "/bob/*").await["error"], json!("403::This client may not subscribe to that"));
    for (number, path) in ["", "/", "/connect", "/any/thing"].into_iter().enumerate() {
        client.send(path, &connect(&id).to_string()).await;
        handle.deliver(&Principal::from("ada"), "/ada/news", Arc::from(number.to_string()));
        let (status, body) = client.answer().await;
        let messages: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &messages[0]), (200, &json!({"channel": "/ada/news", "data": number})));
        assert_eq!(messages[1]["successful"], json!(true));
    }
    assert_eq!(handle.sessions(), 1);
    assert_eq!(handle.stats().delivered, 4);
}

#[tokio::test]
async fn what_is_not_bayeux_is_refused_with_a_sentence() {
    let (address, _handle) = serve(Settings { max_body_bytes: 100, ..Settings::default() }).await;
    for (body, status, begin) in [
        ("{", 400, "not a Bayeux message or an array of them: "),
        ("[]", 400, "there is no message in this request"),
        (" ".repeat(101).as_str(), 413, "A request may have 100 bytes"),
    ] {
        let mut client = Client::new(&address).await;
        client.send("", body).await;
        let answer = client.answer().await;
        assert_eq!(answer.0, status);
        assert!(answer.1.starts_with(begin), "{}", answer.1);
    }
}

#[tokio::test]
async fn the_hosts_refusal_is_passed_on() {
    let (address, _handle) = serve(Settings::default()).await;
    let mut client = Client::new(&address).await;
    client.0.write_all(b"POST /api/notifications HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    assert_eq!(client.answer().await, (401, r#"{"statusCode":20}"#.to_owned()));
    client.0.write_all(b"GET /api/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: ada\r\n\r\n").await.unwrap();
    assert_eq!(client.answer().await.0, 405);
}

#[tokio::test]
async fn a_slow_body_is_not_waited_for() {
    let (address, _handle) = serve(Settings { body_timeout: Duration::from_millis(50), ..Settings::default() }).await;
    let mut client = Client::new(&address).await;
    let head = b"POST /api/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: ada\r\nContent-Length: 9\r\n\r\n[";
    client.0.write_all(head).await.unwrap();
    assert_eq!(client.answer().await.0, 408);
}

#[tokio::test]
async fn messages_for_a_poll_that_was_cut_off_come_with_the_next() {
    let (address, handle) = serve(Settings::default()).await;
    let mut client = Client::new(&address).await;
    let id = client.handshake().await;
    client.subscribe(&id, "/ada/*").await;
    let mut poll = Client::new(&address).await;
    poll.send("/connect", &connect(&id).to_string()).await;
    until(|| handle.stats().held_polls == 1).await;
    drop(poll);
    until(|| handle.stats().held_polls == 0).await;
    handle.deliver(&Principal::from("ada"), "/ada/news", Arc::from("1"));
    let messages = client.ask("/connect", &connect(&id)).await;
    assert_eq!(messages[0], json!({"channel": "/ada/news", "data": 1}));
}

#[tokio::test]
async fn a_held_poll_ends_by_itself() {
    let (address, _handle) = serve(Settings { timeout: Duration::from_millis(50), ..Settings::default() }).await;
    let mut client = Client::new(&address).await;
    let id = client.handshake().await;
    for _ in 0..3 {
        let messages = client.ask("/connect", &connect(&id)).await;
        assert_eq!(messages.as_array().unwrap().len(), 1);
        assert_eq!(messages[0]["successful"], json!(true));
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it comes about in time");
}

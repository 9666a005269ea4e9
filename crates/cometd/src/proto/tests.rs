//! Scripts of the protocol: what happens to a Bayeux server, and what its clients see.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use clock::Time;
use serde_json::{Value, json};

use super::{Audience, Ending, Event, Identity, Machine, Message, Output, Principal, Publication, RequestId, SocketId};
use crate::Settings;

mod acks;
mod doubt;
mod limits;
mod polling;
mod random;
mod websocket;

/// Runs a script against a machine with default settings.
fn check(script: &str) {
    check_with(Settings::default(), script);
}

/// Each line is `moment | event | outputs`. Events:
///
/// - `r1 ada: connect A + subscribe A /x`: a request of ada's, with these messages; `r1 ada@tab: …` from a browser
/// - `r1 gone`, `w1 opens ada`, `w1: connect A`, `w1 written`, `w1 closed`
/// - `publish ada /x=1 + bob /y=2`, with `all` for everybody; `lost ada`, `revoke ada`, `shutdown`, `tick`
///
/// A session is named by the handshake that opens it (`handshake A`). A `#` at the end asks for acknowledgements, and
/// `#3` acknowledges; replies show the same. Outputs are separated by `;`. Whatever was due
/// before an event happens, and is shown, with it.
fn check_with(settings: Settings, script: &str) {
    let mut world = World { machine: Machine::new(settings.clone(), [3; 32]), settings, names: BTreeMap::new() };
    for (number, line) in script.lines().map(str::trim).enumerate().filter(|(_, it)| !it.is_empty()) {
        let mut cells = line.split('|').map(str::trim);
        let (moment, event, expected) =
            (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap_or_default());
        let now = Time::from_unix_ms(1_000_000) + humantime_lite(moment);
        let seen = world.step(event, now);
        assert_eq!(seen, expected, "line {number}: {line}");
    }
}

fn humantime_lite(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(ms) => Duration::from_millis(ms.parse().unwrap()),
        None => Duration::from_secs(text.strip_suffix('s').unwrap().parse().unwrap()),
    }
}

struct World {
    machine: Machine,
    settings: Settings,
    names: BTreeMap<String, String>,
}

impl World {
    fn step(&mut self, event: &str, now: Time) -> String {
        let mut outputs = Vec::new();
        while let Some(due) = self.machine.poll_timeout().filter(|it| *it <= now) {
            outputs.extend(self.machine.handle(Event::Timeout, due));
        }
        let opens: Vec<String> =
            event.split(" + ").filter_map(|it| it.split_once("handshake ")).map(|(_, it)| it.to_owned()).collect();
        outputs.extend(self.event(event).into_iter().flat_map(|it| self.machine.handle(it, now)));
        let mut opens = opens.iter().map(|it| it.split(' ').next().unwrap().to_owned());
        let shown: Vec<String> = outputs.iter().map(|it| self.show(it, &mut opens)).collect();
        shown.join("; ")
    }

    fn event(&self, text: &str) -> Option<Event> {
        let words: Vec<&str> = text.split(' ').collect();
        Some(match words.as_slice() {
            ["tick"] => return None,
            ["shutdown"] => Event::Shutdown,
            ["lost", whom] => Event::End(audience(whom), Ending::Lost),
            ["revoke", whom] => Event::End(audience(whom), Ending::Revoked),
            ["publish", ..] => Event::Publish(text["publish ".len()..].split(" + ").map(publication).collect()),
            [request, "gone"] => Event::Gone(RequestId(number(request))),
            [socket, "opens", who] => Event::SocketOpened { id: SocketId(number(socket)), from: identity(who) },
            [socket, "written"] => Event::Written(SocketId(number(socket))),
            [socket, "closed"] => Event::SocketClosed(SocketId(number(socket))),
            [socket, ..] if socket.starts_with('w') => {
                let (id, messages) = text.split_once(": ").unwrap();
                Event::Frame { id: SocketId(number(id)), messages: self.messages(messages) }
            }
            [request, who, ..] => Event::Request {
                id: RequestId(number(request)),
                from: identity(who.trim_end_matches(':')),
                messages: self.messages(text.split_once(": ").unwrap().1),
            },
            _ => panic!("no such event: {text}"),
        })
    }

    fn messages(&self, text: &str) -> Vec<Message> {
        let wire: Vec<Value> = text.split(" + ").map(|it| self.message(it)).collect();
        let mut messages = Message::read_all(json!(wire).to_string().as_bytes(), &self.settings).unwrap();
        messages.iter_mut().for_each(|it| it.permit(|channel| !channel.starts_with("/secret")));
        messages
    }

    fn message(&self, text: &str) -> Value {
        let mut message = self.plain_message(text);
        if let Some((_, ack)) = text.split_once('#') {
            message["ext"] = json!({"ack": ack.parse::<i64>().map_or(json!(true), |it| json!(it))});
        }
        message
    }

    fn plain_message(&self, text: &str) -> Value {
        let text = text.split('#').next().unwrap().trim_end();
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let client = self.names.get(name).map_or("0123", String::as_str);
        let channel = if kind.starts_with('/') { kind.to_owned() } else { format!("/meta/{kind}") };
        match kind {
            "handshake" => {
                let types: Vec<&str> = if rest.is_empty() { vec!["long-polling", "websocket"] } else { vec![rest] };
                json!({"channel": channel, "version": "1.0", "supportedConnectionTypes": types})
            }
            "connect" if rest == "now" => json!({"channel": channel, "clientId": client, "advice": {"timeout": 0}}),
            "subscribe" | "unsubscribe" if rest.contains(',') => {
                json!({"channel": channel, "clientId": client, "subscription": rest.split(',').collect::<Vec<_>>()})
            }
            "subscribe" | "unsubscribe" => json!({"channel": channel, "clientId": client, "subscription": rest}),
            _ => json!({"channel": channel, "clientId": client, "data": 1}),
        }
    }

    fn show(&mut self, output: &Output, opens: &mut impl Iterator<Item = String>) -> String {
        let (id, body) = match output {
            Output::Close { id, code, reason } => return format!("w{} closes {code} {reason}", id.0),
            Output::Answer { id, body } => (format!("r{}", id.0), body),
            Output::Send { id, frame } => (format!("w{}", id.0), frame),
        };
        let messages: Vec<Value> = serde_json::from_str(body).unwrap();
        let shown: Vec<String> = messages.iter().map(|it| self.show_message(it, opens)).collect();
        format!("{id}: {}", shown.join(", "))
    }

    /// `/x=1` for a delivery; for a reply its kind, then the error or `ok`, then advice in brackets.
    fn show_message(&mut self, message: &Value, opens: &mut impl Iterator<Item = String>) -> String {
        let channel = message["channel"].as_str().unwrap();
        if let Some(data) = message.get("data") {
            return format!("{channel}={data}");
        }
        let kind = channel.trim_start_matches("/meta/");
        let is_successful = message["successful"].as_bool().unwrap();
        assert_eq!(is_successful, message.get("error").is_none(), "{message}");
        if kind == "handshake" && is_successful {
            self.names.insert(opens.next().unwrap(), message["clientId"].as_str().unwrap().to_owned());
        }
        if kind == "connect" && error_code(message) != Some("402") {
            // Bayeux 1.0, section 4.2.2.
            assert!(message["clientId"].is_string(), "{message}");
        }
        let error = error_code(message);
        let mut shown = format!("{kind} {}", error.unwrap_or("ok"));
        match &message["ext"]["ack"] {
            Value::Null => {}
            Value::Bool(true) => shown.push_str(" #"),
            number => write!(shown, " #{number}").unwrap(),
        }
        if let Some(advice) = message.get("advice") {
            let crowded = if advice["multiple-clients"] == json!(true) { " crowded" } else { "" };
            write!(shown, " ({} {}{crowded})", advice["reconnect"].as_str().unwrap(), advice["interval"]).unwrap();
        }
        shown
    }
}

fn error_code(message: &Value) -> Option<&str> {
    message["error"].as_str()?.split("::").next()
}

fn publication(text: &str) -> Publication {
    let (whom, rest) = text.split_once(' ').unwrap();
    let (channel, data) = rest.split_once('=').unwrap();
    Publication { to: audience(whom), channel: channel.into(), data: Arc::from(data) }
}

fn audience(text: &str) -> Audience {
    if text == "all" { Audience::Everybody } else { Audience::Principal(Principal::from(text)) }
}

fn identity(text: &str) -> Identity {
    match text.split_once('@') {
        Some((who, browser)) => Identity { principal: who.into(), browser: Some(browser.to_owned()) },
        None => Identity { principal: text.into(), browser: None },
    }
}

fn number(text: &str) -> u64 {
    text[1..].parse().unwrap()
}

#[test]
fn patterns_match_themselves_one_level_and_all_levels() {
    assert_eq!(super::channel::patterns("/a/b/c"), ["/a/b/c", "/a/b/*", "/a/b/**", "/a/**", "/**"]);
    assert_eq!(super::channel::patterns("/a"), ["/a", "/*", "/**"]);
}

#[test]
fn only_channels_and_wildcards_at_the_end_may_be_subscribed_to() {
    for it in ["/a", "/a/b-c/d_e", "/*", "/**", "/a/*", "/a/**"] {
        assert!(super::channel::is_valid_pattern(it), "{it}");
    }
    for it in ["", "a", "/", "/a/", "//a", "/a//b", "/*/a", "/**/a", "/a*", "/a/***", "/a\n", "/ü"] {
        assert!(!super::channel::is_valid_pattern(it), "{it}");
    }
}

#[test]
fn requests_that_cannot_be_answered_message_by_message_are_refused_with_a_sentence() {
    let settings = Settings { max_messages_per_request: 2, max_nesting: 3, ..Settings::default() };
    let refusal = |body: &str| Message::read_all(body.as_bytes(), &settings).unwrap_err().to_string();
    assert_eq!(refusal("[]"), "there is no message in this request");
    assert_eq!(refusal(r#"[{"channel":"/a"},{"channel":"/a"},{"channel":"/a"}]"#), "a request may hold 2 messages");
    assert_eq!(refusal(r#"{"channel":"/a","data":[[[1]]]}"#), "arrays and objects may be nested 3 deep");
    for it in ["", "7", "{", "[1]", "{}", r#"{"channel":5}"#, "[[]]", "\u{feff}{}"] {
        assert!(refusal(it).starts_with("not a Bayeux message or an array of them: "), "{it}");
    }
    assert!(Message::read_all(br#"{"channel":"/a","data":"[[[[\"[["}"#, &settings).is_ok());
}

#[test]
fn replies_repeat_the_id_and_the_subscription_as_they_came() {
    let mut machine = Machine::new(Settings::default(), [0; 32]);
    let mut ask = |text: &str| {
        let messages = Message::read_all(text.as_bytes(), &Settings::default()).unwrap();
        let event = Event::Request { id: RequestId(1), from: identity("ada"), messages };
        match machine.handle(event, Time::default()).as_slice() {
            [Output::Answer { body, .. }] => serde_json::from_str::<Value>(body).unwrap()[0].clone(),
            other => panic!("{other:?}"),
        }
    };
    let hello =
        ask(r#"{"channel":"/meta/handshake","id":7,"version":"1.0","supportedConnectionTypes":["long-polling"]}"#);
    assert_eq!(
        hello,
        json!({
            "channel": "/meta/handshake", "id": 7, "successful": true, "clientId": hello["clientId"],
            "version": "1.0", "minimumVersion": "1.0", "supportedConnectionTypes": ["long-polling"],
            "advice": {"reconnect": "retry", "interval": 0, "timeout": 30000, "maxInterval": 10000},
        })
    );
    let client = hello["clientId"].as_str().unwrap();
    let text = json!({"channel": "/meta/unsubscribe", "id": "a", "clientId": client, "subscription": ["/x", "/y"]});
    assert_eq!(
        ask(&text.to_string()),
        json!({
            "channel": "/meta/unsubscribe", "id": "a", "clientId": client,
            "subscription": ["/x", "/y"], "successful": true,
        })
    );
    assert_eq!(
        ask(r#"{"channel":"/meta/connect","id":"b","clientId":"nobody","connectionType":"long-polling"}"#),
        json!({
            "channel": "/meta/connect", "id": "b", "successful": false, "error": "402::Unknown client",
            "advice": {"reconnect": "handshake", "interval": 0},
        })
    );
}

#[test]
fn client_ids_follow_from_the_seed_and_differ() {
    let ids = |seed: u8| {
        let mut machine = Machine::new(Settings::default(), [seed; 32]);
        (0..3).map(|_| machine.open("ada".into(), false).to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
    assert_eq!(ids(1).iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}

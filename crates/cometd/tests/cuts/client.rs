//! A small Bayeux client that notes what it got, and comes back by itself when its connection is cut.

use std::{
    io::{self, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    LongPolling,
    WebSocket,
}

pub(crate) struct Client {
    address: SocketAddr,
    transport: Transport,
    has_acks: bool,
    stream: Option<BufReader<TcpStream>>,
    session: Option<Session>,
    /// What arrived, session by session.
    pub(crate) seen: Vec<Vec<u64>>,
    /// How often a connection broke.
    pub(crate) breaks: usize,
}

#[derive(Default)]
struct Session {
    id: String,
    is_subscribed: bool,
    batch: u64,
    /// Whether the last connect was answered well.
    is_connected: bool,
    /// Whether a connect is held on the WebSocket. Messages without acknowledgements come meanwhile.
    is_waiting: bool,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, transport: Transport, has_acks: bool) -> Self {
        Self { address, transport, has_acks, stream: None, session: None, seen: Vec::new(), breaks: 0 }
    }

    /// Whether the next thing to do is a connect that may be held.
    pub(crate) fn is_settled(&self) -> bool {
        self.session.as_ref().is_some_and(|it| it.is_subscribed && it.is_connected)
    }

    pub(crate) fn last_seen(&self) -> Option<u64> {
        self.seen.iter().rev().find_map(|it| it.last().copied())
    }

    /// The next connection goes there.
    pub(crate) fn go_by(&mut self, address: SocketAddr) {
        self.address = address;
        self.stream = None;
    }

    /// Does what comes next: a handshake, a subscription, or a connect. Whether it went well.
    pub(crate) fn step(&mut self) -> bool {
        let is_well = self.next().is_ok();
        if !is_well {
            self.stream = None;
            self.breaks += 1;
            if let Some(session) = &mut self.session {
                (session.is_connected, session.is_waiting) = (false, false);
            }
            // What was under way when the connection broke comes to the server before what comes now.
            thread::sleep(Duration::from_millis(2));
        }
        is_well
    }

    fn next(&mut self) -> io::Result<()> {
        let replies = match &self.session {
            Some(it) if it.is_waiting => self.listen()?,
            None => {
                let types = ["long-polling", "websocket"];
                let ext = json!({"ack": self.has_acks});
                let hello = json!({"channel": "/meta/handshake", "supportedConnectionTypes": types, "ext": ext});
                self.ask(&hello)?
            }
            Some(it) if !it.is_subscribed => {
                self.ask(&json!({"channel": "/meta/subscribe", "clientId": it.id, "subscription": "/numbers"}))?
            }
            Some(it) => {
                let mut connect = json!({"channel": "/meta/connect", "clientId": it.id});
                if self.has_acks {
                    connect["ext"] = json!({"ack": it.batch});
                }
                if !it.is_connected {
                    connect["advice"] = json!({"timeout": 0});
                }
                self.ask(&connect)?
            }
        };
        replies.iter().for_each(|it| self.take_in(it));
        Ok(())
    }

    fn take_in(&mut self, message: &Value) {
        let is_successful = message["successful"] == true;
        match message["channel"].as_str().unwrap() {
            "/meta/handshake" => {
                assert!(is_successful, "{message}");
                assert_eq!(message["ext"]["ack"] == true, self.has_acks);
                let id = message["clientId"].as_str().unwrap().to_owned();
                self.session = Some(Session { id, ..Session::default() });
                self.seen.push(Vec::new());
            }
            _ if message["advice"]["reconnect"] == "handshake" => self.session = None,
            "/numbers" => self.seen.last_mut().unwrap().push(message["data"].as_u64().unwrap()),
            "/meta/subscribe" => self.session.as_mut().unwrap().is_subscribed = is_successful,
            "/meta/connect" => {
                let session = self.session.as_mut().unwrap();
                (session.is_connected, session.is_waiting) = (is_successful, false);
                session.batch = message["ext"]["ack"].as_u64().unwrap_or(session.batch);
            }
            other => panic!("{other}: {message}"),
        }
    }

    /// Asks, and returns all that came up to the reply.
    fn ask(&mut self, message: &Value) -> io::Result<Vec<Value>> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => self.stream.insert(open(self.address, self.transport)?),
        };
        let text = message.to_string();
        match self.transport {
            Transport::LongPolling => {
                let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ";
                stream.get_mut().write_all(format!("{head}{}\r\n\r\n{text}", text.len()).as_bytes())?;
                let (status, body) = http_answer(stream)?;
                assert_eq!(status, "200");
                Ok(serde_json::from_slice(&body).unwrap())
            }
            Transport::WebSocket => {
                send_frame(stream.get_mut(), &text)?;
                if !self.has_acks && message["channel"] == "/meta/connect" {
                    self.session.as_mut().unwrap().is_waiting = true;
                    return self.listen();
                }
                let mut all: Vec<Value> = Vec::new();
                while !all.iter().any(|it| it["channel"] == message["channel"]) {
                    all.extend(serde_json::from_slice::<Vec<Value>>(&frame(stream)?).unwrap());
                }
                Ok(all)
            }
        }
    }
}

impl Client {
    /// Waits for whatever comes on the WebSocket.
    fn listen(&mut self) -> io::Result<Vec<Value>> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(serde_json::from_slice(&frame(stream)?).unwrap())
    }
}

fn open(address: SocketAddr, transport: Transport) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    // Whatever takes longer is a fault, and an error of this kind is not taken for a cut.
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = BufReader::new(stream);
    if transport == Transport::WebSocket {
        let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.get_mut().write_all(head.as_bytes())?;
        assert_eq!(http_answer(&mut stream)?.0, "101");
    }
    Ok(stream)
}

fn read(stream: &mut BufReader<TcpStream>, into: &mut [u8]) -> io::Result<()> {
    let read = stream.read_exact(into);
    assert!(!matches!(&read, Err(it) if it.kind() == io::ErrorKind::WouldBlock), "no answer in time");
    read
}

fn http_answer(stream: &mut BufReader<TcpStream>) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        read(stream, &mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|it| it.strip_prefix("content-length: ")).map_or(0, |it| it.parse().unwrap());
    let mut body = vec![0; length];
    read(stream, &mut body)?;
    Ok((head[9..12].to_owned(), body))
}

/// A masked text frame (RFC 6455 section 5.2); the mask is zero.
fn send_frame(stream: &mut TcpStream, text: &str) -> io::Result<()> {
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    stream.write_all(&frame)
}

/// The next text frame. Whatever else comes means that the server closes.
fn frame(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut head = [0; 2];
    read(stream, &mut head)?;
    let length = match head[1] {
        126 => {
            let mut long = [0; 2];
            read(stream, &mut long)?;
            usize::from(u16::from_be_bytes(long))
        }
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    read(stream, &mut payload)?;
    if head[0] == 0x81 { Ok(payload) } else { Err(io::ErrorKind::ConnectionAborted.into()) }
}

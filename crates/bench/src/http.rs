//! HTTP and WebSocket of the clients, over connections that stay open: no more than these servers answer with.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::Failed;

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    host: SocketAddr,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(host: SocketAddr) -> Result<Self, Failed> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, host, buffer: Vec::new() })
    }

    /// The stream itself, for a loop that waits for many.
    pub(crate) const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// A request of the API, and the JSON of its answer, which must be a success.
    pub(crate) fn ask(&mut self, user: &str, path: &str, body: Option<&str>) -> Result<Value, Failed> {
        self.send(user, path, body)?;
        loop {
            if let Some(answer) = self.take()? {
                let json: Value = serde_json::from_str(&answer)?;
                return match json.get("statusCode").and_then(Value::as_i64) {
                    None | Some(0) => Ok(json),
                    Some(_) => Err(format!("{path} {body:?} was answered {answer}").into()),
                };
            }
            self.fill()?;
        }
    }

    /// A request below `/api/v2`.
    pub(crate) fn send(&mut self, user: &str, path: &str, body: Option<&str>) -> Result<(), Failed> {
        let (host, credentials) = (self.host, credentials(user));
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.unwrap_or_default();
        let text = format!(
            "{method} /api/v2{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {credentials}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(self.stream.write_all(text.as_bytes())?)
    }

    /// Makes a WebSocket of the connection (RFC 6455 s4.1).
    pub(crate) fn upgrade(&mut self, user: &str, path: &str) -> Result<(), Failed> {
        let (host, credentials) = (self.host, credentials(user));
        let text = format!(
            "GET /api/v2{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {credentials}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        self.stream.write_all(text.as_bytes())?;
        loop {
            self.fill()?;
            if let Some(end) = end_of_head(&self.buffer) {
                let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end);
                return if head.contains(" 101 ") { Ok(()) } else { Err(head.into()) };
            }
        }
    }

    /// A text frame to the server, masked with zeros, which leave the text as it is (RFC 6455 s5.3).
    pub(crate) fn send_frame(&mut self, text: &str) -> Result<(), Failed> {
        let mut frame = vec![0x81];
        match text.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        Ok(self.stream.write_all(&frame)?)
    }

    /// Reads what is there; an error also when the connection is over.
    pub(crate) fn fill(&mut self) -> Result<(), Failed> {
        let mut chunk = [0; 16_384];
        let length = self.stream.read(&mut chunk)?;
        if length == 0 {
            return Err("the server closed a connection".into());
        }
        self.buffer.extend_from_slice(&chunk[..length]);
        Ok(())
    }

    /// The body of the first whole response that has been read.
    pub(crate) fn take(&mut self) -> Result<Option<String>, Failed> {
        let Some(end) = end_of_head(&self.buffer) else { return Ok(None) };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        let length = head.split("\r\n").find_map(|it| it.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let whole = end + length.ok_or_else(|| format!("an answer without a length: {head}"))?;
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let body = String::from_utf8_lossy(&self.buffer[end..whole]).into_owned();
        self.buffer.drain(..whole);
        if head.starts_with("http/1.1 2") { Ok(Some(body)) } else { Err(format!("{head}{body}").into()) }
    }

    /// The text of the first whole WebSocket frame that has been read.
    pub(crate) fn take_frame(&mut self) -> Result<Option<String>, Failed> {
        let (length, start) = match *self.buffer {
            [_, length @ 0..=125, ..] => (usize::from(length), 2),
            [_, 126, high, low, ..] => (usize::from(u16::from_be_bytes([high, low])), 4),
            [_, 127, ..] => return Err("a frame of more than 64 KiB".into()),
            _ => return Ok(None),
        };
        let Some(text) = self.buffer.get(start..start + length) else { return Ok(None) };
        let text = String::from_utf8_lossy(text).into_owned();
        self.buffer.drain(..start + length);
        Ok(Some(text))
    }
}

/// The password of every user.
pub(crate) const PASSWORD: &str = "bench-password";

fn credentials(user: &str) -> String {
    STANDARD.encode(format!("{user}:{PASSWORD}"))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|it| it == b"\r\n\r\n").map(|it| it + 4)
}

//! Messages out of TCP connections: where each begins and ends, keep-alives, and how long a peer may take.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::Duration,
};

use clock::Time;
use sipx_sip::{Limits, Message, StreamParser};

/// All connections that peers have opened, by the peer's address. It decides nothing about what the messages say.
#[derive(Default)]
pub struct Streams {
    open: HashMap<SocketAddr, Stream>,
    deadlines: BTreeSet<(Time, SocketAddr)>,
}

struct Stream {
    parser: StreamParser,
    /// Line ends between messages that have not made a whole ping yet.
    line_ends: usize,
    /// Octets of a message have come, but not all.
    has_begun: bool,
    deadline: Time,
}

/// What some octets have completed.
#[derive(Debug, Default)]
pub struct Received {
    /// Whole messages, in order.
    pub messages: Vec<Message>,
    /// How many pings came; each wants [`PONG`] (RFC 5626 s3.5.1).
    pub pings: usize,
}

/// The octets make no sense: nobody can say where the next message begins, and the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream cannot be divided into messages")]
pub struct Unreadable;

/// A connection whose time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The peer.
    pub remote: SocketAddr,
    /// Nothing at all has come for a while, rather than a part of a message. Whoever has use for such a connection says
    /// so with [`Streams::keep`].
    pub is_idle: bool,
}

/// The answer to a ping (RFC 5626 s3.5.1).
pub const PONG: &[u8] = b"\r\n";

impl Streams {
    /// A peer has connected.
    pub fn open(&mut self, remote: SocketAddr, now: Time) {
        self.close(remote);
        let deadline = now + FIRST;
        let parser = StreamParser::new(Limits {
            max_message_bytes: MESSAGE_MAX,
            max_body_bytes: MESSAGE_MAX,
            ..Limits::stream()
        });
        self.open.insert(remote, Stream { parser, line_ends: 0, has_begun: false, deadline });
        self.deadlines.insert((deadline, remote));
    }

    /// The connection is closed, whoever closed it.
    pub fn close(&mut self, remote: SocketAddr) {
        if let Some(stream) = self.open.remove(&remote) {
            self.deadlines.remove(&(stream.deadline, remote));
        }
    }

    /// Octets have come.
    ///
    /// # Errors
    /// They cannot be read, or the connection is not open.
    pub fn receive(&mut self, remote: SocketAddr, bytes: &[u8], now: Time) -> Result<Received, Unreadable> {
        let stream = self.open.get_mut(&remote).ok_or(Unreadable)?;
        let messages = stream.parser.push(bytes).map_err(|_| Unreadable)?;
        stream.line_ends += stream.parser.take_keepalives();
        let pings = stream.line_ends / 2;
        stream.line_ends %= 2;
        let is_between = stream.parser.pending() == 0;
        // A message that has begun must end in its time, however its octets drip in.
        if is_between || !stream.has_begun || !messages.is_empty() {
            let wait = if is_between { IDLE } else { WHOLE };
            self.deadlines.remove(&(stream.deadline, remote));
            stream.deadline = now + wait;
            self.deadlines.insert((stream.deadline, remote));
        }
        stream.has_begun = !is_between;
        Ok(Received { messages, pings })
    }

    /// A connection whose time is over, if there is one. It is to be closed or kept, else it is overdue again at once.
    #[must_use]
    pub fn overdue(&self, now: Time) -> Option<Overdue> {
        let (_, remote) = self.deadlines.first().filter(|it| it.0 <= now)?;
        let is_idle = self.open.get(remote).is_some_and(|it| !it.has_begun);
        Some(Overdue { remote: *remote, is_idle })
    }

    /// The connection is of use although nothing comes over it.
    pub fn keep(&mut self, remote: SocketAddr, now: Time) {
        let Some(stream) = self.open.get_mut(&remote) else { return };
        self.deadlines.remove(&(stream.deadline, remote));
        stream.deadline = now + IDLE;
        self.deadlines.insert((stream.deadline, remote));
    }

    /// When [`Self::overdue`] may say something, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.deadlines.first().map(|it| it.0)
    }

    /// Whether the connection is open.
    #[must_use]
    pub fn is_open(&self, remote: SocketAddr) -> bool {
        self.open.contains_key(&remote)
    }

    /// How many connections are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

/// Who connects has something to say.
const FIRST: Duration = Duration::from_secs(10);
/// The longest that a message may take from its first octet to its last: as long as a transaction (64 T1).
const WHOLE: Duration = Duration::from_secs(32);
/// How long a connection of no use may be silent. Phones that keep one open ping it every two minutes at the latest
/// (RFC 5626 s4.4.1).
const IDLE: Duration = Duration::from_secs(300);
/// As much as a datagram carries.
const MESSAGE_MAX: usize = 64 * 1024;

//! TCP connections that peers open, and those that we open to trunks: octets in and out, bounded, each served by a task of its
//! own.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// What happens on the connections.
pub(crate) enum Event {
    /// A peer has connected; what is sent to it goes into this queue.
    Opened(Connection, mpsc::Sender<Vec<u8>>),
    /// Octets came.
    Bytes(Connection, Vec<u8>),
    /// It is closed.
    Closed(Connection),
}

/// One connection. The number tells it from a later one with the same peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    number: u64,
}

/// The listener and its connections.
pub(crate) struct Connections {
    events: mpsc::Receiver<Event>,
    /// For the tasks of connections that we open.
    sender: mpsc::Sender<Event>,
    open: HashMap<SocketAddr, (u64, mpsc::Sender<Vec<u8>>)>,
    local: SocketAddr,
    /// How many connections we have opened.
    begun: u64,
}

impl Connections {
    /// Listens. Tasks are started on the runtime that this is called in, and end with it or with this.
    pub(crate) fn listen(at: SocketAddr) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("TCP {at}: {error}"));
        let listener = open(at).map_err(named)?;
        let local = listener.local_addr()?;
        let (sender, events) = mpsc::channel(EVENTS);
        tokio::spawn(accept(listener, sender.clone()));
        Ok(Self { events, sender, open: HashMap::new(), local, begun: 0 })
    }

    /// Connects. What is sent to the peer from now on waits until it has worked; [`Event::Closed`] says that it has not.
    pub(crate) fn connect(&mut self, peer: SocketAddr) {
        self.begun += 1;
        let it = Connection { peer, number: OURS | self.begun };
        let (sender, queue) = mpsc::channel(QUEUE);
        self.open.insert(peer, (it.number, sender));
        tokio::spawn(begin(it, self.sender.clone(), queue));
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Waits for what happens next. May be given up at any moment.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// What has happened already.
    pub(crate) fn pending(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Notes what an event says of the connection; false if it is about one that is no longer ours.
    pub(crate) fn note(&mut self, event: &Event) -> bool {
        match event {
            Event::Opened(it, sender) => {
                self.open.insert(it.peer, (it.number, sender.clone()));
                true
            }
            Event::Bytes(it, _) => self.is_open(*it),
            Event::Closed(it) => {
                let is_open = self.is_open(*it);
                if is_open {
                    self.open.remove(&it.peer);
                }
                is_open
            }
        }
    }

    /// Sends; false if there is no such connection, or if its peer takes nothing any more: then it is closed.
    pub(crate) fn send(&mut self, peer: SocketAddr, bytes: Vec<u8>) -> bool {
        let taken = self.open.get(&peer).is_some_and(|it| it.1.try_send(bytes).is_ok());
        if !taken {
            self.close(peer);
        }
        taken
    }

    /// Closes, once what was to be sent has been sent.
    pub(crate) fn close(&mut self, peer: SocketAddr) {
        self.open.remove(&peer);
    }

    fn is_open(&self, it: Connection) -> bool {
        self.open.get(&it.peer).is_some_and(|open| open.0 == it.number)
    }
}

fn open(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(at))?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn begin(it: Connection, events: mpsc::Sender<Event>, queue: mpsc::Receiver<Vec<u8>>) {
    let served = async {
        let mut stream = timeout(CONNECT, TcpStream::connect(it.peer)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        stream.set_nodelay(true)?;
        exchange(&mut stream, it, &events, queue).await
    };
    if let Err(error) = served.await {
        tracing::debug!(peer = %it.peer, %error, "the connection");
    }
    // An error means that nobody is interested any more.
    let _ = events.send(Event::Closed(it)).await;
}

async fn accept(listener: TcpListener, events: mpsc::Sender<Event>) {
    let room = Room::default();
    let mut number = 0;
    while !events.is_closed() {
        let (stream, peer) = match listener.accept().await {
            Ok(it) => it,
            Err(error) => {
                tracing::debug!(%error, "accepting");
                // Out of file descriptors, most likely: others must end first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(place) = room.place(peer.ip()) else {
            tracing::debug!(%peer, "too many connections");
            continue;
        };
        number += 1;
        tokio::spawn(serve(stream, Connection { peer, number }, events.clone(), place));
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
pub(crate) struct Room(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place, given back when it is dropped.
pub(crate) struct Place {
    room: Room,
    address: IpAddr,
}

impl Room {
    /// A place for one more connection from there. One address may have a quarter of all, as a call centre behind one NAT
    /// needs; once half is taken, whoever has many gets no more, so that there is always room for somebody else.
    pub(crate) fn place(&self, address: IpAddr) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let limit = if all < CONNECTIONS_MAX / 2 { CONNECTIONS_MAX / 4 } else { CONNECTIONS_FEW };
        let mine = taken.get(&address).copied().unwrap_or(0);
        if all >= CONNECTIONS_MAX || mine >= limit {
            return None;
        }
        taken.insert(address, mine + 1);
        Some(Place { room: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.address)),
        }
    }
}

async fn serve(mut stream: TcpStream, it: Connection, events: mpsc::Sender<Event>, _place: Place) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection stays slow");
    }
    let (sender, queue) = mpsc::channel(QUEUE);
    // An error means that nobody is interested any more.
    if events.send(Event::Opened(it, sender)).await.is_err() {
        return;
    }
    if let Err(error) = exchange(&mut stream, it, &events, queue).await {
        tracing::debug!(peer = %it.peer, %error, "the connection");
    }
    // Told while the port is still taken, so that no later connection can be meant.
    let _ = events.send(Event::Closed(it)).await;
}

async fn exchange(
    stream: &mut TcpStream,
    it: Connection,
    events: &mpsc::Sender<Event>,
    mut queue: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        tokio::select! {
            read = stream.read(&mut buffer) => {
                let bytes = buffer.get(..read?).unwrap_or_default();
                if bytes.is_empty() || events.send(Event::Bytes(it, bytes.to_vec())).await.is_err() {
                    return Ok(());
                }
            }
            bytes = queue.recv() => {
                let Some(bytes) = bytes else { return stream.shutdown().await };
                timeout(PATIENCE, stream.write_all(&bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??;
            }
        }
    }
}

/// Each costs a task and a buffer.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;
/// What one address may have when connections are scarce.
/// Connections that wait to be accepted, as the standard library has it.
const BACKLOG: i32 = 128;
const CONNECTIONS_FEW: usize = 32;
/// What may wait for the driver; after that peers wait.
const EVENTS: usize = 256;
/// Messages that may wait for one peer. Whoever leaves so many lying there is gone.
const QUEUE: usize = 256;
/// How long a peer may refuse to take a message.
const PATIENCE: Duration = Duration::from_secs(10);
const CHUNK: usize = 4_096;
/// How long connecting may take: a trunk has another address, or the caller is told.
const CONNECT: Duration = Duration::from_secs(5);
/// Sets the numbers of connections that we open apart from those of others.
const OURS: u64 = 1 << 63;

//! A phone of the tests' own, which does things no decent phone does and keeps every message and packet it gets.

mod call;
mod media;
mod message;

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

pub use self::{
    call::Seen,
    media::{Codec, Packet, Source},
};
use self::{
    call::{Call, Phase},
    message::{Hash, Message, authorise},
};
use crate::{
    SOON,
    phone::{Phone, Policy},
    ports::free_port,
    server::Server,
    tones::Recording,
};

/// How a probe differs from the usual one, which knows both laws, prefers mu-law and proves itself by MD5.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// What it offers and accepts, best first.
    pub codecs: Vec<Codec>,
    /// Whether it proves itself by SHA-256 (RFC 8760) and not by MD5.
    pub sha256: bool,
    /// The secret it knows, if not the right one.
    pub secret: Option<String>,
}

impl Default for Wiring {
    fn default() -> Self {
        Self { codecs: vec![Codec::Pcmu, Codec::Pcma], sha256: false, secret: None }
    }
}

/// What a probe does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    Plain(Policy),
    AnswerAfter(Duration),
    /// Rings, and answers when it is cancelled: its 200 and the CANCEL cross.
    AnswerOnCancel,
    /// Answers everything inside a call as if there were no such call.
    Forgetful,
    /// Says nothing at all, to anything.
    Deaf,
}

/// Tells apart what one process of tests sends: two probes, one after the other, may have the same port.
static NUMBERS: AtomicU32 = AtomicU32::new(1);

/// The phone.
pub struct Probe {
    shared: Arc<Shared>,
    recording: Vec<usize>,
}

struct Shared {
    number: String,
    secret: Option<String>,
    hash: Hash,
    codecs: Vec<Codec>,
    server: SocketAddr,
    socket: UdpSocket,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    is_open: bool,
    behaviour: Behaviour,
    source: Source,
    calls: Vec<Call>,
    seen: Vec<Seen>,
    /// Final responses to requests other than INVITE, until somebody takes them.
    responses: Vec<Message>,
    /// When to answer which call.
    due: Option<(Instant, usize)>,
}

impl Probe {
    /// A device of the server, registered.
    ///
    /// # Panics
    /// If the server does not take the registration.
    #[must_use]
    pub fn device(server: &Server, number: &str, source: Source) -> Self {
        let probe = Self::unregistered(server, number, source, Wiring::default());
        assert_eq!(probe.register(300), 200, "registration of {number}:\n{}", probe.story());
        probe
    }

    /// A device of the server that has not registered yet.
    #[must_use]
    pub fn unregistered(server: &Server, number: &str, source: Source, wiring: Wiring) -> Self {
        let secret = wiring.secret.clone().unwrap_or_else(|| Server::secret(number));
        Self::open(server.sip, number, Some(secret), free_port(), source, wiring)
    }

    /// The far end of the server's trunk, where `number` calls from.
    #[must_use]
    pub fn trunk(server: &Server, number: &str, source: Source) -> Self {
        Self::trunk_wired(server, number, source, Wiring::default())
    }

    /// The same with a wiring of one's own.
    #[must_use]
    pub fn trunk_wired(server: &Server, number: &str, source: Source, wiring: Wiring) -> Self {
        Self::open(server.sip, number, None, server.trunk_port, source, wiring)
    }

    /// Any phone at `port` that talks to `server`.
    ///
    /// # Panics
    /// If the port is taken.
    #[must_use]
    pub fn open(
        server: SocketAddr,
        number: &str,
        secret: Option<String>,
        port: u16,
        source: Source,
        wiring: Wiring,
    ) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", port)).expect("a port that was free just now");
        socket.set_read_timeout(Some(Duration::from_millis(10))).expect("a bound socket");
        let state = State {
            is_open: true,
            behaviour: Behaviour::Plain(Policy::Answer),
            source,
            calls: Vec::new(),
            seen: Vec::new(),
            responses: Vec::new(),
            due: None,
        };
        let hash = if wiring.sha256 { Hash::Sha256 } else { Hash::Md5 };
        let (codecs, number) = (wiring.codecs, number.to_owned());
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { number, secret, hash, codecs, server, socket, state, changed });
        let running = Arc::clone(&shared);
        thread::spawn(move || running.run());
        Self { shared, recording: Vec::new() }
    }

    /// Registers for so many seconds (0 ends it); answers with the final status.
    #[must_use]
    pub fn register(&self, expires: u32) -> u16 {
        let port = self.port();
        let headers = format!("Contact: <sip:{}@127.0.0.1:{port}>\r\nExpires: {expires}\r\n", self.shared.number);
        let uri = format!("sip:{}", self.shared.server);
        let first = self.shared.request("REGISTER", &uri, &headers, None);
        if first.status() != Some(401) {
            return first.status().unwrap_or(0);
        }
        let again = self.shared.request("REGISTER", &uri, &headers, Some(&first));
        again.status().unwrap_or(0)
    }

    /// OPTIONS outside a call; answers with the final status.
    #[must_use]
    pub fn ping(&self) -> u16 {
        self.shared.request("OPTIONS", &format!("sip:{}", self.shared.server), "", None).status().unwrap_or(0)
    }

    /// Its SIP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.shared.socket.local_addr().map_or(0, |it| it.port())
    }

    /// From now on rings for so long, then answers.
    pub fn answer_after(&self, delay: Duration) {
        self.shared.lock().behaviour = Behaviour::AnswerAfter(delay);
    }

    /// From now on rings, and answers with 200 at the very moment when it is cancelled.
    pub fn answer_when_cancelled(&self) {
        self.shared.lock().behaviour = Behaviour::AnswerOnCancel;
    }

    /// From now on has forgotten its calls: 481 to what comes inside them, and no sound.
    pub fn forget_calls(&self) {
        let mut state = self.shared.lock();
        state.behaviour = Behaviour::Forgetful;
        state.calls.iter().for_each(|it| it.media.source(Source::Silent));
    }

    /// From now on neither says nor hears anything, as a phone without power.
    pub fn vanish(&self) {
        let mut state = self.shared.lock();
        state.behaviour = Behaviour::Deaf;
        state.calls.iter().for_each(|it| it.media.source(Source::Silent));
    }

    /// Sends 183 with SDP for the call that rings.
    pub fn progress(&self) {
        self.shared.with_current(|shared, call| shared.reply_invite(call, 183, true));
    }

    /// Sends this status for the call that rings.
    pub fn refuse(&self, status: u16) {
        self.shared.with_current(|shared, call| {
            shared.reply_invite(call, status, false);
            call.phase = Phase::Ended(status);
        });
    }

    /// Gives up the call it is making. The call is over when its final response has come.
    pub fn cancel(&self) {
        self.shared.with_current(Shared::cancel);
    }

    /// Holds the call by a re-INVITE and waits for the answer's status.
    #[must_use]
    pub fn hold(&self) -> u16 {
        self.reinvite("sendonly")
    }

    /// Takes the call back from hold.
    #[must_use]
    pub fn retrieve(&self) -> u16 {
        self.reinvite("sendrecv")
    }

    /// A re-INVITE with this direction; answers with its final status.
    #[must_use]
    pub fn reinvite(&self, direction: &'static str) -> u16 {
        self.shared.with_current(|shared, call| {
            call.reinvite_status = None;
            call.direction = direction;
            shared.invite(call, None);
        });
        self.wait("the answer to a re-INVITE", |it| it.current().is_some_and(|it| it.reinvite_status.is_some()));
        self.shared.lock().current().and_then(|it| it.reinvite_status).unwrap_or(0)
    }

    /// Sends what `text` says inside the call (such as `OPTIONS` or `INFO`); answers with the final status.
    #[must_use]
    pub fn request_in_call(&self, method: &str) -> u16 {
        self.shared.with_current(|shared, call| shared.request_in_call(call, method));
        self.take_response(method).and_then(|it| it.status()).unwrap_or(0)
    }

    /// Presses one key: 0 to 9, 10 for the star, 11 for the square.
    pub fn press(&self, digit: u8) {
        self.shared.with_current(|_, call| call.media.press(digit));
    }

    /// Goes on sending as another stream: new source, new numbers, new times.
    pub fn restart_stream(&self) {
        self.shared.with_current(|_, call| call.media.restart());
    }

    /// The keys it has been sent in its current or last call, one for each press.
    #[must_use]
    pub fn keys(&self) -> Vec<u8> {
        let mut last = None;
        let mut keys = Vec::new();
        for packet in self.packets().iter().filter(|it| it.payload_type >= 96 && it.payload.len() == 4) {
            if last != Some(packet.timestamp) {
                keys.push(packet.payload[0]);
                last = Some(packet.timestamp);
            }
        }
        keys
    }

    /// What it sends from now on.
    pub fn source(&self, source: Source) {
        let mut state = self.shared.lock();
        state.source = source;
        state.calls.iter().for_each(|it| it.media.source(source));
    }

    /// Every RTP packet of its current or last call.
    #[must_use]
    pub fn packets(&self) -> Vec<Packet> {
        self.shared.lock().calls.last().map(|it| it.media.received()).unwrap_or_default()
    }

    /// Every RTCP packet of its current or last call.
    #[must_use]
    pub fn reports(&self) -> Vec<Vec<u8>> {
        self.shared.lock().calls.last().map(|it| it.media.reports()).unwrap_or_default()
    }

    /// Where it sends the sound of its current or last call to.
    #[must_use]
    pub fn media_remote(&self) -> Option<SocketAddr> {
        self.shared.lock().calls.last().and_then(|it| it.media.remote())
    }

    /// Every SIP message it has received, as `INVITE`, `180 INVITE` and so on.
    #[must_use]
    pub fn received(&self) -> Vec<String> {
        self.shared.lock().seen.iter().map(|it| it.summary.clone()).collect()
    }

    /// Every SIP message it has received, whole.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Calls, and waits until the call is refused or established, which it then ends; answers with its final status.
    pub fn dial_and_wait(&mut self, number: &str) -> u16 {
        self.dial(number);
        self.wait("an answer", |it| it.calls.last().is_some_and(Call::is_decided));
        if self.end_status().is_none() {
            self.hang_up();
            return 200;
        }
        self.end_status().unwrap_or(0)
    }

    /// Whether every call so far is over.
    #[must_use]
    pub fn all_ended(&self) -> bool {
        self.shared.lock().current().is_none()
    }

    /// How many calls have come in or gone out so far.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.shared.lock().calls.len()
    }

    /// Waits until so many calls have come in or gone out in all.
    pub fn wait_calls(&self, count: usize) {
        self.wait("one more call", |it| it.calls.len() >= count);
    }

    /// How the last call ended: the status of its refusal, or 0 for a BYE. `None` while it lives.
    #[must_use]
    pub fn end_status(&self) -> Option<u16> {
        self.shared.lock().calls.last().and_then(Call::end_status)
    }

    /// Ends the call that was made or came as the `index`-th, counted from 0.
    pub fn hang_up_call(&self, index: usize) {
        let mut state = self.shared.lock();
        if let Some(call) = state.calls.get_mut(index) {
            self.shared.hang_up(call);
        }
    }

    /// Waits until the last call is over; answers with [`Self::end_status`].
    pub fn wait_end_status(&self) -> u16 {
        self.wait("the end of the call", |it| it.calls.last().is_some_and(|it| it.end_status().is_some()));
        self.end_status().unwrap_or(0)
    }

    /// Waits until it has received a message of this kind, such as `CANCEL` or `180 INVITE`, `count` times in all.
    pub fn wait_received(&self, summary: &str, count: usize) {
        self.wait(summary, |it| it.seen.iter().filter(|it| it.summary == summary).count() >= count);
    }

    /// Waits until the last call has received so many RTP packets in all.
    pub fn wait_packets(&self, count: usize) {
        let until = Instant::now() + SOON;
        while self.packets().len() < count {
            assert!(Instant::now() < until, "{}: {} of {count} packets", self.story(), self.packets().len());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends bytes as they are from its SIP port to the server.
    pub fn send_raw(&self, bytes: &[u8]) {
        // A full buffer is part of what a flood is for.
        let _ = self.shared.socket.send_to(bytes, self.shared.server);
    }

    /// Sends `count` RTP packets as fast as they go to where its sound goes.
    pub fn flood_media(&self, count: u32) {
        let state = self.shared.lock();
        let Some(call) = state.calls.last() else { return };
        call.media.flood(count);
    }

    fn take_response(&self, method: &str) -> Option<Message> {
        self.wait(&format!("a response to {method}"), |it| it.responses.iter().any(|it| it.method() == method));
        let mut state = self.shared.lock();
        let at = state.responses.iter().position(|it| it.method() == method)?;
        Some(state.responses.remove(at))
    }

    fn wait(&self, what: &str, done: impl Fn(&State) -> bool) {
        if !self.shared.wait(SOON, done) {
            panic!("{} waited in vain for {what}; it saw:\n{}", self.shared.number, self.story());
        }
    }

    /// What it has received, for a failed test to show.
    fn story(&self) -> String {
        let state = self.shared.lock();
        state
            .seen
            .iter()
            .rev()
            .take(30)
            .rev()
            .map(|it| format!("  {}\n", it.text.lines().next().unwrap_or("")))
            .collect()
    }
}

impl Phone for Probe {
    fn dial(&mut self, number: &str) {
        self.shared.dial(number);
    }

    fn policy(&mut self, policy: Policy) {
        self.shared.lock().behaviour = Behaviour::Plain(policy);
    }

    fn answer(&mut self) {
        self.shared.with_current(Shared::accept);
    }

    fn wait_ringing(&mut self) {
        self.wait("a call", |it| it.current().is_some_and(|it| it.phase == Phase::Early && !it.is_caller));
    }

    fn wait_established(&mut self) {
        self.wait("an established call", |it| it.current().is_some_and(|it| it.phase == Phase::Established));
    }

    fn wait_ended(&mut self) {
        self.wait_end_status();
    }

    fn hang_up(&mut self) {
        self.shared.with_current(Shared::hang_up);
    }

    fn start_recording(&mut self) {
        self.recording = self.shared.lock().calls.iter().map(|it| it.media.received().len()).collect();
    }

    fn stop_recording(&mut self) -> Recording {
        let packets = self.packets();
        let calls = self.calls();
        let from = self.recording.get(calls.saturating_sub(1)).copied().unwrap_or(0);
        media::decode(packets.get(from..).unwrap_or(&[]))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- probe {} received last:\n{}", self.shared.number, self.story());
        }
        let mut state = self.shared.lock();
        state.is_open = false;
        state.calls.iter().for_each(|it| it.media.close());
    }
}

impl State {
    fn current(&self) -> Option<&Call> {
        self.calls.iter().rev().find(|it| it.end_status().is_none())
    }
}

/// A number for an id or a tag.
fn next_number() -> u32 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

impl Shared {
    fn run(&self) {
        let mut buffer = vec![0; 65_536];
        loop {
            let received = self.socket.recv_from(&mut buffer);
            let mut state = self.lock();
            if !state.is_open {
                return;
            }
            let message = received.ok().and_then(|(length, _)| Message::parse(&buffer[..length]));
            if let Some(message) = message {
                self.handle(&mut state, message);
            }
            let due = state.due.take_if(|it| it.0 <= Instant::now());
            let call = due.and_then(|(_, index)| state.calls.get_mut(index));
            if let Some(call) = call.filter(|it| it.phase == Phase::Early) {
                self.accept(call);
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    /// Runs `work` with the newest call that is not over.
    #[track_caller]
    fn with_current(&self, work: impl FnOnce(&Self, &mut Call)) {
        let mut state = self.lock();
        let call = state.calls.iter_mut().rev().find(|it| it.end_status().is_none());
        let Some(call) = call else { panic!("{} is in no call", self.number) };
        work(self, call);
    }

    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if done(&state) {
                return true;
            }
            let Some(left) = until.checked_duration_since(Instant::now()) else { return false };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A request outside any call, repeated until its final response comes (RFC 3261 s17.1.2).
    fn request(&self, method: &str, uri: &str, headers: &str, challenge: Option<&Message>) -> Message {
        let number = next_number();
        let authorisation = challenge.map_or(String::new(), |it| self.authorisation(it, method, uri));
        let port = self.socket.local_addr().map_or(0, |it| it.port());
        let (user, host) = (&self.number, self.server);
        let to = if method == "REGISTER" { format!("<sip:{user}@{host}>") } else { format!("<{uri}>") };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-r{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{host}>;tag=r{number}\r\nTo: {to}\r\nCall-ID: r-{port}-{number}\r\n\
             CSeq: {number} {method}\r\n{headers}{authorisation}Content-Length: 0\r\n\r\n"
        );
        let is_it = |it: &Message| it.sequence() == number && it.method() == method;
        for _ in 0..10 {
            self.send(&text);
            if self.wait(Duration::from_secs(1), |it| it.responses.iter().any(is_it)) {
                let mut state = self.lock();
                let at = state.responses.iter().position(is_it).expect("it was there, and nobody else takes it");
                return state.responses.remove(at);
            }
        }
        panic!("{user}: no answer to {method}");
    }

    /// The header that answers a challenge, with its line end; nothing if there is none to answer.
    fn authorisation(&self, challenge: &Message, method: &str, uri: &str) -> String {
        let Some(secret) = &self.secret else { return String::new() };
        let answer = authorise(challenge, self.hash, (&self.number, secret), (method, uri));
        answer.map_or(String::new(), |(name, value)| format!("{name}: {value}\r\n"))
    }

    fn send(&self, text: &str) {
        // A server that is down is the test's business, not the phone's.
        let _ = self.socket.send_to(text.as_bytes(), self.server);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

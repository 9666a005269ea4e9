//! The phones of all parties: callers behind a trunk, agents and supervisors, each kind at one socket.

use std::{
    cell::Cell,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::{buffer::spare_capacity, event::epoll};

use crate::{
    Failed,
    message::{Message, sdp},
    rtp::{Part, Sound},
};

/// One call as the three parties see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// Which call of this place it is.
    turn: u32,
    pub(crate) invited: Option<Instant>,
    /// When the agent's 200 went out.
    pub(crate) answered: Option<Instant>,
    /// When the caller had its 200.
    pub(crate) connected: Option<Instant>,
    /// When the supervisor's 200 went out.
    pub(crate) listened: Option<Instant>,
    /// The final status that was none of success.
    pub(crate) refused: Option<u16>,
    /// The caller's BYE was answered.
    pub(crate) ended: bool,
    remote: Option<Remote>,
}

#[derive(Clone, Debug)]
struct Remote {
    to: String,
    contact: String,
}

/// All phones. What they do next happens inside [`Self::pump`].
pub(crate) struct Phones {
    server: SocketAddr,
    trunk: UdpSocket,
    agents: UdpSocket,
    supervisors: UdpSocket,
    /// Where reports go, and nobody reads them.
    reports: UdpSocket,
    epoll: OwnedFd,
    sound: Arc<Sound>,
    /// Whether parties speak once they are connected.
    speaking: bool,
    pub(crate) calls: Vec<Call>,
    registered: Vec<String>,
    /// The last CSeq of a REGISTER: each is higher than those before, whatever is sent again.
    sequence: Cell<u32>,
}

/// The number of an agent's device.
pub(crate) fn agent(place: usize) -> String {
    (100_000 + place).to_string()
}

/// The number of a supervisor's device.
pub(crate) fn supervisor(place: usize) -> String {
    (200_000 + place).to_string()
}

/// The digest secret of a device.
pub(crate) fn secret(number: &str) -> String {
    format!("secret-{number}")
}

/// The trunk's socket, whose address the server must know before it starts.
pub(crate) fn trunk() -> Result<UdpSocket, Failed> {
    open()
}

fn open() -> Result<UdpSocket, Failed> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Phones {
    /// Phones for as many calls as there is sound for.
    pub(crate) fn new(
        server: SocketAddr,
        trunk: UdpSocket,
        sound: Arc<Sound>,
        calls: usize,
        speaking: bool,
    ) -> Result<Self, Failed> {
        let (agents, supervisors, reports) = (open()?, open()?, open()?);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (number, socket) in [&trunk, &agents, &supervisors].into_iter().enumerate() {
            epoll::add(&epoll, socket, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
        }
        let calls = vec![Call::default(); calls];
        let (registered, sequence) = (Vec::new(), Cell::new(0));
        Ok(Self { server, trunk, agents, supervisors, reports, epoll, sound, speaking, calls, registered, sequence })
    }

    /// Registers the devices with those numbers.
    pub(crate) fn register(&mut self, numbers: &[String]) -> Result<(), Failed> {
        for batch in numbers.chunks(20) {
            let done = self.registered.len() + batch.len();
            for _ in 0..5 {
                batch.iter().filter(|it| !self.registered.contains(it)).for_each(|it| self.send_register(it, ""));
                self.pump_until(Duration::from_secs(1), |it| it.registered.len() >= done);
                if self.registered.len() >= done {
                    break;
                }
            }
            if self.registered.len() < done {
                return Err(format!("only {} of {} phones could register", self.registered.len(), numbers.len()).into());
            }
        }
        Ok(())
    }

    /// The caller of that place calls the agent of that place.
    pub(crate) fn call(&mut self, place: usize) {
        let turn = self.calls[place].turn + 1;
        self.calls[place] = Call { turn, invited: Some(Instant::now()), ..Call::default() };
        let body = sdp(self.sound.leg(place, Part::Caller).port(), self.report_port());
        let text = self.request("INVITE", place, 1, None, &body);
        self.transmit(&self.trunk, &text);
    }

    /// The caller of that place hangs up.
    pub(crate) fn hang_up(&mut self, place: usize) {
        let remote = self.calls[place].remote.clone();
        let text = self.request("BYE", place, 2, remote.as_ref(), "");
        self.transmit(&self.trunk, &text);
        self.sound.leg(place, Part::Caller).stop();
    }

    /// Answers everything that comes, for so long.
    pub(crate) fn pump(&mut self, time: Duration) {
        self.pump_until(time, |_| false);
    }

    /// Answers everything that comes until `done`, but no longer than `limit`.
    pub(crate) fn pump_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) {
        let until = Instant::now() + limit;
        let mut events = Vec::with_capacity(8);
        while !done(self) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            // At most ten milliseconds, so that what others do ends the wait too.
            let left = left.min(Duration::from_millis(10));
            let nap = rustix::event::Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
            events.clear();
            if epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&nap)).is_err() {
                continue;
            }
            for event in &events {
                self.receive({ event.data }.u64());
            }
        }
    }

    fn receive(&mut self, kind: u64) {
        let mut buffer = [0; 4096];
        loop {
            let socket = match kind {
                0 => &self.trunk,
                1 => &self.agents,
                _ => &self.supervisors,
            };
            let Ok(length) = socket.recv(&mut buffer) else { return };
            let Some(message) = Message::parse(&buffer[..length]) else { continue };
            match (kind, message.status()) {
                (0, Some(status)) => self.on_caller_response(&message, status),
                (_, Some(status)) => self.on_registered(&message, status),
                (_, None) => self.on_request(kind, &message),
            }
        }
    }

    fn on_caller_response(&mut self, message: &Message<'_>, status: u16) {
        let Some(place) = self.place_of(message) else { return };
        let Some(call) = self.calls.get_mut(place) else { return };
        match (message.method(), status) {
            ("INVITE", 200..300) => {
                call.connected.get_or_insert_with(Instant::now);
                let header = |it: Option<&str>| it.unwrap_or_default().to_owned();
                let remote = Remote { to: header(message.header("To")), contact: header(message.contact()) };
                call.remote = Some(remote.clone());
                let ack = self.request("ACK", place, 1, Some(&remote), "");
                self.transmit(&self.trunk, &ack);
                self.speak(place, Part::Caller, message);
            }
            ("INVITE", 300..) => {
                call.refused = Some(status);
                let remote = Remote { to: message.header("To").unwrap_or_default().to_owned(), contact: String::new() };
                let ack = self.request("ACK", place, 1, Some(&remote), "");
                self.transmit(&self.trunk, &ack);
            }
            ("BYE", 200..) => call.ended = true,
            _ => {}
        }
    }

    fn on_registered(&mut self, message: &Message<'_>, status: u16) {
        let Some(number) = message.header("Call-ID").and_then(|it| it.split('-').nth(1)) else { return };
        match status {
            401 => {
                let uri = format!("sip:{}", self.server);
                if let Some(proof) = message.authorization(number, &secret(number), &uri) {
                    self.send_register(number, &proof);
                }
            }
            200 => self.registered.push(number.to_owned()),
            _ => {}
        }
    }

    fn on_request(&mut self, kind: u64, message: &Message<'_>) {
        match message.method() {
            "INVITE" if kind != 0 => self.on_invite(kind, message),
            "ACK" => {}
            method => {
                let body = if method == "INVITE" { self.caller_sdp(message) } else { String::new() };
                let more = if body.is_empty() { "" } else { SDP };
                let text = message.response("200 OK", TAG, more, &body);
                self.transmit(self.socket(kind), &text);
                if method == "BYE"
                    && let Some((place, part)) = self.party(kind, message)
                {
                    self.sound.leg(place, part).stop();
                }
            }
        }
    }

    fn on_invite(&mut self, kind: u64, message: &Message<'_>) {
        let Some((place, part)) = self.party(kind, message) else { return };
        let number = message.user().unwrap_or_default();
        let socket = self.socket(kind);
        let at = self.address(kind);
        let contact = format!("Contact: <sip:{number}@{at}>\r\n");
        if part == Part::Agent {
            self.transmit(socket, &message.response("180 Ringing", TAG, &contact, ""));
        }
        let body = sdp(self.sound.leg(place, part).port(), self.report_port());
        let text = message.response("200 OK", TAG, &format!("{contact}{SDP}"), &body);
        // Whoever speaks does so from the moment on that it answers, as a phone does.
        self.speak(place, part, message);
        let now = Instant::now();
        self.transmit(self.socket(kind), &text);
        if let Some(call) = self.calls.get_mut(place) {
            let answered = if part == Part::Agent { &mut call.answered } else { &mut call.listened };
            answered.get_or_insert(now);
        }
    }

    fn speak(&self, place: usize, part: Part, message: &Message<'_>) {
        if let Some(port) = message.audio_port().filter(|_| self.speaking) {
            self.sound.leg(place, part).start(port);
        }
    }

    /// Which party's phone a request is for: by the number in its URI, or for callers by the call.
    fn party(&self, kind: u64, message: &Message<'_>) -> Option<(usize, Part)> {
        let (first, part) = match kind {
            0 => return self.place_of(message).map(|it| (it, Part::Caller)),
            1 => (100_000, Part::Agent),
            _ => (200_000, Part::Supervisor),
        };
        let place = message.user()?.parse::<usize>().ok()?.checked_sub(first)?;
        (place < self.calls.len()).then_some((place, part))
    }

    fn place_of(&self, message: &Message<'_>) -> Option<usize> {
        let mut words = message.header("Call-ID")?.strip_prefix("call-")?.split('-');
        let place: usize = words.next()?.parse().ok()?;
        let turn: u32 = words.next()?.parse().ok()?;
        (self.calls.get(place)?.turn == turn).then_some(place)
    }

    fn caller_sdp(&self, message: &Message<'_>) -> String {
        let port = self.place_of(message).map(|it| self.sound.leg(it, Part::Caller).port());
        port.map_or_else(String::new, |it| sdp(it, self.report_port()))
    }

    fn request(&self, method: &str, place: usize, sequence: u32, remote: Option<&Remote>, body: &str) -> String {
        let (server, at, turn) = (self.server, self.address(0), self.calls[place].turn);
        let target = format!("sip:{}@{server}", agent(place));
        let to = remote.map_or_else(|| format!("<{target}>"), |it| it.to.clone());
        let target = remote.map(|it| it.contact.clone()).filter(|it| !it.is_empty()).unwrap_or(target);
        // The ACK of a refusal belongs to the INVITE's own transaction, the ACK of a 2xx does not (RFC 3261 s17.1.1.3).
        let own = method == "ACK" && remote.is_some_and(|it| it.contact.is_empty());
        let branch = if own { "INVITE" } else { method };
        let kind = if body.is_empty() { "" } else { SDP };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};rport;branch=z9hG4bK{branch}{place}-{turn}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:0301234567@{at}>;tag=c{place}-{turn}\r\nTo: {to}\r\n\
             Call-ID: call-{place}-{turn}\r\nCSeq: {sequence} {method}\r\nContact: <sip:0301234567@{at}>\r\n\
             {kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn send_register(&self, number: &str, proof: &str) {
        let sequence = self.sequence.get() + 1;
        self.sequence.set(sequence);
        let kind = if number.starts_with('2') { 2 } else { 1 };
        let (server, at) = (self.server, self.address(kind));
        let text = format!(
            "REGISTER sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {at};rport;branch=z9hG4bKr{sequence}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{number}@{server}>;tag=r{number}\r\nTo: <sip:{number}@{server}>\r\n\
             Call-ID: register-{number}\r\nCSeq: {sequence} REGISTER\r\nContact: <sip:{number}@{at}>\r\nExpires: 3600\r\n\
             {proof}Content-Length: 0\r\n\r\n"
        );
        self.transmit(self.socket(kind), &text);
    }

    const fn socket(&self, kind: u64) -> &UdpSocket {
        match kind {
            0 => &self.trunk,
            1 => &self.agents,
            _ => &self.supervisors,
        }
    }

    fn address(&self, kind: u64) -> SocketAddr {
        self.socket(kind).local_addr().unwrap_or(self.server)
    }

    fn report_port(&self) -> u16 {
        self.reports.local_addr().map_or(9, |it| it.port())
    }

    fn transmit(&self, socket: &UdpSocket, text: &str) {
        // What the system does not take shows as a call that fails.
        let _ = socket.send_to(text.as_bytes(), self.server);
    }
}

const TAG: &str = "phone";
const SDP: &str = "Content-Type: application/sdp\r\n";

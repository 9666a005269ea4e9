//! A phone on real sockets: one thread for SIP, one for sound, and a handle for whoever uses the phone.

mod sound_card;
#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use clock::{Clock, Time};
use sip_proto::Flow;
use thiserror::Error;

use self::sound_card::{Order, SoundCard};
use crate::{
    behaviour::Behaviour,
    phone::{Account, End, Event, Input, Output, Phone},
    recording::{Recorder, Recording},
    sound::Sound,
};

/// Whose phone it is, where, and what it says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its number, which is its user name too.
    pub number: String,
    /// Its password.
    pub password: String,
    /// The SIP domain.
    pub domain: String,
    /// Where the server is, or another phone to call without one.
    pub server: SocketAddr,
    /// The address of its sockets; their ports are picked by the system.
    pub local: IpAddr,
    /// What it says while it is in a call.
    pub sound: Sound,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// Where the line stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// There is no call.
    #[default]
    Idle,
    /// We call and nobody has answered.
    Dialing,
    /// Somebody calls us.
    Ringing,
    /// There is a call.
    Established,
}

/// What a phone's display would show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Whether the server knows the phone.
    pub registered: bool,
    /// The status code with which the last attempt to register failed.
    pub registration_failure: Option<u16>,
    /// The line.
    pub line: Line,
    /// Whether the peer has us on hold.
    pub held: bool,
    /// Whether the peer agreed to be on hold.
    pub holding: bool,
    /// Whether the call that is or was last is ours.
    pub dialled: bool,
    /// How the last call ended; `None` while there is a call.
    pub ended: Option<End>,
    /// How many calls have been established.
    pub calls: u32,
}

/// Why what was waited for did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WaitError {
    /// It did not come in time.
    #[error("{0} in time")]
    TimedOut(&'static str),
    /// The server does not want this phone.
    #[error("registration refused with {0}")]
    RegistrationRefused(u16),
    /// The call is over.
    #[error("the call ended: {0:?}")]
    Ended(End),
}

/// A running phone. It hangs up, takes its registration back and ends its threads when dropped.
#[derive(Debug)]
pub struct Softphone {
    shared: Arc<Shared>,
    commands: SyncSender<Command>,
    orders: SyncSender<Order>,
    waker: UdpSocket,
    sip: SocketAddr,
    rtp: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads and the handle have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    status: Mutex<Status>,
    changed: Condvar,
    recorder: Mutex<Recorder>,
    listeners: Mutex<Vec<SyncSender<Event>>>,
}

#[derive(Debug)]
enum Command {
    Call(String),
    Answer,
    Refuse(u16),
    HangUp,
    Hold,
    Retrieve,
    Behave(Behaviour),
    /// Say good-bye and end.
    Leave,
    /// End without a word.
    Vanish,
}

impl Softphone {
    /// Starts a phone; it registers at once if its behaviour says so.
    ///
    /// # Errors
    /// The system has no socket or no thread for it.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let socket = UdpSocket::bind((settings.local, 0))?;
        let sip = socket.local_addr()?;
        let (rtp_socket, rtcp_socket) = bind_pair(settings.local)?;
        let rtp = rtp_socket.local_addr()?;
        let shared = Arc::new(Shared {
            status: Mutex::default(),
            changed: Condvar::new(),
            recorder: Mutex::new(Recorder::new(RECORDED_MAX)),
            listeners: Mutex::default(),
        });
        let (commands, inbox) = sync_channel(COMMANDS_MAX);
        let (orders, sound_inbox) = sync_channel(COMMANDS_MAX);
        let clock = Clock::start();
        let waker = socket.try_clone()?;
        let registers = settings.behaviour.registers;
        let sound_card =
            SoundCard::new(rtp_socket, rtcp_socket, settings.sound, chance(), sound_inbox, shared.clone(), clock);
        let phone = Phone::new(Account {
            number: settings.number,
            password: settings.password,
            domain: settings.domain,
            server: Flow::udp(settings.server),
            sip,
            rtp,
            behaviour: settings.behaviour,
            seed: chance(),
        });
        let runner =
            Runner { phone, socket, inbox, orders: orders.clone(), shared: shared.clone(), clock, leave_by: None };
        let threads = vec![
            std::thread::Builder::new().name("softphone-sip".into()).spawn(move || runner.run(registers))?,
            std::thread::Builder::new().name("softphone-rtp".into()).spawn(move || sound_card.run())?,
        ];
        Ok(Self { shared, commands, orders, waker, sip, rtp, threads })
    }

    /// Where it receives SIP.
    #[must_use]
    pub fn sip_address(&self) -> SocketAddr {
        self.sip
    }

    /// Where it receives RTP.
    #[must_use]
    pub fn rtp_address(&self) -> SocketAddr {
        self.rtp
    }

    /// Calls a number. Does nothing while there is a call.
    pub fn call(&self, number: &str) {
        {
            let mut status = self.shared.status();
            if status.line != Line::Idle {
                return;
            }
            // At once, so that whoever waits next does not see how the last call ended.
            (status.line, status.dialled, status.ended) = (Line::Dialing, true, None);
        }
        self.tell(Command::Call(number.to_owned()));
    }

    /// Answers the call that rings.
    pub fn answer(&self) {
        self.tell(Command::Answer);
    }

    /// Refuses the call that rings with this status code.
    pub fn refuse(&self, code: u16) {
        self.tell(Command::Refuse(code));
    }

    /// Ends the call, whatever its state.
    pub fn hang_up(&self) {
        self.tell(Command::HangUp);
    }

    /// Puts the peer on hold.
    pub fn hold(&self) {
        self.tell(Command::Hold);
    }

    /// Takes the peer back from hold.
    pub fn retrieve(&self) {
        self.tell(Command::Retrieve);
    }

    /// Behaves otherwise from the next call on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.tell(Command::Behave(behaviour));
    }

    /// Says something else from now on.
    pub fn say(&self, sound: Sound) {
        let _ = self.orders.try_send(Order::Say(sound));
    }

    /// Ends without a word to anybody, as a phone does that loses its power.
    pub fn vanish(mut self) {
        self.end(Command::Vanish);
    }

    /// What its display shows.
    #[must_use]
    pub fn status(&self) -> Status {
        *self.shared.status()
    }

    /// All that it has heard since it started, or since [`Self::forget`]; no more than the first ten minutes.
    #[must_use]
    pub fn heard(&self) -> Recording {
        self.shared.recorder().recording()
    }

    /// Forgets what it has heard.
    pub fn forget(&self) {
        self.shared.recorder().clear();
    }

    /// What happens from now on. Events that nobody takes are dropped after the first thousand.
    #[must_use]
    pub fn events(&self) -> Receiver<Event> {
        let (sender, receiver) = sync_channel(EVENTS_MAX);
        self.shared.listeners().push(sender);
        receiver
    }

    /// Waits until the server knows the phone.
    ///
    /// # Errors
    /// The server refuses it, or time runs out.
    pub fn wait_registered(&self, timeout: Duration) -> Result<(), WaitError> {
        let status = self.wait(timeout, "the phone did not register", |it| {
            it.registered || it.registration_failure.is_some_and(|code| matches!(code, 403 | 404))
        })?;
        match status.registration_failure {
            Some(code) if !status.registered => Err(WaitError::RegistrationRefused(code)),
            _ => Ok(()),
        }
    }

    /// Waits until a call is answered, by whichever side.
    ///
    /// # Errors
    /// The call that we made ended, or time runs out.
    pub fn wait_established(&self, timeout: Duration) -> Result<(), WaitError> {
        let status = self.wait(timeout, "no call was answered", |it| {
            it.line == Line::Established || (it.dialled && it.ended.is_some())
        })?;
        match status.ended {
            Some(end) if status.line != Line::Established => Err(WaitError::Ended(end)),
            _ => Ok(()),
        }
    }

    /// Waits until somebody calls.
    ///
    /// # Errors
    /// Time runs out.
    pub fn wait_ringing(&self, timeout: Duration) -> Result<(), WaitError> {
        self.wait(timeout, "nobody called", |it| matches!(it.line, Line::Ringing)).map(drop)
    }

    /// Waits until there is no call any more and says how the last one ended.
    ///
    /// # Errors
    /// Time runs out.
    pub fn wait_ended(&self, timeout: Duration) -> Result<End, WaitError> {
        let status = self.wait(timeout, "no call ended", |it| it.line == Line::Idle && it.ended.is_some())?;
        status.ended.ok_or(WaitError::TimedOut("no call ended"))
    }

    /// Waits until the display shows something.
    ///
    /// # Errors
    /// Time runs out; `what` says what did not come, as in "the phone did not register".
    pub fn wait(
        &self,
        timeout: Duration,
        what: &'static str,
        shows: impl Fn(&Status) -> bool,
    ) -> Result<Status, WaitError> {
        let status = self.shared.status();
        let waited = self.shared.changed.wait_timeout_while(status, timeout, |it| !shows(it));
        let (status, result) = waited.unwrap_or_else(PoisonError::into_inner);
        if result.timed_out() && !shows(&status) { Err(WaitError::TimedOut(what)) } else { Ok(*status) }
    }

    fn tell(&self, command: Command) {
        // The channel is full only if the thread is gone or stuck, and then nobody can be told.
        if self.commands.try_send(command).is_ok() {
            // The thread waits for datagrams; an empty one is no SIP and wakes it.
            let _ = self.waker.send_to(&[], self.sip);
        }
    }

    fn end(&mut self, command: Command) {
        self.tell(command);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Softphone {
    fn drop(&mut self) {
        self.end(Command::Leave);
    }
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<SyncSender<Event>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, event: &Event) {
        self.status().note(event);
        self.changed.notify_all();
        self.listeners()
            .retain(|it| !matches!(it.try_send(event.clone()), Err(std::sync::mpsc::TrySendError::Disconnected(_))));
    }
}

impl Status {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Registered => (self.registered, self.registration_failure) = (true, None),
            Event::Unregistered => self.registered = false,
            Event::RegistrationFailed(code) => (self.registered, self.registration_failure) = (false, Some(*code)),
            Event::Ringing { .. } => (self.line, self.dialled, self.ended) = (Line::Ringing, false, None),
            Event::Progress(_) => {}
            Event::Established => {
                self.line = Line::Established;
                self.calls += 1;
            }
            Event::Held => self.held = true,
            Event::Retrieved => self.held = false,
            Event::Holding => self.holding = true,
            Event::Resumed => self.holding = false,
            Event::Ended(end) => {
                (self.line, self.ended) = (Line::Idle, Some(*end));
                (self.held, self.holding) = (false, false);
            }
        }
    }
}

/// The SIP thread.
struct Runner {
    phone: Phone,
    socket: UdpSocket,
    inbox: Receiver<Command>,
    orders: SyncSender<Order>,
    shared: Arc<Shared>,
    clock: Clock,
    /// When to end although the server has not said good-bye.
    leave_by: Option<Instant>,
}

impl Runner {
    fn run(mut self, registers: bool) {
        if registers {
            self.step(Input::Register);
        }
        let mut buffer = vec![0; 65_536];
        while self.obey() {
            let now = self.clock.now();
            if self.phone.poll_timeout().is_some_and(|it| it <= now) {
                self.step(Input::Timeout);
                continue;
            }
            if self.socket.set_read_timeout(Some(self.pause(now))).is_err() {
                return;
            }
            // A time-out, or a peer's port that is closed (the error of an earlier send): both are normal.
            if let Ok((length, from)) = self.socket.recv_from(&mut buffer)
                && let Some(bytes) = buffer.get(..length).filter(|it| !it.is_empty())
            {
                self.step(Input::Received { bytes, from: Flow::udp(from) });
            }
        }
    }

    fn pause(&self, now: Time) -> Duration {
        let until_due = self.phone.poll_timeout().map_or(PAUSE_MAX, |it| it.since(now));
        let until_left = self.leave_by.map_or(PAUSE_MAX, |it| it.saturating_duration_since(Instant::now()));
        until_due.min(until_left).clamp(Duration::from_millis(1), PAUSE_MAX)
    }

    /// Carries out what was asked for; false when it is time to end.
    fn obey(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(Command::Call(number)) => self.step(Input::Call(&number)),
                Ok(Command::Answer) => self.step(Input::Answer),
                Ok(Command::Refuse(code)) => self.step(Input::Refuse(code)),
                Ok(Command::HangUp) => self.step(Input::HangUp),
                Ok(Command::Hold) => self.step(Input::Hold),
                Ok(Command::Retrieve) => self.step(Input::Retrieve),
                Ok(Command::Behave(behaviour)) => self.step(Input::Behave(&behaviour)),
                Ok(Command::Leave) => {
                    self.step(Input::HangUp);
                    self.leave_by = Some(Instant::now() + FAREWELL);
                    if self.shared.status().registered {
                        self.step(Input::Unregister);
                    }
                }
                Ok(Command::Vanish) => return self.quit(),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return self.quit(),
            }
        }
        let Some(leave_by) = self.leave_by else { return true };
        let done = !self.phone.is_busy() && !self.shared.status().registered;
        if done || leave_by <= Instant::now() { self.quit() } else { true }
    }

    fn quit(&self) -> bool {
        // Blocks at most for one packet time, and lets the other thread end.
        let _ = self.orders.send(Order::Quit);
        false
    }

    fn step(&mut self, input: Input<'_>) {
        for output in self.phone.handle(input, self.clock.now()) {
            match output {
                // What the network does not take is sent again by the transaction layer.
                Output::Transmit { to, bytes } => drop(self.socket.send_to(&bytes, to.remote)),
                Output::Media(media) => drop(self.orders.send(Order::Media(media))),
                Output::Event(event) => self.shared.note(&event),
            }
        }
    }
}

/// A socket on an even port for RTP and one on the next for RTCP (RFC 3550 s11).
fn bind_pair(local: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut failure = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PAIRS_TRIED {
        let rtp = UdpSocket::bind((local, 0))?;
        let port = rtp.local_addr()?.port();
        if port % 2 != 0 || port == u16::MAX {
            continue;
        }
        match UdpSocket::bind((local, port + 1)) {
            Ok(rtcp) => return Ok((rtp, rtcp)),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Sixty-four random bits: what keys the standard library's hash maps.
fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

const COMMANDS_MAX: usize = 256;
const EVENTS_MAX: usize = 1000;
const RECORDED_MAX: Duration = Duration::from_secs(600);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// How long a phone that leaves waits for the answers to its BYE and its last REGISTER.
const FAREWELL: Duration = Duration::from_millis(500);
const PAIRS_TRIED: usize = 200;

//! Builds the server from its configuration, runs it, and drains it.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use api_types::Links;
use clock::Clock;
use domain::{command::Command, config::Secret, engine::Engine};
use rest::{Backend as _, LoginSettings, Logins, Views};
use storage::Storage;
use tokio::{
    net::TcpListener,
    runtime::{Handle, Runtime},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
};

use crate::{
    config::Config,
    driver::{Ask, Driver, Parts, Tiding},
    figures,
    http::{Door, Gateway, Push, router, serve},
    ledger, provision,
    pulse::Pulse,
    tape::Tape,
};

/// Why the server cannot run. What was opened is closed again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    #[error(transparent)]
    Storage(#[from] storage::OpenError),
    #[error(transparent)]
    Logins(#[from] rest::StartError),
    #[error("the objects of the provisioning file were not taken: {0}")]
    Provision(String),
    #[error("the system gives no {0}: {1}")]
    System(&'static str, io::Error),
}

/// `undertone serve`: until SIGTERM or Ctrl-C, and then until the running calls are over or it has waited long enough.
pub(crate) fn run(config: &Config, provision: Option<provision::File>) -> Result<(), StartError> {
    let server = start(config, provision)?;
    // The one line on standard output: whoever started us waits for it.
    println!("ready http={} sip={}", server.http(), server.sip());
    server.interrupted().wait_forever();
    server.drain();
    Ok(())
}

/// A server that runs on threads of its own.
pub(crate) struct Running {
    runtime: Runtime,
    driver: Option<JoinHandle<()>>,
    /// Keeps the event log, and ends after the driver.
    events: Option<JoinHandle<()>>,
    asks: mpsc::Sender<Ask>,
    interrupted: Interrupt,
    http: SocketAddr,
    sip: SocketAddr,
    drain_timeout: Duration,
}

/// Starts everything, in the order in which it is needed, and comes back when all of it listens.
pub(crate) fn start(config: &Config, provision: Option<provision::File>) -> Result<Running, StartError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|it| StartError::System("threads", it))?;
    let interrupted = Interrupt::watch(&runtime)?;
    let clock = Clock::start();
    let pulse = Arc::new(Pulse::new(clock.now()));
    let metrics = figures::start();
    if let Some(handle) = metrics.clone() {
        runtime.spawn(figures::keep_up(handle));
    }
    let (tidings, tidings_in) = mpsc::unbounded_channel();
    let report = {
        let tidings = tidings.clone();
        // An error means that the driver has ended and wants to know nothing more.
        move |ticket, outcome| drop(tidings.send(Tiding::Stored(ticket, outcome)))
    };
    let url = config.storage.url.clone();
    let settings = storage::Settings { url, durability: storage::Durability::default() };
    let (storage, saved) = runtime.block_on(Storage::open(&settings, report))?;
    let known: BTreeMap<_, _> = saved.users.iter().map(|it| (it.user_name.clone(), it.password_hash.clone())).collect();

    let views = Arc::new(Views::default());
    let links = Links::new(&config.http.public_url);
    let settings = LoginSettings {
        public_url: config.http.public_url.clone(),
        csrf: config.http.csrf,
        session_timeout: config.http.session_timeout.0,
    };
    let logins = Arc::new(Logins::start(views.clone(), &settings)?);
    let door = Door { logins: logins.clone(), clock };
    let cometd = {
        let _inside = runtime.enter();
        cometd::start(config.cometd.settings(), clock, chance()?, door)
    };
    let listen = config.http.listen;
    let listener = runtime.block_on(TcpListener::bind(listen)).map_err(|it| StartError::Listen(listen, it))?;
    let http = listener.local_addr().map_err(|it| StartError::Listen(listen, it))?;

    let (asks, asks_in) = mpsc::channel(ASKS);
    let deliver = move |event| drop(tidings.send(Tiding::Media(event)));
    let media = media(config, deliver)?;
    let signalling = signalling()?;
    let sip = {
        let _inside = signalling.enter();
        sip(config)?
    };
    let sip_at = sip.local_addr().map_err(|it| StartError::Listen(config.sip.udp, it))?;
    let engine = Engine::new(config.supervision.settings(), small_chance()?);
    let push = Push::new(cometd.handle(), links.clone());
    let (tape, events) = match config.storage.keep() {
        Some(keep) => ledger::start(&config.storage.url, keep, clock),
        None => (Tape::default(), None),
    };
    let parts = Parts {
        clock,
        engine,
        sip,
        media,
        storage: storage.clone(),
        views: views.clone(),
        push,
        pulse: pulse.clone(),
        tape,
        asks: asks_in,
        tidings: tidings_in,
    };
    let driver = std::thread::Builder::new()
        .name("driver".into())
        .spawn(move || signalling.block_on(Driver::new(parts, saved).run()))
        .map_err(|it| StartError::System("thread", it))?;

    let drain_timeout = config.server.drain_timeout.0;
    let gateway = Gateway { asks: asks.clone(), clock, pulse, storage };
    let server = Running { runtime, driver: Some(driver), events, asks, interrupted, http, sip: sip_at, drain_timeout };
    if let Some(file) = provision {
        server.provision(file, config, &known, &gateway)?;
    }
    let routes = router(gateway, views, logins, links, &cometd, metrics);
    server.runtime.spawn(serve(listener, routes));
    let (media, ports) = (config.media.bind_address(), &config.media.ports.0);
    tracing::info!(%http, sip = %sip_at, %media, ?ports, version = env!("CARGO_PKG_VERSION"), "listening");
    Ok(server)
}

/// The signalling thread has a runtime of its own, of that one thread.
fn signalling() -> Result<Runtime, StartError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|it| StartError::System("runtime", it))
}

fn media(config: &Config, deliver: impl Fn(media::Event) + Send + Sync + 'static) -> Result<media::Media, StartError> {
    let settings = media::Settings {
        bind: config.media.bind_address(),
        ports: config.media.ports.0.clone(),
        workers: None,
        silent_after: sip::SILENCE,
        seed: chance()?,
    };
    media::Media::start_with(&settings, deliver).map_err(|it| StartError::System("media threads", it))
}

fn sip(config: &Config) -> Result<sip::Sip, StartError> {
    let settings = sip::Settings {
        domain: config.sip.domain.clone(),
        listen: config.sip.udp,
        tcp: config.sip.tcp,
        advertise: None,
        dns: config.sip.dns,
        session_expires: config.sip.session_expires,
        media: config.media.address,
        media6: config.media.address6,
    };
    sip::Sip::bind(&settings, small_chance()?).map_err(|it| StartError::Listen(config.sip.udp, it))
}

impl Running {
    /// Where HTTP listens.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    /// Where SIP listens.
    pub(crate) fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// SIGTERM or Ctrl-C.
    pub(crate) fn interrupted(&self) -> &Interrupt {
        &self.interrupted
    }

    fn provision(
        &self,
        file: provision::File,
        config: &Config,
        known: &BTreeMap<String, Secret<String>>,
        gateway: &Gateway,
    ) -> Result<(), StartError> {
        let objects = file.objects(&config.sip.domain, known).map_err(|it| StartError::Provision(it.to_string()))?;
        let answer = self.runtime.block_on(gateway.command(Command::Provision(objects)));
        answer.map(drop).map_err(|it| StartError::Provision(it.to_string()))
    }

    /// No new calls; ends when the last one is over, or after `server.drain_timeout`, or at a second signal.
    pub(crate) fn drain(mut self) {
        self.ask(Ask::Drain);
        let until = Instant::now() + self.drain_timeout;
        while Instant::now() < until && self.driver.as_ref().is_some_and(|it| !it.is_finished()) {
            if self.interrupted.again(Duration::from_millis(50)) {
                break;
            }
        }
        self.end();
    }

    /// Ends at once.
    pub(crate) fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.ask(Ask::Stop);
        if self.driver.take().is_some_and(|it| it.join().is_err()) {
            tracing::error!("the driver panicked");
        }
        if self.events.take().is_some_and(|it| it.join().is_err()) {
            tracing::error!("the event log's thread panicked");
        }
        tracing::info!("stopped");
    }

    fn ask(&self, ask: Ask) {
        // An error means that the driver has ended by itself.
        let _ = self.runtime.block_on(self.asks.send(ask));
    }
}

/// SIGTERM and Ctrl-C, counted.
pub(crate) struct Interrupt {
    runtime: Handle,
    count: watch::Receiver<u32>,
}

impl Interrupt {
    fn watch(runtime: &Runtime) -> Result<Self, StartError> {
        let _inside = runtime.enter();
        let signals = |kind| signal(kind).map_err(|it| StartError::System("signals", it));
        let (mut terminate, mut interrupt) = (signals(SignalKind::terminate())?, signals(SignalKind::interrupt())?);
        let (sender, count) = watch::channel(0);
        runtime.spawn(async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                sender.send_modify(|it| *it += 1);
            }
        });
        Ok(Self { runtime: runtime.handle().clone(), count })
    }

    /// Waits for the first signal.
    pub(crate) fn wait_forever(&self) {
        // An error means that nobody watches for signals any more.
        let _ = self.runtime.block_on(self.count.clone().wait_for(|it| *it > 0));
    }

    /// Waits for the first signal, but not for long; true if it has come.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        self.reached(1, at_most)
    }

    fn again(&self, at_most: Duration) -> bool {
        self.reached(2, at_most)
    }

    fn reached(&self, times: u32, at_most: Duration) -> bool {
        let mut count = self.count.clone();
        self.runtime.block_on(async { tokio::time::timeout(at_most, count.wait_for(|it| *it >= times)).await.is_ok() })
    }
}

/// Thirty-two bytes of the system's own chance.
fn chance() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|it| StartError::System("randomness", io::Error::other(it)))?;
    Ok(bytes)
}

fn small_chance() -> Result<u64, StartError> {
    Ok(chance()?.iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte)))
}

/// Commands that may wait for the engine; more are answered 503.
const ASKS: usize = 1_024;

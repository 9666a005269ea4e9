//! A baresip phone: a second SIP stack that nobody here wrote, driven through its control port.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{IpAddr, Ipv6Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    SOON,
    phone::{Phone, Policy},
    ports::{free_port, free_ports},
    process::Heard,
    server::Server,
    tones::Recording,
    wav,
};

/// The phone; killed when dropped.
pub struct Baresip {
    child: Child,
    control: TcpStream,
    heard: Arc<Heard>,
    folder: TempDir,
    server: String,
    /// Where the recording begins: the file that grows with the call, and its length then.
    recording: Option<(PathBuf, usize)>,
}

impl Baresip {
    /// A device of the server, registered. A policy other than answering at once lets it ring.
    ///
    /// # Panics
    /// If the server does not take the registration.
    #[must_use]
    pub fn device(server: &Server, number: &str, tone: u32, policy: Policy) -> Self {
        Self::device_at(server, server.sip.ip(), number, tone, policy)
    }

    /// The same at `at`, 127.0.0.1 or ::1.
    ///
    /// # Panics
    /// If the server does not take the registration.
    #[must_use]
    pub fn device_at(server: &Server, at: IpAddr, number: &str, tone: u32, policy: Policy) -> Self {
        let secret = Server::secret(number);
        let server = server.sip_at(at).to_string();
        let phone = Self::start(&server, number, Some(&secret), free_ports(2), tone, policy);
        // The control port may open after the registration is done, so the event may be missed; the log has it.
        let until = Instant::now() + SOON;
        while !phone.log().contains(" 200 OK ") {
            assert!(Instant::now() < until, "baresip is not registered:\n{}", phone.log());
            thread::sleep(Duration::from_millis(20));
        }
        phone
    }

    /// Any phone: `server` is where it registers, if it has a password, and calls. It takes the port after `sip_port` too.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(server: &str, user: &str, password: Option<&str>, sip_port: u16, tone: u32, policy: Policy) -> Self {
        let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
        let control_port = free_port();
        let answer = if policy == Policy::Answer { "auto" } else { "manual" };
        let register =
            password.map_or("regint=0".to_owned(), |it| format!("auth_user={user};auth_pass={it};regint=300"));
        let account =
            format!("<sip:{user}@{server}>;{register};answermode={answer};audio_codecs=PCMU/8000/1,PCMA/8000/1\n");
        wav::write(&folder.path().join("tone.wav"), &Recording::tone(tone, 8000, 90)).expect("a new folder");
        let ip6 = server.starts_with('[');
        fs::write(folder.path().join("config"), config(folder.path(), ip6, sip_port, control_port))
            .expect("a new folder");
        fs::write(folder.path().join("accounts"), account).expect("a new folder");
        fs::write(folder.path().join("contacts"), "").expect("a new folder");
        let log = File::create(folder.path().join("log")).expect("a new folder");
        let mut command = Command::new("baresip");
        command.arg("-f").arg(folder.path()).stdin(Stdio::piped()).stdout(log).stderr(Stdio::null());
        let child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start baresip: {error}; run `cargo xtask setup`"));
        let control = connect(control_port);
        let heard = Arc::new(Heard::default());
        let events = control.try_clone().expect("a connected socket");
        let told = Arc::clone(&heard);
        thread::spawn(move || read_events(events, &told));
        Self { child, control, heard, folder, server: server.to_owned(), recording: None }
    }

    fn command(&mut self, name: &str, parameters: &str) {
        let order = json!({"command": name, "params": parameters}).to_string();
        let sent = write!(self.control, "{}:{order},", order.len());
        if let Err(error) = sent {
            panic!("baresip takes no orders: {error}\n{}", self.log());
        }
    }

    fn wait(&self, event: &str) -> Value {
        let found = self.heard.wait(SOON, |it| it["type"] == event);
        found
            .unwrap_or_else(|| panic!("baresip did not tell of {event}; it told:\n{}{}", self.heard.tail(), self.log()))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// What the call's sound is decoded into, as it comes.
    fn decoded(&self) -> PathBuf {
        let until = Instant::now() + SOON;
        loop {
            let entries = fs::read_dir(self.folder.path()).expect("our own folder");
            let names = entries.filter_map(|it| it.ok().map(|it| it.path()));
            let dumps = names.filter(|it| it.to_string_lossy().ends_with("-dec.wav"));
            if let Some(newest) = dumps.max() {
                return newest;
            }
            assert!(Instant::now() < until, "baresip records nothing:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Phone for Baresip {
    fn dial(&mut self, number: &str) {
        let to = format!("sip:{number}@{}", self.server);
        self.command("dial", &to);
    }

    fn policy(&mut self, policy: Policy) {
        let mode = if policy == Policy::Answer { "auto" } else { "manual" };
        self.command("answermode", mode);
    }

    fn answer(&mut self) {
        self.command("accept", "");
    }

    fn wait_ringing(&mut self) {
        self.wait("CALL_INCOMING");
    }

    fn wait_established(&mut self) {
        self.wait("CALL_ESTABLISHED");
    }

    fn wait_ended(&mut self) {
        self.wait("CALL_CLOSED");
    }

    fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    fn start_recording(&mut self) {
        let path = self.decoded();
        let length = fs::metadata(&path).map_or(HEADER, |it| usize::try_from(it.len()).unwrap_or(HEADER));
        self.recording = Some((path, length.max(HEADER)));
    }

    fn stop_recording(&mut self) -> Recording {
        let (path, from) = self.recording.take().expect("a recording that has begun");
        let bytes = fs::read(&path).expect("the file was there when the recording began");
        let data = bytes.get(from..).unwrap_or(&[]);
        Recording { rate: 8000, samples: data.chunks_exact(2).map(|it| i16::from_le_bytes([it[0], it[1]])).collect() }
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- baresip told last:\n{}", self.heard.tail());
        }
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(folder: &Path, ip6: bool, sip_port: u16, control_port: u16) -> String {
    let folder = folder.display();
    let rtp = free_ports(20);
    let (host, bare) =
        if ip6 { (format!("[{IP6}]"), IP6.to_string()) } else { ("127.0.0.1".into(), "127.0.0.1".into()) };
    let settings = [
        "poll_method epoll".to_owned(),
        format!("sip_listen {host}:{sip_port}"),
        // By address: the name `lo` is ignored.
        format!("net_interface {bare}"),
        format!("net_prefer_ipv6 {}", if ip6 { "yes" } else { "no" }),
        format!("audio_source aufile,{folder}/tone.wav"),
        // Without a player, received sound is not even decoded.
        "audio_player aubridge,nil".to_owned(),
        "audio_alert aubridge,nil".to_owned(),
        "ausrc_srate 8000\nauplay_srate 8000".to_owned(),
        format!("rtp_ports {rtp}-{}", rtp + 19),
        format!("module_path {MODULES}"),
        "module g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so".to_owned(),
        "module_tmp account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so".to_owned(),
        format!("snd_path {folder}"),
        format!("ctrl_tcp_listen 127.0.0.1:{control_port}"),
    ];
    settings.join("\n") + "\n"
}

fn connect(port: u16) -> TcpStream {
    let until = Instant::now() + SOON;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(error) => assert!(Instant::now() < until, "baresip's control port does not open: {error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Reads net strings (`length:text,`) of JSON until the phone is gone.
fn read_events(mut from: TcpStream, heard: &Heard) {
    let mut pending = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        pending.extend_from_slice(&chunk[..count]);
        while let Some((event, length)) = net_string(&pending) {
            heard.tell(event);
            pending.drain(..length);
        }
    }
}

fn net_string(bytes: &[u8]) -> Option<(Value, usize)> {
    let colon = bytes.iter().position(|it| *it == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let text = bytes.get(colon + 1..colon + 1 + length)?;
    bytes.get(colon + 1 + length)?;
    Some((serde_json::from_slice(text).unwrap_or(Value::Null), colon + 2 + length))
}

const IP6: Ipv6Addr = Ipv6Addr::LOCALHOST;
const MODULES: &str = "/usr/lib/baresip/modules";
/// The length of the header of the files it records.
const HEADER: usize = 44;

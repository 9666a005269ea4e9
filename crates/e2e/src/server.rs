//! The real binary in a folder of its own, with ports of its own.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    http::Http,
    ports::{free_port, free_ports},
    process::LineProcess,
    rest::Rest,
    tools,
};

/// What differs from the contact centre of the tests: agents 5001, 5002 (team support) and 5003 (team sales),
/// supervisors 5005 and 5006 (of support) and 5007 (of sales), an administrator, one trunk.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    settings: BTreeMap<&'static str, Vec<String>>,
    features: Option<Vec<&'static str>>,
    provision: String,
    inbound: String,
    media_ports: u16,
    listen: Option<IpAddr>,
}

impl Setup {
    /// The contact centre as it is.
    #[must_use]
    pub fn new() -> Self {
        Self { media_ports: 64, ..Self::default() }
    }

    /// With a line in a section of `undertone.toml`.
    #[must_use]
    pub fn with(mut self, section: &'static str, line: &str) -> Self {
        self.settings.entry(section).or_default().push(line.to_owned());
        self
    }

    /// With SIP at this address; `::` for both families.
    #[must_use]
    pub const fn listen(mut self, at: IpAddr) -> Self {
        self.listen = Some(at);
        self
    }

    /// With these features and no others.
    #[must_use]
    pub fn features(mut self, names: &[&'static str]) -> Self {
        self.features = Some(names.to_vec());
        self
    }

    /// With more text in `contact-center.toml`.
    #[must_use]
    pub fn provision(mut self, text: &str) -> Self {
        self.provision.push_str(text);
        self
    }

    /// With what the trunk's callers dial led to one of our numbers.
    #[must_use]
    pub fn inbound(mut self, dialled: &str, ours: &str) -> Self {
        self.inbound = format!("inbound = {{ \"{dialled}\" = \"{ours}\" }}");
        self
    }

    /// With room for more legs than a small test needs; each leg takes two ports.
    #[must_use]
    pub fn media_ports(mut self, count: u16) -> Self {
        self.media_ports = count;
        self
    }
}

/// A running server. Killed, and its folder removed, when dropped.
pub struct Server {
    folder: TempDir,
    process: LineProcess,
    /// Where REST and CometD listen.
    pub http: SocketAddr,
    /// Where SIP listens.
    pub sip: SocketAddr,
    /// The port of the one trunk's far end.
    pub trunk_port: u16,
}

impl Server {
    /// Writes the configuration, starts the server and waits until it says that it is ready.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(setup: &Setup) -> Self {
        Self::start_with(setup, &[])
    }

    /// The same with variables in its environment.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with(setup: &Setup, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
        let http = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listen = SocketAddr::new(setup.listen.unwrap_or(Ipv4Addr::LOCALHOST.into()), free_port());
        let sip = match listen.ip() {
            it if it.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], listen.port())),
            _ => listen,
        };
        let trunk_port = free_port();
        let write = |name: &str, text: String| fs::write(folder.path().join(name), text).expect("a new folder");
        write("undertone.toml", config(setup, http, listen));
        write("contact-center.toml", contact_center(setup, trunk_port));
        let process = launch(folder.path(), variables);
        Self { folder, process, http, sip, trunk_port }
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same folder and ports, after [`Self::kill`].
    pub fn restart(&mut self) {
        self.process = launch(self.folder.path(), &[]);
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    ///
    /// # Panics
    /// If it is still there after `limit`.
    pub fn stop(&mut self, limit: Duration) {
        let pid = self.process.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(sent.is_ok_and(|it| it.success()), "the server had ended before");
        self.wait_gone(limit);
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// If it is still there after `limit`.
    pub fn wait_gone(&self, limit: Duration) {
        self.process.wait("its end", limit, |it| it["event"] == "closed");
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The address of the API's host, without `/api/v2`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Where SIP is reached by those who have that address.
    #[must_use]
    pub const fn sip_at(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.sip.port())
    }

    /// Bare HTTP to it.
    #[must_use]
    pub const fn http(&self) -> Http {
        Http::new(self.http)
    }

    /// A script that uses the API as `user`.
    #[must_use]
    pub fn rest(&self, user: &str) -> Rest {
        Rest::script(self.http(), user, &Self::password(user))
    }

    /// A browser that uses the API as `user`.
    #[must_use]
    pub fn browser(&self, user: &str) -> Rest {
        Rest::browser(self.http(), user, &Self::password(user))
    }

    /// The password of a user of the tests.
    #[must_use]
    pub fn password(user: &str) -> String {
        format!("{user}-password")
    }

    /// The digest secret of a device of the tests.
    #[must_use]
    pub fn secret(number: &str) -> String {
        format!("secret-{number}")
    }

    /// Its folder, with configuration and data.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The audit trail: its rows as objects, the first first.
    ///
    /// # Panics
    /// If the database cannot be read.
    #[must_use]
    pub fn audit(&self) -> Vec<Value> {
        let database = self.folder.path().join("undertone.db");
        let output =
            Command::new(tools::tool("venv").join("bin/python")).args(["-c", READ_AUDIT]).arg(database).output();
        let output = output.expect("the environment of the phones has a Python");
        let rows = serde_json::from_slice(&output.stdout);
        rows.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// `undertone trace` in its folder, with its settings and these arguments.
    ///
    /// # Panics
    /// If it cannot be run.
    #[must_use]
    pub fn trace(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(tools::binary());
        command.args(["trace", "--config", "undertone.toml"]).args(arguments).current_dir(self.folder.path());
        command.output().expect("the binary is there: the server runs it")
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        let lines = self.process.history().into_iter();
        lines.filter_map(|it| it["text"].as_str().map(|it| format!("{it}\n"))).collect()
    }

    /// Waits for a line of its log.
    pub fn logged(&self, text: &str) {
        self.process.wait(text, crate::SOON, |it| it["text"].as_str().is_some_and(|it| it.contains(text)));
    }

    /// Resident memory in KiB.
    #[must_use]
    pub fn memory_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap_or_default();
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap_or("");
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }
}

fn launch(folder: &Path, variables: &[(&str, &str)]) -> LineProcess {
    let mut command = Command::new(tools::binary());
    command.args(["serve", "--config", "undertone.toml", "--provision", "contact-center.toml"]).current_dir(folder);
    command.envs(variables.iter().copied());
    let process = LineProcess::start("undertone", &mut command);
    let is_ready = |it: &Value| it["text"].as_str().is_some_and(|it| it.starts_with("ready "));
    let first = process.wait("ready", START, |it| is_ready(it) || it["event"] == "closed");
    if !is_ready(&first) {
        // Its last words may still be on their way.
        thread::sleep(Duration::from_millis(200));
        let said: Vec<String> = process.history().iter().map(ToString::to_string).collect();
        panic!("the server ended before it was ready:\n{}", said.join("\n"));
    }
    process
}

fn config(setup: &Setup, http: SocketAddr, sip: SocketAddr) -> String {
    let media = free_ports(setup.media_ports);
    let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    sections.insert("http", vec![format!("listen = \"{http}\""), format!("public_url = \"http://{http}\"")]);
    sections.insert("sip", vec![format!("udp = \"{sip}\""), format!("tcp = \"{sip}\"")]);
    sections.insert("media", vec![format!("ports = \"{media}-{}\"", media + setup.media_ports - 1)]);
    for (section, lines) in &setup.settings {
        sections.entry(section).or_default().extend(lines.iter().cloned());
    }
    let text = sections.iter().map(|(name, lines)| format!("[{name}]\n{}\n\n", lines.join("\n")));
    text.collect()
}

fn contact_center(setup: &Setup, trunk_port: u16) -> String {
    let features = setup.features.clone().unwrap_or_else(|| vec!["api-voice", "api-supervisor-monitoring"]);
    let mut text = format!(
        "[contact_center]\nname = \"Tests\"\nswitch_name = \"SIP_Switch\"\nfeatures = {}\n\n",
        serde_json::json!(features)
    );
    for number in ["5001", "5002", "5003", "5005", "5006", "5007"] {
        text.push_str(&device(number));
    }
    for (name, number, team) in
        [("agent1", "5001", "support"), ("agent2", "5002", "support"), ("agent3", "5003", "sales")]
    {
        text.push_str(&user(name, &["ROLE_AGENT"], number, &[team], &[]));
    }
    for (name, number, team) in
        [("super1", "5005", "support"), ("super2", "5006", "support"), ("super3", "5007", "sales")]
    {
        text.push_str(&user(name, &["ROLE_AGENT", "ROLE_SUPERVISOR"], number, &[], &[team]));
    }
    text.push_str("[[users]]\nuser_name = \"admin\"\npassword = \"admin-password\"\nfirst_name = \"Alma\"\nlast_name = \"Admin\"\n");
    text.push_str("roles = [\"ROLE_ADMIN\"]\n\n");
    text.push_str("[[queues]]\nphone_number = \"8000\"\nname = \"support\"\nteams = [\"support\"]\n\n");
    text.push_str(&format!(
        "[[trunks]]\nname = \"carrier\"\naddress = \"127.0.0.1:{trunk_port}\"\ntransport = \"udp\"\n"
    ));
    text.push_str(&format!("{}\n\n", setup.inbound));
    text.push_str("[[dial_rules]]\nprefix = \"9\"\ntrunk = \"carrier\"\n\n");
    text + &setup.provision
}

/// A device as `contact-center.toml` has it.
fn device(number: &str) -> String {
    let secret = Server::secret(number);
    format!(
        "[[devices]]\nphone_number = \"{number}\"\nsip_password = \"{secret}\"\ntelephony_network = \"Private\"\n\n"
    )
}

fn user(name: &str, roles: &[&str], number: &str, teams: &[&str], supervises: &[&str]) -> String {
    let list = |it: &[&str]| serde_json::json!(it).to_string();
    format!(
        "[[users]]\nuser_name = \"{name}\"\npassword = \"{}\"\nfirst_name = \"{name}\"\nlast_name = \"Test\"\n\
         roles = {}\ndevice = \"{number}\"\nteams = {}\nsupervises = {}\n\n",
        Server::password(name),
        list(roles),
        list(teams),
        list(supervises),
    )
}

/// A debug build that hashes passwords on a busy machine takes its time.
const START: Duration = Duration::from_secs(30);

/// Python has SQLite built in; nothing else here needs it.
const READ_AUDIT: &str = "\
import json, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=10)
connection.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in connection.execute('SELECT * FROM audit ORDER BY id')]))
";

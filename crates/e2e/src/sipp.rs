//! SIPp: scenarios that race, and many calls at once.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    ports::{free_port, free_ports},
    server::Server,
    tools,
};

/// A SIPp run; killed when dropped.
pub struct Sipp {
    child: Child,
    folder: TempDir,
    /// Where its input is, if it has any.
    input: Option<TempDir>,
    name: String,
}

impl Sipp {
    /// Starts `sipp/<scenario>.xml` at `port` with more arguments; its messages go to `peer`.
    ///
    /// # Panics
    /// If SIPp is missing.
    #[must_use]
    pub fn start(peer: SocketAddr, scenario: &str, port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
        let output = File::create(folder.path().join("output")).expect("a new folder");
        let mut command = Command::new("sipp");
        command.arg(peer.to_string()).arg("-sf").arg(tools::own_file(&format!("sipp/{scenario}.xml")));
        command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-mi", "127.0.0.1"]);
        // Without these its control port is open to everybody.
        command.args(["-ci", "127.0.0.1", "-cp", &free_port().to_string()]);
        command.args(["-mp", &free_ports(4).to_string(), "-nostdin", "-trace_err", "-error_file", "errors"]);
        command.args(["-trace_logs", "-log_file", "log", "-timeout", "90", "-timeout_error"]).args(arguments);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
        let child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start sipp: {error}; run `cargo xtask setup`"));
        Self { child, folder, input: None, name: scenario.to_owned() }
    }

    /// Registers the numbers, each with the secret of the tests, with a contact at `port`.
    ///
    /// # Panics
    /// If the server does not take the registrations.
    pub fn register(server: &Server, numbers: &[String], port: u16) {
        let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
        let path = folder.path().join("numbers.csv");
        write_csv(
            &path,
            numbers.iter().map(|it| format!("{it};[authentication username={it} password={}]", Server::secret(it))),
        );
        let count = numbers.len().to_string();
        let arguments = ["-inf", &path.to_string_lossy(), "-m", &count, "-r", "50", "-l", "20"];
        Self::start(server.sip, "register", port, &arguments).wait();
    }

    /// Calls the numbers, `rate` a second, each for so long, from `port`.
    #[must_use]
    pub fn call(peer: SocketAddr, numbers: &[String], port: u16, rate: u32, talk: Duration) -> Self {
        let folder = tempfile::tempdir().expect("the system has a folder for temporary files");
        let path = folder.path().join("numbers.csv");
        write_csv(&path, numbers.iter().cloned());
        let (count, rate, talk) = (numbers.len().to_string(), rate.to_string(), talk.as_millis().to_string());
        let arguments = ["-inf", &path.to_string_lossy(), "-m", &count, "-l", &count, "-r", &rate, "-d", &talk];
        let mut run = Self::start(peer, "call", port, &arguments);
        run.input = Some(folder);
        run
    }

    /// Waits until every call of the scenario has gone as it says.
    ///
    /// # Panics
    /// If one has not, or within 100 seconds.
    pub fn wait(mut self) {
        self.wait_done();
    }

    /// Waits as [`Self::wait`]; answers with what its scenario logged.
    ///
    /// # Panics
    /// As [`Self::wait`].
    #[must_use]
    pub fn log_when_done(mut self) -> String {
        self.wait_done();
        self.log()
    }

    fn wait_done(&mut self) {
        let until = Instant::now() + Duration::from_secs(100);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                assert!(status.success(), "sipp {}: {status}\n{}", self.name, self.story());
                return;
            }
            assert!(Instant::now() < until, "sipp {} does not end:\n{}", self.name, self.story());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What its scenario logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn story(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        let output = read("output");
        let end = output.chars().rev().take(3000).collect::<Vec<_>>().into_iter().rev().collect::<String>();
        format!("{}\n{end}", read("errors").chars().take(4000).collect::<String>())
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of values for a scenario, one line a call.
fn write_csv(path: &Path, lines: impl Iterator<Item = String>) {
    let text = std::iter::once("SEQUENTIAL".to_owned()).chain(lines).collect::<Vec<_>>().join("\n");
    fs::write(path, text + "\n").expect("a new folder");
}

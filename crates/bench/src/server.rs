//! The real server, in a folder of its own, with as many people as the load needs.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use argon2::{Algorithm, Argon2, Params, Version, password_hash::PasswordHasher};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    Failed,
    http::{Connection, PASSWORD},
    phones::{agent, secret, supervisor},
};

/// Who is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct People {
    pub(crate) agents: usize,
    pub(crate) supervisors: usize,
}

/// The running server. Ended, and its folder removed, when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) sip: SocketAddr,
    pub(crate) http: SocketAddr,
    folder: TempDir,
}

impl Server {
    /// Starts the binary and waits until it is ready.
    pub(crate) fn start(binary: &Path, people: People, trunk: SocketAddr) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("undertone.toml"), CONFIG)?;
        fs::write(folder.path().join("contact-center.toml"), contact_center(people, trunk)?)?;
        let log = File::create(folder.path().join("log"))?;
        let mut command = Command::new(binary);
        command.args(["serve", "--config", "undertone.toml", "--provision", "contact-center.toml"]);
        command.current_dir(folder.path()).env("RUST_LOG", "warn").stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(|it| format!("cannot start {}: {it}", binary.display()))?;
        let mut ready = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut ready)?;
        }
        let address = |name: &str| {
            let word = ready.split_whitespace().find_map(|it| it.strip_prefix(name));
            word.and_then(|it| it.parse().ok())
        };
        let (Some(sip), Some(http)) = (address("sip="), address("http=")) else {
            let _ = child.kill();
            return Err(format!("not ready: {}", fs::read_to_string(folder.path().join("log"))?).into());
        };
        Ok(Self { child, sip, http, folder })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged: nothing, when all is well.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Logs agents in to the voice channel.
    pub(crate) fn log_in(&self, users: impl Iterator<Item = String>) -> Result<(), Failed> {
        let mut connection = Connection::open(self.http)?;
        let body = json!({"operationName": "StartContactCenterSession", "channels": ["voice"]}).to_string();
        for user in users {
            connection.ask(&user, "/me", Some(&body))?;
        }
        Ok(())
    }

    /// The ids of the users' own devices.
    pub(crate) fn own_devices(&self, users: &[String]) -> Result<Vec<String>, Failed> {
        let mut connection = Connection::open(self.http)?;
        let mut ids = Vec::new();
        for user in users {
            let answer = connection.ask(user, "/me/devices?fields=*", None)?;
            let id = answer.pointer("/devices/0/id").and_then(|it| it.as_str()).ok_or("a device has no id")?;
            ids.push(id.to_owned());
        }
        Ok(ids)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Orders the supervisor of that place to listen in on the agent of the same place.
pub(crate) fn listen_in(connection: &mut Connection, place: usize, device: &str) -> Result<(), Failed> {
    let body = json!({"operationName": "ListenIn", "phoneNumber": agent(place)}).to_string();
    connection.ask(&supervisor_name(place), &format!("/me/devices/{device}"), Some(&body)).map(drop)
}

/// Takes the order back.
pub(crate) fn cancel(connection: &mut Connection, place: usize, device: &str) -> Result<(), Failed> {
    let body = json!({"operationName": "CancelSupervisorMonitoring"}).to_string();
    connection.ask(&supervisor_name(place), &format!("/me/devices/{device}"), Some(&body)).map(drop)
}

/// The user at an agent's device.
pub(crate) fn agent_name(place: usize) -> String {
    format!("agent{place}")
}

/// The user at a supervisor's device.
pub(crate) fn supervisor_name(place: usize) -> String {
    format!("supervisor{place}")
}

fn contact_center(people: People, trunk: SocketAddr) -> Result<String, Failed> {
    // As cheap as Argon2 gets: a thousand passwords at their usual cost would take half a minute.
    let params = Params::new(8, 1, 1, None).map_err(|it| it.to_string())?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon.hash_password(PASSWORD.as_bytes()).map_err(|it| it.to_string())?.to_string();
    let mut text = String::from(
        "[contact_center]\nname = \"Bench\"\nfeatures = [\"api-voice\", \"api-supervisor-monitoring\"]\n\n",
    );
    writeln!(text, "[[trunks]]\nname = \"carrier\"\naddress = \"{trunk}\"\n")?;
    for place in 0..people.agents {
        let roles = "roles = [\"ROLE_AGENT\"]\nteams = [\"support\"]";
        person(&mut text, &agent(place), &agent_name(place), &hash, roles)?;
    }
    for place in 0..people.supervisors {
        let roles = "roles = [\"ROLE_AGENT\", \"ROLE_SUPERVISOR\"]\nsupervises = [\"support\"]";
        person(&mut text, &supervisor(place), &supervisor_name(place), &hash, roles)?;
    }
    Ok(text)
}

fn person(text: &mut String, number: &str, name: &str, hash: &str, roles: &str) -> Result<(), Failed> {
    writeln!(text, "[[devices]]\nphone_number = \"{number}\"\nsip_password = \"{}\"\n", secret(number))?;
    writeln!(text, "[[users]]\nuser_name = \"{name}\"\npassword_hash = \"{hash}\"\ndevice = \"{number}\"\n{roles}\n")?;
    Ok(())
}

const CONFIG: &str = "\
[http]
listen = \"127.0.0.1:0\"

[sip]
udp = \"127.0.0.1:0\"
tcp = \"127.0.0.1:0\"

[media]
ports = \"20000-31999\"
";

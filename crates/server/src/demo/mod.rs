//! `undertone demo`: a small contact centre whose phones really register and call, and a supervisor who listens in.

mod desktop;
mod report;

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use softphone::{Behaviour, Recording, Settings as PhoneSettings, Softphone, Sound};

use self::{
    desktop::{Desktop, Failed, Messages},
    report::{Ear, Party, judge},
};
use crate::{config::Config, provision, serve};

/// Runs the demo; with `once`, an error unless everybody heard just what they should.
pub(crate) fn run(once: bool) -> Result<(), Failed> {
    let folder = std::env::temp_dir().join(format!("undertone-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("A small contact centre in {}", folder.display());
    let (config, objects) = files(&folder)?;
    let server = serve::start(&config, Some(objects))?;
    println!("Its server: REST and CometD at http://{}, SIP at {} (UDP and TCP)\n", server.http(), server.sip());
    let heard = Stage::set(&server)?.play(&folder);
    let outcome = match (&heard, once) {
        (Ok(()), false) => keep_calling(&server),
        _ => heard,
    };
    server.stop();
    outcome
}

/// The two files, written where a newcomer finds them, and read as `serve` reads them.
fn files(folder: &Path) -> Result<(Config, provision::File), Failed> {
    let http = free(8_080, |it| std::net::TcpListener::bind(it).and_then(|it| it.local_addr()))?;
    let sip = free(5_060, |it| {
        let (udp, at) = UdpSocket::bind(it).and_then(|it| it.local_addr().map(|at| (it, at)))?;
        let tcp = std::net::TcpListener::bind(at)?;
        drop(udp);
        tcp.local_addr()
    })?;
    let settings = folder.join("undertone.toml");
    let database = folder.join("undertone.db");
    std::fs::write(
        &settings,
        format!(
            "[http]\nlisten = \"{http}\"\npublic_url = \"http://{http}\"\n\n[sip]\ndomain = \"{DOMAIN}\"\nudp = \"{sip}\"\n\n\
             [media]\naddress = \"127.0.0.1\"\n\n[storage]\nurl = \"sqlite://{}\"\n\n\
             [supervision]\nmax_supervisors_per_target = 3\n",
            database.display()
        ),
    )?;
    let objects = folder.join("contact-center.toml");
    std::fs::write(&objects, CONTACT_CENTER)?;
    Ok((Config::load(Some(&settings), std::iter::empty())?, provision::File::load(&objects)?))
}

/// The usual port if it is free, any other if not.
fn free(usual: u16, bind: impl Fn(SocketAddr) -> std::io::Result<SocketAddr>) -> std::io::Result<SocketAddr> {
    bind(SocketAddr::from((LOOPBACK, usual))).or_else(|_| bind(SocketAddr::from((LOOPBACK, 0))))
}

/// Everybody in the demo, before the call.
struct Stage {
    agent_desktop: Arc<Desktop>,
    supervisor_desktop: Arc<Desktop>,
    messages: Messages,
    customer: Softphone,
    agent: Softphone,
    supervisor: Softphone,
}

impl Stage {
    fn set(server: &serve::Running) -> Result<Self, Failed> {
        let base = format!("http://{}", server.http());
        println!("Three phones register:");
        let customer = phone(server, "5002", CUSTOMER)?;
        let agent = phone(server, "5001", AGENT)?;
        let supervisor = phone(server, "5005", SUPERVISOR)?;
        println!("\nThe agent logs in; so does the supervisor, whose desktop listens for messages:");
        let agent_desktop = Arc::new(Desktop::new(&base, "agent1", "agent1-password"));
        let supervisor_desktop = Arc::new(Desktop::new(&base, "supervisor1", "supervisor1-password"));
        let start = json!({"operationName": "StartContactCenterSession", "channels": ["voice"]});
        agent_desktop.post("/me", &start)?;
        let messages = supervisor_desktop.clone().listen()?;
        supervisor_desktop.post("/me", &start)?;
        Ok(Self { agent_desktop, supervisor_desktop, messages, customer, agent, supervisor })
    }

    /// The main job, and what everybody heard of it.
    fn play(self, folder: &Path) -> Result<(), Failed> {
        println!("\nThe supervisor asks to listen to the agent:");
        let target = self.supervisor_desktop.get("/devices?phoneNumber=5001", "/uris/0")?;
        let own = self.supervisor_desktop.get("/me/devices?fields=*", "/devices/0/id")?;
        let own = format!("/me/devices/{}", own.as_str().unwrap_or_default());
        self.supervisor_desktop.post(&own, &json!({"operationName": "ListenIn", "targetDeviceUri": target}))?;
        self.messages.wait("the monitoring state", |it| {
            it.pointer("/data/devices/0/supervisorMonitoringState/state").and_then(Value::as_str) == Some("ListenIn")
        })?;
        println!("\nA customer calls the agent, who answers; the supervisor's phone is offered that call too:");
        self.customer.call("5001");
        self.customer.wait_established(Duration::from_secs(10))?;
        self.messages.wait("the supervisor's call", |it| {
            it.pointer("/data/call/state").and_then(Value::as_str) == Some("Established")
        })?;
        println!("\nThey talk for {} seconds …", TALK.as_secs());
        std::thread::sleep(TALK);
        self.customer.hang_up();
        self.messages.wait("the end of the supervisor's call", |it| {
            it.pointer("/data/call/state").and_then(Value::as_str) == Some("Released")
        })?;
        println!("\nThe supervisor stops monitoring:");
        self.supervisor_desktop.post(&own, &json!({"operationName": "CancelSupervisorMonitoring"}))?;
        self.messages.wait("the end of monitoring", |it| {
            it.pointer("/data/devices/0").is_some_and(|it| it.get("supervisorMonitoringState").is_none())
        })?;
        self.agent_desktop.post("/me", &json!({"operationName": "EndContactCenterSession"}))?;
        self.report(folder)
    }

    fn report(&self, folder: &Path) -> Result<(), Failed> {
        let ears = [
            Ear {
                who: SUPERVISOR,
                heard: self.supervisor.heard(),
                should: &[CUSTOMER, AGENT],
                must_not: &[SUPERVISOR],
            },
            Ear { who: CUSTOMER, heard: self.customer.heard(), should: &[AGENT], must_not: &[SUPERVISOR, CUSTOMER] },
            Ear { who: AGENT, heard: self.agent.heard(), should: &[CUSTOMER], must_not: &[SUPERVISOR, AGENT] },
        ];
        println!("\nWhat each of them heard:");
        let wrong = ears.iter().filter(|it| !judge(it)).count();
        println!();
        for ear in &ears {
            println!("  {}", keep(folder, ear.who, &ear.heard)?.display());
        }
        if wrong > 0 {
            return Err("somebody heard what they should not, or did not hear what they should".into());
        }
        println!("\nThe supervisor heard both; nobody heard the supervisor.");
        Ok(())
    }
}

fn phone(server: &serve::Running, number: &'static str, party: Party) -> Result<Softphone, Failed> {
    let settings = PhoneSettings {
        number: number.into(),
        password: format!("secret-{number}"),
        domain: DOMAIN.into(),
        server: server.sip(),
        local: LOOPBACK,
        sound: Sound::Speech { hz: party.hz },
        behaviour: Behaviour::answering(Duration::from_millis(800)),
    };
    let phone = Softphone::start(settings)?;
    phone.wait_registered(Duration::from_secs(5))?;
    println!("  {number}, {}, speaks at {} Hz", party.name, party.hz);
    Ok(phone)
}

fn keep(folder: &Path, party: Party, heard: &Recording) -> std::io::Result<PathBuf> {
    let path = folder.join(format!("heard-by-{}.wav", party.name.replace(' ', "-")));
    heard.write_wav(&path)?;
    Ok(path)
}

/// Calls again and again until Ctrl-C, so that a newcomer can listen with a phone of their own.
fn keep_calling(server: &serve::Running) -> Result<(), Failed> {
    println!("\nCalls go on until Ctrl-C. To listen with a phone of your own:");
    println!(
        "  1. register it: user 5006, password secret-5006, domain {DOMAIN}, proxy {} over UDP or TCP",
        server.sip()
    );
    println!("  2. log in:   curl -u supervisor2:supervisor2-password http://{}/api/v2/me \\", server.http());
    println!("                 -H 'Content-Type: application/json' \\");
    println!("                 -d '{{\"operationName\":\"StartContactCenterSession\",\"channels\":[\"voice\"]}}'");
    println!("  3. find your device's id at /api/v2/me/devices, and ask there:");
    println!("                 -d '{{\"operationName\":\"ListenIn\",\"phoneNumber\":\"5001\"}}'\n");
    let base = format!("http://{}", server.http());
    let agent_desktop = Desktop::new(&base, "agent1", "agent1-password");
    agent_desktop.post("/me", &json!({"operationName": "StartContactCenterSession", "channels": ["voice"]}))?;
    let customer = phone(server, "5002", CUSTOMER)?;
    let _agent = phone(server, "5001", AGENT)?;
    let stop = server.interrupted();
    while !stop.wait(Duration::from_secs(3)) {
        println!("  5002 calls 5001");
        customer.call("5001");
        if customer.wait_established(Duration::from_secs(10)).is_ok() {
            stop.wait(Duration::from_secs(20));
            customer.hang_up();
        }
    }
    Ok(())
}

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const DOMAIN: &str = "undertone.local";
const TALK: Duration = Duration::from_secs(4);

// Frequencies without a common harmonic, so that no product of one is taken for another.
const CUSTOMER: Party = Party { name: "the customer", hz: 440 };
const AGENT: Party = Party { name: "the agent", hz: 1_000 };
const SUPERVISOR: Party = Party { name: "the supervisor", hz: 1_700 };

const CONTACT_CENTER: &str = r#"[contact_center]
name = "Demo"
switch_name = "SIP_Switch"
features = ["api-voice", "api-supervisor-monitoring"]

[[devices]]
phone_number = "5001"
sip_password = "secret-5001"

[[devices]]
phone_number = "5002"
sip_password = "secret-5002"

[[devices]]
phone_number = "5005"
sip_password = "secret-5005"

[[devices]]
phone_number = "5006"
sip_password = "secret-5006"

[[users]]
user_name = "agent1"
password = "agent1-password"
first_name = "Ada"
last_name = "Agent"
roles = ["ROLE_AGENT"]
device = "5001"
teams = ["support"]

[[users]]
user_name = "supervisor1"
password = "supervisor1-password"
first_name = "Sam"
last_name = "Supervisor"
roles = ["ROLE_AGENT", "ROLE_SUPERVISOR"]
device = "5005"
supervises = ["support"]

[[users]]
user_name = "supervisor2"
password = "supervisor2-password"
first_name = "Sue"
last_name = "Supervisor"
roles = ["ROLE_AGENT", "ROLE_SUPERVISOR"]
device = "5006"
supervises = ["support"]
"#;

//! The binary's own face: versions, mistakes in files, the end, the demo.

use std::{
    fs,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use e2e::{Phone, Probe, Scene, Server, Setup, Source, binary, connect, light};
use serde_json::json;

fn run(arguments: &[&str], folder: &std::path::Path) -> Output {
    Command::new(binary()).args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn it_tells_its_version() {
    let output = run(&["--version"], &std::env::temp_dir());
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("undertone ") && text.contains('.'), "{text}");
}

#[test]
fn a_mistake_is_answered_with_file_line_and_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let mistakes = [
        ("[http]\nlisten = \"127.0.0.1:8080\"\nlisen = 1\n", "undertone.toml", "3", "listen"),
        ("[http]\n\n[supervision]\nring_timeout = \"soon\"\n", "undertone.toml", "4", "20s"),
        ("[supervision]\ntell_agent = \"always\"\n", "undertone.toml", "2", "on-join"),
        ("[storage]\nurl = \"postgres://db/undertone\"\n", "undertone.toml", "2", "sqlite"),
        ("[media]\nports = \"9-\"\n", "undertone.toml", "2", "ports"),
    ];
    for (text, file, line, word) in mistakes {
        fs::write(folder.path().join("undertone.toml"), text).unwrap();
        for command in ["check", "serve"] {
            let output = run(&[command, "--config", "undertone.toml"], folder.path());
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{command} accepts {text}");
            assert!(output.stdout.is_empty(), "nothing was ready");
            let is_clear = said.contains(file) && said.contains(line) && said.contains(word);
            assert!(is_clear, "{command} on {text:?} says: {said}");
        }
    }
}

#[test]
fn check_reads_both_files_and_starts_nothing() {
    let scene = Scene::new(&Setup::new());
    let folder = scene.server.folder();
    let both = ["check", "--config", "undertone.toml", "--provision", "contact-center.toml"];
    assert!(run(&both, &folder).status.success());
    let path = folder.join("contact-center.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\n[[users]]\nuser_name = \"x\"\nroles = [\"ROLE_BOSS\"]\n")).unwrap();
    let output = run(&both, &folder);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("contact-center.toml") && said.contains("ROLE_"), "{said}");
}

#[test]
fn it_stops_when_asked_and_lets_running_calls_end() {
    let scene = Scene::new(&Setup::new());
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    connect(&mut customer, &mut agent, "5001");
    let pid = scene.server.pid().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut late = Probe::unregistered(&scene.server, "5002", Source::Silent, e2e::Wiring::default());
    let until = Instant::now() + e2e::SOON;
    while late.dial_and_wait("5001") != 503 {
        assert!(Instant::now() < until, "new calls are not refused");
        thread::sleep(Duration::from_millis(50));
    }
    customer.wait_packets(customer.packets().len() + 20);
    assert_eq!(customer.end_status(), None, "the running call goes on");
    customer.hang_up();
    agent.wait_ended();
    scene.server.wait_gone(Duration::from_secs(20));
}

#[test]
fn it_stops_at_once_when_nothing_runs() {
    let mut scene = Scene::new(&Setup::new());
    scene.server.stop(Duration::from_secs(10));
}

#[test]
fn settings_come_from_the_environment_too() {
    let _machine = light();
    let port = e2e::free_port();
    let sip = format!("127.0.0.1:{port}");
    let server = Server::start_with(&Setup::new(), &[("UNDERTONE_SIP__UDP", &sip), ("UNDERTONE_HTTP__CSRF", "false")]);
    let phone = Probe::open(
        sip.parse().unwrap(),
        "5001",
        Some(Server::secret("5001")),
        e2e::free_port(),
        Source::Silent,
        e2e::Wiring::default(),
    );
    assert_eq!(phone.register(60), 200);
    let mut browser = server.browser("agent1");
    let body = json!({"operationName": "StartContactCenterSession", "channels": ["voice"]});
    browser.operate("/me", &body);
}

#[test]
fn the_demo_shows_the_main_job_and_says_whether_it_was_so() {
    let _machine = light();
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["demo", "--once"], folder.path());
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    for words in ["ListenIn", "DeviceStateChangeMessage", "supervisorMonitoringState", "statusCode", ".wav"] {
        assert!(said.contains(words), "\"{words}\" is not in: {said}");
    }
}

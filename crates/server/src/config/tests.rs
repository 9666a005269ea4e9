//! Mistakes in `undertone.toml` and in the environment.

use super::*;

fn mistake(text: &str) -> String {
    parse::<Config>("undertone.toml", text).unwrap_err().to_string()
}

fn from_environment(name: &str, value: &str) -> Result<Config, Mistake> {
    Config::load(None, [(name.to_owned(), value.to_owned())].into_iter())
}

#[test]
fn the_file_of_the_design_holds_the_defaults() {
    let text = r#"
        [server]
        drain_timeout = "30s"
        [http]
        listen = "127.0.0.1:8080"
        public_url = "http://127.0.0.1:8080"
        csrf = true
        session_timeout = "30m"
        [cometd]
        timeout = "30s"
        max_interval = "10s"
        [sip]
        domain = "undertone.local"
        udp = "127.0.0.1:5060"
        tcp = "127.0.0.1:5060"
        session_expires = "30m"
        [media]
        address = "127.0.0.1"
        ports = "20000-29999"
        [storage]
        url = "sqlite://undertone.db"
        events = "7d"
        events_max_mb = 1024
        [supervision]
        intrusion = true
        max_supervisors_per_target = 1
        queue_monitoring = true
        ring_timeout = "20s"
        listen_offer = "sendrecv"
        monitor_internal_calls = true
        monitor_consult_calls = "none"
        monitor_party_on_hold = true
        cancel_ends_session = false
        tell_agent = "on-join"
        tone = "none"
        extensions = true
    "#;
    let written = parse::<Config>("undertone.toml", text).unwrap();
    let default = Config::default();
    assert_eq!(written.supervision.settings(), Settings::default());
    assert_eq!(default.supervision.settings(), Settings::default());
    assert_eq!(written.http.public_url, default.http.public_url);
    assert_eq!(written.media.ports.0, default.media.ports.0);
    assert_eq!(written.sip.udp, default.sip.udp);
    assert_eq!(written.sip.session_expires, default.sip.session_expires);
    assert_eq!(written.server.drain_timeout.0, default.server.drain_timeout.0);
    assert_eq!(written.http.session_timeout.0, default.http.session_timeout.0);
    assert_eq!(written.storage.keep(), default.storage.keep());
    let told = |it: &Config| (it.cometd.settings().timeout, it.cometd.settings().max_interval);
    assert_eq!(told(&written), told(&default));
}

#[test]
fn the_event_log_can_be_off() {
    assert_eq!(parse::<Config>("undertone.toml", "[storage]\nevents = \"off\"\n").unwrap().storage.keep(), None);
}

#[test]
fn a_mistake_names_file_and_line_and_what_would_be_right() {
    assert_eq!(
        mistake("[media]\nports = \"20000\"\n"),
        "undertone.toml:2: \"20000\" is not a range of ports above 1023 such as \"20000-29999\""
    );
    assert_eq!(
        mistake("[sip]\nsession_expires = \"60s\"\n"),
        "undertone.toml:2: sessions may be refreshed every 90s at most (RFC 4028), \"30m\" is usual"
    );
    assert!(
        mistake("[sip]\n\nupd = \"127.0.0.1:5060\"\n").starts_with("undertone.toml:3: unknown field `upd`, expected")
    );
    assert!(
        mistake("[supervision]\ntone = \"loud\"\n").starts_with("undertone.toml:2: unknown variant `loud`, expected")
    );
    assert!(mistake("[storage]\nurl = \"postgres://x/y\"\n").contains("sqlite://undertone.db"));
    assert!(
        mistake("[storage]\nevents = \"forever\"\n").contains("neither \"off\" nor a length of time such as \"7d\"")
    );
    assert!(mistake("[http\n").starts_with("undertone.toml:1: "));
}

#[test]
fn the_environment_goes_over_the_file() {
    let config = from_environment("UNDERTONE_SIP__UDP", "127.0.0.1:5070").unwrap();
    assert_eq!(config.sip.udp.port(), 5070);
    let config = from_environment("UNDERTONE_SUPERVISION__RING_TIMEOUT", "2s").unwrap();
    assert_eq!(config.supervision.settings().supervision.ring_timeout, Duration::from_secs(2));
    let config = from_environment("UNDERTONE_SUPERVISION__INTRUSION", "false").unwrap();
    assert!(!config.supervision.settings().supervision.intrusion);
    let config = from_environment("UNDERTONE_SIP__DOMAIN", "1234").unwrap();
    assert_eq!(config.sip.domain, "1234");
}

#[test]
fn a_mistake_in_the_environment_names_the_variable() {
    let wrong = from_environment("UNDERTONE_MEDIA__PORTS", "many").unwrap_err().to_string();
    assert!(wrong.starts_with("UNDERTONE_MEDIA__PORTS: \"many\" is not a range"), "{wrong}");
    let wrong = from_environment("UNDERTONE_SIP__UPD", "127.0.0.1:1").unwrap_err().to_string();
    assert!(wrong.starts_with("UNDERTONE_SIP__UPD: unknown field"), "{wrong}");
}

//! Mistakes in `contact-center.toml`, and what becomes of its passwords.

use std::time::Duration;

use super::*;

const DESIGN: &str = r#"
[contact_center]
name = "Demo"
switch_name = "SIP_Switch"
features = ["api-voice", "api-supervisor-monitoring"]

[[devices]]
phone_number = "5001"
sip_password = "secret-5001"
telephony_network = "Private"

[[users]]
user_name = "agent1"
password = "agent1-password"
first_name = "Ada"
last_name = "Agent"
roles = ["ROLE_AGENT"]
device = "5001"
teams = ["support"]
supervises = []
monitor = ["ListenIn", "Coach", "BargeIn"]

[[queues]]
phone_number = "8000"
name = "support"
teams = ["support"]

[[trunks]]
name = "carrier"
address = "127.0.0.1:5080"
transport = "udp"

[[dial_rules]]
prefix = "9"
trunk = "carrier"
"#;

fn file(text: &str) -> Result<File, Mistake> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contact-center.toml");
    std::fs::write(&path, text).unwrap();
    File::load(&path).map_err(|it| Mistake { place: "contact-center.toml".into(), ..it })
}

fn mistake(text: &str) -> String {
    file(text).unwrap_err().to_string()
}

#[test]
fn the_file_of_the_design_is_understood() {
    let objects = file(DESIGN).unwrap().objects("undertone.local", &BTreeMap::new()).unwrap();
    assert_eq!(objects.contact_center.unwrap().features.len(), 2);
    assert_eq!(objects.devices[0].phone_number.as_str(), "5001");
    assert_eq!(objects.users[0].monitor.len(), 3);
    assert_eq!(objects.queues[0].name, "support");
    assert_eq!(objects.trunks[0].address, "127.0.0.1:5080");
    assert_eq!(objects.dial_rules.unwrap()[0].prefix, "9");
}

#[test]
fn passwords_leave_as_hashes_and_an_unchanged_one_keeps_its_hash() {
    let first = file(DESIGN).unwrap().objects("undertone.local", &BTreeMap::new()).unwrap();
    let hash = first.users[0].password_hash.0.clone();
    assert!(hash.starts_with("$argon2id$"));
    assert!(!format!("{first:?}").contains("agent1-password"));
    assert!(!format!("{first:?}").contains("secret-5001"));
    let known = BTreeMap::from([("agent1".to_owned(), Secret(hash.clone()))]);
    let again = file(DESIGN).unwrap().objects("undertone.local", &known).unwrap();
    assert_eq!(again.users[0].password_hash.0, hash);
    let changed = DESIGN.replace("agent1-password", "another");
    let changed = file(&changed).unwrap().objects("undertone.local", &known).unwrap();
    assert_ne!(changed.users[0].password_hash.0, hash);
}

#[test]
fn a_mistake_names_file_and_line_and_what_would_be_right() {
    let twice = "[[devices]]\nphone_number = \"5001\"\n\n[[queues]]\nphone_number = \"5001\"\nname = \"x\"\n";
    assert_eq!(
        mistake(twice),
        "contact-center.toml:4: the number 5001 stands here a second time; a number is one device or one queue"
    );
    assert!(
        mistake("[[devices]]\nphone_number = \"50x1\"\n").starts_with("contact-center.toml:2: \"50x1\" is not a phone")
    );
    assert!(mistake("[[users]]\nuser_name = \"a\"\n").contains("either a password or a password_hash"));
    assert!(
        mistake("[[users]]\nuser_name = \"a\"\npassword = \"p\"\nroles = [\"ROLE_KING\"]\n")
            .contains("ROLE_SUPERVISOR")
    );
    for address in ["127.0.0.256", "carrier.example:sip", "-x-", "a b", ":5060", ""] {
        let text = format!("[[trunks]]\nname = \"t\"\naddress = \"{address}\"\n");
        assert!(mistake(&text).contains("127.0.0.1:5080"), "{address}");
    }
    for address in ["10.0.0.1", "10.0.0.1:5080", "carrier.example", "carrier.example:5060", "::1", "[::1]:5060"] {
        file(&format!("[[trunks]]\nname = \"t\"\naddress = \"{address}\"\n")).unwrap();
    }
}

#[test]
fn a_queue_says_how_it_treats_those_who_wait() {
    let queue = |keys: &str| file(&format!("[[queues]]\nphone_number = \"8000\"\nname = \"q\"\n{keys}"));
    let objects = |it: File| it.objects("undertone.local", &BTreeMap::new()).unwrap();
    let plain = Queue::new("8000".parse().unwrap(), "q".into(), BTreeSet::new());
    assert_eq!(objects(queue("").unwrap()).queues, std::slice::from_ref(&plain));
    let keys = "ring_timeout = \"5s\"\noverflow_after = \"1m\"\noverflow_to = \"5001\"\nwrap_up_time = \"0s\"\n\
                max_waiting = 3\n";
    let overflow = Overflow { after: Duration::from_secs(60), to: "5001".parse().unwrap() };
    let wanted = Queue { ring_timeout: Duration::from_secs(5), overflow: Some(overflow), max_waiting: 3, ..plain };
    assert_eq!(objects(queue(keys).unwrap()).queues, [wanted]);
    for (keys, wrong) in [
        ("overflow_after = \"1m\"", "the queue 8000 needs both overflow_after and overflow_to, or neither"),
        ("overflow_after = \"1m\"\noverflow_to = \"8000\"", "the queue 8000 cannot overflow to itself"),
        ("music = \"nowhere.wav\"", "nowhere.wav, cannot be played: "),
        ("ring_timeout = \"0s\"", "a length of time must be longer than nothing"),
        ("wrap_up_time = \"2days\"", "a length of time is a day at most"),
        ("max_waiting = 0", "contact-center.toml:4: "),
    ] {
        let told = queue(keys).unwrap_err().to_string();
        assert!(told.starts_with("contact-center.toml:") && told.contains(wrong), "{told}");
    }
}

//! Broken and hostile SIP: the server is well afterwards, and calls that run meanwhile notice nothing.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream, UdpSocket},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use e2e::{
    AGENT_TONE, CUSTOMER_TONE, Phone, Pjsua, Policy, Probe, SOON, SUPERVISOR_TONE, Scene, Seen, Setup, Sipp, Source,
    Wiring, assert_hears, connect, free_port, listen,
};

/// The torture messages of RFC 4475 and RFC 5118, which `sip-proto` keeps.
fn torture() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip-proto/src/endpoint/tests");
    let mut found = Vec::new();
    for rfc in ["rfc4475", "rfc5118"] {
        let entries = fs::read_dir(folder.join(rfc)).expect("the messages are there");
        for path in entries.flatten().map(|it| it.path()).filter(|it| it.extension().is_some_and(|it| it == "dat")) {
            found.push((path.display().to_string(), fs::read(&path).expect("it can be read")));
        }
    }
    assert_eq!(found.len(), 62);
    found
}

fn connection(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server takes connections");
    stream.set_read_timeout(Some(SOON)).expect("an open connection");
    stream
}

/// Sends these octets on a connection of their own, and waits until the server has closed it too.
fn over_tcp(server: SocketAddr, octets: &[u8]) {
    let mut stream = connection(server);
    // The server may have had enough, and closed, before all of this is written and read.
    let _ = stream.write_all(octets).and_then(|()| stream.shutdown(Shutdown::Write));
    let _ = stream.read_to_end(&mut Vec::new());
}

/// The status line of the answer to an OPTIONS on a connection of its own.
fn ping_over_tcp(server: SocketAddr, name: &str) -> String {
    let mut stream = connection(server);
    stream.write_all(&options(server, name)).expect("an open connection");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("an answer");
    line
}

fn options(server: SocketAddr, name: &str) -> Vec<u8> {
    let text = format!(
        "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{name}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:{server}>\r\nCall-ID: {name}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    text.into_bytes()
}

/// The domain is that of most of the messages, and they come from the trunk, so that they get as far as they can.
#[test]
fn rfc4475_3_and_rfc5118_4_torture() {
    let scene = Scene::new(&Setup::new().with("sip", "domain = \"example.com\""));
    let (mut agent, mut customer) = (scene.agent(), scene.customer());
    let sip = scene.server.sip;
    for (index, (name, message)) in torture().iter().enumerate() {
        customer.send_raw(message);
        assert_eq!(customer.ping(), 200, "after {name} over UDP");
        over_tcp(sip, message);
        let answer = ping_over_tcp(sip, &format!("ping{index}"));
        assert!(answer.starts_with("SIP/2.0 200 "), "after {name} over TCP: {answer}");
    }
    connect(&mut customer, &mut agent, "5001");
    let heard = listen(1.8, &mut [&mut customer, &mut agent]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE]);
    agent.hang_up();
    customer.wait_ended();
}

/// SIPp at an address of its own: those who talk are at 127.0.0.1.
fn flood(scene: &Scene, scenario: &str, address: &str) -> Sipp {
    let more = ["-i", address, "-r", "1500", "-m", "1000000", "-l", "100000"];
    Sipp::start(scene.server.sip, scenario, free_port(), &more)
}

fn figure(scene: &Scene, name: &str) -> f64 {
    let metrics = scene.server.http().send("GET", "/metrics", &[], None).body;
    metrics.lines().find_map(|it| it.strip_prefix(name)?.trim_start().parse().ok()).unwrap_or(0.0)
}

/// How many requests the server has shed so far, one way or the other.
fn shed(scene: &Scene, how: &str) -> f64 {
    figure(scene, &format!("undertone_sip_requests_shed_total{{how=\"{how}\"}}"))
}

/// Packets that are missing in what a phone has been sent since its first `skipped` ones.
fn missing(phone: &Probe, skipped: usize) -> u32 {
    let packets = phone.packets();
    let steps = packets[skipped..].windows(2).map(|it| u32::from(it[1].sequence.wrapping_sub(it[0].sequence)) - 1);
    steps.sum()
}

#[test]
fn floods_are_shed_while_calls_run() {
    let scene = Scene::with(&Setup::new(), &["agent1"]);
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut customer = scene.customer();
    let colleague = Probe::device(&scene.server, "5002", e2e::Source::Silent);
    connect(&mut customer, &mut agent, "5001");
    customer.wait_packets(20);
    let begun = customer.packets().len();
    let floods = [flood(&scene, "flood_register", "127.0.0.2"), flood(&scene, "flood_invite", "127.0.0.3")];
    let until = Instant::now() + SOON;
    while shed(&scene, "refused") < 500.0 || shed(&scene, "dropped") < 2_000.0 {
        assert!(Instant::now() < until, "refused {}, dropped {}", shed(&scene, "refused"), shed(&scene, "dropped"));
        thread::sleep(Duration::from_millis(200));
    }
    let heard = listen(2.0, &mut [&mut customer, &mut agent]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &[AGENT_TONE]);
    assert_eq!(missing(&customer, begun), 0, "nothing of the running call is lost");
    agent.hold();
    scene.until("the call is held", |it| it.calls("agent1")[0]["state"] == "Held");
    agent.retrieve();
    let heard = listen(1.8, &mut [&mut customer]);
    assert_hears("customer", &heard[0], &[AGENT_TONE], &[CUSTOMER_TONE]);
    agent.hang_up();
    customer.wait_ended();
    // Those who are known are let in even now; everybody is when it is over.
    let mut colleague = colleague;
    connect(&mut customer, &mut colleague, "5002");
    customer.hang_up();
    drop(floods);
    connect(&mut customer, &mut agent, "5001");
    agent.hang_up();
}

/// Tries passwords for a number until the server no longer looks at them. On a slow machine it does again after the first
/// seconds, and then waits twice as long each time.
fn guess(scene: &Scene, number: &str) -> Probe {
    let wiring = Wiring { secret: Some("wrong".to_owned()), ..Wiring::default() };
    let guesser = Probe::unregistered(&scene.server, number, Source::Silent, wiring);
    let tries: Vec<_> = (0..12).map(|_| guesser.register(300)).take_while(|it| *it == 403).collect();
    assert!(tries.len() < 12, "{number}: {tries:?}");
    let wait: u32 = seen(&guesser, "503 REGISTER").header("Retry-After").expect("when").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    guesser
}

#[test]
fn whoever_guesses_passwords_waits_and_registered_phones_do_not() {
    let scene = Scene::new(&Setup::new());
    let mut agent = Pjsua::device(&scene.server, "5001", AGENT_TONE, Policy::Answer);
    let mut colleague = Probe::device(&scene.server, "5002", Source::Tone(CUSTOMER_TONE));
    guess(&scene, "5999");
    guess(&scene, "5002");
    let mut guesser = guess(&scene, "5001");
    let calls = (0..12).map(|_| guesser.dial_and_wait("5002")).find(|it| *it != 403);
    assert_eq!(calls, Some(503), "it may not call either");
    assert_eq!(colleague.register(300), 200, "from the guesser's own address, and from where it was");
    connect(&mut agent, &mut colleague, "5002");
    let heard = listen(1.8, &mut [&mut agent, &mut colleague]);
    assert_hears("agent", &heard[0], &[CUSTOMER_TONE], &[AGENT_TONE]);
    assert_hears("colleague", &heard[1], &[AGENT_TONE], &[CUSTOMER_TONE]);
    agent.hang_up();
    colleague.wait_ended();
    scene.server.logged("too many wrong SIP passwords");
    scene.until("it is counted", |it| {
        figure(it, "undertone_sip_logins_failed_total") >= 15.0
            && figure(it, "undertone_sip_logins_held_off_total") >= 4.0
    });
}

/// Somebody who has seen every message of a call, at a port of his own.
struct Forger {
    socket: UdpSocket,
    server: SocketAddr,
    count: u32,
}

impl Forger {
    fn at(address: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("every address of the loopback network is ours");
        socket.set_read_timeout(Some(SOON)).expect("a bound socket");
        Self { socket, server, count: 0 }
    }

    /// Sends a request in the name of the caller to whom the server sent `answer`, with `changed` replaced in it; answers
    /// with the status that comes back.
    fn forge(&mut self, answer: &Seen, method: &str, changed: (&str, &str)) -> String {
        self.count += 1;
        let field = |name: &str| answer.header(name).unwrap_or_default();
        let port = self.socket.local_addr().expect("a bound socket");
        let sdp = format!(
            "v=0\r\no=- 1 9 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\na=inactive\r\n",
            port.port(),
            ip = port.ip()
        );
        let body = if matches!(method, "INVITE" | "UPDATE") { sdp } else { String::new() };
        let text = format!(
            "{method} sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {port};branch=z9hG4bKforged-{port}-{count};rport\r\n\
             Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\nContact: <sip:x@{port}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            field("From"),
            field("To"),
            field("Call-ID"),
            100 + self.count,
            body.len(),
            server = self.server,
            count = self.count,
        );
        self.ask(&text.replace(changed.0, changed.1))
    }

    fn ask(&self, text: &str) -> String {
        self.socket.send_to(text.as_bytes(), self.server).expect("loopback");
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{error}: no answer to\n{text}"));
        String::from_utf8_lossy(&buffer[..length]).split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// Sends noise as loud as can be, and a goodbye in RTCP, to where a leg's sound goes for as long as `work` takes.
    fn shout<T>(&self, leg: SocketAddr, ssrc: u32, work: impl FnOnce() -> T) -> T {
        let socket = self.socket.try_clone().expect("a bound socket");
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let shouting = thread::spawn(move || {
            let mut packet = vec![0x80, 0, 0, 0, 0, 0, 0, 0];
            packet.extend(ssrc.to_be_bytes());
            // A square wave of 500 Hz in mu-law.
            packet.extend((0..160).map(|it| if it % 16 < 8 { 0x80 } else { 0x00 }));
            let mut goodbye = vec![0x81, 203, 0, 1];
            goodbye.extend(ssrc.to_be_bytes());
            for sequence in 0_u16.. {
                packet[2..4].copy_from_slice(&sequence.to_be_bytes());
                packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
                let above = SocketAddr::new(leg.ip(), leg.port() + 1);
                let _ = socket.send_to(&packet, leg).and_then(|_| socket.send_to(&goodbye, above));
                if stopped.recv_timeout(Duration::from_millis(20)) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        let done = work();
        drop(stop);
        shouting.join().expect("it only sends");
        done
    }
}

fn seen(phone: &Probe, summary: &str) -> Seen {
    phone.seen().into_iter().find(|it| it.summary == summary).expect("it was waited for")
}

#[test]
fn forgeries_change_nothing() {
    let scene = Scene::with(&Setup::new(), &["agent1", "super1"]);
    let (mut agent, mut customer, mut supervisor) = (scene.agent(), scene.customer(), scene.supervisor());
    scene.listen_in("super1", "5001", &serde_json::json!({}));
    let sip = scene.server.sip;
    agent.policy(Policy::Ring);
    customer.dial("5001");
    customer.wait_received("180 INVITE", 1);
    let (mut far, mut near) = (Forger::at("127.0.0.4", sip), Forger::at("127.0.0.1", sip));
    let via = |seen: &Seen| seen.header("Via").unwrap_or_default();
    let ringing = seen(&customer, "180 INVITE");
    let cancel = format!(
        "CANCEL sip:5001@{sip} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: <sip:5001@{sip}>\r\n\
         Call-ID: {}\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
        via(&ringing).split(";received").next().unwrap_or_default(),
        ringing.header("From").unwrap_or_default(),
        ringing.header("Call-ID").unwrap_or_default(),
    );
    assert_eq!(far.ask(&cancel.replace(";branch", ";rport;branch")), "481", "CANCEL from elsewhere");
    assert_eq!(near.ask(&cancel.replace("z9hG4bK", "z9hG4bKx").replace(";branch", ";rport;branch")), "481");
    assert!(!agent.received().contains(&"CANCEL".to_owned()));
    agent.answer();
    customer.wait_established();
    supervisor.wait_established();
    customer.wait_packets(20);
    supervisor.wait_packets(20);
    let answer = seen(&customer, "200 INVITE");
    for method in ["BYE", "INVITE", "UPDATE", "OPTIONS"] {
        assert_eq!(far.forge(&answer, method, ("", "")), "401", "{method} from elsewhere");
        for changed in [("tag=", "tag=x"), ("Call-ID: ", "Call-ID: x"), (";tag=t", ";tag=u")] {
            assert_eq!(near.forge(&answer, method, changed), "481", "{method} with {changed:?}");
        }
    }
    let (leg, ssrc) = (customer.media_remote().expect("it talks"), agent.packets()[0].ssrc);
    let agents = agent.media_remote().expect("it talks");
    let heard = far.shout(leg, ssrc, || {
        near.shout(agents, ssrc, || listen(1.8, &mut [&mut customer, &mut agent, &mut supervisor]))
    });
    let noise = [500, SUPERVISOR_TONE];
    assert_hears("customer", &heard[0], &[AGENT_TONE], &noise);
    assert_hears("agent", &heard[1], &[CUSTOMER_TONE], &noise);
    assert_hears("supervisor", &heard[2], &[CUSTOMER_TONE, AGENT_TONE], &noise);
    assert_eq!(missing(&customer, 0) + missing(&agent, 0), 0);
    assert_eq!((agent.hold(), agent.retrieve()), (200, 200));
    agent.hang_up();
    customer.wait_ended();
    supervisor.wait_ended();
}

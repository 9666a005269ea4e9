//! A datagram over a real socket on the loopback interface.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use clock::Time;
use domain::ids::LegId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

use super::*;

struct NoPorts;

impl Ports for NoPorts {
    fn lease(&mut self, _: LegId) -> Option<u16> {
        None
    }

    fn release(&mut self, _: LegId) {}
}

impl Host for NoPorts {}

#[tokio::test]
async fn options_is_answered_over_the_socket() {
    assert_answers(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), |port| (Ipv4Addr::LOCALHOST, port).into()).await;
}

#[tokio::test]
async fn one_socket_answers_peers_of_both_families() {
    let every = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    assert_answers(every, |port| (Ipv4Addr::LOCALHOST, port).into()).await;
    assert_answers(every, |port| (Ipv6Addr::LOCALHOST, port).into()).await;
}

/// OPTIONS to `listen`, which is reached at `at(port)`.
async fn assert_answers(listen: SocketAddr, at: fn(u16) -> SocketAddr) {
    let settings = Settings {
        domain: "undertone.local".into(),
        listen,
        tcp: None,
        advertise: None,
        dns: None,
        session_expires: Duration::from_secs(1800),
        media: Ipv4Addr::LOCALHOST.into(),
        media6: None,
    };
    let mut sip = Sip::bind(&settings, 1).expect("loopback can be bound");
    let phone = UdpSocket::bind(at(0)).await.expect("loopback can be bound");
    let request = "OPTIONS sip:undertone.local SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:1;rport;branch=z9hG4bK1\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:undertone.local>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
        Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    let to = at(sip.local_addr().expect("it is bound").port());
    phone.send_to(request.as_bytes(), to).await.expect("loopback takes it");
    sip.readable().await.expect("the runtime lives");
    let mut events = Vec::new();
    sip.receive(&mut NoPorts, Time::from_unix_ms(0), &mut events);
    let mut buffer = [0; 2000];
    let (length, _) = phone.recv_from(&mut buffer).await.expect("an answer comes");
    let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
    assert!(answer.contains("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, REGISTER\r\n"), "{answer}");
    assert!(events.is_empty());
    assert_eq!(sip.counters(), Counters { received: 1, sent: 1, dropped: 0 });
}

#[tokio::test]
async fn a_connection_carries_messages_and_pings_and_is_closed_for_nonsense() {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let settings = Settings {
        domain: "undertone.local".into(),
        listen: loopback,
        tcp: Some(loopback),
        advertise: None,
        dns: None,
        session_expires: Duration::from_secs(1800),
        media: Ipv4Addr::LOCALHOST.into(),
        media6: None,
    };
    let mut sip = Sip::bind(&settings, 1).expect("loopback can be bound");
    let mut phone = TcpStream::connect(sip.connections.local_addr()).await.expect("it listens");
    let request = "\r\n\r\nOPTIONS sip:undertone.local SIP/2.0\r\n\
        Via: SIP/2.0/TCP 127.0.0.1:1;branch=z9hG4bK1\r\n\
        From: <sip:a@b>;tag=1\r\nTo: <sip:undertone.local>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
        Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
    phone.write_all(request.as_bytes()).await.expect("it is taken");
    let mut answer = String::new();
    while !answer.ends_with("\r\n\r\n") {
        answer.push_str(&driven(&mut sip, &mut phone).await);
    }
    assert!(answer.starts_with("\r\nSIP/2.0 200 OK\r\n"), "{answer}");
    phone.write_all(b"no SIP at all\r\n\r\n").await.expect("it is taken");
    assert_eq!(driven(&mut sip, &mut phone).await, "", "the connection is closed");
}

/// What the phone reads next while the server runs; nothing at the end.
async fn driven(sip: &mut Sip, phone: &mut TcpStream) -> String {
    let mut buffer = [0; 2000];
    let mut events = Vec::new();
    loop {
        tokio::select! {
            length = phone.read(&mut buffer) => {
                return String::from_utf8_lossy(&buffer[..length.expect("it can be read")]).into_owned();
            }
            readable = sip.readable() => {
                readable.expect("the runtime lives");
                sip.receive(&mut NoPorts, Time::from_unix_ms(0), &mut events);
            }
        }
    }
}

#[test]
fn one_address_cannot_take_all_connections() {
    let room = connections::Room::default();
    let take =
        |address: [u8; 4], count: usize| -> Vec<_> { (0..count).map_while(|_| room.place(address.into())).collect() };
    let greedy = take([192, 0, 2, 1], connections::CONNECTIONS_MAX);
    assert_eq!(greedy.len(), 1_024);
    let office = take([192, 0, 2, 2], 1_000);
    assert_eq!(office.len(), 1_000);
    let many: Vec<_> = (3..70).map(|it| take([192, 0, 2, it], 1_000)).collect();
    assert!(many.iter().skip(1).all(|it| it.len() <= 56), "whoever has many gets no more");
    assert!(!many[60].is_empty(), "there is room for somebody else");
    drop((greedy, office, many));
    assert_eq!(take([192, 0, 2, 1], 2_000).len(), 1_024, "places are given back");
}

#[test]
fn rfc2782_the_lowest_priority_first_and_by_weight_within_it() {
    let service =
        |priority, weight, host: &str| locate::Service { priority, weight, port: 5060, host: host.to_owned() };
    let all =
        || vec![service(2, 0, "last"), service(1, 90, "often"), service(1, 10, "seldom"), service(1, 0, "hardly")];
    let mut random = rand_chacha::rand_core::SeedableRng::seed_from_u64(1);
    let mut first = std::collections::BTreeMap::new();
    for _ in 0..1000 {
        let order = locate::in_order(all(), &mut random);
        assert_eq!((order.len(), order[3].host.as_str()), (4, "last"));
        *first.entry(order[0].host.clone()).or_insert(0) += 1;
    }
    assert!(first["often"] > 800 && (50..200).contains(&first["seldom"]), "{first:?}");
    assert!(first["hardly"] > 0, "{first:?}");
}

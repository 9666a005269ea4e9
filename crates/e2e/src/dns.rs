//! A name server that answers from a list, so that a test decides where names lead.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::Duration,
};

/// What one record says.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An address.
    A(Ipv4Addr),
    /// Priority, weight, port and host.
    Srv(u16, u16, u16, &'static str),
    /// Order, service and the name of its SRV records.
    Naptr(u16, &'static str, &'static str),
}

impl Answer {
    const fn kind(&self) -> u16 {
        match self {
            Self::A(_) => 1,
            Self::Srv(..) => 33,
            Self::Naptr(..) => 35,
        }
    }

    fn data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        match self {
            Self::A(ip) => data.extend(ip.octets()),
            Self::Srv(priority, weight, port, host) => {
                for it in [priority, weight, port] {
                    data.extend(it.to_be_bytes());
                }
                data.extend(name(host));
            }
            Self::Naptr(order, service, replacement) => {
                data.extend(order.to_be_bytes());
                data.extend(10_u16.to_be_bytes());
                for text in ["s", service, ""] {
                    data.push(u8::try_from(text.len()).expect("a short text"));
                    data.extend(text.as_bytes());
                }
                data.extend(name(replacement));
            }
        }
        data
    }
}

/// Answers for as long as the test runs; what is not in the list does not exist. Gives its address.
///
/// # Panics
/// If loopback cannot be bound.
#[must_use]
pub fn name_server(records: Vec<(&'static str, Answer)>) -> SocketAddr {
    let mut zone: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
    for (name, answer) in records {
        zone.entry(name.to_owned()).or_default().push(answer);
    }
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("loopback can be bound");
    let at = socket.local_addr().expect("it is bound");
    socket.set_read_timeout(Some(Duration::from_secs(90))).expect("it can wait");
    thread::spawn(move || {
        let mut query = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(response) = respond(&query[..length], &zone) {
                // Whoever asked may have gone.
                let _ = socket.send_to(&response, from);
            }
        }
    });
    at
}

fn respond(query: &[u8], zone: &BTreeMap<String, Vec<Answer>>) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    let question = query.get(12..at + 4)?;
    let known = zone.get(&labels.join("."));
    let answers: Vec<_> = known.into_iter().flatten().filter(|it| it.kind() == kind).collect();
    let mut response = query.get(..2)?.to_vec();
    // A response, recursion available; NXDOMAIN where the name is not known at all.
    response.extend([0x85, if known.is_some() { 0x80 } else { 0x83 }]);
    for count in [1, answers.len(), 0, 0] {
        response.extend(u16::try_from(count).ok()?.to_be_bytes());
    }
    response.extend(question);
    for it in answers {
        // The name is the one at offset 12; class IN, two seconds to live.
        response.extend([0xc0, 12]);
        response.extend(it.kind().to_be_bytes());
        response.extend([0, 1, 0, 0, 0, 2]);
        let data = it.data();
        response.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        response.extend(data);
    }
    Some(response)
}

fn name(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in text.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a short label"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

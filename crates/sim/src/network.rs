//! A bad network: it loses, doubles, delays and reorders datagrams, as the seed has it.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use clock::Time;
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

/// A datagram under way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Datagrams lost, of a thousand.
    pub(crate) lost: u32,
    /// Datagrams doubled, of a thousand.
    pub(crate) doubled: u32,
    /// The longest delay in milliseconds; every datagram draws its own, so they overtake each other.
    pub(crate) delay_ms_max: u32,
}

/// Datagrams under way, by when they arrive.
pub(crate) struct Network {
    pub(crate) weather: Weather,
    flying: BTreeMap<(Time, u64), Packet>,
    sent: u64,
}

impl Network {
    pub(crate) fn new(weather: Weather) -> Self {
        Self { weather, flying: BTreeMap::new(), sent: 0 }
    }

    pub(crate) fn send(&mut self, packet: &Packet, chance: &mut ChaCha8Rng, now: Time) {
        let Weather { lost, doubled, delay_ms_max } = self.weather;
        if chance.next_u32() % 1000 < lost {
            return;
        }
        let copies = if chance.next_u32() % 1000 < doubled { 2 } else { 1 };
        for _ in 0..copies {
            let delay = 1 + chance.next_u32() % delay_ms_max.max(1);
            self.sent += 1;
            self.flying.insert((now + Duration::from_millis(delay.into()), self.sent), packet.clone());
        }
    }

    pub(crate) fn next(&self) -> Option<Time> {
        self.flying.first_key_value().map(|((at, _), _)| *at)
    }

    /// What has arrived by now.
    pub(crate) fn arrived(&mut self, now: Time) -> Option<Packet> {
        let first = self.flying.first_entry().filter(|it| it.key().0 <= now)?;
        Some(first.remove())
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }
}

/// The server's address.
pub(crate) fn server_address() -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1), 5060).into()
}

/// The trunk's address: every caller behind it sends from there.
pub(crate) fn trunk_address(line: u8) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 9, 9), 5080 + u16::from(line)).into()
}

/// A phone's address.
pub(crate) fn phone_address(line: u8) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 1, line), 5060).into()
}

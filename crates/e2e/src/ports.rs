//! Hands out ports of 127.0.0.1 that nothing uses, below those that the system gives to outgoing connections.

use std::{
    net::{TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A port that is free for UDP and TCP.
#[must_use]
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of `count` neighbouring ports, all free for UDP, the first for TCP too. Even, as RTP wants it.
///
/// # Panics
/// If the machine has no such ports left.
#[must_use]
pub fn free_ports(count: u16) -> u16 {
    // Another process that runs these tests starts elsewhere in the range.
    let start = process::id().wrapping_mul(977);
    let stride = u32::from(count.next_multiple_of(2));
    for _ in 0..u32::from(LAST - FIRST) {
        let offset = start.wrapping_add(NEXT.fetch_add(stride, Ordering::Relaxed)) % u32::from(LAST - FIRST);
        let Ok(offset) = u16::try_from(offset & !1) else { continue };
        let first = FIRST + offset;
        if first + count <= LAST && is_free(first, count) {
            return first;
        }
    }
    panic!("no {count} free ports between {FIRST} and {LAST}");
}

fn is_free(first: u16, count: u16) -> bool {
    TcpListener::bind(("127.0.0.1", first)).is_ok()
        && (first..first + count).all(|it| UdpSocket::bind(("127.0.0.1", it)).is_ok())
}

const FIRST: u16 = 10_000;
const LAST: u16 = 32_000;
static NEXT: AtomicU32 = AtomicU32::new(0);

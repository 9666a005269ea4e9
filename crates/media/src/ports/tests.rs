//! Ports found, skipped and returned.

use std::net::Ipv4Addr;

use super::*;

/// Six ports above the range that Linux gives to sockets that ask for any, so that no other test meets them.
fn ports(range: RangeInclusive<u16>) -> Ports {
    Ports::new(Ipv4Addr::LOCALHOST.into(), &range, 4_000_000_001)
}

#[test]
fn every_pair_is_even_and_its_own_until_none_is_left() {
    let ports = ports(61_001..=61_007);
    let leases: Vec<Lease> = std::iter::from_fn(|| ports.lease()).collect();
    let mut found: Vec<u16> = leases.iter().map(Lease::rtp_port).collect();
    found.sort_unstable();
    assert_eq!(found, [61_002, 61_004, 61_006]);
    assert_eq!(leases[0].rtcp.local_addr().unwrap().port(), leases[0].rtp_port() + 1);
    assert_eq!((ports.leased(), ports.pairs()), (3, 3));
    drop(leases);
    assert_eq!(ports.leased(), 0);
    assert!(ports.lease().is_some());
}

#[test]
fn pairs_that_others_use_are_skipped() {
    let ports = ports(61_010..=61_013);
    let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 61_011)).unwrap();
    let lease = ports.lease().unwrap();
    assert_eq!(lease.rtp_port(), 61_012);
    assert!(ports.lease().is_none());
    drop(other);
    assert_eq!(ports.lease().unwrap().rtp_port(), 61_010);
}

#[test]
fn a_returned_pair_rests_while_others_are_free() {
    let ports = ports(61_020..=61_025);
    let mut seen: Vec<u16> = (0..3).map(|_| ports.lease().unwrap().rtp_port()).collect();
    seen.sort_unstable();
    assert_eq!(seen, [61_020, 61_022, 61_024]);
}

#[test]
fn a_range_without_a_pair_has_nothing_to_lease() {
    assert!(ports(61_031..=61_031).lease().is_none());
    assert!(ports(65_535..=65_535).lease().is_none());
}

//! Shares: what one address may do, what all may do, and what each keeps.

use super::*;

const START: Time = Time::from_unix_ms(1_700_000_000_000);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// What becomes of `count` requests from there at once: let in, refused, dropped.
fn flood(shares: &mut Shares, source: IpAddr, count: usize, now: Time) -> [usize; 3] {
    let mut seen = [0; 3];
    for _ in 0..count {
        let was_spent = shares.is_spent(source, now);
        let verdict = shares.take(source, now);
        assert_eq!(was_spent, verdict == Verdict::Drop, "what would be dropped can be dropped unread");
        seen[verdict as usize] += 1;
    }
    seen
}

fn usual() -> Shares {
    Shares::new(Rates::default())
}

#[test]
fn a_stranger_has_a_burst_and_then_a_rate() {
    let (mut shares, source) = (usual(), ip("192.0.2.1"));
    assert_eq!(flood(&mut shares, source, 5_000, START), [200, 200, 4_600]);
    assert_eq!(flood(&mut shares, source, 5_000, START + Duration::from_millis(500)), [50, 50, 4_900]);
    assert_eq!(flood(&mut shares, source, 5_000, START + Duration::from_secs(60)), [200, 200, 4_600]);
    assert_eq!(shares.shed, Shed { refused: 450, dropped: 14_100 });
}

#[test]
fn a_flood_leaves_the_shares_of_others() {
    let mut shares = usual();
    flood(&mut shares, ip("192.0.2.1"), 50_000, START);
    assert_eq!(flood(&mut shares, ip("192.0.2.2"), 150, START), [150, 0, 0]);
}

#[test]
fn who_has_proved_himself_has_far_more_for_two_hours() {
    let (mut shares, source) = (usual(), ip("192.0.2.1"));
    shares.vouch(source, START);
    assert_eq!(flood(&mut shares, source, 10_000, START), [4_000, 4_000, 2_000]);
    let later = START + Duration::from_secs(7_200);
    assert_eq!(flood(&mut shares, source, 1_000, later), [200, 200, 600]);
}

#[test]
fn strangers_together_leave_room_for_the_known() {
    let mut shares = usual();
    shares.vouch(ip("198.51.100.1"), START);
    let all = (0..100).map(|it| flood(&mut shares, IpAddr::from([192, 0, 2, it]), 100, START));
    assert_eq!(all.map(|it| it[0]).sum::<usize>(), 2_000);
    assert_eq!(flood(&mut shares, ip("198.51.100.1"), 1_000, START), [1_000, 0, 0]);
}

#[test]
fn a_network_of_ip6_is_one_sender() {
    let mut shares = usual();
    flood(&mut shares, ip("2001:db8::1"), 1_000, START);
    assert_eq!(shares.take(ip("2001:db8::ffff:1"), START), Verdict::Drop);
    assert_eq!(shares.take(ip("2001:db8:0:1::1"), START), Verdict::Pass);
    assert_eq!(shares.take(ip("::ffff:192.0.2.1"), START), Verdict::Pass);
    assert!(shares.each.contains_key(&ip("192.0.2.1")), "an IPv4 address is one, however it is written");
}

#[test]
fn addresses_without_number_take_a_bounded_room() {
    let mut shares = usual();
    let known = ip("198.51.100.1");
    shares.vouch(known, START);
    for second in 0..5 {
        for it in 0..100_000_u32 {
            shares.take(IpAddr::from((0x0A00_0000 + it).to_be_bytes()), START + Duration::from_secs(second));
        }
    }
    assert!(shares.each.len() <= SOURCES_MAX);
    assert_eq!(shares.take(known, START), Verdict::Pass);
    shares.vouch(ip("198.51.100.2"), START);
    assert_eq!(shares.take(ip("198.51.100.2"), START), Verdict::Pass, "who proves himself finds room");
    let later = START + Duration::from_secs(600);
    assert_eq!(flood(&mut shares, ip("192.0.2.1"), 1_000, later), [200, 200, 600], "the others have made room");
    assert!(shares.each.len() < 10);
}

#[test]
fn what_begins_something_is_seen_at_a_glance() {
    let with =
        |first: &str, to: &str| format!("{first} SIP/2.0\r\nf: <sip:a@b>;tag=1\r\n{to}\r\nCSeq: 1 X\r\n\r\nto: ;tag=2");
    for (first, to, expected) in [
        ("INVITE sip:a@b", "To: <sip:a@b>", true),
        ("INVITE sip:a@b", "To: <sip:a@b>;tag=1", false),
        ("INVITE sip:a@b", "t : sip:a@b ;Tag=1", false),
        ("INVITE sip:a@b", "To: <sip:a@b>\r\n ;tag=1", false),
        ("REGISTER sip:b", "TO:sip:a@b", true),
        ("REGISTER sip:b", "", true),
        ("ACK sip:a@b", "To: <sip:a@b>", false),
        ("CANCEL sip:a@b", "To: <sip:a@b>", false),
        ("BYE sip:a@b", "To: <sip:a@b>", false),
    ] {
        assert_eq!(begins(with(first, to).as_bytes()), expected, "{first} {to}");
    }
    assert!(!begins(b"SIP/2.0 200 OK\r\n\r\n"));
    assert!(begins(b"\xff\xff") && begins(b""));
}

//! A phone on loopback that speaks in levels: every packet it sends holds one level throughout.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    num::NonZeroUsize,
    ops::RangeInclusive,
    sync::mpsc::Receiver,
    time::Duration,
};

use domain::ids::{CallId, LegId};
use media::{Codec, Event, Media, Remote, Settings};
use media_proto::rtp::{Header, Packet};

pub(crate) const CALL: CallId = CallId(7);
pub(crate) const FRAME: usize = 160;

/// Long enough for a machine that does other things; nobody waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Phone {
    pub(crate) leg: LegId,
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    pub(crate) server: SocketAddr,
    codec: Codec,
    next: Header,
}

/// A packet that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) header: Header,
    pub(crate) octets: usize,
    pub(crate) payload: [u8; FRAME],
}

pub(crate) fn start(ports: RangeInclusive<u16>, silent_after: Duration) -> (Media, Receiver<Event>) {
    let workers = NonZeroUsize::new(2);
    let bind = Ipv4Addr::LOCALHOST.into();
    Media::start(&Settings { bind, ports, workers, silent_after, seed: [3; 32] }).expect("a thread and an epoll")
}

/// Sets the matrix of [`CALL`] and waits until it is in force.
pub(crate) fn hear(media: &mut Media, events: &Receiver<Event>, version: u64, rows: &[(&Phone, &[&Phone])]) {
    hear_call(media, events, CALL, version, rows);
}

/// Sets the matrix of a call and waits until it is in force.
pub(crate) fn hear_call(
    media: &mut Media,
    events: &Receiver<Event>,
    call: CallId,
    version: u64,
    rows: &[(&Phone, &[&Phone])],
) {
    let row = |(phone, hears): &(&Phone, &[&Phone])| (phone.leg, hears.iter().map(|it| it.leg).collect());
    media.matrix(call, version, rows.iter().map(row).collect(), &std::collections::BTreeMap::new());
    media.flush();
    loop {
        if events.recv_timeout(PATIENCE).expect("an answer to the matrix") == (Event::Applied { call, version }) {
            return;
        }
    }
}

impl Phone {
    pub(crate) fn join(media: &mut Media, leg: u64, codec: Codec) -> Self {
        Self::join_call(media, CALL, leg, codec)
    }

    pub(crate) fn join_call(media: &mut Media, call: CallId, leg: u64, codec: Codec) -> Self {
        let socket = || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            socket
        };
        let lease = media.ports().lease().expect("free ports");
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, lease.rtp_port()));
        let ssrc = 0xBEEF_0000 + leg as u32;
        let next = Header { marker: true, payload_type: codec.payload_type(), sequence: 65_500, timestamp: 1, ssrc };
        let phone = Self { leg: LegId(leg), rtp: socket(), rtcp: socket(), server, codec, next };
        media.open(call, phone.leg, lease).expect("room for an order");
        media.configure(phone.leg, phone.remote());
        media.flush();
        phone
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote {
            rtp: self.rtp.local_addr().expect("bound"),
            rtcp: self.rtcp.local_addr().expect("bound"),
            codec: self.codec,
            payload_type: self.codec.payload_type(),
            telephone_event: None,
            telephone_event_in: None,
            sending: true,
            receiving: true,
        }
    }

    /// Sends 20 ms at this level; returns the payload.
    pub(crate) fn speak(&mut self, level: i16) -> [u8; FRAME] {
        let mut packet = [0; 12 + FRAME];
        packet[..12].copy_from_slice(&self.next.octets());
        self.codec.encode(&[level; FRAME], &mut packet[12..]);
        self.rtp.send_to(&packet, self.server).expect("loopback takes it");
        self.next.marker = false;
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.next.timestamp = self.next.timestamp.wrapping_add(FRAME as u32);
        packet[12..].try_into().expect("160 octets")
    }

    /// The next packet that comes.
    pub(crate) fn hear(&self) -> Heard {
        self.take().expect("a packet in time")
    }

    /// The packets that are here already.
    pub(crate) fn rest(&self) -> Vec<Heard> {
        self.rtp.set_nonblocking(true).expect("a socket that obeys");
        let rest = std::iter::from_fn(|| self.take()).collect();
        self.rtp.set_nonblocking(false).expect("a socket that obeys");
        rest
    }

    /// The level of a packet: that of its middle.
    pub(crate) fn level(&self, heard: &Heard) -> i16 {
        let mut samples = [0; FRAME];
        self.codec.decode(&heard.payload, &mut samples);
        samples[FRAME / 2]
    }

    /// The next packet, unless none comes for as long as the socket waits.
    pub(crate) fn take(&self) -> Option<Heard> {
        let mut datagram = [0; 2048];
        let (length, from) = match self.rtp.recv_from(&mut datagram) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            received => received.expect("a socket that works"),
        };
        assert_eq!(from, self.server, "what we hear comes from where we send");
        let packet = Packet::parse(&datagram[..length]).expect("RTP");
        let octets = packet.payload.len();
        let mut payload = [0; FRAME];
        payload[..octets.min(FRAME)].copy_from_slice(&datagram[packet.payload.start..][..octets.min(FRAME)]);
        Some(Heard { header: packet.header, octets, payload })
    }
}

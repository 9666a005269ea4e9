//! The bare loop that the server is compared with: epoll, recvfrom, sendto, and nothing else.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use rustix::{buffer::spare_capacity, event::epoll};

use crate::Failed;

/// The loop in a process of its own, so that its CPU time is counted as the server's is.
pub(crate) struct Bare {
    child: Child,
    /// The ports, `legs` for each call.
    ports: Vec<u16>,
}

impl Bare {
    /// Starts it with sockets for so many calls.
    pub(crate) fn start(calls: usize, legs: usize) -> Result<Self, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([NAME, &calls.to_string(), &legs.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let ports = line.split_whitespace().map(str::parse).collect::<Result<Vec<u16>, _>>()?;
        Ok(Self { child, ports })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where the leg of that place sends to.
    pub(crate) fn port(&self, place: usize) -> Option<u16> {
        self.ports.get(place).copied()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself: what comes to the first socket of a call goes out of the second and the other way round; what
/// comes to a third goes back, since the server is sent as much by a listener as it sends.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failed> {
    let [calls, legs] = arguments else { return Err("calls and legs are needed".into()) };
    let (calls, legs): (usize, usize) = (calls.parse()?, legs.parse()?);
    // The server has a socket for RTCP beside each.
    let mut sockets = Vec::new();
    let mut idle = Vec::new();
    let epoll: OwnedFd = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    for place in 0..calls * legs {
        let (rtp, rtcp) = (UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
        rtp.set_nonblocking(true)?;
        epoll::add(&epoll, &rtp, epoll::EventData::new_u64(place as u64), epoll::EventFlags::IN)?;
        rtcp.set_nonblocking(true)?;
        epoll::add(&epoll, &rtcp, epoll::EventData::new_u64(IDLE | place as u64), epoll::EventFlags::IN)?;
        sockets.push(rtp);
        idle.push(rtcp);
    }
    let ports = sockets.iter().map(|it| Ok(it.local_addr()?.port().to_string())).collect::<Result<Vec<_>, Failed>>()?;
    println!("{}", ports.join(" "));
    std::io::stdout().flush()?;
    relay(&epoll, &sockets, &idle, legs)
}

fn relay(epoll: &OwnedFd, sockets: &[UdpSocket], idle: &[UdpSocket], legs: usize) -> Result<(), Failed> {
    let mut peers: Vec<Option<SocketAddr>> = vec![None; sockets.len()];
    let mut events = Vec::with_capacity(256);
    let mut datagram = [0; 2048];
    loop {
        events.clear();
        epoll::wait(epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let data = { event.data }.u64();
            if data & IDLE != 0 {
                // A stray datagram that nobody reads would keep the loop awake for ever.
                let _ = idle.get((data & !IDLE) as usize).map(|it| it.recv(&mut datagram));
                continue;
            }
            let place = data as usize;
            let Some(socket) = sockets.get(place) else { continue };
            let Ok((length, from)) = socket.recv_from(&mut datagram) else { continue };
            peers[place] = Some(from);
            let other = match place % legs {
                0 => place + 1,
                1 => place - 1,
                _ => place,
            };
            if let (Some(socket), Some(to)) = (sockets.get(other), peers.get(other).copied().flatten()) {
                // A full buffer is a packet lost, as on any network.
                let _ = socket.send_to(&datagram[..length], to);
            }
        }
    }
}

/// Marks the sockets that nothing should come to.
const IDLE: u64 = 1 << 63;
/// The hidden command that runs it.
pub(crate) const NAME: &str = "bare-loop";

//! A proxy that passes bytes on until a chosen one, and then cuts the connection.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// Passes on what comes in at `address`. Its threads end with the process.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    /// After how many more bytes of all connections the one that carried the last of them is cut.
    cut: Option<(Way, usize)>,
    cuts: usize,
}

impl Proxy {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), plan: Arc::default() };
        let plan = proxy.plan.clone();
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let Ok(server) = TcpStream::connect(server) else { return };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                pass(client.try_clone().unwrap(), server.try_clone().unwrap(), Way::Up, plan.clone());
                pass(server, client, Way::Down, plan.clone());
            }
        });
        proxy
    }

    /// From now on counts bytes of this way, and cuts after as many as this.
    pub(crate) fn cut_after(&self, way: Way, bytes: usize) {
        self.plan.lock().unwrap().cut = Some((way, bytes));
    }

    /// How often it has cut.
    pub(crate) fn cuts(&self) -> usize {
        self.plan.lock().unwrap().cuts
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, way: Way, plan: Arc<Mutex<Plan>>) {
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let allowed = plan.lock().unwrap().allow(way, count);
            let is_written = to.write_all(&buffer[..allowed.unwrap_or(count)]).is_ok();
            if allowed.is_some() || !is_written {
                break;
            }
        }
        // Either end may be gone already.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}

impl Plan {
    /// How many of these bytes may still pass, if the connection is to be cut among them.
    fn allow(&mut self, way: Way, count: usize) -> Option<usize> {
        let (_, left) = self.cut.as_mut().filter(|it| it.0 == way)?;
        if count < *left {
            *left -= count;
            return None;
        }
        let allowed = *left;
        self.cut = None;
        self.cuts += 1;
        Some(allowed)
    }
}

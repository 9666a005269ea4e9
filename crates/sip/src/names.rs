//! The host names of trunks: resolved beside the call path, and again from time to time.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use domain::config::{Trunk, TrunkTransport};
use sip_proto::{Flow, Transport};
use tokio::{sync::mpsc, task::AbortHandle};

/// Where a trunk is now.
pub(crate) struct Resolved {
    pub(crate) trunk: String,
    pub(crate) targets: Vec<Flow>,
}

/// The trunks that have names, each followed by a task of its own.
pub(crate) struct Names {
    followed: BTreeMap<String, (Trunk, AbortHandle)>,
    sender: mpsc::Sender<Resolved>,
    resolved: mpsc::Receiver<Resolved>,
}

impl Default for Names {
    fn default() -> Self {
        let (sender, resolved) = mpsc::channel(QUEUE);
        Self { followed: BTreeMap::new(), sender, resolved }
    }
}

impl Names {
    /// Follows the names of these trunks from now on, and no others. To be called on the runtime of [`crate::Sip`].
    pub(crate) fn follow(&mut self, trunks: &[Trunk]) {
        let same = |one: &Trunk, other: &Trunk| {
            one.name == other.name && one.address == other.address && one.transport == other.transport
        };
        let wanted = |trunk: &Trunk| trunks.iter().any(|it| same(it, trunk));
        self.followed.retain(|_, (trunk, task)| {
            let stays = wanted(trunk);
            if !stays {
                task.abort();
            }
            stays
        });
        for trunk in trunks {
            if is_named(&trunk.address) && !self.followed.contains_key(&trunk.name) {
                let task = tokio::spawn(keep_resolving(trunk.clone(), self.sender.clone()));
                self.followed.insert(trunk.name.clone(), (trunk.clone(), task.abort_handle()));
            }
        }
    }

    /// Waits for what is resolved next. May be given up at any moment.
    pub(crate) async fn next(&mut self) -> Option<Resolved> {
        self.resolved.recv().await
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        for (_, task) in self.followed.values() {
            task.abort();
        }
    }
}

async fn keep_resolving(trunk: Trunk, sender: mpsc::Sender<Resolved>) {
    loop {
        let pause = match lookup(&trunk).await {
            Ok(targets) => {
                let resolved = Resolved { trunk: trunk.name.clone(), targets };
                if sender.send(resolved).await.is_err() {
                    return;
                }
                AGAIN
            }
            // What was known stays known.
            Err(error) => {
                tracing::warn!(trunk = trunk.name, %error, "the trunk's address cannot be resolved");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn lookup(trunk: &Trunk) -> std::io::Result<Vec<Flow>> {
    let (host, port) = host_and_port(&trunk.address);
    let transport = if trunk.transport == TrunkTransport::Tcp { Transport::Tcp } else { Transport::Udp };
    let port = port.and_then(|it| it.parse().ok()).unwrap_or(transport.default_port());
    let mut targets: Vec<_> =
        tokio::net::lookup_host((host, port)).await?.map(|remote| Flow { transport, remote }).collect();
    targets.dedup();
    Ok(targets)
}

/// Whether a trunk's address is a host name, rather than an address that the legs can read.
fn is_named(address: &str) -> bool {
    let (host, _) = host_and_port(address);
    let is_address = host.contains(':') || host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    !is_address && !host.eq_ignore_ascii_case("localhost")
}

fn host_and_port(address: &str) -> (&str, Option<&str>) {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (address, None),
    }
}

const QUEUE: usize = 64;
/// How often a name is resolved again, and how soon after a failure.
const AGAIN: Duration = Duration::from_secs(300);
const RETRY: Duration = Duration::from_secs(30);

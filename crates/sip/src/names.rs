//! The host names of trunks: resolved beside the call path, and again from time to time.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use domain::config::Trunk;
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use sip_proto::Flow;
use tokio::{sync::mpsc, task::AbortHandle};

use crate::locate::{Located, Locator, is_named};

/// Where a trunk is now.
pub(crate) struct Resolved {
    pub(crate) trunk: String,
    pub(crate) targets: Vec<Flow>,
}

/// The trunks that have names, each followed by a task of its own.
pub(crate) struct Names {
    followed: BTreeMap<String, (Trunk, AbortHandle)>,
    asked: Asked,
    sender: mpsc::Sender<Resolved>,
    resolved: mpsc::Receiver<Resolved>,
}

/// How names are asked for.
#[derive(Clone)]
struct Asked {
    resolver: TokioResolver,
    fits: fn(IpAddr) -> bool,
    seed: u64,
}

impl Names {
    /// `server` is asked instead of those of the system; `listen` says which addresses can be sent to.
    pub(crate) fn new(server: Option<SocketAddr>, listen: IpAddr, seed: u64) -> io::Result<Self> {
        let (sender, resolved) = mpsc::channel(QUEUE);
        let fits = match listen {
            IpAddr::V4(_) => is_v4,
            IpAddr::V6(ip) if ip.is_unspecified() => is_any,
            IpAddr::V6(_) => is_v6,
        };
        let asked = Asked { resolver: resolver(server)?, fits, seed };
        Ok(Self { followed: BTreeMap::new(), asked, sender, resolved })
    }

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
                let task = tokio::spawn(keep_resolving(trunk.clone(), self.asked.clone(), self.sender.clone()));
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

async fn keep_resolving(trunk: Trunk, asked: Asked, sender: mpsc::Sender<Resolved>) {
    let mut random = ChaCha8Rng::seed_from_u64(asked.seed);
    let mut failures = 0;
    loop {
        let pause = match Locator::new(&asked.resolver, &mut random, asked.fits).locate(&trunk).await {
            Ok(Located { targets, lasts }) if !targets.is_empty() => {
                failures = 0;
                let resolved = Resolved { trunk: trunk.name.clone(), targets };
                if sender.send(resolved).await.is_err() {
                    return;
                }
                lasts
            }
            // What was known stays known.
            outcome => {
                let error = outcome.err().map_or_else(|| "it has no address".to_owned(), |it| it.to_string());
                tracing::warn!(trunk = trunk.name, error, "the trunk's address cannot be resolved");
                failures += 1;
                RETRY.saturating_mul(1 << failures.min(6)).min(RETRY_MAX)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Reads the system's settings, or asks one name server alone.
fn resolver(server: Option<SocketAddr>) -> io::Result<TokioResolver> {
    let failed = |error: NetError| io::Error::other(format!("the resolver: {error}"));
    let builder = match server {
        None => TokioResolver::builder_tokio().unwrap_or_else(|error| {
            // Whoever has no trunks with names needs none.
            tracing::warn!(%error, "the system names no name servers");
            let config = ResolverConfig::from_parts(None, Vec::new(), Vec::new());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }),
        Some(server) => {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for it in &mut connections {
                it.port = server.port();
            }
            let server = NameServerConfig::new(server.ip(), true, connections);
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    builder.build().map_err(failed)
}

fn is_v4(ip: IpAddr) -> bool {
    ip.is_ipv4()
}

fn is_v6(ip: IpAddr) -> bool {
    ip.is_ipv6()
}

fn is_any(_: IpAddr) -> bool {
    true
}

const QUEUE: usize = 64;
/// How soon a name is asked for again after a failure, at first and at the latest.
const RETRY: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(60);

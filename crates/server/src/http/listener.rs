//! The HTTP port: a bounded number of connections, each of which must say soon what it wants.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// Serves until the runtime ends. `axum::serve` would know neither a bound nor a time limit.
pub(crate) async fn serve(listener: TcpListener, routes: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Waiting for room before accepting leaves the excess in the kernel's queue, which is bounded too.
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let routes = routes.clone();
                tokio::spawn(async move {
                    connection(stream, peer, routes).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of descriptors, as a rule: some will be free again soon.
                tracing::warn!(%error, "an HTTP connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, routes: Router) {
    // Small answers leave at once; an error means that the connection is gone already.
    let _ = stream.set_nodelay(true);
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.call(request)
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = http.await {
        tracing::debug!(%error, "an HTTP connection ended");
    }
}

/// Connections at once: every desktop holds two, and the rest of the process needs descriptors too.
const CONNECTIONS_MAX: usize = 8_192;
/// How long a connection may be silent before, or within, the head of a request.
const HEAD: Duration = Duration::from_secs(60);
/// The head of a request, and what is read ahead of its body.
const BUFFER: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(50);

//! The official CometD client in Node against this server, on both transports.
#![expect(clippy::unwrap_used, reason = "what a test cannot do fails it")]

#[path = "cuts/proxy.rs"]
mod proxy;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, State},
    response::Response,
    routing::post,
};
use clock::Clock;
use cometd::{Handle, Host, Identity, Principal, Settings};
use http::{HeaderValue, header, request::Parts};
use proxy::{Proxy, Way};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

/// Whoever says who it is comes in.
struct Door;

impl Host for Door {
    async fn authenticate(&self, head: &Parts) -> Result<Identity, Response> {
        let named = head.headers.get("x-user").and_then(|it| it.to_str().ok());
        let user = named.or_else(|| head.uri.query()?.strip_prefix("user=")).unwrap_or("nobody");
        let cookie = head.headers.get(header::COOKIE).and_then(|it| it.to_str().ok());
        Ok(Identity { principal: Principal::from(user), browser: cookie.map(str::to_owned) })
    }

    fn may_subscribe(&self, _principal: &Principal, channel: &str) -> bool {
        !channel.starts_with("/secret/")
    }
}

#[derive(Deserialize)]
struct Publish {
    user: String,
    channel: String,
    first: u32,
    count: u32,
}

#[derive(Deserialize)]
struct End {
    user: String,
}

#[derive(Deserialize)]
struct Cut {
    way: String,
    after: usize,
}

/// Serves Bayeux, also behind a proxy that can be told to cut connections, and beside it the orders of the test's script.
async fn serve() -> [String; 2] {
    let settings = Settings {
        timeout: Duration::from_secs(1),
        max_interval: Duration::from_secs(20),
        multiple_clients_interval: Duration::from_millis(300),
        ..Settings::default()
    };
    let server = cometd::start(settings, Clock::start(), [9; 32], Door);
    let orders = Router::new()
        .route("/publish", post(publish))
        .route("/end", post(end))
        .route("/sessions", post(async |State(it): State<Handle>| it.sessions().to_string()))
        .route("/held", post(async |State(it): State<Handle>| it.stats().held_polls.to_string()))
        .with_state(server.handle());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = Proxy::before(address);
    let cutting = Router::new()
        .route("/cut", post(cut))
        .route("/cuts", post(async |State(it): State<Proxy>| it.cuts().to_string()))
        .with_state(proxy.clone());
    let app = server.router("/bayeux").merge(orders).merge(cutting);
    let app = app.layer(axum::middleware::map_response(set_cookie));
    tokio::spawn(async { axum::serve(listener, app).await });
    [format!("http://{address}"), format!("http://{}", proxy.address)]
}

async fn publish(State(handle): State<Handle>, Query(it): Query<Publish>) {
    for number in it.first..it.first + it.count {
        handle.deliver(&Principal::from(it.user.as_str()), &it.channel, Arc::from(number.to_string()));
    }
}

async fn end(State(handle): State<Handle>, Query(it): Query<End>) {
    handle.end_principal_sessions(&Principal::from(it.user));
}

async fn cut(State(proxy): State<Proxy>, Query(it): Query<Cut>) {
    proxy.cut_after(if it.way == "up" { Way::Up } else { Way::Down }, it.after);
}

async fn set_cookie(mut answer: Response) -> Response {
    answer.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("JSESSIONID=browser; Path=/"));
    answer
}

async fn run(transport: &str) {
    let node_modules = node_modules().await;
    let [base, proxy] = serve().await;
    let mut node = Command::new("node");
    node.arg(project().join("official.mjs")).arg(base).arg(transport).arg(proxy);
    node.env("UNDERTONE_NODE_MODULES", node_modules);
    finish(node, "node", Duration::from_secs(180)).await;
}

/// Runs a program to its end, and fails with its output if it fails or does not end.
async fn finish(mut command: Command, name: &str, within: Duration) {
    let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("official-client-{:?}.log", thread::current().id()));
    let output = File::create(&log).unwrap();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|it| panic!("{name} cannot be run ({it}); Node.js 20 and npm are needed"));
    let ended = timeout(within, async {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let ended = ended.await;
    if ended.is_err() {
        child.kill().unwrap();
    }
    let said = fs::read_to_string(&log).unwrap();
    let status = ended.unwrap_or_else(|_| panic!("{name} did not end within {within:?}:\n{said}"));
    assert!(status.success(), "{name} failed: {status}\n{said}");
}

/// Where the official client is installed; installs it beside the scripts if nobody says where.
async fn node_modules() -> PathBuf {
    if let Some(given) = std::env::var_os("UNDERTONE_NODE_MODULES") {
        return given.into();
    }
    static INSTALLING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = INSTALLING.lock().await;
    let modules = project().join("node_modules");
    // Written by npm when all is in place.
    if !modules.join(".package-lock.json").exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(project());
        finish(npm, "`npm ci` in crates/cometd/tests/node", Duration::from_secs(300)).await;
    }
    modules
}

fn project() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_over_long_polling() {
    run("long-polling").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_client_over_websocket() {
    run("websocket").await;
}

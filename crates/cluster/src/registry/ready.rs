//! Whether the registry answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{RegistryError, Settings};
use crate::engine::{Engine, EngineError};

const PAUSE: Duration = Duration::from_millis(50);
/// How much of its log is shown when it fails.
const LINES: u64 = 15;

/// Waits until the registry answers that it is ready.
pub(super) async fn wait(engine: &Engine, settings: &Settings, patience: Duration) -> Result<(), RegistryError> {
    let began = Instant::now();
    loop {
        let container = engine.container(&settings.name).await?;
        let state = container.and_then(|container| container.state);
        let restarts = state.as_ref().is_some_and(|state| state.restarting == Some(true));
        let runs = state.as_ref().is_some_and(|state| state.running == Some(true));
        if !runs || restarts {
            let code = state.and_then(|state| state.exit_code).unwrap_or_default();
            return Err(not_ready(engine, settings, format!("it ended with {code}")).await?);
        }
        let answer = answer(settings.address, settings.port, "/readyz").await;
        if answer == Some(200) {
            return Ok(());
        }
        if began.elapsed() > patience {
            let seconds = patience.as_secs();
            let reason = format!(
                "it runs, and {}:{} did not answer within {seconds} s",
                settings.address, settings.port
            );
            return Err(not_ready(engine, settings, reason).await?);
        }
        sleep(PAUSE).await;
    }
}

async fn not_ready(
    engine: &Engine,
    settings: &Settings,
    reason: String,
) -> Result<RegistryError, EngineError> {
    let log = log(engine, &settings.name).await?;
    Ok(RegistryError::NotReady { reason, log, is_rolled_back: false })
}

/// The end of a container's log.
pub(super) async fn log(engine: &Engine, name: &str) -> Result<String, EngineError> {
    let mut log = String::new();
    let mut pieces = Box::pin(engine.logs(name, false, Some(LINES)));
    while let Some(piece) = pieces.next().await {
        log.push_str(&String::from_utf8_lossy(&piece?.bytes));
    }
    Ok(log.trim_end().to_owned())
}

/// The status of an answer to a GET, if there was one.
pub(crate) async fn answer(address: IpAddr, port: u16, path: &str) -> Option<u16> {
    let address = if address.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address };
    let ask = async {
        let mut stream = TcpStream::connect(SocketAddr::new(address, port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(64).read_to_end(&mut answer).await.ok()?;
        let line = String::from_utf8_lossy(&answer).into_owned();
        line.split_whitespace().nth(1)?.parse().ok()
    };
    timeout(Duration::from_secs(2), ask).await.ok()?
}

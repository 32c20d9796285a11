//! Waiting until the registry is ready.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{RegistryError, RegistrySettings};
use crate::step::{Outcome, Report, Step};
use hythe_engine::{Engine, EngineError};

/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(50);
/// Time limit for one request to the registry.
const ASK: Duration = Duration::from_secs(5);
/// Time within which the engine must forward the published port to the registry.
const PUBLISHED: Duration = Duration::from_secs(2);
/// Lines of the registry's log that an error shows.
const LINES: u64 = 15;

/// Time within which the registry must become ready, from its start or from the last progress line of an import.
const PATIENCE: Duration = Duration::from_secs(30);
/// Interval at which its log is read meanwhile, for progress lines.
const LOOK: Duration = Duration::from_secs(2);

/// Waits until the registry reports that it is ready.
pub(super) async fn wait(
    engine: &Engine,
    settings: &RegistrySettings,
    report: Report<'_>,
) -> Result<(), RegistryError> {
    let mut progress = Progress::new(settings, report);
    let (mut since, mut looked) = (Instant::now(), Instant::now());
    let mut first = None;
    loop {
        let container = engine.container(&settings.name).await?;
        // Podman restarts an ended container so quickly that no check sees it stopped; only the restart count tells.
        let count = container.as_ref().and_then(|container| container.restart_count);
        let is_anew = count > *first.get_or_insert(count);
        let state = container.and_then(|container| container.state);
        let restarts = state.as_ref().is_some_and(|state| state.restarting == Some(true));
        let runs = state.as_ref().is_some_and(|state| state.running == Some(true));
        if !runs || restarts || is_anew {
            let code = state.and_then(|state| state.exit_code).unwrap_or_default();
            let log = log(engine, &settings.name).await?;
            // A container that runs again has no exit code.
            let is_known = !runs || restarts;
            let reason =
                if is_known { format!("it exited with code {code}") } else { "it exited".to_owned() };
            return Err(RegistryError::NotReady { reason, log });
        }
        if is_ready(engine, settings).await {
            return Ok(());
        }
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            let last = tail(engine, &settings.name, 1).await?;
            if progress.take(last.as_bytes()) {
                since = looked;
            }
        }
        if since.elapsed() > PATIENCE {
            let reason = format!("it runs, but did not report ready within {} s", PATIENCE.as_secs());
            return Err(RegistryError::NotReady { reason, log: log(engine, &settings.name).await? });
        }
        sleep(PAUSE).await;
    }
}

/// Whether the registry reports that it is ready. The question is asked inside its container: the engine may be on
/// another machine, or this command may run in a container itself, and then the published port is not reachable from
/// here.
pub(super) async fn is_ready(engine: &Engine, settings: &RegistrySettings) -> bool {
    match timeout(ASK, engine.exec(&settings.name, &["/bin/hythe", "probe"])).await {
        Ok(Ok(output)) if output.code == 0 => output.stdout.starts_with("ready"),
        // An older version that does not know the command `probe`.
        Ok(Ok(output)) if output.code == 2 => answers(settings).await,
        _ => false,
    }
}

/// Reports a published port that does not answer from here.
pub(super) async fn published(engine: &Engine, settings: &RegistrySettings, report: Report<'_>) {
    let since = Instant::now();
    while since.elapsed() < PUBLISHED {
        if answers(settings).await {
            return;
        }
        sleep(PAUSE).await;
    }
    let RegistrySettings { address, port, .. } = settings;
    let why = engine.remote().map_or_else(
        || {
            "`hythe doctor` finds the cause. If this command runs in a container, the port may be out of its reach"
                .to_owned()
        },
        |host| {
            format!(
                "the engine publishes it on {host}: forward it with ssh -L {port}:localhost:{port} {host}"
            )
        },
    );
    let text = format!("{address}:{port} does not answer from here; {why}");
    report(Step::new(format!("port {port}"), Outcome::Skipped, text));
}

/// Passes on a registry's log lines about an import as steps.
pub(super) struct Progress<'a> {
    subject: String,
    report: Report<'a>,
    last: String,
}

impl<'a> Progress<'a> {
    pub(super) fn new(settings: &RegistrySettings, report: Report<'a>) -> Self {
        Self { subject: format!("registry {}", settings.name), report, last: String::new() }
    }

    /// Passes on new lines about an import in a piece of the log. Returns whether it found any.
    pub(super) fn take(&mut self, log: &[u8]) -> bool {
        let log = String::from_utf8_lossy(log);
        let mut is_new = false;
        for line in log.lines().map(str::trim) {
            let Some(text) = import_line(line) else { continue };
            if self.last != line {
                line.clone_into(&mut self.last);
                (self.report)(Step::new(self.subject.clone(), Outcome::Underway, text));
                is_new = true;
            }
        }
        is_new
    }
}

/// The text of a line of hythe's log, if it tells the progress of an import or warns about it. A test of the program
/// compares this with what an import logs.
pub fn import_line(line: &str) -> Option<&str> {
    let of = |level| line.split_once(level).map(|(_, text): (&str, &str)| text.trim());
    let told = of(" INFO ").filter(|text| text.starts_with("import"));
    told.or_else(|| of(" WARN ").filter(|text| text.contains("import")))
}

/// The end of a container's log.
pub(super) async fn log(engine: &Engine, name: &str) -> Result<String, EngineError> {
    tail(engine, name, LINES).await
}

async fn tail(engine: &Engine, name: &str, lines: u64) -> Result<String, EngineError> {
    let mut log = String::new();
    let mut pieces = Box::pin(engine.logs(name, false, Some(lines)));
    while let Some(piece) = pieces.next().await {
        log.push_str(&String::from_utf8_lossy(&piece?.bytes));
    }
    Ok(log.trim_end().to_owned())
}

/// Whether the registry reports ready at its published port, asked from here.
async fn answers(settings: &RegistrySettings) -> bool {
    let (address, port) = (reached(settings.address), settings.port);
    let ask = async {
        let mut stream = TcpStream::connect(SocketAddr::new(address, port)).await.ok()?;
        let request = format!("GET /readyz HTTP/1.0\r\nHost: localhost:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(64).read_to_end(&mut answer).await.ok()?;
        let line = String::from_utf8_lossy(&answer).into_owned();
        line.split_whitespace().nth(1)?.parse::<u16>().ok()
    };
    timeout(ASK, ask).await.ok().flatten() == Some(200)
}

/// The address at which to reach a listener on `address`: loopback for an unspecified address.
pub(super) fn reached(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

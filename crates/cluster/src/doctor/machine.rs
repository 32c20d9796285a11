//! Checks of the engine and the registry as this machine sees them: the port, `localhost`, the disk.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use hythe_engine::models::{ContainerInspectResponse, SystemInfo};

use super::{Check, Id, Repair, container};
use crate::http::{self, Answer, Silence};
use crate::registry::RegistrySettings;
use hythe_engine::{Engine, remote};

/// Free bytes below which the disk counts as nearly full.
const LITTLE: u64 = 1 << 30;

/// The address at which this machine reaches the registry.
pub(super) fn address(settings: &RegistrySettings) -> SocketAddr {
    let address = match settings.address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, settings.port)
}

/// Whether the engine publishes its ports on this machine.
pub(super) fn here(engine: &Engine) -> Check {
    match remote(engine.address()) {
        None => Check::good(Id::EngineHere, "engine", engine.address()),
        Some(host) => Check::unknown(Id::EngineHere, "engine", engine.address())
            .because(format!("the engine runs on {host}, and publishes ports there, not on this machine"))
            .fixed_by(format!("forward the port: ssh -L 5001:localhost:5001 {host}")),
    }
}

/// Whether the engine pushes to loopback without TLS.
pub(super) fn plain_http(engine: &Engine, info: &SystemInfo, port: u16) -> Check {
    if engine.is_podman() {
        return Check::unknown(
            Id::EnginePlainHttp,
            "engine",
            "Podman uses HTTPS unless it is told otherwise",
        )
        .fixed_by(format!(
            "podman push --tls-verify=false localhost:{port}/IMAGE; or write into a file in \
             /etc/containers/registries.conf.d: [[registry]] location = \"localhost:{port}\" insecure = true"
        ));
    }
    let config = info.registry_config.as_ref();
    let ranges = config.and_then(|config| config.insecure_registry_cidrs.clone()).unwrap_or_default();
    let by_containerd =
        info.driver_status.iter().flatten().flatten().any(|word| word.contains("io.containerd"));
    let store = if by_containerd {
        "; the containerd image store uses plain HTTP for localhost and loopback addresses only"
    } else {
        ""
    };
    if ranges.iter().any(|range| range == "127.0.0.0/8") || by_containerd {
        return Check::good(
            Id::EnginePlainHttp,
            "engine",
            format!("insecure registries: {}{store}", ranges.join(", ")),
        );
    }
    Check::bad(Id::EnginePlainHttp, "engine", format!("insecure registries: {}", ranges.join(", ")))
        .because(
            "the engine's insecure registries do not include 127.0.0.0/8, so a push to localhost uses HTTPS",
        )
        .fixed_by("add \"insecure-registries\": [\"127.0.0.0/8\"] to daemon.json, and restart the engine")
}

/// Whether a registry answers at the port of this machine, and whether it is hythe's.
pub(super) async fn answers(engine: &Engine, settings: &RegistrySettings) -> Check {
    let at = address(settings);
    let api = http::ask(at, "GET", "/v2/", &[], b"").await;
    let ready = match &api {
        Ok(_) => http::ask(at, "GET", "/readyz", &[], b"").await,
        Err(_) => Err(Silence::Refused),
    };
    judge_answer(engine.address(), settings, &api, &ready)
}

fn judge_answer(
    engine: &str,
    settings: &RegistrySettings,
    api: &Result<Answer, Silence>,
    ready: &Result<Answer, Silence>,
) -> Check {
    let subject = format!("registry {}", settings.name);
    let at = format!("http://{}/v2/", address(settings));
    let bad = |evidence: String| Check::bad(Id::RegistryAnswers, &subject, evidence);
    let other_port = || format!("`hythe up --port {}`", settings.port.saturating_add(1));
    match api {
        Err(silence) => {
            let check = bad(format!("GET {at}: {silence}"));
            if let Some(host) = remote(engine) {
                let port = settings.port;
                return check
                    .because(format!("the engine runs on {host}, and publishes the port there"))
                    .fixed_by(format!("forward the port: ssh -L {port}:localhost:{port} {host}"));
            }
            check
                .because("nothing answers at the registry's port of this machine")
                .fixed_by("`hythe up`")
                .repaired_by(Repair::Registry)
        }
        Ok(answer) if answer.header("server").is_some_and(|server| server.starts_with("AirTunes")) => bad(
            format!("GET {at}: {}, Server: {}", answer.clause(), answer.header("server").unwrap_or_default()),
        )
        .because("macOS's AirPlay Receiver listens on this port")
        .fixed_by(format!(
            "choose another port: {}; or switch AirPlay Receiver off in System Settings, General, AirDrop & Handoff",
            other_port()
        )),
        Ok(answer) => match ready {
            Ok(ready) if ready.status == 200 => {
                Check::good(Id::RegistryAnswers, &subject, format!("GET {at}: {}", answer.clause()))
            }
            Ok(ready) if ready.status == 503 => {
                bad(format!("GET /readyz: 503 {}", String::from_utf8_lossy(&ready.body).trim()))
                    .because("the registry is not ready yet, or is shutting down")
                    .fixed_by("wait until the registry is ready; `hythe logs -f` shows what it does")
            }
            Ok(_) | Err(_) => bad(format!("GET {at}: {}; and GET /readyz fails", answer.clause()))
                .because("another program answers at this port, so pushes go to that program")
                .fixed_by(format!(
                    "stop the program that listens on port {}, or choose another port: {}",
                    settings.port,
                    other_port()
                )),
        },
    }
}

/// Whether `localhost` leads to the registry. Clients try the addresses of `localhost` in their order.
pub(super) async fn localhost(settings: &RegistrySettings) -> Check {
    let subject = format!("registry {}", settings.name);
    let port = settings.port;
    let found = tokio::net::lookup_host(("localhost", port)).await;
    let addresses: Vec<IpAddr> = found.into_iter().flatten().map(|address| address.ip()).collect();
    let six = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port);
    let by_six = http::ask(six, "GET", "/readyz", &[], b"").await;
    judge_localhost(&subject, port, &addresses, &by_six)
}

fn judge_localhost(
    subject: &str,
    port: u16,
    addresses: &[IpAddr],
    by_six: &Result<Answer, Silence>,
) -> Check {
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let evidence = format!("localhost is {}", shown.join(", "));
    let six_first = addresses.first().is_some_and(IpAddr::is_ipv6);
    match by_six {
        Ok(answer) if answer.status != 200 && addresses.iter().any(IpAddr::is_ipv6) => Check::bad(
            Id::RegistryLocalhost,
            subject,
            format!("{evidence}; [::1]:{port} answers {}", answer.clause()),
        )
        .because("another program has the port at ::1, and some clients reach that program")
        .fixed_by(format!("stop that program, or push to 127.0.0.1:{port}")),
        Err(_) if six_first && addresses.iter().all(IpAddr::is_ipv6) => {
            Check::bad(Id::RegistryLocalhost, subject, format!("{evidence}; nothing answers at [::1]:{port}"))
                .because("localhost means ::1 only, and the registry's port is published on 127.0.0.1")
                .fixed_by(format!("push to 127.0.0.1:{port}, or add `127.0.0.1 localhost` to /etc/hosts"))
        }
        _ if addresses.is_empty() => Check::bad(Id::RegistryLocalhost, subject, "localhost has no address")
            .because("neither this machine's hosts file nor its name service knows localhost")
            .fixed_by("add `127.0.0.1 localhost` to /etc/hosts"),
        _ => Check::good(Id::RegistryLocalhost, subject, evidence),
    }
}

/// The free space of the data's file system, if this machine sees it.
pub(super) fn space(settings: &RegistrySettings, inspected: &ContainerInspectResponse) -> Check {
    let subject = format!("registry {}", settings.name);
    let source = container::mount(inspected).and_then(|mount| mount.source.clone()).unwrap_or_default();
    let Some((seen, free, total)) = free(Path::new(&source)) else {
        let evidence = format!("this machine does not see the data's folder, {source}");
        return Check::unknown(Id::RegistrySpace, &subject, evidence);
    };
    judge_space(&subject, &seen, free, total)
}

#[cfg(unix)]
fn free(path: &Path) -> Option<(String, u64, u64)> {
    if !path.is_absolute() {
        return None;
    }
    // Users may not look into Docker's own folder. Its parent is on the same disk as a rule, so the parent's figures
    // are shown rather than none.
    for folder in path.ancestors().take(5) {
        match rustix::fs::statvfs(folder) {
            Ok(found) => {
                let figures = (found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize);
                return Some((folder.display().to_string(), figures.0, figures.1));
            }
            Err(rustix::io::Errno::ACCESS) => {}
            Err(_) => return None,
        }
    }
    None
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<(String, u64, u64)> {
    None
}

fn judge_space(subject: &str, folder: &str, free: u64, total: u64) -> Check {
    let gib = |bytes: u64| format!("{}.{} GiB", bytes >> 30, ((bytes % (1 << 30)) * 10) >> 30);
    let evidence = format!("{} of {} free at {folder}", gib(free), gib(total));
    if free >= LITTLE {
        return Check::good(Id::RegistrySpace, subject, evidence);
    }
    Check::bad(Id::RegistrySpace, subject, evidence)
        .because("the disk is nearly full: pushes will fail, and images from upstreams will not be kept")
        .fixed_by("free space: `hythe gc`; `hythe cache clear`; docker system prune")
}

#[cfg(test)]
mod tests;

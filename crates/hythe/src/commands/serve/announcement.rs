//! The announcement at the server's start: where it listens, where its data is, and what to try next.

use std::net::SocketAddr;

use hythe_oci::Authority;
use hythe_server::Listener;
use hythe_upstream::Allowed;

use crate::console::Printer;
use crate::settings::Settings;
use crate::values::Storage;

/// The registry that `docker pull` uses for a name without one, and so the upstream that newcomers know.
const HUB: &str = "docker.io";

/// Prints where the registry listens, where its data is, and what to try next. The listeners are bound, so a configured
/// port 0 appears as the port that the system chose.
pub fn announce(printer: Printer, settings: &Settings, allowed: &Allowed, listeners: &[Listener]) {
    let bound = listeners.iter().filter_map(|listener| Some((listener.socket.local_addr().ok()?, listener)));
    let mut first = None;
    for (address, listener) in bound {
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        match &listener.mirror {
            Some(mirror) if !mirror.local_first => {
                printer
                    .note(format_args!("hythe serves images of {} on {scheme}://{address}", mirror.upstream));
            }
            Some(mirror) => {
                printer.note(format_args!("hythe listens on {scheme}://{address}"));
                printer.note(format_args!("hythe also serves images of {} there", mirror.upstream));
                first = first.or(Some(address));
            }
            None => {
                printer.note(format_args!("hythe listens on {scheme}://{address}"));
                first = first.or(Some(address));
            }
        }
    }
    match settings.storage {
        Storage::Fs => {
            // Absolute, so that the path is right from every folder.
            let data = std::path::absolute(&settings.data).unwrap_or_else(|_| settings.data.clone());
            printer.note(format_args!("data is in {}", data.display()));
        }
        Storage::Memory | Storage::MemoryObjects => {
            printer.note("data is in memory, and is lost when the server stops");
        }
    }
    let Some(name) = first.map(push_name) else { return };
    printer.note(format_args!(
        "try: docker pull alpine && docker tag alpine {name}/alpine && docker push {name}/alpine"
    ));
    if let Some(image) = pulled(settings, allowed) {
        printer.note(format_args!("try: docker pull {name}/{image}"));
    }
}

/// The name by which clients pull alpine, an image that newcomers know, through this registry.
fn pulled(settings: &Settings, allowed: &Allowed) -> Option<String> {
    let is_hub =
        |name: &Authority| allowed.get(name).is_some_and(|upstream| upstream.name.to_string() == HUB);
    let upstreams = &settings.upstream;
    match &upstreams.fallback {
        _ if upstreams.offline => None,
        Some(fallback) => is_hub(fallback).then(|| "library/alpine".to_owned()),
        None => HUB.parse().is_ok_and(|hub| is_hub(&hub)).then(|| format!("{HUB}/library/alpine")),
    }
}

/// The host and port that a client on this machine pushes to. Docker speaks plain HTTP to `localhost`, over IPv4 and
/// IPv6.
fn push_name(address: SocketAddr) -> String {
    let ip = address.ip().to_canonical();
    if ip.is_loopback() || ip.is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

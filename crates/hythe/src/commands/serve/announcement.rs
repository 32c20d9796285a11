//! What is said when the server starts: where it listens, where its data is, and what to try next.

use std::net::SocketAddr;

use hythe_oci::Authority;
use hythe_server::Listener;
use hythe_upstream::Allowed;

use crate::printer::Printer;
use crate::settings::Settings;
use crate::values::Storage;

/// What `docker pull` means without a registry's name, which is what newcomers have.
const HUB: &str = "docker.io";

/// Says where the registry listens, where its data is, and what to try next. The listeners are bound: port 0 has become
/// one.
pub fn announce(printer: Printer, settings: &Settings, allowed: &Allowed, listeners: &[Listener]) {
    let bound = listeners.iter().filter_map(|listener| Some((listener.socket.local_addr().ok()?, listener)));
    let mut first = None;
    for (address, listener) in bound {
        match &listener.mirror {
            Some(mirror) if !mirror.local_first => {
                printer.note(format_args!("hythe answers for {} on http://{address}", mirror.upstream));
            }
            Some(mirror) => {
                printer.note(format_args!("hythe listens on http://{address}"));
                printer.note(format_args!("hythe answers for {} there too", mirror.upstream));
                first = first.or(Some(address));
            }
            None => {
                printer.note(format_args!("hythe listens on http://{address}"));
                first = first.or(Some(address));
            }
        }
    }
    match settings.storage {
        Storage::Fs => {
            // As it is for whoever is in another folder.
            let data = std::path::absolute(&settings.data).unwrap_or_else(|_| settings.data.clone());
            printer.note(format_args!("data is in {}", data.display()));
        }
        Storage::Memory => printer.note("data is in memory, and gone when this ends"),
    }
    let Some(name) = first.map(push_name) else { return };
    printer.note(format_args!(
        "try: docker pull alpine && docker tag alpine {name}/alpine && docker push {name}/alpine"
    ));
    if let Some(image) = pulled(settings, allowed) {
        printer.note(format_args!("try: docker pull {name}/{image}"));
    }
}

/// An image that newcomers know, as it is pulled through this registry.
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

/// The name that a client on this machine pushes to. Docker takes `localhost` for plain HTTP, over either protocol.
fn push_name(address: SocketAddr) -> String {
    let ip = address.ip().to_canonical();
    if ip.is_loopback() || ip.is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

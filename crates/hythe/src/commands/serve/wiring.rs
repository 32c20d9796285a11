//! Turns the settings into the options of each crate.

use hythe_lifecycle::Pace;
use hythe_lifecycle::retention::Limits;
use hythe_oci::Authority;
use hythe_registry::RegistryOptions;
use hythe_server::{Auth, BackupOptions, Format, Mirror, RetentionOptions, ServerOptions};
use hythe_upstream::{Allowed, CacheOptions};

use crate::commands::backup::place::configured;
use crate::config::Environment;
use crate::settings::Settings;
use crate::values::{Listen, LogFormat, Storage};

/// The configuration checks sizes and counts when it reads them. A value beyond `usize` becomes the largest one.
fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

pub(super) fn format(format: LogFormat) -> Format {
    match format {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
    }
}

pub(super) fn server_options(
    settings: &Settings,
    auth: Option<Auth>,
    environment: &Environment,
) -> ServerOptions {
    let http = &settings.http;
    ServerOptions {
        hosts: http.hosts.iter().map(ToString::to_string).collect(),
        published_on_loopback: http.published_on_loopback,
        cors_origins: http.cors_origins.iter().map(ToString::to_string).collect(),
        header_timeout: http.header_timeout,
        idle_timeout: http.idle_timeout,
        progress_timeout: http.progress_timeout,
        drain_timeout: http.drain_timeout,
        max_header_size: count(http.max_header_size),
        max_connections: count(http.max_connections),
        sendfile: http.sendfile,
        catalog_max_page: count(settings.catalog.max_page),
        tags_max_page: count(settings.tags.max_page),
        log_requests: settings.log.requests,
        log_format: format(settings.log.format),
        spool: (settings.storage == Storage::Fs).then(|| settings.data.clone()),
        collect_interval: settings.collect.interval,
        retention: RetentionOptions {
            rules: settings.retain.rules().into(),
            interval: settings.retain.interval,
            limits: Limits { images: settings.retain.max_images, percent: settings.retain.max_percent },
        },
        backup: backup_options(settings, environment),
        scrub: Pace { rate: settings.verify.rate, interval: settings.verify.interval },
        auth,
    }
}

fn backup_options(settings: &Settings, environment: &Environment) -> Option<BackupOptions> {
    let backup = &settings.backup;
    let store = configured(settings, environment)?;
    let machine = rustix::system::uname().nodename().to_string_lossy().chars().take(64).collect();
    let name = settings.http.hosts.first().map_or(machine, ToString::to_string);
    Some(BackupOptions { store, name, interval: backup.interval, keep: backup.keep, grace: backup.grace })
}

pub(super) fn registry_options(settings: &Settings) -> RegistryOptions {
    RegistryOptions {
        delete: settings.delete.enabled,
        manifest_max_size: count(settings.manifest.max_size),
        manifest_require_blobs: settings.manifest.require_blobs,
        upload_max_concurrent: count(settings.upload.max_concurrent),
        upload_memory: count(settings.upload.memory),
        upload_expire: settings.upload.expire,
        collect_grace: settings.collect.grace,
        protect: settings.retain.protections(),
        disk_budget: settings.disk.budget,
        disk_floor: settings.disk.floor,
        running_keep: settings.disk.keep_running,
    }
}

pub(super) fn cache_options(settings: &Settings) -> CacheOptions {
    CacheOptions { offline: settings.upstream.offline, prefetch: count(settings.upstream.prefetch) }
}

/// Each address to listen on, and the upstream that it serves, if any.
pub(super) fn listeners(settings: &Settings, allowed: &Allowed) -> Vec<(Listen, Option<Mirror>)> {
    let mirror = |name: &Authority, local_first| {
        let upstream = allowed.get(name).map_or_else(|| name.clone(), |upstream| upstream.name.clone());
        Mirror { upstream, local_first }
    };
    let upstream = &settings.upstream;
    let fallback = upstream.fallback.as_ref().map(|name| mirror(name, true));
    let listen = settings.listen.iter().map(|listen| (*listen, fallback.clone()));
    let mirrors = upstream.mirror.iter().map(|of| (of.listen, Some(mirror(&of.upstream, false))));
    listen.chain(mirrors).collect()
}

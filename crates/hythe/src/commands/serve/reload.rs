//! Applies a configuration that changed while the server runs.

use std::sync::Arc;

use hythe_registry::Registry;
use hythe_server::{Server, Tls};
use hythe_upstream::Cache;

use super::auth::Authentication;
use super::signals::Hangups;
use super::{Reader, Taken, logging, wiring};
use crate::config::allowed;
use crate::console::Printer;
use crate::settings::Settings;

/// The running parts that accept new settings.
pub(super) struct Running {
    pub(super) server: Server,
    pub(super) registry: Registry,
    pub(super) cache: Cache,
    /// The TLS of the listeners; `None` if it was off at the start.
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) levels: logging::Levels,
    pub(super) authentication: Authentication,
}

/// Reads the configuration again at each SIGHUP, and applies the settings that can change while the server runs.
pub(super) async fn reload_on_hangup(
    mut settings: Settings,
    reader: Arc<Reader>,
    mut running: Running,
    mut hangups: Hangups,
) {
    while hangups.next().await.is_some() {
        let (reading, before) = (Arc::clone(&reader), settings.clone());
        // On another thread: a credential helper may be slow, and this thread accepts connections.
        let read = tokio::task::spawn_blocking(move || {
            // Taken before the configuration is read. Logins that arrive during the reading come with a signal of their
            // own.
            let taken = reading.environment.handed_logins_file().and_then(|file| Taken::of(&file));
            let reloaded = reading.read_again(&before)?;
            let upstreams = allowed(&reloaded.settings);
            Some((reloaded, upstreams, taken))
        });
        let Ok(Some((reloaded, upstreams, taken))) = read.await else { continue };
        settings.clone_from(&reloaded.settings);
        match running.authentication.of(&settings) {
            Ok(auth) => {
                let options = wiring::server_options(&settings, auth, &reader.environment);
                running.server.set_options(options);
            }
            Err(error) => {
                reader.printer.note(format_args!("warning: the server's new settings are not used: {error}"));
            }
        }
        running.registry.set_options(wiring::registry_options(&settings));
        running.cache.set(upstreams, wiring::cache_options(&settings));
        running.levels.set(settings.log.level);
        reader.tell(&reloaded);
        reload_tls(running.tls.as_ref(), &settings, reader.printer).await;
        if let Some(taken) = taken
            && let Err(error) = taken.tell()
        {
            reader.printer.note(format_args!(
                "warning: the new logins are in use, but the command that sent them could not be told: {error}"
            ));
        }
    }
}

/// Reads the certificates again.
async fn reload_tls(tls: Option<&Arc<Tls>>, settings: &Settings, printer: Printer) {
    let (tls, options) = match (tls, settings.tls.options()) {
        (Some(tls), Some(options)) => (Arc::clone(tls), options),
        (None, None) => return,
        _ => return printer.note("warning: TLS is turned on or off at the next start"),
    };
    // On another thread, like the configuration.
    let Ok(reloaded) = tokio::task::spawn_blocking(move || tls.reload(options)).await else { return };
    match reloaded {
        Ok(true) => printer.note("reloaded: the certificate; new connections use it"),
        Ok(false) => {}
        Err(error) => printer.note(format_args!(
            "warning: the certificate was not reloaded; the old one stays in use: {error}"
        )),
    }
}

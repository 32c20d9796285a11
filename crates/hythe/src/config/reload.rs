//! Compares a running server's settings with a configuration that was read again.

use std::collections::BTreeSet;

use hythe_oci::Authority;

use super::key::Key;
use super::keys::KEYS;
use crate::settings::Settings;

/// The changes that a running server applies from a configuration that was read again.
#[derive(Debug)]
pub struct Reloaded {
    /// The settings to run with from now on.
    pub settings: Settings,
    /// The keys whose new values apply now.
    pub applied: Vec<&'static Key>,
    /// The keys whose new values need a restart.
    pub waiting: Vec<&'static Key>,
    /// The upstreams whose tables changed, or the files and logins to which these refer.
    pub upstreams: Vec<Authority>,
}

/// Compares the running settings with settings that were read again.
pub fn reload(running: &Settings, fresh: &Settings) -> Reloaded {
    let mut reloaded = Reloaded {
        settings: running.clone(),
        applied: Vec::new(),
        waiting: Vec::new(),
        upstreams: Vec::new(),
    };
    for key in KEYS.iter().filter(|key| key.kind.show(running) != key.kind.show(fresh)) {
        if key.reload {
            key.kind.copy(fresh, &mut reloaded.settings);
            reloaded.applied.push(key);
        } else {
            reloaded.waiting.push(key);
        }
    }
    let (old, new) = (&running.upstream.tables, &fresh.upstream.tables);
    let names: BTreeSet<&Authority> = old.keys().chain(new.keys()).collect();
    reloaded.upstreams.extend(names.into_iter().filter(|name| old.get(*name) != new.get(*name)).cloned());
    reloaded.settings.upstream.tables.clone_from(new);
    reloaded
}

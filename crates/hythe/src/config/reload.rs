//! What a running server takes from a configuration that was read again.

use super::key::Key;
use super::keys::KEYS;
use crate::settings::Settings;

/// What a running server takes from a configuration that was read again.
#[derive(Debug)]
pub struct Reloaded {
    /// The settings to run with from now on.
    pub settings: Settings,
    /// The keys that changed with them.
    pub applied: Vec<&'static Key>,
    /// The keys whose new values wait for a restart.
    pub waiting: Vec<&'static Key>,
}

/// Compares what runs with what was read again.
pub fn reload(running: &Settings, fresh: &Settings) -> Reloaded {
    let mut reloaded = Reloaded { settings: running.clone(), applied: Vec::new(), waiting: Vec::new() };
    for key in KEYS.iter().filter(|key| key.kind.show(running) != key.kind.show(fresh)) {
        if key.reload {
            key.kind.copy(fresh, &mut reloaded.settings);
            reloaded.applied.push(key);
        } else {
            reloaded.waiting.push(key);
        }
    }
    reloaded
}

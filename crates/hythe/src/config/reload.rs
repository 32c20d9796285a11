//! Compares a running server's settings with a configuration that was read again.

use super::key::Key;
use super::keys::KEYS;
use super::tables::TABLES;
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
    /// The full names of the tables that changed, or whose files and logins did.
    pub tables: Vec<String>,
}

/// Compares the running settings with settings that were read again.
pub fn reload(running: &Settings, fresh: &Settings) -> Reloaded {
    let mut reloaded =
        Reloaded { settings: running.clone(), applied: Vec::new(), waiting: Vec::new(), tables: Vec::new() };
    for key in KEYS.iter().filter(|key| key.kind.show(running) != key.kind.show(fresh)) {
        if key.reload {
            key.kind.copy(fresh, &mut reloaded.settings);
            reloaded.applied.push(key);
        } else {
            reloaded.waiting.push(key);
        }
    }
    for tables in TABLES {
        reloaded.tables.extend(tables.changed(running, fresh));
        tables.copy(fresh, &mut reloaded.settings);
    }
    reloaded
}

//! The settings of scheduled backups: the keys `backup.*`.

use std::path::PathBuf;
use std::time::Duration;

use hythe_backup::Keep;

use crate::values::BackupPlace;

/// The keys `backup.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct BackupSettings {
    pub destination: Option<BackupPlace>,
    pub interval: Duration,
    pub keep: Keep,
    pub grace: Duration,
    pub endpoint: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key_file: Option<PathBuf>,
}

impl Default for BackupSettings {
    fn default() -> Self {
        Self {
            destination: None,
            interval: Duration::from_hours(24),
            keep: Keep::Newest(usize::MAX),
            grace: Duration::from_hours(24),
            endpoint: String::new(),
            region: String::new(),
            access_key_id: String::new(),
            secret_access_key_file: None,
        }
    }
}

//! The server's settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hythe_backup::{Keep, Store};
use hythe_lifecycle::Pace;
use hythe_lifecycle::retention::{Limits, Rule};

use crate::auth::Auth;
use crate::log::Format;

/// Settings of the HTTP edge. They can change while the server runs, except the marked ones.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Further host names that mean this registry, beside loopback ones.
    pub hosts: Vec<String>,
    /// Whether the server's container publishes its port only on its host's loopback. Then `Host` is checked as on a
    /// loopback listener, and the names that containers use are accepted too.
    pub published_on_loopback: bool,
    /// Origins whose web pages may read responses; `*` for all. Only pages of origins listed by name may write.
    pub cors_origins: Vec<String>,
    /// The longest time from the first byte of a request's head to its last.
    pub header_timeout: Duration,
    /// The longest time between two requests on one connection.
    pub idle_timeout: Duration,
    /// The longest time without a byte of a request or response body.
    pub progress_timeout: Duration,
    /// How long requests may continue after the server was told to stop.
    pub drain_timeout: Duration,
    /// The largest request head, in bytes.
    pub max_header_size: usize,
    /// The most connections at once; further ones wait. Cannot change while the server runs.
    pub max_connections: usize,
    /// Whether blobs are sent by `sendfile(2)`.
    pub sendfile: bool,
    /// The most repositories on one page of the catalog.
    pub catalog_max_page: usize,
    /// The most tags on one page of a repository's tags.
    pub tags_max_page: usize,
    /// Whether each request is logged.
    pub log_requests: bool,
    /// The format of the request lines in the log.
    pub log_format: Format,
    /// The time between two rounds of garbage collection.
    pub collect_interval: Duration,
    /// Retention by rules.
    pub retention: RetentionOptions,
    /// Scheduled backups of this registry; `None` for none.
    pub backup: Option<BackupOptions>,
    /// The folder for the files of the catalog's records, which a backup reads; `None` means the system's folder for
    /// temporary files.
    pub spool: Option<PathBuf>,
    /// How fast and how often stored content is verified in the background.
    pub scrub: Pace,
    /// Who may use the registry; `None` means everyone who reaches it.
    pub auth: Option<Auth>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            published_on_loopback: false,
            cors_origins: Vec::new(),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(3),
            progress_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(10),
            max_header_size: 64 << 10,
            max_connections: 10_000,
            sendfile: true,
            catalog_max_page: 1000,
            tags_max_page: 10_000,
            log_requests: true,
            log_format: Format::Text,
            collect_interval: Duration::from_mins(10),
            retention: RetentionOptions::default(),
            backup: None,
            spool: None,
            scrub: Pace { rate: 0, interval: Duration::from_hours(24 * 30) },
            auth: None,
        }
    }
}

/// Where and when the server backs its own registry up, and which backups stay.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The place of the backups.
    pub store: Arc<dyn Store>,
    /// The registry's name in the snapshots.
    pub name: String,
    /// The time between two backups.
    pub interval: Duration,
    /// Which backups stay.
    pub keep: Keep,
    /// How long a blob stays after a prune found it in no backup.
    pub grace: Duration,
}

/// The rules of retention, when they run, and how much a run may delete.
#[derive(Clone, Debug)]
pub struct RetentionOptions {
    /// The rules.
    pub rules: Arc<[Rule]>,
    /// The time between two scheduled runs.
    pub interval: Duration,
    /// How much a run may delete without a confirmation.
    pub limits: Limits,
}

impl Default for RetentionOptions {
    fn default() -> Self {
        Self {
            rules: Arc::default(),
            interval: Duration::from_hours(24),
            limits: Limits { images: 100, percent: 10 },
        }
    }
}

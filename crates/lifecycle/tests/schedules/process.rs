//! One process of the registry, on files that outlive it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hythe_catalog::Catalog;
use hythe_lifecycle::retention::Retainer;
use hythe_lifecycle::{Collector, Evictor};
use hythe_registry::{Registry, RegistryOptions};
use hythe_storage::Storage;
use rusqlite::Connection;

use crate::clock::TestClock;
use crate::gate::Gate;
use crate::storage::{Disk, Gated};

/// The grace period, in milliseconds.
pub(crate) const GRACE: i64 = 1000;
/// How long a session is kept that no client continues, in milliseconds.
pub(crate) const EXPIRE: i64 = 5000;

/// A running registry.
pub(crate) struct Process {
    pub(crate) registry: Registry,
    pub(crate) collector: Collector,
    pub(crate) evictor: Evictor,
    pub(crate) retainer: Retainer,
    pub(crate) gate: Arc<Gate>,
    /// The catalog's file.
    pub(crate) catalog: PathBuf,
}

impl Process {
    pub(crate) fn open(disk: &Disk, catalog: PathBuf, clock: &Arc<TestClock>, require_blobs: bool) -> Self {
        let gate = Arc::<Gate>::default();
        let storage: Arc<dyn Storage> = Arc::new(Gated { disk: disk.clone(), gate: Arc::clone(&gate) });
        let options = RegistryOptions {
            manifest_require_blobs: require_blobs,
            collect_grace: Duration::from_millis(GRACE.cast_unsigned()),
            upload_expire: Duration::from_millis(EXPIRE.cast_unsigned()),
            ..RegistryOptions::default()
        };
        let opened = Catalog::open(&catalog).unwrap();
        let registry = Registry::with_clock(storage, opened, options, Arc::<TestClock>::clone(clock));
        let collector = Collector::new(registry.clone());
        let (evictor, retainer) = (Evictor::new(registry.clone()), Retainer::new(registry.clone()));
        Self { registry, collector, evictor, retainer, gate, catalog }
    }

    /// Copies the catalog as a kill leaves it now, while no write runs.
    pub(crate) fn copy_catalog(&self, to: &Path) {
        for end in ["", "-wal"] {
            let with_end = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
            // Without a write since the start there is no log.
            if with_end(&self.catalog).exists() {
                fs::copy(with_end(&self.catalog), with_end(to)).unwrap();
            }
        }
    }

    /// A connection of another program to the catalog's file.
    pub(crate) fn beside(&self) -> Connection {
        let connection = Connection::open(&self.catalog).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        connection
    }
}

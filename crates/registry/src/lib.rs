//! The domain of a registry: what can be pushed, pulled, mounted, deleted and listed, with no word of HTTP.
//!
//! Bytes are the storage's, knowledge is the catalog's; this crate keeps the two in step so that whatever was
//! acknowledged is durable and whatever is visible is whole.

mod adoption;
mod batch;
mod blobs;
mod body;
mod buffers;
mod collector;
mod commit;
mod copies;
mod descriptors;
mod error;
mod fetch;
mod growing;
mod hashing;
mod ingest;
mod listings;
mod manifests;
mod parked;
mod pulls;
mod race;
mod sessions;
mod shared;
mod twin;
mod uploads;
mod writing;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use hythe_catalog::{Catalog, Totals};
use hythe_oci::{Digest, RepositoryName};
use hythe_storage::Storage;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

pub use adoption::Adopted;
pub use blobs::{Blob, Content};
pub use body::{Body, Piece, Reading};
pub use collector::{Collected, CollectedNow, Collection};
pub use error::{Error, Result};
pub use fetch::Fetch;
pub use growing::{Growing, Reader, Ready};
pub use hythe_catalog::{
    Amount, Cleared, CopySummary, MountFrom, Origin, Pattern, PatternError, Provenance, Referrer, Times,
};
pub use hythe_storage::most_open_files;
pub use listings::Page;
pub use manifests::{Manifest, PushedManifest};
pub use uploads::{Chunk, Started, UploadStatus};

/// How much manifest content is kept in memory. Only bytes by digest are, never tags or existence.
const MANIFEST_CACHE_BYTES: u64 = 8 << 20;

/// What can be set about a registry.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether tags, manifests and blobs may be deleted.
    pub delete: bool,
    /// The largest manifest, in bytes.
    pub manifest_max_size: usize,
    /// Whether a manifest is refused while the repository lacks a blob that it is made of.
    pub manifest_require_blobs: bool,
    /// How many upload bodies are received at once; one more is refused.
    pub upload_max_concurrent: usize,
    /// How many bytes of upload bodies may wait in memory, over all uploads.
    pub upload_memory: usize,
    /// An upload session that nobody continued for this long is forgotten.
    pub upload_expire: Duration,
    /// A blob that nothing references is kept this long after its last use.
    pub collect_grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delete: true,
            manifest_max_size: (4 << 20) + (256 << 10),
            manifest_require_blobs: false,
            upload_max_concurrent: 2000,
            upload_memory: 8 << 20,
            upload_expire: Duration::from_hours(7 * 24),
            collect_grace: Duration::from_hours(24),
        }
    }
}

/// A registry over one storage and one catalog.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

pub(crate) struct Inner {
    storage: Arc<dyn Storage>,
    catalog: Catalog,
    options: ArcSwap<Options>,
    manifests: Cache<Digest, Bytes, BySize>,
    sessions: sessions::Sessions,
    parked: parked::Parked,
    pulls: Arc<pulls::Pulls>,
    ingest: shared::Shared,
    /// Held by the collector's round that is under way.
    collecting: tokio::sync::Mutex<()>,
}

/// What keeping a manifest takes beside its content: the digest, the table's share, what the allocator adds. Measured.
const ENTRY: u64 = 256;

#[derive(Clone)]
struct BySize;

impl Weighter<Digest, Bytes> for BySize {
    fn weight(&self, _digest: &Digest, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + ENTRY
    }
}

impl Registry {
    /// A registry over `storage` and `catalog`, which belong together: what the one names, the other holds.
    pub fn new(storage: Arc<dyn Storage>, catalog: Catalog, options: Options) -> Self {
        Self(Arc::new(Inner {
            storage,
            catalog,
            manifests: Cache::with_weighter(1024, MANIFEST_CACHE_BYTES, BySize),
            sessions: sessions::Sessions::default(),
            parked: parked::Parked::new(hythe_storage::most_open_files()),
            pulls: Arc::default(),
            collecting: tokio::sync::Mutex::default(),
            ingest: shared::Shared::new(options.upload_max_concurrent, options.upload_memory),
            options: ArcSwap::from_pointee(options),
        }))
    }

    /// One repository, whether it exists or not.
    pub fn repository<'a>(&'a self, name: &'a RepositoryName) -> Repository<'a> {
        Repository { registry: self, name, origin: &Origin::Local, private: false }
    }

    /// A repository that is a copy of an upstream's, whether it exists or not.
    pub fn copy<'a>(&'a self, name: &'a RepositoryName, origin: &'a Origin) -> Repository<'a> {
        Repository { registry: self, name, origin, private: false }
    }

    /// The settings that it runs with.
    pub fn options(&self) -> Guard<Arc<Options>> {
        self.0.options.load()
    }

    /// Takes other settings. How many uploads there may be and what memory they share stay as they were.
    pub fn set_options(&self, options: Options) {
        self.0.options.store(Arc::new(options));
    }

    /// How much of everything there is. Counts rows: for a page that is asked for now and then.
    pub fn totals(&self) -> Result<Totals> {
        Ok(self.0.catalog.totals()?)
    }

    /// The longest time that one write has occupied the catalog's only writer since the start.
    pub fn longest_write(&self) -> Duration {
        self.0.catalog.longest_write()
    }

    /// How many upload bodies are being received now.
    pub fn active_uploads(&self) -> usize {
        self.0.ingest.bodies()
    }

    /// Returns when no upload body is being received any more, and what had come is saved.
    pub async fn uploads_ended(&self) {
        self.0.ingest.bodies_ended().await;
    }

    /// Whether requests would be answered now. A full disk is no reason to send none: pulls go on, and deletes must come
    /// through to free it.
    pub async fn ready(&self) -> Result<()> {
        self.0.catalog.ping()?;
        match self.0.storage.probe().await {
            Err(hythe_storage::Error::NoSpace { .. }) => Ok(()),
            probed => Ok(probed?),
        }
    }

    /// Ends the catalog's work in good order. Nothing may be asked of the registry afterwards.
    pub fn close(&self) {
        self.0.catalog.close();
    }
}

/// One repository of a registry: every read and write of its content goes through here.
#[derive(Clone, Copy)]
pub struct Repository<'a> {
    registry: &'a Registry,
    name: &'a RepositoryName,
    /// What is written into it comes from there.
    origin: &'a Origin,
    /// And was fetched with credentials.
    private: bool,
}

impl Repository<'_> {
    /// Its name.
    pub fn name(&self) -> &RepositoryName {
        self.name
    }

    /// The same, where what is written into it is fetched with credentials: that marks it.
    #[must_use]
    pub fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// Where its content really comes from, and how; `None` where it holds nothing.
    pub fn provenance(&self) -> Result<Option<Provenance>> {
        Ok(self.inner().catalog.provenance(self.name)?)
    }

    /// What is to be stored of what is written into it now.
    fn provenance_of_writes(&self) -> Provenance {
        Provenance { origin: self.origin.clone(), private: self.private }
    }

    fn inner(&self) -> &Inner {
        &self.registry.0
    }

    /// Now, where a use is worth a write after the one at `last`: not each look is; one that renews less than a quarter of
    /// the grace changes nothing.
    fn renewed(&self, last: i64) -> Option<i64> {
        let (now, grace) = (now(), millis(self.registry.options().collect_grace));
        Some(now).filter(|now| now.saturating_sub(last) > grace / 4)
    }
}

/// Milliseconds since the Unix epoch, as the catalog counts time.
pub(crate) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_millis().try_into().unwrap_or(i64::MAX))
}

/// A duration on the catalog's scale.
pub(crate) fn millis(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX)
}

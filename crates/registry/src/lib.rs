//! The domain of a registry: pushes, pulls, mounts, deletes and lists content, and knows nothing of HTTP.
//!
//! The storage holds the bytes, and the catalog holds everything known about them. This crate keeps the two consistent,
//! so that everything acknowledged is durable, and everything visible is whole.

mod accounts;
mod adoption;
mod batch;
mod blobs;
mod body;
mod buffers;
mod clock;
mod commit;
mod copies;
mod deleted;
mod descriptors;
mod error;
mod evict;
mod fetch;
mod growing;
mod hashing;
mod ingest;
mod joined;
mod journal;
mod leases;
mod listings;
mod manifests;
mod parked;
mod protection;
mod pulls;
mod race;
mod reading;
mod rebuild;
mod recovery;
mod replaced;
mod retention;
mod running;
mod sessions;
mod shared;
mod space;
mod spool;
mod twin;
mod upkeep;
mod uploads;
mod usage;
mod verify;
mod writing;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

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
pub use clock::{Clock, SystemClock};
pub use error::{Error, Result};
pub use fetch::Fetch;
pub use growing::{Growing, Reader, Ready};
pub use hythe_catalog::{
    AgedManifest, AgedTag, Amount, CachedImage, Cause, Cleared, Collected as Step, CopySummary, DamagedLine,
    DeletedManifest, DeletedTotal, Dependant, Incomplete, Lease, Lines, LinkCursor, Listing, MountFrom,
    Origin, Origins, PastTag, PastTags, Provenance, Purged, Rebuilt, Record, Referrer, Restored, RestoredTag,
    Running, Secret, Times, User, UserSet, Visible, write_line,
};
pub use hythe_storage::{Content as Stored, most_open_files};
pub use journal::journal;
pub use listings::Page;
pub use manifests::{Manifest, PushedManifest};
pub use protection::Protection;
pub use rebuild::{Rebuilding, Unusable};
pub use recovery::{JournalDamage, Recovered, has_journal, recover_catalog};
pub use space::{Amount as DiskAmount, Budget, Full, Space};
pub use upkeep::{Due, Unused};
pub use uploads::{Chunk, Started, UploadStatus};
pub use verify::{Damage, Flaw, Kind, Verified};

/// The size of the cache of manifests in memory, in bytes. It holds bytes by digest only, never tags or existence.
const MANIFEST_CACHE_BYTES: u64 = 8 << 20;

/// The settings of a registry.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Whether tags, manifests and blobs may be deleted.
    pub delete: bool,
    /// The largest manifest, in bytes.
    pub manifest_max_size: usize,
    /// Whether a manifest is refused if the repository lacks a blob that the manifest references.
    pub manifest_require_blobs: bool,
    /// How many upload bodies are received at once. One more takes the place of a slow one, or is refused.
    pub upload_max_concurrent: usize,
    /// How many bytes of upload bodies may wait in memory, over all uploads.
    pub upload_memory: usize,
    /// How long an upload session is kept that no client continues.
    pub upload_expire: Duration,
    /// The grace period: how long a blob that no manifest references is kept after its last use, and how long deleted
    /// content can be restored.
    pub collect_grace: Duration,
    /// The rules that protect tags of local repositories.
    pub protect: Vec<Protection>,
    /// How much the registry may store before it removes cached content.
    pub disk_budget: Budget,
    /// How much of the volume stays free: with less, the registry removes cached content, and then refuses pushes.
    pub disk_floor: DiskAmount,
    /// How long the images of a cluster are kept after the cluster last told what it runs.
    pub running_keep: Duration,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            delete: true,
            manifest_max_size: (4 << 20) + (256 << 10),
            manifest_require_blobs: false,
            upload_max_concurrent: 2000,
            upload_memory: 8 << 20,
            upload_expire: Duration::from_hours(7 * 24),
            collect_grace: Duration::from_hours(24),
            protect: Vec::new(),
            disk_budget: Budget::Auto,
            disk_floor: DiskAmount::Percent(1),
            running_keep: Duration::from_hours(7 * 24),
        }
    }
}

/// A registry over one storage and one catalog.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

pub(crate) struct Inner {
    storage: Arc<dyn Storage>,
    catalog: Catalog,
    options: ArcSwap<RegistryOptions>,
    manifests: Cache<Digest, Bytes, BySize>,
    sessions: sessions::Sessions,
    parked: parked::Parked,
    pulls: Arc<pulls::Pulls>,
    ingest: shared::Shared,
    usage: Arc<usage::Usage>,
    /// Locked while doomed files are removed, so that none is subtracted from the usage twice.
    removing: tokio::sync::Mutex<()>,
    readers: reading::Readers,
    clock: Arc<dyn Clock>,
}

/// What the cache needs for a manifest beside its content, in bytes: the digest, the table's share, and the allocator's
/// overhead. Measured.
const ENTRY: u64 = 256;

#[derive(Clone)]
struct BySize;

impl Weighter<Digest, Bytes> for BySize {
    fn weight(&self, _digest: &Digest, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + ENTRY
    }
}

impl Registry {
    /// A registry over `storage` and `catalog`, which belong together: the storage holds the blobs that the catalog
    /// names.
    pub fn new(storage: Arc<dyn Storage>, catalog: Catalog, options: RegistryOptions) -> Self {
        Self::with_clock(storage, catalog, options, Arc::new(SystemClock))
    }

    /// As [`Registry::new`], with another clock than this machine's.
    pub fn with_clock(
        storage: Arc<dyn Storage>,
        catalog: Catalog,
        options: RegistryOptions,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner {
            storage,
            catalog,
            manifests: Cache::with_weighter(1024, MANIFEST_CACHE_BYTES, BySize),
            sessions: sessions::Sessions::default(),
            parked: parked::Parked::new(hythe_storage::most_open_files()),
            pulls: Arc::default(),
            usage: Arc::default(),
            removing: tokio::sync::Mutex::default(),
            readers: reading::Readers::default(),
            clock,
            ingest: shared::Shared::new(options.upload_max_concurrent, options.upload_memory),
            options: ArcSwap::from_pointee(options),
        }))
    }

    /// A local repository, whether it exists or not.
    pub fn repository<'a>(&'a self, name: &'a RepositoryName) -> Repository<'a> {
        Repository { registry: self, name, origin: &Origin::Local, private: false, tagged: None, retag: true }
    }

    /// A repository that is a copy of an upstream's repository, whether it exists or not.
    pub fn copy<'a>(&'a self, name: &'a RepositoryName, origin: &'a Origin) -> Repository<'a> {
        Repository { registry: self, name, origin, private: false, tagged: None, retag: true }
    }

    /// The current settings.
    pub fn options(&self) -> Guard<Arc<RegistryOptions>> {
        self.0.options.load()
    }

    /// Changes the settings. The limits of concurrent uploads and of their memory stay as they were.
    pub fn set_options(&self, options: RegistryOptions) {
        self.0.options.store(Arc::new(options));
    }

    /// How much content the registry holds. Counts rows, so it is for a page that is read now and then.
    pub async fn totals(&self) -> Result<Totals> {
        Ok(self.0.catalog.totals().await?)
    }

    /// Gives `sink` every record of the catalog, as they are at one instant: repositories first, then manifests, links and
    /// tags. The inner error is the first that `sink` returned.
    pub async fn export<E, S>(&self, sink: S) -> Result<Result<(), E>>
    where
        E: Send + 'static,
        S: FnMut(Record) -> Result<(), E> + Send + 'static,
    {
        Ok(self.0.catalog.export(sink).await?)
    }

    /// The longest time that one write has occupied the catalog's only writer since the start.
    pub fn longest_write(&self) -> Duration {
        self.0.catalog.longest_write()
    }

    /// How many upload bodies the registry receives now.
    pub fn active_uploads(&self) -> usize {
        self.0.ingest.bodies()
    }

    /// Returns when the registry receives no upload body any more, and has saved what came.
    pub async fn uploads_ended(&self) {
        self.0.ingest.bodies_ended().await;
    }

    /// Whether the registry can answer requests now. A full disk does not make it unready: pulls still work, and
    /// deletes must reach the registry to free the disk.
    pub async fn ready(&self) -> Result<()> {
        self.0.catalog.ping().await?;
        match self.0.storage.probe().await {
            Err(hythe_storage::Error::NoSpace { .. }) => Ok(()),
            probed => Ok(probed?),
        }
    }

    /// Closes the catalog cleanly. The registry must not be used afterwards.
    pub fn close(&self) {
        self.0.catalog.close();
    }
}

/// One repository of a registry: every read and write of its content goes through here.
#[derive(Clone, Copy)]
pub struct Repository<'a> {
    registry: &'a Registry,
    name: &'a RepositoryName,
    /// The origin of the content that is written through this value.
    origin: &'a Origin,
    /// Whether that content was fetched with credentials.
    private: bool,
    /// When the tags that are set through this value were pushed, if not now; 0 if the time is unknown.
    tagged: Option<i64>,
    /// Whether existing tags may be moved through this value.
    retag: bool,
}

impl Repository<'_> {
    /// The name of the repository.
    pub fn name(&self) -> &RepositoryName {
        self.name
    }

    /// Sets whether the content that is written through this value was fetched with credentials. Such content marks the
    /// repository as private.
    #[must_use]
    pub fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// Sets when the tags that are set through this value were pushed; `None` if the time is unknown. Without it, they are
    /// pushed now.
    #[must_use]
    pub fn tagged(mut self, at: Option<SystemTime>) -> Self {
        self.tagged = Some(at.map_or(0, clock::stamp));
        self
    }

    /// Sets whether a push through this value may move an existing tag to another manifest.
    #[must_use]
    pub fn retag(mut self, retag: bool) -> Self {
        self.retag = retag;
        self
    }

    /// The provenance of the content that the repository has now; `None` if it has none.
    pub async fn provenance(&self) -> Result<Option<Provenance>> {
        Ok(self.inner().catalog.provenance(self.name).await?)
    }

    /// The provenance of the content that is written through this value.
    fn provenance_of_writes(&self) -> Provenance {
        Provenance { origin: self.origin.clone(), private: self.private }
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.registry.0
    }

    /// The current time, if the registry should record a use after the use at `last`. It does not record a use that
    /// would renew less than a quarter of the grace period, so that not each HEAD costs a write.
    fn renewed(&self, last: i64) -> Option<i64> {
        let (now, grace) = (self.inner().now(), clock::millis(self.registry.options().collect_grace));
        Some(now).filter(|now| now.saturating_sub(last) > grace / 4)
    }
}

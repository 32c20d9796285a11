//! The cache: keeps content of upstreams, and fetches what is missing.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use hythe_oci::{Reference, RepositoryName, Tag};
use hythe_registry::{Manifest, Registry};
use quick_cache::sync::Cache as Memory;
use tokio::sync::watch;

use crate::asked_upstreams::AskedUpstreams;
use crate::download::Downloads;
use crate::flights::Flights;
use crate::found::Found;
use crate::prefetches::Prefetches;
use crate::{Allowed, Result, Status};

/// How many confirmed tags are remembered; a forgotten one costs one more request.
const TAGS: usize = 16 << 10;

/// Options of the cache.
#[derive(Clone, Debug, Default)]
pub struct CacheOptions {
    /// Whether to ask no upstream and serve only what is stored.
    pub offline: bool,
    /// How many blobs of a fetched manifest's image are fetched ahead at a time; 0 for none.
    pub prefetch: usize,
}

/// The cache of one registry. Clones share it.
#[derive(Clone)]
pub struct Cache(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) registry: Registry,
    options: ArcSwap<CacheOptions>,
    allowed: ArcSwap<Allowed>,
    pub(crate) upstreams: AskedUpstreams,
    /// When the upstream last confirmed a tag.
    pub(crate) checked: Memory<(RepositoryName, Tag), Instant>,
    /// When the upstream last failed to confirm a tag, and why.
    pub(crate) doubted: Memory<(RepositoryName, Tag), (Instant, Arc<str>)>,
    /// True once downloads must save what they have and end.
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) manifests: Flights<(RepositoryName, Reference), Result<Found<Manifest>>>,
    pub(crate) downloads: Downloads,
    pub(crate) prefetches: Prefetches,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Cache {
    /// A cache of the upstreams in `allowed`, stored in `registry`.
    pub fn new(registry: Registry, allowed: Allowed, options: CacheOptions) -> Self {
        Self(Arc::new(Inner {
            registry,
            options: ArcSwap::from_pointee(options),
            allowed: ArcSwap::from_pointee(allowed),
            upstreams: AskedUpstreams::default(),
            checked: Memory::new(TAGS),
            doubted: Memory::new(TAGS),
            stopping: watch::Sender::new(false),
            manifests: Flights::default(),
            downloads: Downloads::default(),
            prefetches: Prefetches::default(),
        }))
    }

    /// Replaces the options and the upstreams. Requests in progress end with the old ones.
    pub fn set(&self, allowed: Allowed, options: CacheOptions) {
        self.0.options.store(Arc::new(options));
        self.0.allowed.store(Arc::new(allowed));
    }

    /// Makes downloads save what they have and end; they resume after the next start. For the end of a server.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// The allowed upstreams.
    pub fn allowed(&self) -> Arc<Allowed> {
        self.0.allowed.load_full()
    }

    /// The status of each upstream that was asked since the start, in the order of their names; unlisted ones appear
    /// together as `other`.
    pub fn status(&self) -> Vec<Status> {
        self.0.upstreams.status()
    }

    pub(crate) fn options(&self) -> Arc<CacheOptions> {
        self.0.options.load_full()
    }
}

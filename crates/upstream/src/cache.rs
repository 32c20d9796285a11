//! The cache: keeps content of upstreams, and fetches what is missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hythe_oci::{Authority, Reference, RepositoryName, Tag};
use hythe_registry::{Manifest, Origin, Registry, Repository};
use quick_cache::sync::Cache as Memory;
use tokio::sync::watch;

use crate::download::Downloads;
use crate::flights::Flights;
use crate::health::Thing;
use crate::prefetch::Prefetches;
use crate::source::Source;
use crate::sources::Sources;
use crate::{Allowed, CopyName, Error, Result, Status, Via};

/// How many confirmed tags are remembered; a forgotten one costs one more request.
const TAGS: usize = 16 << 10;

/// How long a tag is served without asking again, after the upstream could not confirm it.
const DOUBT: Duration = Duration::from_secs(5);

/// Settings of the cache.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether to ask no upstream and serve only what is stored.
    pub offline: bool,
    /// How many blobs of a fetched manifest's image are fetched ahead at a time; 0 for none.
    pub prefetch: usize,
}

/// Where an answer comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It was stored, and no request to the upstream was needed.
    Hit,
    /// It was fetched for this answer.
    Miss,
    /// It was stored, and the upstream confirmed it.
    Revalidated,
    /// It was stored, and the upstream could not confirm it.
    Stale {
        /// Why the upstream could not be asked.
        why: String,
        /// How long ago the upstream last confirmed it; `None` if that was before the start.
        age: Option<Duration>,
    },
    /// It is the stored part of a list that the upstream could not be asked for.
    Part {
        /// Why the upstream could not be asked.
        why: String,
    },
}

/// A value, and where it comes from.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// The requested thing.
    pub value: T,
    /// Where it comes from.
    pub freshness: Freshness,
}

impl<T> Found<T> {
    pub(crate) fn new(value: T, freshness: Freshness) -> Self {
        Self { value, freshness }
    }
}

/// The cache of one registry. Clones share it.
#[derive(Clone)]
pub struct Cache(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) registry: Registry,
    options: ArcSwap<Options>,
    allowed: ArcSwap<Allowed>,
    sources: Sources,
    /// When the upstream last confirmed a tag.
    checked: Memory<(RepositoryName, Tag), Instant>,
    /// When the upstream last failed to confirm a tag, and why.
    doubted: Memory<(RepositoryName, Tag), (Instant, Arc<str>)>,
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
    pub fn new(registry: Registry, allowed: Allowed, options: Options) -> Self {
        let sources = Sources::default();
        Self(Arc::new(Inner {
            registry,
            options: ArcSwap::from_pointee(options),
            allowed: ArcSwap::from_pointee(allowed),
            sources,
            checked: Memory::new(TAGS),
            doubted: Memory::new(TAGS),
            stopping: watch::Sender::new(false),
            manifests: Flights::default(),
            downloads: Downloads::default(),
            prefetches: Prefetches::default(),
        }))
    }

    /// Replaces the settings and the upstreams. Requests in progress end with the old ones.
    pub fn set(&self, allowed: Allowed, options: Options) {
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
        self.0.sources.status()
    }

    /// The copy with this name, for a request that arrived over `via` and that is allowed to read the copy.
    pub fn copy(&self, name: CopyName, via: Via) -> Result<Copy> {
        let (upstream, there, here) = name.into_parts();
        let source = self.0.sources.get(&upstream)?;
        let origin = Origin::upstream(&upstream.name);
        Ok(Copy { cache: self.clone(), source, there, here, origin, via, silent: None })
    }

    pub(crate) fn options(&self) -> Arc<Options> {
        self.0.options.load_full()
    }
}

/// One repository of an upstream, as this registry holds it.
#[derive(Clone)]
pub struct Copy {
    pub(crate) cache: Cache,
    pub(crate) source: Arc<Source>,
    /// Its name at the upstream.
    pub(crate) there: RepositoryName,
    /// Its name in this registry.
    pub(crate) here: RepositoryName,
    pub(crate) origin: Origin,
    /// How the request arrived.
    pub(crate) via: Via,
    /// Why the upstream must not be asked for this request, if so.
    silent: Option<&'static str>,
}

impl std::fmt::Debug for Copy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copy").field("here", &self.here).finish_non_exhaustive()
    }
}

impl Copy {
    /// Its name in this registry.
    pub fn name(&self) -> &RepositoryName {
        &self.here
    }

    /// The upstream of this copy.
    pub fn upstream(&self) -> &Authority {
        &self.source.upstream.name
    }

    /// The same copy, without requests to the upstream; `why` is the reason.
    #[must_use]
    pub fn only_if_cached(mut self, why: &'static str) -> Self {
        self.silent = Some(why);
        self
    }

    /// A name for the requested thing, under which its failures are counted.
    pub(crate) fn thing(&self, what: impl Into<String>) -> Thing {
        Thing { repository: self.there.clone(), what: what.into() }
    }

    /// Makes this copy a local repository, which clients can push into. Refused if any of its content was fetched with
    /// credentials: a local repository keeps no record of who may read such content.
    pub async fn pin(&self) -> Result<()> {
        Ok(self.repository().pin().await?)
    }

    pub(crate) fn repository(&self) -> Repository<'_> {
        self.cache.0.registry.copy(&self.here, &self.origin).private(self.is_private())
    }

    /// Whether content is fetched with credentials.
    pub(crate) fn is_private(&self) -> bool {
        self.source.upstream.has_login()
    }

    /// Refuses if pushed content has the copy's name: it must never be served for the upstream's content.
    pub(crate) async fn check_origin(&self) -> Result<()> {
        match self.repository().provenance().await? {
            Some(found) if found.origin != self.origin => {
                let (repository, origin) = (self.here.clone(), found.origin);
                Err(hythe_registry::Error::OtherOrigin { repository, origin }.into())
            }
            _ => Ok(()),
        }
    }

    /// When the upstream last confirmed the tag, if that is known.
    pub(crate) fn checked(&self, tag: &Tag) -> Option<Instant> {
        self.cache.0.checked.get(&(self.here.clone(), tag.clone()))
    }

    /// Records that the upstream has just confirmed the tag.
    pub(crate) fn check(&self, tag: &Tag) {
        let key = (self.here.clone(), tag.clone());
        self.cache.0.doubted.remove(&key);
        self.cache.0.checked.insert(key, Instant::now());
    }

    /// Why the upstream could not confirm the tag a moment ago, if so.
    pub(crate) fn doubted(&self, tag: &Tag) -> Option<Arc<str>> {
        let (at, why) = self.cache.0.doubted.get(&(self.here.clone(), tag.clone()))?;
        (at.elapsed() < DOUBT).then_some(why)
    }

    /// Records that the upstream could not confirm the tag now.
    pub(crate) fn doubt(&self, tag: &Tag, why: &str) {
        self.cache.0.doubted.insert((self.here.clone(), tag.clone()), (Instant::now(), why.into()));
    }

    pub(crate) fn count(&self, freshness: &Freshness) {
        let counters = &self.source.counters;
        let counter = match freshness {
            Freshness::Hit => &counters.hits,
            Freshness::Miss => &counters.misses,
            Freshness::Revalidated => &counters.revalidated,
            Freshness::Stale { .. } | Freshness::Part { .. } => &counters.stale,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, counter: impl Fn(&crate::source::Counters) -> &AtomicU64, bytes: u64) {
        counter(&self.source.counters).fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether only stored content may be served, for this request or for every one.
    pub(crate) fn is_offline(&self) -> bool {
        self.silent.is_some() || self.cache.options().offline
    }

    pub(crate) fn offline(&self, asked: impl Into<String>) -> Error {
        let why = self.silent.unwrap_or("this registry is offline (upstream.offline)");
        Error::Offline { upstream: self.upstream().clone(), asked: asked.into(), why }
    }

    /// The error for an upstream that answered but did not deliver in time.
    pub(crate) fn unavailable(&self, asked: String, reason: String) -> Error {
        let (upstream, host) = (self.upstream().clone(), self.upstream().to_string());
        let error = hythe_client::Error::Unavailable {
            host,
            asked,
            status: None,
            reached: true,
            retry_after: None,
            reason,
        };
        Error::Upstream { upstream, error }
    }

    pub(crate) fn wrong(&self, asked: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Wrong { upstream: self.upstream().clone(), asked: asked.into(), reason: reason.into() }
    }
}

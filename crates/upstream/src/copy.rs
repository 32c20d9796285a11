//! One repository of an upstream, as this registry holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hythe_oci::{Authority, RepositoryName, Tag};
use hythe_registry::{Origin, Repository};

use crate::cache::Cache;
use crate::download::Recipient;
use crate::endpoints::{Counters, Endpoints};
use crate::found::Freshness;
use crate::thing::Thing;
use crate::{CopyName, Error, Result, Via};

/// How long a tag is served without asking again, after the upstream could not confirm it.
const DOUBT: Duration = Duration::from_secs(5);

impl Cache {
    /// The copy with this name, for a request that arrived over `via` and that is allowed to read the copy.
    pub fn copy(&self, name: CopyName, via: Via) -> Result<RepositoryCopy> {
        let (upstream, there, here) = name.into_parts();
        let endpoints = self.0.upstreams.get(&upstream)?;
        let origin = Origin::upstream(&upstream.name);
        Ok(RepositoryCopy { cache: self.clone(), endpoints, there, here, origin, via, silent: None })
    }
}

/// One repository of an upstream, as this registry holds it.
#[derive(Clone)]
pub struct RepositoryCopy {
    pub(crate) cache: Cache,
    pub(crate) endpoints: Arc<Endpoints>,
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

impl std::fmt::Debug for RepositoryCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RepositoryCopy").field("here", &self.here).finish_non_exhaustive()
    }
}

impl RepositoryCopy {
    /// Its name in this registry.
    pub fn name(&self) -> &RepositoryName {
        &self.here
    }

    /// The upstream of this copy.
    pub fn upstream(&self) -> &Authority {
        &self.endpoints.upstream.name
    }

    /// The same copy, without requests to the upstream; `why` is the reason.
    #[must_use]
    pub fn only_if_cached(mut self, why: &'static str) -> Self {
        self.silent = Some(why);
        self
    }

    /// This repository, for a download that gives it a blob.
    pub(crate) fn recipient(&self) -> Recipient {
        Recipient { name: self.here.clone(), origin: self.origin.clone(), private: self.is_private() }
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
        self.endpoints.upstream.has_login()
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
        let counters = &self.endpoints.counters;
        let counter = match freshness {
            Freshness::Hit => &counters.hits,
            Freshness::Miss => &counters.misses,
            Freshness::Revalidated => &counters.revalidated,
            Freshness::Stale { .. } | Freshness::Part { .. } => &counters.stale,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, counter: impl Fn(&Counters) -> &AtomicU64, bytes: u64) {
        counter(&self.endpoints.counters).fetch_add(bytes, Ordering::Relaxed);
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
            remedy: None,
        };
        Error::Upstream { upstream, error }
    }

    pub(crate) fn wrong(&self, asked: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Wrong { upstream: self.upstream().clone(), asked: asked.into(), reason: reason.into() }
    }
}

//! Manifests of a copy: digests never expire, and tags are checked with the upstream again after a while.

use std::time::Duration;

use bytes::Bytes;
use hythe_client::Error as Failure;
use hythe_oci::media_type::{is_index, is_manifest, is_schema1};
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};
use hythe_registry::{Error as Refusal, Manifest};
use tokio::time::timeout;

use crate::copy::RepositoryCopy;
use crate::found::{Found, Freshness};
use crate::thing::Kind;
use crate::{Error, Result};

/// Tags are served longer without asking again when less than one part in `LITTLE` of an upstream's rate limit is left.
const LITTLE: u64 = 10;

/// How long the upstream may take to confirm a tag whose manifest is stored.
const PATIENCE: Duration = Duration::from_millis(2500);

/// How long each endpoint may take for that, if there are several.
const SHARE: Duration = Duration::from_millis(1200);

/// How many times longer tags are then served without asking again.
const STRETCH: u32 = 10;

impl RepositoryCopy {
    /// The manifest that a tag or digest names.
    pub async fn manifest(&self, reference: &Reference) -> Result<Found<Manifest>> {
        self.check_origin().await?;
        let known = match self.repository().manifest(reference).await {
            Ok(manifest) => Some(manifest),
            Err(Refusal::ManifestUnknown { .. } | Refusal::NameUnknown(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let found = match known {
            Some(manifest) if self.is_fresh(reference) => Ok(Found::new(manifest, Freshness::Hit)),
            None if self.is_offline() => Err(self.offline(format!("manifest `{reference}`"))),
            known => match (self.doubt_of(reference), known) {
                (Some(stale), Some(manifest)) => Ok(Found::new(manifest, stale)),
                (_, known) => self.ask_once(reference, known).await,
            },
        };
        let found = self.admitted(found?).await?;
        self.count(&found.freshness);
        Ok(found)
    }

    /// The exact bytes of a manifest that was just found.
    pub async fn manifest_bytes(&self, manifest: &Manifest) -> Result<Bytes> {
        Ok(self.repository().manifest_bytes(manifest).await?)
    }

    /// Records that a client pulled a manifest; see [`Repository::record_pull`](hythe_registry::Repository::record_pull).
    pub fn record_pull(&self, reference: &Reference, manifest: &Manifest, of_bytes: bool) {
        self.repository().record_pull(reference, manifest, of_bytes);
    }

    fn is_fresh(&self, reference: &Reference) -> bool {
        let Reference::Tag(tag) = reference else { return true };
        self.is_offline() || self.checked(tag).is_some_and(|checked| checked.elapsed() < self.ttl(tag))
    }

    /// How long a tag is served without asking again. Longer when little of the rate limit is left: the upstream might
    /// then refuse the manifest that the tag newly names.
    fn ttl(&self, tag: &Tag) -> Duration {
        let ttl = self.endpoints.upstream.ttl_of(&self.there, tag);
        match self.endpoints.budget() {
            Some(budget) if budget.limit.is_some_and(|limit| budget.remaining < limit / LITTLE) => {
                ttl.saturating_mul(STRETCH)
            }
            _ => ttl,
        }
    }

    /// Asks the upstream once for all requests that want the same at the same time.
    async fn ask_once(&self, reference: &Reference, known: Option<Manifest>) -> Result<Found<Manifest>> {
        let (copy, wanted) = (self.clone(), reference.clone());
        let key = (self.here.clone(), reference.clone());
        let asked = self.cache.0.manifests.join(key, move || async move { copy.ask(&wanted, known).await });
        asked.await.unwrap_or_else(|| {
            Err(Refusal::Internal("the task that asks the upstream ended early".to_owned()).into())
        })
    }

    async fn ask(&self, reference: &Reference, known: Option<Manifest>) -> Result<Found<Manifest>> {
        let Reference::Tag(tag) = reference else {
            let manifest = self.fetch(reference, None, Duration::MAX).await?;
            return Ok(Found::new(manifest, Freshness::Miss));
        };
        let error = match self.ask_tag(tag, known.as_ref()).await {
            Ok(found) => {
                self.check(tag);
                return Ok(found);
            }
            Err(error) => error,
        };
        match known {
            Some(_) if error.is_gone() => {
                // The upstream has removed the tag. Its manifest can still be pulled by digest.
                self.repository().untag(tag).await?;
                Err(error)
            }
            Some(manifest) if !matches!(error, Error::Registry(_)) => {
                tracing::warn!(repository = %self.here, %tag, %error, "the upstream could not confirm a tag; the stored manifest is served");
                self.doubt(tag, &error.to_string());
                Ok(Found::new(manifest, self.stale(tag, error.to_string())))
            }
            _ => Err(error),
        }
    }

    /// Asks for a tag: first by HEAD, which upstreams do not count.
    async fn ask_tag(&self, tag: &Tag, known: Option<&Manifest>) -> Result<Found<Manifest>> {
        // A client whose manifest is already stored must not wait long, nor spend all of that time on one endpoint.
        let (each, all) = match known {
            Some(_) if self.endpoints.count() > 1 => (SHARE, PATIENCE),
            Some(_) => (Duration::MAX, PATIENCE),
            None => (Duration::MAX, Duration::MAX),
        };
        let digest = match self.head(tag, each, all).await {
            Ok(Some(digest)) => digest,
            // Some upstreams give no digest, or do not answer HEAD; then only the manifest itself tells.
            Ok(None) => return self.get_tag(tag, known, each, all).await,
            Err(error) if error.is_of_the_way() => return self.get_tag(tag, known, each, all).await,
            Err(error) => return Err(error),
        };
        if let Some(known) = known.filter(|known| known.digest == digest) {
            return Ok(Found::new(known.clone(), Freshness::Revalidated));
        }
        if let Ok(manifest) = self.repository().manifest(&Reference::Digest(digest)).await {
            // The manifest is already stored: only the tag is new.
            let bytes = self.repository().manifest_bytes(&manifest).await?;
            self.keep(digest, Some(&manifest.media_type), Some(tag), bytes).await?;
            return Ok(Found::new(manifest, Freshness::Revalidated));
        }
        match self.fetch(&Reference::Digest(digest), Some(tag), each).await {
            Ok(manifest) => Ok(Found::new(manifest, Freshness::Miss)),
            // The tag has moved meanwhile, or HEAD gave a wrong digest.
            Err(error) if error.is_of_the_way() => self.get_tag(tag, known, each, all).await,
            Err(error) => Err(error),
        }
    }

    /// The digest that a tag names, if the upstream gives it in an answer to HEAD.
    async fn head(&self, tag: &Tag, each: Duration, all: Duration) -> Result<Option<Digest>> {
        let reference = Reference::Tag(tag.clone());
        let thing = self.thing(format!("manifest `{reference}`"));
        let head = self.endpoints.ask(Kind::Other, &thing, 0, |client| {
            let (there, reference) = (self.there.clone(), reference.clone());
            async move {
                let asked = timeout(each, client.manifest_head(&there, &reference)).await;
                asked.unwrap_or_else(|_| Err(slow(client.endpoint(), &there, each)))
            }
        });
        let head = timeout(all, head).await.unwrap_or_else(|_| Err(self.slow(all)));
        Ok(head?.digest)
    }

    /// The manifest that a tag names, by GET alone.
    async fn get_tag(
        &self,
        tag: &Tag,
        known: Option<&Manifest>,
        each: Duration,
        all: Duration,
    ) -> Result<Found<Manifest>> {
        let reference = Reference::Tag(tag.clone());
        let fetched = timeout(all, self.fetch(&reference, Some(tag), each)).await;
        let manifest = fetched.unwrap_or_else(|_| Err(self.slow(all)))?;
        let same = known.is_some_and(|known| known.digest == manifest.digest);
        Ok(Found::new(manifest, if same { Freshness::Revalidated } else { Freshness::Miss }))
    }

    fn slow(&self, patience: Duration) -> Error {
        let (upstream, host) = (self.upstream().clone(), self.upstream().to_string());
        Error::Upstream { upstream, error: slow(&host, &self.there, patience) }
    }

    /// The freshness for a tag that the upstream could not confirm a moment ago: it is served without asking again.
    fn doubt_of(&self, reference: &Reference) -> Option<Freshness> {
        let Reference::Tag(tag) = reference else { return None };
        self.doubted(tag).map(|why| self.stale(tag, why.to_string()))
    }

    fn stale(&self, tag: &Tag, why: String) -> Freshness {
        Freshness::Stale { why, age: self.checked(tag).map(|checked| checked.elapsed()) }
    }

    /// Fetches a manifest and stores it, also under `tag`. Each endpoint may take `each`.
    async fn fetch(&self, reference: &Reference, tag: Option<&Tag>, each: Duration) -> Result<Manifest> {
        let limit = self.cache.0.registry.options().manifest_max_size;
        let thing = self.thing(format!("manifest `{reference}`"));
        let mut last = None;
        // Tries each endpoint: another one may have the right bytes.
        for first in 0..self.endpoints.count().max(2) {
            let answer = self.endpoints.ask(Kind::Manifest, &thing, first, |client| {
                let (there, reference) = (self.there.clone(), reference.clone());
                async move {
                    let asked = timeout(each, client.manifest(&there, &reference, limit)).await;
                    asked.unwrap_or_else(|_| Err(slow(client.endpoint(), &there, each)))
                }
            });
            let answer = answer.await?;
            self.add(|counters| &counters.fetched, answer.bytes.len() as u64);
            let expected = match reference {
                Reference::Digest(digest) => Some(*digest),
                Reference::Tag(_) => answer.digest,
            };
            let algorithm = expected.map_or(Algorithm::Sha256, |digest| digest.algorithm());
            let actual = Digest::of(algorithm, &answer.bytes);
            if let Some(expected) = expected.filter(|expected| *expected != actual) {
                let reason = format!("the content has digest {actual}");
                last = Some(self.wrong(format!("manifest {expected}"), reason));
                continue;
            }
            match self.keep(actual, answer.media_type.as_deref(), tag, answer.bytes).await {
                Ok(kept) => {
                    self.came(kept.digest);
                    return Ok(kept);
                }
                // Such as a web page that the server shows for every path.
                Err(wrong @ Error::Wrong { .. }) => last = Some(wrong),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| self.wrong(format!("manifest `{reference}`"), "no content arrived")))
    }

    async fn keep(
        &self,
        digest: Digest,
        media_type: Option<&str>,
        tag: Option<&Tag>,
        bytes: Bytes,
    ) -> Result<Manifest> {
        // Some upstreams serve every manifest as JSON, text or bytes: then its own `mediaType` or its fields tell the
        // type.
        let media_type =
            media_type.filter(|served| is_manifest(served) || is_index(served) || is_schema1(served));
        let (repository, reference) = (self.repository(), Reference::Digest(digest));
        let tags = tag.cloned().into_iter().collect();
        match repository.push_manifest(&reference, tags, media_type, bytes).await {
            Ok(_) => Ok(repository.manifest(&reference).await?),
            Err(Refusal::ManifestInvalid(invalid)) => {
                Err(self.wrong(format!("manifest {digest}"), format!("it is not valid: {invalid}")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The error for a manifest of `there` that did not arrive in time.
fn slow(host: &str, there: &RepositoryName, patience: Duration) -> Failure {
    Failure::Unavailable {
        host: host.to_owned(),
        asked: format!("a manifest of `{there}`"),
        status: None,
        reached: true,
        retry_after: None,
        remedy: None,
        reason: format!("it did not answer within {patience:?}"),
    }
}

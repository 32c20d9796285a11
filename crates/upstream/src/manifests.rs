//! Manifests of a copy: digests never expire, tags are asked for again after a while.

use std::time::Duration;

use bytes::Bytes;
use hythe_client::Error as Failure;
use hythe_oci::media_type::{is_index, is_manifest, is_schema1};
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};
use hythe_registry::{Error as Refusal, Manifest};
use tokio::time::timeout;

use crate::cache::{Copy, Found, Freshness};
use crate::source::Kind;
use crate::{Error, Result};

/// Where less than this share of an upstream's budget is left, its tags are believed longer.
const LITTLE: u64 = 10;

/// How long upstream may take to confirm a tag whose manifest is here.
const PATIENCE: Duration = Duration::from_millis(2500);

/// And an endpoint behind which there is another.
const SHARE: Duration = Duration::from_millis(1200);

/// So much longer.
const STRETCH: u32 = 10;

impl Copy {
    /// What a tag or digest names.
    pub async fn manifest(&self, reference: &Reference) -> Result<Found<Manifest>> {
        self.admit()?;
        let known = match self.repository().manifest(reference) {
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
        let found = self.admitted(found?)?;
        self.count(&found.freshness);
        Ok(found)
    }

    /// The exact bytes of a manifest that was just found.
    pub fn manifest_bytes(&self, manifest: &Manifest) -> Result<Bytes> {
        Ok(self.repository().manifest_bytes(manifest)?)
    }

    /// Records that a client pulled a manifest that was just found, as
    /// [`Repository::record_pull`](hythe_registry::Repository::record_pull) says.
    pub fn record_pull(&self, reference: &Reference, manifest: &Manifest, of_bytes: bool) {
        self.repository().record_pull(reference, manifest, of_bytes);
    }

    fn is_fresh(&self, reference: &Reference) -> bool {
        let Reference::Tag(tag) = reference else { return true };
        self.is_offline() || self.checked(tag).is_some_and(|checked| checked.elapsed() < self.ttl(tag))
    }

    /// How long a tag is believed: longer where asking for what it newly names may not be answered any more.
    fn ttl(&self, tag: &Tag) -> Duration {
        let ttl = self.source.upstream.ttl_of(&self.there, tag);
        match self.source.budget() {
            Some(budget) if budget.limit.is_some_and(|limit| budget.remaining < limit / LITTLE) => {
                ttl.saturating_mul(STRETCH)
            }
            _ => ttl,
        }
    }

    /// All who want the same at the same time get one answer.
    async fn ask_once(&self, reference: &Reference, known: Option<Manifest>) -> Result<Found<Manifest>> {
        let (copy, wanted) = (self.clone(), reference.clone());
        let key = (self.here.clone(), reference.clone());
        let asked = self.cache.0.manifests.join(key, move || async move { copy.ask(&wanted, known).await });
        asked.await.unwrap_or_else(|| {
            Err(Refusal::Internal("the work on a request ended before its time".to_owned()).into())
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
                // Upstream has taken it away. What it named can still be had by its digest.
                self.repository().untag(tag).await?;
                Err(error)
            }
            Some(manifest) if !matches!(error, Error::Registry(_)) => {
                tracing::warn!(repository = %self.here, %tag, %error, "a tag could not be confirmed; what it named last is served");
                self.doubt(tag, &error.to_string());
                Ok(Found::new(manifest, self.stale(tag, error.to_string())))
            }
            _ => Err(error),
        }
    }

    /// First by HEAD, which upstreams do not count.
    async fn ask_tag(&self, tag: &Tag, known: Option<&Manifest>) -> Result<Found<Manifest>> {
        // Who waits for what is here already is not to wait long, nor for one endpoint alone.
        let (each, all) = match known {
            Some(_) if self.source.endpoints() > 1 => (SHARE, PATIENCE),
            Some(_) => (Duration::MAX, PATIENCE),
            None => (Duration::MAX, Duration::MAX),
        };
        let digest = match self.head(tag, each, all).await {
            Ok(Some(digest)) => digest,
            // Some do not say, or answer no HEAD; then only the manifest itself can tell.
            Ok(None) => return self.get_tag(tag, known, each, all).await,
            Err(error) if error.is_of_the_way() => return self.get_tag(tag, known, each, all).await,
            Err(error) => return Err(error),
        };
        if let Some(known) = known.filter(|known| known.digest == digest) {
            return Ok(Found::new(known.clone(), Freshness::Revalidated));
        }
        if let Ok(manifest) = self.repository().manifest(&Reference::Digest(digest)) {
            // It is here under another name, or was: only the tag is new.
            let bytes = self.repository().manifest_bytes(&manifest)?;
            self.keep(digest, Some(&manifest.media_type), Some(tag), bytes).await?;
            return Ok(Found::new(manifest, Freshness::Revalidated));
        }
        match self.fetch(&Reference::Digest(digest), Some(tag), each).await {
            Ok(manifest) => Ok(Found::new(manifest, Freshness::Miss)),
            // It names something else by now, or HEAD has told another digest than it has.
            Err(error) if error.is_of_the_way() => self.get_tag(tag, known, each, all).await,
            Err(error) => Err(error),
        }
    }

    /// The digest that a tag names, where upstream says so in an answer to HEAD.
    async fn head(&self, tag: &Tag, each: Duration, all: Duration) -> Result<Option<Digest>> {
        let reference = Reference::Tag(tag.clone());
        let thing = self.thing(format!("manifest `{reference}`"));
        let head = self.source.ask(Kind::Other, &thing, 0, |client| {
            let (there, reference) = (self.there.clone(), reference.clone());
            async move {
                let asked = timeout(each, client.manifest_head(&there, &reference)).await;
                asked.unwrap_or_else(|_| Err(slow(client.endpoint(), &there, each)))
            }
        });
        let head = timeout(all, head).await.unwrap_or_else(|_| Err(self.slow(all)));
        Ok(head?.digest)
    }

    /// What a tag names, by GET alone.
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

    /// How what a tag named is served without asking whether it still does, where that could not be said a moment ago.
    fn doubt_of(&self, reference: &Reference) -> Option<Freshness> {
        let Reference::Tag(tag) = reference else { return None };
        self.doubted(tag).map(|why| self.stale(tag, why.to_string()))
    }

    fn stale(&self, tag: &Tag, why: String) -> Freshness {
        Freshness::Stale { why, age: self.checked(tag).map(|checked| checked.elapsed()) }
    }

    /// Gets a manifest and keeps it, under `tag` too. Each endpoint may take `each`.
    async fn fetch(&self, reference: &Reference, tag: Option<&Tag>, each: Duration) -> Result<Manifest> {
        let limit = self.cache.0.registry.options().manifest_max_size;
        let thing = self.thing(format!("manifest `{reference}`"));
        let mut last = None;
        // Each endpoint may be the one with the right bytes.
        for first in 0..self.source.endpoints().max(2) {
            let answer = self.source.ask(Kind::Manifest, &thing, first, |client| {
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
                // A page that is shown for any path.
                Err(wrong @ Error::Wrong { .. }) => last = Some(wrong),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| self.wrong(format!("manifest `{reference}`"), "nothing came")))
    }

    async fn keep(
        &self,
        digest: Digest,
        media_type: Option<&str>,
        tag: Option<&Tag>,
        bytes: Bytes,
    ) -> Result<Manifest> {
        // Some serve every manifest as JSON, text or bytes: then it says itself what it is, or its fields do.
        let media_type =
            media_type.filter(|served| is_manifest(served) || is_index(served) || is_schema1(served));
        let (repository, reference) = (self.repository(), Reference::Digest(digest));
        let tags = tag.cloned().into_iter().collect();
        match repository.push_manifest(&reference, tags, media_type, bytes).await {
            Ok(_) => Ok(repository.manifest(&reference)?),
            Err(Refusal::ManifestInvalid(invalid)) => {
                Err(self.wrong(format!("manifest {digest}"), format!("it cannot be understood: {invalid}")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// That no answer about a manifest of `there` came in time.
fn slow(host: &str, there: &RepositoryName, patience: Duration) -> Failure {
    Failure::Unavailable {
        host: host.to_owned(),
        asked: format!("a manifest of `{there}`"),
        status: None,
        reached: true,
        retry_after: None,
        reason: format!("it did not answer within {patience:?}"),
    }
}

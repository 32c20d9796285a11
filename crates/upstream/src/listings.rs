//! Tags and referrers of a copy: upstream's, with what is here where upstream cannot be asked.

use std::collections::BTreeMap;

use hythe_oci::{Digest, Reference, Tag, fallback_tag};
use hythe_registry::{Error as Refusal, Page, Referrer};
use serde_json::Value;

use crate::cache::{Copy, Found, Freshness};
use crate::source::Kind;
use crate::{Error, Result};

/// What an upstream's list of referrers may weigh, in bytes.
const REFERRERS: usize = 8 << 20;

impl Copy {
    /// A page of upstream's tags, after `after`; of those that are here, where it cannot be asked.
    pub async fn tags(&self, after: Option<&str>, limit: usize) -> Result<Found<Page<Tag>>> {
        self.admit()?;
        let here = || match self.repository().tags(after, limit) {
            Err(Refusal::NameUnknown(_)) => Ok(None),
            tags => tags.map(Some).map_err(Error::from),
        };
        if self.is_offline() {
            let tags = here()?.ok_or_else(|| self.offline("the list of tags"))?;
            return self.admitted(Found::new(tags, Freshness::Hit));
        }
        let asked = self.source.ask(Kind::Other, 0, |client| {
            let (there, after) = (self.there.clone(), after.map(str::to_owned));
            async move { client.tags(&there, after.as_deref(), limit).await }
        });
        match asked.await {
            Ok(page) => Ok(Found::new(Page { items: page.tags, more: page.more }, Freshness::Miss)),
            Err(error) if error.is_temporary() => match here()? {
                Some(tags) => self.admitted(Found::new(tags, self.part(&error))),
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// What refers to a manifest, there and here together, in the order of the digests.
    pub async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Found<Vec<Referrer>>> {
        self.admit()?;
        let here = self.repository().referrers(subject, artifact_type, None, usize::MAX >> 1)?.items;
        if self.is_offline() {
            return self.admitted(Found::new(here, Freshness::Hit));
        }
        let (there, freshness) = match self.upstream_referrers(subject).await {
            Ok(there) => (there, Freshness::Miss),
            Err(error) if error.is_temporary() => (Vec::new(), self.part(&error)),
            Err(error) if error.is_not_found() => (Vec::new(), Freshness::Miss),
            Err(error) => return Err(error),
        };
        let is_wanted = |referrer: &Referrer| {
            artifact_type.is_none_or(|wanted| referrer.artifact_type.as_deref() == Some(wanted))
        };
        // What is here comes last, and stays where both have it.
        let all = there.into_iter().filter(is_wanted).chain(here);
        let all: BTreeMap<_, _> = all.map(|referrer| (referrer.digest.to_string(), referrer)).collect();
        self.admitted(Found::new(all.into_values().collect(), freshness))
    }

    /// That a list is only what is here, counted.
    fn part(&self, error: &Error) -> Freshness {
        let freshness = Freshness::Part { why: error.to_string() };
        self.count(&freshness);
        freshness
    }

    async fn upstream_referrers(&self, subject: &Digest) -> Result<Vec<Referrer>> {
        let asked = self.source.ask(Kind::Other, 0, |client| {
            let (there, subject) = (self.there.clone(), *subject);
            async move { client.referrers(&there, &subject, REFERRERS).await }
        });
        if let Some(index) = asked.await? {
            return Ok(parse(&index));
        }
        // It has no such API: then the list is a tag's (distribution-spec, Referrers tag schema).
        let found = self.manifest(&Reference::Tag(fallback_tag(subject))).await?;
        Ok(parse(&self.manifest_bytes(&found.value)?))
    }
}

/// The entries that can be understood; one that cannot keeps no other.
fn parse(index: &[u8]) -> Vec<Referrer> {
    let Ok(index) = serde_json::from_slice::<Value>(index) else { return Vec::new() };
    let entries = index["manifests"].as_array().map(Vec::as_slice).unwrap_or_default();
    entries
        .iter()
        .filter_map(|entry| {
            Some(Referrer {
                digest: entry["digest"].as_str()?.parse().ok()?,
                media_type: entry["mediaType"].as_str()?.to_owned(),
                size: entry["size"].as_u64()?,
                artifact_type: entry["artifactType"].as_str().map(str::to_owned),
                annotations: entry["annotations"].as_object().and_then(|map| serde_json::to_string(map).ok()),
            })
        })
        .collect()
}

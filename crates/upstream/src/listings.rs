//! Tags and referrers of a copy: the upstream's lists, or the stored part of them if the upstream cannot be asked.

use std::borrow::Cow;

use hythe_client::{Entry, entries};
use hythe_oci::{Digest, Reference, Tag, fallback_tag};
use hythe_registry::{Error as Refusal, Page, Referrer};
use serde_json::value::RawValue;

use crate::copy::RepositoryCopy;
use crate::found::{Found, Freshness};
use crate::thing::Kind;
use crate::{Error, Result};

/// The largest list of referrers that is read from an upstream, in bytes.
const REFERRERS: usize = 8 << 20;

/// The largest page of referrers, in bytes, and how many stored referrers it may contain.
const PAGE: usize = 2 << 20;
const OWN: usize = 1000;

impl RepositoryCopy {
    /// A page of the upstream's tags after `after`, or of the stored tags if the upstream cannot be asked.
    pub async fn tags(&self, after: Option<&str>, limit: usize) -> Result<Found<Page<Tag>>> {
        self.check_origin().await?;
        let here = async || match self.repository().tags(after, limit).await {
            Err(Refusal::NameUnknown(_)) => Ok(None),
            tags => tags.map(Some).map_err(Error::from),
        };
        if self.is_offline() {
            let tags = here().await?.ok_or_else(|| self.offline("the list of tags"))?;
            return self.admitted(Found::new(tags, Freshness::Hit)).await;
        }
        let thing = self.thing("the list of tags");
        let asked = self.endpoints.ask(Kind::Other, &thing, 0, |client| {
            let (there, after) = (self.there.clone(), after.map(str::to_owned));
            async move { client.tags(&there, after.as_deref(), limit).await }
        });
        match asked.await {
            Ok(page) => Ok(Found::new(Page { items: page.tags, more: page.more }, Freshness::Miss)),
            Err(error) if error.is_temporary() => match here().await? {
                Some(tags) => self.admitted(Found::new(tags, self.part(&error))).await,
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// A page of the referrers of a manifest, the upstream's and the stored ones together, in the order of their
    /// digests, after `after`.
    pub async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
        after: Option<&Digest>,
    ) -> Result<Found<Page<Referrer>>> {
        self.check_origin().await?;
        let here = self.repository().referrers(subject, artifact_type, after, OWN).await?;
        if self.is_offline() {
            return self.admitted(Found::new(here, Freshness::Hit)).await;
        }
        let wanted = Wanted::new(artifact_type, after);
        let (there, freshness) = match self.upstream_referrers(subject, wanted.clone()).await {
            Ok(there) => (there, Freshness::Miss),
            Err(error) if error.is_temporary() => (wanted, self.part(&error)),
            Err(error) if error.is_not_found() => (wanted, Freshness::Miss),
            Err(error) => return Err(error),
        };
        self.admitted(Found::new(there.and(here), freshness)).await
    }

    /// The freshness of a list that has only stored entries. Counts the answer.
    fn part(&self, error: &Error) -> Freshness {
        let freshness = Freshness::Part { why: error.to_string() };
        self.count(&freshness);
        freshness
    }

    async fn upstream_referrers(&self, subject: &Digest, wanted: Wanted) -> Result<Wanted> {
        let thing = self.thing(format!("the list of referrers of `{subject}`"));
        let asked = self.endpoints.ask(Kind::Other, &thing, 0, |client| {
            let (there, subject, wanted) = (self.there.clone(), *subject, wanted.clone());
            async move { client.referrers(&there, &subject, REFERRERS, wanted, Wanted::take).await }
        });
        if let Some(found) = asked.await? {
            return Ok(found);
        }
        // The upstream has no referrers API: a tag may hold the list (distribution-spec, Referrers tag schema).
        let found = self.manifest(&Reference::Tag(fallback_tag(subject))).await?;
        let index = self.manifest_bytes(&found.value).await?;
        let read = tokio::task::spawn_blocking(move || {
            let mut wanted = wanted;
            entries(&index, |entry| wanted.take(entry));
            wanted
        });
        read.await.map_err(|_| Refusal::Internal("a list was not read to its end".to_owned()).into())
    }
}

/// Collects the first referrers after a digest, as many as a page holds.
#[derive(Clone, Debug)]
struct Wanted {
    artifact_type: Option<String>,
    after: Option<Digest>,
    found: Vec<Referrer>,
    weight: usize,
    /// Whether more of them follow.
    more: bool,
}

impl Wanted {
    fn new(artifact_type: Option<&str>, after: Option<&Digest>) -> Self {
        let (artifact_type, after) = (artifact_type.map(str::to_owned), after.copied());
        Self { artifact_type, after, found: Vec::new(), weight: 0, more: false }
    }

    fn take(&mut self, entry: Entry<'_>) {
        let is_wanted =
            self.artifact_type.is_none() || self.artifact_type.as_deref() == entry.artifact_type.as_deref();
        if !is_wanted || self.after.is_some_and(|after| entry.digest <= after) {
            return;
        }
        let annotations = entry.annotations.map(RawValue::get).filter(|json| json.starts_with('{'));
        let referrer = Referrer {
            digest: entry.digest,
            media_type: entry.media_type.into_owned(),
            size: entry.size,
            artifact_type: entry.artifact_type.map(Cow::into_owned),
            annotations: annotations.map(str::to_owned),
        };
        self.weight += weight(&referrer);
        self.found.push(referrer);
        if self.weight > 2 * PAGE {
            self.trim();
        }
    }

    /// Sorts the referrers, removes duplicates, and keeps as many of the first as a page holds.
    fn trim(&mut self) {
        // Of two with the same digest the last one stays.
        self.found.reverse();
        self.found.sort_by_key(|referrer| referrer.digest);
        self.found.dedup_by(|a, b| a.digest == b.digest);
        let (mut kept, mut total) = (0, 0);
        while total < PAGE
            && let Some(referrer) = self.found.get(kept)
        {
            (kept, total) = (kept + 1, total + weight(referrer));
        }
        self.more |= kept < self.found.len();
        self.found.truncate(kept);
        self.weight = total;
    }

    /// Joins these with the stored ones into a page.
    fn and(mut self, here: Page<Referrer>) -> Page<Referrer> {
        self.trim();
        // A list that has more entries is known only up to its last one here, so the page ends at the smaller of such
        // ends.
        let ends = [(self.more, self.found.last()), (here.more, here.items.last())];
        let ends = ends.into_iter().filter_map(|(more, last)| last.filter(|_| more).map(|last| last.digest));
        let end = ends.min();
        self.more |= here.more;
        // A referrer that is in both lists stays as it is stored.
        self.found.extend(here.items);
        self.trim();
        if let Some(end) = end {
            self.found.retain(|referrer| referrer.digest <= end);
        }
        Page { items: self.found, more: self.more }
    }
}

/// About how many bytes a referrer takes in a list.
fn weight(referrer: &Referrer) -> usize {
    let texts = [&referrer.artifact_type, &referrer.annotations];
    let texts = texts.into_iter().flatten().map(String::len).sum::<usize>();
    256 + referrer.media_type.len() + texts
}

#[cfg(test)]
mod tests {
    use hythe_oci::Algorithm;

    use super::*;

    fn referrer(number: u32, media_type: &str, weight: usize) -> Referrer {
        Referrer {
            digest: Digest::of(Algorithm::Sha256, &number.to_be_bytes()),
            media_type: media_type.to_owned(),
            size: 1,
            artifact_type: None,
            annotations: Some(format!("{{\"a\":\"{}\"}}", "x".repeat(weight))),
        }
    }

    /// Reads all pages; returns their entries and the number of pages.
    fn pages(there: &[Referrer], here: &[Referrer], own: usize) -> (Vec<Referrer>, usize) {
        let (mut all, mut count) = (Vec::<Referrer>::new(), 0);
        loop {
            let after = all.last().map(|last| last.digest);
            let mut wanted = Wanted::new(None, after.as_ref());
            for referrer in there {
                let annotations =
                    referrer.annotations.as_deref().map(|json| serde_json::from_str(json).unwrap());
                wanted.take(Entry {
                    digest: referrer.digest,
                    media_type: referrer.media_type.as_str().into(),
                    size: referrer.size,
                    artifact_type: None,
                    annotations,
                });
                assert!(wanted.weight <= 2 * PAGE + 1000, "{}", wanted.weight);
            }
            let mut own_page: Vec<_> = here
                .iter()
                .filter(|referrer| after.is_none_or(|after| referrer.digest > after))
                .cloned()
                .collect();
            own_page.sort_by_key(|referrer| referrer.digest);
            let more = own_page.len() > own;
            own_page.truncate(own);
            let page = wanted.and(Page { items: own_page, more });
            assert!(page.items.is_sorted_by_key(|referrer| referrer.digest));
            assert!(!page.items.is_empty() || !page.more);
            (all, count) = ([all, page.items].concat(), count + 1);
            if !page.more {
                return (all, count);
            }
        }
    }

    #[test]
    fn pages_of_both_lists_have_each_entry_once_and_stored_entries_win() {
        let there: Vec<_> = (0..60).map(|number| referrer(number, "there", 200_000)).collect();
        let here: Vec<_> = (50..70).map(|number| referrer(number, "here", 10)).collect();
        for own in [1, 7, 1000] {
            let (all, count) = pages(&there, &here, own);
            assert_eq!(all.len(), 70);
            assert!(count > 2, "a page holds about ten of them");
            assert_eq!(all.iter().filter(|referrer| referrer.media_type == "here").count(), 20);
        }
        assert_eq!(pages(&[], &[], 10), (Vec::new(), 1));
        assert_eq!(pages(&there[..3], &there[..3], 10).0.len(), 3);
    }
}

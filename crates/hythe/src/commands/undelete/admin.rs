//! The pages of deleted content.

use hythe_api::{DeletedManifest, DeletedManifests, PastTag, PastTags, Restored, parameter, path};
use hythe_oci::{Digest, Reference, RepositoryName, Tag};
use serde::de::DeserializeOwned;

use crate::commands::cache::Admin;
use crate::failure::Failure;

/// A page of a list.
trait Page: DeserializeOwned {
    type Item;

    /// Its items, and the parameter `last` of the next page.
    fn parts(self) -> (Vec<Self::Item>, Option<String>);
}

impl Page for DeletedManifests {
    type Item = DeletedManifest;

    fn parts(self) -> (Vec<DeletedManifest>, Option<String>) {
        (self.manifests, self.next)
    }
}

impl Page for PastTags {
    type Item = PastTag;

    fn parts(self) -> (Vec<PastTag>, Option<String>) {
        (self.tags, self.next)
    }
}

impl Admin {
    /// The deleted manifests of a repository, or of all.
    pub(super) async fn deleted_manifests(
        &self,
        repository: Option<&RepositoryName>,
    ) -> Result<Vec<DeletedManifest>, Failure> {
        self.pages::<DeletedManifests>(path::DELETED_MANIFESTS, &of(repository)).await
    }

    /// The tags that were removed and name nothing now, of a repository or of all.
    pub(super) async fn removed_tags(
        &self,
        repository: Option<&RepositoryName>,
    ) -> Result<Vec<PastTag>, Failure> {
        self.pages::<PastTags>(path::PAST_TAGS, &of(repository)).await
    }

    /// What a tag named before.
    pub(super) async fn history(
        &self,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<Vec<PastTag>, Failure> {
        let query = [
            (parameter::REPOSITORY, repository.as_str()),
            (parameter::TAG, tag.as_str()),
            (parameter::HISTORY, "true"),
        ];
        self.pages::<PastTags>(path::PAST_TAGS, &query).await
    }

    /// Restores a manifest or a tag; moves an existing tag only with `to`.
    pub(super) async fn restore(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
        to: Option<&Digest>,
    ) -> Result<Restored, Failure> {
        let (named, to) = (reference.to_string(), to.map(ToString::to_string));
        let kind = match reference {
            Reference::Tag(_) => parameter::TAG,
            Reference::Digest(_) => parameter::DIGEST,
        };
        let mut query = vec![(parameter::REPOSITORY, repository.as_str()), (kind, named.as_str())];
        query.extend(to.as_deref().map(|to| (parameter::TO, to)));
        let answer = self.post(path::UNDELETE, &query).await?;
        self.understand(&answer)
    }

    async fn pages<P: Page>(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<P::Item>, Failure> {
        let (mut all, mut last) = (Vec::new(), None::<String>);
        loop {
            let mut query = query.to_vec();
            query.extend(last.as_deref().map(|last| (parameter::LAST, last)));
            let page: P = self.understand(&self.read(path, &query).await?)?;
            let (items, next) = page.parts();
            // An empty page, or a `next` that does not move on, would make an endless loop.
            let goes_on = !items.is_empty() && next != last;
            all.extend(items);
            match next.filter(|_| goes_on) {
                Some(next) => last = Some(next),
                None => return Ok(all),
            }
        }
    }
}

fn of(repository: Option<&RepositoryName>) -> Vec<(&'static str, &str)> {
    repository.map(|repository| (parameter::REPOSITORY, repository.as_str())).into_iter().collect()
}

//! Protected tags: those that may neither move nor be deleted.

use std::sync::Arc;

use hythe_catalog::Protects;
use hythe_oci::{Digest, ImagePattern, Pattern, Reference, RepositoryName, Tag, attached_to};

use crate::{RegistryOptions, Repository, Result};

/// A rule that protects tags of local repositories. A protected tag is immutable: no push moves it to another manifest,
/// and neither it nor the manifest that it names can be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The rule's name in errors.
    pub rule: String,
    /// The repositories, or the tags of them, to which the rule applies.
    pub images: ImagePattern,
    /// The tags to protect.
    pub tags: Vec<Pattern>,
}

impl Protection {
    /// Whether the rule protects this tag.
    pub fn protects(&self, repository: &RepositoryName, tag: &Tag) -> bool {
        self.protecting(repository, tag).is_some()
    }

    /// The pattern that protects this tag, if one does.
    pub fn protecting(&self, repository: &RepositoryName, tag: &Tag) -> Option<&Pattern> {
        let mut patterns = self.tags.iter().filter(|_| self.images.matches(repository, tag));
        patterns.find(|pattern| selects(pattern, tag))
    }
}

/// Whether the pattern selects the tag. A tag with the digest of an image ([`attached_to`]) has the list of that image's
/// referrers, which grows: only a pattern that begins like such a tag selects it.
fn selects(pattern: &Pattern, tag: &Tag) -> bool {
    pattern.selects(tag) && (attached_to(tag).is_none() || pattern.as_str().starts_with("sha"))
}

impl RegistryOptions {
    /// The name of the rule that protects the tag, if one does.
    pub fn protection(&self, repository: &RepositoryName, tag: &Tag) -> Option<&str> {
        let mut protections = self.protect.iter();
        protections.find(|rule| rule.protects(repository, tag)).map(|rule| rule.rule.as_str())
    }

    /// Whether a tag of the repository is protected, as the catalog asks it.
    pub(crate) fn protects(self: &Arc<Self>, repository: &RepositoryName) -> Protects {
        if self.protect.is_empty() {
            return Arc::new(|_| false);
        }
        let (options, repository) = (Arc::clone(self), repository.clone());
        Arc::new(move |tag| options.protection(&repository, tag).is_some())
    }
}

/// How many of the tags that need a blob are looked at: those of indexes count too.
const TAGS: usize = 10_000;

impl Repository<'_> {
    /// Refuses the deletion of a blob that the image of a protected tag needs.
    pub(crate) async fn check_protected_blob(&self, digest: &Digest) -> Result<()> {
        let options = self.registry.options();
        if options.protect.is_empty() {
            return Ok(());
        }
        let dependants = self.inner().catalog.dependants(digest, TAGS).await?;
        let tags = dependants.into_iter().filter(|of| of.repository == *self.name).filter_map(|of| of.tag);
        match tags.into_iter().find(|tag| options.protection(self.name, tag).is_some()) {
            Some(tag) => Err(self.tag_protected(tag, "the blob, which its image needs, cannot be deleted")),
            None => Ok(()),
        }
    }

    /// Refuses to move a protected tag from the manifest that it names to `to`.
    pub(crate) async fn check_protected_move(&self, tag: &Tag, to: &Digest) -> Result<()> {
        if self.registry.options().protection(self.name, tag).is_none() {
            return Ok(());
        }
        match self.inner().catalog.manifest(self.name, &Reference::Tag(tag.clone())).await? {
            Some(head) if head.digest != *to => {
                Err(self.tag_protected(tag.clone(), "it cannot be moved to another manifest"))
            }
            _ => Ok(()),
        }
    }
}

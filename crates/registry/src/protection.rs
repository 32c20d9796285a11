//! Protected tags: those that may neither move nor be deleted.

use std::sync::Arc;

use hythe_catalog::Protects;
use hythe_oci::{ImagePattern, Pattern, RepositoryName, Tag, attached_to};

use crate::RegistryOptions;

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

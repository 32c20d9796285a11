//! The rules of retention, as a configuration writes them.

use std::time::Duration;

use hythe_oci::{ImagePattern, Pattern, RepositoryName, Tag};
use hythe_registry::Protection;

/// A rule: what it keeps of the images that its pattern selects, and what expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule's name in the configuration.
    pub name: String,
    /// The repositories to which the rule applies, or the tags of them.
    pub images: ImagePattern,
    /// Keeps this many images that were pushed last.
    pub newest: Option<u64>,
    /// Keeps the images of this many highest semantic versions.
    pub semver_newest: Option<u64>,
    /// Keeps tags that were pushed within this time.
    pub pushed_within: Option<Duration>,
    /// Keeps images that were pulled or pushed within this time.
    pub pulled_within: Option<Duration>,
    /// Keeps these tags.
    pub tags: Vec<Pattern>,
    /// Deletes untagged manifests that nothing needed for this time.
    pub untagged_after: Option<Duration>,
    /// Deletes these tags when this time has passed since their push.
    pub expire: Vec<(Pattern, Duration)>,
    /// Protects these tags.
    pub protect: Vec<Pattern>,
}

impl Rule {
    /// A rule without any criterion: it deletes nothing.
    pub fn new(name: impl Into<String>, images: ImagePattern) -> Self {
        Self {
            name: name.into(),
            images,
            newest: None,
            semver_newest: None,
            pushed_within: None,
            pulled_within: None,
            tags: Vec::new(),
            untagged_after: None,
            expire: Vec::new(),
            protect: Vec::new(),
        }
    }

    /// Whether the rule says what it keeps. Then the tags that it selects and that nothing keeps are deleted.
    pub fn keeps(&self) -> bool {
        let counts = self.newest.is_some() || self.semver_newest.is_some();
        let times = self.pushed_within.is_some() || self.pulled_within.is_some();
        counts || times || !self.tags.is_empty()
    }

    /// Whether the rule can delete anything.
    pub fn deletes(&self) -> bool {
        self.keeps() || self.untagged_after.is_some() || !self.expire.is_empty()
    }

    /// Whether the rule applies to some images of the repository.
    pub fn selects_repository(&self, repository: &RepositoryName) -> bool {
        self.images.repository().matches(repository.as_str())
    }

    /// How long a tag lives that the rule lets expire: the longest time of the patterns that select it.
    pub(super) fn expiry(&self, tag: &Tag) -> Option<Duration> {
        let expire = self.expire.iter();
        expire.filter(|(pattern, _)| pattern.selects(tag)).map(|(_, after)| *after).max()
    }

    /// The rule's protection of tags; `None` if it protects none.
    pub fn protection(&self) -> Option<Protection> {
        let protection = || Protection {
            rule: self.name.clone(),
            images: self.images.clone(),
            tags: self.protect.clone(),
        };
        (!self.protect.is_empty()).then(protection)
    }
}

//! The page of retention.

use hythe_oci::{Digest, RepositoryName, Tag};
use serde::{Deserialize, Serialize};

/// A part of what the retention rules decide now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionPlan {
    /// The images of this part, by repository.
    pub images: Vec<RetainedImage>,
    /// The parameter `after` of the next part; `None` if this is the last.
    pub next: Option<String>,
    /// How much the rules keep and delete in all; only in the first part.
    pub summary: Option<RetentionSummary>,
}

/// An image, and what the rules decide about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetainedImage {
    /// The repository.
    pub repository: RepositoryName,
    /// The tag; `None` for an untagged manifest.
    pub tag: Option<Tag>,
    /// The digest of the manifest.
    pub digest: Digest,
    /// Whether the image stays.
    pub stays: bool,
    /// The rule that decides; `None` if no rule does.
    pub rule: Option<String>,
    /// The reason, in words.
    pub reason: String,
}

/// How much the rules keep and delete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionSummary {
    /// How many repositories a rule selects.
    pub repositories: u64,
    /// How many images they have: tags, and untagged manifests that belong to no other.
    pub images: u64,
    /// How many of these images the rules delete.
    pub deleted: u64,
    /// How many manifests go with them, with all that belongs to them.
    pub manifests: u64,
    /// The plan's id: two plans that delete the same have the same id.
    pub plan: String,
    /// Whether a run would stop and want a confirmation, because it would delete more than the limits allow.
    #[serde(default)]
    pub needs_confirmation: bool,
    /// Repositories that are too large to judge, so that all of them stays.
    pub left_out: Vec<RepositoryName>,
}

impl RetainedImage {
    /// The image's name within its registry.
    pub fn name(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository),
            None => format!("{}@{}", self.repository, self.digest),
        }
    }
}

/// The result of a run of retention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionRun {
    /// Whether the run stopped and deleted nothing, because it needs a confirmation.
    pub stopped: bool,
    /// How many tags the run deleted.
    pub tags: u64,
    /// How many manifests the run deleted.
    pub manifests: u64,
    /// How many groups of tags and manifests stayed, because something changed since the run decided.
    pub changed: u64,
    /// What the rules decided before the run.
    pub summary: RetentionSummary,
}

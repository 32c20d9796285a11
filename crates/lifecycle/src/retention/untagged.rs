//! The verdicts about untagged manifests.

use std::time::Duration;

use hythe_oci::RepositoryName;
use hythe_registry::AgedManifest;

use super::rule::Rule;
use super::verdict::{Verdict, Why};

/// The rule that lets untagged manifests of the repository live longest, if a rule deletes them, and how long they live. A
/// rule for some tags only says nothing about manifests without tags.
pub(super) fn rule(repository: &RepositoryName, rules: &[Rule]) -> Option<(usize, Duration)> {
    let whole = rules.iter().enumerate();
    let whole = whole.filter(|(_, rule)| rule.images.tag().is_none() && rule.selects_repository(repository));
    whole.filter_map(|(place, rule)| Some((place, rule.untagged_after?))).max_by_key(|(_, after)| *after)
}

/// The verdict about a manifest that no tag names and that belongs to no other manifest. It never goes within `grace`, in
/// which a client may push an index of it.
pub(super) fn judge(
    manifest: &AgedManifest,
    rule: Option<(usize, Duration)>,
    now: i64,
    grace: Duration,
) -> Verdict {
    let Some((place, after)) = rule else { return Verdict::stays(None, Why::Untagged) };
    if manifest.pushed <= 0 {
        return Verdict::stays(None, Why::UnknownAge);
    }
    let unneeded = Duration::from_millis(now.saturating_sub(manifest.needed).max(0).cast_unsigned());
    if unneeded <= after {
        Verdict::stays(Some(place), Why::NeededWithin(after))
    } else if unneeded <= grace {
        Verdict::stays(None, Why::InUse)
    } else {
        Verdict::goes(place, Why::Unneeded(after))
    }
}

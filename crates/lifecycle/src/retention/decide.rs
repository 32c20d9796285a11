//! The decision about a repository: which of its images stay, and what goes together.

use std::collections::HashSet;
use std::time::Duration;

use hythe_oci::{Digest, RepositoryName, Tag};

use super::belonging::{groups, heads, staying};
use super::contents::{Contents, Place};
use super::criteria::Criteria;
use super::rule::Rule;
use super::untagged;
use super::verdict::{Verdict, Why};

/// The decision about a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Each image: the tags that people see, in the order of [`Contents`], then the untagged manifests that belong to no
    /// other manifest.
    pub images: Vec<Judged>,
    /// What goes.
    pub removals: Vec<Removal>,
}

/// An image, and the verdict about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The tag; `None` for an untagged manifest.
    pub tag: Option<Tag>,
    /// The manifest.
    pub digest: Digest,
    /// The verdict.
    pub verdict: Verdict,
}

/// Tags and manifests that go together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The tags, each with the manifest that it names and the time of its push.
    pub tags: Vec<(Tag, Digest, i64)>,
    /// The manifests, each with the time when it was last needed. An index comes before what it lists, and a subject before
    /// its referrers.
    pub manifests: Vec<(Digest, i64)>,
}

/// Decides about a repository at the time `now`, in milliseconds since the Unix epoch. A manifest that a client has just
/// asked for stays for `grace`, because the client may be about to push an index of it.
pub fn decide(
    repository: &RepositoryName,
    contents: &Contents,
    rules: &[Rule],
    now: i64,
    grace: Duration,
) -> Decision {
    let criteria = Criteria::new(repository, contents, rules, now);
    let of_untagged = untagged::rule(repository, rules);
    let is_behind = now < contents.latest();
    let guarded = |verdict: Verdict| {
        if is_behind && !verdict.stays { Verdict::stays(None, Why::ClockBehind) } else { verdict }
    };
    let mut is_tagged = vec![false; contents.manifests.len()];
    let mut images: Vec<(Place, Judged)> = Vec::new();
    for (_, tag, named) in contents.ordinary() {
        is_tagged[named] = true;
        let verdict = match guarded(criteria.judge(tag, named)) {
            Verdict { stays: false, .. } if is_in_use(contents, named, now, grace) => {
                Verdict::stays(None, Why::InUse)
            }
            verdict => kept_if_run(contents, named, verdict),
        };
        images.push((named, Judged { tag: Some(tag.tag.clone()), digest: tag.digest, verdict }));
    }
    for place in heads(contents, images.iter().map(|(place, _)| *place)) {
        if !is_tagged[place] {
            let manifest = &contents.manifests[place];
            let verdict = guarded(untagged::judge(manifest, of_untagged, now, grace));
            let verdict = kept_if_run(contents, place, verdict);
            images.push((place, Judged { tag: None, digest: manifest.digest, verdict }));
        }
    }
    let in_use = (0..contents.manifests.len())
        .filter(|place| is_in_use(contents, *place, now, grace) || contents.run_by[*place].is_some());
    let kept = images.iter().filter(|(_, image)| image.verdict.stays).map(|(place, _)| *place);
    let stays = staying(contents, kept.chain(in_use));
    for (place, image) in &mut images {
        // The manifest of a tag that goes may stay, but an untagged manifest that stays is an image that stays.
        if image.tag.is_none() && !image.verdict.stays && stays[*place] {
            image.verdict = Verdict::stays(None, Why::Needed);
        }
    }
    let removals = removals(contents, &stays, &images);
    Decision { images: images.into_iter().map(|(_, image)| image).collect(), removals }
}

/// The verdict, or that the image stays, if it would go and a cluster runs it.
fn kept_if_run(contents: &Contents, place: Place, verdict: Verdict) -> Verdict {
    match &contents.run_by[place] {
        Some(cluster) if !verdict.stays => Verdict::stays(None, Why::RunBy(cluster.clone())),
        _ => verdict,
    }
}

/// Whether a client asked for the manifest after its push, and within `grace`.
fn is_in_use(contents: &Contents, place: Place, now: i64, grace: Duration) -> bool {
    let manifest = &contents.manifests[place];
    let grace = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
    manifest.last_use > manifest.pushed && now.saturating_sub(manifest.last_use) < grace
}

fn removals(contents: &Contents, stays: &[bool], images: &[(Place, Judged)]) -> Vec<Removal> {
    let going = |(_, image): &&(Place, Judged)| !image.verdict.stays;
    let goes: HashSet<&Tag> =
        images.iter().filter(going).filter_map(|(_, image)| image.tag.as_ref()).collect();
    // A tag that goes although its manifest stays.
    let alone = contents.ordinary().filter(|(_, tag, named)| stays[*named] && goes.contains(&tag.tag));
    let mut removals: Vec<Removal> = alone
        .map(|(_, tag, _)| Removal {
            tags: vec![(tag.tag.clone(), tag.digest, tag.pushed)],
            manifests: Vec::new(),
        })
        .collect();
    let groups = groups(contents, stays);
    let mut group_of = vec![None; stays.len()];
    let first = removals.len();
    for (number, group) in groups.into_iter().enumerate() {
        let of = |place: &Place| (contents.manifests[*place].digest, contents.manifests[*place].needed);
        removals.push(Removal { tags: Vec::new(), manifests: group.iter().map(of).collect() });
        for place in group {
            group_of[place] = Some(first + number);
        }
    }
    // No tag of a manifest that goes stays: an ordinary one would make the manifest stay, and the others follow.
    for (tag, named) in &contents.tags {
        if let Some(removal) = group_of[*named] {
            removals[removal].tags.push((tag.tag.clone(), tag.digest, tag.pushed));
        }
    }
    removals
}

//! What a deletion would free.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::{Digest, Reference, Tag};
use hythe_transfer::{Shares, Source as _, content_of};
use serde_json::{Value, json};

use super::chosen::Chosen;
use crate::commands::du::digests;
use crate::failure::Failure;

/// Requests at the same time.
const AT_ONCE: usize = 8;

/// The most tags of a repository whose images are read to compare them. More would make a small deletion slow, above all
/// at a registry that is far away; a dry run has nothing else to do.
const TAGS: usize = 2000;
const TAGS_FAR_AWAY: usize = 200;

/// In [`Shares`]: what is deleted, and what stays.
const DELETED: u32 = 0;
const KEPT: u32 = 1;

/// What a deletion frees at one registry.
pub(super) struct Freed {
    pub(super) host: String,
    /// The bytes that no tag uses any more that stays in the repositories. Others of the registry may use them. `None` if a
    /// repository has too many tags to find out.
    pub(super) bytes: Option<u64>,
}

impl Freed {
    pub(super) fn json(&self) -> Value {
        json!({ "registry": self.host, "bytes": self.bytes })
    }
}

/// Finds out what the deletion frees, at each registry.
pub(super) async fn freed(all: &[Chosen], dry_run: bool) -> Result<Vec<Freed>, Failure> {
    let mut registries: BTreeMap<String, Option<Shares>> = BTreeMap::new();
    for chosen in all.iter().filter(|chosen| !chosen.references.is_empty()) {
        let host = chosen.host.to_string();
        let shares = registries.remove(&host).unwrap_or_else(|| Some(Shares::default()));
        let shares = match shares {
            Some(shares) => {
                let limit = if dry_run || chosen.host.is_loopback() { TAGS } else { TAGS_FAR_AWAY };
                record(chosen, shares, limit).await?
            }
            None => None,
        };
        registries.insert(host, shares);
    }
    let of = |(host, shares): (String, Option<Shares>)| {
        let bytes = shares.map(|shares| shares.unique_to_users().remove(&DELETED).unwrap_or_default());
        Freed { host, bytes }
    };
    Ok(registries.into_iter().map(of).collect())
}

/// Records what the repository keeps and what it loses; `None` if it has too many tags.
async fn record(chosen: &Chosen, mut shares: Shares, limit: usize) -> Result<Option<Shares>, Failure> {
    let place = &chosen.remote;
    let tags = match place.tags().await {
        Ok(tags) => tags,
        Err(error) if error.is_not_found() => return Ok(Some(shares)),
        Err(error) => return Err(error.into()),
    };
    if tags.len() > limit {
        return Ok(None);
    }
    let gone: HashSet<Tag> = chosen.tags().into_iter().chain(chosen.followers.iter().cloned()).collect();
    let is_digest = |reference: &Reference| match reference {
        Reference::Digest(digest) => Some(*digest),
        Reference::Tag(_) => None,
    };
    let manifests: HashSet<Digest> = chosen.references.iter().filter_map(is_digest).collect();
    // Whether each image keeps a tag.
    let mut images: BTreeMap<Digest, bool> = manifests.iter().map(|digest| (*digest, false)).collect();
    for (tag, digest) in digests(place, tags, AT_ONCE).await? {
        let stays = !gone.contains(&tag) && !manifests.contains(&digest);
        *images.entry(digest).or_default() |= stays;
    }
    let contents = stream::iter(images)
        .map(|(digest, stays)| async move { Ok::<_, Failure>((stays, content_of(place, &digest).await?)) });
    let mut contents = contents.buffer_unordered(AT_ONCE);
    while let Some((stays, content)) = contents.try_next().await? {
        shares.record(0, if stays { KEPT } else { DELETED }, &content, place.place())?;
    }
    Ok(Some(shares))
}

//! What images use of a registry, and what several of them share.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::{Digest, Reference};

use crate::error::{Error, Result};
use crate::manifest::Manifest;
use crate::store::Source;

/// The most levels of indexes within indexes, and of referrers of referrers.
const LEVELS: usize = 6;

/// Questions about one image to a registry at the same time.
const QUESTIONS: usize = 4;

/// The most manifests of one image: platforms, attestations and referrers.
const MANIFESTS: usize = 10_000;

/// The blobs and manifests whose users are recorded: about 100 MB of memory.
const CONTENT: usize = 2_000_000;

/// The most bytes that a blob counts for: a manifest may state any size, and sums of sizes must not overflow.
const LARGEST: u64 = 1 << 40;

/// A blob or a manifest, and its size in bytes.
pub type Content = (Digest, u64);

/// What an image uses: its manifests and those of its referrers, and their blobs, each once. Content that the place
/// lacks is left out.
pub async fn content_of(place: &dyn Source, root: &Digest) -> Result<Vec<Content>> {
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut manifests = HashSet::from([*root]);
    let mut level = vec![*root];
    for _ in 0..LEVELS {
        let mut read = stream::iter(level).map(|digest| read(place, digest)).buffered(QUESTIONS);
        level = Vec::new();
        // One manifest at a time: those of a level may have gigabytes together.
        while let Some(found) = read.try_next().await? {
            let Some((manifest, referrers)) = found else { continue };
            sizes.insert(manifest.digest, manifest.bytes.len() as u64);
            sizes.extend(manifest.blobs().map(|blob| (blob.digest, blob.size.min(LARGEST))));
            let children = manifest.children.iter().map(|child| child.descriptor.digest);
            level.extend(children.chain(referrers).filter(|digest| manifests.insert(*digest)));
            if manifests.len() > MANIFESTS {
                return Err(Error::TooMuch { place: place.place().to_owned(), limit: MANIFESTS });
            }
        }
        if level.is_empty() {
            break;
        }
    }
    Ok(sizes.into_iter().collect())
}

/// A manifest with its referrers; `None` if the place does not have it.
async fn read(place: &dyn Source, digest: Digest) -> Result<Option<(Manifest, Vec<Digest>)>> {
    match place.manifest(&Reference::Digest(digest)).await {
        Ok(manifest) => Ok(Some((manifest, place.referrers(&digest).await?))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who uses which content: users, such as tags, in groups, such as repositories. Content of several users counts once.
#[derive(Debug, Default)]
pub struct Shares {
    content: HashMap<u128, Use>,
}

#[derive(Debug)]
struct Use {
    bytes: u64,
    /// The only user and the only group; [`SEVERAL`] if there are more.
    user: u32,
    group: u32,
}

/// In the place of a user or a group: there are several.
const SEVERAL: u32 = u32::MAX;

/// The first 16 bytes of a hash stand for the digest: equal by chance only among 2^64 others, and all that they decide is
/// a figure.
fn key(digest: &Digest) -> u128 {
    let hex = digest.hex();
    u128::from_str_radix(hex.get(..32).unwrap_or_default(), 16).unwrap_or_default()
}

impl Shares {
    /// Records what a user uses. `place` is for the error: what is recorded has a limit.
    pub fn record(&mut self, group: u32, user: u32, content: &[Content], place: &str) -> Result<()> {
        for (digest, bytes) in content {
            let entry = self.content.entry(key(digest)).or_insert(Use { bytes: *bytes, user, group });
            if entry.user != user {
                entry.user = SEVERAL;
            }
            if entry.group != group {
                entry.group = SEVERAL;
            }
        }
        if self.content.len() > CONTENT {
            return Err(Error::TooMuch { place: place.to_owned(), limit: CONTENT });
        }
        Ok(())
    }

    /// The bytes that each user alone uses.
    pub fn unique_to_users(&self) -> HashMap<u32, u64> {
        self.unique(|used| used.user)
    }

    /// The bytes that each group alone uses.
    pub fn unique_to_groups(&self) -> HashMap<u32, u64> {
        self.unique(|used| used.group)
    }

    fn unique(&self, by: impl Fn(&Use) -> u32) -> HashMap<u32, u64> {
        let mut unique = HashMap::new();
        for used in self.content.values().filter(|used| by(used) != SEVERAL) {
            *unique.entry(by(used)).or_default() += used.bytes;
        }
        unique
    }

    /// The bytes of all content, each blob and manifest counted once.
    pub fn total(&self) -> u64 {
        self.content.values().map(|used| used.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use hythe_oci::Algorithm;

    use super::*;

    fn content(names: &str) -> Vec<Content> {
        let one = |name: char| {
            let digest = Digest::of(Algorithm::Sha256, name.to_string().as_bytes());
            (digest, 10_u64.pow(name as u32 - 'a' as u32))
        };
        names.chars().map(one).collect()
    }

    #[test]
    fn content_counts_once_and_for_a_user_or_group_only_if_no_other_has_it() {
        let mut shares = Shares::default();
        for (group, user, names) in [(1, 1, "ab"), (1, 2, "bc"), (2, 3, "cd"), (2, 3, "d")] {
            shares.record(group, user, &content(names), "x").unwrap();
        }
        assert_eq!(shares.total(), 1111);
        let users = shares.unique_to_users();
        assert_eq!((users.get(&1), users.get(&2), users.get(&3)), (Some(&1), None, Some(&1000)));
        let groups = shares.unique_to_groups();
        assert_eq!((groups.get(&1), groups.get(&2)), (Some(&11), Some(&1000)));
    }
}

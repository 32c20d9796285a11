//! A cache of the most frequent read (which manifest does this reference name?), valid until the next write.
//!
//! An answer is valid for one version of the catalog. Each group of writes starts a new version before any caller hears
//! of the commit. So a cached answer is never older than a read would be, and a write empties the cache.

use std::collections::HashMap;

use hythe_oci::{Reference, RepositoryName};
use parking_lot::Mutex;

use crate::ManifestHead;

/// The most answers in the cache: about a megabyte.
const MOST: usize = 4096;

/// How many answers a repository's first answer counts as: its map has room for at least this many.
const FIRST: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Heads(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    version: u64,
    count: usize,
    heads: HashMap<RepositoryName, HashMap<Reference, ManifestHead>>,
}

impl Heads {
    /// The answer for `version`, if it is in the cache.
    pub(crate) fn get(
        &self,
        version: u64,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Option<ManifestHead> {
        let kept = self.0.lock();
        if kept.version != version {
            return None;
        }
        kept.heads.get(repository)?.get(reference).cloned()
    }

    /// Stores an answer that was read after `version` was read.
    pub(crate) fn keep(
        &self,
        version: u64,
        repository: &RepositoryName,
        reference: &Reference,
        head: &ManifestHead,
    ) {
        let mut kept = self.0.lock();
        if kept.version > version {
            return;
        }
        if kept.version < version || kept.count + FIRST > MOST {
            *kept = Kept { version, ..Kept::default() };
        }
        let heads = kept.heads.entry(repository.clone()).or_default();
        let more = if heads.is_empty() { FIRST } else { 1 };
        heads.insert(reference.clone(), head.clone());
        kept.count += more;
    }
}

#[cfg(test)]
mod tests {
    use hythe_oci::{Algorithm, Digest};

    use super::*;
    use crate::Times;

    #[test]
    fn an_answer_is_valid_for_its_version_only() {
        let heads = Heads::default();
        let (name, tag) = ("app".parse().unwrap(), "latest".parse().unwrap());
        let head = |size| ManifestHead {
            digest: Digest::of(Algorithm::Sha256, b""),
            media_type: "application/json".to_owned(),
            size,
            times: Times::default(),
        };
        heads.keep(2, &name, &tag, &head(1));
        assert_eq!(heads.get(2, &name, &tag), Some(head(1)));
        assert_eq!(heads.get(4, &name, &tag), None);
        heads.keep(4, &name, &tag, &head(2));
        heads.keep(2, &name, &tag, &head(1));
        assert_eq!((heads.get(4, &name, &tag), heads.get(2, &name, &tag)), (Some(head(2)), None));
    }

    #[test]
    fn the_cache_does_not_grow_without_end() {
        let heads = Heads::default();
        let head = ManifestHead {
            digest: Digest::of(Algorithm::Sha256, b""),
            media_type: String::new(),
            size: 0,
            times: Times::default(),
        };
        for number in 0..MOST * 3 {
            heads.keep(2, &format!("app{number}").parse().unwrap(), &"v1".parse().unwrap(), &head);
        }
        assert!(heads.0.lock().count <= MOST);
    }
}

//! The content of a repository, as rules judge it.

use std::collections::{HashMap, HashSet};

use hythe_oci::{Digest, Tag, attached_to, fallback_tag};
use hythe_registry::{AgedManifest, AgedTag};

/// The place of a manifest among the manifests.
pub(super) type Place = usize;

/// The manifests and tags of one repository, and what belongs to what.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    pub(super) manifests: Vec<AgedManifest>,
    /// The tags, with the manifest that each names.
    pub(super) tags: Vec<(AgedTag, Place)>,
    pub(super) kinds: Vec<TagKind>,
    /// Pairs of an index and a manifest that it lists.
    pub(super) listed: Vec<(Place, Place)>,
    /// Pairs of a manifest and another that belongs to it: a listed manifest, a referrer, a manifest with a tag that has
    /// the digest of the first. Sorted.
    owned: Vec<(Place, Place)>,
    /// The subject of each manifest that has one in the repository.
    pub(super) subjects: Vec<Option<Place>>,
    /// A cluster that runs each manifest, or one that it lists.
    pub(super) run_by: Vec<Option<String>>,
}

/// The kinds of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TagKind {
    /// A tag that a person or a pipeline chose.
    Ordinary,
    /// A tag by which a build finds its image. It follows the image.
    Input,
    /// A tag with the digest of another manifest, which has this place if it is in the repository.
    Attached(Option<Place>),
}

impl Contents {
    /// The content of a repository. `listed` are pairs of an index and a manifest that it lists. Ignores tags and pairs
    /// of manifests that are not among `manifests`: those were pushed or deleted meanwhile.
    pub fn new(
        mut manifests: Vec<AgedManifest>,
        tags: Vec<AgedTag>,
        listed: impl IntoIterator<Item = (Digest, Digest)>,
    ) -> Self {
        manifests.sort_unstable_by_key(|manifest| manifest.digest);
        manifests.dedup_by_key(|manifest| manifest.digest);
        let place = |digest: &Digest| manifests.binary_search_by_key(digest, |manifest| manifest.digest).ok();
        let pair = |(index, listed)| Some((place(&index)?, place(&listed)?));
        let listed: Vec<(Place, Place)> = listed.into_iter().filter_map(pair).collect();
        let subjects: Vec<Option<Place>> =
            manifests.iter().map(|manifest| place(manifest.subject.as_ref()?)).collect();
        let named = |tag: AgedTag| place(&tag.digest).map(|place| (tag, place));
        let tags: Vec<(AgedTag, Place)> = tags.into_iter().filter_map(named).collect();
        let kinds = kinds(&manifests, &tags);
        let mut owned = listed.clone();
        owned.extend(subjects.iter().enumerate().filter_map(|(place, subject)| Some(((*subject)?, place))));
        owned.extend(tags.iter().zip(&kinds).filter_map(|((_, named), kind)| match kind {
            TagKind::Attached(Some(subject)) => Some((*subject, *named)),
            TagKind::Attached(None) | TagKind::Ordinary | TagKind::Input => None,
        }));
        owned.retain(|(owner, owned)| owner != owned);
        owned.sort_unstable();
        owned.dedup();
        let run_by = vec![None; manifests.len()];
        Self { manifests, tags, kinds, listed, owned, subjects, run_by }
    }

    /// The content, of which clusters run these manifests. An index that lists one is run too.
    #[must_use]
    pub fn with_running(mut self, running: impl IntoIterator<Item = (Digest, String)>) -> Self {
        let place = |digest: &Digest| self.manifests.binary_search_by_key(digest, |manifest| manifest.digest);
        let mut waiting: Vec<(Place, String)> = running
            .into_iter()
            .filter_map(|(digest, cluster)| Some((place(&digest).ok()?, cluster)))
            .collect();
        if waiting.is_empty() {
            return self;
        }
        let mut indexes: Vec<(Place, Place)> =
            self.listed.iter().map(|(index, listed)| (*listed, *index)).collect();
        indexes.sort_unstable();
        while let Some((place, cluster)) = waiting.pop() {
            if self.run_by[place].is_none() {
                let first = indexes.partition_point(|(listed, _)| *listed < place);
                let of = indexes[first..].iter().take_while(|(listed, _)| *listed == place);
                waiting.extend(of.map(|(_, index)| (*index, cluster.clone())));
                self.run_by[place] = Some(cluster);
            }
        }
        self
    }

    /// The manifests that belong to this one.
    pub(super) fn owned(&self, owner: Place) -> impl Iterator<Item = Place> + '_ {
        let first = self.owned.partition_point(|(of, _)| *of < owner);
        self.owned[first..].iter().take_while(move |(of, _)| *of == owner).map(|(_, owned)| *owned)
    }

    /// For each manifest, whether it belongs to another one.
    pub(super) fn is_owned(&self) -> Vec<bool> {
        let mut is_owned = vec![false; self.manifests.len()];
        for (_, owned) in &self.owned {
            is_owned[*owned] = true;
        }
        is_owned
    }

    /// The ordinary tags, with their places among the tags and the manifests that they name.
    pub(super) fn ordinary(&self) -> impl Iterator<Item = (usize, &AgedTag, Place)> {
        let tags = self.tags.iter().zip(&self.kinds).enumerate();
        tags.filter(|(_, (_, kind))| **kind == TagKind::Ordinary)
            .map(|(at, ((tag, named), _))| (at, tag, *named))
    }

    /// The latest time that the repository recorded.
    pub(super) fn latest(&self) -> i64 {
        let tags = self.tags.iter().map(|(tag, _)| tag.pushed.max(tag.pulled.unwrap_or_default()));
        let manifests = self.manifests.iter().map(|manifest| manifest.pushed.max(manifest.needed));
        tags.chain(manifests).max().unwrap_or_default()
    }
}

fn kinds(manifests: &[AgedManifest], tags: &[(AgedTag, Place)]) -> Vec<TagKind> {
    let wanted: HashSet<&str> = tags.iter().filter_map(|(tag, _)| attached_to(&tag.tag)).collect();
    let mut subjects: HashMap<Tag, Place> = HashMap::with_capacity(wanted.len());
    if !wanted.is_empty() {
        let all = manifests.iter().enumerate();
        let all = all.map(|(place, manifest)| (fallback_tag(&manifest.digest), place));
        subjects.extend(all.filter(|(tag, _)| wanted.contains(tag.as_str())));
    }
    let kind = |(tag, _): &(AgedTag, Place)| match attached_to(&tag.tag) {
        _ if tag.tag.is_input() => TagKind::Input,
        Some(subject) => TagKind::Attached(subject.parse().ok().and_then(|tag| subjects.get(&tag).copied())),
        None => TagKind::Ordinary,
    };
    tags.iter().map(kind).collect()
}

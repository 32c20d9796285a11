//! Reads what the tags of a repository use.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::{Digest, Reference, Tag};
use hythe_transfer::{Error, Shares, Source, content_of};
use parking_lot::Mutex;

use crate::console::Tally;

/// What was read of a registry so far.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) shares: Shares,
    /// The number of images so far, whose numbers are their users' in `shares`.
    images: u32,
}

/// A registry that is being read.
pub(super) struct Reading<'a> {
    pub(super) seen: &'a Mutex<Seen>,
    pub(super) tally: &'a Tally,
    /// Images that are read at the same time.
    pub(super) at_once: usize,
}

/// An image with tags.
pub(super) struct Image {
    /// The image's user in `shares`.
    pub(super) user: u32,
    pub(super) digest: Digest,
    /// Its tags; without the input tags if it has others.
    pub(super) tags: Vec<Tag>,
    pub(super) bytes: u64,
}

/// What the tags of a repository use.
pub(super) struct Read {
    /// The tags that lists show.
    pub(super) tags: usize,
    /// The number of images that they name.
    pub(super) image_count: usize,
    /// The size of all that they use, each blob and manifest counted once.
    pub(super) bytes: u64,
    /// The images, if they were asked for.
    pub(super) images: Vec<Image>,
}

impl Reading<'_> {
    /// Reads a repository and records it as the group `number`; `None` if the registry lists it but does not have it. Keeps
    /// single images only if `with_tags`, because a registry may have very many.
    pub(super) async fn repository(
        &self,
        number: u32,
        place: &dyn Source,
        with_tags: bool,
    ) -> Result<Option<Read>, Error> {
        let tags = match place.tags().await {
            Ok(tags) => tags,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        self.tally.repository();
        let mut named: BTreeMap<Digest, Vec<Tag>> = BTreeMap::new();
        for (tag, digest) in digests(place, tags, self.at_once).await? {
            named.entry(digest).or_default().push(tag);
        }
        for tags in named.values_mut() {
            if tags.iter().any(|tag| !tag.is_input()) {
                tags.retain(|tag| !tag.is_input());
            }
        }
        let visible = named.values().flatten().filter(|tag| !tag.is_input()).count();
        let mut read = Read { tags: visible, image_count: named.len(), bytes: 0, images: Vec::new() };
        let mut counted: HashSet<Digest> = HashSet::new();
        let contents = stream::iter(named).map(|(digest, tags)| async move {
            Ok::<_, Error>((digest, tags, content_of(place, &digest).await?))
        });
        let mut contents = contents.buffer_unordered(self.at_once);
        while let Some((digest, tags, content)) = contents.try_next().await? {
            let user = {
                let mut seen = self.seen.lock();
                let user = seen.images;
                seen.images += 1;
                seen.shares.record(number, user, &content, place.place())?;
                user
            };
            self.tally.image();
            let new = content.iter().filter(|(digest, _)| counted.insert(*digest));
            read.bytes += new.map(|(_, bytes)| bytes).sum::<u64>();
            if with_tags {
                let bytes = content.iter().map(|(_, bytes)| bytes).sum();
                read.images.push(Image { user, digest, tags, bytes });
            }
        }
        Ok(Some(read))
    }
}

/// The digest that each tag names. A tag that is gone meanwhile has none.
pub(in crate::commands) async fn digests(
    place: &dyn Source,
    tags: Vec<Tag>,
    at_once: usize,
) -> Result<BTreeMap<Tag, Digest>, Error> {
    let asked = stream::iter(tags).map(|tag| async move {
        match place.resolve(&Reference::Tag(tag.clone())).await {
            Ok(digest) => Ok(Some((tag, digest))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    });
    let found: Vec<Option<(Tag, Digest)>> = asked.buffer_unordered(at_once).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

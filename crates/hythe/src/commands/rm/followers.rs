//! Input tags that go with the last other tag of their image.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hythe_oci::{Digest, Reference, Tag};
use hythe_transfer::Source;

use crate::failure::Failure;

/// Tags that are asked about at the same time.
const AT_ONCE: usize = 8;

/// The input tags whose images lose their last other tag when these tags are deleted. Without that tag nobody sees the
/// image any more, but its input tag would keep it alive.
pub(super) async fn followers(place: &dyn Source, deleted: &[Tag]) -> Result<Vec<Tag>, Failure> {
    if deleted.is_empty() {
        return Ok(Vec::new());
    }
    let gone: HashSet<&Tag> = deleted.iter().collect();
    let left: Vec<Tag> = place.tags().await?.into_iter().filter(|tag| !gone.contains(tag)).collect();
    let (inputs, others): (Vec<Tag>, Vec<Tag>) = left.into_iter().partition(Tag::is_input);
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let gone: HashSet<Digest> = digests(place, deleted.to_vec()).await?.into_values().collect();
    let mut inputs = digests(place, inputs).await?;
    inputs.retain(|_, digest| gone.contains(digest));
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let visible: HashSet<Digest> = digests(place, others).await?.into_values().collect();
    inputs.retain(|_, digest| !visible.contains(digest));
    Ok(inputs.into_keys().collect())
}

/// The digest that each tag names. A tag that is gone meanwhile has none.
async fn digests(place: &dyn Source, tags: Vec<Tag>) -> Result<BTreeMap<Tag, Digest>, Failure> {
    let asked = stream::iter(tags).map(|tag| async move {
        match place.resolve(&Reference::Tag(tag.clone())).await {
            Ok(digest) => Ok(Some((tag, digest))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    });
    let found: Vec<Option<(Tag, Digest)>> = asked.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

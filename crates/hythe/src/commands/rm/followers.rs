//! Input tags that go with the last other tag of their image.

use std::collections::HashSet;

use hythe_oci::{Digest, Tag};
use hythe_transfer::Source;

use crate::commands::du::digests;
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
    let tags = match place.tags().await {
        Ok(tags) => tags,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let left: Vec<Tag> = tags.into_iter().filter(|tag| !gone.contains(tag)).collect();
    let (inputs, others): (Vec<Tag>, Vec<Tag>) = left.into_iter().partition(Tag::is_input);
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let gone: HashSet<Digest> = digests(place, deleted.to_vec(), AT_ONCE).await?.into_values().collect();
    let mut inputs = digests(place, inputs, AT_ONCE).await?;
    inputs.retain(|_, digest| gone.contains(digest));
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let visible: HashSet<Digest> = digests(place, others, AT_ONCE).await?.into_values().collect();
    inputs.retain(|_, digest| !visible.contains(digest));
    Ok(inputs.into_keys().collect())
}

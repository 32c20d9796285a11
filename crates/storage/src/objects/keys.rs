//! The names of the back end's objects.
//!
//! ```text
//! blobs/<algorithm>/<hex>.<upload id>
//! uploads/<upload id>/<epoch of the owner, 20 digits>/<offset of the segment's first byte, 20 digits>
//! ```

use hythe_oci::{Algorithm, UploadId};

use super::bucket::Object;
use crate::{BlobKey, Owner};

/// The folder of all uploads.
pub(super) const UPLOADS: &str = "uploads/";

/// The object that a probe writes.
pub(super) const PROBE: &str = "probe";

pub(super) fn blob(BlobKey { digest, generation }: &BlobKey) -> String {
    format!("blobs/{}/{}.{generation}", digest.algorithm().as_str(), digest.hex())
}

/// What the keys of all blobs begin with whose hash begins with this byte.
pub(super) fn blobs(algorithm: Algorithm, first: u8) -> String {
    format!("blobs/{}/{first:02x}", algorithm.as_str())
}

/// The blob that an object is.
pub(super) fn parse_blob(object: &Object) -> Option<BlobKey> {
    let (algorithm, name) = object.key.strip_prefix("blobs/")?.split_once('/')?;
    let (hex, generation) = name.split_once('.')?;
    let digest = format!("{algorithm}:{hex}").parse().ok()?;
    Some(BlobKey { digest, generation: generation.parse().ok()? })
}

/// The folder of an upload's segments.
pub(super) fn segments(id: UploadId) -> String {
    format!("{UPLOADS}{id}/")
}

/// A segment that `owner` stores. Sorted by key, segments are sorted by epoch and then by offset.
pub(super) fn segment(owner: &Owner, offset: u64) -> String {
    format!("{UPLOADS}{}/{:020}/{offset:020}", owner.id(), owner.epoch())
}

/// The upload that an object belongs to, the epoch of its owner, and the offset of its first byte.
pub(super) fn parse_segment(object: &Object) -> Option<(UploadId, i64, u64)> {
    let mut parts = object.key.strip_prefix(UPLOADS)?.split('/');
    let parsed = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(parsed)
}

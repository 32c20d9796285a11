//! The stored bytes of an upload: segments that lie one behind the other, from the first byte on.

use std::sync::Arc;

use hythe_oci::UploadId;

use super::assembly::Piece;
use super::bucket::{Bucket, Object, failed};
use super::keys;
use crate::{Owner, Result};

/// An object that holds bytes of an upload.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The offset of its first byte.
    pub(super) start: u64,
    pub(super) key: String,
    /// How many of its bytes count.
    pub(super) size: u64,
}

impl Segment {
    pub(super) fn end(&self) -> u64 {
        self.start + self.size
    }

    pub(super) fn piece(&self) -> Piece {
        Piece { key: self.key.clone(), range: 0..self.size }
    }
}

/// Segments without a gap.
#[derive(Debug, Default)]
pub(super) struct Segments(pub(super) Vec<Segment>);

impl Segments {
    /// Those among the [objects](list) of an upload that `owner` sees. Where two segments overlap, that of the newer owner
    /// counts, or else the one that begins later, because its owner has cut the other one. So what an earlier owner still
    /// stores changes nothing: it only adds bytes behind those that the next owner was told of.
    pub(super) fn of(owner: &Owner, objects: &[Object]) -> Self {
        let mut found = Self::default();
        for object in objects {
            if let Some((_, epoch, start)) = keys::parse_segment(object)
                && epoch <= owner.epoch()
                && start <= found.end()
            {
                found.cut(start);
                found.0.push(Segment { start, key: object.key.clone(), size: object.size });
            }
        }
        found
    }

    /// The offset behind the last byte.
    pub(super) fn end(&self) -> u64 {
        self.0.last().map_or(0, Segment::end)
    }

    /// Cuts off the bytes from `offset` on.
    pub(super) fn cut(&mut self, offset: u64) {
        self.0.retain(|segment| segment.start < offset);
        if let Some(last) = self.0.last_mut() {
            last.size = last.size.min(offset - last.start);
        }
    }
}

/// The objects of an upload, of all owners, sorted by epoch and then by offset.
pub(super) async fn list(bucket: &Arc<dyn Bucket>, id: UploadId) -> Result<Vec<Object>> {
    let prefix = keys::segments(id);
    bucket.list(&prefix).await.map_err(failed("cannot list", &prefix))
}

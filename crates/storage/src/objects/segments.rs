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
    /// The bytes of an upload that count for `owner`, out of its [objects](list), in the order of that list. Segments of
    /// later owners are ignored. The first segment starts at 0. Each further one replaces all bytes from its start on: an
    /// earlier owner stored those, or the same owner, which had cut them off. A segment behind a gap is ignored. So an
    /// earlier owner that still stores segments cannot change the bytes that `owner` took over; it only appends.
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

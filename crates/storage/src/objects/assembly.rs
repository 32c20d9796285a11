//! Makes one object of ranges of other objects.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::bucket::{Bucket, When};

/// The most bytes of one copied part: S3 copies at most 5 GiB.
const MOST: u64 = 1 << 30;

/// A range of an object.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) key: String,
    pub(super) range: Range<u64>,
}

impl Piece {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The piece in parts that the store can copy. No part but the last is smaller than [`MOST`].
    fn parts(&self) -> impl Iterator<Item = Range<u64>> {
        let Range { start, end } = self.range.clone();
        (start..end).step_by(MOST as usize).map(move |at| at..end.min(at + MOST))
    }
}

/// Stores the pieces, one behind the other, as one object. All but the last must have the bucket's part size or more.
pub(super) async fn assemble(
    bucket: &Arc<dyn Bucket>,
    key: &str,
    pieces: &[Piece],
    when: When,
) -> io::Result<()> {
    if pieces.iter().map(Piece::len).sum::<u64>() < bucket.part_size() {
        return bucket.put(key, read(bucket, pieces).await?, when).await;
    }
    let multipart = bucket.begin_multipart(key).await?;
    let assembled = copy(bucket, key, &multipart, pieces, when).await;
    if assembled.is_err() {
        // The first error counts. What this does not remove, the bucket's rule does.
        let _ = bucket.abort_multipart(key, &multipart).await;
    }
    assembled
}

async fn copy(
    bucket: &Arc<dyn Bucket>,
    key: &str,
    multipart: &str,
    pieces: &[Piece],
    when: When,
) -> io::Result<()> {
    let mut tags = Vec::new();
    for piece in pieces {
        for part in piece.parts() {
            let number = tags.len() as u32 + 1;
            tags.push(bucket.copy_part(key, multipart, number, &piece.key, part).await?);
        }
    }
    bucket.complete_multipart(key, multipart, tags, when).await
}

/// The bytes of the pieces.
pub(super) async fn read(bucket: &Arc<dyn Bucket>, pieces: &[Piece]) -> io::Result<Bytes> {
    let mut all = BytesMut::new();
    for piece in pieces.iter().filter(|piece| piece.len() > 0) {
        let bytes = bucket.get(&piece.key, piece.range.clone()).await?;
        if pieces.len() == 1 {
            return Ok(bytes);
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all.freeze())
}

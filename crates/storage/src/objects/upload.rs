//! An upload session in a bucket.
//!
//! The bytes are in segments, each an object of its own, because an object cannot grow, and the parts of a multipart
//! upload cannot be read before its end. Each segment has the bucket's part size or more, except the last one, the
//! *tail*: its bytes are in memory too, and a flush stores them. So the store itself can assemble the blob from the
//! segments.

use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use tokio::sync::Mutex;

use super::assembly::{Piece, read};
use super::bucket::{Bucket, When, failed};
use super::keys;
use super::segments::{Segment, Segments, list};
use crate::{Error, Owner, Result, Upload, Writes};

/// An upload that is open for writing.
#[derive(Debug)]
pub(super) struct ObjectUpload {
    bucket: Arc<dyn Bucket>,
    owner: Owner,
    /// Locked while a segment is stored: an older tail must not be stored after a newer one. A reader waits so long.
    state: Mutex<State>,
    /// The blob that the upload became: then it has no segments any more.
    blob: OnceLock<String>,
}

#[derive(Debug)]
struct State {
    /// The segments before the tail. They do not change while the upload is open.
    whole: Vec<Segment>,
    /// The offset of the tail's first byte.
    start: u64,
    tail: BytesMut,
    /// How many bytes of the tail are stored; `None` if the stored segments do not end where the tail does, because the
    /// upload was cut.
    stored: Option<usize>,
}

impl State {
    fn end(&self) -> u64 {
        self.start + self.tail.len() as u64
    }
}

impl ObjectUpload {
    /// Opens an upload at `offset`, and cuts off the bytes beyond.
    pub(super) async fn open(bucket: Arc<dyn Bucket>, owner: Owner, offset: u64) -> Result<Self> {
        let objects = list(&bucket, owner.id()).await?;
        let mut segments = Segments::of(&owner, &objects);
        let found = segments.end();
        if found < offset {
            return Err(Error::UploadLost { id: owner.id(), expected: offset, found });
        }
        segments.cut(offset);
        // Segments of this owner count until it cuts them itself, so they must not lie behind a tail that ends earlier.
        for object in objects {
            let beyond =
                |(_, epoch, start): (_, i64, u64)| epoch == owner.epoch() && start > 0 && start >= offset;
            if keys::parse_segment(&object).is_some_and(beyond) {
                bucket.delete(&object.key).await.map_err(failed("cannot remove", &object.key))?;
            }
        }
        let mut state = State { whole: segments.0, start: offset, tail: BytesMut::new(), stored: Some(0) };
        if let Some(last) = state.whole.pop_if(|last| last.size < bucket.part_size()) {
            let tail = read(&bucket, &[last.piece()]).await.map_err(failed("cannot read", &last.key))?;
            (state.start, state.stored, state.tail) = (last.start, Some(tail.len()), tail.into());
        }
        if found > offset {
            state.stored = None;
        }
        let upload = Self { bucket, owner, state: Mutex::new(state), blob: OnceLock::new() };
        if offset == 0 {
            // By this object the upload exists.
            let mut state = upload.state.lock().await;
            upload.store(&state, Bytes::new()).await?;
            state.stored = Some(0);
        }
        Ok(upload)
    }

    /// Lets readers read from the blob that the upload became. Called before the segments are removed.
    pub(super) fn became(&self, blob: String) {
        // Only the first call counts: an upload becomes one blob.
        let _ = self.blob.set(blob);
    }

    /// The range of up to `length` bytes at `offset`, the pieces of whole segments that have its first bytes, and the
    /// bytes of the tail that are its last ones.
    async fn locate(&self, offset: u64, length: usize) -> (Range<u64>, Vec<Piece>, Bytes) {
        let state = self.state.lock().await;
        let end = offset.saturating_add(length as u64).min(state.end()).max(offset);
        let within = |start: u64, size: u64| {
            let range = offset.max(start)..end.min(start + size);
            (range.start < range.end).then(|| range.start - start..range.end - start)
        };
        let pieces = state.whole.iter().filter_map(|Segment { start, key, size }| {
            within(*start, *size).map(|range| Piece { key: key.clone(), range })
        });
        let tail = within(state.start, state.tail.len() as u64).unwrap_or_default();
        let tail = Bytes::copy_from_slice(&state.tail[tail.start as usize..tail.end as usize]);
        (offset..end, pieces.collect(), tail)
    }

    /// Stores `bytes` as the segment that begins at the tail.
    async fn store(&self, state: &State, bytes: Bytes) -> Result<Segment> {
        let (start, key, size) = (state.start, keys::segment(&self.owner, state.start), bytes.len() as u64);
        self.bucket.put(&key, bytes, When::Always).await.map_err(failed("cannot write", &key))?;
        if self.owner.is_removed() {
            // The removal may have come before this object.
            self.bucket.delete(&key).await.map_err(failed("cannot remove", &key))?;
        }
        Ok(Segment { start, key, size })
    }
}

#[async_trait::async_trait]
impl Upload for ObjectUpload {
    async fn write_all(&self, writes: Writes) -> Result<()> {
        for write in writes {
            self.owner.check()?;
            let mut state = self.state.lock().await;
            if write.offset != state.end() {
                let what = format!("a write at {} does not continue its {} bytes", write.offset, state.end());
                let error = io::Error::new(io::ErrorKind::InvalidInput, what);
                return Err(failed("cannot write", &keys::segments(self.owner.id()))(error));
            }
            for chunk in write.chunks {
                // A copy, because the chunks' memory is shared by all uploads and must be free soon.
                state.tail.extend_from_slice(&chunk);
                drop(chunk);
                if state.tail.len() as u64 >= self.bucket.part_size() {
                    let bytes = state.tail.split().freeze();
                    let segment = self.store(&state, bytes).await?;
                    (state.start, state.stored) = (segment.end(), Some(0));
                    state.whole.push(segment);
                }
            }
        }
        Ok(())
    }

    async fn flush(&self) -> Result<()> {
        let mut state = self.state.lock().await;
        if state.stored != Some(state.tail.len()) {
            let tail = Bytes::copy_from_slice(&state.tail);
            self.store(&state, tail).await?;
            state.stored = Some(state.tail.len());
        }
        Ok(())
    }

    async fn sync(&self) -> Result<()> {
        self.flush().await
    }

    fn reads_back_cheaply(&self) -> bool {
        false
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Bytes> {
        let (range, pieces, tail) = self.locate(offset, length).await;
        if self.blob.get().is_none() {
            match read(&self.bucket, &pieces).await {
                Ok(stored) if stored.is_empty() => return Ok(tail),
                Ok(stored) if tail.is_empty() => return Ok(stored),
                Ok(stored) => return Ok([stored, tail].concat().into()),
                // The upload may have become a blob meanwhile.
                Err(_) if self.blob.get().is_some() => {}
                Err(error) => return Err(failed("cannot read", &keys::segments(self.owner.id()))(error)),
            }
        }
        let key = self.blob.get().cloned().unwrap_or_default();
        read(&self.bucket, &[Piece { key: key.clone(), range }]).await.map_err(failed("cannot read", &key))
    }
}

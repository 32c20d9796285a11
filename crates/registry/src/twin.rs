//! The twin of a push: the live file that the pushed digest already has. The bytes of the push are compared with it.
//!
//! As long as the bytes are the same, nothing is written; at the end the repository gets a link of the existing blob.
//! At the first different byte, the bytes that came until then are written, and the push goes on like that of a new
//! blob. Its file then replaces the twin, which was damaged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hythe_catalog::BlobFile;
use hythe_oci::{Digest, UploadId};
use hythe_storage::{BlobKey, Content, Upload, WRITE};
use tokio::sync::Mutex;

use crate::{Error, Inner, Result};

/// How many bytes are read at once, to compare a whole upload.
const STEP: u64 = 1 << 20;

/// The live bytes of a digest, and up to where the bytes of a push are the same.
pub(crate) struct Twin {
    generation: UploadId,
    size: u64,
    content: Arc<dyn Content>,
    /// The offset up to which the bytes are the same; `None` once they differ. The one writer of a push holds the lock
    /// while it reads and writes; other tasks take it once the push is settled.
    same: Mutex<Option<u64>>,
    /// Whether the bytes are the same until now. For callers that must not wait for `same`, which is locked while bytes
    /// are read.
    followed: AtomicBool,
}

/// The live bytes of a digest, if there are any.
pub(crate) enum Found {
    Nothing,
    /// This generation is live in the catalog, but its bytes are lost, too few, or not readable.
    Lost(UploadId),
    Twin(Twin),
}

impl Inner {
    /// Finds the live bytes of a digest, whichever repositories have it.
    pub(crate) async fn twin(&self, digest: &Digest) -> Result<Found> {
        let Some(BlobFile { digest, generation, size }) = self.catalog.live_file(digest).await? else {
            return Ok(Found::Nothing);
        };
        let content = self.content(&BlobKey { digest, generation }, size).await;
        Ok(match content {
            Ok(Some(content)) => Found::Twin(Twin::new(generation, size, content)),
            Ok(None) | Err(_) => Found::Lost(generation),
        })
    }
}

impl Twin {
    fn new(generation: UploadId, size: u64, content: Arc<dyn Content>) -> Self {
        Self { generation, size, content, same: Mutex::new(Some(0)), followed: AtomicBool::new(true) }
    }

    pub(crate) fn generation(&self) -> UploadId {
        self.generation
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether the bytes can be read as long as the twin is open, also if garbage collection removes the blob.
    pub(crate) fn outlives_removal(&self) -> bool {
        self.content.outlives_removal()
    }

    /// Whether all bytes compared until now are the same, so that none of them is written. Never waits. False as soon
    /// as they must be written; a [mark](crate::writing::Writing::mark) of the writes waits for that.
    pub(crate) fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Acquire)
    }

    /// Whether all bytes of the twin came, and are the same.
    pub(crate) async fn is_whole(&self) -> bool {
        *self.same.lock().await == Some(self.size)
    }

    /// Compares `chunks`, which come at `offset`. True if they are the same, so that the caller need not write them. At
    /// the first difference, writes the bytes that came before to `upload`.
    pub(crate) async fn takes(&self, upload: &dyn Upload, offset: u64, chunks: &[Bytes]) -> Result<bool> {
        let mut same = self.same.lock().await;
        if *same != Some(offset) {
            self.leave(&mut same, upload).await?;
            return Ok(false);
        }
        let mut end = offset;
        for chunk in chunks {
            if !self.has(end, chunk).await {
                self.leave(&mut same, upload).await?;
                return Ok(false);
            }
            end += chunk.len() as u64;
        }
        *same = Some(end);
        Ok(true)
    }

    /// Ends the comparison, and writes to `upload` the bytes that came until now, to keep them whatever comes next.
    pub(crate) async fn part(&self, upload: &dyn Upload) -> Result<()> {
        self.leave(&mut *self.same.lock().await, upload).await
    }

    async fn leave(&self, same: &mut Option<u64>, upload: &dyn Upload) -> Result<()> {
        let Some(end) = same.take() else { return Ok(()) };
        self.followed.store(false, Ordering::Release);
        let mut at = 0;
        while at < end {
            let length = (end - at).min(WRITE as u64);
            let piece = self.content.read(at, length as usize).await.map_err(|error| {
                Error::Internal(format!(
                    "the file of a blob changed while a push was compared with it: {error}"
                ))
            })?;
            upload.write(at, vec![piece]).await?;
            at += length;
        }
        Ok(())
    }

    /// Whether the twin has these bytes at `offset`. False if they cannot be read.
    async fn has(&self, offset: u64, bytes: &[u8]) -> bool {
        offset + bytes.len() as u64 <= self.size
            && self.content.read(offset, bytes.len()).await.is_ok_and(|found| found == bytes)
    }

    /// Whether the whole `upload`, which has `size` bytes, is the same.
    pub(crate) async fn is(&self, upload: &dyn Upload, size: u64) -> Result<bool> {
        let mut at = 0;
        while size == self.size && at < size {
            let length = STEP.min(size - at);
            let read = upload.read(at, length as usize);
            let (bytes, twin) = tokio::join!(read, self.content.read(at, length as usize));
            let bytes = bytes?;
            if !twin.is_ok_and(|twin| twin == bytes) {
                return Ok(false);
            }
            at += length;
        }
        Ok(size == self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use hythe_storage::Writes;

    use super::*;

    /// Calls `is_followed` of the twin during each write, from another thread.
    struct Asking {
        twin: Arc<Twin>,
        answers: mpsc::Sender<bool>,
    }

    #[async_trait::async_trait]
    impl Upload for Asking {
        async fn write_all(&self, _writes: Writes) -> hythe_storage::Result<()> {
            let (twin, answers) = (Arc::clone(&self.twin), self.answers.clone());
            let (ended, end) = mpsc::channel();
            std::thread::spawn(move || {
                answers.send(twin.is_followed()).unwrap();
                ended.send(()).unwrap();
            });
            end.recv_timeout(Duration::from_secs(20)).expect("`is_followed` must not wait for the write");
            Ok(())
        }

        async fn sync(&self) -> hythe_storage::Result<()> {
            Ok(())
        }

        async fn read(&self, _offset: u64, _length: usize) -> hythe_storage::Result<Bytes> {
            Ok(Bytes::new())
        }
    }

    #[tokio::test]
    async fn is_followed_does_not_wait_while_bytes_are_copied() {
        let content = Arc::new(Bytes::from_static(b"all of it"));
        let twin = Arc::new(Twin::new(UploadId::random(), 9, content));
        let (answers, answered) = mpsc::channel();
        let upload = Asking { twin: Arc::clone(&twin), answers };
        assert!(twin.takes(&upload, 0, &[Bytes::from_static(b"all ")]).await.unwrap());
        assert!(twin.is_followed());
        assert!(!twin.takes(&upload, 4, &[Bytes::from_static(b"else")]).await.unwrap());
        assert_eq!(
            answered.try_iter().collect::<Vec<_>>(),
            [false],
            "the bytes that came before are written once"
        );
        assert!(!twin.is_whole().await);
    }
}

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
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use crate::joined::joined;
use crate::{Error, Inner, Result};

/// How many bytes of the file are read at once.
const PIECE: usize = 128 << 10;

/// A blob's live file, and up to where the bytes of a push are the same.
pub(crate) struct Twin {
    generation: UploadId,
    size: u64,
    content: Content,
    /// The offset up to which the bytes are the same; `None` once they differ. The one writer of a push holds the lock
    /// while it reads and writes files; other tasks take it once the push is settled.
    same: Mutex<Option<u64>>,
    /// Whether the bytes are the same until now. For callers that must not wait for `same`, which is locked while files
    /// are read.
    followed: AtomicBool,
}

/// The live file of a digest, if there is one.
pub(crate) enum Found {
    Nothing,
    /// This generation is live in the catalog, but its file is lost, too short, or not readable.
    Lost(UploadId),
    Twin(Twin),
}

impl Inner {
    /// Finds the live file of a digest, whichever repositories have it.
    pub(crate) async fn twin(&self, digest: &Digest) -> Result<Found> {
        let Some(BlobFile { digest, generation, size }) = self.catalog.live_file(digest).await? else {
            return Ok(Found::Nothing);
        };
        let content = self.content(&BlobKey { digest, generation }, size);
        Ok(match content {
            Ok(Some(content)) => Found::Twin(Twin::new(generation, size, content)),
            Ok(None) | Err(_) => Found::Lost(generation),
        })
    }
}

impl Twin {
    fn new(generation: UploadId, size: u64, content: Content) -> Self {
        Self { generation, size, content, same: Mutex::new(Some(0)), followed: AtomicBool::new(true) }
    }

    pub(crate) fn generation(&self) -> UploadId {
        self.generation
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether all bytes compared until now are the same, so that none of them is written. Never blocks. False as soon
    /// as they must be written; a [mark](crate::writing::Writing::mark) of the writes waits for that.
    pub(crate) fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Acquire)
    }

    /// Whether all bytes of the file came, and are the same.
    pub(crate) fn is_whole(&self) -> bool {
        *self.same.lock() == Some(self.size)
    }

    /// Compares `chunks`, which come at `offset`. True if they are the same, so that the caller need not write them. At
    /// the first difference, writes the bytes that came before to `upload`. Blocking.
    pub(crate) fn takes(&self, upload: &dyn Upload, offset: u64, chunks: &[Bytes]) -> Result<bool> {
        let mut same = self.same.lock();
        if *same != Some(offset) {
            self.leave(&mut same, upload)?;
            return Ok(false);
        }
        let mut end = offset;
        for chunk in chunks {
            if !self.has(end, chunk) {
                self.leave(&mut same, upload)?;
                return Ok(false);
            }
            end += chunk.len() as u64;
        }
        *same = Some(end);
        Ok(true)
    }

    /// Ends the comparison, and writes to `upload` the bytes that came until now, to keep them whatever comes next.
    pub(crate) async fn part(self: Arc<Self>, upload: Arc<dyn Upload>) -> Result<()> {
        if !self.is_followed() {
            return Ok(());
        }
        joined(spawn_blocking(move || self.leave(&mut self.same.lock(), &*upload))).await?
    }

    fn leave(&self, same: &mut Option<u64>, upload: &dyn Upload) -> Result<()> {
        let Some(end) = same.take() else { return Ok(()) };
        self.followed.store(false, Ordering::Release);
        let mut at = 0;
        while at < end {
            let mut piece = vec![0; (end - at).min(WRITE as u64) as usize];
            if !self.read(at, &mut piece) {
                let message = "the file of a blob changed while a push was compared with it";
                return Err(Error::Internal(message.to_owned()));
            }
            let length = piece.len() as u64;
            upload.write(at, &[piece.into()])?;
            at += length;
        }
        Ok(())
    }

    /// Whether the file has these bytes at `offset`. False if they cannot be read.
    fn has(&self, mut offset: u64, bytes: &[u8]) -> bool {
        if offset + bytes.len() as u64 > self.size {
            return false;
        }
        if let Content::Memory(all) = &self.content {
            return all[offset as usize..].starts_with(bytes);
        }
        let mut piece = vec![0; PIECE.min(bytes.len())];
        bytes.chunks(PIECE).all(|chunk| {
            let piece = &mut piece[..chunk.len()];
            let is_same = self.read(offset, piece) && piece == chunk;
            offset += chunk.len() as u64;
            is_same
        })
    }

    fn read(&self, offset: u64, piece: &mut [u8]) -> bool {
        use std::os::unix::fs::FileExt;

        match &self.content {
            Content::File { file, .. } => file.read_exact_at(piece, offset).is_ok(),
            Content::Memory(all) => {
                piece.copy_from_slice(&all[offset as usize..][..piece.len()]);
                true
            }
        }
    }

    /// Whether the whole `upload`, which has `size` bytes, is the same.
    pub(crate) async fn is(self: &Arc<Self>, upload: &dyn Upload, size: u64) -> Result<bool> {
        const STEP: usize = 1 << 20;
        let mut at = 0;
        while size == self.size && at < size {
            let bytes = upload.read(at, STEP).await?;
            let (twin, length) = (Arc::clone(self), bytes.len() as u64);
            if length == 0 || !joined(spawn_blocking(move || twin.has(at, &bytes))).await? {
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

    use super::*;

    /// Calls `is_followed` of the twin during each write, from another thread.
    struct Asking {
        twin: Arc<Twin>,
        answers: mpsc::Sender<bool>,
    }

    #[async_trait::async_trait]
    impl Upload for Asking {
        fn write(&self, _offset: u64, _chunks: &[Bytes]) -> hythe_storage::Result<()> {
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

        fn is_direct(&self) -> bool {
            false
        }

        fn file(&self) -> Option<Arc<std::fs::File>> {
            None
        }

        async fn read(&self, _offset: u64, _length: usize) -> hythe_storage::Result<Bytes> {
            Ok(Bytes::new())
        }
    }

    #[test]
    fn is_followed_does_not_wait_while_bytes_are_copied() {
        let content = Content::Memory(Bytes::from_static(b"all of it"));
        let twin = Arc::new(Twin::new(UploadId::random(), 9, content));
        let (answers, answered) = mpsc::channel();
        let upload = Asking { twin: Arc::clone(&twin), answers };
        assert!(twin.takes(&upload, 0, &[Bytes::from_static(b"all ")]).unwrap());
        assert!(twin.is_followed());
        assert!(!twin.takes(&upload, 4, &[Bytes::from_static(b"else")]).unwrap());
        assert_eq!(
            answered.try_iter().collect::<Vec<_>>(),
            [false],
            "the bytes that came before are written once"
        );
        assert!(!twin.is_whole());
    }
}

//! A file of random bytes, and the blobs that are made of it.
//!
//! All blobs share this file. A blob is one or two spans of the file and a tail of 64 bytes. The bench keeps the hash
//! state of the spans. A blob with another tail is new to every contender, and the bench knows its digest without
//! hashing the spans again.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use hythe_oci::{Algorithm, Digest, HashState};

use crate::error::{Context as _, Result};

/// Length of the tail, in bytes. Only the tail differs from push to push.
pub(crate) const TAIL: usize = 64;

const BUFFER: usize = 1 << 20;

/// The file of random bytes.
#[derive(Clone, Debug)]
pub(crate) struct RandomFile {
    file: Arc<File>,
    size: u64,
}

/// A part of the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Its first byte.
    pub(crate) offset: u64,
    /// Its length.
    pub(crate) length: u64,
}

/// A blob without its tail.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    file: Arc<File>,
    spans: Vec<Span>,
    state: HashState,
}

/// A blob to push.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    /// The file of the spans.
    pub(crate) file: Arc<File>,
    /// The bytes before the tail.
    pub(crate) spans: Vec<Span>,
    /// The last bytes.
    pub(crate) tail: Vec<u8>,
    /// The digest of all bytes.
    pub(crate) digest: Digest,
}

impl RandomFile {
    /// Writes `size` random bytes to `path` and keeps the file open.
    pub(crate) fn create(path: &Path, size: u64) -> Result<Self> {
        let what = || format!("writing {size} random bytes to {}", path.display());
        let mut file =
            File::options().read(true).write(true).create(true).truncate(true).open(path).context(what)?;
        let mut random = File::open("/dev/urandom").context(what)?;
        let mut buffer = vec![0; BUFFER];
        let mut left = size;
        while left > 0 {
            let part = &mut buffer[..left.min(BUFFER as u64) as usize];
            random.read_exact(part).context(what)?;
            file.write_all(part).context(what)?;
            left -= part.len() as u64;
        }
        file.sync_all().context(what)?;
        Ok(Self { file: Arc::new(file), size })
    }

    /// A blob of `length` bytes that starts at `offset` and wraps around to the start of the source. With different
    /// offsets, concurrent pushes do not read the same bytes at the same time.
    pub(crate) fn blob(&self, offset: u64, length: u64) -> Result<Blob> {
        let offset = offset % self.size;
        let length = length.saturating_sub(TAIL as u64).min(self.size);
        let first = length.min(self.size - offset);
        let mut spans = vec![Span { offset, length: first }];
        if length > first {
            spans.push(Span { offset: 0, length: length - first });
        }
        let mut state = HashState::new(Algorithm::Sha256);
        let mut buffer = vec![0; BUFFER];
        for span in &spans {
            read_span(&self.file, *span, &mut buffer, |part| {
                state.update(part);
                Ok(())
            })?;
        }
        Ok(Blob { file: Arc::clone(&self.file), spans, state })
    }
}

impl Blob {
    /// The blob with the tail of `salt`.
    pub(crate) fn salted(&self, salt: u64) -> Payload {
        let mut tail = vec![0; TAIL];
        tail[..8].copy_from_slice(&salt.to_be_bytes());
        let mut state = self.state.clone();
        state.update(&tail);
        Payload { file: Arc::clone(&self.file), spans: self.spans.clone(), tail, digest: state.finish() }
    }
}

impl Payload {
    /// A payload of bytes in memory.
    pub(crate) fn small(source: &RandomFile, bytes: Vec<u8>) -> Self {
        let digest = Digest::of(Algorithm::Sha256, &bytes);
        Self { file: Arc::clone(&source.file), spans: Vec::new(), tail: bytes, digest }
    }

    /// Number of all bytes.
    pub(crate) fn len(&self) -> u64 {
        self.spans.iter().map(|span| span.length).sum::<u64>() + self.tail.len() as u64
    }

    /// Writes the blob to `path`, for the contender that serves files.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let what = || format!("writing {}", path.display());
        let mut out = File::create(path).context(what)?;
        let mut buffer = vec![0; BUFFER];
        for span in &self.spans {
            read_span(&self.file, *span, &mut buffer, |part| out.write_all(part).context(what))?;
        }
        out.write_all(&self.tail).context(what)
    }
}

fn read_span(
    file: &File,
    span: Span,
    buffer: &mut [u8],
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut done = 0;
    while done < span.length {
        let part = (span.length - done).min(buffer.len() as u64) as usize;
        let part = &mut buffer[..part];
        file.read_exact_at(part, span.offset + done)
            .context(|| "reading the bench's random bytes".to_owned())?;
        each(part)?;
        done += part.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_that_wraps_around_has_the_digest_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let source = RandomFile::create(&dir.path().join("source"), 100_000).unwrap();
        let payload = source.blob(90_000, 50_000).unwrap().salted(7);
        payload.write(&dir.path().join("blob")).unwrap();
        let written = std::fs::read(dir.path().join("blob")).unwrap();
        assert_eq!(written.len(), 50_000);
        assert_eq!(payload.len(), 50_000);
        assert_eq!(Digest::of(Algorithm::Sha256, &written), payload.digest);
    }

    #[test]
    fn another_salt_gives_another_digest() {
        let dir = tempfile::tempdir().unwrap();
        let source = RandomFile::create(&dir.path().join("source"), 10_000).unwrap();
        let blob = source.blob(0, 10_000).unwrap();
        assert_ne!(blob.salted(1).digest, blob.salted(2).digest);
    }
}

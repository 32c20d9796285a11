//! An object that grows: one request if it is small, else a multipart upload.

use std::io::{self, Write};
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use hythe_backup::{Growing, When};
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload};

use crate::failure::failed;
use crate::threads::{Threads, received};

/// The size of a part. Up to two parts of an object are in memory: one that fills, and one that is sent.
pub(crate) const PART: usize = 8 << 20;

/// How many parts an object has at most; S3's own limit is 10,000.
const PARTS: u64 = 9000;

/// What a multipart upload's name is claimed by, until the object exists: such an upload has no condition of its own.
const CLAIM: &str = ".claim";

/// An object that grows.
pub(crate) struct GrowingObject {
    threads: Threads,
    store: Arc<dyn ObjectStore>,
    bucket: String,
    path: Path,
    /// The size of all parts but the last: some servers want them equal.
    part: usize,
    filling: Vec<u8>,
    upload: Option<Box<dyn MultipartUpload>>,
    sending: Option<mpsc::Receiver<object_store::Result<()>>>,
}

impl GrowingObject {
    pub(crate) fn new(
        threads: Threads,
        store: Arc<dyn ObjectStore>,
        bucket: String,
        path: Path,
        size: Option<u64>,
    ) -> Self {
        let least = size.map_or(0, |size| size.div_ceil(PARTS));
        let part = PART.max(usize::try_from(least).unwrap_or(usize::MAX));
        Self { threads, store, bucket, path, part, filling: Vec::new(), upload: None, sending: None }
    }

    /// Waits for the part that is being sent.
    fn sent(&mut self) -> io::Result<()> {
        match self.sending.take() {
            Some(sending) => received(&sending)?.map_err(failed(&self.bucket)),
            None => Ok(()),
        }
    }

    /// Begins to send what fills.
    fn send(&mut self) -> io::Result<()> {
        self.sent()?;
        let mut upload = if let Some(upload) = self.upload.take() {
            upload
        } else {
            let (store, path) = (Arc::clone(&self.store), self.path.clone());
            let begun = self.threads.wait(async move { store.put_multipart(&path).await })?;
            begun.map_err(failed(&self.bucket))?
        };
        let part = std::mem::take(&mut self.filling);
        self.sending = Some(self.threads.begin(upload.put_part(PutPayload::from(part))));
        self.upload = Some(upload);
        Ok(())
    }

    /// Stores a whole object. Bytes that are there already are no error: the answer to an earlier attempt may have been lost.
    fn put(&self, path: &Path, bytes: Bytes, when: When) -> io::Result<()> {
        let (store, path) = (Arc::clone(&self.store), path.clone());
        let put = self.threads.wait(async move {
            let mode = match when {
                When::Always => PutMode::Overwrite,
                When::Absent => PutMode::Create,
            };
            match store.put_opts(&path, PutPayload::from_bytes(bytes.clone()), mode.into()).await {
                Err(error @ Error::AlreadyExists { .. }) if !bytes.is_empty() => {
                    let same = store.head(&path).await?.size == bytes.len() as u64
                        && store.get(&path).await?.bytes().await? == bytes;
                    if same { Ok(()) } else { Err(error) }
                }
                put => put.map(drop),
            }
        })?;
        put.map_err(failed(&self.bucket))
    }

    fn finish(&mut self, when: When) -> io::Result<()> {
        let path = self.path.clone();
        if self.upload.is_none() {
            let bytes = std::mem::take(&mut self.filling).into();
            return self.put(&path, bytes, when);
        }
        if !self.filling.is_empty() {
            self.send()?;
        }
        self.sent()?;
        if when == When::Always {
            return self.complete();
        }
        let claim = Path::from(format!("{path}{CLAIM}"));
        self.put(&claim, Bytes::new(), When::Absent)?;
        let completed = self.complete_if_absent();
        let store = Arc::clone(&self.store);
        let removed = self.threads.wait(async move { store.delete(&claim).await })?;
        completed.and(removed.map_err(failed(&self.bucket)))
    }

    fn complete_if_absent(&mut self) -> io::Result<()> {
        let (store, path) = (Arc::clone(&self.store), self.path.clone());
        match self.threads.wait(async move { store.head(&path).await })? {
            Err(Error::NotFound { .. }) => self.complete(),
            Err(error) => Err(failed(&self.bucket)(error)),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    /// Makes the parts the object.
    fn complete(&mut self) -> io::Result<()> {
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        let (completed, upload) = self.threads.wait(async move { (upload.complete().await, upload) })?;
        completed.map(drop).map_err(|error| {
            self.upload = Some(upload);
            failed(&self.bucket)(error)
        })
    }
}

impl Write for GrowingObject {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.filling.len() == self.part {
            self.send()?;
        }
        let length = bytes.len().min(self.part - self.filling.len());
        self.filling.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Growing for GrowingObject {
    fn publish(mut self: Box<Self>, when: When) -> io::Result<()> {
        self.finish(when)
    }
}

impl Drop for GrowingObject {
    fn drop(&mut self) {
        if let Some(mut upload) = self.upload.take() {
            // Its parts would take space. What this cannot remove, the bucket's rule AbortIncompleteMultipartUpload does.
            let sending = self.sending.take();
            drop(self.threads.begin(async move {
                drop(sending);
                upload.abort().await
            }));
        }
    }
}

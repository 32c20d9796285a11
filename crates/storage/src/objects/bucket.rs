//! What the back end needs of an object store: a few operations that S3 and its like have.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

use crate::Error;

/// When to store an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// In any case, in the place of an older object (plain `PUT`).
    Always,
    /// If no object has the key (`If-None-Match: *`); otherwise the error is
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists).
    Absent,
}

/// An object that a bucket has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// The error of a request that was for `key`.
pub(super) fn failed<'a>(action: &'static str, key: &'a str) -> impl FnOnce(io::Error) -> Error + 'a {
    move |error| Error::io(action, Path::new(key), error)
}

/// A bucket of an object store. Each operation is one request: it takes effect completely or not at all, and a failed
/// one may have taken effect, because its answer may be lost. All operations see the effects of earlier ones.
///
/// A multipart upload assembles an object from ranges of other objects (`UploadPartCopy`), so that the store copies the
/// bytes by itself. One that was interrupted stays until the bucket's own rule removes it
/// (`AbortIncompleteMultipartUpload`).
#[async_trait::async_trait]
pub trait Bucket: fmt::Debug + Send + Sync + 'static {
    /// How many bytes a part of a multipart upload has at least, if it is not the last one.
    fn part_size(&self) -> u64;

    /// Stores an object.
    async fn put(&self, key: &str, bytes: Bytes, when: When) -> io::Result<()>;

    /// Reads a range of an object. An error if the object does not have all of it.
    async fn get(&self, key: &str, range: Range<u64>) -> io::Result<Bytes>;

    /// The size of an object; `None` if no object has the key.
    async fn head(&self, key: &str) -> io::Result<Option<u64>>;

    /// Removes an object, if it exists.
    async fn delete(&self, key: &str) -> io::Result<()>;

    /// All objects whose keys begin with `prefix`, sorted by key.
    async fn list(&self, prefix: &str) -> io::Result<Vec<Object>>;

    /// Begins a multipart upload of an object; returns the upload's id.
    async fn begin_multipart(&self, key: &str) -> io::Result<String>;

    /// Adds part `number`, counted from 1, to a multipart upload: a range of the object `from`. Returns the part's tag.
    async fn copy_part(
        &self,
        key: &str,
        multipart: &str,
        number: u32,
        from: &str,
        range: Range<u64>,
    ) -> io::Result<String>;

    /// Makes the parts with these tags, in their order, the object.
    async fn complete_multipart(
        &self,
        key: &str,
        multipart: &str,
        tags: Vec<String>,
        when: When,
    ) -> io::Result<()>;

    /// Ends a multipart upload without an object.
    async fn abort_multipart(&self, key: &str, multipart: &str) -> io::Result<()>;

    /// A URL by which anybody can read the object for a while.
    async fn presign(&self, key: &str, valid: Duration) -> io::Result<String>;
}

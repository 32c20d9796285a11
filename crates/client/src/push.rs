//! Pushes a blob: asks whether the registry has it, mounts it, or uploads it and resumes a broken upload.

use std::io;
use std::time::Duration;

use http::Method;
use hythe_oci::{Digest, RepositoryName, path};
use tokio::io::AsyncRead;
use tokio::time::sleep;

use crate::client::Client;
use crate::error::{Error, PushError};
use crate::outgoing::Outgoing;
use crate::upload::{Mount, Sent, Upload};

/// How many failures in a row end a push. A failure after which the registry has more bytes than ever before starts the
/// count again.
const FAILURES: u32 = 5;

/// The wait after the first failure in a row; each further one waits longer by as much.
const PAUSE: Duration = Duration::from_millis(200);

/// How many challenges in a row are answered before the registry's refusal is final.
const CHALLENGES: u32 = 2;

/// A blob to push.
#[derive(Clone, Copy, Debug)]
pub struct BlobPush<'a> {
    /// The repository to push to.
    pub repository: &'a RepositoryName,
    /// The blob's digest.
    pub digest: &'a Digest,
    /// The blob's size in bytes, if it is known in advance. Without it, the blob is sent as one stream.
    pub size: Option<u64>,
    /// A repository of the same registry that has the blob, to mount it from.
    pub mount_from: Option<&'a RepositoryName>,
    /// The most bytes of one request, for registries behind a proxy that limits them. The registry's own minimum
    /// (`OCI-Chunk-Min-Length`) comes first. Applies only if the size is known.
    pub chunk: Option<u64>,
}

/// How a blob came to the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// The repository had it already.
    Existing,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was uploaded.
    Uploaded,
}

impl<'a> BlobPush<'a> {
    /// A blob of unknown size, in one piece, from no other repository.
    pub fn new(repository: &'a RepositoryName, digest: &'a Digest) -> Self {
        Self { repository, digest, size: None, mount_from: None, chunk: None }
    }
}

impl Client {
    /// Pushes a blob (distribution-spec, Pushing Blobs), unless the repository has it. `open` gives the blob's bytes
    /// from an offset on; they are not kept in memory. It is called again, with the session's offset, if an upload
    /// breaks or if the blob is sent in chunks.
    pub async fn push_blob<R, F>(
        &self,
        push: BlobPush<'_>,
        open: impl Fn(u64) -> F + Send + Sync,
    ) -> Result<Pushed, PushError>
    where
        R: AsyncRead + Send + 'static,
        F: Future<Output = io::Result<R>> + Send,
    {
        if self.has_blob(push.repository, push.digest).await? {
            return Ok(Pushed::Existing);
        }
        let mounted = match push.mount_from {
            Some(from) => match self.mount_blob(push.repository, push.digest, from).await {
                // Some registries refuse what they will not mount: a push needs no right to pull from there.
                Err(Error::Denied { .. } | Error::NotFound { .. } | Error::Protocol { .. }) => None,
                mounted => Some(mounted?),
            },
            None => None,
        };
        let upload = match mounted {
            Some(Mount::Mounted) => return Ok(Pushed::Mounted),
            Some(Mount::Upload(upload)) => upload,
            None => self.start_upload(push.repository, push.digest.algorithm()).await?,
        };
        self.upload(push, upload, open).await?;
        Ok(Pushed::Uploaded)
    }

    /// Whether the repository has the blob (distribution-spec, Checking if content exists in the registry). A registry
    /// that does not answer HEAD counts as one that has not.
    async fn has_blob(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, Error> {
        let asked = format!("blob `{digest}` of `{name}`");
        let ask = self.0.push(Method::HEAD, &path::blob(name, digest), name, asked);
        match self.0.ask(ask).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_of_the_way() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn upload<R, F>(
        &self,
        push: BlobPush<'_>,
        mut upload: Upload,
        open: impl Fn(u64) -> F + Send + Sync,
    ) -> Result<(), PushError>
    where
        R: AsyncRead + Send + 'static,
        F: Future<Output = io::Result<R>> + Send,
    {
        let (mut failures, mut most) = (0, 0);
        loop {
            let error = match step(push, &mut upload, &open).await {
                Ok(()) => return Ok(()),
                Err(PushError::Registry(error @ Error::Unavailable { .. })) => error,
                Err(error) => {
                    // The registry removes the session itself later, if this fails.
                    let _ = upload.cancel().await;
                    return Err(error);
                }
            };
            failures += 1;
            if failures == FAILURES {
                return Err(error.into());
            }
            sleep(PAUSE * failures).await;
            match upload.refresh().await {
                Ok(true) if upload.offset() > most => (failures, most) = (0, upload.offset()),
                Ok(true) | Err(Error::Unavailable { .. }) => {}
                // The session is gone: the answer that finished it may have been lost. Or the number of its bytes is
                // not known: then another session starts at the beginning.
                unknown => {
                    if self.has_blob(push.repository, push.digest).await? {
                        return Ok(());
                    }
                    let started = self.start_upload(push.repository, push.digest.algorithm()).await?;
                    let former = std::mem::replace(&mut upload, started);
                    if unknown.is_ok() {
                        let _ = former.cancel().await;
                    }
                }
            }
        }
    }
}

/// Sends what the session lacks, and finishes it.
async fn step<R, F>(
    push: BlobPush<'_>,
    upload: &mut Upload,
    open: &(impl Fn(u64) -> F + Send + Sync),
) -> Result<(), PushError>
where
    R: AsyncRead + Send + 'static,
    F: Future<Output = io::Result<R>> + Send,
{
    let mut challenges = 0;
    loop {
        let offset = upload.offset();
        let rest = push.size.map(|size| size.saturating_sub(offset));
        let chunk = push.chunk.map(|chunk| chunk.max(upload.least_chunk()).max(1));
        let length = rest.map(|rest| chunk.map_or(rest, |chunk| chunk.min(rest)));
        if offset > 0 && rest == Some(0) {
            return Ok(upload.finish(push.digest).await?);
        }
        let source = open(offset).await.map_err(PushError::Content)?;
        let body = Outgoing::new(source, length);
        // The whole blob at once needs no PATCH.
        let is_whole = offset == 0 && rest.is_some() && length == rest;
        let sent = if is_whole { upload.put(push.digest, body).await? } else { upload.patch(body).await? };
        match sent {
            Sent::Taken(_) if is_whole => return Ok(()),
            Sent::Taken(_) if rest.is_none() || length == rest => {
                return Ok(upload.finish(push.digest).await?);
            }
            Sent::Taken(_) => challenges = 0,
            Sent::Again if challenges == CHALLENGES => return Err(upload.refused().into()),
            Sent::Again => {
                challenges += 1;
                if !upload.refresh().await? {
                    return Err(upload.lost().into());
                }
            }
        }
    }
}

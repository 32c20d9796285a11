//! Blobs of a copy: fetched once for all who ask, and readable by all of them while they arrive.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hythe_client::{BlobAnswer, BlobBody};
use hythe_oci::Digest;
use hythe_registry::{Blob, Content, Error as Refusal, Fetch, Reading};
use tokio::sync::watch;

use crate::copy::RepositoryCopy;
use crate::download::{Download, Stage};
use crate::found::{Found, Freshness};
use crate::jitter::jittered;
use crate::thing::Kind;
use crate::watched::Watched;
use crate::{Error, Result};

/// Barren connections in a row after which a download fails: connections that brought at most `NOTHING` bytes.
const BARREN: u32 = 5;

/// The most bytes that a barren connection brings.
const NOTHING: u64 = 64 << 10;

/// Timed-out connections in a row after which a download fails; only the first of them may have brought bytes.
const STILL: u32 = 2;

/// How long to wait after a connection broke; each barren one in a row adds as much.
const PAUSE: Duration = Duration::from_millis(25);

/// How many failing downloads one request may wait for.
const TURNS: u32 = 4;

/// Downloads of wrong bytes after which the blob is given up.
const WRONG: u32 = 3;

impl RepositoryCopy {
    /// A blob to read, which may still be arriving.
    pub async fn blob(&self, digest: &Digest) -> Result<Found<Blob>> {
        let found = self.admitted(self.find_blob(digest).await?).await?;
        self.count(&found.freshness);
        if found.freshness == Freshness::Hit {
            self.add(|counters| &counters.saved, found.value.size);
        }
        Ok(found)
    }

    /// Checks that the blob exists, and returns its size in bytes. Fetches nothing.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Found<u64>> {
        if let Some(blob) = self.kept(digest).await? {
            return self.admitted(Found::new(blob.size, Freshness::Hit)).await;
        }
        Ok(Found::new(self.confirm(digest).await?, Freshness::Miss))
    }

    /// The blob, if it is stored and this copy has it.
    async fn kept(&self, digest: &Digest) -> Result<Option<Blob>> {
        self.check_origin().await?;
        match self.repository().blob(digest).await {
            Ok(blob) => Ok(Some(blob)),
            Err(Refusal::BlobUnknown { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn find_blob(&self, digest: &Digest) -> Result<Found<Blob>> {
        // A failed download that another request began is not this request's failure, so it tries again; every turn may
        // meet such a failure.
        for turn in 1.. {
            if let Some(blob) = self.kept(digest).await? {
                return Ok(Found::new(blob, Freshness::Hit));
            }
            if self.is_offline() {
                return Err(self.offline(format!("blob {digest}")));
            }
            let download = self.download(digest);
            // Nothing is stored yet that could be marked as private, so the check is made here.
            if let Err(refusal) = self.admit_private(download.recipient.private) {
                let has_come =
                    matches!(&*download.stage.borrow(), Stage::Growing(growing) if growing.is_whole());
                if download.recipient.name == self.here || !has_come || turn >= TURNS {
                    return Err(refusal);
                }
                // The download is about to end. After that, the upstream says whether this repository has the blob too.
                download.ended().await;
                continue;
            }
            if download.recipient.name != self.here {
                // Presence is not access: this repository has the blob only if the upstream says so.
                self.confirm(digest).await?;
                if !download.link_into(self.recipient()) {
                    // The blob is just being linked into the other repositories. After that it is stored and can be
                    // linked here too.
                    download.ended().await;
                    continue;
                }
            }
            let mut stage = download.stage.clone();
            let late = !matches!(*stage.borrow(), Stage::Asking);
            let stage = stage.wait_for(|stage| match stage {
                Stage::Asking => false,
                // After a failed attempt the next stage tells the outcome.
                Stage::Growing(growing) => !growing.has_failed(),
                Stage::Stored | Stage::Failed(_) => true,
            });
            match stage.await.map(|stage| stage.clone()) {
                // The download was already running when this request came, or belongs to another repository: its
                // failure is not this request's.
                Ok(Stage::Failed(_)) if turn < TURNS && (late || download.recipient.name != self.here) => {}
                Ok(Stage::Growing(growing)) => {
                    let blob =
                        Blob { digest: *digest, size: growing.size(), content: Content::Growing(growing) };
                    return Ok(Found::new(blob, Freshness::Miss));
                }
                Ok(Stage::Failed(error)) => return Err(error),
                Ok(Stage::Stored | Stage::Asking) if download.recipient.name == self.here => {
                    let blob = self.repository().blob(digest).await?;
                    return Ok(Found::new(blob, Freshness::Miss));
                }
                // The blob arrived for another repository: it is stored now, and only has to be linked.
                Ok(Stage::Stored | Stage::Asking) => {}
                Err(_) => break,
            }
        }
        Err(Refusal::Internal("a download ended without an outcome".to_owned()).into())
    }

    /// Asks the upstream whether this repository has the blob, and returns its size.
    async fn confirm(&self, digest: &Digest) -> Result<u64> {
        if self.is_offline() {
            return Err(self.offline(format!("blob {digest}")));
        }
        let thing = self.thing(format!("blob `{digest}`"));
        let size = self.endpoints.ask(Kind::Other, &thing, 0, |client| {
            let (there, digest) = (self.there.clone(), *digest);
            async move { client.blob_head(&there, &digest).await }
        });
        size.await?
            .ok_or_else(|| self.wrong(format!("the size of blob {digest}"), "the upstream does not tell it"))
    }

    /// The running download of this digest from this upstream, or a new one. It goes on when no request waits for it
    /// any more: clients that gave up usually ask again.
    fn download(&self, digest: &Digest) -> Arc<Download> {
        let (download, begun) = self.cache.0.downloads.join(self.upstream(), &self.recipient(), digest);
        if let Some(ended) = begun {
            let (copy, digest, download) = (self.clone(), *digest, Arc::clone(&download));
            tokio::spawn(async move {
                let outcome = copy.run(&digest, &download, &ended.stage).await;
                ended.end(outcome);
            });
        }
        download
    }

    /// Links the blob into the other repositories that wait for this download.
    async fn link_others(&self, digest: &Digest, download: &Download) {
        for other in download.take_others() {
            // Private if credentials were needed to fetch the blob, or to learn that this repository has it.
            let repository = self.cache.0.registry.copy(&other.name, &other.origin);
            let repository = repository.private(self.is_private() || other.private);
            if let Err(error) = repository.link_blob(digest).await {
                tracing::warn!(repository = %other.name, %digest, %error, "could not link a fetched blob into a second repository");
            }
        }
    }

    async fn run(&self, digest: &Digest, download: &Download, stage: &watch::Sender<Stage>) -> Result<()> {
        if let Some(size) = self.cache.0.registry.blob_size(digest).await? {
            // Another repository has these bytes. They belong to this one too if the upstream says so; if it does not
            // say, they are downloaded again, which proves it.
            match self.confirm(digest).await {
                Ok(told) if told == size && self.repository().link_blob(digest).await? => {
                    self.link_others(digest, download).await;
                    return Ok(());
                }
                Err(error) if !error.is_temporary() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        let (mut first, mut wrong) = (0, 0);
        loop {
            match self.run_once(digest, download, stage, &mut first).await {
                Err(error @ Error::Wrong { .. }) if wrong + 1 < WRONG => {
                    tracing::warn!(repository = %self.here, %error, "the upstream sent wrong content; it is asked again");
                    // The readers were cut off. Those that come back wait for the right bytes.
                    stage.send_replace(Stage::Asking);
                    first += 1;
                    wrong += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Downloads one file from its first byte to its last, over as many connections as it takes.
    async fn run_once(
        &self,
        digest: &Digest,
        download: &Download,
        stage: &watch::Sender<Stage>,
        first: &mut usize,
    ) -> Result<()> {
        let answer = self.get(digest, 0, *first).await?;
        let size = match answer.size {
            Some(size) => size,
            None => self.confirm(digest).await?,
        };
        let mut fetch = self.repository().fetch(digest, size).await?;
        if size > 0 {
            // An empty blob has no last byte to withhold until its digest is verified.
            stage.send_replace(Stage::Growing(fetch.growing().clone()));
        }
        // If an earlier run left bytes behind, only the rest is requested.
        let body = Some(answer.body).filter(|_| fetch.offset() == 0);
        match self.fill(digest, &mut fetch, body, first).await {
            Ok(()) if fetch.offset() < size => {
                fetch.cut_off(&format!("it announced {size} bytes, and the blob has {}", fetch.offset()));
            }
            Ok(()) => {}
            // The bytes so far are kept for the next attempt.
            Err(error) if error.is_temporary() && !matches!(error, Error::Wrong { .. }) => {
                fetch.stop(&error.to_string());
                return Err(error);
            }
            // An upstream that has the whole blob may refuse a part of it.
            Err(error @ Error::Upstream { .. }) if fetch.offset() > 0 => {
                fetch.give_up(&error.to_string()).await;
                return Err(self.wrong(format!("the rest of blob {digest}"), error.to_string()));
            }
            Err(error) => {
                fetch.give_up(&error.to_string()).await;
                return Err(error);
            }
        }
        // A client that has the last byte must find the blob in the repository that it asked.
        match fetch.finish(self.link_others(digest, download)).await {
            Err(Refusal::DigestMismatch { actual, .. }) => {
                Err(self.wrong(format!("blob {digest}"), format!("the content has digest {actual}")))
            }
            other => Ok(other?),
        }
    }

    /// Receives the missing bytes, from `body` first if there is one.
    async fn fill(
        &self,
        digest: &Digest,
        fetch: &mut Fetch,
        mut body: Option<BlobBody>,
        first: &mut usize,
    ) -> Result<()> {
        let (size, mut barren, mut still) = (fetch.growing().size(), 0, 0);
        while fetch.offset() < size || body.is_some() {
            let offset = fetch.offset();
            let body = if let Some(body) = body.take() {
                body
            } else {
                self.get_rest(digest, offset, size, *first).await?
            };
            let mut stopping = self.cache.0.stopping.subscribe();
            // A stop ends the body early: the bytes so far are saved, and the download resumes after the next start.
            let stopped = async move {
                let _ = stopping.wait_for(|stopping| *stopping).await;
            };
            // A slow body is cut off if another endpoint may be faster, or if only a client named the upstream: that
            // must not occupy a fetch without end.
            let paced = self.endpoints.count() > 1 || self.endpoints.upstream.unlisted;
            let watched = Watched::new(body, stopped, paced);
            let received = fetch.receive(Reading::new(watched)).await;
            let came = fetch.offset() - offset;
            self.add(|counters| &counters.fetched, came);
            match received {
                Ok(Ok(())) => {}
                Ok(Err(broken)) => {
                    if fetch.is_whole().await? {
                        // The upstream announced more bytes than the blob has: the readers who were told that size are
                        // cut off, and the blob is stored.
                        return Ok(());
                    }
                    barren = if came > NOTHING { 0 } else { barren + 1 };
                    still = match broken.kind() {
                        io::ErrorKind::TimedOut if came == 0 => still + 1,
                        io::ErrorKind::TimedOut => 1,
                        _ => 0,
                    };
                    if barren == BARREN || still == STILL || *self.cache.0.stopping.borrow() {
                        return Err(self.broken(digest, &broken));
                    }
                    tracing::debug!(repository = %self.here, %digest, at = fetch.offset(), error = %broken,
                        "a download's connection broke; the download resumes");
                    // Another endpoint may be more reliable.
                    *first += 1;
                    tokio::time::sleep(jittered(PAUSE * (1 + barren))).await;
                }
                Err(Refusal::ChunkLength { .. }) => {
                    return Err(
                        self.wrong(format!("blob {digest}"), format!("more than its {size} bytes arrived"))
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn get(&self, digest: &Digest, from: u64, first: usize) -> Result<BlobAnswer> {
        let thing = self.thing(format!("blob `{digest}`"));
        let answer = self.endpoints.ask(Kind::Other, &thing, first, |client| {
            let (there, digest) = (self.there.clone(), *digest);
            async move { client.blob(&there, &digest, from).await }
        });
        answer.await
    }

    /// The bytes of a blob of `size` bytes from byte `from` on. If the answer for a part announces another size, all of
    /// the blob is read again and its beginning skipped: then the digest tells whether the bytes are right.
    async fn get_rest(&self, digest: &Digest, from: u64, size: u64, first: usize) -> Result<BlobBody> {
        let is_it = |answer: &BlobAnswer| answer.size.is_none_or(|now| now == size);
        let answer = self.get(digest, from, first).await?;
        if is_it(&answer) {
            return Ok(answer.body);
        }
        let thing = self.thing(format!("blob `{digest}`"));
        let answer = self.endpoints.ask(Kind::Other, &thing, first, |client| {
            let (there, digest) = (self.there.clone(), *digest);
            async move { client.blob_past(&there, &digest, from).await }
        });
        let answer = answer.await?;
        if is_it(&answer) {
            return Ok(answer.body);
        }
        let reason = format!("one answer gives its size as {size} bytes, the next one differs");
        Err(self.wrong(format!("blob {digest}"), reason))
    }

    fn broken(&self, digest: &Digest, error: &io::Error) -> Error {
        let reason = format!("its connections broke repeatedly; the last one: {error}");
        self.unavailable(format!("blob {digest}"), reason)
    }
}

//! Blobs of a copy: fetched once however many ask, and read by all of them while they grow.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hythe_client::{BlobAnswer, BlobBody};
use hythe_oci::Digest;
use hythe_registry::{Blob, Content, Error as Refusal, Fetch, Reading};
use tokio::sync::watch;

use crate::cache::{Copy, Found, Freshness};
use crate::download::{Download, Stage};
use crate::source::{Kind, jittered};
use crate::watched::Watched;
use crate::{Error, Result};

/// After so many connections in a row that brought next to nothing a download is given up.
const BARREN: u32 = 5;

/// What is next to nothing, in bytes.
const NOTHING: u64 = 64 << 10;

/// And after so many that were waited for until time was up, none but the first of which brought a byte.
const STILL: u32 = 2;

/// How long to wait after a connection broke, and so many times as long after each barren one.
const PAUSE: Duration = Duration::from_millis(25);

/// How many downloads that fail one request may wait for.
const TURNS: u32 = 4;

/// After so many downloads of wrong bytes it is given up.
const WRONG: u32 = 3;

impl Copy {
    /// A blob to be read, which may still be on its way.
    pub async fn blob(&self, digest: &Digest) -> Result<Found<Blob>> {
        let found = self.admitted(self.find_blob(digest).await?)?;
        self.count(&found.freshness);
        if found.freshness == Freshness::Hit {
            self.add(|counters| &counters.saved, found.value.size);
        }
        Ok(found)
    }

    /// Whether there is such a blob, and its length in bytes. Nothing is fetched.
    pub async fn blob_size(&self, digest: &Digest) -> Result<Found<u64>> {
        if let Some(blob) = self.kept(digest)? {
            return self.admitted(Found::new(blob.size, Freshness::Hit));
        }
        Ok(Found::new(self.confirm(digest).await?, Freshness::Miss))
    }

    /// The blob, if it is here and this copy has it.
    fn kept(&self, digest: &Digest) -> Result<Option<Blob>> {
        self.admit()?;
        match self.repository().blob(digest) {
            Ok(blob) => Ok(Some(blob)),
            Err(Refusal::BlobUnknown { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn find_blob(&self, digest: &Digest) -> Result<Found<Blob>> {
        // Another's failure is not this request's; but each turn may end with one.
        for turn in 1.. {
            if let Some(blob) = self.kept(digest)? {
                return Ok(Found::new(blob, Freshness::Hit));
            }
            if self.is_offline() {
                return Err(self.offline(format!("blob {digest}")));
            }
            let download = self.download(digest);
            // Nothing of it is stored yet that would be marked.
            if let Err(refusal) = self.check_private(download.private) {
                let has_come =
                    matches!(&*download.stage.borrow(), Stage::Growing(growing) if growing.is_whole());
                if download.into == self.here || !has_come || turn >= TURNS {
                    return Err(refusal);
                }
                // It is about to end: from then on upstream says whether this repository has it too.
                download.ended().await;
                continue;
            }
            if download.into != self.here {
                // Presence is not access: this repository has it if upstream says so.
                self.confirm(digest).await?;
                if !download.link_into(self) {
                    // The others are being given it. From its end on there is something to link.
                    download.ended().await;
                    continue;
                }
            }
            let mut stage = download.stage.clone();
            let late = !matches!(*stage.borrow(), Stage::Asking);
            let stage = stage.wait_for(|stage| match stage {
                Stage::Asking => false,
                // What follows says what becomes of it.
                Stage::Growing(growing) => !growing.has_failed(),
                Stage::Stored | Stage::Failed(_) => true,
            });
            match stage.await.map(|stage| stage.clone()) {
                // It was about to end when this request came, or is another repository's, which this one is not.
                Ok(Stage::Failed(_)) if turn < TURNS && (late || download.into != self.here) => {}
                Ok(Stage::Growing(growing)) => {
                    let blob =
                        Blob { digest: *digest, size: growing.size(), content: Content::Growing(growing) };
                    return Ok(Found::new(blob, Freshness::Miss));
                }
                Ok(Stage::Failed(error)) => return Err(error),
                Ok(Stage::Stored | Stage::Asking) if download.into == self.here => {
                    let blob = self.repository().blob(digest)?;
                    return Ok(Found::new(blob, Freshness::Miss));
                }
                // It came for another repository: now it is here, and only has to be linked.
                Ok(Stage::Stored | Stage::Asking) => {}
                Err(_) => break,
            }
        }
        Err(Refusal::Internal("a download ended without a word".to_owned()).into())
    }

    /// Whether upstream says that this repository has the blob, and how long it is.
    async fn confirm(&self, digest: &Digest) -> Result<u64> {
        if self.is_offline() {
            return Err(self.offline(format!("blob {digest}")));
        }
        let thing = self.thing(format!("blob `{digest}`"));
        let size = self.source.ask(Kind::Other, &thing, 0, |client| {
            let (there, digest) = (self.there.clone(), *digest);
            async move { client.blob_head(&there, &digest).await }
        });
        size.await?.ok_or_else(|| self.wrong(format!("the size of blob {digest}"), "it does not tell"))
    }

    /// The download of this digest from this upstream that is under way, or a new one. It goes on when nobody waits for
    /// it any more: who asked will ask again.
    fn download(&self, digest: &Digest) -> Arc<Download> {
        let (download, begun) = self.cache.0.downloads.join(self, digest);
        if let Some(ended) = begun {
            let (copy, digest, download) = (self.clone(), *digest, Arc::clone(&download));
            tokio::spawn(async move {
                let outcome = copy.run(&digest, &download, &ended.stage).await;
                ended.end(outcome);
            });
        }
        download
    }

    /// Gives the blob to those who were told that they get it.
    async fn link_others(&self, digest: &Digest, download: &Download) {
        for other in download.take_others() {
            // Credentials were needed to fetch it, or to be told that this one has it.
            let repository = other.repository().private(self.is_private() || other.is_private());
            if let Err(error) = repository.link_blob(digest).await {
                tracing::warn!(repository = %other.here, %digest, %error, "a blob that came for two repositories is in one only");
            }
        }
    }

    async fn run(&self, digest: &Digest, download: &Download, stage: &watch::Sender<Stage>) -> Result<()> {
        if let Some(size) = self.cache.0.registry.blob_size(digest)? {
            // Some repository has these bytes. They are this one's too if upstream says so; where it does not say, the
            // bytes themselves do.
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
                    tracing::warn!(repository = %self.here, %error, "what came from upstream cannot be used; it is asked again");
                    // Who reads it was cut off. Who comes back waits for what is right.
                    stage.send_replace(Stage::Asking);
                    first += 1;
                    wrong += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// One file from its first byte to its last, over as many connections as it takes.
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
            // Of nothing no last byte could be held back.
            stage.send_replace(Stage::Growing(fetch.growing().clone()));
        }
        // Where an earlier run got somewhere, only the rest is asked for.
        let body = Some(answer.body).filter(|_| fetch.offset() == 0);
        match self.fill(digest, &mut fetch, body, first).await {
            Ok(()) if fetch.offset() < size => {
                fetch.cut_off(&format!("it announced {size} bytes, and the blob has {}", fetch.offset()));
            }
            Ok(()) => {}
            // What came is kept for whoever asks next.
            Err(error) if error.is_temporary() && !matches!(error, Error::Wrong { .. }) => {
                fetch.stop(&error.to_string());
                return Err(error);
            }
            // Whoever has the whole may not have its parts.
            Err(error @ Error::Upstream { .. }) if fetch.offset() > 0 => {
                fetch.give_up(&error.to_string()).await;
                return Err(self.wrong(format!("the rest of blob {digest}"), error.to_string()));
            }
            Err(error) => {
                fetch.give_up(&error.to_string()).await;
                return Err(error);
            }
        }
        // Who has its last byte finds it in the repository of which it was asked.
        match fetch.finish(self.link_others(digest, download)).await {
            Err(Refusal::DigestMismatch { actual, .. }) => {
                Err(self.wrong(format!("blob {digest}"), format!("the content has digest {actual}")))
            }
            other => Ok(other?),
        }
    }

    /// Receives what is missing, from `body` first if there is one.
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
            // The end of a body that is not its end: what came is saved, and goes on after the next start.
            let stopped = async move {
                let _ = stopping.wait_for(|stopping| *stopping).await;
            };
            // Another endpoint may bring it sooner; and one that only a client names is not to take up a fetch without end.
            let paced = self.source.endpoints() > 1 || self.source.upstream.unlisted;
            let watched = Watched::new(body, stopped, paced);
            let received = fetch.receive(Reading::new(watched)).await;
            let came = fetch.offset() - offset;
            self.add(|counters| &counters.fetched, came);
            match received {
                Ok(Ok(())) => {}
                Ok(Err(broken)) => {
                    if fetch.is_whole().await? {
                        // More was announced than there is: who was told so is cut off, and the blob is here.
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
                        "a download broke off and goes on");
                    // Another endpoint may hold on longer.
                    *first += 1;
                    tokio::time::sleep(jittered(PAUSE * (1 + barren))).await;
                }
                Err(Refusal::ChunkLength { .. }) => {
                    return Err(
                        self.wrong(format!("blob {digest}"), format!("more than its {size} bytes came"))
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn get(&self, digest: &Digest, from: u64, first: usize) -> Result<BlobAnswer> {
        let thing = self.thing(format!("blob `{digest}`"));
        let answer = self.source.ask(Kind::Other, &thing, first, |client| {
            let (there, digest) = (self.there.clone(), *digest);
            async move { client.blob(&there, &digest, from).await }
        });
        answer.await
    }

    /// What follows byte `from` of a blob of `size` bytes. Where the answer for a part is not one of that blob, all of it is
    /// read again, and what came before is passed over: with that the digest holds, or it does not.
    async fn get_rest(&self, digest: &Digest, from: u64, size: u64, first: usize) -> Result<BlobBody> {
        let is_it = |answer: &BlobAnswer| answer.size.is_none_or(|now| now == size);
        let answer = self.get(digest, from, first).await?;
        if is_it(&answer) {
            return Ok(answer.body);
        }
        let thing = self.thing(format!("blob `{digest}`"));
        let answer = self.source.ask(Kind::Other, &thing, first, |client| {
            let (there, digest) = (self.there.clone(), *digest);
            async move { client.blob_past(&there, &digest, from).await }
        });
        let answer = answer.await?;
        if is_it(&answer) {
            return Ok(answer.body);
        }
        let reason = format!("it has {size} bytes in one answer and others in the next");
        Err(self.wrong(format!("blob {digest}"), reason))
    }

    fn broken(&self, digest: &Digest, error: &io::Error) -> Error {
        let reason = format!("its connections broke off again and again, the last one: {error}");
        self.unavailable(format!("blob {digest}"), reason)
    }
}

//! One backup.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hythe_oci::Digest;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::plan::{Plan, Wanted};
use crate::running::{Kind, Running, running};
use crate::snapshot::Summary;
use crate::{Destination, Error, Progress, Result, Source, Time, blocking};

/// How often the lease is renewed: several times within its life of ten minutes.
const RENEW: Duration = Duration::from_mins(2);

/// How many leases a backup takes at most.
const LEASES: u32 = 3;

/// How often a blob whose connection breaks is asked for at most, and the wait before the second time. Each further wait is
/// longer by as much.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(500);

/// The most blobs that the result names.
const NAMED: usize = 100;

/// A backup of a registry.
pub struct Backup<'a> {
    /// The registry.
    pub source: &'a dyn Source,
    /// The folder of the backups.
    pub destination: &'a Destination,
    /// How many blobs are copied at the same time.
    pub jobs: usize,
    /// How far the backup is.
    pub progress: &'a Progress,
}

/// A backup that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The time of the snapshot.
    pub time: Time,
    /// What it holds.
    pub summary: Summary,
    /// Blobs that the registry names but did not give, or gave with wrong bytes; at most a hundred. The backup lacks them.
    pub lacking: Vec<Digest>,
}

impl Backup<'_> {
    /// Backs the registry up: copies what the destination lacks, and then writes the snapshot. What was copied stays if this
    /// fails or is killed, and the next backup continues there.
    pub async fn run(&self) -> Result<Done> {
        let destination = self.destination.clone();
        let begun = blocking(move || {
            let this = Running::begin(&destination, Kind::Backup)?;
            // Files of killed runs would stay for ever; those of a run in progress must stay.
            if running(&destination, Kind::Backup)? == 1 && running(&destination, Kind::Prune)? == 0 {
                destination.clear_unfinished()?;
            }
            Ok(this)
        });
        let running = Arc::new(Mutex::new(begun.await?));
        for _ in 0..LEASES {
            self.wait_for_prunes(&running).await?;
            let lease = self.source.take_lease().await?;
            let done = tokio::select! {
                biased;
                done = self.copy(&running) => done,
                kept = self.keep(&lease, &running) => kept.map(|()| None),
            };
            self.source.release_lease(&lease).await;
            if let Some(done) = done? {
                return Ok(done);
            }
            tracing::warn!(
                "the lease of the backup ended, or the machine slept; the backup begins again with the registry's present content"
            );
        }
        Err(Error::Lease { tries: LEASES })
    }

    /// Waits until no prune is in progress. From then on each prune sees this run, because its file was renewed first.
    async fn wait_for_prunes(&self, this: &Arc<Mutex<Running>>) -> Result<()> {
        loop {
            let (destination, mut this) = (self.destination.clone(), Arc::clone(this).lock_owned().await);
            let prunes = blocking(move || {
                this.begin_anew()?;
                running(&destination, Kind::Prune)
            });
            if prunes.await? == 0 {
                return Ok(());
            }
            tracing::info!("waiting for the end of a prune of these backups");
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// Renews the lease and the file of this run. Returns when the lease has ended.
    async fn keep(&self, lease: &str, running: &Arc<Mutex<Running>>) -> Result<()> {
        loop {
            sleep(RENEW).await;
            let mut running = Arc::clone(running).lock_owned().await;
            blocking(move || running.renew()).await?;
            match self.source.renew_lease(lease).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                // The next attempt comes long before the lease ends.
                Err(error) => tracing::warn!(%error, "could not renew the lease of the backup"),
            }
        }
    }

    /// Copies what the destination lacks, and writes the snapshot. `None` if a prune may have run meanwhile, because the
    /// machine slept and the file of this run was not renewed: it may have removed blobs that the snapshot would name.
    async fn copy(&self, running: &Arc<Mutex<Running>>) -> Result<Option<Done>> {
        let destination = self.destination.clone();
        let now = Time::now();
        // The name of each snapshot is free, and later than those of earlier ones even if the clock was set back.
        let (time, records) = blocking(move || {
            let last = destination.snapshots()?.into_iter().next_back();
            let after = last.map(|last| last.plus(Duration::from_millis(1)));
            Ok((after.filter(|after| *after > now).unwrap_or(now), destination.nameless()?))
        })
        .await?;
        let unread = |error| Error::Source(format!("cannot keep the registry's records: {error}"));
        self.source.records(records.try_clone().map_err(unread)?).await?;
        let destination = self.destination.clone();
        let mut plan = blocking(move || Plan::make(&destination, records)).await?;
        let wanted = std::mem::take(&mut plan.wanted);
        self.progress.begin(wanted.len() as u64, wanted.iter().map(|blob| blob.size).sum());
        let copies = stream::iter(wanted).map(|blob| async move {
            let is_copied = self.blob(&blob).await?;
            Ok::<_, Error>((blob, is_copied))
        });
        let found: Vec<(Wanted, bool)> = copies.buffer_unordered(self.jobs.max(1)).try_collect().await?;
        let mut summary = Summary {
            registry: self.source.name(),
            new_blobs: plan.new_manifests,
            new_bytes: plan.new_bytes,
            ..Summary::default()
        };
        let mut lacking = HashSet::new();
        for (blob, is_copied) in found {
            if is_copied {
                summary.new_blobs += 1;
                summary.new_bytes += blob.size;
            } else {
                lacking.insert(blob.digest);
            }
        }
        let (destination, running) = (self.destination.clone(), Arc::clone(running));
        let written = blocking(move || {
            plan.write(&destination, time, summary, || !running.blocking_lock().has_lapsed())
        });
        let Some(summary) = written.await? else { return Ok(None) };
        let mut lacking: Vec<Digest> = lacking.into_iter().collect();
        lacking.sort_unstable();
        lacking.truncate(NAMED);
        Ok(Some(Done { time, summary, lacking }))
    }

    /// Copies one blob. False if the registry does not have it, or not with these bytes.
    async fn blob(&self, wanted: &Wanted) -> Result<bool> {
        for repository in &wanted.repositories {
            let (mut tries, destination) = (0, self.destination.clone());
            let (digest, size) = (wanted.digest, wanted.size);
            let mut blob = blocking(move || destination.new_blob(&digest, size)).await?;
            loop {
                tries += 1;
                let from = blob.length();
                let error = match self.source.blob(repository, &wanted.digest, from).await {
                    Ok(None) => break,
                    Ok(Some(mut pieces)) => loop {
                        let piece = match pieces.next().await {
                            Ok(piece) => piece,
                            Err(error) => break error,
                        };
                        if piece.is_empty() {
                            match blocking(move || blob.finish()).await? {
                                None => {
                                    self.progress.add_blob();
                                    return Ok(true);
                                }
                                Some(found) => {
                                    tracing::warn!(%repository, %digest, %found, "the registry gave a blob with wrong bytes; the backup does not have it");
                                    return Ok(false);
                                }
                            }
                        }
                        let length = piece.len() as u64;
                        blob = blocking(move || blob.write(&piece).map(|()| blob)).await?;
                        self.progress.add_bytes(length);
                    },
                    Err(error) => error,
                };
                if tries == TRIES {
                    return Err(error);
                }
                // A connection that broke after bytes came has not used up its tries.
                tries = if blob.length() > from { 0 } else { tries };
                sleep(PAUSE * (tries + 1)).await;
            }
        }
        tracing::warn!(digest = %wanted.digest, "the registry does not give a blob that it names; the backup does not have it");
        Ok(false)
    }
}

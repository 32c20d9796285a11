//! Scheduled backups of the server's own registry.

use std::time::{Duration, Instant};

use hythe_backup::{Backup, Destination, Done, Error, Local, Progress, Prune, Pruned, Time};

use crate::call::App;
use crate::options::BackupOptions;

/// How many blobs are copied at the same time: few, because clients want the disk too.
const JOBS: usize = 2;

/// The wait before the next attempt after a failure, if the interval is not shorter.
const RETRY: Duration = Duration::from_mins(10);

/// When the server made its last backup.
#[derive(Default)]
pub(crate) struct Backups {
    /// The place of the backups; when another one is configured, all is looked up anew.
    place: String,
    /// The newest backup, once it is known.
    newest: Option<Time>,
    /// When this process began its last backup.
    ran: Option<Instant>,
    /// When to try again after a failure.
    retry: Option<Instant>,
}

impl Backups {
    /// Makes a backup and prunes the older ones, if a backup is due. A failure is logged and counted.
    pub(crate) async fn look(&mut self, app: &App, options: Option<&BackupOptions>) {
        let metrics = &app.metrics.backups;
        metrics.every(options.map_or(0, |options| options.interval.as_secs()));
        let Some(options) = options else {
            *self = Self::default();
            return metrics.newest(None);
        };
        let place = options.store.place();
        if self.place != place {
            *self = Self { place, ..Self::default() };
            metrics.newest(None);
        }
        if self.retry.is_some_and(|at| Instant::now() < at) {
            return;
        }
        match self.run_if_due(app, options).await {
            Ok(()) => self.retry = None,
            Err(error) => {
                self.retry = Some(Instant::now() + options.interval.min(RETRY));
                metrics.failed();
                tracing::error!(
                    destination = self.place,
                    "the scheduled backup failed: {error}. The next attempt follows within ten minutes; earlier backups and copied \
                     blobs stay. To see it by hand: `hythe backup {}`",
                    self.place
                );
            }
        }
    }

    async fn run_if_due(&mut self, app: &App, options: &BackupOptions) -> Result<(), Error> {
        if !self.is_due(options.interval) {
            return Ok(());
        }
        let store = options.store.clone();
        let (destination, found) = blocking(move || {
            let destination = Destination::create_in(store)?;
            let newest = destination.snapshots()?.pop();
            Ok((destination, newest))
        })
        .await?;
        self.newest = found;
        app.metrics.backups.newest(found);
        // Another process may have made one, or this one before its restart.
        if !self.is_due(options.interval) {
            return Ok(());
        }
        let began = Instant::now();
        self.ran = Some(began);
        let holder = format!("scheduled backup to {}", self.place).chars().take(200).collect();
        let source = Local::new(app.registry.clone(), options.name.clone(), holder);
        let progress = Progress::default();
        let backup = Backup { source: &source, destination: &destination, jobs: JOBS, progress: &progress };
        let done = backup.run().await?;
        self.newest = Some(done.time);
        app.metrics.backups.newest(self.newest);
        app.metrics.backups.made(&done.summary);
        tell(&done, &self.place, began.elapsed());
        let prune = Prune { keep: options.keep, grace: options.grace, dry_run: false };
        match blocking(move || prune.run(&destination)).await {
            Ok(Pruned { snapshots, blobs, bytes, kept, .. }) if !snapshots.is_empty() || blobs > 0 => {
                let removed = snapshots.len();
                tracing::info!(destination = self.place, removed, blobs, bytes, kept, "removed old backups");
            }
            Ok(_) => {}
            Err(error) => {
                app.metrics.backups.failed();
                tracing::error!(
                    destination = self.place,
                    "the scheduled backup was made, but old ones could not be removed: {error}. The next backup tries again; to see \
                     it by hand: `hythe backup verify {}`",
                    self.place
                );
            }
        }
        Ok(())
    }

    /// Whether the newest backup is so old that another one is due. One from the future is of a clock that was set back since:
    /// then only this process's own backups count.
    fn is_due(&self, interval: Duration) -> bool {
        let Some(newest) = self.newest else { return true };
        match Time::now().since(newest) {
            Some(age) => age >= interval,
            None => self.ran.is_none_or(|ran| ran.elapsed() >= interval),
        }
    }
}

fn tell(done: &Done, place: &str, took: Duration) {
    let Done { time, summary, lacking } = done;
    tracing::info!(
        destination = place,
        %time,
        manifests = summary.manifests,
        blobs = summary.blobs,
        new_bytes = summary.new_bytes,
        seconds = took.as_secs(),
        "backed the registry up"
    );
    if let Some(first) = lacking.first() {
        tracing::error!(
            lacks = summary.lacks,
            %first,
            "the backup lacks blobs that the registry names but cannot give. `hythe verify` names the images that need them; push \
             these again"
        );
    }
}

/// Runs work that waits for a disk or for the destination on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Source(format!("the backup ended early: {error}"))),
    }
}

//! `hythe backup`: backs a running registry up into a folder or a bucket, and looks after the backups.

pub(super) mod place;
mod source;

use hythe_backup::{Backup, Bad, Destination, Done, Keep, Progress, Prune, Pruned, Summary, Time, verify};
use serde_json::{Value, json};

use super::cache::Target;
use super::interrupt::unless_interrupted;
use super::runtime::{Work, runtime};
use crate::args::{BackupArgs, BackupCommand, PruneArgs};
use crate::config::Environment;
use crate::console::{Line, Printer, count_of, size, table};
use crate::failure::Failure;
use crate::values::{BackupPlace, Output, show_duration};
use place::place;
use source::Remote;

/// How often the line about the progress is looked at.
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);

pub(super) fn backup(args: &BackupArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    match &args.command {
        None => create(args, environment, printer),
        Some(BackupCommand::List { destination }) => list(destination, environment, printer),
        Some(BackupCommand::Verify { destination }) => verify_all(destination, environment, printer),
        Some(BackupCommand::Prune(args)) => prune(args, environment, printer),
    }
}

fn create(args: &BackupArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let Some(path) = &args.destination else {
        return Err(Failure::Usage("name the folder or the bucket of the backups".to_owned()));
    };
    let target = Target::chosen(args.registry.as_deref(), environment)?;
    let host = rustix::system::uname().nodename().to_string_lossy().chars().take(64).collect::<String>();
    let holder = format!("process {} on {host}", std::process::id());
    let source = Remote::new(&target, holder, args.cached)?;
    let destination = Destination::create_in(place(path, environment))?;
    let work = async {
        let progress = Progress::default();
        let backup = Backup {
            source: &source,
            destination: &destination,
            jobs: args.jobs.into(),
            progress: &progress,
        };
        let done = shown(&progress, "backed up", backup.run()).await?;
        report(&done, path, printer)
    };
    runtime(Work::Registry)?.block_on(unless_interrupted("backup", work))
}

/// Does the work, and shows its progress meanwhile.
pub(super) async fn shown<T>(progress: &Progress, did: &str, work: impl Future<Output = T>) -> T {
    let line = Line::start();
    let mut work = std::pin::pin!(work);
    loop {
        if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
            return done;
        }
        line.tell(|| {
            let ((blobs, of_blobs), (bytes, of_bytes)) = (progress.blobs(), progress.bytes());
            format!("{did} {blobs} of {of_blobs} new blobs, {} of {}", size(bytes), size(of_bytes))
        });
    }
}

fn report(done: &Done, path: &BackupPlace, printer: Printer) -> Result<(), Failure> {
    let Done { time, summary, lacking } = done;
    let text = format!(
        "backed up {} with {}, {} and {} ({}) as {time}; copied {} ({})",
        count_of(summary.repositories, "repository"),
        count_of(summary.manifests, "manifest"),
        count_of(summary.tags, "tag"),
        count_of(summary.blobs, "blob"),
        size(summary.bytes),
        count_of(summary.new_blobs, "new file"),
        size(summary.new_bytes),
    );
    printer.data(text, || {
        let mut value = value_of(*time, summary);
        value["lacking"] = json!(lacking);
        value
    });
    if summary.lacks == 0 {
        if printer.output() == Output::Text {
            printer.note(format_args!(
                "to check it: `hythe backup verify {path}`; to restore it: `hythe restore {path} --data FOLDER`"
            ));
        }
        return Ok(());
    }
    let named: Vec<String> = lacking.iter().take(10).map(|digest| format!("\n  {digest}")).collect();
    Err(Failure::Images(format!(
        "the registry did not give {}; the backup does not have it. `hythe verify` names the images that need it:{}",
        count_of(summary.lacks, "blob"),
        named.concat()
    )))
}

fn value_of(time: Time, summary: &Summary) -> Value {
    let mut value = json!(summary);
    value["time"] = json!(time.to_string());
    if let Some(fields) = value.as_object_mut() {
        fields.remove("records");
    }
    value
}

fn list(path: &BackupPlace, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let destination = Destination::open_in(place(path, environment))?;
    let (mut found, mut broken) = (Vec::new(), 0);
    for time in destination.snapshots()? {
        match Summary::read(&destination, time) {
            Ok(summary) => found.push((time, summary)),
            Err(error) => {
                broken += 1;
                printer.note(format_args!("warning: {error}"));
            }
        }
    }
    let heading = ["TIME", "REGISTRY", "REPOSITORIES", "MANIFESTS", "TAGS", "SIZE", "NEW"];
    let rows = found.iter().map(|(time, summary)| {
        [
            time.to_string(),
            summary.registry.clone(),
            summary.repositories.to_string(),
            summary.manifests.to_string(),
            summary.tags.to_string(),
            size(summary.bytes),
            size(summary.new_bytes),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if found.is_empty() && printer.output() == Output::Text {
        printer.note(format_args!("no backup yet; make one with `hythe backup {path}`"));
    } else {
        printer.data(table(heading, &rows), || {
            let backups = found.iter().map(|(time, summary)| value_of(*time, summary));
            json!({ "backups": backups.collect::<Vec<_>>() })
        });
    }
    if broken == 0 {
        return Ok(());
    }
    Err(Failure::Images(format!("cannot read {}", count_of(broken, "snapshot"))))
}

fn verify_all(path: &BackupPlace, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let destination = Destination::open_in(place(path, environment))?;
    let progress = std::sync::Arc::new(Progress::default());
    let work = {
        let (destination, progress) = (destination.clone(), std::sync::Arc::clone(&progress));
        move || verify(&destination, &progress)
    };
    let runtime = runtime(Work::Registry)?;
    let verified = runtime.block_on(async {
        let work = tokio::task::spawn_blocking(work);
        shown(&progress, "verified", work).await
    });
    let verified =
        verified.map_err(|error| Failure::Images(format!("the verification ended early: {error}")))??;
    let bad = |bad: &Bad| {
        let needed = bad
            .needed_by
            .as_ref()
            .map(|(time, repository)| json!({ "time": time.to_string(), "repository": repository }));
        json!({ "digest": bad.digest, "flaw": bad.flaw, "needed_by": needed })
    };
    if printer.output() == Output::Json {
        printer.data("", || {
            json!({
                "snapshots": verified.snapshots, "blobs": verified.blobs, "bytes": verified.bytes,
                "unlisted": verified.unlisted, "unlisted_bytes": verified.unlisted_bytes,
                "backups_in_progress": verified.backups, "bad_count": verified.bad_count,
                "bad": verified.bad.iter().map(bad).collect::<Vec<_>>(),
            })
        });
    } else {
        for bad in &verified.bad {
            printer.data(described(bad), || Value::Null);
        }
        printer.note(format_args!(
            "verified {} and {} ({})",
            count_of(verified.snapshots, "backup"),
            count_of(verified.blobs, "blob"),
            size(verified.bytes)
        ));
        if verified.unlisted > 0 {
            let why = if verified.backups > 0 {
                "a backup is in progress, or was killed less than ten minutes ago, and may need more"
                    .to_owned()
            } else {
                format!(
                    "an interrupted backup or a removed one left that, or it was damaged. `hythe backup prune {path} --keep 7` notes \
                     it, and removes it a day later"
                )
            };
            printer.note(format_args!(
                "no backup needs {} ({}): {why}",
                count_of(verified.unlisted, "file"),
                size(verified.unlisted_bytes)
            ));
        }
    }
    if verified.bad_count == 0 {
        return Ok(());
    }
    Err(Failure::Images(format!(
        "found {}. Back up again while the registry still has that content: `hythe backup {path}`",
        count_of(verified.bad_count, "damage")
    )))
}

fn described(bad: &Bad) -> String {
    let what = bad.digest.map_or_else(|| "snapshot".to_owned(), |digest| format!("blob {digest}"));
    let needed = match &bad.needed_by {
        Some((time, repository)) if repository.is_empty() => format!(" ({time})"),
        Some((time, repository)) => format!("\n  needed by {repository} in the backup of {time}"),
        None => "\n  in no backup".to_owned(),
    };
    format!("{what}: {}{needed}", bad.flaw)
}

fn prune(args: &PruneArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let destination = Destination::open_in(place(&args.destination, environment))?;
    let keep = match (args.keep, args.keep_within) {
        (_, Some(time)) => Keep::Within(time),
        (count, None) => Keep::Newest(count.unwrap_or(1) as usize),
    };
    let prune = Prune { keep, grace: args.grace, dry_run: args.dry_run };
    let pruned = prune.run(&destination)?;
    let Pruned { snapshots, kept, blobs, bytes, waiting, waiting_bytes, backups } = &pruned;
    let (would, keeps) = if args.dry_run { ("would remove", "would keep") } else { ("removed", "kept") };
    let text = format!(
        "{would} {} and {} ({}); {keeps} {}",
        count_of(snapshots.len() as u64, "backup"),
        count_of(*blobs, "blob"),
        size(*bytes),
        count_of(*kept, "backup")
    );
    printer.data(text, || {
        let times: Vec<String> = snapshots.iter().map(ToString::to_string).collect();
        json!({
            "dry_run": args.dry_run, "removed": times, "kept": kept, "blobs": blobs, "bytes": bytes,
            "waiting": { "blobs": waiting, "bytes": waiting_bytes }, "backups_in_progress": backups,
        })
    });
    if *waiting > 0 && printer.output() == Output::Text {
        let why = if *backups > 0 {
            "a backup is in progress".to_owned()
        } else {
            format!("a prune after {} removes what no backup needs by then", show_duration(args.grace))
        };
        printer.note(format_args!(
            "{keeps} {} ({}) that no backup needs: {why}",
            count_of(*waiting, "blob"),
            size(*waiting_bytes)
        ));
    }
    Ok(())
}

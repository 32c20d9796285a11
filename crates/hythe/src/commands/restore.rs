//! `hythe restore`: makes a new data folder from a backup, or pushes repositories of a backup into a running registry.

mod push;

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use hythe_backup::{Destination, Progress, Restore, Restored, Time};
use hythe_catalog::Catalog;
use hythe_oci::RepositoryName;
use hythe_storage::{FsStorage, Storage};
use serde_json::json;

use super::backup::place::place;
use super::backup::shown;
use super::interrupt::unless_interrupted;
use super::recover::image;
use super::runtime::{Work, runtime};
use super::serve::RESTORING;
use crate::args::RestoreArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of, size};
use crate::failure::{Failure, FileError, StartError};
use crate::values::{BackupPlace, Output};

/// The catalog while it is built, in the data folder.
const NEW: &str = "catalog.sqlite.new";

pub(super) fn restore(
    args: &RestoreArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let destination = Destination::open_in(place(&args.destination, environment))?;
    let time = destination.snapshot_at(args.snapshot.0)?;
    match &args.data {
        Some(data) => {
            let work = async { into_folder(args, &destination, time, data, printer).await };
            runtime(Work::Registry)?.block_on(unless_interrupted("restore", work))
        }
        None => push::into_registry(args, &destination, time, environment, printer),
    }
}

/// Whether the repository is one of those that the command line selects.
fn is_chosen(args: &RestoreArgs, repository: &RepositoryName) -> bool {
    args.repository.is_empty() || args.repository.iter().any(|pattern| pattern.matches(repository.as_str()))
}

async fn into_folder(
    args: &RestoreArgs,
    destination: &Destination,
    time: Time,
    data: &Path,
    printer: Printer,
) -> Result<(), Failure> {
    // Opening the folder locks it: no server uses it while this runs.
    let storage: Arc<dyn Storage> = Arc::new(FsStorage::open(data).map_err(StartError::from)?);
    let (catalog, mark) = (data.join("catalog.sqlite"), data.join(RESTORING));
    // A mark beside a catalog: a restore was killed behind its last step. It is done again, at no cost but the catalog's.
    if catalog.exists() && !mark.exists() {
        refuse_content(&catalog, data, args).await?;
    }
    let unwritten = |error| FileError::Write { path: data.to_owned(), error };
    // Without this mark, a server would take an interrupted restore for a folder that has lost its catalog.
    File::create(&mark).and_then(|file| file.sync_all()).map_err(unwritten)?;
    sync(data).map_err(unwritten)?;
    let (progress, new) = (Progress::default(), data.join(NEW));
    let restore =
        Restore { destination, time, storage: &storage, jobs: args.jobs.into(), progress: &progress };
    let work = restore.run(&new, |repository| is_chosen(args, repository));
    let restored = shown(&progress, "restored", work).await?;
    // A journal that is here tells of other content. The server's first start writes a new one.
    match fs::remove_dir_all(data.join("journal")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unwritten(error).into()),
        _ => sync(data).map_err(unwritten)?,
    }
    for file in ["catalog.sqlite-wal", "catalog.sqlite-shm"] {
        let _ = fs::remove_file(data.join(file));
    }
    fs::rename(&new, &catalog).map_err(unwritten)?;
    sync(data).map_err(unwritten)?;
    fs::remove_file(&mark).map_err(unwritten)?;
    report(&restored, time, data, &args.destination, printer)
}

/// Refuses a folder whose catalog has content: a restore would replace it.
async fn refuse_content(catalog: &Path, data: &Path, args: &RestoreArgs) -> Result<(), Failure> {
    let open = Catalog::open(catalog).map_err(StartError::from)?;
    let failed =
        |error: hythe_catalog::Error| StartError::Recover { folder: data.to_owned(), error: error.into() };
    let totals = open.totals().await.map_err(failed)?;
    let has_blobs = open.has_blobs().await.map_err(failed)?;
    open.close();
    if totals.manifests == 0 && !has_blobs {
        return Ok(());
    }
    let path = &args.destination;
    Err(Failure::Usage(format!(
        "{} already has {} and {}: restore into an empty folder. To bring single repositories back, start that registry and push \
         them into it: `hythe restore {path} --registry URL --repository PATTERN`",
        data.display(),
        count_of(totals.manifests, "manifest"),
        count_of(totals.blobs, "blob")
    )))
}

fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn report(
    restored: &Restored,
    time: Time,
    data: &Path,
    destination: &BackupPlace,
    printer: Printer,
) -> Result<(), Failure> {
    let Restored { rebuilt, copied, copied_bytes, bad } = restored;
    let text = format!(
        "restored {} with {}, {} and {} ({}) from the backup of {time} into {}",
        count_of(rebuilt.repositories + rebuilt.copies, "repository"),
        count_of(rebuilt.manifests, "manifest"),
        count_of(rebuilt.tags, "tag"),
        count_of(rebuilt.blobs, "blob"),
        size(rebuilt.bytes),
        data.display()
    );
    printer.data(text, || {
        json!({
            "snapshot": time.to_string(), "data": data.display().to_string(),
            "repositories": rebuilt.repositories + rebuilt.copies, "manifests": rebuilt.manifests, "tags": rebuilt.tags,
            "blobs": rebuilt.blobs, "bytes": rebuilt.bytes, "copied": copied, "copied_bytes": copied_bytes, "bad": bad,
            "incomplete": rebuilt.incomplete.iter().map(image).collect::<Vec<_>>(), "lost_tags": rebuilt.dangling,
        })
    });
    if bad.is_empty() {
        if printer.output() == Output::Text {
            printer.note(format_args!(
                "start it: `hythe serve --data {}`; then verify it: `hythe verify`",
                data.display()
            ));
        }
        return Ok(());
    }
    let named: Vec<String> = bad.iter().take(10).map(|digest| format!("\n  {digest}")).collect();
    let more = bad.len().saturating_sub(named.len());
    let more =
        if more > 0 { format!("\n  and {more} more; --output json lists them") } else { String::new() };
    let images: Vec<String> =
        rebuilt.incomplete.iter().map(|lost| format!("\n  needed by {}", image(lost))).collect();
    let tags = match rebuilt.dangling {
        0 => String::new(),
        tags => format!("\n  {} without a manifest", count_of(tags, "tag")),
    };
    Err(Failure::Images(format!(
        "the backup has lost {}; all other content is restored. `hythe backup verify {}` names everything that is bad in the \
         backup:{}{more}{}{tags}",
        count_of(bad.len() as u64, "blob"),
        destination,
        named.concat(),
        images.concat()
    )))
}

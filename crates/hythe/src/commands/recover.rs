//! `hythe recover`: rebuilds the lost or damaged catalog of a data folder.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hythe_catalog::{Catalog, OpenError, put_in_place};
use hythe_registry::{Incomplete, Recovered, has_journal, recover_catalog};
use hythe_storage::FsStorage;
use serde_json::{Value, json};

use super::runtime::{Work, runtime};
use super::{offline, serve};
use crate::args::RecoverArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of, size};
use crate::failure::{Failure, FileError, StartError};
use crate::settings::Settings;

/// The most images and lines that the messages name.
const NAMED: usize = 20;

/// Rebuilds the catalog of a data folder that no server uses.
pub(super) fn recover(
    args: &RecoverArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let settings = offline::settings(args.data.as_deref(), args.config.as_deref(), environment, printer)?;
    runtime(Work::Registry)?.block_on(run(args, &settings, printer))
}

async fn run(args: &RecoverArgs, settings: &Settings, printer: Printer) -> Result<(), Failure> {
    let data = &settings.data;
    // This locks the folder: no server runs, and none starts until the end.
    let storage = Arc::new(FsStorage::open(data).map_err(StartError::from)?);
    let path = serve::catalog_path(data);
    let damage = match Catalog::examine(&path) {
        Ok(()) if !args.force => {
            let text = format!("{} is whole: there is nothing to recover", path.display());
            printer.data(text, || json!({ "catalog": path.display().to_string(), "damaged": false }));
            return Ok(());
        }
        Ok(()) => "it is whole, but --force is given".to_owned(),
        Err(OpenError::Missing { .. }) => "it is missing or empty".to_owned(),
        Err(OpenError::Damaged { reason, .. }) => format!("it is damaged: {reason}"),
        Err(error) => return Err(StartError::from(error).into()),
    };
    let failed = |error| StartError::Recover { folder: data.clone(), error };
    if !has_journal(&*storage).map_err(failed)? {
        return Err(Failure::Images(format!(
            "the catalog {} cannot be rebuilt ({damage}): {} has no journal. An earlier version of hythe used the folder, or \
             the journal was removed too. Restore the whole data folder from a backup",
            path.display(),
            data.join("journal").display()
        )));
    }
    printer.note(format_args!("rebuilding {} ({damage})", path.display()));
    let new = with(&path, ".recovering");
    let recovered = recover_catalog(storage.clone(), new.clone(), SystemTime::now()).await.map_err(failed)?;
    let owner = data.metadata().map(|found| (found.uid(), found.gid())).ok();
    let aside = if args.dry_run {
        fs::remove_file(&new).map_err(|error| FileError::Delete { folder: new, error })?;
        None
    } else {
        let aside = free_name(&path);
        give(&new, owner);
        let moved = put_in_place(&new, &path, &aside);
        moved.map_err(|error| FileError::Write { path: path.clone(), error })?
    };
    drop(storage);
    if !args.dry_run && recovered.damaged > 0 {
        replace_journal(settings, printer).await?;
        for entry in fs::read_dir(data.join("journal")).into_iter().flatten().flatten() {
            give(&entry.path(), owner);
        }
    }
    report(&recovered, args, data, aside.as_deref(), printer)
}

/// Gives a file to the owner of the data folder, so that a server of that user can use what root recovered.
fn give(path: &Path, owner: Option<(u32, u32)>) {
    if let (Some((user, group)), Ok(found)) = (owner, path.metadata())
        && (found.uid(), found.gid()) != (user, group)
    {
        // Without the right to do so, the process has the rights of another user than the server, who sees that at the
        // start.
        let _ = chown(path, Some(user), Some(group));
    }
}

/// Writes a damaged journal anew, so that its damage is not reported by each later recovery.
async fn replace_journal(settings: &Settings, printer: Printer) -> Result<(), Failure> {
    let registry = serve::open(settings).await?;
    let written = registry.replace_journal().await;
    registry.close();
    if let Err(error) = written {
        printer.note(format_args!("warning: could not replace the journal, which stays as it was: {error}"));
    }
    Ok(())
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A name for the broken catalog that no file has.
fn free_name(path: &Path) -> PathBuf {
    let mut now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
    loop {
        let name = with(path, &format!(".broken-{now}"));
        if !["", "-wal", "-shm"].iter().any(|end| with(&name, end).exists()) {
            return name;
        }
        now += 1;
    }
}

fn report(
    recovered: &Recovered,
    args: &RecoverArgs,
    data: &Path,
    aside: Option<&Path>,
    printer: Printer,
) -> Result<(), Failure> {
    let lost = lost(recovered);
    printer.data(sentence(recovered, args.dry_run), || json(recovered, args.dry_run, aside));
    if let Some(aside) = aside {
        printer.note(format_args!("the old catalog is now {}", aside.display()));
    }
    printer.note("what was deleted earlier cannot be restored any more");
    let rebuilt = &recovered.rebuilt;
    if rebuilt.unlinked > 0 {
        printer.note(format_args!(
            "left {} ({}) in {} alone that no image needs",
            count_of(rebuilt.unlinked, "file"),
            size(rebuilt.unlinked_bytes),
            data.join("blobs").display()
        ));
    }
    if lost.is_empty() {
        if !args.dry_run {
            printer.note("start the server again; then `hythe verify` compares all bytes with their digests");
        }
        return Ok(());
    }
    for line in lost.iter().take(NAMED) {
        printer.note(line);
    }
    if lost.len() > NAMED {
        printer.note(format_args!("and {} more: `--output json` names them", lost.len() - NAMED));
    }
    Err(Failure::Images(
        "not everything could be brought back. Everything else works when the server runs again; push what the lines above \
         name again"
            .to_owned(),
    ))
}

fn sentence(recovered: &Recovered, dry_run: bool) -> String {
    let rebuilt = &recovered.rebuilt;
    let mut text = format!(
        "{} {} with {}, {} and {} ({})",
        if dry_run { "would recover" } else { "recovered" },
        count_of(rebuilt.repositories, "repository"),
        count_of(rebuilt.tags, "tag"),
        count_of(rebuilt.manifests, "manifest"),
        count_of(rebuilt.blobs, "blob"),
        size(rebuilt.bytes)
    );
    if rebuilt.copies > 0 {
        let are = if rebuilt.copies == 1 { "is a copy" } else { "are copies" };
        let repositories = count_of(rebuilt.copies, "more repository");
        let _ = write!(text, "; {repositories} {are} of content of upstreams");
    }
    text
}

/// What could not be brought back, a line for each thing.
fn lost(recovered: &Recovered) -> Vec<String> {
    let mut lines = Vec::new();
    for lost in &recovered.rebuilt.incomplete {
        lines.push(format!(
            "incomplete: {}: the file of blob {} is gone or has another size",
            image(lost),
            lost.blob
        ));
    }
    for unusable in &recovered.unusable {
        lines.push(format!("lost: {}@{}: {}", unusable.repository, unusable.digest, unusable.reason));
    }
    if recovered.rebuilt.dangling > 0 {
        lines.push(format!("lost: {} without a manifest", count_of(recovered.rebuilt.dangling, "tag")));
    }
    for damage in &recovered.damages {
        let kind = if damage.is_base { "base" } else { "log" };
        lines.push(format!(
            "damaged: journal/{:08}.{kind}, byte {}: {}",
            damage.segment, damage.offset, damage.reason
        ));
    }
    lines
}

/// The name of an image that lacks a blob.
pub(super) fn image(lost: &Incomplete) -> String {
    match &lost.tag {
        Some(tag) => format!("{}:{tag}", lost.repository),
        None => format!("{}@{}", lost.repository, lost.manifest),
    }
}

fn json(recovered: &Recovered, dry_run: bool, aside: Option<&Path>) -> Value {
    let rebuilt = &recovered.rebuilt;
    let incomplete: Vec<_> = rebuilt
        .incomplete
        .iter()
        .map(|lost| {
            json!({
                "repository": lost.repository, "manifest": lost.manifest, "tag": lost.tag, "blob": lost.blob,
            })
        })
        .collect();
    let unusable: Vec<_> = recovered
        .unusable
        .iter()
        .map(|lost| json!({ "repository": lost.repository, "manifest": lost.digest, "message": lost.reason }))
        .collect();
    let damages: Vec<_> = recovered
        .damages
        .iter()
        .map(|damage| {
            json!({
                "segment": damage.segment, "base": damage.is_base, "offset": damage.offset,
                "message": damage.reason,
            })
        })
        .collect();
    json!({
        "dry_run": dry_run, "damaged": true, "old_catalog": aside.map(|aside| aside.display().to_string()),
        "repositories": rebuilt.repositories, "copies": rebuilt.copies, "tags": rebuilt.tags,
        "manifests": rebuilt.manifests, "blobs": rebuilt.blobs, "bytes": rebuilt.bytes,
        "unlinked_blobs": rebuilt.unlinked, "unlinked_bytes": rebuilt.unlinked_bytes,
        "records": recovered.records, "damaged_lines": recovered.damaged, "damages": damages,
        "incomplete": incomplete, "lost_manifests": unusable, "lost_tags": rebuilt.dangling,
    })
}

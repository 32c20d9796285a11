//! `hythe import` of an OCI layout or an archive: all images that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hythe_oci::{Digest, ImageName, Reference, Tag};
use hythe_transfer::{ArchiveSource, Layout, Plan, Remote, Source, Watch, copy};
use tokio::task::spawn_blocking;

use super::moved::Moved;
use crate::args::ImportArgs;
use crate::commands::bundle::Destination;
use crate::commands::copy::Shown;
use crate::config::Environment;
use crate::console::{Printer, Progress};
use crate::failure::Failure;

/// An OCI layout, or an archive.
pub(super) enum Place {
    Layout(PathBuf),
    Archive(PathBuf),
}

/// The layout or archive that the command line names; `None` if it names a folder that is no layout.
pub(super) fn place(args: &ImportArgs) -> Option<Place> {
    let text = args.source.to_str().unwrap_or_default();
    if let Some(folder) = text.strip_prefix("oci:") {
        return Some(Place::Layout(folder.into()));
    }
    let archives = ["archive:", "oci-archive:", "docker-archive:"];
    if let Some(file) = archives.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        return Some(Place::Archive(file.into()));
    }
    if args.source.join("oci-layout").is_file() {
        Some(Place::Layout(args.source.clone()))
    } else if args.source.is_file() {
        Some(Place::Archive(args.source.clone()))
    } else {
        None
    }
}

/// Imports every image that the place names.
pub(super) async fn import(
    args: &ImportArgs,
    place: &Place,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    if !args.repository.is_empty() {
        let problem = "--repository chooses repositories of a running registry; a layout is imported whole";
        return Err(Failure::Usage(problem.to_owned()));
    }
    let (source, names) = open(place).await?;
    let destination = Destination::new(args.registry.as_deref(), &args.connection, None, environment)?;
    if names.is_empty() {
        let place = source.place();
        return Err(Failure::Images(format!(
            "{place} names no image: copy it under a name, as in `hythe copy {place} localhost:5001/app:v1`"
        )));
    }
    let plan =
        Plan { referrers: true, partial: true, check_blobs: true, jobs: args.jobs.into(), ..Plan::default() };
    let progress = Arc::new(Progress::start(names.len()));
    let watch: Arc<dyn Watch> = Arc::new(Shown(Arc::clone(&progress)));
    let (mut moved, mut repositories) = (Moved::default(), BTreeSet::new());
    for (name, digest) in names {
        let (target, tag) = target(&name, args, &destination)?;
        if repositories.insert(target.repository_name().clone()) {
            moved.repository();
        }
        let tags = tag.as_slice();
        match copy(&source, &Reference::Digest(digest), &target, tags, &plan, &watch).await {
            Ok(copied) => moved.add(&copied, tags.len()),
            Err(error) => moved.failed(name, error),
        }
        progress.ended();
    }
    moved.conclude(&destination.own.to_string(), &progress, printer)
}

/// The place as a source, with the images that it names.
async fn open(place: &Place) -> Result<(Arc<dyn Source>, Vec<(String, Digest)>), Failure> {
    match place {
        Place::Layout(folder) => {
            let layout = Layout::open(folder)?;
            let names = layout.names()?;
            Ok((Arc::new(layout), names))
        }
        Place::Archive(file) => {
            let file: &Path = file;
            let file = file.to_owned();
            let archive = spawn_blocking(move || ArchiveSource::open(&file)).await;
            let archive = archive.map_err(Failure::internal("reading an archive"))??;
            let names = archive.names();
            Ok((Arc::new(archive), names))
        }
    }
}

/// Where an image goes, and its tag there: by its full name, or into the repository of the command line.
fn target(
    name: &str,
    args: &ImportArgs,
    destination: &Destination<'_>,
) -> Result<(Remote, Option<Tag>), Failure> {
    if let (Ok(tag), false) = (name.parse::<Tag>(), name.contains('/')) {
        let Some(repository) = &args.name else {
            return Err(Failure::Usage(format!(
                "an image has only the tag `{tag}`: say with --as in which repository it goes, such as --as team/app"
            )));
        };
        return Ok((destination.at(repository, false)?, Some(tag)));
    }
    let name: ImageName =
        name.parse().map_err(|error: hythe_oci::ImageNameError| Failure::Images(error.to_string()))?;
    let name = name.normalised();
    Ok((destination.repository(&name)?, name.tag().cloned()))
}

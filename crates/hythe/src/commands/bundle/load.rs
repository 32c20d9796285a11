//! `hythe bundle load`: loads the images of a bundle into a registry.

use std::collections::HashMap;
use std::sync::Arc;

use hythe_oci::{Descriptor, Digest, ImageName, Reference, RepositoryName};
use hythe_transfer::{Bundle, BundledImage, Copied, Plan, Remote, Target as _, Watch, copy};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::create::{name_of, without};
use super::place::Destination;
use crate::args::BundleLoadArgs;
use crate::commands::cache::{Admin, Target};
use crate::commands::copy::Shown;
use crate::config::Environment;
use crate::console::{Printer, Progress, count_of, size};
use crate::failure::Failure;
use crate::values::Output;

/// Blobs that an error names at most.
const NAMED: usize = 10;

/// Loads a bundle.
pub(super) async fn load(
    args: &BundleLoadArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let files = args.files.clone();
    let opened = spawn_blocking(move || Bundle::open(&files)).await;
    let bundle = opened.map_err(Failure::internal("reading a bundle"))??;
    let target =
        Destination::new(args.registry.as_deref(), &args.connection, args.prefix.clone(), environment)?;
    if args.prefix.is_none() {
        expect_hythe(args, environment).await?;
    }
    let jobs = jobs(&bundle, &target).await?;
    let progress = Arc::new(Progress::start(jobs.len()));
    let mut known = known(&bundle, &target, &jobs).await?;
    let watch: Arc<dyn Watch> = Arc::new(Shown(Arc::clone(&progress)));
    let plan =
        Plan { referrers: true, partial: true, check_blobs: true, jobs: args.jobs.into(), ..Plan::default() };
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for job in &jobs {
        let loaded = job.load(&bundle, &known, &plan, &watch).await;
        progress.ended();
        match loaded {
            Ok(copied) => {
                for blob in &job.blobs {
                    known.entry(blob.digest).or_insert_with(|| job.remote.repository_name().clone());
                }
                if printer.output() == Output::Text {
                    progress.aside(|| printer.data(line(job, &copied), || Value::Null));
                }
                done.push(as_json(job, &copied));
            }
            Err(error) => failed.push((job.image.name.clone(), error)),
        }
    }
    progress.stop();
    if printer.output() == Output::Json {
        let failed: Vec<Value> =
            failed.iter().map(|(name, error)| json!({ "name": name, "error": error.to_string() })).collect();
        let id = bundle.record().id();
        let registry = target.own.to_string();
        printer.data("", || json!({ "registry": registry, "id": id, "loaded": done, "failed": failed }));
    }
    if failed.is_empty() {
        let count = count_of(jobs.len() as u64, "image");
        printer.note(format_args!("{} has {count} of the bundle", target.own));
        if args.prefix.is_none() {
            printer.note(format_args!(
                "attached nodes pull them under these names; to see them: `hythe cache ls` and `hythe ls {}`",
                target.own
            ));
        }
        return Ok(());
    }
    let list: Vec<String> = failed.iter().map(|(name, error)| format!("  {name}: {error}")).collect();
    let (failed, count) = (failed.len(), jobs.len());
    let text = format!("{failed} of {count} images could not be loaded:\n{}", list.join("\n"));
    Err(Failure::Images(text))
}

/// Checks that the registry is a hythe: another one would keep upstreams' images under names that no node asks for.
async fn expect_hythe(args: &BundleLoadArgs, environment: &Environment) -> Result<(), Failure> {
    let admin = Admin::new(&Target::chosen(args.registry.as_deref(), environment)?)?;
    match admin.upstreams().await {
        Ok(_) => Ok(()),
        Err(error @ Failure::Answer(crate::failure::AnswerError::NotHythe { .. })) => Err(Failure::Images(
            format!("{error}. To push the images into another registry, name a path with --prefix"),
        )),
        Err(error) => Err(error),
    }
}

/// One image to load.
struct Job<'b> {
    image: &'b BundledImage,
    name: ImageName,
    remote: Remote,
    /// All of its blobs, also those that an earlier bundle has.
    blobs: Vec<Descriptor>,
}

async fn jobs<'b>(bundle: &'b Bundle, target: &Destination<'_>) -> Result<Vec<Job<'b>>, Failure> {
    let mut jobs = Vec::new();
    for image in &bundle.record().images {
        let name = name_of(image)?;
        let blobs = bundle.blobs(&name, image).await?;
        jobs.push(Job { image, remote: target.repository(&name)?, name, blobs });
    }
    Ok(jobs)
}

/// Finds the blobs that the bundle leaves out: each in one repository of the registry. An error names those that the
/// registry does not have.
async fn known(
    bundle: &Bundle,
    target: &Destination<'_>,
    jobs: &[Job<'_>],
) -> Result<HashMap<Digest, RepositoryName>, Failure> {
    let record = bundle.record();
    let (mut known, mut missing) = (HashMap::new(), Vec::new());
    for blob in &record.presumed {
        let Some(job) = jobs.iter().find(|job| job.blobs.iter().any(|of| of.digest == blob.digest)) else {
            continue;
        };
        let from = format!("{}:latest", blob.repository).parse::<ImageName>();
        let from = from.ok().map(|name| target.repository(&name)).transpose()?;
        let from = from.as_ref().map_or(job.remote.repository_name(), Remote::repository_name);
        if has_or_mounts(&job.remote, &blob.descriptor(), from).await? {
            known.insert(blob.digest, job.remote.repository_name().clone());
        } else {
            missing.push(format!("  {} of {}", blob.digest, job.image.name));
        }
    }
    if missing.is_empty() {
        return Ok(known);
    }
    let count = count_of(missing.len() as u64, "blob");
    let since = record.since.map_or_else(|| "earlier".to_owned(), |since| since.to_string());
    let more = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    missing.truncate(NAMED);
    Err(Failure::Images(format!(
        "the bundle leaves out {count} that {} does not have. Load the bundle {since} first, which has:\n{}{more}",
        target.own,
        missing.join("\n")
    )))
}

/// Whether a repository has a blob, or can take it from another repository of the registry.
async fn has_or_mounts(
    remote: &Remote,
    blob: &Descriptor,
    from: &RepositoryName,
) -> Result<bool, hythe_transfer::Error> {
    let is_other = from != remote.repository_name();
    Ok(remote.has_blob(blob).await? || (is_other && remote.mount(&blob.digest, from).await?))
}

impl Job<'_> {
    async fn load(
        &self,
        bundle: &Bundle,
        known: &HashMap<Digest, RepositoryName>,
        plan: &Plan,
        watch: &Arc<dyn Watch>,
    ) -> Result<Copied, Failure> {
        // What another repository of the registry has need not be sent again.
        for blob in &self.blobs {
            if let Some(from) = known.get(&blob.digest).filter(|from| *from != self.remote.repository_name())
            {
                has_or_mounts(&self.remote, blob, from).await?;
            }
        }
        let source = bundle.repository(&self.name);
        let reference = Reference::Digest(self.image.digest);
        let tags = self.name.tag().cloned();
        Ok(copy(&source, &reference, &self.remote, tags.as_slice(), plan, watch).await?)
    }
}

fn line(job: &Job<'_>, copied: &Copied) -> String {
    let what = if copied.is_up_to_date() {
        "up to date".to_owned()
    } else {
        format!("loaded {} ({})", count_of(copied.blobs, "blob"), size(copied.bytes))
    };
    format!("{}  {}  {what}{}", job.image.name, copied.digest, without(job.image))
}

fn as_json(job: &Job<'_>, copied: &Copied) -> Value {
    json!({
        "name": job.image.name,
        "digest": copied.digest,
        "repository": job.remote.repository_name(),
        "upToDate": copied.is_up_to_date(),
        "blobs": copied.blobs,
        "bytes": copied.bytes,
        "absent": job.image.absent,
    })
}

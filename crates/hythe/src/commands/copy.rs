//! `hythe copy` between registries, OCI layouts and archives.

use std::sync::Arc;

use hythe_oci::{Reference, Tag};
use hythe_transfer::{ArchiveSource, ArchiveTarget, Copied, Error, Layout, Plan, Source, Target, Watch};
use serde_json::{Value, json};

use super::interrupt::unless_interrupted;
use super::registries::Registries;
use super::runtime::run;
use crate::args::CopyArgs;
use crate::config::Environment;
use crate::console::{Printer, Progress, count_of, size};
use crate::failure::Failure;
use crate::values::{ImagePlace, Output};

/// Copies images.
pub(super) fn copy(args: &CopyArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(unless_interrupted("copy", copy_all(args, environment, printer)))
}

/// One image to copy: what to read, the tags that it gets, and both names for messages.
struct Job {
    reference: Reference,
    tags: Vec<Tag>,
    from: String,
    to: String,
}

async fn copy_all(args: &CopyArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    #[cfg(feature = "cluster")]
    let roll_out = roll_out(args, environment).await?;
    let registries = Registries::new(environment, &args.connection);
    let source = source(&args.source, &registries)?;
    let jobs = jobs(args, &*source).await?;
    let target = target(args, &registries)?;
    let plan = Plan {
        platforms: args.platform.clone(),
        referrers: args.all,
        partial: false,
        // With many tags, a request for each blob that is there would take most of the time.
        check_blobs: args.tag.is_empty(),
        jobs: args.jobs.into(),
        dry_run: args.dry_run,
    };
    #[cfg(feature = "cluster")]
    let images: Vec<hythe_oci::ImageName> = jobs.iter().filter_map(|job| job.to.parse().ok()).collect();
    let progress = Arc::new(Progress::start(jobs.len()));
    let watch: Arc<dyn Watch> = Arc::new(Shown(Arc::clone(&progress)));
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for Job { reference, tags, from, to } in jobs {
        let copied = hythe_transfer::copy(&source, &reference, &*target, &tags, &plan, &watch).await;
        progress.ended();
        match copied {
            Ok(copied) => {
                if printer.output() == Output::Text {
                    progress.aside(|| printer.data(line(&to, &copied, args.dry_run), || Value::Null));
                }
                done.push(as_json(&from, &to, &copied));
            }
            Err(error) => failed.push((from, to, error)),
        }
    }
    if failed.is_empty() && !args.dry_run {
        target.finish().await?;
    }
    progress.stop();
    #[cfg(feature = "cluster")]
    let rolled_out = match roll_out {
        Some(roll_out) if failed.is_empty() && !args.dry_run => {
            roll_out.run(&images, printer).await.map(Some)
        }
        _ => Ok(None),
    };
    #[cfg(not(feature = "cluster"))]
    let rolled_out: Result<Option<Value>, Failure> = Ok(None);
    if printer.output() == Output::Json {
        let failed: Vec<Value> = failed
            .iter()
            .map(|(from, to, error)| json!({ "source": from, "target": to, "error": error.to_string() }))
            .collect();
        let mut data = json!({ "dryRun": args.dry_run, "copied": done, "failed": failed });
        if let Ok(Some(rolled_out)) = &rolled_out {
            data["rollOut"] = rolled_out.clone();
        }
        printer.data("", || data);
    }
    match &failed[..] {
        [] => rolled_out.map(drop),
        [_] => Err(failed.remove(0).2.into()),
        several => {
            let list: Vec<String> =
                several.iter().map(|(from, to, error)| format!("  {from} to {to}: {error}")).collect();
            let count = count_of(several.len() as u64, "image");
            Err(Failure::Images(format!("{count} could not be copied:\n{}", list.join("\n"))))
        }
    }
}

/// What to do in clusters after the copy, if anything.
#[cfg(feature = "cluster")]
async fn roll_out<'a>(
    args: &'a CopyArgs,
    environment: &Environment,
) -> Result<Option<super::roll_out::RollOut<'a>>, Failure> {
    if args.roll_out.is_given() && !matches!(args.target, ImagePlace::Registry(_)) {
        let problem = "--node, --cluster and --restart need a DST in a registry, which nodes pull from";
        return Err(Failure::Usage(problem.to_owned()));
    }
    super::roll_out::RollOut::asked(&args.roll_out, &args.engine, environment).await
}

/// The progress line, told by a copy.
pub(super) struct Shown(pub(super) Arc<Progress>);

impl Watch for Shown {
    fn expect(&self, blobs: u64) {
        self.0.expect(blobs as usize);
    }

    fn moved(&self, bytes: u64) {
        self.0.came(bytes as usize);
    }

    fn blob_ended(&self) {
        self.0.blob_ended();
    }
}

pub(super) fn source(place: &ImagePlace, registries: &Registries<'_>) -> Result<Arc<dyn Source>, Failure> {
    Ok(match place {
        ImagePlace::Registry(image) => Arc::new(registries.remote(image)?),
        ImagePlace::Layout { folder, .. } => Arc::new(Layout::open(folder)?),
        ImagePlace::Archive { file, .. } => Arc::new(ArchiveSource::open(file)?),
        #[cfg(feature = "cluster")]
        ImagePlace::Engine { .. } => return Err(of_engine(place)),
    })
}

pub(super) fn target(args: &CopyArgs, registries: &Registries<'_>) -> Result<Box<dyn Target>, Failure> {
    Ok(match &args.target {
        ImagePlace::Registry(image) => {
            if image.digest().is_some() {
                let problem =
                    format!("`{}` has a digest: the digest of a copy is always that of SRC", args.target);
                return Err(Failure::Usage(problem));
            }
            Box::new(registries.remote(image)?)
        }
        ImagePlace::Layout { folder, .. } => Box::new(Layout::create(folder)?),
        ImagePlace::Archive { file, .. } => {
            // `docker load` gives the image the name that it had.
            let named = match &args.source {
                ImagePlace::Registry(_) => Some(untagged(&args.source)),
                #[cfg(feature = "cluster")]
                ImagePlace::Engine { .. } => Some(untagged(&args.source)),
                ImagePlace::Layout { .. } | ImagePlace::Archive { .. } => None,
            };
            Box::new(ArchiveTarget::create(file, named)?)
        }
        #[cfg(feature = "cluster")]
        ImagePlace::Engine { .. } => return Err(of_engine(&args.target)),
    })
}

/// An engine is neither a source nor a target by itself: `copy_engine` reads and loads its images.
#[cfg(feature = "cluster")]
fn of_engine(place: &ImagePlace) -> Failure {
    Failure::Usage(format!("{place} is in an engine"))
}

pub(super) fn tag_of(place: &ImagePlace) -> Option<Tag> {
    match place {
        ImagePlace::Registry(image) => image.tag().cloned(),
        #[cfg(feature = "cluster")]
        ImagePlace::Engine { name, .. } => name.tag().cloned(),
        ImagePlace::Layout { tag, .. } | ImagePlace::Archive { tag, .. } => tag.clone(),
    }
}

/// The images to copy: the one that SRC names, or those whose tags match.
async fn jobs(args: &CopyArgs, source: &dyn Source) -> Result<Vec<Job>, Failure> {
    let (from, to) = (tag_of(&args.source), tag_of(&args.target));
    let job = |tag: Tag, to: Tag| Job {
        from: format!("{}:{tag}", source.place()),
        to: format!("{}:{to}", untagged(&args.target)),
        reference: Reference::Tag(tag),
        tags: vec![to],
    };
    if !args.tag.is_empty() {
        if from.is_some() || to.is_some() {
            let problem = "--tag names the tags to copy: write SRC and DST without a tag";
            return Err(Failure::Usage(problem.to_owned()));
        }
        let tags = source.tags().await?;
        let matching: Vec<Tag> =
            tags.into_iter().filter(|tag| args.tag.iter().any(|pattern| pattern.selects(tag))).collect();
        if matching.is_empty() {
            let patterns: Vec<String> = args.tag.iter().map(|pattern| format!("`{pattern}`")).collect();
            let what = format!("tag that matches {}", patterns.join(" or "));
            return Err(Error::NotFound { place: source.place().to_owned(), what }.into());
        }
        return Ok(matching.into_iter().map(|tag| job(tag.clone(), tag)).collect());
    }
    if let ImagePlace::Registry(image) = &args.source
        && let Some(digest) = image.digest()
    {
        let named = to.map_or_else(|| digest.to_string(), |tag| tag.to_string());
        let separator = if tag_of(&args.target).is_some() { ":" } else { "@" };
        return Ok(vec![Job {
            from: format!("{}@{digest}", source.place()),
            to: format!("{}{separator}{named}", untagged(&args.target)),
            reference: Reference::Digest(*digest),
            tags: tag_of(&args.target).into_iter().collect(),
        }]);
    }
    let from = match from {
        Some(tag) => tag,
        None => only_tag(&args.source, source).await?,
    };
    let to = to.unwrap_or_else(|| from.clone());
    Ok(vec![job(from, to)])
}

/// The tag of a place that names none: `latest` in a registry, the only one in a layout or an archive.
pub(super) async fn only_tag(place: &ImagePlace, source: &dyn Source) -> Result<Tag, Failure> {
    if let ImagePlace::Registry(_) = place {
        return Ok(Tag::latest());
    }
    let mut tags = source.tags().await?;
    match tags.len() {
        0 => Ok(Tag::latest()),
        1 => Ok(tags.remove(0)),
        _ => {
            let names: Vec<&str> = tags.iter().map(Tag::as_str).collect();
            let problem = format!(
                "{place} has several images ({}): name one as {place}:TAG, or several with --tag",
                names.join(", ")
            );
            Err(Failure::Usage(problem))
        }
    }
}

/// The place without its tag.
pub(super) fn untagged(place: &ImagePlace) -> String {
    match place {
        ImagePlace::Registry(image) => format!("{}/{}", image.registry(), image.repository()),
        #[cfg(feature = "cluster")]
        ImagePlace::Engine { name, .. } => format!("{}/{}", name.registry(), name.repository()),
        ImagePlace::Layout { folder, .. } => folder.display().to_string(),
        ImagePlace::Archive { file, .. } => file.display().to_string(),
    }
}

pub(super) fn line(to: &str, copied: &Copied, dry_run: bool) -> String {
    let digest = copied.digest;
    let left_out = match &copied.left_out[..] {
        [] => String::new(),
        some => format!("; not copied: {}", some.join(", ")),
    };
    if copied.is_up_to_date() {
        return format!("{to}  {digest}  up to date{left_out}");
    }
    let verb = if dry_run { "would copy" } else { "copied" };
    let mut parts = vec![format!(
        "{verb} {} and {} ({})",
        count_of(copied.manifests, "manifest"),
        count_of(copied.blobs, "blob"),
        size(copied.bytes)
    )];
    if copied.mounted > 0 {
        parts.push(format!("{} mounted", count_of(copied.mounted, "blob")));
    }
    if copied.existing > 0 {
        parts.push(format!("{} already there", count_of(copied.existing, "blob")));
    }
    format!("{to}  {digest}  {}{left_out}", parts.join(", "))
}

pub(super) fn as_json(from: &str, to: &str, copied: &Copied) -> Value {
    json!({
        "source": from,
        "target": to,
        "digest": copied.digest,
        "upToDate": copied.is_up_to_date(),
        "manifests": copied.manifests,
        "blobs": copied.blobs,
        "bytes": copied.bytes,
        "mounted": copied.mounted,
        "existing": copied.existing,
        "leftOut": copied.left_out,
    })
}

//! `hythe copy` from or to a container engine.

use std::sync::Arc;

use hythe_engine::{Choice, Compression, Engine, StoreImage, Survey, Way};
use hythe_oci::{Digest, ImageName, Reference, Tag};
use hythe_transfer::{Plan, Source, Watch};
use serde_json::{Value, json};

use super::copy::{Shown, as_json, line, only_tag, source, tag_of, target, untagged};
use super::engine::{Loading, absent, connect, load, own_image, saved};
use super::interrupt::unless_interrupted;
use super::registries::Registries;
use super::runtime::run;
use crate::args::{CopyArgs, EngineArgs};
use crate::config::Environment;
use crate::console::{Printer, Progress};
use crate::failure::Failure;
use crate::values::{ImagePlace, Output, Program};

/// Copies one image.
pub(super) fn copy(args: &CopyArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    if !args.tag.is_empty() {
        return Err(Failure::Usage(
            "--tag needs SRC and DST outside of engines: copy one image at a time".to_owned(),
        ));
    }
    if args.dry_run {
        return Err(Failure::Usage("--dry-run needs SRC and DST outside of engines".to_owned()));
    }
    if args.roll_out.is_given() {
        let problem = "--node, --cluster and --restart need SRC and DST outside of engines; from an engine: `hythe push IMAGE --node`";
        return Err(Failure::Usage(problem.to_owned()));
    }
    run(unless_interrupted("copy", copy_one(args, environment, printer)))
}

/// What to read.
struct From {
    source: Arc<dyn Source>,
    reference: Reference,
    /// The tag that DST gets if it names none.
    tag: Tag,
    /// The name that an engine gets if DST names none.
    name: String,
    /// Kept as long as the source is read.
    _file: Option<super::engine::Saved>,
}

async fn copy_one(args: &CopyArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let registries = Registries::new(environment, &args.connection);
    let from = read(args, &registries, printer).await?;
    let progress = Arc::new(Progress::start(1));
    let watch: Arc<dyn Watch> = Arc::new(Shown(Arc::clone(&progress)));
    let copied = write(args, &registries, &from, &watch).await;
    progress.ended();
    progress.stop();
    let (to, copied) = copied?;
    match printer.output() {
        Output::Text => printer.data(line(&to, &copied, false), || Value::Null),
        Output::Json => {
            let copied = as_json(&from.name, &to, &copied);
            printer.data("", || json!({ "dryRun": false, "copied": [copied], "failed": [] }));
        }
    }
    Ok(())
}

/// The engine of a place: the one that `--engine` names, else the program of its prefix.
async fn engine_of(program: Program, args: &CopyArgs) -> Result<Engine, Failure> {
    let by_prefix = match program {
        Program::Docker => Choice::Docker,
        Program::Podman => Choice::Podman,
    };
    connect(&EngineArgs { engine: args.engine.engine.clone().or(Some(by_prefix)) }).await
}

async fn read(args: &CopyArgs, registries: &Registries<'_>, printer: Printer) -> Result<From, Failure> {
    let place = &args.source;
    let ImagePlace::Engine { engine, name } = place else {
        let source = source(place, registries)?;
        let (reference, tag) = match place {
            ImagePlace::Registry(image) => {
                (image.reference(), image.tag().cloned().unwrap_or_else(Tag::latest))
            }
            place => {
                let tag = match tag_of(place) {
                    Some(tag) => tag,
                    None => only_tag(place, &*source).await?,
                };
                (Reference::Tag(tag.clone()), tag)
            }
        };
        return Ok(From { source, reference, tag, name: place.to_string(), _file: None });
    };
    let engine = engine_of(*engine, args).await?;
    let Some(found) = engine.find_image(name.as_str()).await? else {
        return Err(absent(&engine, name.as_str()).await);
    };
    let survey = Survey::of(&engine, &found.id, own_image).await?;
    let tag = name.tag().cloned().unwrap_or_else(Tag::latest);
    let in_store: Option<(Arc<dyn Source>, Digest)> = match survey.way {
        Way::Store(disk) => {
            let image = StoreImage::open(disk, found.id, name.as_str()).await?;
            let ready = image.look_up(None).await?.ready(Compression::None).await?;
            let digest = ready.digest();
            Some((Arc::new(ready), digest))
        }
        Way::Blobs(layout) => Some((layout, found.id)),
        Way::Engine => None,
    };
    if let Some((source, digest)) = in_store {
        printer.note(format_args!("{name}: {}", survey.reason));
        let reference = Reference::Digest(digest);
        return Ok(From { source, reference, tag, name: place.to_string(), _file: None });
    }
    printer.note(format_args!("{name}: from an archive that the engine writes"));
    let saved = saved(&engine, name.as_str()).await?;
    let source: Arc<dyn Source> = Arc::clone(&saved.source) as Arc<dyn Source>;
    let reference = saved.reference.clone();
    Ok(From { source, reference, tag, name: place.to_string(), _file: Some(saved) })
}

async fn write(
    args: &CopyArgs,
    registries: &Registries<'_>,
    from: &From,
    watch: &Arc<dyn Watch>,
) -> Result<(String, hythe_transfer::Copied), Failure> {
    let tag = tag_of(&args.target).unwrap_or_else(|| from.tag.clone());
    let to = format!("{}:{tag}", untagged(&args.target));
    if let ImagePlace::Engine { engine, .. } = &args.target {
        let engine = engine_of(*engine, args).await?;
        let name: ImageName = to.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
        let loading = Loading {
            source: &from.source,
            reference: &from.reference,
            name: &name,
            platform: args.platform.first(),
            jobs: args.jobs.into(),
            watch,
        };
        return Ok((to, load(&engine, loading).await?.1));
    }
    let target = target(args, registries)?;
    let plan = Plan {
        platforms: args.platform.clone(),
        referrers: args.all,
        partial: false,
        check_blobs: true,
        jobs: args.jobs.into(),
        dry_run: false,
    };
    let copied = hythe_transfer::copy(&from.source, &from.reference, &*target, &[tag], &plan, watch).await?;
    target.finish().await?;
    Ok((to, copied))
}

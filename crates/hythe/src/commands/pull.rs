//! `hythe pull`: pulls images into a container engine.

use std::sync::Arc;

use hythe_engine::{Engine, EngineError};
use hythe_oci::{Digest, ImageName};
use hythe_transfer::{Source, Watch};
use serde_json::{Value, json};

use super::copy::Shown;
use super::engine::{Loading, connect, engine_login, load};
use super::interrupt::unless_interrupted;
use super::registries::Registries;
use super::runtime::run;
use crate::args::PullArgs;
use crate::config::Environment;
use crate::console::{Printer, Progress, count_of};
use crate::failure::Failure;
use crate::values::Output;

/// Blobs that hythe reads at the same time.
const JOBS: usize = 4;

/// Pulls images.
pub(super) fn pull(args: &PullArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(unless_interrupted("pull", pull_all(args, environment, printer)))
}

/// An image that was pulled.
struct Pulled {
    digest: Option<Digest>,
    /// The way that it took, as a word and with the reason.
    way: (&'static str, String),
}

async fn pull_all(args: &PullArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let engine = connect(&args.engine).await?;
    let registries = Registries::new(environment, &args.connection);
    let progress = Arc::new(Progress::start(args.images.len()));
    let watch: Arc<dyn Watch> = Arc::new(Shown(Arc::clone(&progress)));
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for image in &args.images {
        let login = engine_login(environment, image.registry())?;
        let pulled = match engine.pull(image, args.platform.as_ref(), login.as_ref()).await {
            Ok(()) => {
                let way = ("engine", format!("by {}'s own pull", engine.title()));
                Ok(Pulled { digest: digest_of(&engine, image).await, way })
            }
            Err(error) if is_final(&error) => Err(error.into()),
            Err(error) => {
                let reason = format!("read by hythe and loaded, because {error}");
                progress.aside(|| printer.note(format_args!("{image}: {reason}")));
                let read = by_hythe(&engine, image, args, &registries, &watch).await;
                read.map(|digest| Pulled { digest: Some(digest), way: ("load", reason) })
            }
        };
        progress.ended();
        match pulled {
            Ok(pulled) => {
                let name = image.normalised();
                let digest = pulled.digest.map(|digest| digest.to_string()).unwrap_or_default();
                if printer.output() == Output::Text {
                    let line = format!(
                        "{name}  {digest}  {}",
                        pulled.way.1.split(", because ").next().unwrap_or_default()
                    );
                    progress.aside(|| printer.data(line, || Value::Null));
                }
                let (way, reason) = pulled.way;
                done.push(
                    json!({ "reference": name.as_str(), "digest": digest, "way": way, "reason": reason }),
                );
            }
            Err(error) => failed.push((image, error)),
        }
    }
    progress.stop();
    if printer.output() == Output::Json {
        let failed: Vec<Value> = failed
            .iter()
            .map(|(image, error)| json!({ "reference": image.as_str(), "error": error.to_string() }))
            .collect();
        printer.data("", || json!({ "pulled": done, "failed": failed }));
    }
    match &failed[..] {
        [] => Ok(()),
        [_] => Err(failed.remove(0).1),
        several => {
            let list: Vec<String> = several
                .iter()
                .map(|(image, error): &(&ImageName, Failure)| format!("  {image}: {error}"))
                .collect();
            let count = count_of(several.len() as u64, "image");
            Err(Failure::Images(format!("{count} could not be pulled:\n{}", list.join("\n"))))
        }
    }
}

/// Whether the engine reached the registry, and the registry refused: hythe would get the same answer.
fn is_final(error: &EngineError) -> bool {
    const REFUSALS: [&str; 6] = [
        "manifest unknown",
        "not found",
        "unauthorized",
        "denied",
        "no matching manifest",
        "toomanyrequests",
    ];
    let said = error.said();
    REFUSALS.iter().any(|refusal| said.contains(refusal))
}

/// The digest under which the engine knows the image.
async fn digest_of(engine: &Engine, image: &ImageName) -> Option<Digest> {
    let found = engine.find_image(image.as_str()).await.ok()??;
    let is_same =
        |name: &ImageName| name.registry() == image.registry() && name.repository() == image.repository();
    found.digests.iter().find_map(|name| {
        let name: ImageName = name.parse().ok()?;
        name.digest().copied().filter(|_| is_same(&name))
    })
}

/// Reads the image from the registry, and loads it into the engine.
async fn by_hythe(
    engine: &Engine,
    image: &ImageName,
    args: &PullArgs,
    registries: &Registries<'_>,
    watch: &Arc<dyn Watch>,
) -> Result<Digest, Failure> {
    let source: Arc<dyn Source> = Arc::new(registries.remote(image)?);
    let loading = Loading {
        source: &source,
        reference: &image.reference(),
        name: image,
        platform: args.platform.as_ref(),
        jobs: JOBS,
        watch,
    };
    Ok(load(engine, loading).await?.0)
}

//! `hythe bundle create`: finds the images, gathers what the bundle gets, and writes it.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use hythe_oci::{Authority, ImageName, Platform, Reference};
use hythe_transfer::{
    BundledImage, Choice, Error, Form, Gathering, Remote, Source, Watch, WrittenBundle, read_record,
    write_bundle,
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::chosen::chosen;
use super::place::{copy_of, is_here};
use super::wanted::Wanted;
use crate::args::BundleCreateArgs;
use crate::commands::cache::{Admin, Target};
use crate::commands::copy::Shown;
use crate::commands::registries::Registries;
use crate::config::Environment;
use crate::console::{Printer, Progress, count_of, size};
use crate::failure::Failure;
use crate::values::Output;

/// Images whose manifests are read at the same time.
const AT_ONCE: usize = 4;

/// Writes a bundle.
pub(super) async fn create(
    args: BundleCreateArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let earlier = match args.since.clone() {
        Some(since) => Some(spawn_blocking(move || read_record(&since)).await.map_err(broken)??),
        None => None,
    };
    let admin = Admin::new(&Target::chosen(args.registry.as_deref(), environment)?)?;
    let images = chosen(&args, &admin, environment, printer).await?;
    let places = Places::new(&args, environment)?;
    let (gathering, progress) = (Gathering::default(), Arc::new(Progress::start(images.len())));
    let asked = stream::iter(images.iter().map(|wanted| places.gather(wanted, &gathering)));
    let mut asked = asked.buffered(AT_ONCE);
    let (mut bundled, mut missing, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    let mut number = 0;
    while let Some(gathered) = asked.next().await {
        let name = images[number].name.as_str().to_owned();
        number += 1;
        progress.ended();
        match gathered {
            Ok(image) => bundled.push(image),
            Err(Failure::Transfer(error)) if args.skip_missing => {
                progress.aside(|| printer.note(format_args!("left out {name}: {error}")));
                missing.push(name);
            }
            Err(error) => failed.push((name, error)),
        }
    }
    drop(asked);
    if !failed.is_empty() {
        progress.stop();
        return Err(not_read(&failed, images.len(), &args));
    }
    if bundled.is_empty() {
        progress.stop();
        return Err(Failure::Images("no image could be read: the bundle would be empty".to_owned()));
    }
    let form = Form { chunk_size: args.chunk_size, since: earlier, missing };
    let watch: Arc<dyn Watch> = Arc::new(Shown(Arc::clone(&progress)));
    let written = write_bundle(&args.bundle, gathering, form, &watch).await;
    progress.stop();
    report(&written?, printer);
    Ok(())
}

fn broken(error: tokio::task::JoinError) -> Failure {
    Failure::internal("reading a bundle")(error)
}

/// Where images are read.
struct Places<'a> {
    args: &'a BundleCreateArgs,
    own: Authority,
    registries: Registries<'a>,
    /// Clients that do not make the registry ask its upstreams.
    cached: Registries<'a>,
}

impl<'a> Places<'a> {
    fn new(args: &'a BundleCreateArgs, environment: &'a Environment) -> Result<Self, Failure> {
        let mut registries = Registries::new(environment, &args.connection);
        let mut cached = Registries::new(environment, &args.connection).only_if_cached();
        let own = registries.named(args.registry.as_deref())?;
        cached.named(args.registry.as_deref())?;
        Ok(Self { args, own, registries, cached })
    }

    /// The repository to read an image from: the cache, the registry itself, or the image's own registry.
    fn source(&self, wanted: &Wanted) -> Result<Remote, Failure> {
        let name = &wanted.name;
        let registries = if wanted.cached { &self.cached } else { &self.registries };
        if is_here(name.registry()) || *name.registry() == self.own {
            let named = if self.args.registry.is_some() || !name.registry().is_loopback() {
                &self.own
            } else {
                name.registry()
            };
            registries.repository(named, name.repository())
        } else if self.args.direct {
            registries.remote(name)
        } else {
            registries.repository(&self.own, &copy_of(name)?)
        }
    }

    /// Adds an image to what the bundle gets.
    async fn gather(&self, wanted: &Wanted, gathering: &Gathering) -> Result<BundledImage, Failure> {
        let source: Arc<dyn Source> = Arc::new(self.source(wanted)?);
        let platforms = match &self.args.platform[..] {
            _ if self.args.all_platforms || wanted.cached => Vec::new(),
            [] if !wanted.platforms.is_empty() => wanted.platforms.clone(),
            [] => vec![Platform::of_host()],
            chosen => chosen.to_vec(),
        };
        let choice = Choice { platforms, referrers: self.args.all };
        let add =
            async |reference: Reference| gathering.add(&source, &reference, &wanted.name, &choice).await;
        if let Some(running) = wanted.running {
            match add(Reference::Digest(running)).await {
                Err(error) if error.is_absent() => {}
                added => return Ok(added?),
            }
        }
        Ok(add(wanted.name.reference()).await?)
    }
}

/// The error for images that could not be read.
fn not_read(failed: &[(String, Failure)], count: usize, args: &BundleCreateArgs) -> Failure {
    let list: Vec<String> = failed.iter().map(|(name, error)| format!("  {name}: {error}")).collect();
    let is_unreachable = |failure: &Failure| {
        use hythe_client::Error::Unavailable;
        matches!(failure, Failure::Transfer(Error::Registry(Unavailable { reached: false, .. })))
    };
    let mut advice = String::new();
    if !args.direct && failed.iter().all(|(_, error)| is_unreachable(error)) {
        advice.push_str("\nStart the registry, or read each image from its own registry with --direct");
    } else if failed.len() < count {
        advice.push_str("\nTo bundle the others, add --skip-missing");
    }
    let failed = failed.len();
    Failure::Images(format!(
        "{failed} of {count} images could not be read, so no bundle was written:\n{}{advice}",
        list.join("\n")
    ))
}

fn report(written: &WrittenBundle, printer: Printer) {
    let WrittenBundle { files, list, size: bytes, digest, record } = written;
    let shown = list.as_ref().or(files.first()).map(|file| file.display().to_string()).unwrap_or_default();
    if printer.output() == Output::Json {
        printer.data("", || {
            json!({
                "files": files, "list": list, "size": bytes, "digest": digest, "id": record.id(), "images": record.images,
                "blobs": record.blobs.len(), "since": record.since, "presumed": record.presumed.len(),
                "missing": record.missing,
            })
        });
        return;
    }
    for image in &record.images {
        printer.data(format_args!("{}  {}{}", image.name, image.digest, without(image)), || Value::Null);
    }
    let chunks = match list {
        Some(_) => format!(" in {}", count_of(files.len() as u64, "chunk")),
        None => String::new(),
    };
    printer.note(format_args!(
        "wrote {shown}: {}, {} ({}){chunks}, digest {digest}",
        count_of(record.images.len() as u64, "image"),
        count_of(record.blobs.len() as u64, "blob"),
        size(*bytes),
    ));
    if let Some(since) = &record.since {
        let left_out: u64 = record.presumed.iter().map(|blob| blob.size).sum();
        printer.note(format_args!(
            "it leaves out {} ({}) of the bundle {since}: load that one first",
            count_of(record.presumed.len() as u64, "blob"),
            size(left_out)
        ));
    }
    printer.note(format_args!("to load it on another machine: `hythe bundle load {shown}`"));
}

/// What the bundle lacks of an image, for people.
pub(super) fn without(image: &BundledImage) -> String {
    match &image.absent[..] {
        [] => String::new(),
        absent => format!("  without {}", absent.join(", ")),
    }
}

/// The name of an image of a record, which was checked when the record was read.
pub(super) fn name_of(image: &BundledImage) -> Result<ImageName, Failure> {
    image.name.parse().map_err(|error: hythe_oci::ImageNameError| Failure::Usage(error.to_string()))
}

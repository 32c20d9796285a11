//! `hythe promote`: copies a tested image to another registry, and deploys it by its digest.

mod names;
#[cfg(feature = "cluster")]
mod set_image;

use std::sync::Arc;

use hythe_oci::Reference;
use hythe_transfer::{Copied, Plan, Source, Target, Watch};
use serde_json::json;

use super::copy::Shown;
use super::registries::Registries;
use super::runtime::run;
use crate::args::PromoteArgs;
use crate::config::Environment;
use crate::console::{Printer, Progress, count_of, size};
use crate::failure::Failure;
use names::Names;

/// Promotes an image.
pub(super) fn promote(
    args: &PromoteArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    run(promote_one(args, environment, printer))
}

async fn promote_one(args: &PromoteArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let names = Names::of(args, environment)?;
    // Before anything is copied: a workload that does not exist must not leave half of the work done.
    #[cfg(feature = "cluster")]
    let workloads = set_image::find(&args.deploy, environment).await?;
    let registries = Registries::new(environment, &Names::connection(args, environment)?);
    let source: Arc<dyn Source> = Arc::new(registries.repository(&names.from.host, &names.from.repository)?);
    let target = registries.repository(&names.to.host, &names.to.repository)?;
    let before = match &names.tag {
        Some(tag) => target.find(&Reference::Tag(tag.clone())).await?,
        None => None,
    };
    let plan = Plan {
        referrers: true,
        check_blobs: true,
        jobs: args.jobs.into(),
        dry_run: args.dry_run,
        ..Plan::default()
    };
    let progress = Arc::new(Progress::start(1));
    let watch: Arc<dyn Watch> = Arc::new(Shown(Arc::clone(&progress)));
    let tags = names.tag.as_slice();
    let copied = hythe_transfer::copy(&source, &names.reference, &target, tags, &plan, &watch).await;
    progress.ended();
    progress.stop();
    let copied = copied?;
    let moved = before.filter(|before| *before != copied.digest);
    printer.note(format_args!("{}: {}", names.target(), what(&copied, args.dry_run)));
    if let (Some(before), Some(tag)) = (moved, &names.tag) {
        let verb = if args.dry_run { "would move" } else { "moved" };
        printer.note(format_args!("{verb} the tag {tag} from {before}"));
    }
    let deployed = names.deployed(&copied.digest);
    #[cfg(feature = "cluster")]
    let changes = set_image::set(&workloads, &deployed, args, printer).await;
    #[cfg(not(feature = "cluster"))]
    let changes: Result<Vec<serde_json::Value>, Failure> = Ok(Vec::new());
    printer.data(&deployed, || {
        json!({
            "dryRun": args.dry_run,
            "source": names.source(),
            "target": names.target(),
            "digest": copied.digest,
            "reference": deployed,
            "upToDate": copied.is_up_to_date(),
            "manifests": copied.manifests,
            "blobs": copied.blobs,
            "bytes": copied.bytes,
            "movedFrom": moved,
            "images": changes.as_deref().unwrap_or_default(),
        })
    });
    changes.map(drop)
}

fn what(copied: &Copied, dry_run: bool) -> String {
    if copied.is_up_to_date() {
        return "up to date".to_owned();
    }
    let verb = if dry_run { "would copy" } else { "copied" };
    let (manifests, blobs) = (count_of(copied.manifests, "manifest"), count_of(copied.blobs, "blob"));
    format!("{verb} {manifests} and {blobs} ({})", size(copied.bytes))
}

//! The images of clusters: those that Pods run, and those that the nodes of local clusters have.

use hythe_cluster::pulled::pulled_images;
use hythe_kube::running::running_images;
use hythe_oci::{Digest, ImageName};

use super::wanted::Wanted;
use crate::args::BundleCreateArgs;
use crate::commands::deploy;
use crate::commands::engine::connect;
use crate::commands::local::named;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::Failure;

/// The images of the clusters that the command line names.
pub(super) async fn images(
    args: &BundleCreateArgs,
    environment: &Environment,
    printer: Printer,
) -> Result<Vec<Wanted>, Failure> {
    let mut wanted = Vec::new();
    for context in &args.from_cluster {
        let access = deploy::connect(Some(context), environment).await?;
        let running =
            running_images(&access).await.map_err(|error| Failure::Cluster { error, is_current: false })?;
        printer.note(format_args!("{context}: its Pods run {}", count_of(running.len() as u64, "image")));
        for (name, image) in running {
            let Some(known) = image_of(&name, image.digest.as_deref(), printer) else { continue };
            let platforms = image.platforms.iter().filter_map(|platform| platform.parse().ok()).collect();
            wanted.push(Wanted { platforms, ..known });
        }
    }
    if !args.cluster.is_empty() {
        let engine = connect(&args.engine).await?;
        for name in &args.cluster {
            let cluster = named(&engine, name).await?;
            if !cluster.is_running() {
                return Err(Failure::Images(format!("{cluster}: no node runs, so none can list its images")));
            }
            let there = pulled_images(&engine, &cluster).await?;
            let there = there.map_err(|reason| Failure::Images(format!("{cluster}: {reason}")))?;
            printer.note(format_args!("{cluster}: its nodes have {}", count_of(there.len() as u64, "image")));
            let images = there.iter();
            wanted.extend(images.filter_map(|(name, digest)| image_of(name, digest.as_deref(), printer)));
        }
    }
    Ok(wanted)
}

/// The image with this name. A node may have images whose names no registry can have.
fn image_of(name: &str, digest: Option<&str>, printer: Printer) -> Option<Wanted> {
    match name.parse::<ImageName>() {
        Ok(name) => {
            let running: Option<Digest> = digest.and_then(|digest| digest.parse().ok());
            // A name with a digest says itself what runs.
            let running = running.filter(|_| name.digest().is_none());
            Some(Wanted { running, ..Wanted::named(name) })
        }
        Err(error) => {
            printer.note(format_args!("left out: {error}"));
            None
        }
    }
}

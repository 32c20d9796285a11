//! Chooses the image to deploy, and loads hythe's own into the nodes.

use hythe_cluster::image::{self, Image};
use hythe_cluster::topology::{Cluster, clusters};
use hythe_kube::api::Access;
use hythe_kube::deploy::ImageSource;

use crate::args::{EngineArgs, OptionArgs};
use crate::commands::engine::connect;
use crate::console::Printer;
use crate::failure::{Failure, LocalError};

/// The image to deploy.
pub(super) struct Chosen {
    /// Where nodes get the image.
    pub(super) source: ImageSource,
    /// hythe's own image, if the user named no other.
    pub(super) own: Option<Image>,
}

/// The image that `--image` names, else hythe's own.
pub(super) fn choose(args: &OptionArgs) -> Result<Chosen, Failure> {
    if let Some(image) = &args.image {
        return Ok(Chosen { source: ImageSource::Registry(image.clone()), own: None });
    }
    let own = Image::of(args.binary.as_deref(), env!("CARGO_PKG_VERSION"))?;
    let name = own.reference.parse().map_err(Failure::internal("naming hythe's own image"))?;
    Ok(Chosen { source: ImageSource::Nodes(name), own: Some(own) })
}

/// Loads the image into every node, because no registry has it.
pub(super) async fn put(
    image: &Image,
    engine: &EngineArgs,
    access: &Access,
    printer: Printer,
) -> Result<(), Failure> {
    let (engine, cluster) = find(engine, access).await.map_err(|reason| {
        let (context, image) = (access.context().to_owned(), image.reference.clone());
        LocalError::Nodes { context, reason, image }
    })?;
    let report = |step| printer.note(&step);
    image::put(&engine, &cluster, image, &report).await.map_err(Failure::from)
}

/// The cluster of the context, if its nodes are containers of the engine.
async fn find(args: &EngineArgs, access: &Access) -> Result<(hythe_engine::Engine, Cluster), String> {
    let engine = connect(args).await.map_err(|failure| failure.to_string())?;
    let found = clusters(&engine).await.map_err(|error| error.to_string())?;
    let cluster = found.into_iter().find(|cluster| cluster.context() == access.context());
    let title = engine.title();
    let cluster = cluster
        .ok_or_else(|| format!("{title} runs no cluster of kind, k3d or minikube with that context"))?;
    Ok((engine, cluster))
}

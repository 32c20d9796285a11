//! Puts hythe's image into the nodes of a cluster, as no registry has the image yet.

use futures_util::future::join_all;

use super::{Image, REPOSITORY};
use crate::runtime::Runtime;
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Node};
use hythe_engine::{Engine, EngineError};

/// The command of containerd's client for images, in the namespace whose images kubelet runs.
const CTR: [&str; 4] = ["ctr", "-n", "k8s.io", "images"];
/// The label of a pinned image. kubelet does not remove a pinned image, which no node could pull again.
const PINNED: &str = "io.cri-containerd.pinned=pinned";
/// The argument that removes that label, as containerd removes labels with an empty value.
const NOT_PINNED: &str = "io.cri-containerd.pinned=";

/// Why the image is not in every node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// No node runs.
    #[error("no node of the {0} runs: start the cluster first")]
    Stopped(String),
    /// The nodes have another architecture than the binary.
    #[error(
        "the nodes run {nodes} binaries, but this binary is for {binary}: name hythe's Linux binary for {nodes} with \
         --binary FILE"
    )]
    Architecture {
        /// The architecture of the nodes.
        nodes: String,
        /// The architecture of the binary.
        binary: String,
    },
    /// The image could not be put into some of the nodes.
    #[error("hythe's image could not be put into {}", .0.join(", "))]
    Nodes(Vec<String>),
}

/// Puts the image into every running node of a cluster, all at the same time, and pins it there.
pub async fn put(
    engine: &Engine,
    cluster: &Cluster,
    image: &Image,
    report: Report<'_>,
) -> Result<(), NodeError> {
    if engine.architecture() != image.architecture {
        return Err(NodeError::Architecture {
            nodes: engine.architecture().to_owned(),
            binary: image.architecture.clone(),
        });
    }
    if !cluster.is_running() {
        return Err(NodeError::Stopped(cluster.to_string()));
    }
    let put = cluster.nodes.iter().map(|node| async move {
        let subject = format!("node {}", node.name);
        let (outcome, text) = match put_into(engine, cluster, node, image).await {
            Ok((outcome, text)) => (outcome, text),
            Err(text) => (Outcome::Failed, text),
        };
        report(Step::new(subject, outcome, text));
        (outcome == Outcome::Failed).then(|| node.name.clone())
    });
    let failed: Vec<String> = join_all(put).await.into_iter().flatten().collect();
    if failed.is_empty() { Ok(()) } else { Err(NodeError::Nodes(failed)) }
}

async fn put_into(
    engine: &Engine,
    cluster: &Cluster,
    node: &Node,
    image: &Image,
) -> Result<(Outcome, String), String> {
    if !node.is_running {
        let text = "the node does not run, so it lacks hythe's image until the next `hythe deploy`";
        return Ok((Outcome::Skipped, text.to_owned()));
    }
    let told = |error: EngineError| error.to_string();
    match Runtime::of(engine, cluster, &node.name).await.map_err(told)? {
        Runtime::Containerd | Runtime::K3s => {}
        Runtime::Docker | Runtime::CriO | Runtime::None => {
            return Err(format!(
                "the node's runtime is not containerd: load {} into the node yourself (`hythe image --save hythe.tar`, then \
                 minikube image load hythe.tar), and deploy that image: `hythe deploy --image {0}`",
                image.reference
            ));
        }
    }
    import(engine, &node.name, image).await.map_err(told)
}

async fn import(engine: &Engine, node: &str, image: &Image) -> Result<(Outcome, String), EngineError> {
    let reference = image.reference.as_str();
    let listed = engine.run(node, &command(&["ls", &format!("name=={reference}")])).await?;
    if is_whole(&listed, reference) {
        return Ok((Outcome::Unchanged, format!("the node already has {reference}")));
    }
    engine.run_with(node, &command(&["import", "-"]), Some(&image.archive)).await?;
    engine.run(node, &command(&["label", reference, PINNED])).await?;
    // kubelet may remove the images of other versions when no container runs them and the disk is full.
    let own = engine.run(node, &command(&["ls", "-q", &format!("name~=^{REPOSITORY}:")])).await?;
    for other in own.lines().filter(|name| *name != reference) {
        engine.run(node, &command(&["label", other, NOT_PINNED])).await?;
    }
    let mib = image.archive.len() >> 20;
    Ok((Outcome::Changed, format!("put {reference} into the node ({mib} MiB)")))
}

fn command<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&CTR[..], words].concat()
}

/// Whether a list has the image with its label. The label is written last, so it shows that the import was complete.
fn is_whole(listed: &str, reference: &str) -> bool {
    listed.lines().any(|line| line.split_whitespace().next() == Some(reference) && line.contains(PINNED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_whose_import_was_cut_off_does_not_count() {
        let list = |labels: &str| {
            format!(
                "REF TYPE DIGEST SIZE PLATFORMS LABELS\n\
                 localhost/hythe:1 application/vnd.docker.distribution.manifest.v2+json sha256:0 9 MiB linux/amd64 {labels}\n"
            )
        };
        let whole = list("io.cri-containerd.image=managed,io.cri-containerd.pinned=pinned");
        assert!(is_whole(&whole, "localhost/hythe:1"));
        assert!(!is_whole(&whole, "localhost/hythe:2") && !is_whole(&whole, "localhost/hythe"));
        assert!(!is_whole(&list("io.cri-containerd.image=managed"), "localhost/hythe:1"));
        assert!(!is_whole("", "localhost/hythe:1"));
    }
}

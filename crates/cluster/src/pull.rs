//! Pulls an image in the nodes of clusters. kubelet asks a registry only if a Pod's pull policy says so; after this pull
//! every policy finds the image that a moved tag names now.

use futures_util::future::join_all;
use hythe_engine::{Engine, EngineError, Output};
use hythe_oci::ImageName;

use crate::attach::is_detached;
use crate::containerd::{CONFIG_PATH, K3S_CONFIG_PATH};
use crate::doctor::explain;
use crate::hosts::directory_names;
use crate::http::inside::is_missing;
use crate::runtime::Runtime;
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Node};

/// Whether a cluster's nodes can pull the image: the cluster was not detached, and its nodes know where a registry on
/// this machine's loopback address is.
pub async fn is_attached(engine: &Engine, cluster: &Cluster, image: &ImageName) -> Result<bool, EngineError> {
    if is_detached(engine, cluster).await? {
        return Ok(false);
    }
    let registry = image.registry();
    if !registry.is_loopback() {
        return Ok(true);
    }
    let Some(node) = cluster.nodes.iter().find(|node| node.is_running) else { return Ok(false) };
    for root in [CONFIG_PATH, K3S_CONFIG_PATH] {
        for name in directory_names(&registry.to_string()) {
            let file = format!("{root}/{name}/hosts.toml");
            if engine.read(&node.name, &file).await?.is_some() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Pulls an image in nodes, in all of them at the same time. Reports a step for each node, and returns the names of the
/// nodes that could not pull. `image` is its full name, which kubelet uses too.
pub async fn pull(
    engine: &Engine,
    nodes: &[(&Cluster, &Node)],
    image: &ImageName,
    report: Report<'_>,
) -> Vec<String> {
    let full = image.normalised();
    let pulls = nodes.iter().map(|(cluster, node)| {
        let image = full.as_str();
        async move {
            let (outcome, text) = if node.is_running {
                match pull_in(engine, cluster, &node.name, image).await {
                    Ok(()) => (Outcome::Changed, format!("pulled {image}")),
                    Err(text) => (Outcome::Failed, text),
                }
            } else {
                (Outcome::Skipped, "the node does not run".to_owned())
            };
            report(Step::new(format!("node {}", node.name), outcome, text));
            (outcome == Outcome::Failed).then(|| node.name.clone())
        }
    });
    join_all(pulls).await.into_iter().flatten().collect()
}

async fn pull_in(engine: &Engine, cluster: &Cluster, node: &str, image: &str) -> Result<(), String> {
    let told = |error: EngineError| error.to_string();
    let pulled = engine.exec(node, &["crictl", "pull", image]).await.map_err(told)?;
    if !is_missing(&pulled) {
        return judge("crictl pull", image, &pulled);
    }
    let (command, pulled) = match Runtime::of(engine, cluster, node).await.map_err(told)? {
        runtime @ (Runtime::Containerd | Runtime::K3s) => {
            let root = if runtime == Runtime::K3s { K3S_CONFIG_PATH } else { CONFIG_PATH };
            let pull = ["ctr", "-n", "k8s.io", "images", "pull", "--hosts-dir", root, image];
            ("ctr images pull", engine.exec(node, &pull).await.map_err(told)?)
        }
        Runtime::Docker => {
            ("docker pull", engine.exec(node, &["docker", "pull", image]).await.map_err(told)?)
        }
        runtime @ (Runtime::CriO | Runtime::None) => {
            return Err(format!("the node has no crictl to pull with; its container runtime is {runtime}"));
        }
    };
    if is_missing(&pulled) {
        return Err("the node has neither crictl nor ctr to pull with".to_owned());
    }
    judge(command, image, &pulled)
}

/// The failure in words: what the program said last, and its cause if that is known.
fn judge(command: &str, image: &str, pulled: &Output) -> Result<(), String> {
    if pulled.code == 0 {
        return Ok(());
    }
    let said = pulled.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let text = format!("{command} {image} failed: {said}");
    Err(match explain(&pulled.stderr) {
        Some(symptom) => format!("{text}. {}: {}", symptom.cause, symptom.fix),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_pull_names_its_cause_if_that_is_known() {
        let output = |code, stderr: &str| Output { code, stdout: String::new(), stderr: stderr.to_owned() };
        assert_eq!(judge("crictl pull", "x", &output(0, "")), Ok(()));
        let image = "localhost:5001/app:v1";
        let unknown = judge("crictl pull", image, &output(1, "first\nlast words\n\n")).unwrap_err();
        assert_eq!(unknown, "crictl pull localhost:5001/app:v1 failed: last words");
        let said = "E1 failed to pull image: failed to resolve reference \"localhost:5001/app:v1\": failed to do request: \
                    Head \"http://localhost:5001/v2/app/manifests/v1\": dial tcp [::1]:5001: connect: connection refused";
        let known = judge("crictl pull", image, &output(1, said)).unwrap_err();
        assert!(known.len() > said.len() + 50, "{known}");
    }
}

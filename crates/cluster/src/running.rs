//! Which images the containers of a cluster's nodes use.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use hythe_engine::{Engine, EngineError, Output};
use hythe_oci::Digest;
use serde::Deserialize;

use crate::topology::{Cluster, Node};

/// The digests of the images that the containers of a cluster's running nodes use: of configs, of manifests and of
/// indexes. `None` if a node cannot tell, because then the list would not be whole.
pub async fn digests(engine: &Engine, cluster: &Cluster) -> Result<Option<Vec<Digest>>, EngineError> {
    let nodes = cluster.nodes.iter().filter(|node| node.is_running);
    let told = try_join_all(nodes.map(|node| node_digests(engine, node))).await?;
    let all: Option<Vec<BTreeSet<Digest>>> = told.into_iter().collect();
    Ok(all.map(|all| all.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().collect()))
}

async fn node_digests(engine: &Engine, node: &Node) -> Result<Option<BTreeSet<Digest>>, EngineError> {
    let containers = engine.exec(&node.name, &["crictl", "ps", "--all", "--output", "json"]).await?;
    let images = engine.exec(&node.name, &["crictl", "images", "--output", "json"]).await?;
    Ok(whole(&containers).zip(whole(&images)).and_then(|(containers, images)| used(containers, images)))
}

fn whole(output: &Output) -> Option<&str> {
    (output.code == 0).then_some(output.stdout.as_str())
}

#[derive(Deserialize)]
struct Containers {
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    /// The id of the image, or a name with a digest.
    #[serde(default)]
    image_ref: String,
    #[serde(default)]
    image_id: String,
    #[serde(default)]
    image: Option<Specified>,
}

#[derive(Deserialize)]
struct Specified {
    #[serde(default)]
    image: String,
}

#[derive(Deserialize)]
struct Images {
    #[serde(default)]
    images: Vec<Image>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    id: String,
    #[serde(default)]
    repo_digests: Vec<String>,
    /// Whether the node never removes the image, such as that of a Pod's sandbox.
    #[serde(default)]
    pinned: bool,
}

/// The digests of the images that containers use, and of pinned images. `None` if the node's answers cannot be read.
fn used(containers: &str, images: &str) -> Option<BTreeSet<Digest>> {
    let containers: Containers = serde_json::from_str(containers).ok()?;
    let images: Images = serde_json::from_str(images).ok()?;
    let mut digests = BTreeSet::new();
    for container in &containers.containers {
        let specified = container.image.as_ref().map_or("", |image| image.image.as_str());
        digests.extend([&container.image_ref, &container.image_id, specified].into_iter().filter_map(digest));
    }
    let mut by_image: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    for image in &images.images {
        let all = || std::iter::once(&image.id).chain(&image.repo_digests).filter_map(|text| digest(text));
        if image.pinned || all().any(|digest| digests.contains(&digest)) {
            by_image.extend(digest(&image.id).map(|id| (id, all().collect())));
        }
    }
    digests.extend(by_image.into_values().flatten());
    Some(digests)
}

/// The digest in `NAME@DIGEST`, or a digest alone.
fn digest(text: &str) -> Option<Digest> {
    text.rsplit_once('@').map_or(text, |(_, digest)| digest).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    #[test]
    fn an_image_in_use_counts_with_its_config_and_all_digests_of_its_name() {
        let containers = format!(
            r#"{{"containers":[{{"id":"1","image":{{"image":"{a}"}},"imageRef":"{a}","imageId":"{a}","state":"CONTAINER_RUNNING"}},
                {{"id":"2","image":{{"image":"docker.io/library/redis:7"}},"imageRef":"docker.io/library/redis@{d}"}}]}}"#,
            a = of('a'),
            d = of('d')
        );
        let images = format!(
            r#"{{"images":[{{"id":"{a}","repoTags":["x:1"],"repoDigests":["x@{b}"],"pinned":false}},
                {{"id":"{c}","repoDigests":["docker.io/library/redis@{d}"]}},
                {{"id":"{e}","repoDigests":["unused@{f}"],"pinned":false}},
                {{"id":"{p}","repoDigests":["registry.k8s.io/pause@{q}"],"pinned":true}}]}}"#,
            a = of('a'),
            b = of('b'),
            c = of('c'),
            d = of('d'),
            e = of('e'),
            f = of('f'),
            p = of('1'),
            q = of('2')
        );
        let wanted: BTreeSet<Digest> =
            ['1', '2', 'a', 'b', 'c', 'd'].into_iter().map(|digit| of(digit).parse().unwrap()).collect();
        assert_eq!(used(&containers, &images), Some(wanted));
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_no_empty_list() {
        assert_eq!(used("", r#"{"images":[]}"#), None);
        assert_eq!(used(r#"{"containers":[]}"#, "error"), None);
        assert_eq!(used("{}", "{}"), Some(BTreeSet::new()));
    }
}

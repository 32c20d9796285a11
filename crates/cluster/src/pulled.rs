//! The images that the nodes of a local cluster have.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use hythe_engine::{Engine, EngineError};
use serde::Deserialize;

use crate::http::inside::is_missing;
use crate::topology::Cluster;

/// What `crictl images --output json` prints.
#[derive(Deserialize)]
struct Listing {
    #[serde(default)]
    images: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    repo_tags: Vec<String>,
    #[serde(default)]
    repo_digests: Vec<String>,
}

/// The images that the running nodes of a cluster have, each with the digest that was pulled, if the node knows one. The
/// inner error says what a node answered instead.
pub async fn pulled_images(
    engine: &Engine,
    cluster: &Cluster,
) -> Result<Result<BTreeMap<String, Option<String>>, String>, EngineError> {
    let nodes = cluster.nodes.iter().filter(|node| node.is_running);
    let lists = nodes.map(|node| async move {
        let listed = engine.exec(&node.name, &["crictl", "images", "--output", "json"]).await?;
        if listed.code == 0 {
            let read = serde_json::from_str::<Listing>(&listed.stdout);
            return Ok(read
                .map(named)
                .map_err(|error| format!("node {}: crictl images: {error}", node.name)));
        }
        let said = listed.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let said = if is_missing(&listed) { "the node has no crictl to list its images with" } else { said };
        Ok(Err(format!("node {}: {said}", node.name)))
    });
    let mut all = BTreeMap::new();
    for list in try_join_all(lists).await? {
        match list {
            Ok(images) => {
                for (name, digest) in images {
                    let known: &mut Option<String> = all.entry(name).or_default();
                    *known = known.take().or(digest);
                }
            }
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok(all))
}

/// The names of the images, with their digests. An image without a tag has its name with the digest.
fn named(Listing { images }: Listing) -> BTreeMap<String, Option<String>> {
    let mut all = BTreeMap::new();
    for Listed { repo_tags, repo_digests } in images {
        let digest_of = |repository: &str| {
            repo_digests.iter().find_map(|pulled| {
                let (of, digest) = pulled.split_once('@')?;
                (of == repository).then(|| digest.to_owned())
            })
        };
        if repo_tags.is_empty() {
            all.extend(repo_digests.iter().map(|name| (name.clone(), None)));
        }
        for name in repo_tags {
            let digest = name.rsplit_once(':').and_then(|(repository, _)| digest_of(repository));
            all.insert(name, digest);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_its_tags_or_else_its_digest() {
        let listing = r#"{ "images": [
            { "id": "sha256:1", "repoTags": ["docker.io/library/redis:7", "localhost:5001/r:1"],
              "repoDigests": ["docker.io/library/redis@sha256:aa"] },
            { "id": "sha256:2", "repoTags": [], "repoDigests": ["ghcr.io/x/y@sha256:bb"] },
            { "id": "sha256:3", "repoTags": ["registry.k8s.io/pause:3.9"] }
        ] }"#;
        let found = named(serde_json::from_str(listing).unwrap());
        let found: Vec<(&str, Option<&str>)> =
            found.iter().map(|(name, digest)| (name.as_str(), digest.as_deref())).collect();
        assert_eq!(
            found,
            [
                ("docker.io/library/redis:7", Some("sha256:aa")),
                ("ghcr.io/x/y@sha256:bb", None),
                ("localhost:5001/r:1", None),
                ("registry.k8s.io/pause:3.9", None),
            ]
        );
    }
}

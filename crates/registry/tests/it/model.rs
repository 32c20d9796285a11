//! Random operations, compared step by step with a model of a few maps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hythe_oci::{Digest, Reference, Tag};
use hythe_registry::{Error, Started};
use proptest::prelude::*;

use crate::journal::expect_journaled;
use crate::world::{World, manifest, name, sha256};

const REPOSITORIES: [&str; 2] = ["app", "team/app"];
const CONTENTS: [&[u8]; 4] = [b"", b"one", b"two", b"three"];
const TAGS: [&str; 2] = ["v1", "v2"];

#[derive(Clone, Debug)]
enum Operation {
    Push { to: usize, content: usize, in_pieces: bool },
    Mount { content: usize, from: usize, to: usize },
    DeleteBlob { from: usize, content: usize },
    Tag { to: usize, tag: usize, layers: Vec<usize> },
    DeleteTag { from: usize, tag: usize },
    DeleteManifest { from: usize, layers: Vec<usize> },
    Collect,
}

fn operation() -> impl Strategy<Value = Operation> {
    let (repository, content, tag) = (0..REPOSITORIES.len(), 0..CONTENTS.len(), 0..TAGS.len());
    let layers = || prop::collection::vec(0..CONTENTS.len(), 1..3);
    prop_oneof![
        4 => (repository.clone(), content.clone(), any::<bool>())
            .prop_map(|(to, content, in_pieces)| Operation::Push { to, content, in_pieces }),
        2 => (content.clone(), repository.clone(), repository.clone())
            .prop_map(|(content, from, to)| Operation::Mount { content, from, to }),
        1 => (repository.clone(), content).prop_map(|(from, content)| Operation::DeleteBlob { from, content }),
        3 => (repository.clone(), tag.clone(), layers())
            .prop_map(|(to, tag, layers)| Operation::Tag { to, tag, layers }),
        1 => (repository.clone(), tag).prop_map(|(from, tag)| Operation::DeleteTag { from, tag }),
        1 => (repository, layers()).prop_map(|(from, layers)| Operation::DeleteManifest { from, layers }),
        1 => Just(Operation::Collect),
    ]
}

/// The content that one repository should have.
#[derive(Clone, Debug, Default)]
struct Model {
    blobs: BTreeSet<Digest>,
    /// Each manifest with the blobs that it references.
    manifests: BTreeMap<Digest, BTreeSet<Digest>>,
    tags: BTreeMap<&'static str, Digest>,
}

impl Model {
    fn names(&self, digest: &Digest) -> bool {
        self.manifests.values().any(|blobs| blobs.contains(digest))
    }

    fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.manifests.is_empty()
    }
}

fn layers_of(layers: &[usize]) -> Vec<Digest> {
    layers.iter().map(|content| sha256(CONTENTS[*content])).collect()
}

async fn step(world: &World, models: &mut [Model], operation: &Operation) {
    match operation {
        Operation::Push { to, content, in_pieces } => {
            let (repository, content) = (REPOSITORIES[*to], CONTENTS[*content]);
            if *in_pieces {
                let id = world.start(repository).await;
                world.append(repository, id, &content[..content.len() / 2]).await.unwrap();
                world.finish(repository, id, sha256(content), &content[content.len() / 2..]).await.unwrap();
            } else {
                world.push(repository, content).await;
            }
            models[*to].blobs.insert(sha256(content));
        }
        Operation::Mount { content, from, to } => {
            let digest = sha256(CONTENTS[*content]);
            match world.mount(&digest, REPOSITORIES[*from], REPOSITORIES[*to]).await {
                Started::Mounted(mounted) => {
                    assert_eq!(mounted, digest);
                    assert!(
                        models[*from].blobs.contains(&digest),
                        "mounted from a repository without the blob"
                    );
                    models[*to].blobs.insert(digest);
                }
                Started::Session(status) => {
                    assert!(
                        !models[*from].blobs.contains(&digest),
                        "not mounted from a repository with the blob"
                    );
                    world
                        .registry
                        .repository(&name(REPOSITORIES[*to]))
                        .cancel_upload(status.id)
                        .await
                        .unwrap();
                }
            }
        }
        Operation::DeleteBlob { from, content } => {
            let digest = sha256(CONTENTS[*content]);
            let deleted = world.delete_blob(REPOSITORIES[*from], &digest).await;
            assert_eq!(deleted.is_ok(), models[*from].blobs.remove(&digest), "{deleted:?}");
        }
        Operation::Tag { to, tag, layers } => {
            let (layers, model) = (layers_of(layers), &mut models[*to]);
            let missing: BTreeSet<_> =
                layers.iter().filter(|layer| !model.blobs.contains(*layer)).copied().collect();
            match world.tag(REPOSITORIES[*to], TAGS[*tag], &layers).await {
                Ok(pushed) => {
                    assert!(missing.is_empty(), "pushed without {missing:?}");
                    model.manifests.insert(pushed.digest, layers.into_iter().collect());
                    model.tags.insert(TAGS[*tag], pushed.digest);
                }
                Err(Error::ManifestBlobsUnknown { digests, .. }) => {
                    assert_eq!(digests.into_iter().collect::<BTreeSet<_>>(), missing);
                }
                Err(error) => panic!("{error}"),
            }
        }
        Operation::DeleteTag { from, tag } => {
            let deleted = world.delete_manifest(REPOSITORIES[*from], TAGS[*tag]).await;
            assert_eq!(deleted.is_ok(), models[*from].tags.remove(TAGS[*tag]).is_some(), "{deleted:?}");
        }
        Operation::DeleteManifest { from, layers } => {
            let (digest, model) = (sha256(manifest(&layers_of(layers)).as_bytes()), &mut models[*from]);
            let deleted = world.delete_manifest(REPOSITORIES[*from], digest).await;
            assert_eq!(deleted.is_ok(), model.manifests.remove(&digest).is_some(), "{deleted:?}");
            model.tags.retain(|_, tagged| *tagged != digest);
        }
        Operation::Collect => {
            world.collect().await;
            for model in models {
                let kept = model.blobs.iter().filter(|digest| model.names(digest)).copied().collect();
                model.blobs = kept;
            }
        }
    }
}

async fn compare(world: &World, models: &[Model]) {
    for (repository, model) in REPOSITORIES.into_iter().zip(models) {
        for content in CONTENTS {
            match world.blob(repository, &sha256(content)).await {
                Ok(blob) => {
                    assert!(model.blobs.contains(&sha256(content)), "{repository} has a blob too many");
                    assert_eq!(crate::world::read(&blob).await, content);
                }
                Err(Error::BlobUnknown { .. }) => {
                    assert!(!model.blobs.contains(&sha256(content)), "{repository} lost a blob");
                }
                Err(error) => panic!("{error}"),
            }
        }
        let full = name(repository);
        let repository = world.registry.repository(&full);
        for digest in model.manifests.keys() {
            let manifest = repository.manifest(&Reference::Digest(*digest)).await.unwrap();
            assert_eq!(manifest.digest, *digest);
            assert_eq!(sha256(&repository.manifest_bytes(&manifest).await.unwrap()), *digest);
        }
        match repository.tags(None, 100).await {
            Ok(page) => {
                let tags: Vec<&str> = page.items.iter().map(Tag::as_str).collect();
                assert_eq!(tags, model.tags.keys().copied().collect::<Vec<_>>());
            }
            Err(Error::NameUnknown(_)) => assert!(model.is_empty(), "{full} is gone"),
            Err(error) => panic!("{error}"),
        }
        for (tag, digest) in &model.tags {
            assert_eq!(repository.manifest(&tag.parse().unwrap()).await.unwrap().digest, *digest);
        }
    }
    let totals = world.registry.totals().await.unwrap();
    let blobs: BTreeSet<_> = models.iter().flat_map(|model| &model.blobs).collect();
    assert_eq!(totals.blobs, blobs.len() as u64);
    assert_eq!(totals.manifests, models.iter().map(|model| model.manifests.len() as u64).sum::<u64>());
    assert_eq!(totals.tags, models.iter().map(|model| model.tags.len() as u64).sum::<u64>());
    assert_eq!(totals.uploads, 0);
}

fn hold(world: &World, operations: &[Operation]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        world.set(|options| options.collect_grace = Duration::ZERO);
        let mut models = vec![Model::default(); REPOSITORIES.len()];
        for operation in operations {
            step(world, &mut models, operation).await;
            compare(world, &models).await;
        }
        assert!(world.uploads().await.is_empty());
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_registry_in_memory_does_what_the_model_does(operations in prop::collection::vec(operation(), 1..40)) {
        hold(&World::memory(), &operations);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_registry_in_a_folder_does_what_the_model_does(operations in prop::collection::vec(operation(), 1..40)) {
        let world = World::fs();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A recovery from a journal without a base takes records for lost, and adds the blobs of manifests that have a file.
        runtime.block_on(world.registry.settle_journal()).unwrap();
        hold(&world, &operations);
        let blobs = runtime.block_on(world.registry.totals()).unwrap().blobs;
        assert_eq!(world.blob_files().len() as u64, blobs, "one file for each blob, and no other file");
        runtime.block_on(expect_journaled(&world));
    }
}

//! A tree, and the registry that imports it.

use std::path::PathBuf;
use std::sync::Arc;

use hythe_catalog::Catalog;
use hythe_lifecycle::{Import, ImportTarget, Imported, Result, Tree};
use hythe_oci::{Digest, Reference, RepositoryName};
use hythe_registry::{Content, Registry, RegistryOptions, Repository};
use hythe_storage::FsStorage;
use hythe_testing::{Manifest, OldTree};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) tree: OldTree,
    pub(crate) registry: Registry,
    folder: TempDir,
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

impl World {
    pub(crate) fn new(tree: OldTree) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = FsStorage::open(folder.path()).unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).unwrap();
        Self { tree, registry: Registry::new(Arc::new(storage), catalog, RegistryOptions::default()), folder }
    }

    pub(crate) async fn try_import(
        &self,
        place: impl Fn(&RepositoryName) -> Option<ImportTarget>,
    ) -> Result<Imported> {
        let tree = Tree::in_folder(self.tree.folder()).unwrap();
        Import::new(&self.registry, &tree).run(place).await
    }

    /// Imports the tree as content that was pushed to this registry.
    pub(crate) async fn import(&self) -> Imported {
        self.try_import(|name| Some(ImportTarget::local(name))).await.unwrap()
    }

    /// The files in the folder `kind` of the data folder: `uploads` or `blobs`.
    pub(crate) fn files(&self, kind: &str) -> Vec<PathBuf> {
        let (mut files, mut waiting) = (Vec::new(), vec![self.folder.path().join(kind)]);
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { waiting.push(path) } else { files.push(path) }
            }
        }
        files
    }

    /// Asserts that the repository has the manifest under this tag or digest, and everything that the manifest
    /// references.
    pub(crate) async fn expect(&self, repository: &str, reference: &str, manifest: &Manifest) {
        let name = name(repository);
        expect_manifest(&self.registry.repository(&name), reference, manifest).await;
    }

    pub(crate) async fn tags(&self, repository: &str) -> Vec<String> {
        let page = self.registry.repository(&name(repository)).tags(None, 1000).await.unwrap();
        page.items.iter().map(ToString::to_string).collect()
    }
}

async fn expect_manifest(repository: &Repository<'_>, reference: &str, manifest: &Manifest) {
    let mut waiting = vec![(reference.parse().unwrap(), manifest)];
    while let Some((reference, manifest)) = waiting.pop() {
        let found = repository.manifest(&reference).await.unwrap();
        assert_eq!(repository.manifest_bytes(&found).await.unwrap(), manifest.bytes);
        assert_eq!(found.media_type, manifest.media_type);
        for blob in &manifest.blobs {
            let found = repository.blob(&Digest::of(manifest.algorithm, blob)).await.unwrap();
            let Content::Stored(stored) = found.content else { panic!("the blob is not being fetched") };
            assert_eq!(stored.read(0, blob.len()).await.unwrap(), blob);
        }
        waiting.extend(manifest.manifests.iter().map(|listed| (Reference::Digest(listed.digest()), listed)));
    }
}

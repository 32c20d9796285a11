//! Backups of a registry in this process, and restores of them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hythe_backup::{
    Backup, Destination, Done, Keep, Local, Pieces, Progress, Prune, Restore, Result, Source, verify,
};
use hythe_catalog::Catalog;
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName};
use hythe_registry::{Registry, RegistryOptions};
use hythe_storage::{FsStorage, MemoryStorage, Storage};

fn options() -> RegistryOptions {
    RegistryOptions { collect_grace: Duration::from_hours(1), ..RegistryOptions::default() }
}

fn registry() -> Registry {
    Registry::new(Arc::new(MemoryStorage::default()), Catalog::in_memory().unwrap(), options())
}

fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

/// Pushes an image of one layer under a tag.
async fn push(registry: &Registry, repository: &str, tag: &str, content: &str) -> Digest {
    let repository = name(repository);
    let repository = registry.repository(&repository);
    let layer = Digest::of(Algorithm::Sha256, content.as_bytes());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, content).unwrap();
    repository.adopt_blob(&layer, file.path()).await.unwrap().unwrap();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
            "config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{layer}","size":{0}}},
            "layers":[{{"mediaType":"application/octet-stream","digest":"{layer}","size":{0}}}]}}"#,
        content.len()
    );
    let reference: Reference = tag.parse().unwrap();
    repository.push_manifest(&reference, Vec::new(), None, manifest.into()).await.unwrap().digest
}

/// Removes a tag's image, and all that nothing references any more, at once.
async fn delete_and_collect(registry: &Registry, repository: &str, digest: Digest) {
    registry.repository(&name(repository)).delete_manifest(&Reference::Digest(digest)).await.unwrap();
    let due = registry.due(Some(Duration::ZERO));
    registry.purge_deleted(due, usize::MAX).await.unwrap();
    registry.remove_unused(due, None).await.unwrap();
}

/// A registry in which something happens between the reading of the records and that of the first blob.
struct Meanwhile<'a> {
    local: Local,
    registry: &'a Registry,
    image: Digest,
    /// Whether the backup holds its lease.
    held: bool,
}

#[async_trait]
impl Source for Meanwhile<'_> {
    fn name(&self) -> String {
        "test".to_owned()
    }

    async fn take_lease(&self) -> Result<String> {
        let lease = self.local.take_lease().await?;
        if !self.held {
            self.local.release_lease(&lease).await;
        }
        Ok(lease)
    }

    async fn renew_lease(&self, id: &str) -> Result<bool> {
        self.local.renew_lease(id).await
    }

    async fn release_lease(&self, id: &str) {
        self.local.release_lease(id).await;
    }

    async fn records(&self, into: File) -> Result<()> {
        self.local.records(into).await?;
        delete_and_collect(self.registry, "app", self.image).await;
        Ok(())
    }

    async fn blob(&self, of: &RepositoryName, digest: &Digest, from: u64) -> Result<Option<Box<dyn Pieces>>> {
        self.local.blob(of, digest, from).await
    }
}

fn local(registry: &Registry) -> Local {
    Local::new(registry.clone(), "test".to_owned(), "a test".to_owned())
}

async fn back_up(source: &dyn Source, destination: &Destination) -> Done {
    let progress = Progress::default();
    Backup { source, destination, jobs: 2, progress: &progress }.run().await.unwrap()
}

/// Restores the newest backup, and opens a registry on it.
async fn restored(destination: &Destination, data: &Path) -> Registry {
    let storage: Arc<dyn Storage> = Arc::new(FsStorage::open(data).unwrap());
    let (progress, time) = (Progress::default(), destination.snapshot_at(None).unwrap());
    let restore = Restore { destination, time, storage: &storage, jobs: 2, progress: &progress };
    let catalog = data.join("catalog.sqlite");
    assert_eq!(restore.run(&catalog, |_| true).await.unwrap().bad, []);
    Registry::new(storage, Catalog::open(&catalog).unwrap(), options())
}

async fn layer(registry: &Registry, repository: &str, content: &str) -> Option<Bytes> {
    let digest = Digest::of(Algorithm::Sha256, content.as_bytes());
    let blob = registry.repository(&name(repository)).blob(&digest).await.ok()?;
    let hythe_registry::Content::Stored(stored) = blob.content else { return None };
    Some(stored.read(0, content.len()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_is_deleted_while_the_backup_runs_is_whole_in_it_and_only_by_the_lease() {
    for held in [true, false] {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (registry, destination) = (registry(), Destination::create(folder.path()).unwrap());
        let image = push(&registry, "app", "v1", "the layer").await;
        let source = Meanwhile { local: local(&registry), registry: &registry, image, held };
        let done = back_up(&source, &destination).await;
        assert_eq!(layer(&registry, "app", "the layer").await.is_some(), held);
        assert_eq!((done.summary.lacks, done.lacking.len()), if held { (0, 0) } else { (1, 1) });
        assert!(verify(&destination, &Progress::default()).unwrap().bad.is_empty());
        assert_eq!(registry.leases().await.unwrap(), []);
        let again = restored(&destination, data.path()).await;
        let found = again.repository(&name("app")).manifest(&"v1".parse().unwrap()).await;
        assert_eq!(found.unwrap().digest, image);
        assert_eq!(layer(&again, "app", "the layer").await.is_some(), held);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_registry_costs_no_new_file_and_a_new_image_only_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, destination) = (registry(), Destination::create(folder.path()).unwrap());
    push(&registry, "app", "v1", "one").await;
    let first = back_up(&local(&registry), &destination).await;
    assert_eq!((first.summary.new_blobs, first.summary.blobs), (2, 1));
    let second = back_up(&local(&registry), &destination).await;
    assert_eq!((second.summary.new_blobs, second.summary.new_bytes, second.summary.blobs), (0, 0, 1));
    assert!(second.time > first.time);
    push(&registry, "other", "v1", "one").await;
    push(&registry, "app", "v2", "two").await;
    let third = back_up(&local(&registry), &destination).await;
    assert_eq!((third.summary.new_blobs, third.summary.tags, third.summary.blobs), (2, 3, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prune_removes_a_blob_only_after_its_grace_and_never_while_a_backup_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, destination) = (registry(), Destination::create(folder.path()).unwrap());
    let old = push(&registry, "app", "old", "the old layer").await;
    back_up(&local(&registry), &destination).await;
    delete_and_collect(&registry, "app", old).await;
    push(&registry, "app", "new", "the new layer").await;
    back_up(&local(&registry), &destination).await;
    let prune = |grace| Prune { keep: Keep::Newest(1), grace, dry_run: false };

    let first = prune(Duration::from_hours(1)).run(&destination).unwrap();
    assert_eq!((first.snapshots.len(), first.kept, first.blobs, first.waiting), (1, 1, 0, 2));
    // A backup in progress that finds the old layer again does not copy it, so it must stay.
    let running = folder.path().join("running/backup-of-another-machine.json");
    let until = hythe_backup::Time::of(std::time::SystemTime::now() + Duration::from_mins(5));
    std::fs::write(&running, format!("{{\"until\":{}}}", until.millis())).unwrap();
    let second = prune(Duration::ZERO).run(&destination).unwrap();
    assert_eq!((second.blobs, second.waiting, second.backups), (0, 2, 1));
    std::fs::remove_file(&running).unwrap();
    let would = Prune { dry_run: true, ..prune(Duration::ZERO) }.run(&destination).unwrap();
    assert_eq!(would.blobs, 2);
    let third = prune(Duration::ZERO).run(&destination).unwrap();
    assert_eq!((third.blobs, third.waiting, third.backups), (2, 0, 0));
    let verified = verify(&destination, &Progress::default()).unwrap();
    assert_eq!((verified.blobs, verified.unlisted, verified.bad), (2, 0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_that_a_pruned_snapshot_named_and_a_later_one_names_again_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, destination) = (registry(), Destination::create(folder.path()).unwrap());
    let image = push(&registry, "app", "v1", "the layer").await;
    back_up(&local(&registry), &destination).await;
    delete_and_collect(&registry, "app", image).await;
    back_up(&local(&registry), &destination).await;
    let prune = |grace| Prune { keep: Keep::Newest(1), grace, dry_run: false };
    assert_eq!(prune(Duration::from_hours(1)).run(&destination).unwrap().waiting, 2);
    push(&registry, "app", "v1", "the layer").await;
    assert_eq!(back_up(&local(&registry), &destination).await.summary.new_blobs, 0);
    assert_eq!(prune(Duration::ZERO).run(&destination).unwrap().blobs, 0);
    assert!(verify(&destination, &Progress::default()).unwrap().bad.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_waits_for_a_prune_in_progress() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, destination) = (registry(), Destination::create(folder.path()).unwrap());
    back_up(&local(&registry), &destination).await;
    let pruning = folder.path().join("running/prune-of-another-machine.json");
    let until = hythe_backup::Time::of(std::time::SystemTime::now() + Duration::from_mins(5));
    std::fs::write(&pruning, format!("{{\"until\":{}}}", until.millis())).unwrap();
    let source = local(&registry);
    let waiting = back_up(&source, &destination);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut waiting).await.is_err());
    std::fs::remove_file(&pruning).unwrap();
    waiting.await;
    assert_eq!(destination.snapshots().unwrap().len(), 2);
}

#[test]
fn a_folder_with_other_files_is_refused_and_a_newer_format_too() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let refused = Destination::create(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("not empty"), "{refused}");
    let refused = Destination::open(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("holds no backup"), "{refused}");
    std::fs::write(folder.path().join("hythe-backup.json"), "{\"format\":99}").unwrap();
    let refused = Destination::create(folder.path()).unwrap_err().to_string();
    assert!(refused.contains("format 99") && refused.contains("newer hythe"), "{refused}");
}

/// A registry during whose backup the machine sleeps, while a prune runs on another machine.
struct Slept<'a> {
    local: Local,
    destination: &'a Destination,
    is_over: AtomicBool,
}

#[async_trait]
impl Source for Slept<'_> {
    fn name(&self) -> String {
        "test".to_owned()
    }

    async fn take_lease(&self) -> Result<String> {
        self.local.take_lease().await
    }

    async fn renew_lease(&self, id: &str) -> Result<bool> {
        self.local.renew_lease(id).await
    }

    async fn release_lease(&self, id: &str) {
        self.local.release_lease(id).await;
    }

    async fn records(&self, into: File) -> Result<()> {
        self.local.records(into).await
    }

    async fn blob(&self, of: &RepositoryName, digest: &Digest, from: u64) -> Result<Option<Box<dyn Pieces>>> {
        if !self.is_over.swap(true, Ordering::SeqCst) {
            for entry in std::fs::read_dir(self.destination.path().join("running")).unwrap() {
                std::fs::write(entry.unwrap().path(), "{\"until\":1}").unwrap();
            }
            let prune = Prune { keep: Keep::Newest(1), grace: Duration::ZERO, dry_run: false };
            let pruned = prune.run(self.destination).unwrap();
            assert_eq!(
                (pruned.backups, pruned.blobs),
                (0, 3),
                "the layer, its manifest and the new manifest"
            );
        }
        self.local.blob(of, digest, from).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_slept_while_a_prune_removed_what_it_names_begins_again() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (registry, destination) = (registry(), Destination::create(folder.path()).unwrap());
    let first = push(&registry, "app", "v1", "the first layer").await;
    back_up(&local(&registry), &destination).await;
    delete_and_collect(&registry, "app", first).await;
    push(&registry, "app", "v2", "the second layer").await;
    back_up(&local(&registry), &destination).await;
    // The folder still has this image, but only an old backup names it.
    push(&registry, "app", "v1", "the first layer").await;
    push(&registry, "app", "v3", "the third layer").await;
    let source =
        Slept { local: local(&registry), destination: &destination, is_over: AtomicBool::new(false) };
    let done = back_up(&source, &destination).await;
    assert!(source.is_over.load(Ordering::SeqCst));
    assert_eq!((done.summary.lacks, done.summary.tags), (0, 3));
    assert!(verify(&destination, &Progress::default()).unwrap().bad.is_empty());
    let again = restored(&destination, data.path()).await;
    assert!(layer(&again, "app", "the first layer").await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_replaces_a_blob_that_is_here_with_other_bytes() {
    let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (registry, destination) = (registry(), Destination::create(folder.path()).unwrap());
    for (tag, content) in [("v1", "the first layer"), ("v2", "the second layer")] {
        push(&registry, "app", tag, content).await;
    }
    back_up(&local(&registry), &destination).await;
    drop(restored(&destination, data.path()).await);
    // A kill left the blobs without a catalog, and the disk changed one of them.
    std::fs::remove_file(data.path().join("catalog.sqlite")).unwrap();
    let digest = Digest::of(Algorithm::Sha256, b"the first layer");
    let folder = data.path().join("blobs/sha256").join(&digest.hex()[..2]);
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&file, "the_first layer").unwrap();

    let storage: Arc<dyn Storage> = Arc::new(FsStorage::open(data.path()).unwrap());
    let (progress, time) = (Progress::default(), destination.snapshot_at(None).unwrap());
    let restore =
        Restore { destination: &destination, time, storage: &storage, jobs: 2, progress: &progress };
    let done = restore.run(&data.path().join("catalog.sqlite"), |_| true).await.unwrap();
    assert_eq!((done.copied, done.bad), (1, vec![]), "the other blob is whole");
    let catalog = Catalog::open(&data.path().join("catalog.sqlite")).unwrap();
    let again = Registry::new(storage, catalog, options());
    for content in ["the first layer", "the second layer"] {
        assert_eq!(layer(&again, "app", content).await.unwrap(), content);
    }
}

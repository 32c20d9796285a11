//! A registry for tests, and short helpers for what they do often.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use hythe_catalog::{Catalog, Expect};
use hythe_lifecycle::{Collected, Collector};
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName, UploadId};
use hythe_registry::{
    Blob, Chunk, Clock, Content, MountFrom, PushedManifest, Registry, RegistryOptions, Result, Started,
};
use hythe_storage::fs::Direct;
use hythe_storage::objects::MemoryBucket;
use hythe_storage::{FsStorage, MemoryStorage, ObjectStorage, Storage};
use tempfile::TempDir;
use tokio::sync::mpsc;

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) collector: Collector,
    pub(crate) clock: Arc<TestClock>,
    folder: Option<TempDir>,
}

/// The folder of an ended registry, and the clock that it had.
pub(crate) struct Ended {
    folder: TempDir,
    clock: Arc<TestClock>,
}

impl Ended {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A clock that stands still until a test sets it forward.
#[derive(Debug)]
pub(crate) struct TestClock {
    began: SystemTime,
    /// How far the clock was set forward, in milliseconds.
    forward: AtomicU64,
}

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self { began: SystemTime::now(), forward: AtomicU64::new(0) })
    }

    /// Sets the clock forward.
    pub(crate) fn pass(&self, time: Duration) {
        self.forward.fetch_add(time.as_millis() as u64, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.began + Duration::from_millis(self.forward.load(Ordering::Relaxed))
    }
}

/// Runs a test on a registry in memory, on one in a folder, and on one in an object store.
macro_rules! on_each {
    ($($(#[$attribute:meta])* async fn $name:ident($world:ident: World) $body:block)*) => {
        $(mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn check($world: $crate::world::World) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                check($crate::world::World::memory()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_folder() {
                check($crate::world::World::fs()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_an_object_store() {
                check($crate::world::World::objects()).await;
            }
        })*
    };
}
pub(crate) use on_each;

impl World {
    pub(crate) fn memory() -> Self {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::default());
        Self::over(storage, Catalog::in_memory().unwrap(), TestClock::new(), None)
    }

    /// In an object store with small parts, so that most bodies need several.
    pub(crate) fn objects() -> Self {
        Self::over_bucket(&Arc::new(MemoryBucket::with_part_size(64 << 10)))
    }

    pub(crate) fn over_bucket(bucket: &Arc<MemoryBucket>) -> Self {
        let storage = Arc::new(ObjectStorage::new(Arc::<MemoryBucket>::clone(bucket)));
        Self::over(storage, Catalog::in_memory().unwrap(), TestClock::new(), None)
    }

    pub(crate) fn fs() -> Self {
        Self::at(tempfile::tempdir().unwrap(), Direct::Auto, TestClock::new())
    }

    /// In a folder without direct writes, so that written bytes stay in the page cache.
    pub(crate) fn fs_cached() -> Self {
        Self::at(tempfile::tempdir().unwrap(), Direct::Never, TestClock::new())
    }

    fn at(folder: TempDir, direct: Direct, clock: Arc<TestClock>) -> Self {
        let storage: Arc<dyn Storage> = Arc::new(FsStorage::open(folder.path()).unwrap().with_direct(direct));
        let path = folder.path().join("catalog.sqlite");
        let journal = hythe_registry::journal(&*storage);
        let catalog = Catalog::open_journaled(&path, Expect::Anything, None, journal).unwrap();
        Self::over(storage, catalog, clock, Some(folder))
    }

    fn over(
        storage: Arc<dyn Storage>,
        catalog: Catalog,
        clock: Arc<TestClock>,
        folder: Option<TempDir>,
    ) -> Self {
        let registry =
            Registry::with_clock(Arc::clone(&storage), catalog, options(), Arc::<TestClock>::clone(&clock));
        Self { collector: Collector::new(registry.clone()), registry, storage, clock, folder }
    }

    /// Sets the registry's clock forward.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    /// Ends the registry; returns its folder.
    pub(crate) fn close(self) -> Ended {
        self.registry.close();
        Ended { folder: self.folder.expect("a registry in memory has no folder"), clock: self.clock }
    }

    /// Opens a new registry on the folder of an ended one, and recovers it as a start does.
    pub(crate) async fn open(ended: Ended) -> Self {
        let world = Self::at(ended.folder, Direct::Auto, ended.clock);
        world.registry.recover().await.unwrap();
        world
    }

    pub(crate) async fn restart(self) -> Self {
        Self::open(self.close()).await
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut RegistryOptions)) {
        let mut options = (**self.registry.options()).clone();
        change(&mut options);
        self.registry.set_options(options);
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a registry in memory has no folder").path()
    }

    /// The files of blobs; none if the registry is in memory.
    pub(crate) fn blob_files(&self) -> Vec<PathBuf> {
        self.folder.as_ref().map(|folder| blob_files(folder.path())).unwrap_or_default()
    }

    /// The uploads that the storage has.
    pub(crate) async fn uploads(&self) -> Vec<UploadId> {
        uploads(&*self.storage).await
    }

    /// Asserts that nothing is stored: no session, no blob.
    pub(crate) async fn expect_nothing(&self) {
        assert_eq!(self.uploads().await, [], "uploads in the storage");
        assert_eq!(self.blob_files(), [] as [PathBuf; 0], "blobs in the storage");
        assert_eq!(self.registry.totals().await.unwrap(), hythe_catalog::Totals::default());
    }

    pub(crate) async fn start(&self, repository: &str) -> UploadId {
        self.registry.repository(&name(repository)).start_upload(Algorithm::Sha256).await.unwrap().id
    }

    pub(crate) async fn append(&self, repository: &str, id: UploadId, bytes: &[u8]) -> Result<u64> {
        let appended =
            self.registry.repository(&name(repository)).append(id, Chunk::default(), body(bytes)).await;
        appended.map(|status| status.offset)
    }

    pub(crate) async fn finish(
        &self,
        repository: &str,
        id: UploadId,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<()> {
        self.registry
            .repository(&name(repository))
            .finish_upload(id, digest, Chunk::default(), body(bytes))
            .await
    }

    pub(crate) async fn offset(&self, repository: &str, id: UploadId) -> Result<u64> {
        self.registry.repository(&name(repository)).upload_status(id).await.map(|status| status.offset)
    }

    /// Pushes a blob in one request.
    pub(crate) async fn push(&self, repository: &str, content: &[u8]) -> Digest {
        let digest = sha256(content);
        self.registry.repository(&name(repository)).push_blob(digest, None, body(content)).await.unwrap();
        digest
    }

    pub(crate) async fn blob(&self, repository: &str, digest: &Digest) -> Result<Blob> {
        self.registry.repository(&name(repository)).blob(digest).await
    }

    /// The bytes of a blob that must exist.
    pub(crate) async fn read(&self, repository: &str, digest: &Digest) -> Vec<u8> {
        read(&self.blob(repository, digest).await.unwrap()).await
    }

    pub(crate) async fn mount(&self, digest: &Digest, from: &str, to: &str) -> Started {
        self.registry
            .repository(&name(to))
            .mount_blob(digest, MountFrom::Repository(name(from)))
            .await
            .unwrap()
    }

    pub(crate) async fn delete_blob(&self, repository: &str, digest: &Digest) -> Result<()> {
        self.registry.repository(&name(repository)).delete_blob(digest).await
    }

    /// Pushes an image manifest of these layers under a tag.
    pub(crate) async fn tag(&self, repository: &str, tag: &str, layers: &[Digest]) -> Result<PushedManifest> {
        let reference: Reference = tag.parse().unwrap();
        let manifest = Bytes::from(manifest(layers));
        self.registry
            .repository(&name(repository))
            .push_manifest(&reference, Vec::new(), None, manifest)
            .await
    }

    pub(crate) async fn delete_manifest(&self, repository: &str, reference: impl ToString) -> Result<()> {
        let reference: Reference = reference.to_string().parse().unwrap();
        self.registry.repository(&name(repository)).delete_manifest(&reference).await
    }

    /// Collects garbage, a moment later, so that all earlier uses are in the past.
    pub(crate) async fn collect(&self) -> Collected {
        self.pass(Duration::from_millis(3));
        self.collector.collect().await.unwrap()
    }
}

pub(crate) fn options() -> RegistryOptions {
    RegistryOptions { manifest_require_blobs: true, ..RegistryOptions::default() }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

pub(crate) fn blob_files(folder: &Path) -> Vec<PathBuf> {
    files(&folder.join("blobs"))
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn sha256(content: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, content)
}

/// A body of a few pieces.
pub(crate) fn body(bytes: &[u8]) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let pieces: Vec<_> =
        bytes.chunks(bytes.len() / 3 + 1).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    futures_util::stream::iter(pieces)
}

/// A body that the test sends piece by piece.
pub(crate) struct Sender(mpsc::Sender<io::Result<Bytes>>);

pub(crate) fn slow_body() -> (Sender, impl Stream<Item = io::Result<Bytes>> + Send + 'static) {
    let (sender, receiver) = mpsc::channel(1);
    let body = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((piece, receiver))
    });
    (Sender(sender), body)
}

impl Sender {
    /// Sends a piece, and waits until it is received.
    pub(crate) async fn send(&self, bytes: &'static [u8]) {
        self.0.send(Ok(Bytes::from_static(bytes))).await.unwrap();
        let _ = self.0.reserve().await.unwrap();
    }

    pub(crate) async fn fail(&self) {
        let _ = self.0.send(Err(io::ErrorKind::ConnectionReset.into())).await;
    }
}

/// The uploads that a storage has.
pub(crate) async fn uploads(storage: &dyn Storage) -> Vec<UploadId> {
    storage.listing().expect("every storage of these tests can list").uploads().await.unwrap()
}

/// The bytes of a blob that is stored.
pub(crate) async fn read(blob: &Blob) -> Vec<u8> {
    let Content::Stored(stored) = &blob.content else { panic!("the blob is still being fetched") };
    stored.read(0, blob.size as usize).await.unwrap().to_vec()
}

/// An image manifest; its configuration is its first layer.
pub(crate) fn manifest(layers: &[Digest]) -> String {
    let descriptor = |digest: &Digest| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":1}}"#)
    };
    let layers: Vec<String> = layers.iter().map(descriptor).collect();
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[{}]}}"#,
        layers[0],
        layers.join(",")
    )
}

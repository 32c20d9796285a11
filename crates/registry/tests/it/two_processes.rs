//! Upload sessions that two processes work on: two registries, each with its own handle of one catalog, over one storage.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hythe_catalog::Catalog;
use hythe_oci::{Algorithm, Digest, RepositoryName, UploadId};
use hythe_registry::{Chunk, Error, Registry, RegistryOptions, Result, UploadStatus};
use hythe_storage::{Adopted, BlobKey, Content, Fence, FsStorage, MemoryStorage, Owner, Storage, Upload};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::world::{blob_files, body, name, options, read, sha256, slow_body};

struct Two {
    registries: [Registry; 2],
    storage: Arc<dyn Storage>,
    folder: TempDir,
}

fn registry(folder: &Path, storage: &Arc<dyn Storage>, options: RegistryOptions) -> Registry {
    let catalog = Catalog::open(&folder.join("catalog.sqlite")).unwrap();
    Registry::new(Arc::clone(storage), catalog, options)
}

impl Two {
    fn over(folder: TempDir, storage: Arc<dyn Storage>, options: &RegistryOptions) -> Self {
        let registries = [(); 2].map(|()| registry(folder.path(), &storage, options.clone()));
        Self { registries, storage, folder }
    }

    fn memory() -> Self {
        Self::over(tempfile::tempdir().unwrap(), Arc::new(MemoryStorage::default()), &options())
    }

    fn fs() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = Arc::new(FsStorage::open(folder.path()).unwrap());
        Self::over(folder, storage, &options())
    }

    async fn start(&self, process: usize) -> UploadId {
        let status = self.registries[process].repository(&app()).start_upload(Algorithm::Sha256).await;
        status.unwrap().id
    }

    async fn append(&self, process: usize, id: UploadId, chunk: Chunk, bytes: &[u8]) -> Result<u64> {
        let appended = self.registries[process].repository(&app()).append(id, chunk, body(bytes)).await;
        appended.map(|status| status.offset)
    }

    async fn finish(&self, process: usize, id: UploadId, content: &[u8], rest: &[u8]) -> Result<()> {
        let (registry, digest) = (&self.registries[process], sha256(content));
        registry.repository(&app()).finish_upload(id, digest, Chunk::default(), body(rest)).await?;
        self.expect_blob(process, content).await;
        Ok(())
    }

    async fn expect_blob(&self, process: usize, content: &[u8]) {
        let blob = self.registries[process].repository(&app()).blob(&sha256(content)).await.unwrap();
        assert!(read(&blob).await == content, "a blob has other bytes than its digest says");
    }

    /// Writes something, so that the process's next reads see what the other one committed until now.
    async fn renew(&self, process: usize) {
        let id = self.start(process).await;
        self.registries[process].repository(&app()).cancel_upload(id).await.unwrap();
    }

    async fn offset(&self, process: usize, id: UploadId) -> Result<u64> {
        let status = self.registries[process].repository(&app()).upload_status(id).await;
        status.map(|UploadStatus { offset, .. }| offset)
    }
}

fn app() -> RepositoryName {
    name("app")
}

const STREAM: Chunk = Chunk { start: None, range_length: None, length: None };

fn at(start: u64) -> Chunk {
    Chunk { start: Some(start), ..STREAM }
}

/// Runs a test over a storage in memory and over one in a folder.
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($two:ident: Two) $body:block)*) => {
        $(mod $name {
            use super::*;

            async fn check($two: Two) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                check(Two::memory()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_folder() {
                check(Two::fs()).await;
            }
        })*
    };
}

on_both! {
    async fn of_two_chunks_at_one_offset_exactly_one_is_kept(two: Two) {
        for round in 0..60 {
            let id = two.start(round % 2).await;
            assert_eq!(two.append(round / 2 % 2, id, at(0), b"head").await.unwrap(), 4);
            let (one, other) = (vec![b'1'; 100 + round], vec![b'2'; 200]);
            let (first, second) = tokio::join!(two.append(0, id, at(4), &one), two.append(1, id, at(4), &other));
            let (kept, refused) = match (first, second) {
                (Ok(_), Err(refused)) => (one, refused),
                (Err(refused), Ok(_)) => (other, refused),
                both => panic!("{both:?}"),
            };
            assert!(matches!(refused, Error::ChunkOutOfOrder { .. } | Error::UploadTakenOver(_)), "{refused:?}");
            let content = [b"head", &kept[..], b"end", &round.to_le_bytes()].concat();
            for process in [0, 1] {
                assert_eq!(two.offset(process, id).await.unwrap(), 4 + kept.len() as u64);
            }
            two.finish(round % 3 % 2, id, &content, &content[4 + kept.len()..]).await.unwrap();
        }
        assert!(two.storage.uploads().await.unwrap().is_empty());
    }

    async fn a_session_that_another_process_continued_is_claimed_back_at_its_new_offset(two: Two) {
        let id = two.start(0).await;
        assert_eq!(two.append(0, id, STREAM, b"one ").await.unwrap(), 4);
        assert_eq!(two.append(1, id, at(4), b"two ").await.unwrap(), 8);
        match two.append(0, id, at(4), b"two again").await {
            Err(Error::ChunkOutOfOrder { start: 4, offset: 8, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(two.append(0, id, at(8), b"three").await.unwrap(), 13);
        assert!(matches!(two.append(1, id, at(8), b"x").await, Err(Error::ChunkOutOfOrder { offset: 13, .. })));
        two.finish(1, id, b"one two three", b"").await.unwrap();
        assert!(matches!(two.append(0, id, at(13), b"x").await, Err(Error::UploadUnknown(_))));
        assert!(matches!(two.finish(0, id, b"one two three", b"").await, Err(Error::UploadUnknown(_))));
    }

    async fn each_request_of_a_push_may_come_to_another_process(two: Two) {
        for bytes in [&b"all of it"[..], b""] {
            let id = two.start(0).await;
            assert_eq!(two.append(1, id, STREAM, bytes).await.unwrap(), bytes.len() as u64);
            two.finish(0, id, bytes, b"").await.unwrap();
            let id = two.start(1).await;
            two.finish(0, id, b"at once", b"at once").await.unwrap();
        }
    }

    async fn a_request_in_progress_loses_the_session_to_another_process(two: Two) {
        let id = two.start(0).await;
        two.append(0, id, at(0), b"kept, ").await.unwrap();
        let (sender, slow) = slow_body();
        let older = {
            let registry = two.registries[0].clone();
            tokio::spawn(async move { registry.repository(&app()).append(id, STREAM, slow).await })
        };
        sender.send(b"never acknowledged").await;
        assert_eq!(two.append(1, id, at(6), b"and continued").await.unwrap(), 19);
        drop(sender);
        assert!(matches!(older.await.unwrap(), Err(Error::UploadTakenOver(taken)) if taken == id));
        two.finish(0, id, b"kept, and continued elsewhere", b" elsewhere").await.unwrap();
    }

    async fn a_chunk_at_a_wrong_offset_takes_nothing_over(two: Two) {
        let id = two.start(0).await;
        let (sender, slow) = slow_body();
        let writer = {
            let registry = two.registries[0].clone();
            tokio::spawn(async move { registry.repository(&app()).append(id, STREAM, slow).await })
        };
        sender.send(b"undisturbed").await;
        let misplaced = two.append(1, id, at(3), b"x").await;
        assert!(matches!(misplaced, Err(Error::ChunkOutOfOrder { offset: 0, .. })), "{misplaced:?}");
        drop(sender);
        assert_eq!(writer.await.unwrap().unwrap().offset, 11);
    }

    async fn a_session_of_a_killed_process_continues_in_the_other_one(two: Two) {
        let id = two.start(0).await;
        two.append(0, id, STREAM, b"acknowledged").await.unwrap();
        let (sender, slow) = slow_body();
        let killed = {
            let registry = two.registries[0].clone();
            tokio::spawn(async move { registry.repository(&app()).append(id, STREAM, slow).await })
        };
        sender.send(b", and lost").await;
        // The process ends: nobody hears of this request again.
        killed.abort();
        std::mem::forget(sender);
        assert_eq!(two.offset(1, id).await.unwrap(), 12);
        assert_eq!(two.append(1, id, at(12), b" and ").await.unwrap(), 17);
        two.finish(1, id, b"acknowledged and kept", b"kept").await.unwrap();
        assert!(two.storage.uploads().await.unwrap().is_empty());
    }

    async fn a_cancelled_session_ends_for_the_process_that_writes_to_it(two: Two) {
        let id = two.start(0).await;
        let (sender, slow) = slow_body();
        let writer = {
            let registry = two.registries[0].clone();
            tokio::spawn(async move { registry.repository(&app()).append(id, STREAM, slow).await })
        };
        sender.send(b"never kept").await;
        two.registries[1].repository(&app()).cancel_upload(id).await.unwrap();
        drop(sender);
        assert!(matches!(writer.await.unwrap(), Err(Error::UploadTakenOver(_))));
        for process in [0, 1] {
            assert!(matches!(two.offset(process, id).await, Err(Error::UploadUnknown(_))));
        }
        assert!(two.storage.uploads().await.unwrap().is_empty());
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// A chunk at the session's offset, of so many bytes.
    Append(usize),
    /// A last chunk of so many bytes.
    Finish(usize),
    /// The end of the session with a digest that is wrong.
    Mistake(usize),
    Cancel,
    /// A garbage collection to which each session is too old.
    Expire,
    /// No request to this process.
    Wait,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (0..5_000_usize).prop_map(Operation::Append),
        3 => (0..5_000_usize).prop_map(Operation::Finish),
        2 => (0..5_000_usize).prop_map(Operation::Mistake),
        1 => Just(Operation::Cancel),
        1 => Just(Operation::Expire),
        3 => Just(Operation::Wait),
    ]
}

/// What a request did, if it succeeded.
#[derive(Debug)]
enum Done {
    Appended(Vec<u8>),
    Finished(Vec<u8>),
    Cancelled,
    Nothing,
}

/// Sends a request of a client that knows what was acknowledged until now. No two requests bring the same bytes.
async fn request(
    two: &Two,
    process: usize,
    id: UploadId,
    kept: &[u8],
    operation: Operation,
    step: u8,
) -> Done {
    let (registry, app, start) = (&two.registries[process], app(), kept.len() as u64);
    let repository = registry.repository(&app);
    let bytes = |length| vec![step * 2 + process as u8; length];
    let refusal = |error| match error {
        Error::ChunkOutOfOrder { .. } | Error::UploadTakenOver(_) | Error::UploadUnknown(_) => Done::Nothing,
        error => panic!("{error:?}"),
    };
    match operation {
        Operation::Append(length) => {
            let bytes = bytes(length);
            let appended = repository.append(id, at(start), body(&bytes)).await;
            appended.map_or_else(refusal, |status| {
                assert_eq!(status.offset, start + bytes.len() as u64);
                Done::Appended(bytes)
            })
        }
        Operation::Finish(length) => {
            let content = [kept, &bytes(length)[..]].concat();
            let rest = body(&content[kept.len()..]);
            let finished = repository.finish_upload(id, sha256(&content), at(start), rest).await;
            finished.map_or_else(refusal, |()| Done::Finished(content))
        }
        Operation::Mistake(length) => {
            let wrong = sha256(b"something else");
            match repository.finish_upload(id, wrong, at(start), body(&bytes(length))).await {
                Err(Error::DigestMismatch { .. }) => Done::Nothing,
                finished => finished.map_or_else(refusal, |()| panic!("a wrong digest was accepted")),
            }
        }
        Operation::Cancel => repository.cancel_upload(id).await.map_or_else(refusal, |()| Done::Cancelled),
        Operation::Expire => {
            registry.expire_uploads().await.unwrap();
            Done::Nothing
        }
        Operation::Wait => Done::Nothing,
    }
}

/// Runs the two processes' requests of each step at once on one new session. Returns the blob, if the session became
/// one.
async fn race(two: &Two, steps: &[[Operation; 2]]) -> Option<Vec<u8>> {
    let id = two.start(0).await;
    // A session's bytes begin with its id, so that no two sessions make the same blob.
    let mut kept = id.to_string().into_bytes();
    two.append(1, id, at(0), &kept).await.unwrap();
    for (step, operations) in (0..).zip(steps) {
        let done = tokio::join!(
            request(two, 0, id, &kept, operations[0], step),
            request(two, 1, id, &kept, operations[1], step)
        );
        let expires = operations.iter().any(|operation| matches!(operation, Operation::Expire));
        let mut ended = matches!(done.0, Done::Cancelled) || matches!(done.1, Done::Cancelled);
        match done {
            (Done::Finished(content), Done::Nothing) | (Done::Nothing, Done::Finished(content)) => {
                assert!(two.storage.uploads().await.unwrap().is_empty());
                return Some(content);
            }
            // Both ask for the same blob, and both get it.
            (Done::Finished(content), Done::Finished(same)) if content == same => return Some(content),
            (Done::Appended(bytes), Done::Nothing | Done::Cancelled)
            | (Done::Nothing | Done::Cancelled, Done::Appended(bytes)) => kept.extend(bytes),
            (Done::Nothing | Done::Cancelled, Done::Nothing | Done::Cancelled) => {}
            // An empty chunk changes nothing, so another one at the same offset follows it.
            (Done::Appended(empty), Done::Appended(bytes))
            | (Done::Appended(bytes), Done::Appended(empty))
                if empty.is_empty() =>
            {
                kept.extend(bytes);
            }
            (Done::Finished(content), Done::Appended(empty))
            | (Done::Appended(empty), Done::Finished(content))
                if empty.is_empty() =>
            {
                return Some(content);
            }
            both => panic!("both of {operations:?} succeeded: {both:?}"),
        }
        for process in [0, 1] {
            match two.offset(process, id).await {
                Ok(offset) if !ended => assert_eq!(offset, kept.len() as u64, "{operations:?}"),
                Err(Error::UploadUnknown(_)) if ended || expires => ended = true,
                other => panic!("{operations:?}: {other:?}"),
            }
        }
        if ended {
            assert!(two.storage.uploads().await.unwrap().is_empty());
            return None;
        }
    }
    for process in [0, 1] {
        let finished = two.finish(process, id, &kept, b"").await;
        assert_eq!(finished.is_ok(), process == 0, "{finished:?}");
    }
    Some(kept)
}

fn hold(two: &Two, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec([operation(), operation()], 1..8);
    let blobs = std::cell::Cell::new(0);
    let ran = TestRunner::new(config).run(&steps, |steps| {
        if let Some(content) = runtime.block_on(race(two, &steps)) {
            blobs.set(blobs.get() + 1);
            runtime.block_on(async {
                for process in [0, 1] {
                    two.renew(process).await;
                    two.expect_blob(process, &content).await;
                }
            });
        }
        Ok(())
    });
    ran.unwrap();
    let blobs = blobs.get();
    assert!(blobs > 0);
    let files = blob_files(two.folder.path()).len();
    assert!(files == 0 || files == blobs, "{files} files of {blobs} blobs");
}

fn expiring() -> RegistryOptions {
    RegistryOptions { upload_expire: Duration::ZERO, ..options() }
}

#[test]
fn however_requests_to_two_processes_race_no_byte_is_lost_or_mixed_in_memory() {
    let two = Two::over(tempfile::tempdir().unwrap(), Arc::new(MemoryStorage::default()), &expiring());
    hold(&two, 100);
}

#[test]
fn however_requests_to_two_processes_race_no_byte_is_lost_or_mixed_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(FsStorage::open(folder.path()).unwrap());
    hold(&Two::over(folder, storage, &expiring()), 60);
}

/// A storage that stops before or after it publishes an upload, until it may go on.
#[derive(Debug)]
struct Stopping {
    inner: Arc<dyn Storage>,
    after: bool,
    reached: Notify,
    goes_on: Notify,
}

impl Stopping {
    async fn stop(&self) {
        self.reached.notify_one();
        self.goes_on.notified().await;
    }
}

#[async_trait::async_trait]
impl Storage for Stopping {
    fn fence(&self, id: UploadId) -> Fence {
        self.inner.fence(id)
    }

    async fn open_upload(&self, owner: &Owner, offset: u64) -> hythe_storage::Result<Arc<dyn Upload>> {
        self.inner.open_upload(owner, offset).await
    }

    async fn adopt_upload(
        &self,
        owner: &Owner,
        file: &Path,
    ) -> hythe_storage::Result<std::io::Result<Adopted>> {
        self.inner.adopt_upload(owner, file).await
    }

    async fn publish(&self, owner: &Owner, digest: &Digest) -> hythe_storage::Result<()> {
        if !self.after {
            self.stop().await;
        }
        let published = self.inner.publish(owner, digest).await;
        if self.after {
            self.stop().await;
        }
        published
    }

    async fn unpublish(&self, owner: &Owner, digest: &Digest) -> hythe_storage::Result<()> {
        self.inner.unpublish(owner, digest).await
    }

    async fn remove_upload(&self, id: UploadId) -> hythe_storage::Result<()> {
        self.inner.remove_upload(id).await
    }

    async fn uploads(&self) -> hythe_storage::Result<Vec<UploadId>> {
        self.inner.uploads().await
    }

    async fn open_blob(&self, key: &BlobKey) -> hythe_storage::Result<Option<Arc<dyn Content>>> {
        self.inner.open_blob(key).await
    }

    async fn remove_blob(&self, key: &BlobKey) -> hythe_storage::Result<()> {
        self.inner.remove_blob(key).await
    }

    async fn probe(&self) -> hythe_storage::Result<()> {
        self.inner.probe().await
    }
}

/// What the other process does while one is about to make the session a blob.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Continue,
    FinishTheSame,
    Cancel,
}

async fn take_over_an_end(two: &Two, after: bool, meanwhile: Meanwhile) {
    let (reached, goes_on) = (Notify::new(), Notify::new());
    let stopping = Arc::new(Stopping { inner: Arc::clone(&two.storage), after, reached, goes_on });
    let storage: Arc<dyn Storage> = Arc::<Stopping>::clone(&stopping);
    let slow = registry(two.folder.path(), &storage, options());
    let kept = slow.clone();
    let id = two.start(1).await;
    let head = id.to_string().into_bytes();
    let start = head.len() as u64;
    two.append(1, id, at(0), &head).await.unwrap();
    let content = [&head[..], b" and the end"].concat();
    let ending = {
        let digest = sha256(&content);
        tokio::spawn(async move {
            slow.repository(&app()).finish_upload(id, digest, at(start), body(b" and the end")).await
        })
    };
    stopping.reached.notified().await;
    let ended = match meanwhile {
        Meanwhile::Continue => {
            let offset = two.append(0, id, at(start), b", continued").await.unwrap();
            assert_eq!(offset, start + 11);
            false
        }
        Meanwhile::FinishTheSame => {
            two.finish(0, id, &content, b" and the end").await.unwrap();
            true
        }
        Meanwhile::Cancel => {
            two.registries[0].repository(&app()).cancel_upload(id).await.unwrap();
            true
        }
    };
    stopping.goes_on.notify_one();
    let refused = ending.await.unwrap();
    match refused {
        Err(Error::UploadTakenOver(_)) => {}
        // The session has become exactly the blob that this request asked for.
        Ok(()) if after && matches!(meanwhile, Meanwhile::FinishTheSame) => {}
        refused => panic!("{after}, {meanwhile:?}: {refused:?}"),
    }
    if !ended {
        let content = [&head[..], b", continued, and ended"].concat();
        two.finish(0, id, &content, b", and ended").await.unwrap();
    }
    if matches!(meanwhile, Meanwhile::FinishTheSame) {
        two.expect_blob(0, &content).await;
    }
    assert!(two.storage.uploads().await.unwrap().is_empty(), "{after}, {meanwhile:?}");
    let key = BlobKey { digest: sha256(&content), generation: id };
    let is_there = two.storage.open_blob(&key).await.unwrap().is_some();
    assert_eq!(is_there, matches!(meanwhile, Meanwhile::FinishTheSame), "{after}, {meanwhile:?}");
    // A catalog that is closed waits for the open transactions of other readers.
    two.renew(0).await;
    drop(kept);
}

on_both! {
    async fn a_session_is_taken_over_while_it_becomes_a_blob_and_nothing_is_lost(two: Two) {
        for after in [false, true] {
            for meanwhile in [Meanwhile::Continue, Meanwhile::FinishTheSame, Meanwhile::Cancel] {
                take_over_an_end(&two, after, meanwhile).await;
            }
        }
    }
}

/// The changes of upload rows since the last call: what changed, under which epoch.
fn changes(catalog: &rusqlite::Connection) -> Vec<(String, i64)> {
    let mut all = catalog.prepare("SELECT change, epoch FROM changed ORDER BY rowid").unwrap();
    let changes = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let changes = changes.map(|change| change.unwrap()).collect();
    catalog.execute("DELETE FROM changed", []).unwrap();
    changes
}

#[tokio::test]
async fn a_push_that_stays_in_one_process_claims_nothing() {
    let two = Two::fs();
    let catalog = rusqlite::Connection::open(two.folder.path().join("catalog.sqlite")).unwrap();
    let count = "CREATE TABLE changed (change TEXT, epoch INTEGER);
        CREATE TRIGGER a AFTER INSERT ON upload BEGIN INSERT INTO changed VALUES ('start', NEW.epoch); END;
        CREATE TRIGGER b AFTER UPDATE OF byte_offset ON upload BEGIN
            INSERT INTO changed VALUES ('save', NEW.epoch); END;
        CREATE TRIGGER c AFTER UPDATE OF named ON upload BEGIN INSERT INTO changed VALUES ('name', NEW.epoch); END;
        CREATE TRIGGER d AFTER UPDATE OF epoch ON upload BEGIN INSERT INTO changed VALUES ('claim', NEW.epoch); END;
        CREATE TRIGGER e AFTER UPDATE OF expired ON upload BEGIN INSERT INTO changed VALUES ('end', NEW.epoch); END;
        CREATE TRIGGER f AFTER DELETE ON upload BEGIN INSERT INTO changed VALUES ('delete', OLD.epoch); END;";
    catalog.execute_batch(count).unwrap();
    let changed = |expected: &[(&str, i64)]| {
        let expected: Vec<_> =
            expected.iter().map(|(change, epoch)| ((*change).to_owned(), *epoch)).collect();
        assert_eq!(changes(&catalog), expected);
    };
    let (registry, app) = (&two.registries[0], app());
    registry.repository(&app).push_blob(sha256(b"at once"), None, body(b"at once")).await.unwrap();
    changed(&[("start", 1), ("name", 1), ("delete", 1)]);
    let id = two.start(0).await;
    two.finish(0, id, b"two requests", b"two requests").await.unwrap();
    changed(&[("start", 1), ("name", 1), ("delete", 1)]);
    let id = two.start(0).await;
    two.append(0, id, STREAM, b"three requests").await.unwrap();
    two.finish(0, id, b"three requests", b"").await.unwrap();
    changed(&[("start", 1), ("save", 1), ("name", 1), ("delete", 1)]);
    // Each change of the process costs one claim.
    let id = two.start(0).await;
    two.append(1, id, STREAM, b"elsewhere").await.unwrap();
    two.finish(0, id, b"elsewhere", b"").await.unwrap();
    changed(&[("start", 1), ("claim", 2), ("save", 2), ("claim", 3), ("name", 3), ("delete", 3)]);
}

//! The contract that every back end keeps. A new back end is one line in `back_ends!`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hythe_oci::{Algorithm, Digest, UploadId};
use hythe_storage::fs::{ALIGN, Direct, OpenError};
use hythe_storage::objects::MemoryBucket;
use hythe_storage::{
    BlobKey, Content, Error, FsStorage, MemoryStorage, ObjectStorage, Owner, Storage, Upload, WRITE, Write,
};

/// The uploads that a storage has.
async fn uploads(storage: &dyn Storage) -> Vec<UploadId> {
    storage.listing().unwrap().uploads().await.unwrap()
}

/// The owner of the first claim, as a new upload has.
fn owner(storage: &dyn Storage, id: UploadId) -> Owner {
    storage.fence(id).owned_by(1)
}

async fn open(storage: &dyn Storage, id: UploadId, offset: u64) -> Result<Arc<dyn Upload>, Error> {
    storage.open_upload(&owner(storage, id), offset).await
}

fn is_taken<T>(outcome: Result<T, Error>) -> bool {
    outcome.err().is_some_and(|error| matches!(error, Error::UploadTaken { .. }))
}

/// All bytes of a blob.
async fn read(content: &dyn Content) -> Bytes {
    content.read(0, content.size() as usize).await.unwrap()
}

/// All bytes of a blob that must exist.
async fn read_blob(storage: &dyn Storage, key: &BlobKey) -> Bytes {
    read(&*storage.open_blob(key).await.unwrap().unwrap()).await
}

async fn write(upload: &dyn Upload, offset: u64, bytes: &'static [u8]) {
    upload.write(offset, vec![Bytes::from_static(bytes)]).await.unwrap();
}

async fn push(storage: &dyn Storage, content: &'static [u8]) -> BlobKey {
    let generation = UploadId::random();
    let digest = Digest::of(Algorithm::Sha256, content);
    let upload = open(storage, generation, 0).await.unwrap();
    write(&*upload, 0, content).await;
    upload.sync().await.unwrap();
    storage.publish(&owner(storage, generation), &digest).await.unwrap();
    BlobKey { digest, generation }
}

async fn an_upload_becomes_the_blob_that_was_written(storage: &dyn Storage) {
    let id = UploadId::random();
    let upload = open(storage, id, 0).await.unwrap();
    write(&*upload, 0, b"hello ").await;
    write(&*upload, 6, b"world").await;
    upload.sync().await.unwrap();
    assert_eq!(upload.read(6, 100).await.unwrap(), "world");
    assert_eq!(upload.read(99, 1).await.unwrap(), "");
    let digest = Digest::of(Algorithm::Sha512, b"hello world");
    storage.publish(&owner(storage, id), &digest).await.unwrap();
    let content = storage.open_blob(&BlobKey { digest, generation: id }).await.unwrap().unwrap();
    assert_eq!((content.size(), read(&*content).await), (11, "hello world".into()));
    storage.finish_upload(&BlobKey { digest, generation: id }).await.unwrap();
    assert!(uploads(storage).await.is_empty());
}

async fn a_blob_is_read_by_ranges_and_not_beyond_its_end(storage: &dyn Storage) {
    let key = push(storage, b"hello world").await;
    let content = storage.open_blob(&key).await.unwrap().unwrap();
    for (offset, length, expected) in [(0, 5, "hello"), (6, 5, "world"), (4, 0, ""), (11, 0, "")] {
        assert_eq!(content.read(offset, length).await.unwrap(), expected);
    }
    for (offset, length) in [(6, 6), (11, 1), (100, 1)] {
        assert!(content.read(offset, length).await.is_err(), "{offset} {length}");
    }
}

async fn an_empty_upload_becomes_an_empty_blob(storage: &dyn Storage) {
    let key = push(storage, b"").await;
    assert_eq!(storage.open_blob(&key).await.unwrap().unwrap().size(), 0);
}

async fn publishing_again_is_no_error(storage: &dyn Storage) {
    let key = push(storage, b"twice").await;
    storage.publish(&owner(storage, key.generation), &key.digest).await.unwrap();
    assert_eq!(read_blob(storage, &key).await, "twice");
}

async fn publishing_an_upload_that_never_was_is_an_error(storage: &dyn Storage) {
    let digest = Digest::of(Algorithm::Sha256, b"");
    assert!(storage.publish(&owner(storage, UploadId::random()), &digest).await.is_err());
}

async fn generations_of_one_digest_are_removed_apart(storage: &dyn Storage) {
    let (first, second) = (push(storage, b"same").await, push(storage, b"same").await);
    storage.remove_blob(&first).await.unwrap();
    assert!(storage.open_blob(&first).await.unwrap().is_none());
    assert_eq!(read_blob(storage, &second).await, "same");
}

async fn blobs_are_listed_by_their_first_byte_with_every_generation(storage: &dyn Storage) {
    let mut stored = Vec::new();
    for content in [&b"same"[..], b"same", b"other", b""] {
        stored.push((push(storage, content).await, content.len() as u64));
    }
    let id = UploadId::random();
    write(&*open(storage, id, 0).await.unwrap(), 0, b"an upload is no blob").await;
    let listing = storage.blobs().unwrap();
    let mut listed = Vec::new();
    for first in 0..=u8::MAX {
        let blobs = listing.blobs(first).await.unwrap();
        assert!(blobs.iter().all(|blob| blob.key.digest.as_bytes()[0] == first));
        listed.extend(blobs.iter().map(|blob| (blob.key, blob.size)));
    }
    stored.sort_by_key(|(key, _)| (key.digest, key.generation));
    listed.sort_by_key(|(key, _)| (key.digest, key.generation));
    assert_eq!(listed, stored);
}

async fn a_quarantined_blob_is_gone_until_it_is_stored_again(storage: &dyn Storage) {
    let (damaged, other) = (push(storage, b"same").await, push(storage, b"same").await);
    storage.quarantine_blob(&damaged).await.unwrap();
    storage.quarantine_blob(&damaged).await.unwrap();
    assert!(storage.open_blob(&damaged).await.unwrap().is_none());
    assert_eq!(read_blob(storage, &other).await, "same");
    storage.remove_blob(&damaged).await.unwrap();
}

async fn an_open_blob_outlives_its_removal(storage: &dyn Storage) {
    let key = push(storage, b"still here").await;
    let content = storage.open_blob(&key).await.unwrap().unwrap();
    storage.remove_blob(&key).await.unwrap();
    storage.remove_blob(&key).await.unwrap();
    assert_eq!(read(&*content).await, "still here");
}

async fn reopening_at_an_offset_cuts_off_the_bytes_beyond(storage: &dyn Storage) {
    let id = UploadId::random();
    let upload = open(storage, id, 0).await.unwrap();
    write(&*upload, 0, b"kept, and lost").await;
    upload.flush().await.unwrap();
    drop(upload);
    let upload = open(storage, id, 4).await.unwrap();
    assert_eq!(upload.read(0, 100).await.unwrap(), "kept");
}

async fn reopening_past_the_end_says_how_many_bytes_are_left(storage: &dyn Storage) {
    let id = UploadId::random();
    let lost =
        |error: Option<Error>, at| matches!(error, Some(Error::UploadLost { found, .. }) if found == at);
    assert!(lost(open(storage, id, 1).await.err(), 0), "an unknown upload");
    let upload = open(storage, id, 0).await.unwrap();
    write(&*upload, 0, b"abc").await;
    upload.flush().await.unwrap();
    assert!(lost(open(storage, id, 4).await.err(), 3));
}

async fn removing_an_upload_forgets_it(storage: &dyn Storage) {
    let id = UploadId::random();
    open(storage, id, 0).await.unwrap();
    assert_eq!(uploads(storage).await, [id]);
    storage.remove_upload(id).await.unwrap();
    storage.remove_upload(id).await.unwrap();
    assert!(uploads(storage).await.is_empty());
    assert!(open(storage, id, 1).await.is_err());
}

async fn an_adopted_file_becomes_a_blob_and_is_never_changed(storage: &dyn Storage) {
    let Some(adoption) = storage.adoption() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("data");
    std::fs::write(&file, b"theirs").unwrap();
    let digest = Digest::of(Algorithm::Sha256, b"theirs");
    let id = UploadId::random();
    // The second adoption is the one after a kill.
    for _ in 0..2 {
        let adopted = adoption.adopt(&owner(storage, id), &file).await.unwrap().unwrap();
        assert_eq!((adopted.size, adopted.upload.read(0, 100).await.unwrap()), (6, "theirs".into()));
        adopted.upload.sync().await.unwrap();
    }
    storage.publish(&owner(storage, id), &digest).await.unwrap();
    let key = BlobKey { digest, generation: id };
    assert_eq!(read_blob(storage, &key).await, "theirs");
    storage.remove_blob(&key).await.unwrap();
    // A writer that opens the adopted upload from its start does not change the file either.
    let id = UploadId::random();
    adoption.adopt(&owner(storage, id), &file).await.unwrap().unwrap();
    write(&*open(storage, id, 0).await.unwrap(), 0, b"ours").await;
    assert_eq!(std::fs::read(&file).unwrap(), b"theirs");
}

async fn a_missing_file_is_not_adopted(storage: &dyn Storage) {
    let Some(adoption) = storage.adoption() else { return };
    let folder = tempfile::tempdir().unwrap();
    let adopted =
        adoption.adopt(&owner(storage, UploadId::random()), &folder.path().join("data")).await.unwrap();
    assert!(adopted.is_none());
    assert!(uploads(storage).await.is_empty());
}

async fn chunks_of_every_length_and_alignment_read_back(storage: &dyn Storage) {
    let id = UploadId::random();
    let upload = open(storage, id, 0).await.unwrap();
    // Each chunk's distance from an aligned address and its length: some fit a direct write, others do not.
    let writes: [&[(usize, usize)]; 6] = [
        &[(0, WRITE), (0, WRITE), (1, WRITE), (0, WRITE)],
        &[(0, WRITE), (0, 1000)],
        &[(0, WRITE), (0, WRITE - 1000)],
        &[(0, WRITE)],
        &[],
        &[(0, 4097), (3, 1)],
    ];
    let mut all = Vec::new();
    for chunks in writes {
        let offset = all.len() as u64;
        let chunks = chunks.iter().map(|&(shift, length)| {
            let seed = all.len();
            let content = (0..length).map(|at| (at * 31 + seed * 7 + at / 1000) as u8);
            let mut memory = vec![0; length + 2 * ALIGN];
            let start = memory.as_ptr().align_offset(ALIGN) + shift;
            memory.splice(start..start + length, content);
            all.extend_from_slice(&memory[start..start + length]);
            Bytes::from(memory).slice(start..start + length)
        });
        let chunks: Vec<_> = chunks.collect();
        upload.write(offset, chunks).await.unwrap();
    }
    upload.sync().await.unwrap();
    assert!(upload.read(0, all.len() + 1).await.unwrap() == all);
}

/// Bytes that show by a count whether they were dropped.
struct Held {
    _by: Arc<()>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        b"three"
    }
}

async fn writes_are_taken_one_after_the_other_when_the_one_before_is_done(storage: &dyn Storage) {
    let id = UploadId::random();
    let upload = open(storage, id, 0).await.unwrap();
    let held = Arc::new(());
    let of_writes = Arc::clone(&held);
    let writes = (0..10).map(move |number| {
        assert_eq!(Arc::strong_count(&of_writes), 2, "the chunks of the write before are dropped");
        let chunk = || Bytes::from_owner(Held { _by: Arc::clone(&of_writes) });
        Write { offset: number * 10, chunks: vec![chunk(), chunk()] }
    });
    upload.write_all(Box::new(writes)).await.unwrap();
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(upload.read(0, 1000).await.unwrap(), "three".repeat(20));
}

async fn a_newer_owner_fences_the_earlier_ones_off(storage: &dyn Storage) {
    let (id, digest) = (UploadId::random(), Digest::of(Algorithm::Sha256, b"abXY"));
    let first = owner(storage, id);
    let earlier = storage.open_upload(&first, 0).await.unwrap();
    write(&*earlier, 0, b"abc").await;
    earlier.flush().await.unwrap();
    let second = storage.fence(id).owned_by(2);
    let newer = storage.open_upload(&second, 2).await.unwrap();
    assert!(is_taken(earlier.write(3, vec![Bytes::from_static(b"def")]).await));
    assert!(is_taken(storage.publish(&first, &digest).await));
    assert!(is_taken(storage.open_upload(&first, 0).await));
    assert_eq!(newer.read(0, 100).await.unwrap(), "ab");
    write(&*newer, 2, b"XY").await;
    newer.sync().await.unwrap();
    storage.publish(&second, &digest).await.unwrap();
    assert!(is_taken(storage.unpublish(&first, &digest).await));
    assert_eq!(read_blob(storage, &BlobKey { digest, generation: id }).await, "abXY");
}

async fn an_owner_that_claims_early_and_comes_late_changes_nothing(storage: &dyn Storage) {
    let (id, digest) = (UploadId::random(), Digest::of(Algorithm::Sha256, b"content"));
    drop(open(storage, id, 0).await.unwrap());
    let late = storage.fence(id).owned_by(2);
    // A newer owner comes first, and is gone already.
    let newer = storage.fence(id).owned_by(3);
    let upload = storage.open_upload(&newer, 0).await.unwrap();
    write(&*upload, 0, b"content").await;
    upload.sync().await.unwrap();
    storage.publish(&newer, &digest).await.unwrap();
    storage.finish_upload(&BlobKey { digest, generation: id }).await.unwrap();
    drop((newer, upload));
    assert!(is_taken(storage.unpublish(&late, &digest).await));
    assert!(is_taken(storage.open_upload(&late, 0).await));
    if let Some(adoption) = storage.adoption() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(is_taken(adoption.adopt(&late, file.path()).await));
    }
    assert_eq!(read_blob(storage, &BlobKey { digest, generation: id }).await, "content");
    assert!(uploads(storage).await.is_empty());
}

async fn a_removed_upload_has_no_owner(storage: &dyn Storage) {
    let (id, digest) = (UploadId::random(), Digest::of(Algorithm::Sha256, b"abc"));
    let last = owner(storage, id);
    let upload = storage.open_upload(&last, 0).await.unwrap();
    write(&*upload, 0, b"abc").await;
    storage.remove_upload(id).await.unwrap();
    assert!(is_taken(upload.write(3, vec![Bytes::from_static(b"def")]).await));
    assert!(is_taken(storage.open_upload(&last, 0).await));
    assert!(is_taken(storage.publish(&last, &digest).await));
    assert!(uploads(storage).await.is_empty());
}

async fn no_write_of_an_earlier_owner_lands_after_a_newer_one_has_opened_the_upload(storage: &dyn Storage) {
    for _ in 0..20 {
        let id = UploadId::random();
        let earlier = open(storage, id, 0).await.unwrap();
        write(&*earlier, 0, b"kept").await;
        earlier.flush().await.unwrap();
        let (begun, first) = std::sync::mpsc::channel();
        let piece = Bytes::from(vec![7; 100_000]);
        let endless = (0..).map(move |number| {
            begun.send(()).unwrap_or_default();
            Write { offset: 4 + number * 100_000, chunks: vec![piece.clone()] }
        });
        // On a thread of its own: the writes never end by themselves.
        let writer = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(earlier.write_all(Box::new(endless)))
        });
        first.recv().unwrap();
        let newer = storage.open_upload(&storage.fence(id).owned_by(2), 4).await.unwrap();
        assert_eq!(newer.read(0, 100).await.unwrap(), "kept");
        assert!(is_taken(writer.join().unwrap()));
        assert_eq!(newer.read(0, 100).await.unwrap(), "kept");
    }
}

async fn a_blob_that_is_turned_back_into_an_upload_continues(storage: &dyn Storage) {
    let key = push(storage, b"some bytes").await;
    // The second call is the one after a kill.
    for _ in 0..2 {
        storage.unpublish(&owner(storage, key.generation), &key.digest).await.unwrap();
        assert!(storage.open_blob(&key).await.unwrap().is_none());
    }
    let upload = open(storage, key.generation, 4).await.unwrap();
    write(&*upload, 4, b" more").await;
    upload.sync().await.unwrap();
    let digest = Digest::of(Algorithm::Sha256, b"some more");
    storage.publish(&owner(storage, key.generation), &digest).await.unwrap();
    assert_eq!(read_blob(storage, &BlobKey { digest, ..key }).await, "some more");
}

async fn a_removed_blob_is_read_only_if_it_outlives_its_removal(storage: &dyn Storage) {
    let key = push(storage, b"was here").await;
    let content = storage.open_blob(&key).await.unwrap().unwrap();
    storage.remove_blob(&key).await.unwrap();
    storage.remove_blob(&key).await.unwrap();
    assert_eq!(
        content.read(0, 8).await.ok().as_deref(),
        content.outlives_removal().then_some(&b"was here"[..])
    );
    assert!(storage.open_blob(&key).await.unwrap().is_none());
}

async fn an_open_upload_is_read_after_it_became_a_blob(storage: &dyn Storage) {
    let id = UploadId::random();
    let upload = open(storage, id, 0).await.unwrap();
    write(&*upload, 0, b"hello world").await;
    upload.sync().await.unwrap();
    let key = BlobKey { digest: Digest::of(Algorithm::Sha256, b"hello world"), generation: id };
    for step in ["published", "finished"] {
        if step == "published" {
            storage.publish(&owner(storage, id), &key.digest).await.unwrap();
        } else {
            storage.finish_upload(&key).await.unwrap();
        }
        for (offset, length, expected) in [(0, 5, "hello"), (6, 100, "world"), (11, 1, ""), (99, 1, "")] {
            assert_eq!(upload.read(offset, length).await.unwrap(), expected, "{step}");
        }
    }
}

async fn a_signed_url_names_its_blob_and_its_end(storage: &dyn Storage) {
    let Some(presigning) = storage.presigning() else { return };
    let key = push(storage, b"signed").await;
    let url = presigning.presign(&key, Duration::from_secs(90)).await.unwrap();
    assert!(url.contains(&key.digest.hex()) && url.contains(&key.generation.to_string()), "{url}");
    assert_ne!(url, presigning.presign(&key, Duration::from_secs(91)).await.unwrap());
}

async fn a_writable_back_end_probes_well(storage: &dyn Storage) {
    storage.probe().await.unwrap();
}

fn folder(direct: Direct) -> (FsStorage, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (FsStorage::open(folder.path()).unwrap().with_direct(direct), folder)
}

/// An object store in which the bytes of most tests need several parts.
fn in_small_parts() -> (ObjectStorage, ()) {
    (ObjectStorage::new(Arc::new(MemoryBucket::with_part_size(4))), ())
}

macro_rules! contract {
    ($name:ident, $open:expr, [$($test:ident),* $(,)?]) => {
        mod $name {
            $(#[tokio::test]
            async fn $test() {
                let (storage, _keep) = $open;
                super::$test(&storage).await;
            })*
        }
    };
}

macro_rules! back_ends {
    ($($name:ident: $open:expr),* $(,)?) => {
        $(contract!($name, $open, [
            an_upload_becomes_the_blob_that_was_written,
            a_blob_is_read_by_ranges_and_not_beyond_its_end,
            an_empty_upload_becomes_an_empty_blob,
            publishing_again_is_no_error,
            publishing_an_upload_that_never_was_is_an_error,
            generations_of_one_digest_are_removed_apart,
            blobs_are_listed_by_their_first_byte_with_every_generation,
            a_quarantined_blob_is_gone_until_it_is_stored_again,
            a_removed_blob_is_read_only_if_it_outlives_its_removal,
            an_open_upload_is_read_after_it_became_a_blob,
            a_blob_that_is_turned_back_into_an_upload_continues,
            a_signed_url_names_its_blob_and_its_end,
            reopening_at_an_offset_cuts_off_the_bytes_beyond,
            reopening_past_the_end_says_how_many_bytes_are_left,
            removing_an_upload_forgets_it,
            an_adopted_file_becomes_a_blob_and_is_never_changed,
            a_missing_file_is_not_adopted,
            chunks_of_every_length_and_alignment_read_back,
            writes_are_taken_one_after_the_other_when_the_one_before_is_done,
            a_newer_owner_fences_the_earlier_ones_off,
            an_owner_that_claims_early_and_comes_late_changes_nothing,
            a_removed_upload_has_no_owner,
            no_write_of_an_earlier_owner_lands_after_a_newer_one_has_opened_the_upload,
            a_writable_back_end_probes_well,
        ]);)*
    };
}

back_ends! {
    memory: (super::MemoryStorage::default(), ()),
    fs_direct: super::folder(super::Direct::Always),
    fs_cached: super::folder(super::Direct::Never),
    objects: (super::ObjectStorage::new(std::sync::Arc::<super::MemoryBucket>::default()), ()),
    objects_in_small_parts: super::in_small_parts(),
}

// In an object store, a blob cannot be read after its removal.
contract!(memory_open, (super::MemoryStorage::default(), ()), [an_open_blob_outlives_its_removal]);
contract!(fs_open, super::folder(super::Direct::Never), [an_open_blob_outlives_its_removal]);

#[tokio::test]
async fn a_folder_keeps_uploads_and_blobs_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let storage = FsStorage::open(folder.path()).unwrap();
    let key = push(&storage, b"durable").await;
    let id = UploadId::random();
    open(&storage, id, 0).await.unwrap();
    drop(storage);
    let storage = FsStorage::open(folder.path()).unwrap();
    assert_eq!(read_blob(&storage, &key).await, "durable");
    assert_eq!(uploads(&storage).await, [id]);
}

#[tokio::test]
async fn an_adopted_file_shares_its_bytes_and_a_link_to_it_is_not_adopted() {
    use std::os::unix::fs::{MetadataExt, symlink};

    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("data");
    std::fs::write(&file, b"theirs").unwrap();
    let storage = FsStorage::open(&parent.path().join("ours")).unwrap();
    let adoption = storage.adoption().unwrap();
    assert!(adoption.adopt(&owner(&storage, UploadId::random()), &file).await.unwrap().is_some());
    assert_eq!(file.metadata().unwrap().nlink(), 2);
    // A hard link to the symbolic link would point to a missing file.
    let named = parent.path().join("named");
    symlink("data", &named).unwrap();
    assert!(adoption.adopt(&owner(&storage, UploadId::random()), &named).await.unwrap().is_none());
    assert_eq!(file.metadata().unwrap().nlink(), 2);
}

/// Creates something other than a regular file at `path`.
type Other = fn(&std::path::Path);

fn make_node(path: &std::path::Path, kind: rustix::fs::FileType) {
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

const OTHERS: [(&str, Other); 4] = [
    ("a pipe", |path| make_node(path, rustix::fs::FileType::Fifo)),
    ("a socket", |path| make_node(path, rustix::fs::FileType::Socket)),
    ("a folder", |path| std::fs::create_dir(path).unwrap()),
    ("a link", |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
];

#[tokio::test]
async fn something_else_in_the_place_of_a_file_counts_as_lost_and_can_be_removed() {
    let (storage, folder) = folder(Direct::Never);
    for (what, put) in OTHERS {
        let key = push(&storage, b"content").await;
        let hex = key.digest.hex();
        let path = format!("blobs/sha256/{}/{hex}.{}", &hex[..2], key.generation);
        let path = folder.path().join(path);
        std::fs::remove_file(&path).unwrap();
        put(&path);
        assert!(storage.open_blob(&key).await.unwrap().is_none(), "{what}");
        storage.remove_blob(&key).await.unwrap();
        assert!(path.symlink_metadata().is_err(), "{what}");
        let id = UploadId::random();
        write(&*open(&storage, id, 0).await.unwrap(), 0, b"abc").await;
        let path = folder.path().join(format!("uploads/{id}"));
        std::fs::remove_file(&path).unwrap();
        put(&path);
        let error = open(&storage, id, 3).await.err();
        assert!(matches!(error, Some(Error::UploadLost { found: 0, .. })), "{what}: {error:?}");
        let adopted =
            storage.adoption().unwrap().adopt(&owner(&storage, UploadId::random()), &path).await.unwrap();
        assert!(adopted.is_none(), "{what}");
        storage.remove_upload(id).await.unwrap();
        assert!(path.symlink_metadata().is_err(), "{what}");
    }
}

#[tokio::test]
async fn an_upload_that_cannot_be_begun_says_what_is_missing() {
    let (storage, folder) = folder(Direct::Never);
    std::fs::remove_dir(folder.path().join("uploads")).unwrap();
    let error = open(&storage, UploadId::random(), 0).await.err().unwrap();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(error.to_string().contains("uploads/"), "{error}");
}

#[test]
fn a_folder_serves_one_process_at_a_time_and_the_error_names_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let _first = FsStorage::open(folder.path()).unwrap();
    let error = FsStorage::open(folder.path()).unwrap_err();
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
}

#[test]
fn a_folder_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("format"), "2\n").unwrap();
    let error = FsStorage::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(!folder.path().join("blobs").exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = FsStorage::open(&file.path().join("data")).unwrap_err();
    assert!(matches!(error, OpenError::NotWritable { .. }));
    assert!(error.to_string().contains("--data"), "{error}");
}

#[test]
fn a_folder_measures_its_volume_and_storage_in_memory_has_none() {
    let (storage, _folder) = folder(Direct::Never);
    let room = storage.volume().unwrap().room().unwrap();
    assert!(room.size > 0 && room.free <= room.size, "{room:?}");
    assert!(MemoryStorage::default().volume().is_none());
}

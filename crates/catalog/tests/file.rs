//! A catalog in a file survives restarts, and refuses files that it cannot serve from.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests: a failure is to end them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hythe_catalog::{
    BlobCommit, Catalog, Error, Expect, ManifestPush, OpenError, Origin, Pull, Reserve, Times, Upload,
    UploadSave, UploadStart,
};
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName, UploadId};
use rusqlite::Connection;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    (folder, path)
}

fn repository() -> RepositoryName {
    "library/redis".parse().unwrap()
}

fn digest() -> Digest {
    Digest::of(Algorithm::Sha256, b"{}")
}

async fn fill(catalog: &Catalog) {
    let generation = UploadId::random();
    let start = UploadStart {
        id: generation,
        repository: repository(),
        algorithm: Algorithm::Sha256,
        digest: None,
        fetch: false,
        now: 1,
    };
    catalog.start_upload(start).await.unwrap();
    let commit = BlobCommit {
        repository: repository(),
        origin: Origin::Local,
        private: false,
        digest: digest(),
        size: 2,
        generation,
        epoch: Upload::FIRST_EPOCH,
        now: 1,
    };
    catalog.commit_blob(commit).await.unwrap();
    catalog.push_manifest(manifest()).await.unwrap();
}

fn manifest() -> ManifestPush {
    ManifestPush {
        repository: repository(),
        origin: Origin::Local,
        private: false,
        digest: digest(),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: b"{}".as_slice().into(),
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs: vec![digest()],
        require_blobs: true,
        manifests: Vec::new(),
        tags: vec!["latest".parse().unwrap()],
        protected: Vec::new(),
        tagged: 1000,
        now: 1,
    }
}

async fn assert_filled(catalog: &Catalog) {
    let latest = Reference::Tag("latest".parse().unwrap());
    assert_eq!(catalog.manifest(&repository(), &latest).await.unwrap().unwrap().digest, digest());
    assert!(catalog.blob(&repository(), &digest()).await.unwrap().is_some());
}

#[tokio::test]
async fn acknowledged_writes_are_there_after_a_restart() {
    let (_folder, path) = folder();
    let catalog = Catalog::open(&path).unwrap();
    fill(&catalog).await;
    drop(catalog);
    assert_filled(&Catalog::open(&path).unwrap()).await;
}

#[tokio::test]
async fn acknowledged_writes_are_in_the_files_at_that_moment() {
    let (_folder, path) = folder();
    let catalog = Catalog::open(&path).unwrap();
    fill(&catalog).await;
    // A copy of both files while the process runs: what a kill would leave.
    let (_other, copy) = folder_with_copy_of(&path);
    assert_filled(&Catalog::open(&copy).unwrap()).await;
}

#[tokio::test]
async fn the_log_starts_over_however_much_is_written_and_read() {
    let (_folder, path) = folder();
    let catalog = Catalog::open(&path).unwrap();
    for now in 0..3000 {
        let start = UploadStart {
            id: UploadId::random(),
            repository: repository(),
            algorithm: Algorithm::Sha256,
            digest: None,
            fetch: false,
            now,
        };
        // Each session adds some pages to the log.
        catalog.start_upload(start).await.unwrap();
        // A reader's transaction stays open until the next group.
        assert_eq!(catalog.stale_uploads(now + 1, 1).await.unwrap().len(), 1);
    }
    let logged = path.with_extension("db-wal").metadata().unwrap().len();
    assert!((1 << 20..12 << 20).contains(&logged), "{logged}");
    let (_other, copy) = folder_with_copy_of(&path);
    assert_eq!(Catalog::open(&copy).unwrap().totals().await.unwrap().uploads, 3000);
}

fn folder_with_copy_of(path: &std::path::Path) -> (TempDir, PathBuf) {
    let (other, copy) = folder();
    fs::copy(path, &copy).unwrap();
    fs::copy(path.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
    (other, copy)
}

#[tokio::test]
async fn closing_finishes_the_waiting_writes_and_leaves_one_file() {
    let (folder, path) = folder();
    let catalog = Catalog::open(&path).unwrap();
    fill(&catalog).await;
    catalog.close();
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["catalog.db"]);
    let closed = Error::Unavailable("it was closed".to_owned());
    assert_eq!(catalog.ping().await.unwrap_err(), closed);
    assert_eq!(catalog.delete_upload(&UploadId::random()).await.unwrap_err(), closed);
    catalog.close();
    assert_filled(&Catalog::open(&path).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_caller_went_away_is_committed_all_the_same() {
    let (_folder, path) = folder();
    let catalog = Catalog::open(&path).unwrap();
    let id = UploadId::random();
    let start = UploadStart {
        id,
        repository: repository(),
        algorithm: Algorithm::Sha256,
        digest: None,
        fetch: false,
        now: 1,
    };
    // The future is polled once, so that the write is sent, and dropped before its answer.
    tokio::select! {
        biased;
        _ = catalog.start_upload(start) => {}
        () = std::future::ready(()) => {}
    }
    catalog.close();
    drop(catalog);
    assert!(Catalog::open(&path).unwrap().upload(&repository(), &id).await.unwrap().is_some());
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    drop(Catalog::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(&path).unwrap();
    let error = Catalog::open(&path).unwrap_err();
    let said = error.to_string();
    let OpenError::Newer { found: 99, known, .. } = error else { panic!("{said}") };
    let versions =
        format!("catalog.db has schema version 99, but this version of hythe knows versions up to {known}");
    assert!(said.contains(&versions), "{said}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// As version 5 wrote it: `pushed` was also the last use.
#[tokio::test]
async fn a_catalog_of_the_version_before_keeps_its_times() {
    let (_folder, path) = folder();
    let old = Connection::open(&path).unwrap();
    for migration in [
        include_str!("../src/sqlite/migrations/0001_initial.sql"),
        include_str!("../src/sqlite/migrations/0002_upstream.sql"),
        include_str!("../src/sqlite/migrations/0003_private.sql"),
        include_str!("../src/sqlite/migrations/0004_import.sql"),
        include_str!("../src/sqlite/migrations/0005_turns.sql"),
    ] {
        old.execute_batch(migration).unwrap();
    }
    old.execute_batch("PRAGMA application_id = 0x68797468; PRAGMA user_version = 5").unwrap();
    old.execute("INSERT INTO repository (id, name, manifests) VALUES (1, ?1, 1)", [repository().as_str()])
        .unwrap();
    let manifest = "INSERT INTO manifest (id, repository, digest, media_type, size, pushed, bytes)
        VALUES (1, 1, ?1, 'a/b', 2, 7000, x'7b7d')";
    old.execute(manifest, [digest().to_string()]).unwrap();
    old.execute("INSERT INTO tag (repository, name, manifest, updated) VALUES (1, 'latest', 1, 7000)", [])
        .unwrap();
    drop(old);

    let catalog = Catalog::open(&path).unwrap();
    let latest = Reference::Tag("latest".parse().unwrap());
    let times =
        async |catalog: &Catalog| catalog.manifest(&repository(), &latest).await.unwrap().unwrap().times;
    assert_eq!(times(&catalog).await, Times { pushed: 7000, last_use: 7000, pulled: None, tag_pulled: None });
    let pull = Pull { repository: repository(), reference: latest.clone(), of_bytes: true, at: 8000 };
    catalog.record_pulls(vec![pull]).await.unwrap();
    catalog.close();
    drop(catalog);
    let times = times(&Catalog::open(&path).unwrap()).await;
    assert_eq!((times.pulled, times.tag_pulled), (Some(8000), Some(8000)));
}

/// As version 6 wrote it: an epoch above 0 meant that the session's file may have its blob's name.
#[tokio::test]
async fn a_catalog_of_version_6_keeps_its_sessions_and_which_of_them_have_a_name() {
    let (_folder, path) = folder();
    let old = Connection::open(&path).unwrap();
    for migration in [
        include_str!("../src/sqlite/migrations/0001_initial.sql"),
        include_str!("../src/sqlite/migrations/0002_upstream.sql"),
        include_str!("../src/sqlite/migrations/0003_private.sql"),
        include_str!("../src/sqlite/migrations/0004_import.sql"),
        include_str!("../src/sqlite/migrations/0005_turns.sql"),
        include_str!("../src/sqlite/migrations/0006_times.sql"),
    ] {
        old.execute_batch(migration).unwrap();
    }
    old.execute_batch("PRAGMA application_id = 0x68797468; PRAGMA user_version = 6").unwrap();
    let sessions = [(0, None, None), (0, Some(digest()), None), (1, Some(digest()), Some(digest()))];
    let sessions = sessions.map(|(epoch, digest, named)| (UploadId::random(), epoch, digest, named));
    for (id, epoch, digest, _) in sessions {
        let digest = digest.map(|digest| digest.to_string());
        let insert =
            "INSERT INTO upload (id, repository, algorithm, byte_offset, digest, epoch, started, updated)
            VALUES (?1, ?2, 'sha256', 7, ?3, ?4, 1, 2)";
        old.execute(insert, (id.to_string(), repository().as_str(), digest, epoch)).unwrap();
    }
    drop(old);

    let catalog = Catalog::open(&path).unwrap();
    for (id, epoch, _, named) in sessions {
        let found = catalog.upload(&repository(), &id).await.unwrap().unwrap();
        assert_eq!((found.offset, found.epoch, found.named), (7, epoch, named));
        let claimed = catalog.claim_upload(&repository(), &id, Some(7), 3).await.unwrap().unwrap();
        assert_eq!((claimed.epoch, claimed.named), (epoch + 1, named));
    }
}

#[tokio::test]
async fn two_processes_see_each_others_claims_of_a_session_at_once() {
    let (_folder, path) = folder();
    let (one, two) = (Catalog::open(&path).unwrap(), Catalog::open(&path).unwrap());
    let (id, algorithm) = (UploadId::random(), Algorithm::Sha256);
    let start = UploadStart { id, repository: repository(), algorithm, digest: None, fetch: false, now: 1 };
    one.start_upload(start).await.unwrap();
    let (mut epoch, mut offset) = (Upload::FIRST_EPOCH, 0);
    for (owner, other) in [(&two, &one), (&one, &two), (&two, &one)] {
        for catalog in [owner, other] {
            let found = catalog.upload(&repository(), &id).await.unwrap().unwrap();
            assert_eq!((found.epoch, found.offset), (epoch, offset));
        }
        let claimed = owner.claim_upload(&repository(), &id, Some(offset), 2).await.unwrap().unwrap();
        let save = |epoch| UploadSave {
            id,
            epoch,
            from: offset,
            offset: offset + 5,
            algorithm,
            state: None,
            now: 3,
        };
        assert!(!other.save_upload(save(epoch)).await.unwrap(), "the earlier owner");
        assert!(owner.save_upload(save(claimed.epoch)).await.unwrap());
        (epoch, offset) = (claimed.epoch, offset + 5);
    }
}

#[test]
fn a_damaged_file_is_refused_by_name() {
    let (_folder, path) = folder();
    fs::write(&path, "not a database, but long enough to look like one could be in it. ".repeat(100))
        .unwrap();
    let error = Catalog::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("catalog.db is damaged (file is not a database)"), "{error}");
}

#[tokio::test]
async fn a_file_whose_first_page_is_torn_is_refused() {
    let (_folder, path) = folder();
    let catalog = Catalog::open(&path).unwrap();
    fill(&catalog).await;
    drop(catalog);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100..4096].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = Catalog::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_lost_its_end_is_refused() {
    let (_folder, path) = folder();
    let catalog = Catalog::open(&path).unwrap();
    fill(&catalog).await;
    drop(catalog);
    let whole = fs::metadata(&path).unwrap().len();
    File::options().write(true).open(&path).and_then(|file| file.set_len(whole - 4096)).unwrap();
    let error = Catalog::open(&path).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn damage_that_a_read_or_a_write_finds_is_named_with_the_command_that_repairs_it() {
    let (folder, path) = folder();
    fill(&Catalog::open(&path).unwrap()).await;
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'tag'";
    let connection = Connection::open(&path).unwrap();
    let page: i64 = connection.query_row(root, [], |row| row.get(0)).unwrap();
    drop(connection);
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 4096], (page.cast_unsigned() - 1) * 4096).unwrap();
    assert!(matches!(Catalog::examine(&path), Err(OpenError::Damaged { .. })));
    let catalog = Catalog::open(&path).unwrap();
    let read = catalog.tags(&repository(), None, 10).await.unwrap_err();
    let written = catalog.delete_tag(&repository(), &"v1".parse().unwrap(), 1).await.unwrap_err();
    for error in [read, written] {
        assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
        let command = format!("`hythe recover --data {}`", folder.path().display());
        assert!(error.to_string().contains(&command), "{error}");
    }
}

#[tokio::test]
async fn a_catalog_that_is_whole_is_examined_without_a_change() {
    let (_folder, path) = folder();
    fill(&Catalog::open(&path).unwrap()).await;
    let before = fs::read(&path).unwrap();
    assert_eq!(Catalog::examine(&path), Ok(()));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_catalog_that_must_exist_is_not_created() {
    let (_folder, path) = folder();
    let open = || Catalog::open_with(&path, Expect::Catalog, None);
    let missing = OpenError::Missing { path: path.clone() };
    assert_eq!(open().unwrap_err(), missing);
    assert!(!path.exists());
    fs::write(&path, "").unwrap();
    assert_eq!(open().unwrap_err(), missing);
    // A database without tables is not a catalog either.
    Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
    assert_eq!(open().unwrap_err(), missing);
    fs::remove_file(&path).unwrap();
    fill(&Catalog::open(&path).unwrap()).await;
    assert_filled(&open().unwrap()).await;
}

#[tokio::test]
async fn a_write_that_would_be_lost_with_a_removed_file_is_not_acknowledged() {
    for of in ["catalog.db", "catalog.db-wal"] {
        let (folder, path) = folder();
        let catalog = Catalog::open(&path).unwrap();
        fill(&catalog).await;
        let (file, away) = (folder.path().join(of), folder.path().join("away"));
        fs::rename(&file, &away).unwrap();
        for _ in 0..2 {
            let refused = catalog.delete_manifest(&repository(), &digest()).await.unwrap_err().to_string();
            assert!(refused.contains(&format!("{of} was removed or replaced")), "{refused}");
            // In the second round another file lies in its place.
            fs::write(&file, "").unwrap();
        }
        fs::rename(&away, &file).unwrap();
        assert!(catalog.delete_manifest(&repository(), &digest()).await.unwrap());
    }
}

/// A reserve that only remembers whether it was given up.
#[derive(Debug, Default)]
struct Kept(AtomicU32);

impl Reserve for Kept {
    fn is_whole(&self) -> bool {
        self.take_back()
    }

    fn give_up(&self) -> bool {
        self.0.fetch_or(1, Ordering::Relaxed);
        true
    }

    fn take_back(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn returned(&self) {}
}

#[tokio::test]
async fn while_the_reserve_is_given_up_no_manifest_takes_its_room() {
    let (_folder, path) = folder();
    let reserve = Arc::new(Kept::default());
    let given: Arc<dyn Reserve> = Arc::<Kept>::clone(&reserve);
    let catalog = Catalog::open_with(&path, Expect::Anything, Some(given)).unwrap();
    fill(&catalog).await;
    reserve.give_up();
    assert_eq!(catalog.push_manifest(manifest()).await.unwrap_err(), Error::NoSpace);
    assert!(catalog.delete_manifest(&repository(), &digest()).await.unwrap());
    reserve.0.store(0, Ordering::Relaxed);
    catalog.push_manifest(manifest()).await.unwrap();
}

#[test]
fn the_database_of_another_program_is_refused_and_left_alone() {
    let (_folder, path) = folder();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1;")
        .unwrap();
    let before = fs::read(&path).unwrap();
    let error = Catalog::open(&path).unwrap_err();
    assert!(error.to_string().contains("it is the database of another program"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_missing_folder_is_named_in_the_error() {
    let (folder, _) = folder();
    let error = Catalog::open(&folder.path().join("nowhere/catalog.db")).unwrap_err();
    let said = error.to_string();
    assert!(said.contains("nowhere/catalog.db cannot be opened: unable to open database file"), "{said}");
}

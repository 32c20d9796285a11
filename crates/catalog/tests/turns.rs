//! A manifest with thousands of references behaves like any other manifest, and no other write waits long for it.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests: a failure is to end them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hythe_catalog::{
    BlobCommit, Catalog, Cause, Cleared, Deletion, ManifestPush, ManifestPushed, Origin, Purged, Totals,
    Upload, UploadStart,
};
use hythe_oci::{Algorithm, Digest, ImagePattern, Reference, RepositoryName, UploadId};
use rusqlite::Connection;
use tempfile::TempDir;

/// How many blobs the manifests reference. A manifest of 4 MiB can reference more, but the tests would only take
/// longer.
const MANY: usize = 10_000;

fn catalog() -> (TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    let catalog = Catalog::open(&folder.path().join("catalog.db")).unwrap();
    (folder, catalog)
}

fn name() -> RepositoryName {
    "a".parse().unwrap()
}

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

fn blobs() -> Vec<Digest> {
    (0..MANY).map(|number| digest(&format!("blob {number}"))).collect()
}

fn manifest(content: &'static str, blobs: Vec<Digest>) -> ManifestPush {
    ManifestPush {
        repository: name(),
        origin: Origin::Local,
        private: false,
        digest: digest(content),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: content.as_bytes().into(),
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs,
        require_blobs: false,
        manifests: Vec::new(),
        tags: vec!["v1".parse().unwrap(), "v2".parse().unwrap()],
        protected: Vec::new(),
        tagged: 1000,
        now: 1000,
    }
}

/// Makes the repository have the first `count` of the manifests' blobs.
async fn push_blobs(catalog: &Catalog, origin: &Origin, count: usize) {
    for digest in blobs().into_iter().take(count) {
        let id = UploadId::random();
        let (repository, algorithm) = (name(), Algorithm::Sha256);
        let start = UploadStart { id, repository, algorithm, digest: None, fetch: false, now: 1 };
        catalog.start_upload(start).await.unwrap();
        let commit = BlobCommit {
            repository: name(),
            origin: origin.clone(),
            private: false,
            digest,
            size: 1,
            generation: id,
            epoch: Upload::FIRST_EPOCH,
            now: 1,
        };
        catalog.commit_blob(commit).await.unwrap();
    }
}

/// Runs `work`, and counts how many writes of another client are answered meanwhile, one after the other.
async fn answered_beside<T>(catalog: &Catalog, work: impl Future<Output = T>) -> (T, usize) {
    let ended = Arc::new(AtomicBool::new(false));
    let others = tokio::spawn({
        let (catalog, ended) = (catalog.clone(), Arc::clone(&ended));
        async move {
            let mut answered = 0;
            while !ended.load(Ordering::Relaxed) {
                let id = UploadId::random();
                let start = UploadStart {
                    id,
                    repository: "other".parse().unwrap(),
                    algorithm: Algorithm::Sha256,
                    digest: None,
                    fetch: false,
                    now: 1,
                };
                catalog.start_upload(start).await.unwrap();
                catalog.delete_upload(&id).await.unwrap();
                answered += 2;
            }
            answered
        }
    });
    let outcome = work.await;
    ended.store(true, Ordering::Relaxed);
    (outcome, others.await.unwrap())
}

/// How many writes must be answered meanwhile: fewer than the manifest has turns, because some may lose a race.
const TURNS: usize = MANY / 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_writes_are_answered_while_a_manifest_of_many_references_comes_and_goes() {
    let (_folder, catalog) = catalog();
    let push = || catalog.push_manifest(manifest("{}", blobs()));
    let (pushed, beside) = answered_beside(&catalog, push()).await;
    assert_eq!(pushed.unwrap(), ManifestPushed::Stored { missing: blobs() });
    assert!(beside >= TURNS, "{beside} while it was pushed");
    let (pushed, beside) = answered_beside(&catalog, push()).await;
    assert!(matches!(pushed.unwrap(), ManifestPushed::Stored { .. }) && beside >= TURNS, "{beside} again");
    let (deleted, beside) = answered_beside(&catalog, catalog.delete_manifest(&name(), &digest("{}"))).await;
    assert!(deleted.unwrap() && beside >= TURNS, "{beside} while it was deleted");
    assert_eq!(catalog.totals().await.unwrap(), Totals::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_writes_are_answered_while_a_copy_of_such_a_manifest_is_cleared() {
    let upstream = Origin::Upstream("up.example".to_owned());
    for by_tag in [false, true] {
        let (_folder, catalog) = catalog();
        push_blobs(&catalog, &upstream, 300).await;
        catalog
            .push_manifest(ManifestPush { origin: upstream.clone(), ..manifest("{}", blobs()) })
            .await
            .unwrap();
        let pattern: ImagePattern = "a:v*".parse().unwrap();
        let clear = async {
            if by_tag {
                catalog.clear_tags(&name(), &pattern).await
            } else {
                catalog.clear_copy(&name()).await
            }
        };
        let (cleared, beside) = answered_beside(&catalog, clear).await;
        let expected = Cleared { copies: 1, tags: 2, manifests: 1, blobs: 300, bytes: 302 };
        assert_eq!(cleared.unwrap(), expected, "by tag: {by_tag}");
        assert!(beside >= TURNS, "{beside}");
        assert_eq!(catalog.totals().await.unwrap(), Totals::default());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_writes_are_answered_while_such_untagged_manifests_are_removed() {
    let (_folder, catalog) = catalog();
    for content in ["{}", "{ }", "{  }"] {
        catalog.push_manifest(ManifestPush { tags: Vec::new(), ..manifest(content, blobs()) }).await.unwrap();
    }
    let remove = async {
        let removed = catalog.delete_untagged(2000, None, 3000).await.unwrap();
        (removed, catalog.purge_deleted(i64::MAX, i64::MAX, None, 10).await.unwrap().manifests)
    };
    let (removed, beside) = answered_beside(&catalog, remove).await;
    assert_eq!(removed, (3, 3));
    assert!(beside >= TURNS, "{beside}");
    assert_eq!(catalog.totals().await.unwrap(), Totals::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_writes_are_answered_while_a_manifest_with_many_tags_is_deleted() {
    let (_folder, catalog) = catalog();
    for batch in 0..MANY / 100 {
        let tags = (0..100).map(|tag| format!("v{batch}.{tag}").parse().unwrap()).collect();
        catalog.push_manifest(ManifestPush { tags, ..manifest("{}", Vec::new()) }).await.unwrap();
    }
    let (deleted, beside) = answered_beside(&catalog, catalog.delete_manifest(&name(), &digest("{}"))).await;
    assert!(deleted.unwrap() && beside >= TURNS, "{beside}");
    assert_eq!(catalog.totals().await.unwrap(), Totals::default());
}

#[tokio::test]
async fn such_a_manifest_is_found_by_its_tags_and_keeps_its_blobs() {
    let (_folder, catalog) = catalog();
    push_blobs(&catalog, &Origin::Local, 300).await;
    let stored = catalog.push_manifest(manifest("{}", blobs())).await.unwrap();
    assert_eq!(stored, ManifestPushed::Stored { missing: blobs().split_off(300) });
    for reference in ["v1".parse().unwrap(), "v2".parse().unwrap(), Reference::Digest(digest("{}"))] {
        let head = catalog.manifest(&name(), &reference).await.unwrap().unwrap();
        assert_eq!((head.digest, head.size, head.times.pushed), (digest("{}"), 2, 1000));
    }
    assert_eq!(catalog.manifest_bytes(&name(), &digest("{}")).await.unwrap().as_deref(), Some(&b"{}"[..]));
    assert_eq!(catalog.collect(i64::MAX, None, 1000).await.unwrap().links, 0);
    assert_eq!(catalog.blob(&name(), &blobs()[7]).await.unwrap().unwrap().last_use, 1000);
    let before = catalog.totals().await.unwrap();
    catalog.push_manifest(manifest("{}", blobs())).await.unwrap();
    assert_eq!(catalog.totals().await.unwrap(), before, "the second push changes nothing");
    assert!(catalog.delete_manifest(&name(), &digest("{}")).await.unwrap());
    assert!(!catalog.delete_manifest(&name(), &digest("{}")).await.unwrap());
    assert_eq!(catalog.tags(&name(), None, 10).await.unwrap(), Some(Vec::new()));
    assert_eq!(catalog.collect(i64::MAX, None, 1000).await.unwrap().links, 300);
    assert_eq!(catalog.totals().await.unwrap(), Totals::default());
}

#[tokio::test]
async fn such_a_manifest_that_lacks_required_blobs_leaves_nothing_behind() {
    let (_folder, catalog) = catalog();
    let refused =
        catalog.push_manifest(ManifestPush { require_blobs: true, ..manifest("{}", blobs()) }).await;
    assert_eq!(refused.unwrap(), ManifestPushed::BlobsUnknown(blobs()));
    assert_eq!(catalog.provenance(&name()).await.unwrap(), None);
    assert_eq!(catalog.totals().await.unwrap(), Totals::default());
}

/// How many manifests are hidden: being stored or removed.
fn hidden(folder: &TempDir) -> u32 {
    let connection = Connection::open(folder.path().join("catalog.db")).unwrap();
    let sql = "SELECT count(*) FROM manifest WHERE repository = 0";
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn such_a_manifest_pushed_again_leaves_nothing_behind() {
    let (folder, catalog) = catalog();
    for _ in 0..2 {
        let pushed = catalog.push_manifest(manifest("{}", blobs())).await.unwrap();
        assert!(matches!(pushed, ManifestPushed::Stored { .. }));
        assert_eq!(hidden(&folder), 0);
    }
}

#[tokio::test]
async fn such_a_manifest_whose_last_turn_fails_leaves_nothing_behind() {
    let (folder, catalog) = catalog();
    Connection::open(folder.path().join("catalog.db"))
        .unwrap()
        .execute_batch(
            "CREATE TRIGGER no BEFORE UPDATE ON manifest WHEN NEW.repository > 0
            BEGIN SELECT RAISE(ABORT, 'not today'); END",
        )
        .unwrap();
    let error = catalog.push_manifest(manifest("{}", blobs())).await.unwrap_err();
    assert!(error.to_string().contains("not today"), "{error}");
    assert_eq!((hidden(&folder), catalog.totals().await.unwrap()), (0, Totals::default()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn such_a_manifest_is_stored_though_its_client_goes_away() {
    let (folder, catalog) = catalog();
    push_blobs(&catalog, &Origin::Local, 1).await;
    let push = tokio::spawn({
        let catalog = catalog.clone();
        async move { catalog.push_manifest(manifest("{}", blobs())).await }
    });
    while catalog.blob(&name(), &blobs()[0]).await.unwrap().unwrap().last_use == 1 {
        tokio::task::yield_now().await;
    }
    push.abort();
    let stored = async {
        while catalog.manifest(&name(), &"v1".parse::<Reference>().unwrap()).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), stored).await.unwrap();
    assert_eq!(hidden(&folder), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn such_a_manifest_that_came_in_part_is_not_visible_and_is_removed() {
    let (folder, catalog) = catalog();
    push_blobs(&catalog, &Origin::Local, 300).await;
    let push = tokio::spawn({
        let catalog = catalog.clone();
        async move { catalog.push_manifest(manifest("{}", blobs())).await }
    });
    // The push has begun when it has used the first blob.
    while catalog.blob(&name(), &blobs()[0]).await.unwrap().unwrap().last_use == 1 {
        tokio::task::yield_now().await;
    }
    // As if the server ended in the middle: nothing more is written.
    catalog.close();
    let aborted = push.await.unwrap().is_err();
    drop(catalog);
    let catalog = Catalog::open(&folder.path().join("catalog.db")).unwrap();
    assert_eq!(
        catalog.manifest(&name(), &"v1".parse::<Reference>().unwrap()).await.unwrap().is_none(),
        aborted
    );
    catalog.clear_hidden(1000).await.unwrap();
    catalog.collect(i64::MAX, None, 1000).await.unwrap();
    assert!(
        catalog.blob(&name(), &blobs()[0]).await.unwrap().is_some(),
        "the blobs of a push that may go on are kept"
    );
    catalog.clear_hidden(1001).await.unwrap();
    if aborted {
        catalog.collect(i64::MAX, None, 1000).await.unwrap();
        assert_eq!(catalog.totals().await.unwrap(), Totals::default());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn such_a_manifest_is_deleted_restored_and_purged_while_other_writes_are_answered() {
    let (folder, catalog) = catalog();
    push_blobs(&catalog, &Origin::Local, 300).await;
    catalog.push_manifest(manifest("{}", blobs())).await.unwrap();
    let deletion = Deletion { at: 2000, cause: Cause::Client };
    let delete = async || catalog.withdraw_manifest(&name(), &digest("{}"), deletion).await.unwrap();
    assert!(delete().await);
    let restored = catalog.restore_manifest(&name(), &digest("{}"), 3000).await.unwrap().unwrap();
    assert_eq!((restored.manifests, restored.tags.len(), restored.missing.len()), (1, 2, 100));
    assert!(delete().await);
    let purge = catalog.purge_deleted(i64::MAX, i64::MAX, None, 10);
    let (purged, beside) = answered_beside(&catalog, purge).await;
    assert_eq!(purged.unwrap(), Purged { manifests: 1, links: 300, blobs: 300, bytes: 300 });
    assert!(beside >= TURNS, "{beside} while it was purged");
    assert_eq!(hidden(&folder), 0);
    catalog.forget_past_tags(i64::MAX).await.unwrap();
    assert_eq!(catalog.totals().await.unwrap(), Totals::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_of_such_a_manifest_that_a_kill_interrupted_is_finished_later() {
    let (folder, catalog) = catalog();
    push_blobs(&catalog, &Origin::Local, 300).await;
    catalog.push_manifest(manifest("{}", blobs())).await.unwrap();
    let deletion = Deletion { at: 2000, cause: Cause::Client };
    catalog.withdraw_manifest(&name(), &digest("{}"), deletion).await.unwrap();
    let purge = tokio::spawn({
        let catalog = catalog.clone();
        async move { catalog.purge_deleted(i64::MAX, i64::MAX, None, 10).await }
    });
    // The purge has begun when the manifest can no longer be restored.
    while !catalog.deleted_manifests(None, None, 1).await.unwrap_or_default().is_empty() {
        tokio::task::yield_now().await;
    }
    catalog.close();
    let _ = purge.await;
    drop(catalog);
    let catalog = Catalog::open(&folder.path().join("catalog.db")).unwrap();
    assert_eq!(catalog.restore_manifest(&name(), &digest("{}"), 3000).await.unwrap(), None);
    catalog.clear_hidden(0).await.unwrap();
    catalog.collect(i64::MAX, None, 1000).await.unwrap();
    catalog.forget_past_tags(i64::MAX).await.unwrap();
    assert_eq!((hidden(&folder), catalog.totals().await.unwrap()), (0, Totals::default()));
    assert_eq!(catalog.provenance(&name()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_of_a_manifest_of_many_tags_that_a_kill_interrupted_leaves_it_all_its_tags() {
    let (folder, catalog) = catalog();
    let tags = (0..700).map(|number| format!("t{number:03}").parse().unwrap()).collect();
    catalog.push_manifest(ManifestPush { tags, ..manifest("{}", Vec::new()) }).await.unwrap();
    catalog.push_manifest(ManifestPush { tags: Vec::new(), ..manifest("{ }", Vec::new()) }).await.unwrap();
    let path = folder.path().join("catalog.db");
    let execute = |sql: &str| Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    // The last turn fails, as it does in a process that is killed before.
    execute("CREATE TRIGGER killed BEFORE INSERT ON deleted BEGIN SELECT RAISE(ABORT, 'killed'); END");
    let deletion = Deletion { at: 2000, cause: Cause::Client };
    assert!(catalog.withdraw_manifest(&name(), &digest("{}"), deletion).await.is_err());
    assert!(catalog.totals().await.unwrap().tags < 700);
    // Meanwhile a client moved one of the tags that are removed.
    let moved = ManifestPush { tags: vec!["t000".parse().unwrap()], ..manifest("{ }", Vec::new()) };
    catalog.push_manifest(moved).await.unwrap();
    catalog.close();
    drop(catalog);
    execute("DROP TRIGGER killed");
    let catalog = Catalog::open(&path).unwrap();
    catalog.undo_withdrawals(3000).await.unwrap();
    assert_eq!(catalog.totals().await.unwrap().tags, 700);
    for (tag, names) in [("t000", "{ }"), ("t001", "{}"), ("t699", "{}")] {
        let head = catalog.manifest(&name(), &tag.parse::<Reference>().unwrap()).await.unwrap();
        assert_eq!(head.map(|head| head.digest), Some(digest(names)), "{tag}");
    }
    // A deletion that ends leaves nothing to undo.
    assert!(catalog.withdraw_manifest(&name(), &digest("{}"), deletion).await.unwrap());
    catalog.undo_withdrawals(4000).await.unwrap();
    assert_eq!(catalog.totals().await.unwrap().tags, 1);
    let restored = catalog.restore_manifest(&name(), &digest("{}"), 5000).await.unwrap().unwrap();
    assert_eq!(restored.tags.len(), 699);
}

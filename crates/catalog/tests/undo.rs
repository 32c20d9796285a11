//! What was deleted can be restored, until it is purged. Each test runs against a catalog in a file and one in memory.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests: a failure is to end them.

use bytes::Bytes;
use hythe_catalog::{
    BlobCommit, Catalog, Cause, Collected, DeletedTotal, Deletion, ManifestPush, ManifestPushed, Origin,
    PastTag, PastTags, Promise, Purged, RestoredTag, Totals, Upload, UploadStart, Visible,
};
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName, Tag, UploadId};

/// Runs each test once per kind of catalog.
macro_rules! contract {
    ($($sentence:ident),* $(,)?) => {
        mod file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                let folder = tempfile::tempdir().unwrap();
                super::$sentence(super::Catalog::open(&folder.path().join("catalog.db")).unwrap()).await;
            })*
        }
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $sentence() {
                super::$sentence(super::Catalog::in_memory().unwrap()).await;
            })*
        }
    };
}

contract![
    a_deleted_manifest_is_in_no_read_and_comes_back_whole,
    a_tag_that_names_something_else_by_now_is_left_alone,
    a_manifest_with_more_tags_than_one_write_removes_comes_back_with_all,
    an_index_comes_back_with_its_entries_and_the_signatures_that_were_deleted_after_it,
    a_push_of_a_deleted_manifest_stores_it_and_leaves_nothing_to_restore,
    what_a_copy_loses_is_not_kept,
    a_purge_takes_the_oldest_deletions_with_the_blobs_that_only_they_need,
    a_client_is_told_to_send_a_purged_blob_again,
    a_removed_tag_names_its_manifest_again,
    a_moved_tag_is_moved_back_only_on_request,
    a_tag_keeps_its_newest_hundred_manifests_for_a_time,
    deleted_content_counts_as_unused_when_it_can_no_longer_be_restored,
];

fn a() -> RepositoryName {
    "a".parse().unwrap()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

fn by_digest(content: &str) -> Reference {
    Reference::Digest(digest(content))
}

async fn push_blob(catalog: &Catalog, content: &str, now: i64) {
    let (generation, digest) = (UploadId::random(), digest(content));
    let start = UploadStart {
        id: generation,
        repository: a(),
        algorithm: Algorithm::Sha256,
        digest: None,
        fetch: false,
        now,
    };
    catalog.start_upload(start).await.unwrap();
    let commit = BlobCommit {
        repository: a(),
        origin: Origin::Local,
        private: false,
        digest,
        size: content.len() as u64,
        generation,
        epoch: Upload::FIRST_EPOCH,
        now,
    };
    catalog.commit_blob(commit).await.unwrap();
}

/// A manifest of repository `a` whose bytes are `content`.
fn manifest(content: &str, blobs: &[&str], tags: &[&str]) -> ManifestPush {
    ManifestPush {
        repository: a(),
        origin: Origin::Local,
        private: false,
        digest: digest(content),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: Bytes::copy_from_slice(content.as_bytes()),
        artifact_type: None,
        annotations: Some("{}".to_owned()),
        subject: None,
        blobs: blobs.iter().map(|blob| digest(blob)).collect(),
        require_blobs: true,
        manifests: Vec::new(),
        tags: tags.iter().map(|name| tag(name)).collect(),
        protected: Vec::new(),
        tagged: 1000,
        now: 1000,
    }
}

async fn push(catalog: &Catalog, manifest: ManifestPush) {
    assert_eq!(catalog.push_manifest(manifest).await.unwrap(), ManifestPushed::Stored { missing: vec![] });
}

/// Deletes the manifest at `at`, as a client does.
async fn delete(catalog: &Catalog, content: &str, at: i64) {
    let deletion = Deletion { at, cause: Cause::Client };
    assert!(catalog.withdraw_manifest(&a(), &digest(content), deletion).await.unwrap());
}

async fn is_here(catalog: &Catalog, content: &str) -> bool {
    catalog.manifest(&a(), &by_digest(content)).await.unwrap().is_some()
}

async fn named(catalog: &Catalog, name: &str) -> Option<Digest> {
    let head = catalog.manifest(&a(), &Reference::Tag(tag(name))).await.unwrap();
    head.map(|head| head.digest)
}

async fn removed_tags(catalog: &Catalog) -> Vec<PastTag> {
    catalog.past_tags(PastTags::Removed(Some(a())), None, 100).await.unwrap()
}

async fn history(catalog: &Catalog, name: &str) -> Vec<PastTag> {
    catalog.past_tags(PastTags::History(a(), Some(tag(name))), None, 1000).await.unwrap()
}

async fn a_deleted_manifest_is_in_no_read_and_comes_back_whole(catalog: Catalog) {
    push_blob(&catalog, "layer", 1).await;
    push(&catalog, manifest("image", &["layer"], &["v1", "v2"])).await;
    push(&catalog, ManifestPush { subject: Some(digest("image")), ..manifest("signature", &[], &[]) }).await;
    let before = catalog.manifest(&a(), &by_digest("signature")).await.unwrap().unwrap();
    let rows = catalog.stored_manifests(0, 1 << 20).await.unwrap();
    for content in ["image", "signature"] {
        delete(&catalog, content, 2000).await;
        let again = Deletion { at: 2001, cause: Cause::Client };
        assert!(!catalog.withdraw_manifest(&a(), &digest(content), again).await.unwrap());
    }

    assert!(!is_here(&catalog, "image").await);
    assert_eq!((named(&catalog, "v1").await, named(&catalog, "v2").await), (None, None));
    assert_eq!(catalog.manifest_bytes(&a(), &digest("image")).await.unwrap(), None);
    assert_eq!(catalog.tags(&a(), None, 10).await.unwrap(), Some(vec![]));
    assert_eq!(catalog.repositories(None, 10, &Visible::all()).await.unwrap(), []);
    assert_eq!(catalog.referrers(&a(), &digest("image"), None, None, 10).await.unwrap().0, []);
    assert_eq!(catalog.stored_manifests(0, 1 << 20).await.unwrap(), []);
    assert_eq!(catalog.images_of(rows[0].id, 10).await.unwrap(), []);
    assert_eq!(catalog.dependants(&digest("layer"), 10).await.unwrap(), []);
    assert_eq!(catalog.totals().await.unwrap(), Totals { blobs: 1, bytes: 5, ..Totals::default() });
    assert!(!catalog.touch_manifest(&a(), &digest("image"), 3000).await.unwrap());

    // Neither the collector nor the cleaning after a crash takes it.
    catalog.clear_hidden(i64::MAX).await.unwrap();
    assert_eq!(catalog.collect(i64::MAX, None, 100).await.unwrap(), Collected::default());
    let deleted = catalog.deleted_manifests(Some(a()), None, 10).await.unwrap();
    let [signature, image] = &deleted[..] else { panic!("{deleted:?}") };
    assert_eq!((signature.digest, image.digest), (digest("signature"), digest("image")));
    assert_eq!((image.bytes, image.at, image.cause), (10, 2000, Cause::Client));
    assert_eq!((&image.tags[..], image.tag_count), (&[tag("v1"), tag("v2")][..], 2));
    assert_eq!(
        catalog.deleted_manifests(None, Some(signature.id), 10).await.unwrap(),
        std::slice::from_ref(image)
    );
    let other = Some("b".parse().unwrap());
    assert_eq!(catalog.deleted_manifests(other, None, 10).await.unwrap(), []);

    let restored = catalog.restore_manifest(&a(), &digest("image"), 3000).await.unwrap().unwrap();
    assert_eq!((restored.manifests, restored.taken, restored.missing), (2, vec![], vec![]));
    assert_eq!(restored.tags, [tag("v1"), tag("v2")]);
    assert_eq!(named(&catalog, "v1").await, Some(digest("image")));
    assert_eq!(catalog.manifest_bytes(&a(), &digest("image")).await.unwrap().unwrap(), "image");
    assert_eq!(catalog.referrers(&a(), &digest("image"), None, None, 10).await.unwrap().0.len(), 1);
    let after = catalog.manifest(&a(), &by_digest("signature")).await.unwrap().unwrap();
    assert_eq!((after.media_type, after.times.pushed), (before.media_type, 1000));
    assert_eq!(after.times.last_use, 3000, "a restored manifest counts as used");
    assert_eq!(catalog.deleted_manifests(None, None, 10).await.unwrap(), []);
    assert_eq!((removed_tags(&catalog).await, history(&catalog, "v1").await), (vec![], vec![]));
    assert_eq!(catalog.restore_manifest(&a(), &digest("image"), 3000).await.unwrap(), None);
    let totals = Totals { repositories: 1, manifests: 2, tags: 2, blobs: 1, bytes: 5, uploads: 0 };
    assert_eq!(catalog.totals().await.unwrap(), totals);
}

async fn a_tag_that_names_something_else_by_now_is_left_alone(catalog: Catalog) {
    push(&catalog, manifest("old", &[], &["v1", "latest"])).await;
    delete(&catalog, "old", 2000).await;
    push(&catalog, ManifestPush { now: 2500, tagged: 2500, ..manifest("new", &[], &["latest"]) }).await;
    let restored = catalog.restore_manifest(&a(), &digest("old"), 3000).await.unwrap().unwrap();
    assert_eq!(restored.tags, [tag("v1")]);
    assert_eq!(restored.taken, [(tag("latest"), digest("new"))]);
    assert_eq!(named(&catalog, "latest").await, Some(digest("new")));
    let past = history(&catalog, "latest").await;
    assert_eq!(past.iter().map(|past| past.digest).collect::<Vec<_>>(), [digest("old")]);
    assert_eq!((past[0].until, past[0].current, past[0].is_deleted), (2000, Some(digest("new")), false));
}

async fn a_manifest_with_more_tags_than_one_write_removes_comes_back_with_all(catalog: Catalog) {
    let names: Vec<String> = (0..600).map(|number| format!("t{number:03}")).collect();
    let tags: Vec<&str> = names.iter().map(String::as_str).collect();
    push(&catalog, manifest("image", &[], &tags)).await;
    delete(&catalog, "image", 2000).await;
    assert_eq!(catalog.tags(&a(), None, 1000).await.unwrap(), None, "the repository holds nothing else");
    let deleted = catalog.deleted_manifests(None, None, 10).await.unwrap();
    assert_eq!((deleted[0].tag_count, deleted[0].tags.len()), (600, 100));
    let restored = catalog.restore_manifest(&a(), &digest("image"), 3000).await.unwrap().unwrap();
    assert_eq!((restored.tags.len(), restored.taken.len()), (600, 0));
    assert_eq!(catalog.tags(&a(), None, 1000).await.unwrap().unwrap().len(), 600);
}

async fn an_index_comes_back_with_its_entries_and_the_signatures_that_were_deleted_after_it(
    catalog: Catalog,
) {
    let of =
        |content, subject| ManifestPush { subject: Some(digest(subject)), ..manifest(content, &[], &[]) };
    push(&catalog, manifest("entry", &[], &[])).await;
    push(&catalog, ManifestPush { manifests: vec![digest("entry")], ..manifest("index", &[], &["v1"]) })
        .await;
    push(&catalog, of("signature", "index")).await;
    push(&catalog, of("signature of the entry", "entry")).await;
    push(&catalog, of("withdrawn signature", "index")).await;
    delete(&catalog, "withdrawn signature", 1500).await;
    delete(&catalog, "index", 2000).await;
    assert_eq!(catalog.delete_untagged(i64::MAX, None, 2100).await.unwrap(), 2, "the entry and a signature");
    assert_eq!(catalog.delete_untagged(i64::MAX, None, 2200).await.unwrap(), 1, "the entry's signature");
    let restored = catalog.restore_manifest(&a(), &digest("index"), 3000).await.unwrap().unwrap();
    assert_eq!(
        (restored.manifests, &restored.tags[..], &restored.missing[..]),
        (4, &[tag("v1")][..], &[][..])
    );
    for content in ["index", "entry", "signature", "signature of the entry"] {
        assert!(is_here(&catalog, content).await, "{content}");
    }
    assert!(!is_here(&catalog, "withdrawn signature").await);
    assert_eq!(
        catalog.delete_untagged(3000, None, 3001).await.unwrap(),
        0,
        "what was restored was used then"
    );
}

async fn a_push_of_a_deleted_manifest_stores_it_and_leaves_nothing_to_restore(catalog: Catalog) {
    push_blob(&catalog, "layer", 1).await;
    push(&catalog, manifest("image", &["layer"], &["v1", "v2"])).await;
    delete(&catalog, "image", 2000).await;
    push(&catalog, ManifestPush { now: 2500, tagged: 2500, ..manifest("image", &["layer"], &["v1"]) }).await;
    assert_eq!(catalog.deleted_manifests(None, None, 10).await.unwrap(), []);
    assert_eq!(catalog.restore_manifest(&a(), &digest("image"), 3000).await.unwrap(), None);
    assert_eq!((named(&catalog, "v1").await, named(&catalog, "v2").await), (Some(digest("image")), None));
    assert_eq!(catalog.totals().await.unwrap().manifests, 1);
    let purged = catalog.purge_deleted(i64::MAX, i64::MAX, None, 10).await.unwrap();
    assert_eq!((purged, is_here(&catalog, "image").await), (Purged::default(), true));
    // The tag that did not come again is still known.
    let restored = catalog.restore_tag(&a(), &tag("v2"), None, 3000).await.unwrap();
    assert!(matches!(restored, RestoredTag::Restored(named, _) if named == digest("image")), "{restored:?}");
}

async fn what_a_copy_loses_is_not_kept(catalog: Catalog) {
    let origin = Origin::Upstream("up.example".to_owned());
    let copied = |content, tags: &[&str]| ManifestPush {
        origin: origin.clone(),
        require_blobs: false,
        ..manifest(content, &[], tags)
    };
    push(&catalog, copied("old", &["v1"])).await;
    push(&catalog, copied("new", &["v1"])).await;
    delete(&catalog, "old", 2000).await;
    assert!(catalog.delete_tag(&a(), &tag("v1"), 2000).await.unwrap());
    delete(&catalog, "new", 2000).await;
    assert!(!catalog.repository_exists(&a()).await.unwrap());
    assert_eq!(catalog.restore_manifest(&a(), &digest("old"), 3000).await.unwrap(), None);
    assert_eq!(catalog.restore_tag(&a(), &tag("v1"), None, 3000).await.unwrap(), RestoredTag::Unknown);
}

async fn a_purge_takes_the_oldest_deletions_with_the_blobs_that_only_they_need(catalog: Catalog) {
    let long: Vec<String> = (0..150).map(|number| format!("blob {number}")).collect();
    for content in long.iter().map(String::as_str).chain(["one", "two", "shared", "fresh"]) {
        push_blob(&catalog, content, if content == "fresh" { 5000 } else { 1 }).await;
    }
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    for (content, blobs) in
        [("first", &["one", "shared", "fresh"][..]), ("second", &["two"]), ("long", &long)]
    {
        push(&catalog, ManifestPush { now: 1, ..manifest(content, blobs, &["v1"]) }).await;
    }
    push(&catalog, ManifestPush { now: 1, ..manifest("live", &["shared"], &[]) }).await;
    // The clock was set back in between.
    for (content, at) in [("second", 3000), ("first", 2000), ("long", 4000)] {
        delete(&catalog, content, at).await;
    }
    let purge = async |before, most| catalog.purge_deleted(before, 5000, None, most).await.unwrap();
    assert_eq!(purge(2000, 10).await, Purged::default(), "the grace period is not over");
    let first = Purged { manifests: 1, links: 1, blobs: 1, bytes: 3 };
    assert_eq!(purge(i64::MAX, 1).await, first, "neither the shared blob nor the one that was used lately");
    assert_eq!(catalog.restore_manifest(&a(), &digest("first"), 5000).await.unwrap(), None);
    assert_eq!(
        catalog.restore_tag(&a(), &tag("v1"), Some(digest("first")), 5000).await.unwrap(),
        RestoredTag::Unknown
    );
    assert_eq!(purge(4000, 10).await, Purged { manifests: 1, links: 1, blobs: 1, bytes: 3 });
    let bytes = long.iter().map(|content| content.len() as u64).sum();
    assert_eq!(purge(i64::MAX, 10).await, Purged { manifests: 1, links: 150, blobs: 150, bytes });
    assert_eq!(catalog.doomed(None, 1000).await.unwrap().len(), 152);
    assert_eq!(purge(i64::MAX, 10).await, Purged::default());
    assert!(catalog.blob(&a(), &digest("fresh")).await.unwrap().is_some());
    assert_eq!(catalog.collect(i64::MAX, None, 1000).await.unwrap().links, 1);
    assert!(catalog.blob(&a(), &digest("shared")).await.unwrap().is_some());
}

async fn a_client_is_told_to_send_a_purged_blob_again(catalog: Catalog) {
    for (content, now) in [("relied on", 600), ("long unused", 1)] {
        push_blob(&catalog, content, now).await;
    }
    push(&catalog, ManifestPush { now: 1, ..manifest("image", &["relied on", "long unused"], &[]) }).await;
    delete(&catalog, "image", 700).await;
    let promise = Promise { since: 500, now: 1000 };
    let purged = catalog.purge_deleted(i64::MAX, i64::MAX, Some(promise), 10).await.unwrap();
    assert_eq!((purged.manifests, purged.blobs), (1, 2));
    assert!(catalog.blob(&a(), &digest("relied on")).await.unwrap().is_none());
    let sparse =
        |content, blobs: &[&str]| ManifestPush { require_blobs: false, ..manifest(content, blobs, &[]) };
    let refused = ManifestPushed::BlobsUnknown(vec![digest("relied on")]);
    let other = sparse("other", &["relied on", "long unused"]);
    assert_eq!(catalog.push_manifest(other).await.unwrap(), refused);
    assert_eq!(catalog.push_manifest(sparse("image", &["relied on", "long unused"])).await.unwrap(), refused);
}

async fn a_removed_tag_names_its_manifest_again(catalog: Catalog) {
    push(&catalog, manifest("image", &[], &["v1", "v2"])).await;
    assert!(catalog.delete_tag(&a(), &tag("v1"), 2000).await.unwrap());
    let past = removed_tags(&catalog).await;
    let [last] = &past[..] else { panic!("{past:?}") };
    assert_eq!((&last.tag, last.digest, last.since, last.until), (&tag("v1"), digest("image"), 1000, 2000));
    assert_eq!((last.current, last.is_deleted), (None, false));
    // The manifest is deleted after its tag, and comes back with it.
    delete(&catalog, "image", 2500).await;
    assert_eq!(removed_tags(&catalog).await.iter().map(|past| past.is_deleted).collect::<Vec<_>>(), [true]);
    let restored = catalog.restore_tag(&a(), &tag("v1"), None, 3000).await.unwrap();
    let RestoredTag::Restored(named_now, restored) = restored else { panic!("{restored:?}") };
    assert_eq!((named_now, restored.manifests), (digest("image"), 1));
    assert_eq!(restored.tags, [tag("v2"), tag("v1")]);
    assert_eq!(named(&catalog, "v1").await, Some(digest("image")));
    assert_eq!((removed_tags(&catalog).await, history(&catalog, "v1").await), (vec![], vec![]));
    let exists = RestoredTag::Exists(digest("image"));
    assert_eq!(catalog.restore_tag(&a(), &tag("v1"), None, 3000).await.unwrap(), exists);
    assert_eq!(catalog.restore_tag(&a(), &tag("v3"), None, 3000).await.unwrap(), RestoredTag::Unknown);
    let nowhere = "b".parse().unwrap();
    assert_eq!(catalog.restore_tag(&nowhere, &tag("v1"), None, 3000).await.unwrap(), RestoredTag::Unknown);
}

async fn a_moved_tag_is_moved_back_only_on_request(catalog: Catalog) {
    for (content, now) in [("one", 1000), ("two", 2000), ("two", 2500), ("three", 3000)] {
        push(&catalog, ManifestPush { now, tagged: now, ..manifest(content, &[], &["latest"]) }).await;
    }
    let past = history(&catalog, "latest").await;
    let of = |past: &PastTag| (past.digest, past.since, past.until);
    assert_eq!(
        past.iter().map(of).collect::<Vec<_>>(),
        [(digest("two"), 2500, 3000), (digest("one"), 1000, 2000)]
    );
    assert_eq!(
        catalog.past_tags(PastTags::History(a(), None), Some(past[0].id), 10).await.unwrap(),
        past[1..]
    );
    assert_eq!(removed_tags(&catalog).await, []);
    let back = async |to| catalog.restore_tag(&a(), &tag("latest"), to, 4000).await.unwrap();
    assert_eq!(back(None).await, RestoredTag::Exists(digest("three")));
    assert_eq!(back(Some(digest("never"))).await, RestoredTag::Unknown);
    // A tag that never was is not moved back, so a slip in its name makes no tag.
    let never = catalog.restore_tag(&a(), &tag("lastest"), Some(digest("one")), 4000).await.unwrap();
    assert_eq!((never, named(&catalog, "lastest").await), (RestoredTag::Unknown, None));
    // The manifest that the tag goes back to was deleted meanwhile.
    delete(&catalog, "one", 3500).await;
    assert!(
        matches!(back(Some(digest("one"))).await, RestoredTag::Restored(_, restored) if restored.manifests == 1)
    );
    assert_eq!(named(&catalog, "latest").await, Some(digest("one")));
    assert_eq!(history(&catalog, "latest").await[0].digest, digest("three"), "the way forward");
}

async fn a_tag_keeps_its_newest_hundred_manifests_for_a_time(catalog: Catalog) {
    for number in 0..=110 {
        push(&catalog, ManifestPush { now: number, ..manifest(&format!("{number}"), &[], &["latest"]) })
            .await;
    }
    let past = history(&catalog, "latest").await;
    assert_eq!((past.len(), past[0].digest, past[99].digest), (100, digest("109"), digest("10")));
    catalog.forget_past_tags(101).await.unwrap();
    let past = history(&catalog, "latest").await;
    assert_eq!((past.len(), past[9].until), (10, 101));
    // A repository is forgotten with the last thing in it, and its history is such a thing.
    for number in 0..=110 {
        delete(&catalog, &number.to_string(), 2000).await;
    }
    catalog.purge_deleted(i64::MAX, i64::MAX, None, 1000).await.unwrap();
    assert_eq!(history(&catalog, "latest").await, [], "what is gone for good is not listed");
    assert!(!catalog.repository_exists(&a()).await.unwrap());
    assert!(catalog.provenance(&a()).await.unwrap().is_some());
    catalog.forget_past_tags(i64::MAX).await.unwrap();
    assert_eq!(catalog.provenance(&a()).await.unwrap(), None);
}

async fn deleted_content_counts_as_unused_when_it_can_no_longer_be_restored(catalog: Catalog) {
    for content in ["own", "shared"] {
        push_blob(&catalog, content, 1).await;
    }
    push(&catalog, ManifestPush { now: 1, ..manifest("image", &["own", "shared"], &[]) }).await;
    push(&catalog, ManifestPush { now: 1, ..manifest("live", &["shared"], &[]) }).await;
    assert_eq!(catalog.deleted_total(0).await.unwrap(), DeletedTotal::default());
    delete(&catalog, "image", 2000).await;
    let total = DeletedTotal { manifests: 1, blobs: 1, bytes: 3, last: Some(2000) };
    assert_eq!(catalog.deleted_total(2000).await.unwrap(), total);
    assert_eq!(catalog.deleted_total(2001).await.unwrap(), DeletedTotal::default());
    assert_eq!(catalog.unused(2000).await.unwrap().due.blobs, 0);
    let unused = catalog.unused(2001).await.unwrap();
    assert_eq!((unused.due.blobs, unused.due.bytes, unused.waiting.blobs), (1, 3, 0));
}

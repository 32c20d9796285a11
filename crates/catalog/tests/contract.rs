//! The contract of every catalog. Each test below runs against a catalog in a file and one in memory.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests: a failure is to end them.

use std::sync::Arc;

use bytes::Bytes;
use hythe_catalog::{
    AgedManifest, AgedTag, Amount, Blob, BlobCommit, BlobFile, Catalog, Cause, Cleared, Collected,
    CopySummary, Deletion, EndedUpload, Error, ManifestDeleted, ManifestPush, ManifestPushed, MountFrom,
    Origin, Origins, Promise, Protects, Provenance, Pull, Purged, Times, Totals, Untagged, Unused, Upload,
    UploadSave, UploadStart, Visible,
};
use hythe_oci::{Algorithm, Digest, ImagePattern, Reference, RepositoryName, Tag, UploadId};

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
    a_new_catalog_is_empty_and_answers,
    a_blob_is_seen_only_where_it_is_linked,
    a_second_file_of_a_live_blob_is_doomed_and_the_first_stays,
    committing_the_same_file_twice_dooms_nothing,
    a_commit_ends_the_upload_that_made_the_file,
    a_blob_is_mounted_from_a_named_repository_or_from_any,
    a_touch_moves_the_last_use_forward_only,
    a_shared_blob_lives_until_its_last_link_is_gone,
    a_manifest_is_found_by_tag_and_by_digest,
    a_manifest_with_missing_blobs_is_not_stored,
    a_manifest_whose_blobs_are_not_required_is_stored_and_says_which_are_missing,
    pushing_a_manifest_again_changes_only_its_media_type_and_tags,
    a_pushed_manifest_counts_its_blobs_as_used,
    a_tag_moves_to_the_manifest_that_was_pushed_last,
    deleting_a_manifest_removes_its_tags_and_keeps_the_others,
    deleting_a_tag_keeps_its_manifest,
    repositories_with_manifests_are_listed_bytewise_in_pages,
    tags_are_listed_bytewise_in_pages,
    a_repository_is_forgotten_with_the_last_thing_in_it,
    referrers_are_listed_by_digest_filtered_and_in_pages,
    an_upload_belongs_to_its_repository_and_to_its_latest_claim,
    a_claim_at_an_offset_takes_over_only_a_session_at_that_offset,
    an_earlier_owner_of_an_upload_cannot_name_commit_or_end_it,
    an_ended_upload_can_only_be_deleted,
    the_name_that_a_file_is_about_to_get_stays_known,
    an_upload_started_twice_keeps_its_first_state,
    a_stale_upload_is_expired_once_and_cannot_become_a_blob,
    a_fetch_is_found_by_its_repository_and_digest_until_it_ends,
    pushed_and_copied_content_are_never_mixed,
    content_fetched_with_credentials_marks_its_repository_until_it_is_empty,
    listings_leave_out_what_is_not_visible,
    a_listing_has_exactly_the_repositories_that_it_shows,
    a_blob_of_private_repositories_only_is_not_mounted_from_any_public_one,
    the_collector_removes_unused_and_unreferenced_blobs,
    the_collector_walks_all_links_in_bounded_steps,
    the_collector_never_removes_a_blob_that_a_manifest_references,
    totals_count_everything_once,
    copies_are_listed_bytewise_with_their_content_and_local_repositories_never,
    a_pattern_selects_copies_or_their_tags,
    clearing_a_copy_removes_all_of_it_but_blobs_that_others_link,
    clearing_a_tag_removes_the_content_that_only_it_needs,
    clearing_keeps_all_content_that_was_pushed_here,
    a_copy_that_is_pinned_is_as_if_it_had_been_pushed_here,
    a_copy_that_needed_credentials_is_not_pinned,
    unused_blobs_are_counted_by_when_they_are_due,
    a_manifest_that_nothing_leads_to_is_removed_and_then_the_manifests_that_only_it_led_to,
    a_use_of_a_manifest_changes_its_last_use_but_not_when_it_was_pushed,
    a_pull_is_recorded_for_the_tag_and_the_manifest_separately,
    a_manifest_is_refused_for_content_that_an_early_round_removed_until_it_is_pushed_again,
    a_note_of_an_early_round_lasts_as_long_as_a_use_after_the_round_had_begun,
    an_import_is_recorded_by_its_source,
    a_protected_tag_does_not_move_and_keeps_the_manifests_that_it_needs,
    manifests_tags_and_indexes_are_read_with_their_times_in_pages,
    many_writers_at_once_all_get_their_answer,
];

fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

fn by_tag(name: &str) -> Reference {
    Reference::Tag(tag(name))
}

/// Commits a blob with this content, and returns its generation.
async fn push_blob(catalog: &Catalog, into: &str, content: &str, now: i64) -> UploadId {
    let generation = UploadId::random();
    let live = commit_new(catalog, blob_commit(into, content, generation, now)).await.unwrap();
    assert_eq!(live, generation);
    generation
}

/// Like [`push_blob`], if another file with the same content is already live.
async fn push_blob_again(catalog: &Catalog, into: &str, content: &str) {
    commit_new(catalog, blob_commit(into, content, UploadId::random(), 1)).await.unwrap();
}

/// Commits a blob by an upload of its own.
async fn commit_new(catalog: &Catalog, commit: BlobCommit) -> Result<UploadId, Error> {
    let BlobCommit { repository, digest, generation: id, now, .. } = commit.clone();
    let algorithm = digest.algorithm();
    catalog.start_upload(UploadStart { id, repository, algorithm, digest: None, fetch: false, now }).await?;
    catalog.commit_blob(commit).await
}

fn blob_commit(into: &str, content: &str, generation: UploadId, now: i64) -> BlobCommit {
    let size = content.len() as u64;
    BlobCommit {
        repository: repository(into),
        origin: Origin::Local,
        private: false,
        digest: digest(content),
        size,
        generation,
        epoch: Upload::FIRST_EPOCH,
        now,
    }
}

/// A manifest whose bytes are `content`.
fn manifest(into: &str, content: &'static str, blobs: &[&str], tags: &[&str]) -> ManifestPush {
    ManifestPush {
        repository: repository(into),
        origin: Origin::Local,
        private: false,
        digest: digest(content),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: Bytes::from_static(content.as_bytes()),
        artifact_type: None,
        annotations: None,
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

/// The provenance of content that was pushed here.
fn local() -> Provenance {
    Provenance { origin: Origin::Local, private: false }
}

async fn origin(catalog: &Catalog, name: &str) -> Option<Origin> {
    catalog.provenance(&repository(name)).await.unwrap().map(|provenance| provenance.origin)
}

fn names<T: ToString>(page: &[T]) -> Vec<String> {
    page.iter().map(T::to_string).collect()
}

async fn a_new_catalog_is_empty_and_answers(catalog: Catalog) {
    catalog.ping().await.unwrap();
    assert_eq!(catalog.repositories(None, 10, &Visible::all()).await.unwrap(), []);
    assert_eq!(catalog.tags(&repository("a"), None, 10).await.unwrap(), None);
    assert!(!catalog.repository_exists(&repository("a")).await.unwrap());
    assert_eq!(catalog.manifest(&repository("a"), &by_tag("latest")).await.unwrap(), None);
    assert_eq!(
        catalog.referrers(&repository("a"), &digest("x"), None, None, 10).await.unwrap(),
        (Vec::new(), false)
    );
    assert_eq!(catalog.doomed(None, 10).await.unwrap(), []);
    assert_eq!(catalog.totals().await.unwrap(), Totals::default());
    assert_eq!(catalog.collect(i64::MAX, None, 10).await.unwrap(), Collected::default());
}

async fn a_blob_is_seen_only_where_it_is_linked(catalog: Catalog) {
    let generation = push_blob(&catalog, "a/b", "blob", 7).await;
    let blob = Blob { digest: digest("blob"), size: 4, generation, last_use: 7 };
    assert_eq!(catalog.blob(&repository("a/b"), &digest("blob")).await.unwrap(), Some(blob));
    assert_eq!(catalog.blob(&repository("a"), &digest("blob")).await.unwrap(), None);
    assert_eq!(catalog.blob(&repository("a/b"), &digest("other")).await.unwrap(), None);
}

async fn a_second_file_of_a_live_blob_is_doomed_and_the_first_stays(catalog: Catalog) {
    let first = push_blob(&catalog, "a", "blob", 1).await;
    let second = UploadId::random();
    assert_eq!(commit_new(&catalog, blob_commit("b", "blob", second, 2)).await.unwrap(), first);
    for name in ["a", "b"] {
        let blob = catalog.blob(&repository(name), &digest("blob")).await.unwrap().unwrap();
        assert_eq!(blob.generation, first);
    }
    let doomed = catalog.doomed(None, 10).await.unwrap();
    assert_eq!(doomed, [BlobFile { digest: digest("blob"), generation: second, size: 4 }]);
    catalog.forget_doomed(doomed).await.unwrap();
    assert_eq!(catalog.doomed(None, 10).await.unwrap(), []);
}

async fn committing_the_same_file_twice_dooms_nothing(catalog: Catalog) {
    let generation = push_blob(&catalog, "a", "blob", 1).await;
    let again = catalog.commit_blob(blob_commit("a", "blob", generation, 2)).await.unwrap();
    assert_eq!(again, generation);
    assert_eq!(catalog.doomed(None, 10).await.unwrap(), []);
}

async fn a_commit_ends_the_upload_that_made_the_file(catalog: Catalog) {
    let id = start(&catalog, "a", 1).await;
    catalog.commit_blob(blob_commit("a", "blob", id, 2)).await.unwrap();
    assert_eq!(catalog.upload(&repository("a"), &id).await.unwrap(), None);
    assert_eq!(catalog.stale_uploads(i64::MAX, 10).await.unwrap(), []);
}

async fn a_blob_is_mounted_from_a_named_repository_or_from_any(catalog: Catalog) {
    let generation = push_blob(&catalog, "a", "blob", 1).await;
    let wanted = digest("blob");
    let mounted = Blob { digest: wanted, size: 4, generation, last_use: 5 };
    let mount = async |from: Option<&str>, to, digest| {
        let from = from.map_or(MountFrom::Any, |from| MountFrom::Repository(repository(from)));
        catalog.mount_blob(&digest, from, repository(to), local(), 5).await.unwrap()
    };
    assert_eq!(mount(Some("a"), "b", wanted).await, Some(mounted.clone()));
    assert_eq!(catalog.blob(&repository("b"), &wanted).await.unwrap(), Some(mounted.clone()));
    assert_eq!(mount(None, "c", wanted).await, Some(mounted));
    assert_eq!(mount(Some("nowhere"), "d", wanted).await, None, "not linked there");
    assert_eq!(mount(None, "d", digest("other")).await, None);
    assert!(!catalog.repository_exists(&repository("d")).await.unwrap(), "a mount that fails leaves nothing");
}

async fn a_touch_moves_the_last_use_forward_only(catalog: Catalog) {
    push_blob(&catalog, "a", "blob", 10).await;
    let (a, blob) = (repository("a"), digest("blob"));
    let last_use = async || catalog.blob(&a, &blob).await.unwrap().unwrap().last_use;
    assert!(catalog.touch_blob(&a, &blob, 20).await.unwrap());
    assert_eq!(last_use().await, 20);
    assert!(catalog.touch_blob(&a, &blob, 15).await.unwrap());
    assert_eq!(last_use().await, 20);
    assert!(!catalog.touch_blob(&a, &digest("other"), 30).await.unwrap());
    assert!(!catalog.touch_blob(&repository("b"), &blob, 30).await.unwrap());
}

async fn a_shared_blob_lives_until_its_last_link_is_gone(catalog: Catalog) {
    let generation = push_blob(&catalog, "a", "blob", 1).await;
    let blob = digest("blob");
    catalog.mount_blob(&blob, MountFrom::Any, repository("b"), local(), 1).await.unwrap().unwrap();
    assert!(catalog.unlink_blob(&repository("a"), &blob).await.unwrap());
    assert!(
        !catalog.unlink_blob(&repository("a"), &blob).await.unwrap(),
        "the repository no longer links the blob"
    );
    assert!(catalog.blob(&repository("b"), &blob).await.unwrap().is_some());
    assert_eq!(catalog.doomed(None, 10).await.unwrap(), []);
    assert!(catalog.unlink_blob(&repository("b"), &blob).await.unwrap());
    assert_eq!(catalog.doomed(None, 10).await.unwrap(), [BlobFile { digest: blob, generation, size: 4 }]);
    let next = push_blob(&catalog, "a", "blob", 2).await;
    assert_eq!(catalog.blob(&repository("a"), &blob).await.unwrap().unwrap().generation, next);
    assert_eq!(catalog.doomed(None, 10).await.unwrap().len(), 1, "the first file is still to be removed");
}

async fn a_manifest_is_found_by_tag_and_by_digest(catalog: Catalog) {
    push_blob(&catalog, "a", "layer", 1).await;
    push(&catalog, manifest("a", "{ }", &["layer"], &["v1", "latest"])).await;
    let a = repository("a");
    let head = catalog.manifest(&a, &by_tag("v1")).await.unwrap().unwrap();
    assert_eq!(head.digest, digest("{ }"));
    assert_eq!(head.media_type, "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(head.size, 3);
    assert_eq!(catalog.manifest(&a, &by_tag("latest")).await.unwrap(), Some(head.clone()));
    assert_eq!(catalog.manifest(&a, &Reference::Digest(head.digest)).await.unwrap(), Some(head));
    assert_eq!(catalog.manifest_bytes(&a, &digest("{ }")).await.unwrap(), Some(Bytes::from_static(b"{ }")));
    assert_eq!(catalog.manifest(&a, &by_tag("v2")).await.unwrap(), None);
    assert_eq!(catalog.manifest(&repository("b"), &by_tag("v1")).await.unwrap(), None);
    assert_eq!(catalog.manifest_bytes(&repository("b"), &digest("{ }")).await.unwrap(), None);
}

async fn a_manifest_with_missing_blobs_is_not_stored(catalog: Catalog) {
    push_blob(&catalog, "a", "layer", 1).await;
    push_blob(&catalog, "b", "elsewhere", 1).await;
    let incomplete = manifest("a", "{}", &["layer", "elsewhere", "nowhere", "nowhere"], &["v1"]);
    let unknown = ManifestPushed::BlobsUnknown(vec![digest("elsewhere"), digest("nowhere")]);
    assert_eq!(catalog.push_manifest(incomplete).await.unwrap(), unknown);
    assert_eq!(catalog.manifest(&repository("a"), &Reference::Digest(digest("{}"))).await.unwrap(), None);
    assert_eq!(catalog.tags(&repository("a"), None, 10).await.unwrap(), Some(Vec::new()));
    let nowhere = manifest("c", "{}", &["layer"], &["v1"]);
    let unknown = ManifestPushed::BlobsUnknown(vec![digest("layer")]);
    assert_eq!(catalog.push_manifest(nowhere).await.unwrap(), unknown);
    assert!(!catalog.repository_exists(&repository("c")).await.unwrap());
}

async fn a_manifest_whose_blobs_are_not_required_is_stored_and_says_which_are_missing(catalog: Catalog) {
    push_blob(&catalog, "a", "layer", 1).await;
    let sparse = manifest("a", "{}", &["layer", "later"], &["v1"]);
    let stored = catalog.push_manifest(ManifestPush { require_blobs: false, ..sparse }).await.unwrap();
    assert_eq!(stored, ManifestPushed::Stored { missing: vec![digest("later")] });
    assert!(catalog.manifest(&repository("a"), &by_tag("v1")).await.unwrap().is_some());
    push_blob(&catalog, "a", "later", 2).await;
    assert_eq!(
        catalog.collect(1000, None, 100).await.unwrap().links,
        0,
        "the manifest keeps what came after it"
    );
}

async fn pushing_a_manifest_again_changes_only_its_media_type_and_tags(catalog: Catalog) {
    push(&catalog, manifest("a", "{}", &[], &["v1"])).await;
    let before = catalog.totals().await.unwrap();
    push(&catalog, manifest("a", "{}", &[], &["v1"])).await;
    assert_eq!(catalog.totals().await.unwrap(), before);
    let media_type = "application/vnd.docker.distribution.manifest.v2+json".to_owned();
    push(&catalog, ManifestPush { media_type: media_type.clone(), ..manifest("a", "{}", &[], &["v2"]) })
        .await;
    assert_eq!(catalog.totals().await.unwrap(), Totals { tags: 2, ..before });
    assert_eq!(
        catalog.manifest(&repository("a"), &by_tag("v1")).await.unwrap().unwrap().media_type,
        media_type
    );
}

async fn a_pushed_manifest_counts_its_blobs_as_used(catalog: Catalog) {
    push_blob(&catalog, "a", "layer", 1).await;
    push(&catalog, manifest("a", "{}", &["layer"], &[])).await;
    assert_eq!(catalog.blob(&repository("a"), &digest("layer")).await.unwrap().unwrap().last_use, 1000);
}

async fn a_tag_moves_to_the_manifest_that_was_pushed_last(catalog: Catalog) {
    push(&catalog, manifest("a", "{}", &[], &["latest"])).await;
    push(&catalog, manifest("a", "{ }", &[], &["latest"])).await;
    assert_eq!(
        catalog.manifest(&repository("a"), &by_tag("latest")).await.unwrap().unwrap().digest,
        digest("{ }")
    );
    assert!(catalog.manifest(&repository("a"), &Reference::Digest(digest("{}"))).await.unwrap().is_some());
}

async fn deleting_a_manifest_removes_its_tags_and_keeps_the_others(catalog: Catalog) {
    let a = repository("a");
    push(&catalog, manifest("a", "{}", &[], &["one", "uno"])).await;
    push(&catalog, manifest("a", "{ }", &[], &["two"])).await;
    push(&catalog, manifest("b", "{}", &[], &["one"])).await;
    assert!(catalog.delete_manifest(&a, &digest("{}")).await.unwrap());
    assert!(!catalog.delete_manifest(&a, &digest("{}")).await.unwrap());
    assert!(!catalog.delete_manifest(&repository("c"), &digest("{}")).await.unwrap());
    assert_eq!(catalog.tags(&a, None, 10).await.unwrap(), Some(vec![tag("two")]));
    assert!(catalog.manifest(&repository("b"), &by_tag("one")).await.unwrap().is_some());
}

async fn deleting_a_tag_keeps_its_manifest(catalog: Catalog) {
    let a = repository("a");
    push(&catalog, manifest("a", "{}", &[], &["one"])).await;
    assert!(catalog.delete_tag(&a, &tag("one"), 1001).await.unwrap());
    assert!(!catalog.delete_tag(&a, &tag("one"), 1001).await.unwrap());
    assert!(!catalog.delete_tag(&repository("b"), &tag("one"), 1001).await.unwrap());
    assert!(catalog.manifest(&a, &Reference::Digest(digest("{}"))).await.unwrap().is_some());
    assert_eq!(catalog.tags(&a, None, 10).await.unwrap(), Some(Vec::new()));
}

async fn repositories_with_manifests_are_listed_bytewise_in_pages(catalog: Catalog) {
    for name in ["b", "a/b", "a", "a-b", "a.b", "z"] {
        push(&catalog, manifest(name, "{}", &[], &[])).await;
    }
    push_blob(&catalog, "only/a/blob", "blob", 1).await;
    let page =
        async |after, limit| names(&catalog.repositories(after, limit, &Visible::all()).await.unwrap());
    assert_eq!(page(None, 100).await, ["a", "a-b", "a.b", "a/b", "b", "z"]);
    assert_eq!(page(None, 2).await, ["a", "a-b"]);
    assert_eq!(page(Some("a-b"), 2).await, ["a.b", "a/b"]);
    assert_eq!(page(Some("between"), 2).await, ["z"], "the cursor need not exist");
    assert_eq!(page(Some("z"), 2).await, [""; 0]);
    assert_eq!(page(None, 0).await, [""; 0]);
}

async fn tags_are_listed_bytewise_in_pages(catalog: Catalog) {
    push(&catalog, manifest("a", "{}", &[], &["v10", "v2", "V1", "latest", "_x"])).await;
    let page =
        async |after, limit| names(&catalog.tags(&repository("a"), after, limit).await.unwrap().unwrap());
    assert_eq!(page(None, 100).await, ["V1", "_x", "latest", "v10", "v2"]);
    assert_eq!(page(None, 2).await, ["V1", "_x"]);
    assert_eq!(page(Some("_x"), 2).await, ["latest", "v10"]);
    assert_eq!(page(Some("m"), 1).await, ["v10"]);
    assert_eq!(page(Some("v2"), 1).await, [""; 0]);
}

async fn a_repository_is_forgotten_with_the_last_thing_in_it(catalog: Catalog) {
    let a = repository("a");
    push_blob(&catalog, "a", "layer", 1).await;
    push(&catalog, manifest("a", "{}", &["layer"], &["v1"])).await;
    catalog.delete_manifest(&a, &digest("{}")).await.unwrap();
    assert_eq!(
        catalog.repositories(None, 10, &Visible::all()).await.unwrap(),
        [],
        "a repository without a manifest is not listed"
    );
    assert!(catalog.repository_exists(&a).await.unwrap(), "the repository has a blob");
    catalog.unlink_blob(&a, &digest("layer")).await.unwrap();
    assert!(!catalog.repository_exists(&a).await.unwrap());
    assert_eq!(catalog.tags(&a, None, 10).await.unwrap(), None);
}

async fn referrers_are_listed_by_digest_filtered_and_in_pages(catalog: Catalog) {
    let (a, subject) = (repository("a"), digest("not even pushed"));
    let contents = ["[1]", "[2]", "[3]", "[4]"];
    for (place, content) in contents.into_iter().enumerate() {
        let kind = if place % 2 == 0 { "even" } else { "odd" };
        let annotations = Some(format!("{{\"place\":\"{place}\"}}"));
        let artifact_type = Some(kind.to_owned());
        push(
            &catalog,
            ManifestPush {
                subject: Some(subject),
                artifact_type,
                annotations,
                ..manifest("a", content, &[], &[])
            },
        )
        .await;
    }
    let list = async |kind, after: Option<&Digest>, limit| {
        let (found, _) = catalog.referrers(&a, &subject, kind, after, limit).await.unwrap();
        found.into_iter().map(|referrer| referrer.digest).collect::<Vec<_>>()
    };
    let mut sorted: Vec<_> = contents.iter().map(|content| digest(content)).collect();
    sorted.sort();
    assert_eq!(list(None, None, 10).await, sorted);
    assert_eq!(list(None, Some(&sorted[1]), 10).await, sorted[2..]);
    assert_eq!(list(None, None, 3).await, sorted[..3]);
    assert_eq!(list(Some("odd"), None, 10).await.len(), 2);
    assert_eq!(list(Some("unheard of"), None, 10).await, []);
    let more = async |limit| catalog.referrers(&a, &subject, None, None, limit).await.unwrap().1;
    for (limit, follow) in [(0, true), (3, true), (4, false), (5, false)] {
        assert_eq!(more(limit).await, follow, "{limit}");
    }
    assert_eq!(
        catalog.referrers(&repository("b"), &subject, None, None, 10).await.unwrap(),
        (Vec::new(), false)
    );
    assert_eq!(catalog.referrers(&a, &digest("[1]"), None, None, 10).await.unwrap(), (Vec::new(), false));
    let (first, _) = catalog.referrers(&a, &subject, Some("even"), None, 10).await.unwrap();
    let first = first.iter().find(|referrer| referrer.digest == digest("[1]")).unwrap();
    assert_eq!(first.annotations.as_deref(), Some("{\"place\":\"0\"}"));
    assert_eq!((first.size, first.artifact_type.as_deref()), (3, Some("even")));
    catalog.delete_manifest(&a, &digest("[1]")).await.unwrap();
    assert_eq!(list(None, None, 10).await.len(), 3);
}

async fn start(catalog: &Catalog, into: &str, now: i64) -> UploadId {
    let id = UploadId::random();
    let start = UploadStart {
        id,
        repository: repository(into),
        algorithm: Algorithm::Sha256,
        digest: None,
        fetch: false,
        now,
    };
    catalog.start_upload(start).await.unwrap();
    id
}

fn save(id: UploadId, epoch: i64, from: u64, offset: u64, now: i64) -> UploadSave {
    UploadSave { id, epoch, from, offset, algorithm: Algorithm::Sha512, state: Some(vec![1, 2, 3]), now }
}

async fn an_upload_belongs_to_its_repository_and_to_its_latest_claim(catalog: Catalog) {
    let a = repository("a");
    let id = start(&catalog, "a", 5).await;
    let new = catalog.upload(&a, &id).await.unwrap().unwrap();
    assert_eq!((new.offset, new.state, new.epoch, new.started, new.updated), (0, None, 1, 5, 5));
    assert_eq!(catalog.upload(&repository("b"), &id).await.unwrap(), None);
    assert_eq!(catalog.claim_upload(&repository("b"), &id, None, 6).await.unwrap(), None);
    assert!(
        catalog.save_upload(save(id, Upload::FIRST_EPOCH, 0, 50, 6)).await.unwrap(),
        "who began it owns it"
    );
    let first = catalog.claim_upload(&a, &id, None, 6).await.unwrap().unwrap();
    assert!(catalog.save_upload(save(id, first.epoch, 50, 100, 7)).await.unwrap());
    let second = catalog.claim_upload(&a, &id, None, 8).await.unwrap().unwrap();
    assert!(second.epoch > first.epoch && first.epoch > Upload::FIRST_EPOCH);
    assert_eq!((second.offset, second.state), (100, Some(vec![1, 2, 3])));
    assert_eq!((second.algorithm, second.updated), (Algorithm::Sha512, 8));
    assert!(
        !catalog.save_upload(save(id, first.epoch, 100, 200, 9)).await.unwrap(),
        "another request claimed the session"
    );
    assert!(!catalog.save_upload(save(id, second.epoch, 99, 200, 9)).await.unwrap(), "from another offset");
    assert!(catalog.save_upload(save(id, second.epoch, 100, 300, 9)).await.unwrap());
    assert_eq!(catalog.upload(&a, &id).await.unwrap().unwrap().offset, 300);
    assert!(!catalog.repository_exists(&a).await.unwrap(), "a session makes no repository");
    assert!(catalog.delete_upload(&id).await.unwrap());
    assert!(!catalog.delete_upload(&id).await.unwrap());
    assert!(
        !catalog.save_upload(save(id, second.epoch, 300, 400, 9)).await.unwrap(),
        "the session no longer exists"
    );
}

async fn a_claim_at_an_offset_takes_over_only_a_session_at_that_offset(catalog: Catalog) {
    let a = repository("a");
    let id = start(&catalog, "a", 1).await;
    assert!(catalog.save_upload(save(id, Upload::FIRST_EPOCH, 0, 10, 2)).await.unwrap());
    for elsewhere in [0, 9, 11] {
        assert_eq!(catalog.claim_upload(&a, &id, Some(elsewhere), 3).await.unwrap(), None);
    }
    assert!(
        catalog.save_upload(save(id, Upload::FIRST_EPOCH, 10, 20, 4)).await.unwrap(),
        "nothing was claimed"
    );
    assert!(catalog.claim_upload(&a, &id, Some(20), 5).await.unwrap().is_some());
    assert!(!catalog.save_upload(save(id, Upload::FIRST_EPOCH, 20, 30, 6)).await.unwrap());
}

async fn an_earlier_owner_of_an_upload_cannot_name_commit_or_end_it(catalog: Catalog) {
    let (a, first) = (repository("a"), Upload::FIRST_EPOCH);
    let same = push_blob(&catalog, "b", "same", 1).await;
    let id = start(&catalog, "a", 1).await;
    assert!(catalog.name_upload(&id, first, &digest("blob"), 2).await.unwrap());
    let claimed = catalog.claim_upload(&a, &id, None, 3).await.unwrap().unwrap();
    assert_eq!(claimed.named, Some(digest("blob")), "the earlier owner may have named its file");
    assert!(!catalog.name_upload(&id, first, &digest("other"), 4).await.unwrap());
    let taken = Err(Error::UploadTaken(id));
    assert_eq!(catalog.commit_blob(blob_commit("a", "blob", id, 4)).await, taken);
    assert_eq!(catalog.replace_blob(blob_commit("a", "blob", id, 4), same).await, taken);
    let linked = catalog.link_same(blob_commit("a", "same", id, 4), same).await;
    assert_eq!(linked, Err(Error::UploadTaken(id)));
    assert_eq!(catalog.end_upload(&id, Some(first)).await.unwrap(), None);
    assert_eq!(catalog.upload(&a, &id).await.unwrap(), Some(claimed.clone()), "nothing has changed");
    for content in ["blob", "same"] {
        assert_eq!(catalog.blob(&a, &digest(content)).await.unwrap(), None);
    }
    let commit = BlobCommit { epoch: claimed.epoch, ..blob_commit("a", "blob", id, 5) };
    assert_eq!(catalog.commit_blob(commit).await, Ok(id));
    assert!(catalog.blob(&a, &digest("blob")).await.unwrap().is_some());
}

async fn an_ended_upload_can_only_be_deleted(catalog: Catalog) {
    let (a, first) = (repository("a"), Upload::FIRST_EPOCH);
    for epoch in [None, Some(first)] {
        let id = start(&catalog, "a", 1).await;
        assert!(catalog.name_upload(&id, first, &digest("blob"), 2).await.unwrap());
        let ended = Some(EndedUpload { id, named: Some(digest("blob")) });
        for _ in 0..2 {
            assert_eq!(
                catalog.end_upload(&id, epoch).await.unwrap(),
                ended,
                "its files are still to be removed"
            );
        }
        assert_eq!(catalog.upload(&a, &id).await.unwrap(), None);
        assert_eq!(catalog.claim_upload(&a, &id, None, 3).await.unwrap(), None);
        assert!(!catalog.save_upload(save(id, first, 0, 10, 3)).await.unwrap());
        assert!(!catalog.name_upload(&id, first, &digest("blob"), 3).await.unwrap());
        assert_eq!(catalog.commit_blob(blob_commit("a", "blob", id, 3)).await, Err(Error::UploadTaken(id)));
        assert!(catalog.upload_exists(&id).await.unwrap());
        assert!(catalog.delete_upload(&id).await.unwrap());
        assert_eq!(catalog.commit_blob(blob_commit("a", "blob", id, 3)).await, Err(Error::UploadTaken(id)));
        assert_eq!(catalog.end_upload(&id, epoch).await.unwrap(), None);
    }
    assert_eq!(catalog.blob(&a, &digest("blob")).await.unwrap(), None);
}

async fn the_name_that_a_file_is_about_to_get_stays_known(catalog: Catalog) {
    let a = repository("a");
    let id = start(&catalog, "a", 1).await;
    assert!(catalog.name_upload(&id, Upload::FIRST_EPOCH, &digest("blob"), 2).await.unwrap());
    let claimed = catalog.claim_upload(&a, &id, None, 3).await.unwrap().unwrap();
    assert_eq!(claimed.named, Some(digest("blob")), "a later claim keeps the digest");
    assert_eq!(catalog.stale_uploads(4, 10).await.unwrap(), [id]);
    let expired = catalog.expire_upload(&id, 4).await.unwrap();
    assert_eq!(expired, Some(EndedUpload { id, named: Some(digest("blob")) }));
}

async fn an_upload_started_twice_keeps_its_first_state(catalog: Catalog) {
    let id = start(&catalog, "a", 1).await;
    let claimed = catalog.claim_upload(&repository("a"), &id, None, 2).await.unwrap().unwrap();
    let again = UploadStart {
        id,
        repository: repository("a"),
        algorithm: Algorithm::Sha256,
        digest: None,
        fetch: false,
        now: 3,
    };
    catalog.start_upload(again).await.unwrap();
    assert_eq!(catalog.upload(&repository("a"), &id).await.unwrap(), Some(claimed));
}

async fn a_fetch_is_found_by_its_repository_and_digest_until_it_ends(catalog: Catalog) {
    let (a, id) = (repository("a"), UploadId::random());
    let begin = |id, fetch| UploadStart {
        id,
        repository: repository("a"),
        algorithm: Algorithm::Sha256,
        digest: Some(digest("blob")),
        fetch,
        now: 1,
    };
    catalog.start_upload(begin(UploadId::random(), false)).await.unwrap();
    assert_eq!(catalog.fetch(&a, &digest("blob")).await.unwrap(), None, "a client's upload is its own");
    catalog.start_upload(begin(id, true)).await.unwrap();
    let found = catalog.fetch(&a, &digest("blob")).await.unwrap().unwrap();
    assert_eq!((found.id, found.named), (id, None), "the file does not have its name yet");
    assert_eq!(catalog.fetch(&repository("b"), &digest("blob")).await.unwrap(), None);
    assert_eq!(catalog.fetch(&a, &digest("other")).await.unwrap(), None);
    catalog.commit_blob(blob_commit("a", "blob", id, 2)).await.unwrap();
    assert_eq!(catalog.fetch(&a, &digest("blob")).await.unwrap(), None);
}

async fn pushed_and_copied_content_are_never_mixed(catalog: Catalog) {
    let upstream = || Origin::Upstream("up.example".to_owned());
    let refused = |name, origin| Error::OtherOrigin { repository: repository(name), origin };
    let copy = |name, content| BlobCommit {
        origin: upstream(),
        ..blob_commit(name, content, UploadId::random(), 1)
    };
    push_blob(&catalog, "pushed", "blob", 1).await;
    commit_new(&catalog, copy("copied", "copy")).await.unwrap();
    assert_eq!(origin(&catalog, "pushed").await, Some(Origin::Local));
    assert_eq!(origin(&catalog, "copied").await, Some(upstream()));
    assert_eq!(origin(&catalog, "neither").await, None);
    assert_eq!(commit_new(&catalog, copy("pushed", "copy")).await, Err(refused("pushed", Origin::Local)));
    let push = blob_commit("copied", "blob", UploadId::random(), 1);
    assert_eq!(commit_new(&catalog, push).await, Err(refused("copied", upstream())));
    let mount = catalog.mount_blob(&digest("blob"), MountFrom::Any, repository("copied"), local(), 1).await;
    assert_eq!(mount, Err(refused("copied", upstream())));
    let other = ManifestPush {
        origin: Origin::Upstream("other".to_owned()),
        ..manifest("copied", "{}", &[], &["v1"])
    };
    assert_eq!(catalog.push_manifest(other).await, Err(refused("copied", upstream())));
    assert_eq!(catalog.tags(&repository("copied"), None, 10).await.unwrap(), Some(vec![]));
    // A repository that became empty has no origin, so a push can create it anew.
    catalog.unlink_blob(&repository("copied"), &digest("copy")).await.unwrap();
    push_blob(&catalog, "copied", "new", 1).await;
    assert_eq!(origin(&catalog, "copied").await, Some(Origin::Local));
}

async fn content_fetched_with_credentials_marks_its_repository_until_it_is_empty(catalog: Catalog) {
    let private =
        async |name: &str| catalog.provenance(&repository(name)).await.unwrap().map(|found| found.private);
    let provenance = |private| Provenance { origin: upstream(), private };
    fetch_blob(&catalog, "up.example/a", "layer", 1).await;
    assert_eq!(private("up.example/a").await, Some(false));
    // Content comes into a repository in three ways: by a commit, by a mount, and by a manifest. Each marks it.
    let commit = BlobCommit {
        origin: upstream(),
        private: true,
        ..blob_commit("up.example/b", "b", UploadId::random(), 1)
    };
    commit_new(&catalog, commit).await.unwrap();
    let to = repository("up.example/c");
    catalog.mount_blob(&digest("layer"), MountFrom::Any, to, provenance(true), 1).await.unwrap().unwrap();
    fetch(
        &catalog,
        ManifestPush { private: true, ..manifest("up.example/a", "{}", &["layer"], &["v1"]) },
        &[],
    )
    .await;
    for name in ["up.example/a", "up.example/b", "up.example/c"] {
        assert_eq!(private(name).await, Some(true), "{name}");
        // Content that was fetched without credentials does not remove the mark.
        fetch_blob(&catalog, name, "other", 1).await;
        fetch(&catalog, manifest(name, "{ }", &[], &["v2"]), &[]).await;
        assert_eq!(private(name).await, Some(true), "{name}");
    }
    catalog.clear_tags(&repository("up.example/a"), &"*:v1".parse().unwrap()).await.unwrap();
    assert_eq!(private("up.example/a").await, Some(true), "something is left");
    catalog.clear_copy(&repository("up.example/a")).await.unwrap();
    assert_eq!(private("up.example/a").await, None);
    fetch_blob(&catalog, "up.example/a", "layer", 1).await;
    assert_eq!(private("up.example/a").await, Some(false));
}

async fn listings_leave_out_what_is_not_visible(catalog: Catalog) {
    fetch(&catalog, ManifestPush { private: true, ..manifest("up.example/a", "{}", &[], &["v1"]) }, &[])
        .await;
    fetch(&catalog, manifest("up.example/b", "{}", &[], &["v1"]), &[]).await;
    let public = Visible { private: Origins::none(), ..Visible::all() };
    assert_eq!(names(&catalog.repositories(None, 1, &public).await.unwrap()), ["up.example/b"]);
    assert_eq!(catalog.repositories(None, 10, &Visible::all()).await.unwrap().len(), 2);
    let copies = catalog.copies(&ImagePattern::any(), None, 1, 10, &public).await.unwrap();
    assert_eq!(copies.len(), 1);
    assert_eq!((copies[0].name.as_str(), &copies[0].provenance.private), ("up.example/b", &false));
}

async fn a_listing_has_exactly_the_repositories_that_it_shows(catalog: Catalog) {
    let origin = |name: &str| Origin::Upstream(name.to_owned());
    let named = [origin("up.example"), origin("a \"quoted\" name,\\ and\na line")];
    let mut all = vec![(repository("local"), local())];
    push(&catalog, manifest("local", "{}", &[], &["v1"])).await;
    for (number, origin) in named.iter().cloned().chain([origin("other.example")]).enumerate() {
        for private in [false, true] {
            let name = format!("copy{number}-{private}");
            let content = manifest(&name, "{}", &[], &["v1"]);
            push(&catalog, ManifestPush { origin: origin.clone(), private, ..content }).await;
            all.push((repository(&name), Provenance { origin: origin.clone(), private }));
        }
    }
    all.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    let sets = || {
        let lists = [&named[..0], &named[..1], &named[1..], &named[..]];
        lists.into_iter().flat_map(|list| [Origins::Only(list.to_vec()), Origins::AllBut(list.to_vec())])
    };
    for (public, private) in sets().flat_map(|public| sets().map(move |private| (public.clone(), private))) {
        let visible = Visible { public, private, names: None };
        let mut shown: Vec<_> = all.iter().filter(|(_, provenance)| visible.shows(provenance)).collect();
        let listed = catalog.repositories(None, 10, &visible).await.unwrap();
        assert_eq!(listed, shown.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), "{visible:?}");
        shown.retain(|(_, provenance)| *provenance != local());
        let listed = catalog.copies(&ImagePattern::any(), None, 10, 10, &visible).await.unwrap();
        let listed: Vec<_> = listed.into_iter().map(|copy| (copy.name, copy.provenance)).collect();
        assert_eq!(listed, shown.into_iter().cloned().collect::<Vec<_>>(), "{visible:?}");
    }
}

async fn a_blob_of_private_repositories_only_is_not_mounted_from_any_public_one(catalog: Catalog) {
    let generation = UploadId::random();
    let commit = BlobCommit {
        origin: upstream(),
        private: true,
        ..blob_commit("up.example/a", "blob", generation, 1)
    };
    commit_new(&catalog, commit).await.unwrap();
    let mount = async |to: &str| {
        catalog.mount_blob(&digest("blob"), MountFrom::AnyPublic, repository(to), local(), 1).await.unwrap()
    };
    assert_eq!(mount("b").await, None);
    push_blob_again(&catalog, "mine", "blob").await;
    assert_eq!(mount("b").await.map(|blob| blob.generation), Some(generation));
}

async fn a_stale_upload_is_expired_once_and_cannot_become_a_blob(catalog: Catalog) {
    let a = repository("a");
    let (old, moved) = (start(&catalog, "a", 1).await, start(&catalog, "a", 2).await);
    start(&catalog, "a", 100).await;
    let ids = async |limit| catalog.stale_uploads(50, limit).await.unwrap();
    assert_eq!(ids(10).await, [old, moved]);
    assert_eq!(ids(1).await, [old]);
    catalog.claim_upload(&a, &moved, None, 60).await.unwrap().unwrap();
    assert_eq!(
        catalog.expire_upload(&moved, 50).await.unwrap(),
        None,
        "the session changed since it was listed"
    );
    assert_eq!(catalog.expire_upload(&old, 50).await.unwrap(), Some(EndedUpload { id: old, named: None }));
    assert_eq!(catalog.upload(&a, &old).await.unwrap(), None);
    assert_eq!(catalog.claim_upload(&a, &old, None, 70).await.unwrap(), None);
    catalog.commit_blob(blob_commit("a", "blob", old, 70)).await.unwrap_err();
    assert_eq!(catalog.blob(&a, &digest("blob")).await.unwrap(), None);
    assert_eq!(ids(10).await, [old], "its files are still to be removed");
    assert!(catalog.delete_upload(&old).await.unwrap());
}

async fn the_collector_removes_unused_and_unreferenced_blobs(catalog: Catalog) {
    for (name, content, last_use) in
        [("a", "layer", 1), ("a", "old", 1), ("a", "new", 500), ("b", "layer", 1), ("c", "old", 1)]
    {
        let commit = blob_commit(name, content, UploadId::random(), last_use);
        commit_new(&catalog, commit).await.unwrap();
    }
    catalog.forget_doomed(catalog.doomed(None, 10).await.unwrap()).await.unwrap();
    push(&catalog, ManifestPush { now: 1, ..manifest("a", "{}", &["layer"], &[]) }).await;
    let collected = catalog.collect(500, None, 100).await.unwrap();
    assert_eq!(collected, Collected { links: 3, blobs: 1, bytes: 3, ..Collected::default() });
    let linked =
        async |name, content| catalog.blob(&repository(name), &digest(content)).await.unwrap().is_some();
    assert!(linked("a", "layer").await, "a manifest references the blob");
    assert!(linked("a", "new").await, "the blob was used");
    assert!(!linked("a", "old").await && !linked("c", "old").await && !linked("b", "layer").await);
    assert!(!catalog.repository_exists(&repository("b")).await.unwrap());
    let doomed = catalog.doomed(None, 10).await.unwrap();
    assert_eq!(doomed.iter().map(|file| file.digest).collect::<Vec<_>>(), [digest("old")]);
    catalog.delete_manifest(&repository("a"), &digest("{}")).await.unwrap();
    let collected = catalog.collect(2, None, 100).await.unwrap();
    assert_eq!((collected.links, collected.blobs, collected.bytes), (1, 1, 5));
}

async fn the_collector_walks_all_links_in_bounded_steps(catalog: Catalog) {
    for place in 0..300 {
        push_blob(&catalog, &format!("r{}", place % 3), &format!("blob {place}"), place % 2).await;
    }
    let (mut after, mut steps, mut links) = (None, 0, 0);
    loop {
        let step = catalog.collect(1, after, 70).await.unwrap();
        assert!(step.links <= 70);
        (steps, links) = (steps + 1, links + step.links);
        match step.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!((steps, links), (5, 150));
    assert_eq!(catalog.totals().await.unwrap().blobs, 150);
    assert_eq!(catalog.doomed(None, 1000).await.unwrap().len(), 150);
}

async fn the_collector_never_removes_a_blob_that_a_manifest_references(catalog: Catalog) {
    for round in 0..50 {
        let content = format!("layer {round}");
        push_blob(&catalog, "a", &content, 1).await;
        let collector = tokio::spawn({
            let catalog = catalog.clone();
            async move { catalog.collect(1000, None, 100).await.unwrap() }
        });
        // The push uses the blob just before the collector's deadline, so that only the reference can keep the blob.
        let bytes = Bytes::from(format!("[{round}]"));
        let push = ManifestPush {
            digest: Digest::of(Algorithm::Sha256, &bytes),
            bytes,
            now: 2,
            ..manifest("a", "", &[&content], &[])
        };
        let reference = Reference::Digest(push.digest);
        let pushed = catalog.push_manifest(push).await.unwrap();
        collector.await.unwrap();
        let has_blob = catalog.blob(&repository("a"), &digest(&content)).await.unwrap().is_some();
        let has_manifest = catalog.manifest(&repository("a"), &reference).await.unwrap().is_some();
        assert_eq!(has_manifest, pushed == ManifestPushed::Stored { missing: vec![] });
        assert_eq!(has_manifest, has_blob, "round {round}: {pushed:?}");
    }
}

async fn totals_count_everything_once(catalog: Catalog) {
    push_blob(&catalog, "a", "layer", 1).await;
    catalog.mount_blob(&digest("layer"), MountFrom::Any, repository("b"), local(), 1).await.unwrap();
    push_blob(&catalog, "c", "blob", 1).await;
    push(&catalog, manifest("a", "{}", &["layer"], &["v1", "v2"])).await;
    push(&catalog, manifest("b", "{}", &["layer"], &["v1"])).await;
    start(&catalog, "a", 1).await;
    let totals = Totals { repositories: 2, manifests: 2, tags: 3, blobs: 2, bytes: 9, uploads: 1 };
    assert_eq!(catalog.totals().await.unwrap(), totals);
}

fn upstream() -> Origin {
    Origin::Upstream("up.example".to_owned())
}

/// Like [`push_blob`], but into a copy.
async fn fetch_blob(catalog: &Catalog, into: &str, content: &str, now: i64) {
    let commit = blob_commit(into, content, UploadId::random(), now);
    commit_new(catalog, BlobCommit { origin: upstream(), ..commit }).await.unwrap();
}

/// Like [`push`], but into a copy; `manifests` are those that the manifest lists.
async fn fetch(catalog: &Catalog, manifest: ManifestPush, manifests: &[&str]) {
    let manifests = manifests.iter().map(|content| digest(content)).collect();
    let push = ManifestPush { origin: upstream(), require_blobs: false, manifests, ..manifest };
    catalog.push_manifest(push).await.unwrap();
}

async fn copies(catalog: &Catalog, pattern: &str) -> Vec<String> {
    let copies = catalog.copies(&pattern.parse().unwrap(), None, 10, 10, &Visible::all()).await.unwrap();
    copies.iter().map(|copy| format!("{}:{}", copy.name, names(&copy.tags).join(","))).collect()
}

async fn copies_are_listed_bytewise_with_their_content_and_local_repositories_never(catalog: Catalog) {
    push_blob(&catalog, "local/app", "blob", 1).await;
    push(&catalog, manifest("local/app", "{}", &["blob"], &["v1"])).await;
    for name in ["up.example/b", "up.example/a"] {
        fetch_blob(&catalog, name, "layer", 5000).await;
    }
    fetch(&catalog, manifest("up.example/a", "{}", &["layer"], &["v2", "v1", "v3"]), &[]).await;
    let page = catalog.copies(&ImagePattern::any(), None, 10, 2, &Visible::all()).await.unwrap();
    let first = CopySummary {
        name: repository("up.example/a"),
        provenance: Provenance { origin: upstream(), private: false },
        tags: vec![tag("v1"), tag("v2")],
        tag_count: 3,
        manifests: 1,
        blobs: 1,
        bytes: 7,
        last_use: 5000,
    };
    assert_eq!((page.len(), &page[0]), (2, &first));
    assert_eq!((page[1].name.as_str(), page[1].tag_count, page[1].bytes), ("up.example/b", 0, 5));
    let next =
        catalog.copies(&ImagePattern::any(), Some("up.example/a"), 10, 2, &Visible::all()).await.unwrap();
    assert_eq!(next, page[1..]);
    assert_eq!(catalog.copies(&ImagePattern::any(), None, 1, 2, &Visible::all()).await.unwrap(), page[..1]);
}

async fn a_pattern_selects_copies_or_their_tags(catalog: Catalog) {
    for (name, tags) in [("a.io/x/y", ["7", "7.2"]), ("b.io/x", ["7", "latest"])] {
        fetch(&catalog, manifest(name, "{}", &[], &tags), &[]).await;
    }
    for (pattern, expected) in [
        ("*", &["a.io/x/y:7,7.2", "b.io/x:7,latest"][..]),
        ("a.io/*", &["a.io/x/y:7,7.2"]),
        ("*/x", &["b.io/x:7,latest"]),
        ("x", &[]),
        ("*:7*", &["a.io/x/y:7,7.2", "b.io/x:7"]),
        ("*x*:latest", &["b.io/x:latest"]),
        ("[ab].io/*", &[]),
        ("?.io/*", &[]),
    ] {
        assert_eq!(copies(&catalog, pattern).await, expected, "{pattern}");
    }
}

async fn clearing_a_copy_removes_all_of_it_but_blobs_that_others_link(catalog: Catalog) {
    push_blob(&catalog, "mine", "shared", 1).await;
    for content in ["shared", "own"] {
        fetch_blob(&catalog, "up.example/a", content, 1).await;
    }
    // So many that each kind needs more than one step.
    for number in 0..150 {
        fetch_blob(&catalog, "up.example/a", &format!("{number:03}"), 1).await;
        let push = manifest("up.example/a", "", &["own"], &[&format!("v{number}")]);
        let content = format!("manifest {number:03}");
        let push = ManifestPush { digest: digest(&content), bytes: content.into(), ..push };
        fetch(&catalog, push, &[]).await;
    }
    let cleared = catalog.clear_copy(&repository("up.example/a")).await.unwrap();
    let bytes = 150 * (3 + 12) + 3;
    assert_eq!(cleared, Cleared { copies: 1, tags: 150, manifests: 150, blobs: 151, bytes });
    assert!(!catalog.repository_exists(&repository("up.example/a")).await.unwrap());
    // The second file of the shared blob was doomed when it was committed.
    assert_eq!(catalog.doomed(None, 1000).await.unwrap().len(), 152);
    assert!(catalog.blob(&repository("mine"), &digest("shared")).await.unwrap().is_some());
    assert_eq!(catalog.clear_copy(&repository("up.example/a")).await.unwrap(), Cleared::default());
}

async fn clearing_a_tag_removes_the_content_that_only_it_needs(catalog: Catalog) {
    let name = "up.example/a";
    for content in ["base", "x", "y"] {
        fetch_blob(&catalog, name, content, 1).await;
    }
    fetch(&catalog, manifest(name, "image x", &["base", "x"], &[]), &[]).await;
    fetch(&catalog, manifest(name, "image y", &["base", "y"], &["y"]), &[]).await;
    fetch(&catalog, manifest(name, "index", &[], &["v1", "latest"]), &["image x", "image y"]).await;
    let subject = Some(digest("image x"));
    fetch(&catalog, ManifestPush { subject, ..manifest(name, "signature", &[], &[]) }, &[]).await;
    let clear =
        async |pattern: &str| catalog.clear_tags(&repository(name), &pattern.parse().unwrap()).await.unwrap();
    // Another tag still names the index.
    assert_eq!(clear("*:v1").await, Cleared { copies: 1, tags: 1, ..Cleared::default() });
    // The index's images are removed, except the one with a tag, and so are the referrers of the removed ones.
    let bytes = "image x".len() + "index".len() + "signature".len() + "x".len();
    let expected = Cleared { copies: 1, tags: 1, manifests: 3, blobs: 1, bytes: bytes as u64 };
    assert_eq!(clear("*:l*").await, expected);
    assert!(catalog.manifest(&repository(name), &by_tag("y")).await.unwrap().is_some());
    assert!(catalog.blob(&repository(name), &digest("base")).await.unwrap().is_some());
    assert_eq!(clear("*:nothing").await, Cleared::default());
    assert_eq!(clear("*:*").await.blobs, 2);
    assert!(!catalog.repository_exists(&repository(name)).await.unwrap());
}

async fn clearing_keeps_all_content_that_was_pushed_here(catalog: Catalog) {
    push_blob(&catalog, "up.example/a", "blob", 1).await;
    push(&catalog, manifest("up.example/a", "{}", &["blob"], &["v1"])).await;
    let before = catalog.totals().await.unwrap();
    let mine = repository("up.example/a");
    assert_eq!(catalog.clear_copy(&mine).await.unwrap(), Cleared::default());
    assert_eq!(catalog.clear_tags(&mine, &ImagePattern::any()).await.unwrap(), Cleared::default());
    assert_eq!(catalog.totals().await.unwrap(), before);
}

async fn a_copy_that_is_pinned_is_as_if_it_had_been_pushed_here(catalog: Catalog) {
    let name = repository("up.example/a");
    fetch_blob(&catalog, "up.example/a", "blob", 1).await;
    fetch(&catalog, manifest("up.example/a", "{}", &["blob"], &["v1"]), &[]).await;
    for _ in 0..2 {
        catalog.pin_copy(&name).await.unwrap();
        assert_eq!(catalog.provenance(&name).await.unwrap(), Some(Provenance::default()));
    }
    push(&catalog, manifest("up.example/a", "another", &[], &["v2"])).await;
    assert!(catalog.manifest(&name, &by_tag("v1")).await.unwrap().is_some());
    assert_eq!(catalog.clear_copy(&name).await.unwrap(), Cleared::default());
    // A fetch that ends after the pin is refused.
    let late =
        BlobCommit { origin: upstream(), ..blob_commit("up.example/a", "late", UploadId::random(), 2) };
    assert!(matches!(commit_new(&catalog, late).await, Err(Error::OtherOrigin { .. })));
    catalog.pin_copy(&repository("up.example/never")).await.unwrap();
    assert_eq!(catalog.provenance(&repository("up.example/never")).await.unwrap(), None);
}

async fn a_copy_that_needed_credentials_is_not_pinned(catalog: Catalog) {
    let name = repository("up.example/a");
    let commit = blob_commit("up.example/a", "secret", UploadId::random(), 1);
    commit_new(&catalog, BlobCommit { origin: upstream(), private: true, ..commit }).await.unwrap();
    assert!(matches!(catalog.pin_copy(&name).await, Err(Error::OtherOrigin { .. })));
    let kept = Provenance { origin: upstream(), private: true };
    assert_eq!(catalog.provenance(&name).await.unwrap(), Some(kept));
}

async fn unused_blobs_are_counted_by_when_they_are_due(catalog: Catalog) {
    let amount = |blobs, bytes| Amount { blobs, bytes };
    assert_eq!(catalog.unused(10).await.unwrap(), Unused::default());
    for (content, now) in [("used", 1), ("old", 2), ("young", 20), ("younger", 30), ("shared", 3)] {
        push_blob(&catalog, "a", content, now).await;
    }
    push(&catalog, manifest("a", "{}", &["used"], &[])).await;
    // The last use in any repository counts, and so does a reference in any repository.
    commit_new(&catalog, blob_commit("b", "shared", UploadId::random(), 15)).await.unwrap();
    commit_new(&catalog, blob_commit("b", "used", UploadId::random(), 2)).await.unwrap();
    let unused = catalog.unused(10).await.unwrap();
    assert_eq!((unused.due, unused.waiting, unused.last_use), (amount(1, 3), amount(3, 18), Some(30)));
    assert_eq!(catalog.unused(100).await.unwrap(), Unused { due: amount(4, 21), ..Unused::default() });
}

async fn a_manifest_that_nothing_leads_to_is_removed_and_then_the_manifests_that_only_it_led_to(
    catalog: Catalog,
) {
    let within = async |content: &str| {
        catalog.manifest(&repository("a"), &Reference::Digest(digest(content))).await.unwrap()
    };
    push(&catalog, manifest("a", "tagged image", &[], &["v1"])).await;
    push(&catalog, ManifestPush { now: 2000, ..manifest("a", "young", &[], &[]) }).await;
    push(&catalog, manifest("a", "used", &[], &[])).await;
    assert!(catalog.touch_manifest(&repository("a"), &digest("used"), 1900).await.unwrap());
    assert!(!catalog.touch_manifest(&repository("a"), &digest("never pushed"), 1900).await.unwrap());
    assert!(!catalog.touch_manifest(&repository("never"), &digest("used"), 1900).await.unwrap());
    push(&catalog, manifest("a", "entry", &[], &[])).await;
    push(&catalog, manifest("a", "kept entry", &[], &[])).await;
    let of = |index, entry: &str, tags: &[&str]| ManifestPush {
        manifests: vec![digest(entry)],
        ..manifest("a", index, &[], tags)
    };
    push(&catalog, of("index", "entry", &[])).await;
    push(&catalog, of("kept index", "kept entry", &["v2"])).await;
    for (content, subject) in [("signature", "index"), ("kept signature", "tagged image")] {
        push(&catalog, ManifestPush { subject: Some(digest(subject)), ..manifest("a", content, &[], &[]) })
            .await;
    }
    // A copy's manifest without a tag stays, because clients pull it by digest.
    fetch(&catalog, manifest("up.example/a", "copied", &[], &[]), &[]).await;
    assert_eq!(catalog.untagged(1500).await.unwrap(), Untagged { due: 1, waiting: 2, last_use: Some(2000) });
    assert_eq!(catalog.delete_untagged(1500, None, 3000).await.unwrap(), 1);
    assert_eq!(catalog.delete_untagged(1500, None, 3000).await.unwrap(), 2);
    assert_eq!(catalog.delete_untagged(1500, None, 3000).await.unwrap(), 0);
    for gone in ["index", "entry", "signature"] {
        assert_eq!(within(gone).await, None, "{gone}");
    }
    for kept in ["tagged image", "young", "used", "kept index", "kept entry", "kept signature"] {
        assert!(within(kept).await.is_some(), "{kept}");
    }
    assert_eq!(catalog.totals().await.unwrap().manifests, 7);
}

async fn a_use_of_a_manifest_changes_its_last_use_but_not_when_it_was_pushed(catalog: Catalog) {
    let times = async || catalog.manifest(&repository("a"), &by_tag("v1")).await.unwrap().unwrap().times;
    push(&catalog, manifest("a", "image", &[], &["v1"])).await;
    assert_eq!(times().await, Times { pushed: 1000, last_use: 1000, ..Times::default() });
    for (use_at, last_use) in [(3000, 3000), (2000, 3000)] {
        assert!(catalog.touch_manifest(&repository("a"), &digest("image"), use_at).await.unwrap());
        assert_eq!(times().await, Times { pushed: 1000, last_use, ..Times::default() });
    }
    push(&catalog, ManifestPush { now: 2500, ..manifest("a", "image", &[], &["v1"]) }).await;
    assert_eq!(times().await, Times { pushed: 2500, last_use: 3000, ..Times::default() });
}

async fn a_pull_is_recorded_for_the_tag_and_the_manifest_separately(catalog: Catalog) {
    push(&catalog, manifest("a", "image", &[], &["v1", "v2"])).await;
    let times = async |reference: &Reference| {
        let times = catalog.manifest(&repository("a"), reference).await.unwrap().unwrap().times;
        (times.tag_pulled, times.pulled)
    };
    let by_digest = Reference::Digest(digest("image"));
    let pull = |into: &str, reference: &Reference, of_bytes, at| Pull {
        repository: repository(into),
        reference: reference.clone(),
        of_bytes,
        at,
    };
    assert_eq!((times(&by_tag("v1")).await, times(&by_digest).await), ((None, None), (None, None)));
    // containerd asks for the tag by HEAD, then pulls the bytes by digest.
    let pulls = vec![pull("a", &by_tag("v1"), false, 2000), pull("a", &by_digest, true, 2001)];
    catalog.record_pulls(pulls).await.unwrap();
    assert_eq!(times(&by_tag("v1")).await, (Some(2000), Some(2001)));
    assert_eq!(
        (times(&by_tag("v2")).await, times(&by_digest).await),
        ((None, Some(2001)), (None, Some(2001)))
    );
    // Docker pulls the bytes by tag. An earlier time never replaces a later one; pulls of deleted content are ignored.
    let pulls = vec![
        pull("a", &by_tag("v2"), true, 3000),
        pull("a", &by_tag("v1"), true, 1500),
        pull("a", &by_tag("gone"), true, 3000),
        pull("gone", &by_digest, true, 3000),
    ];
    catalog.record_pulls(pulls).await.unwrap();
    assert_eq!(
        (times(&by_tag("v1")).await, times(&by_tag("v2")).await),
        ((Some(2000), Some(3000)), (Some(3000), Some(3000)))
    );
    // A moved tag keeps its last pull; its new manifest was never pulled.
    push(&catalog, manifest("a", "other", &[], &["v1"])).await;
    assert_eq!(times(&by_tag("v1")).await, (Some(2000), None));
}

async fn a_manifest_is_refused_for_content_that_an_early_round_removed_until_it_is_pushed_again(
    catalog: Catalog,
) {
    let promise = Some(Promise { since: 500, now: 1000 });
    for (content, now) in [("relied on", 600), ("long unused", 400)] {
        push_blob(&catalog, "a", content, now).await;
    }
    push(&catalog, ManifestPush { now: 700, ..manifest("a", "child", &[], &[]) }).await;
    assert_eq!(catalog.delete_untagged(i64::MAX, promise, 1000).await.unwrap(), 1);
    let purged = catalog.purge_deleted(i64::MAX, i64::MAX, promise, 10).await.unwrap();
    assert_eq!(purged, Purged { manifests: 1, ..Purged::default() });
    assert_eq!(catalog.collect_early(i64::MAX, promise, 2000, None, 100).await.unwrap().links, 2);
    assert!(!catalog.repository_exists(&repository("a")).await.unwrap());
    let sparse =
        |content, blobs: &[&str]| ManifestPush { require_blobs: false, ..manifest("a", content, blobs, &[]) };
    let index = ManifestPush { manifests: vec![digest("child")], ..sparse("index", &[]) };
    let image = sparse("image", &["relied on", "long unused", "never here"]);
    for (push, missed) in [(&image, "relied on"), (&index, "child")] {
        let missed = ManifestPushed::BlobsUnknown(vec![digest(missed)]);
        assert_eq!(catalog.push_manifest(push.clone()).await.unwrap(), missed);
    }
    // No client of repository `b` was told that the blob is here.
    let elsewhere = ManifestPush { repository: repository("b"), ..image.clone() };
    assert!(matches!(catalog.push_manifest(elsewhere).await.unwrap(), ManifestPushed::Stored { .. }));
    push_blob(&catalog, "a", "relied on", 1100).await;
    push(&catalog, ManifestPush { now: 1100, ..manifest("a", "child", &[], &[]) }).await;
    let missing = vec![digest("long unused"), digest("never here")];
    assert_eq!(catalog.push_manifest(image).await.unwrap(), ManifestPushed::Stored { missing });
    assert_eq!(catalog.push_manifest(index).await.unwrap(), ManifestPushed::Stored { missing: vec![] });
    // After a time the note is forgotten.
    catalog.delete_manifest(&repository("a"), &digest("image")).await.unwrap();
    catalog.collect_early(i64::MAX, Some(Promise { since: 500, now: 2000 }), 2000, None, 100).await.unwrap();
    catalog.forget_freed(2000).await.unwrap();
    let again = sparse("again", &["relied on"]);
    assert!(matches!(catalog.push_manifest(again.clone()).await.unwrap(), ManifestPushed::BlobsUnknown(_)));
    catalog.forget_freed(2001).await.unwrap();
    assert!(matches!(catalog.push_manifest(again).await.unwrap(), ManifestPushed::Stored { .. }));
}

async fn a_note_of_an_early_round_lasts_as_long_as_a_use_after_the_round_had_begun(catalog: Catalog) {
    push_blob(&catalog, "a", "used late", 1500).await;
    catalog.collect_early(i64::MAX, Some(Promise { since: 500, now: 1000 }), 1000, None, 100).await.unwrap();
    catalog.forget_freed(1500).await.unwrap();
    let image = ManifestPush { require_blobs: false, ..manifest("a", "image", &["used late"], &[]) };
    let missed = ManifestPushed::BlobsUnknown(vec![digest("used late")]);
    assert_eq!(catalog.push_manifest(image).await.unwrap(), missed);
}

async fn an_import_is_recorded_by_its_source(catalog: Catalog) {
    assert!(!catalog.is_imported("/old").await.unwrap());
    catalog.finish_import("/old", 1).await.unwrap();
    catalog.finish_import("/old", 2).await.unwrap();
    assert!(catalog.is_imported("/old").await.unwrap() && !catalog.is_imported("/other").await.unwrap());
}

async fn many_writers_at_once_all_get_their_answer(catalog: Catalog) {
    let writers: Vec<_> = (0..600)
        .map(|place| {
            let catalog = catalog.clone();
            tokio::spawn(async move {
                push_blob(&catalog, "a", &format!("blob {place}"), 1).await;
                catalog.blob(&repository("a"), &digest(&format!("blob {place}"))).await.unwrap().is_some()
            })
        })
        .collect();
    for writer in writers {
        assert!(writer.await.unwrap(), "a write that was answered is read at once");
    }
    assert_eq!(catalog.totals().await.unwrap().blobs, 600);
}

async fn a_protected_tag_does_not_move_and_keeps_the_manifests_that_it_needs(catalog: Catalog) {
    let protected = |push: ManifestPush| ManifestPush { protected: vec![tag("v1")], ..push };
    push(&catalog, manifest("a", "child", &[], &[])).await;
    let index = ManifestPush { manifests: vec![digest("child")], ..manifest("a", "index", &[], &["v1"]) };
    push(&catalog, protected(index.clone())).await;
    push(&catalog, protected(index)).await;
    let other = protected(manifest("a", "other", &[], &["v1", "v2"]));
    assert_eq!(catalog.push_manifest(other).await.unwrap(), ManifestPushed::TagProtected(tag("v1")));
    let a = repository("a");
    assert_eq!(catalog.tags(&a, None, 9).await.unwrap(), Some(vec![tag("v1")]));
    assert_eq!(catalog.manifest(&a, &Reference::Digest(digest("other"))).await.unwrap(), None);
    let protects: Protects = Arc::new(|tag| tag.as_str() == "v1");
    let deletion = Deletion { at: 5000, cause: Cause::Client };
    for kept in ["index", "child"] {
        let refused = catalog.withdraw_manifest_unless(&a, &digest(kept), deletion, &protects).await.unwrap();
        assert_eq!(refused, ManifestDeleted::Protected(tag("v1")));
    }
    // An index of indexes needs what these list.
    push(&catalog, manifest("a", "grandchild", &[], &["other"])).await;
    for (lists, listed, tags) in [("inner", "grandchild", vec![]), ("outer", "inner", vec!["v3"])] {
        let index = ManifestPush { manifests: vec![digest(listed)], ..manifest("a", lists, &[], &tags) };
        push(&catalog, index).await;
    }
    let outer: Protects = Arc::new(|tag| tag.as_str() == "v3");
    for kept in ["outer", "inner", "grandchild"] {
        let refused = catalog.withdraw_manifest_unless(&a, &digest(kept), deletion, &outer).await.unwrap();
        assert_eq!(refused, ManifestDeleted::Protected(tag("v3")), "{kept}");
    }
    let none: Protects = Arc::new(|_| false);
    for (name, expected) in [
        ("nothing", ManifestDeleted::Unknown),
        ("index", ManifestDeleted::Deleted),
        ("child", ManifestDeleted::Deleted),
        ("outer", ManifestDeleted::Deleted),
        ("inner", ManifestDeleted::Deleted),
        ("grandchild", ManifestDeleted::Deleted),
    ] {
        assert_eq!(
            catalog.withdraw_manifest_unless(&a, &digest(name), deletion, &none).await.unwrap(),
            expected
        );
    }
    // A manifest with more tags than one write looks at.
    let tags: Vec<String> = (0..700).map(|number| format!("t{number:03}")).collect();
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    push(&catalog, manifest("a", "many", &[], &names)).await;
    let protects: Protects = Arc::new(|tag| tag.as_str() == "t699");
    let refused = catalog.withdraw_manifest_unless(&a, &digest("many"), deletion, &protects).await.unwrap();
    assert_eq!(refused, ManifestDeleted::Protected(tag("t699")));
    assert_eq!(catalog.totals().await.unwrap().tags, 700);
    assert_eq!(
        catalog.withdraw_manifest_unless(&a, &digest("many"), deletion, &none).await.unwrap(),
        ManifestDeleted::Deleted
    );
}

async fn manifests_tags_and_indexes_are_read_with_their_times_in_pages(catalog: Catalog) {
    let a = repository("a");
    for (content, now) in [("one", 100), ("two", 200)] {
        push(&catalog, ManifestPush { now, tagged: now, ..manifest("a", content, &[], &["v1"]) }).await;
    }
    let manifests = vec![digest("one"), digest("two"), digest("elsewhere")];
    let index = ManifestPush {
        now: 300,
        tagged: 0,
        manifests,
        subject: Some(digest("one")),
        ..manifest("a", "index", &[], &["v2"])
    };
    push(&catalog, index).await;
    push(&catalog, manifest("b", "elsewhere", &[], &["v1"])).await;
    let reference = by_tag("v2");
    catalog
        .record_pulls(vec![Pull { repository: a.clone(), reference, of_bytes: true, at: 350 }])
        .await
        .unwrap();
    catalog.touch_manifest(&a, &digest("two"), 400).await.unwrap();
    let (mut manifests, mut tags, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..4 {
        let after = manifests.last().map(|last: &AgedManifest| last.digest);
        manifests.extend(catalog.aged_manifests(&a, after.as_ref(), 1).await.unwrap());
        let after = tags.last().map(|last: &AgedTag| last.tag.clone());
        tags.extend(catalog.aged_tags(&a, after.as_ref(), 1).await.unwrap());
        listed.extend(catalog.listings(&a, listed.last(), 1).await.unwrap());
    }
    let of = |content: &str, pushed, last_use, needed| AgedManifest {
        digest: digest(content),
        subject: (content == "index").then(|| digest("one")),
        pushed,
        last_use,
        needed,
    };
    // `v1` moved away from the first.
    let mut expected = [of("one", 100, 100, 200), of("two", 200, 400, 400), of("index", 300, 300, 350)];
    expected.sort_by_key(|manifest| manifest.digest.to_string());
    assert_eq!(manifests, expected);
    let of = |name: &str, content, pushed, pulled| AgedTag {
        tag: tag(name),
        digest: digest(content),
        pushed,
        pulled,
    };
    assert_eq!(tags, [of("v1", "two", 200, None), of("v2", "index", 0, Some(350))]);
    assert!(listed.len() == 2 && listed.iter().all(|listing| listing.index == digest("index")), "{listed:?}");
}

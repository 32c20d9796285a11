//! Eviction: what is stored, the order of cached images, and what goes with one of them.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests: a failure is to end them.

use hythe_catalog::{
    BlobCommit, CachedImage, Catalog, Cleared, ManifestPush, Origin, Pull, Running, Upload, UploadSave,
    UploadStart,
};
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName, UploadId};

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
    the_image_that_was_pulled_longest_ago_comes_first_and_pushed_ones_never_come,
    an_index_is_as_recent_as_the_latest_pull_of_a_manifest_that_it_lists,
    an_image_goes_with_its_tags_children_and_referrers_and_shared_blobs_stay,
    an_image_that_was_pulled_since_it_was_listed_stays,
    an_image_that_became_local_stays,
    unreferenced_blobs_of_copies_go_at_once_and_those_of_pushes_never,
    the_stored_bytes_include_uploads_and_doomed_files_but_not_excepted_uploads,
    what_a_cluster_runs_is_replaced_and_no_other_name_takes_its_place,
];

const COPY: &str = "up.example/app";

fn name(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

fn origin(repository: &str) -> Origin {
    if repository.starts_with("up.") { Origin::Upstream("up.example".to_owned()) } else { Origin::Local }
}

async fn start(catalog: &Catalog, repository: &str, now: i64) -> UploadId {
    let id = UploadId::random();
    let (repository, algorithm) = (name(repository), Algorithm::Sha256);
    let start = UploadStart { id, repository, algorithm, digest: None, fetch: false, now };
    catalog.start_upload(start).await.unwrap();
    id
}

async fn blob(catalog: &Catalog, repository: &str, content: &str, now: i64) -> Digest {
    let generation = start(catalog, repository, now).await;
    let commit = BlobCommit {
        repository: name(repository),
        origin: origin(repository),
        private: false,
        digest: digest(content),
        size: content.len() as u64,
        generation,
        epoch: Upload::FIRST_EPOCH,
        now,
    };
    catalog.commit_blob(commit).await.unwrap();
    digest(content)
}

fn manifest(repository: &str, content: &str, now: i64) -> ManifestPush {
    ManifestPush {
        repository: name(repository),
        origin: origin(repository),
        private: false,
        digest: digest(content),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: content.as_bytes().to_vec().into(),
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs: Vec::new(),
        require_blobs: false,
        manifests: Vec::new(),
        tags: Vec::new(),
        protected: Vec::new(),
        tagged: now,
        now,
    }
}

/// Stores an image with one blob, as `repository:tag`.
async fn image(catalog: &Catalog, repository: &str, tag: &str, now: i64) -> Digest {
    let layer = blob(catalog, repository, &format!("layer of {tag}"), now).await;
    let mut push = manifest(repository, &format!("image {tag}"), now);
    push.blobs = vec![layer];
    push.tags = vec![tag.parse().unwrap()];
    catalog.push_manifest(push.clone()).await.unwrap();
    push.digest
}

async fn pull(catalog: &Catalog, reference: Reference, at: i64) {
    let pull = Pull { repository: name(COPY), reference, of_bytes: true, at };
    catalog.record_pulls(vec![pull]).await.unwrap();
}

async fn order(catalog: &Catalog) -> Vec<String> {
    let images = catalog.least_used(None, 10).await.unwrap();
    images
        .iter()
        .map(|image| image.tag.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string))
        .collect()
}

async fn first(catalog: &Catalog) -> CachedImage {
    catalog.least_used(None, 1).await.unwrap().remove(0)
}

async fn the_image_that_was_pulled_longest_ago_comes_first_and_pushed_ones_never_come(catalog: Catalog) {
    image(&catalog, "mine", "own", 1).await;
    for (tag, now) in [("a", 10), ("b", 20), ("c", 30)] {
        image(&catalog, COPY, tag, now).await;
    }
    assert_eq!(order(&catalog).await, ["a", "b", "c"]);
    pull(&catalog, Reference::Tag("a".parse().unwrap()), 40).await;
    pull(&catalog, Reference::Digest(digest("image b")), 50).await;
    assert_eq!(order(&catalog).await, ["c", "a", "b"]);
    let page = catalog.least_used(Some(&first(&catalog).await), 1).await.unwrap();
    assert_eq!(page[0].tag.as_ref().map(ToString::to_string).as_deref(), Some("a"));
    assert_eq!(catalog.cached_size(&page[0]).await, Ok("layer of a".len() as u64));
}

async fn an_index_is_as_recent_as_the_latest_pull_of_a_manifest_that_it_lists(catalog: Catalog) {
    let child = image(&catalog, COPY, "child", 1).await;
    catalog.delete_tag(&name(COPY), &"child".parse().unwrap(), 1).await.unwrap();
    let mut index = manifest(COPY, "index", 2);
    index.manifests = vec![child];
    index.tags = vec!["index".parse().unwrap()];
    catalog.push_manifest(index).await.unwrap();
    image(&catalog, COPY, "other", 3).await;
    assert_eq!(order(&catalog).await, ["index", "other"]);
    pull(&catalog, Reference::Digest(child), 4).await;
    assert_eq!(order(&catalog).await, ["other", "index"]);
    let digests = catalog.digests_of(&catalog.least_used(None, 2).await.unwrap()[1]).await.unwrap();
    assert!(digests.contains(&child) && digests.contains(&digest("layer of child")), "{digests:?}");
}

async fn an_image_goes_with_its_tags_children_and_referrers_and_shared_blobs_stay(catalog: Catalog) {
    let shared = blob(&catalog, COPY, "shared", 1).await;
    let own = blob(&catalog, COPY, "own", 1).await;
    let mut child = manifest(COPY, "child", 1);
    child.blobs = vec![shared, own];
    catalog.push_manifest(child.clone()).await.unwrap();
    let mut index = manifest(COPY, "index", 1);
    index.manifests = vec![child.digest];
    index.tags = vec!["one".parse().unwrap(), "two".parse().unwrap()];
    catalog.push_manifest(index.clone()).await.unwrap();
    let mut signature = manifest(COPY, "signature", 1);
    signature.subject = Some(index.digest);
    catalog.push_manifest(signature).await.unwrap();
    let mut other = manifest(COPY, "other", 2);
    other.blobs = vec![shared];
    other.tags = vec!["other".parse().unwrap()];
    catalog.push_manifest(other).await.unwrap();

    let cleared = catalog.evict(first(&catalog).await).await.unwrap();
    let manifests = ["child", "index", "signature"].iter().map(|content| content.len()).sum::<usize>();
    let bytes = (manifests + "own".len()) as u64;
    assert_eq!(cleared, Cleared { copies: 0, tags: 2, manifests: 3, blobs: 1, bytes });
    assert_eq!(order(&catalog).await, ["other"]);
    assert!(catalog.blob(&name(COPY), &shared).await.unwrap().is_some());
    assert!(catalog.live_file(&own).await.unwrap().is_none());
}

async fn an_image_that_was_pulled_since_it_was_listed_stays(catalog: Catalog) {
    image(&catalog, COPY, "a", 1).await;
    let listed = first(&catalog).await;
    pull(&catalog, Reference::Tag("a".parse().unwrap()), 2).await;
    assert_eq!(catalog.evict(listed).await, Ok(Cleared::default()));
    assert_eq!(catalog.evict(first(&catalog).await).await.unwrap().manifests, 1);
    assert!(!catalog.repository_exists(&name(COPY)).await.unwrap());
}

async fn an_image_that_became_local_stays(catalog: Catalog) {
    image(&catalog, COPY, "a", 1).await;
    let listed = first(&catalog).await;
    catalog.pin_copy(&name(COPY)).await.unwrap();
    assert_eq!(catalog.evict(listed).await, Ok(Cleared::default()));
    assert_eq!(order(&catalog).await, Vec::<String>::new());
}

async fn unreferenced_blobs_of_copies_go_at_once_and_those_of_pushes_never(catalog: Catalog) {
    image(&catalog, COPY, "a", 1).await;
    blob(&catalog, COPY, "stray", 1).await;
    blob(&catalog, COPY, "young", 9).await;
    blob(&catalog, "mine", "waiting", 1).await;
    let removed = catalog.evict_unreferenced(5, 10).await.unwrap();
    assert_eq!((removed.links, removed.blobs, removed.bytes), (1, 1, "stray".len() as u64));
    assert!(catalog.blob(&name("mine"), &digest("waiting")).await.unwrap().is_some());
    assert_eq!(catalog.evict_unreferenced(5, 10).await.unwrap().links, 0);
}

async fn the_stored_bytes_include_uploads_and_doomed_files_but_not_excepted_uploads(catalog: Catalog) {
    let empty = catalog.stored_bytes(Vec::new()).await.unwrap();
    blob(&catalog, "mine", "live", 1).await;
    blob(&catalog, "mine", "doomed", 1).await;
    catalog.unlink_blob(&name("mine"), &digest("doomed")).await.unwrap();
    let id = start(&catalog, "mine", 1).await;
    let (epoch, algorithm) = (Upload::FIRST_EPOCH, Algorithm::Sha256);
    let save = UploadSave { id, epoch, from: 0, offset: 1000, algorithm, state: None, now: 1 };
    assert!(catalog.save_upload(save).await.unwrap());
    let blobs = ("live".len() + "doomed".len()) as u64;
    assert_eq!(catalog.stored_bytes(Vec::new()).await.unwrap() - empty, blobs + 1000);
    assert_eq!(catalog.stored_bytes(vec![id, UploadId::random()]).await.unwrap() - empty, blobs);
}

async fn what_a_cluster_runs_is_replaced_and_no_other_name_takes_its_place(catalog: Catalog) {
    let told = |source: &str, content: &str, at| Running {
        source: source.to_owned(),
        digests: vec![digest(content), digest("pause")],
        at,
    };
    for (source, content, at, since, stored) in [
        ("old", "x", 1, 0, true),
        ("kind-a", "x", 2, 0, true),
        ("invented", "y", 3, 0, false),
        ("kind-b", "y", 3, 2, true),
        ("kind-a", "z", 4, 2, true),
    ] {
        let running = told(source, content, at);
        assert_eq!(catalog.set_running(running, since, 2).await.unwrap(), stored, "{source} {at}");
    }
    let all = [told("kind-a", "z", 4), told("kind-b", "y", 3)];
    assert_eq!(catalog.running(0).await.unwrap(), all);
    assert_eq!(catalog.running(4).await.unwrap(), all[..1]);
}

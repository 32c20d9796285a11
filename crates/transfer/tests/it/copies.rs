//! What a copy brings, and what it leaves alone.

use std::sync::Arc;

use hythe_oci::{Algorithm, Digest, Reference};
use hythe_testing::{ImageBuilder, ScriptedUpstream, TestRegistry};
use hythe_transfer::{ArchiveSource, Error, Layout, Plan, Source};
use serde_json::json;

use crate::places::{Published, TestPlace, copied, endpoint, everything, expect_whole, only, remote};

#[tokio::test]
async fn an_image_goes_from_each_kind_of_place_to_each_with_all_that_belongs_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = TestPlace::Registry(Box::new(TestRegistry::start()));
    let published = Published::new();
    let TestPlace::Registry(registry) = &first else { unreachable!() };
    published.push(registry);
    for (number, between) in TestPlace::all(&folder).into_iter().enumerate() {
        let source = first.source("app");
        let done = copied(&source, &*between.target("app"), "v1", &everything()).await.unwrap();
        assert_eq!((done.digest, done.manifests, done.blobs), (published.index.digest(), 6, 10));
        let folder = tempfile::tempdir().unwrap();
        for last in TestPlace::all(&folder) {
            let source = between.source("app");
            let target = last.target("copies/app");
            let done = copied(&source, &*target, "v1", &everything()).await.unwrap();
            assert_eq!((done.manifests, done.blobs), (6, 10), "{number}");
            drop(target);
            let copy = last.source("copies/app");
            assert_eq!(copy.resolve(&"v1".parse().unwrap()).await.unwrap(), published.index.digest());
            for manifest in published.all() {
                expect_whole(&copy, manifest).await;
            }
            let subject = published.index.digest();
            assert_eq!(copy.referrers(&subject).await.unwrap(), [published.signature.digest()]);
            assert_eq!(copy.tags().await.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_second_copy_moves_nothing_and_a_new_tag_moves_only_the_tag() {
    let (from, to) = (TestRegistry::start(), TestRegistry::start());
    let published = Published::new();
    published.push(&from);
    let source: Arc<dyn Source> = Arc::new(remote(&endpoint(&from), "app"));
    let target = remote(&endpoint(&to), "app");
    assert!(!copied(&source, &target, "v1", &everything()).await.unwrap().is_up_to_date());
    let again = copied(&source, &target, "v1", &everything()).await.unwrap();
    assert!(again.is_up_to_date() && (again.blobs, again.existing) == (0, 0), "{again:?}");
    published.index.put(&from.client(), "app", "v2").expect(201);
    let tagged = copied(&source, &target, "v2", &everything()).await.unwrap();
    assert_eq!((tagged.manifests, tagged.blobs, tagged.tags.len()), (0, 0, 1));
    to.client().get("/v2/app/manifests/v2").send().expect(200);
}

#[tokio::test]
async fn blobs_that_the_target_lost_are_brought_though_it_has_their_manifests() {
    let (from, to) = (TestRegistry::start(), TestRegistry::start());
    let published = Published::new();
    published.push(&from);
    let source: Arc<dyn Source> = Arc::new(remote(&endpoint(&from), "app"));
    let target = remote(&endpoint(&to), "app");
    copied(&source, &target, "v1", &everything()).await.unwrap();
    // A layer of one platform, and the blob of a referrer.
    for manifest in [&published.arm64, &published.note] {
        let digest = Digest::of(Algorithm::Sha256, manifest.blobs.last().unwrap());
        to.client().delete(format!("/v2/app/blobs/{digest}")).send().expect(202);
    }
    let checked = Plan { check_blobs: true, ..everything() };
    let dry = copied(&source, &target, "v1", &Plan { dry_run: true, ..checked.clone() }).await.unwrap();
    assert_eq!((dry.manifests, dry.blobs, dry.existing), (0, 2, 8));
    let trusting = copied(&source, &target, "v1", &everything()).await.unwrap();
    assert!(trusting.is_up_to_date(), "{trusting:?}");
    let healed = copied(&source, &target, "v1", &checked).await.unwrap();
    assert_eq!((healed.manifests, healed.blobs, healed.existing), (0, 2, 8));
    assert!(!healed.is_up_to_date());
    let copy: Arc<dyn Source> = Arc::new(target);
    for manifest in published.all() {
        expect_whole(&copy, manifest).await;
    }
    let again = copied(&source, &remote(&endpoint(&to), "app"), "v1", &checked).await.unwrap();
    assert!(again.is_up_to_date() && again.existing == 10, "{again:?}");
}

#[tokio::test]
async fn without_all_no_referrer_comes_along_and_a_dry_run_writes_nothing() {
    let (from, to) = (TestRegistry::start(), TestRegistry::start());
    let published = Published::new();
    published.push(&from);
    let source: Arc<dyn Source> = Arc::new(remote(&endpoint(&from), "app"));
    let target = remote(&endpoint(&to), "app");
    let dry = Plan { dry_run: true, ..everything() };
    let dry = copied(&source, &target, "v1", &dry).await.unwrap();
    assert_eq!((dry.manifests, dry.blobs), (6, 10));
    let totals = to.registry().totals().await.unwrap();
    assert_eq!(totals.blobs + totals.manifests, 0);
    let done = copied(&source, &target, "v1", &Plan::default()).await.unwrap();
    assert_eq!((done.manifests, done.blobs), (4, 7));
    assert_eq!(target.referrers(&published.index.digest()).await.unwrap(), []);
}

#[tokio::test]
async fn a_chosen_platform_keeps_the_index_and_says_what_it_leaves_out() {
    let (from, folder) = (TestRegistry::start(), tempfile::tempdir().unwrap());
    let published = Published::new();
    published.push(&from);
    let source: Arc<dyn Source> = Arc::new(remote(&endpoint(&from), "app"));
    let place = TestPlace::Layout(folder.path().join("layout"));
    let done = copied(&source, &*place.target("app"), "v1", &only("linux/amd64")).await.unwrap();
    assert_eq!((done.digest, done.left_out), (published.index.digest(), vec!["linux/arm64".to_owned()]));
    let copy = place.source("app");
    expect_whole(&copy, &published.amd64).await;
    expect_whole(&copy, &published.attestation).await;
    let arm64 = Reference::Digest(published.arm64.digest());
    assert!(matches!(copy.manifest(&arm64).await, Err(Error::NotFound { .. })));
    let error = copied(&source, &*place.target("app"), "v1", &only("linux/s390x")).await.unwrap_err();
    assert!(
        error.to_string().ends_with("is not for linux/s390x, only for linux/amd64, linux/arm64"),
        "{error}"
    );
    // The rest can be copied later, but not from a place that lacks it.
    let other = TestRegistry::start();
    let target = remote(&endpoint(&other), "app");
    let error = copied(&copy, &target, "v1", &Plan::default()).await.unwrap_err();
    assert!(matches!(error, Error::Absent { count: 1, .. }), "{error}");
    let done = copied(&source, &*place.target("app"), "v1", &Plan::default()).await.unwrap();
    assert_eq!(done.manifests, 1);
    copied(&place.source("app"), &target, "v1", &Plan::default()).await.unwrap();
}

#[tokio::test]
async fn an_image_that_is_no_index_must_be_for_the_chosen_platform() {
    let (from, to) = (TestRegistry::start(), TestRegistry::start());
    ImageBuilder::new(7).layers(1, 1000).build().push(&from.client(), "app", "v1");
    let source: Arc<dyn Source> = Arc::new(remote(&endpoint(&from), "app"));
    let target = remote(&endpoint(&to), "app");
    let error = copied(&source, &target, "v1", &only("linux/arm64")).await.unwrap_err();
    assert!(error.to_string().ends_with("is not for linux/arm64, only for linux/amd64"), "{error}");
    let totals = to.registry().totals().await.unwrap();
    assert_eq!(totals.blobs + totals.manifests, 0);
    copied(&source, &target, "v1", &only("linux/amd64")).await.unwrap();
    // An artifact has no platform.
    ImageBuilder::artifact(8, "application/vnd.example.note").build().push(&from.client(), "app", "v2");
    copied(&source, &target, "v2", &only("linux/arm64")).await.unwrap();
}

#[tokio::test]
async fn a_registry_mounts_what_another_of_its_repositories_has() {
    let registry = TestRegistry::start();
    Published::new().push(&registry);
    let source: Arc<dyn Source> = Arc::new(remote(&endpoint(&registry), "app"));
    let target = remote(&endpoint(&registry), "team/app");
    let done = copied(&source, &target, "v1", &everything()).await.unwrap();
    assert_eq!((done.mounted, done.blobs, done.bytes), (10, 0, 0));
}

#[tokio::test]
async fn referrers_that_a_tag_lists_and_signatures_come_along() {
    let (from, to) = (ScriptedUpstream::start(), TestRegistry::start());
    from.list_referrers(false);
    let image = ImageBuilder::new(7).layers(1, 1000).build();
    from.push("app", "v1", &image);
    let note = ImageBuilder::artifact(8, "application/vnd.example.note").subject(&image).build();
    from.push("app", &note.digest().to_string(), &note);
    let list = hythe_testing::IndexBuilder::new().manifest(note.clone()).build();
    let hex = image.digest().hex();
    from.push("app", &format!("sha256-{hex}"), &list);
    let signature = ImageBuilder::artifact(9, "application/vnd.example.cosign").build();
    from.push("app", &format!("sha256-{hex}.sig"), &signature);
    let other = ImageBuilder::artifact(10, "application/vnd.example.cosign").build();
    from.push("app", &format!("sha256-{}.sig", "0".repeat(64)), &other);
    let source: Arc<dyn Source> = Arc::new(remote(&from.endpoint(), "app"));
    let target = remote(&endpoint(&to), "app");
    copied(&source, &target, "v1", &everything()).await.unwrap();
    assert_eq!(target.referrers(&image.digest()).await.unwrap(), [note.digest()]);
    let tags = target.tags().await.unwrap();
    let tags: Vec<_> = tags.iter().map(hythe_oci::Tag::as_str).collect();
    assert_eq!(tags, [format!("sha256-{hex}.sig").as_str(), "v1"]);
}

#[tokio::test]
async fn what_docker_save_wrote_before_version_25_is_read() {
    let (folder, to) = (tempfile::tempdir().unwrap(), TestRegistry::start());
    let path = folder.path().join("saved.tar");
    let (layer, config) = (b"a layer".repeat(1000), br#"{"os":"linux","architecture":"amd64"}"#);
    let mut archive = tar::Builder::new(std::fs::File::create(&path).unwrap());
    let mut add = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes).unwrap();
    };
    add("abc.json", config);
    add("one/layer.tar", &layer);
    let list = json!([{
        "Config": "abc.json", "RepoTags": ["localhost:5000/team/app:v1"],
        "Layers": ["one/layer.tar", "two/layer.tar"],
    }]);
    add("manifest.json", list.to_string().as_bytes());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    archive.append_link(&mut link, "two/layer.tar", "../one/layer.tar").unwrap();
    archive.finish().unwrap();
    let source: Arc<dyn Source> = Arc::new(ArchiveSource::open(&path).unwrap());
    assert_eq!(source.tags().await.unwrap(), ["v1".parse().unwrap()]);
    let done = copied(&source, &remote(&endpoint(&to), "app"), "v1", &Plan::default()).await.unwrap();
    assert_eq!((done.blobs, done.bytes), (2, (layer.len() + config.len()) as u64));
    let answer = to.client().get("/v2/app/manifests/v1").send().expect(200);
    assert_eq!(answer.json()["layers"].as_array().unwrap().len(), 2);
}

#[test]
fn a_file_that_is_no_archive_of_images_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (bytes, expected) in [
        (&b"\x1f\x8b\x08\x00 gzip"[..], "it is compressed. Decompress it first"),
        (b"not an archive at all", "a tar archive of images"),
        (b"", "neither index.json (an OCI layout) nor manifest.json (docker save)"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = ArchiveSource::open(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn a_folder_of_blobs_alone_is_read_by_digest_and_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, published) = (TestRegistry::start(), Published::new());
    published.push(&registry);
    let source: Arc<dyn Source> = Arc::new(remote(&endpoint(&registry), "app"));
    copied(&source, &Layout::create(folder.path()).unwrap(), "v1", &Plan::default()).await.unwrap();
    for file in ["index.json", "oci-layout"] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    let blobs = Layout::of_blobs(folder.path());
    let index = published.index.digest();
    assert_eq!(blobs.lacks(&index).await.unwrap(), None);
    let place: Arc<dyn Source> = Arc::new(Layout::of_blobs(folder.path()));
    expect_whole(&place, &published.amd64).await;
    let layer = Digest::of(Algorithm::Sha256, published.arm64.blobs.last().unwrap());
    let file = folder.path().join("blobs/sha256").join(layer.hex());
    std::fs::write(&file, "cut").unwrap();
    assert_eq!(blobs.lacks(&index).await.unwrap(), Some(format!("blob `{layer}`")));
    assert_eq!(blobs.lacks(&published.amd64.digest()).await.unwrap(), None);
}

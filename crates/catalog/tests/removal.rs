//! Removals by retention: whole if nothing changed since the decision, and nothing otherwise. Each test runs against a
//! catalog in a file and one in memory.

#![allow(clippy::unwrap_used)] // The helpers of tests are tests: a failure is to end them.

use bytes::Bytes;
use hythe_catalog::{Catalog, Cause, Deletion, ImageRemoval, ManifestPush, Origin, Pull};
use hythe_oci::{Algorithm, Digest, Reference, RepositoryName, Tag, fallback_tag};

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
    an_image_goes_with_all_that_belongs_to_it_and_comes_back_with_it,
    nothing_goes_if_anything_changed_since_the_decision,
    a_tag_goes_alone_if_it_still_names_what_it_named,
    an_image_with_more_members_than_one_write_removes_goes_whole,
];

const DELETION: Deletion = Deletion { at: 5000, cause: Cause::Retention };

fn a() -> RepositoryName {
    "a".parse().unwrap()
}

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

fn digest(content: &str) -> Digest {
    Digest::of(Algorithm::Sha256, content.as_bytes())
}

async fn push(catalog: &Catalog, content: &str, now: i64, change: impl FnOnce(&mut ManifestPush)) {
    let mut push = ManifestPush {
        repository: a(),
        origin: Origin::Local,
        private: false,
        digest: digest(content),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        bytes: Bytes::copy_from_slice(content.as_bytes()),
        artifact_type: None,
        annotations: None,
        subject: None,
        blobs: Vec::new(),
        require_blobs: true,
        manifests: Vec::new(),
        tags: Vec::new(),
        protected: Vec::new(),
        tagged: now,
        now,
    };
    change(&mut push);
    catalog.push_manifest(push).await.unwrap();
}

fn attached() -> Tag {
    tag(&format!("{}.sig", fallback_tag(&digest("index"))))
}

/// An index with two tags, a manifest that it lists, a signature, and a signature of cosign's older form.
async fn image(catalog: &Catalog) -> ImageRemoval {
    push(catalog, "child", 1000, |_| {}).await;
    push(catalog, "index", 1000, |push| {
        push.manifests = vec![digest("child")];
        push.tags = vec![tag("v1"), tag("v2")];
    })
    .await;
    push(catalog, "signature", 1000, |push| push.subject = Some(digest("index"))).await;
    push(catalog, "cosign", 1000, |push| push.tags = vec![attached()]).await;
    let of = |name: &str, content| (tag(name), digest(content), 1000);
    let tags = vec![of("v1", "index"), of("v2", "index"), (attached(), digest("cosign"), 1000)];
    let manifests = ["index", "child", "signature", "cosign"].map(|content| (digest(content), 1000)).to_vec();
    ImageRemoval { repository: a(), tags, manifests }
}

async fn counts(catalog: &Catalog) -> (u64, u64) {
    let totals = catalog.totals().await.unwrap();
    (totals.manifests, totals.tags)
}

async fn an_image_goes_with_all_that_belongs_to_it_and_comes_back_with_it(catalog: Catalog) {
    let image = image(&catalog).await;
    assert!(catalog.remove_image(image.clone(), DELETION).await.unwrap());
    assert_eq!(counts(&catalog).await, (0, 0));
    // What is gone already keeps nothing from going.
    assert!(catalog.remove_image(image, DELETION).await.unwrap());
    let deleted = catalog.deleted_manifests(Some(a()), None, 9).await.unwrap();
    assert!(deleted.len() == 4 && deleted.iter().all(|deleted| deleted.cause == Cause::Retention));
    catalog.restore_manifest(&a(), &digest("index"), 6000).await.unwrap().unwrap();
    let tags = catalog.tags(&a(), None, 9).await.unwrap().unwrap();
    assert!(tags.contains(&tag("v1")) && tags.contains(&tag("v2")), "{tags:?}");
}

async fn nothing_goes_if_anything_changed_since_the_decision(catalog: Catalog) {
    let image = image(&catalog).await;
    let unchanged = async |what: &str| {
        let before = counts(&catalog).await;
        assert!(!catalog.remove_image(image.clone(), DELETION).await.unwrap(), "{what}");
        assert_eq!(counts(&catalog).await, before, "{what}");
    };
    let again = async || {
        for content in ["child", "signature"] {
            catalog.delete_manifest(&a(), &digest(content)).await.unwrap();
        }
        self::image(&catalog).await;
    };
    push(&catalog, "index", 1000, |push| {
        push.manifests = vec![digest("child")];
        push.tags = vec![tag("v3")];
    })
    .await;
    unchanged("a further tag").await;
    catalog.delete_tag(&a(), &tag("v3"), 1000).await.unwrap();
    push(&catalog, "other", 1000, |push| push.manifests = vec![digest("child")]).await;
    unchanged("an index of a part").await;
    catalog.delete_manifest(&a(), &digest("other")).await.unwrap();
    push(&catalog, "late", 1000, |push| push.subject = Some(digest("child"))).await;
    unchanged("a referrer of a part").await;
    catalog.delete_manifest(&a(), &digest("late")).await.unwrap();
    push(&catalog, "late", 1000, |push| {
        push.tags = vec![tag(&format!("{}.att", fallback_tag(&digest("index"))))];
    })
    .await;
    unchanged("an attestation of cosign's older form").await;
    catalog.delete_manifest(&a(), &digest("late")).await.unwrap();
    push(&catalog, "late", 2000, |push| push.tags = vec![attached()]).await;
    unchanged("another signature of cosign's older form").await;
    catalog.delete_manifest(&a(), &digest("late")).await.unwrap();
    catalog.delete_manifest(&a(), &digest("cosign")).await.unwrap();
    again().await;
    assert!(catalog.touch_manifest(&a(), &digest("child"), 2000).await.unwrap());
    unchanged("a client that asked for a part").await;
    again().await;
    let reference = Reference::Digest(digest("signature"));
    catalog.record_pulls(vec![Pull { repository: a(), reference, of_bytes: true, at: 2000 }]).await.unwrap();
    unchanged("a pull of a part").await;
    again().await;
    push(&catalog, "index", 2000, |push| {
        push.manifests = vec![digest("child")];
        push.tags = vec![tag("v1")];
    })
    .await;
    unchanged("a push of the same image").await;
}

async fn a_tag_goes_alone_if_it_still_names_what_it_named(catalog: Catalog) {
    for content in ["one", "two"] {
        push(&catalog, content, 1000, |push| push.tags = vec![tag(content), tag("pr")]).await;
    }
    let removal = |content, pushed| ImageRemoval {
        repository: a(),
        tags: vec![(tag("pr"), digest(content), pushed)],
        manifests: Vec::new(),
    };
    for (content, pushed) in [("one", 1000), ("two", 999)] {
        assert!(!catalog.remove_image(removal(content, pushed), DELETION).await.unwrap());
        assert_eq!(counts(&catalog).await, (2, 3));
    }
    assert!(catalog.remove_image(removal("two", 1000), DELETION).await.unwrap());
    assert_eq!(counts(&catalog).await, (2, 2));
    assert!(!catalog.remove_image(removal("two", 1000), DELETION).await.unwrap());
}

async fn an_image_with_more_members_than_one_write_removes_goes_whole(catalog: Catalog) {
    let tags: Vec<Tag> = (0..600).map(|number| tag(&format!("t{number}"))).collect();
    let children: Vec<String> = (0..90).map(|number| format!("child {number}")).collect();
    for child in &children {
        push(&catalog, child, 1000, |_| {}).await;
    }
    push(&catalog, "index", 1000, |push| {
        push.manifests = children.iter().map(|child| digest(child)).collect();
        push.tags.clone_from(&tags);
    })
    .await;
    push(&catalog, "stays", 1000, |push| push.tags = vec![tag("stays")]).await;
    let tags = tags.into_iter().map(|tag| (tag, digest("index"), 1000)).collect();
    let members = std::iter::once("index").chain(children.iter().map(String::as_str));
    let manifests = members.map(|content| (digest(content), 1000)).collect();
    let removal = ImageRemoval { repository: a(), tags, manifests };
    assert!(catalog.remove_image(removal, DELETION).await.unwrap());
    assert_eq!(counts(&catalog).await, (1, 1));
}

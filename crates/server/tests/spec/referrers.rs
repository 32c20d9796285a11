//! Listing referrers.

use std::collections::BTreeSet;

use hythe_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use hythe_oci::{Algorithm, Digest, fallback_tag};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, Setup};
use serde_json::{Value, json};

use crate::world::World;

on_every_configuration! {
    a_manifest_without_referrers_has_an_empty_list,
    a_referrer_is_described_as_it_was_pushed,
    referrers_are_filtered_by_artifact_type,
    referrers_of_a_missing_subject_are_listed,
    referrers_are_those_of_their_repository,
    a_deleted_referrer_is_not_listed,
    a_subject_by_its_sha512_digest_has_referrers,
    pages_of_referrers_follow_each_other_by_their_links,
    large_lists_of_referrers_come_in_pages,
    manifests_that_clients_listed_under_the_fallback_tag_are_referrers_once_each,
}

const SBOM: &str = "application/vnd.example.sbom+json";
const SIGNATURE: &str = "application/vnd.example.signature";

/// The whole list, from all pages.
#[track_caller]
fn list(world: &World, repository: &str, subject: Digest, query: &str) -> Vec<Value> {
    let mut path = format!("/v2/{repository}/referrers/{subject}{query}");
    let mut all = Vec::new();
    loop {
        let answer = world.get(&path).send().expect(200);
        assert_eq!(answer.header("content-type"), Some(OCI_INDEX));
        let index = answer.json();
        assert_eq!((&index["schemaVersion"], &index["mediaType"]), (&json!(2), &json!(OCI_INDEX)));
        let page = index["manifests"].as_array().unwrap();
        assert!(!page.is_empty() || answer.next_page().is_none(), "{answer}");
        all.extend(page.iter().cloned());
        match answer.next_page() {
            Some(next) => path = next,
            None => return all,
        }
    }
}

fn digests(list: &[Value]) -> Vec<String> {
    let mut digests: Vec<String> =
        list.iter().map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect();
    digests.sort();
    digests
}

fn digests_of<'a>(manifests: impl IntoIterator<Item = &'a Manifest>) -> Vec<String> {
    let digests: BTreeSet<String> =
        manifests.into_iter().map(|manifest| manifest.digest().to_string()).collect();
    digests.into_iter().collect()
}

/// Listing Referrers (end-12a): "MUST NOT return a 404 Not Found", "an empty manifest list MUST be returned".
fn a_manifest_without_referrers_has_an_empty_list(setup: Setup) {
    let world = World::start(setup);
    let digest = Digest::of(Algorithm::Sha256, b"subject");
    assert_eq!(list(&world, "never/pushed", digest, ""), [Value::Null; 0]);
    let image = ImageBuilder::new(1).build();
    image.push(&world, "app", "latest");
    assert_eq!(list(&world, "app", image.digest(), ""), [Value::Null; 0]);
    assert_eq!(list(&world, "app", digest, "?artifactType=a/b"), [Value::Null; 0]);
    world.head(format!("/v2/app/referrers/{digest}")).send().expect(200);
}

/// Listing Referrers: the fields that a descriptor MUST include, and those that MUST be omitted.
fn a_referrer_is_described_as_it_was_pushed(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    subject.push(&world, "app", "latest");
    let artifact = ImageBuilder::artifact(2, SBOM).subject(&subject).annotation("org.example.a", "1").build();
    let image =
        ImageBuilder::new(3).subject(&subject).annotation("a", "ä \"quoted\"").annotation("b", "").build();
    let bare = ImageBuilder::new(4).subject(&subject).build();
    let empty = ImageBuilder::new(5).subject(&subject).field("artifactType", "").build();
    let index = IndexBuilder::new().subject(&subject).field("annotations", json!({ "c": "d" })).build();
    let typed = IndexBuilder::new().subject(&subject).field("artifactType", SIGNATURE).build();
    let cases = [
        (&artifact, Some(SBOM), json!({ "org.example.a": "1" })),
        (&image, Some(OCI_CONFIG), json!({ "a": "ä \"quoted\"", "b": "" })),
        (&bare, Some(OCI_CONFIG), Value::Null),
        (&empty, Some(OCI_CONFIG), Value::Null),
        (&index, None, json!({ "c": "d" })),
        (&typed, Some(SIGNATURE), Value::Null),
    ];
    for (manifest, ..) in &cases {
        manifest.push(&world, "app", manifest.digest());
    }
    // A second push adds no second entry.
    artifact.push(&world, "app", "tagged");
    let listed = list(&world, "app", subject.digest(), "");
    assert_eq!(digests(&listed), digests_of(cases.iter().map(|(manifest, ..)| *manifest)));
    for (manifest, artifact_type, annotations) in cases {
        let mut descriptor = manifest.descriptor();
        if let Some(artifact_type) = artifact_type {
            descriptor["artifactType"] = artifact_type.into();
        }
        if !annotations.is_null() {
            descriptor["annotations"] = annotations;
        }
        assert!(listed.contains(&descriptor), "{descriptor} is not in {listed:?}");
    }
}

/// Listing Referrers (end-12b): `OCI-Filters-Applied: artifactType`.
fn referrers_are_filtered_by_artifact_type(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    let sboms = [2, 3].map(|seed| ImageBuilder::artifact(seed, SBOM).subject(&subject).build());
    let signature = ImageBuilder::artifact(4, SIGNATURE).subject(&subject).build();
    let image = ImageBuilder::new(5).subject(&subject).build();
    let index = IndexBuilder::new().subject(&subject).build();
    for manifest in sboms.iter().chain([&signature, &image, &index]) {
        manifest.push(&world, "app", manifest.digest());
    }
    let path = format!("/v2/app/referrers/{}", subject.digest());
    assert_eq!(world.get(&path).send().expect(200).header("oci-filters-applied"), None);
    for (query, expected) in [
        // Some clients escape `+`, others do not.
        (SBOM.to_owned(), sboms.iter().collect::<Vec<_>>()),
        (SBOM.replace('+', "%2B").replace('/', "%2F"), sboms.iter().collect()),
        (SIGNATURE.to_owned(), vec![&signature]),
        (OCI_CONFIG.to_owned(), vec![&image]),
        ("application/vnd.example.none".to_owned(), vec![]),
    ] {
        let query = format!("?artifactType={query}");
        let answer = world.get(format!("{path}{query}")).send().expect(200);
        assert_eq!(answer.header("oci-filters-applied"), Some("artifactType"), "{query}");
        assert_eq!(digests(&list(&world, "app", subject.digest(), &query)), digests_of(expected), "{query}");
    }
}

/// Push: manifests and their referrers come "in either order".
fn referrers_of_a_missing_subject_are_listed(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    let artifact = ImageBuilder::artifact(2, SBOM).subject(&subject).build();
    artifact.push(&world, "app", artifact.digest());
    let expected = digests_of([&artifact]);
    assert_eq!(digests(&list(&world, "app", subject.digest(), "")), expected);
    subject.push(&world, "app", "latest");
    assert_eq!(digests(&list(&world, "app", subject.digest(), "")), expected);
    world.delete(format!("/v2/app/manifests/{}", subject.digest())).send().expect(202);
    assert_eq!(digests(&list(&world, "app", subject.digest(), "")), expected);
}

/// Listing Referrers: "in the same `<name>` namespace".
fn referrers_are_those_of_their_repository(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    subject.push(&world, "app", "latest");
    subject.push(&world, "copy", "latest");
    let artifact = ImageBuilder::artifact(2, SBOM).subject(&subject).build();
    artifact.push(&world, "copy", artifact.digest());
    assert_eq!(list(&world, "app", subject.digest(), ""), [Value::Null; 0]);
    assert_eq!(digests(&list(&world, "copy", subject.digest(), "")), digests_of([&artifact]));
}

fn a_deleted_referrer_is_not_listed(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    let artifacts = [2, 3].map(|seed| ImageBuilder::artifact(seed, SBOM).subject(&subject).build());
    for artifact in &artifacts {
        artifact.push(&world, "app", artifact.digest());
    }
    world.delete(format!("/v2/app/manifests/{}", artifacts[0].digest())).send().expect(202);
    assert_eq!(digests(&list(&world, "app", subject.digest(), "")), digests_of([&artifacts[1]]));
}

fn a_subject_by_its_sha512_digest_has_referrers(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    let digest = subject.digest_by(Algorithm::Sha512);
    subject.push(&world, "app", digest);
    let descriptor = json!({ "mediaType": OCI_MANIFEST, "digest": digest, "size": subject.bytes.len() });
    let artifact = ImageBuilder::artifact(2, SBOM).field("subject", descriptor).build();
    let answer = artifact.push(&world, "app", artifact.digest_by(Algorithm::Sha512));
    assert_eq!(answer.header("oci-subject"), Some(digest.to_string().as_str()));
    let listed = list(&world, "app", digest, "");
    assert_eq!(digests(&listed), [artifact.digest_by(Algorithm::Sha512).to_string()]);
    // Its SHA-256 digest is another subject.
    assert_eq!(list(&world, "app", subject.digest(), ""), [Value::Null; 0]);
}

/// Listing Referrers: "Each response is an image index with different descriptors".
fn pages_of_referrers_follow_each_other_by_their_links(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    let sboms: Vec<Manifest> =
        (10..17).map(|seed| ImageBuilder::artifact(seed, SBOM).subject(&subject).build()).collect();
    let other = ImageBuilder::artifact(20, SIGNATURE).subject(&subject).build();
    for artifact in sboms.iter().chain([&other]) {
        artifact.push(&world, "app", artifact.digest());
    }
    for n in 1..=8 {
        let listed = list(&world, "app", subject.digest(), &format!("?n={n}"));
        assert_eq!(digests(&listed), digests_of(sboms.iter().chain([&other])), "n={n}");
        // The link repeats the filter, and each page says that the filter was applied.
        let query = format!("?n={n}&artifactType={SBOM}");
        assert_eq!(digests(&list(&world, "app", subject.digest(), &query)), digests_of(&sboms), "n={n}");
    }
}

/// Listing Referrers: "A `Link` header MUST be included in the response when the descriptor list cannot be returned in
/// a single manifest."
fn large_lists_of_referrers_come_in_pages(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    let annotation = "a".repeat(1 << 20);
    let artifacts: Vec<Manifest> = (0..6)
        .map(|seed| ImageBuilder::artifact(seed, SBOM).subject(&subject).annotation("a", &annotation).build())
        .collect();
    for artifact in &artifacts {
        artifact.push(&world, "app", artifact.digest());
    }
    let first = world.get(format!("/v2/app/referrers/{}", subject.digest())).send().expect(200);
    assert!(first.next_page().is_some() && first.body.len() < (6 << 20), "{} bytes", first.body.len());
    assert_eq!(digests(&list(&world, "app", subject.digest(), "")), digests_of(&artifacts));
}

/// Enabling the Referrers API: "MUST include preexisting image manifests that are listed in an image index tagged with
/// the referrers tag schema and have a valid `subject` field".
fn manifests_that_clients_listed_under_the_fallback_tag_are_referrers_once_each(setup: Setup) {
    let world = World::start(setup);
    let subject = ImageBuilder::new(1).build();
    subject.push(&world, "app", "latest");
    let listed = [2, 3].map(|seed| ImageBuilder::artifact(seed, SBOM).subject(&subject).build());
    let pushed_only = ImageBuilder::artifact(4, SBOM).subject(&subject).build();
    let missing = ImageBuilder::artifact(5, SBOM).subject(&subject).build();
    let without_subject = ImageBuilder::artifact(6, SBOM).build();
    let index = IndexBuilder::new().manifest(listed[0].clone()).manifest(listed[1].clone());
    let index = index.manifest(without_subject.clone()).entry(missing.descriptor()).build();
    let tag = fallback_tag(&subject.digest());
    index.push(&world, "app", &tag);
    pushed_only.push(&world, "app", pushed_only.digest());
    listed[0].push(&world, "app", "tagged-too");
    let expected = digests_of(listed.iter().chain([&pushed_only]));
    assert_eq!(digests(&list(&world, "app", subject.digest(), "")), expected);
    // Clients that use the tag find it unchanged; if the tag is deleted, the list stays the same.
    assert_eq!(world.get(format!("/v2/app/manifests/{tag}")).send().expect(200).body, index.bytes);
    world.delete(format!("/v2/app/manifests/{tag}")).send().expect(202);
    assert_eq!(digests(&list(&world, "app", subject.digest(), "")), expected);
}

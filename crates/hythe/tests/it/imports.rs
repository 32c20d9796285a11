//! `hythe import` from a running registry, and from OCI layouts and archives. `registry2.rs` has that from a folder.

use hythe_oci::{Algorithm, Digest};
use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, ScriptedUpstream, TestRegistry};
use serde_json::json;

use crate::cache::world::{Ran, run};

fn import(to: &TestRegistry, arguments: &[&str]) -> Ran {
    let address = to.address().to_string();
    run(&[&["import"], arguments, &["--registry", &address]].concat(), &[], "")
}

fn image(seed: u64) -> Manifest {
    ImageBuilder::new(seed).layers(2, 20_000).build()
}

#[track_caller]
fn expect_whole(registry: &TestRegistry, repository: &str, reference: &str, image: &Manifest) {
    let path = format!("/v2/{repository}/manifests/{reference}");
    assert!(registry.client().get(path).send().expect(200).body == image.bytes);
    for blob in &image.blobs {
        let digest = Digest::of(Algorithm::Sha256, blob);
        let got = registry.client().get(format!("/v2/{repository}/blobs/{digest}")).send().expect(200);
        assert!(got.body == *blob);
    }
}

#[test]
fn every_repository_of_a_running_registry_comes_with_its_tags_digests_and_referrers() {
    let (old, new) = (TestRegistry::start(), TestRegistry::start());
    let client = old.client();
    for (seed, (repository, tag)) in
        [("app", "v1"), ("app", "v2"), ("team/web", "latest"), ("team/api", "latest")].into_iter().enumerate()
    {
        image(seed as u64).push(&client, repository, tag);
    }
    let index = IndexBuilder::new().manifest(image(10)).manifest(image(11)).build();
    index.push(&client, "multi", "v1");
    let referrer = ImageBuilder::artifact(20, "application/example").subject(&index).build();
    referrer.push(&client, "multi", referrer.digest());
    let from = format!("http://{}", old.address());
    let only = import(&new, &[&from, "--repository", "team/*"]).expect(0);
    assert!(only.out.starts_with("imported 2 repositories with 2 tags"), "{}", only.out);
    let all = import(&new, &[&from, "--output", "json"]).json();
    assert_eq!(
        (&all["repositories"], &all["tags"], &all["failed"]),
        (&json!(4), &json!(5), &json!([])),
        "{all}"
    );
    for (seed, (repository, tag)) in
        [("app", "v1"), ("app", "v2"), ("team/web", "latest")].into_iter().enumerate()
    {
        expect_whole(&new, repository, tag, &image(seed as u64));
    }
    let got = new.client().get("/v2/multi/manifests/v1").send().expect(200);
    assert!(got.body == index.bytes);
    expect_whole(&new, "multi", &image(11).digest().to_string(), &image(11));
    let listed =
        new.client().get(format!("/v2/multi/referrers/{}", index.digest())).send().expect(200).json();
    assert_eq!(listed["manifests"][0]["digest"], referrer.digest().to_string());
    // Again, nothing moves.
    let again = import(&new, &[&from, "--output", "json"]).json();
    assert_eq!((&again["manifests"], &again["blobs"], &again["tags"]), (&json!(0), &json!(0), &json!(5)));
}

#[test]
fn what_fails_is_named_and_the_next_import_brings_only_that() {
    let (old, new) = (TestRegistry::start(), TestRegistry::start());
    for seed in [1, 2] {
        image(seed).push(&old.client(), "app", format!("v{seed}"));
    }
    let blobs = image(2).blobs;
    let lost = Digest::of(Algorithm::Sha256, blobs.last().unwrap());
    old.client().delete(format!("/v2/app/blobs/{lost}")).send().expect(202);
    let from = format!("http://{}", old.address());
    let failed = import(&new, &[&from]).expect(1);
    assert!(
        failed.err.contains("1 item could not be imported") && failed.err.contains("app:v2"),
        "{}",
        failed.err
    );
    expect_whole(&new, "app", "v1", &image(1));
    old.client().push_blob("app", blobs.last().unwrap());
    let healed = import(&new, &[&from, "--output", "json"]).json();
    // The first import may have brought some blobs of v2 before it failed; those of v1 are here.
    let blobs = healed["blobs"].as_u64().unwrap();
    assert!((1..=3).contains(&blobs), "{healed}");
    assert_eq!((&healed["manifests"], &healed["tags"]), (&json!(1), &json!(2)), "{healed}");
    expect_whole(&new, "app", "v2", &image(2));
}

#[test]
fn layouts_and_archives_are_imported_by_their_names() {
    let (old, new, folder) = (TestRegistry::start(), TestRegistry::start(), tempfile::tempdir().unwrap());
    image(1).push(&old.client(), "app", "v1");
    let source = format!("{}/app:v1", old.address());
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (number, place) in ["layout", "image.tar"].into_iter().enumerate() {
        run(&["copy", &source, &at(place)], &[], "").expect(0);
        let refused = import(&new, &[&at(place)]).expect(2).err;
        assert!(refused.contains("--as"), "{refused}");
        let repository = format!("team/app{number}");
        import(&new, &[&at(place), "--as", &repository]).expect(0);
        expect_whole(&new, &repository, "v1", &image(1));
    }
    // Full names go where they say.
    let own = old.address().to_string();
    run(&["bundle", "create", &at("bundle.tar"), &source, "--registry", &own], &[], "").expect(0);
    import(&new, &[&at("bundle.tar")]).expect(0);
    expect_whole(&new, "app", "v1", &image(1));
    let refused = run(&["import", &at("bundle.tar"), "--data", &at("data")], &[], "").expect(2).err;
    assert!(refused.contains("--data is for the folder of a registry:2"), "{refused}");
}

#[test]
fn a_registry_that_lists_no_repositories_is_named_with_another_way() {
    let (old, new) = (ScriptedUpstream::start(), TestRegistry::start());
    let refused = import(&new, &[&format!("http://{}", old.address())]).expect(1).err;
    assert!(
        refused.contains("does not list its repositories") && refused.contains("hythe copy"),
        "{refused}"
    );
}

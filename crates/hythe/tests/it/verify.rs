//! `hythe verify` against a registry whose disk changed bytes.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use hythe_testing::{ImageBuilder, TestRegistry};
use serde_json::json;

use crate::cache::world::{Ran, run};

fn verify(registry: &TestRegistry, more: &[&str]) -> Ran {
    let address = registry.address().to_string();
    run(&[&["verify", "--registry", &address], more].concat(), &[], "")
}

/// The files of the registry's blobs.
fn files(registry: &TestRegistry) -> Vec<PathBuf> {
    let (mut files, mut waiting) = (Vec::new(), vec![registry.folder().join("blobs")]);
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// A number that depends on `seed` alone.
fn scattered(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 20
}

#[test]
fn content_that_is_whole_is_verified_and_the_command_says_how_much() {
    let registry = TestRegistry::start();
    ImageBuilder::new(1).layers(2, 40_000).build().push(&registry.client(), "app", "v1");
    let ran = verify(&registry, &[]).expect(0);
    assert!(ran.err.contains("verified 3 blobs and 1 manifest (78."), "{}", ran.err);
    let json = verify(&registry, &["--output", "json"]).expect(0).json();
    assert_eq!((&json["blobs"], &json["manifests"], &json["damages"]), (&json!(3), &json!(1), &json!([])));
}

/// Changes the bit of a file with this number, counted round the file.
fn flip(file: &Path, bit: u64) {
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let bit = bit % (file.metadata().unwrap().len() * 8);
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << (bit % 8))], bit / 8).unwrap();
}

#[test]
fn each_of_a_thousand_flipped_bits_is_found_and_a_push_heals_what_they_damaged() {
    let registry = TestRegistry::setup().storage(hythe_testing::Storage::Fs).start();
    let image = ImageBuilder::new(7).layers(39, 2_000).build();
    image.push(&registry.client(), "app", "v1");
    let blob = |bytes: &[u8]| format!("/v2/app/blobs/{}", hythe_oci::Digest::of(image.algorithm, bytes));
    let files = files(&registry);
    assert_eq!(files.len(), 40, "a config and 39 layers");
    for round in 0..25 {
        let bits: Vec<u64> = (0..40).map(|file| scattered(round * 40 + file)).collect();
        for (file, bit) in files.iter().zip(&bits) {
            flip(file, *bit);
        }
        let found = verify(&registry, &["--output", "json"]);
        assert_eq!(found.code, Some(1), "{}", found.err);
        let json: serde_json::Value = serde_json::from_str(&found.out).unwrap();
        let damages = json["damages"].as_array().unwrap();
        assert_eq!(damages.len(), 40, "{json:#}");
        assert!(
            damages.iter().all(|damage| damage["flaw"] == "digest" && damage["images"][0]["tag"] == "v1")
        );
        for bytes in &image.blobs {
            registry.client().get(blob(bytes)).send().expect(404);
        }
        // Back into service by hand, as before the change. After the last round, a push heals them.
        for (file, bit) in files.iter().zip(&bits).take_while(|_| round < 24) {
            let quarantined = registry.folder().join("quarantine").join(file.file_name().unwrap());
            flip(&quarantined, *bit);
            std::fs::rename(quarantined, file).unwrap();
        }
    }
    let text = verify(&registry, &[]);
    assert!(
        text.out.contains("its file is missing") && text.out.contains("needed by: app:v1"),
        "{}",
        text.out
    );
    assert!(text.err.contains("40 damaged blobs"), "{}", text.err);
    image.push(&registry.client(), "app", "v1");
    verify(&registry, &[]).expect(0);
    for bytes in &image.blobs {
        assert_eq!(registry.client().get(blob(bytes)).send().expect(200).body, *bytes);
    }
    assert_eq!(std::fs::read_dir(registry.folder().join("quarantine")).unwrap().count(), 0);
}

#[test]
fn a_data_folder_that_no_server_uses_is_verified_too_and_one_that_a_server_uses_is_not() {
    let mut registry = TestRegistry::setup().storage(hythe_testing::Storage::Fs).start();
    ImageBuilder::new(3).layers(2, 40_000).build().push(&registry.client(), "app", "v1");
    let folder = registry.folder().display().to_string();
    let verify = |more: &[&str]| run(&[&["verify", "--data", &folder], more].concat(), &[], "");
    assert_ne!(verify(&[]).code, Some(0), "a server uses the folder");
    let damaged = files(&registry)[0].clone();
    registry.stop();
    let ran = verify(&[]).expect(0);
    assert!(ran.err.contains("verified 3 blobs and 1 manifest (78."), "{}", ran.err);
    flip(&damaged, 1000);
    let found = verify(&["--output", "json"]);
    assert_eq!(found.code, Some(1), "{}", found.err);
    let json: serde_json::Value = serde_json::from_str(&found.out).unwrap();
    assert_eq!(json["damages"][0]["images"][0]["repository"], "app", "{json:#}");
    assert!(!damaged.exists(), "the file is in quarantine");
    let other = tempfile::tempdir().unwrap();
    let refused = run(&["verify", "--data", &other.path().display().to_string()], &[], "");
    assert!(refused.err.contains("is not a data folder of hythe"), "{}", refused.err);
}

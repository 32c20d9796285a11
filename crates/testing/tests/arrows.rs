//! Checks which crate depends on which, with `cargo metadata`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each package of the workspace, and those that it may depend on. A new crate needs an entry here.
const ARROWS: &[(&str, &[&str])] = &[
    ("hythe-sha256", &[]),
    ("hythe-oci", &["hythe-sha256"]),
    ("hythe-api", &["hythe-oci"]),
    ("hythe-auth", &["hythe-oci"]),
    ("hythe-storage", &["hythe-oci"]),
    ("hythe-catalog", &["hythe-oci"]),
    ("hythe-registry", &["hythe-oci", "hythe-storage", "hythe-catalog"]),
    ("hythe-client", &["hythe-oci"]),
    ("hythe-upstream", &["hythe-oci", "hythe-registry", "hythe-client"]),
    ("hythe-transfer", &["hythe-oci", "hythe-client"]),
    ("hythe-kube", &["hythe-oci"]),
    ("hythe-yaml", &[]),
    ("hythe-build", &["hythe-oci"]),
    ("hythe-engine", &["hythe-oci", "hythe-transfer"]),
    ("hythe-cluster", &["hythe-oci", "hythe-api", "hythe-engine", "hythe-kube", "hythe-yaml"]),
    ("hythe-lifecycle", &["hythe-oci", "hythe-registry"]),
    ("hythe-backup", &["hythe-oci", "hythe-storage", "hythe-registry"]),
    ("hythe-s3", &["hythe-oci", "hythe-backup", "hythe-client"]),
    (
        "hythe-server",
        &[
            "hythe-oci",
            "hythe-api",
            "hythe-auth",
            "hythe-backup",
            "hythe-lifecycle",
            "hythe-registry",
            "hythe-upstream",
        ],
    ),
    (
        "hythe",
        &[
            "hythe-oci",
            "hythe-api",
            "hythe-auth",
            "hythe-backup",
            "hythe-build",
            "hythe-storage",
            "hythe-catalog",
            "hythe-registry",
            "hythe-s3",
            "hythe-client",
            "hythe-kube",
            "hythe-cluster",
            "hythe-engine",
            "hythe-lifecycle",
            "hythe-transfer",
            "hythe-upstream",
            "hythe-server",
            "hythe-yaml",
        ],
    ),
    // These are not part of the product; they test and measure it.
    (
        "hythe-testing",
        &["hythe-oci", "hythe-storage", "hythe-catalog", "hythe-registry", "hythe-upstream", "hythe-server"],
    ),
    ("hythe-model", &[]),
    ("hythe-e2e", &["hythe-oci", "hythe-catalog"]),
    ("hythe-bench", &["hythe-oci", "hythe-e2e"]),
];

/// Libraries that speak HTTP, and the crates that must not use them: the domain has its own types for answers.
const HTTP: &[&str] =
    &["http", "http-body", "http-body-util", "hyper", "hyper-util", "axum", "tower", "reqwest"];
const WITHOUT_HTTP: &[&str] = &[
    "hythe-sha256",
    "hythe-oci",
    "hythe-yaml",
    "hythe-build",
    "hythe-api",
    "hythe-storage",
    "hythe-catalog",
    "hythe-registry",
    "hythe-lifecycle",
    "hythe-backup",
];

/// Libraries that do I/O or have a clock; `hythe-oci` must be pure.
const IMPURE: &[&str] = &["tokio", "rustix", "socket2", "tempfile"];

/// For each package of the workspace, the names of its dependencies by kind (`normal`, `dev`, `build`).
type Workspace = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn workspace() -> Workspace {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1", "--manifest-path", manifest])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut workspace = Workspace::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap().to_owned();
        let kinds = workspace.entry(name).or_default();
        for dependency in package["dependencies"].as_array().unwrap() {
            let kind = dependency["kind"].as_str().unwrap_or("normal").to_owned();
            kinds.entry(kind).or_default().insert(dependency["name"].as_str().unwrap().to_owned());
        }
    }
    workspace
}

fn depends<'a>(workspace: &'a Workspace, package: &str, kinds: &[&str]) -> impl Iterator<Item = &'a str> {
    let of = &workspace[package];
    let names = kinds.iter().filter_map(|kind| of.get(*kind)).flatten();
    names.map(String::as_str).collect::<Vec<_>>().into_iter()
}

#[test]
fn a_crate_depends_only_on_the_crates_that_design_allows() {
    let workspace = workspace();
    for package in workspace.keys() {
        let arrows = ARROWS.iter().find(|(name, _)| name == package);
        let Some((_, allowed)) = arrows else { panic!("{package} is new: add it to ARROWS in this test") };
        for known in
            depends(&workspace, package, &["normal", "build"]).filter(|name| name.starts_with("hythe"))
        {
            assert!(
                allowed.contains(&known),
                "{package} must not depend on {known}: DESIGN has no such arrow"
            );
        }
    }
}

#[test]
fn every_package_in_arrows_exists() {
    let workspace = workspace();
    for (package, allowed) in ARROWS {
        for name in allowed.iter().chain([package]) {
            assert!(workspace.contains_key(*name), "{name} is in ARROWS, but not in the workspace");
        }
    }
}

#[test]
fn only_tests_depend_on_the_fixtures() {
    let workspace = workspace();
    for package in workspace.keys() {
        let mut depends = depends(&workspace, package, &["normal", "build"]);
        assert!(
            depends.all(|name| name != "hythe-testing"),
            "{package}: hythe-testing may only be a dev-dependency"
        );
    }
}

#[test]
fn the_domain_does_not_speak_http() {
    let workspace = workspace();
    for package in WITHOUT_HTTP {
        for name in depends(&workspace, package, &["normal", "dev", "build"]) {
            assert!(
                !HTTP.contains(&name),
                "{package} must not depend on {name}: only the server speaks HTTP"
            );
        }
    }
}

#[test]
fn only_one_crate_knows_engines_and_another_one_kubernetes() {
    let workspace = workspace();
    for (library, knows) in
        [("bollard", "hythe-engine"), ("kube", "hythe-kube"), ("k8s-openapi", "hythe-kube")]
    {
        for package in workspace.keys().filter(|package| *package != knows) {
            let mut depends = depends(&workspace, package, &["normal", "dev", "build"]);
            assert!(
                depends.all(|name| name != library),
                "{package} must not depend on {library}: only {knows} does"
            );
        }
    }
}

#[test]
fn the_vocabulary_does_no_input_or_output() {
    for name in depends(&workspace(), "hythe-oci", &["normal", "build"]) {
        assert!(!IMPURE.contains(&name), "hythe-oci must not depend on {name}: hythe-oci is pure");
    }
}

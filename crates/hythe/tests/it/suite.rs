//! `hythe test`, against registries of different kinds.

#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use hythe_testing::{Fault, ImageBuilder, Rule, ScriptedUpstream, TestRegistry};
use serde_json::Value;

use crate::cache::world::{Ran, run};

fn hythe(arguments: &[&str]) -> Ran {
    run(arguments, &[], "")
}

/// The outcomes of the checks that did not pass, a line for each.
fn others(report: &Value) -> String {
    let checks = report["checks"].as_array().unwrap().iter();
    let others = checks.filter(|check| check["outcome"] != "passed");
    others.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Asserts that no manifest, tag and session of a run is left. The blobs wait for garbage collection.
#[track_caller]
fn assert_clean(registry: &TestRegistry) {
    let totals = registry.totals();
    assert_eq!((totals.manifests, totals.tags, totals.uploads), (1, 1, 0), "{totals:?}");
}

/// A registry with one image, which the suite must leave alone.
fn registry() -> TestRegistry {
    let registry = TestRegistry::start();
    ImageBuilder::new(1).build().push(&registry.client(), "app", "v1");
    registry
}

#[test]
fn hythe_passes_and_nothing_is_left() {
    let (registry, folder) = (registry(), tempfile::tempdir().unwrap());
    let host = registry.address().to_string();
    let file = folder.path().join("report.xml").display().to_string();
    let ran = hythe(&["test", &host, "--output", "json", "--junit", &file]).expect(0);
    let said = ran.err.clone();
    let report = ran.json();
    assert_eq!((&report["failed"], &report["skipped"]), (&0.into(), &0.into()), "{}", others(&report));
    for (capability, expected) in [
        ("upload by a single POST", "yes"),
        ("chunked upload", "yes"),
        ("resume of a cut upload", "yes"),
        ("mount without a source", "yes"),
        ("ranges", "yes"),
        ("pages of tags", "yes"),
        ("referrers API", "yes"),
        ("SHA-512 digests", "yes"),
        ("delete a tag", "yes"),
        ("CORS", "no"),
    ] {
        assert_eq!(report["capabilities"][capability], expected, "{capability}: {}", others(&report));
    }
    assert!(said.contains("nothing is left"), "{said}");
    assert_eq!(report["cleanup"]["left"].as_array().unwrap().len(), 0);
    assert_clean(&registry);
    let xml = std::fs::read_to_string(file).unwrap();
    let count = report["checks"].as_array().unwrap().len();
    assert_eq!(xml.matches("<testcase ").count(), count);
    assert!(xml.contains("failures=\"0\"") && xml.ends_with("</testsuites>\n"), "{xml}");
}

#[test]
fn a_registry_without_deletes_passes_and_what_is_left_is_told() {
    let registry = TestRegistry::setup().without_delete().start();
    let host = registry.address().to_string();
    let ran = hythe(&["test", &host, "--filter", "deletes", "--filter", "tags"]).expect(0);
    let row = ran.row("  n/a   a tag is deleted alone");
    assert!(row.contains("405"), "{row}");
    assert!(ran.row("  delete a blob").ends_with("no"), "{}", ran.out);
    assert!(ran.row("  chunked upload").ends_with("unknown"), "{}", ran.out);
    assert!(ran.err.contains("could not be deleted") && ran.err.contains("405"), "{}", ran.err);
}

#[test]
fn a_registry_that_takes_no_pushes_is_tested_to_the_end() {
    let upstream = ScriptedUpstream::start();
    let host = upstream.address().to_string();
    let ran = hythe(&["test", &host]).expect(1);
    assert!(ran.row("  ok    the registry answers at /v2/").ends_with("/v2/"), "{}", ran.out);
    assert!(ran.row("  FAIL  a blob is pushed by POST and PUT").contains("expected"), "{}", ran.out);
    assert!(ran.out.contains("\n  skip  a manifest is pulled by its tag"), "{}", ran.out);
    assert!(ran.err.contains("failed"), "{}", ran.err);
}

#[test]
fn an_answer_that_is_wrong_fails_its_check_and_says_what_was_expected() {
    let upstream = ScriptedUpstream::start();
    let host = upstream.address().to_string();
    upstream.rule(Rule::any("Not_A_Name", Fault::status(200)));
    let ran = hythe(&["test", &host, "--filter", "a malformed repository*", "--verbose"]).expect(1);
    let row = ran.row("  FAIL  a malformed repository name is refused");
    assert!(row.contains("400 or 404, got status 200"), "{row}");
    assert!(ran.err.contains("> GET /v2/Not_A_Name/manifests/latest\n< 200 in "), "{}", ran.err);
    assert!(hythe(&["test", &host, "--filter", "nope"]).expect(2).err.contains("nope"));
}

#[test]
fn an_interrupt_cleans_up_too() {
    let registry = registry();
    let mut child = Command::new(env!("CARGO_BIN_EXE_hythe"))
        .args(["test", &registry.address().to_string()])
        .env_clear()
        .env("HOME", "/home/ada")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The image was pushed by now; the times of responses are measured for a while.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "concurrency"));
    assert!(registry.totals().tags > 1);
    let pid = i32::try_from(child.id()).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::INT)
        .unwrap();
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("interrupted: cleaning up") && said.contains("nothing is left"), "{said}");
    assert!(!rest.iter().any(|line| line == "deletes"), "{rest:?}");
    assert_clean(&registry);
}

//! The five failures of retention that repeat in other registries, none of which happens here.

use std::collections::BTreeSet;

use hythe_oci::fallback_tag;

use super::repository::{NOW, Repository, days, digest, rule};

#[test]
fn when_ages_are_missing_or_all_the_same_nothing_looks_old_and_nothing_goes() {
    let strict = [
        rule("*", |rule| rule.newest = Some(1)),
        rule("app", |rule| {
            rule.pushed_within = Some(days(1));
            rule.untagged_after = Some(days(1));
            rule.expire = vec![("pr-*".parse().unwrap(), days(1))];
        }),
    ];
    // After an import without times.
    let mut unknown =
        Repository::new().image("v1", 900).image("v2", 800).image("pr-1", 700).manifest("loose", 600);
    for (manifest, tag) in unknown.manifests.iter_mut().zip(&mut unknown.tags) {
        (manifest.pushed, tag.pushed) = (0, 0);
    }
    unknown.manifests[3].pushed = 0;
    let decided = unknown.decide(&strict);
    decided.expect(&[], &[]);
    for image in ["v1", "v2", "pr-1", "@loose"] {
        assert_eq!(decided.reason(image), "keep: the time of its push is unknown");
    }
    // After a copy of all files at one moment, or an upgrade.
    let equal = Repository::new().image("v1", 900).image("v2", 900).image("pr-1", 900);
    let decided = equal.decide(&strict);
    decided.expect(&[], &[]);
    assert!(
        decided.reason("pr-1").contains("all images have the same time of push"),
        "{}",
        decided.reason("pr-1")
    );
    // One push later the ages differ, and the rules apply.
    equal.image("v3", 0).decide(&strict).expect(&["v1", "v2", "pr-1"], &["v1", "v2", "pr-1"]);
}

#[test]
fn several_criteria_and_several_rules_keep_everything_that_any_of_them_keeps() {
    let repository = Repository::new()
        .image("new", 1)
        .image("old", 100)
        .image("v1.0.0", 200)
        .image("pulled", 300)
        .but_tag(|tag| tag.pulled = Some(NOW))
        .image("latest", 400)
        .image("other", 500);
    let of_each = [
        rule("*", |rule| rule.newest = Some(1)),
        rule("app", |rule| {
            rule.semver_newest = Some(1);
            rule.pulled_within = Some(days(7));
        }),
        rule("ap*", |rule| rule.tags = vec!["latest".parse().unwrap()]),
    ];
    let decided = repository.decide(&of_each);
    decided.expect(&["old", "other"], &["old", "other"]);
    assert_eq!(decided.reason("v1.0.0"), "keep: semver-newest = 1");
    assert_eq!(decided.reason("old"), "delete: no criterion keeps it");
    let judged =
        decided.decision.images.iter().find(|image| image.tag.as_ref().unwrap().as_str() == "latest");
    assert_eq!(judged.unwrap().verdict.rule, Some(2));
}

#[test]
fn the_manifests_of_an_index_are_no_untagged_manifests() {
    let rules = [rule("*", |rule| {
        rule.newest = Some(1);
        rule.untagged_after = Some(days(1));
    })];
    let repository = Repository::new()
        .image("kept", 50)
        .manifest("amd64", 50)
        .manifest("nested", 50)
        .manifest("arm64", 50)
        .lists("kept", "amd64")
        .lists("kept", "nested")
        .lists("nested", "arm64")
        .image("gone", 60)
        .manifest("riscv", 60)
        .lists("gone", "riscv")
        // Both list it, so it stays.
        .lists("gone", "amd64");
    repository.decide(&rules).expect(&["gone"], &["gone", "riscv"]);
}

#[test]
fn signatures_and_attestations_stay_and_go_with_their_image() {
    let rules = [rule("*", |rule| {
        rule.newest = Some(1);
        rule.untagged_after = Some(days(1));
    })];
    let mut repository = Repository::new();
    for (image, age) in [("kept", 50), ("gone", 60)] {
        let of = fallback_tag(&digest(image));
        let named = |what: &str| format!("{what} of {image}");
        repository = repository
            .image(image, age)
            .referrer(&named("signature"), image, age)
            .referrer(&named("signature of the signature"), &named("signature"), age)
            .manifest(&named("list"), age)
            .tag(of.as_str(), &named("list"), age)
            .manifest(&named("cosign"), age)
            .tag(&format!("{of}.sig"), &named("cosign"), age);
    }
    let decided = repository.decide(&rules);
    let all: BTreeSet<String> = decided.manifests();
    assert!(all.len() == 5 && all.iter().all(|name| name.ends_with("gone")), "{all:?}");
    let of = fallback_tag(&digest("gone"));
    assert_eq!(decided.tags(), BTreeSet::from(["gone".to_owned(), of.to_string(), format!("{of}.sig")]));
    // They go in one step with their image, the image first.
    assert_eq!(decided.decision.removals.len(), 1);
    assert_eq!(decided.decision.removals[0].manifests[0].0, digest("gone"));
}

#[test]
fn there_may_be_any_number_of_rules_and_counts_hold_for_all_images() {
    let mut repository = Repository::new();
    let mut rules = Vec::new();
    for number in 0..500 {
        repository = repository.image(&format!("release-{number}"), 100 + number);
        repository = repository.image(&format!("build-{number}"), 100 + number);
        rules.push(rule("app", |rule| rule.protect = vec![format!("release-{number}").parse().unwrap()]));
    }
    rules.push(rule("*", |rule| rule.tags = vec!["none".parse().unwrap()]));
    let decided = repository.decide(&rules);
    assert_eq!(decided.tags().len(), 500);
    assert!(decided.tags().iter().all(|tag| tag.starts_with("build-")));
    assert_eq!(decided.reason("release-499"), "keep: protect = \"release-499\"");
    rules.push(rule("app:build-*", |rule| rule.newest = Some(420)));
    assert_eq!(repository.decide(&rules).tags().len(), 80);
}

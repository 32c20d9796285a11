//! Properties of each decision.

use std::collections::BTreeSet;

use hythe_lifecycle::retention::Rule;
use hythe_oci::Digest;
use proptest::prelude::*;

use super::repository::{Decided, NOW, Repository, days, digest, rule};

const TAGS: [&str; 8] =
    ["latest", "v1.0.0", "v1.1.0", "v2.0.0-rc.1", "pr-1", "pr-2", "main", "in-0123456789abcdef01234567"];

fn name(number: usize) -> String {
    format!("manifest {number}")
}

/// A repository. A manifest lists and refers to manifests before it, as digests allow.
fn repositories() -> impl Strategy<Value = Repository> {
    let manifests =
        prop::collection::vec((0..200_i64, prop::option::of(any::<prop::sample::Index>())), 1..10);
    let tags =
        prop::collection::vec((0..TAGS.len(), any::<prop::sample::Index>(), 0..200_i64, any::<bool>()), 0..8);
    let listed = prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6);
    (manifests, tags, listed).prop_map(|(manifests, tags, listed)| {
        let mut repository = Repository::new();
        let count = manifests.len();
        for (number, (age, subject)) in manifests.into_iter().enumerate() {
            repository = repository.manifest(&name(number), age);
            if let Some(subject) = subject.filter(|_| number > 0) {
                let subject = digest(&name(subject.index(number)));
                repository = repository.but(|manifest| manifest.subject = Some(subject));
            }
        }
        for (tag, manifest, age, known) in tags {
            if repository.tags.iter().all(|named| named.tag.as_str() != TAGS[tag]) {
                repository = repository.tag(TAGS[tag], &name(manifest.index(count)), age);
                repository = repository.but_tag(|tag| tag.pushed *= i64::from(known));
            }
        }
        for (index, manifest) in listed {
            let index = index.index(count);
            if index > 0 {
                repository = repository.lists(&name(index), &name(manifest.index(index)));
            }
        }
        repository
    })
}

/// A rule that says what it keeps, for all tags or some.
fn keeping() -> impl Strategy<Value = Rule> {
    let pattern = prop::sample::select(vec!["*", "app", "app:v*", "app:pr-*"]);
    let criteria = (
        prop::option::of(1..4_u64),
        prop::option::of(1..3_u64),
        prop::option::of(0..150_u64),
        prop::option::of(0..150_u64),
        prop::option::of(prop::sample::select(vec!["v*", "latest", "none"])),
    );
    (pattern, criteria).prop_map(|(pattern, (newest, semver, pushed, pulled, tag))| {
        rule(pattern, |rule| {
            (rule.newest, rule.semver_newest) = (newest, semver);
            (rule.pushed_within, rule.pulled_within) = (pushed.map(days), pulled.map(days));
            rule.tags = tag.into_iter().map(|tag| tag.parse().unwrap()).collect();
        })
    })
}

/// Any rule.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let deleting = (prop::option::of(0..100_u64), prop::option::of(1..50_u64), any::<bool>());
    let rule = (keeping(), deleting).prop_map(|(mut rule, (untagged, expire, protects))| {
        rule.untagged_after = untagged.map(days);
        rule.expire = expire.map(|time| ("pr-*".parse().unwrap(), days(time))).into_iter().collect();
        rule.protect = protects.then(|| "latest".parse().unwrap()).into_iter().collect();
        rule
    });
    prop::collection::vec(rule, 0..4)
}

fn gone(decided: &Decided) -> (BTreeSet<String>, BTreeSet<Digest>) {
    let removals = decided.decision.removals.iter();
    (
        decided.tags(),
        removals.flat_map(|removal| removal.manifests.iter().map(|(digest, _)| *digest)).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_goes_that_an_image_needs_which_stays(repository in repositories(), rules in rules()) {
        let decided = repository.decide(&rules);
        let (_, gone) = gone(&decided);
        let mut waiting: Vec<Digest> = decided.decision.images.iter()
            .filter(|image| image.verdict.stays).map(|image| image.digest).collect();
        let mut seen = BTreeSet::new();
        while let Some(digest) = waiting.pop() {
            if !seen.insert(digest) {
                continue;
            }
            prop_assert!(!gone.contains(&digest), "{decided:#?}");
            waiting.extend(repository.listed.iter().filter(|(index, _)| *index == digest).map(|(_, listed)| *listed));
            for manifest in &repository.manifests {
                if manifest.digest == digest {
                    waiting.extend(manifest.subject);
                } else if manifest.subject == Some(digest) {
                    waiting.push(manifest.digest);
                }
            }
        }
    }

    #[test]
    fn a_manifest_goes_with_all_its_tags_and_each_tag_as_the_verdict_says(
        repository in repositories(), rules in rules(),
    ) {
        let decided = repository.decide(&rules);
        let (tags, manifests) = gone(&decided);
        for tag in &repository.tags {
            if manifests.contains(&tag.digest) {
                prop_assert!(tags.contains(tag.tag.as_str()), "{decided:#?}");
            }
        }
        for image in &decided.decision.images {
            let goes = image.tag.as_ref().map_or_else(
                || manifests.contains(&image.digest), |tag| tags.contains(tag.as_str()),
            );
            prop_assert_eq!(!image.verdict.stays, goes);
        }
        let mut seen = BTreeSet::new();
        for removal in &decided.decision.removals {
            prop_assert!(removal.tags.len() + removal.manifests.len() > 0);
            prop_assert!(removal.manifests.iter().all(|(digest, _)| seen.insert(*digest)));
        }
    }

    #[test]
    fn an_unknown_age_a_protected_tag_and_a_clock_set_back_let_nothing_go(
        repository in repositories(), rules in rules(),
    ) {
        let (tags, _) = gone(&repository.decide(&rules));
        for tag in repository.tags.iter().filter(|tag| tag.pushed == 0 && !tag.tag.is_input()) {
            prop_assert!(!tags.contains(tag.tag.as_str()));
        }
        if rules.iter().any(|rule| !rule.protect.is_empty() && rule.images.matches(&"app".parse().unwrap(), &"latest".parse().unwrap())) {
            prop_assert!(!tags.contains("latest"));
        }
        let latest = repository.manifests.iter().map(|manifest| manifest.pushed);
        let latest = latest.chain(repository.tags.iter().map(|tag| tag.pushed)).max().unwrap();
        let nothing = gone(&repository.decide_at(&rules, latest - 1));
        prop_assert!(nothing.0.is_empty() && nothing.1.is_empty());
    }

    #[test]
    fn a_further_rule_or_criterion_that_keeps_never_deletes_more(
        repository in repositories(), first in keeping(), further in prop::collection::vec(keeping(), 1..3),
        time in 0..2000_i64,
    ) {
        // It says for each tag what is kept, so that the further rules select no tag that no rule selected.
        let first = Rule { images: "*".parse().unwrap(), tags: vec!["none".parse().unwrap()], ..first };
        let now = NOW + time;
        let (tags, manifests) = gone(&repository.decide_at(std::slice::from_ref(&first), now));
        let mut rules = vec![first.clone()];
        rules.extend(further.clone());
        let more = gone(&repository.decide_at(&rules, now));
        prop_assert!(more.0.is_subset(&tags) && more.1.is_subset(&manifests));
        // The same criteria, in one rule.
        let mut one = first;
        for rule in further {
            one.newest = one.newest.max(rule.newest);
            one.semver_newest = one.semver_newest.max(rule.semver_newest);
            one.pushed_within = one.pushed_within.max(rule.pushed_within);
            one.pulled_within = one.pulled_within.max(rule.pulled_within);
            one.tags.extend(rule.tags);
        }
        let merged = gone(&repository.decide_at(&[one], now));
        prop_assert!(merged.0.is_subset(&tags) && merged.1.is_subset(&manifests));
    }
}

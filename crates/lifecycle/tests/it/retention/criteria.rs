//! The criteria, one by one.

use super::repository::{DAY, NOW, Repository, days, rule};

#[test]
fn without_a_rule_everything_stays_and_a_rule_that_keeps_nothing_in_particular_deletes_nothing() {
    let repository = Repository::new().image("v1", 900).manifest("loose", 900);
    repository.decide(&[]).expect(&[], &[]);
    repository.decide(&[rule("other/*", |rule| rule.newest = Some(1))]).expect(&[], &[]);
    let decided = repository.decide(&[rule("*", |rule| rule.protect = vec!["v2".parse().unwrap()])]);
    decided.expect(&[], &[]);
    assert_eq!(decided.reason("v1"), "keep: no rule deletes it");
    assert!(decided.reason("@loose").starts_with("keep: untagged"));
}

#[test]
fn the_newest_images_stay_with_all_their_tags_and_none_of_the_same_time_goes() {
    let rules = [rule("*", |rule| rule.newest = Some(2))];
    let repository = Repository::new()
        .image("b3", 1)
        .tag("latest", "b3", 1)
        .tag("once", "b3", 500)
        .image("b2", 2)
        .image("b1", 2)
        .image("b0", 3);
    repository.decide(&rules).expect(&["b0"], &["b0"]);
}

#[test]
fn a_tag_that_goes_takes_no_other_tag_and_no_image_that_another_tag_names() {
    let rules = [rule("*", |rule| rule.tags = vec!["v*".parse().unwrap()])];
    let repository = Repository::new().image("v1", 1).tag("main", "v1", 1).tag("pr-7", "v1", 9);
    let decided = repository.decide(&rules);
    decided.expect(&["main", "pr-7"], &[]);
    assert_eq!(decided.decision.removals.len(), 2);
}

#[test]
fn the_highest_versions_stay_and_pre_releases_and_variants_count_apart() {
    let rules = [rule("*", |rule| rule.semver_newest = Some(2))];
    let mut repository = Repository::new();
    for (age, tag) in (0..).zip([
        "1.9.0",
        "v1.10.0",
        "1.2.0",
        "2.0.0-rc.1",
        "2.0.0-rc.10",
        "2.0.0-rc.2",
        "1.9.0-alpine",
        "main",
    ]) {
        repository = repository.image(tag, age);
    }
    // A short version names the same image as a whole one.
    repository = repository.tag("1", "v1.10.0", 1).tag("1.10", "v1.10.0", 1);
    repository.decide(&rules).expect(&["1.2.0", "2.0.0-rc.1", "main"], &["1.2.0", "2.0.0-rc.1", "main"]);
}

#[test]
fn a_pull_of_the_image_or_of_a_part_of_it_counts_and_so_does_the_push_of_an_image_never_pulled() {
    let rules = [rule("*", |rule| rule.pulled_within = Some(days(14)))];
    let repository = Repository::new()
        .image("by-tag", 100)
        .but_tag(|tag| tag.pulled = Some(NOW - 14 * DAY))
        .image("by-digest", 100)
        .image("never", 13)
        .image("long-ago", 100)
        .but_tag(|tag| tag.pulled = Some(NOW - 16 * DAY))
        .manifest("amd64", 100)
        .but(|manifest| manifest.needed = NOW - DAY)
        .lists("by-digest", "amd64");
    repository.decide(&rules).expect(&["long-ago"], &["long-ago"]);
}

#[test]
fn an_expired_tag_goes_though_another_criterion_keeps_it_and_does_not_count_before() {
    let rules = [
        rule("*", |rule| rule.newest = Some(2)),
        rule("app", |rule| {
            rule.expire = vec![("pr-*".parse().unwrap(), days(3)), ("*-x".parse().unwrap(), days(9))];
        }),
    ];
    let repository = Repository::new()
        .image("pr-3", 1)
        .image("pr-2", 4)
        .image("pr-1-x", 8)
        .image("main-2", 20)
        .image("main-1", 30)
        .image("main-0", 40);
    let decided = repository.decide(&rules);
    decided.expect(&["pr-2", "main-0"], &["pr-2", "main-0"]);
    assert_eq!(decided.reason("pr-2"), "delete: expired: pushed more than 3d ago");
    assert_eq!(decided.reason("pr-1-x"), "keep: expires 9d after its push");
    let protected = rule("*", |rule| rule.protect = vec!["pr-2".parse().unwrap()]);
    repository.decide(&[rules.to_vec(), vec![protected]].concat()).expect(&["main-0"], &["main-0"]);
}

#[test]
fn untagged_manifests_go_only_by_a_rule_and_only_when_nothing_needed_them_for_its_time() {
    let rules = [
        rule("*", |rule| rule.untagged_after = Some(days(7))),
        rule("app", |rule| rule.untagged_after = Some(days(10))),
        // Says nothing about manifests without tags.
        rule("app:v*", |rule| rule.untagged_after = Some(days(90))),
    ];
    let repository = Repository::new()
        .manifest("young", 9)
        .manifest("old", 11)
        .manifest("pulled", 99)
        .but(|manifest| manifest.needed = NOW - DAY)
        .referrer("orphan", "nothing", 50)
        .image("v1", 99);
    let decided = repository.decide(&rules);
    decided.expect(&[], &["old", "orphan"]);
    assert_eq!(decided.reason("@old"), "delete: untagged, and neither pushed nor pulled for 10d");
    repository.decide(&rules[2..]).expect(&[], &[]);
}

#[test]
fn a_tag_of_a_build_key_follows_its_image_and_never_counts() {
    let key = |digit: u8| format!("in-{}", (digit as char).to_string().repeat(24));
    let rules = [rule("*", |rule| {
        rule.newest = Some(1);
        rule.untagged_after = Some(days(30));
    })];
    let repository = Repository::new()
        .image("v2", 5)
        .tag(&key(b'2'), "v2", 0)
        .image("v1", 6)
        .tag(&key(b'1'), "v1", 1)
        .manifest("v0", 31)
        .tag(&key(b'0'), "v0", 31)
        .manifest("v00", 29)
        .tag(&key(b'3'), "v00", 29);
    repository.decide(&rules).expect(&["v1", &key(b'1'), &key(b'0')], &["v1", "v0"]);
}

#[test]
fn a_clock_that_stands_before_a_push_lets_nothing_go() {
    let rules = [rule("*", |rule| {
        rule.newest = Some(1);
        rule.expire = vec![("pr".parse().unwrap(), days(1))];
    })];
    let repository = Repository::new().image("v1", 50).image("v2", 40).image("v3", 1).image("pr", 30);
    repository.decide(&rules).expect(&["v1", "v2", "pr"], &["v1", "v2", "pr"]);
    let set_back = repository.decide_at(&rules, NOW - 2 * DAY);
    set_back.expect(&[], &[]);
    assert!(set_back.reason("v1").contains("the clock stands before"));
}

#[test]
fn an_image_that_a_client_has_just_asked_for_stays_for_the_grace_period() {
    let rules = [rule("*", |rule| rule.newest = Some(1))];
    let repository =
        Repository::new().image("v1", 50).but(|manifest| manifest.last_use = NOW - DAY / 2).image("v2", 40);
    repository.decide(&rules).expect(&[], &[]);
    repository.decide_at(&rules, NOW + DAY).expect(&["v1"], &["v1"]);
}

//! What stays and goes together.

use hythe_oci::fallback_tag;

use super::repository::{Repository, days, digest, rule};

#[test]
fn the_subject_of_a_kept_manifest_stays_with_everything_that_belongs_to_it() {
    let rules = [rule("*", |rule| rule.tags = vec!["signature".parse().unwrap()])];
    let repository = Repository::new()
        .image("v1", 50)
        .manifest("amd64", 50)
        .lists("v1", "amd64")
        .referrer("signed", "v1", 50)
        .tag("signature", "signed", 40)
        .referrer("sbom", "amd64", 50);
    repository.decide(&rules).expect(&["v1"], &[]);
}

#[test]
fn an_image_that_an_index_lists_and_a_tag_names_goes_only_with_both() {
    let repository = Repository::new().image("all", 50).image("amd64", 60).lists("all", "amd64");
    let keep = |tag: &str| [rule("*", |rule| rule.tags = vec![tag.parse().unwrap()])];
    repository.decide(&keep("all")).expect(&["amd64"], &[]);
    repository.decide(&keep("amd64")).expect(&["all"], &["all"]);
    repository.decide(&keep("none")).expect(&["all", "amd64"], &["all", "amd64"]);
}

#[test]
fn an_owner_comes_before_what_belongs_to_it_and_what_belongs_together_is_one_removal() {
    let rules = [rule("*", |rule| rule.tags = vec!["none".parse().unwrap()])];
    let repository = Repository::new()
        .referrer("sbom", "amd64", 50)
        .manifest("amd64", 50)
        .lists("v1", "amd64")
        .lists("v2", "amd64")
        .image("v1", 50)
        .image("v2", 60)
        .image("other", 70);
    let decided = repository.decide(&rules);
    let removals = &decided.decision.removals;
    assert_eq!(removals.len(), 2);
    let of = removals.iter().find(|removal| removal.manifests.len() == 4).unwrap();
    let place = |name: &str| of.manifests.iter().position(|(member, _)| *member == digest(name)).unwrap();
    assert!(place("v1") < place("amd64") && place("v2") < place("amd64") && place("amd64") < place("sbom"));
}

#[test]
fn a_signature_whose_image_is_gone_is_an_untagged_manifest() {
    let of = format!("{}.sig", fallback_tag(&digest("gone")));
    let repository = Repository::new().manifest("signature", 50).tag(&of, "signature", 50);
    repository.decide(&[rule("*", |rule| rule.newest = Some(1))]).expect(&[], &[]);
    let untagged = rule("*", |rule| rule.untagged_after = Some(days(7)));
    repository.decide(&[untagged]).expect(&[&of], &["signature"]);
}

#[test]
fn a_circle_is_judged_as_one_untagged_image() {
    let tag = |name: &str| fallback_tag(&digest(name)).to_string();
    let repository = Repository::new()
        // By tags, which may name anything.
        .manifest("one", 50)
        .manifest("two", 50)
        .tag(&tag("one"), "two", 50)
        .tag(&tag("two"), "one", 50)
        // An index that lists its own subject.
        .manifest("subject", 50)
        .referrer("index", "subject", 50)
        .lists("index", "subject");
    repository.decide(&[rule("*", |rule| rule.newest = Some(1))]).expect(&[], &[]);
    let all = ["one", "two", "subject", "index"];
    let decided = repository.decide(&[rule("*", |rule| rule.untagged_after = Some(days(7)))]);
    decided.expect(&[&tag("one"), &tag("two")], &all);
    assert_eq!((decided.decision.images.len(), decided.decision.removals.len()), (2, 2));
}

#[test]
fn what_a_cluster_runs_stays_with_the_index_that_lists_it_and_with_its_signature() {
    let rules = [rule("*", |rule| {
        (rule.tags, rule.untagged_after) = (vec!["none".parse().unwrap()], Some(days(7)));
    })];
    let repository = Repository::new()
        .image("v1", 50)
        .manifest("amd64", 50)
        .lists("v1", "amd64")
        .referrer("signed", "v1", 50)
        .image("v2", 40)
        .manifest("loose", 40)
        .manifest("unused", 40);
    repository.decide(&rules).expect(&["v1", "v2"], &["v1", "amd64", "signed", "v2", "loose", "unused"]);
    let run =
        repository.run_by("kind-dev", "amd64").run_by("kind-dev", "loose").run_by("kind-dev", "elsewhere");
    let decided = run.decide(&rules);
    decided.expect(&["v2"], &["v2", "unused"]);
    for image in ["v1", "@loose"] {
        assert_eq!(decided.reason(image), "keep: the cluster kind-dev runs it");
    }
    assert_eq!(decided.reason("v2"), "delete: no criterion keeps it");
}

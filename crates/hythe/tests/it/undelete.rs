//! `hythe undelete`, and the commands that lead to it.

use std::time::Duration;

use hythe_testing::{ImageBuilder, Manifest, TestRegistry};
use serde_json::{Value, json};

use crate::cache::world::{Ran, run};

fn hythe(arguments: &[&str]) -> Ran {
    run(arguments, &[], "")
}

/// Runs a command that a message suggests between backticks.
fn follow(said: &str, start: &str) -> Ran {
    let (_, rest) = said.split_once(&format!("`{start}")).unwrap_or_else(|| panic!("no `{start}` in {said}"));
    let command = format!("{start}{}", rest.split('`').next().unwrap());
    hythe(&command.split(' ').skip(1).collect::<Vec<_>>())
}

/// A registry with two images in `app`: `v1`, which `latest` named first, and `v2`, which it names now.
struct World {
    registry: TestRegistry,
    one: Manifest,
    two: Manifest,
}

impl World {
    fn new() -> Self {
        let registry = TestRegistry::start();
        let [one, two] = [1, 2].map(|seed| ImageBuilder::new(seed).layers(1, 10_000).build());
        let client = registry.client();
        for (image, tag) in [(&one, "v1"), (&one, "latest"), (&two, "v2"), (&two, "latest")] {
            image.push(&client, "app", tag);
        }
        Self { registry, one, two }
    }

    fn host(&self) -> String {
        self.registry.address().to_string()
    }

    fn undelete(&self, arguments: &[&str]) -> Ran {
        hythe(&[&["undelete", "--registry", &self.host()], arguments].concat())
    }

    /// The digest of what a tag names.
    fn named(&self, tag: &str) -> Option<String> {
        let answer = self.registry.client().head(format!("/v2/app/manifests/{tag}")).send();
        answer.header("docker-content-digest").map(str::to_owned).filter(|_| answer.status == 200)
    }

    fn delete(&self, reference: &str) {
        self.registry.client().delete(format!("/v2/app/manifests/{reference}")).send().expect(202);
    }
}

#[test]
fn a_deletion_says_how_to_undo_it_and_that_command_undoes_it() {
    let world = World::new();
    let host = world.host();
    let image = format!("{host}/app@{}", world.one.digest());
    let removed = hythe(&["rm", &image, &format!("{host}/app:v2")]).expect(0);
    assert_eq!((world.named("v1"), world.named("v2")), (None, None));
    let last = removed.err.lines().last().unwrap();
    assert!(last.starts_with("to undo this until 20") && last.contains("Z: `hythe undelete "), "{last}");
    let undone = follow(last, "hythe undelete ").expect(0);
    assert!(undone.out.contains(&format!("restored app@{}, tag v1", world.one.digest())), "{}", undone.out);
    assert!(undone.out.contains("restored app:v2 (sha256:"), "{}", undone.out);
    assert_eq!(world.named("v1"), Some(world.one.digest().to_string()));
    assert_eq!(world.named("v2"), Some(world.two.digest().to_string()));
    let again = hythe(&["rm", "--output", "json", &format!("{host}/app:v1")]).json();
    assert!(again["undo"][0]["command"].as_str().unwrap().starts_with("hythe undelete "), "{again:#}");
    assert_eq!(hythe(&["rm", "--dry-run", "--output", "json", &image]).json()["undo"], json!([]));
}

#[test]
fn the_list_has_what_can_be_restored_and_until_when() {
    let world = World::new();
    let empty = world.undelete(&[]).expect(0);
    assert!(empty.out.is_empty() && empty.err.contains("nothing can be restored"), "{}", empty.err);
    world.delete(&world.one.digest().to_string());
    world.registry.pass(Duration::from_secs(2));
    world.delete("v2");
    for arguments in [&[][..], &["--list", "app"]] {
        let listed = world.undelete(arguments).expect(0);
        assert!(listed.row("app").contains("v2"), "the last deletion comes first: {}", listed.out);
        assert!(listed.out.contains(&world.one.digest().to_string()), "{}", listed.out);
        assert!(listed.out.contains("23h") || listed.out.contains("1day"), "{}", listed.out);
    }
    let json = world.undelete(&["--output", "json"]).expect(0).json();
    let manifest = &json["manifests"][0];
    assert_eq!((&manifest["repository"], &manifest["tags"]), (&json!("app"), &json!(["v1"])));
    assert_eq!((&manifest["cause"], &json["tags"][0]["tag"]), (&json!("client"), &json!("v2")));
    assert_eq!(world.undelete(&["--list", "other", "--output", "json"]).json()["manifests"], json!([]));
    let used = hythe(&["du", &world.host()]).expect(0);
    assert!(used.err.contains("(1 manifest)") && used.err.contains("`hythe undelete"), "{}", used.err);
    let used = hythe(&["du", &world.host(), "--output", "json"]).json();
    assert_eq!(
        (&used[0]["restorable"]["manifests"], &used[0]["restorable"]["blobs"]),
        (&json!(1), &json!(2))
    );
    let listed = world.undelete(&[]).expect(0);
    follow(&listed.err, "hythe undelete ").expect(0);
    assert_eq!(world.named("v2"), Some(world.two.digest().to_string()));
}

#[test]
fn a_whole_repository_comes_back_with_its_tags() {
    let world = World::new();
    for image in [&world.one, &world.two] {
        world.delete(&image.digest().to_string());
    }
    world.registry.client().get("/v2/app/manifests/v1").send().expect(404);
    let restored = world.undelete(&["app", "--output", "json"]).expect(0).json();
    assert_eq!(restored["failed"], json!([]));
    for (tag, image) in [("v1", &world.one), ("v2", &world.two), ("latest", &world.two)] {
        assert_eq!(world.named(tag), Some(image.digest().to_string()), "{tag}");
    }
    let nothing = world.undelete(&["app"]).expect(1);
    assert!(nothing.err.contains("nothing was deleted"), "{}", nothing.err);
}

#[test]
fn a_moved_tag_goes_back_to_what_it_named() {
    let world = World::new();
    let refused = world.undelete(&["app:latest"]).expect(1);
    assert!(refused.err.contains("it exists and names"), "{}", refused.err);
    let listed = follow(&refused.err, "hythe undelete ").expect(0);
    assert!(listed.out.contains(&world.one.digest().to_string()), "{}", listed.out);
    let back = follow(&listed.err, "hythe undelete ").expect(0);
    assert!(back.out.contains("restored app:latest"), "{}", back.out);
    assert_eq!(world.named("latest"), Some(world.one.digest().to_string()));
    let never = format!("sha256:{}", "0".repeat(64));
    let unknown = world.undelete(&["app:latest", "--to", &never]).expect(1);
    assert!(unknown.err.contains("gone for good"), "{}", unknown.err);
}

#[test]
fn a_tag_that_was_pushed_again_is_left_alone_and_the_command_says_so() {
    let world = World::new();
    world.delete(&world.one.digest().to_string());
    world.two.push(&world.registry.client(), "app", "v1");
    let restored = world.undelete(&[&format!("app@{}", world.one.digest())]).expect(0);
    assert!(restored.err.contains("app:v1 names") && restored.err.contains("left alone"), "{}", restored.err);
    assert_eq!(world.named("v1"), Some(world.two.digest().to_string()));
    follow(&restored.err, "hythe undelete ").expect(0);
    assert_eq!(world.named("v1"), Some(world.one.digest().to_string()));
}

#[test]
fn what_was_purged_cannot_be_restored() {
    let world = World::new();
    let host = world.host();
    world.delete(&world.one.digest().to_string());
    let kept = hythe(&["gc", "--registry", &host]).expect(0);
    assert!(kept.out.contains("can be restored: 1 deleted manifest and 2 blobs"), "{}", kept.out);
    let freed = hythe(&["gc", "--registry", &host, "--grace", "0s"]).expect(0);
    assert!(freed.out.contains("removed 1 deleted manifest for good"), "{}", freed.out);
    let name = format!("app@{}", world.one.digest());
    let gone = world.undelete(&[&name]).expect(1);
    assert!(gone.err.contains("1 image could not be restored") && gone.err.contains(&name), "{}", gone.err);
    let failed = world.undelete(&[&name, "--output", "json"]);
    let json: Value = serde_json::from_str(&failed.out).unwrap();
    assert_eq!((failed.code, &json["failed"][0]["name"]), (Some(1), &json!(name)));
}

#[test]
fn after_the_grace_period_the_collector_ends_the_undo() {
    let world = World::new();
    world.delete("v1");
    world.delete(&world.one.digest().to_string());
    world.registry.pass(Duration::from_hours(25));
    hythe(&["gc", "--registry", &world.host()]).expect(0);
    let nothing = world.undelete(&[]).expect(0);
    assert!(nothing.err.contains("nothing can be restored"), "{}", nothing.err);
    world.undelete(&["app:v1"]).expect(1);
}

#[test]
fn wrong_names_are_errors_of_usage() {
    let world = World::new();
    for wrong in [
        &["App"][..],
        &["app:v1@sha256:00"],
        &["app", "--to", "latest"],
        &["app", "--to", &world.one.digest().to_string()],
        &["--list", "app:v1", "--to", &world.one.digest().to_string()],
    ] {
        world.undelete(wrong).expect(2);
    }
    let two = hythe(&["undelete", "a.example:5000/app:v1", "b.example:5000/app:v1"]).expect(2);
    assert!(two.err.contains("one registry at a time"), "{}", two.err);
}

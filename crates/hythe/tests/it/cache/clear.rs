//! `hythe cache clear`.

use serde_json::json;

use super::world::World;

fn filled(world: &World) {
    for (repository, tag, seed) in [("app", "v1", 1), ("app", "v2", 2), ("other", "v1", 3)] {
        world.image(repository, tag, seed);
        world.run(&["warm", &format!("up.example/{repository}:{tag}")]).expect(0);
    }
}

#[test]
fn tags_copies_or_everything_is_cleared() {
    let world = World::new();
    filled(&world);
    let json = world.run(&["clear", "*/app:v1", "--yes", "--output", "json"]).json();
    assert_eq!((&json["copies"], &json["tags"], &json["blobs"]), (&json!(1), &json!(1), &json!(2)));
    let ran = world.run(&["clear", "up.example/app", "-y"]).expect(0);
    assert!(ran.out.starts_with("cleared 1 tag of 1 copy, freed 49."), "{}", ran.out);
    assert!(ran.err.contains("hythe cache ls"), "{}", ran.err);
    world.run(&["clear", "--yes"]).expect(0);
    assert_eq!(world.run(&["ls", "--output", "json"]).json(), json!({ "copies": [] }));
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_cleared() {
    let world = World::new();
    filled(&world);
    let ran = world.run_with(&["clear"], &[], "y\n").expect(2);
    assert!(ran.err.contains("--yes") && ran.out.is_empty(), "{}", ran.err);
    assert_eq!(world.run(&["ls", "--output", "json"]).json()["copies"].as_array().unwrap().len(), 2);
}

#[test]
fn if_deletion_is_off_the_error_has_the_registrys_own_words() {
    let world = World::with(hythe_testing::Setup::without_delete);
    let ran = world.run(&["clear", "--yes"]).expect(1);
    assert!(ran.err.contains("delete.enabled"), "{}", ran.err);
    let ran = world.run(&["clear", ":v1", "--yes"]).expect(1);
    assert!(ran.err.contains("is not a pattern"), "{}", ran.err);
}

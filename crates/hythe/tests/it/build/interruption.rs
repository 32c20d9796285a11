//! The engine keeps no tag of a key, whatever ends `hythe build`.

use super::world::World;

fn app(pushing: &str) -> World {
    let world = World::new();
    world.file("app/Dockerfile", "FROM scratch\nCOPY run.sh /\n");
    world.file("app/run.sh", "exec main\n");
    world.file("fake/pushing", pushing);
    world
}

/// Asserts that the last call of the engine removed the tag that the build gave.
fn assert_untagged(world: &World) {
    let calls = world.calls(&["build", "push", "image"]);
    let [build, push, untag] = &calls[..] else { panic!("{calls:?}") };
    let key = push.strip_prefix("push ").unwrap();
    assert!(key.contains("/app:in-") && build.contains(&format!("--tag {key} ")), "{calls:?}");
    assert_eq!(*untag, format!("image rm --no-prune {key}"));
}

#[test]
fn a_failed_push_leaves_no_tag_of_the_key() {
    let world = app("exit 1\n");
    let failed = world.build(&["{folder}app", "-t", "app"]).expect(1);
    assert!(failed.err.contains("`docker push` failed"), "{}", failed.err);
    assert_untagged(&world);
}

#[test]
fn a_signal_ends_the_builder_and_leaves_no_tag_of_the_key() {
    for signal in ["TERM", "INT"] {
        // The fake is a child of hythe.
        let world = app(&format!("kill -{signal} $PPID\nexec sleep 60\n"));
        let began = std::time::Instant::now();
        let ended = world.build(&["{folder}app", "-t", "app"]).expect(1);
        assert!(ended.err.contains("the build was interrupted"), "{}", ended.err);
        assert!(began.elapsed().as_secs() < 30, "the push was not ended");
        assert_untagged(&world);
    }
}

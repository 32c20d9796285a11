//! The engine that `hythe build` builds in.

use super::world::World;

/// A `docker` that records its engine, and whose engine answers only at `unix:///live.sock`.
const DOCKER: &str = r#"#!/bin/sh
if [ "$DOCKER_HOST$DOCKER_CONTEXT" != unix:///live.sock ]; then
    echo "Cannot connect to the Docker daemon at ${DOCKER_HOST:-unix:///nonexistent/docker.sock}. Is it running?" >&2
    exit 1
fi
exec "${0%/*}/fake-docker" "$@"
"#;

/// A `podman` that builds and pushes as the fake `docker` does.
const PODMAN: &str = r#"#!/bin/sh
echo "podman $*" >> "$FAKE/podman"
[ "$1" = --version ] && exit
[ "$1 $2" = "push --tls-verify=false" ] && { shift 2; set -- push "$@"; }
exec "${0%/*}/fake-docker" "$@"
"#;

fn world() -> World {
    let world = World::new();
    world.file("app/Dockerfile", "FROM scratch\nCOPY run.sh /\n");
    world.file("app/run.sh", "exec main\n");
    std::fs::rename(world.path("bin/docker"), world.path("bin/fake-docker")).unwrap();
    world.program("docker", DOCKER);
    world.program("podman", PODMAN);
    world
}

#[test]
fn an_engine_that_the_user_named_builds_and_no_other() {
    let world = world();
    let build = ["{folder}app", "-t", "app", "--rebuild"];
    let at = |address| [&build[..], &["--engine", address]].concat();
    let line = "building with docker build in the engine at unix:///live.sock, because";
    let context = [("DOCKER_CONTEXT", "other")];
    let named = world.build_with(&at("unix:///live.sock"), &context).expect(0);
    assert!(named.err.contains(line), "{}", named.err);
    let named = world.build_with(&build, &[("HYTHE_ENGINE", "unix:///live.sock")]).expect(0);
    assert!(named.err.contains(line), "{}", named.err);
    world.build_with(&build, &[("DOCKER_HOST", "unix:///live.sock")]).expect(0);
    assert_eq!(world.calls(&["build"]).len(), 3);

    for (words, variable, wanted) in [
        (at("tcp://127.0.0.1:1"), ("A", ""), "cannot build in the engine at tcp://127.0.0.1:1: docker says:"),
        (build.to_vec(), ("DOCKER_HOST", "tcp://127.0.0.1:1"), "the engine of DOCKER_HOST=tcp://127.0.0.1:1"),
        (build.to_vec(), ("HYTHE_ENGINE", "unix:///dead"), "the engine at unix:///dead"),
        (build.to_vec(), ("DOCKER_CONTEXT", "dead"), "the engine of DOCKER_CONTEXT=dead"),
        (at("docker"), ("A", ""), "the engine of --engine docker"),
    ] {
        let dead = world.build_with(&words, &[variable]).expect(1);
        assert!(dead.err.contains(wanted), "{}", dead.err);
        assert!(dead.err.contains("Cannot connect to the Docker daemon"), "{}", dead.err);
    }
    assert!(!world.path("fake/podman").exists());
}

#[test]
fn podman_builds_if_the_user_wants_it_or_if_docker_is_not_there() {
    let world = world();
    let build = ["{folder}app", "-t", "app", "--rebuild"];
    let live = [("DOCKER_HOST", "unix:///live.sock")];
    let podman = world.build_with(&[&build[..], &["--engine", "podman"]].concat(), &live).expect(0);
    assert!(podman.err.contains("building with podman build, because"), "{}", podman.err);
    let instead = world.build(&build).expect(0);
    assert!(
        instead.err.contains("building with podman build (docker says: Cannot connect"),
        "{}",
        instead.err
    );
    // The user chose the engine with `docker context use`.
    let folder = world.file("docker/config.json", r#"{"currentContext":"other"}"#);
    let folder = folder.parent().unwrap().display().to_string();
    let context = world.build_with(&build, &[("DOCKER_CONFIG", &folder)]).expect(1);
    assert!(context.err.contains("cannot build in Docker's engine"), "{}", context.err);
}

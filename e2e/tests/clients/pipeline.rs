//! The steps of two teams: a pipeline with base images, and a build system over Compose files.

use std::os::unix::fs::PermissionsExt as _;

use hythe_e2e::binary::{built_tool, hythe};
use hythe_e2e::command::{Output, attempt, digest_in, program, run};
use hythe_e2e::engine::Engine;
use hythe_e2e::server::Server;

use crate::build::{Builder, Project, tags};
use crate::verify;

/// A stage of the pipeline, as a shell script that a team keeps in its repository.
const STAGE: &str = r#"#!/bin/sh
# Usage: stage.sh [--rebuild]
set -u
if [ "${1:-}" != --rebuild ]; then
    "$HYTHE" build . --builder docker --check
    case $? in
    0) echo "skip"; exit 0 ;;
    10) echo "build" ;;
    *) exit 1 ;;
    esac
fi
"$HYTHE" build . --builder docker "$@"
"#;

/// Base images that change rarely, images on them that change often; asked, skipped, built, pushed.
#[test]
fn a_pipeline_stage_checks_skips_builds_and_works_offline_afterwards() {
    let server = Server::start();
    let builder = Builder::docker();
    // The registry that the base of the base comes from, later out of reach.
    let mut internet = Server::start();
    let python = Project::new(&[("Dockerfile", "FROM scratch\nCOPY python /\n"), ("python", "python\n")]);
    assert_eq!(builder.build(&internet, &[&python.at(""), "-t", "python:3.12"]).code, Some(0));
    let python = format!("FROM {}/python:3.12\nCOPY requirements.txt /\n", internet.address());
    let training = "ARG REGISTRY\nFROM ${REGISTRY}/model-training-base:latest\nCOPY src/ /app/src/\n";
    let project = Project::new(&[
        (
            "hythe.toml",
            "[[image]]\nname = 'model-training-base'\ndockerfile = 'Dockerfile.model-training.base'\n\n[[image]]\nname = 'model-training'\n\
             dockerfile = 'Dockerfile.model-training'\nargs = { REGISTRY = '${HYTHE_REGISTRY}' }\n",
        ),
        ("Dockerfile.model-training.base", &python),
        ("Dockerfile.model-training", training),
        ("requirements.txt", "numpy==2.3\n"),
        ("src/train.py", "print('train')\n"),
        ("README.md", "not an input\n"),
        ("stage.sh", STAGE),
    ]);
    let script = project.path("stage.sh");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let stage = |words: &[&str]| -> Output {
        let mut command = builder.command("/bin/sh", &[&["./stage.sh"], words].concat());
        command.current_dir(project.path("")).env("HYTHE", hythe());
        attempt(command.env("HYTHE_REGISTRY", server.address().to_string()))
    };
    let ends = |output: &Output, expected: &str| {
        assert!(output.code == Some(0) && output.stdout.contains(expected), "{expected}: {output:?}");
    };
    // At the end of the stage, a node of the cluster pulls.
    let node = Engine::containerd_1();
    let pulled = || {
        let name = format!("{}/model-training:latest", server.address());
        run(&mut node.call(&["images", "pull", "--plain-http", &name]));
        digest_in(&run(&mut node.call(&["images", "list", &format!("name=={name}")])))
    };
    ends(&stage(&[]), "build");
    assert_eq!(pulled(), verify(&server, "model-training", "latest"));
    let (base, image) =
        (verify(&server, "model-training-base", "latest"), verify(&server, "model-training", "latest"));
    ends(&stage(&[]), "skip");
    project.write("README.md", "still not an input\n");
    ends(&stage(&[]), "skip");
    project.write("src/train.py", "print('train more')\n");
    let changed = stage(&[]);
    ends(&changed, "src/train.py changed");
    assert_eq!(verify(&server, "model-training-base", "latest"), base);
    assert_ne!(verify(&server, "model-training", "latest"), image);
    assert_eq!(pulled(), verify(&server, "model-training", "latest"));
    project.write("requirements.txt", "numpy==2.4\n");
    ends(&stage(&[]), "requirements.txt changed");
    assert_ne!(verify(&server, "model-training-base", "latest"), base);

    internet.kill();
    let offline = stage(&[]);
    ends(&offline, "skip");
    assert!(offline.stderr.contains("counts as unchanged since the last build"), "{offline:?}");
    project.write("src/train.py", "print('offline')\n");
    ends(&stage(&[]), "src/train.py changed");
    ends(&stage(&["--rebuild"]), "built in");
    // Lists show the tags of users, not those of keys.
    assert_eq!(tags(&server, "model-training"), ["latest"]);
}

/// `hythe build src/app` takes the place of `make build src/app`.
#[test]
fn every_service_of_an_app_is_built_and_pushed_by_one_command() {
    let server = Server::start();
    let builder = Builder::buildx(Engine::docker_29());
    let registry = server.address().to_string();
    let compose = format!(
        "services:\n  web:\n    build: ./web\n  worker:\n    build:\n      context: .\n      dockerfile: worker/Dockerfile\n      \
         args: {{ QUEUE: jobs }}\n  api:\n    image: {registry}/my-app:latest\n    build: ./api\n  cache:\n    image: redis:7\n"
    );
    let project = Project::new(&[
        ("src/shop/docker-compose.yml", &compose),
        ("src/shop/web/Dockerfile", "FROM scratch\nCOPY index.html /\n"),
        ("src/shop/web/index.html", "<p>1</p>\n"),
        ("src/shop/worker/Dockerfile", "FROM scratch\nARG QUEUE\nENV QUEUE=$QUEUE\nCOPY worker/main /\n"),
        ("src/shop/worker/main", "main\n"),
        ("src/shop/api/Dockerfile", "FROM scratch\nCOPY main /\n"),
        ("src/shop/api/main", "main\n"),
    ]);
    let folder = project.at("src/shop");
    let states = |builder: &Builder| -> Vec<String> {
        builder
            .states(&server, &[&folder])
            .into_iter()
            .map(|(name, state)| format!("{name} {state}"))
            .collect()
    };
    assert_eq!(states(&builder), ["api built", "web built", "worker built"]);
    for name in ["my-app", "shop-web", "shop-worker"] {
        verify(&server, name, "latest");
    }
    assert_eq!(states(&builder), ["api up-to-date", "web up-to-date", "worker up-to-date"]);
    project.write("src/shop/web/index.html", "<p>2</p>\n");
    assert_eq!(states(&builder), ["api up-to-date", "web built", "worker up-to-date"]);

    // Compose itself gives the same model: nothing has to be built.
    let plugin = builder.home.path().join("docker/cli-plugins/docker-compose");
    std::os::unix::fs::symlink(built_tool("docker-compose"), plugin).expect("the folder is ours");
    assert_eq!(states(&builder), ["api up-to-date", "web up-to-date", "worker up-to-date"]);
    let listed = run(&mut program(hythe(), ["ls", &registry]));
    assert_eq!(listed, "my-app\nshop-web\nshop-worker");
}

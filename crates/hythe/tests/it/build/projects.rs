//! `hythe build` of Compose files and of project files.

use serde_json::Value;

use super::world::World;

/// A Compose app of three services: `api` is based on the image of `base`.
fn app() -> World {
    let world = World::new();
    world.file(
        "src/app/docker-compose.yml",
        "services:\n  web:\n    build: ./web\n    ports: [80]\n  api:\n    image: ${REG:-localhost:1}/my-api:v3\n    build:\n      \
         context: .\n      dockerfile: api/Dockerfile\n      args: [MODE=prod]\n  base:\n    build:\n      context: base\n      \
         dockerfile_inline: |\n        FROM scratch\n        COPY lib /lib\n  db:\n    image: postgres:16\n",
    );
    world.file("src/app/web/Dockerfile", "FROM scratch\nCOPY index.html /\n");
    world.file("src/app/web/index.html", "<p>\n");
    let base = format!("FROM {}/app-base:latest\nARG MODE\nCOPY api/main.py /\n", world.host());
    world.file("src/app/api/Dockerfile", &base);
    world.file("src/app/api/main.py", "print(1)\n");
    world.file("src/app/base/lib", "lib\n");
    world
}

/// The name and the state of each image.
fn states(json: &Value) -> Vec<(&str, &str)> {
    let images = json["images"].as_array().unwrap().iter();
    images.map(|image| (image["name"].as_str().unwrap(), image["state"].as_str().unwrap())).collect()
}

#[test]
fn every_service_of_a_compose_file_is_built_bases_first() {
    let world = app();
    let host = world.host();
    let variables = [("REG", host.as_str())];
    let json = world.build_with(&["{folder}src/app", "--output", "json"], &variables).json();
    assert_eq!(states(&json), [("base", "built"), ("api", "built"), ("web", "built")]);
    for (repository, tag) in [("app-base", "latest"), ("app-web", "latest"), ("my-api", "v3")] {
        world.digest(repository, tag);
    }
    let calls = world.calls(&["build"]);
    assert!(calls[0].contains("--file -") && calls[1].contains("--build-arg MODE=prod"), "{calls:?}");
    assert!(calls[1].contains(&format!("base.digest={}", world.digest("app-base", "latest"))), "{calls:?}");

    let again = world.build_with(&["{folder}src/app", "--output", "json"], &variables).json();
    assert_eq!(states(&again), [("base", "up-to-date"), ("api", "up-to-date"), ("web", "up-to-date")]);
    world.file("src/app/web/index.html", "<p>2\n");
    let one = world.build_with(&["{folder}src/app", "--output", "json"], &variables).json();
    assert_eq!(states(&one), [("base", "up-to-date"), ("api", "up-to-date"), ("web", "built")]);

    // A changed base: what depends on it is built, and nothing else.
    world.file("src/app/base/lib", "lib 2\n");
    let check = world.build_with(&["{folder}src/app", "--check"], &variables).expect(10);
    assert!(
        check.row(&format!("{host}/my-api:v3")).contains("its base `base` needs a build"),
        "{}",
        check.out
    );
    let file = world.path("src/app/docker-compose.yml").display().to_string();
    let json = world.build_with(&["-f", &file, "api", "--output", "json"], &variables).json();
    assert_eq!(states(&json), [("base", "built"), ("api", "built")]);
    let moved = &json["images"][1]["reasons"][0]["change"];
    assert_eq!(
        (&moved["input"], &moved["image"]),
        (&"base".into(), &format!("{host}/app-base:latest").into())
    );
    let none = world.build_with(&["{folder}src/app", "db"], &variables).expect(2);
    assert!(none.err.contains("no image `db` to build; it has: api, base, web"), "{}", none.err);
}

#[test]
fn compose_itself_reads_the_file_where_it_is_installed() {
    let world = app();
    let model = serde_json::json!({
        "name": "theirs",
        "services": { "web": { "build": { "context": world.path("src/app/web"), "dockerfile": "Dockerfile" } } },
    });
    world.file("fake/model", &model.to_string());
    let script = "#!/bin/sh\necho \"compose $*\" >> \"$FAKE/log\"\ncase $1 in version) echo 2.40.3 ;; *) cat \"$FAKE/model\" ;; esac\n";
    world.program("docker-compose", script);
    world.build(&["{folder}src/app", "--default-tag", "v7"]).expect(0);
    world.digest("theirs-web", "v7");
    let calls = world.calls(&["compose"]);
    assert!(calls.iter().any(|call| call.ends_with("config --format json")), "{calls:?}");
}

#[test]
fn a_project_file_declares_images_and_their_relations() {
    let world = World::new();
    let host = world.host();
    world.file(
        "project/hythe.toml",
        "[[image]]\nname = 'trainer'\ndockerfile = 'Dockerfile.model-training'\nargs = { REGISTRY = '${HYTHE_REGISTRY}' }\n\n\
         [[image]]\nname = 'model-training-base'\ndockerfile = 'Dockerfile.model-training.base'\n\n[[image]]\nname = 'tool'\ncontext = 'tool'\n",
    );
    world.file("project/Dockerfile.model-training.base", "FROM scratch\nCOPY requirements.txt /\n");
    world.file(
        "project/Dockerfile.model-training",
        &format!("FROM {host}/model-training-base\nCOPY src /src\n"),
    );
    world.file("project/requirements.txt", "numpy\n");
    world.file("project/src/a.py", "\n");
    // Written without a registry: the project's own image.
    world.file("project/tool/Dockerfile", "FROM model-training-base\n");
    let json = world.build(&["{folder}project", "--output", "json"]).json();
    assert_eq!(states(&json), [("model-training-base", "built"), ("trainer", "built"), ("tool", "built")]);
    let calls = world.calls(&["build", "pull", "tag"]);
    assert!(calls.contains(&format!("pull {host}/model-training-base:latest")), "{calls:?}");
    assert!(
        calls.contains(&format!("tag {host}/model-training-base:latest model-training-base")),
        "{calls:?}"
    );
    let one = world.build(&["{folder}project", "trainer"]).expect(0);
    assert_eq!(one.out.matches("up to date").count(), 2, "{}", one.out);
    let serve = crate::cache::world::run(
        &["config", &world.path("project/hythe.toml").display().to_string()],
        &[],
        "",
    );
    assert!(serve.err.contains("`image` belongs to a project file"), "{}", serve.err);
}

#[test]
fn a_wrong_command_line_or_project_says_what_to_write() {
    let world = World::new();
    std::fs::create_dir(world.path("empty")).unwrap();
    world.file(
        "circle/hythe.toml",
        "[[image]]\nname = 'a'\ncontext = 'a'\n[[image]]\nname = 'b'\ncontext = 'b'\n",
    );
    world.file("circle/a/Dockerfile", "FROM b\n");
    world.file("circle/b/Dockerfile", "FROM a\n");
    world.file("server/hythe.toml", "[http]\nlisten = 'localhost:5000'\n");
    for (words, expected) in [
        (&["{folder}empty"][..], "name the image"),
        (&["{folder}none", "-t", "a"], "there is no folder"),
        (&["{folder}circle"], "in a circle: a, b"),
        (&["{folder}server"], "neither hythe.toml with images nor a Compose file"),
        (&["{folder}circle", "-t", "a", "b"], "is too much"),
        (&["{folder}circle", "--target", "x"], "--target is for one image"),
        (&["{folder}circle", "c"], "it has: a, b"),
        (&["-f", "Dockerfile"], "name the image with -t"),
    ] {
        let refused = world.build(words).expect(2);
        assert!(refused.err.contains(expected), "{words:?}: {}", refused.err);
    }
    let missing = world.build(&["{folder}empty", "-t", "a"]).expect(1);
    assert!(missing.err.contains("Dockerfile"), "{}", missing.err);
    world.file("empty/Dockerfile", "FROM scratch\n");
    world.program("docker", "#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n");
    let none = world.build(&["{folder}empty", "-t", "a", "--builder", "docker"]).expect(1);
    assert!(none.err.contains("found no builder: docker says: Cannot connect"), "{}", none.err);
}

#[test]
fn the_name_of_an_image_wins_over_a_folder_without_a_project() {
    let world = app();
    let host = world.host();
    let variables = [("REG", host.as_str())];
    let build = |words: &[&str]| {
        world.build_in(&world.path("src/app"), &[words, &["--output", "json"]].concat(), &variables)
    };
    // The folder `web` is only the context of the service `web`.
    assert_eq!(states(&build(&["web"]).json()), [("web", "built")]);
    world.digest("app-web", "latest");
    assert_eq!(states(&build(&["web", "base"]).json()), [("base", "built"), ("web", "up-to-date")]);
    // No service has this name.
    let folder = build(&["./web"]).expect(2);
    assert!(folder.err.contains("hythe build ./web -t NAME"), "{}", folder.err);
    // The folder is a project of its own.
    world.file("src/app/web/compose.yaml", "services:\n  inner:\n    build: .\n");
    assert_eq!(states(&build(&["web"]).json()), [("inner", "built")]);
}

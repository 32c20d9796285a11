//! `hythe build`, with a registry and a fake `docker`.

mod engines;
mod interruption;
mod projects;
pub(crate) mod world;

use hythe_testing::ImageBuilder;
use serde_json::{Value, json};

use world::World;

/// A project of one image: `app/Dockerfile` copies `src`.
fn app() -> World {
    let world = World::new();
    world.file("app/Dockerfile", "FROM scratch\nARG VERSION\nCOPY src /src\nCOPY run.sh /\n");
    world.file("app/src/main.py", "print(1)\n");
    world.file("app/run.sh", "exec main\n");
    world
}

fn only(json: &Value) -> &Value {
    assert_eq!(json["images"].as_array().unwrap().len(), 1, "{json}");
    &json["images"][0]
}

#[test]
fn an_image_is_built_once_and_again_when_an_input_changes() {
    let world = app();
    let build = ["{folder}app", "-t", "team/app:v1"];
    let first = world.build(&build).expect(0);
    let line = first.row(&format!("{}/team/app:v1", world.host()));
    assert!(line.contains(&world.digest("team/app", "v1")) && line.contains("built in"), "{line}");
    let calls = world.calls(&["build", "push"]);
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(
        calls[0].contains(&format!("--tag team/app:v1 --tag {}/team/app:v1 --tag", world.host())),
        "{calls:?}"
    );
    let tags = world.tags("team/app");
    let key = tags.iter().find(|tag| tag.starts_with("in-")).unwrap();
    assert!(calls[1].ends_with(&format!("team/app:{key}")) && key.len() == 27, "{calls:?}");
    assert_eq!(world.digest("team/app", key), world.digest("team/app", "v1"));

    let again = world.build(&build).expect(0);
    assert!(again.out.contains("up to date: no input changed"), "{}", again.out);
    // Not even a question to the engine.
    assert_eq!(world.calls(&["build", "push", "version", "buildx"]), [""; 0]);

    world.file("app/src/main.py", "print(2)\n");
    let json = world.build(&[&build[..], &["--output", "json"]].concat()).json();
    let image = only(&json);
    assert_eq!((&image["state"], &image["reasons"][0]["kind"]), (&json!("built"), &json!("changed")));
    assert!(image["reasons"][0]["text"].as_str().unwrap().contains("src/main.py changed"), "{image}");
    assert_ne!(world.digest("team/app", key), world.digest("team/app", "v1"));

    // The former content has its image still: the tag moves back, and nothing is built.
    world.calls(&[]);
    world.file("app/src/main.py", "print(1)\n");
    let back = world.build(&build).expect(0);
    assert!(back.out.contains("up to date: no input changed; moved"), "{}", back.out);
    assert_eq!(world.digest("team/app", key), world.digest("team/app", "v1"));
    assert_eq!(world.calls(&["build"]).len(), 0);
}

#[test]
fn a_check_only_answers_and_a_rebuild_is_forced() {
    let world = app();
    let check = ["{folder}app", "-t", "app", "--check"];
    let first = world.build(&check).expect(10);
    assert!(
        first.out.contains("needs a build") && first.out.contains("no record of an earlier build"),
        "{}",
        first.out
    );
    assert!(!first.err.contains("error:") && first.err.contains("without --check"), "{}", first.err);
    world.build(&["{folder}app", "-t", "app"]).expect(0);
    assert!(world.build(&check).expect(0).out.contains("up to date"));

    world.file("app/run.sh", "exec other\n");
    world.calls(&[]);
    let stale = world.build(&[&check[..], &["--output", "json"]].concat()).expect(10);
    let json: Value = serde_json::from_str(&stale.out).unwrap();
    assert_eq!((&json["check"], &only(&json)["state"]), (&json!(true), &json!("needed")));
    assert_eq!(only(&json)["reasons"][0]["change"]["path"], "run.sh", "{json}");
    assert_eq!(world.calls(&["build", "push"]).len(), 0);
    world.file("app/run.sh", "exec main\n");

    let before = world.digest("app", "latest");
    let forced = world.build(&["{folder}app", "-t", "app", "--rebuild"]).expect(0);
    assert!(forced.out.contains("built in") && forced.out.contains("--rebuild"), "{}", forced.out);
    assert_ne!(world.digest("app", "latest"), before);
    assert!(world.build(&check).expect(0).out.contains(&world.digest("app", "latest")));
}

#[test]
fn a_check_finds_a_tag_that_does_not_name_the_image() {
    let world = app();
    let host = world.host();
    world.build(&["{folder}app", "-t", "app:v1"]).expect(0);
    let digest = world.digest("app", "v1");

    let absent = world.build(&["{folder}app", "-t", "app:v77", "--check"]).expect(10);
    let line = absent.row(&format!("{host}/app:v77"));
    let wanted = format!(
        "nothing to build, but the tag {host}/app:v77 does not exist; the same command without --check sets it"
    );
    assert!(line.contains(&digest) && line.contains(&wanted), "{line}");
    assert!(absent.err.contains("1 tag does not name its image"), "{}", absent.err);
    assert!(!world.tags("app").contains(&"v77".to_owned()));

    world.file("app/run.sh", "exec other\n");
    world.build(&["{folder}app", "-t", "app:v2"]).expect(0);
    let other = world.digest("app", "v2");
    world.file("app/run.sh", "exec main\n");
    let words = ["{folder}app", "-t", "app:v1", "-t", "app:v2", "-t", "mirror/app:v1", "--check"];
    let moved = world.build(&words).expect(10);
    assert!(moved.out.contains(&format!("the tag {host}/app:v2 names another image")), "{}", moved.out);
    assert!(moved.out.contains("sets them"), "{}", moved.out);
    let json = world.build(&[&words[..], &["--output", "json"]].concat()).expect(10);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    let unset = json!([
        { "reference": format!("{host}/app:v2"), "names": other },
        { "reference": format!("{host}/mirror/app:v1"), "names": null },
    ]);
    assert_eq!((&only(&json)["state"], &only(&json)["unsetTags"]), (&json!("tag-missing"), &unset));

    world.build(&words[..7]).expect(0);
    assert!(world.build(&words).expect(0).out.contains("up to date"));
}

#[test]
fn another_machine_and_another_clone_find_the_image() {
    let world = app();
    world.build(&["{folder}app", "-t", "app"]).expect(0);
    world.forget();
    for name in ["Dockerfile", "run.sh", "src/main.py"] {
        let text = std::fs::read_to_string(world.path("app").join(name)).unwrap();
        world.file(&format!("clone/app/{name}"), &text);
    }
    world.calls(&[]);
    let found = world.build(&["{folder}clone/app", "-t", "app:v2", "-t", "other/name:v2"]).expect(0);
    assert!(found.out.contains("up to date"), "{}", found.out);
    assert_eq!(world.digest("app", "v2"), world.digest("other/name", "v2"));
    assert_eq!(world.calls(&["build"]).len(), 0);
}

#[test]
fn an_image_that_the_registry_lost_is_built_again() {
    let world = app();
    world.build(&["{folder}app", "-t", "app"]).expect(0);
    let key = world.tags("app").into_iter().find(|tag| tag.starts_with("in-")).unwrap();
    let client = world.registry.client();
    let manifest = client.get(format!("/v2/app/manifests/{key}")).send().expect(200).json();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    client.delete(format!("/v2/app/blobs/{layer}")).send().expect(202);
    let damaged = world.build(&["{folder}app", "-t", "app", "--check"]).expect(10);
    assert!(damaged.out.contains("lacks blob"), "{}", damaged.out);
    client.delete(format!("/v2/app/manifests/{key}")).send().expect(202);
    let gone = world.build(&["{folder}app", "-t", "app"]).expect(0);
    assert!(
        gone.out.contains("built in") && gone.out.contains("does not have the image any more"),
        "{}",
        gone.out
    );
}

#[test]
fn the_first_of_two_builders_wins_and_the_other_one_adopts() {
    let world = app();
    // During the build another machine builds and pushes the same inputs.
    let during =
        "rm \"$FAKE/during\"\nXDG_STATE_HOME=/nonexistent \"$HYTHE\" build \"$PROJECT\" -t app:theirs >&2\n";
    world.file("fake/during", during);
    let project = world.path("app").display().to_string();
    let adopted = world.build_with(&["{folder}app", "-t", "app:mine"], &[("PROJECT", &project)]).expect(0);
    assert!(adopted.out.contains("adopted: another builder"), "{}{}", adopted.out, adopted.err);
    assert_eq!(world.digest("app", "mine"), world.digest("app", "theirs"));
    assert_eq!(world.calls(&["build"]).len(), 2);
}

#[test]
fn an_input_that_changes_during_the_build_is_built_again() {
    let world = app();
    world.file("fake/during", "rm \"$FAKE/during\"\necho changed > \"$PROJECT/run.sh\"\n");
    let project = world.path("app").display().to_string();
    let built = world.build_with(&["{folder}app", "-t", "app"], &[("PROJECT", &project)]).expect(0);
    assert!(built.err.contains("changed during the build"), "{}", built.err);
    assert_eq!((world.calls(&["build"]).len(), world.tags("app").len()), (2, 2));
    assert!(world.build(&["{folder}app", "-t", "app", "--check"]).expect(0).out.contains("up to date"));

    world.file("fake/during", "date +%N >> \"$PROJECT/run.sh\"\n");
    world.file("app/run.sh", "another\n");
    let never = world.build_with(&["{folder}app", "-t", "app"], &[("PROJECT", &project)]).expect(1);
    assert!(never.err.contains("3 times in a row"), "{}", never.err);
}

#[test]
fn bases_are_asked_for_and_offline_the_recorded_digest_serves() {
    let world = app();
    let host = world.host();
    world.file("app/Dockerfile", &format!("FROM {host}/seed:1\nCOPY src /src\n"));
    let build = ["{folder}app", "-t", "app"];
    world.build(&build).expect(0);
    let calls = world.calls(&["build"]);
    let name = format!("org.opencontainers.image.base.name={host}/seed:1");
    let digest = format!("org.opencontainers.image.base.digest={}", world.digest("seed", "1"));
    assert!(
        calls[0].contains(&name) && calls[0].contains(&digest) && calls[0].contains(" --pull "),
        "{calls:?}"
    );

    // The base moves.
    let moved = world.registry.client().get("/v2/seed/manifests/5").send().expect(200);
    let media_type = moved.expect_header("content-type").to_owned();
    let put = world.registry.client().put("/v2/seed/manifests/1").header("content-type", media_type);
    put.body(&moved.body).send().expect(201);
    let stale = world.build(&[&build[..], &["--check"]].concat()).expect(10);
    assert!(stale.out.contains(&format!("the base {host}/seed:1 moved from")), "{}", stale.out);

    // The base's registry is away, and has been asked before.
    let away = "127.0.0.1:1/away:1";
    let build = ["{folder}away", "-t", "away"];
    world.file("away/Dockerfile", &format!("FROM {away}\n"));
    let failed = world.build(&build).expect(1);
    assert!(failed.err.contains(&format!("digest of the base image {away}")), "{}", failed.err);
    // The engine alone has the image.
    let engine = "#!/bin/sh\n[ \"$1 $2\" = 'image inspect' ] && { echo sha256:$(printf %064d 7); exit; }\nexec \"${0%/*}/fake-docker\" \"$@\"\n";
    std::fs::rename(world.path("bin/docker"), world.path("bin/fake-docker")).unwrap();
    world.program("docker", engine);
    let local = world.build(&build).expect(0);
    assert!(local.err.contains("only this machine's engine has"), "{}", local.err);
    assert!(!world.calls(&["build"])[0].contains("--pull"));
    let offline = world.build(&build).expect(0);
    assert!(
        offline.out.contains("up to date") && offline.err.contains("counts as unchanged"),
        "{}",
        offline.err
    );
}

#[test]
fn files_that_only_the_base_names_are_inputs() {
    let world = app();
    let host = world.host();
    let config = json!({
        "os": "linux", "architecture": "amd64",
        "config": { "Env": ["SOURCE=src"], "OnBuild": ["COPY extra /"] },
    });
    let base = ImageBuilder::new(7).config(hythe_oci::media_type::OCI_CONFIG, config.to_string().as_bytes());
    base.layers(1, 100).build().push(&world.registry.client(), "onbuild", "1");
    world.file("app/Dockerfile", &format!("FROM {host}/onbuild:1\nCOPY $SOURCE /src\n"));
    world.file("app/extra", "1\n");
    let build = ["{folder}app", "-t", "app"];
    let check = ["{folder}app", "-t", "app", "--check"];
    world.build(&build).expect(0);
    assert!(world.build(&check).expect(0).out.contains("up to date"));
    world.file("app/run.sh", "no input\n");
    world.build(&check).expect(0);
    world.file("app/extra", "2\n");
    assert!(world.build(&check).expect(10).out.contains("extra changed"));
    world.file("app/extra", "1\n");
    world.file("app/src/main.py", "print(2)\n");
    assert!(world.build(&check).expect(10).out.contains("src/main.py changed"));
}

#[test]
fn an_input_that_cannot_be_known_is_not_trusted() {
    let world = app();
    world.file("app/Dockerfile", "FROM scratch\nADD https://example.com/x.tar /\n");
    let build = ["{folder}app", "-t", "app"];
    world.build(&build).expect(0);
    let again = world.build(&build).expect(0);
    assert!(
        again.out.contains("built in") && again.out.contains("https://example.com/x.tar"),
        "{}",
        again.out
    );
    let trusted = world.build(&[&build[..], &["--trust-remote"]].concat()).expect(0);
    assert!(trusted.out.contains("up to date"), "{}", trusted.out);
    let git = world.build(&["https://github.com/x/y.git", "-t", "app"]).expect(2);
    assert!(git.err.contains("clone it"), "{}", git.err);
}

#[test]
fn secrets_reach_the_builder_and_never_the_record() {
    let world = app();
    let variables = [("TOKEN", "hunter2"), ("VERSION", "hunter3")];
    let build = [
        "{folder}app",
        "-t",
        "app",
        "--secret",
        "id=token,env=TOKEN",
        "--build-arg",
        "VERSION",
        "--ssh",
        "default",
    ];
    world.build_with(&build, &variables).expect(0);
    let call = world.calls(&["build"]).remove(0);
    assert!(call.contains("--build-arg VERSION --secret id=token,env=TOKEN --ssh default"), "{call}");
    let records: Vec<String> = std::fs::read_dir(world.path("state/hythe/builds"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert!(records.len() == 1 && !records[0].contains("hunter"), "{records:?}");
    let same = world.build_with(&build[..3], &[]).expect(0);
    assert!(same.out.contains("build argument VERSION changed"), "{}", same.out);
}

#[test]
fn an_image_for_another_platform_than_the_wanted_one_gets_no_key() {
    let world = World::new();
    let config = br#"{"os":"linux","architecture":"amd64"}"#;
    let image =
        ImageBuilder::new(70).config(hythe_oci::media_type::OCI_CONFIG, config).layers(1, 100).build();
    image.push(&world.registry.client(), "seed", "1");
    world.file("app/Dockerfile", "FROM scratch\nCOPY main /\n");
    world.file("app/main", "main");
    let built = world.build(&["{folder}app", "-t", "app:v1", "--platform", "linux/arm64"]);
    assert_eq!(built.code, Some(1), "{}{}", built.out, built.err);
    assert!(built.err.contains("built no image for linux/arm64"), "{}", built.err);
    world.registry.client().get("/v2/app/manifests/v1").send().expect(404);
}

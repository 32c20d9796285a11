//! `hythe build` with real builders: what it builds, what it leaves alone, and that equal keys mean equal layers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use hythe_e2e::binary::{built_tool, hythe, tool};
use hythe_e2e::client::Client;
use hythe_e2e::command::{Output, attempt, program, run};
use hythe_e2e::engine::{Engine, unmount_below};
use hythe_e2e::server::Server;
use serde_json::Value;
use tempfile::TempDir;

use crate::verify;

/// A user with a home folder, a builder, and a registry.
pub(crate) struct Builder {
    name: &'static str,
    pub(crate) engine: Option<Engine>,
    pub(crate) home: TempDir,
}

impl Builder {
    fn new(name: &'static str, engine: Option<Engine>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        // Podman and Buildah refuse a DOCKER_CONFIG without this file.
        fs::create_dir(home.path().join("docker")).expect("the folder is ours");
        fs::write(home.path().join("docker/config.json"), "{}").expect("the folder is ours");
        Self { name, engine, home }
    }

    /// Debian's dockerd with the builder that needs no plugin.
    pub(crate) fn docker() -> Self {
        Self::new("docker", Some(Engine::docker()))
    }

    /// A dockerd with buildx.
    pub(crate) fn buildx(engine: Engine) -> Self {
        let builder = Self::new("buildx", Some(engine));
        let plugins = builder.home.path().join("docker/cli-plugins");
        fs::create_dir_all(&plugins).expect("the folder is ours");
        symlink(built_tool("docker-29/buildx"), plugins.join("docker-buildx")).expect("the folder is ours");
        builder
    }

    /// Podman or Buildah, with a store of its own.
    pub(crate) fn containers(name: &'static str) -> Self {
        let builder = Self::new(name, None);
        let at = |name: &str| builder.home.path().join(name).display().to_string();
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
            at("store"),
            at("run")
        );
        fs::write(at("storage.conf"), storage).expect("the folder is ours");
        builder
    }

    /// A command with this user's environment.
    pub(crate) fn command(&self, path: impl AsRef<Path>, words: &[&str]) -> Command {
        let home = self.home.path();
        let mut command = program(path, words);
        command.env("HOME", home).env("DOCKER_CONFIG", home.join("docker")).env("DOCKER_BUILDKIT", "0");
        command.env("CONTAINERS_STORAGE_CONF", home.join("storage.conf"));
        if let Some(engine) = &self.engine {
            command.env("DOCKER_HOST", engine.address());
        }
        command
    }

    /// Runs `hythe build`.
    pub(crate) fn build(&self, server: &Server, words: &[&str]) -> Output {
        let all = [&["build", "--builder", self.name][..], words].concat();
        attempt(self.command(hythe(), &all).env("HYTHE_REGISTRY", server.address().to_string()))
    }

    /// The state of each image after `hythe build`, which must succeed.
    pub(crate) fn states(&self, server: &Server, words: &[&str]) -> Vec<(String, String)> {
        let output = self.build(server, &[words, &["--output", "json"]].concat());
        assert_eq!(output.code, Some(0), "{}: {}{}", self.name, output.stdout, output.stderr);
        let json: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let text = |image: &Value, key: &str| image[key].as_str().expect("a text").to_owned();
        let images = json["images"].as_array().expect("a list");
        images.iter().map(|image| (text(image, "name"), text(image, "state"))).collect()
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        unmount_below(self.home.path());
    }
}

/// A folder with files.
pub(crate) struct Project(TempDir);

impl Project {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().expect("a temporary folder"));
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is below the folder")).expect("the folder is ours");
        fs::write(path, text).expect("the folder is ours");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// The tags of a repository.
pub(crate) fn tags(server: &Server, name: &str) -> Vec<String> {
    let answer =
        run(&mut program(hythe(), ["tags", &format!("{}/{name}", server.address()), "--output", "json"]));
    serde_json::from_str(&answer).expect("JSON")
}

/// The pairs of states and names as one text.
fn said(states: &[(String, String)]) -> String {
    states.iter().map(|(name, state)| format!("{name} {state}")).collect::<Vec<_>>().join(", ")
}

/// A base with `hythe.toml`, and an image on it.
fn base_and_app(server: &Server) -> Project {
    let from = format!("FROM {}/base:latest\nCOPY src /src\n", server.address());
    Project::new(&[
        (
            "hythe.toml",
            "[[image]]\nname = 'app'\ncontext = 'app'\n[[image]]\nname = 'base'\ncontext = 'base'\n",
        ),
        ("base/Dockerfile", "FROM scratch\nCOPY lib /lib\n"),
        ("base/lib", "lib\n"),
        ("app/Dockerfile", &from),
        ("app/.dockerignore", "**/*.log\n"),
        ("app/src/main", "main\n"),
    ])
}

/// Builds, changes inputs and things that are no inputs, and builds again.
fn builds_what_changed(builder: &Builder) {
    let server = Server::start();
    let project = base_and_app(&server);
    let folder = project.at("");
    let states = || said(&builder.states(&server, &[&folder]));
    assert_eq!(states(), "base built, app built", "{}", builder.name);
    verify(&server, "base", "latest");
    let digest = verify(&server, "app", "latest");
    assert_eq!(states(), "base up-to-date, app up-to-date", "{}", builder.name);
    project.write("app/src/debug.log", "ignored\n");
    run(&mut program(tool("touch"), ["--date=2001-01-01", &project.at("app/src/main")]));
    assert_eq!(states(), "base up-to-date, app up-to-date", "{}", builder.name);
    project.write("app/src/main", "main 2\n");
    assert_eq!(states(), "base up-to-date, app built", "{}", builder.name);
    assert_ne!(verify(&server, "app", "latest"), digest);
    project.write("base/lib", "lib 2\n");
    let check = builder.build(&server, &[&folder, "--check"]);
    assert!(check.code == Some(10) && check.stdout.contains("lib changed"), "{check:?}");
    assert_eq!(states(), "base built, app built", "{}", builder.name);
    // The base is named where the builder can: as annotation or as label.
    let base = verify(&server, "base", "latest");
    let text = everything(&server, "app");
    assert!(
        text.contains(&format!("\"org.opencontainers.image.base.digest\":\"{base}\"")),
        "{}: {text}",
        builder.name
    );
    project.write("app/src/main", "main\n");
    project.write("base/lib", "lib\n");
    assert_eq!(states(), "base up-to-date, app up-to-date", "{}", builder.name);
    assert_eq!(verify(&server, "app", "latest"), digest);
}

/// The manifests and the configuration of an image, without spaces.
fn everything(server: &Server, name: &str) -> String {
    let mut client: Client = server.client();
    let mut get = |path: &str| client.get(path).expect("the server answers").text();
    let mut manifest = get(&format!("/v2/{name}/manifests/latest"));
    let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    if let Some(child) = read(&manifest)["manifests"][0]["digest"].as_str().map(str::to_owned) {
        manifest = get(&format!("/v2/{name}/manifests/{child}"));
    }
    let config = read(&manifest)["config"]["digest"].as_str().expect("an image").to_owned();
    let config = get(&format!("/v2/{name}/blobs/{config}"));
    format!("{}{}", read(&manifest), read(&config))
}

#[test]
fn docker_builds_what_changed() {
    builds_what_changed(&Builder::docker());
}

#[test]
fn buildx_builds_what_changed_in_an_engine_with_its_own_store() {
    builds_what_changed(&Builder::buildx(Engine::docker()));
}

#[test]
fn buildx_builds_what_changed_in_an_engine_with_the_store_of_containerd() {
    builds_what_changed(&Builder::buildx(Engine::docker_29()));
}

#[test]
fn podman_builds_what_changed() {
    builds_what_changed(&Builder::containers("podman"));
}

#[test]
fn buildah_builds_what_changed() {
    builds_what_changed(&Builder::containers("buildah"));
}

#[test]
fn an_image_for_several_platforms_has_all_of_them() {
    let server = Server::start();
    let builders =
        [Builder::containers("podman"), Builder::containers("buildah"), Builder::buildx(Engine::docker_29())];
    for builder in &builders {
        let project = Project::new(&[("Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", builder.name)]);
        let folder = project.at("");
        let words = [folder.as_str(), "-t", builder.name, "--platform", "linux/amd64,linux/arm64"];
        assert!(said(&builder.states(&server, &words)).ends_with(" built"), "{}", builder.name);
        let index = server
            .client()
            .get(&format!("/v2/{}/manifests/latest", builder.name))
            .expect("the server answers");
        let text = index.text();
        assert!(text.contains("\"amd64\"") && text.contains("\"arm64\""), "{}: {text}", builder.name);
        assert!(said(&builder.states(&server, &words)).ends_with(" up-to-date"), "{}", builder.name);
    }
}

#[test]
fn two_builders_at_once_end_with_one_image() {
    let server = Server::start();
    let project = Project::new(&[("Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", "a\n")]);
    let builders =
        [Builder::containers("buildah"), Builder::containers("buildah"), Builder::containers("podman")];
    let folder = project.at("");
    std::thread::scope(|scope| {
        for (number, builder) in builders.iter().enumerate() {
            let (server, folder) = (&server, &folder);
            scope.spawn(move || builder.states(server, &[folder, "-t", &format!("app:v{number}")]));
        }
    });
    // Whoever came last set its tag after the key's tag had its last image, or found the tag: one more run makes all tags equal.
    let digests: Vec<_> = (0..builders.len())
        .map(|number| {
            let tag = format!("v{number}");
            let again = builders[0].states(&server, &[&folder, "-t", &format!("app:{tag}")]);
            assert_eq!(said(&again).split(' ').nth(1), Some("up-to-date"), "{again:?}");
            verify(&server, "app", &tag)
        })
        .collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

/// One engine with its cache: where the key stays the same, the builder gives the same layers; where it changes, it gives others.
#[test]
fn an_equal_key_means_equal_layers_on_one_engine() {
    let server = Server::start();
    let builder = Builder::docker();
    let dockerfile =
        "FROM scratch AS unneeded\nCOPY other /other\nFROM scratch\nARG V\nENV V=$V\nCOPY src /src\n";
    let project = Project::new(&[
        ("Dockerfile", dockerfile),
        (".dockerignore", "*.log\n"),
        ("src/a", "a\n"),
        ("src/run", "run\n"),
        ("other", "other\n"),
    ]);
    symlink("a", project.path("src/link")).expect("the folder is ours");
    let folder = project.at("");
    let build = |version: &str| {
        let argument = format!("V={version}");
        let words = [folder.as_str(), "-t", "app", "--build-arg", &argument, "--output", "json", "--check"];
        let output = builder.build(&server, &words);
        let json: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let key = json["images"][0]["key"].as_str().expect("a key").to_owned();
        let name = "plain:latest";
        run(&mut builder
            .command(tool("docker"), &["build", "--tag", name, "--build-arg", &argument, &folder]));
        let format = "{{json .RootFS.Layers}}{{json .Config.Env}}";
        (key, run(&mut builder.command(tool("docker"), &["image", "inspect", "--format", format, name])))
    };
    let first = build("1");
    run(&mut program(tool("touch"), ["--date=2001-01-01", &project.at("src/a")]));
    assert_eq!(build("1"), first, "mtime");
    project.write("debug.log", "ignored\n");
    assert_eq!(build("1"), first, "an ignored file");
    project.write("other", "other 2\n");
    assert_eq!(build("1").0, first.0, "a file of a stage that is not needed");
    let mut last = first;
    let changes: [(&str, &dyn Fn()); 5] = [
        ("a file", &|| project.write("src/a", "a 2\n")),
        ("x bit", &|| drop(run(&mut program(tool("chmod"), ["755", &project.at("src/run")])))),
        ("link target", &|| {
            fs::remove_file(project.path("src/link")).expect("it is there");
            symlink("run", project.path("src/link")).expect("the folder is ours");
        }),
        ("rename", &|| fs::rename(project.path("src/a"), project.path("src/b")).expect("the folder is ours")),
        ("an empty folder", &|| fs::create_dir(project.path("src/empty")).expect("the folder is ours")),
    ];
    for (what, change) in changes {
        change();
        let now = build("1");
        assert!(now.0 != last.0 && now.1 != last.1, "{what}: {last:?} {now:?}");
        last = now;
    }
    let now = build("2");
    assert!(now.0 != last.0 && now.1 != last.1, "a build argument: {last:?} {now:?}");
}

//! A registry, a project's folder, and a fake `docker` that records how it is called.

use std::path::{Path, PathBuf};
use std::process::Command;

use hythe_testing::{ImageBuilder, TestRegistry};
use tempfile::TempDir;

use crate::cache::world::{Ran, run_in};

/// The fake `docker`. A build counts up; a push copies the image `seed:COUNT` of the registry to the name.
const DOCKER: &str = r#"#!/bin/sh
echo "$*" >> "$FAKE/log"
case $1 in
version) echo 20.10.24 ;;
buildx | compose) exit 1 ;;
build)
    count=$(($(cat "$FAKE/count" 2>/dev/null || echo 0) + 1))
    echo $count > "$FAKE/count"
    [ -e "$FAKE/during" ] && . "$FAKE/during"
    echo "Successfully built $count" ;;
push)
    [ -e "$FAKE/pushing" ] && . "$FAKE/pushing"
    exec "$HYTHE" copy "$REGISTRY/seed:$(cat "$FAKE/count")" "$2" >&2 ;;
pull | tag) ;;
image) [ "$2" = rm ] || exit 1 ;;
*) exit 1 ;;
esac
"#;

/// Images that the fake can push.
const SEEDS: u64 = 9;

pub(crate) struct World {
    pub(crate) registry: TestRegistry,
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { registry: TestRegistry::start(), folder: tempfile::tempdir().unwrap() };
        for seed in 1..=SEEDS {
            let image = ImageBuilder::new(seed).layers(2, 1000).build();
            image.push(&world.registry.client(), "seed", seed.to_string());
        }
        world.program("docker", DOCKER);
        std::fs::create_dir(world.path("fake")).unwrap();
        world
    }

    /// Adds a program to the PATH. A shell writes the file: if this process had the script open for writing while another test
    /// starts a program, that child would inherit the open file, and the system would refuse to run the script.
    pub(crate) fn program(&self, name: &str, script: &str) {
        self.file("script", script);
        let install = "mkdir -p \"$(dirname \"$2\")\" && cp \"$1\" \"$2\" && chmod 755 \"$2\"";
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", install, "sh"]).arg(self.path("script")).arg(self.path("bin").join(name));
        assert!(shell.status().unwrap().success());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The address of the registry.
    pub(crate) fn host(&self) -> String {
        self.registry.address().to_string()
    }

    /// Runs `hythe build` in the project's folder.
    pub(crate) fn build(&self, arguments: &[&str]) -> Ran {
        self.build_with(arguments, &[])
    }

    pub(crate) fn build_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        self.build_in(Path::new("."), arguments, variables)
    }

    /// Runs `hythe build` in a folder.
    pub(crate) fn build_in(&self, folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let (host, at) = (self.host(), |name: &str| self.path(name).display().to_string());
        let path = format!("{}:/usr/bin:/bin", at("bin"));
        let (fake, state, cache) = (at("fake"), at("state"), at("cache"));
        let own = [
            ("PATH", path.as_str()),
            ("FAKE", &fake),
            ("XDG_STATE_HOME", &state),
            ("XDG_CACHE_HOME", &cache),
            ("REGISTRY", &host),
            ("HYTHE_REGISTRY", &host),
            ("HYTHE", env!("CARGO_BIN_EXE_hythe")),
        ];
        let words: Vec<String> = arguments.iter().map(|word| word.replace("{folder}", &at(""))).collect();
        let words: Vec<&str> = std::iter::once("build").chain(words.iter().map(String::as_str)).collect();
        run_in(folder, &words, &[&own[..], variables].concat(), "")
    }

    /// The calls of the fake since the last question, of these kinds.
    pub(crate) fn calls(&self, kinds: &[&str]) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("fake/log")).unwrap_or_default();
        let _ = std::fs::remove_file(self.path("fake/log"));
        let is_wanted = |line: &&str| kinds.iter().any(|kind| line.split(' ').next() == Some(*kind));
        log.lines().filter(is_wanted).map(str::to_owned).collect()
    }

    /// The digest that a tag names.
    pub(crate) fn digest(&self, repository: &str, tag: &str) -> String {
        let answer =
            self.registry.client().get(format!("/v2/{repository}/manifests/{tag}")).send().expect(200);
        answer.digest().to_string()
    }

    /// The tags of a repository.
    pub(crate) fn tags(&self, repository: &str) -> Vec<String> {
        let answer = self.registry.client().get(format!("/v2/{repository}/tags/list")).send().expect(200);
        answer.json()["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }

    /// Removes what this machine remembers.
    pub(crate) fn forget(&self) {
        std::fs::remove_dir_all(self.path("state")).unwrap();
    }
}

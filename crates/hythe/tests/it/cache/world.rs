//! A registry with one upstream, and the program that talks to it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use hythe_testing::{ImageBuilder, IndexBuilder, Manifest, ScriptedUpstream, Setup, TestRegistry};
use serde_json::Value;

/// The upstream's name.
pub(crate) const UPSTREAM: &str = "up.example";

pub(crate) struct World {
    pub(crate) upstream: ScriptedUpstream,
    pub(crate) registry: TestRegistry,
}

/// The program's exit code and output.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.expect(0).out).unwrap()
    }

    /// A line of a table, its columns separated by one space.
    #[track_caller]
    pub(crate) fn row(&self, first: &str) -> String {
        let line = self.out.lines().find(|line| line.starts_with(first));
        let line = line.unwrap_or_else(|| panic!("no line begins with {first}: {}", self.out));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|setup| setup)
    }

    pub(crate) fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let upstream = ScriptedUpstream::start();
        let setup = TestRegistry::setup().upstream(UPSTREAM, &[upstream.endpoint()]);
        Self { registry: change(setup).start(), upstream }
    }

    /// Runs `hythe cache`.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[], "")
    }

    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
        let registry = format!("http://{}", self.registry.address());
        let all = [&["cache"], arguments, &["--registry", &registry]].concat();
        run(&all, variables, input)
    }

    /// Pushes an image of one layer to the upstream.
    pub(crate) fn image(&self, repository: &str, tag: &str, seed: u64) -> Manifest {
        let image = ImageBuilder::new(seed).layers(1, 50_000).build();
        self.upstream.push(repository, tag, &image);
        image
    }

    /// Pushes an index to the upstream, with an image for `linux/amd64` and an image for `linux/arm64`.
    pub(crate) fn index(&self, repository: &str, tag: &str) {
        let mut index = IndexBuilder::new();
        for (seed, architecture) in [(101, "amd64"), (102, "arm64")] {
            let image = ImageBuilder::new(seed).layers(1, 1000).build();
            let mut entry = image.descriptor();
            entry["platform"] = serde_json::json!({ "os": "linux", "architecture": architecture });
            self.upstream.push(repository, &image.digest().to_string(), &image);
            index = index.entry(entry);
        }
        self.upstream.push(repository, tag, &index.build());
    }
}

/// Runs the program with only these variables in its environment.
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
    run_in(Path::new("."), arguments, variables, input)
}

/// Runs the program in a folder.
pub(crate) fn run_in(folder: &Path, arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", "/home/ada")
        .envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Writing fails if the program ended without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

//! The files in `examples/`: hythe accepts their commands, and the scripts in them do what their tools' contracts ask for.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{CommandFactory as _, Parser as _};
use hythe::args::Args;
use hythe_testing::TestRegistry;

use crate::build::world::World;
use crate::cache::world::Ran;
use crate::workloads::FakeCluster;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").canonicalize().unwrap()
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The paths of all examples, relative to their folder.
fn files() -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let (root, mut found) = (folder(), Vec::new());
    walk(&root, &mut found);
    let name = |path: &PathBuf| path.strip_prefix(&root).unwrap().display().to_string();
    found.iter().map(name).filter(|name| name != "README.md").collect()
}

/// The value of a variable in the examples, for a command line that is only parsed.
fn sample(name: &str) -> &'static str {
    match name {
        "TARGET" => "--namespace storage --name docker-registry",
        "REGISTRY" | "steps.hythe.outputs.registry" => "localhost:5001",
        "WORKLOAD" => "deployment/app",
        "BUILD" | "BUILD_CONTEXT" => ".",
        "rebuild" => "--rebuild",
        "image" | "EXPECTED_REF" | "CI_REGISTRY_IMAGE" => "localhost:5001/team/app",
        _ => "v1",
    }
}

/// The text with a value for each variable: `$NAME`, `${NAME}`, `$(NAME)`, `${{ NAME }}`.
fn with_values(text: &str, value: &dyn Fn(&str) -> String) -> String {
    let Some((before, rest)) = text.split_once('$') else { return text.to_owned() };
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let (name, rest) = match rest.chars().next() {
        Some(open @ ('{' | '(')) => {
            let close = if open == '{' { '}' } else { ')' };
            let mut depth = 0;
            let end = rest.char_indices().find(|(_, character)| {
                depth += i32::from(*character == open) - i32::from(*character == close);
                depth == 0
            });
            let (end, _) = end.unwrap_or_else(|| panic!("{text} has no end of its variable"));
            (rest[..end].trim_matches(['{', '(', ' ', '}']), &rest[end + 1..])
        }
        _ => rest.split_at(rest.find(|character| !is_word(character)).unwrap_or(rest.len())),
    };
    let name = name.strip_prefix("env.").unwrap_or(name);
    format!("{before}{}{}", value(name), with_values(rest, value))
}

/// The commands of hythe in a file, without what surrounds them: quotes, comments, redirections.
fn commands(text: &str) -> Vec<String> {
    let verbs: Vec<String> =
        Args::command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let mut found = Vec::new();
    for line in text.lines() {
        let line = with_values(line, &|name| sample(name).to_owned());
        for (at, _) in line.match_indices("hythe ") {
            let verb = line[at + 6..].split([' ', '`', '\'', '"', ')']).next().unwrap_or_default();
            let before = line[..at].chars().next_back();
            let begins = before.is_none_or(|character| " \t`'\"(".contains(character));
            if !begins || !verbs.iter().any(|known| known == verb) {
                continue;
            }
            let end = match before {
                Some(quote @ ('`' | '\'' | '"')) => line[at..].find(quote),
                Some('(') => line[at..].find(')'),
                _ => None,
            };
            let command = &line[at..end.map_or(line.len(), |end| at + end)];
            let ends = [" && ", " || ", " >", "; ", "   "];
            let end = ends.iter().filter_map(|end| command.find(end)).min().unwrap_or(command.len());
            found.push(command[..end].to_owned());
        }
    }
    found
}

fn assert_parses(command: &str, name: &str) {
    let words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'', '`', ')']));
    if let Err(error) = Args::try_parse_from(words) {
        panic!("{name}: {command}: {error}");
    }
}

#[test]
fn hythe_accepts_every_command_of_an_example() {
    let mut count = 0;
    for name in files() {
        for command in commands(&text(&name)) {
            assert_parses(&command, &name);
            count += 1;
        }
    }
    assert!(count > 30, "the examples were not read: {count}");
}

#[test]
fn every_example_is_in_the_index_and_every_yaml_file_can_be_read() {
    let index = text("README.md");
    for name in files() {
        assert!(index.contains(&format!("({name})")), "{name} is not in examples/README.md");
        let extension = Path::new(&name).extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml")) {
            let read = hythe_yaml::Reader::new(64).read(&text(&name));
            assert!(read.as_ref().is_ok_and(|read| read.len() == 1), "{name}: {read:?}");
        }
        if extension == Some("sh") {
            let checked = Command::new("sh").arg("-n").arg(folder().join(&name)).status().unwrap();
            assert!(checked.success(), "{name}");
        }
    }
}

impl World {
    /// A folder with a Dockerfile, and `hythe` and the fake `docker` in PATH.
    fn of_example() -> Self {
        let world = Self::new();
        world.file("Dockerfile", "FROM scratch\nCOPY src /src\n");
        world.file("src/main.py", "print(1)\n");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hythe"), world.path("bin/hythe")).unwrap();
        world
    }

    /// Runs a script in the folder, as the example's tool does.
    fn script(&self, shell: &str, script: &str, variables: &[(&str, &str)]) -> Ran {
        let at = |name: &str| self.path(name).display().to_string();
        let mut command = Command::new(shell);
        command.args(["-ec", script]).current_dir(self.path("")).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", at("bin"))).env("HOME", at("home"));
        command.env("FAKE", at("fake")).env("HYTHE", env!("CARGO_BIN_EXE_hythe"));
        command.env("HYTHE_REGISTRY", self.host()).env("REGISTRY", self.host());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

#[test]
fn tilt_gets_the_image_under_the_reference_that_it_expects() {
    let (world, tiltfile) = (World::of_example(), text("tilt/Tiltfile"));
    let commands = tiltfile.lines().filter_map(|line| line.strip_prefix("    command='")?.strip_suffix("',"));
    let [command] = commands.collect::<Vec<_>>()[..] else { panic!("{tiltfile}") };
    for tag in ["tilt-1", "tilt-2"] {
        let expected = format!("{}/app:{tag}", world.host());
        world.script("sh", command, &[("EXPECTED_REF", &expected)]).expect(0);
    }
    assert_eq!(world.digest("app", "tilt-1"), world.digest("app", "tilt-2"));
    assert_eq!(world.calls(&["build"]).len(), 1, "nothing changed, so the second tag needs no build");
}

#[test]
fn skaffold_gets_the_image_in_the_registry_or_in_the_engine() {
    let (world, image) = (World::of_example(), "team/app:v1");
    let script = text("skaffold/build.sh");
    let full = format!("{}/{image}", world.host());
    let context = world.path("").display().to_string();
    let run = |push: &str| {
        let variables = [("IMAGE", full.as_str()), ("PUSH_IMAGE", push), ("BUILD_CONTEXT", &context)];
        world.script("sh", &script, &variables).expect(0);
    };
    run("true");
    world.digest("team/app", "v1");
    world.calls(&[]);
    run("false");
    assert_eq!(world.calls(&["build", "push"]), [format!("build -t {full} {context}")]);
}

#[test]
fn the_stage_of_jenkins_asks_then_builds_and_builds_again_only_when_told() {
    let (world, pipeline) = (World::of_example(), text("jenkins/Jenkinsfile"));
    let image = format!("{}/base:latest", world.host());
    let lines = commands_with(&pipeline, "hythe build . --file", &|name| match name {
        "dockerfile" => "Dockerfile".to_owned(),
        "image" => image.clone(),
        other => sample(other).to_owned(),
    });
    let [check, rebuild] = &lines[..] else { panic!("{lines:?}") };
    let build = rebuild.replace("--rebuild", "");
    world.script("sh", check, &[]).expect(10);
    world.script("sh", &build, &[]).expect(0);
    world.script("sh", check, &[]).expect(0);
    assert_eq!(world.calls(&["build"]).len(), 1);
    world.script("sh", rebuild, &[]).expect(0);
    assert_eq!(world.calls(&["build"]).len(), 1);
}

/// The lines of a file that contain a command, from the command to the end of its string.
fn commands_with(text: &str, begin: &str, value: &dyn Fn(&str) -> String) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.find(begin).map(|at| &line[at..]));
    lines.map(|line| with_values(line.trim_end_matches(['"', ')']), value)).collect()
}

#[test]
fn gitlab_builds_what_changed_and_promotes_it_by_its_digest() {
    let (world, pipeline) = (World::of_example(), text("gitlab/.gitlab-ci.yml"));
    let (production, cluster) = (TestRegistry::start(), FakeCluster::start("localhost:5001/app:v0"));
    let (image, to, kubeconfig) =
        (format!("{}/team/app", world.host()), production.address().to_string(), cluster.kubeconfig());
    let variables = [
        ("CI_REGISTRY_IMAGE", image.as_str()),
        ("CI_COMMIT_SHORT_SHA", "4c1d23aa"),
        ("IMAGE_TAG", "4c1d23aa"),
        ("PROD_REGISTRY", &to),
        ("PROD_CONTEXT", "prod"),
        ("KUBECONFIG", &kubeconfig),
    ];
    let scripts = pipeline.lines().filter_map(|line| line.trim().strip_prefix("- hythe "));
    let scripts: Vec<&str> = scripts.collect();
    assert_eq!(scripts.len(), 2);
    for script in scripts {
        world.script("sh", &format!("hythe {script}"), &variables).expect(0);
    }
    let digest = world.digest("team/app", "4c1d23aa");
    assert_eq!(cluster.template()["spec"]["containers"][0]["image"], format!("{to}/team/app@{digest}"));
}

#[test]
fn github_s_action_starts_a_registry_and_says_where() {
    let (world, action) = (World::of_example(), text("github/start-hythe/action.yml"));
    let (_, script) = action.split_once("run: |\n").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let at = |name: &str| world.path(name).display().to_string();
    let (folder, output, environment) = (at("data"), at("output"), at("environment"));
    let variables = [
        ("PORT", port.as_str()),
        ("FOLDER", &folder),
        ("GITHUB_OUTPUT", &output),
        ("GITHUB_ENV", &environment),
    ];
    // The server outlives the script, so the script's end says which process to end.
    let script = format!("trap 'jobs -p >\"$FOLDER/pid\"' EXIT\n{script}");
    let ran = world.script("bash", &script, &variables);
    let pid = std::fs::read_to_string(world.path("data/pid")).unwrap();
    let ended = Command::new("kill").arg(pid.trim()).status().unwrap();
    ran.expect(0);
    assert!(ended.success());
    assert_eq!(std::fs::read_to_string(output).unwrap(), format!("registry=localhost:{port}\n"));
    assert_eq!(std::fs::read_to_string(environment).unwrap(), format!("HYTHE_REGISTRY=localhost:{port}\n"));
}

#[test]
fn the_services_of_the_compose_file_are_built_under_the_names_that_it_says() {
    let world = World::of_example();
    world.file("shop/compose.yaml", &text("compose/compose.yaml"));
    for service in ["web", "api"] {
        world.file(&format!("shop/{service}/Dockerfile"), "FROM scratch\nARG VERSION\nCOPY main /\n");
        world.file(&format!("shop/{service}/main"), service);
    }
    let build = "cd shop && hythe build -f compose.yaml";
    assert_eq!(world.script("sh", &format!("{build} --check"), &[]).code, Some(10));
    world.script("sh", build, &[]).expect(0);
    for name in ["shop-web", "shop-api"] {
        world.digest(name, "latest");
    }
    assert_eq!(world.script("sh", &format!("{build} --check"), &[]).code, Some(0));
}

#[test]
fn every_target_of_the_makefile_runs_a_command_that_hythe_accepts() {
    let world = World::of_example();
    let makefile = folder().join("make/Makefile").display().to_string();
    let host = world.host();
    let make = |words: &str| {
        let script = format!("make --no-print-directory -f {makefile} REGISTRY={host} IMAGE=app:v1 {words}");
        world.script("sh", &script, &[]).expect(0)
    };
    let help = make("help").out;
    let targets: Vec<&str> = help.lines().filter_map(|line| line.split_whitespace().next()).collect();
    // The tasks of a registry for a data platform.
    for target in
        ["deploy", "remove", "status", "logs", "list-images", "build-and-push", "pull", "test", "promote"]
    {
        assert!(targets.contains(&target), "{help}");
    }
    for target in targets {
        for line in make(&format!("-n {target}")).out.lines().filter(|line| line.starts_with("hythe ")) {
            assert_parses(line, target);
        }
    }
    make("build-and-push pull");
    assert_eq!(make("list-images").out.lines().filter(|line| *line == "app").count(), 1);
    assert_eq!(make("list-tags").out.lines().last(), Some("v1"));
    assert!(make("sizes").out.contains("total"));
    assert!(world.calls(&["pull"]).iter().any(|call| *call == format!("pull {host}/app:v1")));
}

#[test]
fn buildkit_keeps_its_cache_in_the_registry_beside_the_image() {
    let world = World::of_example();
    let script = folder().join("buildkit/build.sh").display().to_string();
    // The fake has no buildx, and records how it is called.
    world.script("sh", &format!("{script} src"), &[("IMAGE", "team/app"), ("TAG", "v1")]).expect(1);
    let (host, cache) = (world.host(), format!("type=registry,ref={}/team/app:buildcache", world.host()));
    let expected = format!(
        "buildx build --push -t {host}/team/app:v1 --cache-from {cache} --cache-to {cache},mode=max src"
    );
    assert_eq!(world.calls(&["buildx"]), [expected]);
}

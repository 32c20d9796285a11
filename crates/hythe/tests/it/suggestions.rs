//! The commands that messages suggest: hythe accepts each of them, and those that can run here do what the message
//! says.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};
use hythe::args::Args;

use crate::cache::world::{World, run};

/// Samples for the values that a message inserts into a command.
const VALUES: [&str; 6] = [
    "",
    "x",
    "5002",
    "--port",
    "127.0.0.1:5002",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// The sources of every crate, without their tests.
fn sources() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" && name != "target" {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") && name != "tests.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let is_comment = |line: &&str| line.trim_start().starts_with("//");
                let lines: Vec<&str> = code.lines().filter(|line| !is_comment(line)).collect();
                found.push((path, joined(&lines)));
            }
        }
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()).unwrap() {
        let folder = entry.unwrap().path().join("src");
        if folder.is_dir() && !folder.ends_with("testing/src") {
            walk(&folder, &mut found);
        }
    }
    found
}

/// The lines as one text, with strings that continue on the next line joined.
fn joined(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        if let Some(before) = text.strip_suffix("\\\n") {
            text = format!("{before}{}\n", line.trim_start());
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// The parts of a template between `{…}`.
fn parts(template: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut is_value = false;
    for character in template.chars() {
        match character {
            '{' => is_value = true,
            '}' => {
                is_value = false;
                parts.push(String::new());
            }
            _ if is_value => {}
            character => parts.last_mut().unwrap().push(character),
        }
    }
    parts
}

/// Whether hythe accepts the command, with some of the sample values for its placeholders.
fn is_taken(template: &str) -> bool {
    let parts = parts(template);
    let count = VALUES.len().pow(u32::try_from(parts.len() - 1).unwrap());
    (0..count).any(|mut number| {
        let mut command = parts[0].clone();
        for part in &parts[1..] {
            command.push_str(VALUES[number % VALUES.len()]);
            command.push_str(part);
            number /= VALUES.len();
        }
        Args::try_parse_from(command.split_whitespace()).is_ok()
    })
}

/// The texts between backticks that begin with `hythe `.
fn commands(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("`hythe ").filter_map(|(at, _)| text[at + 1..].split('`').next())
}

#[test]
fn hythe_accepts_every_command_in_a_message() {
    let mut wrong = Vec::new();
    let mut count = 0;
    // suggest.rs itself contains the patterns that it looks for.
    for (path, text) in sources().into_iter().filter(|(path, _)| !path.ends_with("suggest.rs")) {
        for line in commands(&text) {
            for command in line.split([';', '|']).flat_map(|line| line.split("&&")) {
                count += 1;
                if command.trim().starts_with("hythe ") && !is_taken(command.trim()) {
                    wrong.push(format!("{}: {command}", path.display()));
                }
            }
        }
    }
    assert!(count > 60, "the sources were not read: {count}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The printer completes only commands between backticks.
#[test]
fn every_command_in_a_message_stands_between_backticks() {
    let verbs: Vec<String> =
        Args::command().get_subcommands().map(|command| format!("hythe {}", command.get_name())).collect();
    // Help shows examples as a user types them, without backticks.
    let is_help =
        |path: &Path| path.components().any(|part| part.as_os_str() == "args") || path.ends_with("args.rs");
    let mut wrong = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| !is_help(path)) {
        for line in text.lines() {
            for verb in &verbs {
                for (at, _) in line.match_indices(verb.as_str()) {
                    let is_word = |character: char| character.is_alphanumeric() || character == '-';
                    let is_longer = line[at + verb.len()..].starts_with(is_word);
                    // Whether a backtick is open here.
                    let is_quoted = line[..at].matches('`').count() % 2 == 1;
                    if !is_quoted && !is_longer && !line[..at].ends_with(['-', '/', '_']) {
                        wrong.push(format!("{}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Runs each command unchanged, and then the commands that its output suggests.
#[test]
fn the_commands_that_cache_commands_suggest_can_be_run_unchanged() {
    let world = World::new();
    world.image("library/app", "v1", 7);
    let registry = format!("http://{}", world.registry.address());
    let image = format!("{}/library/app:v1", crate::cache::world::UPSTREAM);
    let mut queue = vec![
        format!("hythe cache ls --registry {registry}"),
        format!("hythe cache warm {image} --registry {registry}"),
        format!("hythe cache warm {image} --check --registry {registry}"),
        format!("hythe cache clear --yes --registry {registry}"),
    ];
    let mut done = Vec::new();
    while let Some(command) = queue.pop() {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        // Skip placeholders that a user replaces, and an image from the Internet.
        if done.contains(&command) || words.contains(&"PATTERN") || words.contains(&"redis:7") {
            continue;
        }
        let ran = run(&words, &[], "");
        let said = format!("{}{}", ran.out, ran.err);
        // A check before the fetch fails, because the image is missing.
        assert!(ran.code == Some(0) || words.contains(&"--check"), "{command}: {said}");
        let suggested: Vec<String> = commands(&said).map(str::to_owned).collect();
        for command in &suggested {
            assert!(command.ends_with(&format!("--registry {registry}")), "{command} asks another registry");
        }
        queue.extend(suggested);
        done.push(command);
    }
    assert!(done.len() >= 5, "{done:?}");
}

#[test]
fn the_suggested_command_frees_what_waits_for_its_grace_period() {
    let world = World::new();
    let (client, registry) = (world.registry.client(), format!("http://{}", world.registry.address()));
    let image = hythe_testing::ImageBuilder::new(8).layers(1, 1000).build();
    image.push(&client, "app", "v1");
    client.delete("/v2/app/manifests/v1").send().expect(202);
    let gc = run(&["gc", "--delete-untagged", "--registry", &registry], &[], "").expect(0);
    assert!(gc.out.contains("kept for now"), "{}", gc.out);
    let said = format!("{}{}", gc.out, gc.err);
    let command = commands(&said).next().unwrap();
    let freed = run(&command.split(' ').skip(1).collect::<Vec<_>>(), &[], "").expect(0);
    assert!(freed.out.contains("deleted 1 manifest") && !freed.out.contains("kept for now"), "{}", freed.out);
    client.get(format!("/v2/app/manifests/{}", image.digest())).send().expect(404);
}

#[test]
fn a_server_whose_port_is_taken_suggests_a_command_that_starts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    let ran = run(&["serve", "--listen", &taken.to_string(), "--storage", "memory"], &[], "");
    let said = ran.expect(1).err;
    let command = commands(&said).next().unwrap();
    assert!(command.ends_with("--storage=memory"), "{command}");
    let config = command.replacen("hythe serve", "config", 1);
    run(&config.split(' ').collect::<Vec<_>>(), &[], "").expect(0);
}

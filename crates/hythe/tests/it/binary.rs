//! The program's output streams and exit codes.

use std::process::{Command, Output};

fn hythe(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    command.args(arguments).env_clear().env("HOME", "/home/ada").env("HYTHE_DATA", "/data");
    command.envs(variables.iter().copied());
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn config_prints_each_value_with_its_source_on_stdout() {
    let output = hythe(
        &["config", "--listen", "127.0.0.1:5000"],
        &[("HYTHE_LOG_LEVEL", "debug"), ("HYTHE_LOGLEVEL", "x")],
    );
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let line = |key: &str| {
        text.lines()
            .find(|line| line.starts_with(key))
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("listen"), r#"listen = ["127.0.0.1:5000"] # --listen"#);
    assert_eq!(line("data"), r#"data = "/data" # HYTHE_DATA"#);
    assert_eq!(line("log.level"), r#"log.level = "debug" # HYTHE_LOG_LEVEL"#);
    assert_eq!(line("storage"), r#"storage = "fs" # default"#);
    assert_eq!(
        stderr(&output),
        "warning: HYTHE_LOGLEVEL: there is no such setting; did you mean `HYTHE_LOG_LEVEL`?\n"
    );
}

#[test]
fn the_output_of_config_is_a_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hythe.toml");
    std::fs::write(&file, hythe(&["config", "--log-level", "warn"], &[]).stdout).unwrap();
    let output = hythe(&["config", file.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("log.level = \"warn\""));
}

#[test]
fn config_prints_json_for_programs() {
    let output =
        hythe(&["config", "--output", "json", "--allow-anonymous-network", "--listen", ":5000"], &[]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["settings"]["listen"]["value"], serde_json::json!([":5000"]));
    assert_eq!(json["settings"]["http.allow-anonymous-network"]["source"], "--allow-anonymous-network");
}

#[test]
fn config_prints_each_field_of_an_upstream_with_its_source_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hythe.toml");
    std::fs::write(
        &file,
        "\
[upstream.\"docker.io\"]
endpoints = \"https://mirror.gcr.io\"
username = \"ada\"
password = \"hunter2\"
[upstream.\"registry.corp.example\"]
[upstream.\"a.example\"]
docker-config = true
",
    )
    .unwrap();
    let path = file.to_str().unwrap();
    let output = hythe(&["config", path, "--upstream", "b.example=http://127.0.0.1:5005"], &[]);
    let text = stdout(&output);
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "upstream.add = [\"b.example=http://127.0.0.1:5005\"] # --upstream".to_owned(),
        format!("upstream.\"docker.io\".endpoints = [\"https://mirror.gcr.io\"] # {path}:2"),
        format!("upstream.\"docker.io\".username = \"ada\" # {path}:3"),
        format!("upstream.\"docker.io\".password = \"(secret)\" # {path}:4"),
        format!("upstream.\"registry.corp.example\" = {{}} # {path}:5"),
        // `config` does not look up the login, which this user does not have.
        format!("upstream.\"a.example\".docker-config = true # {path}:7"),
    ] {
        assert!(lines.contains(&line), "{text}\n  lacks {line}");
    }
    assert!(!text.contains("hunter2"));

    let output = hythe(&["config", path, "--output", "json"], &[]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["settings"]["upstream.\"docker.io\".password"]["value"], "(secret)");
    assert_eq!(json["settings"]["upstream.\"docker.io\".username"]["value"], "ada");

    // The output is a valid configuration file, except for the hidden secret.
    let again = folder.path().join("again.toml");
    std::fs::write(&again, text.replace("(secret)", "hunter3")).unwrap();
    let output = hythe(&["config", again.to_str().unwrap()], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("upstream.\"registry.corp.example\" = {}"));
    std::fs::write(&again, &text).unwrap();
    let output = hythe(&["config", again.to_str().unwrap()], &[]);
    assert!(stderr(&output).contains("this is a placeholder for a hidden secret"));
}

#[test]
fn a_configuration_or_usage_error_exits_with_2_and_prints_nothing_on_stdout() {
    for arguments in [
        &["serve", "--storage", "tape"][..],
        &["config", "--config", "/nowhere.toml"],
        &["serve", "--nope"],
        &["nope"],
        &[],
    ] {
        let output = hythe(arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn flags_and_positional_file_exclude_each_other() {
    assert_eq!(hythe(&["config", "a.toml", "--config", "b.toml"], &[]).status.code(), Some(2));
}

#[test]
fn version_and_completion_go_to_stdout() {
    assert!(stdout(&hythe(&["version"], &[])).starts_with("hythe "));
    assert!(stdout(&hythe(&["version", "--output", "json"], &[])).contains("\"version\""));
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&hythe(&["completion", shell], &[])).contains("hythe"), "{shell}");
    }
}

#[test]
fn help_documents_the_exit_codes_and_gives_examples() {
    assert!(stdout(&hythe(&["--help"], &[])).contains("Exit codes:"));
    let serve = stdout(&hythe(&["serve", "--help"], &[]));
    assert!(serve.contains("Examples:") && serve.contains("--allow-anonymous-network"));
}

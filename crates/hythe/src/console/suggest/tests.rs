use clap::Parser as _;

use super::*;
use crate::args::Args;

/// Completes a text with the options of the command line `run`, and checks that hythe accepts each completed command.
fn completed(run: &str, port: Option<u16>, text: &str) -> String {
    let words: Vec<&str> = run.split(' ').collect();
    let in_effect = InEffect::of(&Args::try_parse_from(words).unwrap().command, &Environment::default());
    if let Some(port) = port {
        in_effect.registry_port(port);
    }
    let completed = in_effect.complete(text).into_owned();
    for command in completed.split('`').filter(|piece| piece.starts_with("hythe ")) {
        for command in command.split(" && ") {
            let parsed = Args::try_parse_from(command.split(' ').map(|word| word.trim_matches('\'')));
            assert!(parsed.is_ok(), "{command}: {}", parsed.unwrap_err());
        }
    }
    completed
}

#[cfg(feature = "cluster")]
#[test]
fn a_suggestion_addresses_the_registry_of_the_run() {
    let table = [
        ("hythe status", "start it: `hythe up`", "start it: `hythe up`"),
        ("hythe status --name r3", "`hythe up`", "`hythe up --name r3`"),
        (
            "hythe down --name r3 --engine podman",
            "`hythe up`; done",
            "`hythe up --name r3 --engine podman`; done",
        ),
        (
            "hythe status --name r3",
            "`hythe down && hythe up`",
            "`hythe down --name r3 && hythe up --name r3`",
        ),
        ("hythe status --name r3", "`hythe up --name other`", "`hythe up --name other`"),
        ("hythe status --name r3", "here hythe up is no command", "here hythe up is no command"),
        ("hythe status --name r3", "`hythe up", "`hythe up --name r3"),
        ("hythe attach a --name r3", "`hythe attach --watch`", "`hythe attach --watch --name r3`"),
        // A registry in a cluster has another name than one in a container: `--name` is not passed on.
        ("hythe deploy --name r3 --engine podman", "`hythe doctor`", "`hythe doctor --engine podman`"),
        (
            "hythe deploy --context c -n storage --name r3",
            "`hythe forward` `hythe deploy remove --data`",
            "`hythe forward --context c --namespace storage --name r3` \
             `hythe deploy remove --data --context c --namespace storage --name r3`",
        ),
        (
            "hythe attach --in-cluster --name r3",
            "`hythe attach --in-cluster`",
            "`hythe attach --in-cluster --name r3`",
        ),
        ("hythe cache stat --registry b:5000", "`hythe cache ls`", "`hythe cache ls --registry b:5000`"),
        ("hythe gc --registry b:5000", "`hythe cache ls`", "`hythe cache ls --registry b:5000`"),
        (
            "hythe backup d --registry b:5000",
            "`hythe verify` `hythe backup d` `hythe backup verify d`",
            "`hythe verify --registry b:5000` `hythe backup d --registry b:5000` `hythe backup verify d`",
        ),
        ("hythe bundle load f --registry b:5000", "`hythe cache ls`", "`hythe cache ls --registry b:5000`"),
    ];
    for (run, text, expected) in table {
        assert_eq!(completed(run, None, text), expected, "{run}");
    }
}

#[cfg(feature = "cluster")]
#[test]
fn commands_that_use_http_get_the_registry_s_port() {
    let port = Some(5007);
    assert_eq!(
        completed("hythe status", port, "`hythe cache stat`"),
        "`hythe cache stat --registry localhost:5007`"
    );
    assert_eq!(completed("hythe status", Some(5001), "`hythe cache stat`"), "`hythe cache stat`");
    assert_eq!(completed("hythe gc --registry b:1", port, "`hythe gc`"), "`hythe gc --registry b:1`");
}

#[cfg(feature = "cluster")]
#[test]
fn a_failed_run_is_suggested_again_with_all_its_options() {
    let run = "hythe up --name r3 --port 5000 --data ./d --alias a.b --set upstream.offline=true --no-attach";
    assert_eq!(
        completed(run, None, "`hythe up --port 5002`"),
        "`hythe up --port 5002 --name r3 --alias a.b --data ./d --set upstream.offline=true --no-attach`"
    );
    // `--adopt` takes over the other registry's data, and excludes `--data`.
    let adopted = completed(run, None, "`hythe up --adopt`");
    assert!(
        adopted.starts_with("`hythe up --adopt --name r3 --port 5000 --alias") && !adopted.contains("--data")
    );
    let run = "hythe deploy --host-path /data --node-selector a=b --allow-from 10.0.0.0/8 --memory 1Gi";
    assert_eq!(
        completed(run, None, "`hythe deploy --node-port 30501`"),
        "`hythe deploy --node-port 30501 --host-path /data --memory 1Gi --node-selector a=b --allow-from 10.0.0.0/8`"
    );
}

#[cfg(feature = "cluster")]
#[test]
fn an_option_that_a_variable_also_sets_is_not_added() {
    let completed = |variables: &[(&str, &str)]| {
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment.variables.insert((*name).to_owned(), (*value).into());
        }
        let run = ["hythe", "up", "--name", "r3", "--engine", "podman", "--port", "5007"];
        let in_effect = InEffect::of(&Args::try_parse_from(run).unwrap().command, &environment);
        in_effect.registry_port(5007);
        in_effect.complete("`hythe up` `hythe gc`").into_owned()
    };
    let all = "`hythe up --name r3 --engine podman --port 5007` `hythe gc --registry localhost:5007`";
    assert_eq!(completed(&[]), all);
    assert_eq!(completed(&[("REG_NAME", "other")]), all);
    let script = [("REG_NAME", "r3"), ("REG_PORT", "5007"), ("HYTHE_ENGINE", "podman")];
    assert_eq!(completed(&script), "`hythe up` `hythe gc`");
    // The variable names another registry, so that the suggestion must name this one.
    let other = [&script[..], &[("HYTHE_REGISTRY", "build:5000")]].concat();
    assert_eq!(completed(&other), "`hythe up` `hythe gc --registry localhost:5007`");
}

#[test]
fn a_server_that_does_not_start_is_suggested_again_with_its_options() {
    let run = "hythe serve hythe.toml --listen 127.0.0.1:80 --data /d --allow-anonymous-network";
    assert_eq!(
        completed(run, None, "`hythe serve --listen 127.0.0.1:5001`"),
        "`hythe serve --listen 127.0.0.1:5001 --config hythe.toml --data=/d --allow-anonymous-network=true`"
    );
}

#[test]
fn values_are_quoted_for_a_shell() {
    assert_eq!(quoted("a b"), "'a b'");
    assert_eq!(quoted("it's"), r"'it'\''s'");
    assert_eq!(quoted(""), "''");
    assert_eq!(quoted("unix:///run/docker.sock"), "unix:///run/docker.sock");
}

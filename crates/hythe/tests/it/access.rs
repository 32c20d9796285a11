//! Rules about access, and `hythe policy test`.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::world::World;

const RULES: &str = "\
listen = [\"0.0.0.0:5000\"]

[rule.\"public\"]
subjects = [\"anonymous\"]
actions = [\"pull\"]
repositories = [\"public/*\"]

[rule.\"the team\"]
subjects = [\"user:alice\", \"robot:ci-*\"]
actions = [\"push\", \"retag\"]
repositories = [\"team/*\"]

[rule.operators]
subjects = [\"user:root\"]
actions = [\"metrics\", \"admin\"]
";

fn policy(file: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hythe"));
    command.args(["policy", "test", "--config"]).arg(file).args(arguments);
    command.env_clear().output().unwrap()
}

#[test]
fn a_decision_names_the_rule_that_allows_or_one_that_would() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("hythe.toml");
    fs::write(&file, RULES).unwrap();
    for (arguments, code, stdout) in [
        (&["pull", "public/app"][..], 0, "allowed: anonymous pull `public/app`: by [rule.\"public\"]\n"),
        (
            &["--as", "robot:ci-1", "retag", "team/app"],
            0,
            "allowed: robot:ci-1 retag `team/app`: by [rule.\"the team\"]\n",
        ),
        (&["--as", "user:root", "admin"], 0, "allowed: user:root admin: by [rule.\"operators\"]\n"),
        (
            &["--as", "user:bob", "push", "team/app"],
            12,
            "denied: user:bob push `team/app`: no rule allows it\n",
        ),
        (&["--as", "user:alice", "pull"], 2, ""),
        (&["admin", "team/app"], 2, ""),
        (&["--as", "alice", "admin"], 2, ""),
        (&["eat", "team/app"], 2, ""),
    ] {
        let output = policy(&file, arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), stdout, "{arguments:?}");
    }
    let denied = policy(&file, &["--as", "user:bob", "push", "team/app"]);
    let hint =
        "a rule with subjects = [\"user:bob\"], actions = [\"push\"], repositories = [\"team/app\"] would";
    assert!(String::from_utf8_lossy(&denied.stderr).contains(hint));
    let json = policy(&file, &["--output", "json", "--as", "user:alice", "push", "team/app"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((json["allowed"].as_bool(), json["rule"].as_str()), (Some(true), Some("the team")));
}

#[test]
fn without_rules_the_answer_says_why_everything_is_allowed() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("hythe.toml");
    fs::write(&file, "").unwrap();
    let output = policy(&file, &["push", "app"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("asks for no logins"), "{output:?}");
}

#[test]
fn a_rule_that_would_allow_nothing_is_refused_with_its_place() {
    for (rule, wanted) in [
        ("actions = [\"pull\"]\nrepositories = [\"*\"]", "h.toml:1:7: the rule has no `subjects`"),
        ("subjects = [\"anonymous\"]\nrepositories = [\"*\"]", "the rule has no `actions`"),
        ("subjects = [\"anonymous\"]\nactions = [\"pull\"]", "the rule has no `repositories`"),
        ("subjects = [\"alice\"]", "h.toml:2:12: `rule.\"r\".subjects` cannot be [\"alice\"]"),
        ("actions = [\"read\"]", "`read` is not an action"),
        ("repositories = [\"app:v1\"]", "without tags"),
    ] {
        let error = World::new().file("h.toml", &format!("[rule.\"r\"]\n{rule}\n")).error();
        assert!(error.contains(wanted), "{rule}: {error}");
    }
}

#[test]
fn a_registry_that_asks_for_logins_may_listen_on_the_network() {
    let world = World::new().file("h.toml", RULES);
    assert_eq!(world.warnings(), "");
    let world = World::new().file("h.toml", "listen = [\":5000\"]\nauth.htpasswd = \"/etc/hythe/users\"\n");
    assert_eq!(world.value("http.allow-anonymous-network"), "false");
    assert_eq!(world.value("auth.challenge"), "\"auto\"");
}

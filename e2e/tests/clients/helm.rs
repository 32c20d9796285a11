//! Helm: a chart as an artifact.

use std::fs;
use std::path::Path;

use hythe_e2e::binary::built_tool;
use hythe_e2e::command::{digest_in, program, run};
use hythe_e2e::server::Server;

use crate::verify;

#[test]
fn helm_pushes_and_pulls_a_chart() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let helm = |arguments: &[&str]| {
        let mut command = program(built_tool("helm"), arguments);
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, folder.path().join(name));
        }
        command.current_dir(folder.path());
        command
    };
    write_chart(&folder.path().join("landing"));
    run(&mut helm(&["package", "landing"]));
    // The `+` of a version becomes `_` in the tag.
    let package = "landing-0.1.0+build.7.tgz";
    let charts = format!("oci://{}/charts", server.address());
    let mut push = helm(&["push", "--plain-http", package, &charts]);
    let pushed = hythe_e2e::command::attempt(&mut push);
    assert_eq!(pushed.code, Some(0), "{}{}", pushed.stdout, pushed.stderr);
    let digest = verify(&server, "charts/landing", "0.1.0_build.7");
    assert_eq!(digest_in(&format!("{}{}", pushed.stdout, pushed.stderr)), digest);

    fs::create_dir(folder.path().join("back")).expect("the folder is ours");
    let chart = format!("{charts}/landing");
    let version = ["--version", "0.1.0+build.7", "--plain-http"];
    run(helm(&["pull", "--destination", "back", &chart]).args(version));
    let bytes =
        |path: &str| fs::read(folder.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(bytes(package), bytes(&format!("back/{package}")));
    let shown = run(helm(&["show", "chart", &chart]).args(version));
    assert!(shown.contains("name: landing"), "{shown}");
    let rendered = run(helm(&["template", "berth", &chart]).args(version));
    assert!(rendered.contains("name: berth-settings"), "{rendered}");
}

pub(crate) fn write_chart(folder: &Path) {
    let templates = folder.join("templates");
    fs::create_dir_all(&templates).expect("the folder is ours");
    let chart = "apiVersion: v2\nname: landing\nversion: 0.1.0+build.7\ndescription: A small landing place\n";
    fs::write(folder.join("Chart.yaml"), chart).expect("the folder is ours");
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-settings\ndata:\n  key: value\n";
    fs::write(templates.join("settings.yaml"), template).expect("the folder is ours");
}

//! `hythe test` against hythe, docker-registry 2.8 and distribution 3.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use hythe_e2e::binary::{built_tool, hythe, tool};
use hythe_e2e::client::Client;
use hythe_e2e::command::{Output, attempt, program};
use hythe_e2e::process::Process;
use hythe_e2e::server::{Server, free_port};
use serde_json::Value;

/// Starts a registry of the reference implementation that allows deletes. It keeps its data in the folder.
fn start(binary: &Path, folder: &Path) -> (Process, SocketAddr) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let configuration = folder.join("config.yml");
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
         http:\n  addr: {address}\n  secret: e2e\n",
        folder.join("data").display()
    );
    fs::write(&configuration, text).expect("the folder is ours");
    let mut command = program(binary, ["serve"]);
    command.arg(&configuration).env_clear().env("OTEL_TRACES_EXPORTER", "none");
    let mut process = Process::spawn("the registry under test", &mut command, &folder.join("log"));
    process.answers(Duration::from_secs(30), || match Client::new(address).get("/v2/") {
        Ok(_) => Output { code: Some(0), ..Output::default() },
        Err(error) => Output { stderr: error.to_string(), ..Output::default() },
    });
    (process, address)
}

/// Runs the suite in the repository `probe`, and returns its report.
fn report(registry: SocketAddr) -> Value {
    let words = ["test", &registry.to_string(), "--repository", "probe", "--output", "json"];
    let ran = attempt(&mut program(hythe(), words));
    assert!(matches!(ran.code, Some(0 | 1)), "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn hythe_passes() {
    let server = Server::start();
    let report = report(server.address());
    assert_eq!((&report["failed"], &report["skipped"]), (&0.into(), &0.into()), "{report:#}");
    assert_eq!(report["cleanup"]["left"], serde_json::json!([]));
}

#[test]
fn other_registries_are_tested_to_the_end_and_keep_no_tag() {
    for binary in [tool("docker-registry"), built_tool("registry")] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (_process, address) = start(&binary, folder.path());
        let report = report(address);
        assert_eq!(report["capabilities"]["referrers API"], "no", "{report:#}");
        assert_eq!(report["capabilities"]["mount without a source"], "no", "{report:#}");
        assert_eq!(report["capabilities"]["delete a manifest"], "yes", "{report:#}");
        // Distribution 3 does not cancel a session whose bytes were cut off: it compares their number with the address.
        let left = report["cleanup"]["left"].as_array().expect("a list");
        assert!(left.iter().all(|left| left == "an upload session of probe"), "{report:#}");
        let place = format!("{address}/probe");
        let tags = attempt(&mut program(hythe(), ["tags", &place]));
        assert!(tags.stdout.is_empty(), "{tags:?}");
    }
}

//! `hythe test` against hythe, docker-registry 2.8 and distribution 3.

use std::net::SocketAddr;

use hythe_e2e::binary::{built_tool, hythe, tool};
use hythe_e2e::command::{attempt, program};
use hythe_e2e::distribution::start;
use hythe_e2e::server::Server;
use serde_json::Value;

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

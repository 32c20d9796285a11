//! The OCI's own conformance program, at the version of the specification that is released and at the one being written.
//! Whatever it tests must pass: a test that it skips is one that the server did not let it run.

use std::fs;

use hythe_e2e::binary::built_tool;
use hythe_e2e::command::{attempt, program};
use hythe_e2e::server::Server;

#[test]
fn the_stable_specification_is_met() {
    conforms(&[("OCI_VERSION", "stable")], 800);
}

#[test]
fn the_specification_being_written_is_met() {
    // Manifests whose blobs are not all there are off by default in the program.
    conforms(&[("OCI_VERSION", "dev"), ("OCI_DATA_SPARSE", "true")], 1000);
}

/// Runs the program with these settings: at least so many tests, and none of them fails, ends in an error or is skipped.
fn conforms(settings: &[(&str, &str)], least: u32) {
    let server = Server::start();
    let results = tempfile::tempdir().expect("a temporary folder");
    let mut command = program(built_tool("conformance"), [""; 0]);
    command
        .current_dir(results.path())
        .env("OCI_REGISTRY", server.address().to_string())
        .env("OCI_TLS", "disabled")
        .env("OCI_RESULTS_DIR", results.path())
        .envs(settings.iter().copied());
    let output = attempt(&mut command);

    // The program exits with 0 where it could not even begin; its report is written at the end.
    let Ok(report) = fs::read_to_string(results.path().join("junit.xml")) else {
        panic!("the program wrote no report\n{}\n{}", output.stdout, output.stderr);
    };
    // Of the whole, by the first element's attributes. One that is zero is left out.
    let (whole, _) = report.split_once('>').unwrap_or_else(|| panic!("the report is no XML: {report}"));
    let count = |kind: &str| {
        let Some((_, rest)) = whole.split_once(&format!(" {kind}=\"")) else { return 0 };
        let digits = rest.split('"').next().unwrap_or_default();
        digits.parse::<u32>().unwrap_or_else(|error| panic!("{kind} is {digits:?}: {error}"))
    };
    let [tests, failures, errors, skipped] = ["tests", "failures", "errors", "skipped"].map(count);
    println!("in all: {tests} tests, {failures} failures, {errors} errors, {skipped} skipped");
    let clean = output.code == Some(0) && [failures, errors, skipped] == [0; 3];
    assert!(clean && tests >= least, "{}\n{}", output.stdout, output.stderr);
}

//! Runs the OCI's conformance program for the released version of the specification and for the one in development. The
//! server must pass every test; a skipped test counts as a failure, because the program skips what the server does not
//! support.

use std::fs;

use hythe_e2e::binary::built_tool;
use hythe_e2e::command::{attempt, program};
use hythe_e2e::server::Server;

#[test]
fn the_registry_conforms_to_the_stable_specification() {
    conforms(&[("OCI_VERSION", "stable")], 800);
}

#[test]
fn the_registry_conforms_to_the_specification_in_development() {
    // By default the program does not test manifests with missing blobs.
    conforms(&[("OCI_VERSION", "dev"), ("OCI_DATA_SPARSE", "true")], 1000);
}

/// The back ends. The last one is an object store in memory; it exists for this suite.
const STORAGES: [&str; 3] = ["fs", "memory", "memory-objects"];

/// Runs the program with these settings on each back end.
fn conforms(settings: &[(&str, &str)], least: u32) {
    for storage in STORAGES {
        conforms_on(storage, settings, least);
    }
}

/// Runs the program with these settings. It must run at least `least` tests, and none may fail, end in an error or be
/// skipped.
fn conforms_on(storage: &str, settings: &[(&str, &str)], least: u32) {
    let mut server = Server::new().with_arguments(["--storage", storage]);
    server.run();
    let results = tempfile::tempdir().expect("a temporary folder");
    let mut command = program(built_tool("conformance"), [""; 0]);
    command
        .current_dir(results.path())
        .env("OCI_REGISTRY", server.address().to_string())
        .env("OCI_TLS", "disabled")
        .env("OCI_RESULTS_DIR", results.path())
        .envs(settings.iter().copied());
    let output = attempt(&mut command);

    // The program also exits with 0 if it could not begin, but it writes its report only at the end.
    let Ok(report) = fs::read_to_string(results.path().join("junit.xml")) else {
        panic!("the program wrote no report\n{}\n{}", output.stdout, output.stderr);
    };
    // The totals are attributes of the first element; it omits an attribute that is zero.
    let (whole, _) = report.split_once('>').unwrap_or_else(|| panic!("the report is not XML: {report}"));
    let count = |kind: &str| {
        let Some((_, rest)) = whole.split_once(&format!(" {kind}=\"")) else { return 0 };
        let digits = rest.split('"').next().unwrap_or_default();
        digits.parse::<u32>().unwrap_or_else(|error| panic!("{kind} is {digits:?}: {error}"))
    };
    let [tests, failures, errors, skipped] = ["tests", "failures", "errors", "skipped"].map(count);
    println!("in all: on {storage}, {tests} tests, {failures} failures, {errors} errors, {skipped} skipped");
    let clean = output.code == Some(0) && [failures, errors, skipped] == [0; 3];
    assert!(clean && tests >= least, "{}\n{}", output.stdout, output.stderr);
}

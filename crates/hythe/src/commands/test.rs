//! `hythe test`: checks how a registry implements the API, and measures it.

mod bench;
mod check;
mod checks;
mod cleanup;
mod junit;
mod ledger;
mod report;
mod repository;
mod suite;
mod verdict;
mod wire;

use std::cell::RefCell;
use std::time::Duration;

use hythe_client::Client;
use hythe_oci::{Authority, RepositoryName, UploadId};
use serde_json::Value;
use tokio::time::timeout;

use super::cache::Target;
use super::interrupt::interrupted;
use super::registries::Registries;
use super::runtime::run;
use crate::args::TestArgs;
use crate::config::Environment;
use crate::console::{Printer, count_of};
use crate::failure::{Failure, FileError};
use crate::values::Output;
use bench::Bench;
use cleanup::{Cleanup, clean};
use report::Report;
use suite::{Done, Results};
use wire::Wire;

/// How long the request that runs at an interrupt may go on: content that its answer names can be cleaned up.
const GRACE: Duration = Duration::from_secs(3);

/// How long the cleanup may take.
const CLEANUP: Duration = Duration::from_mins(3);

/// Tests a registry.
pub(super) fn test(args: &TestArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    run(run_suite(args, environment, printer))
}

async fn run_suite(args: &TestArgs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let checks = suite::chosen(&args.filter);
    if checks.is_empty() {
        let patterns: Vec<&str> = args.filter.iter().map(hythe_oci::Pattern::as_str).collect();
        let patterns = patterns.join(", ");
        return Err(Failure::Usage(format!(
            "no check's group or name matches {patterns}; * matches any text"
        )));
    }
    let client = client(args, environment)?;
    // A registry that cannot be reached would fail each check in turn.
    client.ping().await?;
    let (name, other, id) = names(args)?;
    let registry = client.endpoint().to_owned();
    printer.note(format_args!("testing {registry}, in the repository `{name}`"));
    let wire = Wire::new(client, args.verbose.then_some(printer));
    let bench = Bench::new(wire, name.clone(), other, id);
    let results: Results = RefCell::default();
    let is_interrupted = checked(&bench, &checks, args.timeout, &results, printer).await;
    let cleanup = cleaned(&bench.wire).await;
    let done = results.into_inner();
    let report = Report {
        registry: &registry,
        repository: name.as_str(),
        done: &done,
        cleanup: &cleanup,
        is_interrupted,
    };
    match printer.output() {
        Output::Text => printer.data(report.ending(), || Value::Null),
        Output::Json => printer.data("", || report.as_json()),
    }
    printer.note(report.cleaning());
    if let Some(file) = &args.junit {
        let failed = |error| FileError::Write { path: file.clone(), error };
        std::fs::write(file, junit::xml(&report)).map_err(failed)?;
    }
    match report.totals().failed {
        _ if is_interrupted => Err(Failure::Suite("interrupted: not all checks ran".to_owned())),
        0 => Ok(()),
        failed => Err(Failure::Suite(format!("{} failed", count_of(failed as u64, "check")))),
    }
}

/// Runs the checks, and tells each outcome at once. Returns whether a signal interrupted them.
async fn checked(
    bench: &Bench,
    checks: &[&'static check::Check],
    limit: Duration,
    results: &Results,
    printer: Printer,
) -> bool {
    let mut group = "";
    let tell = |done: &Done| {
        if printer.output() != Output::Text {
            return;
        }
        if group != done.check.group {
            group = done.check.group;
            printer.data(group, || Value::Null);
        }
        printer.data(report::line(done), || Value::Null);
    };
    let mut suite = Box::pin(suite::run(bench, checks, limit, results, tell));
    tokio::select! {
        () = &mut suite => return false,
        () = interrupted() => {}
    }
    bench.wire.stop();
    printer.note("interrupted: cleaning up; a second Ctrl-C stops that too");
    let _ = timeout(GRACE, suite).await;
    true
}

/// Deletes what the suite made. A signal ends this: the user wants the prompt back.
async fn cleaned(wire: &Wire) -> Cleanup {
    let mut cleanup = Cleanup::default();
    let is_whole = tokio::select! {
        ended = timeout(CLEANUP, clean(wire, &mut cleanup)) => ended.is_ok(),
        () = interrupted() => false,
    };
    if !is_whole {
        cleanup.left = wire.ledger.in_order().iter().map(cleanup::name).collect();
    }
    cleanup
}

/// A client of the registry that the command line names, else of the usual one.
fn client(args: &TestArgs, environment: &Environment) -> Result<Client, Failure> {
    let mut connection = args.connection.clone();
    let named = args.registry.as_deref().map(|named| named.trim_end_matches('/'));
    let (scheme, host) = match named.map(|named| named.split_once("://").unwrap_or(("", named))) {
        Some((scheme, host)) if !host.contains('/') => (scheme, host),
        // No registry is named, or a URL with a path.
        _ => return Target::chosen(args.registry.as_deref(), environment)?.client(false),
    };
    let host: Authority =
        host.parse().map_err(|error| Failure::Usage(format!("{error}; write HOST or HOST:PORT")))?;
    match scheme {
        "" => {}
        "http" => connection.plain_http.push(host.clone()),
        "https" if !host.is_loopback() => {}
        _ => return Target::chosen(args.registry.as_deref(), environment)?.client(false),
    }
    Registries::new(environment, &connection).client(&host)
}

/// The repository that the suite works in, the one that it mounts into, and the word that marks this run.
fn names(args: &TestArgs) -> Result<(RepositoryName, RepositoryName, UploadId), Failure> {
    let id = UploadId::random();
    let name = match &args.repository {
        Some(name) => name.to_string(),
        None => format!("hythe-test-{}", &id.to_string()[..8]),
    };
    let parsed = |name: String| {
        name.parse::<RepositoryName>().map_err(|error| Failure::Usage(format!("--repository: {error}")))
    };
    Ok((parsed(name.clone())?, parsed(format!("{name}-mount"))?, id))
}

//! Arguments of `hythe test`.

use std::path::PathBuf;
use std::time::Duration;

use hythe_oci::{Pattern, RepositoryName};

use super::images::ConnectionArgs;
use crate::values::parse_duration;

pub(super) const TEST_EXAMPLES: &str = "\
Examples:
  hythe test                                   test the registry on this machine
  hythe test registry.example --repository team/hythe-test
                                               test another one, in a repository that you may push to
  hythe test --filter uploads --filter 'a blob*' --verbose
                                               run some checks, and show their requests
  hythe test --output json | jq .capabilities  print the capability matrix as JSON
  hythe test --junit report.xml                write a report for a build server

The command deletes all that it pushed, also after Ctrl-C. The exit code is 1 if a check failed; a capability that the
registry does not have is no failure.";

/// The options of `hythe test`.
#[derive(Clone, Debug, clap::Args)]
pub struct TestArgs {
    /// The registry: HOST[:PORT] or a URL [default: `HYTHE_REGISTRY`, else `localhost:5001` or the port in `REG_PORT`]
    #[arg(value_name = "REGISTRY")]
    pub registry: Option<String>,
    /// The repository to work in. NAME-mount is used too [default: hythe-test- and a random word]
    #[arg(long, value_name = "NAME")]
    pub repository: Option<RepositoryName>,
    /// Run only checks whose group or name matches; * matches any text. Can be given several times
    #[arg(long, value_name = "PATTERN")]
    pub filter: Vec<Pattern>,
    /// Also write the report to a file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Show each request and its answer on stderr, without credentials
    #[arg(long, short)]
    pub verbose: bool,
    /// How long one check may take
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = parse_duration)]
    pub timeout: Duration,
    /// How to reach the registry.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

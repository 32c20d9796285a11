//! Arguments of `hythe policy`.

use std::path::PathBuf;

use clap::Subcommand;
use hythe_auth::{Action, Subject};
use hythe_oci::RepositoryName;

pub(super) const POLICY_EXAMPLES: &str = "\
Examples:
  hythe policy test --as user:alice push team/app
                                               tell whether a user may push, and by which rule
  hythe policy test pull public/app            the same for a client without a login
  hythe policy test --as robot:ci admin        an action that concerns the whole registry
  hythe policy test --config hythe.toml --as user:alice retag team/app

The exit code is 12 if the action is denied.";

/// The options of `hythe policy`.
#[derive(Clone, Debug, clap::Args)]
pub struct PolicyArgs {
    /// The subcommand.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// The subcommands of `hythe policy`.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Tell whether the rules in the configuration allow an action, and which rule does
    #[command(after_help = POLICY_EXAMPLES)]
    Test(PolicyTestArgs),
}

/// The options of `hythe policy test`.
#[derive(Clone, Debug, clap::Args)]
pub struct PolicyTestArgs {
    /// The action: pull, push, delete, retag, metrics or admin
    #[arg(value_name = "ACTION")]
    pub action: Action,
    /// The repository; `metrics` and `admin` concern the whole registry
    #[arg(value_name = "REPOSITORY")]
    pub repository: Option<RepositoryName>,
    /// Who does it, such as user:alice [default: a client without a login]
    #[arg(long = "as", value_name = "KIND:NAME")]
    pub subject: Option<Subject>,
    /// The configuration file with the rules [default: the file that `hythe serve` reads]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

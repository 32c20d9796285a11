//! The command line of `registry`, which is this program by another name: as `registry:2` and 3 have it.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

use crate::failure::EXIT_CODES;

const ABOUT: &str = "hythe in the place of a registry:2: the same configuration, variables and data folder";

/// The configuration, as both commands take it.
const CONFIG: &str = "The configuration [default: `REGISTRY_CONFIGURATION_PATH`, else /etc/distribution/config.yml or \
    /etc/docker/registry/config.yml; :5000 and /var/lib/registry where there is none]";

/// hythe in the place of a `registry:2`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "registry", about = ABOUT, long_about = None, after_help = EXIT_CODES,
    version = concat!(env!("CARGO_PKG_VERSION"), " (hythe, in the place of a registry:2)"),
    disable_version_flag = true, arg_required_else_help = true
)]
pub struct RegistryArgs {
    /// Print the version
    #[arg(long, short, action = ArgAction::Version)]
    pub version: Option<bool>,
    /// What to do.
    #[command(subcommand)]
    pub command: RegistryCommand,
}

/// What `registry` can be asked to do.
#[derive(Clone, Debug, Subcommand)]
pub enum RegistryCommand {
    /// Start the registry, open to the network where its configuration says so
    Serve {
        /// The configuration.
        #[arg(help = CONFIG)]
        config: Option<PathBuf>,
    },
    /// Free at once what no manifest needs any more; the registry may run meanwhile
    GarbageCollect {
        /// The configuration.
        #[arg(help = CONFIG)]
        config: Option<PathBuf>,
        /// What goes.
        #[command(flatten)]
        what: CollectionArgs,
        /// Print nothing but errors
        #[arg(long, short)]
        quiet: bool,
    },
}

/// What a round of the collector takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct CollectionArgs {
    /// Delete manifests too that no tag, no index and no subject leads to
    #[arg(long, short = 'm')]
    pub delete_untagged: bool,
    /// Remove nothing: only say what would go
    #[arg(long, short)]
    pub dry_run: bool,
}

//! Arguments of `hythe verify`.

use std::path::PathBuf;

pub(super) const VERIFY_EXAMPLES: &str = "\
Examples:
  hythe verify                                 verify the registry on this machine
  hythe verify --registry https://registry.example
  hythe verify --data /srv/hythe               verify a data folder that no server uses
  hythe verify --output json | jq -r '.damages[].images[] | .repository'
                                               list the repositories that lack something

The exit code is 1 if something is damaged.";

/// The options of `hythe verify`.
#[derive(Clone, Debug, clap::Args)]
pub struct VerifyArgs {
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else `http://localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// A data folder that no server uses
    #[arg(long, value_name = "FOLDER", conflicts_with = "registry")]
    pub data: Option<PathBuf>,
    /// hythe's configuration file, with `--data`
    #[arg(long, value_name = "FILE", requires = "data")]
    pub config: Option<PathBuf>,
}

//! Arguments of `hythe recover`.

use std::path::PathBuf;

pub(super) const RECOVER_EXAMPLES: &str = "\
Examples:
  hythe recover                                rebuild the catalog in the user's data folder; stop hythe first
  hythe recover --data /srv/hythe              rebuild the catalog in another data folder
  hythe recover --dry-run                      show what would be brought back, and change nothing

The damaged catalog is kept beside the new one, as `catalog.sqlite.broken-TIME`. A catalog that is whole stays as it is.
The exit code is 1 if something could not be brought back; the messages name it.";

/// The options of `hythe recover`.
#[derive(Clone, Debug, clap::Args)]
pub struct RecoverArgs {
    /// The data folder [data; `HYTHE_DATA`]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// hythe's configuration file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show what would be brought back, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Rebuild a catalog that is whole too
    #[arg(long)]
    pub force: bool,
}

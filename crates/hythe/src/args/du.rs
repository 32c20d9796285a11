//! The arguments of `hythe du`.

use super::ConnectionArgs;

pub(super) const DU_EXAMPLES: &str = "\
Examples:
  hythe du                                     show what each repository of the registry on this machine uses
  hythe du registry.example                    the same for another registry
  hythe du localhost:5001/app                  show what each tag of a repository uses
  hythe du localhost:5001/app localhost:5001/web
                                               compare the tags of two repositories

SIZE counts each blob and manifest once. UNIQUE is what a deletion of that tag or repository alone would free: what no other
one uses. For a whole hythe, the disk budget, its use, and the cached images that go first follow. A tag with another tag on the same image frees nothing. Untagged manifests do not count: registries do not list them.
The exit code is 1 if a repository could not be read. hythe still reads all others.";

/// The options of `hythe du`.
#[derive(Clone, Debug, clap::Args)]
pub struct DuArgs {
    /// Registries (HOST[:PORT]), and repositories, which have a slash [default: `HYTHE_REGISTRY`, else `localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(value_name = "REGISTRY|REPOSITORY")]
    pub targets: Vec<String>,
    /// Requests to a registry at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    /// How to reach the registries.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

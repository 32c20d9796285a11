//! The arguments of `hythe retain`.

use hythe_oci::Pattern;

pub(super) const RETAIN_EXAMPLES: &str = "\
Examples:
  hythe retain --dry-run                       show for each image the rule that decides about it
  hythe retain                                 delete now what the rules let go
  hythe retain --yes 5f2c0a9be1d4              confirm this plan, which a dry run or a run that stopped printed
  hythe retain --dry-run --output json | jq -r '.images[] | select(.stays | not) | .name'
                                               list the images that the rules let go

The rules are tables `[retain.\"PATTERN\"]` of the registry's configuration. Without a rule, what was pushed stays.
The exit code is 11 if the run stopped and deleted nothing, because it needs a confirmation.";

/// The options of `hythe retain`.
#[derive(Clone, Debug, clap::Args)]
pub struct RetainArgs {
    /// The registry: a URL, or HOST:PORT for plain HTTP [default: `HYTHE_REGISTRY`, else `http://localhost:5001` or the
    /// port in `REG_PORT`]
    #[arg(long, value_name = "URL")]
    pub registry: Option<String>,
    /// Only these repositories; * matches any text
    #[arg(long, value_name = "PATTERN")]
    pub repository: Option<Pattern>,
    /// Delete nothing; show for each image the rule that decides
    #[arg(long, short)]
    pub dry_run: bool,
    /// Confirm a plan that deletes more than `retain.max-images` or `retain.max-percent` allow. If the plan has changed, nothing
    /// is deleted
    #[arg(long, short, value_name = "PLAN", conflicts_with = "dry_run")]
    pub yes: Option<String>,
}

//! The arguments of `hythe retain`.

use hythe_oci::Pattern;

pub(super) const RETAIN_EXAMPLES: &str = "\
Examples:
  hythe retain --dry-run                       show for each image the rule that decides about it
  hythe retain --dry-run --repository 'team/*' the same for some repositories
  hythe retain --dry-run --output json | jq -r '.images[] | select(.stays | not) | .name'
                                               list the images that the rules delete

The rules are tables `[retain.\"PATTERN\"]` of the registry's configuration. Without a rule, what was pushed stays.";

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
    /// Delete nothing; only show what the rules decide
    #[arg(long, short, required = true)]
    pub dry_run: bool,
}

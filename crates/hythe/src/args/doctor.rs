//! What is to be examined.

use clap::Args;

use super::NameArgs;

/// For `--help`.
pub const DOCTOR_EXAMPLES: &str = "\
Examples:
  hythe doctor                                 the engine, the registry, every cluster; an image is pushed and pulled
  hythe doctor trading-cluster                 one cluster
  hythe doctor redis:7                         why this image does not come, node by node
  hythe doctor storage/api-7d9f                why this Pod's images do not come
  hythe doctor 'Get \"http://localhost:5001/v2/\": dial tcp [::1]:5001: connect: connection refused'
                                               what a whole message of another tool means; - is stdin
  hythe doctor --fix                           what is safe is done, and looked at again
  hythe doctor --output json | jq '.checks[] | select(.verdict == \"bad\")'

The exit code is 1 where something is bad.";

/// What is to be examined.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// A cluster, an image, a Pod as NAMESPACE/NAME or NAME, or what another tool said, - being stdin [default: every cluster that runs]
    #[arg(value_name = "CLUSTER|IMAGE|POD|MESSAGE")]
    pub subject: Option<String>,
    /// Which registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// Do what is safe: start the registry, wire clusters, start containerd anew; then look again
    #[arg(long)]
    pub fix: bool,
}

//! The arguments of `hythe doctor`.

use clap::Args;

use super::NameArgs;

/// The examples in `hythe doctor --help`.
pub const DOCTOR_EXAMPLES: &str = "\
Examples:
  hythe doctor                                 check everything; push and pull a test image
  hythe doctor trading-cluster                 check one cluster
  hythe doctor redis:7                         find out why an image cannot be pulled, by node
  hythe doctor storage/api-7d9f                find out why a Pod's images cannot be pulled
  hythe doctor 'Get \"http://localhost:5001/v2/\": dial tcp [::1]:5001: connect: connection refused'
                                               explain another tool's message; - is stdin
  hythe doctor --fix                           make safe repairs, and check again
  hythe doctor --output json | jq '.checks[] | select(.verdict == \"bad\")'

The exit code is 1 if a check is bad.";

/// The arguments of `hythe doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// A cluster, an image, a Pod as NAMESPACE/NAME or NAME, or another tool's message; - reads the message from stdin
    /// [default: every running cluster]
    #[arg(value_name = "CLUSTER|IMAGE|POD|MESSAGE")]
    pub subject: Option<String>,
    /// The registry.
    #[command(flatten)]
    pub target: NameArgs,
    /// Make the safe repairs: start the registry, attach clusters, restart containerd; then check again
    #[arg(long)]
    pub fix: bool,
}

//! The connection to the cluster.

use std::path::PathBuf;

use hythe_kube::api::{Access, ApiError, kubeconfig_files};
use hythe_kube::deploy::DeployError;

use crate::args::TargetArgs;
use crate::config::Environment;
use crate::failure::Failure;

/// Connects to the cluster of the context that the user names, else of the current context.
pub(in crate::commands) async fn access(
    target: &TargetArgs,
    environment: &Environment,
) -> Result<Access, Failure> {
    let variable = |name: &str| environment.variables.get(name);
    let home = variable(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
    let files = kubeconfig_files(variable("KUBECONFIG").map(AsRef::as_ref), home.as_deref());
    let access = Access::from_files(&files, target.context.as_deref()).await;
    access.map_err(|error| {
        // Without --context, the user may have meant another cluster.
        let other = match (&error, &target.context) {
            (ApiError::Unreachable { .. } | ApiError::Unauthorized { .. }, None) => {
                "; for another cluster, name its context with --context"
            }
            _ => "",
        };
        Failure::Other(format!("{error}{other}"))
    })
}

/// The failure of a command because of an error of the cluster.
#[allow(clippy::needless_pass_by_value, reason = "the signature of `map_err`")]
pub(in crate::commands) fn failed(error: DeployError) -> Failure {
    Failure::Other(error.to_string())
}

//! The connection to the cluster.

use std::path::PathBuf;

use hythe_kube::api::{Access, kubeconfig_files};

use crate::args::TargetArgs;
use crate::config::Environment;
use crate::failure::Failure;

/// Connects to the cluster of the context that the user names, else of the current context.
pub(in crate::commands) async fn access(
    target: &TargetArgs,
    environment: &Environment,
) -> Result<Access, Failure> {
    connect(target.context.as_deref(), environment).await
}

/// Connects to the cluster of a context, else of the current context.
pub(in crate::commands) async fn connect(
    context: Option<&str>,
    environment: &Environment,
) -> Result<Access, Failure> {
    let variable = |name: &str| environment.variables.get(name);
    let home = variable(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).map(PathBuf::from);
    let files = kubeconfig_files(variable("KUBECONFIG").map(AsRef::as_ref), home.as_deref());
    let access = Access::from_files(&files, context).await;
    access.map_err(|error| Failure::Cluster { error, is_current: context.is_none() })
}

//! `hythe deploy logs`: prints the log of a registry in a cluster.

use hythe_kube::deploy::{self, LogOptions};

use super::{access, target};
use crate::args::TargetArgs;
use crate::config::Environment;
use crate::console::Printer;
use crate::failure::Failure;

/// Prints the log unchanged, whatever `--output` says: the server's `log.format` chooses its format.
pub(super) async fn logs(
    args: &TargetArgs,
    options: LogOptions,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let access = access(args, environment).await?;
    deploy::logs(&access, &target(args), options, &mut |bytes| printer.raw(bytes))
        .await
        .map_err(Failure::from)
}

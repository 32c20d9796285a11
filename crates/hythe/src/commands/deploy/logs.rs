//! `hythe deploy logs`: what a registry in a cluster logs.

use hythe_cluster::deploy::{self, LogOptions};

use super::{access, failed, target};
use crate::args::TargetArgs;
use crate::config::Environment;
use crate::failure::Failure;
use crate::printer::Printer;

/// Prints it, as it is in either output format: its own is chosen by the server's `log.format`.
pub(super) async fn logs(
    args: &TargetArgs,
    options: LogOptions,
    environment: &Environment,
    printer: Printer,
) -> Result<(), Failure> {
    let access = access(args, environment).await?;
    deploy::logs(&access, &target(args), options, &mut |bytes| printer.raw(bytes)).await.map_err(failed)
}

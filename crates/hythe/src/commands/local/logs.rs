//! `hythe logs`: prints the log of the registry's container.

use std::io::Write as _;

use futures_util::StreamExt as _;

use super::registry;
use crate::args::LogsArgs;
use crate::commands::engine::connect;
use crate::commands::runtime::run;
use crate::console::Printer;
use crate::failure::Failure;

/// Prints the registry's log.
pub(in crate::commands) fn logs(args: &LogsArgs, printer: Printer) -> Result<(), Failure> {
    run(async {
        let engine = connect(&args.target.engine).await?;
        let settings = registry(&engine, &args.target, printer).await?;
        let mut pieces = Box::pin(engine.logs(&settings.name, args.follow, args.tail));
        while let Some(piece) = pieces.next().await {
            // The registry logs to stderr, but for this command the log is the data, which goes to stdout.
            if std::io::stdout().write_all(&piece?.bytes).is_err() {
                break;
            }
        }
        Ok(())
    })
}

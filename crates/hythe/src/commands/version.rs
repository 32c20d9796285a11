//! `hythe version`: prints the version.

use serde_json::json;

use crate::console::Printer;

/// Prints the version.
pub(super) fn version(printer: Printer) {
    let version = env!("CARGO_PKG_VERSION");
    printer.data(format_args!("hythe {version}"), || json!({ "version": version }));
}

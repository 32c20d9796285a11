//! `hythe kind-config`: prints a kind configuration whose clusters need no later change to use the registry.

use std::io::Read as _;

use hythe_cluster::kind_config::{KindOptions, kind_config as merge};
use serde_json::json;

use crate::args::KindConfigArgs;
use crate::console::Printer;
use crate::failure::Failure;

/// Prints a new configuration, or the user's own with the necessary parts added.
pub(in crate::commands) fn kind_config(args: &KindConfigArgs, printer: Printer) -> Result<(), Failure> {
    let unreadable =
        |name: &str, error: std::io::Error| Failure::Usage(format!("{name} cannot be read: {error}"));
    let text = match args.file.as_deref() {
        None => String::new(),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| unreadable("stdin", error))?;
            text
        }
        Some(path) => std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?,
    };
    let data = args.host_path.as_ref().map(std::path::absolute).transpose();
    let data = data.map_err(|error| unreadable("--host-path", error))?;
    let options =
        KindOptions { data: data.map(|path| path.display().to_string()), node_port: args.node_port };
    let name = args.file.as_deref().unwrap_or("the configuration");
    let merged = merge(&text, &options).map_err(|error| Failure::Usage(format!("{name}: {error}")))?;
    for note in &merged.notes {
        printer.note(format_args!("warning: {name}: {note}"));
    }
    printer.data(merged.text.trim_end(), || json!({ "config": merged.text, "notes": merged.notes }));
    Ok(())
}

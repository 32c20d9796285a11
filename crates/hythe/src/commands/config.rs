//! `hythe config`: what is in effect, and where each value came from.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::config::{Environment, Inputs, Loaded, load};
use crate::failure::Failure;
use crate::printer::Printer;

/// Prints the configuration that is in effect.
pub(super) fn config(inputs: &Inputs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let loaded = load(inputs, environment)?;
    printer.warnings(&loaded.warnings);
    printer.data(text(&loaded), || json(&loaded));
    Ok(())
}

/// One `key = value   # source` a line: a configuration file that would give the same.
fn text(loaded: &Loaded) -> String {
    let lines: Vec<(String, String)> = loaded
        .provenance
        .iter()
        .map(|(key, source)| {
            (format!("{} = {}", key.name, key.kind.show(&loaded.settings)), source.to_string())
        })
        .collect();
    // A long list must not push every source off the screen.
    let width =
        lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    let mut text = String::new();
    for (line, source) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line:width$}  # {source}");
    }
    text.trim_end().to_owned()
}

fn json(loaded: &Loaded) -> Value {
    let settings: Map<String, Value> = loaded
        .provenance
        .iter()
        .map(|(key, source)| {
            let value = key.kind.show(&loaded.settings);
            (key.name.to_owned(), json!({ "value": value, "source": source.to_string() }))
        })
        .collect();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    json!({ "file": file, "settings": settings, "warnings": warnings })
}

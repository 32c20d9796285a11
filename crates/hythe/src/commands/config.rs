//! `hythe config`: the configuration in effect, and where each value came from.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::config::{Environment, Inputs, Loaded, TableLine, load};
use crate::console::Printer;
use crate::failure::Failure;

/// Prints the configuration in effect.
pub(super) fn config(inputs: &Inputs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let loaded = load(inputs, environment)?;
    printer.warnings(&loaded.warnings);
    printer.data(text(&loaded), || json(&loaded));
    Ok(())
}

/// Every key, then every table and its fields that are set somewhere.
fn lines(loaded: &Loaded) -> Vec<TableLine> {
    let keys = loaded.provenance.iter().map(|(key, source)| {
        let value = key.kind.show(&loaded.settings);
        let toml = format!("{} = {value}", key.name);
        TableLine { name: key.name.to_owned(), value, toml, source: source.to_string() }
    });
    keys.chain(loaded.table_lines()).collect()
}

/// One `key = value   # source` per line: a configuration file with the same effect, except for its secrets.
fn text(loaded: &Loaded) -> String {
    let lines: Vec<(String, String)> =
        lines(loaded).into_iter().map(|line| (line.toml, line.source)).collect();
    // One long value must not push the sources of all lines off the screen.
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
    let settings: Map<String, Value> = lines(loaded)
        .into_iter()
        .map(|line| (line.name, json!({ "value": line.value, "source": line.source })))
        .collect();
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let file = loaded.file.as_ref().map(|file| file.display().to_string());
    json!({ "file": file, "settings": settings, "warnings": warnings })
}

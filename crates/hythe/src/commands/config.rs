//! `hythe config`: the configuration in effect, and where each value came from.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::config::{Environment, Inputs, Loaded, load, table_name};
use crate::console::Printer;
use crate::failure::Failure;

/// Prints the configuration in effect.
pub(super) fn config(inputs: &Inputs, environment: &Environment, printer: Printer) -> Result<(), Failure> {
    let loaded = load(inputs, environment)?;
    printer.warnings(&loaded.warnings);
    printer.data(text(&loaded), || json(&loaded));
    Ok(())
}

/// One setting as it is printed.
struct Line {
    name: String,
    value: Value,
    source: String,
}

/// Every key, then every field of an upstream's table that is set somewhere.
fn lines(loaded: &Loaded) -> Vec<Line> {
    let keys = loaded.provenance.iter().map(|(key, source)| Line {
        name: key.name.to_owned(),
        value: key.kind.show(&loaded.settings),
        source: source.to_string(),
    });
    let mut lines: Vec<Line> = keys.collect();
    for (upstream, sources) in &loaded.tables {
        let Some(table) = loaded.settings.upstream.tables.get(upstream) else { continue };
        let before = lines.len();
        lines.extend(sources.fields().map(|(field, source)| Line {
            name: field.of(upstream),
            value: field.show(table),
            source: source.to_string(),
        }));
        // A table without fields matters too: it allows the upstream.
        if lines.len() == before {
            lines.push(Line {
                name: table_name(upstream),
                value: json!({}),
                source: sources.table.to_string(),
            });
        }
    }
    lines
}

/// One `key = value   # source` per line: a configuration file with the same effect, except for its secrets.
fn text(loaded: &Loaded) -> String {
    let lines: Vec<(String, String)> = lines(loaded)
        .into_iter()
        .map(|line| (format!("{} = {}", line.name, line.value), line.source))
        .collect();
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

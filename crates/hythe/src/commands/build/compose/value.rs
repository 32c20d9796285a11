//! A YAML tree as JSON, with its variables replaced.

use std::collections::BTreeSet;

use hythe_yaml::{Content, Node};
use serde_json::{Map, Value};

use crate::commands::interpolate::{Variables, interpolate_or_blank};

/// Makes JSON of YAML trees. Each scalar becomes a text, or null.
pub(super) struct Values<'a> {
    pub(super) variables: &'a Variables,
    /// The variables that are not set.
    pub(super) unset: BTreeSet<String>,
}

impl Values<'_> {
    /// The tree as JSON. The error has the line.
    pub(super) fn of(&mut self, node: &Node) -> Result<Value, String> {
        Ok(match &*node.content {
            Content::Scalar(scalar) if scalar.is_null() => Value::Null,
            Content::Scalar(scalar) => {
                let text = interpolate_or_blank(&scalar.text, self.variables, &mut self.unset);
                Value::String(text.map_err(|why| format!("line {}: {why}", scalar.line))?)
            }
            Content::List { items, .. } => {
                Value::Array(items.iter().map(|item| self.of(item)).collect::<Result<_, _>>()?)
            }
            Content::Map { entries, .. } => {
                let mut fields = Map::new();
                for entry in entries {
                    if entry.name() == "<<" {
                        // The mapping's own keys count; of several merged mappings, the first one.
                        for base in std::iter::once(&entry.value).chain(entry.value.items()) {
                            for merged in base.entries() {
                                let name = merged.name();
                                if node.own(name).is_none() && !fields.contains_key(name) {
                                    let value = self.of(&merged.value)?;
                                    fields.insert(name.to_owned(), value);
                                }
                            }
                        }
                        continue;
                    }
                    let value = self.of(&entry.value)?;
                    fields.insert(entry.name().to_owned(), value);
                }
                Value::Object(fields)
            }
        })
    }
}

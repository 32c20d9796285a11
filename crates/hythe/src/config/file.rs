//! The layer of hythe's own configuration file, in TOML.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::draft::Draft;
use super::entry::{Entry, Text, raw};
use super::error::Problem;
use super::keys::{KEYS, key};
use super::nearest::{did_you_mean, nearest};
use super::tables::{TABLES, kind, with_article};
use crate::tables::Form;

/// Applies the file's values to the draft.
pub(super) fn apply(draft: &mut Draft, path: &Path, text: &str) {
    let reader = Text { path, text };
    match DeTable::parse(text) {
        Ok(table) => reader.table(draft, "", table.get_ref()),
        Err(error) => {
            let offset = error.span().map_or(text.len(), |span| span.start);
            let message = error.message().replace('\n', ", ");
            draft
                .problem(Problem::new(reader.source(offset).place(), format!("this is not TOML: {message}")));
        }
    }
}

impl Text<'_> {
    fn table(&self, draft: &mut Draft, prefix: &str, table: &DeTable<'_>) {
        for (word, value) in table {
            let name = if prefix.is_empty() {
                word.get_ref().to_string()
            } else {
                format!("{prefix}.{}", word.get_ref())
            };
            let place = self.source(word.span().start);
            if let Some(key) = key(&name) {
                draft.set(key, &raw(value.get_ref()), &self.source(value.span().start));
                continue;
            }
            let section = format!("{name}.");
            let is_section = KEYS.iter().any(|key| key.name.starts_with(&section));
            let entry = Entry::of(word, value);
            if let Some(tables) = kind(&name).filter(|_| !is_section) {
                let problems = tables.read(self, &entry, draft.drafted());
                draft.problems(problems);
                continue;
            }
            let of_name = kind(prefix).filter(|tables| tables.form() == Form::ByName);
            match (value.get_ref(), of_name) {
                (DeValue::Table(inner), _) if is_section => self.table(draft, &name, inner),
                (DeValue::Table(_), Some(tables)) => {
                    let problems = tables.read_named(self, &entry, draft.drafted());
                    draft.problems(problems);
                }
                _ if is_section => {
                    let text = format!("`{name}` is a section: write [{name}] and its keys below it");
                    draft.problem(Problem::new(place.place(), text));
                }
                _ => draft.problem(Problem::new(place.place(), unknown(&name))),
            }
        }
    }
}

/// The error for an unknown key. Suggests the key with the nearest full name, else a key with the same last word, else
/// the nearest section.
fn unknown(name: &str) -> String {
    let names = || KEYS.iter().map(|key| key.name);
    let words = TABLES.iter().map(|tables| tables.word());
    let sections =
        || names().filter_map(|known| known.split_once('.').map(|(section, _)| section)).chain(words.clone());
    let last = name.rsplit('.').next().unwrap_or(name);
    let same_last = || names().find(|known| known.rsplit('.').next() == Some(last));
    let by_name = TABLES.iter().filter(|tables| tables.form() == Form::ByName);
    for word in by_name.map(|tables| tables.word()) {
        let rest = name.strip_prefix(word).and_then(|rest| rest.strip_prefix('.'));
        if let Some(table) = rest.filter(|rest| rest.contains(['.', ':'])) {
            let owner = with_article(word);
            return format!("`{table}` is {owner}: write [{word}.\"{table}\"] and its keys below it");
        }
    }
    if name == "image" {
        return "`image` belongs to a project file, which `hythe build` reads; this is a configuration of the server".to_owned();
    }
    let found = nearest(name, names()).or_else(same_last).or_else(|| nearest(name, sections()));
    format!("there is no key `{name}`{}", did_you_mean(found))
}

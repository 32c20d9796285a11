//! The layer of hythe's own configuration file, in TOML.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::draft::Draft;
use super::error::Problem;
use super::field::table_name;
use super::fields::{FIELDS, field};
use super::keys::{KEYS, key};
use super::nearest::{did_you_mean, nearest};
use super::raw::{Raw, without_credentials};
use super::source::Source;
use super::upstreams::known_name;
use crate::values::parse_name;

/// Applies the file's values to the draft.
pub(super) fn apply(draft: &mut Draft, path: &Path, text: &str) {
    let reader = Reader { path, text };
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

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn source(&self, offset: usize) -> Source {
        Source::file(self.path, line_column(self.text, offset))
    }

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
            match value.get_ref() {
                DeValue::Table(inner) if is_section => self.table(draft, &name, inner),
                DeValue::Table(inner) if prefix == "upstream" => {
                    self.upstream(draft, word.get_ref(), inner, &place);
                }
                _ if is_section => {
                    let text = format!("`{name}` is a section: write [{name}] and its keys below it");
                    draft.problem(Problem::new(place.place(), text));
                }
                _ => draft.problem(Problem::new(place.place(), unknown(&name))),
            }
        }
    }

    /// Reads a table below `upstream` whose name is not a key: the table of one upstream.
    fn upstream(&self, draft: &mut Draft, word: &str, table: &DeTable<'_>, place: &Source) {
        let whole = unquoted(word, table);
        if whole.contains('.') && !word.contains('.') {
            let text = format!("a name with dots needs quotes: write [upstream.\"{whole}\"]");
            return draft.problem(Problem::new(place.place(), text));
        }
        let name = match parse_name(word) {
            Ok(name) => known_name(name),
            Err(error) => {
                let text = format!("`{}` cannot be an upstream's name: {error}", without_credentials(word));
                return draft.problem(Problem::new(place.place(), text));
            }
        };
        if !draft.begin_table(&name, place.clone()) {
            let text =
                format!("`{word}` is another name of `{name}`, which already has a table: keep only one");
            return draft.problem(Problem::new(place.place(), text));
        }
        for (word, value) in table {
            if let Some(field) = field(word.get_ref()) {
                draft.set_field(&name, field, &raw(value.get_ref()), &self.source(value.span().start));
                continue;
            }
            let found = nearest(word.get_ref(), FIELDS.iter().map(|field| field.name));
            let table = table_name(&name);
            let text = format!("there is no key `{table}.{}`{}", word.get_ref(), did_you_mean(found));
            draft.problem(Problem::new(self.source(word.span().start).place(), text));
        }
    }
}

/// Joins the names of nested tables with dots: TOML reads an unquoted name with dots as nested tables.
fn unquoted(word: &str, table: &DeTable<'_>) -> String {
    let mut whole = word.to_owned();
    let mut inner = Some(table);
    while let Some(table) = inner {
        inner = table.iter().find_map(|(word, value)| match value.get_ref() {
            DeValue::Table(inner) => {
                whole.push('.');
                whole.push_str(word.get_ref());
                Some(inner)
            }
            _ => None,
        });
    }
    whole
}

/// The error for an unknown key. Suggests the key with the nearest full name, else a key with the same last word, else
/// the nearest section.
fn unknown(name: &str) -> String {
    let names = || KEYS.iter().map(|key| key.name);
    let sections = || names().filter_map(|known| known.split_once('.').map(|(section, _)| section));
    let last = name.rsplit('.').next().unwrap_or(name);
    let same_last = || names().find(|known| known.rsplit('.').next() == Some(last));
    if let Some(upstream) = name.strip_prefix("upstream.").filter(|rest| rest.contains(['.', ':'])) {
        return format!("`{upstream}` is an upstream: write [upstream.\"{upstream}\"] and its keys below it");
    }
    let found = nearest(name, names()).or_else(same_last).or_else(|| nearest(name, sections()));
    format!("there is no key `{name}`{}", did_you_mean(found))
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Quoted(text.to_string()),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("number of more than 64 bits"), Raw::Integer),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned));
            texts
                .collect::<Option<Vec<String>>>()
                .map_or(Raw::Other("list of other values than strings"), Raw::List)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Raw::Other(value.type_str()),
    }
}

/// Line and column of a byte offset, both from 1, the column in characters.
fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let mut before = offset.min(text.len());
    while !text.is_char_boundary(before) {
        before -= 1;
    }
    let before = &text[..before];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

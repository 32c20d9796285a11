//! Reads the tables of a kind from the file: `[WORD."NAME"]` or `[[WORD]]`.

use ::toml::de::{DeTable, DeValue};

use super::sources::Layered;
use crate::config::entry::{Entry, Text, raw};
use crate::config::error::Problem;
use crate::config::nearest::{did_you_mean, nearest};
use crate::config::source::ValueSource;
use crate::tables::{Form, NAME, Table, table_name};
use crate::values::without_credentials;

/// Reads the value of the kind's word: all tables of the kind.
pub(super) fn read<T: Table>(
    text: &Text<'_>,
    tables: &mut Layered<'_, T>,
    entry: &Entry<'_>,
) -> Vec<Problem> {
    let (word, place) = (T::WORD, text.source(entry.key_at));
    match (T::FORM, entry.value) {
        (Form::ByName, DeValue::Table(all)) => {
            all.iter().flat_map(|(word, value)| read_named(text, tables, &Entry::of(word, value))).collect()
        }
        (Form::Listed, DeValue::Array(items)) if items.iter().all(|item| item.get_ref().is_table()) => {
            let all = items.iter().filter_map(|item| {
                // The parser gives a table the position of its header.
                Some((item.get_ref().as_table()?, text.source(item.span().start)))
            });
            all.flat_map(|(table, place)| read_listed(text, tables, table, &place)).collect()
        }
        (Form::ByName, _) => {
            let wanted = format!("write each `{word}` as a table: [{word}.\"NAME\"], with its keys below it");
            vec![Problem::new(place.place(), wanted)]
        }
        (Form::Listed, _) => {
            let wanted =
                format!("write each `{word}` as a table: [[{word}]], with its name and keys below it");
            vec![Problem::new(place.place(), wanted)]
        }
    }
}

/// Reads one table, `[WORD."NAME"]`.
pub(super) fn read_named<T: Table>(
    text: &Text<'_>,
    tables: &mut Layered<'_, T>,
    entry: &Entry<'_>,
) -> Vec<Problem> {
    let (word, place) = (entry.key, text.source(entry.key_at));
    let refuse = |text: String| vec![Problem::new(place.place(), text)];
    let DeValue::Table(table) = entry.value else {
        return refuse(format!(
            "`{}.{word}` is a table: write [{0}.\"{word}\"] and its keys below it",
            T::WORD
        ));
    };
    let whole = unquoted(word, table);
    if whole.contains('.') && !word.contains('.') {
        return refuse(format!("a name with dots needs quotes: write [{}.\"{whole}\"]", T::WORD));
    }
    let name = match T::name(word) {
        Ok(name) => name,
        Err(error) => {
            let shown = without_credentials(word);
            return refuse(format!("`{shown}` cannot be {}'s name: {error}", with_article(T::WORD)));
        }
    };
    if !tables.begin(&name, place.clone()) {
        return refuse(format!(
            "`{word}` is another name of `{name}`, which already has a table: keep only one"
        ));
    }
    fields(text, tables, &name, table)
}

/// Reads one table, `[[WORD]]`.
fn read_listed<T: Table>(
    text: &Text<'_>,
    tables: &mut Layered<'_, T>,
    table: &DeTable<'_>,
    place: &ValueSource,
) -> Vec<Problem> {
    let refuse = |place: &ValueSource, text: String| vec![Problem::new(place.place(), text)];
    let Some(value) = table.get(NAME) else {
        return refuse(place, format!("this [[{}]] has no name: write {NAME} = \"NAME\" below it", T::WORD));
    };
    let at = text.source(value.span().start);
    let Some(word) = value.get_ref().as_str() else {
        let shown = raw(value.get_ref()).show();
        return refuse(
            &at,
            format!("the `{NAME}` of a [[{}]] cannot be {shown}: write a name in quotes", T::WORD),
        );
    };
    let name = match T::name(word) {
        Ok(name) => name,
        Err(error) => {
            let shown = without_credentials(word);
            return refuse(&at, format!("`{shown}` cannot be {}'s name: {error}", with_article(T::WORD)));
        }
    };
    if !tables.begin(&name, place.clone()) {
        let first = tables.sources.table::<T>(&name).map(ValueSource::place).unwrap_or_default();
        return refuse(
            &at,
            format!("a [[{}]] named `{name}` is already at {first}: give one of them another name", T::WORD),
        );
    }
    fields(text, tables, &name, table)
}

fn fields<T: Table>(
    text: &Text<'_>,
    tables: &mut Layered<'_, T>,
    name: &T::Name,
    table: &DeTable<'_>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (word, value) in table {
        if let Some(field) = T::field(word.get_ref()) {
            let source = text.source(value.span().start);
            problems.extend(tables.set(name, field, &raw(value.get_ref()), &source).err());
        } else if T::FORM == Form::ByName || word.get_ref() != NAME {
            let found = nearest(word.get_ref(), T::fields().iter().map(|field| field.name));
            let why = format!(
                "there is no key `{}.{}`{}",
                table_name::<T>(name),
                word.get_ref(),
                did_you_mean(found)
            );
            problems.push(Problem::new(text.source(word.span().start).place(), why));
        }
    }
    problems
}

/// A word with its article.
pub(in crate::config) fn with_article(word: &str) -> String {
    // Not before every `u`: it is `a user`.
    let article = if word.starts_with(['a', 'e', 'i', 'o']) || word == "upstream" { "an" } else { "a" };
    format!("{article} {word}")
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

#[cfg(test)]
mod tests;

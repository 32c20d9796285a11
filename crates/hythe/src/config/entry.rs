//! Keys and values of a TOML file, with their positions.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::source::ValueSource;
use crate::values::Raw;

/// The text of a file.
pub(super) struct Text<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

/// A key of the file, with its value.
pub(super) struct Entry<'a> {
    pub(super) key: &'a str,
    /// The offset of the key.
    pub(super) key_at: usize,
    pub(super) value: &'a DeValue<'a>,
}

impl Text<'_> {
    /// The source of a value at a byte offset.
    pub(super) fn source(&self, offset: usize) -> ValueSource {
        ValueSource::file(self.path, line_column(self.text, offset))
    }
}

impl<'a> Entry<'a> {
    pub(super) fn of(key: &'a Spanned<DeString<'a>>, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self { key: key.get_ref(), key_at: key.span().start, value: value.get_ref() }
    }
}

/// The value without its type.
pub(super) fn raw(value: &DeValue<'_>) -> Raw {
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

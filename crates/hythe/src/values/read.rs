//! Parses an untyped value from a layer into the type of its setting.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hythe_backup::Keep;
use hythe_oci::Authority;
use hythe_registry::{Budget, DiskAmount};
use serde_json::Value;

use super::path::parse_path;
use super::raw::{Raw, without_credentials};
use super::{
    Addition, BackupPlace, Choice, ValueError, parse_amount, parse_budget, parse_duration, parse_keep,
    parse_name, parse_size, show_duration, show_size,
};

pub(crate) fn texts<T: ToString>(items: &[T]) -> Value {
    items.iter().map(T::to_string).collect()
}

pub(crate) fn text<'a>(raw: &'a Raw, wanted: &str) -> Result<&'a str, ValueError> {
    match raw {
        Raw::Text(text) | Raw::Quoted(text) => Ok(text),
        Raw::Boolean(_) | Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => Err(ValueError::new(wanted)),
    }
}

pub(crate) fn list<T: FromStr<Err = ValueError>>(raw: &Raw) -> Result<Vec<T>, ValueError> {
    list_of(raw, at_commas, str::parse)
}

/// Parses each item of a list, or each item that `split` finds in a text.
fn list_of<T>(
    raw: &Raw,
    split: impl Fn(&str) -> Vec<String>,
    parse: impl Fn(&str) -> Result<T, ValueError>,
) -> Result<Vec<T>, ValueError> {
    let items = match raw {
        Raw::List(items) => items.clone(),
        Raw::Text(text) | Raw::Quoted(text) => match split(text).as_slice() {
            // The caller's error shows the whole text, which is this single item.
            [one] => return Ok(vec![parse(one)?]),
            items => items.to_vec(),
        },
        Raw::Boolean(_) | Raw::Integer(_) | Raw::Other(_) => {
            return Err(ValueError::new("write a list of strings"));
        }
    };
    let read = |item: &String| {
        parse(item).map_err(|error| ValueError::new(format!("`{}`: {error}", without_credentials(item))))
    };
    items.iter().map(read).collect()
}

fn at_commas(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

pub(crate) fn additions(raw: &Raw) -> Result<Vec<Addition>, ValueError> {
    list_of(raw, Addition::split, str::parse)
}

pub(crate) fn names(raw: &Raw) -> Result<Vec<Authority>, ValueError> {
    list_of(raw, at_commas, parse_name)
}

pub(crate) fn name(raw: &Raw) -> Result<Option<Authority>, ValueError> {
    let text = text(raw, "write an upstream's name, such as \"docker.io\"")?;
    if text.is_empty() { Ok(None) } else { parse_name(text).map(Some) }
}

pub(crate) fn some<T>(items: Result<Vec<T>, ValueError>) -> Result<Vec<T>, ValueError> {
    items.and_then(
        |items| if items.is_empty() { Err(ValueError::new("write at least one")) } else { Ok(items) },
    )
}

pub(crate) fn path(raw: &Raw) -> Result<PathBuf, ValueError> {
    parse_path(text(raw, "write a path")?)
}

/// A file; an empty text means none.
pub(crate) fn file(raw: &Raw) -> Result<Option<PathBuf>, ValueError> {
    let text = text(raw, "write the path of a file")?;
    if text.is_empty() { Ok(None) } else { parse_path(text).map(Some) }
}

pub(crate) fn paths(raw: &Raw) -> Result<Vec<PathBuf>, ValueError> {
    list_of(raw, at_commas, parse_path)
}

pub(crate) fn choice<T: Choice>(raw: &Raw) -> Result<T, ValueError> {
    T::of_word(text(raw, &T::allowed())?)
}

pub(crate) fn switch(raw: &Raw) -> Result<bool, ValueError> {
    match raw {
        Raw::Boolean(value) => Ok(*value),
        Raw::Text(text) if text == "true" => Ok(true),
        Raw::Text(text) if text == "false" => Ok(false),
        Raw::Quoted(_) => Err(ValueError::new("write true or false, without quotes")),
        Raw::Text(_) | Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => {
            Err(ValueError::new("write true or false"))
        }
    }
}

pub(crate) fn duration(raw: &Raw, least: Duration) -> Result<Duration, ValueError> {
    let wanted = "write a duration with its unit, such as \"90s\"";
    let value = parse_duration(text(raw, wanted)?)?;
    if value < least {
        return Err(ValueError::new(format!("it must be {} at least", show_duration(least))));
    }
    Ok(value)
}

pub(crate) fn size(raw: &Raw, least: u64, most: u64) -> Result<u64, ValueError> {
    let value = match raw {
        Raw::Integer(bytes) => {
            u64::try_from(*bytes).map_err(|_| ValueError::new("a size must not be negative"))?
        }
        other => parse_size(text(other, "write a size such as \"4MiB\"")?)?,
    };
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(ValueError::new(format!("it must be from {} to {}", show_size(least), show_size(most))))
    }
}

pub(crate) fn amount(raw: &Raw) -> Result<DiskAmount, ValueError> {
    match raw {
        Raw::Integer(bytes) => {
            let bytes = u64::try_from(*bytes).map_err(|_| ValueError::new("a size must not be negative"));
            bytes.map(DiskAmount::Bytes)
        }
        other => parse_amount(text(other, "write a size such as \"20GiB\", or a share such as \"5%\"")?),
    }
}

pub(crate) fn budget(raw: &Raw) -> Result<Budget, ValueError> {
    match raw {
        Raw::Integer(_) => amount(raw).map(Budget::Set),
        other => {
            parse_budget(text(other, "write `auto`, a size such as \"20GiB\", or a share such as \"60%\"")?)
        }
    }
}

pub(crate) fn backup_place(raw: &Raw) -> Result<Option<BackupPlace>, ValueError> {
    let text = text(raw, "write the path of a folder, or s3://BUCKET/PREFIX")?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

pub(crate) fn keep(raw: &Raw) -> Result<Keep, ValueError> {
    match raw {
        Raw::Integer(number) => parse_keep(&number.to_string()),
        other => parse_keep(text(other, "write `all`, a number, or a duration such as \"90d\"")?),
    }
}

pub(crate) fn plain(raw: &Raw) -> Result<String, ValueError> {
    let text = text(raw, "write a text in quotes")?;
    let is_plain = text.len() <= 1024 && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if is_plain {
        Ok(text.to_owned())
    } else {
        Err(ValueError::new("write at most 1024 bytes without spaces"))
    }
}

pub(crate) fn count(raw: &Raw, least: u64, most: u64) -> Result<u64, ValueError> {
    let wrong = || ValueError::new(format!("write a number from {least} to {most}"));
    let value = match raw {
        Raw::Integer(number) => u64::try_from(*number).map_err(|_| wrong())?,
        Raw::Quoted(_) => {
            return Err(ValueError::new(format!("write a number from {least} to {most}, without quotes")));
        }
        Raw::Text(text) => text.parse().map_err(|_| wrong())?,
        Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => return Err(wrong()),
    };
    if (least..=most).contains(&value) { Ok(value) } else { Err(wrong()) }
}

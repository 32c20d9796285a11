//! `hythe cache ls`: lists the cache.

use std::time::SystemTime;

use hythe_api::CopyEntry;
use hythe_oci::Tag;
use serde_json::{Value, json};

use super::admin::Admin;
use super::clear::nothing;
use crate::console::{Printer, ago, size, table};
use crate::failure::Failure;

/// The width of the tags in a row, in characters. Tags beyond it are counted, so that sizes stay on the screen.
const TAGS_WIDTH: usize = 40;

/// Prints a row for each copy in the cache.
pub(super) async fn ls(admin: &Admin, pattern: Option<&str>, printer: Printer) -> Result<(), Failure> {
    let values = admin.copies(pattern).await?;
    let copies: Vec<CopyEntry> = admin.understand(&Value::Array(values.clone()))?;
    let now = SystemTime::now();
    let rows: Vec<[String; 4]> = copies.iter().map(|copy| row(copy, now)).collect();
    printer.data(table(["NAME", "TAGS", "SIZE", "LAST USE"], &rows), || json!({ "copies": values }));
    match pattern {
        _ if !copies.is_empty() => printer.note("to free space: `hythe cache clear PATTERN`"),
        Some(pattern) => printer.note(nothing(pattern)),
        None => printer.note("the cache is empty; to fetch an image: `hythe cache warm redis:7`"),
    }
    Ok(())
}

fn row(copy: &CopyEntry, now: SystemTime) -> [String; 4] {
    let last_use = copy.last_use.as_deref().unwrap_or("-");
    let last_use =
        humantime::parse_rfc3339(last_use).map_or_else(|_| last_use.to_owned(), |then| ago(then, now));
    [copy.name.to_string(), tags(copy), size(copy.bytes), last_use]
}

/// The tags that fit into the row, and the number of the others.
fn tags(copy: &CopyEntry) -> String {
    let mut text = String::new();
    for (shown, tag) in copy.tags.iter().map(Tag::as_str).enumerate() {
        if shown > 0 && text.len() + tag.len() > TAGS_WIDTH {
            return format!("{text} and {} more", copy.tag_count.saturating_sub(shown as u64));
        }
        if shown > 0 {
            text.push_str(", ");
        }
        text.push_str(tag);
    }
    match copy.tag_count.saturating_sub(copy.tags.len() as u64) {
        0 if text.is_empty() => "-".to_owned(),
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

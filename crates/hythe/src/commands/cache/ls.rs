//! `hythe cache ls`: what is kept.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::admin::{Admin, Copy};
use super::clear::nothing;
use super::human::{ago, size};
use super::table::table;
use crate::failure::Failure;
use crate::printer::Printer;

/// Tags that would push the sizes off the screen are counted.
const TAGS_WIDTH: usize = 40;

/// Prints what is kept.
pub(super) async fn ls(admin: &Admin, pattern: Option<&str>, printer: Printer) -> Result<(), Failure> {
    let values = admin.copies(pattern).await?;
    let copies: Vec<Copy> = admin.understand(&Value::Array(values.clone()))?;
    let now = SystemTime::now();
    let rows: Vec<[String; 4]> = copies.iter().map(|copy| row(copy, now)).collect();
    printer.data(table(["NAME", "TAGS", "SIZE", "LAST USE"], &rows), || json!({ "copies": values }));
    match pattern {
        _ if !copies.is_empty() => printer.note("to free some of it: `hythe cache clear PATTERN`"),
        Some(pattern) => printer.note(nothing(pattern)),
        None => printer.note("nothing is kept yet; to fetch an image: `hythe cache warm redis:7`"),
    }
    Ok(())
}

fn row(copy: &Copy, now: SystemTime) -> [String; 4] {
    let last_use = humantime::parse_rfc3339(&copy.last_use)
        .map_or_else(|_| copy.last_use.clone(), |then| ago(then, now));
    [copy.name.clone(), tags(copy), size(copy.bytes), last_use]
}

/// As many as there is room for, and how many more there are.
fn tags(copy: &Copy) -> String {
    let mut text = String::new();
    for (shown, tag) in copy.tags.iter().enumerate() {
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

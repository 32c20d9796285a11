//! `hythe cache clear`: removes images from the cache.

use std::io::{self, BufRead as _, IsTerminal as _};

use hythe_api::{Cleared, CopyEntry};
use serde_json::{Value, json};

use super::admin::Admin;
use crate::console::{Printer, count_of, size};
use crate::failure::Failure;

/// Clears the copies and tags that match a pattern, or everything, after the user confirms.
pub(super) async fn clear(
    admin: &Admin,
    pattern: Option<&str>,
    yes: bool,
    printer: Printer,
) -> Result<(), Failure> {
    let terminal = io::stdin().is_terminal();
    if !yes && !terminal {
        return Err(Failure::Usage(
            "cannot ask before clearing the cache, because stdin is not a terminal: add --yes".to_owned(),
        ));
    }
    let pattern = pattern.unwrap_or("*");
    if !yes && !confirmed(admin, pattern, printer).await? {
        printer.note("nothing was cleared");
        return Ok(());
    }
    let value = admin.clear(pattern).await?;
    let cleared: Cleared = admin.understand(&value)?;
    let text = format!(
        "cleared {} of {}, freed {} ({})",
        count_of(cleared.tags, "tag"),
        count_of(cleared.copies, "copy"),
        size(cleared.bytes),
        count_of(cleared.blobs, "blob"),
    );
    printer.data(text, || json!(value));
    if cleared.copies == 0 && cleared.tags == 0 {
        printer.note(nothing(pattern));
    }
    printer.note("to list what is left: `hythe cache ls`");
    Ok(())
}

/// The note that a pattern matches nothing.
pub(super) fn nothing(pattern: &str) -> String {
    format!(
        "nothing in the cache matches `{pattern}`: * stands for any text; images that were pushed are not in the cache"
    )
}

/// Names what would be cleared, and asks the user.
async fn confirmed(admin: &Admin, pattern: &str, printer: Printer) -> Result<bool, Failure> {
    let copies: Vec<CopyEntry> = admin.understand(&Value::Array(admin.copies(Some(pattern)).await?))?;
    if copies.is_empty() {
        printer.note(nothing(pattern));
        return Ok(false);
    }
    for copy in copies.iter().take(10) {
        printer.note(format_args!("  {}", copy.name));
    }
    let tags = copies.iter().map(|copy| copy.tag_count).sum();
    let (tags, of) = (count_of(tags, "tag"), count_of(copies.len() as u64, "copy"));
    printer.note(format_args!(
        "Clear {tags} of {of}? The registry fetches them again when a client pulls them. [y/N]"
    ));
    let mut answer = String::new();
    // The end of input means no.
    let _ = io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

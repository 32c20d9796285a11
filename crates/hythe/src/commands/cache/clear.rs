//! `hythe cache clear`: frees what is kept.

use std::io::{self, BufRead as _, IsTerminal as _};

use serde_json::{Value, json};

use super::admin::{Admin, Cleared, Copy};
use super::human::{count_of, size};
use crate::failure::Failure;
use crate::printer::Printer;

/// Clears what a pattern means, or everything, once it is confirmed.
pub(super) async fn clear(
    admin: &Admin,
    pattern: Option<&str>,
    yes: bool,
    printer: Printer,
) -> Result<(), Failure> {
    let terminal = io::stdin().is_terminal();
    if !yes && !terminal {
        return Err(Failure::Usage(
            "clearing wants to be confirmed, and there is no terminal to ask on: add --yes".to_owned(),
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
    printer.note("to see what is left: `hythe cache ls`");
    Ok(())
}

/// That a pattern means nothing.
pub(super) fn nothing(pattern: &str) -> String {
    format!(
        "nothing that is kept is called `{pattern}`: * stands for anything, and what was pushed here is no copy of anything"
    )
}

/// Says what would go, and asks.
async fn confirmed(admin: &Admin, pattern: &str, printer: Printer) -> Result<bool, Failure> {
    let copies: Vec<Copy> = admin.understand(&Value::Array(admin.copies(Some(pattern)).await?))?;
    if copies.is_empty() {
        printer.note(nothing(pattern));
        return Ok(false);
    }
    for copy in copies.iter().take(10) {
        printer.note(format_args!("  {}", copy.name));
    }
    let tags = copies.iter().map(|copy| copy.tag_count).sum();
    let (tags, of) = (count_of(tags, "tag"), count_of(copies.len() as u64, "copy"));
    printer
        .note(format_args!("Clear {tags} of {of}? They are fetched again when somebody wants them. [y/N]"));
    let mut answer = String::new();
    // An end of input is a no.
    let _ = io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

//! The output of `hythe cache warm`: a line for each image that is complete, then everything that failed, and why.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::files::{FileLine, Passed};
use super::image::Image;
use super::pull::{Lack, Pulled};
use crate::console::{Printer, count_of, size};
use crate::failure::Failure;
use crate::values::Output;

/// Skipped values that are named at most; the rest are counted.
const TOLD: usize = 20;

/// The results for everything that the command line and the files name.
pub(super) struct Report {
    check: bool,
    printer: Printer,
    images: Vec<Value>,
    passed: Vec<Value>,
    failed: Vec<Failed>,
}

struct Failed {
    /// The image; `None` for a part of a file that could not be read.
    name: Option<String>,
    place: Option<FileLine>,
    lack: Lack,
}

impl Report {
    pub(super) fn new(check: bool, printer: Printer) -> Self {
        Self { check, printer, images: Vec::new(), passed: Vec::new(), failed: Vec::new() }
    }

    /// Names the values in files that are not images.
    pub(super) fn passed(&mut self, passed: Vec<Passed>) {
        let count = passed.len();
        for (at, Passed { text, place, reason, .. }) in passed.into_iter().enumerate() {
            if at < TOLD && self.printer.output() == Output::Text {
                self.printer.note(format_args!("{place}: skipped `{}`: {reason}", first_line(&text)));
            }
            self.passed
                .push(json!({ "text": text, "file": &*place.file, "line": place.line, "reason": reason }));
        }
        if count > TOLD && self.printer.output() == Output::Text {
            let rest = count - TOLD;
            self.printer.note(format_args!("skipped {rest} more values; --output json lists all of them"));
        }
    }

    /// The line for an image that is complete.
    pub(super) fn line(&self, image: &Image, pulled: &Pulled) -> String {
        let blobs = count_of(pulled.blobs, "blob");
        match (self.check, pulled.fetched) {
            (true, _) => format!("{image}: complete, {blobs}"),
            (false, 0) => format!("{image}: already complete, {blobs}"),
            (false, fetched) => format!("{image}: fetched {fetched} of {blobs} ({})", size(pulled.bytes)),
        }
    }

    pub(super) fn pulled(&mut self, image: &Image, place: Option<&FileLine>, pulled: &Pulled) {
        let state = if self.check || pulled.fetched == 0 { "present" } else { "fetched" };
        let mut entry = json!({
            "image": image.to_string(), "state": state,
            "blobs": pulled.blobs, "fetched_blobs": pulled.fetched, "fetched_bytes": pulled.bytes,
        });
        add_place(&mut entry, place);
        self.images.push(entry);
    }

    pub(super) fn failed(&mut self, name: Option<String>, place: Option<FileLine>, lack: Lack) {
        self.failed.push(Failed { name, place, lack });
    }

    /// Prints the summary. Returns an error if anything failed.
    pub(super) fn conclude(mut self) -> Result<(), Failure> {
        self.failed.sort_by(|a, b| (&a.name, &a.place).cmp(&(&b.name, &b.place)));
        if self.printer.output() == Output::Json {
            let json = self.json();
            self.printer.data("", || json);
        }
        if self.failed.is_empty() {
            self.printer.note(if self.check {
                "to list the cache: `hythe cache ls`"
            } else {
                "to see what the cache saves: `hythe cache stat`"
            });
            return Ok(());
        }
        let count = self.images.len() + self.failed.len();
        let (fetchable, lost): (Vec<_>, Vec<_>) =
            self.failed.iter().partition(|failed| self.check && failed.lack.fetchable);
        let mut text = String::new();
        for (failed, what) in [
            (fetchable, "are incomplete; run without --check to fetch them"),
            (lost, if self.check { "cannot be fetched" } else { "could not be warmed" }),
        ] {
            if failed.is_empty() {
                continue;
            }
            let gap = if text.is_empty() { "" } else { "\n" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{gap}{} of {count} images {what}:", failed.len());
            for failed in failed {
                failed.tell(&mut text);
            }
        }
        Err(Failure::Images(text))
    }

    fn json(&self) -> Value {
        let (mut images, mut unread) = (self.images.clone(), Vec::new());
        for failed in &self.failed {
            let mut entry = json!({ "error": failed.lack.reason });
            add_place(&mut entry, failed.place.as_ref());
            match &failed.name {
                Some(name) => {
                    entry["image"] = json!(name);
                    entry["state"] = json!("failed");
                    images.push(entry);
                }
                None => unread.push(entry),
            }
        }
        json!({ "images": images, "passed_over": self.passed, "unread": unread })
    }
}

impl Failed {
    fn tell(&self, text: &mut String) {
        let reason = &self.lack.reason;
        text.push_str("\n  ");
        let place = self.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        // The reason quotes a text that is not the name of an image. Writing to a string cannot fail.
        let _ = match &self.name {
            Some(name) if !reason.contains(name.as_str()) => write!(text, "{name}: {reason}"),
            _ => write!(text, "{place}{reason}"),
        };
    }
}

fn add_place(entry: &mut Value, place: Option<&FileLine>) {
    if let Some(place) = place {
        entry["file"] = json!(&*place.file);
        entry["line"] = json!(place.line);
    }
}

/// The first line of a text from a file.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

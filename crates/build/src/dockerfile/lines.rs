//! Joins the lines of an instruction and reads the lines of here-documents.

use super::Fault;
use super::heredoc::Heredoc;

/// The lines of a Dockerfile that are not read yet.
pub(super) struct Lines<'a> {
    lines: std::iter::Enumerate<std::str::SplitInclusive<'a, char>>,
    escape: char,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str, escape: char) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { lines: text.split_inclusive('\n').enumerate(), escape }
    }

    /// The next instruction and its line, with continued lines joined. Comments and empty lines between them are left out.
    pub(super) fn next_instruction(&mut self) -> Option<(usize, String)> {
        loop {
            let (at, line) = self.lines.next()?;
            let line = without_ending(line).trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (first, mut is_continued) = self.continued(line);
            let mut whole = first.to_owned();
            while is_continued {
                let Some((_, line)) = self.lines.next() else { break };
                let line = without_ending(line);
                if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
                    continue;
                }
                let (part, continues) = self.continued(line);
                whole.push_str(part);
                is_continued = continues;
            }
            if !whole.trim().is_empty() {
                return Some((at + 1, whole));
            }
        }
    }

    /// The line without an escape character at its end, and whether it had one. A doubled one does not continue the line.
    fn continued<'b>(&self, line: &'b str) -> (&'b str, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        match trimmed.strip_suffix(self.escape) {
            Some(start) if !start.ends_with(self.escape) => (start, true),
            _ => (line, false),
        }
    }

    /// The body of a here-document that an instruction's line announces, without the line that ends it.
    pub(super) fn heredoc(&mut self, line: usize, heredoc: &Heredoc) -> Result<String, Fault> {
        let mut body = String::new();
        for (_, text) in self.lines.by_ref() {
            let end = without_ending(text);
            let end = if heredoc.strips_tabs { end.trim_start_matches('\t') } else { end };
            if end == heredoc.name {
                return Ok(body);
            }
            body.push_str(text);
        }
        Err(Fault::new(line, format!("the here-document {} does not end", heredoc.name)))
    }
}

fn without_ending(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

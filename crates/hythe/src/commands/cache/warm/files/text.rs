//! Loads a file's text, and splits it into documents.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use hythe_yaml::Node;

use super::template::Templates;
use super::{json, lines, yaml};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Keys that begin a document, used to find its start after lines that a tool logged.
const FIRST_KEYS: [&str; 8] =
    ["apiVersion:", "kind:", "metadata:", "services:", "version:", "jobs:", "name:", "image:"];

/// The text of a file; `-` is stdin.
pub(super) fn load(file: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = if file == "-" {
        io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|open| open.take(MAX_FILE + 1).read_to_end(&mut bytes))
    };
    let length = read.map_err(|error| format!("{file} cannot be read: {error}"))?;
    if length as u64 > MAX_FILE {
        return Err(format!("{file} is larger than {} MiB", MAX_FILE >> 20));
    }
    let text = match bytes.as_slice() {
        // PowerShell's `>` writes UTF-16.
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => str::from_utf8(rest).ok().map(str::to_owned),
        _ => String::from_utf8(bytes).ok(),
    };
    text.ok_or_else(|| format!("{file} is not a text file"))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let units: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16(&units).ok()
}

/// The file's name without its folders.
pub(super) fn base_name(file: &str) -> &str {
    Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// A text's documents, and the parts that are not YAML.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub(super) trees: Vec<Node>,
    /// The lines of parts that are not YAML, and why they are not.
    pub(super) faults: Vec<(usize, String)>,
    /// Images in such parts, from lines that look like `image: NAME`.
    pub(super) scanned: Vec<lines::Named>,
}

/// Reads a text whose first line is `first` of its file. A document that cannot be read does not affect the others.
pub(super) fn documents(text: &str, first: usize) -> Documents {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let (text, templates) = Templates::hide(&text);
    let mut all = Documents::default();
    if let Some(values) = json::values(&text) {
        for (line, value) in values {
            match yaml::parse(&value, first + line - 1, &templates) {
                Ok(documents) => all.trees.extend(documents),
                Err(fault) => all.faults.push(fault),
            }
        }
        return all;
    }
    for (line, part) in parts(&text) {
        let line = first + line - 1;
        let parsed = yaml::parse(&part, line, &templates);
        let parsed = match (parsed, begin(&part)) {
            (Ok(documents), Some(_)) if !documents.iter().any(Node::is_map) => Err((line, String::new())),
            (parsed, _) => parsed,
        };
        let parsed = parsed.or_else(|fault| match begin(&part) {
            Some((skipped, rest)) => yaml::parse(rest, line + skipped, &templates).map_err(|_| fault),
            None => Err(fault),
        });
        match parsed {
            Ok(documents) => all.trees.extend(documents),
            Err(fault) => {
                all.faults.push(fault);
                all.scanned.extend(lines::scan(&templates.show(&part), line));
            }
        }
    }
    all
}

/// The parts between `---` lines, each with the number of its first line.
fn parts(text: &str) -> Vec<(usize, String)> {
    let mut parts = vec![(1, String::new())];
    for (at, line) in text.lines().enumerate() {
        let (begins, line) = match line.strip_prefix("---") {
            Some(rest) if rest.is_empty() || rest.starts_with([' ', '\t']) => (true, rest.trim_start()),
            _ if line.trim_end() == "..." => (true, ""),
            // Directives (`%`) name no images.
            _ if line.starts_with('%') => (true, ""),
            _ => (false, line),
        };
        if begins {
            parts.push((at + 1, String::new()));
        }
        if let Some((_, part)) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts.retain(|(_, part)| !part.trim().is_empty());
    parts
}

/// The rest of a part from its first known key on, and the number of lines before that key, which a tool may have
/// logged. `None` if no line precedes the key.
fn begin(part: &str) -> Option<(usize, &str)> {
    let mut at = 0;
    for (skipped, line) in part.split_inclusive('\n').enumerate() {
        if line.starts_with('{') || FIRST_KEYS.iter().any(|key| line.starts_with(key)) {
            return (skipped > 0).then(|| (skipped, &part[at..]));
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_and_a_broken_document_do_not_affect_other_documents() {
        let text = "level=info msg=\"x: y: z\"\napiVersion: v1\nimage: a:1\n---\nb: c: d\n  image: x:1\n--- # c\nkind: Pod\n";
        let read = documents(text, 1);
        assert_eq!(read.trees.len(), 2);
        assert_eq!(read.trees[0].child("image").unwrap().scalar().unwrap().line, 3);
        assert_eq!(read.faults.len(), 1);
        assert_eq!(read.scanned.len(), 1);
        assert_eq!((read.scanned[0].text.as_str(), read.scanned[0].line), ("x:1", 6));
    }

    #[test]
    fn a_file_in_utf_16_is_a_text() {
        let units: Vec<u8> = "a: é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(utf16(&units, u16::from_le_bytes).as_deref(), Some("a: é"));
    }
}

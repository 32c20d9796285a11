//! Files that are read line by line: lists of images, files of variables, and texts without a parser.

use crate::commands::interpolate::env_value;

/// A value that may be an image, by its form or by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) text: String,
    pub(super) line: usize,
    /// Whether its key is `image` itself.
    pub(super) certain: bool,
}

/// The lines of a plain list; `None` if the text is not a list. Spaces tell the two apart: no name of an image has a
/// space, and nearly every line of YAML has one.
pub(super) fn list(text: &str) -> Option<Vec<Named>> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let is_name = !line.contains(char::is_whitespace)
            && !line.ends_with(':')
            && line.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !is_name {
            return None;
        }
        found.push(Named { text: line.to_owned(), line: at + 1, certain: true });
    }
    Some(found)
}

/// The variables of a file of `NAME=VALUE` lines; `None` if the text is something else.
pub(super) fn variables(text: &str) -> Option<Vec<(String, Named)>> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        if name.is_empty() || !name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_') {
            return None;
        }
        found.push((name.to_owned(), Named { text: env_value(value.trim()), line: at + 1, certain: false }));
    }
    (!found.is_empty()).then_some(found)
}

/// Lines that assign a value to a key that ends in `image`: in TOML, HCL, unit files, and broken YAML.
pub(super) fn scan(text: &str, first: usize) -> Vec<Named> {
    let line = |(at, line): (usize, &str)| {
        let line = line.trim_start_matches([' ', '\t', '-', '"', '\'']);
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))?;
        let (key, rest) = line.split_at(end);
        let rest = rest.trim_start_matches(['"', '\'']).trim_start().strip_prefix([':', '='])?.trim_start();
        let value = match rest.chars().next()? {
            quote @ ('"' | '\'') => rest[1..].split(quote).next()?,
            _ => rest.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')).next()?,
        };
        let key = key.to_ascii_lowercase();
        let is_image = key.ends_with("image") && !value.is_empty();
        is_image.then(|| Named { text: value.to_owned(), line: first + at, certain: key == "image" })
    };
    text.lines().enumerate().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_to_an_image_are_found_in_any_syntax() {
        let text = "Image=docker.io/redis:7\n  helper_image = \"alpine:3\" # x\n- image: 'a:1'\nimages: 2\n\t\"image\": \"b:2\",\n";
        let found: Vec<_> = scan(text, 1).into_iter().map(|line| (line.text, line.line)).collect();
        let expected = [("docker.io/redis:7", 1), ("alpine:3", 2), ("a:1", 3), ("b:2", 5)];
        assert_eq!(found, expected.map(|(text, line)| (text.to_owned(), line)));
    }
}

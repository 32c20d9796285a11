//! The directives at the start of a Dockerfile: `# syntax=`, `# escape=`, `# check=`.

use super::Fault;

#[derive(Debug, Default)]
pub(super) struct Directives {
    pub(super) syntax: Option<(usize, String)>,
    pub(super) escape: Option<char>,
}

/// Directives end at the first line that is none: an instruction, an empty line, or another comment.
pub(super) fn read(text: &str) -> Result<Directives, Fault> {
    let mut directives = Directives::default();
    let mut seen: Vec<String> = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (at, line) in text.lines().enumerate() {
        let Some((name, value)) = directive(line) else { break };
        if seen.contains(&name) {
            return Err(Fault::new(at + 1, format!("only one `# {name}=` is allowed")));
        }
        match name.as_str() {
            // The image may have arguments behind it.
            "syntax" => {
                directives.syntax = value.split_whitespace().next().map(|image| (at + 1, image.to_owned()));
            }
            "escape" if value == "\\" || value == "`" => directives.escape = value.chars().next(),
            "escape" => return Err(Fault::new(at + 1, "`# escape=` must be \\ or `")),
            _ => {}
        }
        seen.push(name);
    }
    Ok(directives)
}

fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim_start().strip_prefix('#')?.trim_start().split_once('=')?;
    let (name, value) = (name.trim_end().to_ascii_lowercase(), value.trim());
    (["syntax", "escape", "check"].contains(&name.as_str()) && !value.is_empty()).then_some((name, value))
}

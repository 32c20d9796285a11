//! One instruction of a Dockerfile.

use super::flags::split_flags;
use super::heredoc::{Heredoc, heredocs};

/// One instruction, with its lines joined.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// Its first line, from 1.
    pub line: usize,
    /// Its keyword in upper case.
    pub keyword: String,
    /// Its flags, such as `--from=build`, without quotes.
    pub flags: Vec<String>,
    /// What follows the flags.
    pub arguments: String,
    /// The bodies of its here-documents.
    pub(crate) bodies: Vec<String>,
    /// What follows the keyword, with the flags as they were written.
    written: String,
}

impl Instruction {
    pub(super) fn parse(line: usize, text: &str, escape: char) -> Self {
        let text = text.trim();
        let is_space = |c: char| matches!(c, ' ' | '\t' | '\x0b' | '\x0c' | '\r');
        let (keyword, rest) = text.split_once(is_space).unwrap_or((text, ""));
        let written = rest.trim().to_owned();
        let (flags, arguments) = split_flags(&written, escape);
        let (keyword, arguments) = (keyword.to_ascii_uppercase(), arguments.to_owned());
        Self { line, keyword, flags, arguments, bodies: Vec::new(), written }
    }

    /// The instruction as it enters the key: its keyword in upper case, a space, what follows, and the here-documents, each on
    /// lines of its own.
    pub(crate) fn normalised(&self) -> String {
        let mut text = format!("{} {}", self.keyword, self.written);
        for body in &self.bodies {
            text.push('\n');
            text.push_str(body);
        }
        text
    }

    /// The values of a flag, in their order; a flag without a value has an empty one.
    pub(crate) fn flag<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.flags.iter().filter_map(move |flag| {
            let (flag, value) = flag.split_once('=').unwrap_or((flag, ""));
            (flag.strip_prefix("--") == Some(name)).then_some(value)
        })
    }

    /// The arguments as words: of a JSON array, or separated by white space.
    pub(crate) fn words(&self) -> Vec<String> {
        json(&self.arguments)
            .unwrap_or_else(|| self.arguments.split_whitespace().map(str::to_owned).collect())
    }

    /// The instruction behind `ONBUILD`.
    pub(crate) fn trigger(&self, escape: char) -> Option<Self> {
        (self.keyword == "ONBUILD" && !self.written.is_empty()).then(|| {
            let mut trigger = Self::parse(self.line, &self.written, escape);
            trigger.bodies.clone_from(&self.bodies);
            trigger
        })
    }

    /// The here-documents that its line announces.
    pub(super) fn heredocs_of_line(&self) -> Vec<Heredoc> {
        match self.keyword.as_str() {
            "RUN" | "COPY" | "ADD" if json(&self.arguments).is_none() => heredocs(&self.written),
            "ONBUILD" => self.trigger('\\').map(|trigger| trigger.heredocs_of_line()).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// The words of a JSON array of strings.
fn json(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten()
}

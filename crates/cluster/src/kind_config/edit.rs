//! Additions to a YAML text that leave every other character where it is.

use std::cmp::Reverse;

use super::yaml::{Content, Node, Place};

/// What is added.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(u16),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

/// One text to put in at one place, counted in characters.
#[derive(Debug)]
struct Insertion {
    at: usize,
    /// How far in the lines stand.
    column: usize,
    text: String,
}

/// A text, and what is to be put in.
pub(super) struct Edit<'a> {
    characters: Vec<char>,
    newline: &'a str,
    insertions: Vec<Insertion>,
}

/// A place that is not written into: it is an alias or has an anchor or a tag, or is no collection.
pub(super) struct Unsafe(pub(super) usize);

impl<'a> Edit<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        Self { characters: text.chars().collect(), newline, insertions: Vec::new() }
    }

    /// Puts one more item behind the last of the list that stands under `key`.
    fn push(&mut self, key: &Node, list: &Node, value: &Value) -> Result<(), Unsafe> {
        match &list.content {
            Content::List { items, flow: true } if !list.shared => {
                self.flow(list.end, items.is_empty(), &value.flow());
            }
            Content::List { flow: false, .. } if !list.shared => {
                let column = self.dash(key).ok_or(Unsafe(list.start.line))?;
                let lines = Value::List(vec![value.clone()]).block();
                self.lines(list.end, column, &lines);
            }
            _ => return Err(Unsafe(list.start.line)),
        }
        Ok(())
    }

    /// The column of the dashes of the list under `key`: they begin the first line that is not blank or a comment. (The
    /// parser's place of a list that is not indented is behind its first dash.)
    fn dash(&self, key: &Node) -> Option<usize> {
        let behind: String = self.characters.iter().skip(key.end.index).collect();
        let mut lines =
            behind.lines().skip(1).map(|line| (line.len() - line.trim_start().len(), line.trim_start()));
        let (column, line) = lines.find(|(_, line)| !line.is_empty() && !line.starts_with('#'))?;
        line.starts_with('-').then_some(column)
    }

    /// Puts one more key behind a mapping's last.
    fn insert(&mut self, map: &Node, key: &'static str, value: Value) -> Result<(), Unsafe> {
        match &map.content {
            Content::Map { entries, flow: true } if !map.shared => {
                self.flow(map.end, entries.is_empty(), &format!("{key}: {}", value.flow()));
            }
            Content::Map { flow: false, .. } if !map.shared => {
                let lines = Value::Map(vec![(key, value)]).block();
                self.lines(map.end, map.start.column, &lines);
            }
            _ => return Err(Unsafe(map.start.line)),
        }
        Ok(())
    }

    /// Adds to the list under `key`, which may be missing or left out.
    pub(super) fn extend(&mut self, map: &Node, key: &'static str, items: Vec<Value>) -> Result<(), Unsafe> {
        let Content::Map { entries, flow } = &map.content else { return Err(Unsafe(map.start.line)) };
        match entries.iter().find(|(name, _)| name.text() == Some(key)) {
            None => self.insert(map, key, Value::List(items)),
            Some((name, value)) if value.is_left_out() && !flow => {
                self.lines(name.end, map.start.column, &Value::List(items).block());
                Ok(())
            }
            Some((name, list)) => items.iter().try_for_each(|value| self.push(name, list, value)),
        }
    }

    /// Whole lines behind the line of `end`.
    fn lines(&mut self, end: Place, column: usize, lines: &[String]) {
        let rest = self.characters.iter().skip(end.index);
        let line_end = end.index + rest.take_while(|c| !matches!(**c, '\n' | '\r')).count();
        let indent = format!("{}{}", self.newline, " ".repeat(column));
        let text = lines.iter().flat_map(|line| [indent.as_str(), line]).collect();
        self.insertions.push(Insertion { at: line_end, column, text });
    }

    /// Before the bracket that ends a collection in flow style.
    fn flow(&mut self, end: Place, first: bool, text: &str) {
        let at = end.index.saturating_sub(1);
        // Behind the last value rather than behind the blank before the bracket.
        let blank = self.characters.iter().take(at).rev().take_while(|c| c.is_whitespace()).count();
        let at = if first { at } else { at - blank };
        let alone = first && self.insertions.iter().all(|insertion| insertion.at != at);
        let comma = if alone { "" } else { ", " };
        self.insertions.push(Insertion { at, column: 0, text: format!("{comma}{text}") });
    }

    /// Whether there is nothing to put in.
    pub(super) fn is_empty(&self) -> bool {
        self.insertions.is_empty()
    }

    /// The text with everything put in.
    pub(super) fn apply(mut self) -> String {
        // Where several collections end together, the inner one's lines come first; a stable sort keeps the rest.
        self.insertions.sort_by_key(|insertion| (insertion.at, Reverse(insertion.column)));
        let mut characters = self.characters.iter();
        let mut taken = 0;
        let mut text = String::new();
        for Insertion { at, text: added, .. } in &self.insertions {
            text.extend(characters.by_ref().take(at - taken));
            taken = *at;
            text.push_str(added);
        }
        text.extend(characters);
        if !text.ends_with('\n') {
            text.push_str(self.newline);
        }
        text
    }
}

impl Value {
    /// As lines in block style.
    pub(super) fn block(&self) -> Vec<String> {
        match self {
            Self::Text(_) | Self::Number(_) => vec![self.flow()],
            Self::List(items) => {
                let item = |value: &Self| match value {
                    Self::Text(text) if text.contains('\n') => {
                        let lines = text.lines().map(|line| format!("  {line}"));
                        std::iter::once("- |-".to_owned()).chain(lines).collect::<Vec<_>>()
                    }
                    value => {
                        let lines = value.block().into_iter().enumerate();
                        lines
                            .map(|(at, line)| format!("{} {line}", if at == 0 { "-" } else { " " }))
                            .collect()
                    }
                };
                items.iter().flat_map(item).collect()
            }
            Self::Map(entries) => entries
                .iter()
                .flat_map(|(key, value)| match value {
                    Self::Text(_) | Self::Number(_) => vec![format!("{key}: {}", value.flow())],
                    value => std::iter::once(format!("{key}:")).chain(value.block()).collect(),
                })
                .collect(),
        }
    }

    /// On one line.
    fn flow(&self) -> String {
        match self {
            Self::Text(text) if is_plain(text) => text.clone(),
            // JSON's strings are YAML's.
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Number(number) => number.to_string(),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", "))
            }
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{key}: {}", value.flow()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Words and paths that nobody would quote.
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(inner)
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        )
}

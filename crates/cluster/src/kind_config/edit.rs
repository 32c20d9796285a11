//! Additions to a YAML text that leave every other character unchanged.

use std::cmp::Reverse;

use hythe_yaml::{Content, Entry, Node, Position};

/// A value to add.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Number(u16),
    List(Vec<Value>),
    Map(Vec<(&'static str, Value)>),
}

/// A text to insert at a place, counted in characters.
#[derive(Debug)]
struct Insertion {
    at: usize,
    /// The lines' indentation, and whether they are a list's items. Items count as deeper than keys of the same column,
    /// because lists need not be indented.
    depth: (usize, bool),
    text: String,
}

/// A text, with the insertions to make.
pub(super) struct Edit<'a> {
    characters: Vec<char>,
    newline: &'a str,
    /// Whether the text is JSON; then insertions are JSON too.
    json: bool,
    insertions: Vec<Insertion>,
}

/// The line of a place that must not be edited: it is an alias, has an anchor or a tag, or is not a collection.
pub(super) struct Unsafe(pub(super) usize);

/// Whether a change in a node may have an effect elsewhere, or be made elsewhere.
fn is_shared(node: &Node) -> bool {
    node.is_alias || node.is_marked
}

impl<'a> Edit<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let json = serde_json::from_str::<serde_json::Value>(text).is_ok();
        Self { characters: text.chars().collect(), newline, json, insertions: Vec::new() }
    }

    fn inline(&self, value: &Value) -> String {
        if self.json { value.json() } else { value.flow() }
    }

    /// Appends an item to the list under `key`.
    fn push(&mut self, key: &Node, list: &Node, value: &Value) -> Result<(), Unsafe> {
        match &*list.content {
            Content::List { items, flow: true } if !is_shared(list) => {
                self.flow(list.end, items.last(), &self.inline(value));
            }
            Content::List { flow: false, .. } if !is_shared(list) => {
                let column = self.dash(key).ok_or(Unsafe(list.start.line))?;
                let lines = Value::List(vec![value.clone()]).block();
                self.lines(list.end, (column, true), &lines);
            }
            _ => return Err(Unsafe(list.start.line)),
        }
        Ok(())
    }

    /// The column of the dashes in the list under `key`: that of the first line that is not blank or a comment. (For a
    /// list that is not indented, the parser gives the place after the first dash.)
    fn dash(&self, key: &Node) -> Option<usize> {
        let behind: String = self.characters.iter().skip(key.end.index).collect();
        let mut lines =
            behind.lines().skip(1).map(|line| (line.len() - line.trim_start().len(), line.trim_start()));
        let (column, line) = lines.find(|(_, line)| !line.is_empty() && !line.starts_with('#'))?;
        line.starts_with('-').then_some(column)
    }

    /// Appends a key to a mapping.
    pub(super) fn insert(&mut self, map: &Node, key: &'static str, value: Value) -> Result<(), Unsafe> {
        match &*map.content {
            Content::Map { entries, flow: true } if !is_shared(map) => {
                let name = self.inline(&Value::Text(key.to_owned()));
                let entry = format!("{name}: {}", self.inline(&value));
                self.flow(map.end, entries.last().map(|entry| &entry.value), &entry);
            }
            Content::Map { flow: false, .. } if !is_shared(map) => {
                let lines = Value::Map(vec![(key, value)]).block();
                self.lines(map.end, (map.start.column - 1, false), &lines);
            }
            _ => return Err(Unsafe(map.start.line)),
        }
        Ok(())
    }

    /// Appends items to the list under `key`. The key may be missing or have no value.
    pub(super) fn extend(&mut self, map: &Node, key: &'static str, items: Vec<Value>) -> Result<(), Unsafe> {
        let Content::Map { entries, flow } = &*map.content else { return Err(Unsafe(map.start.line)) };
        if map.is_alias {
            return Err(Unsafe(map.start.line));
        }
        match entries.iter().find(|entry| entry.key.raw() == Some(key)) {
            // The key comes from a merged mapping (`<<`); a key in this mapping would hide it.
            None if map.child(key).is_some() => Err(Unsafe(map.start.line)),
            None => self.insert(map, key, Value::List(items)),
            Some(Entry { key, value }) if value.is_left_out() && !flow => {
                self.lines(key.end, (map.start.column - 1, true), &Value::List(items).block());
                Ok(())
            }
            Some(Entry { key, value: list }) => {
                items.iter().try_for_each(|value| self.push(key, list, value))
            }
        }
    }

    /// Inserts whole lines after the line of `end`.
    fn lines(&mut self, end: Position, depth: (usize, bool), lines: &[String]) {
        let rest = self.characters.iter().skip(end.index);
        let line_end = end.index + rest.take_while(|c| !matches!(**c, '\n' | '\r')).count();
        let indent = format!("{}{}", self.newline, " ".repeat(depth.0));
        let text = lines.iter().flat_map(|line| [indent.as_str(), line]).collect();
        self.insertions.push(Insertion { at: line_end, depth, text });
    }

    /// Inserts a text after the last part of a collection in flow style, before a trailing comma, or before the closing
    /// bracket of an empty collection.
    fn flow(&mut self, end: Position, last: Option<&Node>, text: &str) {
        let at = last.map_or(end.index.saturating_sub(1), |last| last.end.index);
        let alone = last.is_none() && self.insertions.iter().all(|insertion| insertion.at != at);
        let comma = if alone { "" } else { ", " };
        self.insertions.push(Insertion { at, depth: (0, false), text: format!("{comma}{text}") });
    }

    /// Whether nothing is to be inserted.
    pub(super) fn is_empty(&self) -> bool {
        self.insertions.is_empty()
    }

    /// The text with all insertions.
    pub(super) fn apply(mut self) -> String {
        // If several collections end at the same place, the lines of the inner one come first. The sort is stable, so
        // the others keep their order.
        self.insertions.sort_by_key(|insertion| (insertion.at, Reverse(insertion.depth)));
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
    /// The value as lines in block style.
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
                    Self::List(_) => std::iter::once(format!("{key}:")).chain(value.block()).collect(),
                    Self::Map(_) => {
                        let lines = value.block().into_iter().map(|line| format!("  {line}"));
                        std::iter::once(format!("{key}:")).chain(lines).collect::<Vec<_>>()
                    }
                })
                .collect(),
        }
    }

    /// The value on one line, in flow style.
    fn flow(&self) -> String {
        match self {
            Self::Text(text) if is_plain(text) => text.clone(),
            // Each string of JSON is a string of YAML.
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

impl Value {
    /// The value as JSON.
    fn json(&self) -> String {
        match self {
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Number(number) => number.to_string(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::json).collect::<Vec<_>>().join(", ")),
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("\"{key}\": {}", value.json()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Whether a text is a word or path that needs no quotes.
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(inner)
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        )
}

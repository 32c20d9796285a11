//! YAML as a tree in which each part knows its place in the text.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

/// Levels of nesting allowed in a file. No cluster's configuration has as many; the limit protects the stack, because
/// the tree is walked recursively.
const MAX_DEPTH: usize = 64;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) start: Place,
    /// The place after the last character. For a collection in block style, the end of its last part.
    pub(super) end: Place,
    /// Whether it is an alias, or has an anchor or a tag: a change in it may have an effect elsewhere.
    pub(super) shared: bool,
}

/// A place in the text, counted in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) index: usize,
    /// From 1.
    pub(super) line: usize,
    /// From 0.
    pub(super) column: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar {
        text: String,
        plain: bool,
    },
    List {
        items: Vec<Node>,
        flow: bool,
    },
    Map {
        entries: Vec<(Node, Node)>,
        flow: bool,
    },
    /// An alias of this node, which may be read through the alias but not edited.
    Alias(Rc<Node>),
}

/// Why a text is not YAML, or not YAML that hythe edits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct NotYaml {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub text: String,
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        Self { index: marker.index(), line: marker.line(), column: marker.col() }
    }
}

impl Node {
    /// The value of a key in the mapping itself or in one that is merged in (`<<`).
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.own(name).or_else(|| {
            let merged = self.own("<<")?;
            merged.get(name).or_else(|| merged.items().iter().find_map(|base| base.get(name)))
        })
    }

    /// The value of a key that is written in the mapping itself.
    pub(super) fn own(&self, name: &str) -> Option<&Self> {
        match &self.content {
            Content::Map { entries, .. } => {
                entries.iter().find(|(key, _)| key.text() == Some(name)).map(|(_, value)| value)
            }
            Content::Alias(target) => target.own(name),
            Content::Scalar { .. } | Content::List { .. } => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            Content::Alias(target) => target.text(),
            Content::List { .. } | Content::Map { .. } => None,
        }
    }

    /// The items of a list. Empty for other nodes.
    pub(super) fn items(&self) -> &[Self] {
        match &self.content {
            Content::List { items, .. } => items,
            Content::Alias(target) => target.items(),
            Content::Scalar { .. } | Content::Map { .. } => &[],
        }
    }

    /// Whether the text has no value here, as after a key without a value.
    pub(super) fn is_left_out(&self) -> bool {
        matches!(&self.content, Content::Scalar { text, plain: true } if text.is_empty()) && !self.shared
    }

    /// Whether this node contains everything in `old`, in the same order.
    pub(super) fn contains(&self, old: &Self) -> bool {
        match (&self.content, &old.content) {
            _ if old.is_left_out() => true,
            (Content::Scalar { text: new, plain: a }, Content::Scalar { text: old, plain: b }) => {
                new == old && a == b
            }
            (Content::List { items: new, .. }, Content::List { items: old, .. }) => {
                new.len() >= old.len() && new.iter().zip(old).all(|(new, old)| new.contains(old))
            }
            (Content::Map { entries: new, .. }, Content::Map { entries: old, .. }) => {
                new.len() >= old.len()
                    && new.iter().zip(old).all(|(new, old)| new.0.contains(&old.0) && new.1.contains(&old.1))
            }
            (Content::Alias(_), Content::Alias(_)) => true,
            _ => false,
        }
    }
}

/// Parses a text and returns its documents, without empty ones.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, NotYaml> {
    let characters: Vec<char> = text.chars().collect();
    let mut open: Vec<Node> = Vec::new();
    let mut keys: Vec<Option<Node>> = Vec::new();
    let mut documents = Vec::new();
    let mut anchors: HashMap<usize, Rc<Node>> = HashMap::new();
    let mut anchored = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| NotYaml {
            line: error.marker().line(),
            text: format!("this is not YAML: {}", error.info()),
        })?;
        let (start, end) = (Place::from(span.start), Place::from(span.end));
        let refuse = |text: &str| Err(NotYaml { line: start.line, text: text.to_owned() });
        let starts_with = |c| characters.get(start.index) == Some(&c);
        let mut of = 0;
        let mut complete = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                of = anchor;
                let content = Content::Scalar { text: text.into_owned(), plain };
                Node {
                    content,
                    start,
                    end: trim(&characters, start, end),
                    shared: anchor != 0 || tag.is_some(),
                }
            }
            Event::Alias(anchor) => {
                let Some(target) = anchors.get(&anchor) else {
                    return refuse("this alias is inside the value that it refers to");
                };
                Node { content: Content::Alias(Rc::clone(target)), start, end, shared: true }
            }
            Event::SequenceStart(anchor, tag) => {
                anchored.push(anchor);
                let content = Content::List { items: Vec::new(), flow: starts_with('[') };
                open.push(Node { content, start, end, shared: anchor != 0 || tag.is_some() });
                keys.push(None);
                continue;
            }
            Event::MappingStart(anchor, tag) => {
                anchored.push(anchor);
                let content = Content::Map { entries: Vec::new(), flow: starts_with('{') };
                open.push(Node { content, start, end, shared: anchor != 0 || tag.is_some() });
                keys.push(None);
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                keys.pop();
                of = anchored.pop().unwrap_or_default();
                let Some(mut node) = open.pop() else {
                    return refuse("a collection ends without a beginning");
                };
                // For a collection in flow style this is the place after the bracket; for one in block style the end is
                // set below.
                node.end = Place { index: start.index + 1, column: start.column + 1, ..start };
                node
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => continue,
        };
        if open.len() > MAX_DEPTH {
            return refuse("this is nested too deeply for a cluster's configuration");
        }
        match &complete.content {
            Content::List { items, flow: false } => {
                complete.end = items.last().map_or(complete.end, |last| last.end);
            }
            Content::Map { entries, flow: false } => {
                complete.end = entries.last().map_or(complete.end, |(key, value)| {
                    // The parser gives a missing value the place of the next token.
                    if value.is_left_out() { key.end } else { value.end }
                });
            }
            Content::Scalar { .. } | Content::List { .. } | Content::Map { .. } | Content::Alias(_) => {}
        }
        if of != 0 {
            anchors.insert(of, Rc::new(complete.clone()));
        }
        let Some(parent) = open.last_mut() else {
            if !complete.is_left_out() {
                documents.push(complete);
            }
            continue;
        };
        match (&mut parent.content, keys.last_mut()) {
            (Content::List { items, .. }, _) => items.push(complete),
            (Content::Map { entries, .. }, Some(key)) => match key.take() {
                None => *key = Some(complete),
                Some(name)
                    if entries.iter().any(|(key, _)| key.text().is_some() && key.text() == name.text()) =>
                {
                    return refuse(&format!("the key `{}` appears twice", name.text().unwrap_or_default()));
                }
                Some(name) => entries.push((name, complete)),
            },
            _ => return refuse("a value is not allowed here"),
        }
    }
    Ok(documents)
}

/// The end of a scalar without trailing blanks. The parser ends a block scalar at the next token; its real end is that
/// of its last line that is not blank.
fn trim(characters: &[char], start: Place, end: Place) -> Place {
    let text = characters.get(start.index..end.index).unwrap_or_default();
    let blank = text.iter().rev().take_while(|c| c.is_whitespace()).count();
    let index = end.index - blank;
    let breaks = text.iter().rev().take(blank).filter(|c| **c == '\n').count();
    let line_start = characters.iter().take(index).rposition(|c| *c == '\n').map_or(0, |at| at + 1);
    Place { index, line: end.line - breaks, column: index - line_start }
}

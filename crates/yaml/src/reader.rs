//! Builds the tree from the parser's events.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::node::{Content, Entry, Node, Scalar};
use super::position::{Position, YamlError};

/// Which keys a mapping may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// Any key, also the same one again, as in a template whose conditions are not evaluated.
    Repeated,
    /// Each key once.
    Unique,
    /// Each key once, and two keys that differ in upper and lower case count as the same.
    UniqueInAnyCase,
}

/// Gives the text to use in the place of a scalar's text. The second argument is the suffix of the scalar's tag.
pub type Rewrite<'a> = &'a dyn Fn(&str, Option<&str>) -> String;

/// How a text is read, and what it may cost.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// Levels of values at most. An alias has as many levels as its anchor's value. The limit protects the stack of a
    /// caller that walks the tree recursively.
    pub max_depth: usize,
    /// Values at most, an alias counted as often as it repeats a value: aliases of aliases can multiply values at each
    /// step. Only a caller that copies the values of aliases needs a limit.
    pub max_size: usize,
    /// Which keys a mapping may have.
    pub keys: Keys,
    /// The number of the text's first line in its file.
    pub first_line: usize,
    /// Changes the text of each scalar.
    pub rewrite: Option<Rewrite<'a>>,
}

impl Reader<'_> {
    /// A reader of files that people write by hand: the text's first line is 1, each key may occur once.
    pub fn new(max_depth: usize) -> Self {
        Self { max_depth, max_size: usize::MAX, keys: Keys::Unique, first_line: 1, rewrite: None }
    }

    /// Reads all documents of a text. A document without content is a scalar that is left out.
    pub fn read(&self, text: &str) -> Result<Vec<Node>, YamlError> {
        let cursor = Cursor { text, index: 0, byte: 0 };
        let mut builder = Builder {
            reader: self,
            cursor,
            open: Vec::new(),
            anchors: HashMap::new(),
            size: 0,
            documents: Vec::new(),
        };
        for event in Parser::new_from_str(text) {
            let (event, span) = event.map_err(|error| YamlError {
                position: self.position((*error.marker()).into()),
                reason: format!("this is not YAML: {}", error.info()),
            })?;
            builder.take(event, span)?;
        }
        Ok(builder.documents)
    }

    /// Checks that a mapping may have this key beside those with these names.
    fn key(&self, key: Node, names: &mut HashSet<String>) -> Result<Node, YamlError> {
        let name = key.raw().and_then(|name| match self.keys {
            Keys::Repeated => None,
            Keys::Unique => Some(name.to_owned()),
            Keys::UniqueInAnyCase => Some(name.to_ascii_lowercase()),
        });
        match name {
            Some(name) if names.contains(&name) => wrong(key.start, format!("`{name}` appears twice")),
            name => {
                names.extend(name);
                Ok(key)
            }
        }
    }

    fn position(&self, position: Position) -> Position {
        Position { line: position.line + self.first_line - 1, ..position }
    }
}

/// A collection whose end the parser has not reached.
struct Open {
    content: Content,
    start: Position,
    is_marked: bool,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<Node>,
    /// The texts of the keys, if no key may occur twice.
    names: HashSet<String>,
    height: usize,
    size: usize,
}

struct Builder<'a> {
    reader: &'a Reader<'a>,
    cursor: Cursor<'a>,
    open: Vec<Open>,
    /// The nodes with anchors. Aliases share their content: copies would grow exponentially.
    anchors: HashMap<usize, Node>,
    /// The size of the complete documents.
    size: usize,
    documents: Vec<Node>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let (start, end) = (self.reader.position(span.start.into()), self.reader.position(span.end.into()));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let suffix = tag.as_ref().map(|tag| tag.suffix.as_str());
                let text = match self.reader.rewrite {
                    Some(rewrite) => rewrite(&text, suffix),
                    None => text.into_owned(),
                };
                let scalar = Scalar { text, line: start.line, plain: style == ScalarStyle::Plain };
                let node = Node {
                    content: Rc::new(Content::Scalar(scalar)),
                    start,
                    end: self.cursor.trim(start, end),
                    is_alias: false,
                    is_marked: anchor != 0 || tag.is_some(),
                    height: 1,
                    size: 1,
                };
                self.close(node, anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(target) => {
                    let node = Node { start, end, is_alias: true, is_marked: false, ..target.clone() };
                    self.close(node, 0)
                }
                None => wrong(start, "this alias is inside the value that it names"),
            },
            Event::SequenceStart(anchor, tag) => {
                let content = Content::List { items: Vec::new(), flow: false };
                self.begin(content, start, anchor, tag.is_some())
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), flow: false };
                self.begin(content, start, anchor, tag.is_some())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    // Only a collection in flow style has a character that ends it.
                    let bracket = Position { index: start.index + 1, column: start.column + 1, ..start };
                    let anchor = open.anchor;
                    self.close(open.complete((!span.is_empty()).then_some(bracket), start), anchor)
                }
                None => wrong(start, "a collection ends that did not begin"),
            },
            Event::DocumentStart(_) => {
                self.anchors.clear();
                Ok(())
            }
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => Ok(()),
        }
    }

    fn begin(
        &mut self,
        content: Content,
        start: Position,
        anchor: usize,
        has_tag: bool,
    ) -> Result<(), YamlError> {
        self.check_depth(start, 1)?;
        self.open.push(Open {
            content,
            start,
            is_marked: anchor != 0 || has_tag,
            anchor,
            key: None,
            names: HashSet::new(),
            height: 1,
            size: 1,
        });
        Ok(())
    }

    fn check_depth(&self, at: Position, height: usize) -> Result<(), YamlError> {
        let limit = self.reader.max_depth;
        if self.open.len() + height > limit {
            return wrong(at, format!("this nests deeper than {limit} levels"));
        }
        Ok(())
    }

    /// Adds a complete node to the innermost open collection.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), YamlError> {
        self.check_depth(node.start, node.height)?;
        let open: usize = self.open.iter().map(|open| open.size).sum();
        if self.size.saturating_add(open).saturating_add(node.size) > self.reader.max_size {
            return wrong(node.start, format!("this has more than {} values", self.reader.max_size));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.size = self.size.saturating_add(node.size);
            self.documents.push(node);
            return Ok(());
        };
        open.height = open.height.max(1 + node.height);
        open.size = open.size.saturating_add(node.size);
        match &mut open.content {
            Content::List { items, .. } => items.push(node),
            Content::Map { entries, .. } => {
                if let Some(key) = open.key.take() {
                    entries.push(Entry { key, value: node });
                } else {
                    open.key = Some(self.reader.key(node, &mut open.names)?);
                }
            }
            Content::Scalar(_) => {}
        }
        Ok(())
    }
}

impl Open {
    /// Makes the node of a collection that has ended. `bracket` is the position after its closing bracket; `None` in block
    /// style. A block collection ends with its last child, or at `end` if it is empty.
    fn complete(mut self, bracket: Option<Position>, end: Position) -> Node {
        let is_flow = bracket.is_some();
        let last = match &mut self.content {
            Content::List { items, flow } => {
                *flow = is_flow;
                items.last().map(|last| last.end)
            }
            Content::Map { entries, flow } => {
                *flow = is_flow;
                // The parser gives a missing value the position of the next token.
                entries
                    .last()
                    .map(|Entry { key, value }| if value.is_left_out() { key.end } else { value.end })
            }
            Content::Scalar(_) => None,
        };
        Node {
            content: Rc::new(self.content),
            start: self.start,
            end: bracket.or(last).unwrap_or(end),
            is_alias: false,
            is_marked: self.is_marked,
            height: self.height,
            size: self.size,
        }
    }
}

fn wrong<T>(position: Position, reason: impl Into<String>) -> Result<T, YamlError> {
    Err(YamlError { position, reason: reason.into() })
}

/// Finds characters of the text by their numbers. Positions of scalars only grow, so the text is counted once.
struct Cursor<'a> {
    text: &'a str,
    index: usize,
    byte: usize,
}

impl Cursor<'_> {
    /// The end of a scalar without trailing blanks: the parser ends a block scalar at the next token, and its real end is
    /// that of its last line that is not blank.
    fn trim(&mut self, start: Position, end: Position) -> Position {
        if end.index < self.index {
            (self.index, self.byte) = (0, 0);
        }
        let rest = &self.text[self.byte..];
        let step = rest.char_indices().nth(end.index - self.index).map_or(rest.len(), |(at, _)| at);
        (self.index, self.byte) = (end.index, self.byte + step);
        let before = &self.text[..self.byte];
        let length = end.index.saturating_sub(start.index);
        let blanks: Vec<char> = before.chars().rev().take(length).take_while(|c| c.is_whitespace()).collect();
        if blanks.is_empty() {
            return end;
        }
        let index = end.index - blanks.len();
        let breaks = blanks.iter().filter(|c| **c == '\n').count();
        let column = if breaks == 0 {
            end.column - blanks.len()
        } else {
            let rest = before.trim_end_matches(char::is_whitespace);
            rest.chars().rev().take_while(|c| *c != '\n').count() + 1
        };
        Position { index, line: end.line - breaks, column }
    }
}

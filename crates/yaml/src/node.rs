//! The tree: values, with their positions.

use std::rc::Rc;

use super::position::Position;

/// A value and its position. An alias is a node of its own that shares the content of its anchor's node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub content: Rc<Content>,
    /// The position of the first character; of a block scalar, the first character of its text.
    pub start: Position,
    /// The position after the last character. For a collection in block style, the end of its last part.
    pub end: Position,
    /// Whether the node is an alias.
    pub is_alias: bool,
    /// Whether the node has an anchor or a tag. A change in it may have an effect elsewhere.
    pub is_marked: bool,
    /// Levels of nodes, with this one.
    pub(crate) height: usize,
    /// The number of nodes with all nodes below, an alias counted as its anchor's node.
    pub(crate) size: usize,
}

/// A value.
#[derive(Debug)]
pub enum Content {
    /// A text, a number, a boolean or null.
    Scalar(Scalar),
    /// A list.
    List {
        /// The items.
        items: Vec<Node>,
        /// Whether the list is in flow style, with brackets.
        flow: bool,
    },
    /// A mapping.
    Map {
        /// The keys with their values, in the order of the text.
        entries: Vec<Entry>,
        /// Whether the mapping is in flow style, with braces.
        flow: bool,
    },
}

/// A text, a number, a boolean or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text without quotes.
    pub text: String,
    /// The line on which the scalar begins, from 1.
    pub line: usize,
    /// Whether the scalar has no quotes and is no block: then `true` is a boolean, not a text.
    pub plain: bool,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Node,
    /// The value.
    pub value: Node,
}

impl Scalar {
    /// Whether the scalar is null (YAML 1.2, 10.3.2), which a key without a value is too.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The value as written, also a number's digits; `None` for null and for an empty text.
    pub fn value(&self) -> Option<&str> {
        (!self.is_null() && !self.text.is_empty()).then_some(&self.text)
    }

    /// The value if it is a text: not a number and not a boolean (YAML 1.2, 10.3.2).
    pub fn word(&self) -> Option<&str> {
        let other = matches!(self.text.as_str(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
            || self.text.parse::<f64>().is_ok();
        self.value().filter(|_| !(self.plain && other))
    }
}

impl Entry {
    /// The key's text; an empty text for a key that is a collection.
    pub fn name(&self) -> &str {
        self.key.raw().unwrap_or_default()
    }
}

impl Node {
    /// The value of a key in the mapping itself, or else in a mapping that is merged in (`<<`).
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.own(name).or_else(|| {
            let merged = self.own("<<")?;
            merged.items().iter().find_map(|base| base.child(name)).or_else(|| merged.child(name))
        })
    }

    /// The value of a key that is written in the mapping itself. Of several equal keys the first one counts.
    pub fn own(&self, name: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key.raw() == Some(name)).map(|entry| &entry.value)
    }

    /// The entries of a mapping; none of anything else.
    pub fn entries(&self) -> &[Entry] {
        match &*self.content {
            Content::Map { entries, .. } => entries,
            Content::Scalar(_) | Content::List { .. } => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Self] {
        match &*self.content {
            Content::List { items, .. } => items,
            Content::Scalar(_) | Content::Map { .. } => &[],
        }
    }

    /// The scalar, if the node is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &*self.content {
            Content::Scalar(scalar) => Some(scalar),
            Content::List { .. } | Content::Map { .. } => None,
        }
    }

    /// The text of a scalar, whatever its type.
    pub fn raw(&self) -> Option<&str> {
        Some(&self.scalar()?.text)
    }

    /// The text of a key's value, unless that is null or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.child(name)?.scalar()?.value()
    }

    /// Whether the node is a mapping.
    pub fn is_map(&self) -> bool {
        matches!(&*self.content, Content::Map { .. })
    }

    /// Whether the text has no value here, as after a key without a value.
    pub fn is_left_out(&self) -> bool {
        let is_empty = self.scalar().is_some_and(|scalar| scalar.plain && scalar.text.is_empty());
        is_empty && !self.is_alias && !self.is_marked
    }
}

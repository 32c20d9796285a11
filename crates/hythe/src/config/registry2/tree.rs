//! A YAML tree in which each node knows its origin: a line of the file or a variable.

use std::path::PathBuf;

use super::super::source::ValueSource;

/// The origin of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line and a column of the file, both from 1.
    File(usize, usize),
    /// A variable.
    Variable(String),
}

/// One node of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(super) content: Content,
    pub(super) origin: Origin,
    /// Whether the node is a scalar in quotes, which YAML always reads as a text.
    pub(super) quoted: bool,
}

/// The content of a node.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping, in lower case, with its node.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(super) name: String,
    pub(super) origin: Origin,
    pub(super) node: Node,
}

/// The whole tree, with its file if there is one.
pub(crate) struct Tree {
    pub(super) path: Option<PathBuf>,
    pub(super) root: Node,
}

impl Tree {
    /// An empty tree without a file, for variables alone.
    pub(in crate::config) fn new() -> Self {
        let origin = Origin::Variable("REGISTRY_*".to_owned());
        Self { path: None, root: Node::new(Content::Map(Vec::new()), origin) }
    }

    /// The source that corresponds to an origin.
    pub(super) fn source(&self, origin: &Origin) -> ValueSource {
        match (origin, &self.path) {
            (Origin::File(line, column), Some(path)) => {
                ValueSource::Registry2 { path: path.clone(), line: *line, column: *column }
            }
            (Origin::Variable(name), _) => ValueSource::Registry2Variable(name.clone()),
            // Unreachable: a tree without a file has no node with this origin.
            (Origin::File(..), None) => ValueSource::Default,
        }
    }
}

impl Node {
    pub(super) fn new(content: Content, origin: Origin) -> Self {
        Self { content, origin, quoted: false }
    }

    /// The node of a key.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|entry| entry.name == name).map(|entry| &entry.node),
            Content::Null | Content::Scalar(_) | Content::List(_) => None,
        }
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text) => Some(text),
            Content::Null | Content::List(_) | Content::Map(_) => None,
        }
    }

    pub(super) fn is_map_or_null(&self) -> bool {
        matches!(self.content, Content::Map(_) | Content::Null)
    }

    /// Whether the node is empty.
    pub(super) fn is_empty(&self) -> bool {
        match &self.content {
            Content::Null => true,
            Content::Scalar(text) => text.is_empty(),
            Content::List(items) => items.is_empty(),
            Content::Map(entries) => entries.is_empty(),
        }
    }

    /// Whether every value in the node is empty or `false`. Charts and Compose files write unused features this way.
    pub(super) fn says_nothing(&self) -> bool {
        match &self.content {
            Content::Null => true,
            Content::Scalar(text) => text.is_empty() || text == "false",
            Content::List(items) => items.iter().all(Self::says_nothing),
            Content::Map(entries) => entries.iter().all(|entry| entry.node.says_nothing()),
        }
    }

    /// Turns a name into a mapping: `storage: inmemory` is short for `storage: {inmemory: {}}`.
    pub(super) fn name_becomes_map(&mut self) {
        if let Content::Scalar(name) = &self.content {
            let mut entries = Vec::new();
            if !name.is_empty() {
                let node = Self::new(Content::Map(Vec::new()), self.origin.clone());
                entries.push(Entry { name: name.to_ascii_lowercase(), origin: self.origin.clone(), node });
            }
            self.content = Content::Map(entries);
        }
    }

    /// Sets the origin of this node and of all nodes below it, to a variable.
    pub(super) fn said_by(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.content {
            Content::Null | Content::Scalar(_) => {}
            Content::List(items) => items.iter_mut().for_each(|item| item.said_by(origin)),
            Content::Map(entries) => {
                for entry in entries {
                    entry.origin = origin.clone();
                    entry.node.said_by(origin);
                }
            }
        }
    }
}

//! YAML as a tree whose scalars know their lines.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::template::Templates;

/// Levels of collections at most: more than any manifest has. The limit keeps the recursive walk from overflowing the
/// stack.
const MAX_DEPTH: usize = 100;

/// A value.
#[derive(Debug)]
pub(super) enum Node {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    /// A mapping. A key that is not a scalar becomes an empty text.
    Map(Vec<Entry>),
}

/// A text, a number, a boolean or null.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) line: usize,
    /// Whether it has no quotes: then `true` is a boolean, not a text.
    plain: bool,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The key's line.
    pub(super) line: usize,
    pub(super) value: Rc<Node>,
}

impl Scalar {
    /// The value as written, also a number's digits; `None` for null and for an empty text.
    pub(super) fn value(&self) -> Option<&str> {
        let none = self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL");
        (!none && !self.text.is_empty()).then_some(&self.text)
    }

    /// The value if it is a text: not a number and not a boolean (YAML 1.2, core schema).
    pub(super) fn word(&self) -> Option<&str> {
        let other = matches!(self.text.as_str(), "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
            || self.text.parse::<f64>().is_ok();
        self.value().filter(|_| !(self.plain && other))
    }
}

impl Node {
    /// The value of a key, also of a key that is merged in (`<<`).
    pub(super) fn child(&self, name: &str) -> Option<&Rc<Self>> {
        let own = self.entries().iter().find(|entry| entry.key == name).map(|entry| &entry.value);
        own.or_else(|| {
            let merged = self.entries().iter().find(|entry| entry.key == "<<").map(|entry| &entry.value)?;
            match &**merged {
                Self::List(bases) => bases.iter().find_map(|base| base.child(name)),
                base => base.child(name),
            }
        })
    }

    /// The entries of a mapping; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match self {
            Self::Map(entries) => entries,
            Self::Scalar(_) | Self::List(_) => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Rc<Self>] {
        match self {
            Self::List(items) => items,
            Self::Scalar(_) | Self::Map(_) => &[],
        }
    }

    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The text of a key's value.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.child(name)?.scalar()?.value()
    }

    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_))
    }
}

/// Every document of a text whose first line is `first` of its file. The error has the line, and why the text is not
/// YAML.
pub(super) fn parse(
    text: &str,
    first: usize,
    templates: &Templates,
) -> Result<Vec<Rc<Node>>, (usize, String)> {
    let mut builder = Builder { templates, open: Vec::new(), anchors: HashMap::new(), documents: Vec::new() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            (first + error.marker().line().max(1) - 1, format!("this is not YAML: {}", error.info()))
        })?;
        let line = first + span.start.line().max(1) - 1;
        builder.take(event, line).map_err(|reason| (line, reason.to_owned()))?;
    }
    Ok(builder.documents)
}

/// A collection whose end the parser has not reached.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<(String, usize)>,
}

struct Builder<'a> {
    templates: &'a Templates,
    open: Vec<Open>,
    /// Nodes by anchor, shared and not copied: aliases of aliases would otherwise grow exponentially.
    anchors: HashMap<usize, Rc<Node>>,
    documents: Vec<Rc<Node>>,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), &'static str> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // Compose's tag `!reset` removes the value of an earlier file.
                let reset = tag.is_some_and(|tag| tag.suffix == "reset");
                let text = if reset { String::new() } else { self.templates.show(&text) };
                let scalar = Scalar { text, line, plain: style == ScalarStyle::Plain };
                self.close(Node::Scalar(scalar).into(), anchor, line);
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                self.close(node.ok_or("an alias is inside the node that it names")?, 0, line);
            }
            Event::SequenceStart(anchor, _) => self.begin(Node::List(Vec::new()), anchor)?,
            Event::MappingStart(anchor, _) => self.begin(Node::Map(Vec::new()), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().ok_or("the end of a collection has no start")?;
                self.close(open.node.into(), open.anchor, line);
            }
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(())
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Result<(), &'static str> {
        if self.open.len() >= MAX_DEPTH {
            return Err("collections are nested too deeply");
        }
        self.open.push(Open { node, anchor, key: None });
        Ok(())
    }

    /// Adds a complete node to the innermost open collection.
    fn close(&mut self, node: Rc<Node>, anchor: usize, line: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return;
        };
        match &mut open.node {
            Node::List(items) => items.push(node),
            Node::Map(entries) => {
                if let Some((key, line)) = open.key.take() {
                    entries.push(Entry { key, line, value: node });
                } else {
                    let key = node.scalar().map(|scalar| scalar.text.clone()).unwrap_or_default();
                    open.key = Some((key, line));
                }
            }
            Node::Scalar(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Rc<Node>>, (usize, String)> {
        parse(text, 1, &Templates::default())
    }

    #[test]
    fn documents_aliases_and_merges_are_read() {
        let documents = parsed("a: &x {b: c}\nd: *x\n---\ne:\n  <<: [{f: g}, {h: i}]\n  j: k\n").unwrap();
        let text = |node: Option<&Rc<Node>>| {
            let scalar = node.and_then(|node| node.scalar())?;
            Some((scalar.text.clone(), scalar.line))
        };
        assert_eq!(text(documents[0].child("d").unwrap().child("b")), Some(("c".to_owned(), 1)));
        assert_eq!(text(documents[1].child("e").unwrap().child("h")), Some(("i".to_owned(), 5)));
    }

    #[test]
    fn numbers_are_values_but_not_words() {
        let documents = parsed("{a: 1.20, b: '1.20', c: ~, d: true, e: x}").unwrap();
        let both = |key| {
            let scalar = documents[0].child(key).unwrap().scalar().unwrap();
            (scalar.value().map(str::to_owned), scalar.word().map(str::to_owned))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(both("a"), (some("1.20"), None));
        assert_eq!(both("b"), (some("1.20"), some("1.20")));
        assert_eq!(both("c"), (None, None));
        assert_eq!(both("d"), (some("true"), None));
        assert_eq!(both("e"), (some("x"), some("x")));
    }

    #[test]
    fn endless_and_broken_texts_are_refused() {
        for text in [&"[".repeat(100_000), "a: [", "a: &x [*x]", "%"] {
            assert!(parsed(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }
}

//! YAML as a tree, as far as names of images are found in it.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Deeper than any manifest; the tree is walked recursively.
const MAX_DEPTH: usize = 100;

/// A value.
#[derive(Debug)]
pub(super) enum Node {
    /// Nothing, a number, or a truth value: no name of anything.
    Other,
    /// A text, and the line that it is in.
    Text(String, usize),
    /// A list.
    List(Vec<Rc<Node>>),
    /// A mapping; what is keyed by more than a word has no place in it.
    Map(Vec<(String, Rc<Node>)>),
}

impl Node {
    /// The value of a key, also where it is merged in (`<<`).
    pub(super) fn child(&self, name: &str) -> Option<&Rc<Node>> {
        let Self::Map(entries) = self else { return None };
        let own = entries.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        own.or_else(|| {
            let merged = entries.iter().find(|(key, _)| key == "<<").map(|(_, value)| value)?;
            match &**merged {
                Self::List(bases) => bases.iter().find_map(|base| base.child(name)),
                base => base.child(name),
            }
        })
    }
}

/// Every document of a text, or why it is not YAML.
pub(super) fn parse(text: &str) -> Result<Vec<Rc<Node>>, String> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event
            .map_err(|error| format!("line {}: this is not YAML: {}", error.marker().line(), error.info()))?;
        let line = span.start.line();
        builder.take(event, line).map_err(|reason| format!("line {line}: {reason}"))?;
    }
    Ok(builder.documents)
}

/// A collection whose end has not come.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<String>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// Shared, so that aliases of aliases cost nothing.
    anchors: HashMap<usize, Rc<Node>>,
    documents: Vec<Rc<Node>>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), &'static str> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let text = text.into_owned();
                let node = match style {
                    ScalarStyle::Plain if is_other(&text) => Node::Other,
                    _ => Node::Text(text, line),
                };
                self.close(node.into(), anchor);
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                self.close(node.ok_or("this alias stands inside what it names")?, 0);
            }
            Event::SequenceStart(anchor, _) => self.begin(Node::List(Vec::new()), anchor)?,
            Event::MappingStart(anchor, _) => self.begin(Node::Map(Vec::new()), anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop().ok_or("a collection ends that did not begin")?;
                self.close(open.node.into(), open.anchor);
            }
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::DocumentEnd | Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
        Ok(())
    }

    fn begin(&mut self, node: Node, anchor: usize) -> Result<(), &'static str> {
        if self.open.len() >= MAX_DEPTH {
            return Err("this nests deeper than any manifest");
        }
        self.open.push(Open { node, anchor, key: None });
        Ok(())
    }

    /// A node is complete: it belongs to the innermost open collection.
    fn close(&mut self, node: Rc<Node>, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return;
        };
        match &mut open.node {
            Node::List(items) => items.push(node),
            Node::Map(entries) => match (open.key.take(), &*node) {
                (Some(key), _) => entries.push((key, node)),
                (None, Node::Text(key, _)) => open.key = Some(key.clone()),
                (None, _) => open.key = Some(String::new()),
            },
            Node::Other | Node::Text(..) => {}
        }
    }
}

/// Whether a plain scalar is something else than a text (YAML 1.2, core schema).
fn is_other(text: &str) -> bool {
    matches!(
        text,
        "" | "~" | "null" | "Null" | "NULL" | "true" | "True" | "TRUE" | "false" | "False" | "FALSE"
    ) || text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_aliases_and_merges_are_read() {
        let documents = parse("a: &x {b: c}\nd: *x\n---\ne:\n  <<: [{f: g}, {h: i}]\n  j: k\n").unwrap();
        let text = |node: Option<&Rc<Node>>| match node.map(|node| &**node) {
            Some(Node::Text(text, line)) => Some((text.clone(), *line)),
            _ => None,
        };
        assert_eq!(text(documents[0].child("d").unwrap().child("b")), Some(("c".to_owned(), 1)));
        assert_eq!(text(documents[1].child("e").unwrap().child("h")), Some(("i".to_owned(), 5)));
    }

    #[test]
    fn what_is_endless_or_broken_is_refused() {
        for text in [&"[".repeat(100_000), "a: [", "a: &x [*x]", "%"] {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }
}

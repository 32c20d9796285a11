//! Parses YAML into a tree with positions.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::tree::{Content, Entry, Node, Origin};

/// The maximum depth of nesting: more than any configuration has. The limit bounds recursion on the tree.
const MAX_DEPTH: usize = 32;
/// The maximum number of nodes: more than any configuration has. Aliases of aliases can multiply nodes at each step.
const MAX_NODES: usize = 20_000;

/// Why hythe cannot read a text as a YAML document.
#[derive(Debug)]
pub(super) struct YamlError {
    /// Line and column, from 1.
    pub(super) position: (usize, usize),
    pub(super) text: String,
}

/// Parses one document. An empty text is null.
pub(super) fn parse(text: &str) -> Result<Node, YamlError> {
    let mut builder = Builder { open: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| YamlError {
            position: (error.marker().line(), error.marker().col() + 1),
            text: format!("this is not YAML: {}", error.info()),
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.root.unwrap_or(Node::new(Content::Null, Origin::File(1, 1))))
}

/// A collection whose end was not parsed yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<(String, Origin)>,
}

struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let position = (span.start.line(), span.start.col() + 1);
        let origin = Origin::File(position.0, position.1);
        let wrong = |text: &str| Err(YamlError { position, text: text.to_owned() });
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let null =
                    style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let content = if null { Content::Null } else { Content::Scalar(text.into_owned()) };
                let quoted = style != ScalarStyle::Plain;
                self.close(Node { content, origin, quoted }, anchor, position)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.close(node, 0, position),
                None => wrong("this alias is inside the value that it names"),
            },
            Event::SequenceStart(anchor, _) => {
                self.begin(Content::List(Vec::new()), origin, anchor, position)
            }
            Event::MappingStart(anchor, _) => self.begin(Content::Map(Vec::new()), origin, anchor, position),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.close(open.node, open.anchor, position),
                None => wrong("a collection ends that did not begin"),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                wrong("a second document begins; a configuration must be one document")
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::StreamStart
            | Event::StreamEnd
            | Event::Nothing => Ok(()),
        }
    }

    fn begin(
        &mut self,
        content: Content,
        origin: Origin,
        anchor: usize,
        position: (usize, usize),
    ) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlError { position, text: format!("this nests deeper than {MAX_DEPTH} levels") });
        }
        self.open.push(Open { node: Node::new(content, origin), anchor, key: None });
        Ok(())
    }

    /// Adds a complete node to the innermost open collection.
    fn close(&mut self, node: Node, anchor: usize, position: (usize, usize)) -> Result<(), YamlError> {
        let wrong = |text: String| Err(YamlError { position, text });
        self.nodes += node.size();
        if self.nodes > MAX_NODES {
            return wrong("this has too many values for a configuration".to_owned());
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.content {
            Content::List(items) => items.push(node),
            Content::Map(entries) => {
                if let Some((name, origin)) = open.key.take() {
                    entries.push(Entry { name, origin, node });
                    return Ok(());
                }
                let Content::Scalar(name) = node.content else {
                    return wrong("a key must be a word".to_owned());
                };
                // Ignoring a merge key would lose its content, which may be `auth`.
                if name == "<<" {
                    return wrong("hythe does not support merge keys (`<<`): write the keys out".to_owned());
                }
                let name = name.to_ascii_lowercase();
                if entries.iter().any(|entry| entry.name == name) {
                    return wrong(format!("`{name}` appears twice"));
                }
                open.key = Some((name, node.origin));
            }
            Content::Null | Content::Scalar(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_knows_its_line_and_column_from_one() {
        let root = parse("version: 0.1\nhttp:\n  addr: :5000\n").unwrap();
        let addr = root.child("http").and_then(|http| http.child("addr")).unwrap();
        assert_eq!((addr.text(), &addr.origin), (Some(":5000"), &Origin::File(3, 9)));
    }

    #[test]
    fn yaml_that_hides_or_multiplies_keys_is_an_error() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (before, name) in ('a'..='g').zip('b'..='h') {
            let aliases = vec![format!("*{before}"); 10].join(", ");
            bomb.extend([format!("{name}: &{name} [{aliases}]\n")]);
        }
        for text in
            ["a: 1\na: 2", "<<: {a: 1}", "a: 1\n---\nb: 2", "? [x]\n: y", "a: [", &"[".repeat(100_000), &bomb]
        {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn an_alias_has_the_content_of_its_anchor() {
        let root = parse("a: &x {b: c}\nd: *x").unwrap();
        assert_eq!(root.child("d").and_then(|d| d.child("b")).and_then(Node::text), Some("c"));
    }
}

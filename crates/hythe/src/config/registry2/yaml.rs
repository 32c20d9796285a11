//! Reads a `registry:2` configuration's YAML into a tree with origins.

use std::path::Path;

use hythe_yaml::{Content as Yaml, Keys, Position, Reader, YamlError};

use super::super::error::Problem;
use super::super::source::ValueSource;
use super::tree::{Content, Entry, Node, Origin, Tree};

/// The maximum depth of nesting: more than any configuration has. The limit bounds recursion on the tree.
const MAX_DEPTH: usize = 32;
/// The maximum number of values: more than any configuration has. The tree has a copy of each value for each alias.
const MAX_VALUES: usize = 20_000;

/// Parses one document. An empty text is null.
pub(super) fn parse(text: &str) -> Result<Node, YamlError> {
    let limits = Reader { max_size: MAX_VALUES, keys: Keys::UniqueInAnyCase, ..Reader::new(MAX_DEPTH) };
    let documents = limits.read(text)?;
    match documents.as_slice() {
        [] => Ok(Node::new(Content::Null, Origin::File(1, 1))),
        [document] => node(document),
        [_, second, ..] => {
            wrong(second.start, "a second document begins; a configuration must be one document")
        }
    }
}

/// The tree of a file.
pub(in crate::config) fn parse_file(path: &Path, text: &str) -> Result<Tree, Problem> {
    let place = |(line, column)| ValueSource::file(path, (line, column)).place();
    let root = parse(text)
        .map_err(|error| Problem::new(place((error.position.line, error.position.column)), error.reason))?;
    match root.content {
        Content::Map(_) => Ok(Tree { path: Some(path.to_owned()), root }),
        Content::Null | Content::Scalar(_) | Content::List(_) => {
            let text =
                "this is not a registry:2 configuration: it is not a mapping that begins with `version: 0.1`";
            Err(Problem::new(place((1, 1)), text))
        }
    }
}

/// The node for a value, with its keys in lower case, as `registry:2` compares them.
fn node(value: &hythe_yaml::Node) -> Result<Node, YamlError> {
    let (content, quoted) = match &*value.content {
        Yaml::Scalar(scalar) if scalar.is_null() => (Content::Null, false),
        Yaml::Scalar(scalar) => (Content::Scalar(scalar.text.clone()), !scalar.plain),
        Yaml::List { items, .. } => (Content::List(items.iter().map(node).collect::<Result<_, _>>()?), false),
        Yaml::Map { entries, .. } => {
            (Content::Map(entries.iter().map(entry).collect::<Result<_, _>>()?), false)
        }
    };
    Ok(Node { content, origin: origin(value.start), quoted })
}

fn entry(entry: &hythe_yaml::Entry) -> Result<Entry, YamlError> {
    let start = entry.key.start;
    let name = match entry.key.scalar().filter(|name| !name.is_null()) {
        // Ignoring a merge key would lose its content, which may be `auth`.
        Some(name) if name.text == "<<" => {
            return wrong(start, "hythe does not support merge keys (`<<`): write the keys out");
        }
        Some(name) => name.text.to_ascii_lowercase(),
        None => return wrong(start, "a key must be a word"),
    };
    Ok(Entry { name, origin: origin(start), node: node(&entry.value)? })
}

fn origin(at: Position) -> Origin {
    Origin::File(at.line, at.column)
}

fn wrong<T>(position: Position, reason: &str) -> Result<T, YamlError> {
    Err(YamlError { position, reason: reason.to_owned() })
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
        for text in [
            "a: 1\na: 2",
            "a: 1\nA: 2",
            "<<: {a: 1}",
            "a: 1\n---\nb: 2",
            "? [x]\n: y",
            "~: 1",
            "a: [",
            &"[".repeat(100_000),
            &bomb,
        ] {
            assert!(parse(text).is_err(), "{}", &text[..text.len().min(40)]);
        }
    }

    #[test]
    fn an_alias_has_the_content_of_its_anchor() {
        let root = parse("a: &x {b: c}\nd: *x").unwrap();
        assert_eq!(root.child("d").and_then(|d| d.child("b")).and_then(Node::text), Some("c"));
    }
}

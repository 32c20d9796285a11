//! What the reader reads, and what it refuses.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use hythe_yaml::{Content, Keys, Node, Reader, YamlError};
use proptest::prelude::*;

const DEPTH: usize = 20;

fn read(text: &str) -> Result<Vec<Node>, YamlError> {
    Reader::new(DEPTH).read(text)
}

fn one(text: &str) -> Node {
    read(text).unwrap().remove(0)
}

/// Where a node begins and ends, as `line:column`.
fn span(node: &Node) -> String {
    format!("{}:{}-{}:{}", node.start.line, node.start.column, node.end.line, node.end.column)
}

#[test]
fn each_part_knows_its_position() {
    let root = one(
        "version: 0.1\nhttp:\n  addr: :5000\n  empty:\n  list:\n  - é: [1, 2] # c\n  - x\n  text: |\n    a\n    b\n\nend: {a: 1}\n",
    );
    let http = root.child("http").unwrap();
    for (node, expected) in [
        (root.child("version").unwrap(), "1:10-1:13"),
        (http.child("addr").unwrap(), "3:9-3:14"),
        (&http.child("list").unwrap().items()[0].entries()[0].key, "6:5-6:6"),
        (&http.child("list").unwrap().items()[0].entries()[0].value, "6:8-6:14"),
        (http.child("text").unwrap(), "9:5-10:6"),
        (http, "3:3-10:6"),
        (root.child("end").unwrap(), "12:6-12:12"),
        (&root, "1:1-12:12"),
    ] {
        assert_eq!(span(node), expected);
    }
    assert!(http.child("empty").unwrap().is_left_out());
    let pair = one("[a: b, c]");
    assert_eq!((span(&pair), span(&pair.items()[0])), ("1:1-1:10".to_owned(), "1:2-1:6".to_owned()));
    let flow = |node: &Node| {
        matches!(&*node.content, Content::List { flow: true, .. } | Content::Map { flow: true, .. })
    };
    assert!(flow(root.child("end").unwrap()) && !flow(http) && !flow(http.child("list").unwrap()));
}

#[test]
fn documents_aliases_and_merges_are_read() {
    let documents = read("a: &x {b: c}\nd: *x\n---\ne:\n  <<: [{f: g}, {h: i}]\n  j: k\n---\n").unwrap();
    assert_eq!(documents.len(), 3);
    let alias = documents[0].child("d").unwrap();
    let scalar = alias.child("b").unwrap().scalar().unwrap();
    assert_eq!((scalar.text.as_str(), scalar.line, alias.start.line), ("c", 1, 2));
    assert!(alias.is_alias && documents[0].child("a").unwrap().is_marked && !alias.is_left_out());
    let merged = documents[1].child("e").unwrap();
    assert_eq!(
        (merged.text("h"), merged.own("h").is_some(), merged.text("j")),
        (Some("i"), false, Some("k"))
    );
    assert!(documents[2].is_left_out());
}

#[test]
fn numbers_are_values_but_not_words() {
    let document = one("{a: 1.20, b: '1.20', c: ~, d: true, e: x, f: ''}");
    for (key, value, word, is_null) in [
        ("a", Some("1.20"), None, false),
        ("b", Some("1.20"), Some("1.20"), false),
        ("c", None, None, true),
        ("d", Some("true"), None, false),
        ("e", Some("x"), Some("x"), false),
        ("f", None, None, false),
    ] {
        let scalar = document.child(key).unwrap().scalar().unwrap();
        assert_eq!((scalar.value(), scalar.word(), scalar.is_null()), (value, word, is_null), "{key}");
    }
}

#[test]
fn a_fault_is_named_with_its_line_and_column() {
    for (text, expected) in [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: `a` appears twice"),
        ("a: 1\n'a': 3\n", "line 2, column 1: `a` appears twice"),
        ("x:\n  - a: &x [*x]", "line 2, column 12: this alias is inside the value that it names"),
        ("a: [1, ]]", "line 1, column 9: this is not YAML: "),
        ("a: 1\n\tb: 2", "line 1, column 4: this is not YAML: "),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let reader = Reader { first_line: 10, ..Reader::new(DEPTH) };
    assert_eq!(reader.read("a: 1\na: 2").unwrap_err().position.line, 11);
}

#[test]
fn keys_may_repeat_only_where_the_reader_allows_it() {
    for (keys, exact, cased) in
        [(Keys::Repeated, true, true), (Keys::Unique, false, true), (Keys::UniqueInAnyCase, false, false)]
    {
        let reader = Reader { keys, ..Reader::new(DEPTH) };
        assert_eq!(reader.read("a: 1\na: 2").is_ok(), exact, "{keys:?}");
        assert_eq!(reader.read("a: 1\nA: 2").is_ok(), cased, "{keys:?}");
        assert!(reader.read("{a: 1, b: {a: 2}}").is_ok());
    }
    let repeated = Reader { keys: Keys::Repeated, ..Reader::new(DEPTH) };
    assert_eq!(repeated.read("a: 1\na: 2").unwrap()[0].text("a"), Some("1"));
}

#[test]
fn texts_that_cost_too_much_are_refused() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert!(read(&nested(DEPTH)).is_ok());
    assert!(read(&nested(DEPTH + 1)).unwrap_err().reason.contains("nests deeper than 20 levels"));
    assert!(read(&"[".repeat(100_000)).is_err());
    // Aliases of aliases nest without any line that looks nested.
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for level in 1..=DEPTH {
        chain.extend([format!("a{level}: &a{level} {{<<: *a{}}}\n", level - 1)]);
    }
    assert!(read(&chain).unwrap_err().reason.contains("nests deeper"));
    // And they multiply: seven lines here mean ten million values.
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='f').zip('b'..='g') {
        bomb.extend([format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", "))]);
    }
    assert!(read(&bomb).is_ok(), "shared values cost nothing");
    let bounded = Reader { max_size: 20_000, ..Reader::new(DEPTH) };
    assert!(bounded.read(&bomb).unwrap_err().reason.contains("more than 20000 values"));
}

#[test]
fn scalars_are_rewritten_with_their_tags() {
    let rewrite = |text: &str, tag: Option<&str>| {
        if tag == Some("reset") { String::new() } else { text.to_uppercase() }
    };
    let reader = Reader { rewrite: Some(&rewrite), ..Reader::new(DEPTH) };
    let root = reader.read("a: b\nc: !reset d").unwrap().remove(0);
    assert_eq!((root.text("A"), root.text("C")), (Some("B"), None));
}

proptest! {
    #[test]
    fn any_text_is_a_tree_or_an_error_and_spans_lie_in_the_text(text in "[a&*:\\-\\[\\]{}|>#'é! \n]{0,40}") {
        fn inside(node: &Node, length: usize) {
            assert!(node.start.index <= length && node.end.index <= length && node.start.line > 0);
            node.items().iter().for_each(|item| inside(item, length));
            node.entries().iter().for_each(|entry| {
                inside(&entry.key, length);
                inside(&entry.value, length);
            });
        }
        if let Ok(documents) = read(&text) {
            for document in documents {
                inside(&document, text.chars().count());
            }
        }
    }
}

//! Another kind of table, with one field of each usual type: all that a new kind needs.

use std::path::Path;
use std::time::Duration;

use ::toml::de::DeTable;
use hythe_oci::{ImagePattern, PatternError};
use serde_json::Value;

use super::read;
use crate::config::entry::{Entry, Text};
use crate::config::error::Problem;
use crate::config::tables::slot::document;
use crate::config::tables::sources::{Layered, TableSources};
use crate::tables::{Field, Form, Table, Tables};
use crate::values::read::{count, duration, list, text, texts};
use crate::values::{HostName, ValueError, show_duration};

#[derive(Clone, Debug, PartialEq)]
struct KeepTable {
    pattern: Option<ImagePattern>,
    age: Duration,
    count: u64,
    hosts: Vec<HostName>,
}

impl Default for KeepTable {
    fn default() -> Self {
        Self { pattern: None, age: Duration::from_hours(1), count: 3, hosts: Vec::new() }
    }
}

impl Table for KeepTable {
    const WORD: &'static str = "keep";
    const FORM: Form = Form::Listed;
    const DOC: &'static str = "## A table that says what to keep\n\nThe first table that matches counts.";
    type Name = String;

    fn name(text: &str) -> Result<String, ValueError> {
        if text.is_empty() { Err(ValueError::new("write a word")) } else { Ok(text.to_owned()) }
    }

    fn fields() -> &'static [Field<Self>] {
        FIELDS
    }
}

static FIELDS: &[Field<KeepTable>] = &[
    Field {
        name: "pattern",
        doc: "What to keep.",
        allowed: "a pattern",
        secret: false,
        read: |table, raw| {
            let pattern = text(raw, "write a pattern, such as \"team/*:v*\"")?.parse();
            let pattern = pattern.map_err(|error: PatternError| ValueError::new(error.to_string()))?;
            table.pattern = Some(pattern);
            Ok(())
        },
        show: |table| table.pattern.as_ref().map(ToString::to_string).into(),
    },
    Field {
        name: "age",
        doc: "How long.",
        allowed: "a duration",
        secret: false,
        read: |table, raw| duration(raw, Duration::ZERO).map(|age| table.age = age),
        show: |table| show_duration(table.age).into(),
    },
    Field {
        name: "count",
        doc: "How many.",
        allowed: "a number from 1 to 100",
        secret: false,
        read: |table, raw| count(raw, 1, 100).map(|count| table.count = count),
        show: |table| table.count.into(),
    },
    Field {
        name: "hosts",
        doc: "Where.",
        allowed: "a list of host names",
        secret: true,
        read: |table, raw| list(raw).map(|hosts| table.hosts = hosts),
        show: |table| texts(&table.hosts),
    },
];

/// The tables of a text, with their sources and problems.
fn keep(text: &str) -> (Tables<KeepTable>, TableSources, Vec<String>) {
    let (mut tables, mut sources) = (Tables::default(), TableSources::default());
    let file = Text { path: Path::new("h.toml"), text };
    let mut layered = Layered { tables: &mut tables, sources: &mut sources };
    let parsed = DeTable::parse(text).unwrap();
    let mut problems: Vec<Problem> = Vec::new();
    for (word, value) in parsed.get_ref() {
        problems.extend(read(&file, &mut layered, &Entry::of(word, value)));
    }
    let problems = problems.iter().map(ToString::to_string).collect();
    (tables, sources, problems)
}

#[test]
fn listed_tables_keep_their_order_and_know_where_each_field_is() {
    let (tables, sources, problems) = keep(
        "[[keep]]\nname = \"z\"\npattern = \"team/*:v*\"\nage = \"2d\"\n\n[[keep]]\nname = \"a\"\ncount = 7\nhosts = [\"x\", \"y\"]\n",
    );
    assert_eq!(problems, [""; 0]);
    assert_eq!(tables.keys().collect::<Vec<_>>(), ["z", "a"]);
    let (z, a) = ("z".to_owned(), "a".to_owned());
    assert_eq!((tables.get(&z).unwrap().age, tables.get(&z).unwrap().count), (Duration::from_hours(48), 3));
    assert_eq!((tables.get(&a).unwrap().count, tables.get(&a).unwrap().hosts.len()), (7, 2));
    let source = |name: &String, field: &str| sources.source::<KeepTable>(name, field).unwrap().place();
    assert_eq!(source(&z, "age"), "h.toml:4:7");
    assert_eq!(source(&a, ""), "h.toml:6:1");
    let said: Vec<&str> = sources.fields::<KeepTable>(&a).map(|(field, _)| field.name).collect();
    assert_eq!(said, ["count", "hosts"]);
    let shown: Vec<Value> =
        KeepTable::fields().iter().map(|field| field.shown(tables.get(&a).unwrap())).collect();
    assert_eq!(shown[2..], [Value::from(7), Value::from(crate::values::HIDDEN)]);
}

#[test]
fn a_wrong_table_is_refused_with_its_line_and_key() {
    for (text, expected) in [
        ("[[keep]]\ncount = 1\n", "h.toml:1:1: this [[keep]] has no name: write name = \"NAME\" below it"),
        ("[[keep]]\nname = 3\n", "h.toml:2:8: the `name` of a [[keep]] cannot be 3: write a name in quotes"),
        ("[[keep]]\nname = \"\"\n", "h.toml:2:8: `` cannot be a keep's name: write a word"),
        (
            "[[keep]]\nname = \"a\"\n[[keep]]\nname = \"a\"\n",
            "h.toml:4:8: a [[keep]] named `a` is already at h.toml:1:1: give one of them another name",
        ),
        (
            "[[keep]]\nname = \"a\"\ncuont = 2\n",
            "h.toml:3:1: there is no key `keep.\"a\".cuont`; did you mean `count`?",
        ),
        (
            "[[keep]]\nname = \"a\"\ncount = \"2\"\n",
            "h.toml:3:9: `keep.\"a\".count` cannot be \"2\": write a number from 1 to 100, without quotes",
        ),
        ("[[keep]]\nname = \"a\"\nage = 3\n", "h.toml:3:7: `keep.\"a\".age` cannot be 3: write a duration"),
        ("[[keep]]\nname = \"a\"\npattern = \"\"\n", "h.toml:3:11: `keep.\"a\".pattern` cannot be \"\": "),
        (
            "[[keep]]\nname = \"a\"\nhosts = [\"x\", \"http://y\"]\n",
            "h.toml:3:9: `keep.\"a\".hosts` cannot be this: ",
        ),
        (
            "[keep.a]\ncount = 1\n",
            "h.toml:1:2: write each `keep` as a table: [[keep]], with its name and keys below it",
        ),
        ("keep = 1", "h.toml:1:1: write each `keep` as a table: [[keep]]"),
    ] {
        let (_, sources, problems) = keep(text);
        assert!(problems.len() == 1 && problems[0].starts_with(expected), "{problems:?}\n  not {expected}");
        assert_eq!(
            sources.is_invalid::<KeepTable>(&"a".to_owned()),
            problems[0].contains("`keep.\"a\".") && problems[0].contains("cannot be")
        );
    }
}

#[test]
fn the_reference_has_the_tables_words_fields_and_defaults() {
    let mut page = String::new();
    document::<KeepTable>(&mut page);
    assert_eq!(
        page,
        "\n## A table that says what to keep\n\nThe first table that matches counts.\n\n### `pattern` of `[[keep]]`\n\n\
         What to keep.\n\n- value: a pattern\n\n### `age` of `[[keep]]`\n\nHow long.\n\n- default: `\"1h\"`\n\
         - value: a duration\n\n### `count` of `[[keep]]`\n\nHow many.\n\n- default: `3`\n\
         - value: a number from 1 to 100\n\n### `hosts` of `[[keep]]`\n\nWhere.\n\n- value: a list of host names\n"
    );
}

//! The tables of retention rules, `[retain."PATTERN"]`.

use std::time::Duration;

use hythe_lifecycle::retention::Rule;
use hythe_oci::{ImagePattern, PatternError};

use super::table::{Field, Form, Table, table_name};
use crate::values::read::{count, duration, list, some, texts};
use crate::values::{TagExpiry, TagPattern, ValueError, show_duration};

/// The most images that a rule can count.
const MOST: u64 = 1_000_000;

/// The table of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field's sentence is in `FIELDS`, spelt once")]
pub struct RetainTable {
    pub newest: Option<u64>,
    pub semver_newest: Option<u64>,
    pub pushed_within: Option<Duration>,
    pub pulled_within: Option<Duration>,
    pub tags: Vec<TagPattern>,
    pub untagged_after: Option<Duration>,
    pub expire: Vec<TagExpiry>,
    pub protect: Vec<TagPattern>,
}

impl Table for RetainTable {
    const WORD: &'static str = "retain";
    const FORM: Form = Form::ByName;
    const DOC: &'static str = DOC;
    type Name = ImagePattern;

    fn name(text: &str) -> Result<ImagePattern, ValueError> {
        text.parse().map_err(|error: PatternError| ValueError::new(error.to_string()))
    }

    fn fields() -> &'static [Field<Self>] {
        FIELDS
    }
}

impl RetainTable {
    /// The rule of the table with this name.
    pub fn rule(&self, images: &ImagePattern) -> Rule {
        let patterns = |patterns: &[TagPattern]| patterns.iter().map(|pattern| pattern.0.clone()).collect();
        Rule {
            newest: self.newest,
            semver_newest: self.semver_newest,
            pushed_within: self.pushed_within,
            pulled_within: self.pulled_within,
            tags: patterns(&self.tags),
            untagged_after: self.untagged_after,
            expire: self.expire.iter().map(|of| (of.pattern.0.clone(), of.after)).collect(),
            protect: patterns(&self.protect),
            ..Rule::new(table_name::<Self>(images), images.clone())
        }
    }
}

const DOC: &str = r#"
## A table for a retention rule

`[retain."PATTERN"]` is a rule for the repositories that match the [pattern](#patterns), or with `NAME:TAG` for their tags that match.
It applies to content that was pushed to this registry, never to cached content. The keys `newest`, `semver-newest`,
`pushed-within`, `pulled-within` and `tags` say what the rule keeps. A tag that a rule with such keys selects goes if no key of any
rule keeps it. Rules without such keys let go only what their `expire` and `untagged-after` say. Without a rule, everything that was
pushed stays. `hythe retain --dry-run` shows what the rules decide. SIGHUP applies changes to the tables. See
[keep images by rules](../how-to/keep-images-by-rules.md).
"#;

static FIELDS: &[Field<RetainTable>] = &[
    Field {
        name: "newest",
        doc: "Keeps this many images: those that were pushed last. Several tags of one image count once, and images with the same time of push count as one.",
        allowed: "a number from 1 to 1000000",
        secret: false,
        read: |table, raw| put(&mut table.newest, count(raw, 1, MOST).map(Some)),
        show: |table| table.newest.into(),
    },
    Field {
        name: "semver-newest",
        doc: "Keeps the images of this many highest versions (`1.2.3`, `v1.2.3`). Versions with a suffix count apart, by the letters with which the suffix begins: `1.2.3-rc.1` with `1.2.3-rc.2`, `1.2.3-alpine` with `1.2.4-alpine`.",
        allowed: "a number from 1 to 1000000",
        secret: false,
        read: |table, raw| put(&mut table.semver_newest, count(raw, 1, MOST).map(Some)),
        show: |table| table.semver_newest.into(),
    },
    Field {
        name: "pushed-within",
        doc: "Keeps tags whose last push is not longer ago.",
        allowed: "a duration (ms, s, m, h, d)",
        secret: false,
        read: |table, raw| put(&mut table.pushed_within, duration(raw, Duration::ZERO).map(Some)),
        show: |table| table.pushed_within.map(show_duration).into(),
    },
    Field {
        name: "pulled-within",
        doc: "Keeps images whose last pull, or last push, is not longer ago.",
        allowed: "a duration (ms, s, m, h, d)",
        secret: false,
        read: |table, raw| put(&mut table.pulled_within, duration(raw, Duration::ZERO).map(Some)),
        show: |table| table.pulled_within.map(show_duration).into(),
    },
    Field {
        name: "tags",
        doc: "Keeps tags that match one of these patterns.",
        allowed: "a list of tag patterns, such as \"v*\"",
        secret: false,
        read: |table, raw| put(&mut table.tags, some(list(raw))),
        show: |table| texts(&table.tags),
    },
    Field {
        name: "untagged-after",
        doc: "Deletes manifests that have no tag, when nothing has pushed, pulled or asked for them for this time, and no tag has moved away from them. What belongs to an image that stays never counts as untagged: the manifests that an index lists, signatures and attestations. Without this key untagged manifests stay.",
        allowed: "a duration (ms, s, m, h, d)",
        secret: false,
        read: |table, raw| put(&mut table.untagged_after, duration(raw, Duration::ZERO).map(Some)),
        show: |table| table.untagged_after.map(show_duration).into(),
    },
    Field {
        name: "expire",
        doc: "Deletes tags that match a pattern when the time has passed since their last push. Until then they stay, and `newest` and `semver-newest` do not count them. No other key but `protect` keeps an expired tag. If several patterns match a tag, the longest time counts.",
        allowed: "a list of PATTERN=DURATION, such as \"pr-*=3d\"",
        secret: false,
        read: |table, raw| put(&mut table.expire, some(list(raw))),
        show: |table| texts(&table.expire),
    },
    Field {
        name: "protect",
        doc: "Protects tags that match one of these patterns. A protected tag is immutable: a push that would move it to another image gets status 403, and neither the tag nor the image can be deleted, by a client or by a rule.",
        allowed: "a list of tag patterns, such as \"v*\"",
        secret: false,
        read: |table, raw| put(&mut table.protect, some(list(raw))),
        show: |table| texts(&table.protect),
    },
];

fn put<T>(place: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    *place = value?;
    Ok(())
}

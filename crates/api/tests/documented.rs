//! The types and docs/reference/admin-api.md show the same JSON.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::fmt::Debug;

use hythe_api::{Budget, Cleared, Copies, Disk, Round, Running, Statistics, Tokens, Upstream, Upstreams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/reference/admin-api.md");

/// The example of a section of the page.
fn example(section: &str) -> &'static str {
    let (_, section) = PAGE.split_once(&format!("\n## {section}\n")).unwrap();
    let (_, block) = section.split_once("```json\n").unwrap();
    block.split_once("```").unwrap().0
}

/// The text without the spaces between the tokens of the JSON. No string of the examples has a space.
fn packed(json: &str) -> String {
    json.split_whitespace().collect()
}

/// Reads the example of a section, writes it again, and compares both, also the order of the fields.
fn unchanged<T: Serialize + DeserializeOwned>(section: &str) {
    let read: T = serde_json::from_str(example(section)).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), packed(example(section)), "{section}");
}

/// Reads a value, writes it again, and compares both.
fn same<T: Serialize + DeserializeOwned + Debug>(value: &Value) -> T {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), *value);
    read
}

#[test]
fn the_documented_examples_are_read_and_written_unchanged() {
    unchanged::<Copies>("Copies");
    unchanged::<Tokens>("Tokens");
    unchanged::<Cleared>("Clearing");
    unchanged::<Round>("Collecting");
    unchanged::<Disk>("The disk budget");
    unchanged::<Running>("Running images");
}

#[test]
fn every_field_of_an_upstream_is_documented() {
    let budget = Budget { limit: None, remaining: 0, window_seconds: None, source: None, seen: None };
    let statistics = Statistics { budget: Some(budget), ..Statistics::default() };
    let asked = Upstream { asked: true, statistics: Some(statistics), ..Upstream::default() };
    let written = serde_json::to_value(asked).unwrap();
    let fields = written.as_object().unwrap().keys().chain(written["budget"].as_object().unwrap().keys());
    let (_, section) = PAGE.split_once("\n## Upstreams\n").unwrap();
    for field in fields {
        assert!(section.contains(&format!("`{field}`")), "{field}");
    }
}

#[test]
fn an_upstream_that_was_not_asked_has_only_the_first_four_fields() {
    let page = json!({ "upstreams": [{ "name": "a", "endpoints": ["https://a"], "allowed": true, "asked": false }] });
    let upstreams: Upstreams = same(&page);
    assert_eq!(upstreams.upstreams[0].statistics, None);
}

#[test]
fn an_upstream_that_was_asked_has_null_for_what_is_absent() {
    let upstream: Upstream = same(&json!({
        "name": "a", "endpoints": [], "allowed": false, "asked": true, "requests": 2, "errors": 1,
        "waited_seconds": 0.5, "hits": 0, "misses": 0, "revalidated": 0, "stale": 0, "fetched_bytes": 0,
        "saved_bytes": 0, "resting": null, "failing": null, "budget": null,
    }));
    assert_eq!(upstream.statistics.map(|statistics| statistics.requests), Some(2));
}

#[test]
fn fields_of_a_newer_server_are_ignored() {
    let round = json!({
        "dry_run": false, "manifests": 0, "uploads": 0, "blobs": 0, "bytes": 0, "newer": 1,
        "waiting": { "manifests": 0, "blobs": 0, "bytes": 0, "until": null, "newer": [] },
    });
    assert_eq!(serde_json::from_value::<Round>(round).unwrap(), Round::default());
    let upstream = json!({ "name": "a", "newer": {}, "budget": null });
    assert_eq!(serde_json::from_value::<Upstream>(upstream).unwrap().name, "a");
    let copies = json!({ "copies": [], "next": null, "newer": true });
    assert_eq!(serde_json::from_value::<Copies>(copies).unwrap(), Copies::default());
}

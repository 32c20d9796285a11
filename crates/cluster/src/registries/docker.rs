//! `registry-mirrors` in dockerd's `daemon.json`. dockerd reads the list again on `SIGHUP`, and uses it for Docker Hub
//! alone.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{RegistriesError, kind};
use crate::hosts::Endpoint;

const KEY: &str = "registry-mirrors";

/// Adds this mirror to the text, before the others.
pub fn add_to_docker(text: &str, mirror: &Endpoint) -> Result<String, RegistriesError> {
    change(text, |mirrors| {
        if !mirrors.iter().any(|other| is(other, mirror)) {
            mirrors.insert(0, mirror.to_string());
        }
    })
}

/// Removes this mirror from the text.
pub fn remove_from_docker(text: &str, mirror: &Endpoint) -> Result<String, RegistriesError> {
    change(text, |mirrors| mirrors.retain(|other| !is(other, mirror)))
}

fn is(url: &str, mirror: &Endpoint) -> bool {
    url.trim_end_matches('/') == mirror.to_string()
}

fn change(text: &str, apply: impl FnOnce(&mut Vec<String>)) -> Result<String, RegistriesError> {
    let json = if text.trim().is_empty() { "{}" } else { text };
    let mut settings: Members = serde_json::from_str(json)
        .map_err(|error| RegistriesError::NotJson { line: error.line(), message: error.to_string() })?;
    let at = settings.0.iter().position(|(key, _)| key == KEY);
    let mut mirrors = match at.and_then(|at| settings.0.get(at)) {
        None => Vec::new(),
        Some((_, list)) => {
            serde_json::from_str::<Vec<String>>(list.get()).map_err(|_| kind(KEY, "a list of addresses"))?
        }
    };
    let before = mirrors.clone();
    apply(&mut mirrors);
    if mirrors == before {
        return Ok(text.to_owned());
    }
    let list = RawValue::from_string(serde_json::Value::from(mirrors.clone()).to_string());
    let list = list.map_err(|_| kind(KEY, "a list of addresses"))?;
    match at {
        Some(at) if mirrors.is_empty() => drop(settings.0.remove(at)),
        Some(at) => settings.0[at].1 = list,
        None => settings.0.push((KEY.to_owned(), list)),
    }
    Ok(settings.render(indent(text)))
}

/// The indentation of the first key, for the new key.
fn indent(text: &str) -> &str {
    let line = text.lines().find(|line| line.trim_start().starts_with('"'));
    line.map_or("  ", |line| &line[..line.len() - line.trim_start().len()])
}

/// The object's entries in order, each value exactly as written.
struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn render(&self, indent: &str) -> String {
        let entries = self.0.iter().map(|(key, value)| {
            format!("{indent}{}: {}", serde_json::Value::from(key.as_str()), value.get())
        });
        let entries = entries.collect::<Vec<_>>().join(",\n");
        if entries.is_empty() { "{}\n".to_owned() } else { format!("{{\n{entries}\n}}\n") }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object, as in daemon.json")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Members(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_added_first_and_removed_and_the_rest_is_unchanged() {
        let mirror: Endpoint = "http://127.0.0.1:5002".parse().unwrap();
        let rest = "{\n    \"log-opts\": {\n        \"max-size\": \"1m\" },\n    \"debug\": true\n}\n";
        let table = [
            ("", "{\n  \"registry-mirrors\": [\"http://127.0.0.1:5002\"]\n}\n"),
            ("{}", "{\n  \"registry-mirrors\": [\"http://127.0.0.1:5002\"]\n}\n"),
            (
                rest,
                "{\n    \"log-opts\": {\n        \"max-size\": \"1m\" },\n    \"debug\": true,\n    \"registry-mirrors\": [\"http://127.0.0.1:5002\"]\n}\n",
            ),
            (
                "{\n  \"registry-mirrors\": [\"https://m\"],\n  \"debug\": true\n}\n",
                "{\n  \"registry-mirrors\": [\"http://127.0.0.1:5002\",\"https://m\"],\n  \"debug\": true\n}\n",
            ),
        ];
        for (before, after) in table {
            assert_eq!(add_to_docker(before, &mirror).as_deref(), Ok(after));
            assert_eq!(add_to_docker(after, &mirror).as_deref(), Ok(after), "a second time changes nothing");
            let removed = remove_from_docker(after, &mirror).unwrap();
            assert_eq!(removed, if before.len() > 2 { before } else { "{}\n" });
            assert_eq!(remove_from_docker(&removed, &mirror), Ok(removed));
        }
        let slash = "{ \"registry-mirrors\": [\"http://127.0.0.1:5002/\"] }";
        assert_eq!(add_to_docker(slash, &mirror).as_deref(), Ok(slash));
    }

    #[test]
    fn a_text_that_is_not_a_daemon_json_is_refused() {
        let mirror: Endpoint = "http://127.0.0.1:5002".parse().unwrap();
        let error = |text| add_to_docker(text, &mirror).unwrap_err().to_string();
        assert!(error("{\n\"a\": }").starts_with("line 2 is not JSON"));
        assert!(error("[]").starts_with("line 1 is not JSON"));
        assert_eq!(error("{\"registry-mirrors\": \"x\"}"), "`registry-mirrors` must be a list of addresses");
    }
}

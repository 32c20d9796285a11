//! From `registry:2`'s way of writing a value to hythe's.

use super::super::raw::Raw;
use super::tree::{Content, Node};

/// What a converted node sets: nothing if it says nothing.
pub(crate) type Converted = Result<Option<Raw>, String>;

fn scalar(node: &Node) -> Result<Option<&str>, String> {
    match &node.content {
        Content::Null => Ok(None),
        Content::Scalar(text) if text.is_empty() => Ok(None),
        Content::Scalar(text) => Ok(Some(text)),
        Content::List(_) | Content::Map(_) => Err("one value is expected, not several".to_owned()),
    }
}

fn with(node: &Node, convert: impl FnOnce(&str) -> Result<String, String>) -> Converted {
    scalar(node)?.map(|text| convert(text).map(Raw::Text)).transpose()
}

/// As it stands.
pub(super) fn same(node: &Node) -> Converted {
    with(node, |text| Ok(text.to_owned()))
}

/// A word, whatever its case.
pub(super) fn lower(node: &Node) -> Converted {
    with(node, |text| Ok(text.to_ascii_lowercase()))
}

fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Ok(true),
        "false" | "no" | "off" | "n" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// Whether a node says just this, in any of YAML 1.1's spellings.
pub(super) fn is(node: &Node, wanted: &str) -> bool {
    node.text()
        .is_some_and(|text| text == wanted || boolean(text).is_ok_and(|value| value.to_string() == wanted))
}

/// YAML 1.1's booleans.
pub(super) fn switch(node: &Node) -> Converted {
    with(node, |text| boolean(text).map(|value| value.to_string()))
}

/// YAML 1.1's booleans, where hythe's key says the opposite.
pub(super) fn opposite(node: &Node) -> Converted {
    with(node, |text| boolean(text).map(|value| (!value).to_string()))
}

/// `logstash` is a JSON line too, with other field names.
pub(super) fn formatter(node: &Node) -> Converted {
    with(node, |text| Ok(if text == "logstash" { "json".to_owned() } else { text.to_owned() }))
}

/// Zero and less mean the default.
pub(super) fn entries(node: &Node) -> Converted {
    match scalar(node)? {
        Some(text) if text.parse::<i64>().is_ok_and(|number| number <= 0) => Ok(None),
        _ => same(node),
    }
}

/// The host of a URL.
pub(super) fn host(node: &Node) -> Converted {
    with(node, |text| {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or(rest);
        // A port follows the last colon, unless that is one of an IPv6 address.
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
            _ => authority,
        };
        Ok(host.to_owned())
    })
}

/// A header's values: one, or a list.
pub(super) fn values(node: &Node) -> Converted {
    match &node.content {
        Content::Null => Ok(None),
        Content::Scalar(text) => Ok(Some(Raw::Text(text.clone()))),
        Content::List(items) => {
            let texts: Option<Vec<String>> =
                items.iter().map(|item| item.text().map(str::to_owned)).collect();
            texts
                .map(|texts| Some(Raw::List(texts)))
                .ok_or_else(|| "a list of strings is expected".to_owned())
        }
        Content::Map(_) => Err("a list of strings is expected".to_owned()),
    }
}

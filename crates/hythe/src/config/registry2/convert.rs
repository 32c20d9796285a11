//! Converts values from `registry:2`'s notation to hythe's.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use super::tree::{Content, Node};
use crate::values::Listen;
use crate::values::Raw;

/// The value of a converted node; `None` for an empty node, which sets nothing.
pub(crate) type Converted = Result<Option<Raw>, String>;

fn scalar(node: &Node) -> Result<Option<&str>, String> {
    match &node.content {
        Content::Null => Ok(None),
        Content::Scalar(text) if text.is_empty() => Ok(None),
        Content::Scalar(text) => Ok(Some(text)),
        Content::List(_) | Content::Map(_) => Err("write one value, not several".to_owned()),
    }
}

fn with(node: &Node, convert: impl FnOnce(&str) -> Result<String, String>) -> Converted {
    scalar(node)?.map(|text| convert(text).map(Raw::Text)).transpose()
}

/// The value as it is.
pub(super) fn same(node: &Node) -> Converted {
    with(node, |text| Ok(text.to_owned()))
}

/// A word in any case, in lower case.
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

/// Whether a node has only this value: as a word, with the spellings of booleans of YAML 1.1; as a list of only that
/// word; or as a mapping with only that key, which is how `registry:2` writes a choice.
pub(super) fn is(node: &Node, wanted: &str) -> bool {
    match &node.content {
        Content::Scalar(text) => {
            text == wanted || boolean(text).is_ok_and(|value| value.to_string() == wanted)
        }
        Content::List(items) => matches!(items.as_slice(), [item] if item.text() == Some(wanted)),
        Content::Map(entries) => matches!(entries.as_slice(), [entry] if entry.name == wanted),
        Content::Null => false,
    }
}

/// Whether `registry:2` reads a node as a boolean. A text in quotes is not a boolean, and a number is not one either.
pub(super) fn is_boolean(node: &Node) -> bool {
    !node.quoted && node.text().is_some_and(|text| boolean(text).is_ok())
}

/// A boolean in the spellings of YAML 1.1.
pub(super) fn switch(node: &Node) -> Converted {
    with(node, |text| boolean(text).map(|value| value.to_string()))
}

/// A boolean in the spellings of YAML 1.1, negated, for a key of hythe with the opposite meaning.
pub(super) fn opposite(node: &Node) -> Converted {
    with(node, |text| boolean(text).map(|value| (!value).to_string()))
}

/// An address to listen on. Like `registry:2`, this resolves a host name, and prefers an IPv4 address.
pub(super) fn address(node: &Node) -> Converted {
    with(node, |text| {
        let name = text.rsplit_once(':').filter(|(host, port)| {
            host.contains(|c: char| c.is_ascii_alphabetic())
                && !host.contains(':')
                && port.parse::<u16>().is_ok()
        });
        if name.is_none() || text.parse::<Listen>().is_ok() {
            return Ok(text.to_owned());
        }
        let fix = "write its address, or `:PORT` for all interfaces";
        let found = text
            .to_socket_addrs()
            .map_err(|error| format!("cannot resolve the host of `{text}`: {error}; {fix}"))?;
        let found: Vec<SocketAddr> = found.collect();
        let address = found.iter().find(|address| address.is_ipv4()).or(found.first());
        address.map(ToString::to_string).ok_or_else(|| format!("the host of `{text}` has no address; {fix}"))
    })
}

/// A duration in Go's notation, with fractions and with units below a millisecond.
pub(super) fn duration(node: &Node) -> Converted {
    with(node, |text| {
        let millis = go_millis(text).ok_or_else(|| {
            format!("`{text}` is not a duration: write a number and its unit, such as 90s, 10m or 168h")
        })?;
        Ok(format!("{millis}ms"))
    })
}

fn go_millis(text: &str) -> Option<u128> {
    const UNITS: [(&str, f64); 7] =
        [("ns", 1e-9), ("us", 1e-6), ("\u{b5}s", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    /// The longest duration that Go can represent, in seconds: 292 years.
    const MOST: f64 = 9.2e9;

    let (mut rest, mut seconds) = (text.strip_prefix('+').unwrap_or(text), 0.0);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) =
            after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    Some(seconds)
        .filter(|seconds| *seconds <= MOST)
        .map(|seconds| Duration::from_secs_f64(seconds).as_millis())
}

/// A log format. `logstash` becomes `json`: it is JSON with other field names.
pub(super) fn formatter(node: &Node) -> Converted {
    with(node, |text| Ok(if text == "logstash" { "json".to_owned() } else { text.to_owned() }))
}

/// A maximum number of entries. Zero and negative numbers mean the default.
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
        // A port follows the last colon, unless that colon belongs to an IPv6 address.
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
            _ => authority,
        };
        Ok(host.to_owned())
    })
}

/// The origins of a header: one origin or a list. A trailing slash is dropped: the author of the file means the same
/// origin.
pub(super) fn origins(node: &Node) -> Converted {
    let origin = |text: &str| text.strip_suffix('/').unwrap_or(text).to_owned();
    match &node.content {
        Content::Null => Ok(None),
        Content::Scalar(text) => Ok(Some(Raw::Text(origin(text)))),
        Content::List(items) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| item.text().map(origin)).collect();
            texts.map(|texts| Some(Raw::List(texts))).ok_or_else(|| "write a list of strings".to_owned())
        }
        Content::Map(_) => Err("write a list of strings".to_owned()),
    }
}

/// One text or a list of texts.
pub(super) fn texts(node: &Node) -> Converted {
    let Content::List(items) = &node.content else { return same(node) };
    let texts: Option<Vec<String>> = items.iter().map(|item| item.text().map(str::to_owned)).collect();
    match texts {
        Some(texts) if texts.is_empty() => Ok(None),
        Some(texts) => Ok(Some(Raw::List(texts))),
        None => Err("write a list of strings".to_owned()),
    }
}

/// The oldest version of TLS. Versions that hythe does not speak become the oldest that it does.
pub(super) fn tls_version(node: &Node) -> Converted {
    with(node, |text| match text {
        "tls1.0" | "tls1.1" | "tls1.2" => Ok("1.2".to_owned()),
        "tls1.3" => Ok("1.3".to_owned()),
        _ => Err(format!("`{text}` is not a version of TLS: write tls1.2 or tls1.3")),
    })
}

/// Whether clients need a certificate. hythe verifies every certificate that it asks for.
pub(super) fn client_auth(node: &Node) -> Converted {
    with(node, |text| match text {
        "require-and-verify-client-cert" => Ok("require".to_owned()),
        "verify-client-cert-if-given" => Ok("request".to_owned()),
        _ => Err(format!(
            "hythe does not support `{text}`: write require-and-verify-client-cert or verify-client-cert-if-given"
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_go_s_notation_are_read() {
        for (text, millis) in [
            ("168h", Some(604_800_000)),
            ("1.5h", Some(5_400_000)),
            ("1h0m0.5s", Some(3_600_500)),
            (".5s", Some(500)),
            ("300us", Some(0)),
            ("250ms", Some(250)),
            ("0", Some(0)),
            ("", None),
            ("+", None),
            ("60", None),
            ("1d", None),
            ("-1s", None),
            ("s", None),
            ("1..5s", None),
            ("99999999999h", None),
        ] {
            assert_eq!(go_millis(text), millis, "{text}");
        }
    }
}

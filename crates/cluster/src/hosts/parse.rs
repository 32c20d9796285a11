//! Reading a `hosts.toml` as each version of containerd does.

use toml_edit::{Item, Key, Table, TableLike};

use super::{Capability, Host, HostsFile};
use crate::containerd_version::Version;
use crate::toml_error::{NotToml, parse_in_place};

/// Why containerd rejects a whole `hosts.toml`. containerd only writes this to its log (`failed to decode hosts.toml`)
/// and continues as if the file did not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file is not TOML.
    #[error(transparent)]
    NotToml(#[from] NotToml),
    /// The value of a field has the wrong kind.
    #[error("`{key}` must be {expected}")]
    Kind {
        /// The field.
        key: String,
        /// The kind that it must have.
        expected: &'static str,
    },
    /// A capability that no version of containerd knows.
    #[error("`{0}` is not a capability: write pull, resolve, push or, from containerd 2.2 on, referrers")]
    UnknownCapability(String),
    /// A capability that this version of containerd does not know yet.
    #[error("containerd {0} does not know the capability `referrers`, which needs 2.2.0")]
    EarlyReferrers(Version),
    /// The file has no `[host]` table.
    #[error(
        "containerd {0} needs a `[host]` table in each file (before 1.7.32 it fails with \"invalid `host` tree\")"
    )]
    NoHostTable(Version),
    /// A timeout that is not a duration.
    #[error("dial_timeout `{0}` is not a duration: write it as in `3s` or `500ms`")]
    Timeout(String),
}

impl HostsFile {
    /// Reads a file as a containerd of this version does.
    pub fn parse(text: &str, version: Version) -> Result<Self, Fault> {
        let document = parse_in_place(text)?;
        let root = document.as_table();
        let tables = match root.get("host") {
            Some(item) => match item.as_table_like() {
                Some(tables) => Some(tables),
                None if version.needs_host_table() => return Err(Fault::NoHostTable(version)),
                None => return Err(kind("host", "a table")),
            },
            None if version.needs_host_table() => return Err(Fault::NoHostTable(version)),
            None => None,
        };
        let mut hosts = Vec::new();
        if let Some(tables) = tables {
            let order = if version.sees_table_headers_only() { headers(root) } else { keys(tables) };
            for url in order {
                let Some(fields) = tables.get(&url).and_then(Item::as_table_like) else {
                    return Err(kind(&format!("host.\"{url}\""), "a table"));
                };
                hosts.push(read_host(url, fields, version)?);
            }
        }
        let server = text_field(root, "server")?.unwrap_or_default();
        Ok(Self { hosts, server: read_host(server, root, version)? })
    }
}

/// The hosts in the order of their table headers. A host without a header of its own is not seen at all. A host whose
/// sub-table follows another host appears twice.
fn headers(root: &Table) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(hosts) = root.get("host").and_then(Item::as_table) {
        for (url, item) in hosts {
            let mut positions = Vec::new();
            if let Some(table) = item.as_table() {
                collect(table, &mut positions);
            }
            found.extend(positions.into_iter().map(|position| (position, url)));
        }
    }
    found.sort_unstable();
    found.dedup_by(|later, before| later.1 == before.1);
    found.into_iter().map(|(_, url)| url.to_owned()).collect()
}

/// Collects the positions of the headers of a table and of the tables in it.
fn collect(table: &Table, positions: &mut Vec<isize>) {
    if !table.is_implicit() && !table.is_dotted() {
        positions.extend(table.position());
    }
    for (_, item) in table {
        if let Some(table) = item.as_table() {
            collect(table, positions);
        }
    }
}

/// The hosts in the order of their first mention, including inline tables.
fn keys(tables: &dyn TableLike) -> Vec<String> {
    let mut keys: Vec<_> = tables
        .iter()
        .map(|(url, _)| (tables.key(url).and_then(Key::span).map(|span| span.start), url.to_owned()))
        .collect();
    keys.sort();
    keys.into_iter().map(|(_, url)| url).collect()
}

fn read_host(url: String, fields: &dyn TableLike, version: Version) -> Result<Host, Fault> {
    let capabilities = match fields.get("capabilities") {
        None => Vec::new(),
        Some(item) => strings(item)
            .ok_or_else(|| kind("capabilities", "a list of words"))?
            .into_iter()
            .map(|word| read_capability(word, version))
            .collect::<Result<_, _>>()?,
    };
    let ca = match fields.get("ca") {
        None => Vec::new(),
        Some(item) => {
            string(item).map(|file| vec![file]).or_else(|| strings(item)).ok_or_else(|| kind("ca", FILES))?
        }
    };
    let client = match fields.get("client") {
        None => Vec::new(),
        Some(item) => read_client(item).ok_or_else(|| kind("client", FILES))?,
    };
    let dial_timeout = if version.knows_dial_timeout() { text_field(fields, "dial_timeout")? } else { None };
    if let Some(timeout) = dial_timeout.as_ref().filter(|timeout| !is_duration(timeout)) {
        return Err(Fault::Timeout(timeout.clone()));
    }
    Ok(Host {
        url,
        capabilities,
        ca,
        client,
        skip_verify: truth_field(fields, "skip_verify")?,
        override_path: truth_field(fields, "override_path")?.unwrap_or_default(),
        dial_timeout,
    })
}

const FILES: &str = "a file's name or a list of them";

fn read_capability(word: String, version: Version) -> Result<Capability, Fault> {
    match word.to_ascii_lowercase().as_str() {
        "pull" => Ok(Capability::Pull),
        "resolve" => Ok(Capability::Resolve),
        "push" => Ok(Capability::Push),
        "referrers" if version.knows_referrers() => Ok(Capability::Referrers),
        "referrers" => Err(Fault::EarlyReferrers(version)),
        _ => Err(Fault::UnknownCapability(word)),
    }
}

fn read_client(item: &Item) -> Option<Vec<(String, Option<String>)>> {
    if let Some(file) = string(item) {
        return Some(vec![(file, None)]);
    }
    let pair = |value: &toml_edit::Value| match (value.as_str(), value.as_array()) {
        (Some(file), _) => Some((file.to_owned(), None)),
        (None, Some(pair)) => match (pair.len(), pair.get(0)?.as_str(), pair.get(1)?.as_str()) {
            (2, Some(certificate), Some(key)) => Some((certificate.to_owned(), Some(key.to_owned()))),
            _ => None,
        },
        (None, None) => None,
    };
    item.as_array()?.iter().map(pair).collect()
}

fn string(item: &Item) -> Option<String> {
    item.as_str().map(str::to_owned)
}

fn strings(item: &Item) -> Option<Vec<String>> {
    item.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

fn text_field(fields: &dyn TableLike, key: &str) -> Result<Option<String>, Fault> {
    fields.get(key).map(|item| string(item).ok_or_else(|| kind(key, "a text"))).transpose()
}

fn truth_field(fields: &dyn TableLike, key: &str) -> Result<Option<bool>, Fault> {
    fields.get(key).map(|item| item.as_bool().ok_or_else(|| kind(key, "true or false"))).transpose()
}

fn kind(key: &str, expected: &'static str) -> Fault {
    Fault::Kind { key: key.to_owned(), expected }
}

/// Whether a text is a duration of Go: one or more numbers, each with its unit.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest.is_empty() || rest == "0" {
        return rest == "0" || text.is_empty();
    }
    while !rest.is_empty() {
        let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let number = &rest[..rest.len() - behind.len()];
        let unit = behind.trim_start_matches(|c: char| c.is_alphabetic());
        let name = &behind[..behind.len() - unit.len()];
        let is_number = number.bytes().any(|c| c.is_ascii_digit()) && number.matches('.').count() <= 1;
        if !is_number || !matches!(name, "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h") {
            return false;
        }
        rest = unit;
    }
    true
}

#[cfg(test)]
mod tests;

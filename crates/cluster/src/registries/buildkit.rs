//! `buildkitd.toml`, which the daemon of a builder reads at its start.

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

use super::{Mirrors, RegistriesError, kind};
use crate::toml_error::{NotToml, parse};

/// Adds hythe to the text as the first mirror of each upstream, and marks it as plain HTTP if its address is. Like
/// containerd, `BuildKit` tells a mirror which upstream it asks for.
pub fn add_to_buildkit(text: &str, mirrors: &Mirrors<'_>) -> Result<String, RegistriesError> {
    let mut document = read(text)?;
    let root = document.as_table_mut();
    let host = mirrors.endpoint.host();
    for upstream in mirrors.upstreams {
        let registry = registry(root, &upstream.to_string())?;
        let item = registry.entry("mirrors").or_insert_with(|| value(Array::new()));
        let list = item.as_array_mut().ok_or_else(|| kind("mirrors", "a list"))?;
        if !list.iter().any(|mirror| mirror.as_str() == Some(host)) {
            list.insert(0, host);
            // Reformat, because the first item of a list has no blank before it.
            list.fmt();
        }
    }
    if mirrors.endpoint.is_plain() {
        let registry = registry(root, host)?;
        if registry.get("http").and_then(Item::as_bool) != Some(true) {
            registry.insert("http", value(true));
        }
    }
    Ok(document.to_string())
}

/// Removes hythe from the text.
pub fn remove_from_buildkit(text: &str, mirrors: &Mirrors<'_>) -> Result<String, RegistriesError> {
    let mut document = read(text)?;
    let Some(registries) = document.get_mut("registry").and_then(Item::as_table_like_mut) else {
        return Ok(text.to_owned());
    };
    let host = mirrors.endpoint.host();
    let names: Vec<_> = registries.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let Some(registry) = registries.get_mut(&name).and_then(Item::as_table_like_mut) else { continue };
        let mut changed = name == host && registry.remove("http").is_some();
        if let Some(list) = registry.get_mut("mirrors").and_then(Item::as_array_mut) {
            let before = list.len();
            list.retain(|mirror| mirror.as_str() != Some(host));
            changed |= list.len() < before;
            if list.is_empty() {
                registry.remove("mirrors");
            } else if list.len() < before {
                list.fmt();
            }
        }
        if changed && registry.is_empty() {
            registries.remove(&name);
        }
    }
    Ok(document.to_string())
}

fn read(text: &str) -> Result<DocumentMut, NotToml> {
    parse(text)
}

fn registry<'a>(root: &'a mut Table, name: &str) -> Result<&'a mut dyn TableLike, RegistriesError> {
    let mut empty = Table::new();
    empty.set_implicit(true);
    let registries = root.entry("registry").or_insert(Item::Table(empty));
    let registries = registries.as_table_like_mut().ok_or_else(|| kind("registry", "a table"))?;
    if !registries.contains_key(name) {
        registries.insert(name, Item::Table(Table::new()));
    }
    let registry = registries.get_mut(name).and_then(Item::as_table_like_mut);
    registry.ok_or_else(|| kind(format!("registry.\"{name}\""), "a table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDED: &str = r#"# ours
debug = true

[registry."docker.io"]
mirrors = ["hythe:5000", "old:5000"] # in this order

[registry."ghcr.io"]
mirrors = ["hythe:5000"]

[registry."hythe:5000"]
http = true
"#;

    #[test]
    fn hythe_is_added_first_and_removed_without_a_trace() {
        let upstreams = ["docker.io".parse().unwrap(), "ghcr.io".parse().unwrap()];
        let endpoint = "http://hythe:5000".parse().unwrap();
        let mirrors = Mirrors { endpoint: &endpoint, upstreams: &upstreams };
        let text =
            "# ours\ndebug = true\n\n[registry.\"docker.io\"]\nmirrors = [\"old:5000\"] # in this order\n";
        for (before, after) in [(text, ADDED), (ADDED, ADDED)] {
            assert_eq!(add_to_buildkit(before, &mirrors).as_deref(), Ok(after));
        }
        for (before, after) in [(ADDED, text), (text, text), ("", ""), ("debug = true\n", "debug = true\n")] {
            assert_eq!(remove_from_buildkit(before, &mirrors).as_deref(), Ok(after));
        }
        let added = add_to_buildkit("", &mirrors).unwrap();
        assert_eq!(remove_from_buildkit(&added, &mirrors).as_deref(), Ok(""));
    }

    #[test]
    fn a_text_that_is_not_a_configuration_is_refused() {
        let upstreams = ["docker.io".parse().unwrap()];
        let endpoint = "https://hythe".parse().unwrap();
        let mirrors = Mirrors { endpoint: &endpoint, upstreams: &upstreams };
        for text in ["[", "registry = 1", "registry.'docker.io' = 1", "registry.'docker.io'.mirrors = 1"] {
            assert!(add_to_buildkit(text, &mirrors).is_err(), "{text}");
        }
        assert!(!add_to_buildkit("", &mirrors).unwrap().contains("http ="));
    }
}

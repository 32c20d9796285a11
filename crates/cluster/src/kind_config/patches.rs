//! The effect of a cluster's patches on containerd's configuration. As kind does, this applies the TOML patches first,
//! merged, and then the JSON patches (RFC 6902).

use hythe_yaml::Node;
use serde::Deserialize;
use serde_json::Value;
use toml_edit::{Array, InlineTable, Item, Table, TableLike};

use super::{IMAGES, KindConfigError, PLUGIN};
use crate::hosts::Legacy;
use crate::toml_error::parse;

pub(super) const TOML: &str = "containerdConfigPatches";
const JSON: &str = "containerdConfigPatchesJSON6902";

/// The settings for registries in the patches.
#[derive(Debug, Default)]
pub(super) struct Registries {
    /// The roots of `hosts.toml` files, and the line of the patch that sets them.
    pub(super) config_path: Option<(String, usize)>,
    /// Whether every version of containerd reads this setting.
    pub(super) everywhere: bool,
    /// Whether the transfer service pulls images, which takes several roots for one.
    pub(super) transfers: bool,
}

#[derive(Deserialize)]
struct Operation {
    op: String,
    path: String,
    value: Option<Value>,
}

/// Reads the patches of a cluster. Settings that cannot be combined with a root are an error, which has the replacement
/// of all of them.
pub(super) fn read(cluster: &Node) -> Result<Registries, KindConfigError> {
    let (mut merged, mut legacy) = (Table::new(), OldForm::default());
    let mut last = 0;
    for item in items(cluster, TOML) {
        let line = item.start.line;
        let patch = parse(item.raw().unwrap_or_default())
            .map_err(|error| KindConfigError::Patch { line, error: format!("its {error}") })?;
        legacy.add(patch.as_table(), line);
        // kind silently skips a patch with another `version` than the file's.
        if patch.get("version").and_then(Item::as_integer).is_none_or(|version| version == 2) {
            if [PLUGIN, IMAGES].iter().any(|id| registry(patch.as_table(), id).is_some()) {
                last = line;
            }
            merge(&mut merged, patch.as_table());
        }
    }
    for item in items(cluster, JSON) {
        last = item.start.line;
        let operations: Vec<Operation> =
            serde_json::from_str(item.raw().unwrap_or_default()).map_err(|error| KindConfigError::Patch {
                line: last,
                error: format!("it is not a JSON patch (RFC 6902): {error}"),
            })?;
        for operation in operations {
            let keys = operation.path.split('/').skip(1);
            let keys: Vec<String> = keys.map(|key| key.replace("~1", "/").replace("~0", "~")).collect();
            apply(&mut merged, &keys, &operation);
        }
        legacy.add(&merged, last);
    }
    legacy.refuse()?;
    let path = |id| registry(&merged, id)?.get("config_path")?.as_str().filter(|path| !path.is_empty());
    let (old, new) = (path(PLUGIN), path(IMAGES));
    Ok(Registries {
        // If both are set, the older id's setting overrides the newer id's.
        config_path: old.or(new).map(|path| (path.to_owned(), last)),
        everywhere: old.is_some(),
        transfers: transfers(&merged),
    })
}

/// Whether the patches bring the transfer service back. kind's own file sets `discard_unpacked_layers`, which rules it
/// out.
fn transfers(merged: &dyn TableLike) -> bool {
    [PLUGIN, IMAGES].iter().filter_map(|id| section(merged, id)).any(|section| {
        let inner = section.get("containerd").and_then(Item::as_table_like);
        let get = |key: &str| section.get(key).or_else(|| inner?.get(key)).and_then(Item::as_bool);
        get("discard_unpacked_layers") == Some(false) && get("use_local_image_pull") != Some(true)
    })
}

fn section<'a>(root: &'a dyn TableLike, id: &str) -> Option<&'a dyn TableLike> {
    root.get("plugins")?.as_table_like()?.get(id)?.as_table_like()
}

fn registry<'a>(root: &'a dyn TableLike, id: &str) -> Option<&'a dyn TableLike> {
    section(root, id)?.get("registry")?.as_table_like()
}

fn items<'a>(cluster: &'a Node, key: &str) -> &'a [Node] {
    cluster.child(key).map(Node::items).unwrap_or_default()
}

/// The settings in all patches that `hosts.toml` files replaced.
#[derive(Default)]
struct OldForm {
    registry: Table,
    /// The line of the first patch with such a setting, and the setting.
    first: Option<(usize, &'static str)>,
}

impl OldForm {
    fn add(&mut self, root: &dyn TableLike, line: usize) {
        for registry in [PLUGIN, IMAGES].iter().filter_map(|id| registry(root, id)) {
            let legacy = Legacy::read(registry);
            let keys = [("mirrors", legacy.has_mirrors()), ("configs.tls", legacy.has_tls())];
            if let Some((key, _)) = keys.into_iter().find(|(_, set)| *set) {
                self.first = self.first.or(Some((line, key)));
            }
            merge(&mut self.registry, registry);
        }
    }

    fn refuse(&self) -> Result<(), KindConfigError> {
        match self.first {
            Some((line, key)) => Err(KindConfigError::legacy(line, key, &Legacy::read(&self.registry))),
            None => Ok(()),
        }
    }
}

/// Merges a table into another, as in RFC 7396.
fn merge(into: &mut dyn TableLike, from: &dyn TableLike) {
    for (key, item) in from.iter() {
        match (into.get_mut(key).and_then(Item::as_table_like_mut), item.as_table_like()) {
            (Some(into), Some(from)) => merge(into, from),
            _ => {
                into.insert(key, item.clone());
            }
        }
    }
}

/// Carries out an operation. Creates missing tables, because kind's own file may have them.
fn apply(root: &mut dyn TableLike, keys: &[String], operation: &Operation) {
    let Some((key, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        match (operation.op.as_str(), &operation.value) {
            ("add" | "replace", Some(value)) => {
                root.insert(key, Item::Value(to_toml(value)));
            }
            ("remove", _) => {
                root.remove(key);
            }
            _ => {}
        }
        return;
    }
    if root.get(key).is_none_or(|item| !item.is_table_like()) {
        if operation.op == "remove" || root.contains_key(key) {
            return;
        }
        root.insert(key, Item::Table(Table::new()));
    }
    if let Some(table) = root.get_mut(key).and_then(Item::as_table_like_mut) {
        apply(table, rest, operation);
    }
}

fn to_toml(value: &Value) -> toml_edit::Value {
    match value {
        Value::Null => "".into(),
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => number.as_i64().unwrap_or_default().into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(to_toml).collect::<Array>().into(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.as_str(), to_toml(value))).collect::<InlineTable>().into()
        }
    }
}

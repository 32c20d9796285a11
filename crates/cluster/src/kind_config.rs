//! A configuration for `kind create cluster` whose nodes need no later change: they read `hosts.toml` files from the
//! start, and a registry within the cluster keeps its data when the cluster goes.

mod edit;
mod yaml;

use edit::{Edit, Unsafe, Value};
use toml_edit::{DocumentMut, Item};
use yaml::Node;
pub use yaml::NotYaml;

use crate::containerd::CONFIG_PATH;
use crate::hosts::Legacy;
use crate::toml_error::NotToml;

/// Where the nodes have the folder of a registry within the cluster.
pub const DATA_PATH: &str = "/mnt/local-storage/registry";

/// The plugin id that kind's patches have: its own file is of version 2, on every containerd.
const PLUGIN: &str = "io.containerd.grpc.v1.cri";

const PATCHES: &str = "containerdConfigPatches";

/// What is asked for beside the root of `hosts.toml` files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindOptions {
    /// A folder of the host that every node has at [`DATA_PATH`].
    pub data: Option<String>,
    /// A node port that the host is to have too, on loopback.
    pub node_port: Option<u16>,
}

/// Why a cluster's configuration is left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindConfigError {
    /// It is not YAML.
    #[error(transparent)]
    NotYaml(#[from] NotYaml),
    /// It is something else's, or another version's.
    #[error(
        "this is no configuration of a kind cluster: it has no document with `kind: Cluster` and `apiVersion: {API}`"
    )]
    NotKind,
    /// There is more than one cluster in it.
    #[error("line {line}: a second `kind: Cluster`; kind creates one cluster from one file")]
    SecondCluster {
        /// Where the second begins.
        line: usize,
    },
    /// A patch that is not TOML, on which kind itself would fail.
    #[error("line {line}: this patch cannot be applied: its {error}")]
    Patch {
        /// Where the patch begins.
        line: usize,
        /// What is wrong in it.
        error: NotToml,
    },
    /// A patch of the old form, which cannot stand beside `config_path`.
    #[error(
        "line {line}: this patch sets `registry.{key}`, which cannot stand beside `config_path`: the node would fail with \
         \"`{key}` cannot be set when `config_path` is provided\" and its kubelet never start (with `mirrors` on containerd \
         2.2.0 and 2.2.1, as of kind 0.31, even where no `config_path` is set). Take the patch out; what it did, `hythe \
         attach` does with hosts.toml files"
    )]
    Legacy {
        /// Where the patch begins.
        line: usize,
        /// The setting.
        key: &'static str,
    },
    /// Another folder is where hythe's would be.
    #[error(
        "line {line}: `{host_path}` is mounted at {DATA_PATH} already; ask for that folder, or take that mount out"
    )]
    Mounted {
        /// Where the mount begins.
        line: usize,
        /// The folder that is mounted.
        host_path: String,
    },
    /// The place for an addition is written in a way that is not edited by a program.
    #[error(
        "line {line}: this is written in a way that hythe does not change; add these lines yourself:\n\n{lines}"
    )]
    Shape {
        /// Where.
        line: usize,
        /// What is missing.
        lines: String,
    },
}

const API: &str = "kind.x-k8s.io/v1alpha4";

/// The configuration `text` with what is missing in it, everything else as it was; a whole one if `text` is empty.
pub fn kind_config(text: &str, options: &KindOptions) -> Result<String, KindConfigError> {
    let documents = yaml::parse(text)?;
    if documents.is_empty() {
        let comments = if text.trim().is_empty() { "" } else { text };
        let gap = if comments.is_empty() || comments.ends_with('\n') { "" } else { "\n" };
        return Ok(format!("{comments}{gap}kind: Cluster\napiVersion: {API}\n{}", missing(options)));
    }
    let (line, edit) = additions(text, &documents, options)?;
    if edit.is_empty() {
        return Ok(text.to_owned());
    }
    let result = edit.apply();
    // An edit of text knows less of YAML than a parser: nothing may be lost, and nothing be missing any more.
    let is_whole = yaml::parse(&result).is_ok_and(|new| {
        new.len() == documents.len()
            && new.iter().zip(&documents).all(|(new, old)| new.contains(old))
            && additions(&result, &new, options).is_ok_and(|(_, edit)| edit.is_empty())
    });
    if is_whole { Ok(result) } else { Err(KindConfigError::Shape { line, lines: missing(options) }) }
}

/// Where the cluster begins, and what it lacks.
fn additions<'a>(
    text: &'a str,
    documents: &[Node],
    options: &KindOptions,
) -> Result<(usize, Edit<'a>), KindConfigError> {
    let mut clusters = documents.iter().filter(|document| is_cluster(document));
    let cluster = clusters.next().ok_or(KindConfigError::NotKind)?;
    if let Some(second) = clusters.next() {
        return Err(KindConfigError::SecondCluster { line: second.start.line });
    }
    let refused = |Unsafe(line)| KindConfigError::Shape { line, lines: missing(options) };
    let mut edit = Edit::new(text);
    if !has_root(cluster)? {
        edit.extend(cluster, PATCHES, vec![patch()]).map_err(refused)?;
    }
    nodes(cluster, options, &mut edit)?;
    Ok((cluster.start.line, edit))
}

fn is_cluster(document: &Node) -> bool {
    let is = |key, value| document.get(key).and_then(Node::text) == Some(value);
    is("kind", "Cluster") && is("apiVersion", API)
}

/// Whether a patch names a root already. One that cannot stand beside a root is an error.
fn has_root(cluster: &Node) -> Result<bool, KindConfigError> {
    let mut has = false;
    for item in cluster.get(PATCHES).map(Node::items).unwrap_or_default() {
        let line = item.start.line;
        let text = item.text().unwrap_or_default();
        let parsed = text.parse::<DocumentMut>();
        let patch =
            parsed.map_err(|error| KindConfigError::Patch { line, error: NotToml::new(text, &error) })?;
        let registry = ["plugins", PLUGIN, "registry"]
            .iter()
            .try_fold(patch.as_item(), |item, key| item.as_table_like()?.get(key));
        let Some(registry) = registry.and_then(Item::as_table_like) else { continue };
        let legacy = Legacy::read(registry);
        let keys = [("mirrors", legacy.has_mirrors()), ("configs.tls", legacy.has_tls())];
        if let Some((key, _)) = keys.into_iter().find(|(_, set)| *set) {
            return Err(KindConfigError::Legacy { line, key });
        }
        // A patch that states another version than the file's is silently skipped.
        let skipped = patch.get("version").and_then(Item::as_integer).is_some_and(|version| version != 2);
        let root = registry.get("config_path").and_then(Item::as_str);
        has |= !skipped && root.is_some_and(|root| !root.is_empty());
    }
    Ok(has)
}

/// Mounts and ports. A pod may run on any node, so that each has the folder; a port of the host can be had once.
fn nodes(cluster: &Node, options: &KindOptions, edit: &mut Edit<'_>) -> Result<(), KindConfigError> {
    let list = cluster.get("nodes").map(Node::items).unwrap_or_default();
    let refused = |Unsafe(line)| KindConfigError::Shape { line, lines: missing(options) };
    if list.is_empty() {
        let first = first_node(options);
        return first.map_or(Ok(()), |node| edit.extend(cluster, "nodes", vec![node]).map_err(refused));
    }
    if let Some(folder) = &options.data {
        for node in list {
            match find(node, "extraMounts", "containerPath", DATA_PATH)
                .map(|mount| (mount, mount.get("hostPath")))
            {
                None => edit.extend(node, "extraMounts", vec![mount(folder)]).map_err(refused)?,
                Some((_, Some(host_path))) if host_path.text() == Some(folder) => {}
                Some((mount, host_path)) => {
                    let host_path = host_path.and_then(Node::text).unwrap_or_default().to_owned();
                    return Err(KindConfigError::Mounted { line: mount.start.line, host_path });
                }
            }
        }
    }
    if let Some(port) = options.node_port {
        let text = port.to_string();
        let mapped =
            list.iter().any(|node| find(node, "extraPortMappings", "containerPort", &text).is_some());
        let is_control_plane =
            |node: &&Node| !matches!(node.get("role").map(Node::text), Some(Some("worker")));
        if let (false, Some(node)) = (mapped, list.iter().find(is_control_plane)) {
            edit.extend(node, "extraPortMappings", vec![port_mapping(port)]).map_err(refused)?;
        }
    }
    Ok(())
}

/// The item of a node's list whose field has this value.
fn find<'a>(node: &'a Node, list: &str, field: &str, value: &str) -> Option<&'a Node> {
    let items = node.get(list).map(Node::items).unwrap_or_default();
    items.iter().find(|item| item.get(field).and_then(Node::text) == Some(value))
}

fn patch() -> Value {
    Value::Text(format!("[plugins.\"{PLUGIN}\".registry]\n  config_path = \"{CONFIG_PATH}\""))
}

fn mount(folder: &str) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    Value::Map(vec![("hostPath", text(folder)), ("containerPath", text(DATA_PATH))])
}

fn port_mapping(port: u16) -> Value {
    Value::Map(vec![
        ("containerPort", Value::Number(port)),
        ("hostPort", Value::Number(port)),
        ("listenAddress", Value::Text("127.0.0.1".to_owned())),
    ])
}

/// The node that a configuration without any gets, if there is anything to say of it.
fn first_node(options: &KindOptions) -> Option<Value> {
    let mut node = vec![("role", Value::Text("control-plane".to_owned()))];
    node.extend(options.data.as_ref().map(|folder| ("extraMounts", Value::List(vec![mount(folder)]))));
    node.extend(options.node_port.map(|port| ("extraPortMappings", Value::List(vec![port_mapping(port)]))));
    (node.len() > 1).then_some(Value::Map(node))
}

/// All that hythe adds, as a person would add it.
fn missing(options: &KindOptions) -> String {
    let patches = (PATCHES, Value::List(vec![patch()]));
    let nodes = first_node(options).map(|node| ("nodes", Value::List(vec![node])));
    let lines = Value::Map(std::iter::once(patches).chain(nodes).collect()).block();
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests;

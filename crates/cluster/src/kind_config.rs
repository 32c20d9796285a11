//! A configuration for `kind create cluster` whose nodes need no later change: they read `hosts.toml` files from the
//! start, and a registry in the cluster keeps its data when the cluster is deleted.

mod edit;
mod error;
mod nodes;
mod patches;

use edit::{Edit, Unsafe, Value};
pub use error::KindConfigError;
use hythe_yaml::{Content, Entry, Node, Reader, YamlError};

use crate::containerd::CONFIG_PATH;
use crate::hosts::quoted;

/// The path in the nodes of the data folder for a registry in the cluster.
pub const DATA_PATH: &str = "/mnt/local-storage/registry";

/// The plugin id in kind's patches: kind's own configuration is of version 2, for every containerd.
const PLUGIN: &str = "io.containerd.grpc.v1.cri";
/// The id of the plugin that replaces it in containerd 2.x, which reads this id in a file of version 2 too.
const IMAGES: &str = "io.containerd.cri.v1.images";

/// Kubernetes' default range of node ports.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;
/// The API server's flag that sets another range.
const NODE_PORT_RANGE: &str = "service-node-port-range";

/// What to add to the configuration beside the root of `hosts.toml` files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindOptions {
    /// A folder of the host to mount in every node at [`DATA_PATH`].
    pub data: Option<String>,
    /// A node port to publish on the host's loopback.
    pub node_port: Option<u16>,
}

const API: &str = "kind.x-k8s.io/v1alpha4";

/// ctlptl's clusters, which contain kind's configuration under the key [`WITHIN`].
const CTLPTL: &str = "ctlptl.dev/v1alpha1";
const WITHIN: &str = "kindV1Alpha4Cluster";

/// The resulting configuration, with notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The configuration.
    pub text: String,
    /// Settings in it with an effect that its owner may not expect.
    pub notes: Vec<String>,
}

/// Adds what is missing to the configuration `text`, and leaves everything else as it is. If `text` is empty, makes a
/// complete configuration.
pub fn kind_config(text: &str, options: &KindOptions) -> Result<Merged, KindConfigError> {
    if let Some(port) =
        options.node_port.filter(|port| !NODE_PORTS.contains(port) && !text.contains(NODE_PORT_RANGE))
    {
        return Err(KindConfigError::NodePort { port });
    }
    let old = documents(text)?;
    if old.is_empty() {
        let comments = if text.trim().is_empty() { "" } else { text };
        let gap = if comments.is_empty() || comments.ends_with('\n') { "" } else { "\n" };
        let text = format!("{comments}{gap}kind: Cluster\napiVersion: {API}\n{}", missing(options));
        return Ok(Merged { text, notes: Vec::new() });
    }
    let Additions { line, edit, notes } = additions(text, &old, options)?;
    if edit.is_empty() {
        return Ok(Merged { text: text.to_owned(), notes });
    }
    let result = edit.apply();
    // The edit works on text and understands less of YAML than a parser does. So parse the result: everything must
    // still be there, and nothing may be missing any more.
    let is_whole = documents(&result).is_ok_and(|new| {
        new.len() == old.len()
            && new.iter().zip(&old).all(|(new, old)| contains(new, old))
            && additions(&result, &new, options).is_ok_and(|again| again.edit.is_empty())
    });
    if is_whole {
        Ok(Merged { text: result, notes })
    } else {
        Err(KindConfigError::Shape { line, lines: missing(options) })
    }
}

/// Levels of nesting allowed in a file. No cluster's configuration has as many.
const MAX_DEPTH: usize = 64;

/// The documents of a text, without empty ones.
fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut documents = Reader::new(MAX_DEPTH).read(text)?;
    documents.retain(|document| !document.is_left_out());
    Ok(documents)
}

/// Whether a node contains everything in `old`, in the same order. An alias is not followed: its anchor's node is
/// compared where it is written.
fn contains(new: &Node, old: &Node) -> bool {
    if old.is_left_out() || new.is_alias || old.is_alias {
        return old.is_left_out() || new.is_alias == old.is_alias;
    }
    match (&*new.content, &*old.content) {
        (Content::Scalar(new), Content::Scalar(old)) => new.text == old.text && new.plain == old.plain,
        (Content::List { items: new, .. }, Content::List { items: old, .. }) => {
            new.len() >= old.len() && new.iter().zip(old).all(|(new, old)| contains(new, old))
        }
        (Content::Map { entries: new, .. }, Content::Map { entries: old, .. }) => {
            let is_in = |(new, old): (&Entry, &Entry)| {
                contains(&new.key, &old.key) && contains(&new.value, &old.value)
            };
            new.len() >= old.len() && new.iter().zip(old).all(is_in)
        }
        _ => false,
    }
}

struct Additions<'a> {
    /// The line on which the cluster begins.
    line: usize,
    /// The edit that adds what is missing.
    edit: Edit<'a>,
    notes: Vec<String>,
}

fn additions<'a>(
    text: &'a str,
    documents: &[Node],
    options: &KindOptions,
) -> Result<Additions<'a>, KindConfigError> {
    let mut clusters = documents.iter().filter(|document| is_cluster(document) || is_ctlptl(document));
    let document = clusters.next().ok_or(KindConfigError::NotKind)?;
    if let Some(second) = clusters.next() {
        return Err(KindConfigError::SecondCluster { line: second.start.line });
    }
    let line = document.start.line;
    let refused = |Unsafe(line)| KindConfigError::Shape { line, lines: missing(options) };
    let (mut edit, mut notes) = (Edit::new(text), Vec::new());
    let cluster = if is_ctlptl(document) { document.child(WITHIN) } else { Some(document) };
    let Some(cluster) = cluster.filter(|cluster| !cluster.is_left_out()) else {
        let entries = wanted(options);
        if document.child(WITHIN).is_some() {
            return Err(refused(Unsafe(line)));
        }
        edit.insert(document, WITHIN, Value::Map(entries)).map_err(refused)?;
        return Ok(Additions { line, edit, notes });
    };
    let registries = patches::read(cluster)?;
    match &registries.config_path {
        None => edit.extend(cluster, patches::TOML, vec![patch(CONFIG_PATH)]).map_err(refused)?,
        Some((path, line)) => {
            let is_list = path.contains(':');
            if is_list && registries.transfers {
                return Err(KindConfigError::Misread { line: *line, config_path: path.clone() });
            }
            if is_list {
                notes.push(format!(
                    "line {line}: `config_path = \"{path}\"` names several folders: hythe writes into the first one. \
                     kind's nodes read all of them; other nodes with containerd 2.1 or later may take the whole text for \
                     one folder's name"
                ));
            }
            if !registries.everywhere {
                edit.extend(cluster, patches::TOML, vec![patch(path)]).map_err(refused)?;
            }
        }
    }
    nodes::add(cluster, options, &mut edit, refused)?;
    Ok(Additions { line, edit, notes })
}

fn is_cluster(document: &Node) -> bool {
    let is = |key, value| document.child(key).and_then(Node::raw) == Some(value);
    is("kind", "Cluster") && is("apiVersion", API)
}

/// Whether a document is a ctlptl cluster that kind creates.
fn is_ctlptl(document: &Node) -> bool {
    let is = |key, value| document.child(key).and_then(Node::raw) == Some(value);
    is("kind", "Cluster") && is("apiVersion", CTLPTL) && is("product", "kind")
}

fn patch(path: &str) -> Value {
    Value::Text(format!("[plugins.\"{PLUGIN}\".registry]\n  config_path = {}", quoted(path)))
}

fn wanted(options: &KindOptions) -> Vec<(&'static str, Value)> {
    let patches = (patches::TOML, Value::List(vec![patch(CONFIG_PATH)]));
    let nodes = nodes::first(options).map(|node| ("nodes", Value::List(vec![node])));
    std::iter::once(patches).chain(nodes).collect()
}

/// Everything that hythe adds, as lines that a user can paste.
fn missing(options: &KindOptions) -> String {
    let lines = Value::Map(wanted(options)).block();
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests;

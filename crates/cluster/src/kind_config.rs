//! A configuration for `kind create cluster` whose nodes need no later change: they read `hosts.toml` files from the
//! start, and a registry within the cluster keeps its data when the cluster goes.

mod edit;
mod error;
mod nodes;
mod patches;
mod yaml;

use edit::{Edit, Unsafe, Value};
pub use error::KindConfigError;
use yaml::Node;
pub use yaml::NotYaml;

use crate::containerd::CONFIG_PATH;
use crate::hosts::quoted;

/// Where the nodes have the folder of a registry within the cluster.
pub const DATA_PATH: &str = "/mnt/local-storage/registry";

/// The plugin id that kind's patches have: its own file is of version 2, on every containerd.
const PLUGIN: &str = "io.containerd.grpc.v1.cri";
/// The plugin that containerd 2.x has in its place, and reads settings of in a file of version 2 as well.
const IMAGES: &str = "io.containerd.cri.v1.images";

/// The node ports of a cluster that sets no others.
const NODE_PORTS: std::ops::RangeInclusive<u16> = 30000..=32767;
/// The flag by which a cluster has others.
const NODE_PORT_RANGE: &str = "service-node-port-range";

/// What is asked for beside the root of `hosts.toml` files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindOptions {
    /// A folder of the host that every node has at [`DATA_PATH`].
    pub data: Option<String>,
    /// A node port that the host is to have too, on loopback.
    pub node_port: Option<u16>,
}

const API: &str = "kind.x-k8s.io/v1alpha4";

/// ctlptl's own clusters have kind's configuration within.
const CTLPTL: &str = "ctlptl.dev/v1alpha1";
const WITHIN: &str = "kindV1Alpha4Cluster";

/// A configuration, and what is to be known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The configuration.
    pub text: String,
    /// What has an effect that its owner may not expect.
    pub notes: Vec<String>,
}

/// The configuration `text` with what is missing in it, everything else as it was; a whole one if `text` is empty.
pub fn kind_config(text: &str, options: &KindOptions) -> Result<Merged, KindConfigError> {
    if let Some(port) =
        options.node_port.filter(|port| !NODE_PORTS.contains(port) && !text.contains(NODE_PORT_RANGE))
    {
        return Err(KindConfigError::NodePort { port });
    }
    let documents = yaml::parse(text)?;
    if documents.is_empty() {
        let comments = if text.trim().is_empty() { "" } else { text };
        let gap = if comments.is_empty() || comments.ends_with('\n') { "" } else { "\n" };
        let text = format!("{comments}{gap}kind: Cluster\napiVersion: {API}\n{}", missing(options));
        return Ok(Merged { text, notes: Vec::new() });
    }
    let Additions { line, edit, notes } = additions(text, &documents, options)?;
    if edit.is_empty() {
        return Ok(Merged { text: text.to_owned(), notes });
    }
    let result = edit.apply();
    // An edit of text knows less of YAML than a parser: nothing may be lost, and nothing be missing any more.
    let is_whole = yaml::parse(&result).is_ok_and(|new| {
        new.len() == documents.len()
            && new.iter().zip(&documents).all(|(new, old)| new.contains(old))
            && additions(&result, &new, options).is_ok_and(|again| again.edit.is_empty())
    });
    if is_whole {
        Ok(Merged { text: result, notes })
    } else {
        Err(KindConfigError::Shape { line, lines: missing(options) })
    }
}

struct Additions<'a> {
    /// Where the cluster begins.
    line: usize,
    /// What it lacks.
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
    let cluster = if is_ctlptl(document) { document.get(WITHIN) } else { Some(document) };
    let Some(cluster) = cluster.filter(|cluster| !cluster.is_left_out()) else {
        let entries = wanted(options);
        if document.get(WITHIN).is_some() {
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
                    "line {line}: `config_path = \"{path}\"` names several folders: hythe writes into the first of them. \
                     kind's nodes read each; other nodes of containerd 2.1 and later may take them for one folder"
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
    let is = |key, value| document.get(key).and_then(Node::text) == Some(value);
    is("kind", "Cluster") && is("apiVersion", API)
}

/// A cluster of ctlptl's that kind makes.
fn is_ctlptl(document: &Node) -> bool {
    let is = |key, value| document.get(key).and_then(Node::text) == Some(value);
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

/// All that hythe adds, as a person would add it.
fn missing(options: &KindOptions) -> String {
    let lines = Value::Map(wanted(options)).block();
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests;

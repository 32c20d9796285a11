//! Applies `REGISTRY_*` variables to the tree, as `registry:2` does.

use super::super::draft::Draft;
use super::super::environment::{Environment, REGISTRY2_FILE_VARIABLE};
use super::super::error::Problem;
use super::super::variables::is_service_link;
use super::tree::{Content, Entry, Node, Origin, Tree};
use super::yaml;

const PREFIX: &str = "REGISTRY_";

/// The maximum number of levels that a variable names: more than any setting has. The limit bounds recursion on the
/// tree.
const MAX_WORDS: usize = 16;

/// Variables of clients, not of the registry: Podman, Skopeo and crane keep credentials in this file.
const CLIENTS: &[&str] = &["REGISTRY_AUTH_FILE"];

/// Applies the variables to the tree in the order of their names, so that `REGISTRY_STORAGE` comes before the variables
/// of keys below it.
pub(in crate::config) fn overlay_variables(tree: &mut Tree, draft: &mut Draft, environment: &Environment) {
    for (name, value) in environment.variables.range(PREFIX.to_owned()..) {
        let Some(path) = name.strip_prefix(PREFIX) else { break };
        if CLIENTS.contains(&name.as_str()) || name == REGISTRY2_FILE_VARIABLE || is_service_link(name) {
            continue;
        }
        if path == "VERSION" || path.is_empty() {
            draft.warning(Problem::new(
                name,
                "registry:2 does not read this from a variable either; it has no effect",
            ));
            continue;
        }
        let words: Vec<&str> = path.split('_').collect();
        if words.len() > MAX_WORDS {
            draft.warning(Problem::new(name, "no registry:2 setting has so many levels; it has no effect"));
            continue;
        }
        let Some(text) = value.to_str() else {
            draft.problem(Problem::new(name, "its value is not UTF-8"));
            continue;
        };
        let origin = Origin::Variable(name.clone());
        lay(&mut tree.root, &words, value_node(text, &origin), &origin);
    }
}

/// Reads a variable's value as YAML. A value that is not YAML, such as some passwords, is a plain text.
fn value_node(text: &str, origin: &Origin) -> Node {
    let mut node =
        yaml::parse(text).unwrap_or_else(|_| Node::new(Content::Scalar(text.to_owned()), origin.clone()));
    node.said_by(origin);
    node
}

fn lay(node: &mut Node, words: &[&str], value: Node, origin: &Origin) {
    let [word, rest @ ..] = words else {
        *node = value;
        return;
    };
    node.name_becomes_map();
    if let Content::List(items) = &mut node.content {
        // An index within the list replaces an item. Any other index or word appends an item.
        let index = word.parse().unwrap_or(items.len());
        if index >= items.len() {
            items.push(Node::new(Content::Null, origin.clone()));
        }
        let last = items.len() - 1;
        return lay(&mut items[index.min(last)], rest, value, origin);
    }
    if !matches!(node.content, Content::Map(_)) {
        node.content = Content::Map(Vec::new());
    }
    if let Content::Map(entries) = &mut node.content {
        let name = word.to_ascii_lowercase();
        let index = entries.iter().position(|entry| entry.name == name).unwrap_or_else(|| {
            let node = Node::new(Content::Null, origin.clone());
            entries.push(Entry { name, origin: origin.clone(), node });
            entries.len() - 1
        });
        if rest.is_empty() {
            entries[index].origin = origin.clone();
        }
        lay(&mut entries[index].node, rest, value, origin);
    }
}

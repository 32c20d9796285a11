//! The layer of a `registry:2` deployment: its YAML file and its `REGISTRY_*` variables.
//!
//! As in `registry:2`, the variables first change the file's tree, and the resulting tree is read once.

mod convert;
mod proxy;
mod rules;
mod tree;
mod variables;
mod yaml;

use std::path::{Path, PathBuf};

use rules::Meaning;
pub(crate) use rules::RULES;
pub(super) use tree::Tree;
pub(super) use variables::overlay_variables;
pub(super) use yaml::parse_file as parse;

use super::draft::Draft;
use super::environment::Environment;
use super::error::Problem;
use super::keys::key;
use super::nearest::{did_you_mean, nearest};
use super::source::ValueSource;
use crate::values::Raw;
use tree::{Content, Node};

/// The default folder of `registry:2`'s filesystem driver.
pub(super) const ROOT_DIRECTORY: &str = "/var/lib/registry";

/// The listen address in the configuration of the `registry:2` images.
pub(super) const ADDRESS: &str = ":5000";

/// The configuration files of the images, version 3 first, then version 2. Debian's package also uses the second.
pub(super) const FILES: [&str; 2] = ["/etc/distribution/config.yml", "/etc/docker/registry/config.yml"];

/// Sets the defaults of the `registry:2` images.
pub(super) fn image_defaults(draft: &mut Draft) {
    let path = Path::new(FILES[1]);
    let source = ValueSource::Registry2Default { path: path.to_owned() };
    for (name, value) in [("listen", ADDRESS), ("data", ROOT_DIRECTORY)] {
        if let Some(key) = key(name) {
            draft.set(key, &Raw::Text(value.to_owned()), &source);
        }
    }
    defaults(draft, path);
}

/// Sets `registry:2`'s defaults of some keys: a deployment relies on them for keys that its file does not set.
pub(super) fn defaults(draft: &mut Draft, path: &Path) {
    for name in ["delete.enabled", "upstream.by-path"] {
        if let Some(key) = key(name) {
            draft.set(key, &Raw::Boolean(false), &ValueSource::Registry2Default { path: path.to_owned() });
        }
    }
}

/// The configuration file that `registry` reads: the named file, else the file of an image. `None` if the path of an
/// image's file does not exist, because that file only sets the defaults.
pub(super) fn file(named: Option<PathBuf>, environment: &Environment) -> Option<PathBuf> {
    let is_there = |path: &PathBuf| path.exists() || !FILES.iter().any(|file| path == Path::new(file));
    match named {
        Some(path) => Some(path).filter(is_there),
        None => FILES.iter().filter_map(|file| environment.system_file(file)).find(|path| path.exists()),
    }
}

/// Applies the tree to the draft. Each key either has an effect, or gives an error or a warning.
pub(super) fn apply(draft: &mut Draft, mut tree: Tree) {
    let Content::Map(sections) = &mut tree.root.content else { return };
    if tree.path.is_some() && !sections.iter().any(|entry| entry.name == "version") {
        let text = "this is not a registry:2 configuration: it has no `version: 0.1`";
        draft.problem(Problem::new(tree.source(&tree.root.origin).place(), text));
        return;
    }
    for section in sections.iter_mut().filter(|entry| entry.name == "storage") {
        section.node.name_becomes_map();
    }
    for section in sections.iter_mut().filter(|entry| entry.name == "auth") {
        section.node.name_becomes_map();
    }
    apply_driver(draft, &tree);
    check_auth(draft, &tree);
    proxy::apply(draft, &tree);
    walk(draft, &tree, "", &tree.root);
}

/// Refuses authentication that hythe would not do: `registry:2` would do it or not start, and a registry without
/// authentication is not what the user means.
fn check_auth(draft: &mut Draft, tree: &Tree) {
    let Some(Content::Map(entries)) = tree.root.child("auth").map(|node| &node.content) else { return };
    for entry in entries {
        let (path, place) = (format!("auth.{}", entry.name), tree.source(&entry.origin).place());
        if entry.name == "htpasswd" && entry.node.child("path").is_none_or(Node::is_empty) {
            let text =
                "`auth.htpasswd` has no `path`, so hythe does not start: write the path of the password file";
            draft.problem(Problem::new(tree.source(&entry.node.origin).place(), text));
        }
        // `walk` refuses another kind with keys below it. An empty key also chooses the kind, and is refused here.
        if entry.node.is_empty()
            && let Some(Meaning::RefusedIfPresent(why)) = rules::find(&path).map(|rule| &rule.meaning)
        {
            draft.problem(refusal(&place, &path, why));
        }
    }
}

/// Applies the storage driver. The presence of a driver's key chooses it, even if the key is empty.
fn apply_driver(draft: &mut Draft, tree: &Tree) {
    let Some(Content::Map(entries)) = tree.root.child("storage").map(|node| &node.content) else { return };
    let drivers: Vec<_> =
        entries.iter().filter(|entry| !rules::NO_DRIVERS.contains(&entry.name.as_str())).collect();
    let [driver] = drivers.as_slice() else {
        if let [first, second, ..] = drivers.as_slice() {
            let text =
                format!("the storage has two drivers, `{}` and `{}`: keep only one", first.name, second.name);
            draft.problem(Problem::new(tree.source(&second.origin).place(), text));
        }
        return;
    };
    let source = tree.source(&driver.origin);
    let mut set = |name: &str, value: &str| {
        if let Some(key) = key(name) {
            draft.set(key, &Raw::Text(value.to_owned()), &source);
        }
    };
    match driver.name.as_str() {
        "inmemory" => set("storage", "memory"),
        "filesystem" => {
            set("storage", "fs");
            set("data", ROOT_DIRECTORY);
        }
        // `walk` refuses an unsupported driver with keys below it. An empty key also chooses the driver, and is refused
        // here.
        name if driver.node.is_empty() => {
            let path = format!("storage.{name}");
            if let Some(Meaning::RefusedIfPresent(why)) = rules::find(&path).map(|rule| &rule.meaning) {
                draft.problem(refusal(&source.place(), &path, why));
            }
        }
        _ => {}
    }
}

fn walk(draft: &mut Draft, tree: &Tree, prefix: &str, node: &Node) {
    let Content::Map(entries) = &node.content else { return };
    for entry in entries {
        let path = if prefix.is_empty() { entry.name.clone() } else { format!("{prefix}.{}", entry.name) };
        let place = tree.source(&entry.origin).place();
        let Some(rule) = rules::find(&path) else {
            let found = nearest(&path, RULES.iter().map(|rule| rule.path));
            let text =
                format!("hythe does not know registry:2's `{path}`; it has no effect{}", did_you_mean(found));
            draft.warning(Problem::new(place, text));
            continue;
        };
        match rule.meaning {
            Meaning::Section if entry.node.is_map_or_null() => walk(draft, tree, &path, &entry.node),
            Meaning::Section => {
                draft.problem(Problem::new(place, format!("`{path}` is a section: write its keys below it")));
            }
            Meaning::Version => match entry.node.text() {
                Some("0.1") => {}
                _ => draft.problem(Problem::new(
                    place,
                    "`version` must be 0.1, the only version that registry:2 has",
                )),
            },
            Meaning::Sets(name, convert) => match (convert(&entry.node), key(name)) {
                (Ok(Some(raw)), Some(key)) => {
                    draft.set_as(&path, key, &raw, &tree.source(&entry.node.origin));
                }
                (Err(error), _) => {
                    let place = tree.source(&entry.node.origin).place();
                    draft.problem(Problem::new(place, format!("`{path}`: {error}")));
                }
                (Ok(None), _) | (_, None) => {}
            },
            Meaning::SetsIfBoolean(name) if convert::is_boolean(&entry.node) => {
                if let (Ok(Some(raw)), Some(key)) = (convert::switch(&entry.node), key(name)) {
                    draft.set_as(&path, key, &raw, &tree.source(&entry.node.origin));
                }
            }
            Meaning::SetsIfBoolean(_) if !entry.node.is_empty() => {
                let why = "the value is neither true nor false, and registry:2 ignores it too; write true or false without quotes";
                draft.warning(passed_over(&place, &path, why));
            }
            Meaning::Refused(why) if !entry.node.says_nothing() => draft.problem(refusal(&place, &path, why)),
            Meaning::RefusedIfPresent(why) if !entry.node.is_empty() => {
                draft.problem(refusal(&place, &path, why));
            }
            Meaning::RefusedUnless(wanted, why)
                if !entry.node.is_empty() && !convert::is(&entry.node, wanted) =>
            {
                draft.problem(refusal(&place, &path, why));
            }
            Meaning::Ignored(why) if !entry.node.says_nothing() => {
                draft.warning(passed_over(&place, &path, why));
            }
            Meaning::IgnoredUnless(wanted, why)
                if !entry.node.is_empty() && !convert::is(&entry.node, wanted) =>
            {
                draft.warning(passed_over(&place, &path, why));
            }
            Meaning::Together(_)
            | Meaning::SetsIfBoolean(_)
            | Meaning::Refused(_)
            | Meaning::RefusedIfPresent(_)
            | Meaning::RefusedUnless(..)
            | Meaning::Ignored(_)
            | Meaning::IgnoredUnless(..) => {}
        }
    }
}

fn refusal(place: &str, path: &str, why: &str) -> Problem {
    Problem::new(place, format!("registry:2's `{path}` is not supported yet, so hythe does not start: {why}"))
}

fn passed_over(place: &str, path: &str, why: &str) -> Problem {
    Problem::new(place, format!("registry:2's `{path}` has no effect here: {why}"))
}

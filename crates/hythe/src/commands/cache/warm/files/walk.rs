//! Walks a document, and finds images by their keys.

mod lists;

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use hythe_yaml::{Content, Entry, Node, Scalar};

use super::found::{FileLine, Found, Reading};
use super::kind::Kind;
use super::name::{self, Trust};
use super::parts::{self, Whole};
use super::rules;
use super::text::documents;
use super::values::Values;

/// Levels of files within files, such as a manifest in a `ConfigMap` in a manifest.
const MAX_EMBEDDED: usize = 3;

/// Why an image is skipped if a part of its name comes from a chart.
const NOT_WHOLE: &str =
    "its tag or its registry is not in this file but in the chart: render it first (helm template)";

/// Finds the images of a document.
pub(super) fn document(reading: &mut Reading, file: &Arc<str>, document: &Node, kind: Kind) {
    let mut walk = Walk {
        reading,
        file,
        kind,
        values: Values::of(document),
        seen: HashSet::new(),
        path: Vec::new(),
        object: String::new(),
        embedded: 0,
    };
    walk.node(document);
}

struct Walk<'a> {
    reading: &'a mut Reading,
    file: &'a Arc<str>,
    kind: Kind,
    values: Values,
    /// Nodes that were visited. A node with several aliases is visited once.
    seen: HashSet<*const Content>,
    /// The keys from the root to the present node. Lists add none.
    path: Vec<String>,
    /// The kind of the innermost object.
    object: String,
    embedded: usize,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node) {
        if !self.seen.insert(Rc::as_ptr(&node.content)) {
            return;
        }
        match &*node.content {
            Content::List { items, .. } => self.list(items),
            Content::Map { .. } => self.map(node),
            Content::Scalar(_) => {}
        }
    }

    fn map(&mut self, map: &Node) {
        let outer = object(map, self.kind).map(|object| std::mem::replace(&mut self.object, object));
        self.pair(map);
        let named = self.path.last().is_some_and(|key| is_image_key(key));
        let whole = parts::described(map, named).filter(|_| !is_built(map));
        let is_whole = whole.is_some();
        if let Some(whole) = whole {
            self.whole(&whole, if named { "image" } else { "repository and tag" });
        }
        for entry in map.entries() {
            self.path.push(entry.name().to_owned());
            self.entry(map, entry, is_whole);
            self.path.pop();
        }
        if let Some(outer) = outer {
            self.object = outer;
        }
    }

    fn entry(&mut self, map: &Node, entry: &Entry, is_whole: bool) {
        let key = entry.name();
        if rules::is_skipped(key) {
            return;
        }
        if key == "annotations" {
            return self.annotations(&entry.value);
        }
        match &*entry.value.content {
            Content::Scalar(scalar) => self.scalar(map, key, scalar, is_whole),
            Content::List { items, .. } if self.is_images(key) => self.images(items),
            Content::Map { entries: inner, .. } if self.is_images(key) && !is_description(&entry.value) => {
                self.named_images(inner);
            }
            _ => {
                // A part of a name that was put together was read with it.
                if !(is_whole && is_image_key(key) && entry.value.scalar().is_some()) {
                    self.node(&entry.value);
                }
            }
        }
    }

    fn scalar(&mut self, map: &Node, key: &str, scalar: &Scalar, is_whole: bool) {
        let Some(text) = scalar.word() else { return };
        if key == "uses" && text.starts_with("docker://") {
            return self.take(text, scalar.line, Trust::Certain, "uses");
        }
        if is_whole && parts::is_part(key) {
            return;
        }
        // A tag of an OpenShift image stream.
        if key == "name" && map.text("kind") == Some("DockerImage") {
            return self.take(text, scalar.line, Trust::Certain, "a DockerImage");
        }
        if let Some((trust, rule)) = rules::trust(key, self.kind, &self.object, &self.path) {
            if let Some(why) = rules::not_pulled(&self.object, &self.path) {
                return self.pass(text, scalar.line, why, false);
            }
            if (trust == Trust::Certain || key == "image") && self.kind != Kind::GitLab && is_built(map) {
                return self.pass(text, scalar.line, "built, not pulled", false);
            }
            let whole = parts::beside(map, key, text, scalar.line);
            return self.take(&whole.text, scalar.line, trust, rule);
        }
        if self.embedded(key, scalar) {
            return;
        }
        if self.searches() && !rules::is_script(key) {
            self.take(text, scalar.line, Trust::Evident, "a value");
        }
    }

    /// Whether to search values whose keys say nothing. Not in pipelines, whose values also name images that they
    /// build.
    fn searches(&self) -> bool {
        let is_parameter = self
            .path
            .iter()
            .any(|key| matches!(key.as_str(), "params" | "parameters" | "with" | "inputs" | "settings"));
        matches!(self.kind, Kind::Object | Kind::Other)
            && !is_parameter
            && rules::not_pulled(&self.object, &self.path).is_none()
    }

    /// Reads annotations. They are texts for people, except those that tell a controller an image.
    fn annotations(&mut self, annotations: &Node) {
        for entry in annotations.entries() {
            let Some(scalar) = entry.value.scalar() else { continue };
            let key = entry.name().to_ascii_lowercase();
            if key.contains('/') && key.ends_with("image") {
                self.take(&scalar.text, scalar.line, Trust::Likely, "an annotation");
            } else if key.ends_with("/images") {
                // Artifact Hub's list of a chart's images.
                self.embedded(&key, scalar);
            } else if key == "image" {
                self.pass(&scalar.text, scalar.line, "an annotation", false);
            }
        }
    }

    /// Reads `{name: X_IMAGE, value: IMAGE}`. A name such as `image.repository` means only a part of an image.
    fn pair(&mut self, map: &Node) {
        let (Some(name), Some(value)) =
            (map.text("name"), map.child("value").and_then(|value| value.scalar()))
        else {
            return;
        };
        let Some(text) = value.word().filter(|_| self.searches()) else { return };
        if rules::is_image_variable(name) {
            self.take(text, value.line, Trust::Likely, "a variable");
        } else if name.to_ascii_uppercase().ends_with("IMAGES") {
            // Strimzi writes `VERSION=IMAGE` on each line.
            for part in text.split(|c: char| c.is_whitespace() || c == ',') {
                let part = part.split_once('=').map_or(part, |(_, image)| image);
                self.take(part, value.line, Trust::Likely, "a variable");
            }
        }
    }

    /// Reads a text that is a file itself, in a `ConfigMap` or in a chart's values. Returns whether it is one.
    fn embedded(&mut self, key: &str, scalar: &Scalar) -> bool {
        let text = scalar.text.as_str();
        let is_file = text.contains('\n') || text.starts_with(['{', '[']);
        let may = matches!(self.kind, Kind::Object | Kind::Other)
            && !rules::is_script(key)
            && self.embedded < MAX_EMBEDDED;
        if !is_file || !may || !text.to_ascii_lowercase().contains("image") && !text.contains(".io/") {
            return false;
        }
        // A block of text begins on the line after its key.
        let first = scalar.line + usize::from(text.contains('\n'));
        let within = documents(text, first);
        let is_data = self.path.iter().any(|key| matches!(key.as_str(), "data" | "stringData"));
        self.embedded += 1;
        let (kind, object) = (self.kind, self.object.clone());
        let path = std::mem::take(&mut self.path);
        for document in &within.trees {
            if document.is_map() || !document.items().is_empty() {
                self.kind = Kind::Object;
                self.object.clear();
                self.node_of_text(document);
            }
        }
        (self.kind, self.object, self.path) = (kind, object, path);
        self.embedded -= 1;
        if is_data && within.trees.iter().all(|document| document.scalar().is_some()) {
            let lines =
                if within.scanned.is_empty() { super::lines::scan(text, first) } else { within.scanned };
            for line in lines {
                self.take(&line.text, line.line, Trust::Likely, "a line of a file");
            }
        }
        true
    }

    /// Walks the tree of an embedded text with a `seen` of its own: the tree is freed afterwards, and a later tree's
    /// nodes may have the same addresses.
    fn node_of_text(&mut self, document: &Node) {
        let seen = std::mem::take(&mut self.seen);
        self.node(document);
        self.seen = seen;
    }

    fn whole(&mut self, whole: &Whole, rule: &'static str) {
        if let Some(why) = rules::not_pulled(&self.object, &self.path) {
            return self.pass(&whole.text, whole.line, why, false);
        }
        let resolved = self.values.resolve(&whole.text).is_ok();
        if whole.pinned || !resolved || self.kind == Kind::GitLab {
            self.take(&whole.text, whole.line, Trust::Certain, rule);
        } else if name::name(&whole.text, Trust::Certain).is_ok() {
            self.pass(&whole.text, whole.line, NOT_WHOLE, true);
        }
    }

    /// Records a value as an image if it is one.
    fn take(&mut self, text: &str, line: usize, trust: Trust, rule: &'static str) {
        let all = match self.values.resolve(text) {
            Ok(all) => all,
            Err(why) if trust == Trust::Evident || text.contains('\n') => return drop(why),
            Err(why) => return self.pass(text, line, &why, true),
        };
        for text in all {
            match name::name(&text, trust) {
                Ok(name) => {
                    let place = FileLine { file: Arc::clone(self.file), line };
                    self.reading.found.push(Found { text: name.to_owned(), place, rule });
                }
                Err(not) if not.told => self.pass(&text, line, &not.reason, false),
                Err(_) => {}
            }
        }
    }

    fn pass(&mut self, text: &str, line: usize, reason: &str, open: bool) {
        self.reading.pass(text, FileLine { file: Arc::clone(self.file), line }, reason, open);
    }
}

/// The kind of an object, in the words of the rules.
fn object(map: &Node, kind: Kind) -> Option<String> {
    if kind == Kind::CloudBuild {
        return Some("cloudbuild".to_owned());
    }
    let version = map.text("apiVersion")?;
    if version.starts_with("skaffold/") {
        Some("skaffold".to_owned())
    } else {
        map.text("kind").map(str::to_owned)
    }
}

fn is_image_key(key: &str) -> bool {
    key.to_ascii_lowercase().ends_with("image")
}

/// Whether a mapping under `images` describes one image.
fn is_description(map: &Node) -> bool {
    ["repository", "tag", "image"].iter().any(|key| map.child(key).is_some())
}

/// Whether a mapping says that its image is built here.
fn is_built(map: &Node) -> bool {
    ["build", "dockerfile", "dockerFile", "file"].iter().any(|key| map.child(key).is_some())
}

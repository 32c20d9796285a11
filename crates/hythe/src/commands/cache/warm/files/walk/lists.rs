//! Lists: of arguments, of services, of images.

use hythe_yaml::{Content, Entry, Node};

use super::super::kind::Kind;
use super::super::name::{self, Trust};
use super::super::parts;
use super::super::rules::{self, Argument};
use super::{Walk, is_built};

impl Walk<'_> {
    pub(super) fn list(&mut self, items: &[Node]) {
        let key = self.path.last().cloned().unwrap_or_default();
        let is_arguments =
            matches!(key.as_str(), "args" | "command" | "cmd" | "entrypoint" | "extraArgs" | "arguments");
        let is_services = self.kind == Kind::GitLab && key == "services";
        let mut next = false;
        for item in items {
            let Some(scalar) = item.scalar() else {
                match item.child("name").and_then(|name| name.scalar()) {
                    Some(name) if is_services => self.take(&name.text, name.line, Trust::Certain, "services"),
                    _ => self.node(item),
                }
                continue;
            };
            let Some(text) = scalar.word() else { continue };
            if is_services || self.path.is_empty() {
                let trust = if is_services { Trust::Certain } else { Trust::Likely };
                self.take(text, scalar.line, trust, if is_services { "services" } else { "a list" });
            } else if std::mem::take(&mut next) && !text.starts_with('-') {
                self.take(text, scalar.line, Trust::Likely, "an argument");
            } else {
                match rules::argument(text) {
                    Argument::Image(value) if self.searches() => {
                        self.take(value, scalar.line, Trust::Likely, "an argument");
                    }
                    Argument::Next if is_arguments => next = self.searches(),
                    Argument::Other(value) if self.searches() => {
                        self.take(value, scalar.line, Trust::Evident, "an argument");
                    }
                    Argument::None if self.embedded(&key, scalar) => {}
                    Argument::None if self.searches() && !is_arguments && !rules::is_script(&key) => {
                        self.take(text, scalar.line, Trust::Evident, "a value");
                    }
                    _ => {}
                }
            }
        }
    }

    pub(super) fn is_images(&self, key: &str) -> bool {
        let key = key.to_ascii_lowercase();
        let tail =
            key.ends_with("images") && !["pushimages", "vmimages", "diskimages"].contains(&key.as_str());
        tail && self.kind != Kind::GitHub
    }

    /// A list under a key such as `images`.
    pub(super) fn images(&mut self, items: &[Node]) {
        if let (Some(why), Some(first)) = (rules::not_pulled(&self.object, &self.path), items.first()) {
            if let Some(scalar) = first.scalar() {
                self.pass(&scalar.text, scalar.line, why, false);
            }
            return;
        }
        let words = || items.iter().filter_map(|item| item.scalar()?.word());
        // If one item clearly is a name, with a tag or a folder, all items are names.
        let trust = if words().any(|word| name::name(word, Trust::Likely).is_ok()) {
            Trust::Certain
        } else {
            Trust::Likely
        };
        for item in items {
            match &*item.content {
                Content::Scalar(scalar) => {
                    let text = scalar.word().unwrap_or_default();
                    // Argo CD writes Kustomize's entries as `OLD=NEW:TAG`.
                    let text = text.split_once('=').map_or(text, |(_, new)| new);
                    self.take(text, scalar.line, trust, "a list of images");
                }
                Content::Map { .. } if parts::is_replacement(item) => {
                    if let Some(whole) = parts::replaced(item) {
                        self.whole(&whole, "images");
                    }
                }
                Content::Map { .. } if item.child("image").is_none() => {
                    match item.child("name").and_then(|name| name.scalar()) {
                        Some(name) if !is_built(item) && item.child("repository").is_none() => {
                            let whole = parts::beside(item, "image", &name.text, name.line);
                            self.take(&whole.text, name.line, Trust::Likely, "a list of images");
                            self.map(item);
                        }
                        _ => self.map(item),
                    }
                }
                Content::Map { .. } | Content::List { .. } => self.node(item),
            }
        }
    }

    /// A mapping of names to images under a key such as `images`.
    pub(super) fn named_images(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.path.push(entry.name().to_owned());
            match &*entry.value.content {
                Content::Scalar(scalar) if entry.name() != "image" => {
                    let text = scalar.word().unwrap_or_default();
                    self.take(text, scalar.line, Trust::Likely, "images");
                }
                Content::Map { .. } => {
                    let whole = parts::described(&entry.value, true)
                        .filter(|whole| !is_built(&entry.value) && whole.pinned);
                    match whole {
                        Some(whole) => self.whole(&whole, "images"),
                        None => self.node(&entry.value),
                    }
                }
                Content::Scalar(scalar) => {
                    let text = scalar.word().unwrap_or_default();
                    self.take(text, scalar.line, Trust::Certain, "image");
                }
                Content::List { .. } => self.node(&entry.value),
            }
            self.path.pop();
        }
    }
}

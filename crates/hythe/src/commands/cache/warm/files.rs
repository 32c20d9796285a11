//! Finds the images that files name: manifests, Compose files, pipelines, Dockerfiles, lists.
//!
//! A file is parsed into trees whose scalars know their lines, and each tree is walked by the rules of its kind. Each
//! image, each skipped value and each unreadable part has a place and a reason.

mod compose;
mod dockerfile;
mod found;
mod json;
mod kind;
mod kustomize;
mod lines;
mod name;
mod parts;
mod rules;
mod template;
mod text;
mod values;
mod walk;
mod yaml;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use hythe_yaml::Node;

use crate::commands::interpolate::{Variables, variables};
use crate::config::Environment;
use found::Found;
pub(super) use found::{FileLine, Passed, Reading, Unread};
use kind::Kind;
use name::Trust;

/// Files that one command follows at most: more are a mistake in the files.
const MAX_FILES: usize = 500;

/// Levels of files that name other files.
const MAX_DEPTH: usize = 16;

/// The error for a file without images.
const NOTHING: &str = "found no image in this file. hythe reads Kubernetes manifests, Compose files, kustomizations, \
                       values of charts, pipelines, Dockerfiles and lists; render templates first (helm template)";

/// Reads files.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    reading: Reading,
    opened: HashMap<PathBuf, Rc<text::Documents>>,
    /// The present level of files that other files name.
    depth: usize,
    /// The number of followed files.
    followed: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, reading: Reading::default(), opened: HashMap::new(), depth: 0, followed: 0 }
    }

    /// Everything that was found.
    pub(super) fn finish(self) -> Reading {
        self.reading
    }

    /// Reads a file; `-` is stdin. The error says why the file cannot be read.
    pub(super) fn file(&mut self, file: &str) -> Result<(), String> {
        let text = text::load(file)?;
        self.text(file, &text)
    }

    /// Reads a text as the content of a file with this name.
    pub(super) fn text(&mut self, file: &str, text: &str) -> Result<(), String> {
        let before = std::mem::take(&mut self.reading);
        let file: Arc<str> = Arc::from(file);
        self.any(&file, text);
        let own = std::mem::replace(&mut self.reading, before);
        let is_blank = own.documents == 0 && own.found.is_empty() && own.unread.is_empty();
        if is_blank && !text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#')) {
            return Err(format!(
                "{file}: the file is neither a list of images (one per line) nor YAML that names images"
            ));
        }
        let open = own.passed.iter().any(|passed| passed.open);
        let nothing =
            own.found.is_empty() && own.unread.is_empty() && (open || own.understood < own.documents);
        self.reading.append(own);
        if nothing {
            self.reading.miss(FileLine { file, line: 1 }, NOTHING);
        }
        Ok(())
    }

    fn any(&mut self, file: &Arc<str>, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let base_name = text::base_name(file);
        if dockerfile::is_dockerfile(base_name, text) {
            self.reading.documents += 1;
            // A Dockerfile without images (`FROM scratch`) is no error.
            self.reading.understood += 1;
            return dockerfile::read(&mut self.reading, file, text, 1);
        }
        if let Some(variables) = lines::variables(text) {
            self.reading.documents += 1;
            for (name, line) in variables {
                if rules::is_image_variable(&name) {
                    self.line(file, &line, Trust::Likely, "a variable");
                }
            }
            return;
        }
        if let Some(list) = lines::list(text) {
            self.reading.understood += 1;
            self.reading.documents += 1;
            for line in list {
                // A list has only names, so a line that is not a name is an error.
                let place = FileLine { file: Arc::clone(file), line: line.line };
                self.reading.found.push(Found { text: line.text, place, rule: "a list" });
            }
            return;
        }
        self.documents(file, text, 1);
    }

    /// Reads the documents of a text whose first line is `first` of its file.
    fn documents(&mut self, file: &Arc<str>, text: &str, first: usize) {
        let read = text::documents(text, first);
        let mut trees = 0;
        for document in &read.trees {
            if document.scalar().is_none() {
                trees += 1;
                self.document(file, document);
            }
        }
        if trees == 0 && read.faults.is_empty() && read.scanned.is_empty() {
            // Not a mapping or list: TOML, a unit file, a script.
            let lines = lines::scan(text, first);
            self.reading.documents += usize::from(!lines.is_empty());
            for line in &lines {
                self.line(file, line, Trust::Likely, "a line");
            }
            return;
        }
        if trees == 0 && read.scanned.is_empty() {
            return;
        }
        for line in &read.scanned {
            self.line(file, line, Trust::Likely, "a line");
        }
        for (line, why) in read.faults {
            let place = FileLine { file: Arc::clone(file), line };
            self.reading
                .miss(place, format!("{why}. hythe read only lines such as `image: NAME` of this document"));
        }
    }

    fn document(&mut self, file: &Arc<str>, document: &Node) {
        match kind::of(document, text::base_name(file)) {
            Kind::Compose => compose::read(self, file, document),
            Kind::Kustomization => kustomize::read(self, file, document),
            kind => {
                self.reading.documents += 1;
                self.reading.understood += usize::from(kind::may_be_without(document));
                walk::document(&mut self.reading, file, document, kind);
            }
        }
    }

    fn line(&mut self, file: &Arc<str>, line: &lines::Named, trust: Trust, rule: &'static str) {
        let place = FileLine { file: Arc::clone(file), line: line.line };
        match name::name(&line.text, if line.certain { Trust::Certain } else { trust }) {
            Ok(name) => self.reading.found.push(Found { text: name.to_owned(), place, rule }),
            Err(not) if not.told => self.reading.pass(&line.text, place, not.reason, line.text.contains('$')),
            Err(_) => {}
        }
    }

    /// The documents of a file that another file names. Each file is parsed once.
    fn open(&mut self, path: &Path) -> Result<Vec<Node>, String> {
        let name = path.to_str().ok_or("the file's name is not UTF-8")?;
        let whole = path.canonicalize().map_err(|error| format!("{name} cannot be read: {error}"))?;
        if let Some(known) = self.opened.get(&whole) {
            return Ok(known.trees.clone());
        }
        let read = text::documents(&text::load(name)?, 1);
        if let (true, Some((line, why))) = (read.trees.is_empty(), read.faults.first()) {
            return Err(format!("{name}:{line}: {why}"));
        }
        Ok(self.opened.entry(whole).or_insert(Rc::new(read)).trees.clone())
    }

    /// Reads a file that another file names, each of its documents with `read`.
    fn follow(
        &mut self,
        path: &Path,
        mut read: impl FnMut(&mut Self, &Arc<str>, &Node),
    ) -> Result<(), String> {
        if self.depth == MAX_DEPTH || self.followed == MAX_FILES {
            return Err("files include one another too deeply, or include too many files".to_owned());
        }
        let documents = self.open(path)?;
        let file = Arc::from(path.display().to_string());
        self.depth += 1;
        self.followed += 1;
        for document in documents.iter().filter(|document| document.scalar().is_none()) {
            read(self, &file, document);
        }
        self.depth -= 1;
        Ok(())
    }

    /// The environment's variables.
    fn variables(&self) -> Variables {
        variables(self.environment)
    }
}

//! The images that files name: manifests, Compose files, pipelines, Dockerfiles, lists.
//!
//! A file is parsed to trees whose scalars know their lines; each tree is walked by the rules of its kind. What was
//! found, what was passed over, and what could not be read each have a place and a reason.

mod compose;
mod dockerfile;
mod found;
mod interpolate;
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

use crate::config::Environment;
use found::Found;
pub(super) use found::{Passed, Place, Reading, Unread};
use interpolate::Variables;
use kind::Kind;
use name::Trust;
use yaml::Node;

/// Files that files name: more are a mistake.
const MAX_FILES: usize = 500;

/// Files that name files that name files.
const MAX_DEPTH: usize = 16;

/// What is found where nothing is.
const NOTHING: &str = "no image was found in it. hythe reads Kubernetes manifests, Compose files, kustomizations, values of charts, \
                       pipelines, Dockerfiles and lists; templates are to be rendered first (helm template)";

/// Reads files.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    reading: Reading,
    opened: HashMap<PathBuf, Rc<text::Documents>>,
    /// How deep in files that other files name, and how many of those there were.
    depth: usize,
    followed: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        Self { environment, reading: Reading::default(), opened: HashMap::new(), depth: 0, followed: 0 }
    }

    /// All that was found.
    pub(super) fn finish(self) -> Reading {
        self.reading
    }

    /// Reads a file; `-` is the standard input. The error says that there is nothing to be read.
    pub(super) fn file(&mut self, file: &str) -> Result<(), String> {
        let text = text::load(file)?;
        self.text(file, &text)
    }

    /// Reads a text as that of a file of this name.
    pub(super) fn text(&mut self, file: &str, text: &str) -> Result<(), String> {
        let before = std::mem::take(&mut self.reading);
        let file: Arc<str> = Arc::from(file);
        self.any(&file, text);
        let own = std::mem::replace(&mut self.reading, before);
        let is_blank = own.documents == 0 && own.found.is_empty() && own.unread.is_empty();
        if is_blank && !text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#')) {
            return Err(format!(
                "{file}: it is neither a list of images, one a line, nor YAML that names some"
            ));
        }
        let open = own.passed.iter().any(|passed| passed.open);
        let nothing =
            own.found.is_empty() && own.unread.is_empty() && (open || own.understood < own.documents);
        self.reading.append(own);
        if nothing {
            self.reading.miss(Place { file, line: 1 }, NOTHING);
        }
        Ok(())
    }

    fn any(&mut self, file: &Arc<str>, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let base_name = text::base_name(file);
        if dockerfile::is_dockerfile(base_name, text) {
            self.reading.documents += 1;
            // One that is built on nothing (`scratch`) is understood as well.
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
                // In a list nothing else stands: what is no name is a mistake.
                let place = Place { file: Arc::clone(file), line: line.line };
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
            // Words: TOML, a unit, a script.
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
            let place = Place { file: Arc::clone(file), line };
            self.reading
                .miss(place, format!("{why}. Of this document only lines such as `image: NAME` were read"));
        }
    }

    fn document(&mut self, file: &Arc<str>, document: &Rc<Node>) {
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
        let place = Place { file: Arc::clone(file), line: line.line };
        match name::name(&line.text, if line.certain { Trust::Certain } else { trust }) {
            Ok(name) => self.reading.found.push(Found { text: name.to_owned(), place, rule }),
            Err(not) if not.told => self.reading.pass(&line.text, place, not.reason, line.text.contains('$')),
            Err(_) => {}
        }
    }

    /// The documents of a file that another names, each file once.
    fn open(&mut self, path: &Path) -> Result<Vec<Rc<Node>>, String> {
        let name = path.to_str().ok_or("its name is no text")?;
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

    /// Reads a file that another names, each of its documents by `read`.
    fn follow(
        &mut self,
        path: &Path,
        mut read: impl FnMut(&mut Self, &Arc<str>, &Rc<Node>),
    ) -> Result<(), String> {
        if self.depth == MAX_DEPTH || self.followed == MAX_FILES {
            return Err("files name one another too deep, or name too many".to_owned());
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
        let variables = self.environment.variables.iter();
        variables.map(|(name, value)| (name.clone(), value.to_string_lossy().into_owned())).collect()
    }
}

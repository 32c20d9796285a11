//! The configuration while its layers are laid on each other.

use std::collections::btree_map::Entry;
mod checks;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hythe_oci::Authority;

use super::Loaded;
use super::error::{ConfigError, Problem};
use super::field::Field;
use super::key::Key;
use super::keys::{KEYS, key};
use super::raw::Raw;
use super::registry2;
use super::source::Source;
use super::table::TableSources;
use crate::settings::Settings;
use crate::values::Storage;

/// The configuration while its layers are laid on each other.
pub(super) struct Draft {
    settings: Settings,
    provenance: Vec<(&'static Key, Source)>,
    tables: BTreeMap<Authority, TableSources>,
    /// The upstreams whose tables have a field that cannot be read: what follows from that is not worth a word.
    unread: BTreeSet<Authority>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    has_data_folder: bool,
    /// What says that whoever reaches the server gets what logins of Docker's open.
    shares_logins: Option<Source>,
    /// The `registry:2` file that is read because nobody named one.
    found: Option<PathBuf>,
}

impl Draft {
    /// The lowest layer.
    pub(super) fn new(data: Option<PathBuf>) -> Self {
        let mut settings = Settings::default();
        let has_data_folder = data.is_some();
        if let Some(data) = data {
            settings.data = data;
        }
        Self {
            settings,
            provenance: KEYS.iter().map(|key| (key, Source::Default)).collect(),
            tables: BTreeMap::new(),
            unread: BTreeSet::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            has_data_folder,
            shares_logins: None,
            found: None,
        }
    }

    /// Lays one value on what is there.
    pub(super) fn set(&mut self, key: &'static Key, raw: &Raw, source: &Source) {
        self.set_as(key.name, key, raw, source);
    }

    /// The same, where whoever wrote it knows the key by another name.
    pub(super) fn set_as(&mut self, name: &str, key: &'static Key, raw: &Raw, source: &Source) {
        match key.kind.read(&mut self.settings, raw) {
            Ok(()) => {
                if let Some((_, kept)) = self.provenance.iter_mut().find(|(known, _)| known.name == key.name)
                {
                    *kept = source.clone();
                }
            }
            Err(error) => {
                let text = format!("`{name}` cannot be {}: {error}", raw.show());
                self.problems.push(Problem::new(source.place(), text));
            }
        }
    }

    /// Begins what is said about an upstream, and tells whether nothing was yet.
    pub(super) fn begin_table(&mut self, upstream: &Authority, source: Source) -> bool {
        self.settings.upstream.tables.entry(upstream.clone()).or_default();
        match self.tables.entry(upstream.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(TableSources::new(source));
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Lays one field of an upstream's table on what is there.
    pub(super) fn set_field(
        &mut self,
        upstream: &Authority,
        field: &'static Field,
        raw: &Raw,
        source: &Source,
    ) {
        self.begin_table(upstream, source.clone());
        let table = self.settings.upstream.tables.entry(upstream.clone()).or_default();
        match field.read(table, raw) {
            Ok(()) => {
                if let Some(sources) = self.tables.get_mut(upstream) {
                    sources.set(field, source.clone());
                }
            }
            Err(error) => {
                let shown = if field.secret { "this".to_owned() } else { raw.show() };
                let text = format!("`{}` cannot be {shown}: {error}", field.of(upstream));
                self.unread.insert(upstream.clone());
                self.problems.push(Problem::new(source.place(), text));
            }
        }
    }

    /// What the images of `registry:2` run with where nobody says anything else.
    pub(super) fn in_place_defaults(&mut self) {
        let path = Path::new(registry2::FILES[1]);
        let source = Source::Registry2Default { path: path.to_owned() };
        for (name, value) in [("listen", registry2::ADDRESS), ("data", registry2::ROOT_DIRECTORY)] {
            if let Some(key) = key(name) {
                self.set(key, &Raw::Text(value.to_owned()), &source);
            }
        }
        self.registry2_defaults(path);
    }

    /// Where a `registry:2` file is silent, its deployment relies on what `registry:2` does.
    pub(super) fn registry2_defaults(&mut self, path: &Path) {
        for name in ["delete.enabled", "upstream.by-path"] {
            if let Some(key) = key(name) {
                self.set(key, &Raw::Boolean(false), &Source::Registry2Default { path: path.to_owned() });
            }
        }
    }

    /// Notes that whoever reaches the server gets what logins of Docker's open, where nothing says who does.
    pub(super) fn share_logins(&mut self, source: Source) {
        self.shares_logins = Some(source);
    }

    /// Notes that nobody named this `registry:2` file: who started the server may not know of it.
    pub(super) fn found_by_itself(&mut self, path: &Path) {
        self.found = Some(path.to_owned());
    }

    /// Notes what makes the configuration unusable.
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes what has no effect, or needs to be known.
    pub(super) fn warning(&mut self, warning: Problem) {
        self.warnings.push(warning);
    }

    fn source(&self, name: &str) -> Source {
        let found = self.provenance.iter().find(|(key, _)| key.name == name);
        found.map_or(Source::Default, |(_, source)| source.clone())
    }

    /// Checks what only the whole can tell, and gives it out.
    pub(super) fn finish(mut self, file: Option<PathBuf>) -> Result<Loaded, ConfigError> {
        self.check();
        let needs_folder = self.settings.storage == Storage::Fs && self.source("data") == Source::Default;
        if needs_folder && !self.has_data_folder {
            let text =
                "there is no home folder to keep the data in: say where with --data FOLDER or HYTHE_DATA";
            self.problems.push(Problem::new("data", text));
        }
        if !self.problems.is_empty() {
            if let Some(found) = &self.found {
                let text = format!(
                    "no configuration was named, so this file was read, which is where registry:2 has its own; name another \
                     with `registry serve CONFIG` or {}",
                    registry2::FILE_VARIABLE
                );
                self.problems.push(Problem::new(found.display(), text));
            }
            return Err(ConfigError { problems: self.problems });
        }
        Ok(Loaded {
            settings: self.settings,
            provenance: self.provenance,
            tables: self.tables,
            warnings: self.warnings,
            file,
        })
    }
}

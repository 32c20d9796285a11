//! The configuration while its layers are combined.

mod checks;

use std::path::{Path, PathBuf};

use super::Loaded;
use super::environment::REGISTRY2_FILE_VARIABLE;
use super::error::{ConfigError, Problem};
use super::key::Key;
use super::keys::KEYS;
use super::source::ValueSource;
use super::tables::{Drafted, TableSources, TablesSlot};
use crate::settings::Settings;
use crate::tables::Table;
use crate::values::Raw;
use crate::values::Storage;

/// The configuration while its layers are combined, the lowest layer first.
pub(super) struct Draft {
    settings: Settings,
    provenance: Vec<(&'static Key, ValueSource)>,
    tables: TableSources,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    has_data_folder: bool,
    /// The source that shares content pulled with Docker's logins with all clients, if one does.
    shares_logins: Option<ValueSource>,
    /// The `registry:2` file that is read because the user named none.
    found: Option<PathBuf>,
}

impl Draft {
    /// The draft with the lowest layer, the defaults.
    pub(super) fn new(data: Option<PathBuf>) -> Self {
        let mut settings = Settings::default();
        let has_data_folder = data.is_some();
        if let Some(data) = data {
            settings.data = data;
        }
        Self {
            settings,
            provenance: KEYS.iter().map(|key| (key, ValueSource::Default)).collect(),
            tables: TableSources::default(),
            problems: Vec::new(),
            warnings: Vec::new(),
            has_data_folder,
            shares_logins: None,
            found: None,
        }
    }

    /// Sets a key, overriding the value of a lower layer.
    pub(super) fn set(&mut self, key: &'static Key, raw: &Raw, source: &ValueSource) {
        self.set_as(key.name, key, raw, source);
    }

    /// Like [`set`](Self::set), for a layer that has another name for the key, which errors show.
    pub(super) fn set_as(&mut self, name: &str, key: &'static Key, raw: &Raw, source: &ValueSource) {
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

    /// The settings and the sources of their tables.
    pub(super) fn drafted(&mut self) -> Drafted<'_> {
        (&mut self.settings, &mut self.tables)
    }

    /// Creates a table if there is none yet.
    pub(super) fn begin_table<T: Table>(
        &mut self,
        slot: &TablesSlot<T>,
        name: &T::Name,
        source: ValueSource,
    ) {
        slot.layered(self.drafted()).begin(name, source);
    }

    /// Sets a field of a table, overriding the value of a lower layer.
    pub(super) fn set_field<T: Table>(
        &mut self,
        slot: &TablesSlot<T>,
        name: &T::Name,
        field: &str,
        raw: &Raw,
        source: &ValueSource,
    ) {
        let Some(field) = T::field(field) else { return };
        let problem = slot.layered(self.drafted()).set(name, field, raw, source).err();
        self.problems.extend(problem);
    }

    /// Shares content pulled with Docker's logins with all clients, unless a layer sets `share`.
    pub(super) fn share_logins(&mut self, source: ValueSource) {
        self.shares_logins = Some(source);
    }

    /// Notes that the user did not name this `registry:2` file, and may not know about it.
    pub(super) fn found_by_itself(&mut self, path: &Path) {
        self.found = Some(path.to_owned());
    }

    /// Adds errors.
    pub(super) fn problems(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    /// Adds an error. hythe refuses a configuration with errors.
    pub(super) fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Adds a warning.
    pub(super) fn warning(&mut self, warning: Problem) {
        self.warnings.push(warning);
    }

    fn source(&self, name: &str) -> ValueSource {
        let found = self.provenance.iter().find(|(key, _)| key.name == name);
        found.map_or(ValueSource::Default, |(_, source)| source.clone())
    }

    /// Checks the combined configuration, and returns it.
    pub(super) fn finish(mut self, file: Option<PathBuf>) -> Result<Loaded, ConfigError> {
        self.check();
        let needs_folder =
            self.settings.storage == Storage::Fs && self.source("data") == ValueSource::Default;
        if needs_folder && !self.has_data_folder {
            let text =
                "this user has no home folder for the data: choose a folder with --data FOLDER or HYTHE_DATA";
            self.problems.push(Problem::new("data", text));
        }
        if !self.problems.is_empty() {
            if let Some(found) = &self.found {
                let text = format!(
                    "no configuration was named, so hythe read this file, the default of registry:2. To use another file, \
                     run `registry serve CONFIG` or set {REGISTRY2_FILE_VARIABLE}"
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

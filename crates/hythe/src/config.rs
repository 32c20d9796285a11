//! The configuration in layers: defaults < file < `REGISTRY_*` < `HYTHE_*` < flags. Each value keeps its source.

mod docker;
mod draft;
mod entry;
mod environment;
mod error;
mod file;
mod key;
mod keys;
mod nearest;
mod registry2;
mod reload;
mod source;
mod tables;
mod upstreams;
mod variables;

use std::path::{Path, PathBuf};

pub(crate) use docker::login;
pub use environment::Environment;
use environment::REGISTRY2_FILE_VARIABLE;
pub use error::{ConfigError, Problem};
use hythe_oci::Authority;
pub use key::{Key, Kind};
pub(crate) use keys::LARGEST_MANIFEST;
pub use keys::{KEYS, key};
pub(crate) use registry2::RULES;
pub use reload::{Reloaded, reload};
pub use source::ValueSource;
pub(crate) use tables::document_tables;
pub use tables::{TableLine, TableSources};
pub use upstreams::allowed;
pub use variables::{CONFIG_VARIABLE, REGISTRY_VARIABLE};

use crate::settings::Settings;
use crate::tables::UpstreamTable;
pub use crate::values::Raw;
use draft::Draft;

/// The command line's part of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The configuration file on the command line.
    pub file: Option<PathBuf>,
    /// Each flag on the command line, with its values.
    pub flags: Vec<(&'static Key, Vec<String>)>,
    /// Whether the program was called as `registry`. Then `registry:2`'s defaults and configuration paths apply.
    pub in_place: bool,
}

/// The effective configuration.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    /// The source of each value, in the order of [`KEYS`].
    pub provenance: Vec<(&'static Key, ValueSource)>,
    /// The source of each table and of each of its fields.
    pub tables: TableSources,
    /// Settings without effect, and settings that the user should know about.
    pub warnings: Vec<Problem>,
    /// The configuration file, if one was read.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// The source of a key's value.
    pub fn source(&self, name: &str) -> &ValueSource {
        self.provenance
            .iter()
            .find(|(key, _)| key.name == name)
            .map_or(&ValueSource::Default, |(_, source)| source)
    }

    /// The tables of every kind, and their fields that a layer sets.
    pub fn table_lines(&self) -> Vec<TableLine> {
        tables::lines(&self.settings, &self.tables)
    }

    /// Looks up the logins of upstreams with `docker-config` in Docker's configuration. A login that another process
    /// has not handed over yet becomes a warning. This may run credential helpers, so only callers that will contact
    /// the upstreams call it.
    pub fn log_in(&mut self, environment: &Environment) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        for (name, table) in self.settings.upstream.tables.iter_mut().filter(|(_, table)| table.docker_config)
        {
            let source = self.tables.source::<UpstreamTable>(name, "docker-config");
            let place = source.map(ValueSource::place).unwrap_or_default();
            match docker::credentials(environment, name, &table.endpoints) {
                Ok(Some(credentials)) => table.docker_login = credentials,
                Ok(None) => {
                    let text = format!(
                        "the login of `{name}` was not handed over yet, so hythe pulls from it anonymously. `hythe up` \
                         hands the login over, and `hythe attach --watch` does so after each start"
                    );
                    self.warnings.push(Problem::new(place, text));
                }
                Err(error) => problems.push(Problem::new(place, error)),
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    /// The upstreams with `docker-config`, and the logins that were found for them, as a configuration of Docker.
    pub fn docker_logins(&self) -> (Vec<&Authority>, String) {
        let tables = self.settings.upstream.tables.iter().filter(|(_, table)| table.docker_config);
        let written = docker::write(tables.clone().map(|(name, table)| (name, &table.docker_login)));
        (tables.map(|(name, _)| name).collect(), written)
    }

    /// The upstreams with `docker-config` for which no layer sets `share`.
    pub fn unshared_logins(&self) -> Vec<&Authority> {
        if *self.source("upstream.share") != ValueSource::Default {
            return Vec::new();
        }
        let tables = self.settings.upstream.tables.iter();
        let unshared = tables.filter(|(_, table)| table.docker_config && table.share.is_none());
        unshared.map(|(name, _)| name).collect()
    }
}

/// Reads every layer. Reports all problems at once.
pub fn load(inputs: &Inputs, environment: &Environment) -> Result<Loaded, ConfigError> {
    let mut draft = Draft::new(environment.data_folder());
    let named = inputs.file.clone().or_else(|| named_by_variable(environment, CONFIG_VARIABLE));
    let path = if inputs.in_place {
        registry2::image_defaults(&mut draft);
        let named = named.or_else(|| named_by_variable(environment, REGISTRY2_FILE_VARIABLE));
        let found = named.is_none();
        let path = registry2::file(named, environment);
        if let Some(path) = path.as_ref().filter(|_| found) {
            draft.found_by_itself(path);
        }
        path
    } else {
        named.or_else(|| environment.usual_file())
    };
    let mut tree = registry2::Tree::new();
    if let Some(path) = &path {
        read_file(&mut draft, &mut tree, path, inputs.in_place);
    }
    registry2::overlay_variables(&mut tree, &mut draft, environment);
    registry2::apply(&mut draft, tree);
    variables::apply(&mut draft, environment);
    for (key, values) in &inputs.flags {
        let source = ValueSource::Flag(key.flag.unwrap_or(key.name));
        let raw =
            if let [one] = values.as_slice() { Raw::Text(one.clone()) } else { Raw::List(values.clone()) };
        draft.set(key, &raw, &source);
    }
    draft.finish(path)
}

fn named_by_variable(environment: &Environment, name: &str) -> Option<PathBuf> {
    environment.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Reads a configuration file. The extension tells hythe's own files and `registry:2` files apart. With `in_place`,
/// every file but a `.toml` file is a `registry:2` file.
fn read_file(draft: &mut Draft, tree: &mut registry2::Tree, path: &Path, in_place: bool) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return draft.problem(Problem::new(
                path.display(),
                format!("cannot read the configuration file: {error}"),
            ));
        }
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => file::apply(draft, path, &text),
        extension if in_place || matches!(extension, Some("yml" | "yaml")) => match registry2::parse(path, &text) {
            Ok(parsed) => {
                registry2::defaults(draft, path);
                *tree = parsed;
            }
            Err(problem) => draft.problem(problem),
        },
        _ => draft.problem(Problem::new(
            path.display(),
            "the file's extension is unknown: hythe reads its own configuration from .toml, and a registry:2 configuration from .yml or .yaml",
        )),
    }
}

//! The configuration in layers: defaults < file < `REGISTRY_*` < `HYTHE_*` < flags, each value with its source.

mod draft;
mod environment;
mod error;
mod file;
mod key;
mod keys;
mod nearest;
mod raw;
mod registry2;
mod reload;
mod source;
mod variables;

use std::path::{Path, PathBuf};

pub use environment::Environment;
pub use error::{ConfigError, Problem};
pub use key::{Key, Kind};
pub use keys::{KEYS, key};
pub use raw::Raw;
pub(crate) use registry2::RULES;
pub use reload::{Reloaded, reload};
pub use source::Source;
pub use variables::CONFIG_VARIABLE;

use crate::settings::Settings;
use draft::Draft;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The file that was named, if one was.
    pub file: Option<PathBuf>,
    /// Each flag that was given, with its values.
    pub flags: Vec<(&'static Key, Vec<String>)>,
}

/// A configuration that is in effect.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub settings: Settings,
    /// Where each value came from, in the order of [`KEYS`].
    pub provenance: Vec<(&'static Key, Source)>,
    /// What was understood but has no effect, or needs to be known.
    pub warnings: Vec<Problem>,
    /// The file that was read, if one was.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// Where the value of a key came from.
    pub fn source(&self, name: &str) -> &Source {
        self.provenance
            .iter()
            .find(|(key, _)| key.name == name)
            .map_or(&Source::Default, |(_, source)| source)
    }
}

/// Reads every layer. All that is wrong is reported at once.
pub fn load(inputs: &Inputs, environment: &Environment) -> Result<Loaded, ConfigError> {
    let mut draft = Draft::new(environment.data_folder());
    let path =
        inputs.file.clone().or_else(|| named_by_variable(environment)).or_else(|| environment.usual_file());
    let mut tree = registry2::Tree::new();
    if let Some(path) = &path {
        read_file(&mut draft, &mut tree, path);
    }
    registry2::overlay_variables(&mut tree, &mut draft, environment);
    registry2::apply(&mut draft, tree);
    variables::apply(&mut draft, environment);
    for (key, values) in &inputs.flags {
        let source = Source::Flag(key.flag.unwrap_or(key.name));
        let raw =
            if let [one] = values.as_slice() { Raw::Text(one.clone()) } else { Raw::List(values.clone()) };
        draft.set(key, &raw, &source);
    }
    draft.finish(path)
}

fn named_by_variable(environment: &Environment) -> Option<PathBuf> {
    environment.variables.get(CONFIG_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn read_file(draft: &mut Draft, tree: &mut registry2::Tree, path: &Path) {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            return draft.problem(Problem::new(
                path.display(),
                format!("the configuration file cannot be read: {error}"),
            ));
        }
    };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => file::apply(draft, path, &text),
        Some("yml" | "yaml") => match registry2::Tree::parse(path, &text) {
            Ok(parsed) => {
                draft.registry2_defaults(path);
                *tree = parsed;
            }
            Err(problem) => draft.problem(problem),
        },
        _ => draft.problem(Problem::new(
            path.display(),
            "the name does not say what kind of file this is: hythe reads its own configuration from .toml, and a registry:2 configuration from .yml or .yaml",
        )),
    }
}

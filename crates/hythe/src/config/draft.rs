//! The configuration while its layers are laid on each other.

use std::path::{Path, PathBuf};

use super::Loaded;
use super::error::{ConfigError, Problem};
use super::key::Key;
use super::keys::{KEYS, key};
use super::raw::Raw;
use super::source::Source;
use crate::settings::Settings;
use crate::values::Storage;

/// The configuration while its layers are laid on each other.
pub(super) struct Draft {
    settings: Settings,
    provenance: Vec<(&'static Key, Source)>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
    has_data_folder: bool,
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
            problems: Vec::new(),
            warnings: Vec::new(),
            has_data_folder,
        }
    }

    /// Lays one value on what is there.
    pub(super) fn set(&mut self, key: &'static Key, raw: &Raw, source: &Source) {
        match key.kind.read(&mut self.settings, raw) {
            Ok(()) => {
                if let Some((_, kept)) = self.provenance.iter_mut().find(|(known, _)| known.name == key.name)
                {
                    *kept = source.clone();
                }
            }
            Err(error) => {
                let text = format!("`{}` cannot be {}: {error}", key.name, raw.show());
                self.problems.push(Problem::new(source.place(), text));
            }
        }
    }

    /// Where a `registry:2` file is silent, its deployment relies on what `registry:2` does.
    pub(super) fn registry2_defaults(&mut self, path: &Path) {
        if let Some(key) = key("delete.enabled") {
            self.set(key, &Raw::Boolean(false), &Source::Registry2Default { path: path.to_owned() });
        }
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
        self.check_exposure();
        let needs_folder = self.settings.storage == Storage::Fs && self.source("data") == Source::Default;
        if needs_folder && !self.has_data_folder {
            let text =
                "there is no home folder to keep the data in: say where with --data FOLDER or HYTHE_DATA";
            self.problems.push(Problem::new("data", text));
        }
        if !self.problems.is_empty() {
            return Err(ConfigError { problems: self.problems });
        }
        Ok(Loaded { settings: self.settings, provenance: self.provenance, warnings: self.warnings, file })
    }

    fn check_exposure(&mut self) {
        let Some(exposed) = self.settings.listen.iter().find(|listen| !listen.is_loopback()).copied() else {
            return;
        };
        let source = self.source("listen");
        // Only where the address itself is `registry:2`'s: its file must not open what another layer adds.
        if source.is_registry2() && self.source("http.allow-anonymous-network") == Source::Default {
            self.settings.http.allow_anonymous_network = true;
            for (key, kept) in &mut self.provenance {
                if key.name == "http.allow-anonymous-network" {
                    *kept = source.clone();
                }
            }
            self.warnings.push(Problem::new(
                source.place(),
                format!("{exposed} is open to the network, as registry:2 has it: who reaches it can push without authentication. Set HYTHE_LISTEN=127.0.0.1:{} to keep it on this machine", exposed.port()),
            ));
        }
        if !self.settings.http.allow_anonymous_network {
            self.problems.push(Problem::new(
                source.place(),
                format!(
                    "{exposed} is open to the network, and nobody has to authenticate: who reaches it could push and delete. \
                     Listen on 127.0.0.1:{} instead, or, if that is what you want, ask for it with --allow-anonymous-network \
                     (http.allow-anonymous-network = true, HYTHE_HTTP_ALLOW_ANONYMOUS_NETWORK=true)",
                    exposed.port()
                ),
            ));
        }
    }
}

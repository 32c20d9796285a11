//! A folder with configuration files, and variables, flags: what `load` reads.

use std::path::PathBuf;

use hythe::config::{ConfigError, Environment, Inputs, Loaded, key, load};

/// What `load` reads, made by hand.
pub(crate) struct World {
    folder: tempfile::TempDir,
    inputs: Inputs,
    environment: Environment,
}

impl World {
    pub(crate) fn new() -> Self {
        let mut environment = Environment::default();
        environment.variables.insert("HOME".to_owned(), "/home/ada".into());
        Self { folder: tempfile::tempdir().unwrap(), inputs: Inputs::default(), environment }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file that is named on the command line.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.inputs.file = Some(path);
        self
    }

    /// A file that is only there.
    pub(crate) fn unnamed_file(self, name: &str, text: &str) -> Self {
        let mut world = self.file(name, text);
        world.inputs.file = None;
        world
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        let value = value.replace("{folder}", self.folder.path().to_str().unwrap());
        self.environment.variables.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn without_home(mut self) -> Self {
        self.environment.variables.remove("HOME");
        self
    }

    pub(crate) fn root(mut self) -> Self {
        self.environment.root = true;
        self
    }

    pub(crate) fn system_folder(mut self, name: &str) -> Self {
        self.environment.system_folder = Some(self.path(name));
        self
    }

    pub(crate) fn flag(mut self, name: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        self.inputs.flags.push((key(name).unwrap(), values));
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        load(&self.inputs, &self.environment)
    }

    /// What is in effect, each value as `hythe config` shows it.
    pub(crate) fn value(&self, name: &str) -> String {
        let loaded = self.load().unwrap();
        key(name).unwrap().kind.show(&loaded.settings).to_string()
    }

    /// Where a value came from, with the folder left out.
    pub(crate) fn source(&self, name: &str) -> String {
        self.without_folder(&self.load().unwrap().source(name).to_string())
    }

    /// All warnings, a line each, with the folder left out.
    pub(crate) fn warnings(&self) -> String {
        let lines: Vec<String> = self.load().unwrap().warnings.iter().map(ToString::to_string).collect();
        self.without_folder(&lines.join("\n"))
    }

    /// All that is wrong, a line each, with the folder left out.
    pub(crate) fn error(&self) -> String {
        self.without_folder(&self.load().expect_err("the configuration is refused").to_string())
    }

    fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

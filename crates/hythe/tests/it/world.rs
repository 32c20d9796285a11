//! Builds the inputs of `load`: a folder with configuration files, variables, flags.

use std::path::PathBuf;
use std::sync::Arc;

use hythe::config::{ConfigError, Environment, Inputs, Loaded, allowed, key, load};
use hythe::tables::UpstreamTable;
use hythe_upstream::Upstream;

/// The inputs of `load`.
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

    /// Adds a file, and names it on the command line.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, self.with_folder(text)).unwrap();
        self.inputs.file = Some(path);
        self
    }

    /// Adds a file without naming it.
    pub(crate) fn unnamed_file(self, name: &str, text: &str) -> Self {
        let named = self.inputs.file.clone();
        let mut world = self.file(name, text);
        world.inputs.file = named;
        world
    }

    /// Adds a program to the PATH: a shell script. A shell writes the file: if this process had the script open for
    /// writing while another test starts a program, that child would inherit the open file, and the system would refuse
    /// to run the script.
    pub(crate) fn program(self, name: &str, script: &str) -> Self {
        let path = self.path("bin").join(name);
        let world = self.unnamed_file("script", &format!("#!/bin/sh\n{script}\n"));
        let install = "mkdir -p \"$(dirname \"$2\")\" && cp \"$1\" \"$2\" && chmod 755 \"$2\"";
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args(["-c", install, "sh"]).arg(world.path("script")).arg(path);
        assert!(shell.status().unwrap().success());
        world.variable("PATH", "{folder}/bin:/usr/bin:/bin")
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        let value = self.with_folder(value);
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

    /// Loads as the program `registry` does.
    pub(crate) fn in_place(mut self) -> Self {
        self.inputs.in_place = true;
        self
    }

    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        load(&self.inputs, &self.environment)
    }

    /// Loads the configuration and looks up the upstreams' logins, as a server does.
    pub(crate) fn log_in(&self) -> Result<Loaded, ConfigError> {
        let mut loaded = self.load()?;
        loaded.log_in(&self.environment)?;
        Ok(loaded)
    }

    /// An allowed upstream, by its name or an alias.
    pub(crate) fn upstream(&self, name: &str) -> Option<Arc<Upstream>> {
        let settings = self.log_in().unwrap_or_else(|error| panic!("{error}")).settings;
        allowed(&settings).get(&name.parse().unwrap()).cloned()
    }

    /// The fields of an upstream's table, one `field = value # source` per line, with the folder left out.
    pub(crate) fn table(&self, name: &str) -> String {
        let loaded = self.load().unwrap();
        let name = name.parse().unwrap();
        let table = loaded.settings.upstream.tables.get(&name).unwrap();
        let lines = loaded.tables.fields::<UpstreamTable>(&name);
        let lines =
            lines.map(|(field, source)| format!("{} = {} # {source}\n", field.name, field.shown(table)));
        self.without_folder(&lines.collect::<String>())
    }

    /// The value in effect, as `hythe config` shows it.
    pub(crate) fn value(&self, name: &str) -> String {
        let loaded = self.load().unwrap();
        key(name).unwrap().kind.show(&loaded.settings).to_string()
    }

    /// Where a value came from, with the folder left out.
    pub(crate) fn source(&self, name: &str) -> String {
        self.without_folder(&self.load().unwrap().source(name).to_string())
    }

    /// All warnings, one per line, with the folder left out.
    pub(crate) fn warnings(&self) -> String {
        let lines: Vec<String> = self.load().unwrap().warnings.iter().map(ToString::to_string).collect();
        self.without_folder(&lines.join("\n"))
    }

    /// All errors, one per line, with the folder left out.
    pub(crate) fn error(&self) -> String {
        self.without_folder(&self.load().expect_err("the configuration is refused").to_string())
    }

    /// The error of looking up a login, with the folder left out.
    pub(crate) fn login_error(&self) -> String {
        self.without_folder(&self.log_in().expect_err("there is no login").to_string())
    }

    fn with_folder(&self, text: &str) -> String {
        text.replace("{folder}", self.folder.path().to_str().unwrap())
    }

    fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

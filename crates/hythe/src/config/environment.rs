//! The environment of the process: its variables, user and platform folders.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variable that names the folder in which another process hands over logins. It is not a setting of the server.
pub(super) const LOGINS_VARIABLE: &str = "HYTHE_LOGINS";

/// The variable of `registry:2` that names its configuration file.
pub(super) const REGISTRY2_FILE_VARIABLE: &str = "REGISTRY_CONFIGURATION_PATH";

/// The environment of the process. `load` takes it as an argument, so that tests need not change the process.
// Not `Debug`, because variables hold secrets.
#[derive(Clone, Default)]
pub struct Environment {
    /// The variables whose names are UTF-8.
    pub variables: BTreeMap<String, OsString>,
    /// Whether the user is root.
    pub root: bool,
    /// The folder of the machine's configuration files: `/etc`.
    pub system_folder: Option<PathBuf>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self {
            variables: variables.collect(),
            root: is_root(),
            system_folder: cfg!(unix).then(|| "/etc".into()),
        }
    }

    /// The folder that a variable names. The XDG specification says to ignore a relative path.
    fn folder(&self, variable: &str) -> Option<PathBuf> {
        self.variables.get(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The data folder by the platform's convention; `None` if the user has no home folder.
    pub fn data_folder(&self) -> Option<PathBuf> {
        if self.root {
            return Some("/var/lib/hythe".into());
        }
        let home = || self.folder("HOME");
        let base = if cfg!(target_os = "macos") {
            home().map(|home| home.join("Library/Application Support"))
        } else if cfg!(windows) {
            self.folder("LOCALAPPDATA")
        } else {
            self.folder("XDG_DATA_HOME").or_else(|| home().map(|home| home.join(".local/share")))
        };
        base.map(|base| base.join("hythe"))
    }

    /// The folder of what hythe remembers between two runs, by the platform's convention; `None` if the user has no home folder.
    pub fn state_folder(&self) -> Option<PathBuf> {
        self.user_folder("XDG_STATE_HOME", ".local/state", "Library/Application Support")
    }

    /// The folder of files that hythe can make again, by the platform's convention; `None` if the user has no home folder.
    pub fn cache_folder(&self) -> Option<PathBuf> {
        self.user_folder("XDG_CACHE_HOME", ".cache", "Library/Caches")
    }

    /// A folder of the user: of the variable, else below the home folder.
    fn user_folder(&self, variable: &str, below_home: &str, on_macos: &str) -> Option<PathBuf> {
        let home = || self.folder("HOME");
        let base = if cfg!(target_os = "macos") {
            home().map(|home| home.join(on_macos))
        } else if cfg!(windows) {
            self.folder("LOCALAPPDATA")
        } else {
            self.folder(variable).or_else(|| home().map(|home| home.join(below_home)))
        };
        base.map(|base| base.join("hythe"))
    }

    /// The configuration file of Docker's clients; `None` if the user has no home folder.
    pub fn docker_config_file(&self) -> Option<PathBuf> {
        let named = self.variables.get("DOCKER_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || self.folder(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
        let folder = named.or_else(|| home().map(|home| home.join(".docker")));
        folder.map(|folder| folder.join("config.json"))
    }

    /// The file of logins that another process hands over, if the environment names its folder.
    pub fn handed_logins_file(&self) -> Option<PathBuf> {
        self.folder(LOGINS_VARIABLE).map(|folder| folder.join("config.json"))
    }

    /// A file below `/etc`, moved to `system_folder`; `None` if the platform has no such folder.
    pub(super) fn system_file(&self, path: &str) -> Option<PathBuf> {
        Some(self.system_folder.as_ref()?.join(path.strip_prefix("/etc/")?))
    }

    /// The configuration file to read if the user names none: the user's own file, else the machine's, if one exists.
    pub fn usual_file(&self) -> Option<PathBuf> {
        let user = if cfg!(windows) {
            self.folder("APPDATA")
        } else {
            self.folder("XDG_CONFIG_HOME").or_else(|| self.folder("HOME").map(|home| home.join(".config")))
        };
        let folders = user.into_iter().chain(self.system_folder.clone());
        folders.map(|folder| folder.join("hythe").join("hythe.toml")).find(|path| path.is_file())
    }
}

#[cfg(unix)]
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
fn is_root() -> bool {
    false
}

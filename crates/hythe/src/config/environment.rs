//! What the process was started in: its variables, its user, its platform's folders.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variable that names a folder to which another process hands logins; no setting of a server.
pub(super) const LOGINS_VARIABLE: &str = "HYTHE_LOGINS";

/// What the process was started in. Given to `load`, so that tests need not change the process.
// No `Debug`: variables hold secrets.
#[derive(Clone, Default)]
pub struct Environment {
    /// The variables whose names are UTF-8.
    pub variables: BTreeMap<String, OsString>,
    /// Whether the user is root.
    pub root: bool,
    /// Where the machine's configuration files are: `/etc`.
    pub system_folder: Option<PathBuf>,
}

impl Environment {
    /// The process's own.
    pub fn of_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self {
            variables: variables.collect(),
            root: is_root(),
            system_folder: cfg!(unix).then(|| "/etc".into()),
        }
    }

    /// A folder that a variable names. The XDG specification says to ignore a relative one.
    fn folder(&self, variable: &str) -> Option<PathBuf> {
        self.variables.get(variable).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The folder for data that the platform's convention gives; none if the user has no home.
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

    /// Where Docker's clients keep their configuration; none if the user has no home.
    pub fn docker_config_file(&self) -> Option<PathBuf> {
        let named = self.variables.get("DOCKER_CONFIG").filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = || self.folder(if cfg!(windows) { "USERPROFILE" } else { "HOME" });
        let folder = named.or_else(|| home().map(|home| home.join(".docker")));
        folder.map(|folder| folder.join("config.json"))
    }

    /// The file of the logins that another process hands over, where one does.
    pub fn handed_logins_file(&self) -> Option<PathBuf> {
        self.folder(LOGINS_VARIABLE).map(|folder| folder.join("config.json"))
    }

    /// A file below `/etc`, where the machine's configuration files are; none where they are nowhere.
    pub(super) fn system_file(&self, path: &str) -> Option<PathBuf> {
        Some(self.system_folder.as_ref()?.join(path.strip_prefix("/etc/")?))
    }

    /// The configuration file that is read when none is named: the user's, else the machine's, if there is one.
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

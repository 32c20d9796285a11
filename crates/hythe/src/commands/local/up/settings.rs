//! The settings of the registry that `hythe up` runs, and the refusal of those that cannot work.

use std::path::{Path, PathBuf};

use hythe_cluster::registry::{Data, RegistrySettings, USER};
use hythe_storage::fs::check_data_folder;

use crate::args::UpArgs;
use crate::commands::deploy;
use crate::commands::local::default_settings;
use crate::config::Environment;
use crate::failure::{Failure, FileError};

/// Refuses local folders and files if the engine runs on another machine: it mounts its own machine's.
pub(super) fn check_paths(args: &UpArgs, remote: Option<&str>) -> Result<(), Failure> {
    let Some(host) = remote else { return Ok(()) };
    let instead = if args.data.is_some() {
        "--data names a folder of this machine"
    } else if args.config.as_ref().is_some_and(|config| !config.as_os_str().is_empty()) {
        "--config names a file of this machine"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(format!(
        "{instead}, but the engine runs on {host}: keep the data in a volume with --volume NAME, give settings with \
         --set KEY=VALUE, or run hythe there"
    )))
}

/// Refuses a folder that has another purpose, because the registry's container becomes the owner of its data folder.
pub(super) fn check_folder(folder: &Path, environment: &Environment) -> Result<(), Failure> {
    let real = |path: &Path| {
        let found = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
        found.unwrap_or_else(|_| path.to_owned())
    };
    let home = environment.variables.get("HOME").map(Path::new);
    let is_home = home.is_some_and(|home| real(home) == real(folder));
    if is_home {
        return Err(Failure::Usage(format!(
            "--data {}: this is your home folder: name a folder in it that only the registry uses",
            folder.display()
        )));
    }
    check_data_folder(folder).map_err(|error| Failure::Usage(error.to_string()))
}

/// Refuses to start without the data folder: its disk may not be mounted, and the registry must not start empty
/// instead.
pub(super) fn check_data(settings: &RegistrySettings) -> Result<(), Failure> {
    match &settings.data {
        Data::Folder(folder) if !folder.exists() => {
            Err(FileError::DataMissing { folder: folder.clone() }.into())
        }
        Data::Folder(_) | Data::Volume(_) => Ok(()),
    }
}

/// Checks the name of a container, or of the registry in a network.
pub(super) fn check_name(flag: &str, name: &str) -> Result<(), Failure> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.bytes().all(is_known) && name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{flag} {name}: a name consists of letters, digits, -, _ and ., and begins with a letter or a digit"
    )))
}

/// The registry's settings: the flags, then the previous settings, then the defaults. An empty flag removes a previous
/// setting.
pub(super) fn settings(
    args: &UpArgs,
    before: Option<RegistrySettings>,
    environment: &Environment,
) -> Result<RegistrySettings, Failure> {
    let mut settings = before.unwrap_or_else(|| default_settings(args.target.name.clone(), environment));
    if !args.alias.is_empty() {
        settings.aliases = args.alias.iter().filter(|alias| !alias.is_empty()).cloned().collect();
        settings.aliases.iter().try_for_each(|alias| check_name("--alias", alias))?;
    }
    settings.address = args.address.unwrap_or(settings.address);
    settings.port = args.port.unwrap_or(settings.port);
    settings.mirror_port = args.mirror_port.or(settings.mirror_port).filter(|port| *port != 0);
    if settings.mirror_port == Some(settings.port) {
        return Err(Failure::Usage(format!(
            "--mirror-port {0}: the registry itself uses port {0}; choose another port for the mirror",
            settings.port
        )));
    }
    if let Some(folder) = &args.data {
        let (folder, user) = data_folder(folder, args.dry_run)?;
        settings.data = Data::Folder(folder);
        settings.user = user;
    }
    if let Some(volume) = &args.volume {
        let volume = Data::Volume(volume.clone());
        if settings.data != volume {
            settings.data = volume;
            settings.user = (USER, USER);
        }
    }
    if let Some(config) = &args.config {
        let absolute = std::path::absolute(config).ok().filter(|path| path.is_file());
        let unreadable = || Failure::Usage(format!("--config {}: no such file", config.display()));
        let is_empty = config.as_os_str().is_empty();
        settings.config = if is_empty { None } else { Some(absolute.ok_or_else(unreadable)?) };
    }
    if !args.settings.is_empty() {
        // Settings that hythe took over from an adopted registry:2 stay.
        settings.environment.retain(|name, _| name.starts_with("REGISTRY_"));
        let given: Vec<String> = args.settings.iter().filter(|text| !text.is_empty()).cloned().collect();
        settings.environment.extend(deploy::variables(&given, deploy::Server::Container)?);
    }
    Ok(settings)
}

/// The data folder, created if it does not exist, and the user that may write to it.
fn data_folder(folder: &Path, dry_run: bool) -> Result<(PathBuf, (u32, u32)), Failure> {
    let unusable = |error: std::io::Error| {
        Failure::Usage(format!("--data {}: the folder cannot be used: {error}", folder.display()))
    };
    let is_new = !folder.exists();
    if is_new && dry_run {
        return Ok((std::path::absolute(folder).map_err(unusable)?, (USER, USER)));
    }
    std::fs::create_dir_all(folder).map_err(unusable)?;
    let folder = std::fs::canonicalize(folder).map_err(unusable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let metadata = std::fs::metadata(&folder).map_err(unusable)?;
        if metadata.uid() != 0 {
            return Ok((folder, (metadata.uid(), metadata.gid())));
        }
        let is_empty = is_new || std::fs::read_dir(&folder).map_err(unusable)?.next().is_none();
        // hythe does not change the owner of a folder of root's that has content: that is the user's decision.
        if is_empty && (dry_run || chown(&folder, Some(USER), Some(USER)).is_ok()) {
            return Ok((folder, (USER, USER)));
        }
        Ok((folder, (0, 0)))
    }
    #[cfg(not(unix))]
    Ok((folder, (USER, USER)))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn settings(args: &UpArgs, before: Option<RegistrySettings>) -> Result<RegistrySettings, Failure> {
        super::settings(args, before, &Environment::default())
    }

    fn asked(flags: &[&str]) -> UpArgs {
        let words = ["hythe", "up", "--name", "reg"].into_iter().chain(flags.iter().copied());
        let Command::Up(args) = Args::try_parse_from(words).unwrap().command else { unreachable!() };
        *args
    }

    #[test]
    fn an_empty_value_removes_a_previous_setting() {
        let config = tempfile::NamedTempFile::new().unwrap();
        let path = config.path().to_str().unwrap();
        let flags =
            ["--alias", "a.b", "--mirror-port", "5002", "--set", "upstream.offline=true", "--config", path];
        let mut before = settings(&asked(&flags), None).unwrap();
        before.environment.insert("REGISTRY_HTTP_SECRET".to_owned(), "x".to_owned());
        assert_eq!((before.aliases.len(), before.mirror_port, before.environment.len()), (1, Some(5002), 2));
        assert!(before.config.is_some());
        assert_eq!(settings(&asked(&[]), Some(before.clone())).unwrap(), before);
        let flags = ["--alias", "", "--mirror-port", "", "--set", "", "--config", ""];
        let after = settings(&asked(&flags), Some(before)).unwrap();
        assert_eq!((after.aliases.len(), after.mirror_port, after.config), (0, None, None));
        assert_eq!(after.environment.keys().collect::<Vec<_>>(), ["REGISTRY_HTTP_SECRET"]);
    }

    #[test]
    fn a_name_that_networks_cannot_have_is_refused() {
        for alias in ["a/b", "-a", ".a", "a b"] {
            let error = settings(&asked(&[&format!("--alias={alias}")]), None).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{alias}");
        }
    }

    #[test]
    fn a_new_volume_does_not_keep_the_user_of_the_former_folder() {
        let mut before = RegistrySettings::new("reg".to_owned());
        (before.data, before.user) = (Data::Folder("/srv".into()), (501, 20));
        let after = settings(&asked(&["--volume", "v"]), Some(before)).unwrap();
        assert_eq!((after.data.clone(), after.user), (Data::Volume("v".to_owned()), (USER, USER)));
        let adopted = RegistrySettings { user: (7, 8), ..after };
        assert_eq!(settings(&asked(&["--volume", "v"]), Some(adopted)).unwrap().user, (7, 8));
    }

    #[test]
    fn a_dry_run_makes_no_folder() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let path = folder.to_str().unwrap();
        let made = settings(&asked(&["--dry-run", "--data", path]), None).unwrap();
        assert_eq!(made.data, Data::Folder(folder.clone()));
        assert!(!folder.exists());
    }

    #[test]
    fn a_system_folder_or_a_home_is_refused_as_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        let mut environment = Environment::default();
        environment.variables.insert("HOME".to_owned(), "/home/ada".into());
        for refused in ["/", "/etc", "/etc/../etc/", "/usr/share/registry", "/var", "/home/ada", "/proc/1"] {
            let error = check_folder(Path::new(refused), &environment).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
        for link in [link.clone(), link.join("new")] {
            let error = check_folder(&link, &environment).unwrap_err().to_string();
            assert!(error.contains("/link") && error.contains("system"), "{error}");
        }
        for taken in [folder.path(), &folder.path().join("new/deep"), Path::new("/srv/registry")] {
            check_folder(taken, &environment).unwrap();
        }
    }

    #[test]
    fn a_new_registry_gets_the_port_of_the_users_script() {
        let mut environment = Environment::default();
        environment.variables.insert("REG_PORT".to_owned(), "5009".into());
        assert_eq!(default_settings("reg".to_owned(), &environment).port, 5009);
        environment.variables.insert("REG_PORT".to_owned(), "tcp://10.0.0.1:5000".into());
        assert_eq!(default_settings("reg".to_owned(), &environment).port, 5001);
    }

    #[test]
    fn local_folders_are_refused_for_an_engine_on_another_machine() {
        check_paths(&asked(&["--data", "x"]), None).unwrap();
        check_paths(&asked(&["--volume", "x", "--config", ""]), Some("build")).unwrap();
        let error = check_paths(&asked(&["--data", "x"]), Some("build")).unwrap_err().to_string();
        assert!(error.contains("build") && error.contains("--volume NAME"), "{error}");
    }
}

//! Wires this machine's own clients to the registry, through their configuration files: Podman, `BuildKit`, dockerd.

use std::path::{Path, PathBuf};

use hythe_cluster::attach::Wiring;
use hythe_cluster::hosts::Endpoint;
use hythe_cluster::registries::{
    Mirrors, PODMAN_FILE, RegistriesError, add_to_buildkit, add_to_docker, podman_file, remove_from_buildkit,
    remove_from_docker,
};
use hythe_cluster::step::{Outcome, Step, diff};

use super::Steps;
use crate::args::LocalClient;
use crate::config::Environment;
use crate::failure::{Failure, FileError, LocalError};

/// The ending of the copy that keeps a file's content from before hythe's first change.
const COPY: &str = ".before-hythe";

/// A client's file, with its present and its new content.
struct Change {
    path: PathBuf,
    before: Option<String>,
    after: String,
    /// What the user does next, so that the client reads the file.
    then: String,
}

/// Wires a client to the registry, or removes the wiring.
pub(super) fn wire(
    client: LocalClient,
    wiring: &Wiring,
    is_attached: bool,
    environment: &Environment,
    steps: &Steps,
) -> Result<(), Failure> {
    let subject = client.title();
    let change = change(client, wiring, is_attached, environment)?;
    let path = change.path.display().to_string();
    if change.before.as_deref().unwrap_or_default() == change.after {
        steps.take(Step::new(subject, Outcome::Unchanged, format!("{path} is up to date")));
        return Ok(());
    }
    if wiring.dry_run {
        let diff = diff(&path, change.before.as_deref(), &change.after);
        let step =
            Step::new(subject, Outcome::Changed, format!("{path} would be changed; next: {}", change.then));
        steps.take(Step { diff: Some(diff), ..step });
        return Ok(());
    }
    write(&change).map_err(|error| FileError::WriteClient { path: change.path.clone(), error })?;
    steps.take(Step::new(subject, Outcome::Changed, format!("{path} changed; next: {}", change.then)));
    Ok(())
}

fn change(
    client: LocalClient,
    wiring: &Wiring,
    is_attached: bool,
    environment: &Environment,
) -> Result<Change, Failure> {
    let endpoint = |port: u16| -> Result<Endpoint, Failure> {
        let endpoint = format!("http://localhost:{port}").parse();
        endpoint.map_err(Failure::internal("naming the registry's address"))
    };
    let here = endpoint(wiring.registry.port)?;
    let mirrors = Mirrors { endpoint: &here, upstreams: &wiring.upstreams };
    let (path, then) = match client {
        LocalClient::Podman => {
            let folder = if environment.root {
                PathBuf::from("/etc/containers")
            } else {
                home(environment, "XDG_CONFIG_HOME", ".config")?.join("containers")
            };
            (
                folder.join("registries.conf.d").join(PODMAN_FILE),
                "nothing, Podman reads the file at each pull".to_owned(),
            )
        }
        LocalClient::Buildkit => (
            home(environment, "DOCKER_CONFIG", ".docker")?.join("buildx/buildkitd.default.toml"),
            "docker buildx create --use --driver-opt network=host (a builder reads the file when it is created)"
                .to_owned(),
        ),
        LocalClient::Docker => ("/etc/docker/daemon.json".into(), "systemctl reload docker".to_owned()),
    };
    let before = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(FileError::Read { path, error }.into()),
    };
    let text = before.clone().unwrap_or_default();
    let wrong = |error: RegistriesError| LocalError::ClientFile { path: path.clone(), error };
    let after = match (client, is_attached) {
        (LocalClient::Podman, true) => podman_file(&mirrors),
        (LocalClient::Podman, false) => String::new(),
        (LocalClient::Buildkit, true) => add_to_buildkit(&text, &mirrors).map_err(wrong)?,
        (LocalClient::Buildkit, false) => remove_from_buildkit(&text, &mirrors).map_err(wrong)?,
        (LocalClient::Docker, _) => {
            // dockerd's requests do not name the upstream, so Docker Hub needs a port of its own.
            let port = wiring.registry.mirror_port.ok_or(LocalError::NoMirrorPort)?;
            let mirror = endpoint(port)?;
            let change = if is_attached { add_to_docker } else { remove_from_docker };
            change(&text, &mirror).map_err(wrong)?
        }
    };
    Ok(Change { path, before, after, then })
}

fn home(environment: &Environment, variable: &str, folder: &str) -> Result<PathBuf, Failure> {
    let named =
        |name: &str| environment.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named(variable)
        .or_else(|| named("HOME").map(|home| home.join(folder)))
        .ok_or_else(|| FileError::NoHome.into())
}

/// Replaces the file in one step, and keeps a copy of the content that was there before hythe. Deletes a file that
/// would be empty. A symbolic link stays a link, and the file keeps its mode.
fn write(change: &Change) -> std::io::Result<()> {
    let path = match std::fs::canonicalize(&change.path) {
        Ok(path) => path,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => change.path.clone(),
        Err(error) => return Err(error),
    };
    if change.after.trim().is_empty() {
        return std::fs::remove_file(path);
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let copy = beside(&path, COPY);
    if change.before.is_some() && !copy.exists() {
        // `copy` keeps the mode. The rename makes the copy appear whole: a later run would take half of it for all.
        let staged = beside(&path, ".hythe-staged");
        std::fs::copy(&path, &staged)?;
        std::fs::rename(&staged, &copy)?;
    }
    let staged = beside(&path, ".hythe-staged");
    // A staged file that an interrupted command left may have another mode.
    let _ = std::fs::remove_file(&staged);
    if change.before.is_some() {
        std::fs::copy(&path, &staged)?;
    }
    std::fs::write(&staged, &change.after)?;
    std::fs::rename(&staged, path)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn changed(path: &Path, before: Option<&str>, after: &str) {
        let before = before.map(str::to_owned);
        write(&Change { path: path.to_owned(), before, after: after.to_owned(), then: String::new() })
            .unwrap();
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real"), folder.path().join("daemon.json"));
        std::fs::write(&file, "{}").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        symlink("real", &link).unwrap();
        changed(&link, Some("{}"), "{ }");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{ }");
        let copy = folder.path().join("real.before-hythe");
        assert_eq!((mode(&file), mode(&copy)), (0o600, 0o600));
        changed(&link, Some("{ }"), "{  }");
        assert_eq!(std::fs::read_to_string(copy).unwrap(), "{}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_new_file_is_written_without_a_copy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.conf");
        changed(&path, None, "x");
        assert_eq!(std::fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
        changed(&path, Some("x"), "");
        assert!(!path.exists());
    }
}

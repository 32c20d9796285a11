//! Finding the container engine that the user's other tools use.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use hythe_oci::{Algorithm, Digest};
use serde_json::Value;

use super::error::innermost;
use super::{Engine, EngineError};

/// Time limit for one request, in seconds. The longest is loading an image on a slow disk.
const REQUEST_TIMEOUT: u64 = 300;
/// Time limit for an engine to answer with its version. An engine that is busy with builds takes many seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// The engine that the user asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The engine that `docker` would use, otherwise Podman.
    #[default]
    Any,
    /// Docker.
    Docker,
    /// Podman: this user's first, then the system's.
    Podman,
    /// The engine at an address: `unix:///path` or `tcp://host:port`.
    At(String),
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::At(address) => address,
        })
    }
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "docker" => Ok(Self::Docker),
            "podman" => Ok(Self::Podman),
            text if text.contains("://") => Ok(Self::At(text.to_owned())),
            text if text.starts_with('/') => Ok(Self::At(format!("unix://{text}"))),
            text => Err(format!(
                "`{text}` is not an engine: write docker, podman, or an address such as unix:///run/docker.sock"
            )),
        }
    }
}

/// The environment variables and folders that tell where engines are.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// `DOCKER_HOST`.
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub docker_context: Option<String>,
    /// Docker's own folder: `DOCKER_CONFIG`, otherwise `~/.docker`.
    pub docker_folder: Option<PathBuf>,
    /// `CONTAINER_HOST`, which Podman's client uses.
    pub container_host: Option<String>,
    /// `XDG_RUNTIME_DIR`.
    pub runtime_folder: Option<PathBuf>,
    /// `KIND_EXPERIMENTAL_PROVIDER`: the engine that kind uses.
    pub kind_provider: Option<String>,
}

impl Surroundings {
    /// The surroundings of this process.
    pub fn of_process() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = variable("HOME").map(|home| PathBuf::from(home).join(".docker"));
        Self {
            docker_host: variable("DOCKER_HOST"),
            docker_context: variable("DOCKER_CONTEXT"),
            docker_folder: variable("DOCKER_CONFIG").map(PathBuf::from).or(home),
            container_host: variable("CONTAINER_HOST"),
            runtime_folder: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            kind_provider: variable("KIND_EXPERIMENTAL_PROVIDER"),
        }
    }

    /// The addresses that Docker's client would try, in order.
    fn docker(&self) -> Result<Vec<String>, EngineError> {
        if let Some(host) = &self.docker_host {
            return Ok(vec![host.clone()]);
        }
        if let Some(name) = self.context() {
            // An error, not the next address: the user asked for this context and must not get another engine.
            let host = self.context_host(&name).ok_or(EngineError::Context { name })?;
            return Ok(vec![host]);
        }
        let mut addresses = vec!["unix:///var/run/docker.sock".to_owned()];
        // Rootless Docker's, and Docker Desktop's on Linux and macOS.
        addresses.extend(self.runtime_folder.iter().map(|folder| socket(&folder.join("docker.sock"))));
        for name in ["desktop/docker.sock", "run/docker.sock"] {
            addresses.extend(self.docker_folder.iter().map(|folder| socket(&folder.join(name))));
        }
        Ok(addresses)
    }

    fn podman(&self) -> Vec<String> {
        if let Some(host) = &self.container_host {
            return vec![host.clone()];
        }
        let user = self.runtime_folder.iter().map(|folder| socket(&folder.join("podman/podman.sock")));
        user.chain([socket(Path::new("/run/podman/podman.sock"))]).collect()
    }

    /// The name of Docker's current context, if it is not the default one.
    fn context(&self) -> Option<String> {
        let configuration = || json(&self.docker_folder.as_ref()?.join("config.json"));
        let current = || Some(configuration()?.get("currentContext")?.as_str()?.to_owned());
        self.docker_context.clone().or_else(current).filter(|name| name != "default" && !name.is_empty())
    }

    /// The engine's address in a context.
    fn context_host(&self, name: &str) -> Option<String> {
        let folder = self.docker_folder.as_ref()?;
        let id = Digest::of(Algorithm::Sha256, name.as_bytes());
        let meta = json(&folder.join("contexts/meta").join(id.hex()).join("meta.json"))?;
        Some(meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned())
    }
}

fn socket(path: &Path) -> String {
    format!("unix://{}", path.display())
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

impl Engine {
    /// Connects to the engine that the user asks for, and reads its version.
    pub async fn connect(choice: &Choice, surroundings: &Surroundings) -> Result<Self, EngineError> {
        let podman_first = surroundings.kind_provider.as_deref() == Some("podman");
        let mut tried = Vec::new();
        // An engine that was removed may have left its context behind as the current one. Then look for another engine,
        // unless DOCKER_CONTEXT asks for that context.
        let mut docker = || match surroundings.docker() {
            Err(error) if surroundings.docker_context.is_none() => {
                tried.push(error.to_string());
                Ok(Vec::new())
            }
            found => found,
        };
        let addresses = match choice {
            Choice::At(address) => vec![address.clone()],
            Choice::Docker => surroundings.docker()?,
            Choice::Podman => surroundings.podman(),
            Choice::Any if podman_first => [surroundings.podman(), docker()?].concat(),
            Choice::Any => [docker()?, surroundings.podman()].concat(),
        };
        let is_only = addresses.len() == 1;
        for address in addresses {
            let path = address.strip_prefix("unix://");
            if !is_only && path.is_some_and(|path| !Path::new(path).exists()) {
                tried.push(format!("{address} does not exist"));
                continue;
            }
            match Self::at(&address).await {
                Ok(engine) => return Ok(engine),
                Err(error) if is_only => return Err(error),
                // A socket that this user may not open belongs to the wanted engine: do not go on to another one.
                Err(error @ EngineError::Unreachable { .. }) if error.is_forbidden() => return Err(error),
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(EngineError::None { tried, advice: start(podman_first || *choice == Choice::Podman) })
    }

    async fn at(address: &str) -> Result<Self, EngineError> {
        let unreachable = |error: bollard::errors::Error| EngineError::Unreachable {
            address: address.to_owned(),
            detail: plain(&innermost(&error)),
            advice: advice(address, &error),
        };
        let docker = if address.starts_with("unix://") {
            Docker::connect_with_unix(address, REQUEST_TIMEOUT, API_DEFAULT_VERSION).map_err(unreachable)?
        } else if address.starts_with("tcp://") || address.starts_with("http://") {
            Docker::connect_with_http(address, REQUEST_TIMEOUT, API_DEFAULT_VERSION).map_err(unreachable)?
        } else {
            return Err(EngineError::Scheme { address: address.to_owned(), advice: forward(address) });
        };
        let version = async {
            // An older engine only knows an older version of the API.
            let docker = docker.negotiate_version().await?;
            let version = docker.version().await?;
            Ok((docker, version))
        };
        let Ok(answer) = tokio::time::timeout(PATIENCE, version).await else {
            return Err(EngineError::Unreachable {
                address: address.to_owned(),
                detail: format!("no answer within {} s", PATIENCE.as_secs()),
                advice: "It may be busy: try again. Restart it only if `docker info` or `podman info` hangs too",
            });
        };
        let (docker, version) = answer.map_err(unreachable)?;
        let components = version.components.unwrap_or_default();
        let is_podman = components.iter().any(|component| component.name.contains("Podman"));
        Ok(Self {
            docker,
            address: address.to_owned(),
            is_podman,
            version: version.version.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
        })
    }
}

/// The host in an engine's address, if it is another machine.
pub fn remote(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("tcp://").or_else(|| address.strip_prefix("http://"))?;
    let host = rest.rsplit_once(':').map_or(rest, |(host, _)| host).trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    (!is_here).then_some(host)
}

/// The system's error message, without its number.
fn plain(text: &str) -> String {
    if text.starts_with("Socket not found") {
        return "the socket does not exist".to_owned();
    }
    text.split(" (os error").next().unwrap_or(text).to_owned()
}

/// What to do about an engine that does not answer, by its address and the connection's error.
fn advice(address: &str, error: &bollard::errors::Error) -> &'static str {
    if format!("{error:?}").contains("PermissionDenied") {
        return FORBIDDEN;
    }
    if !address.starts_with("unix://") {
        return "Check that the engine listens there, and that no firewall blocks it";
    }
    if address.contains("podman/machine") || address.contains("podman-machine") {
        return "Start its machine: podman machine start";
    }
    if address.contains("colima") {
        return "Start it: colima start";
    }
    start(address.contains("podman"))
}

/// What to do if this user may not open the engine's socket.
const FORBIDDEN: &str = "This user may not open its socket: add the user to the group docker (sudo usermod -aG docker \
    $USER) and log in again, or use sudo";

/// How to start an engine on this system.
fn start(is_podman: bool) -> &'static str {
    match (is_podman, cfg!(target_os = "linux")) {
        (true, true) => "Start it: systemctl --user start podman.socket",
        (true, false) => "Start its machine: podman machine start",
        (false, true) => "Start it: sudo systemctl start docker, or Docker Desktop",
        (false, false) => "Start Docker Desktop, or the engine that you use instead",
    }
}

/// How to reach an engine whose address hythe cannot use.
fn forward(address: &str) -> String {
    match address.strip_prefix("ssh://") {
        Some(host) => format!(
            "Forward its socket: ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock {}, then name it with --engine \
             unix:///tmp/docker.sock",
            ssh_words(host)
        ),
        None => "Forward the engine's socket to this machine and name it with --engine".to_owned(),
    }
}

/// The arguments of ssh for `user@host:port/path`.
fn ssh_words(host: &str) -> String {
    let host = host.split('/').next().unwrap_or(host);
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => format!("-p {port} {host}"),
        _ => host.to_owned(),
    }
}

impl EngineError {
    /// Whether the engine exists, but this user may not use it.
    fn is_forbidden(&self) -> bool {
        matches!(self, Self::Unreachable { advice, .. } if *advice == FORBIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_host_is_followed_before_everything_else() {
        let surroundings = Surroundings {
            docker_host: Some("tcp://10.0.0.1:2375".to_owned()),
            runtime_folder: Some("/run/user/1000".into()),
            ..Surroundings::default()
        };
        assert_eq!(surroundings.docker().unwrap(), ["tcp://10.0.0.1:2375"]);
    }

    #[test]
    fn the_current_context_names_the_engine() {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder.path().join("contexts/meta").join(Digest::of(Algorithm::Sha256, b"colima").hex());
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(folder.path().join("config.json"), r#"{"currentContext":"colima"}"#).unwrap();
        let host = r#"{"Name":"colima","Endpoints":{"docker":{"Host":"unix:///colima/docker.sock"}}}"#;
        std::fs::write(meta.join("meta.json"), host).unwrap();
        let mut surroundings =
            Surroundings { docker_folder: Some(folder.path().to_owned()), ..Surroundings::default() };
        assert_eq!(surroundings.docker().unwrap(), ["unix:///colima/docker.sock"]);
        surroundings.docker_context = Some("default".to_owned());
        assert_eq!(surroundings.docker().unwrap()[0], "unix:///var/run/docker.sock");
        // The requested engine is not replaced by another one.
        surroundings.docker_context = Some("colmia".to_owned());
        let error = surroundings.docker().unwrap_err().to_string();
        assert!(error.contains("`colmia`") && error.contains("docker context ls"), "{error}");
    }

    #[test]
    fn a_choice_is_a_name_or_an_address() {
        assert_eq!("docker".parse(), Ok(Choice::Docker));
        assert_eq!("/run/x.sock".parse(), Ok(Choice::At("unix:///run/x.sock".to_owned())));
        assert!("dokcer".parse::<Choice>().unwrap_err().contains("`dokcer` is not an engine"));
    }

    #[tokio::test]
    async fn an_error_names_the_missing_engine_and_what_to_do() {
        let choice = Choice::At("unix:///nowhere/docker.sock".to_owned());
        let error = Engine::connect(&choice, &Surroundings::default()).await.unwrap_err().to_string();
        assert!(error.contains("unix:///nowhere/docker.sock does not answer"), "{error}");
        let choice = Choice::At("ssh://host".to_owned());
        let error = Engine::connect(&choice, &Surroundings::default()).await.unwrap_err().to_string();
        assert!(error.contains("ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock host,"), "{error}");
        assert_eq!(ssh_words("me@build:2222/run/docker.sock"), "-p 2222 me@build");
        let choice = Choice::At("npipe:////./pipe/docker_engine".to_owned());
        let error = Engine::connect(&choice, &Surroundings::default()).await.unwrap_err().to_string();
        assert!(error.contains("Forward the engine's socket"), "{error}");
    }

    /// Each way in which an engine cannot be reached has an error in the user's words, without those of the HTTP
    /// client.
    #[tokio::test]
    async fn connection_errors_are_in_the_users_words() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("podman/machine/podman.sock");
        std::fs::create_dir_all(gone.parent().unwrap()).unwrap();
        // A stopped Podman machine leaves its socket behind.
        drop(std::os::unix::net::UnixListener::bind(&gone).unwrap());
        let table = [
            (
                format!("unix://{}", gone.display()),
                "onnection refused. Start its machine: podman machine start",
            ),
            (
                format!("unix://{}/docker.sock", folder.path().display()),
                "the socket does not exist. Start it:",
            ),
            ("tcp://127.0.0.1:1".to_owned(), "onnection refused. Check that the engine listens there"),
        ];
        for (address, expected) in table {
            let choice = Choice::At(address.clone());
            let error = Engine::connect(&choice, &Surroundings::default()).await.unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("the container engine at {address} does not answer: ")),
                "{error}"
            );
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hyper") && !error.contains("client error"), "{error}");
        }
    }

    #[test]
    fn a_socket_that_this_user_may_not_open_has_its_own_advice() {
        let closed = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let error = bollard::errors::Error::IOError { err: closed };
        assert_eq!(advice("unix:///var/run/docker.sock", &error), FORBIDDEN);
        assert_eq!(plain("Permission denied (os error 13)"), "Permission denied");
    }
}

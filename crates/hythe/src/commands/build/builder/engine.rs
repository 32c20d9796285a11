//! The engine that the user wants to build in.

use std::path::{Path, PathBuf};

use crate::args::BuildArgs;

/// The socket on which Docker's client finds its engine, if nothing names another one.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The engine that the user wants to build in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "cluster"),
    allow(dead_code, reason = "only a build with clusters has the option --engine")
)]
pub(super) enum Wanted {
    /// The user named none.
    Any,
    /// Docker. It has the name by which the user chose it, for errors.
    Docker(String),
    /// Podman.
    Podman,
    /// The engine at an address.
    At(String),
}

impl Wanted {
    /// The engine of `--engine` or `HYTHE_ENGINE`, else of the variables of Docker's client.
    pub(super) fn of(args: &BuildArgs) -> Self {
        #[cfg(feature = "cluster")]
        match &args.engine.engine {
            Some(hythe_engine::Choice::Docker) => return Self::Docker("--engine docker".to_owned()),
            Some(hythe_engine::Choice::Podman) => return Self::Podman,
            // Docker's client has no scheme `http`.
            Some(hythe_engine::Choice::At(address)) => {
                return Self::At(address.replacen("http://", "tcp://", 1));
            }
            Some(hythe_engine::Choice::Any) | None => {}
        }
        #[cfg(not(feature = "cluster"))]
        let _ = args;
        for name in ["DOCKER_HOST", "DOCKER_CONTEXT"] {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty() && value != "default");
            if let Some(value) = value {
                return Self::Docker(format!("{name}={value}"));
            }
        }
        Self::Any
    }
}

/// Whether the client's error says that there is no engine, so that hythe may choose another builder: the socket does not exist, and
/// the user did not choose it with `docker context use`.
pub(super) fn is_absent(error: &str) -> bool {
    if has_context() {
        return false;
    }
    let named = error.split_once("unix://").map(|(_, rest)| {
        let end =
            rest.find(|c: char| c.is_whitespace() || [';', ',', '"'].contains(&c)).unwrap_or(rest.len());
        rest[..end].trim_end_matches(['.', ':'])
    });
    !Path::new(named.unwrap_or(DEFAULT_SOCKET)).exists()
}

/// Whether Docker's configuration names a context.
fn has_context() -> bool {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker"));
    let Some(folder) = folder.or_else(home) else { return false };
    let text = std::fs::read(folder.join("config.json")).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    json["currentContext"].as_str().is_some_and(|name| !name.is_empty() && name != "default")
}

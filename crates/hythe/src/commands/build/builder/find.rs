//! Chooses the builder.

use super::engine::{Wanted, is_absent};
use super::program::{Client, NOT_INSTALLED};
use super::{Builder, Kind};
use crate::args::{BuildArgs, BuilderName};
use crate::failure::{BuildError, Failure};

impl Builder {
    /// The builder that the user chose, or the first one that answers. An engine that the user named is never replaced by another one.
    pub(in crate::commands::build) fn find(args: &BuildArgs) -> Result<Self, Failure> {
        let wanted = Wanted::of(args);
        let address = match &wanted {
            Wanted::At(address) => Some(address.clone()),
            Wanted::Any | Wanted::Docker(_) | Wanted::Podman => None,
        };
        let client = Client { address };
        let (kind, instead) = match (args.builder, &wanted) {
            (BuilderName::Podman, _) | (BuilderName::Auto, Wanted::Podman) => {
                (installed(&client, "podman", Kind::Podman)?, None)
            }
            (BuilderName::Buildah, _) => (installed(&client, "buildah", Kind::Buildah)?, None),
            (BuilderName::Docker, _) => {
                client.docker().map_err(|why| silent(&wanted, &why))?;
                (Kind::Docker, None)
            }
            (BuilderName::Buildx, _) => {
                client
                    .answer("docker", &["buildx", "version"])
                    .map_err(|why| missing("docker buildx", &why))?;
                let kind = buildx(&client);
                if kind != Kind::Container {
                    client.docker().map_err(|why| silent(&wanted, &why))?;
                }
                (kind, None)
            }
            (BuilderName::Auto, _) => match client.docker() {
                Ok(_) if client.works("docker", &["buildx", "version"]) => (buildx(&client), None),
                Ok(_) => (Kind::Docker, None),
                Err(why) if wanted == Wanted::Any && (why == NOT_INSTALLED || is_absent(&why)) => {
                    (another(&client, &why)?, Some(why))
                }
                Err(why) => return Err(unusable(&wanted, &why)),
            },
        };
        Ok(Self { kind, client, instead })
    }
}

/// The builder of a program, if it is installed.
fn installed(client: &Client, program: &str, kind: Kind) -> Result<Kind, Failure> {
    client.answer(program, &["--version"]).map(|_| kind).map_err(|why| missing(program, &why))
}

/// The builder that is used if Docker is not there.
fn another(client: &Client, docker: &str) -> Result<Kind, Failure> {
    for (program, kind) in [("podman", Kind::Podman), ("buildah", Kind::Buildah)] {
        if client.works(program, &["--version"]) {
            return Ok(kind);
        }
    }
    let reason = format!("docker {docker}; podman and buildah are not installed");
    Err(BuildError::NoBuilder { reason }.into())
}

fn missing(program: &str, why: &str) -> Failure {
    BuildError::NoBuilder { reason: format!("{program} {why}") }.into()
}

/// The error of the builder that the user chose, if its engine does not answer.
fn silent(wanted: &Wanted, why: &str) -> Failure {
    if *wanted == Wanted::Any { missing("docker", why) } else { unusable(wanted, why) }
}

/// The error of an engine that does not answer and must not be replaced.
fn unusable(wanted: &Wanted, why: &str) -> Failure {
    let engine = match wanted {
        Wanted::Any | Wanted::Podman => "Docker's engine".to_owned(),
        Wanted::Docker(name) => format!("the engine of {name}"),
        Wanted::At(address) => format!("the engine at {address}"),
    };
    BuildError::Engine { engine, reason: format!("docker {why}") }.into()
}

/// Where the current builder of buildx runs.
fn buildx(client: &Client) -> Kind {
    let said = client.answer("docker", &["buildx", "inspect"]).unwrap_or_default();
    let driver = said.lines().find_map(|line| Some(line.strip_prefix("Driver:")?.trim().to_owned()));
    if driver.is_some_and(|driver| driver != "docker") {
        return Kind::Container;
    }
    let status = client.answer("docker", &["info", "--format", "{{json .DriverStatus}}"]).unwrap_or_default();
    Kind::Engine { in_containerd: status.contains("io.containerd.snapshotter") }
}

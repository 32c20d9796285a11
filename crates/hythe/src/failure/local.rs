//! Engines, clusters and clients of this machine that do not fit what a command asks for.

use std::path::PathBuf;

use hythe_cluster::registries::RegistriesError;

/// Why a command cannot do its work with the engine, the clusters and the clients of this machine.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The container of the registry's name runs other software.
    #[error(
        "the container {name} does not run hythe; to replace it with hythe and keep its data: `hythe up --adopt`"
    )]
    Foreign {
        /// The container's name.
        name: String,
    },
    /// The replacement of the registry's container was interrupted.
    #[error("replacing the container {name} was interrupted; to restore the previous container: `hythe up`")]
    Interrupted {
        /// The container's name.
        name: String,
    },
    /// No registry has the name.
    #[error("no registry {name} runs in {engine}; {}", instead(*.remembered, .others))]
    NoRegistry {
        /// The name.
        name: String,
        /// The engine's title.
        engine: String,
        /// Whether the engine remembers the settings of a registry of that name.
        remembered: bool,
        /// The names of the registries that run in the engine.
        others: Vec<String>,
    },
    /// The engine stopped while a command watched it.
    #[error("{engine} stopped, so the watch ended")]
    EngineStopped {
        /// The engine's title.
        engine: String,
    },
    /// The engine has no clusters.
    #[error(
        "{engine} has no cluster of kind, k3d or minikube; `hythe attach --watch` attaches clusters as they appear"
    )]
    NoClusters {
        /// The engine's title.
        engine: String,
    },
    /// dockerd cannot use the registry's own port.
    #[error("dockerd needs a port that mirrors only Docker Hub: `hythe up --mirror-port 5002`")]
    NoMirrorPort,
    /// hythe does not understand a client's configuration file.
    #[error("{}: {error}; the file was not changed", .path.display())]
    ClientFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: RegistriesError,
    },
    /// The service that attaches nodes cannot be installed.
    #[error(
        "the watch could not be installed as a service: {reason}. Run it in a terminal instead: `hythe attach --watch \
         --name {registry}`"
    )]
    ServiceNotInstalled {
        /// The registry's name.
        registry: String,
        /// What went wrong.
        reason: String,
    },
    /// The service that attaches nodes cannot be removed.
    #[error(
        "cannot stop the service {service}: {reason}. Stop it by hand: systemctl --user disable --now {service}"
    )]
    ServiceNotRemoved {
        /// The service's name.
        service: String,
        /// What went wrong.
        reason: String,
    },
    /// hythe cannot reach the nodes of a cluster.
    #[error(
        "cannot load hythe's image into the nodes of context `{context}`: {reason}. Push the image to a registry that \
         nodes pull from, and name it with --image IMAGE. Or write it to a file (`hythe image --save hythe.tar`), import \
         that file in each node (ctr -n k8s.io images import hythe.tar), and name it: `hythe deploy --image {image}`"
    )]
    Nodes {
        /// The cluster's context.
        context: String,
        /// Why its nodes cannot be reached.
        reason: String,
        /// The image's reference.
        image: String,
    },
    /// Some cluster or client could not be wired.
    #[error(
        "the wiring is incomplete: the lines that begin with ! say what failed; `hythe doctor` finds out why"
    )]
    Unwired,
    /// Some of the wiring could not be removed.
    #[error("the wiring was not removed completely: the lines that begin with ! say what failed")]
    StillWired,
    /// The doctor found faults.
    #[error("{summary}{}", .fixable.advice())]
    Faults {
        /// How many checks had which result.
        summary: String,
        /// Whether hythe can repair them.
        fixable: Fixable,
    },
}

/// Whether hythe can repair the faults that the doctor found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixable {
    /// `--fix` can repair some of them.
    Yes,
    /// `--fix` can repair none of them.
    No,
    /// `--fix` made the repairs that it can make.
    Tried,
}

impl Fixable {
    fn advice(self) -> &'static str {
        match self {
            Self::Yes => "; `hythe doctor --fix` makes the repairs that are safe",
            Self::No => "",
            Self::Tried => "; --fix cannot repair what is left: each check says what to do",
        }
    }
}

fn instead(remembered: bool, others: &[String]) -> String {
    match others {
        _ if remembered => "`hythe up` brings it back with its previous settings".to_owned(),
        [] => "start it: `hythe up`".to_owned(),
        [one] => format!("the registry {one} does: add --name {one}"),
        several => format!("it has the registries {}: choose one with --name", several.join(", ")),
    }
}

//! Why the registry does not run.

use std::net::IpAddr;

use super::{Owner, SETTINGS_LABEL};
use crate::engine::EngineError;
use crate::image::BinaryError;

/// Why the registry does not run.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no binary to make its image of.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A container of the name runs something else.
    #[error(
        "a container {name} is there already, made from {image}; {owner}. To let hythe take its place, with its data: \
         `hythe up --adopt`. To leave it alone, give hythe's registry another name: `hythe up --name {name}-hythe`"
    )]
    Foreign {
        /// Its name.
        name: String,
        /// The image that it was made from.
        image: String,
        /// Who manages it.
        owner: Owner,
    },
    /// A container of the name runs hythe, and somebody else made it.
    #[error(
        "the container {name} runs hythe, but {owner}: `hythe up`, `hythe down` and `hythe upgrade` leave it alone. {}. \
         `hythe attach --all` wires clusters to it as it is", .owner.advice()
    )]
    Theirs {
        /// Its name.
        name: String,
        /// Who manages it.
        owner: Owner,
    },
    /// Something else has the port.
    #[error(
        "port {port} of {address} is taken{}. Stop what listens there, or choose another port: `hythe up {} {}`{}",
        .by.as_ref().map_or_else(String::new, |by| format!(" by the container {by}")),
        if *.is_mirror { "--mirror-port" } else { "--port" },
        .port.saturating_add(1),
        if *.is_foreign && !*.is_mirror {
            ". If it is a registry:2, hythe can take its place, with its data: `hythe up --adopt`"
        } else {
            ""
        }
    )]
    PortTaken {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The container that has it, if it is one.
        by: Option<String>,
        /// Whether that one is not hythe's.
        is_foreign: bool,
        /// Whether it is the port that answers for Docker Hub alone.
        is_mirror: bool,
    },
    /// What a container of hythe's was made with cannot be read.
    #[error(
        "what the container {name} was made with is not known: its label {SETTINGS_LABEL} is not one of this version's, \
         or the container was renamed. Its data is in {data}, and stays there: docker rm -f {name}, then `hythe up --name \
         {name}{again}`"
    )]
    Unknown {
        /// Its name.
        name: String,
        /// Where its data is.
        data: String,
        /// The flags that take it up again.
        again: String,
    },
    /// A container's place cannot be taken.
    #[error("hythe cannot take the place of the container {name}: {reason}")]
    NoHeir {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// It started and did not get ready.
    #[error(
        "the registry did not get ready: {reason}. {}",
        if .log.is_empty() { "Its log is empty".to_owned() } else { format!("The end of its log:\n{log}") }
    )]
    NotReady {
        /// What was seen.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// It failed, and what was there before was put back, if it could be.
    #[error(
        "{error}\n{}",
        .failure.as_ref().map_or_else(
            || "The one before is back, with its data".to_owned(),
            |failure| format!("The one before could not be put back: {failure}")
        )
    )]
    PutBack {
        /// Why it failed.
        error: Box<RegistryError>,
        /// Why what was there before is not back.
        failure: Option<Box<RegistryError>>,
    },
    /// Its data cannot be deleted.
    #[error("{data} could not be deleted: {reason}")]
    NotForgotten {
        /// The data.
        data: String,
        /// Why not.
        reason: String,
    },
    /// The engine runs another architecture than the binary's.
    #[error(
        "the engine runs {engine} and this binary is for {binary}: name hythe's Linux binary for {engine} with \
         --binary FILE"
    )]
    Architecture {
        /// The engine's.
        engine: String,
        /// The binary's.
        binary: String,
    },
}

impl RegistryError {
    /// The same, and what became of putting back what was there before.
    pub(super) fn put_back<E: Into<Self>>(self, restored: Result<(), E>) -> Self {
        let failure = restored.err().map(|error| Box::new(error.into()));
        Self::PutBack { error: Box::new(self), failure }
    }
}

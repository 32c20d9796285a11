//! Errors of starting, replacing and removing the registry.

use std::net::IpAddr;

use super::{Owner, SETTINGS_LABEL};
use crate::image::BinaryError;
use hythe_engine::EngineError;

/// Why the registry could not be started, replaced or removed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// No binary was found for hythe's image.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// A container of this name runs other software.
    #[error(
        "a container named {name} already exists, created from {image}; {owner}. To replace it with hythe and keep its \
         data: `hythe up --adopt`. To keep it, give hythe's registry another name: `hythe up --name {name}-hythe`"
    )]
    Foreign {
        /// The container's name.
        name: String,
        /// The image that it was created from.
        image: String,
        /// Who manages the container.
        owner: Owner,
    },
    /// A container of this name runs hythe, and another tool created it.
    #[error(
        "the container {name} runs hythe, but {owner}, so hythe's up, down and upgrade do not change it. \
         {}. `hythe attach --all` wires clusters to it as it is", .owner.advice()
    )]
    Theirs {
        /// The container's name.
        name: String,
        /// Who manages the container.
        owner: Owner,
    },
    /// Another container or program uses the port.
    #[error(
        "port {port} of {address} is taken{}. Stop the program that listens there, or choose another port: `hythe up \
         {} {}`{}",
        .by.as_ref().map_or_else(String::new, |by| format!(" by the container {by}")),
        if *.is_mirror { "--mirror-port" } else { "--port" },
        .port.saturating_add(1),
        if *.is_foreign && !*.is_mirror {
            ". If it is a registry:2, hythe can replace it and keep its data: `hythe up --adopt`"
        } else {
            ""
        }
    )]
    PortTaken {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
        /// The container that publishes the port, if it is a container.
        by: Option<String>,
        /// Whether that container does not run hythe.
        is_foreign: bool,
        /// Whether it is the port that serves Docker Hub alone.
        is_mirror: bool,
    },
    /// The settings of a container of hythe's cannot be read.
    #[error(
        "the settings of the container {name} are unknown: this version cannot read its label {SETTINGS_LABEL}, or the \
         container was renamed. Recreate it; its data stays in {data}: docker rm -f {name}, then `hythe up --name \
         {name}{again}`"
    )]
    Unknown {
        /// The container's name.
        name: String,
        /// Where the container's data is.
        data: String,
        /// The flags of `hythe up` that use the same data and port again.
        again: String,
    },
    /// Another registry's container cannot be replaced.
    #[error("hythe cannot replace the container {name}: {reason}")]
    NoHeir {
        /// The container's name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The registry started and did not become ready.
    #[error(
        "the registry did not become ready: {reason}. {}",
        if .log.is_empty() { "Its log is empty".to_owned() } else { format!("The end of its log:\n{log}") }
    )]
    NotReady {
        /// The state in which it was found.
        reason: String,
        /// The end of the registry's log.
        log: String,
    },
    /// Replacing the container failed, and the previous container was restored, if possible.
    #[error(
        "{error}\n{}",
        .failure.as_ref().map_or_else(
            || "The previous container is restored, with its data".to_owned(),
            |failure| format!("The previous container could not be restored: {failure}")
        )
    )]
    PutBack {
        /// Why the replacement failed.
        error: Box<RegistryError>,
        /// Why the previous container could not be restored.
        failure: Option<Box<RegistryError>>,
    },
    /// The registry's data cannot be deleted.
    #[error("could not delete the registry's data in {data}: {reason}")]
    NotForgotten {
        /// Where the data is.
        data: String,
        /// Why not.
        reason: String,
    },
    /// The engine and the binary have different architectures.
    #[error(
        "the engine runs {engine} containers, but this binary is for {binary}: name hythe's Linux binary for {engine} \
         with --binary FILE"
    )]
    Architecture {
        /// The engine's architecture.
        engine: String,
        /// The binary's architecture.
        binary: String,
    },
}

impl RegistryError {
    /// This error, together with the result of restoring the previous container.
    pub(super) fn put_back<E: Into<Self>>(self, restored: Result<(), E>) -> Self {
        let failure = restored.err().map(|error| Box::new(error.into()));
        Self::PutBack { error: Box::new(self), failure }
    }
}

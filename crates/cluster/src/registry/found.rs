//! The container that has the registry's name.

use hythe_engine::models::ContainerInspectResponse;

use super::{Owner, ROLE, ROLE_LABEL, RegistryError, RegistrySettings, seen};
use hythe_engine::{Engine, EngineError};

/// The container found under the registry's name.
#[derive(Debug)]
pub enum Found {
    /// No container.
    Absent,
    /// A registry that `hythe up` created.
    Ours(Box<ContainerInspectResponse>),
    /// hythe, in a container that another tool created: Compose, or `docker run`.
    Theirs(Box<ContainerInspectResponse>),
    /// A container that runs other software.
    Foreign(Box<ContainerInspectResponse>),
}

impl Found {
    /// The container, whatever it runs.
    pub fn container(&self) -> Option<&ContainerInspectResponse> {
        match self {
            Self::Absent => None,
            Self::Ours(container) | Self::Theirs(container) | Self::Foreign(container) => Some(container),
        }
    }

    /// The settings of the registry, if the container runs hythe and its settings are readable.
    pub fn settings(&self) -> Option<RegistrySettings> {
        match self {
            Self::Absent | Self::Foreign(_) => None,
            Self::Ours(container) => RegistrySettings::recorded(container),
            Self::Theirs(container) => Some(RegistrySettings::seen(container)),
        }
    }

    /// Who manages the container, if `hythe up` did not create it.
    pub fn owner(&self) -> Option<Owner> {
        match self {
            Self::Theirs(container) | Self::Foreign(container) => Some(Owner::of(container)),
            Self::Absent | Self::Ours(_) => None,
        }
    }
}

/// Looks up the container of this name.
pub async fn find(engine: &Engine, name: &str) -> Result<Found, EngineError> {
    let Some(container) = engine.container(name).await? else { return Ok(Found::Absent) };
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    let is_ours = labels.and_then(|labels| labels.get(ROLE_LABEL)).is_some_and(|role| role == ROLE);
    let container = Box::new(container);
    if is_ours {
        return Ok(Found::Ours(container));
    }
    let is_hythe = seen::is_hythe(&container) || seen::answers(&container).await;
    Ok(if is_hythe { Found::Theirs(container) } else { Found::Foreign(container) })
}

/// The container of a registry that `hythe up` created. A container of this name that another tool created is an error.
pub async fn own(
    engine: &Engine,
    name: &str,
) -> Result<Option<Box<ContainerInspectResponse>>, RegistryError> {
    let found = find(engine, name).await?;
    let owner = found.owner();
    let name = name.to_owned();
    match (found, owner) {
        (Found::Ours(container), _) => Ok(Some(container)),
        (Found::Theirs(_), Some(owner)) => Err(RegistryError::Theirs { name, owner }),
        (Found::Foreign(container), Some(owner)) => {
            let image = container.config.and_then(|config| config.image).unwrap_or_default();
            Err(RegistryError::Foreign { name, image, owner })
        }
        (Found::Absent | Found::Theirs(_) | Found::Foreign(_), _) => Ok(None),
    }
}

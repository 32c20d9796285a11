//! Who manages a container that `hythe up` did not create.

use std::fmt;

use hythe_engine::models::ContainerInspectResponse;

/// Who manages a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A service of a Compose project.
    Compose {
        /// The project.
        project: String,
        /// The service.
        service: String,
        /// The project's files, as Compose was given them.
        files: Vec<String>,
    },
    /// An unknown tool or user, for example with `docker run`.
    Other,
}

impl Owner {
    /// The owner of a container, from its labels.
    pub(super) fn of(container: &ContainerInspectResponse) -> Self {
        let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
        let label = |name: &str| labels.and_then(|labels| labels.get(&format!("com.docker.compose.{name}")));
        match (label("project"), label("service")) {
            (Some(project), Some(service)) => Self::Compose {
                project: project.clone(),
                service: service.clone(),
                files: label("project.config_files")
                    .map(|files| files.split(',').map(str::to_owned).collect())
                    .unwrap_or_default(),
            },
            _ => Self::Other,
        }
    }

    /// How to change the container, as a sentence.
    pub fn advice(&self) -> String {
        match self {
            Self::Compose { project, service, files } => {
                let files: Vec<String> = files.iter().map(|file| format!("-f {file} ")).collect();
                format!(
                    "Change the service in its Compose file, and run docker compose -p {project} {}up -d {service}",
                    files.concat()
                )
            }
            Self::Other => {
                "Change it with the tool that created it, such as docker run or a script".to_owned()
            }
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compose { project, service, .. } => {
                write!(f, "Compose manages it (project {project}, service {service})")
            }
            Self::Other => f.write_str("another tool or person created it"),
        }
    }
}

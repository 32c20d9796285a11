//! Why an engine did not do what was asked.

use bollard::errors::Error as ApiError;

/// Why an engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine was found.
    #[error(
        "no container engine answers: {}. {advice}, or name the engine's socket with --engine unix:///path/to/socket",
        .tried.join("; ")
    )]
    None {
        /// What was tried, each with what came of it.
        tried: Vec<String>,
        /// What to do.
        advice: &'static str,
    },
    /// The engine that was asked for does not answer.
    #[error("the container engine at {address} does not answer: {detail}. {advice}")]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What the connection said.
        detail: String,
        /// What to do.
        advice: &'static str,
    },
    /// The context of Docker's that is asked for says no address.
    #[error(
        "Docker's context `{name}`, which DOCKER_CONTEXT or `docker context use` asks for, names no engine: `docker \
         context ls` shows those that do, and --engine names one without a context"
    )]
    Context {
        /// The context.
        name: String,
    },
    /// An address of a kind that cannot be spoken to.
    #[error(
        "the container engine's address {address} cannot be used: hythe speaks to unix:// and tcp:// only. {advice}"
    )]
    Scheme {
        /// The address.
        address: String,
        /// What to do.
        advice: String,
    },
    /// The engine refused, or failed.
    #[error("the engine could not {doing}: {message}")]
    Refused {
        /// What it was asked to do.
        doing: String,
        /// The status that it answered with, if it answered.
        status: Option<u16>,
        /// Its words.
        message: String,
    },
    /// A command in a container failed.
    #[error("`{command}` in {container} ended with {code}: {output}")]
    Command {
        /// The container.
        container: String,
        /// The command.
        command: String,
        /// Its exit code.
        code: i64,
        /// What it printed.
        output: String,
    },
}

impl EngineError {
    /// What the API said of an attempt at something.
    pub(crate) fn of(doing: impl Into<String>) -> impl FnOnce(ApiError) -> Self {
        let doing = doing.into();
        move |error| match error {
            ApiError::DockerResponseServerError { status_code, message } => {
                Self::Refused { doing, status: Some(status_code), message: words(&message) }
            }
            error => Self::Refused { doing, status: None, message: innermost(&error) },
        }
    }

    /// Whether the engine said that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: Some(404), .. })
    }

    /// What the engine said, in lower case, to be searched.
    pub(crate) fn said(&self) -> String {
        match self {
            Self::Refused { message, .. } => message.to_lowercase(),
            Self::None { .. }
            | Self::Unreachable { .. }
            | Self::Context { .. }
            | Self::Scheme { .. }
            | Self::Command { .. } => String::new(),
        }
    }
}

/// The cause that says something: those around it are the client's own words.
pub(super) fn innermost(error: &ApiError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The message inside of an answer that may be JSON.
fn words(message: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(message).ok();
    let inner = parsed.as_ref().and_then(|value| value.get("message")).and_then(|message| message.as_str());
    inner.unwrap_or(message).trim().to_owned()
}

//! Errors of container engines.

use bollard::errors::Error as ApiError;

/// Why a container engine did not do what hythe asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// None of the known addresses has an engine that answers.
    #[error(
        "no container engine answers: {}. {advice}, or name the engine's socket with --engine unix:///path/to/socket",
        .tried.join("; ")
    )]
    None {
        /// The addresses that were tried, each with the result.
        tried: Vec<String>,
        /// What to do.
        advice: &'static str,
    },
    /// The requested engine does not answer.
    #[error("the container engine at {address} does not answer: {detail}. {advice}")]
    Unreachable {
        /// The address that was tried.
        address: String,
        /// The connection's error.
        detail: String,
        /// What to do.
        advice: &'static str,
    },
    /// The requested context of Docker's has no address of an engine.
    #[error(
        "Docker's context `{name}`, chosen by DOCKER_CONTEXT or `docker context use`, has no address of an engine: choose \
         another context (`docker context ls` lists them), or name the engine with --engine"
    )]
    Context {
        /// The context's name.
        name: String,
    },
    /// An address with a scheme that hythe does not support.
    #[error(
        "the container engine's address {address} cannot be used: hythe supports unix:// and tcp:// only. {advice}"
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
        /// The operation, as a verb phrase.
        doing: String,
        /// The status of the engine's answer, if it answered.
        status: Option<u16>,
        /// The engine's message.
        message: String,
    },
    /// A command in a container failed.
    #[error("`{command}` in {container} exited with code {code}: {output}")]
    Command {
        /// The container.
        container: String,
        /// The command.
        command: String,
        /// The command's exit code.
        code: i64,
        /// The command's output.
        output: String,
    },
}

impl EngineError {
    /// The error for an API error during the operation `doing`.
    pub(crate) fn of(doing: impl Into<String>) -> impl FnOnce(ApiError) -> Self {
        let doing = doing.into();
        move |error| match error {
            ApiError::DockerResponseServerError { status_code, message } => {
                Self::Refused { doing, status: Some(status_code), message: words(&message) }
            }
            // An error that came after the engine had begun to answer.
            ApiError::DockerStreamError { error } => {
                Self::Refused { doing, status: None, message: error.trim().to_owned() }
            }
            error => Self::Refused { doing, status: None, message: innermost(&error) },
        }
    }

    /// Whether the engine answered "not found".
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: Some(404), .. })
    }

    /// The engine's message in lower case, for searching.
    pub fn said(&self) -> String {
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

/// The innermost cause, which is the useful one. The errors around it only have the HTTP client's wording.
pub(super) fn innermost(error: &ApiError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// The message in an answer, which may be JSON.
fn words(message: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(message).ok();
    let inner = parsed.as_ref().and_then(|value| value.get("message")).and_then(|message| message.as_str());
    inner.unwrap_or(message).trim().to_owned()
}

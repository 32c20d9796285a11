//! The stdin and the output of a container.

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::errors::Error as ApiError;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures_util::Stream;
use tokio::io::AsyncWrite;

use super::{Engine, EngineError, PATIENCE, within};

/// The stdin and the output of a container.
pub(crate) struct Attached {
    /// What the container writes.
    pub(crate) output: Pin<Box<dyn Stream<Item = Result<LogOutput, ApiError>> + Send>>,
    /// What the container reads. The container's stdin ends with it.
    pub(crate) input: Pin<Box<dyn AsyncWrite + Send>>,
}

impl Engine {
    /// Attaches to a container, which may not have started yet.
    pub(crate) async fn attach(&self, container: &str) -> Result<Attached, EngineError> {
        let options =
            AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true);
        let attached = self.docker.attach_container(container, Some(options.build()));
        let attached = within(PATIENCE, format!("attach to the container {container}"), attached).await?;
        Ok(Attached { output: attached.output, input: attached.input })
    }
}

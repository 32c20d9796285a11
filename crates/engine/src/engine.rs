//! A container engine, Docker or Podman, used through its API.

mod attach;
mod connect;
mod error;
mod exec;
mod files;
mod images;
mod volumes;

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::Docker;
use bollard::errors::Error as ApiError;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, ContainerUpdateBody, EndpointSettings,
    EventMessage, NetworkConnectRequest, NetworkDisconnectRequest, NetworkInspect, RestartPolicy,
    RestartPolicyNameEnum, SystemInfo,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, ImportImageOptionsBuilder, InspectContainerOptions,
    InspectNetworkOptions, ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptions, StopContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::time::{Instant, sleep};

pub(crate) use attach::Attached;
pub use connect::{Choice, Surroundings, remote};
pub use error::EngineError;
pub use exec::Output;
pub use files::File;
pub use images::{EngineImage, Login};

/// Time that a container has to stop by itself before the engine kills it.
const STOP: Duration = Duration::from_secs(30);
/// Time limit for a short operation of the engine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time limit for deleting a container or a volume, which may have a disk's worth of files.
const DELETION: Duration = Duration::from_mins(5);

/// Time within which Podman must clean up after a container that exited.
const CLEARING: Duration = Duration::from_secs(10);

/// Retries of removing a container that is between two states.
const TRIES: u32 = 50;
/// Pause between two of these tries.
const PAUSE: Duration = Duration::from_millis(100);

/// A container engine that answered.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    address: String,
    is_podman: bool,
    version: String,
    architecture: String,
}

/// A piece of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPiece {
    /// Whether it was written to stderr.
    pub is_error: bool,
    /// The output.
    pub bytes: Bytes,
}

impl Engine {
    /// The address on which the engine listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The host name of the engine's machine, if its address shows that it is not this one.
    pub fn remote(&self) -> Option<&str> {
        remote(&self.address)
    }

    /// Whether the engine is Podman, whose networks and user namespaces differ from Docker's.
    pub fn is_podman(&self) -> bool {
        self.is_podman
    }

    /// The engine's name and version, for people.
    pub fn title(&self) -> String {
        format!("{} {}", if self.is_podman { "Podman" } else { "Docker" }, self.version)
    }

    /// The architecture of the engine's machine, as images name it.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The engine's description of its own configuration.
    pub async fn info(&self) -> Result<SystemInfo, EngineError> {
        within(PATIENCE, "describe its configuration", self.docker.info()).await
    }

    /// The containers, stopped ones included, that have one of these labels (`name` or `name=value`).
    pub async fn containers(&self, labels: &[&str]) -> Result<Vec<ContainerSummary>, EngineError> {
        let mut found: Vec<ContainerSummary> = Vec::new();
        // One request for each label: several labels in one filter would all have to match.
        for label in labels {
            let filters = HashMap::from([("label", vec![*label])]);
            let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
            let listed = self.docker.list_containers(Some(options));
            found.extend(within(PATIENCE, "list its containers", listed).await?);
        }
        Ok(found)
    }

    /// Every container, stopped ones included.
    pub async fn all_containers(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        within(PATIENCE, "list its containers", self.docker.list_containers(Some(options))).await
    }

    /// The container of this name, if it exists.
    pub async fn container(&self, name: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let began = Instant::now();
        loop {
            let inspected = self.docker.inspect_container(name, None::<InspectContainerOptions>);
            let inspected =
                absent(within(PATIENCE, format!("inspect the container {name}"), inspected).await);
            match inspected {
                // Until Podman has cleaned up after a container, the container has a state that Docker's API does not
                // know.
                Err(error) if error.said().contains("`stopped`") && began.elapsed() < CLEARING => {
                    sleep(CLEARING / 100).await;
                }
                inspected => return inspected,
            }
        }
    }

    /// Creates a container without starting it.
    pub async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<(), EngineError> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let created = self.docker.create_container(Some(options), body);
        within(PATIENCE, format!("create the container {name}"), created).await.map(drop)
    }

    /// Starts a container, unless it runs already.
    pub async fn start(&self, name: &str) -> Result<(), EngineError> {
        let started =
            self.docker.start_container(name, None::<bollard::query_parameters::StartContainerOptions>);
        unchanged(within(PATIENCE, format!("start the container {name}"), started).await)
    }

    /// Stops a container, if it runs.
    pub async fn stop(&self, name: &str) -> Result<(), EngineError> {
        let options = StopContainerOptionsBuilder::default()
            .t(i32::try_from(STOP.as_secs()).unwrap_or(i32::MAX))
            .build();
        let stopped = self.docker.stop_container(name, Some(options));
        unchanged(within(STOP + PATIENCE, format!("stop the container {name}"), stopped).await)
    }

    /// Removes a container, running or not. Its named volumes stay.
    pub async fn remove(&self, name: &str) -> Result<(), EngineError> {
        let mut tries = 0;
        loop {
            let options = RemoveContainerOptionsBuilder::default().force(true).build();
            let removed = self.docker.remove_container(name, Some(options));
            let removed = within(DELETION, format!("remove the container {name}"), removed).await;
            match removed {
                // Between a container's exit and its state `stopped`, Podman refuses for a moment to remove it.
                Err(error) if error.said().contains("state improper") && tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                removed => return absent(removed).map(drop),
            }
        }
    }

    /// Renames a container.
    pub async fn rename(&self, name: &str, to: &str) -> Result<(), EngineError> {
        let options = bollard::query_parameters::RenameContainerOptionsBuilder::default().name(to).build();
        let renamed = self.docker.rename_container(name, options);
        within(PATIENCE, format!("rename the container {name} to {to}"), renamed).await
    }

    /// Keeps a stopped container from starting with the engine.
    pub async fn keep_stopped(&self, name: &str) -> Result<(), EngineError> {
        self.restart_policy(name, RestartPolicyNameEnum::NO).await
    }

    /// Makes the engine start a container when the engine starts, and again whenever the container exits.
    pub async fn keep_running(&self, name: &str) -> Result<(), EngineError> {
        self.restart_policy(name, RestartPolicyNameEnum::ALWAYS).await
    }

    async fn restart_policy(&self, name: &str, policy: RestartPolicyNameEnum) -> Result<(), EngineError> {
        let policy = RestartPolicy { name: Some(policy), maximum_retry_count: None };
        let update = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
        let updated = self.docker.update_container(name, update);
        within(PATIENCE, format!("change the restart policy of the container {name}"), updated).await
    }

    /// The network of this name, if it exists.
    pub async fn network(&self, name: &str) -> Result<Option<NetworkInspect>, EngineError> {
        let inspected = self.docker.inspect_network(name, None::<InspectNetworkOptions>);
        absent(within(PATIENCE, format!("inspect the network {name}"), inspected).await)
    }

    /// Connects a container to a network, with aliases there.
    pub async fn join(&self, network: &str, container: &str, aliases: &[String]) -> Result<(), EngineError> {
        let config = EndpointSettings { aliases: Some(aliases.to_vec()), ..EndpointSettings::default() };
        let request =
            NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(config) };
        let joined = self.docker.connect_network(network, request);
        within(PATIENCE, format!("connect {container} to the network {network}"), joined).await
    }

    /// Disconnects a container from a network.
    pub async fn leave(&self, network: &str, container: &str) -> Result<(), EngineError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let left = self.docker.disconnect_network(network, request);
        within(PATIENCE, format!("disconnect {container} from the network {network}"), left).await
    }

    /// The id of an image that the engine has.
    pub async fn image(&self, reference: &str) -> Result<Option<String>, EngineError> {
        let inspected = self.docker.inspect_image(reference);
        let inspected = absent(within(PATIENCE, format!("look for the image {reference}"), inspected).await)?;
        Ok(inspected.and_then(|image| image.id))
    }

    /// Loads an image from an archive in the format of `docker save`.
    pub async fn load(&self, reference: &str, archive: Bytes) -> Result<(), EngineError> {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let loading = self.docker.import_image(options, bollard::body_full(archive), None);
        loading
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(EngineError::of(format!("load the image {reference}")))
    }

    /// Removes a name from an image, and the image with its last name. The engine refuses while a container uses the
    /// image.
    pub async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        let removed = self.docker.remove_image(reference, None::<RemoveImageOptions>, None);
        absent(within(PATIENCE, format!("remove the image {reference}"), removed).await).map(drop)
    }

    /// A container's output so far and, if `follow`, its further output.
    pub fn logs(
        &self,
        name: &str,
        follow: bool,
        tail: Option<u64>,
    ) -> impl Stream<Item = Result<LogPiece, EngineError>> + use<> {
        let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).follow(follow).tail(&tail).build();
        let doing = format!("read the log of {name}");
        self.docker.logs(name, Some(options)).map(move |piece| {
            let piece = piece.map_err(EngineError::of(doing.clone()))?;
            let is_error = matches!(piece, bollard::container::LogOutput::StdErr { .. });
            Ok(LogPiece { is_error, bytes: piece.into_bytes() })
        })
    }

    /// Events of containers from now on.
    pub fn events(&self) -> impl Stream<Item = Result<EventMessage, EngineError>> + use<> {
        let filters = HashMap::from([("type", vec!["container"])]);
        // The request is only sent when the caller waits for the first event; `since` includes the events until then.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let options = EventsOptionsBuilder::default().since(&now.to_string()).filters(&filters).build();
        self.docker.events(Some(options)).map(|event| event.map_err(EngineError::of("report events")))
    }
}

/// The engine's answer, or an error if it does not answer in time: an engine whose disk hangs keeps the connection open
/// forever.
async fn within<T>(
    limit: Duration,
    doing: impl Into<String>,
    asked: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, EngineError> {
    let doing = doing.into();
    let Ok(answer) = tokio::time::timeout(limit, asked).await else {
        let message = format!("it did not answer within {} s", limit.as_secs());
        return Err(EngineError::Refused { doing, status: None, message });
    };
    answer.map_err(EngineError::of(doing))
}

/// Turns the error "not found" into `None`.
fn absent<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Turns "already so" (304) into success.
fn unchanged(answer: Result<(), EngineError>) -> Result<(), EngineError> {
    match answer {
        Err(EngineError::Refused { status: Some(304), .. }) => Ok(()),
        answer => answer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_for_an_engine_that_does_not_answer_ends() {
        let never = std::future::pending::<Result<(), ApiError>>();
        let error =
            within(Duration::from_millis(1), "list its containers", never).await.unwrap_err().to_string();
        assert_eq!(error, "the engine could not list its containers: it did not answer within 0 s");
    }
}

//! A container engine, Docker or Podman, asked over its API.

mod connect;
mod error;
mod exec;
mod files;

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummary, ContainerUpdateBody, EndpointIpamConfig, EndpointSettings,
    EventMessage, NetworkConnectRequest, NetworkDisconnectRequest, NetworkInspect, RestartPolicy,
    RestartPolicyNameEnum, SystemInfo,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, ImportImageOptionsBuilder, InspectContainerOptions,
    InspectNetworkOptions, ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, StopContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};

pub use connect::{Choice, Surroundings};
pub use error::EngineError;
pub use exec::Output;
pub use files::File;

/// Seconds that a container may take to end by itself.
const STOP: i32 = 30;

/// A container engine that answered.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    address: String,
    is_podman: bool,
    version: String,
    architecture: String,
}

/// What a container prints, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPiece {
    /// Whether it was printed on stderr.
    pub is_error: bool,
    /// What was printed.
    pub bytes: Bytes,
}

impl Engine {
    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is Podman, whose networks and user namespaces differ from Docker's.
    pub fn is_podman(&self) -> bool {
        self.is_podman
    }

    /// Its name and version, as people say them.
    pub fn title(&self) -> String {
        format!("{} {}", if self.is_podman { "Podman" } else { "Docker" }, self.version)
    }

    /// The architecture that its containers run on, as images name it.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// What it says of itself.
    pub async fn info(&self) -> Result<SystemInfo, EngineError> {
        self.docker.info().await.map_err(EngineError::of("say how it is set up"))
    }

    /// The containers, stopped ones included, that have one of these labels (`name` or `name=value`).
    pub async fn containers(&self, labels: &[&str]) -> Result<Vec<ContainerSummary>, EngineError> {
        let mut found: Vec<ContainerSummary> = Vec::new();
        // Several labels in one filter would all have to hold.
        for label in labels {
            let filters = HashMap::from([("label", vec![*label])]);
            let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
            let listed = self.docker.list_containers(Some(options)).await;
            found.extend(listed.map_err(EngineError::of("list its containers"))?);
        }
        Ok(found)
    }

    /// Every container, stopped ones included.
    pub async fn all_containers(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        self.docker.list_containers(Some(options)).await.map_err(EngineError::of("list its containers"))
    }

    /// A container, if there is one of that name.
    pub async fn container(&self, name: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let inspected = self.docker.inspect_container(name, None::<InspectContainerOptions>).await;
        absent(inspected.map_err(EngineError::of(format!("look at the container {name}"))))
    }

    /// Makes a container. It is not started.
    pub async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<(), EngineError> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let created = self.docker.create_container(Some(options), body).await;
        created.map(drop).map_err(EngineError::of(format!("make the container {name}")))
    }

    /// Starts a container; one that runs already is left alone.
    pub async fn start(&self, name: &str) -> Result<(), EngineError> {
        let started =
            self.docker.start_container(name, None::<bollard::query_parameters::StartContainerOptions>).await;
        unchanged(started.map_err(EngineError::of(format!("start the container {name}"))))
    }

    /// Stops a container; one that does not run is left alone.
    pub async fn stop(&self, name: &str) -> Result<(), EngineError> {
        let options = StopContainerOptionsBuilder::default().t(STOP).build();
        let stopped = self.docker.stop_container(name, Some(options)).await;
        unchanged(stopped.map_err(EngineError::of(format!("stop the container {name}"))))
    }

    /// Removes a container, running or not; its named volumes stay.
    pub async fn remove(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        let removed = self.docker.remove_container(name, Some(options)).await;
        absent(removed.map_err(EngineError::of(format!("remove the container {name}")))).map(drop)
    }

    /// Gives a container another name.
    pub async fn rename(&self, name: &str, to: &str) -> Result<(), EngineError> {
        let options = bollard::query_parameters::RenameContainerOptionsBuilder::default().name(to).build();
        let renamed = self.docker.rename_container(name, options).await;
        renamed.map_err(EngineError::of(format!("rename the container {name} to {to}")))
    }

    /// Has a stopped container stay so when the engine starts.
    pub async fn keep_stopped(&self, name: &str) -> Result<(), EngineError> {
        let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
        let update = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
        let updated = self.docker.update_container(name, update).await;
        updated.map_err(EngineError::of(format!("keep the container {name} stopped")))
    }

    /// A network, if there is one of that name.
    pub async fn network(&self, name: &str) -> Result<Option<NetworkInspect>, EngineError> {
        let inspected = self.docker.inspect_network(name, None::<InspectNetworkOptions>).await;
        absent(inspected.map_err(EngineError::of(format!("look at the network {name}"))))
    }

    /// Joins a container to a network, under further names there.
    pub async fn join(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
        address: Option<String>,
    ) -> Result<(), EngineError> {
        let config = EndpointSettings {
            aliases: Some(aliases.to_vec()),
            ipam_config: address
                .map(|address| EndpointIpamConfig { ipv4_address: Some(address), ..Default::default() }),
            ..EndpointSettings::default()
        };
        let request =
            NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(config) };
        let joined = self.docker.connect_network(network, request).await;
        joined.map_err(EngineError::of(format!("join {container} to the network {network}")))
    }

    /// Takes a container off a network.
    pub async fn leave(&self, network: &str, container: &str) -> Result<(), EngineError> {
        let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        let left = self.docker.disconnect_network(network, request).await;
        left.map_err(EngineError::of(format!("take {container} off the network {network}")))
    }

    /// The id of an image that the engine has.
    pub async fn image(&self, reference: &str) -> Result<Option<String>, EngineError> {
        let inspected = self.docker.inspect_image(reference).await;
        let inspected =
            absent(inspected.map_err(EngineError::of(format!("look for the image {reference}"))))?;
        Ok(inspected.and_then(|image| image.id))
    }

    /// Loads an image from an archive as `docker save` writes it.
    pub async fn load(&self, reference: &str, archive: Bytes) -> Result<(), EngineError> {
        let options = ImportImageOptionsBuilder::default().quiet(true).build();
        let loading = self.docker.import_image(options, bollard::body_full(archive), None);
        loading
            .try_for_each(|_| async { Ok(()) })
            .await
            .map_err(EngineError::of(format!("load the image {reference}")))
    }

    /// Removes a named volume and all that is in it.
    pub async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let removed = self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await;
        absent(removed.map_err(EngineError::of(format!("remove the volume {name}")))).map(drop)
    }

    /// What a container printed, and, where it is followed, prints.
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

    /// What happens to containers and networks from now on.
    pub fn events(&self) -> impl Stream<Item = Result<EventMessage, EngineError>> + use<> {
        let filters = HashMap::from([("type", vec!["container", "network"])]);
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        self.docker.events(Some(options)).map(|event| event.map_err(EngineError::of("tell what happens")))
    }
}

/// What is not there is no failure.
fn absent<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// What was so already is no failure: 304.
fn unchanged(answer: Result<(), EngineError>) -> Result<(), EngineError> {
    match answer {
        Err(EngineError::Refused { status: Some(304), .. }) => Ok(()),
        answer => answer,
    }
}

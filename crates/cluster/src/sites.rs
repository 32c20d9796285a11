//! Finding hythe's registries: in containers of the engine, as processes on this machine, and in clusters.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use hythe_kube::api::{Access, ApiError};
use hythe_kube::deploy::{self, Deployed, ServiceState, Target};
use hythe_kube::hosting::Hosting;

use crate::attach;
use crate::registry::{self, Owner, RegistrySettings};
use crate::topology::Cluster;
use hythe_engine::{Engine, EngineError};

/// A registry that runs hythe.
#[derive(Clone, Debug)]
pub enum Site {
    /// In a container of the engine.
    Container {
        /// The registry's settings.
        settings: Box<RegistrySettings>,
        /// Who manages the container, if `hythe up` did not create it.
        owner: Option<Owner>,
        /// Whether the container runs.
        is_running: bool,
    },
    /// A process on this machine.
    Process {
        /// The port on loopback on which the process answers.
        port: u16,
    },
    /// In a cluster.
    Cluster {
        /// The cluster's name.
        cluster: String,
        /// The registry's namespace and name in the cluster.
        target: Target,
        /// The registry's Services.
        services: Vec<ServiceState>,
        /// Whether at least one of the registry's Pods is ready.
        is_running: bool,
    },
}

impl Site {
    /// The content of the ConfigMap in a cluster that names this registry.
    pub fn hosting(&self) -> Hosting {
        match self {
            Self::Container { settings, .. } => settings.hosting(),
            Self::Process { port } => {
                let host = Some(format!("localhost:{port}"));
                Hosting { host: host.clone(), host_from_container_runtime: host, ..Hosting::default() }
            }
            Self::Cluster { target, .. } => target.hosting(),
        }
    }

    /// Whether the registry is running.
    pub fn is_running(&self) -> bool {
        match self {
            Self::Container { is_running, .. } | Self::Cluster { is_running, .. } => *is_running,
            Self::Process { .. } => true,
        }
    }
}

/// Finds all registries. On `port` a process on this machine is looked for, if no container publishes that port.
/// Clusters whose API does not answer are left out.
pub async fn sites(
    engine: &Engine,
    clusters: &[Cluster],
    kubeconfig: &[PathBuf],
    port: u16,
) -> Result<Vec<Site>, EngineError> {
    let mut found = in_containers(engine).await?;
    let is_published = found.iter().any(
        |site| matches!(site, Site::Container { settings, is_running: true, .. } if settings.port == port),
    );
    if !is_published && registry::speaks_hythe(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        found.push(Site::Process { port });
    }
    for cluster in clusters.iter().filter(|cluster| cluster.is_running()) {
        if let Ok(access) = attach::access_by(engine, cluster, kubeconfig).await {
            found.extend(in_cluster(&access, &cluster.name).await.unwrap_or_default());
        }
    }
    Ok(found)
}

async fn in_containers(engine: &Engine) -> Result<Vec<Site>, EngineError> {
    let mut sites = Vec::new();
    for name in registry::list(engine).await? {
        let found = registry::find(engine, &name).await?;
        let Some(settings) = found.settings() else { continue };
        let state = found.container().and_then(|container| container.state.as_ref());
        let is_running = state.and_then(|state| state.running) == Some(true);
        sites.push(Site::Container { settings: Box::new(settings), owner: found.owner(), is_running });
    }
    Ok(sites)
}

/// The registries that `hythe deploy` created in a cluster.
async fn in_cluster(access: &Access, cluster: &str) -> Result<Vec<Site>, ApiError> {
    let deployed =
        deploy::list(access).await?.into_iter().map(|Deployed { target, services, is_running }| {
            Site::Cluster { cluster: cluster.to_owned(), target, services, is_running }
        });
    Ok(deployed.collect())
}

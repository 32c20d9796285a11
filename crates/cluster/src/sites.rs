//! Which registries of hythe's there are: in containers of the engine, as processes of this machine, and in clusters.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use crate::api::{Access, ApiError, MANAGED_BY, Verb};
use crate::attach;
use crate::deploy::{ServiceState, Target, services};
use crate::engine::{Engine, EngineError};
use crate::hosting::Hosting;
use crate::registry::{self, Owner, Settings};
use crate::topology::Cluster;

/// A registry of hythe's.
#[derive(Clone, Debug)]
pub enum Site {
    /// In a container of the engine.
    Container {
        /// How it runs.
        settings: Box<Settings>,
        /// Who manages the container, where `hythe up` did not make it.
        owner: Option<Owner>,
        /// Whether it runs.
        is_running: bool,
    },
    /// A process of this machine.
    Process {
        /// The port of loopback on which it answers.
        port: u16,
    },
    /// In a cluster.
    Cluster {
        /// The cluster, by its name.
        cluster: String,
        /// Its namespace and name there.
        target: Target,
        /// Its Services.
        services: Vec<ServiceState>,
        /// Whether a Pod of it serves.
        is_running: bool,
    },
}

impl Site {
    /// What the ConfigMap of a cluster says that names this registry.
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

    /// Whether it serves.
    pub fn is_running(&self) -> bool {
        match self {
            Self::Container { is_running, .. } | Self::Cluster { is_running, .. } => *is_running,
            Self::Process { .. } => true,
        }
    }
}

/// All of them. `port` is where a process of this machine would answer, where no container does. Of a cluster whose API
/// does not answer nothing is known.
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

/// The registries that `hythe deploy` made in a cluster, whatever their namespaces.
pub async fn in_cluster(access: &Access, cluster: &str) -> Result<Vec<Site>, ApiError> {
    let labels = format!("app.kubernetes.io/name=hythe,{}={}", MANAGED_BY.0, MANAGED_BY.1);
    let params = ListParams::default().labels(&labels);
    let deployments: Api<Deployment> = access.cluster_wide();
    let sets: Api<StatefulSet> = access.cluster_wide();
    let asked = access.ask(Verb::List, || "Deployments".to_owned(), deployments.list(&params)).await?;
    let mut found: Vec<(String, String, i32)> = asked
        .iter()
        .map(|one| {
            let ready = one.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
            (one.namespace().unwrap_or_default(), one.name_any(), ready)
        })
        .collect();
    let asked = access.ask(Verb::List, || "StatefulSets".to_owned(), sets.list(&params)).await?;
    found.extend(asked.iter().map(|one| {
        let ready = one.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default();
        (one.namespace().unwrap_or_default(), one.name_any(), ready)
    }));
    let mut sites = Vec::new();
    for (namespace, name, ready) in found {
        // Names that hythe would not give are none that it gave.
        let (Ok(namespace), Ok(name)) = (namespace.parse(), name.parse()) else { continue };
        let target = Target { namespace, name };
        let services = services(access, &target).await?;
        sites.push(Site::Cluster { cluster: cluster.to_owned(), target, services, is_running: ready > 0 });
    }
    Ok(sites)
}

//! Publishing the ConfigMap that tells a cluster's tools where its registry is.

use std::path::PathBuf;

use hythe_kube::api::{Access, ApiError, Change};
use hythe_kube::hosting::{Hosting, Published};

use super::{Wiring, living};
use crate::registry::RegistrySettings;
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Maker};
use hythe_engine::Engine;

/// The administrator's kubeconfig in each control plane of kind.
const ADMIN: &str = "/etc/kubernetes/admin.conf";

impl RegistrySettings {
    /// The content of the ConfigMap `local-registry-hosting` (KEP-1755) for a registry in a container: `localhost:PORT` for
    /// the user and the nodes, the container's name and inner port for Pods.
    pub fn hosting(&self) -> Hosting {
        Hosting {
            host: Some(format!("localhost:{}", self.port)),
            // Manifests use the name under which an image was pushed, so the nodes know the registry by the host's
            // name.
            host_from_container_runtime: Some(format!("localhost:{}", self.port)),
            host_from_cluster_network: Some(format!("{}:{}", self.name, self.inner_port())),
            help: None,
        }
    }
}

/// Access to the cluster's API, through the kubeconfig in its own control plane if there is one. The user's kubeconfig
/// comes second: its context of this name may belong to a cluster of another engine.
pub async fn access(engine: &Engine, cluster: &Cluster, wiring: &Wiring) -> Result<Access, ApiError> {
    access_by(engine, cluster, &wiring.kubeconfig).await
}

/// The same access, with these kubeconfig files as the user's.
pub(crate) async fn access_by(
    engine: &Engine,
    cluster: &Cluster,
    kubeconfig: &[PathBuf],
) -> Result<Access, ApiError> {
    if let Some(access) = of_control_plane(engine, cluster).await {
        return Ok(access);
    }
    Access::from_files(kubeconfig, Some(&cluster.context())).await
}

async fn of_control_plane(engine: &Engine, cluster: &Cluster) -> Option<Access> {
    let node = cluster.control_plane().filter(|node| node.is_running && cluster.maker == Maker::Kind)?;
    let text = engine.read(&node.name, ADMIN).await.ok()??;
    let container = engine.container(&node.name).await.ok()??;
    let settings = container.network_settings.unwrap_or_default();
    let published = settings.ports.and_then(|ports| ports.get("6443/tcp").cloned().flatten());
    let published = published.and_then(|bindings| bindings.into_iter().next());
    let address = match published.and_then(|binding| Some((binding.host_ip?, binding.host_port?))) {
        Some((address, port)) => {
            let address = if address.is_empty() || address == "0.0.0.0" { "127.0.0.1" } else { &address };
            Some(format!("https://{address}:{port}"))
        }
        // Without a published port, the address in the kubeconfig is used: on Linux the host reaches the node directly.
        None => None,
    };
    Access::from_text(&text, address.as_deref()).await.ok()
}

/// The ConfigMap to publish in a cluster, and how.
pub(super) struct Publication {
    /// The ConfigMap's content.
    pub(super) hosting: Hosting,
    /// Whether a ConfigMap that names another existing registry is replaced.
    pub(super) takes_over: bool,
    /// Whether to only report what would change.
    pub(super) dry_run: bool,
}

impl Publication {
    /// Publishes the ConfigMap. Returns whether it succeeded.
    pub(super) async fn publish(
        &self,
        engine: &Engine,
        access: Result<Access, ApiError>,
        cluster: &Cluster,
        report: Report<'_>,
    ) -> bool {
        let subject = cluster.to_string();
        match self.step(engine, access, cluster).await {
            Ok((outcome, text)) => {
                report(Step::new(subject, outcome, text));
                true
            }
            Err(error) => {
                let text = format!("could not publish the ConfigMap local-registry-hosting: {error}");
                report(Step::new(subject, Outcome::Failed, text));
                false
            }
        }
    }

    async fn step(
        &self,
        engine: &Engine,
        access: Result<Access, ApiError>,
        cluster: &Cluster,
    ) -> Result<(Outcome, String), ApiError> {
        let access = access?;
        let published = self.hosting.compare(&access).await;
        if !self.takes_over
            && let Some(other) = living::other(engine, &access, &published, &self.hosting).await
        {
            let text = format!(
                "its ConfigMap local-registry-hosting names {other} and was kept; to have it name this registry, run \
                 `hythe attach {}`",
                cluster.name
            );
            return Ok((Outcome::Skipped, text));
        }
        let published = published?;
        if self.dry_run {
            return Ok(would_change(&published));
        }
        Ok(changed(self.hosting.publish(&access, true).await?, &published))
    }
}

fn would_change(published: &Published) -> (Outcome, String) {
    match published {
        Published::Same => {
            (Outcome::Unchanged, "its ConfigMap local-registry-hosting is up to date".to_owned())
        }
        Published::Absent => {
            (Outcome::Changed, "the ConfigMap local-registry-hosting would be published".to_owned())
        }
        Published::Malformed { reason } => {
            (Outcome::Changed, format!("its ConfigMap local-registry-hosting would be replaced: {reason}"))
        }
        Published::Differs { writers, .. } => (
            Outcome::Changed,
            format!(
                "its ConfigMap local-registry-hosting, written by {}, would be replaced",
                writers.join(", ")
            ),
        ),
    }
}

fn changed(change: Change, before: &Published) -> (Outcome, String) {
    match (change, before) {
        (Change::Unchanged, _) | (Change::Changed, Published::Same) => {
            (Outcome::Unchanged, "its ConfigMap local-registry-hosting is up to date".to_owned())
        }
        (Change::Created, _) => {
            (Outcome::Changed, "published the ConfigMap local-registry-hosting".to_owned())
        }
        (Change::Changed, Published::Differs { found, writers }) => (
            Outcome::Changed,
            format!(
                "its ConfigMap local-registry-hosting named {} (written by {}); it now names this registry",
                found.host.as_deref().unwrap_or("no registry"),
                writers.join(", ")
            ),
        ),
        (Change::Changed, Published::Absent | Published::Malformed { .. }) => {
            (Outcome::Changed, "its ConfigMap local-registry-hosting now names this registry".to_owned())
        }
    }
}

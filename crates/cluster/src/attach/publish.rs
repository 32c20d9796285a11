//! The cluster told where its registry is.

use std::path::PathBuf;

use super::{Wiring, living};
use crate::api::{Access, ApiError, Change};
use crate::engine::Engine;
use crate::hosting::{Hosting, Published};
use crate::registry::Settings;
use crate::step::{Outcome, Report, Step};
use crate::topology::{Cluster, Maker};

/// kind's own configuration of the cluster's API, in each control plane.
const ADMIN: &str = "/etc/kubernetes/admin.conf";

impl Settings {
    /// What the ConfigMap of the KEP says of the registry.
    pub fn hosting(&self) -> Hosting {
        Hosting {
            host: Some(format!("localhost:{}", self.port)),
            // Manifests name what was pushed: one name on the host and in the nodes.
            host_from_container_runtime: Some(format!("localhost:{}", self.port)),
            host_from_cluster_network: Some(format!("{}:{}", self.name, self.inner_port())),
            help: None,
        }
    }
}

/// The cluster's API: by what its own control plane has, else by the user's kubeconfig, whose context of the name may be
/// another engine's cluster.
pub async fn access(engine: &Engine, cluster: &Cluster, wiring: &Wiring) -> Result<Access, ApiError> {
    access_by(engine, cluster, &wiring.kubeconfig).await
}

/// The same by these kubeconfig files.
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
        // On Linux the host reaches the node itself.
        None => None,
    };
    Access::from_text(&text, address.as_deref()).await.ok()
}

/// What a cluster is to be told, and how.
pub(super) struct Publication {
    /// What it is told.
    pub(super) hosting: Hosting,
    /// Whether what it says of another registry that is there is replaced.
    pub(super) takes_over: bool,
    /// Whether nothing is changed, and only said what would be.
    pub(super) dry_run: bool,
}

impl Publication {
    /// Publishes the ConfigMap; whether it went well.
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
                let text = format!("the ConfigMap local-registry-hosting was not published: {error}");
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
                "its ConfigMap local-registry-hosting names {other}, and stays; `hythe attach {}` has it name this \
                 registry",
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
        Published::Same => (Outcome::Unchanged, "its ConfigMap local-registry-hosting would stay".to_owned()),
        Published::Absent => {
            (Outcome::Changed, "the ConfigMap local-registry-hosting would be published".to_owned())
        }
        Published::Malformed { reason } => {
            (Outcome::Changed, format!("its ConfigMap local-registry-hosting would be replaced: {reason}"))
        }
        Published::Differs { writers, .. } => (
            Outcome::Changed,
            format!("its ConfigMap local-registry-hosting, by {}, would be replaced", writers.join(", ")),
        ),
    }
}

fn changed(change: Change, before: &Published) -> (Outcome, String) {
    match (change, before) {
        (Change::Unchanged, _) | (Change::Changed, Published::Same) => {
            (Outcome::Unchanged, "its ConfigMap local-registry-hosting names this registry".to_owned())
        }
        (Change::Created, _) => {
            (Outcome::Changed, "published the ConfigMap local-registry-hosting".to_owned())
        }
        (Change::Changed, Published::Differs { found, writers }) => (
            Outcome::Changed,
            format!(
                "its ConfigMap local-registry-hosting named {} (by {}), and names this registry now",
                found.host.as_deref().unwrap_or("no registry"),
                writers.join(", ")
            ),
        ),
        (Change::Changed, Published::Absent | Published::Malformed { .. }) => {
            (Outcome::Changed, "its ConfigMap local-registry-hosting names this registry now".to_owned())
        }
    }
}

//! Wiring a cluster to the registry that runs in it: its nodes pull from the registry's Service.

use std::path::PathBuf;

use futures_util::future::join_all;
use hythe_kube::api::Access;
use hythe_kube::deploy::{DeployError, PORT, ServiceState, Target, services};
use hythe_kube::hosting::Hosting;

use super::detach::{clean, unpublish};
use super::publish::{Publication, access_by};
use super::survey::Survey;
use super::{Plan, Route, wire};
use crate::hosts::Endpoint;
use crate::step::{Outcome, Report, Step};
use crate::topology::Cluster;
use hythe_engine::Engine;

/// A registry in a cluster, and how the cluster is wired to it.
///
/// No upstream is pulled through it: when a cluster starts, it pulls its own images before its registry can serve.
#[derive(Clone, Debug)]
pub struct InCluster {
    /// Which registry.
    pub target: Target,
    /// The address at which nodes reach the registry, if not its Service.
    pub endpoint: Option<Endpoint>,
    /// Whether to only report what would change.
    pub dry_run: bool,
    /// The kubeconfig files that lead to a cluster's API.
    pub kubeconfig: Vec<PathBuf>,
}

/// Wires a cluster to its own registry. Returns whether everything succeeded.
pub async fn attach_in_cluster(
    engine: &Engine,
    cluster: &Cluster,
    wiring: &InCluster,
    report: Report<'_>,
) -> bool {
    let found = async {
        let access =
            access_by(engine, cluster, &wiring.kubeconfig).await.map_err(|error| error.to_string())?;
        let endpoint = wiring.find(&access).await?;
        Ok::<_, String>((access, endpoint))
    };
    let (access, (names, endpoint)) = match found.await {
        Ok(found) => found,
        Err(text) => {
            report(Step::new(cluster.to_string(), Outcome::Failed, text));
            return false;
        }
    };
    let registry = wiring.registry();
    let plan = async |survey: &Survey| {
        let (names, endpoint) = (names.clone(), endpoint.clone());
        let route = Route { registry: &registry, names, endpoint, upstreams: &[], force: false };
        Plan::for_route(survey, &route)
    };
    let wired = cluster.nodes.iter().map(|node| wire(engine, cluster, node, &plan, wiring.dry_run, report));
    let is_well = join_all(wired).await.into_iter().all(|is_well| is_well);
    // The command asked for the registry in the cluster, so the ConfigMap is replaced even if it names another
    // registry.
    let publication = Publication { hosting: wiring.hosting(), takes_over: true, dry_run: wiring.dry_run };
    publication.publish(engine, Ok(access), cluster, report).await && is_well
}

/// Removes that wiring. Returns whether everything succeeded.
pub async fn detach_in_cluster(
    engine: &Engine,
    cluster: &Cluster,
    wiring: &InCluster,
    report: Report<'_>,
) -> bool {
    let mut is_well = true;
    for node in cluster.nodes.iter().filter(|node| node.is_running) {
        let subject = format!("node {}", node.name);
        report(match clean(engine, cluster, node, &wiring.registry(), wiring.dry_run).await {
            Ok(0) => Step::new(subject, Outcome::Unchanged, "it has no files of this registry"),
            Ok(count) => {
                let text = format!("{count} hosts.toml files of this registry removed");
                Step::new(subject, Outcome::Changed, text)
            }
            Err(error) => {
                is_well = false;
                Step::new(subject, Outcome::Failed, error.to_string())
            }
        });
    }
    if !wiring.dry_run {
        unpublish(access_by(engine, cluster, &wiring.kubeconfig).await, cluster, report).await;
    }
    is_well
}

impl InCluster {
    /// The registry's name in the first line of its files in nodes. It is the name of the Service, not just `registry`:
    /// a container beside the clusters could have that name too.
    fn registry(&self) -> String {
        format!("{}.{}.svc", self.target.name, self.target.namespace)
    }

    /// The names by which manifests refer to the registry, and the address at which nodes reach it.
    async fn find(&self, access: &Access) -> Result<(Vec<String>, Endpoint), String> {
        let states = services(access, &self.target).await.map_err(|error| error.to_string())?;
        let names = self.names(&states);
        if let Some(endpoint) = &self.endpoint {
            return Ok((names, endpoint.clone()));
        }
        let service = states.first().filter(|state| state.name == self.target.name.as_str());
        let service = service.ok_or_else(|| DeployError::Absent(self.target.clone()).to_string())?;
        let url = url(service).ok_or_else(|| {
            format!(
                "the Service {} has no address: name one that nodes can reach with --endpoint",
                service.name
            )
        })?;
        Ok((names, url.parse().map_err(|error| format!("{error}"))?))
    }

    fn names(&self, states: &[ServiceState]) -> Vec<String> {
        let Target { namespace, name } = &self.target;
        let service = format!("{name}.{namespace}");
        let mut names = vec![format!("localhost:{PORT}")];
        names.extend(["svc.cluster.local", "svc"].map(|domain| format!("{service}.{domain}:{PORT}")));
        names.push(format!("{service}:{PORT}"));
        // Nodes do not open `localhost:NODE_PORT` by themselves: not every kube-proxy listens on loopback. A hosts.toml
        // file for this name works on all of them.
        names.extend(
            states.iter().filter_map(|state| state.node_port).map(|port| format!("localhost:{port}")),
        );
        names
    }

    fn hosting(&self) -> Hosting {
        self.target.hosting()
    }
}

/// A Service's address in the cluster, which works on each node through kube-proxy. Nodes cannot use the Service's
/// name: only Pods resolve it.
fn url(service: &ServiceState) -> Option<String> {
    let address = service.address.as_deref().filter(|address| !address.is_empty() && *address != "None")?;
    let port = service.port?;
    Some(if address.contains(':') {
        format!("http://[{address}]:{port}")
    } else {
        format!("http://{address}:{port}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wiring() -> InCluster {
        let target =
            Target { namespace: "storage".parse().unwrap(), name: "docker-registry".parse().unwrap() };
        InCluster { target, endpoint: None, dry_run: false, kubeconfig: Vec::new() }
    }

    fn service(address: Option<&str>, node_port: Option<i32>) -> ServiceState {
        let address = address.map(str::to_owned);
        ServiceState { name: "docker-registry".to_owned(), address, port: Some(5000), node_port }
    }

    #[test]
    fn every_name_by_which_a_manifest_may_refer_to_it_leads_to_it() {
        let states = [service(Some("10.96.0.7"), None), service(Some("10.96.0.8"), Some(30500))];
        assert_eq!(
            wiring().names(&states),
            [
                "localhost:5000",
                "docker-registry.storage.svc.cluster.local:5000",
                "docker-registry.storage.svc:5000",
                "docker-registry.storage:5000",
                "localhost:30500",
            ]
        );
    }

    #[test]
    fn nodes_use_the_services_address() {
        for (address, expected) in [
            (Some("10.96.0.7"), Some("http://10.96.0.7:5000")),
            (Some("fd00::7"), Some("http://[fd00::7]:5000")),
            (Some("None"), None),
            (None, None),
        ] {
            assert_eq!(url(&service(address, None)).as_deref(), expected, "{address:?}");
        }
    }
}

//! Finds the local clusters of an engine, by the labels that their makers put on nodes.

use std::collections::BTreeMap;

use hythe_engine::models::{ContainerSummary, ContainerSummaryStateEnum};

use hythe_engine::{Engine, EngineError};

/// The node label that keeps hythe from attaching a cluster, with the value `false`. kind and k3d take node labels when
/// they create a cluster.
pub const OPT_OUT_LABEL: &str = "dev.hythe.attach";

/// The tool that made a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Maker {
    /// kind.
    Kind,
    /// k3d.
    K3d,
    /// minikube, with a driver that runs nodes in containers.
    Minikube,
}

impl Maker {
    /// The tool's name, as its users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::K3d => "k3d",
            Self::Minikube => "minikube",
        }
    }

    /// The label whose value is the name of a node's cluster.
    fn label(self) -> &'static str {
        match self {
            Self::Kind => "io.x-k8s.kind.cluster",
            Self::K3d => "k3d.cluster",
            Self::Minikube => "name.minikube.sigs.k8s.io",
        }
    }

    /// The context of a cluster in the user's kubeconfig.
    pub fn context(self, cluster: &str) -> String {
        match self {
            Self::Kind => format!("kind-{cluster}"),
            Self::K3d => format!("k3d-{cluster}"),
            Self::Minikube => cluster.to_owned(),
        }
    }
}

impl std::fmt::Display for Maker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The role of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The node runs the cluster's own components.
    ControlPlane,
    /// The node runs Pods only.
    Worker,
}

/// A node of a cluster, which is a container of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The container's id. A container that is recreated with the same name is another node.
    pub id: String,
    /// The container's name.
    pub name: String,
    /// The node's role.
    pub role: Role,
    /// Whether the container runs.
    pub is_running: bool,
    /// The networks of the container.
    pub networks: Vec<String>,
}

/// A cluster whose nodes are containers of the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster's name, as its maker's commands take it.
    pub name: String,
    /// The tool that made the cluster.
    pub maker: Maker,
    /// The cluster's nodes: control planes before workers, and by name.
    pub nodes: Vec<Node>,
    /// Whether a node has [`OPT_OUT_LABEL`], so that hythe does not attach the cluster.
    pub is_opted_out: bool,
}

impl Cluster {
    /// The context of the cluster in the user's kubeconfig.
    pub fn context(&self) -> String {
        self.maker.context(&self.name)
    }

    /// The networks of the cluster's nodes, each once.
    pub fn networks(&self) -> Vec<String> {
        let mut networks: Vec<String> =
            self.nodes.iter().flat_map(|node| node.networks.iter().cloned()).collect();
        networks.sort();
        networks.dedup();
        networks
    }

    /// Whether any node runs.
    pub fn is_running(&self) -> bool {
        self.nodes.iter().any(|node| node.is_running)
    }

    /// The first node of the control plane.
    pub fn control_plane(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.role == Role::ControlPlane)
    }
}

impl std::fmt::Display for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cluster {}", self.maker, self.name)
    }
}

/// The clusters of an engine, by name.
pub async fn clusters(engine: &Engine) -> Result<Vec<Cluster>, EngineError> {
    const MAKERS: [&str; 3] = ["io.x-k8s.kind.cluster", "k3d.cluster", "created_by.minikube.sigs.k8s.io"];
    Ok(group(&engine.containers(&MAKERS).await?))
}

/// Groups containers into clusters.
fn group(containers: &[ContainerSummary]) -> Vec<Cluster> {
    let mut clusters: BTreeMap<(String, Maker), Cluster> = BTreeMap::new();
    for container in containers {
        let Some((maker, name, role)) = node_of(container) else { continue };
        let cluster = clusters.entry((name.clone(), maker)).or_insert_with(|| Cluster {
            name,
            maker,
            nodes: Vec::new(),
            is_opted_out: false,
        });
        cluster.is_opted_out |= label(container, OPT_OUT_LABEL) == Some("false");
        cluster.nodes.push(node(container, role));
    }
    let mut clusters: Vec<Cluster> = clusters.into_values().collect();
    for cluster in &mut clusters {
        cluster.nodes.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
        cluster.nodes.dedup_by(|one, other| one.name == other.name);
    }
    clusters
}

/// The maker, cluster and role of a container that is a node. Load balancers and registries have makers' labels too,
/// but run no containerd.
pub(crate) fn node_of(container: &ContainerSummary) -> Option<(Maker, String, Role)> {
    let makers = [Maker::Kind, Maker::K3d, Maker::Minikube];
    let (maker, name) = makers.iter().find_map(|maker| Some((*maker, label(container, maker.label())?)))?;
    let role = match maker {
        Maker::Kind => match label(container, "io.x-k8s.kind.role")? {
            "control-plane" => Role::ControlPlane,
            "worker" => Role::Worker,
            _ => return None,
        },
        Maker::K3d => match label(container, "k3d.role")? {
            "server" => Role::ControlPlane,
            "agent" => Role::Worker,
            _ => return None,
        },
        // minikube's helper containers, such as those that fill volumes, have the cluster's name and no role.
        Maker::Minikube => match label(container, "role.minikube.sigs.k8s.io") {
            Some("control-plane") => Role::ControlPlane,
            Some(_) => Role::Worker,
            None => {
                label(container, "mode.minikube.sigs.k8s.io")?;
                Role::Worker
            }
        },
    };
    Some((maker, name.to_owned(), role))
}

fn label<'a>(container: &'a ContainerSummary, name: &str) -> Option<&'a str> {
    container.labels.as_ref()?.get(name).map(String::as_str)
}

fn node(container: &ContainerSummary, role: Role) -> Node {
    let names = container.names.as_deref().unwrap_or_default();
    let settings = container.network_settings.as_ref();
    let networks = settings.and_then(|settings| settings.networks.as_ref());
    let mut networks: Vec<String> =
        networks.map(|networks| networks.keys().cloned().collect()).unwrap_or_default();
    networks.sort();
    Node {
        id: container.id.clone().unwrap_or_default(),
        name: names.first().map_or_else(String::new, |name| name.trim_start_matches('/').to_owned()),
        role,
        is_running: container.state == Some(ContainerSummaryStateEnum::RUNNING),
        networks,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use hythe_engine::models::{ContainerSummaryNetworkSettings, EndpointSettings};

    use super::*;

    fn container(name: &str, labels: &[(&str, &str)], network: &str) -> ContainerSummary {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        ContainerSummary {
            names: Some(vec![format!("/{name}")]),
            labels: Some(labels),
            state: Some(ContainerSummaryStateEnum::RUNNING),
            network_settings: Some(ContainerSummaryNetworkSettings {
                networks: Some(HashMap::from([(network.to_owned(), EndpointSettings::default())])),
            }),
            ..ContainerSummary::default()
        }
    }

    fn kind(name: &str, cluster: &str, role: &str) -> ContainerSummary {
        container(name, &[("io.x-k8s.kind.cluster", cluster), ("io.x-k8s.kind.role", role)], "kind")
    }

    #[test]
    fn nodes_are_grouped_by_their_makers_labels_and_load_balancers_are_no_nodes() {
        let clusters = group(&[
            kind("b-worker", "b", "worker"),
            kind("b-control-plane", "b", "control-plane"),
            kind("b-external-load-balancer", "b", "external-load-balancer"),
            kind("a-control-plane", "a", "control-plane"),
            container("k3d-c-server-0", &[("k3d.cluster", "c"), ("k3d.role", "server")], "k3d-c"),
            container("k3d-c-serverlb", &[("k3d.cluster", "c"), ("k3d.role", "loadbalancer")], "k3d-c"),
            container(
                "mk",
                &[("name.minikube.sigs.k8s.io", "mk"), ("role.minikube.sigs.k8s.io", "control-plane")],
                "mk",
            ),
        ]);
        let named: Vec<String> = clusters.iter().map(ToString::to_string).collect();
        assert_eq!(named, ["kind cluster a", "kind cluster b", "k3d cluster c", "minikube cluster mk"]);
        let nodes: Vec<&str> = clusters[1].nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(nodes, ["b-control-plane", "b-worker"]);
        assert_eq!(
            (clusters[2].context(), clusters[2].networks()),
            ("k3d-c".to_owned(), vec!["k3d-c".to_owned()])
        );
    }

    #[test]
    fn the_opt_out_label_on_any_node_opts_the_cluster_out() {
        let mut worker = kind("a-worker", "a", "worker");
        worker.labels.as_mut().unwrap().insert(OPT_OUT_LABEL.to_owned(), "false".to_owned());
        assert!(group(&[kind("a-control-plane", "a", "control-plane"), worker])[0].is_opted_out);
    }
}

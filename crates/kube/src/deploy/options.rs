//! The options of a deployment.

use std::collections::BTreeMap;

use hythe_oci::ImageName;

use super::{HostPath, Label, Name, Namespace, Peer, Quantity, StorageClass, ValueError};
use crate::api::{Kind, Object};

/// The default namespace.
pub const DEFAULT_NAMESPACE: &str = "registry";

/// The default name of the registry.
pub const DEFAULT_NAME: &str = "registry";

/// The default node port, at which nodes and, in local clusters, this machine reach the registry.
pub const DEFAULT_NODE_PORT: u16 = 30500;

/// The default size of a new claim.
pub const DEFAULT_SIZE: &str = "10Gi";

/// The default limit of the container's memory.
pub const DEFAULT_MEMORY: &str = "256Mi";

/// The default limit of the container's processor time.
pub const DEFAULT_CPU: &str = "200m";

/// A registry in a cluster, by its namespace and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The registry's namespace.
    pub namespace: Namespace,
    /// The registry's name.
    pub name: Name,
}

impl Target {
    pub(crate) fn object(&self, kind: Kind) -> Object {
        Object::new(kind, self.namespace.as_str(), self.name.as_str())
    }

    /// An object with this name, or with the registry's if there is none.
    pub(crate) fn named(&self, kind: Kind, name: Option<&Name>) -> Object {
        Object::new(kind, self.namespace.as_str(), name.unwrap_or(&self.name).as_str())
    }

    /// The Service of the node port; the Service for Pods is another one.
    pub(crate) fn node_port_service(&self) -> Object {
        Object::new(Kind::Service, self.namespace.as_str(), &format!("{}-nodeport", self.name))
    }

    /// The labels that tell this registry's Pods from others. A workload's selector cannot change, so it has no version.
    pub(super) fn labels(&self) -> [(&'static str, &str); 2] {
        [("app.kubernetes.io/name", "hythe"), ("app.kubernetes.io/instance", self.name.as_str())]
    }

    /// These labels as a label selector.
    pub(crate) fn selector(&self) -> String {
        self.labels().map(|(key, value)| format!("{key}={value}")).join(",")
    }

    /// The host and port at which Pods reach the registry.
    pub fn cluster_host(&self) -> String {
        format!("{}.{}.svc.cluster.local:{}", self.name, self.namespace, super::PORT)
    }
}

/// The kind of workload that runs the Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workload {
    /// A Deployment, which starts a Pod once the one before it has ended.
    #[default]
    Deployment,
    /// A `StatefulSet`, which does not start a second Pod even if a node stops answering while its Pod may still run.
    StatefulSet,
}

impl Workload {
    /// The kind of the object.
    pub fn kind(self) -> Kind {
        match self {
            Self::Deployment => Kind::Deployment,
            Self::StatefulSet => Kind::StatefulSet,
        }
    }

    /// The other kind of workload.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Deployment => Self::StatefulSet,
            Self::StatefulSet => Self::Deployment,
        }
    }
}

/// How the nodes get the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// hythe puts the image into every node beforehand. No registry has it, so kubelet must not try to pull it.
    Nodes(ImageName),
    /// The nodes pull the image, unless they have it.
    Registry(ImageName),
}

/// Where the registry's data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// In a claim of the registry's own.
    Claim {
        /// The claim's size; `None` keeps an existing claim's size, and gives a new one [`DEFAULT_SIZE`].
        size: Option<Quantity>,
        /// The storage class; `None` keeps an existing claim's class, and gives a new one the cluster's default.
        class: Option<StorageClass>,
    },
    /// In a folder of the node.
    HostPath(HostPath),
}

/// The options of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployOptions {
    /// The registry's namespace and name.
    pub target: Target,
    /// The kind of workload that runs the Pod.
    pub workload: Workload,
    /// The image, and how the nodes get it.
    pub image: ImageSource,
    /// Where the data is.
    pub data: Data,
    /// The port of every node that leads to the registry, if it should have one.
    pub node_port: Option<u16>,
    /// The limit of the container's memory.
    pub memory: Quantity,
    /// The limit of the container's processor time.
    pub cpu: Quantity,
    /// Labels of the nodes that may run the Pod; without labels, every node may.
    pub nodes: Vec<Label>,
    /// The clients that may reach the registry; without any, every client may.
    pub peers: Vec<Peer>,
    /// Further environment variables of the server.
    pub variables: BTreeMap<String, String>,
    /// The claim's name; `None` keeps an existing claim's name, and gives a new one the registry's.
    pub claim: Option<Name>,
    /// The name of the ConfigMap of the server's variables; `None` keeps an existing name, or uses the registry's.
    pub config_map: Option<Name>,
}

impl DeployOptions {
    /// The default options.
    pub fn new(target: Target, image: ImageSource) -> Result<Self, ValueError> {
        Ok(Self {
            target,
            workload: Workload::default(),
            image,
            data: Data::Claim { size: None, class: None },
            node_port: Some(DEFAULT_NODE_PORT),
            memory: DEFAULT_MEMORY.parse()?,
            cpu: DEFAULT_CPU.parse()?,
            nodes: Vec::new(),
            peers: Vec::new(),
            variables: BTreeMap::new(),
            claim: None,
            config_map: None,
        })
    }

    /// The claim of the data. It exists only if the data is in a claim.
    pub(crate) fn claim_object(&self) -> Object {
        self.target.named(Kind::PersistentVolumeClaim, self.claim.as_ref())
    }

    /// The ConfigMap of the server's variables.
    pub(crate) fn config_object(&self) -> Object {
        self.target.named(Kind::ConfigMap, self.config_map.as_ref())
    }
}

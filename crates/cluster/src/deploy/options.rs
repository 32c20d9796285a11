//! What is deployed, and how.

use std::collections::BTreeMap;

use super::{HostPath, Image, Label, Name, Namespace, Peer, Quantity, StorageClass, ValueError};
use crate::api::{Kind, Object};

/// The namespace where none is named.
pub const DEFAULT_NAMESPACE: &str = "registry";

/// The registry's name where none is given.
pub const DEFAULT_NAME: &str = "registry";

/// The node port where none is named: nodes and, in local clusters, the host reach the registry there.
pub const DEFAULT_NODE_PORT: u16 = 30500;

/// The size of a claim that is new and for which none is asked.
pub const DEFAULT_SIZE: &str = "10Gi";

/// The memory that it may use at most.
pub const DEFAULT_MEMORY: &str = "256Mi";

/// The processor time that it may use at most.
pub const DEFAULT_CPU: &str = "200m";

/// Which registry of a cluster is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: Name,
}

impl Target {
    pub(crate) fn object(&self, kind: Kind) -> Object {
        Object::new(kind, self.namespace.as_str(), self.name.as_str())
    }

    /// An object of another name than the registry's, where it has one.
    pub(crate) fn named(&self, kind: Kind, name: Option<&Name>) -> Object {
        Object::new(kind, self.namespace.as_str(), name.unwrap_or(&self.name).as_str())
    }

    /// The Service of the node port, beside the one of the cluster.
    pub(crate) fn node_port_service(&self) -> Object {
        Object::new(Kind::Service, self.namespace.as_str(), &format!("{}-nodeport", self.name))
    }

    /// The Pods' labels, as a query.
    pub(crate) fn selector(&self) -> String {
        let labels = super::render::selector(self);
        labels.map(|(key, value)| format!("{key}={value}")).join(",")
    }

    /// The name by which Pods reach it.
    pub fn cluster_host(&self) -> String {
        format!("{}.{}.svc.cluster.local:{}", self.name, self.namespace, super::PORT)
    }
}

/// What runs the Pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workload {
    /// A Deployment, which starts a Pod once the one before it has ended.
    #[default]
    Deployment,
    /// A `StatefulSet`: the same, also where a node does not answer and its Pod may still run there.
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

    /// The other one.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Deployment => Self::StatefulSet,
            Self::StatefulSet => Self::Deployment,
        }
    }
}

/// Where the nodes have the image from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It is put into each of them beforehand, and no registry has it: the kubelet is not to ask the network for it.
    Nodes(Image),
    /// They pull it, unless they have it.
    Registry(Image),
}

/// Where the registry's data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// In a claim of its own.
    Claim {
        /// Its size; what it has, or the default for a new one, where none is asked.
        size: Option<Quantity>,
        /// Its storage class; what it has, or the cluster's default.
        class: Option<StorageClass>,
    },
    /// In a folder of the node.
    HostPath(HostPath),
}

/// What is deployed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where, and under which name.
    pub target: Target,
    /// What runs the Pod.
    pub workload: Workload,
    /// The image.
    pub image: Source,
    /// Where the data is.
    pub data: Data,
    /// The port of every node that leads to it; none is no such port.
    pub node_port: Option<u16>,
    /// The memory that it may use at most.
    pub memory: Quantity,
    /// The processor time that it may use at most.
    pub cpu: Quantity,
    /// The labels of the nodes that it may run on.
    pub nodes: Vec<Label>,
    /// Who may reach it; nobody named is everybody.
    pub peers: Vec<Peer>,
    /// Further variables of the server.
    pub variables: BTreeMap<String, String>,
    /// The claim's name; what it has, or the registry's.
    pub claim: Option<Name>,
    /// The name of the ConfigMap of the server's variables; what it has, or the registry's.
    pub config_map: Option<Name>,
}

impl Options {
    /// Those that nothing was said about.
    pub fn new(target: Target, image: Source) -> Result<Self, ValueError> {
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

    /// The claim of the data, where it is in one.
    pub(crate) fn claim_object(&self) -> Object {
        self.target.named(Kind::PersistentVolumeClaim, self.claim.as_ref())
    }

    /// The ConfigMap of the server's variables.
    pub(crate) fn config_object(&self) -> Object {
        self.target.named(Kind::ConfigMap, self.config_map.as_ref())
    }
}

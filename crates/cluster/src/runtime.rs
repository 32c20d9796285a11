//! The container runtime of a node.

use std::fmt;

use crate::topology::{Cluster, Maker};
use hythe_engine::{Engine, EngineError};

/// The container runtime of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Containerd,
    /// containerd under k3s. k3s writes containerd's configuration itself.
    K3s,
    Docker,
    CriO,
    None,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Containerd => "containerd",
            Self::K3s => "k3s's containerd",
            Self::Docker => "Docker",
            Self::CriO => "CRI-O",
            Self::None => "none that hythe knows",
        })
    }
}

impl Runtime {
    /// The runtime of a node of this cluster. Does not check that a containerd exists.
    pub(crate) async fn of(engine: &Engine, cluster: &Cluster, node: &str) -> Result<Self, EngineError> {
        match cluster.maker {
            Maker::Kind => return Ok(Self::Containerd),
            Maker::K3d => return Ok(Self::K3s),
            // Only minikube lets its users choose.
            Maker::Minikube => {}
        }
        for (socket, runtime) in
            [("/run/cri-dockerd.sock", Self::Docker), ("/run/crio/crio.sock", Self::CriO)]
        {
            if engine.exec(node, &["test", "-S", socket]).await?.code == 0 {
                return Ok(runtime);
            }
        }
        Ok(Self::Containerd)
    }
}

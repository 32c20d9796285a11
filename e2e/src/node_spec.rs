//! The specification of a node: its role, and the version of its containerd.

use std::path::PathBuf;

use crate::binary::built_tool;

/// The role of a node in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The first node.
    ControlPlane,
    /// Any other node.
    Worker,
}

impl Role {
    /// The role's name in kind's labels and node names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Worker => "worker",
        }
    }
}

/// A node's version of containerd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Containerd {
    /// Debian's version.
    V1_6,
    /// The last version of the 1.x series.
    V1_7,
    /// The newest version.
    V2,
}

impl Containerd {
    /// The programs that are not from Debian, with their paths in kind's nodes.
    pub(crate) fn programs(self) -> Vec<(PathBuf, String)> {
        let mut programs = vec![
            (built_tool("crictl"), "/usr/local/bin/crictl".to_owned()),
            (built_tool("kube-proxy"), "/usr/bin/kube-proxy".to_owned()),
            (built_tool("kubectl"), "/usr/bin/kubectl".to_owned()),
            (built_tool("kubelet"), "/usr/bin/kubelet".to_owned()),
        ];
        for plugin in ["bridge", "host-local", "loopback"] {
            programs.push((built_tool(&format!("cni/{plugin}")), format!("/opt/cni/bin/{plugin}")));
        }
        let folder = match self {
            Self::V1_6 => return programs,
            Self::V1_7 => "containerd-1.7/",
            Self::V2 => "",
        };
        for name in ["containerd", "containerd-shim-runc-v2", "ctr"] {
            programs.push((built_tool(&format!("{folder}{name}")), format!("/usr/local/bin/{name}")));
        }
        programs
    }
}

/// The specification of a node.
#[derive(Clone, Copy, Debug)]
pub struct NodeSpec {
    /// The node's role.
    pub role: Role,
    /// The version of the node's containerd.
    pub containerd: Containerd,
}

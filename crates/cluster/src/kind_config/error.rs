//! Why a cluster's configuration is left alone, and what to do instead.

use super::yaml::NotYaml;
use super::{API, DATA_PATH, NODE_PORT_RANGE};
use crate::containerd::CONFIG_PATH;
use crate::hosts::{Author, Legacy};

/// Why a cluster's configuration is left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindConfigError {
    /// It is not YAML.
    #[error(transparent)]
    NotYaml(#[from] NotYaml),
    /// It is something else's, or another version's.
    #[error(
        "this is no configuration of a kind cluster: it has no document with `kind: Cluster` and `apiVersion: {API}`"
    )]
    NotKind,
    /// There is more than one cluster in it.
    #[error("line {line}: a second `kind: Cluster`; kind creates one cluster from one file")]
    SecondCluster {
        /// Where the second begins.
        line: usize,
    },
    /// A patch that kind itself cannot apply.
    #[error("line {line}: this patch cannot be applied: {error}")]
    Patch {
        /// Where the patch begins.
        line: usize,
        /// What is wrong in it.
        error: String,
    },
    /// A patch of the old form, which cannot stand beside `config_path`.
    #[error(
        "line {line}: this patch sets `registry.{key}`, which cannot stand beside `config_path`: the node would fail with \
         \"`{key}` cannot be set when `config_path` is provided\" and its kubelet never start (with `mirrors` on containerd \
         2.2.0 and 2.2.1, as of kind 0.31, even where no `config_path` is set). Take the setting out. {instead}"
    )]
    Legacy {
        /// Where the patch begins.
        line: usize,
        /// The setting.
        key: &'static str,
        /// The files that do the same.
        instead: String,
    },
    /// A node port that no Service can have.
    #[error(
        "--node-port {port} is no node port: Kubernetes gives Services 30000 to 32767, unless the API server's \
         `{NODE_PORT_RANGE}` says otherwise, which this configuration does not set"
    )]
    NodePort {
        /// The port.
        port: u16,
    },
    /// The host's port leads elsewhere already.
    #[error(
        "line {line}: port {port} of this machine is taken by another use in this configuration; choose another \
         --node-port, or take this out"
    )]
    PortTaken {
        /// Where.
        line: usize,
        /// The port.
        port: u16,
    },
    /// Several folders, of which the nodes would read none.
    #[error(
        "line {line}: `config_path = \"{config_path}\"` names several folders, and `discard_unpacked_layers = false` has \
         containerd 2.1 and later take them for one folder of that name (containerd#12636): name one folder"
    )]
    Misread {
        /// Where the patch begins.
        line: usize,
        /// The setting.
        config_path: String,
    },
    /// Another folder is where hythe's would be.
    #[error(
        "line {line}: `{host_path}` is mounted at {DATA_PATH} already; ask for that folder, or take that mount out"
    )]
    Mounted {
        /// Where the mount begins.
        line: usize,
        /// The folder that is mounted.
        host_path: String,
    },
    /// The place for an addition is written in a way that is not edited by a program.
    #[error(
        "line {line}: this is written in a way that hythe does not change; add these lines yourself:\n\n{lines}"
    )]
    Shape {
        /// Where.
        line: usize,
        /// What is missing.
        lines: String,
    },
}

impl KindConfigError {
    /// For a patch with settings of the old form.
    pub(super) fn legacy(line: usize, key: &'static str, legacy: &Legacy) -> Self {
        let mut instead = format!(
            "`hythe attach` writes hosts.toml files for the registry's own names and for upstreams; for other registries \
             these files do what the setting did. Put them into each node, or into a folder that each node mounts \
             (extraMounts, containerPath {CONFIG_PATH}):\n"
        );
        for moved in legacy.to_files() {
            instead.extend(["\n# ", CONFIG_PATH, "/", &moved.host, "/hosts.toml\n"]);
            // The first line tells where `hythe attach` has it from.
            let file = moved.file.render(Author::Owner);
            let rest = file.split_once('\n').map_or("", |(_, rest)| rest);
            instead.push_str(rest.trim_start_matches('\n'));
        }
        if !legacy.credentials.is_empty() {
            instead.extend(["\nThe logins of ", &legacy.credentials.join(", "), " may stay where they are."]);
        }
        Self::Legacy { line, key, instead }
    }
}

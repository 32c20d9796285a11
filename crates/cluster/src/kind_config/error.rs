//! Why hythe does not change a cluster's configuration, and what to do instead.

use hythe_yaml::YamlError;

use super::{API, DATA_PATH, NODE_PORT_RANGE};
use crate::containerd::CONFIG_PATH;
use crate::hosts::{Author, Legacy};

/// Why hythe does not change a cluster's configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindConfigError {
    /// The file is not YAML.
    #[error(transparent)]
    NotYaml(#[from] YamlError),
    /// The file is of another kind or of another version.
    #[error(
        "this is not a configuration of a kind cluster: it has no document with `kind: Cluster` and `apiVersion: {API}`"
    )]
    NotKind,
    /// The file has more than one cluster.
    #[error(
        "line {line}: a second `kind: Cluster`, but kind creates only one cluster from a file: remove one of them"
    )]
    SecondCluster {
        /// The line on which the second begins.
        line: usize,
    },
    /// A patch that kind itself cannot apply.
    #[error("line {line}: this patch cannot be applied: {error}")]
    Patch {
        /// The line on which the patch begins.
        line: usize,
        /// What is wrong in the patch.
        error: String,
    },
    /// A patch in the old form, which cannot be combined with `config_path`.
    #[error(
        "line {line}: this patch sets `registry.{key}`, which cannot be combined with `config_path`: containerd would fail \
         with \"`{key}` cannot be set when `config_path` is provided\", and the node would not start. (With containerd 2.2.0 \
         and 2.2.1, as in kind 0.31, `mirrors` alone has this effect.) Remove the setting. {instead}"
    )]
    Legacy {
        /// The line on which the patch begins.
        line: usize,
        /// The setting.
        key: &'static str,
        /// The equivalent files, with where to put them.
        instead: String,
    },
    /// A port that cannot be a Service's node port.
    #[error(
        "--node-port {port} is not a node port: Kubernetes gives Services 30000 to 32767. Choose a port in this range, or \
         set the API server's `{NODE_PORT_RANGE}` in this configuration"
    )]
    NodePort {
        /// The port.
        port: u16,
    },
    /// The configuration already uses the host's port for something else.
    #[error(
        "line {line}: this already uses port {port} of this machine: choose another --node-port, or remove this line"
    )]
    PortTaken {
        /// The line of the other use.
        line: usize,
        /// The port.
        port: u16,
    },
    /// Several folders, none of which the nodes would read.
    #[error(
        "line {line}: `config_path = \"{config_path}\"` names several folders, but with `discard_unpacked_layers = false` \
         containerd 2.1 and later take the whole text for one folder's name (containerd#12636): name one folder only"
    )]
    Misread {
        /// The line on which the patch begins.
        line: usize,
        /// The setting.
        config_path: String,
    },
    /// Another folder is mounted at the path for hythe's.
    #[error(
        "line {line}: `{host_path}` is already mounted at {DATA_PATH}: name that folder instead, or remove that mount"
    )]
    Mounted {
        /// The line on which the mount begins.
        line: usize,
        /// The folder that is mounted.
        host_path: String,
    },
    /// The place for an addition has a form that hythe does not edit.
    #[error("line {line}: hythe cannot edit this form of YAML safely; add these lines yourself:\n\n{lines}")]
    Shape {
        /// The line of that place.
        line: usize,
        /// The missing lines.
        lines: String,
    },
}

impl KindConfigError {
    /// The error for a patch with settings in the old form.
    pub(super) fn legacy(line: usize, key: &'static str, legacy: &Legacy) -> Self {
        let mut instead = format!(
            "`hythe attach` writes hosts.toml files for the registry's own names and for upstreams. For other registries, \
             the files below replace the setting. Put them into each node, or into a folder that each node mounts \
             (extraMounts, containerPath {CONFIG_PATH}):\n"
        );
        for moved in legacy.to_files() {
            instead.extend(["\n# ", CONFIG_PATH, "/", &moved.host, "/hosts.toml\n"]);
            // Leave out the first line, which says where `hythe attach` took the setting from.
            let file = moved.file.render(Author::Owner);
            let rest = file.split_once('\n').map_or("", |(_, rest)| rest);
            instead.push_str(rest.trim_start_matches('\n'));
        }
        if !legacy.credentials.is_empty() {
            instead.extend([
                "\nThe logins for ",
                &legacy.credentials.join(", "),
                " may stay where they are.",
            ]);
        }
        Self::Legacy { line, key, instead }
    }
}

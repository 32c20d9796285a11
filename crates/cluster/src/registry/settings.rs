//! How the registry's container runs.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize as _, Deserializer, Serializer};

use super::{DEFAULT_PORT, INNER_PORT, INNER_PORTS, USER};

/// The variable that names the folder where the registry finds logins.
const LOGINS_VARIABLE: &str = "HYTHE_LOGINS";
/// The logins' folder in the container. It is in memory, so that the logins end with the container.
pub(super) const LOGINS_FOLDER: &str = "/tmp/logins";
/// The variable that shares content fetched with these logins with every client, for upstreams whose configuration does
/// not decide.
const LOGINS_SHARED: &str = "HYTHE_LOGINS_SHARED=true";

/// Where the registry keeps its data.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// In a volume of the engine.
    Volume(String),
    /// In a folder of the engine's machine, absolute.
    Folder(PathBuf),
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(name) => write!(f, "the volume {name}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How the registry runs. A label of its container records these settings for later commands (attach, upgrade).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RegistrySettings {
    /// The name of the container, and of the registry in clusters' networks.
    pub name: String,
    /// Further names of the registry in clusters' networks.
    pub aliases: Vec<String>,
    /// The address of the engine's machine on which the registry is published.
    pub address: IpAddr,
    /// The published port at that address.
    pub port: u16,
    /// A further published port that serves Docker Hub alone, for dockerd: dockerd does not tell a mirror which
    /// registry it asks for.
    #[serde(default)]
    pub mirror_port: Option<u16>,
    /// Where the registry keeps its data.
    pub data: Data,
    /// The absolute path of a configuration file on the engine's machine.
    pub config: Option<PathBuf>,
    /// Settings of `hythe serve`, as environment variables. Values may be secrets: the label records only the names,
    /// and the container's environment keeps the values.
    #[serde(serialize_with = "write_names", deserialize_with = "read_names")]
    pub environment: BTreeMap<String, String>,
    /// The user id and group id of the process.
    pub user: (u32, u32),
    /// Whether the registry gets the logins of the user who started it.
    #[serde(default)]
    pub logins: Logins,
    /// The ports on which the registry listens in clusters' networks, the usual one first.
    #[serde(default = "inner_ports")]
    pub inner_ports: Vec<u16>,
}

fn inner_ports() -> Vec<u16> {
    INNER_PORTS.to_vec()
}

impl RegistrySettings {
    /// The default settings of a registry of this name.
    pub fn new(name: String) -> Self {
        Self {
            aliases: Vec::new(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: DEFAULT_PORT,
            mirror_port: None,
            data: Data::Volume(format!("{name}-data")),
            config: None,
            environment: BTreeMap::new(),
            user: (USER, USER),
            logins: Logins::default(),
            inner_ports: inner_ports(),
            name,
        }
    }

    /// Each `host:port` under which clusters' networks know the registry.
    pub fn inner_names(&self) -> Vec<String> {
        let names = [&self.name].into_iter().chain(&self.aliases);
        names.flat_map(|name| self.inner_ports.iter().map(move |port| format!("{name}:{port}"))).collect()
    }

    /// The port to which clusters send their requests.
    pub fn inner_port(&self) -> u16 {
        self.inner_ports.first().copied().unwrap_or(INNER_PORT)
    }
}

/// Whether a registry gets the logins of the user who started it, and who may use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Logins {
    /// Whether the logins are handed to the registry.
    pub handed: bool,
    /// Whether every client may have content that was fetched with these logins, where the configuration does not
    /// decide. In a container no connection arrives over loopback, so the registry cannot tell local clients from
    /// others.
    pub shared: bool,
}

impl Logins {
    /// The container's environment variables for this.
    pub(super) fn environment(self) -> Vec<String> {
        let mut variables = Vec::new();
        if self.handed {
            variables.push(format!("{LOGINS_VARIABLE}={LOGINS_FOLDER}"));
        }
        if self.shared {
            variables.push(LOGINS_SHARED.to_owned());
        }
        variables
    }

    pub(super) fn describe(self) -> &'static str {
        match (self.handed, self.shared) {
            (false, false) => "none",
            (false, true) => "shared",
            (true, false) => "handed over",
            (true, true) => "handed over and shared",
        }
    }
}

/// Records the names of variables, without their values.
fn write_names<S: Serializer>(
    variables: &BTreeMap<String, String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(variables.keys())
}

fn read_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    /// Earlier versions wrote the values into the label too.
    #[derive(serde::Deserialize)]
    #[serde(untagged)]
    enum Written {
        Names(Vec<String>),
        Values(BTreeMap<String, String>),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Names(names) => names.into_iter().map(|name| (name, String::new())).collect(),
        Written::Values(values) => values,
    })
}

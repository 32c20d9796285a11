//! The names of checks, which stay; what each says, and which of the field's symptoms it finds.

use std::fmt;
#[cfg(test)]
use std::fmt::Write as _;

/// A check's name. Programs ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "`row` says what each is")]
pub enum Id {
    EngineAnswers,
    EngineHere,
    EnginePlainHttp,
    RegistryContainer,
    RegistryRuns,
    RegistryNetworkMode,
    RegistryRestartPolicy,
    RegistryAnswers,
    RegistryLocalhost,
    RegistryData,
    RegistrySpace,
    RegistryTakesPushes,
    ClusterAttached,
    ClusterNetwork,
    ClusterHosting,
    ClusterPods,
    NodeRuns,
    NodeRuntime,
    NodeName,
    NodeReaches,
    NodeProxy,
    NodeCri,
    NodeConfigPath,
    NodeRestarted,
    NodeHosts,
    NodeShadow,
    NodeForeign,
    NodeMirrors,
    NodeLog,
    NodePulls,
    ImagePath,
    ImageAnswers,
    ImageName,
    ImagePlatform,
    ImageBudget,
    PodFound,
    PodImage,
    Message,
}

impl Id {
    /// All of them, in the order in which they are looked at.
    pub const ALL: [Self; 38] = [
        Self::EngineAnswers,
        Self::EngineHere,
        Self::EnginePlainHttp,
        Self::RegistryContainer,
        Self::RegistryRuns,
        Self::RegistryNetworkMode,
        Self::RegistryRestartPolicy,
        Self::RegistryAnswers,
        Self::RegistryLocalhost,
        Self::RegistryData,
        Self::RegistrySpace,
        Self::RegistryTakesPushes,
        Self::ClusterAttached,
        Self::ClusterNetwork,
        Self::ClusterHosting,
        Self::ClusterPods,
        Self::NodeRuns,
        Self::NodeRuntime,
        Self::NodeName,
        Self::NodeReaches,
        Self::NodeProxy,
        Self::NodeCri,
        Self::NodeConfigPath,
        Self::NodeRestarted,
        Self::NodeHosts,
        Self::NodeShadow,
        Self::NodeForeign,
        Self::NodeMirrors,
        Self::NodeLog,
        Self::NodePulls,
        Self::ImagePath,
        Self::ImageAnswers,
        Self::ImageName,
        Self::ImagePlatform,
        Self::ImageBudget,
        Self::PodFound,
        Self::PodImage,
        Self::Message,
    ];

    /// The name, what it says where it is good, and the symptoms that it finds.
    fn row(self) -> (&'static str, &'static str, &'static [u8]) {
        match self {
            Self::EngineAnswers => ("engine.answers", "it answers", &[]),
            Self::EngineHere => ("engine.here", "its ports are this machine's", &[23]),
            Self::EnginePlainHttp => ("engine.plain-http", "it pushes to loopback without TLS", &[6, 24]),
            Self::RegistryContainer => ("registry.container", "it is there, and hythe's", &[13]),
            Self::RegistryRuns => ("registry.runs", "it runs, and does not fall over", &[3]),
            Self::RegistryNetworkMode => ("registry.network-mode", "it can join networks", &[9]),
            Self::RegistryRestartPolicy => ("registry.restart-policy", "it comes back with the machine", &[]),
            Self::RegistryAnswers => ("registry.answers", "it answers on this machine", &[13, 23]),
            Self::RegistryLocalhost => ("registry.localhost", "localhost leads to it", &[13, 25]),
            Self::RegistryData => ("registry.data", "its data outlives it", &[13]),
            Self::RegistrySpace => ("registry.space", "it has space", &[]),
            Self::RegistryTakesPushes => ("registry.takes-pushes", "it takes a push", &[6, 13]),
            Self::ClusterAttached => ("cluster.attached", "nobody detached it", &[]),
            Self::ClusterNetwork => ("cluster.network", "the registry is on it", &[3, 8]),
            Self::ClusterHosting => ("cluster.hosting", "its ConfigMap names this registry", &[14, 22]),
            Self::ClusterPods => ("cluster.pods", "a Pod's image comes by the in-cluster name", &[5, 14]),
            Self::NodeRuns => ("node.runs", "it runs", &[21]),
            Self::NodeRuntime => ("node.runtime", "its runtime reads hosts.toml files", &[]),
            Self::NodeName => ("node.name", "it knows the registry's name", &[3]),
            Self::NodeReaches => ("node.reaches", "it reaches the registry", &[3, 4, 8]),
            Self::NodeProxy => ("node.proxy", "no proxy stands before the registry", &[7]),
            Self::NodeCri => ("node.cri", "containerd serves Kubernetes", &[10]),
            Self::NodeConfigPath => ("node.config-path", "containerd reads hosts.toml files", &[1, 10, 11]),
            Self::NodeRestarted => ("node.restarted", "containerd has read its configuration", &[12]),
            Self::NodeHosts => {
                ("node.hosts", "its hosts.toml files are as they should be", &[1, 4, 5, 8, 17, 21])
            }
            Self::NodeShadow => ("node.shadow", "no empty directory hides a mirror", &[16]),
            Self::NodeForeign => ("node.foreign", "nobody else's files are in the way", &[19]),
            Self::NodeMirrors => ("node.mirrors", "every mirror answers", &[8, 15, 19]),
            Self::NodeLog => ("node.log", "containerd complains of nothing", &[1, 10, 17]),
            Self::NodePulls => ("node.pulls", "it pulls what was pushed", &[1, 2, 3, 4, 5, 7, 13]),
            Self::ImagePath => ("image.path", "whom it asks", &[1, 5, 16, 17]),
            Self::ImageAnswers => ("image.answers", "somebody has the image", &[1, 3, 4, 7, 13, 18, 26]),
            Self::ImageName => ("image.name", "its name is right", &[13]),
            Self::ImagePlatform => ("image.platform", "it is for the node's platform", &[20]),
            Self::ImageBudget => ("image.budget", "its registry's rate limit is not used up", &[18]),
            Self::PodFound => ("pod.found", "it is there", &[]),
            Self::PodImage => (
                "pod.image",
                "its image is there",
                &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 17, 18, 19, 20, 22, 23, 24, 25, 26],
            ),
            Self::Message => (
                "message",
                "it shows no known symptom",
                &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 17, 18, 19, 20, 22, 23, 24, 25, 26],
            ),
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What it says where it is good.
    pub fn says(self) -> &'static str {
        self.row().1
    }

    /// The numbers of the field's symptoms that it finds.
    pub fn symptoms(self) -> &'static [u8] {
        self.row().2
    }

    /// The table of all, as the reference has it.
    #[cfg(test)]
    pub(crate) fn table() -> String {
        let mut table = "| check | good means | symptoms |\n|---|---|---|\n".to_owned();
        for id in Self::ALL {
            let numbers: Vec<String> = id.symptoms().iter().map(ToString::to_string).collect();
            // Writing to a string does not fail.
            let _ = writeln!(table, "| `{id}` | {} | {} |", id.says(), numbers.join(", "));
        }
        table
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl serde::Serialize for Id {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::symptom::SYMPTOMS;

    #[test]
    fn every_check_is_listed_once_and_every_symptom_has_one() {
        for (number, id) in Id::ALL.iter().enumerate() {
            assert_eq!(*id as usize, number, "{id}");
        }
        for symptom in &SYMPTOMS {
            assert!(
                Id::ALL
                    .iter()
                    .any(|id| ![Id::PodImage, Id::Message].contains(id)
                        && id.symptoms().contains(&symptom.number)),
                "no check finds symptom {}",
                symptom.number
            );
        }
    }

    #[test]
    fn the_reference_has_the_tables_of_this_program() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/doctor.md");
        let page = std::fs::read_to_string(page).unwrap_or_default();
        for table in [Id::table(), crate::doctor::symptom::table()] {
            assert!(page.contains(&table), "docs/reference/doctor.md is to contain\n{table}");
        }
    }
}

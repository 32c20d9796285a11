//! The names of checks, which stay; what each says, and which of the field's symptoms it finds.

use std::borrow::Cow;
use std::fmt;
#[cfg(test)]
use std::fmt::Write as _;

use super::Verdict;

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
    ImageUpstream,
    ImageBudget,
    PodFound,
    PodImage,
    Message,
}

impl Id {
    /// All of them, in the order in which they are looked at.
    pub const ALL: [Self; 39] = [
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
        Self::ImageUpstream,
        Self::ImageBudget,
        Self::PodFound,
        Self::PodImage,
        Self::Message,
    ];

    /// The name, what it says where it is good and where it is bad, and the symptoms that it finds.
    fn row(self) -> (&'static str, &'static str, &'static str, &'static [u8]) {
        match self {
            Self::EngineAnswers => ("engine.answers", "it answers", "it does not answer", &[]),
            Self::EngineHere => {
                ("engine.here", "its ports are this machine's", "its ports are another machine's", &[23])
            }
            Self::EnginePlainHttp => (
                "engine.plain-http",
                "it pushes to loopback without TLS",
                "it asks loopback for TLS",
                &[6, 24],
            ),
            Self::RegistryContainer => (
                "registry.container",
                "it is there, and hythe's",
                "there is no registry of hythe's by this name",
                &[13],
            ),
            Self::RegistryRuns => {
                ("registry.runs", "it runs, and does not fall over", "it does not run", &[3, 46])
            }
            Self::RegistryNetworkMode => {
                ("registry.network-mode", "it can join networks", "it cannot join networks", &[9])
            }
            Self::RegistryRestartPolicy => (
                "registry.restart-policy",
                "it comes back with the machine",
                "it does not come back with the machine",
                &[],
            ),
            Self::RegistryAnswers => (
                "registry.answers",
                "it answers on this machine",
                "it does not answer on this machine",
                &[13, 23, 31, 46],
            ),
            Self::RegistryLocalhost => {
                ("registry.localhost", "localhost leads to it", "localhost does not lead to it", &[13, 25])
            }
            Self::RegistryData => ("registry.data", "its data outlives it", "its data is not kept", &[13]),
            Self::RegistrySpace => ("registry.space", "it has space", "its disk is nearly full", &[28]),
            Self::RegistryTakesPushes => {
                ("registry.takes-pushes", "it takes a push", "it does not take a push", &[6, 13, 28])
            }
            Self::ClusterAttached => ("cluster.attached", "it is attached", "it is detached", &[]),
            Self::ClusterNetwork => (
                "cluster.network",
                "the registry is on its network",
                "the registry is not on its network",
                &[3, 8],
            ),
            Self::ClusterHosting => (
                "cluster.hosting",
                "its ConfigMap names this registry",
                "its ConfigMap does not name this registry",
                &[14, 22],
            ),
            Self::ClusterPods => (
                "cluster.pods",
                "a Pod's image comes by the in-cluster name",
                "a Pod's image does not come by the in-cluster name",
                &[5, 14],
            ),
            Self::NodeRuns => ("node.runs", "it runs", "it does not run", &[21]),
            Self::NodeRuntime => (
                "node.runtime",
                "its runtime reads hosts.toml files",
                "its runtime reads no hosts.toml files",
                &[48, 49],
            ),
            Self::NodeName => {
                ("node.name", "it knows the registry's name", "it does not know the registry's name", &[3])
            }
            Self::NodeReaches => {
                ("node.reaches", "it reaches the registry", "it does not reach the registry", &[3, 4, 8])
            }
            Self::NodeProxy => (
                "node.proxy",
                "no proxy stands before the registry",
                "a proxy stands before the registry",
                &[7],
            ),
            Self::NodeCri => (
                "node.cri",
                "containerd serves Kubernetes",
                "containerd does not serve Kubernetes",
                &[10, 68],
            ),
            Self::NodeConfigPath => (
                "node.config-path",
                "containerd reads hosts.toml files",
                "containerd does not read hosts.toml files",
                &[1, 10, 11],
            ),
            Self::NodeRestarted => (
                "node.restarted",
                "containerd has read its configuration",
                "containerd has not read its configuration since it changed",
                &[12],
            ),
            Self::NodeHosts => (
                "node.hosts",
                "its hosts.toml files are as they should be",
                "a hosts.toml file is wrong or missing",
                &[1, 4, 5, 8, 17, 21],
            ),
            Self::NodeShadow => (
                "node.shadow",
                "no empty directory hides a mirror",
                "an empty directory hides a mirror",
                &[16],
            ),
            Self::NodeForeign => (
                "node.foreign",
                "nobody else's files are in the way",
                "somebody else's file is in the way",
                &[19],
            ),
            Self::NodeMirrors => {
                ("node.mirrors", "every mirror answers", "a mirror does not answer", &[8, 15, 19, 50])
            }
            Self::NodeLog => {
                ("node.log", "containerd complains of nothing", "containerd complains", &[1, 10, 17, 69])
            }
            Self::NodePulls => (
                "node.pulls",
                "it pulls what was pushed",
                "it does not pull what was pushed",
                &[1, 2, 3, 4, 5, 7, 13],
            ),
            Self::ImagePath => {
                ("image.path", "it asks the right place", "it asks the wrong place", &[1, 5, 16, 17])
            }
            Self::ImageAnswers => (
                "image.answers",
                "somebody has the image",
                "the image does not come, or only after a wait",
                &[1, 3, 4, 7, 13, 18, 26],
            ),
            Self::ImageName => {
                ("image.name", "its name is right", "there is no image of this name", &[13, 53])
            }
            Self::ImagePlatform => (
                "image.platform",
                "it is for the node's platform",
                "it is not for the node's platform",
                &[20],
            ),
            Self::ImageUpstream => {
                ("image.upstream", "its registry answers", "its registry fails", &[56, 57, 59])
            }
            Self::ImageBudget => (
                "image.budget",
                "its registry's rate limit is not used up",
                "its registry's rate limit is used up",
                &[18],
            ),
            Self::PodFound => ("pod.found", "it is there", "it is on no node", &[]),
            Self::PodImage => ("pod.image", "its image is there", "its image does not come", &[]),
            Self::Message => ("message", "it shows no known symptom", "it shows a known symptom", &[]),
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What it says where it was found so.
    pub fn says(self, verdict: Verdict) -> Cow<'static, str> {
        let (_, good, bad, _) = self.row();
        match (verdict, self) {
            // What is not told is somebody's own wish or doing, or lies ahead.
            (Verdict::Good, _) | (Verdict::Unknown, Self::Message) => good.into(),
            (Verdict::Bad, _) | (Verdict::Unknown, Self::EngineHere) => bad.into(),
            (Verdict::Unknown, Self::EnginePlainHttp) => "it may ask loopback for TLS".into(),
            (Verdict::Unknown, Self::NodeForeign) => "somebody else's file is left alone".into(),
            (Verdict::Unknown, Self::PodImage) => "its image is not there yet".into(),
            (Verdict::Unknown, _) => format!("not known whether {good}").into(),
        }
    }

    /// The numbers of the field's symptoms that it finds.
    pub fn symptoms(self) -> &'static [u8] {
        self.row().3
    }

    /// The table of all, as the reference has it.
    #[cfg(test)]
    pub(crate) fn table() -> String {
        let mut table = "| check | good | bad | symptoms |\n|---|---|---|---|\n".to_owned();
        for id in Self::ALL {
            let numbers: Vec<String> = id.symptoms().iter().map(ToString::to_string).collect();
            let (good, bad) = (id.says(Verdict::Good), id.says(Verdict::Bad));
            // Writing to a string does not fail.
            let _ = writeln!(table, "| `{id}` | {good} | {bad} | {} |", numbers.join(", "));
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
    fn every_check_is_listed_once_and_finds_symptoms_that_are_known() {
        for (number, id) in Id::ALL.iter().enumerate() {
            assert_eq!(*id as usize, number, "{id}");
            for symptom in id.symptoms() {
                assert!(SYMPTOMS.iter().any(|known| known.number == *symptom), "{id}: {symptom}");
            }
        }
    }

    #[test]
    fn what_shows_in_no_message_is_found_by_a_check() {
        for number in crate::doctor::message::SILENT {
            assert!(
                Id::ALL.iter().any(|id| id.symptoms().contains(&number)),
                "no check finds symptom {number}"
            );
        }
    }

    #[test]
    fn a_check_that_failed_states_the_fault() {
        for id in Id::ALL {
            assert_ne!(id.says(Verdict::Bad), id.says(Verdict::Good), "{id}");
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

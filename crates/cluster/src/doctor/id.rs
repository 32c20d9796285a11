//! The names of checks, what each check says, and which known symptoms it finds. A name never changes.

use std::borrow::Cow;
use std::fmt;
#[cfg(test)]
use std::fmt::Write as _;

use super::Verdict;

/// A check's name. Programs that read `--output json` rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "`row` says what each checks")]
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
    /// All checks, in the order in which `hythe doctor` makes them.
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

    /// A check's name, its texts for a good and for a bad result, and the numbers of the symptoms that it finds.
    fn row(self) -> (&'static str, &'static str, &'static str, &'static [u8]) {
        match self {
            Self::EngineAnswers => {
                ("engine.answers", "the engine answers", "the engine does not answer", &[])
            }
            Self::EngineHere => (
                "engine.here",
                "the engine publishes ports on this machine",
                "the engine publishes ports on another machine",
                &[23],
            ),
            Self::EnginePlainHttp => (
                "engine.plain-http",
                "the engine uses plain HTTP for loopback addresses",
                "the engine uses HTTPS for loopback addresses",
                &[6, 24],
            ),
            Self::RegistryContainer => {
                ("registry.container", "hythe's registry exists", "hythe has no registry of this name", &[13])
            }
            Self::RegistryRuns => (
                "registry.runs",
                "the registry runs, and does not keep restarting",
                "the registry does not run",
                &[3, 46],
            ),
            Self::RegistryNetworkMode => (
                "registry.network-mode",
                "the container can join networks",
                "the container cannot join networks",
                &[9],
            ),
            Self::RegistryRestartPolicy => (
                "registry.restart-policy",
                "the registry restarts with the machine",
                "the registry does not restart with the machine",
                &[],
            ),
            Self::RegistryAnswers => (
                "registry.answers",
                "the registry answers on this machine",
                "the registry does not answer on this machine",
                &[13, 23, 31, 46],
            ),
            Self::RegistryLocalhost => (
                "registry.localhost",
                "localhost leads to the registry",
                "localhost does not lead to the registry",
                &[13, 25],
            ),
            Self::RegistryData => (
                "registry.data",
                "the registry's data outlives its container",
                "the registry's data is not kept",
                &[13],
            ),
            Self::RegistrySpace => (
                "registry.space",
                "the registry's disk has space",
                "the registry's disk is nearly full",
                &[28],
            ),
            Self::RegistryTakesPushes => (
                "registry.takes-pushes",
                "the registry accepts a push",
                "the registry does not accept a push",
                &[6, 13, 28],
            ),
            Self::ClusterAttached => {
                ("cluster.attached", "the cluster is attached", "the cluster is detached", &[])
            }
            Self::ClusterNetwork => (
                "cluster.network",
                "the registry is on the cluster's network",
                "the registry is not on the cluster's network",
                &[3, 8],
            ),
            Self::ClusterHosting => (
                "cluster.hosting",
                "the cluster's ConfigMap names this registry",
                "the cluster's ConfigMap does not name this registry",
                &[14, 22],
            ),
            Self::ClusterPods => (
                "cluster.pods",
                "a Pod's image is pulled by the registry's in-cluster name",
                "a Pod's image is not pulled by the registry's in-cluster name",
                &[5, 14],
            ),
            Self::NodeRuns => ("node.runs", "the node runs", "the node does not run", &[21]),
            Self::NodeRuntime => (
                "node.runtime",
                "the node's container runtime reads hosts.toml files",
                "the node's container runtime does not read hosts.toml files",
                &[48, 49],
            ),
            Self::NodeName => (
                "node.name",
                "the node finds the registry by its name",
                "the node does not find the registry by its name",
                &[3],
            ),
            Self::NodeReaches => (
                "node.reaches",
                "the node reaches the registry",
                "the node does not reach the registry",
                &[3, 4, 8],
            ),
            Self::NodeProxy => (
                "node.proxy",
                "the node asks the registry without a proxy",
                "the node asks the registry through a proxy",
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
                "the hosts.toml files are right",
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
                "no file that hythe did not write is in the way",
                "a file that hythe did not write is in the way",
                &[19],
            ),
            Self::NodeMirrors => {
                ("node.mirrors", "every mirror answers", "a mirror does not answer", &[8, 15, 19, 50])
            }
            Self::NodeLog => (
                "node.log",
                "containerd logs no configuration error",
                "containerd logs a configuration error",
                &[1, 10, 17, 69],
            ),
            Self::NodePulls => (
                "node.pulls",
                "the node pulls the image that was pushed",
                "the node does not pull the image that was pushed",
                &[1, 2, 3, 4, 5, 7, 13],
            ),
            Self::ImagePath => (
                "image.path",
                "the node asks the right host",
                "the node asks the wrong host",
                &[1, 5, 16, 17],
            ),
            Self::ImageAnswers => (
                "image.answers",
                "a host that the node asks has the image",
                "the node does not get the image, or only after a wait",
                &[1, 3, 4, 7, 13, 18, 26],
            ),
            Self::ImageName => (
                "image.name",
                "the registry has an image of this name",
                "the registry has no image of this name",
                &[13, 53],
            ),
            Self::ImagePlatform => (
                "image.platform",
                "the image is for the node's platform",
                "the image is not for the node's platform",
                &[20],
            ),
            Self::ImageUpstream => (
                "image.upstream",
                "the image's registry answers",
                "the image's registry fails",
                &[56, 57, 59],
            ),
            Self::ImageBudget => (
                "image.budget",
                "the rate limit of the image's registry is not used up",
                "the rate limit of the image's registry is used up",
                &[18],
            ),
            Self::PodFound => ("pod.found", "the Pod is on a node", "the Pod is on no node", &[]),
            Self::PodImage => {
                ("pod.image", "the Pod's images are on the node", "an image of the Pod is not pulled", &[])
            }
            Self::Message => {
                ("message", "the message shows no known symptom", "the message shows a known symptom", &[])
            }
        }
    }

    /// The check's name, as `--output json` has it.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What the check says for a result.
    pub fn says(self, verdict: Verdict) -> Cow<'static, str> {
        let (_, good, bad, _) = self.row();
        match (verdict, self) {
            // Some results are unknown by nature: the user chose the state, hythe does not own the file, or the pull
            // is still under way. These have words of their own.
            (Verdict::Good, _) | (Verdict::Unknown, Self::Message) => good.into(),
            (Verdict::Bad, _) | (Verdict::Unknown, Self::EngineHere) => bad.into(),
            (Verdict::Unknown, Self::EnginePlainHttp) => {
                "the engine may use HTTPS for loopback addresses".into()
            }
            (Verdict::Unknown, Self::NodeLog) => {
                "not known whether containerd logs a configuration error".into()
            }
            (Verdict::Unknown, Self::NodeForeign) => "hythe leaves a file alone that it did not write".into(),
            (Verdict::Unknown, Self::PodImage) => "an image of the Pod is not pulled yet".into(),
            (Verdict::Unknown, _) => format!("not known whether {good}").into(),
        }
    }

    /// The numbers of the symptoms that the check finds.
    pub fn symptoms(self) -> &'static [u8] {
        self.row().3
    }

    /// The table of all checks, as the reference page has it.
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
    fn every_check_is_listed_once_and_finds_known_symptoms() {
        for (number, id) in Id::ALL.iter().enumerate() {
            assert_eq!(*id as usize, number, "{id}");
            for symptom in id.symptoms() {
                assert!(SYMPTOMS.iter().any(|known| known.number == *symptom), "{id}: {symptom}");
            }
        }
    }

    #[test]
    fn a_symptom_that_no_message_shows_is_found_by_a_check() {
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
            assert!(page.contains(&table), "docs/reference/doctor.md does not contain\n{table}");
        }
    }
}

//! Names of workloads, as kubectl takes them: `deployment/NAME`.

use std::fmt;
use std::str::FromStr;

/// The kinds of workloads whose Pods are replaced when their template changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum WorkloadKind {
    /// A Deployment.
    Deployment,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`.
    DaemonSet,
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        })
    }
}

/// The name of a workload: `[NAMESPACE/]KIND/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkloadName {
    pub(super) namespace: Option<String>,
    pub(super) kind: WorkloadKind,
    pub(super) name: String,
}

/// Why a text is not the name of a workload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a workload: write deployment/NAME, statefulset/NAME or daemonset/NAME, with NAMESPACE/ before it for another \
     namespace"
)]
pub struct WorkloadNameError(String);

/// A DNS label or subdomain (Kubernetes, Object Names).
fn is_name(text: &str) -> bool {
    let is_edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 253
        && is_edge(bytes.first().copied())
        && is_edge(bytes.last().copied())
        && bytes.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.'))
}

/// The kind of a word. kubectl takes the same words.
fn kind(word: &str) -> Option<WorkloadKind> {
    Some(match word.to_ascii_lowercase().as_str() {
        "deployment" | "deployments" | "deploy" | "deployment.apps" | "deployments.apps" => {
            WorkloadKind::Deployment
        }
        "statefulset" | "statefulsets" | "sts" | "statefulset.apps" | "statefulsets.apps" => {
            WorkloadKind::StatefulSet
        }
        "daemonset" | "daemonsets" | "ds" | "daemonset.apps" | "daemonsets.apps" => WorkloadKind::DaemonSet,
        _ => return None,
    })
}

impl FromStr for WorkloadName {
    type Err = WorkloadNameError;

    fn from_str(text: &str) -> Result<Self, WorkloadNameError> {
        let wrong = || WorkloadNameError(text.to_owned());
        let parts: Vec<&str> = text.split('/').collect();
        let (namespace, word, name) = match parts[..] {
            [word, name] => (None, word, name),
            [namespace, word, name] => (Some(namespace), word, name),
            _ => return Err(wrong()),
        };
        let kind = kind(word).ok_or_else(wrong)?;
        if !is_name(name) || namespace.is_some_and(|namespace| !is_name(namespace)) {
            return Err(wrong());
        }
        Ok(Self { namespace: namespace.map(str::to_owned), kind, name: name.to_owned() })
    }
}

impl fmt::Display for WorkloadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}/{}", self.kind.to_string().to_lowercase(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_is_named_as_for_kubectl_with_its_namespace_in_front() {
        for (text, shown) in [
            ("deployment/app", "deployment/app"),
            ("deploy/app", "deployment/app"),
            ("Deployment/app", "deployment/app"),
            ("sts/db-0.a", "statefulset/db-0.a"),
            ("ds/agent", "daemonset/agent"),
            ("team/deployment/app", "team/deployment/app"),
        ] {
            assert_eq!(text.parse::<WorkloadName>().unwrap().to_string(), shown, "{text}");
        }
        for text in
            ["", "app", "pod/app", "deployment/", "/app", "deployment/App", "a/b/c/d", "A/deployment/app"]
        {
            assert!(text.parse::<WorkloadName>().is_err(), "{text}");
        }
    }
}

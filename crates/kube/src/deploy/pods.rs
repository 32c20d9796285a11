//! The registry's Pods, and why one does not run.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::ResourceExt as _;
use kube::api::ListParams;

use super::Target;
use crate::api::{Access, ApiError, Verb};

/// The state of a Pod, as users see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PodState {
    /// The Pod's name.
    pub name: String,
    /// The node of the Pod, once Kubernetes has chosen one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// `Pending`, `Running`, `Terminating` and the like.
    pub phase: String,
    /// Whether the Pod is ready.
    pub ready: bool,
    /// How often the Pod's containers were restarted.
    pub restarts: i32,
    /// Why the Pod is not ready, in the cluster's words: `ErrImageNeverPull`, `Unschedulable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The cluster's sentence about the reason, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl PodState {
    /// Whether waiting does not help, because a user has to change something.
    pub(super) fn is_final(&self) -> bool {
        matches!(self.reason.as_deref(), Some("ErrImageNeverPull" | "InvalidImageName"))
    }

    /// `REASON: MESSAGE`, or only the reason if there is no message; `None` without a reason.
    pub fn explanation(&self) -> Option<String> {
        let reason = self.reason.as_deref()?;
        Some(match &self.message {
            Some(message) => format!("{reason}: {message}"),
            None => reason.to_owned(),
        })
    }
}

/// The Pods, the oldest first.
pub(super) async fn list(access: &Access, target: &Target) -> Result<Vec<Pod>, ApiError> {
    let params = ListParams::default().labels(&target.selector());
    let pods = access.namespaced::<Pod>(target.namespace.as_str());
    let what = || format!("Pods in {}", target.namespace);
    let mut pods = access.ask(Verb::List, what, pods.list(&params)).await?.items;
    pods.sort_by_key(|pod| pod.creation_timestamp().map(|time| time.0));
    Ok(pods)
}

/// The state of a Pod.
pub(crate) fn state(pod: &Pod) -> PodState {
    let status = pod.status.clone().unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let leaving = pod.metadata.deletion_timestamp.is_some();
    let containers = status.container_statuses.unwrap_or_default();
    let init = status.init_container_statuses.unwrap_or_default();
    let restarts = containers.iter().map(|container| container.restart_count).sum();
    let unscheduled = || {
        let scheduled = conditions.iter().find(|condition| condition.type_ == "PodScheduled")?;
        (scheduled.status != "True").then(|| (scheduled.reason.clone(), scheduled.message.clone()))
    };
    // The status of an evicted Pod has the reason itself.
    let own = || status.reason.clone().map(|reason| (Some(reason), status.message.clone()));
    let trouble = || init.iter().chain(&containers).find_map(container_trouble);
    let (reason, message) = if ready || leaving {
        (None, None)
    } else {
        own().or_else(unscheduled).or_else(trouble).unwrap_or_default()
    };
    PodState {
        name: pod.name_any(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        phase: if leaving {
            "Terminating".to_owned()
        } else {
            status.phase.unwrap_or_else(|| "Unknown".to_owned())
        },
        ready: ready && !leaving,
        restarts,
        reason: reason.filter(|reason| !reason.is_empty()),
        message: message.filter(|message| !message.is_empty()),
    }
}

/// Why a container does not run. The end of its last run says more than `CrashLoopBackOff`, the pause after it.
fn container_trouble(container: &ContainerStatus) -> Option<(Option<String>, Option<String>)> {
    let ended = |state: &ContainerState| {
        let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
        let message = ended.message.clone().filter(|message| !message.is_empty());
        let code = || format!("the container `{}` ended with exit code {}", container.name, ended.exit_code);
        Some((ended.reason.clone(), Some(message.unwrap_or_else(code))))
    };
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let before = container.last_state.as_ref().and_then(ended);
        return match before {
            Some((reason, message)) if waiting.reason.as_deref() == Some("CrashLoopBackOff") => {
                let reason = reason.unwrap_or_else(|| "Error".to_owned());
                Some((
                    Some("CrashLoopBackOff".to_owned()),
                    message.map(|message| format!("{reason}, {message}")),
                ))
            }
            // Every Pod has these states for a while, so they are no reason.
            _ if matches!(waiting.reason.as_deref(), Some("PodInitializing" | "ContainerCreating")) => None,
            _ => Some((waiting.reason.clone(), waiting.message.clone())),
        };
    }
    ended(state)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state_of(status: &serde_json::Value) -> PodState {
        let pod = json!({ "metadata": { "name": "registry-1" }, "status": status });
        state(&serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_pod_that_does_not_run_has_a_reason() {
        let container = |state: serde_json::Value, last: serde_json::Value| {
            json!({ "phase": "Pending", "containerStatuses": [{
                "name": "hythe", "image": "x", "imageID": "", "ready": false, "restartCount": 2,
                "state": state, "lastState": last,
            }] })
        };
        let crash = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        for (status, expected) in [
            (
                json!({ "phase": "Pending", "conditions": [{
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes",
            }] }),
                "Unschedulable: 0/1 nodes",
            ),
            (
                container(
                    json!({ "waiting": { "reason": "ErrImageNeverPull", "message": "not present" } }),
                    json!({}),
                ),
                "ErrImageNeverPull: not present",
            ),
            (
                container(
                    json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off" } }),
                    crash,
                ),
                "CrashLoopBackOff: OOMKilled, the container `hythe` ended with exit code 137",
            ),
            (
                json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }),
                "Evicted: low on memory",
            ),
        ] {
            let state = state_of(&status);
            assert_eq!(state.explanation().as_deref(), Some(expected));
            assert!(!state.ready);
        }
        let state = state_of(&container(json!({ "waiting": { "reason": "ContainerCreating" } }), json!({})));
        assert_eq!((state.explanation(), state.restarts), (None, 2));
    }

    #[test]
    fn a_ready_pod_has_no_reason() {
        let state = state_of(&json!({
            "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
        }));
        assert_eq!((state.ready, state.phase.as_str(), state.explanation()), (true, "Running", None));
    }
}

//! Waits until a workload's Pods are those of its last template. The rules are those of `kubectl rollout status`
//! (polymorphichelpers, `rollout_status.go`).

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{Workload, WorkloadError, WorkloadKind};
use crate::api::Verb;
use crate::deploy::pod_state;

/// The pause between two requests: a rollout takes a second or more, and the API server may be small.
const INTERVAL: Duration = Duration::from_millis(250);

/// The most reasons in an error.
const REASONS: usize = 3;

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rolled {
    /// Each Pod is of the last template, and available.
    Done,
    /// Pods are still being replaced. The text says how many.
    Under(String),
    /// The workload gave up.
    Failed(String),
    /// The workload replaces a Pod only after somebody deletes it.
    OnDelete,
}

impl Workload {
    /// Waits until each Pod is of the last template and available. `tell` gets each new state.
    pub async fn wait(
        &self,
        timeout: Duration,
        tell: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), WorkloadError> {
        let began = Instant::now();
        let mut said = String::new();
        loop {
            let object = self.read().await?;
            let mut reasons = match rolled(self.kind, &object) {
                Rolled::Done => return Ok(()),
                Rolled::OnDelete => return Err(WorkloadError::OnDelete { what: self.title() }),
                Rolled::Failed(reason) => {
                    let mut reasons = self.reasons(&object).await;
                    reasons.insert(0, reason);
                    return Err(self.not_ready(began, reasons));
                }
                Rolled::Under(state) => {
                    if state != said {
                        tell(&state);
                        said.clone_from(&state);
                    }
                    vec![state]
                }
            };
            if began.elapsed() >= timeout {
                reasons.extend(self.reasons(&object).await);
                return Err(self.not_ready(began, reasons));
            }
            sleep(INTERVAL).await;
        }
    }

    fn not_ready(&self, began: Instant, reasons: Vec<String>) -> WorkloadError {
        WorkloadError::NotReady { what: self.title(), waited: began.elapsed(), reasons }
    }

    /// Why Pods of the workload do not run; empty for a user who may not list Pods.
    async fn reasons(&self, object: &DynamicObject) -> Vec<String> {
        let Some(selector) = selector(object) else { return Vec::new() };
        let pods = self.access.namespaced::<Pod>(&self.namespace);
        let params = ListParams::default().labels(&selector);
        let what = || format!("Pods in {}", self.namespace);
        let Ok(pods) = self.access.ask(Verb::List, what, pods.list(&params)).await else {
            return Vec::new();
        };
        let explained = pods
            .iter()
            .map(pod_state)
            .filter_map(|state| Some(format!("Pod {} is {}", state.name, state.explanation()?)));
        explained.take(REASONS).collect()
    }
}

/// The labels of the workload's Pods.
fn selector(object: &DynamicObject) -> Option<String> {
    let labels = object.data["spec"]["selector"]["matchLabels"].as_object()?;
    let pairs: Vec<String> =
        labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

fn rolled(kind: WorkloadKind, object: &DynamicObject) -> Rolled {
    let (spec, status) = (&object.data["spec"], &object.data["status"]);
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    if number(&status["observedGeneration"]) < object.metadata.generation.unwrap_or_default() {
        return Rolled::Under("the cluster has not seen the change yet".to_owned());
    }
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let under = |now: i64, wanted: i64, state: &str| Rolled::Under(format!("{now} of {wanted} Pods {state}"));
    match kind {
        WorkloadKind::Deployment => {
            let (updated, all) = (number(&status["updatedReplicas"]), number(&status["replicas"]));
            let available = number(&status["availableReplicas"]);
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let mut late = conditions.filter(|condition| condition["reason"] == "ProgressDeadlineExceeded");
            if late.next().is_some() {
                Rolled::Failed("its progress deadline is over".to_owned())
            } else if updated < wanted {
                under(updated, wanted, "are new")
            } else if all > updated {
                Rolled::Under(format!("{} old Pods have not ended", all - updated))
            } else if available < updated {
                under(available, updated, "are available")
            } else {
                Rolled::Done
            }
        }
        WorkloadKind::DaemonSet | WorkloadKind::StatefulSet
            if spec["updateStrategy"]["type"] == "OnDelete" =>
        {
            Rolled::OnDelete
        }
        WorkloadKind::DaemonSet => {
            let wanted = number(&status["desiredNumberScheduled"]);
            let updated = number(&status["updatedNumberScheduled"]);
            let available = number(&status["numberAvailable"]);
            if updated < wanted {
                under(updated, wanted, "are new")
            } else if available < wanted {
                under(available, wanted, "are available")
            } else {
                Rolled::Done
            }
        }
        WorkloadKind::StatefulSet => {
            let (ready, updated) = (number(&status["readyReplicas"]), number(&status["updatedReplicas"]));
            let partition = number(&spec["updateStrategy"]["rollingUpdate"]["partition"]);
            if ready < wanted {
                under(ready, wanted, "are ready")
            } else if partition > 0 {
                let wanted = (wanted - partition).max(0);
                if updated < wanted { under(updated, wanted, "are new") } else { Rolled::Done }
            } else if status["updateRevision"] != status["currentRevision"] {
                under(updated, wanted, "are new")
            } else {
                Rolled::Done
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(kind: WorkloadKind, spec: &Value, status: &Value) -> Rolled {
        let object = json!({
            "apiVersion": "apps/v1", "kind": kind.to_string(), "metadata": { "name": "app", "generation": 2 },
            "spec": spec, "status": status,
        });
        rolled(kind, &serde_json::from_value(object).unwrap())
    }

    fn is_under(state: &Rolled, words: &str) -> bool {
        matches!(state, Rolled::Under(text) if text.contains(words))
    }

    #[test]
    fn a_deployment_is_done_when_all_pods_are_new_and_available_and_no_old_one_is_left() {
        let state = |observed: i64, updated: i64, all: i64, available: i64| {
            let status = json!({
                "observedGeneration": observed, "updatedReplicas": updated, "replicas": all,
                "availableReplicas": available,
            });
            after(WorkloadKind::Deployment, &json!({ "replicas": 3 }), &status)
        };
        assert_eq!(state(2, 3, 3, 3), Rolled::Done);
        assert!(is_under(&state(1, 3, 3, 3), "not seen the change"));
        assert!(is_under(&state(2, 1, 4, 3), "1 of 3 Pods are new"));
        assert!(is_under(&state(2, 3, 4, 3), "1 old Pods"));
        assert!(is_under(&state(2, 3, 3, 2), "2 of 3 Pods are available"));
        let late = json!({
            "observedGeneration": 2, "updatedReplicas": 0,
            "conditions": [{ "type": "Progressing", "reason": "ProgressDeadlineExceeded" }],
        });
        assert!(matches!(after(WorkloadKind::Deployment, &json!({}), &late), Rolled::Failed(_)));
        let none = json!({ "observedGeneration": 2 });
        assert_eq!(after(WorkloadKind::Deployment, &json!({ "replicas": 0 }), &none), Rolled::Done);
    }

    #[test]
    fn a_stateful_set_is_done_when_its_revision_is_the_new_one() {
        let state = |spec: Value, ready: i64, updated: i64, current: &str| {
            let status = json!({
                "observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": updated,
                "currentRevision": current, "updateRevision": "b",
            });
            after(WorkloadKind::StatefulSet, &spec, &status)
        };
        let two = json!({ "replicas": 2 });
        assert_eq!(state(two.clone(), 2, 2, "b"), Rolled::Done);
        assert!(is_under(&state(two.clone(), 2, 1, "a"), "1 of 2 Pods are new"));
        assert!(is_under(&state(two, 1, 1, "b"), "1 of 2 Pods are ready"));
        let part = json!({ "replicas": 2, "updateStrategy": { "rollingUpdate": { "partition": 1 } } });
        assert_eq!(state(part, 2, 1, "a"), Rolled::Done);
        let by_hand = json!({ "replicas": 2, "updateStrategy": { "type": "OnDelete" } });
        assert_eq!(state(by_hand, 2, 0, "a"), Rolled::OnDelete);
    }

    #[test]
    fn a_daemon_set_is_done_when_each_node_has_a_new_pod() {
        let state = |updated: i64, available: i64| {
            let status = json!({
                "observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": updated,
                "numberAvailable": available,
            });
            after(WorkloadKind::DaemonSet, &json!({}), &status)
        };
        assert_eq!(state(2, 2), Rolled::Done);
        assert!(is_under(&state(1, 2), "1 of 2 Pods are new"));
        assert!(is_under(&state(2, 1), "1 of 2 Pods are available"));
    }
}

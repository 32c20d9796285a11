//! Waits until a workload is ready, or gone.

use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use tokio::time::{Instant, sleep};

use super::{DeployError, PodState, Progress, Target, Workload, pods};
use crate::api::{Access, ApiError, Object, Verb};

/// The pause between two requests: long enough for a small API server, short enough for a waiting user.
const INTERVAL: Duration = Duration::from_millis(500);

/// The workload of a registry.
pub(super) struct Rollout<'a> {
    pub(super) access: &'a Access,
    pub(super) target: &'a Target,
    pub(super) workload: Workload,
}

impl Rollout<'_> {
    /// Waits until the Pod of the last applied workload is ready, and no older Pod is left.
    pub(super) async fn wait(
        &self,
        timeout: Duration,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<(), DeployError> {
        let end = Instant::now() + timeout;
        let mut seen: Vec<PodState> = Vec::new();
        loop {
            let states =
                pods::list(self.access, self.target).await?.iter().map(pods::state).collect::<Vec<_>>();
            for state in states.iter().filter(|state| !seen.contains(state)) {
                progress(Progress::Pod(state.clone()));
            }
            if self.is_done().await? {
                return Ok(());
            }
            let hopeless = states.iter().any(PodState::is_final);
            if hopeless || Instant::now() >= end {
                let object = self.target.object(self.workload.kind());
                let waited = timeout.saturating_sub(end.saturating_duration_since(Instant::now()));
                let reasons = self.reasons(&states).await;
                return Err(DeployError::NotReady { what: object, waited, reasons });
            }
            seen = states;
            sleep(INTERVAL).await;
        }
    }

    async fn is_done(&self) -> Result<bool, ApiError> {
        let object = self.target.object(self.workload.kind());
        let (namespace, name) = (self.target.namespace.as_str(), self.target.name.as_str());
        let what = || object.to_string();
        Ok(match self.workload {
            Workload::Deployment => {
                let found = self.access.namespaced::<Deployment>(namespace);
                self.access.find(what, found.get(name)).await?.is_some_and(|found| deployment_is_done(&found))
            }
            Workload::StatefulSet => {
                let found = self.access.namespaced::<StatefulSet>(namespace);
                self.access
                    .find(what, found.get(name))
                    .await?
                    .is_some_and(|found| stateful_set_is_done(&found))
            }
        })
    }

    /// The Pods' reasons; if they have none, the cluster's latest warnings.
    async fn reasons(&self, states: &[PodState]) -> Vec<String> {
        let explained = |state: &PodState| Some(format!("Pod {} is {}", state.name, state.explanation()?));
        let mut reasons: Vec<String> = states.iter().filter_map(explained).collect();
        if reasons.is_empty() {
            reasons = self.warnings().await;
        }
        if reasons.is_empty() {
            reasons.extend(states.iter().map(|state| format!("Pod {} is {}", state.name, state.phase)));
        }
        if reasons.is_empty() {
            reasons.push("the cluster has not made its Pod".to_owned());
        }
        reasons
    }

    /// The cluster's warnings about the objects of this name; none for a user who may not read events.
    async fn warnings(&self) -> Vec<String> {
        let events = self.access.namespaced::<Event>(self.target.namespace.as_str());
        let params = ListParams::default().fields("type=Warning");
        let what = || "Events".to_owned();
        let Ok(events) = self.access.ask(Verb::List, what, events.list(&params)).await else {
            return Vec::new();
        };
        let name = self.target.name.as_str();
        let about = |event: &Event| {
            event.involved_object.name.as_deref().is_some_and(|about| about.starts_with(name))
        };
        let text =
            |event: &Event| Some(format!("{}: {}", event.reason.as_deref()?, event.message.as_deref()?));
        let mut warnings: Vec<String> = events.iter().filter(|event| about(event)).filter_map(text).collect();
        warnings.dedup();
        warnings.split_off(warnings.len().saturating_sub(3))
    }
}

fn deployment_is_done(found: &Deployment) -> bool {
    let Some(status) = &found.status else { return false };
    status.observed_generation >= found.metadata.generation
        && status.updated_replicas == Some(1)
        && status.available_replicas == Some(1)
        && status.replicas == Some(1)
}

fn stateful_set_is_done(found: &StatefulSet) -> bool {
    let Some(status) = &found.status else { return false };
    status.observed_generation >= found.metadata.generation
        && status.ready_replicas == Some(1)
        && status.update_revision == status.current_revision
}

/// Waits until a removed workload has no Pod left.
pub(super) async fn wait_until_gone(
    access: &Access,
    target: &Target,
    object: &Object,
    timeout: Duration,
) -> Result<(), DeployError> {
    let end = Instant::now() + timeout;
    loop {
        let pods = pods::list(access, target).await?;
        if pods.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            let reasons =
                pods.iter().map(|pod| format!("Pod {} has not ended", pods::state(pod).name)).collect();
            return Err(DeployError::NotReady { what: object.clone(), waited: timeout, reasons });
        }
        sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workload_is_done_when_the_last_applied_one_is_ready() {
        let deployment = |observed: i64, updated: i32, available: i32, replicas: i32| {
            let value = json!({ "metadata": { "generation": 2 }, "status": {
                "observedGeneration": observed, "updatedReplicas": updated, "availableReplicas": available,
                "replicas": replicas,
            } });
            deployment_is_done(&serde_json::from_value(value).unwrap())
        };
        assert!(deployment(2, 1, 1, 1));
        assert!(
            !deployment(1, 1, 1, 1)
                && !deployment(2, 0, 1, 1)
                && !deployment(2, 1, 0, 1)
                && !deployment(2, 1, 1, 2)
        );
        assert!(!deployment_is_done(&Deployment::default()));

        let set = |observed: i64, ready: i32, current: &str| {
            let value = json!({ "metadata": { "generation": 2 }, "status": {
                "observedGeneration": observed, "readyReplicas": ready, "replicas": 1, "currentRevision": current,
                "updateRevision": "b",
            } });
            stateful_set_is_done(&serde_json::from_value(value).unwrap())
        };
        assert!(set(2, 1, "b"));
        assert!(!set(1, 1, "b") && !set(2, 0, "b") && !set(2, 1, "a"));
    }
}

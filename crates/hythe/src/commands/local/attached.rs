//! Attaching every cluster of the engine.

use hythe_cluster::attach::{self, Wiring};
use hythe_cluster::step::{Outcome, Step};
use hythe_cluster::topology::clusters;
use hythe_engine::{Engine, EngineError};

use super::Steps;
use crate::failure::Failure;

/// The result of attaching clusters.
#[derive(Default)]
pub(super) struct Attached {
    /// Clusters that are attached.
    clusters: usize,
    /// Clusters that could not be attached.
    pub(super) failed: usize,
    /// Whether some node pulls images of some upstream by another way than the registry.
    is_partial: bool,
}

impl Attached {
    /// What the user can try next. Suggests only what works.
    pub(super) fn hint(&self, port: u16) -> String {
        let push =
            format!("try it:  docker tag IMAGE localhost:{port}/app && docker push localhost:{port}/app");
        match (self.clusters, self.is_partial) {
            (0, _) => format!("{push}\nafter you create a cluster: `hythe attach --all`"),
            (_, true) => format!(
                "{push}\nthen use image: localhost:{port}/app in a Pod. The lines that begin with - say which images of \
                 upstreams are not pulled through the registry"
            ),
            (_, false) => format!(
                "{push}\nthen use image: localhost:{port}/app in a Pod; images of docker.io and other upstreams are pulled \
                 through the registry under their own names"
            ),
        }
    }
}

/// Attaches every cluster except those that the user detached. Returns whether all of them could be attached.
pub(super) async fn attach_all(engine: &Engine, wiring: &Wiring, steps: &Steps) -> Result<bool, Failure> {
    Ok(attach_every(engine, wiring, steps).await?.failed == 0)
}

/// Attaches every cluster except those that the user detached.
pub(super) async fn attach_every(
    engine: &Engine,
    wiring: &Wiring,
    steps: &Steps,
) -> Result<Attached, Failure> {
    let report = |step| steps.take(step);
    let mut attached = Attached::default();
    for cluster in clusters(engine).await? {
        if !cluster.is_running() {
            report(Step::new(cluster.to_string(), Outcome::Skipped, "it does not run"));
            continue;
        }
        let wired = async {
            if attach::is_detached(engine, &cluster).await? {
                let text = format!("it was detached; `hythe attach {}` attaches it again", cluster.name);
                report(Step::new(cluster.to_string(), Outcome::Skipped, text));
                return Ok(None);
            }
            attach::attach(engine, &cluster, wiring, &report).await.map(Some)
        };
        // A cluster that fails does not stop the others.
        match wired.await {
            Ok(None) => {}
            Ok(Some(true)) => attached.clusters += 1,
            Ok(Some(false)) => attached.failed += 1,
            Err(error) => {
                let error: EngineError = error;
                report(Step::new(cluster.to_string(), Outcome::Failed, error.to_string()));
                attached.failed += 1;
            }
        }
    }
    let is_left = |step: &Step| step.outcome == Outcome::Skipped && step.subject.starts_with("node ");
    attached.is_partial = steps.all().iter().any(is_left);
    Ok(attached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_works_is_suggested() {
        let none = Attached::default().hint(5007);
        assert!(
            none.contains("localhost:5007/app") && !none.contains("Pod") && !none.contains("docker.io"),
            "{none}"
        );
        let whole = Attached { clusters: 1, ..Attached::default() }.hint(5001);
        assert!(whole.contains("in a Pod") && whole.contains("docker.io"), "{whole}");
        let partial = Attached { clusters: 1, is_partial: true, ..Attached::default() }.hint(5001);
        assert!(partial.contains("not pulled through the registry"), "{partial}");
    }
}

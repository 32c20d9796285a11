//! Runs of retention: plans, compares the plan with the limits, and deletes what the plan says.

use std::sync::Arc;

use hythe_oci::{Pattern, RepositoryName};
use hythe_registry::{Registry, Result};
use tokio::sync::Mutex;

use super::decide::Removal;
use super::plan::{PlanSummary, Planner};
use super::rule::Rule;

/// The most tags and manifests that one run deletes. The next run continues.
const MOST: usize = 100_000;

/// How many tags of an image the log names.
const NAMED: usize = 10;

/// How much a run may delete without a confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Images.
    pub images: u64,
    /// A part of all images that rules select, in percent.
    pub percent: u64,
}

impl Limits {
    /// Whether the plan deletes more.
    pub fn are_exceeded(self, plan: &PlanSummary) -> bool {
        plan.going > self.images || plan.going.saturating_mul(100) > plan.images.saturating_mul(self.percent)
    }
}

/// A run that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The plan.
    pub plan: PlanSummary,
    /// Whether the run stopped and deleted nothing, because the plan exceeds the limits and was not confirmed.
    pub stopped: bool,
    /// How many tags the run deleted.
    pub tags: u64,
    /// How many manifests the run deleted.
    pub manifests: u64,
    /// How many groups of tags and manifests stayed, because something changed since the plan.
    pub changed: u64,
}

/// Deletes images by rules. Its clones run one at a time.
#[derive(Clone)]
pub struct Retainer {
    registry: Registry,
    planner: Planner,
    /// Locked during a run.
    running: Arc<Mutex<()>>,
}

impl Retainer {
    /// The retainer of a registry. A process has one for each registry.
    pub fn new(registry: Registry) -> Self {
        Self { planner: Planner::new(registry.clone()), registry, running: Arc::default() }
    }

    /// Shows what rules decide.
    pub fn planner(&self) -> &Planner {
        &self.planner
    }

    /// Deletes what the rules let go in the repositories that the pattern selects. If that is more than the limits allow,
    /// deletes it only if `confirmed` is the id of this very plan.
    pub async fn run(
        &self,
        rules: &Arc<[Rule]>,
        pattern: &Pattern,
        limits: Limits,
        confirmed: Option<&str>,
    ) -> Result<Run> {
        let _alone = self.running.lock().await;
        let (plan, going) = self.planner.collect(rules, pattern, MOST).await?;
        let is_confirmed = confirmed == Some(plan.id.as_str());
        // A confirmation of another plan confirms nothing.
        if (limits.are_exceeded(&plan) || confirmed.is_some()) && !is_confirmed && plan.going > 0 {
            return Ok(Run { plan, stopped: true, ..Run::default() });
        }
        let mut run = Run { plan, ..Run::default() };
        for (repository, removal) in going {
            self.remove(&repository, removal, &mut run).await?;
        }
        Ok(run)
    }

    async fn remove(&self, repository: &RepositoryName, removal: Removal, run: &mut Run) -> Result<()> {
        let Removal { tags, manifests } = removal;
        let (tag_count, manifest_count) = (tags.len() as u64, manifests.len() as u64);
        let named: Vec<String> = tags.iter().take(NAMED).map(|(tag, ..)| tag.to_string()).collect();
        let digest =
            manifests.first().map(|(digest, _)| *digest).or(tags.first().map(|(_, digest, _)| *digest));
        if self.registry.repository(repository).remove_image(tags, manifests).await? {
            run.tags += tag_count;
            run.manifests += manifest_count;
            tracing::info!(%repository, tags = named.join(","), digest = digest.map(tracing::field::display),
                "retention deleted an image that no rule keeps");
        } else {
            run.changed += 1;
        }
        Ok(())
    }
}

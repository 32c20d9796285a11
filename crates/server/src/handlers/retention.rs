//! `/api/retain`: shows what the retention rules decide, and deletes by them.

use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, Response};
use hythe_api::{RetainedImage, RetentionPlan, RetentionRun, RetentionSummary, parameter};
use hythe_lifecycle::retention::{ImageCursor, Judged, Plan, PlanSummary, Rule, Run};
use hythe_oci::{ErrorCode, Pattern, RepositoryName};

use super::json;
use crate::call::{App, Call};
use crate::metrics::Metrics;
use crate::options::RetentionOptions;
use crate::plane::Body;
use crate::reject::Rejection;

/// The most images of one part of a plan.
const PART: usize = 5000;

/// Shows a part of what the rules decide now, or deletes by them.
pub(crate) async fn answer(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    match *call.method {
        Method::GET | Method::HEAD => show(call).await,
        Method::POST => run(call).await,
        _ => Err(Rejection::method(call.method, "GET, HEAD, POST")),
    }
}

async fn run(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let retention = &call.options.retention;
    let (pattern, confirmed) = (pattern(call)?, call.query.first(parameter::CONFIRM));
    let limits = retention.limits;
    let run = call.app.retainer.run(&retention.rules, &pattern, limits, confirmed.as_deref()).await;
    let run = run.map_err(|error| Rejection::registry(&error, None))?;
    report(&call.app.metrics, &run, SystemTime::now());
    let Run { plan, stopped, tags, manifests, changed } = run;
    let summary = summary_of(plan, retention);
    Ok(json(&RetentionRun { stopped, tags, manifests, changed, summary }))
}

/// A scheduled run.
pub(crate) async fn run_scheduled(app: &App, retention: &RetentionOptions) {
    if !retention.rules.iter().any(Rule::deletes) || !app.registry.options().delete {
        return;
    }
    match app.retainer.run(&retention.rules, &Pattern::any(), retention.limits, None).await {
        Ok(run) => report(&app.metrics, &run, SystemTime::now()),
        Err(error) => tracing::warn!(%error, "retention failed; the next run tries again"),
    }
}

/// Counts a run, and logs what it did.
fn report(metrics: &Metrics, run: &Run, now: SystemTime) {
    metrics.retained(run, now);
    if run.stopped {
        tracing::warn!(
            images = run.plan.going,
            of_images = run.plan.images,
            plan = run.plan.id,
            "retention stopped and deleted nothing: the rules would delete more than retain.max-images or retain.max-percent \
             allow, or another plan was confirmed. See the plan with `hythe retain --dry-run`, and confirm it with \
             `hythe retain --yes PLAN`"
        );
    } else if run.tags + run.manifests + run.changed > 0 {
        tracing::info!(
            tags = run.tags,
            manifests = run.manifests,
            changed = run.changed,
            "a run of retention ended"
        );
    }
}

async fn show(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    let (retention, planner) = (&call.options.retention, call.app.retainer.planner());
    let rules = &retention.rules;
    let pattern = pattern(call)?;
    let after = call.query.first(parameter::AFTER).map(|text| text.parse::<ImageCursor>()).transpose();
    let after = after.map_err(|()| {
        let message = "parameter `after` is no position of a plan: take the `next` of the part before";
        Rejection::parameter(ErrorCode::Unsupported, message)
    })?;
    let failed = |error| Rejection::registry(&error, None);
    let summary = match after {
        None => Some(summary_of(planner.summary(rules, &pattern).await.map_err(failed)?, retention)),
        Some(_) => None,
    };
    let Plan { images, next } = planner.part(rules, &pattern, after.as_ref(), PART).await.map_err(failed)?;
    let images = images.into_iter().map(|(repository, image)| image_of(repository, image, rules)).collect();
    Ok(json(&RetentionPlan { images, next: next.map(|next| next.to_string()), summary }))
}

/// The pattern of the repositories that the request is about.
fn pattern(call: &Call<'_>) -> Result<Pattern, Rejection> {
    let Some(text) = call.query.first(parameter::REPOSITORY) else { return Ok(Pattern::any()) };
    text.parse().map_err(|error: hythe_oci::PatternError| {
        Rejection::parameter(ErrorCode::Unsupported, format!("parameter `repository`: {error}"))
    })
}

fn image_of(repository: RepositoryName, image: Judged, rules: &Arc<[Rule]>) -> RetainedImage {
    let Judged { tag, digest, verdict } = image;
    RetainedImage {
        repository,
        tag,
        digest,
        stays: verdict.stays,
        rule: verdict.rule.and_then(|place| rules.get(place)).map(|rule| rule.name.clone()),
        reason: verdict.why.to_string(),
    }
}

fn summary_of(summary: PlanSummary, retention: &RetentionOptions) -> RetentionSummary {
    let needs_confirmation = retention.limits.are_exceeded(&summary);
    let PlanSummary { repositories, images, going, manifests, id, left_out } = summary;
    RetentionSummary {
        repositories,
        images,
        deleted: going,
        manifests,
        plan: id,
        needs_confirmation,
        left_out,
    }
}

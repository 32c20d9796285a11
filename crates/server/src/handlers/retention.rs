//! `/api/retain`: shows what the retention rules decide.

use std::sync::Arc;

use http::{Method, Response};
use hythe_api::{RetainedImage, RetentionPlan, RetentionSummary, parameter};
use hythe_lifecycle::retention::{ImageCursor, Judged, Plan, PlanSummary, Rule};
use hythe_oci::{ErrorCode, Pattern, RepositoryName};

use super::json;
use crate::call::Call;
use crate::plane::Body;
use crate::reject::Rejection;

/// The most images of one part of a plan.
const PART: usize = 5000;

/// Shows a part of what the rules decide now.
pub(crate) async fn answer(call: &Call<'_>) -> Result<Response<Body>, Rejection> {
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return Err(Rejection::method(call.method, "GET, HEAD"));
    }
    let (rules, planner) = (&call.options.retain, &call.app.planner);
    let pattern = pattern(call)?;
    let after = call.query.first(parameter::AFTER).map(|text| text.parse::<ImageCursor>()).transpose();
    let after = after.map_err(|()| {
        let message = "parameter `after` is no position of a plan: take the `next` of the part before";
        Rejection::parameter(ErrorCode::Unsupported, message)
    })?;
    let failed = |error| Rejection::registry(&error, None);
    let summary = match after {
        None => Some(summary_of(planner.summary(rules, &pattern).await.map_err(failed)?)),
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

fn summary_of(summary: PlanSummary) -> RetentionSummary {
    let PlanSummary { repositories, images, going, manifests, id, left_out } = summary;
    RetentionSummary { repositories, images, deleted: going, manifests, plan: id, left_out }
}

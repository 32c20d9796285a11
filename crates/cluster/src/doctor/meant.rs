//! Whether the registry has an image, which name may be meant if not, and how the image's upstream fares.

use std::net::SocketAddr;

use hythe_api::{Budget, Statistics, Upstreams, parameter, path};
use hythe_oci::{ImageName, Reference};

use super::image::{Known, query};
use super::{Check, Id};
use crate::http;

/// Whether the registry has the image; if not, which existing name may be meant.
pub(super) async fn name(at: SocketAddr, image: &ImageName, known: &Known) -> Check {
    let subject = format!("image {image}");
    match &known.manifest {
        Ok(answer) if answer.status == 200 => {
            let digest =
                answer.header("docker-content-digest").unwrap_or("the registry answers 200").to_owned();
            Check::good(Id::ImageName, &subject, digest)
        }
        Ok(answer) if answer.status == 404 => {
            let tags =
                list(at, &format!("/v2/{}/tags/list{}", image.repository(), query(image)), "tags").await;
            let repositories = if tags.is_empty() {
                list(at, "/v2/_catalog?n=1000", "repositories").await
            } else {
                Vec::new()
            };
            judge_name(&subject, image, &answer.clause(), &tags, &repositories)
        }
        Ok(answer) => Check::unknown(Id::ImageName, &subject, answer.clause()),
        Err(silence) => Check::unknown(Id::ImageName, &subject, silence.to_string()),
    }
}

async fn list(at: SocketAddr, path: &str, key: &str) -> Vec<String> {
    let answer = http::ask(at, "GET", path, &[], b"").await.ok().filter(|answer| answer.status == 200);
    let document = answer.and_then(|answer| answer.json());
    let names = document.as_ref().and_then(|document| document.get(key)?.as_array());
    names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

/// The check of a missing image. The existing name that is closest in its letters is likely the name that is meant.
fn judge_name(
    subject: &str,
    image: &ImageName,
    said: &str,
    tags: &[String],
    repositories: &[String],
) -> Check {
    let check = Check::bad(Id::ImageName, subject, format!("the registry answers {said}"));
    if let Reference::Tag(tag) = &image.reference()
        && !tags.is_empty()
    {
        let nearest = nearest(&tag.to_string(), tags);
        let shown: Vec<&str> = tags.iter().take(5).map(String::as_str).collect();
        let check = check
            .because(format!("the repository does not have this tag; its tags include {}", shown.join(", ")));
        return check.fixed_by(format!(
            "push the image with this tag; or do you mean {}/{}:{}?",
            image.registry(),
            image.repository(),
            nearest.unwrap_or(shown[0])
        ));
    }
    match nearest(image.repository().as_str(), repositories) {
        Some(name) => check.because("the registry has no such repository").fixed_by(format!(
            "push the image; or do you mean {}/{name}? hythe has this one",
            image.registry()
        )),
        None => check
            .because("the image was never pushed to this registry, or was pushed under another name")
            .fixed_by("push the image; `hythe cache ls` or GET /v2/_catalog lists the existing names"),
    }
}

fn nearest<'a>(wanted: &str, names: &'a [String]) -> Option<&'a str> {
    let limit = 1 + wanted.chars().count() / 3;
    // An image that was pushed under one name and asked for by another has the last part of both names in common.
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let same = names.iter().find(|name| last(name) == last(wanted));
    let scored = names.iter().map(|name| (strsim::osa_distance(wanted, name), name));
    let near = || scored.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance);
    same.map(String::as_str).or_else(|| near().map(|(_, name)| name.as_str()))
}

/// Whether the image's own registry answers, and what is left of its rate limit, by its last answers to hythe.
pub(super) async fn upstream(at: SocketAddr, image: &ImageName) -> Vec<Check> {
    let host = image.registry().to_string();
    let path = format!("{}?{}={}", path::UPSTREAMS, parameter::NAME, hythe_oci::encode(&host));
    let Ok(answer) = http::ask(at, "GET", &path, &[], b"").await else { return Vec::new() };
    let page = serde_json::from_slice::<Upstreams>(&answer.body).unwrap_or_default();
    let statistics = page.upstreams.into_iter().next().and_then(|upstream| upstream.statistics);
    statistics.map(|statistics| judge_upstream(&host, &statistics)).unwrap_or_default()
}

fn judge_upstream(host: &str, upstream: &Statistics) -> Vec<Check> {
    let subject = format!("upstream {host}");
    let failure = upstream.resting.as_deref().or(upstream.failing.as_deref());
    let used_up = |evidence: &str| {
        Check::bad(Id::ImageBudget, &subject, evidence)
            .because("the registry's rate limit is used up; hythe still serves the copies that it has")
            .fixed_by("raise the limit with docker login, or wait; `hythe cache stat` shows the budget")
    };
    if let Some(said) = failure.filter(|said| is_rate_limit(said)) {
        return vec![used_up(said)];
    }
    let mut checks = Vec::new();
    if let Some(said) = failure {
        checks.push(
            Check::bad(Id::ImageUpstream, &subject, said)
                .because(
                    "the image's registry failed when hythe asked it; meanwhile hythe serves the copies that it has",
                )
                .fixed_by(format!("run curl -v https://{host}/v2/ on this machine; `hythe cache stat`")),
        );
    }
    if let Some(Budget { remaining, limit, .. }) = upstream.budget {
        let limit = limit.map_or_else(String::new, |limit| format!(" of {limit}"));
        let evidence = format!("{remaining}{limit} pulls are left");
        checks.push(match remaining {
            0 => used_up(&evidence),
            _ => Check::good(Id::ImageBudget, &subject, evidence),
        });
    }
    checks
}

/// Whether a registry's account of an upstream's failure says that the upstream's rate limit is used up. A test of the
/// program compares this with the errors of its client.
pub fn is_rate_limit(failure: &str) -> bool {
    ["answers no more requests for now", "429", "toomanyrequests"].iter().any(|words| failure.contains(words))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_missing_name_is_reported_with_the_nearest_existing_one() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let image: ImageName = "localhost:5001/team/app:v1.0".parse().unwrap();
        let judged = |tags: &[&str], repositories: &[&str]| {
            judge_name("image", &image, "404", &names(tags), &names(repositories)).fix.unwrap()
        };
        let tag = "push the image with this tag; or do you mean localhost:5001/team/app:v1.0.1?";
        assert_eq!(judged(&["latest", "v1.0.1"], &[]), tag);
        let repository = |name: &str| format!("push the image; or do you mean {name}? hythe has this one");
        assert_eq!(judged(&[], &["base", "app"]), repository("localhost:5001/app"));
        assert_eq!(judged(&[], &["team/aap"]), repository("localhost:5001/team/aap"));
        assert!(judged(&[], &["unlike"]).contains("_catalog"));
    }

    #[test]
    fn a_used_up_rate_limit_is_told_from_a_registry_that_fails() {
        let judged = |upstream| {
            let checks = judge_upstream("docker.io", &serde_json::from_value(upstream).unwrap());
            checks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(judged(json!({ "budget": { "remaining": 76, "limit": 100 } })).contains("76 of 100"));
        let used_up = "✗ upstream docker.io: the rate limit of the image's registry is used up";
        assert!(judged(json!({ "budget": { "remaining": 0 } })).starts_with(used_up));
        let limited = "upstream docker.io fails: registry-1.docker.io answers no more requests for now; come back in 60 s";
        assert!(judged(json!({ "resting": limited })).starts_with(used_up));
        let refused = "upstream docker.io fails: registry-1.docker.io: connection refused";
        for key in ["resting", "failing"] {
            let shown = judged(json!({ key: refused, "budget": null }));
            assert!(shown.starts_with("✗ upstream docker.io: the image's registry fails"), "{shown}");
            assert!(shown.contains(refused) && !shown.contains("limit"), "{shown}");
        }
        assert_eq!(judged(json!({ "budget": null, "resting": null, "failing": null })), "");
    }
}

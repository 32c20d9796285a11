//! The image that is meant, where the one that was asked for is not there, and what is left of its registry's limit.

use std::net::SocketAddr;

use hythe_oci::Reference;
use serde_json::Value;

use super::image::{Known, query};
use super::image_name::ImageName;
use super::{Check, Id};
use crate::http;

/// Whether the registry has the image; where not, under which name it may be meant.
pub(super) async fn name(at: SocketAddr, image: &ImageName, known: &Known) -> Check {
    let subject = format!("image {image}");
    match &known.manifest {
        Ok(answer) if answer.status == 200 => {
            let digest = answer.header("docker-content-digest").unwrap_or("it is there").to_owned();
            Check::good(Id::ImageName, &subject, digest)
        }
        Ok(answer) if answer.status == 404 => {
            let tags = list(at, &format!("/v2/{}/tags/list{}", image.repository, query(image)), "tags").await;
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

/// Names are told apart by their letters: what is close is likely meant.
fn judge_name(
    subject: &str,
    image: &ImageName,
    said: &str,
    tags: &[String],
    repositories: &[String],
) -> Check {
    let check = Check::bad(Id::ImageName, subject, format!("the registry answers {said}"));
    if let Reference::Tag(tag) = &image.reference
        && !tags.is_empty()
    {
        let nearest = nearest(&tag.to_string(), tags);
        let shown: Vec<&str> = tags.iter().take(5).map(String::as_str).collect();
        let check = check.because(format!("the repository has other tags: {}", shown.join(", ")));
        return check.fixed_by(format!(
            "{}/{}:{}?",
            image.host,
            image.repository,
            nearest.unwrap_or(shown[0])
        ));
    }
    match nearest(image.repository.as_str(), repositories) {
        Some(name) => check
            .because("the registry has no such repository")
            .fixed_by(format!("is {}/{name} meant? hythe knows it", image.host)),
        None => check
            .because("it was never pushed here, or not by this name")
            .fixed_by("hythe cache ls, or GET /v2/_catalog, has the names that there are"),
    }
}

fn nearest<'a>(wanted: &str, names: &'a [String]) -> Option<&'a str> {
    let limit = 1 + wanted.chars().count() / 3;
    // What is pushed under one name and asked for by another has its last part in common.
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let same = names.iter().find(|name| last(name) == last(wanted));
    let scored = names.iter().map(|name| (strsim::osa_distance(wanted, name), name));
    let near = || scored.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance);
    same.map(String::as_str).or_else(|| near().map(|(_, name)| name.as_str()))
}

/// What is left of the upstream's rate limit, by what the registry was told last.
pub(super) async fn budget(at: SocketAddr, image: &ImageName) -> Option<Check> {
    let path = format!("/api/cache/upstreams?name={}", hythe_oci::encode(&image.host.to_string()));
    let document = http::ask(at, "GET", &path, &[], b"").await.ok()?.json()?;
    judge_budget(&image.host.to_string(), document.pointer("/upstreams/0")?)
}

fn judge_budget(host: &str, upstream: &Value) -> Option<Check> {
    let subject = format!("upstream {host}");
    if let Some(why) = upstream.get("resting").and_then(Value::as_str) {
        return Some(
            Check::bad(Id::ImageBudget, &subject, format!("it is left alone for a while: {why}"))
                .because("it failed, or its rate limit is used up")
                .fixed_by("hythe cache stat; what is kept is served meanwhile"),
        );
    }
    let budget = upstream.get("budget")?;
    let remaining = budget.get("remaining")?.as_u64()?;
    let limit =
        budget.get("limit").and_then(Value::as_u64).map_or_else(String::new, |limit| format!(" of {limit}"));
    let evidence = format!("{remaining}{limit} pulls are left");
    if remaining > 0 {
        return Some(Check::good(Id::ImageBudget, &subject, evidence));
    }
    Some(
        Check::bad(Id::ImageBudget, &subject, evidence)
            .because("its rate limit is used up; what is kept is served all the same")
            .fixed_by("docker login raises it, or wait"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_name_that_is_not_there_is_told_with_the_nearest() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let image: ImageName = "localhost:5001/team/app:v1.0".parse().unwrap();
        let judged = |tags: &[&str], repositories: &[&str]| {
            judge_name("image", &image, "404", &names(tags), &names(repositories)).fix.unwrap()
        };
        assert_eq!(judged(&["latest", "v1.0.1"], &[]), "localhost:5001/team/app:v1.0.1?");
        assert_eq!(judged(&[], &["base", "app"]), "is localhost:5001/app meant? hythe knows it");
        assert_eq!(judged(&[], &["team/aap"]), "is localhost:5001/team/aap meant? hythe knows it");
        assert!(judged(&[], &["unlike"]).contains("_catalog"));
    }

    #[test]
    fn a_budget_that_is_used_up_is_bad() {
        let verdict = |upstream| judge_budget("docker.io", &upstream).map(|check| check.verdict);
        assert_eq!(verdict(json!({ "budget": { "remaining": 76, "limit": 100 } })), Some(Verdict::Good));
        assert_eq!(verdict(json!({ "budget": { "remaining": 0 } })), Some(Verdict::Bad));
        assert_eq!(verdict(json!({ "resting": "429" })), Some(Verdict::Bad));
        assert_eq!(verdict(json!({ "budget": null })), None);
    }
}

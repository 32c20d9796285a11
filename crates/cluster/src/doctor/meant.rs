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
            .fixed_by("`hythe cache ls`, or GET /v2/_catalog, has the names that there are"),
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

/// How the image's own registry fares, and what is left of its rate limit, by what hythe heard of it last.
pub(super) async fn upstream(at: SocketAddr, image: &ImageName) -> Vec<Check> {
    let path = format!("/api/cache/upstreams?name={}", hythe_oci::encode(&image.host.to_string()));
    let document = http::ask(at, "GET", &path, &[], b"").await.ok().and_then(|answer| answer.json());
    let upstream = document.as_ref().and_then(|document| document.pointer("/upstreams/0"));
    upstream.map(|upstream| judge_upstream(&image.host.to_string(), upstream)).unwrap_or_default()
}

fn judge_upstream(host: &str, upstream: &Value) -> Vec<Check> {
    let subject = format!("upstream {host}");
    let text = |key: &str| upstream.get(key).and_then(Value::as_str);
    let failure = text("resting").or_else(|| text("failing"));
    let is_limited = failure.is_some_and(|said| LIMITED.iter().any(|word| said.contains(word)));
    let used_up = |evidence: &str| {
        Check::bad(Id::ImageBudget, &subject, evidence)
            .because("its rate limit is used up; what is kept is served all the same")
            .fixed_by("docker login raises it, or wait; `hythe cache stat` shows the budget")
    };
    if let Some(said) = failure.filter(|_| is_limited) {
        return vec![used_up(said)];
    }
    let mut checks = Vec::new();
    if let Some(said) = failure {
        checks.push(
            Check::bad(Id::ImageUpstream, &subject, said)
                .because(
                    "hythe asked the image's registry, and this came of it; what is kept is served meanwhile",
                )
                .fixed_by(format!("curl -v https://{host}/v2/ on this machine; `hythe cache stat`")),
        );
    }
    let budget = upstream.get("budget");
    let number = |key: &str| budget.and_then(|budget| budget.get(key)?.as_u64());
    if let Some(remaining) = number("remaining") {
        let limit = number("limit").map_or_else(String::new, |limit| format!(" of {limit}"));
        let evidence = format!("{remaining}{limit} pulls are left");
        checks.push(match remaining {
            0 => used_up(&evidence),
            _ => Check::good(Id::ImageBudget, &subject, evidence),
        });
    }
    checks
}

/// How the server says that an upstream's limit is used up (`hythe-client`, `Error::cause`).
const LIMITED: [&str; 3] = ["answers no more requests for now", "429", "toomanyrequests"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    fn a_limit_that_is_used_up_is_told_from_a_registry_that_fails() {
        let judged = |upstream| {
            let checks = judge_upstream("docker.io", &upstream);
            checks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        assert!(judged(json!({ "budget": { "remaining": 76, "limit": 100 } })).contains("76 of 100"));
        let used_up = "✗ upstream docker.io: its registry's rate limit is used up";
        assert!(judged(json!({ "budget": { "remaining": 0 } })).starts_with(used_up));
        let limited = "upstream docker.io fails: registry-1.docker.io answers no more requests for now; come back in 60 s";
        assert!(judged(json!({ "resting": limited })).starts_with(used_up));
        let refused = "upstream docker.io fails: registry-1.docker.io: connection refused";
        for key in ["resting", "failing"] {
            let shown = judged(json!({ key: refused, "budget": null }));
            assert!(shown.starts_with("✗ upstream docker.io: its registry fails"), "{shown}");
            assert!(shown.contains(refused) && !shown.contains("limit"), "{shown}");
        }
        assert_eq!(judged(json!({ "budget": null, "resting": null, "failing": null })), "");
    }
}

//! Why an image is not pulled: whom each node asks for it, what those answer, and whether it is what the node wants.

use std::net::SocketAddr;

use hythe_oci::Reference;
use serde_json::Value;

use super::http::{self, Answer, MANIFESTS, Silence};
use super::image_name::ImageName;
use super::route::{Route, Stop};
use super::{Check, Id, Repair, inside};
use crate::attach::Survey;
use crate::engine::Engine;
use crate::topology::Cluster;

/// What the registry has of an image, asked from this machine.
pub(super) struct Known {
    manifest: Result<Answer, Silence>,
    /// The platforms that it is for, as `linux/amd64`.
    platforms: Vec<String>,
}

/// The query that has the registry answer for the image's own registry.
fn query(image: &ImageName) -> String {
    format!("?ns={}", hythe_oci::encode(&image.host.to_string()))
}

/// Asks the registry for the image.
pub(super) async fn known(at: SocketAddr, image: &ImageName) -> Known {
    let path = format!("/v2/{}/manifests/{}{}", image.repository, image.reference, query(image));
    let manifest = http::ask(at, "GET", &path, &[("Accept", MANIFESTS)], b"").await;
    let mut platforms = Vec::new();
    if let Some(document) = manifest.as_ref().ok().filter(|answer| answer.status == 200).and_then(Answer::json) {
        platforms = listed(&document);
        let config = document.pointer("/config/digest").and_then(Value::as_str);
        if let Some(config) = config.filter(|_| platforms.is_empty()) {
            let path = format!("/v2/{}/blobs/{config}{}", image.repository, query(image));
            let config = http::ask(at, "GET", &path, &[], b"").await.ok().and_then(|answer| answer.json());
            platforms.extend(config.as_ref().and_then(platform));
        }
    }
    Known { manifest, platforms }
}

/// The platforms of an index; of attestations there is none.
fn listed(document: &Value) -> Vec<String> {
    let manifests = document.get("manifests").and_then(Value::as_array).into_iter().flatten();
    let platforms = manifests.filter_map(|manifest| platform(manifest.get("platform")?));
    platforms.filter(|platform| !platform.starts_with("unknown")).collect()
}

fn platform(of: &Value) -> Option<String> {
    let text = |key: &str| of.get(key).and_then(Value::as_str);
    Some(format!("{}/{}", text("os")?, text("architecture")?))
}

/// Whom a node asks, what those answer, and whether the image is for it.
pub(super) async fn checks(
    engine: &Engine,
    survey: &Survey,
    cluster: &Cluster,
    image: &ImageName,
    known: &Known,
) -> Vec<Check> {
    let subject = format!("node {}", survey.node);
    let route = Route::of(image, survey);
    let mut checks = vec![path(&subject, image, &route, cluster)];
    let asked = route.stops.iter().map(|stop| async {
        let head = inside::ask(engine, &survey.node, "HEAD", &stop.url, MANIFESTS, stop.is_mirror).await;
        match &head {
            // The words are in the body alone.
            Ok(answer) if answer.status >= 400 && stop.is_mirror => {
                inside::ask(engine, &survey.node, "GET", &stop.url, MANIFESTS, true).await
            }
            _ => head,
        }
    });
    let answers = futures_util::future::join_all(asked).await;
    checks.push(judge_answers(&subject, &route.stops, &answers));
    if let Ok(machine) = engine.run(&survey.node, &["uname", "-m"]).await {
        checks.extend(judge_platform(&subject, machine.trim(), &known.platforms));
    }
    checks
}

fn path(subject: &str, image: &ImageName, route: &Route, cluster: &Cluster) -> Check {
    let hosts: Vec<&str> = route.stops.iter().map(|stop| stop.host.as_str()).collect();
    let by = route.file.as_deref().unwrap_or("no hosts.toml");
    let evidence = format!("{image} is asked of {} ({by})", hosts.join(", then "));
    let repaired = |check: Check| {
        let attach = Repair::Attach { cluster: cluster.to_string() };
        check.fixed_by(format!("hythe attach {}", cluster.name)).repaired_by(attach)
    };
    if let Some(fault) = &route.fault {
        let check = Check::bad(Id::ImagePath, subject, format!("{evidence}\n{fault}"));
        return repaired(check.because("containerd drops the file, and asks the registry itself"));
    }
    let is_here = image.host.host() == "localhost" || image.host.address().is_some_and(|address| address.is_loopback());
    if is_here && !route.stops.iter().any(|stop| stop.is_mirror) {
        return repaired(
            Check::bad(Id::ImagePath, subject, evidence)
                .because("inside of a node localhost is the node, where no registry is"),
        );
    }
    Check::good(Id::ImagePath, subject, evidence)
}

fn judge_answers(subject: &str, stops: &[Stop], answers: &[Result<Answer, Silence>]) -> Check {
    let mut seen = Vec::new();
    for (stop, answer) in stops.iter().zip(answers) {
        let answer = match answer {
            Ok(answer) => {
                let digest = answer.header("docker-content-digest").map_or_else(String::new, |digest| format!(", {digest}"));
                format!("{}{digest}", answer.clause())
            }
            Err(silence) => silence.to_string(),
        };
        seen.push(format!("{}: {answer}", stop.host));
    }
    let has = answers.iter().position(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200));
    let evidence = seen.join("\n");
    let first = |wanted: u16| answers.iter().any(|answer| answer.as_ref().is_ok_and(|answer| answer.status == wanted));
    let is_said = |text: &str| {
        answers.iter().any(|answer| matches!(answer, Err(Silence::Failed(said)) if said.to_lowercase().contains(text)))
    };
    if let Some(place) = has {
        let late = answers[..place].iter().any(|answer| matches!(answer, Err(Silence::TimedOut)));
        if late {
            return Check::bad(Id::ImageAnswers, subject, evidence)
                .because("a host before the one that has it does not answer, and is waited for at each request")
                .fixed_by("take it out of the hosts.toml, or give it a dial_timeout");
        }
        return Check::good(Id::ImageAnswers, subject, seen[place].clone());
    }
    if is_said("certificate") {
        return Check::bad(Id::ImageAnswers, subject, evidence)
            .because("a certificate authority is not known to the node: a proxy that opens TLS, for one")
            .fixed_by("let the image come through hythe, which takes ca = [\"FILE\"] for the upstream");
    }
    if first(429) {
        return Check::bad(Id::ImageAnswers, subject, evidence)
            .because("the upstream's rate limit is used up")
            .fixed_by("docker login, or wait: hythe cache stat shows the budget");
    }
    let wants_token = stops.iter().zip(answers).any(|(stop, answer)| {
        !stop.is_mirror && answer.as_ref().is_ok_and(|answer| answer.status == 401)
    });
    if wants_token {
        return Check::unknown(Id::ImageAnswers, subject, evidence)
            .because("its registry wants a token, which containerd would get; none of the mirrors has it");
    }
    let check = Check::bad(Id::ImageAnswers, subject, evidence);
    if first(404) {
        return check.because("nobody who is asked has it under this name").fixed_by("push it, or mend the name");
    }
    if first(503) || first(504) || first(502) {
        return check.because("it cannot be fetched, and is not kept").fixed_by("hythe cache stat; hythe logs --tail 50");
    }
    check.because("nobody who is asked answers").fixed_by("hythe doctor")
}

/// A node's architecture against what the image has; nothing where the registry has no image to compare.
fn judge_platform(subject: &str, machine: &str, platforms: &[String]) -> Option<Check> {
    if platforms.is_empty() {
        return None;
    }
    let architecture = match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i686" | "i386" => "386",
        other => other,
    };
    let wanted = format!("linux/{architecture}");
    if platforms.contains(&wanted) {
        return Some(Check::good(Id::ImagePlatform, subject, wanted));
    }
    Some(
        Check::bad(Id::ImagePlatform, subject, format!("it is for {}, and the node is {wanted}", platforms.join(", ")))
            .because("the image was not built for the node's architecture")
            .fixed_by(format!("docker buildx build --platform {wanted} --push")),
    )
}

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
            let repositories = if tags.is_empty() { list(at, "/v2/_catalog?n=1000", "repositories").await } else { Vec::new() };
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

fn judge_name(subject: &str, image: &ImageName, said: &str, tags: &[String], repositories: &[String]) -> Check {
    let check = Check::bad(Id::ImageName, subject, format!("the registry answers {said}"));
    if let Reference::Tag(tag) = &image.reference
        && !tags.is_empty()
    {
        let nearest = nearest(&tag.to_string(), tags);
        let shown: Vec<&str> = tags.iter().take(5).map(String::as_str).collect();
        let check = check.because(format!("the repository has other tags: {}", shown.join(", ")));
        return check.fixed_by(format!("{}/{}:{}?", image.host, image.repository, nearest.unwrap_or(shown[0])));
    }
    match nearest(image.repository.as_str(), repositories) {
        Some(name) => check
            .because("the registry has no such repository")
            .fixed_by(format!("is {}/{name} meant? hythe knows it", image.host)),
        None => check.because("it was never pushed here, or not by this name").fixed_by(format!("docker push {image}")),
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
    let limit = budget.get("limit").and_then(Value::as_u64).map_or_else(String::new, |limit| format!(" of {limit}"));
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
mod tests;

//! Why an image is not pulled: which hosts each node asks for it, what they answer, and whether its platform fits.

use std::net::SocketAddr;

use hythe_oci::ImageName;
use serde_json::Value;

use super::route::{Route, Stop};
use super::{Check, Id, Repair};
use crate::attach::Survey;
use crate::http::{self, Answer, MANIFESTS, Silence, inside};
use crate::topology::Cluster;
use hythe_engine::Engine;

/// What the registry answers for an image, asked from this machine.
pub(super) struct Known {
    pub(super) manifest: Result<Answer, Silence>,
    /// The image's platforms, such as `linux/amd64`.
    platforms: Vec<String>,
}

/// The query `?ns=HOST`, with which hythe answers for the image's own registry.
pub(super) fn query(image: &ImageName) -> String {
    format!("?ns={}", hythe_oci::encode(&image.registry().to_string()))
}

/// Asks the registry for the image.
pub(super) async fn known(at: SocketAddr, image: &ImageName) -> Known {
    let path = format!("/v2/{}/manifests/{}{}", image.repository(), image.reference(), query(image));
    let manifest = http::ask(at, "GET", &path, &[("Accept", MANIFESTS)], b"").await;
    let mut platforms = Vec::new();
    if let Some(document) =
        manifest.as_ref().ok().filter(|answer| answer.status == 200).and_then(Answer::json)
    {
        platforms = listed(&document);
        let config = document.pointer("/config/digest").and_then(Value::as_str);
        if let Some(config) = config.filter(|_| platforms.is_empty()) {
            let path = format!("/v2/{}/blobs/{config}{}", image.repository(), query(image));
            let config = http::ask(at, "GET", &path, &[], b"").await.ok().and_then(|answer| answer.json());
            platforms.extend(config.as_ref().and_then(platform));
        }
    }
    Known { manifest, platforms }
}

/// The platforms of an index, without its attestations, whose platform is `unknown`.
fn listed(document: &Value) -> Vec<String> {
    let manifests = document.get("manifests").and_then(Value::as_array).into_iter().flatten();
    let platforms = manifests.filter_map(|manifest| platform(manifest.get("platform")?));
    platforms.filter(|platform| !platform.starts_with("unknown")).collect()
}

fn platform(of: &Value) -> Option<String> {
    let text = |key: &str| of.get(key).and_then(Value::as_str);
    Some(format!("{}/{}", text("os")?, text("architecture")?))
}

/// The checks of an image on a node: which hosts the node asks, what they answer, and whether the platform fits.
pub(super) async fn checks(
    engine: &Engine,
    survey: &Survey,
    cluster: &Cluster,
    image: &ImageName,
    (known, endpoint, port): (&Known, &str, u16),
) -> Vec<Check> {
    let subject = format!("node {}", survey.node);
    let route = Route::of(image, survey);
    let mut checks = vec![path(&subject, image, &route, (cluster, port))];
    let asked = route.stops.iter().map(|stop| async {
        let head = inside::ask(engine, &survey.node, "HEAD", &stop.url, MANIFESTS, stop.is_mirror).await;
        match &head {
            // A HEAD answer has no body, and the registry's reason is in the body.
            Ok(answer) if answer.status >= 400 && stop.is_mirror => {
                inside::ask(engine, &survey.node, "GET", &stop.url, MANIFESTS, true).await
            }
            _ => head,
        }
    });
    let answers = futures_util::future::join_all(asked).await;
    checks.push(judge_answers(&subject, &route.stops, &answers, (cluster, endpoint)));
    if let Ok(machine) = engine.run(&survey.node, &["uname", "-m"]).await {
        checks.extend(judge_platform(&subject, machine.trim(), &known.platforms));
    }
    checks
}

fn path(subject: &str, image: &ImageName, route: &Route, (cluster, port): (&Cluster, u16)) -> Check {
    let hosts: Vec<&str> = route.stops.iter().map(|stop| stop.host.as_str()).collect();
    let by = route.file.as_deref().unwrap_or("no hosts.toml");
    let evidence = format!("the node asks {} for {image} ({by})", hosts.join(", then "));
    let repaired = |check: Check| {
        let attach = Repair::Attach { cluster: cluster.to_string() };
        check.fixed_by(format!("`hythe attach {}`", cluster.name)).repaired_by(attach)
    };
    if let Some(fault) = &route.fault {
        let check = Check::bad(Id::ImagePath, subject, format!("{evidence}\n{fault}"));
        return repaired(check.because(
            "containerd ignores the file, and asks the image's own registry instead of the mirror",
        ));
    }
    let is_here = image.registry().host() == "localhost"
        || image.registry().address().is_some_and(|address| address.is_loopback());
    let is_direct = !route.stops.iter().any(|stop| stop.is_mirror);
    if is_here && is_direct && image.registry().to_string() != format!("localhost:{port}") {
        return Check::bad(Id::ImagePath, subject, evidence)
            .because(format!(
                "nodes find this registry as localhost:{port}; no hosts.toml file leads from {} to it",
                image.registry()
            ))
            .fixed_by(format!("name the image localhost:{port}/{}:...", image.repository()));
    }
    if is_here && is_direct {
        return repaired(
            Check::bad(Id::ImagePath, subject, evidence)
                .because("inside a node, localhost is the node itself, which runs no registry"),
        );
    }
    Check::good(Id::ImagePath, subject, evidence)
}

fn judge_answers(
    subject: &str,
    stops: &[Stop],
    answers: &[Result<Answer, Silence>],
    (cluster, endpoint): (&Cluster, &str),
) -> Check {
    let mut seen = Vec::new();
    for (stop, answer) in stops.iter().zip(answers) {
        let answer = match answer {
            Ok(answer) => {
                let digest = answer
                    .header("docker-content-digest")
                    .map_or_else(String::new, |digest| format!(", {digest}"));
                format!("{}{digest}", answer.clause())
            }
            Err(silence) => silence.to_string(),
        };
        seen.push(format!("{}: {answer}", stop.host));
    }
    let has = answers.iter().position(|answer| answer.as_ref().is_ok_and(|answer| answer.status == 200));
    let evidence = seen.join("\n");
    let first = |wanted: u16| {
        answers.iter().any(|answer| answer.as_ref().is_ok_and(|answer| answer.status == wanted))
    };
    let is_said = |text: &str| {
        answers
            .iter()
            .any(|answer| matches!(answer, Err(Silence::Failed(said)) if said.to_lowercase().contains(text)))
    };
    if let Some(place) = has {
        let late = answers[..place].iter().position(|answer| matches!(answer, Err(Silence::TimedOut)));
        if let Some(late) = late.map(|late| &stops[late]) {
            let check = Check::bad(Id::ImageAnswers, subject, evidence).because(format!(
                "{} does not answer, and at each request containerd waits for it before it asks the host that has \
                 the image",
                late.host
            ));
            // If the host is hythe's own registry, it should be repaired and not removed from the file.
            return if late.host == endpoint {
                check.fixed_by(format!("`hythe doctor {}`", cluster.name))
            } else {
                check.fixed_by("remove that host from the hosts.toml file, or give it a dial_timeout")
            };
        }
        return Check::good(Id::ImageAnswers, subject, seen[place].clone());
    }
    if is_said("certificate") {
        return Check::bad(Id::ImageAnswers, subject, evidence)
            .because(
                "the node does not trust a host's certificate authority: the registry's own, or that of a proxy that \
                 opens TLS connections",
            )
            .fixed_by("pull the image through hythe, which takes the authority's file as ca = [\"FILE\"] for the upstream");
    }
    if first(429) {
        return Check::bad(Id::ImageAnswers, subject, evidence)
            .because("the upstream's rate limit is used up")
            .fixed_by("raise the limit with docker login, or wait: `hythe cache stat` shows the budget");
    }
    let wants_token = stops
        .iter()
        .zip(answers)
        .any(|(stop, answer)| !stop.is_mirror && answer.as_ref().is_ok_and(|answer| answer.status == 401));
    if wants_token {
        return Check::unknown(Id::ImageAnswers, subject, evidence)
            .because(
                "no mirror has the image, and its registry requires a token, which containerd would get and this check \
                 does not",
            );
    }
    let check = Check::bad(Id::ImageAnswers, subject, evidence);
    if first(404) {
        return check
            .because("no host that the node asks has an image of this name")
            .fixed_by("push the image, or correct the name");
    }
    if first(503) || first(504) || first(502) {
        return check
            .because("hythe has no copy of the image, and cannot fetch it from the upstream")
            .fixed_by("`hythe cache stat`; `hythe logs --tail 50`");
    }
    check.because("no host that the node asks answers").fixed_by("`hythe doctor`")
}

/// Compares a node's architecture with the image's platforms; none if the registry does not have the image.
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
        Check::bad(
            Id::ImagePlatform,
            subject,
            format!("the image is for {}; the node is {wanted}", platforms.join(", ")),
        )
        .because("the image was not built for the node's architecture")
        .fixed_by(format!("build it for that architecture: docker buildx build --platform {wanted} --push")),
    )
}

#[cfg(test)]
mod tests;

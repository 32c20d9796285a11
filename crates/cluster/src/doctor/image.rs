//! Why an image is not pulled: whom each node asks for it, what those answer, and whether it is what the node wants.

use std::net::SocketAddr;

use serde_json::Value;

use super::image_name::ImageName;
use super::route::{Route, Stop};
use super::{Check, Id, Repair};
use crate::attach::Survey;
use crate::engine::Engine;
use crate::http::{self, Answer, MANIFESTS, Silence, inside};
use crate::topology::Cluster;

/// What the registry has of an image, asked from this machine.
pub(super) struct Known {
    pub(super) manifest: Result<Answer, Silence>,
    /// The platforms that it is for, as `linux/amd64`.
    platforms: Vec<String>,
}

/// The query that has the registry answer for the image's own registry.
pub(super) fn query(image: &ImageName) -> String {
    format!("?ns={}", hythe_oci::encode(&image.host.to_string()))
}

/// Asks the registry for the image.
pub(super) async fn known(at: SocketAddr, image: &ImageName) -> Known {
    let path = format!("/v2/{}/manifests/{}{}", image.repository, image.reference, query(image));
    let manifest = http::ask(at, "GET", &path, &[("Accept", MANIFESTS)], b"").await;
    let mut platforms = Vec::new();
    if let Some(document) =
        manifest.as_ref().ok().filter(|answer| answer.status == 200).and_then(Answer::json)
    {
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
    (known, endpoint, port): (&Known, &str, u16),
) -> Vec<Check> {
    let subject = format!("node {}", survey.node);
    let route = Route::of(image, survey);
    let mut checks = vec![path(&subject, image, &route, (cluster, port))];
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
    checks.push(judge_answers(&subject, &route.stops, &answers, (cluster, endpoint)));
    if let Ok(machine) = engine.run(&survey.node, &["uname", "-m"]).await {
        checks.extend(judge_platform(&subject, machine.trim(), &known.platforms));
    }
    checks
}

fn path(subject: &str, image: &ImageName, route: &Route, (cluster, port): (&Cluster, u16)) -> Check {
    let hosts: Vec<&str> = route.stops.iter().map(|stop| stop.host.as_str()).collect();
    let by = route.file.as_deref().unwrap_or("no hosts.toml");
    let evidence = format!("{image} is asked of {} ({by})", hosts.join(", then "));
    let repaired = |check: Check| {
        let attach = Repair::Attach { cluster: cluster.to_string() };
        check.fixed_by(format!("`hythe attach {}`", cluster.name)).repaired_by(attach)
    };
    if let Some(fault) = &route.fault {
        let check = Check::bad(Id::ImagePath, subject, format!("{evidence}\n{fault}"));
        return repaired(check.because("containerd drops the file, and asks the registry itself"));
    }
    let is_here =
        image.host.host() == "localhost" || image.host.address().is_some_and(|address| address.is_loopback());
    let is_direct = !route.stops.iter().any(|stop| stop.is_mirror);
    if is_here && is_direct && image.host.to_string() != format!("localhost:{port}") {
        return Check::bad(Id::ImagePath, subject, evidence)
            .because(format!("nodes know this registry as localhost:{port}, and nothing of {}", image.host))
            .fixed_by(format!("name it localhost:{port}/{}:...", image.repository));
    }
    if is_here && is_direct {
        return repaired(
            Check::bad(Id::ImagePath, subject, evidence)
                .because("inside of a node localhost is the node, where no registry is"),
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
                "{} does not answer, stands before the host that has it, and is waited for at each request",
                late.host
            ));
            // A registry of hythe's that does not answer is mended, and not taken away.
            return if late.host == endpoint {
                check.fixed_by(format!("`hythe doctor {}`", cluster.name))
            } else {
                check.fixed_by("take it out of the hosts.toml, or give it a dial_timeout")
            };
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
            .fixed_by("docker login, or wait: `hythe cache stat` shows the budget");
    }
    let wants_token = stops
        .iter()
        .zip(answers)
        .any(|(stop, answer)| !stop.is_mirror && answer.as_ref().is_ok_and(|answer| answer.status == 401));
    if wants_token {
        return Check::unknown(Id::ImageAnswers, subject, evidence)
            .because("its registry wants a token, which containerd would get; none of the mirrors has it");
    }
    let check = Check::bad(Id::ImageAnswers, subject, evidence);
    if first(404) {
        return check
            .because("nobody who is asked has it under this name")
            .fixed_by("push it, or mend the name");
    }
    if first(503) || first(504) || first(502) {
        return check
            .because("it cannot be fetched, and is not kept")
            .fixed_by("`hythe cache stat`; `hythe logs --tail 50`");
    }
    check.because("nobody who is asked answers").fixed_by("`hythe doctor`")
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
        Check::bad(
            Id::ImagePlatform,
            subject,
            format!("it is for {}, and the node is {wanted}", platforms.join(", ")),
        )
        .because("the image was not built for the node's architecture")
        .fixed_by(format!("docker buildx build --platform {wanted} --push")),
    )
}

#[cfg(test)]
mod tests;

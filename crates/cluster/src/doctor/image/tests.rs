use serde_json::json;

use super::*;
use crate::doctor::Verdict;
use crate::sample::cluster;

fn stop(host: &str, is_mirror: bool) -> Stop {
    Stop { host: host.to_owned(), url: format!("{host}/v2/a/manifests/1"), is_mirror }
}

#[allow(clippy::unnecessary_wraps, reason = "the tables mix answers with `Err(Silence)`")]
fn answer(text: &str) -> Result<Answer, Silence> {
    Ok(Answer::parse(format!("HTTP/1.1 {text}\r\n\r\n").as_bytes()).unwrap())
}

#[test]
fn answers_are_judged_by_the_host_that_has_the_image_or_by_why_none_has() {
    let stops = [stop("http://kind-registry:5000", true), stop("https://registry-1.docker.io", false)];
    for (first, second, verdict, text) in [
        (answer("200 OK\r\nX-Cache: HIT"), answer("401 x"), Verdict::Good, "X-Cache: HIT"),
        (answer("404 x"), answer("200 OK"), Verdict::Good, "registry-1.docker.io: 200"),
        (Err(Silence::TimedOut), answer("200 OK"), Verdict::Bad, "containerd waits for it"),
        // hythe's own registry is not removed from the file.
        (Err(Silence::TimedOut), answer("200 OK"), Verdict::Bad, "hythe doctor dev"),
        (answer("404 x"), answer("404 x"), Verdict::Bad, "has an image of this name"),
        (answer("404 x"), answer("401 x"), Verdict::Unknown, "requires a token"),
        (answer("503 x"), answer("429 x"), Verdict::Bad, "rate limit"),
        (answer("503 x"), Err(Silence::TimedOut), Verdict::Bad, "cannot fetch it"),
        (Err(Silence::NoSuchName), Err(Silence::Refused), Verdict::Bad, "no host that the node asks answers"),
        (
            Err(Silence::Refused),
            Err(Silence::Failed("curl: (60) SSL certificate problem".to_owned())),
            Verdict::Bad,
            "authority",
        ),
    ] {
        let check =
            judge_answers("node w", &stops, &[first, second], (&cluster(), "http://kind-registry:5000"));
        assert!(check.verdict == verdict && check.to_string().contains(text), "{check}");
    }
}

#[test]
fn a_name_at_localhost_that_no_mirror_serves_is_bad() {
    let route =
        |is_mirror| Route { file: None, fault: None, stops: vec![stop("http://localhost:5001", is_mirror)] };
    let verdict = |name: &str, is_mirror| {
        path("node w", &name.parse().unwrap(), &route(is_mirror), (&cluster(), 5001)).verdict
    };
    assert_eq!(verdict("localhost:5001/a", false), Verdict::Bad);
    assert_eq!(verdict("localhost:5001/a", true), Verdict::Good);
    let other = path("node w", &"localhost:6000/a".parse().unwrap(), &route(false), (&cluster(), 5001));
    assert!(
        other.repair.is_none() && other.to_string().contains("name the image localhost:5001/a"),
        "{other}"
    );
    assert_eq!(verdict("ghcr.io/a/b", false), Verdict::Good);
}

#[test]
fn an_image_without_the_nodes_platform_is_bad() {
    let index = json!({ "manifests": [
        { "platform": { "os": "linux", "architecture": "amd64" } },
        { "platform": { "os": "unknown", "architecture": "unknown" } },
    ] });
    let platforms = listed(&index);
    assert_eq!(platforms, ["linux/amd64"]);
    assert_eq!(judge_platform("node w", "x86_64", &platforms).unwrap().verdict, Verdict::Good);
    let check = judge_platform("node w", "aarch64", &platforms).unwrap();
    assert!(check.verdict == Verdict::Bad && check.to_string().contains("--platform linux/arm64"), "{check}");
    assert_eq!(judge_platform("node w", "x86_64", &[]), None);
}

//! A node asked from inside: whether it finds the registry, and what its containerd says.

use std::collections::BTreeSet;

use super::standing::Standing;
use super::{Check, Id, Repair, explain, files};
use crate::attach::{Runtime, Survey, Wiring};
use crate::engine::{Engine, EngineError, Output};
use crate::hosts::{HostsFile, written_by};
use crate::http::{Answer, Silence, inside};
use crate::topology::Cluster;

/// What a name means in a node, and beside it the lines of its hosts file that say so.
const LOOK_UP: &str = r#"timeout 5 getent hosts "$1"; code=$?; grep -wF -- "$1" /etc/hosts >&2; exit $code"#;

/// Whether the node knows the registry's name, and takes it for the registry's address.
pub(super) async fn name(
    engine: &Engine,
    survey: &Survey,
    wiring: &Wiring,
    standing: &Standing,
    cluster: &Cluster,
) -> Result<Check, EngineError> {
    let name = &wiring.registry.name;
    let output = engine.exec(&survey.node, &["sh", "-c", LOOK_UP, "sh", name]).await?;
    Ok(judge_name(&survey.node, name, &output, standing, cluster))
}

fn judge_name(node: &str, name: &str, output: &Output, standing: &Standing, cluster: &Cluster) -> Check {
    let subject = format!("node {node}");
    if inside::is_missing(output) {
        return Check::unknown(Id::NodeName, &subject, "it has no getent");
    }
    let Some(line) = output.stdout.lines().next().map(str::trim).filter(|_| output.code == 0) else {
        // Its engine passes on what it does not know, and whom it asks then may not answer.
        let said = if output.code == 124 { "no answer" } else { "no such host" };
        let check = Check::bad(Id::NodeName, &subject, format!("getent hosts {name}: {said}"));
        return match standing.absence() {
            Some(absence) if standing.runs => {
                check.because(absence).fixed_by(format!("`hythe attach {}`", cluster.name))
            }
            Some(absence) => check.because(absence).fixed_by("`hythe up`"),
            None => check
                .because("the registry is on this node's network, and the node's DNS does not give its name")
                .fixed_by(format!(
                    "docker exec {node} cat /etc/resolv.conf; `hythe attach {}`",
                    cluster.name
                )),
        };
    };
    let address = line.split_whitespace().next().unwrap_or_default();
    if standing.addresses.is_empty() || standing.addresses.iter().any(|known| known == address) {
        return Check::good(Id::NodeName, &subject, line);
    }
    let evidence = format!("{name} is {address} here; the registry is at {}", standing.addresses.join(", "));
    match output.stderr.lines().map(str::trim).find(|line| line.starts_with(address)) {
        Some(written) => Check::bad(Id::NodeName, &subject, format!("{evidence}\n/etc/hosts: {written}"))
            .because("the node's hosts file gives the name another address")
            .fixed_by(format!("take that line out: docker exec -it {node} vi /etc/hosts")),
        None => Check::bad(Id::NodeName, &subject, evidence)
            .because("the node's DNS gives the name another address: something else has it")
            .fixed_by(format!(
                "docker network inspect {}",
                cluster.networks().first().map_or("kind", String::as_str)
            )),
    }
}

/// Whether the node reaches the registry, past its proxy, where its files are to lead.
pub(super) async fn reaches(
    engine: &Engine,
    survey: &Survey,
    endpoint: &str,
    standing: &Standing,
    cluster: &Cluster,
) -> Check {
    let url = format!("{endpoint}/v2/");
    let answer = inside::ask(engine, &survey.node, "GET", &url, "*/*", true).await;
    judge_reach(&format!("node {}", survey.node), &url, answer, standing, cluster)
}

fn judge_reach(
    subject: &str,
    url: &str,
    answer: Result<Answer, Silence>,
    standing: &Standing,
    cluster: &Cluster,
) -> Check {
    let bad = |evidence: &str| Check::bad(Id::NodeReaches, subject, format!("GET {url}: {evidence}"));
    let silence = match answer {
        Ok(answer) if answer.status == 200 => {
            return Check::good(Id::NodeReaches, subject, format!("GET {url}: {}", answer.clause()));
        }
        Ok(answer) => {
            return bad(&answer.clause())
                .because("what answers there is not this registry, or wants a login")
                .fixed_by("`hythe doctor` looks at what the name means in the node; `hythe logs --tail 50`");
        }
        Err(Silence::NoTool) => return Check::unknown(Id::NodeReaches, subject, Silence::NoTool.to_string()),
        Err(silence) => silence,
    };
    let check = bad(&silence.to_string());
    match standing.absence() {
        Some(absence) if !standing.runs => return check.because(absence).fixed_by("`hythe up`"),
        Some(absence) => {
            return check
                .because(absence)
                .fixed_by(format!("`hythe attach {}`", cluster.name))
                .repaired_by(Repair::Attach { cluster: cluster.to_string() });
        }
        None => {}
    }
    match silence {
        Silence::NoSuchName => check
            .because("the registry is on this node's network, and the node's DNS does not give its name")
            .fixed_by(format!("`hythe attach {}`", cluster.name)),
        Silence::Refused => check
            .because("the registry runs on this node's network, and nothing listens at this address")
            .fixed_by("`hythe logs --tail 50`; compare the address with the registry's: docker inspect"),
        Silence::TimedOut | Silence::NoRoute => check
            .because("the registry runs on this node's network, and no packet comes back from this address")
            .fixed_by("look for rules that drop them: sudo iptables -L -n; sudo nft list ruleset"),
        Silence::Failed(_) | Silence::NoTool => check
            .because("what answers there does not speak HTTP, or breaks off")
            .fixed_by("`hythe logs --tail 50`"),
    }
}

/// Whether containerd serves Kubernetes.
pub(super) async fn cri(engine: &Engine, survey: &Survey, cluster: &Cluster) -> Result<Check, EngineError> {
    let output = engine.exec(&survey.node, &["ctr", "plugins", "ls"]).await?;
    Ok(judge_cri(&format!("node {}", survey.node), &output, cluster))
}

fn judge_cri(subject: &str, output: &Output, cluster: &Cluster) -> Check {
    if inside::is_missing(output) {
        return Check::unknown(Id::NodeCri, subject, "it has no ctr");
    }
    if output.code != 0 {
        return Check::bad(Id::NodeCri, subject, format!("ctr plugins ls: {}", output.stderr.trim()))
            .because("containerd does not run")
            .fixed_by(format!(
                "docker exec {} systemctl restart containerd",
                subject.trim_start_matches("node ")
            ));
    }
    let rows = output.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let plugins: Vec<(String, String)> = rows
        .filter(|row| row.len() >= 3)
        .map(|row| (format!("{}.{}", row[0], row[1]), row[row.len() - 1].to_owned()))
        .filter(|(id, _)| id == "io.containerd.grpc.v1.cri" || id == "io.containerd.cri.v1.images")
        .collect();
    let shown: Vec<String> = plugins.iter().map(|(id, state)| format!("{id} {state}")).collect();
    if plugins.is_empty() {
        return Check::bad(Id::NodeCri, subject, "ctr plugins ls has no CRI plugin")
            .because("disabled_plugins of its configuration names it")
            .fixed_by("take it out of disabled_plugins in /etc/containerd/config.toml");
    }
    if plugins.iter().all(|(_, state)| state == "ok") {
        return Check::good(Id::NodeCri, subject, shown.join(", "));
    }
    Check::bad(Id::NodeCri, subject, shown.join(", "))
        .because("its configuration was refused; containerd's log says why")
        .fixed_by(format!("`hythe attach {}`", cluster.name))
        .repaired_by(Repair::Attach { cluster: cluster.to_string() })
}

/// Whether containerd was started after its configuration was written.
pub(super) async fn restarted(engine: &Engine, survey: &Survey) -> Result<Check, EngineError> {
    let node = survey.node.as_str();
    let subject = format!("node {node}");
    if survey.runtime == Runtime::K3s {
        return Ok(Check::good(Id::NodeRestarted, &subject, "k3s writes it at its start"));
    }
    // Both by one command: a busy machine may take seconds from one to the next.
    let times = ["sh", "-c", "date +%s && ps -o etimes= -C containerd"];
    let times = engine.exec(node, &times).await?.stdout;
    let (now, running) = times.split_once('\n').unwrap_or_default();
    let mut command = vec!["stat", "-c", "%Z", "--"];
    command.extend(survey.configs.iter().map(|file| file.path.as_str()));
    let changed = engine.exec(node, &command).await?;
    Ok(judge_restarted(node, running, now, &changed.stdout))
}

fn judge_restarted(node: &str, running: &str, now: &str, changed: &str) -> Check {
    let subject = format!("node {node}");
    let numbers =
        |text: &str| text.split_whitespace().filter_map(|word| word.parse::<i64>().ok()).collect::<Vec<_>>();
    let figures = (
        numbers(running).into_iter().max(),
        numbers(now).first().copied(),
        numbers(changed).into_iter().max(),
    );
    let (Some(running), Some(now), Some(changed)) = figures else {
        return Check::unknown(Id::NodeRestarted, &subject, "it does not say when containerd was started");
    };
    let late = changed - (now - running);
    // Both are whole seconds, and a start takes a moment.
    if late <= 2 {
        return Check::good(Id::NodeRestarted, &subject, format!("it has run for {running} s"));
    }
    Check::bad(
        Id::NodeRestarted,
        &subject,
        format!("its configuration was changed {late} s after containerd's start"),
    )
    .because("containerd reads it only when it starts")
    .fixed_by(format!("docker exec {node} systemctl restart containerd"))
    .repaired_by(Repair::Restart { node: node.to_owned() })
}

/// Whether each mirror that a file names answers: one that does not costs time at each request.
pub(super) async fn mirrors(engine: &Engine, survey: &Survey, endpoint: &str) -> Vec<Check> {
    let subject = format!("node {}", survey.node);
    let mirrors = named(survey, endpoint);
    let knows = survey.version.is_some_and(crate::containerd::Version::knows_dial_timeout);
    let asked = mirrors.iter().map(|mirror| async {
        let url = format!("{}/v2/", mirror.url.trim_end_matches('/'));
        judge_mirror(
            &subject,
            mirror,
            knows,
            &inside::ask(engine, &survey.node, "GET", &url, "*/*", false).await,
        )
    });
    let mut checks = futures_util::future::join_all(asked).await;
    if checks.is_empty() {
        checks.push(Check::good(Id::NodeMirrors, &subject, "none but this registry"));
    }
    checks
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mirror {
    url: String,
    path: String,
    has_timeout: bool,
}

/// The mirrors that files name beside the registry itself.
fn named(survey: &Survey, endpoint: &str) -> BTreeSet<Mirror> {
    let Some(version) = survey.version else { return BTreeSet::new() };
    let mut mirrors = BTreeSet::new();
    for root in files::roots(survey) {
        for directory in &root.directories {
            // Where hythe's own files lead is looked at as the registry, and no mirror of somebody's.
            let text = directory.text().filter(|text| written_by(text).is_none());
            let parsed = text.and_then(|text| HostsFile::parse(text, version).ok());
            for host in parsed.into_iter().flat_map(|file| file.hosts) {
                let url = if host.url.contains("://") { host.url } else { format!("https://{}", host.url) };
                if url.trim_end_matches('/') != endpoint {
                    let path = format!("{}/{}/hosts.toml", root.path, directory.name);
                    mirrors.insert(Mirror { url, path, has_timeout: host.dial_timeout.is_some() });
                }
            }
        }
    }
    mirrors
}

fn judge_mirror(
    subject: &str,
    mirror: &Mirror,
    knows_timeout: bool,
    answer: &Result<Answer, Silence>,
) -> Check {
    let Mirror { url, path, has_timeout } = mirror;
    let dead = |silence: &Silence, cause: String| {
        Check::bad(Id::NodeMirrors, subject, format!("{url} of {path}: {silence}"))
            .because(cause)
            .fixed_by(format!("take {url} out of {path}"))
    };
    match answer {
        Ok(answer) => Check::good(Id::NodeMirrors, subject, format!("{url}: {}", answer.status)),
        Err(silence @ Silence::TimedOut) => {
            let cost = match (has_timeout, knows_timeout) {
                (true, true) => "its dial_timeout",
                (false, true) => "30 seconds, as it has no dial_timeout",
                (_, false) => "30 seconds, as this containerd knows no dial_timeout",
            };
            dead(silence, format!("each request for what it mirrors waits {cost}"))
        }
        Err(silence @ (Silence::Refused | Silence::NoSuchName | Silence::NoRoute)) => {
            dead(silence, "it is gone; what it mirrors is asked of the next host".to_owned())
        }
        Err(silence @ (Silence::Failed(_) | Silence::NoTool)) => {
            Check::unknown(Id::NodeMirrors, subject, format!("{url}: {silence}"))
        }
    }
}

/// What containerd complained of since its last start.
pub(super) async fn log(engine: &Engine, survey: &Survey, cluster: &Cluster) -> Result<Check, EngineError> {
    const K3S_LOG: &str = "/var/lib/rancher/k3s/agent/containerd/containerd.log";
    let command: &[&str] = match survey.runtime {
        Runtime::K3s => &["tail", "-n", "2000", K3S_LOG],
        _ => &["journalctl", "-u", "containerd", "-n", "2000", "--no-pager"],
    };
    let output = engine.exec(&survey.node, command).await?;
    Ok(judge_log(&format!("node {}", survey.node), &output, cluster))
}

fn judge_log(subject: &str, output: &Output, cluster: &Cluster) -> Check {
    if inside::is_missing(output) || output.code != 0 {
        return Check::unknown(Id::NodeLog, subject, "its log cannot be read");
    }
    let lines: Vec<&str> = output.stdout.lines().collect();
    let start = lines.iter().rposition(|line| line.contains("starting containerd")).unwrap_or_default();
    let refused = ["cannot be set when `config_path`", "failed to load plugin io.containerd.grpc.v1.cri"];
    let dropped = ["failed to decode hosts.toml", "invalid `host` tree"];
    let find = |parts: &[&str]| {
        lines[start..].iter().rfind(|line| parts.iter().any(|part| line.contains(part))).copied()
    };
    let cause = |line: &str| explain(line).map_or("its configuration was refused", |symptom| symptom.cause);
    if let Some(line) = find(&refused) {
        let check = Check::bad(Id::NodeLog, subject, line).because(cause(line));
        return check.fixed_by(format!("`hythe attach {}`", cluster.name));
    }
    // What it complained of may be mended since; the files themselves are looked at too.
    match find(&dropped) {
        Some(line) => Check::unknown(Id::NodeLog, subject, line)
            .because("it dropped a hosts.toml, which may be right by now"),
        None => Check::good(Id::NodeLog, subject, format!("{} lines since its start", lines.len() - start)),
    }
}

/// The registry's name and port in clusters' networks.
pub(super) fn inner(wiring: &Wiring) -> String {
    format!("{}:{}", wiring.registry.name, wiring.registry.inner_port())
}

#[cfg(test)]
mod tests;

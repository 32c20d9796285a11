//! Checks made inside a node: whether the node finds the registry, and what its containerd reports.

use std::collections::BTreeSet;

use super::standing::Standing;
use super::{Check, Id, Repair, explain, files};
use crate::attach::{Survey, Wiring};
use crate::hosts::{HostsFile, written_by};
use crate::http::{Answer, Silence, inside};
use crate::runtime::Runtime;
use crate::topology::Cluster;
use hythe_engine::{Engine, EngineError, Output};

/// Looks a name up in a node, and prints the lines of the node's hosts file that have the name to standard error.
const LOOK_UP: &str = r#"timeout 5 getent hosts "$1"; code=$?; grep -wF -- "$1" /etc/hosts >&2; exit $code"#;

/// Whether the node resolves the registry's name to the registry's address.
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
        return Check::unknown(Id::NodeName, &subject, "the node has no getent");
    }
    let Some(line) = output.stdout.lines().next().map(str::trim).filter(|_| output.code == 0) else {
        // The engine's DNS server forwards names that it does not know, and the next DNS server may not answer.
        let said = if output.code == 124 { "no answer" } else { "no such host" };
        let check = Check::bad(Id::NodeName, &subject, format!("getent hosts {name}: {said}"));
        return match standing.absence() {
            Some(absence) if standing.runs => {
                check.because(absence).fixed_by(format!("`hythe attach {}`", cluster.name))
            }
            Some(absence) => check.because(absence).fixed_by("`hythe up`"),
            None => check
                .because("the registry is on this node's network, but the node's DNS does not know its name")
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
    let evidence =
        format!("{name} is {address} in the node; the registry is at {}", standing.addresses.join(", "));
    match output.stderr.lines().map(str::trim).find(|line| line.starts_with(address)) {
        Some(written) => Check::bad(Id::NodeName, &subject, format!("{evidence}\n/etc/hosts: {written}"))
            .because("the node's hosts file gives the registry's name another address")
            .fixed_by(format!("remove that line: docker exec -it {node} vi /etc/hosts")),
        None => Check::bad(Id::NodeName, &subject, evidence)
            .because(
                "the node's DNS gives the name another address: another container or host has the same name",
            )
            .fixed_by(format!(
                "look for the other one with docker network inspect {}",
                cluster.networks().first().map_or("kind", String::as_str)
            )),
    }
}

/// Whether the node reaches the registry without a proxy at the URL to which its files should lead.
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
                .because("another server answers at this address, or the registry requires a login")
                .fixed_by("`hythe doctor` checks the name's address in the node; `hythe logs --tail 50`");
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
            .because("the registry is on this node's network, but the node's DNS does not know its name")
            .fixed_by(format!("`hythe attach {}`", cluster.name)),
        Silence::Refused => check
            .because("the registry runs on this node's network, but nothing listens at this address")
            .fixed_by("`hythe logs --tail 50`; compare the address with the registry's in docker inspect"),
        Silence::TimedOut | Silence::NoRoute => check
            .because("the registry runs on this node's network, but no packet comes back from this address")
            .fixed_by("look for rules that drop packets: sudo iptables -L -n; sudo nft list ruleset"),
        Silence::Failed(_) | Silence::NoTool => check
            .because("the server at this address does not speak HTTP, or breaks the connection off")
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
        return Check::unknown(Id::NodeCri, subject, "the node has no ctr");
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
            .because("disabled_plugins in containerd's configuration names the CRI plugin")
            .fixed_by(
                "remove cri from disabled_plugins in /etc/containerd/config.toml, and restart containerd",
            );
    }
    if plugins.iter().all(|(_, state)| state == "ok") {
        return Check::good(Id::NodeCri, subject, shown.join(", "));
    }
    Check::bad(Id::NodeCri, subject, shown.join(", "))
        .because("the CRI plugin refused its configuration; containerd's log says why")
        .fixed_by(format!("`hythe attach {}`", cluster.name))
        .repaired_by(Repair::Attach { cluster: cluster.to_string() })
}

/// Whether containerd was started after its configuration was written.
pub(super) async fn restarted(engine: &Engine, survey: &Survey) -> Result<Check, EngineError> {
    let node = survey.node.as_str();
    let subject = format!("node {node}");
    if survey.runtime == Runtime::K3s {
        return Ok(Check::good(Id::NodeRestarted, &subject, "k3s writes the configuration when it starts"));
    }
    // One command gives both times: a busy machine may take seconds between two commands.
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
        return Check::unknown(
            Id::NodeRestarted,
            &subject,
            "the node does not tell when containerd was started",
        );
    };
    let late = changed - (now - running);
    // Both times are whole seconds, and a start takes a moment.
    if late <= 2 {
        return Check::good(Id::NodeRestarted, &subject, format!("containerd has run for {running} s"));
    }
    Check::bad(
        Id::NodeRestarted,
        &subject,
        format!("the configuration was changed {late} s after containerd's start"),
    )
    .because("containerd reads its configuration only when it starts")
    .fixed_by(format!("docker exec {node} systemctl restart containerd"))
    .repaired_by(Repair::Restart { node: node.to_owned() })
}

/// Whether each mirror in the files answers. A mirror that does not costs time at each request.
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
        checks.push(Check::good(Id::NodeMirrors, &subject, "no mirror besides this registry"));
    }
    checks
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Mirror {
    url: String,
    path: String,
    has_timeout: bool,
}

/// The mirrors that the files name besides the registry itself.
fn named(survey: &Survey, endpoint: &str) -> BTreeSet<Mirror> {
    let Some(version) = survey.version else { return BTreeSet::new() };
    let mut mirrors = BTreeSet::new();
    for root in files::roots(survey) {
        for directory in &root.directories {
            // hythe's own files lead to the registry, which other checks look at.
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
            .fixed_by(format!("remove {url} from {path}"))
    };
    match answer {
        Ok(answer) => Check::good(Id::NodeMirrors, subject, format!("{url}: {}", answer.status)),
        Err(silence @ Silence::TimedOut) => {
            let cost = match (has_timeout, knows_timeout) {
                (true, true) => "its dial_timeout",
                (false, true) => "30 seconds, as it has no dial_timeout",
                (_, false) => "30 seconds, as this version of containerd does not support dial_timeout",
            };
            dead(
                silence,
                format!(
                    "the mirror does not answer; each request for an image that it mirrors waits for {cost}"
                ),
            )
        }
        Err(silence @ (Silence::Refused | Silence::NoSuchName | Silence::NoRoute)) => {
            dead(silence, "the mirror no longer exists; containerd asks the next host instead".to_owned())
        }
        Err(silence @ (Silence::Failed(_) | Silence::NoTool)) => {
            Check::unknown(Id::NodeMirrors, subject, format!("{url}: {silence}"))
        }
    }
}

/// The errors about its configuration that containerd has logged since its last start.
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
        return Check::unknown(Id::NodeLog, subject, "containerd's log cannot be read");
    }
    let lines: Vec<&str> = output.stdout.lines().collect();
    let start = lines.iter().rposition(|line| line.contains("starting containerd")).unwrap_or_default();
    let refused = ["cannot be set when `config_path`", "failed to load plugin io.containerd.grpc.v1.cri"];
    let dropped = ["failed to decode hosts.toml", "invalid `host` tree"];
    let find = |parts: &[&str]| {
        lines[start..].iter().rfind(|line| parts.iter().any(|part| line.contains(part))).copied()
    };
    let cause = |line: &str| {
        explain(line).map_or("the CRI plugin refused containerd's configuration", |symptom| symptom.cause)
    };
    if let Some(line) = find(&refused) {
        let check = Check::bad(Id::NodeLog, subject, line).because(cause(line));
        return check.fixed_by(format!("`hythe attach {}`", cluster.name));
    }
    // The file may have been repaired since; other checks read the files themselves.
    match find(&dropped) {
        Some(line) => Check::unknown(Id::NodeLog, subject, line)
            .saying("containerd logged a configuration error, which may be repaired by now")
            .because("containerd ignored a hosts.toml file; the check node.hosts says whether the files are right now"),
        None => Check::good(
            Id::NodeLog,
            subject,
            format!("{} lines since containerd's start", lines.len() - start),
        ),
    }
}

/// The registry's name and port in clusters' networks.
pub(super) fn inner(wiring: &Wiring) -> String {
    format!("{}:{}", wiring.registry.name, wiring.registry.inner_port())
}

#[cfg(test)]
mod tests;

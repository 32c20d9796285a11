//! Checks of a node's files, without any request: a file is right if `hythe attach` would write the same.

use super::{Check, Id, Repair};
use crate::attach::{Plan, Survey, Wiring, refusal};
use crate::containerd::Reads;
use crate::hosts::{HostsFile, Judgement, Root, judge, lookup};
use crate::runtime::Runtime;
use crate::topology::Cluster;

/// The checks of a node's files.
pub(super) fn checks(survey: &Survey, cluster: &Cluster, wiring: &Wiring, endpoint: &str) -> Vec<Check> {
    let subject = format!("node {}", survey.node);
    if let Some(refusal) = refusal(survey.runtime) {
        let fix = match survey.runtime {
            Runtime::CriO => "add the mirror, or recreate the cluster with containerd".to_owned(),
            Runtime::Docker | Runtime::Containerd | Runtime::K3s | Runtime::None => {
                format!("recreate the cluster with containerd, then `hythe attach {}`", cluster.name)
            }
        };
        let evidence = format!("the node's container runtime: {}", survey.runtime);
        return vec![Check::bad(Id::NodeRuntime, &subject, evidence).because(refusal).fixed_by(fix)];
    }
    let shown = match (survey.runtime, survey.version) {
        (Runtime::Containerd, Some(version)) => format!("containerd {version}"),
        (runtime, _) => runtime.to_string(),
    };
    let mut checks = vec![Check::good(Id::NodeRuntime, &subject, shown)];
    let attach = Repair::Attach { cluster: cluster.to_string() };
    let by_hand = format!("`hythe attach {}`", cluster.name);
    match Plan::of(survey, wiring, endpoint) {
        Ok(plan) => {
            let repaired = |check: Check| check.fixed_by(by_hand.clone()).repaired_by(attach.clone());
            checks.push(config_path(&subject, survey, !plan.configs.is_empty(), repaired));
            checks.extend(hosts(&subject, survey, &plan, wiring, repaired));
            checks.extend(plan.left.iter().map(|left| {
                Check::unknown(Id::NodeForeign, &subject, left.clone())
                    .because("hythe did not write this file, so it does not replace the file unless told to")
                    .fixed_by(format!("`hythe attach {} --force`", cluster.name))
            }));
        }
        Err(why) => {
            checks.push(
                Check::bad(Id::NodeConfigPath, &subject, why)
                    .because("hythe cannot read containerd's configuration in this node")
                    .fixed_by(format!(
                        "docker exec {} containerd config dump; correct what it reports in /etc/containerd/config.toml",
                        survey.node
                    )),
            );
        }
    }
    checks.extend(shadows(&subject, survey));
    checks.push(proxy(&subject, survey, wiring, endpoint));
    checks
}

fn config_path(
    subject: &str,
    survey: &Survey,
    changes: bool,
    repaired: impl FnOnce(Check) -> Check,
) -> Check {
    let reads =
        survey.settings().zip(survey.version).map(|(settings, version)| (settings.reads(version), version));
    if !changes {
        let roots: Vec<String> = roots(survey).into_iter().map(|root| root.path).collect();
        return Check::good(Id::NodeConfigPath, subject, roots.join(", "));
    }
    let (evidence, cause) = match (reads, &survey.dump) {
        (_, Err(error)) => (
            format!("containerd config dump: {error}"),
            "containerd does not take its own configuration".to_owned(),
        ),
        (Some((Reads::Nothing, version)), _) => (
            "config_path = \"\"".to_owned(),
            format!("containerd {version} reads no hosts.toml files unless config_path names their folder"),
        ),
        (Some((Reads::Misread(roots), version)), _) => (
            format!("config_path = \"{}\"", roots.join(":")),
            format!(
                "the transfer service of containerd {version} takes the whole value for the path of one folder"
            ),
        ),
        (Some((Reads::Refused(key), version)), _) => (
            format!("its configuration has {key} beside a config_path"),
            format!("containerd {version} does not serve Kubernetes if its configuration has both"),
        ),
        (Some((Reads::From(roots), _)), _) => (
            format!("config_path = \"{}\"", roots.join(":")),
            "a file that containerd's configuration imports sets another config_path".to_owned(),
        ),
        (None, Ok(_)) => (
            "hythe does not understand containerd's configuration".to_owned(),
            "containerd config dump prints a configuration in an unknown format".to_owned(),
        ),
    };
    repaired(Check::bad(Id::NodeConfigPath, subject, evidence).because(cause))
}

/// A check for each file that is wrong, one check for all missing files, and one check if every file is right.
fn hosts(
    subject: &str,
    survey: &Survey,
    plan: &Plan,
    wiring: &Wiring,
    repaired: impl Fn(Check) -> Check,
) -> Vec<Check> {
    let bad = |evidence: String, cause: String| {
        repaired(Check::bad(Id::NodeHosts, subject, evidence).because(cause))
    };
    let mut checks = Vec::new();
    let mut absent = Vec::new();
    for write in &plan.hosts {
        let path = &write.file.path;
        let judged = write.before.as_deref().zip(survey.version);
        let (evidence, cause) = match judged.map(|(text, version)| judge(text, &write.file.content, version))
        {
            None => {
                absent.push(path.as_str());
                continue;
            }
            Some(Judgement::Broken(fault)) => (
                format!("{path}: {fault}"),
                "containerd ignores the whole file, and reports it only in its log".to_owned(),
            ),
            Some(Judgement::Theirs(file)) => (format!("{path} names {}", named(&file)), wrong(&file, wiring)),
            Some(Judgement::Differs { registry }) if registry != wiring.registry.name => (
                format!("{path} is for the registry {registry}"),
                "the cluster was attached to another registry".to_owned(),
            ),
            Some(Judgement::Differs { .. } | Judgement::Same) => (
                format!(
                    "{path}: {}",
                    difference(write.before.as_deref().unwrap_or_default(), &write.file.content)
                ),
                "the file was written for other settings, or changed by hand".to_owned(),
            ),
        };
        checks.push(bad(evidence, cause));
    }
    if !absent.is_empty() {
        let evidence = format!("not there: {}", absent.join("\nnot there: "));
        checks
            .push(bad(evidence, "the files were never written, or the node was recreated since".to_owned()));
    }
    checks.extend(plan.obsolete.iter().map(|path| {
        bad(
            format!("hythe wrote {path}, and no longer needs it"),
            "the registry no longer has that name, or its settings no longer allow that upstream".to_owned(),
        )
    }));
    if checks.is_empty() {
        checks.push(Check::good(Id::NodeHosts, subject, format!("{} files", plan.same)));
    }
    checks
}

fn named(file: &HostsFile) -> String {
    let urls = file.hosts.iter().chain([&file.server]).map(|host| host.url.as_str());
    urls.filter(|url| !url.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Describes the fault of a `hosts.toml` file that another tool wrote for one of the registry's names.
fn wrong(file: &HostsFile, wiring: &Wiring) -> String {
    let outer = format!("{}:{}", wiring.registry.name, wiring.registry.port);
    let inner = wiring.registry.inner_names();
    let urls = || file.hosts.iter().chain([&file.server]).map(|host| host.url.as_str());
    if !inner.contains(&outer) && urls().any(|url| url.split("://").last() == Some(&outer)) {
        return format!(
            "{} is the registry's port on this machine; in the cluster's network its port is 5000",
            wiring.registry.port
        );
    }
    if urls().any(|url| url.contains("://172.17.")) {
        return "the cluster's nodes cannot reach an address of the engine's default network".to_owned();
    }
    "the file leads to another host than this registry".to_owned()
}

/// The first line that differs between two texts.
fn difference(before: &str, wanted: &str) -> String {
    let absent = "nothing";
    let (mut one, mut other) = (before.lines(), wanted.lines());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return "line ends differ".to_owned(),
            (before, wanted) if before != wanted => {
                return format!(
                    "the file has `{}` instead of `{}`",
                    before.unwrap_or(absent),
                    wanted.unwrap_or(absent)
                );
            }
            _ => {}
        }
    }
}

/// The folders of `hosts.toml` files that containerd reads, in its order, with their content.
pub(super) fn roots(survey: &Survey) -> Vec<Root> {
    let paths = match (survey.runtime, survey.settings().zip(survey.version)) {
        (Runtime::K3s, _) => vec![Survey::k3s_root().to_owned()],
        (_, Some((settings, version))) => match settings.reads(version) {
            Reads::From(roots) => roots,
            Reads::Nothing | Reads::Misread(_) | Reads::Refused(_) => Vec::new(),
        },
        (_, None) => Vec::new(),
    };
    paths.iter().filter_map(|path| survey.roots.get(path).cloned()).collect()
}

/// A check for each directory without a hosts.toml file: containerd does not use `_default` for such a registry.
fn shadows(subject: &str, survey: &Survey) -> Vec<Check> {
    let roots = roots(survey);
    let mut names: Vec<&str> =
        roots.iter().flat_map(|root| &root.directories).map(|directory| directory.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let hidden = names.into_iter().filter_map(|name| {
        let found = lookup(name, &roots).filter(|found| found.directory.name == name)?;
        let (root, directory) = found.hidden?;
        let path = format!("{}/{name}", found.root.path);
        let check =
            Check::bad(Id::NodeShadow, subject, format!("{path} has no hosts.toml")).because(format!(
                "the directory hides {}/{}, so containerd never asks that mirror for {name}",
                root.path, directory.name
            ));
        Some(check.fixed_by(format!("docker exec {} rmdir {path}", survey.node)))
    });
    let mut checks: Vec<Check> = hidden.collect();
    if checks.is_empty() {
        checks.push(Check::good(Id::NodeShadow, subject, "none"));
    }
    checks
}

fn proxy(subject: &str, survey: &Survey, wiring: &Wiring, endpoint: &str) -> Check {
    let name = &wiring.registry.name;
    if !survey.sends_to_proxy(name) {
        return Check::good(
            Id::NodeProxy,
            subject,
            "no proxy is set, or NO_PROXY excepts the registry's name",
        );
    }
    let value = |name: &str| {
        let value = survey.environment.get(name).or_else(|| survey.environment.get(&name.to_lowercase()));
        value.cloned().unwrap_or_default()
    };
    let evidence = format!("HTTP_PROXY={}, NO_PROXY={}", value("HTTP_PROXY"), value("NO_PROXY"));
    let host = endpoint.split("://").last().unwrap_or_default();
    let address = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if excepts(&value("NO_PROXY"), address) {
        return Check::good(
            Id::NodeProxy,
            subject,
            format!("NO_PROXY excepts {address}, the address in the hosts.toml files"),
        );
    }
    Check::bad(Id::NodeProxy, subject, evidence)
        .because(format!("the node sends requests for {name} to its proxy, which does not know that name"))
        .fixed_by(format!("recreate the cluster with NO_PROXY={name},$NO_PROXY in the environment"))
}

/// Whether `NO_PROXY` contains an address or a network of the address, by Go's rules.
fn excepts(exceptions: &str, address: &str) -> bool {
    exceptions.split(',').map(str::trim).any(|exception| {
        if exception == address || exception == "*" {
            return true;
        }
        let Some((network, length)) = exception.split_once('/') else { return false };
        let bits = |text: &str| text.parse::<std::net::Ipv4Addr>().ok().map(u32::from);
        let (Some(network), Some(address), Ok(length @ 0..=32)) =
            (bits(network), bits(address), length.parse::<u32>())
        else {
            return false;
        };
        let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        network & mask == address & mask
    })
}

#[cfg(test)]
mod tests;

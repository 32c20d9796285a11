use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::containerd::Version;
use crate::doctor::Verdict;
use crate::hosts::{Author, Directory, Endpoint};
use crate::sample::{cluster, settings};
use hythe_engine::File;

const ENDPOINT: &str = "http://kind-registry:5000";
const ROOT: &str = "/etc/containerd/certs.d";
const READS: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";

fn wiring() -> Wiring {
    Wiring {
        registry: settings(5050),
        process: None,
        upstreams: vec!["docker.io".parse().unwrap()],
        force: false,
        takes_over: false,
        dry_run: false,
        kubeconfig: Vec::new(),
    }
}

fn survey(version: Version, config: &str, files: &[(&str, &str)]) -> Survey {
    let directories = files.iter().map(|(name, text)| Directory {
        name: (*name).to_owned(),
        hosts_toml: Some((*text).to_owned()).filter(|text| text != "-"),
    });
    let root = Root { path: ROOT.to_owned(), directories: directories.collect() };
    Survey {
        node: "w".to_owned(),
        runtime: Runtime::Containerd,
        version: Some(version),
        configs: vec![File { path: "/etc/containerd/config.toml".to_owned(), content: config.to_owned() }],
        dump: Ok(config.to_owned()),
        roots: BTreeMap::from([(ROOT.to_owned(), root)]),
        restart_due: false,
        environment: BTreeMap::new(),
        gone: BTreeSet::new(),
    }
}

/// Every file with its right content.
fn files() -> Vec<(&'static str, String)> {
    let endpoint: Endpoint = ENDPOINT.parse().unwrap();
    let own = HostsFile::own(&endpoint).render(Author::Hythe("kind-registry"));
    let hub =
        HostsFile::mirror(&"docker.io".parse().unwrap(), &endpoint).render(Author::Hythe("kind-registry"));
    vec![
        ("localhost:5050", own.clone()),
        ("kind-registry:5000", own.clone()),
        ("kind-registry:5001", own),
        ("docker.io", hub),
    ]
}

/// The bad checks of a node whose files are right except for these changes.
fn bad(version: Version, config: &str, changes: &[(&str, &str)]) -> Vec<Check> {
    let right = files();
    let is_other = |name: &str| changes.iter().any(|(other, _)| *other == name);
    let mut all: Vec<(&str, &str)> =
        right.iter().filter(|(name, _)| !is_other(name)).map(|(name, text)| (*name, text.as_str())).collect();
    all.extend(changes.iter().filter(|(_, text)| *text != "absent"));
    let checks = checks(&survey(version, config, &all), &cluster(), &wiring(), ENDPOINT);
    checks.into_iter().filter(|check| check.verdict == Verdict::Bad).collect()
}

#[test]
fn a_node_after_attach_has_no_bad_check() {
    assert_eq!(bad(Version::new(1, 7, 13), READS, &[]), []);
}

#[test]
fn a_configuration_whose_files_this_version_does_not_read_is_bad() {
    let two = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d:/etc/docker/certs.d\"\n";
    let mirrors = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"localhost:5050\"]\nendpoint = [\"http://kind-registry:5000\"]\n";
    for (version, config, seen) in [
        (Version::new(2, 1, 0), "version = 2\n", "config_path = \"\""),
        (Version::new(2, 1, 0), two, "certs.d:/etc/docker"),
        (Version::new(2, 2, 0), mirrors, "registry.mirrors"),
    ] {
        let found = bad(version, config, &[]);
        let check = found.iter().find(|check| check.id == Id::NodeConfigPath).unwrap();
        assert!(check.evidence.contains(seen), "{check}");
        assert_eq!(check.repair, Some(Repair::Attach { cluster: "kind cluster dev".to_owned() }));
    }
}

#[test]
fn the_check_of_a_wrong_file_says_what_is_wrong_with_it() {
    for (text, seen) in [
        ("absent", "not there: /etc/containerd/certs.d/localhost:5050/hosts.toml"),
        ("[host.\"http://kind-registry:5050\"]\n", "5050 is the registry's port on this machine"),
        ("[host.\"http://172.17.0.2:5000\"]\n", "default network"),
        ("[host.\"http://other:5000\"]\n", "leads to another host"),
        ("server = \"http://kind-registry:5000\"\n", "invalid `host` tree"),
        ("[host", "not TOML"),
    ] {
        let found = bad(Version::new(1, 7, 13), READS, &[("localhost:5050", text)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].id == Id::NodeHosts && found[0].to_string().contains(seen), "{}", found[0]);
    }
}

#[test]
fn the_check_of_a_changed_file_of_hythes_shows_the_line() {
    let changed = files()[0].1.replace("kind-registry:5000", "elsewhere:5000");
    let found = bad(Version::new(1, 7, 13), READS, &[("localhost:5050", &changed)]);
    assert!(found[0].evidence.contains("`server = \"http://elsewhere:5000\"` instead of"), "{}", found[0]);
}

#[test]
fn a_directory_without_a_file_hides_the_default() {
    let changes = [("quay.io", "-"), ("_default", "[host.\"http://m:5000\"]\n")];
    let found = bad(Version::new(2, 3, 0), READS, &changes);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].id, Id::NodeShadow);
    assert!(found[0].to_string().contains("rmdir /etc/containerd/certs.d/quay.io"), "{}", found[0]);
}

#[test]
fn a_file_of_others_for_an_upstream_is_reported_and_not_bad() {
    let text = "[host.\"http://mirror:5000\"]\n";
    let all: Vec<(&str, String)> = files()
        .into_iter()
        .filter(|(name, _)| *name != "docker.io")
        .chain([("docker.io", text.to_owned())])
        .collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let checks = checks(&survey(Version::new(2, 3, 0), READS, &all), &cluster(), &wiring(), ENDPOINT);
    let foreign: Vec<&Check> = checks.iter().filter(|check| check.id == Id::NodeForeign).collect();
    assert_eq!((foreign.len(), foreign[0].verdict), (1, Verdict::Unknown));
    assert!(foreign[0].fix.as_deref() == Some("`hythe attach dev --force`"), "{}", foreign[0]);
}

#[test]
fn a_proxy_is_bad_unless_the_endpoints_host_is_excepted() {
    let mut node = survey(Version::new(2, 3, 0), READS, &[]);
    node.environment.insert("HTTP_PROXY".to_owned(), "http://proxy:3128".to_owned());
    node.environment.insert("NO_PROXY".to_owned(), "172.18.0.0/16,w".to_owned());
    let verdict = |endpoint: &str| proxy("node w", &node, &wiring(), endpoint).verdict;
    assert_eq!(verdict("http://172.18.0.9:5000"), Verdict::Good);
    assert_eq!(verdict("http://172.19.0.9:5000"), Verdict::Bad);
    assert_eq!(verdict(ENDPOINT), Verdict::Bad);
}

#[test]
fn a_runtime_that_reads_no_hosts_toml_files_is_checked_no_further() {
    let mut node = survey(Version::new(2, 3, 0), READS, &[]);
    for (runtime, shown) in [(Runtime::Docker, "Docker"), (Runtime::CriO, "CRI-O"), (Runtime::None, "none")] {
        node.runtime = runtime;
        let checks = checks(&node, &cluster(), &wiring(), ENDPOINT);
        assert_eq!((checks.len(), checks[0].id, checks[0].verdict), (1, Id::NodeRuntime, Verdict::Bad));
        assert!(checks[0].evidence.ends_with(shown) || runtime == Runtime::None, "{}", checks[0]);
        assert!(checks[0].cause.is_some() && checks[0].fix.is_some(), "{}", checks[0]);
    }
}

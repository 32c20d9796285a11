use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::attach::survey::CONFIG;
use crate::hosts::Directory;
use crate::registry::RegistrySettings;
use crate::sample::settings;

const ENDPOINT: &str = "http://kind-registry:5000";
const ROOT: &str = "/etc/containerd/certs.d";

fn wiring() -> Wiring {
    Wiring {
        registry: RegistrySettings { aliases: vec!["registry.local".to_owned()], ..settings(5001) },
        process: None,
        upstreams: vec!["docker.io".parse().unwrap(), "ghcr.io".parse().unwrap()],
        force: false,
        takes_over: false,
        dry_run: false,
        kubeconfig: Vec::new(),
    }
}

/// A node whose containerd has this configuration, and these `hosts.toml` files.
fn survey(version: Version, config: &str, files: &[(&str, &str)]) -> Survey {
    let directories = files
        .iter()
        .map(|(name, text)| Directory { name: (*name).to_owned(), hosts_toml: Some((*text).to_owned()) });
    let root = Root { path: ROOT.to_owned(), directories: directories.collect() };
    Survey {
        node: "kind-worker".to_owned(),
        runtime: Runtime::Containerd,
        version: Some(version),
        configs: vec![File { path: CONFIG.to_owned(), content: config.to_owned() }],
        dump: Ok(config.to_owned()),
        roots: BTreeMap::from([(ROOT.to_owned(), root)]),
        restart_due: false,
        environment: BTreeMap::new(),
        gone: BTreeSet::new(),
    }
}

const READS: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";

fn paths(plan: &Plan) -> Vec<&str> {
    let names = plan.hosts.iter().map(|write| write.file.path.as_str());
    names.map(|path| path.strip_prefix("/etc/containerd/certs.d/").unwrap()).collect()
}

#[test]
fn a_fresh_node_gets_a_file_for_every_name_of_the_registry_and_every_upstream() {
    let plan = Plan::of(&survey(Version::new(1, 7, 13), "version = 2\n", &[]), &wiring(), ENDPOINT).unwrap();
    assert_eq!(
        paths(&plan),
        [
            "localhost:5001/hosts.toml",
            "kind-registry:5000/hosts.toml",
            "kind-registry:5001/hosts.toml",
            "registry.local:5000/hosts.toml",
            "registry.local:5001/hosts.toml",
            "docker.io/hosts.toml",
            "ghcr.io/hosts.toml",
        ]
    );
    assert_eq!(plan.configs.len(), 1);
    assert!(plan.configs[0].file.content.contains("config_path = \"/etc/containerd/certs.d\""));
    // From 2.2 on containerd reads the folder by default, and kind's own configuration rules out the transfer service.
    let config =
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndiscard_unpacked_layers = true\n";
    let plan = Plan::of(&survey(Version::new(2, 3, 1), config, &[]), &wiring(), ENDPOINT).unwrap();
    assert_eq!((plan.hosts.len(), plan.configs.len()), (7, 0));
}

#[test]
fn a_node_that_is_up_to_date_is_left_alone() {
    let version = Version::new(2, 1, 0);
    let first = Plan::of(&survey(version, READS, &[]), &wiring(), ENDPOINT).unwrap();
    assert!(first.configs.is_empty());
    let names = paths(&first).into_iter().map(|path| path.strip_suffix("/hosts.toml").unwrap());
    let contents = first.hosts.iter().map(|write| write.file.content.as_str());
    let files: Vec<(&str, &str)> = names.zip(contents).collect();
    let second = Plan::of(&survey(version, READS, &files), &wiring(), ENDPOINT).unwrap();
    assert!(second.is_empty() && second.left.is_empty(), "{second:?}");
    assert_eq!(second.same, 7);
}

#[test]
fn a_foreign_file_for_the_registrys_own_name_is_replaced_and_a_copy_kept() {
    let script = "[host.\"http://kind-registry:5000\"]\n";
    let plan =
        Plan::of(&survey(Version::new(2, 1, 0), READS, &[("localhost:5001", script)]), &wiring(), ENDPOINT)
            .unwrap();
    let write = plan.hosts.iter().find(|write| write.file.path.contains("localhost:5001")).unwrap();
    assert!(write.keep);
    assert_eq!(write.before.as_deref(), Some(script));
}

#[test]
fn a_foreign_mirror_of_an_upstream_is_replaced_only_with_force() {
    let theirs = "server = \"https://registry-1.docker.io\"\n[host.\"https://mirror.corp.example\"]\n";
    let found = survey(Version::new(2, 1, 0), READS, &[("docker.io", theirs)]);
    let plan = Plan::of(&found, &wiring(), ENDPOINT).unwrap();
    assert!(!paths(&plan).contains(&"docker.io/hosts.toml"));
    assert!(
        plan.left[0].contains("https://mirror.corp.example") && plan.left[0].contains("--force"),
        "{:?}",
        plan.left
    );
    let plan = Plan::of(&found, &Wiring { force: true, ..wiring() }, ENDPOINT).unwrap();
    assert!(plan.hosts.iter().any(|write| write.file.path.contains("docker.io") && write.keep));
}

#[test]
fn a_file_that_only_names_the_upstream_itself_is_no_mirror() {
    let minikube = "server = \"https://registry-1.docker.io\"\n";
    for version in [Version::new(1, 7, 13), Version::new(2, 1, 0)] {
        let found = survey(version, READS, &[("docker.io", minikube)]);
        let plan = Plan::of(&found, &wiring(), ENDPOINT).unwrap();
        let write = plan.hosts.iter().find(|write| write.file.path.contains("docker.io")).unwrap();
        assert!(write.keep, "{version:?}");
    }
}

#[test]
fn mirrors_in_containerds_configuration_become_files_and_stay_in_force() {
    let legacy = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"ghcr.io\"]\n\
                  endpoint = [\"https://mirror.corp.example\"]\n";
    let plan = Plan::of(&survey(Version::new(1, 7, 13), legacy, &[]), &wiring(), ENDPOINT).unwrap();
    let moved = plan.hosts.iter().find(|write| write.file.path.contains("ghcr.io")).unwrap();
    assert!(moved.file.content.contains("https://mirror.corp.example"));
    assert!(plan.left.iter().any(|left| left.contains("ghcr.io")), "{:?}", plan.left);
    assert!(!plan.configs[0].file.content.contains("mirrors"));
    assert!(plan.configs[0].keep);
}

#[test]
fn files_for_former_names_are_removed() {
    let old = HostsFile::own(&ENDPOINT.parse().unwrap()).render(Author::Hythe("kind-registry"));
    let other = HostsFile::own(&ENDPOINT.parse().unwrap()).render(Author::Hythe("another"));
    let found = survey(Version::new(2, 1, 0), READS, &[("localhost:5005", &old), ("localhost:5006", &other)]);
    let plan = Plan::of(&found, &wiring(), ENDPOINT).unwrap();
    assert_eq!(plan.obsolete, [format!("{ROOT}/localhost:5005")]);
}

/// A node that is wired to the registry `name`.
fn of_another(name: &str) -> Survey {
    let endpoint = format!("http://{name}:5000").parse().unwrap();
    let own = HostsFile::own(&endpoint).render(Author::Hythe(name));
    let mirror =
        |upstream: &str| HostsFile::mirror(&upstream.parse().unwrap(), &endpoint).render(Author::Hythe(name));
    let (hub, github) = (mirror("docker.io"), mirror("ghcr.io"));
    let files = [("localhost:5009", own.as_str()), ("docker.io", &hub), ("ghcr.io", &github)];
    survey(Version::new(2, 1, 0), READS, &files)
}

#[test]
fn files_for_a_registry_that_no_longer_exists_are_replaced_or_removed() {
    let mut found = of_another("former");
    found.gone.insert("former".to_owned());
    let plan = Plan::of(&found, &wiring(), ENDPOINT).unwrap();
    let replaced: Vec<&Write> = plan.hosts.iter().filter(|write| write.before.is_some()).collect();
    assert_eq!(replaced.len(), 2, "{plan:?}");
    assert!(
        replaced.iter().all(|write| !write.keep && write.file.content.contains(ENDPOINT)),
        "{replaced:?}"
    );
    assert_eq!(plan.obsolete, [format!("{ROOT}/localhost:5009")]);
    assert!(plan.left.is_empty(), "{:?}", plan.left);
}

#[test]
fn upstreams_that_are_pulled_through_another_existing_registry_are_reported_in_one_line() {
    let plan = Plan::of(&of_another("other"), &wiring(), ENDPOINT).unwrap();
    assert_eq!(
        plan.left,
        [
            "docker.io, ghcr.io: pulled through the registry other, which still exists; use --force to pull them through this one"
        ]
    );
    assert!(plan.hosts.iter().all(|write| write.before.is_none()) && plan.obsolete.is_empty());
    let plan = Plan::of(&of_another("other"), &Wiring { force: true, ..wiring() }, ENDPOINT).unwrap();
    assert_eq!(plan.hosts.iter().filter(|write| write.before.is_some()).count(), 2);
}

#[test]
fn a_node_that_cannot_be_wired_says_why() {
    let mut found = survey(Version::new(2, 1, 0), READS, &[]);
    found.runtime = Runtime::Docker;
    let refusal = Plan::of(&found, &wiring(), ENDPOINT).unwrap_err();
    assert!(refusal.contains("dockerd") && refusal.contains("--container-runtime=containerd"), "{refusal}");
    let broken = survey(Version::new(2, 1, 0), "version = 2\n[plugins\n", &[]);
    let refusal = Plan::of(&broken, &wiring(), ENDPOINT).unwrap_err();
    assert!(refusal.contains(CONFIG) && refusal.contains("line 2"), "{refusal}");
}

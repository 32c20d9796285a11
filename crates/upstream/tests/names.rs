//! Which upstream a name means, row by row.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::sync::Arc;

use hythe_oci::{Authority, RepositoryName};
use hythe_upstream::{Allowed, ConfigError, Resolved, Upstream};
use proptest::prelude::*;

fn authority(text: &str) -> Authority {
    text.parse().unwrap()
}

fn allowed() -> Allowed {
    let mut allowed = Allowed::shipped();
    let own = Upstream::new(authority("registry.example:5000"), vec!["http://10.0.0.1:5000".to_owned()]);
    allowed.add(own, &[authority("own")]).unwrap();
    allowed
}

/// `local NAME`, `UPSTREAM NAME`, or `no`.
fn resolve(namespace: Option<&str>, name: &str) -> String {
    match allowed().resolve(namespace, &name.parse().unwrap()) {
        Resolved::Local(name) => format!("local {}", name.as_str()),
        Resolved::Upstream(upstream, name) => format!("{} {}", upstream.name, name.as_str()),
        Resolved::NotAllowed => "no".to_owned(),
    }
}

#[test]
fn without_a_namespace_the_path_decides() {
    for (name, meant) in [
        ("app", "local app"),
        ("team/app", "local team/app"),
        ("unlisted.example/app", "local unlisted.example/app"),
        ("docker.io/redis", "docker.io library/redis"),
        ("docker.io/library/redis", "docker.io library/redis"),
        ("docker.io/bitnami/redis", "docker.io bitnami/redis"),
        ("index.docker.io/redis", "docker.io library/redis"),
        ("registry-1.docker.io/library/redis", "docker.io library/redis"),
        ("ghcr.io/owner/app", "ghcr.io owner/app"),
        ("quay.io/app", "quay.io app"),
        ("own/app", "registry.example:5000 app"),
        // A component has no colon: this is how a port is written there.
        ("registry.example__5000/app", "registry.example:5000 app"),
        // A host alone names no repository of it.
        ("docker.io", "local docker.io"),
        ("own", "local own"),
        // Not this upstream's port.
        ("registry.example/app", "local registry.example/app"),
    ] {
        assert_eq!(resolve(None, name), meant, "{name}");
    }
}

#[test]
fn a_namespace_decides_and_one_that_is_not_allowed_is_never_answered() {
    for (namespace, name, meant) in [
        ("docker.io", "redis", "docker.io library/redis"),
        ("docker.io", "library/redis", "docker.io library/redis"),
        ("DOCKER.IO", "library/redis", "docker.io library/redis"),
        ("docker.io:443", "library/redis", "docker.io library/redis"),
        ("registry-1.docker.io", "library/redis", "docker.io library/redis"),
        ("docker.io", "docker.io/library/redis", "docker.io library/redis"),
        ("docker.io", "index.docker.io/redis", "docker.io library/redis"),
        // Another registry's name within this one's: a path like any other.
        ("ghcr.io", "docker.io/library/redis", "ghcr.io docker.io/library/redis"),
        ("registry.example:5000", "team/app", "registry.example:5000 team/app"),
        ("own", "team/app", "registry.example:5000 team/app"),
        ("registry.example", "team/app", "no"),
        ("registry.example:5001", "team/app", "no"),
        ("unlisted.example", "foo/app", "no"),
        ("unlisted.example", "docker.io/library/redis", "no"),
        ("", "foo/app", "no"),
        ("docker.io/library", "redis", "no"),
        ("http://docker.io", "redis", "no"),
        ("user@docker.io", "redis", "no"),
        ("docker.io#", "redis", "no"),
        ("169.254.169.254", "latest/meta-data", "no"),
    ] {
        assert_eq!(resolve(Some(namespace), name), meant, "ns={namespace} {name}");
    }
}

#[test]
fn a_name_that_hub_could_not_have_is_not_asked_for() {
    let long = "a".repeat(250);
    assert_eq!(resolve(Some("docker.io"), &long), "no");
    assert_eq!(resolve(Some("quay.io"), &long), format!("quay.io {long}"));
}

#[test]
fn hub_is_asked_where_its_api_is() {
    let allowed = Allowed::shipped();
    assert_eq!(
        allowed.get(&authority("index.docker.io")).unwrap().endpoints,
        ["https://registry-1.docker.io"]
    );
    assert_eq!(allowed.get(&authority("ghcr.io")).unwrap().endpoints, ["https://ghcr.io"]);
}

#[test]
fn an_upstream_is_replaced_by_its_name_and_its_old_aliases_go() {
    let mut allowed = allowed();
    let again = Upstream::new(authority("registry.example:5000"), vec!["https://new.example".to_owned()]);
    allowed.add(again.clone(), &[authority("ours")]).unwrap();
    assert_eq!(allowed.get(&authority("ours")), Some(&Arc::new(again.clone())));
    assert_eq!(allowed.get(&authority("own")), None);
    // Hub keeps its names whatever it is asked through.
    let mirror = Upstream::new(authority("docker.io"), vec!["https://mirror.example".to_owned()]);
    allowed.add(mirror.clone(), &[]).unwrap();
    assert_eq!(allowed.get(&authority("registry-1.docker.io")), Some(&Arc::new(mirror.clone())));
}

#[test]
fn a_name_means_one_upstream_and_a_refused_one_changes_nothing() {
    let mut allowed = allowed();
    let other = Upstream::at_home(authority("other.example"));
    for taken in ["own", "ghcr.io", "index.docker.io"] {
        let refused = allowed.add(other.clone(), &[authority("fine"), authority(taken)]);
        assert!(matches!(refused, Err(ConfigError::Taken { .. })), "{taken}: {refused:?}");
        assert_eq!(allowed.get(&authority("fine")), None);
    }
}

#[test]
fn a_removed_upstream_is_gone_with_its_aliases_and_the_others_stay() {
    let mut allowed = allowed();
    assert!(allowed.remove(&authority("index.docker.io")));
    assert!(!allowed.remove(&authority("docker.io")));
    assert_eq!(allowed.get(&authority("registry-1.docker.io")), None);
    for name in ["ghcr.io", "registry.access.redhat.com", "own"] {
        assert!(allowed.get(&authority(name)).is_some(), "{name}");
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_for_a_registry_that_is_not_allowed_is_never_meant(text in "\\PC{0,40}", name in "[a-z./_-]{1,30}") {
        if let Ok(name) = name.parse::<RepositoryName>() {
            let allowed = allowed();
            if let Resolved::Upstream(upstream, _) = allowed.resolve(Some(&text), &name) {
                let namespace = text.parse::<Authority>().unwrap();
                prop_assert_eq!(Some(upstream), allowed.get(&namespace));
            }
        }
    }
}

#[test]
fn what_could_not_name_repositories_is_no_upstreams_name() {
    for name in ["local", "[::1]:5000"] {
        let refused = Allowed::none().add(Upstream::at_home(authority(name)), &[]);
        assert!(matches!(refused, Err(ConfigError::Reserved { .. })), "{name}: {refused:?}");
    }
}

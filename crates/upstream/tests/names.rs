//! Which upstream a name means, in tables of cases.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use std::sync::Arc;
use std::time::Duration;

use hythe_oci::{Authority, RepositoryName};
use hythe_registry::{Origin, Provenance};
use hythe_upstream::{Allowed, ConfigError, Credentials, Resolved, Share, Upstream, Via};
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
    shown(allowed().resolve(namespace, &name.parse().unwrap()))
}

fn shown(resolved: Resolved<'_>) -> String {
    match resolved {
        Resolved::Local(name) => format!("local {}", name.as_str()),
        Resolved::Upstream(upstream, name) => format!("{} {}", upstream.name, name.as_str()),
        Resolved::NotAllowed => "no".to_owned(),
    }
}

#[test]
fn with_only_by_namespace_no_path_names_an_upstream_but_the_excepted_one() {
    let meant = |except: Option<&str>, namespace: Option<&str>, name: &str| {
        let mut allowed = allowed();
        allowed.only_by_namespace(except.map(authority));
        shown(allowed.resolve(namespace, &name.parse().unwrap()))
    };
    for (except, namespace, name, expected) in [
        (None, None, "docker.io/library/redis", "local docker.io/library/redis"),
        (None, None, "quay.io/app", "local quay.io/app"),
        (None, Some("docker.io"), "redis", "docker.io library/redis"),
        (None, Some("docker.io"), "docker.io/library/redis", "docker.io library/redis"),
        (Some("docker.io"), None, "docker.io/redis", "docker.io library/redis"),
        (Some("docker.io"), None, "index.docker.io/redis", "docker.io library/redis"),
        (Some("index.docker.io"), None, "docker.io/redis", "docker.io library/redis"),
        (Some("docker.io"), None, "quay.io/app", "local quay.io/app"),
        (Some("unlisted.example"), None, "unlisted.example/app", "local unlisted.example/app"),
    ] {
        assert_eq!(meant(except, namespace, name), expected, "{except:?} {namespace:?} {name}");
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
        // A component cannot contain a colon: two underscores stand for it before a port.
        ("registry.example__5000/app", "registry.example:5000 app"),
        // A host alone names no repository at it.
        ("docker.io", "local docker.io"),
        ("own", "local own"),
        // Without the upstream's port.
        ("registry.example/app", "local registry.example/app"),
    ] {
        assert_eq!(resolve(None, name), meant, "{name}");
    }
}

#[test]
fn a_namespace_decides_and_a_registry_that_is_not_allowed_is_refused() {
    for (namespace, name, meant) in [
        ("docker.io", "redis", "docker.io library/redis"),
        ("docker.io", "library/redis", "docker.io library/redis"),
        ("DOCKER.IO", "library/redis", "docker.io library/redis"),
        ("docker.io:443", "library/redis", "docker.io library/redis"),
        ("registry-1.docker.io", "library/redis", "docker.io library/redis"),
        ("docker.io", "docker.io/library/redis", "docker.io library/redis"),
        ("docker.io", "index.docker.io/redis", "docker.io library/redis"),
        // Another registry's name in the path has no meaning here.
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
fn when_any_registry_is_allowed_only_a_namespace_names_an_unlisted_one() {
    let mut allowed = allowed();
    allowed.allow_any(Duration::from_mins(7));
    allowed.refuse(authority("ghcr.io"));
    allowed.remove(&authority("ghcr.io"));
    allowed.refuse(authority("index.docker.io"));
    allowed.remove(&authority("docker.io"));
    for (namespace, name, meant) in [
        (None, "unlisted.example/app", "local unlisted.example/app"),
        (None, "docker.io/library/redis", "local docker.io/library/redis"),
        (Some("unlisted.example"), "app", "unlisted.example app"),
        (Some("unlisted.example"), "team/app", "unlisted.example team/app"),
        (Some("Unlisted.Example.:443"), "app", "unlisted.example app"),
        (Some("unlisted.example:5000"), "app", "unlisted.example:5000 app"),
        (Some("unlisted.example"), "unlisted.example/app", "unlisted.example app"),
        (Some("unlisted.example"), "other.example/app", "unlisted.example other.example/app"),
        (Some("unlisted.example"), "quay.io/app", "unlisted.example quay.io/app"),
        // Listed upstreams keep their settings.
        (Some("quay.io"), "app", "quay.io app"),
        (Some("own"), "app", "registry.example:5000 app"),
        // A refused registry is refused under its other names too.
        (Some("ghcr.io"), "app", "no"),
        (Some("docker.io"), "redis", "no"),
        (Some("index.docker.io"), "redis", "no"),
        (Some("registry-1.docker.io"), "redis", "no"),
        // Not names of public hosts.
        (Some("localhost"), "app", "no"),
        (Some("app.localhost"), "app", "no"),
        (Some("single"), "app", "no"),
        (Some("single."), "app", "no"),
        (Some("127.0.0.1"), "app", "no"),
        (Some("1.1.1.1"), "app", "no"),
        (Some("127.1"), "app", "no"),
        (Some("0x7f.0x1"), "app", "no"),
        (Some("a.10"), "app", "no"),
        (Some("[2606:4700::1111]"), "app", "no"),
        (Some("[::ffff:127.0.0.1]:5000"), "app", "no"),
        (Some("a_b.example"), "app", "no"),
        (Some("registry.example__5000"), "app", "registry.example:5000 app"),
        (Some("other.example__5000"), "app", "no"),
        (Some("https://unlisted.example"), "app", "no"),
    ] {
        assert_eq!(shown(allowed.resolve(namespace, &name.parse().unwrap())), meant, "{namespace:?} {name}");
    }
    let upstream = allowed.find(&authority("unlisted.example")).unwrap();
    assert_eq!(
        (upstream.endpoints[0].as_str(), upstream.ttl),
        ("https://unlisted.example", Duration::from_mins(7))
    );
    assert!(upstream.unlisted && !upstream.has_login());
    assert_eq!(allowed.get(&authority("unlisted.example")), None);
}

#[test]
fn when_any_registry_is_allowed_all_names_of_docker_hub_mean_docker_hub() {
    let mut allowed = Allowed::none();
    allowed.allow_any(Duration::ZERO);
    for name in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
        let meant = shown(allowed.resolve(Some(name), &"redis".parse().unwrap()));
        assert_eq!(meant, "docker.io library/redis", "{name}");
        assert_eq!(allowed.find(&authority(name)).unwrap().endpoints, ["https://registry-1.docker.io"]);
    }
}

#[test]
fn the_first_pattern_that_matches_a_tag_gives_its_ttl() {
    let hours = |hours| Duration::from_hours(hours);
    let upstream = Upstream {
        ttl: hours(1),
        ttl_by_tag: [("library/redis:7*", 2), ("library/redis", 3), ("*:latest", 4)]
            .map(|(pattern, count)| (pattern.parse().unwrap(), hours(count)))
            .to_vec(),
        ..Upstream::at_home(authority("docker.io"))
    };
    for (image, count) in [
        ("library/redis:7.2", 2),
        ("library/redis:6", 3),
        ("library/redis:latest", 3),
        ("library/nginx:latest", 4),
        ("library/nginx:1", 1),
        ("redis:7", 1),
    ] {
        let (name, tag) = image.split_once(':').unwrap();
        assert_eq!(upstream.ttl_of(&name.parse().unwrap(), &tag.parse().unwrap()), hours(count), "{image}");
    }
}

#[test]
fn private_content_is_shared_as_its_upstream_says_or_by_the_default_if_that_is_removed() {
    let mut allowed = Allowed::none();
    let login = || Credentials::IdentityToken("eyJ".to_owned());
    let (logged_in, open) =
        (Upstream::at_home(authority("in.example")), Upstream::at_home(authority("open.example")));
    allowed.add(Upstream { credentials: login(), ..logged_in.clone() }, &[authority("old.example")]).unwrap();
    allowed.add(open, &[]).unwrap();
    let all =
        Upstream { credentials: login(), share: Share::All, ..Upstream::at_home(authority("all.example")) };
    allowed.add(all, &[]).unwrap();
    let shares = |allowed: &Allowed, name: &str, private| {
        let origin = if name.is_empty() { Origin::Local } else { Origin::Upstream(name.to_owned()) };
        let found = Provenance { origin, private };
        for via in [Via::Loopback, Via::Network] {
            assert_eq!(allowed.visible(via).shows(&found), allowed.shares(&found, via), "{name} {private}");
        }
        assert!(allowed.shares(&found, Via::Loopback), "{name}");
        allowed.shares(&found, Via::Network)
    };
    for (name, private, shared) in [
        ("", false, true),
        ("in.example", false, false),
        ("in.example", true, false),
        ("old.example", false, false),
        ("old.example", true, false),
        ("open.example", false, true),
        ("open.example", true, false),
        ("all.example", false, true),
        ("all.example", true, true),
        ("gone.example", false, true),
        ("gone.example", true, false),
    ] {
        assert_eq!(shares(&allowed, name, private), shared, "{name} {private}");
    }
    allowed.share_others(Share::All);
    assert!(shares(&allowed, "gone.example", true) && !shares(&allowed, "open.example", true));
}

#[test]
fn a_name_that_library_makes_too_long_is_not_allowed() {
    let long = "a".repeat(250);
    assert_eq!(resolve(Some("docker.io"), &long), "no");
    assert_eq!(resolve(Some("quay.io"), &long), format!("quay.io {long}"));
}

#[test]
fn docker_hub_is_asked_at_the_address_of_its_api() {
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
    // Docker Hub keeps its names with any endpoint.
    let mirror = Upstream::new(authority("docker.io"), vec!["https://mirror.example".to_owned()]);
    allowed.add(mirror.clone(), &[]).unwrap();
    assert_eq!(allowed.get(&authority("registry-1.docker.io")), Some(&Arc::new(mirror.clone())));
}

#[test]
fn a_name_means_one_upstream_and_a_conflicting_one_changes_nothing() {
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
    fn no_request_resolves_to_a_registry_that_is_not_allowed(text in "\\PC{0,40}", name in "[a-z./_-]{1,30}") {
        if let Ok(name) = name.parse::<RepositoryName>() {
            let allowed = allowed();
            if let Resolved::Upstream(upstream, _) = allowed.resolve(Some(&text), &name) {
                let namespace = text.parse::<Authority>().unwrap();
                prop_assert_eq!(Some(&upstream), allowed.get(&namespace));
            }
        }
    }
}

#[test]
fn reserved_and_unusable_names_are_refused_for_upstreams() {
    for name in ["local", "other", "[::1]:5000"] {
        let refused = Allowed::none().add(Upstream::at_home(authority(name)), &[]);
        assert!(matches!(refused, Err(ConfigError::Reserved { .. })), "{name}: {refused:?}");
    }
}

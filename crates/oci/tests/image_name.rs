//! The names of images: Docker's rules, and hythe's decisions beside them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use hythe_oci::{ImageName, ImageNameFault, ImageNameParts, RepositoryName, Tag};
use proptest::prelude::*;

const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

fn image(text: &str) -> ImageName {
    text.replace("HEX", HEX).parse().unwrap()
}

#[test]
fn a_name_is_read_as_docker_reads_it() {
    for (text, registry, repository, tag, has_digest, normalised) in [
        ("redis", "docker.io", "library/redis", None, false, "docker.io/library/redis:latest"),
        ("redis:7", "docker.io", "library/redis", Some("7"), false, "docker.io/library/redis:7"),
        ("library/redis", "docker.io", "library/redis", None, false, "docker.io/library/redis:latest"),
        ("bitnami/redis:7", "docker.io", "bitnami/redis", Some("7"), false, "docker.io/bitnami/redis:7"),
        ("docker.io/redis", "docker.io", "library/redis", None, false, "docker.io/library/redis:latest"),
        (
            "index.docker.io/redis",
            "docker.io",
            "library/redis",
            None,
            false,
            "docker.io/library/redis:latest",
        ),
        ("Index.Docker.IO/a/b:1", "docker.io", "a/b", Some("1"), false, "docker.io/a/b:1"),
        ("docker.io:443/redis", "docker.io", "library/redis", None, false, "docker.io/library/redis:latest"),
        ("redis@sha256:HEX", "docker.io", "library/redis", None, true, "docker.io/library/redis@sha256:HEX"),
        (
            "redis:7@sha256:HEX",
            "docker.io",
            "library/redis",
            Some("7"),
            true,
            "docker.io/library/redis@sha256:HEX",
        ),
        ("ghcr.io/a/b:t@sha256:HEX", "ghcr.io", "a/b", Some("t"), true, "ghcr.io/a/b@sha256:HEX"),
        ("GHCR.io/a/b", "ghcr.io", "a/b", None, false, "ghcr.io/a/b:latest"),
        ("quay.io/redis", "quay.io", "redis", None, false, "quay.io/redis:latest"),
        ("localhost/app:v1", "localhost", "app", Some("v1"), false, "localhost/app:v1"),
        ("localhost:5000/app:v1", "localhost:5000", "app", Some("v1"), false, "localhost:5000/app:v1"),
        (
            "127.0.0.1:5000/a/b@sha256:HEX",
            "127.0.0.1:5000",
            "a/b",
            None,
            true,
            "127.0.0.1:5000/a/b@sha256:HEX",
        ),
        ("[::1]:5000/x", "[::1]:5000", "x", None, false, "[::1]:5000/x:latest"),
        ("[::1]/x:7", "[::1]", "x", Some("7"), false, "[::1]/x:7"),
        ("kind-registry:5000/a:1", "kind-registry:5000", "a", Some("1"), false, "kind-registry:5000/a:1"),
        // A registry of one word at HTTPS' default port keeps the port: `box/a` is an image on Docker Hub.
        ("box:443/a", "box", "a", None, false, "box:443/a:latest"),
        ("reg.example:443/a", "reg.example", "a", None, false, "reg.example/a:latest"),
        // A host without a path is an image on Docker Hub.
        ("localhost", "docker.io", "library/localhost", None, false, "docker.io/library/localhost:latest"),
        (
            "localhost:5000",
            "docker.io",
            "library/localhost",
            Some("5000"),
            false,
            "docker.io/library/localhost:5000",
        ),
    ] {
        let name = image(text);
        assert_eq!(name.registry().to_string(), registry, "{text}");
        assert_eq!(name.repository().as_str(), repository, "{text}");
        assert_eq!(name.tag().map(Tag::as_str), tag, "{text}");
        assert_eq!(name.digest().is_some(), has_digest, "{text}");
        assert_eq!(name.normalised().to_string(), normalised.replace("HEX", HEX), "{text}");
        assert_eq!(name.to_string(), text.replace("HEX", HEX));
    }
}

#[test]
fn a_text_that_is_no_name_is_refused_by_its_faulty_part() {
    use ImageNameFault::{Digest, Registry, Repository, Scheme, Tag};
    type Expected = fn(&ImageNameFault) -> bool;
    let cases: &[(&[&str], Expected)] = &[
        (&["docker://redis", "https://ghcr.io/a/b"], |fault| matches!(fault, Scheme)),
        (&["a..b/c", "[::1/x", "::1/x", "host:0/x", "host:/x", "ü.example/x"], |fault| {
            matches!(fault, Registry(_))
        }),
        (
            &[
                "",
                "Redis",
                "Library/redis",
                "redis 7",
                "a/",
                "/a",
                "a//b",
                "redis:7:8",
                "ghcr.io/",
                "{{ .image }}",
                "a\nb",
                "-a",
                "a;b",
                "UPPER",
            ],
            |fault| matches!(fault, Repository(_)),
        ),
        (&["redis:", "x/y:-", "redis:7 ", "redis:a b"], |fault| matches!(fault, Tag(_))),
        (&["redis@", "redis@sha256:1", "redis@sha256:HEX@sha256:HEX", "redis@md5:00"], |fault| {
            matches!(fault, Digest(_))
        }),
    ];
    for (texts, expected) in cases {
        for text in *texts {
            let text = text.replace("HEX", HEX);
            let error = text.parse::<ImageName>().unwrap_err();
            assert!(expected(&error.fault), "{error}");
            assert!(
                error.to_string().starts_with(&format!("`{text}` is not the name of an image: ")),
                "{error}"
            );
        }
    }
}

#[test]
fn a_path_that_library_makes_too_long_is_refused() {
    let path = "a".repeat(250);
    assert!(path.parse::<RepositoryName>().is_ok() && path.parse::<ImageName>().is_err());
    assert!(format!("ghcr.io/{path}").parse::<ImageName>().is_ok());
}

#[test]
fn the_parts_of_a_text_with_placeholders_are_found() {
    let parts = ImageNameParts::of("${REGISTRY}.example:5000/team/app:${TAG:-x}@sha256:1");
    assert_eq!((parts.registry, parts.path), (Some("${REGISTRY}.example:5000"), "team/app:${TAG"));
    let parts = ImageNameParts::of("team/app");
    assert_eq!((parts.registry, parts.name, parts.is_pinned()), (None, "team/app", false));
    assert!(ImageNameParts::of("team/app:").is_pinned() && ImageNameParts::of("app@").is_pinned());
}

proptest! {
    #[test]
    fn an_accepted_name_reads_back_and_its_full_name_means_the_same(
        text in "([a-zA-Z]{1,3}(\\.[a-z]{1,3})?(:[0-9]{1,3})?/|\\[::1\\]:5/)?[a-z]{1,4}(/[a-z0-9._-]{1,4}){0,2}(:[a-zA-Z0-9_.-]{0,3})?",
        digest in any::<bool>(),
    ) {
        let text = if digest { format!("{text}@sha256:{HEX}") } else { text };
        if let Ok(name) = text.parse::<ImageName>() {
            prop_assert_eq!(name.to_string(), text);
            let full = name.normalised();
            prop_assert_eq!(full.to_string().parse::<ImageName>().unwrap(), full.clone());
            prop_assert_eq!(full.normalised(), full.clone());
            prop_assert_eq!(full.registry(), name.registry());
            prop_assert_eq!(full.repository(), name.repository());
            prop_assert_eq!(full.reference(), name.reference());
        }
    }

    #[test]
    fn any_text_is_a_name_or_an_error_and_its_parts_make_the_text(text in "\\PC{0,40}") {
        let _ = text.parse::<ImageName>();
        let parts = ImageNameParts::of(&text);
        let registry = parts.registry.map_or(String::new(), |registry| format!("{registry}/"));
        let tag = parts.tag.map_or(String::new(), |tag| format!(":{tag}"));
        let digest = parts.digest.map_or(String::new(), |digest| format!("@{digest}"));
        prop_assert_eq!(format!("{registry}{}{tag}{digest}", parts.path), text);
    }
}

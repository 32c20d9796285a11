//! The text form of a registry's host.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use hythe_oci::Authority;
use proptest::prelude::*;

fn authority(text: &str) -> Authority {
    text.parse().unwrap()
}

#[test]
fn authorities_have_one_form() {
    for (text, form) in [
        ("Docker.IO", "docker.io"),
        ("docker.io.", "docker.io"),
        ("ghcr.io:443", "ghcr.io"),
        ("kind-registry:5000", "kind-registry:5000"),
        ("my_registry:5000", "my_registry:5000"),
        ("[::1]:5000", "[::1]:5000"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("127.0.0.1:80", "127.0.0.1:80"),
    ] {
        assert_eq!(authority(text).to_string(), form, "{text}");
    }
    for text in [
        "",
        ".",
        ":5000",
        "a:",
        "a:0",
        "a:65536",
        "a:+1",
        "a b",
        "a..b",
        "-a",
        "a-",
        "::1",
        "[::1",
        "[::1]x",
        "[a]",
        "a/b",
        "ü.example",
    ] {
        assert!(text.parse::<Authority>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn an_accepted_text_reads_back_as_the_same_authority(text in "\\PC{0,40}") {
        if let Ok(authority) = text.parse::<Authority>() {
            prop_assert_eq!(authority.to_string().parse::<Authority>().unwrap(), authority);
        }
    }
}

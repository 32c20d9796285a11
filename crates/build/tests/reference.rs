//! The example of `docs/reference/input-key.md` is computed.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use hythe_oci::ImageName;
use support::project;

const PAGE: &str = include_str!("../../../docs/reference/input-key.md");

/// The lines of the page's block in a language.
fn block(language: &str) -> &'static str {
    let start = format!("```{language}\n");
    PAGE.split_once(&start).unwrap().1.split_once("```").unwrap().0
}

#[test]
fn the_example_of_the_reference_page_has_the_key_that_the_page_says() {
    let mut project = project(block("dockerfile"))
        .file("src/app.py", "print(1)\n")
        .file("src/run.sh", "")
        .link("src/latest", "app.py")
        .arg("VERSION", "2");
    project.set_mode("src/run.sh", 0o755);
    let digest = format!("sha256:{}", "1".repeat(64)).parse().unwrap();
    project.digests.insert("alpine:3.20".parse::<ImageName>().unwrap().normalised(), digest);
    let keyed = project.keyed();
    assert_eq!(keyed.record().text(), block("text"));
    let sentence = format!("The key is `{}`, and its tag is `{}`.", keyed.key(), keyed.key().tag());
    assert!(PAGE.contains(&sentence), "{sentence}");
}

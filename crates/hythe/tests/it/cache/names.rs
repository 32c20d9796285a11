//! Property tests: no text makes the readers of image names and of files panic.

use hythe::commands::{list_images, parse_image};
use hythe::config::Environment;
use hythe_oci::Platform;
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "image",
    "image: ",
    "services:",
    "apiVersion: v1",
    "containers:",
    "redis",
    ":7",
    "@sha256:",
    "docker.io/",
    "/",
    "\n",
    "\n  ",
    "\n    ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "<<: ",
    "'",
    "\"",
    "---\n",
    "# ",
    "$",
    "${",
    "${TAG",
    ":-",
    ":?",
    "}",
    "$$",
    "|",
    ">",
    "%",
    "{{ x }}",
    "{% if %}",
    "FROM ",
    "<<EOF",
    "images:",
    "tag: 1",
    "repository: ",
    "$(params.x)",
    "include:",
    "extends: ",
    "\t",
    "\u{feff}",
    "é",
    "~",
    "!!str ",
];

fn soup() -> impl Strategy<Value = String> {
    let word = prop_oneof![6 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => ".{0,3}"];
    prop::collection::vec(word, 0..50).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_of_a_file_is_read_or_refused(text in prop_oneof![soup(), ".*", "(?s).*"]) {
        let mut environment = Environment::default();
        environment.variables.insert("TAG".to_owned(), "7".into());
        for name in ["-", "Dockerfile", "kustomization.yaml"] {
            let _ = list_images(name, &text, &environment);
        }
        let _ = list_images("-", &format!("services:\n  a:\n    image: '{text}'\n"), &environment);
    }

    #[test]
    fn any_text_of_a_name_is_read_or_refused_and_a_full_name_reads_as_itself(text in prop_oneof![soup(), ".*"]) {
        if let Ok(name) = parse_image(&text) {
            prop_assert_eq!(parse_image(&name), Ok(name));
        }
        let _ = text.parse::<Platform>();
    }
}

//! Names of images and the files that they stand in: no text panics.

use hythe::commands::{Platform, list_images, parse_image};
use hythe::config::Environment;
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
    fn a_file_of_any_text_is_taken_or_refused(text in prop_oneof![soup(), ".*", "(?s).*"]) {
        let mut environment = Environment::default();
        environment.variables.insert("TAG".to_owned(), "7".into());
        for name in ["-", "Dockerfile", "kustomization.yaml"] {
            let _ = list_images(name, &text, &environment);
        }
        let _ = list_images("-", &format!("services:\n  a:\n    image: '{text}'\n"), &environment);
    }

    #[test]
    fn a_name_of_any_text_is_taken_or_refused_and_a_whole_name_means_itself(text in prop_oneof![soup(), ".*"]) {
        if let Ok(name) = parse_image(&text) {
            prop_assert_eq!(parse_image(&name), Ok(name));
        }
        let _ = text.parse::<Platform>();
    }
}

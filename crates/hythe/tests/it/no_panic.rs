//! No input causes a panic: hythe accepts it or returns an error.

use hythe::Settings;
use hythe::config::{KEYS, Raw};
use hythe::values::{
    Addition, Endpoint, HostName, Listen, Mirror, Origin, parse_duration, parse_name, parse_size,
    show_duration, show_size,
};
use proptest::prelude::*;

use crate::world::World;

/// Texts of random words from a list, such as keys and syntax of a format.
fn soup(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let word = prop_oneof![4 => prop::sample::select(words).prop_map(str::to_owned), 1 => ".{0,3}"];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

const TOML: &[&str] = &[
    "listen",
    "http",
    "log",
    "upstream",
    "\"docker.io\"",
    "endpoints",
    "username",
    ".",
    "level",
    "data",
    "=",
    "=",
    "\n",
    "\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    "\"",
    "'",
    "\"10s\"",
    "1",
    "true",
    "#",
    "é",
    "0x",
    "-",
    "9223372036854775808",
    "1979-05-27",
    "\"\"\"",
    "\\",
];
const YAML: &[&str] = &[
    "version: 0.1",
    "\n",
    "\n  ",
    "\n    ",
    "http:",
    "addr:",
    "storage:",
    "filesystem:",
    "auth:",
    "proxy:",
    "remoteurl: https://registry-1.docker.io",
    "username: ada",
    "- ",
    "&a ",
    "*a",
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "? ",
    "| ",
    "> ",
    "'",
    "\"",
    "!!str ",
    "---",
    "...",
    "#",
    "%",
    "\t",
    "\u{feff}",
    "<<",
    "~",
    "é",
];
const NAMES: &[&str] = &[
    "HTTP",
    "ADDR",
    "STORAGE",
    "_",
    "_",
    "AUTH",
    "PROXY",
    "REMOTEURL",
    "PASSWORD",
    "0",
    "1",
    "HEADERS",
    "LOG",
    "LEVEL",
    "9999999999999999999999",
    "é",
];

proptest! {
    #[test]
    fn a_toml_file_of_any_text_is_accepted_or_refused(text in prop_oneof![soup(TOML), ".*"]) {
        let _ = World::new().file("h.toml", &text).load();
    }

    #[test]
    fn a_yaml_file_of_any_text_is_accepted_or_refused(text in prop_oneof![soup(YAML), "\\PC*", ".*"]) {
        let _ = World::new().file("c.yml", &text).load();
        let _ = World::new().file("c.yml", &format!("version: 0.1\n{text}")).load();
    }

    #[test]
    fn variables_of_any_name_and_value_are_accepted_or_refused(
        names in prop::collection::vec(soup(NAMES), 1..6), value in prop_oneof![soup(YAML), ".*"]
    ) {
        let mut world = World::new().file("c.yml", "version: 0.1\nstorage: {filesystem: }\nnotifications: {endpoints: [{name: a}]}\n");
        for name in names {
            world = world.variable(&format!("REGISTRY_{name}"), &value).variable(&format!("HYTHE_{name}"), &value);
        }
        let _ = world.load();
    }

    #[test]
    fn every_key_accepts_or_refuses_any_text_and_shows_a_short_error(text in ".{0,20}", number: i64) {
        for key in KEYS {
            for raw in [Raw::Text(text.clone()), Raw::Quoted(text.clone()), Raw::List(vec![text.clone()]), Raw::Integer(number)] {
                let mut settings = Settings::default();
                let _ = key.kind.read(&mut settings, &raw);
                prop_assert!(raw.show().len() < 1000);
            }
        }
    }

    #[test]
    fn shown_values_parse_to_the_same_values(milliseconds in 0..=36_500_u64 * 86_400_000, size: u64, listen: std::net::SocketAddr) {
        let duration = std::time::Duration::from_millis(milliseconds);
        prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        prop_assert_eq!(parse_size(&show_size(size)), Ok(size));
        let listen = Listen::from(listen);
        // The text has no flow label, but `SocketAddrV6` has one, so the texts are compared.
        let again: Listen = listen.to_string().parse().unwrap();
        prop_assert_eq!(again.to_string(), listen.to_string());
    }

    #[test]
    fn values_of_any_text_are_accepted_or_refused(text in ".*") {
        let _ = (parse_duration(&text), parse_size(&text));
        let _ = (text.parse::<Listen>(), text.parse::<HostName>(), text.parse::<Origin>());
        let _ = (text.parse::<Endpoint>(), text.parse::<Addition>(), text.parse::<Mirror>(), parse_name(&text));
    }

    #[test]
    fn a_list_of_additions_splits_into_the_same_additions(
        names in prop::collection::vec(("[a-z]{1,5}", prop::collection::vec("https?://[a-z]{1,5}(/[a-z=]{1,3})?", 0..3)), 1..4)
    ) {
        let lines: Vec<String> = names
            .iter()
            .map(|(name, endpoints)| if endpoints.is_empty() { name.clone() } else { format!("{name}={}", endpoints.join(",")) })
            .collect();
        prop_assert_eq!(Addition::split(&lines.join(",")), lines.clone());
        for line in lines {
            prop_assert_eq!(line.parse::<Addition>().map(|addition| addition.to_string()), Ok(line));
        }
    }
}

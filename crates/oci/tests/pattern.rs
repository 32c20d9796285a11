//! Patterns: their grammar, what they select, and that no pattern is slow to match.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests; the lint knows only functions marked so")]

use hythe_oci::{ImagePattern, Pattern, PatternError};
use proptest::prelude::*;

fn shown(pattern: &ImagePattern) -> (&str, Option<&str>) {
    (pattern.repository().as_str(), pattern.tag().map(Pattern::as_str))
}

#[test]
fn a_pattern_is_a_name_with_or_without_a_tag() {
    for (text, name, tag) in [
        ("*", "*", None),
        ("docker.io/*", "docker.io/*", None),
        ("*:latest", "*", Some("latest")),
        ("a***b:7.?", "a***b", Some("7.?")),
        ("[a]", "[a]", None),
    ] {
        let pattern: ImagePattern = text.parse().unwrap();
        assert_eq!(shown(&pattern), (name, tag), "{text}");
        assert_eq!(pattern.to_string(), text);
    }
    let port: ImagePattern = "reg.example:5000/*:v1".parse().unwrap();
    assert_eq!(port.to_string(), "reg.example__5000/*:v1");
    let port: ImagePattern = "reg.example:5000/app".parse().unwrap();
    assert_eq!(shown(&port), ("reg.example__5000/app", None));
    for text in ["", ":", ":tag", "name:"] {
        assert_eq!(text.parse::<ImagePattern>(), Err(PatternError::Empty(text.to_owned())));
    }
    assert!("".parse::<Pattern>().is_err());
    for length in [1024, 1025] {
        let text = "a".repeat(length);
        assert_eq!(text.parse::<ImagePattern>().is_ok(), length == 1024);
        assert_eq!(text.parse::<Pattern>().is_ok(), length == 1024);
    }
}

#[test]
fn a_pattern_selects_the_tags_and_names_that_it_matches() {
    for (pattern, image, fits) in [
        ("*", "library/redis:7", true),
        ("library/redis", "library/redis:7", true),
        ("library/redis:7*", "library/redis:7", true),
        ("library/redis:7*", "library/redis:7.2-alpine", true),
        ("library/redis:7*", "library/redis:6.7", false),
        ("library/redis:7*", "library/redis-stack:7", false),
        ("redis:*", "library/redis:7", false),
        ("*/redis:*", "library/redis:7", true),
        ("*:latest", "a/b/c:latest", true),
        ("*:latest", "a/b/c:latest-1", false),
        ("*:*-*-alpine", "a:1-2-alpine", true),
        ("*:*-*-alpine", "a:1-alpine", false),
        ("a*a", "a:1", false),
        ("a*a", "aa:1", true),
        ("*ab*ab", "xabab:1", true),
        ("*ab*ab", "xab:1", false),
        ("***:**", "a:1", true),
        ("a?c", "abc:1", false),
    ] {
        let (name, tag) = image.split_once(':').unwrap();
        let pattern: ImagePattern = pattern.parse().unwrap();
        assert_eq!(pattern.matches(&name.parse().unwrap(), &tag.parse().unwrap()), fits, "{pattern} {image}");
    }
}

#[test]
fn a_hostile_pattern_takes_no_longer_than_another() {
    // The naive matcher below would not finish.
    let text = "a".repeat(1 << 20);
    for hostile in ["*a".repeat(500) + "b", "*aab".repeat(250), "a*".repeat(500) + "b"] {
        assert!(!hostile.parse::<Pattern>().unwrap().matches(&text));
    }
}

/// Matches by trying every length for every star.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
        [first, rest @ ..] => text.first() == Some(first) && naive(rest, &text[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_pattern_matches_what_a_naive_matcher_matches(pattern in "[ab*?é]{1,8}", text in "[abé?]{0,8}") {
        let (wanted, letters): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        prop_assert_eq!(pattern.parse::<Pattern>().unwrap().matches(&text), naive(&wanted, &letters));
    }

    #[test]
    fn an_image_pattern_reads_back_as_it_is_shown(text in "\\PC{0,30}") {
        if let Ok(pattern) = text.parse::<ImagePattern>() {
            prop_assert_eq!(pattern.to_string().parse::<ImagePattern>(), Ok(pattern));
        }
    }
}

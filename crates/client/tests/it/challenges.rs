//! `WWW-Authenticate` challenges are parsed in every form that registries send.

use hythe_client::{Challenge, challenges};
use proptest::prelude::*;

#[test]
fn challenges_are_read_as_registries_write_them() {
    let bearer = challenges(
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/x:pull,push""#,
    );
    assert_eq!(bearer.len(), 1);
    assert_eq!(bearer[0].scheme(), "bearer");
    assert_eq!(bearer[0].parameter("realm"), Some("https://auth.docker.io/token"));
    assert_eq!(bearer[0].parameter("scope"), Some("repository:library/x:pull,push"));
    assert_eq!(bearer[0].parameter("error"), None);
    for (value, schemes, realms) in [
        (r#"Basic realm="a", Bearer realm="b",service="s""#, "basic bearer", "a b"),
        ("Basic", "basic", ""),
        ("Basic realm=plain", "basic", "plain"),
        ("Bearer realm=https://a.example/token,service=s", "bearer", "https://a.example/token"),
        (r#"Negotiate YII/abc==, Basic realm="x""#, "negotiate basic", "x"),
        (r#"Negotiate, Basic realm = "x""#, "negotiate basic", "x"),
        (r#"Basic realm="a \"quoted\" one""#, "basic", r#"a "quoted" one"#),
        (r#", ,Basic realm="x", ,"#, "basic", "x"),
        (r#"Bearer realm="never ends"#, "bearer", ""),
        (r#"realm="without a scheme""#, "", ""),
        ("", "", ""),
    ] {
        let challenges = challenges(value);
        let all: Vec<_> = challenges.iter().map(Challenge::scheme).collect();
        let of: Vec<_> = challenges.iter().filter_map(|challenge| challenge.parameter("realm")).collect();
        assert_eq!((all.join(" "), of.join(" ")), (schemes.to_owned(), realms.to_owned()), "{value}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        for challenge in challenges(&text) {
            prop_assert!(!challenge.scheme().is_empty());
        }
    }

    #[test]
    fn any_parameter_value_reads_back_unchanged(value in "[ -~]{0,60}") {
        let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
        let read = challenges(&format!("Bearer a=1,realm=\"{quoted}\", service=x"));
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!(read[0].parameter("realm"), Some(value.as_str()));
        prop_assert_eq!(read[0].parameter("service"), Some("x"));
    }
}

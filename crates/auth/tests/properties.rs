//! Texts of strangers never panic, and what is read is what was written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hythe_auth::{Action, Credentials, Identity, Policy, Proof, Rule, Scope, Subject, SubjectPattern};
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = Credentials::parse(&text);
        let _ = text.parse::<Scope>();
        let _ = text.parse::<Action>();
        if let Ok(subject) = text.parse::<Subject>() {
            prop_assert_eq!(subject.to_string(), text);
        }
    }

    #[test]
    fn basic_credentials_are_read_as_they_were_written(name in "[^:\u{0}]{0,20}", password in ".{0,40}") {
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        prop_assert_eq!(Credentials::parse(&value), Ok(Credentials::Basic { name, password }));
    }

    /// Rules only allow: more of them never take a permission away, and none gives one that no rule names.
    #[test]
    fn a_further_rule_takes_nothing_away(
        rules in prop::collection::vec(rule(), 1..6),
        subject in prop::sample::select(vec!["user:a", "user:b", "robot:a", "workload:a"]),
        repository in prop::sample::select(vec!["a/x", "b/x", "b"]),
        action in prop::sample::select(Action::ALL.to_vec()),
    ) {
        let name = repository.parse().expect("a name");
        let repository = action.is_in_repository().then_some(&name);
        let client = Identity::known(std::sync::Arc::new(subject.parse().expect("a subject")), Proof::Password);
        let allows = |rules: &[Rule]| Policy::new(rules.to_vec()).decide(&client, action, repository).is_allowed();
        let named = rules.iter().any(|rule| allows(std::slice::from_ref(rule)));
        prop_assert_eq!(allows(&rules), named);
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    let subjects =
        prop::sample::subsequence(vec!["user:a", "user:*", "robot:*", "authenticated", "anonymous"], 1..3);
    let actions = prop::sample::subsequence(Action::ALL.to_vec(), 1..4);
    let repositories = prop::sample::subsequence(vec!["a/*", "b", "*"], 1..3);
    (subjects, actions, repositories).prop_map(|(subjects, actions, repositories)| Rule {
        name: "rule".to_owned(),
        subjects: subjects.iter().map(|text| text.parse::<SubjectPattern>().expect("a pattern")).collect(),
        actions: actions.into_iter().collect(),
        repositories: repositories.iter().map(|text| text.parse().expect("a pattern")).collect(),
    })
}

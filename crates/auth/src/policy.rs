//! Rules: which subjects may do which actions in which repositories.
//!
//! A rule only allows. What no rule allows is denied. Without any rule, every subject may do everything, as in `registry:2`
//! with a password file, and a client without credentials nothing.

use std::fmt;
use std::str::FromStr;

use hythe_oci::{Pattern, RepositoryName};

use crate::action::{Action, Actions};
use crate::identity::{Identity, Kind, Subject, SubjectError};
use crate::scope::Access;

/// The subjects of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectPattern {
    /// Every client, also one without credentials.
    Anonymous,
    /// Every client with credentials of a person, a robot, a workload or a certificate.
    Authenticated,
    /// The subjects of this kind whose name the pattern matches.
    Named(Kind, Pattern),
}

impl SubjectPattern {
    /// Whether the pattern selects the client.
    pub fn matches(&self, subject: Option<&Subject>) -> bool {
        match (self, subject) {
            (Self::Anonymous, _) | (Self::Authenticated, Some(_)) => true,
            (Self::Named(kind, pattern), Some(subject)) => {
                subject.kind() == *kind && pattern.matches(subject.name())
            }
            (Self::Authenticated | Self::Named(..), None) => false,
        }
    }
}

impl FromStr for SubjectPattern {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        match text {
            "anonymous" => return Ok(Self::Anonymous),
            "authenticated" => return Ok(Self::Authenticated),
            _ => {}
        }
        let subject: Subject = text.parse()?;
        let name = subject.name().parse().map_err(|_| SubjectError::Name(text.to_owned()))?;
        Ok(Self::Named(subject.kind(), name))
    }
}

impl fmt::Display for SubjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Named(kind, name) => write!(f, "{}:{name}", kind.as_str()),
        }
    }
}

/// A rule: these subjects may do these actions in these repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The rule's name, for messages.
    pub name: String,
    /// The subjects.
    pub subjects: Vec<SubjectPattern>,
    /// The actions.
    pub actions: Actions,
    /// The repositories, for actions in repositories.
    pub repositories: Vec<Pattern>,
}

impl Rule {
    fn allows(&self, subject: Option<&Subject>, action: Action, repository: Option<&RepositoryName>) -> bool {
        self.actions.contains(action)
            && self.subjects.iter().any(|pattern| pattern.matches(subject))
            && repository.is_none_or(|name| self.repositories.iter().any(|of| of.matches(name.as_str())))
    }
}

/// A decision of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// A rule allows the action; without rules, every subject may do everything.
    Allowed {
        /// The rule's name; `None` if there are no rules.
        rule: Option<&'a str>,
    },
    /// The client's token does not cover the action, although the rules allow it: the client can ask for another token.
    TooNarrow,
    /// No rule allows the action.
    Denied,
}

impl Verdict<'_> {
    /// Whether the action is allowed.
    pub fn is_allowed(self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

/// All rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

impl Policy {
    /// The policy of these rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// Decides whether the client may do the action. `repository` is `None` for actions that concern the whole registry.
    pub fn decide(
        &self,
        client: &Identity,
        action: Action,
        repository: Option<&RepositoryName>,
    ) -> Verdict<'_> {
        let covered =
            client.limits().is_none_or(|limits| limits.iter().any(|of| of.allows(action, repository)));
        if client.is_decided() {
            return if covered { Verdict::Allowed { rule: None } } else { Verdict::TooNarrow };
        }
        let subject = client.subject().map(AsRef::as_ref);
        let rule = self.rules.iter().find(|rule| rule.allows(subject, action, repository));
        match rule {
            Some(_) if !covered => Verdict::TooNarrow,
            Some(rule) => Verdict::Allowed { rule: Some(&rule.name) },
            // A workload proves only where it runs, so it gets nothing without a rule.
            None if self.rules.is_empty()
                && subject.is_some_and(|subject| subject.kind() != Kind::Workload) =>
            {
                if covered {
                    Verdict::Allowed { rule: None }
                } else {
                    Verdict::TooNarrow
                }
            }
            None => Verdict::Denied,
        }
    }

    /// Whether the rules let clients without credentials do anything in repositories.
    pub fn has_anonymous(&self) -> bool {
        let allows = |rule: &Rule| {
            rule.subjects.contains(&SubjectPattern::Anonymous)
                && rule.actions.iter().any(Action::is_in_repository)
        };
        self.rules.iter().any(allows)
    }

    /// The patterns of the repositories that the client may pull from; `None` means all repositories.
    pub fn visible(&self, client: &Identity) -> Option<Vec<Pattern>> {
        let subject = client.subject().map(AsRef::as_ref);
        if client.is_decided() {
            // As in distribution: the catalog is one resource of the registry.
            let lists = client.limits().is_some_and(|limits| limits.iter().any(Access::lists_repositories));
            return if lists { None } else { Some(Vec::new()) };
        }
        if self.rules.is_empty() && subject.is_none_or(|subject| subject.kind() == Kind::Workload) {
            return Some(Vec::new());
        }
        if self.rules.is_empty() {
            return None;
        }
        let pulls = self.rules.iter().filter(|rule| {
            rule.actions.contains(Action::Pull)
                && rule.subjects.iter().any(|pattern| pattern.matches(subject))
        });
        let patterns: Vec<Pattern> = pulls.flat_map(|rule| rule.repositories.iter().cloned()).collect();
        (!patterns.contains(&Pattern::any())).then_some(patterns)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::identity::Proof;

    fn rule(name: &str, subjects: &[&str], actions: &[Action], repositories: &[&str]) -> Rule {
        Rule {
            name: name.to_owned(),
            subjects: subjects.iter().map(|text| text.parse().unwrap()).collect(),
            actions: actions.iter().copied().collect(),
            repositories: repositories.iter().map(|text| text.parse().unwrap()).collect(),
        }
    }

    fn client(text: &str) -> Identity {
        match text {
            "anonymous" => Identity::anonymous(),
            text => Identity::known(Arc::new(text.parse().unwrap()), Proof::Password),
        }
    }

    #[test]
    fn what_no_rule_allows_is_denied() {
        let policy = Policy::new(vec![
            rule("public", &["anonymous"], &[Action::Pull], &["public/*"]),
            rule("everyone", &["authenticated"], &[Action::Pull], &["*"]),
            rule(
                "team",
                &["user:alice", "robot:team-*"],
                &[Action::Push, Action::Retag],
                &["team/*", "shared"],
            ),
            rule("boss", &["user:root"], &[Action::Admin, Action::Delete], &[]),
        ]);
        for (who, action, repository, expected) in [
            ("anonymous", Action::Pull, Some("public/app"), Some("public")),
            ("anonymous", Action::Pull, Some("publicity"), None),
            ("anonymous", Action::Push, Some("public/app"), None),
            ("user:bob", Action::Pull, Some("team/app"), Some("everyone")),
            ("user:bob", Action::Push, Some("team/app"), None),
            ("user:alice", Action::Push, Some("team/app"), Some("team")),
            ("robot:alice", Action::Push, Some("team/app"), None),
            ("robot:team-ci", Action::Retag, Some("shared"), Some("team")),
            ("robot:team-ci", Action::Delete, Some("shared"), None),
            ("user:root", Action::Admin, None, Some("boss")),
            ("user:root", Action::Delete, Some("team/app"), None),
            ("user:alice", Action::Metrics, None, None),
        ] {
            let repository = repository.map(|name| name.parse().unwrap());
            let verdict = policy.decide(&client(who), action, repository.as_ref());
            let rule = match verdict {
                Verdict::Allowed { rule } => rule,
                Verdict::TooNarrow => panic!("{who} has no token"),
                Verdict::Denied => None,
            };
            assert_eq!(rule, expected, "{who} {action} {repository:?}");
        }
    }

    #[test]
    fn without_rules_every_subject_but_a_workload_may_do_everything() {
        let (policy, app) = (Policy::default(), "app".parse().unwrap());
        for action in Action::ALL {
            let repository = action.is_in_repository().then_some(&app);
            for (who, may) in
                [("user:a", true), ("robot:a", true), ("workload:a", false), ("anonymous", false)]
            {
                assert_eq!(
                    policy.decide(&client(who), action, repository).is_allowed(),
                    may,
                    "{who} {action}"
                );
            }
        }
    }

    #[test]
    fn a_token_allows_no_more_than_its_accesses_and_no_more_than_the_rules() {
        let app: RepositoryName = "app".parse().unwrap();
        let policy = Policy::new(vec![rule("r", &["user:a"], &[Action::Pull, Action::Push], &["app"])]);
        let pull = Access::repository(&app, [Action::Pull, Action::Delete].into_iter().collect());
        let token = client("user:a").limited(vec![pull]);
        assert!(policy.decide(&token, Action::Pull, Some(&app)).is_allowed());
        assert_eq!(policy.decide(&token, Action::Push, Some(&app)), Verdict::TooNarrow);
        assert_eq!(policy.decide(&token, Action::Delete, Some(&app)), Verdict::Denied);
        assert!(policy.decide(&token.decided(), Action::Delete, Some(&app)).is_allowed());
    }

    #[test]
    fn the_visible_repositories_are_those_that_a_client_may_pull_from() {
        let policy = Policy::new(vec![
            rule("a", &["user:a"], &[Action::Pull], &["x/*", "y"]),
            rule("b", &["user:b"], &[Action::Push], &["x/*"]),
            rule("all", &["robot:*"], &[Action::Pull], &["*"]),
        ]);
        let patterns = |who: &str| {
            policy
                .visible(&client(who))
                .map(|patterns| patterns.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(patterns("user:a"), Some(vec!["x/*".to_owned(), "y".to_owned()]));
        assert_eq!(patterns("user:b"), Some(Vec::new()));
        assert_eq!(patterns("anonymous"), Some(Vec::new()));
        assert_eq!(patterns("robot:r"), None);
        assert_eq!(Policy::default().visible(&client("user:a")), None);
        assert_eq!(Policy::default().visible(&Identity::anonymous()), Some(Vec::new()));
    }
}

//! The parts of a rule about access: subjects, actions and repositories.

use std::fmt;
use std::str::FromStr;

use hythe_auth::{Action, SubjectPattern};
use hythe_oci::{Pattern, PatternError};

use super::ValueError;

/// The subjects of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSubject(pub SubjectPattern);

/// An action of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleAction(pub Action);

/// A pattern for repositories; `*` matches any text, also slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryPattern(pub Pattern);

impl FromStr for RuleSubject {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(|_| {
            ValueError::new(
                "write \"anonymous\", \"authenticated\", or a kind and a name such as \"user:alice\" or \"robot:ci-*\"; the \
                 kinds are user, robot, workload and certificate",
            )
        })
    }
}

impl fmt::Display for RuleSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RuleAction {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.parse().map(Self).map_err(ValueError)
    }
}

impl fmt::Display for RuleAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RepositoryPattern {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.contains(':') {
            return Err(ValueError::new(
                "write repositories without tags: rules about access concern whole repositories",
            ));
        }
        text.parse().map(Self).map_err(|error: PatternError| ValueError::new(error.to_string()))
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

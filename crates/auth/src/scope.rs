//! Scopes of Docker's token protocol: what a client asks a token for, and what a token grants.
//!
//! `repository:team/app:pull,push` (distribution, `docs/spec/auth/scope.md`).

use std::str::FromStr;

use hythe_oci::RepositoryName;
use serde::{Deserialize, Serialize};

use crate::action::{Action, Actions};

/// The most actions of one scope that are read.
const MOST_ACTIONS: usize = 16;

/// What a client asks a token for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The kind of resource: `repository` or `registry`.
    pub kind: String,
    /// The resource's name.
    pub name: String,
    /// The actions, as the client writes them.
    pub actions: Vec<String>,
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}` is not a scope: write TYPE:NAME:ACTION,ACTION");
        let (kind, rest) = text.split_once(':').ok_or_else(malformed)?;
        let (name, actions) = rest.rsplit_once(':').ok_or_else(malformed)?;
        // distribution's types may have a class, `repository(plugin)`.
        let kind = kind.split('(').next().unwrap_or(kind);
        let actions: Vec<String> =
            actions.split(',').filter(|action| !action.is_empty()).map(str::to_owned).collect();
        if kind.is_empty() || name.is_empty() || actions.len() > MOST_ACTIONS {
            return Err(malformed());
        }
        Ok(Self { kind: kind.to_owned(), name: name.to_owned(), actions })
    }
}

/// What a token grants: an entry of its claim `access`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The kind of resource.
    #[serde(rename = "type")]
    pub kind: String,
    /// The resource's name.
    pub name: String,
    /// The actions.
    pub actions: Vec<String>,
}

impl Access {
    /// The access to this repository with these actions.
    pub fn repository(name: &RepositoryName, actions: Actions) -> Self {
        let actions = actions.iter().map(|action| action.as_str().to_owned()).collect();
        Self { kind: "repository".to_owned(), name: name.to_string(), actions }
    }

    /// Whether the access lists the registry's repositories.
    pub fn lists_repositories(&self) -> bool {
        self.kind == "registry" && self.name == "catalog" && self.actions.iter().any(|action| action == "*")
    }

    /// Whether the access allows the action.
    pub(crate) fn allows(&self, action: Action, repository: Option<&RepositoryName>) -> bool {
        let named = match repository {
            Some(name) => self.kind == "repository" && self.name == name.as_str(),
            // distribution writes the registry's own resources so.
            None => self.kind == "registry",
        };
        // A client that may push to a repository may also move its tags, as far as the token is concerned: Docker's
        // protocol has no other word. The rules decide about it.
        let words: &[&str] = match action {
            Action::Pull => &["pull", "*"],
            Action::Push | Action::Retag => &["push", "*"],
            Action::Delete => &["delete", "*"],
            Action::Metrics => &["metrics", "*"],
            Action::Admin => &["admin", "*"],
        };
        named && self.actions.iter().any(|granted| words.contains(&granted.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_a_type_a_name_with_colons_and_actions() {
        let scope: Scope = "repository:localhost:5000/team/app:pull,push".parse().unwrap();
        assert_eq!((scope.kind.as_str(), scope.name.as_str()), ("repository", "localhost:5000/team/app"));
        assert_eq!(scope.actions, ["pull", "push"]);
        let scope: Scope = "repository(plugin):app:".parse().unwrap();
        assert_eq!((scope.kind.as_str(), scope.actions.len()), ("repository", 0));
        for text in ["", "repository", "repository:app", ":app:pull", "repository::pull"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_access_allows_its_actions_in_its_resource() {
        let (app, other) = ("app".parse().unwrap(), "app2".parse().unwrap());
        let access = Access::repository(&app, [Action::Push].into_iter().collect());
        assert!(access.allows(Action::Push, Some(&app)) && access.allows(Action::Retag, Some(&app)));
        assert!(!access.allows(Action::Pull, Some(&app)) && !access.allows(Action::Push, Some(&other)));
        assert!(!access.allows(Action::Admin, None));
        let all =
            Access { kind: "registry".to_owned(), name: "catalog".to_owned(), actions: vec!["*".to_owned()] };
        assert!(all.allows(Action::Admin, None) && !all.allows(Action::Pull, Some(&app)));
    }
}

//! The settings of authentication: the keys `auth.*`, and one table per rule about access.

use std::path::PathBuf;

use hythe_auth::Policy;

use crate::tables::{RuleTable, Tables};
use crate::values::AuthChallenge;

/// The keys `auth.*`, and the tables of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each key's sentence is in `KEYS`, spelt once")]
pub struct Auth {
    pub users: bool,
    pub htpasswd: Option<PathBuf>,
    pub challenge: AuthChallenge,
    /// The tables, by their names.
    pub rules: Tables<RuleTable>,
}

impl Auth {
    /// Whether the registry authenticates clients.
    pub fn is_on(&self) -> bool {
        self.users || self.htpasswd.is_some() || self.rules.keys().next().is_some()
    }

    /// The rules.
    pub fn policy(&self) -> Policy {
        Policy::new(self.rules.iter().map(|(name, table)| table.rule(name)).collect())
    }
}

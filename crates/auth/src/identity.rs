//! Identities: who makes a request, and how that is known.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::scope::Access;

/// The longest name of a subject, in bytes.
const LONGEST: usize = 256;

/// What kind of client a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person.
    User,
    /// A machine account.
    Robot,
    /// A workload with a token of an OIDC issuer, such as a CI job or a Kubernetes service account.
    Workload,
    /// A client with a certificate.
    Certificate,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::User, Self::Robot, Self::Workload, Self::Certificate];

    /// The kind as rules write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Robot => "robot",
            Self::Workload => "workload",
            Self::Certificate => "certificate",
        }
    }
}

/// A client that has authenticated, such as `user:alice`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    kind: Kind,
    name: String,
}

/// Why a text is not a subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// The text does not begin with a kind and a colon.
    #[error(
        "`{0}` is not a subject: write its kind and its name, such as user:alice; the kinds are user, robot, workload and certificate"
    )]
    Kind(String),
    /// The name is empty, too long, or has characters that break a log line or a header.
    #[error(
        "`{0}` cannot be a subject's name: use 1 to {LONGEST} printable characters without spaces at the ends"
    )]
    Name(String),
}

impl Subject {
    /// The subject of this kind with this name.
    pub fn new(kind: Kind, name: impl Into<String>) -> Result<Self, SubjectError> {
        let name = name.into();
        let is_fine = !name.is_empty()
            && name.len() <= LONGEST
            && name.trim() == name
            && !name.chars().any(char::is_control);
        if is_fine { Ok(Self { kind, name }) } else { Err(SubjectError::Name(name)) }
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The name, without the kind.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.name)
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let found = text
            .split_once(':')
            .and_then(|(word, name)| Some((Kind::ALL.into_iter().find(|kind| kind.as_str() == word)?, name)));
        let (kind, name) = found.ok_or_else(|| SubjectError::Kind(text.to_owned()))?;
        Self::new(kind, name)
    }
}

/// How an identity is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password of the htpasswd file.
    Htpasswd,
    /// A password of one of hythe's own users.
    Password,
    /// A personal token, or the token of a robot.
    Secret,
    /// A short-lived token that this registry, or a token server that it trusts, has signed.
    Token,
    /// A client certificate.
    Certificate,
}

impl Proof {
    /// The proof in one word, for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Htpasswd => "htpasswd",
            Self::Password => "password",
            Self::Secret => "secret",
            Self::Token => "token",
            Self::Certificate => "certificate",
        }
    }
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    known: Option<(Arc<Subject>, Proof)>,
    /// What a token allows at most; `None` means that the credentials limit nothing.
    limits: Option<Arc<[Access]>>,
    /// Whether the token's accesses alone decide, because the token server that issued them has rules of its own.
    is_decided: bool,
}

impl Identity {
    /// A client without credentials.
    pub fn anonymous() -> Self {
        Self { known: None, limits: None, is_decided: false }
    }

    /// A client that has proved to be this subject.
    pub fn known(subject: Arc<Subject>, proof: Proof) -> Self {
        Self { known: Some((subject, proof)), limits: None, is_decided: false }
    }

    /// The identity, limited to these accesses.
    #[must_use]
    pub fn limited(self, accesses: Vec<Access>) -> Self {
        Self { limits: Some(accesses.into()), ..self }
    }

    /// The identity, for which the accesses alone decide and the registry's rules do not.
    #[must_use]
    pub fn decided(self) -> Self {
        Self { is_decided: true, ..self }
    }

    /// The subject; `None` for a client without credentials.
    pub fn subject(&self) -> Option<&Arc<Subject>> {
        self.known.as_ref().map(|(subject, _)| subject)
    }

    /// How the subject is known.
    pub fn proof(&self) -> Option<Proof> {
        self.known.as_ref().map(|(_, proof)| *proof)
    }

    /// What the client's token allows at most; `None` means no limit.
    pub fn limits(&self) -> Option<&[Access]> {
        self.limits.as_deref()
    }

    /// Whether the accesses alone decide.
    pub(crate) fn is_decided(&self) -> bool {
        self.is_decided
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.known {
            Some((subject, _)) => subject.fmt(f),
            None => f.write_str("anonymous"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_it_is_written() {
        for text in
            ["user:alice", "robot:team/ci", "workload:repo:acme/app:ref:main", "certificate:CN=node-1"]
        {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        for text in ["alice", "group:dev", ""] {
            assert_eq!(text.parse::<Subject>(), Err(SubjectError::Kind(text.to_owned())));
        }
        for text in ["user:", "user: alice", "user:a\nb"] {
            assert!(matches!(text.parse::<Subject>(), Err(SubjectError::Name(_))), "{text}");
        }
    }
}

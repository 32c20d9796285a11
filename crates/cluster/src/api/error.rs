//! Why a cluster's API did not do what it was asked.

use std::error::Error as _;
use std::fmt;

use kube::core::Status;

use super::{Access, KubeconfigError};

/// What was wanted of an object, in the words of the cluster's access rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// To read it.
    Get,
    /// To read all of a kind.
    List,
    /// To make or change it.
    Patch,
    /// To remove it.
    Delete,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Delete => "delete",
        })
    }
}

/// A field that another writer owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The field's path.
    pub field: String,
    /// Who owns it, as the API says it.
    pub manager: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.field, self.manager)
    }
}

/// Why a cluster's API did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No cluster can be chosen.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// It does not answer.
    #[error("the cluster of context `{context}` does not answer at {server}: {reason}. {}", advice(.reason))]
    Unreachable {
        /// The context.
        context: String,
        /// Where it was asked.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// It does not know the user.
    #[error(
        "the cluster of context `{context}` does not accept this user at {server}: {message}. The user's token or \
         certificate may have expired: log in again, or write the kubeconfig anew"
    )]
    Unauthorized {
        /// The context.
        context: String,
        /// Where it was asked.
        server: String,
        /// What it said.
        message: String,
    },
    /// The user may not.
    #[error(
        "the user of context `{context}` may not {verb} {what}: {message}. Ask the cluster's administrator for that right, \
         or use a context whose user has it"
    )]
    Forbidden {
        /// The context.
        context: String,
        /// What was wanted.
        verb: Verb,
        /// Of what.
        what: String,
        /// What the cluster said.
        message: String,
    },
    /// Others own fields that were to be set.
    #[error("{what} has fields that others set to something else: {}. --force sets them all the same", list_owners(.owners))]
    Conflict {
        /// The object.
        what: String,
        /// The fields.
        owners: Vec<Owner>,
    },
    /// An object of that name is somebody else's.
    #[error("{what} is there already, and hythe did not make it: choose another name, or remove it first")]
    NotOurs {
        /// The object.
        what: String,
    },
    /// It did not take it.
    #[error("the cluster refuses to {verb} {what}: {message}")]
    Refused {
        /// What was wanted.
        verb: Verb,
        /// Of what.
        what: String,
        /// What the cluster said.
        message: String,
    },
}

/// What to do about a cluster that does not answer, by what its connection said.
fn advice(reason: &str) -> &'static str {
    let said = reason.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["expired"]) {
        "Its certificate has expired: renew it on the cluster, or create a local cluster anew"
    } else if has(&["certificate", "unknownissuer", "notvalidforname"]) {
        "The kubeconfig is of another cluster, or of this one before it was created anew: write it again (kind export \
         kubeconfig, k3d kubeconfig merge, minikube update-context)"
    } else if has(&["lookup", "resolve", "name or service"]) {
        "Check the server's name in the kubeconfig"
    } else {
        "Start the cluster, or check the server's address in the kubeconfig"
    }
}

fn list_owners(owners: &[Owner]) -> String {
    owners.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl ApiError {
    pub(super) fn new(access: &Access, verb: Verb, what: String, error: &kube::Error) -> Self {
        let context = access.context.clone();
        let server = access.server.clone();
        let kube::Error::Api(status) = error else {
            return match error {
                kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => {
                    Self::Refused { verb, what, message: reason(error) }
                }
                kube::Error::Auth(_) => Self::Unauthorized { context, server, message: reason(error) },
                _ => Self::Unreachable { context, server, reason: reason(error) },
            };
        };
        let message = status.message.clone();
        match status.code {
            401 => Self::Unauthorized { context, server, message },
            403 if status.reason == "Forbidden" && message.contains("cannot ") => {
                Self::Forbidden { context, verb, what, message }
            }
            409 if verb == Verb::Patch && !owners_of(status).is_empty() => {
                Self::Conflict { what, owners: owners_of(status) }
            }
            _ => Self::Refused { verb, what, message },
        }
    }
}

/// The fields of a refused apply. Each cause says `conflict with "manager" using v1` and the like.
fn owners_of(status: &Status) -> Vec<Owner> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let conflicts = causes.filter(|cause| cause.reason == "FieldManagerConflict");
    let owner = |message: &str| message.split('"').nth(1).unwrap_or(message).to_owned();
    conflicts
        .map(|cause| Owner {
            field: cause.field.trim_start_matches('.').to_owned(),
            manager: owner(&cause.message),
        })
        .collect()
}

/// The innermost cause, which is the one that says something.
pub(super) fn reason(error: &kube::Error) -> String {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    // The system's words, without the number that it has for them.
    reason.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_does_not_answer_is_told_with_what_helps() {
        for (reason, expected) in [
            ("Connection refused", "Start the cluster"),
            ("no answer within 15 seconds", "Start the cluster"),
            ("invalid peer certificate: certificate expired: verification time 1", "has expired"),
            ("invalid peer certificate: UnknownIssuer", "kind export kubeconfig"),
            ("failed to lookup address information: Name or service not known", "Check the server's name"),
        ] {
            let error = ApiError::Unreachable {
                context: "kind-dev".to_owned(),
                server: "https://127.0.0.1:1".to_owned(),
                reason: reason.to_owned(),
            };
            let text = error.to_string();
            assert!(
                text.contains(reason) && text.contains(expected) && !text.contains("--context"),
                "{text}"
            );
        }
    }
}

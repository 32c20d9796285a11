//! Why a request to a cluster's API failed.

use std::error::Error as _;
use std::fmt;

use kube::core::Status;

use super::{Access, KubeconfigError};

/// What hythe asked the API to do with an object, in the words of the cluster's access rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read the object.
    Get,
    /// Read all objects of a kind.
    List,
    /// Create or change the object.
    Patch,
    /// Remove the object.
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
    /// The field's owner, in the API's words.
    pub manager: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({})", self.field, self.manager)
    }
}

/// Why a request to a cluster's API failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The kubeconfig names no cluster that can be used.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// The API does not answer.
    #[error("the cluster of context `{context}` does not answer at {server}: {reason}. {}", advice(.reason))]
    Unreachable {
        /// The context.
        context: String,
        /// The API's address.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The API does not accept the user.
    #[error(
        "the cluster of context `{context}` does not accept this user at {server}: {message}. The user's token or \
         certificate may have expired: log in again, or write a new kubeconfig"
    )]
    Unauthorized {
        /// The context.
        context: String,
        /// The API's address.
        server: String,
        /// The API's message.
        message: String,
    },
    /// The user lacks the right.
    #[error(
        "the user of context `{context}` may not {verb} {what}: {message}. Ask the cluster's administrator for that right, \
         or use a context whose user has it"
    )]
    Forbidden {
        /// The context.
        context: String,
        /// What hythe asked for.
        verb: Verb,
        /// The object.
        what: String,
        /// The API's message.
        message: String,
    },
    /// Other writers own fields that hythe would set.
    #[error("other writers set fields of {what} to other values: {}. --force replaces these values", list_owners(.owners))]
    Conflict {
        /// The object.
        what: String,
        /// The fields.
        owners: Vec<Owner>,
    },
    /// An object of that name exists, and hythe did not make it.
    #[error(
        "{what} already exists, and hythe did not make it: choose another name, or remove the object first"
    )]
    NotOurs {
        /// The object.
        what: String,
    },
    /// The API refused the request for another reason.
    #[error("the cluster refuses to {verb} {what}: {message}")]
    Refused {
        /// What hythe asked for.
        verb: Verb,
        /// The object.
        what: String,
        /// The API's message.
        message: String,
    },
}

/// What to do about a cluster that does not answer, by the error of the connection.
fn advice(reason: &str) -> &'static str {
    let said = reason.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["expired"]) {
        "The API's certificate has expired: renew it on the cluster, or recreate a local cluster"
    } else if has(&["certificate", "unknownissuer", "notvalidforname"]) {
        "The kubeconfig is that of another cluster, or of this one before it was recreated: write it again (kind \
         export kubeconfig, k3d kubeconfig merge, minikube update-context)"
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

/// The fields of a refused apply and their owners. Each cause reads like `conflict with "manager" using v1`.
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

/// The innermost cause of an error, which has the useful words.
pub(super) fn reason(error: &kube::Error) -> String {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    // The system's words, without its error number.
    reason.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_a_cluster_that_does_not_answer_says_what_to_do() {
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

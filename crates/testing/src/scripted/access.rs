//! Access control of a scripted upstream.

use std::fmt::Write as _;

use hythe_oci::ErrorCode;

use super::reply::Reply;
use super::token::{Token, TokenRules};
use crate::Seen;

#[derive(Clone, Debug, Default)]
pub(super) enum Access {
    #[default]
    Anyone,
    /// The required value of `Authorization`.
    Basic(String),
    Token {
        rules: TokenRules,
        /// Tokens with this number or a higher one are accepted.
        first: u64,
    },
}

impl Access {
    /// Refuses a request for this repository, if it lacks the credentials. `own` is the upstream's own realm.
    pub(super) fn refuse(&self, seen: &Seen, repository: Option<&str>, own: &str) -> Option<Reply> {
        let authorization = seen.header("authorization");
        match self {
            Self::Anyone => None,
            Self::Basic(expected) => {
                (authorization != Some(expected)).then(|| challenge("Basic realm=\"scripted\"".to_owned()))
            }
            Self::Token { rules, first } => {
                let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
                let is_good = token.and_then(Token::parse).is_some_and(|token| {
                    token.number >= *first
                        && !token.has_expired()
                        && repository.is_none_or(|repository| token.allows(repository))
                });
                if is_good {
                    return None;
                }
                let realm = rules.realm.as_deref().unwrap_or(own);
                let mut value = format!("Bearer realm=\"{realm}\",service=\"{}\"", rules.service);
                if let Some(repository) = repository {
                    write!(value, ",scope=\"repository:{repository}:pull\"").expect("a string takes text");
                }
                if token.is_some() {
                    value.push_str(",error=\"invalid_token\"");
                }
                Some(challenge(value))
            }
        }
    }

    pub(super) fn rules(&self) -> TokenRules {
        match self {
            Self::Token { rules, .. } => rules.clone(),
            Self::Anyone | Self::Basic(_) => TokenRules::default(),
        }
    }
}

fn challenge(value: String) -> Reply {
    Reply::error(401, ErrorCode::Unauthorized, "authentication required").header("www-authenticate", value)
}

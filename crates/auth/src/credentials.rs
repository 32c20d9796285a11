//! Credentials as a client presents them (RFC 9110, 11.4; RFC 7617; RFC 6750).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest credentials that are read, in bytes.
const LONGEST: usize = 64 << 10;

/// What a client presents to prove who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Basic {
        /// The name.
        name: String,
        /// The password.
        password: String,
    },
    /// A token.
    Bearer(String),
}

// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { name, .. } => f.debug_struct("Basic").field("name", name).finish_non_exhaustive(),
            Self::Bearer(_) => f.write_str("Bearer"),
        }
    }
}

/// Why an `Authorization` header cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The scheme is neither Basic nor Bearer.
    #[error("the registry does not know this kind of credentials; use Basic or Bearer")]
    Scheme,
    /// The credentials do not follow their scheme.
    #[error("the credentials are malformed: {0}")]
    Malformed(&'static str),
}

impl Credentials {
    /// Reads the value of an `Authorization` header.
    pub fn parse(value: &str) -> Result<Self, CredentialsError> {
        use CredentialsError::{Malformed, Scheme};

        if value.len() > LONGEST {
            return Err(Malformed("they are too long"));
        }
        let (scheme, rest) = value.split_once(' ').ok_or(Scheme)?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            return if rest.is_empty() {
                Err(Malformed("the token is empty"))
            } else {
                Ok(Self::Bearer(rest.to_owned()))
            };
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Scheme);
        }
        let bytes = STANDARD.decode(rest).map_err(|_| Malformed("they are not base64"))?;
        let text = String::from_utf8(bytes).map_err(|_| Malformed("they are not UTF-8"))?;
        let (name, password) = text.split_once(':').ok_or(Malformed("they have no colon"))?;
        Ok(Self::Basic { name: name.to_owned(), password: password.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_and_bearer_are_read_in_any_case() {
        let basic = Credentials::Basic { name: "alice".to_owned(), password: "a:b".to_owned() };
        // alice:a:b
        for value in ["Basic YWxpY2U6YTpi", "basic  YWxpY2U6YTpi"] {
            assert_eq!(Credentials::parse(value), Ok(basic.clone()), "{value}");
        }
        assert_eq!(Credentials::parse("BEARER abc"), Ok(Credentials::Bearer("abc".to_owned())));
        assert!(!format!("{basic:?}").contains("a:b"));
    }

    #[test]
    fn other_values_are_refused() {
        for value in ["", "Basic", "Digest x=y"] {
            assert_eq!(Credentials::parse(value), Err(CredentialsError::Scheme), "{value}");
        }
        for value in ["Basic %%%", "Basic YWxpY2U=", "Bearer ", "Basic /w=="] {
            assert!(matches!(Credentials::parse(value), Err(CredentialsError::Malformed(_))), "{value}");
        }
    }
}

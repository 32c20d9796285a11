//! A web origin whose scripts may read responses (CORS).

use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// A web origin, `scheme://host[:port]` in lower case, or any origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Written `*`.
    Any,
    /// An origin that must equal the `Origin` header.
    Exact(String),
}

impl FromStr for Origin {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let text = text.to_ascii_lowercase();
        let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        // An origin with a path or a trailing slash would never equal the header that a browser sends.
        let valid = authority.is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._:[]".contains(&c))
        });
        if valid {
            Ok(Self::Exact(text))
        } else {
            Err(ValueError::new(
                "write an origin as browsers send it, such as https://registry.example or http://localhost:8080, without a path",
            ))
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        assert_eq!("*".parse(), Ok(Origin::Any));
        assert_eq!("HTTP://Localhost:8080".parse(), Ok(Origin::Exact("http://localhost:8080".to_owned())));
        for text in ["", "localhost", "https://", "https://a/", "https://a/b", "ftp://a", "http://a b"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}

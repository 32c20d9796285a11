//! An upstream in one line: its name and, if needed, its endpoints.

use std::fmt;
use std::str::FromStr;

use hythe_oci::Authority;

use super::{Endpoint, ValueError, parse_name};

/// An upstream in one line, written `NAME` or `NAME=ENDPOINT[,ENDPOINT…]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The upstream's name, with which its image names begin.
    pub name: Authority,
    /// The endpoints, in the order in which hythe tries them. Empty: HTTPS at the host in the name.
    pub endpoints: Vec<Endpoint>,
}

impl Addition {
    /// Splits a comma-separated list of additions. Commas also separate the endpoints of one addition: a piece that
    /// begins with a scheme and `://` is another endpoint of the addition before it, because a name contains no `://`.
    pub fn split(text: &str) -> Vec<String> {
        let mut items: Vec<String> = Vec::new();
        for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
            let scheme = piece.split_once("://").map(|(scheme, _)| scheme);
            match items.last_mut() {
                Some(last) if last.contains('=') && scheme.is_some_and(|scheme| !scheme.contains('=')) => {
                    last.push(',');
                    last.push_str(piece);
                }
                _ => items.push(piece.to_owned()),
            }
        }
        items
    }
}

impl FromStr for Addition {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let Some((name, endpoints)) = text.split_once('=') else {
            return Ok(Self { name: parse_name(text)?, endpoints: Vec::new() });
        };
        let name = parse_name(name.trim())?;
        let endpoints = endpoints.split(',').map(|endpoint| endpoint.trim().parse());
        Ok(Self { name, endpoints: endpoints.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for Addition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            f.write_str(if index == 0 { "=" } else { "," })?;
            endpoint.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_addition_reads_as_it_is_shown() {
        for text in [
            "registry.corp.example",
            "docker.io=https://mirror.gcr.io,https://registry-1.docker.io",
            "hub.local:5000=http://127.0.0.1:5005/hub",
        ] {
            assert_eq!(text.parse::<Addition>().unwrap().to_string(), text);
        }
        for text in ["", "=", "a=", "=https://a", "a=b", "a=https://b,", "https://a", "a=https://b,c"] {
            assert!(text.parse::<Addition>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_comma_before_a_scheme_continues_the_same_upstream() {
        for (text, items) in [
            ("", &[][..]),
            ("a", &["a"]),
            ("a, b=https://c , https://d,e", &["a", "b=https://c,https://d", "e"]),
            ("a=https://b,c=https://d", &["a=https://b", "c=https://d"]),
            // A name without `=` has no endpoints to continue.
            ("a,https://b", &["a", "https://b"]),
        ] {
            assert_eq!(Addition::split(text), items, "{text}");
        }
    }
}

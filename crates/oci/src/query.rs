//! The query parameters of a request.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The decoded parameters of a query. `+` stays `+`: queries contain media types
/// (`application/vnd.oci.image.config.v1+json`), which clients do not escape, and no value of this API contains a
/// space.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// A parameter that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "query parameter `{parameter}` has a malformed escape: two hex digits must follow `%`, and the decoded text must be \
     UTF-8"
)]
pub struct QueryError {
    parameter: String,
}

/// The characters to escape in a value: all but the unreserved ones of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Escapes a value for a query.
pub fn encode(value: &str) -> String {
    utf8_percent_encode(value, ESCAPED).to_string()
}

impl<'a> Query<'a> {
    /// Reads the text behind the `?`; empty if the request has no query. Unknown parameters are kept, not refused.
    pub fn parse(raw: &'a str) -> Result<Self, QueryError> {
        let pairs = raw.split('&').filter(|pair| !pair.is_empty());
        let parameters = pairs.map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(key), decode(value)) {
                (Some(key), Some(value)) => Ok((key, value)),
                _ => Err(QueryError { parameter: pair.to_owned() }),
            }
        });
        Ok(Self { parameters: parameters.collect::<Result<_, _>>()? })
    }

    /// The first value of `key`; empty for a key without `=`.
    pub fn first(&self, key: &str) -> Option<Cow<'a, str>> {
        self.all(key).next()
    }

    /// Every value of `key`, in order.
    pub fn all(&self, key: &str) -> impl Iterator<Item = Cow<'a, str>> {
        self.parameters.iter().filter(move |(k, _)| k == key).map(|(_, value)| value.clone())
    }

    /// Whether the query has no parameter.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }
}

/// Decodes a text; `None` if an escape is malformed. `percent_encoding` would keep a malformed escape, so this searches
/// for them first.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    let well_formed =
        |escape: &str| escape.len() >= 2 && escape.bytes().take(2).all(|c| c.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(well_formed) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_found_by_key_in_order() {
        let query = Query::parse("tag=a&n=10&tag=b&flag&&digest=sha256%3Aab&x=%26%3d").unwrap();
        assert_eq!(query.first("n").as_deref(), Some("10"));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(query.first("flag").as_deref(), Some(""));
        assert_eq!(query.first("digest").as_deref(), Some("sha256:ab"));
        assert_eq!(query.first("x").as_deref(), Some("&="));
        assert_eq!(query.first("absent"), None);
        assert!(Query::parse("").unwrap().is_empty());
    }

    #[test]
    fn a_plus_stays_a_plus() {
        let query = Query::parse("artifactType=application/vnd.oci.image.config.v1+json").unwrap();
        assert_eq!(query.first("artifactType").as_deref(), Some("application/vnd.oci.image.config.v1+json"));
    }

    #[test]
    fn a_malformed_escape_is_named() {
        for raw in ["a=%", "a=%4", "a=%zz", "a=%4g", "a=%+1", "a=%FF", "%=a"] {
            let error = Query::parse(&format!("n=1&{raw}")).unwrap_err();
            assert!(error.to_string().contains(&format!("`{raw}`")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn an_encoded_value_reads_back(value in any::<String>()) {
            let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
            let raw = format!("last={encoded}&n=1");
            prop_assert_eq!(Query::parse(&raw).unwrap().first("last").unwrap(), value);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Query::parse(&text);
        }
    }
}

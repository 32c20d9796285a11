//! Web pages: whether a page of another origin made a request.
//!
//! A browser on this machine reaches loopback, and so does every page in it. The browser says that a page asks: in
//! `Origin` for scripts and forms (Fetch, 3.1), and in `Sec-Fetch-Site` for every request (Fetch Metadata, 2.3). Other
//! programs send neither header.

use http::Method;
use http::header::{self, HeaderMap, HeaderName};

use crate::cors;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a web page of a foreign origin made the request: not the registry's own origin, and not named in `origins`.
/// `host` is the host that the request names.
///
/// A page whose origin has that same host counts as the registry's own: an earlier check has decided which hosts name
/// this registry. Ports count: a page of `localhost:3000` is foreign to `localhost:5001`.
pub(crate) fn is_foreign(headers: &HeaderMap, host: Option<&str>, origins: &[String]) -> bool {
    match headers.get(header::ORIGIN) {
        Some(origin) => {
            let origin = origin.to_str().unwrap_or_default();
            let of_page = origin.split_once("://").map_or("", |(_, host)| host);
            let is_own = !of_page.is_empty() && host == Some(of_page);
            !is_own && !cors::is_named(headers, origins)
        }
        // The page loads an image, follows a link or opens a window. `none` means that a user typed the address.
        None => headers
            .get(SEC_FETCH_SITE)
            .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")),
    }
}

/// Whether the method only reads.
pub(crate) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn foreign(origin: Option<&str>, site: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::try_from(origin).unwrap())));
        headers.extend(site.map(|site| (SEC_FETCH_SITE, HeaderValue::try_from(site).unwrap())));
        is_foreign(&headers, Some("localhost:5001"), &["https://ui.example".to_owned(), "*".to_owned()])
    }

    #[test]
    fn programs_own_pages_named_origins_and_typed_addresses_are_not_foreign() {
        for (origin, site) in [
            (None, None),
            (None, Some("none")),
            (None, Some("same-origin")),
            (Some("http://localhost:5001"), Some("same-origin")),
            (Some("http://localhost:5001"), None),
            (Some("https://ui.example"), Some("cross-site")),
        ] {
            assert!(!foreign(origin, site), "{origin:?} {site:?}");
        }
    }

    #[test]
    fn a_page_of_any_other_origin_is_foreign() {
        for (origin, site) in [
            (Some("https://evil.example"), None),
            (Some("https://evil.example"), Some("same-origin")),
            (Some("null"), None),
            (Some("*"), None),
            (Some(""), None),
            (Some("http://localhost:3000"), Some("same-site")),
            (Some("http://localhost"), None),
            (Some("http://127.0.0.1:5001"), None),
            (Some("http://localhost:5001.evil.example"), None),
            (Some("https://evil.example#://localhost:5001"), None),
            (None, Some("cross-site")),
            (None, Some("same-site")),
            (None, Some("new-word")),
            (None, Some("")),
        ] {
            assert!(foreign(origin, site), "{origin:?} {site:?}");
        }
    }
}

//! Web pages: whether one made a request, and what pages of other origins may have.
//!
//! A browser on this machine reaches loopback, and so does every page in it. It says so: in `Origin`, where a script or a
//! form asks (Fetch, 3.1), and in `Sec-Fetch-Site` whatever asks (Fetch Metadata, 2.3). Programs send neither.

use http::Method;
use http::header::{self, HeaderMap, HeaderName};

use crate::cors;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page of another origin made the request, one that the configuration does not name. `host` is the one that is
/// asked.
///
/// A page that was served under the name that is asked is this registry's own, as far as names tell: which ones may be asked
/// for is checked before. Ports count: a page of `localhost:3000` is as foreign to `localhost:5001` as any other.
pub(crate) fn is_foreign(headers: &HeaderMap, host: Option<&str>, origins: &[String]) -> bool {
    match headers.get(header::ORIGIN) {
        Some(origin) => {
            let origin = origin.to_str().unwrap_or_default();
            let of_page = origin.split_once("://").map_or("", |(_, host)| host);
            let is_own = !of_page.is_empty() && host == Some(of_page);
            !is_own && !cors::is_named(headers, origins)
        }
        // An image, a link, a window that was opened. `none` is what a user typed.
        None => headers
            .get(SEC_FETCH_SITE)
            .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")),
    }
}

/// Whether a request changes nothing, by its method.
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
    fn programs_the_registrys_own_pages_named_ones_and_what_a_user_types_are_not_foreign() {
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
    fn every_other_page_is_foreign_whatever_its_host() {
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

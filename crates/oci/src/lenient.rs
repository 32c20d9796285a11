//! Paths as clients of `registry:2` write them, beside the API's own.

use crate::Endpoint;

/// The path that a client means where it writes slashes that are too many, `//v2/` or `/v2/_catalog/`: an endpoint's own,
/// as `registry:2` redirects to it. `None` where the path is that of an endpoint as it stands, or of none either way.
///
/// What it gives begins with `/v2`, and so never with the two slashes that would make a host of what follows them.
pub fn clean(path: &str) -> Option<String> {
    let is_clean = !path.contains("//") && (!path.ends_with('/') || Endpoint::parse(path).is_ok());
    if is_clean {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let clean = format!("/{}", segments.join("/"));
    let clean = match Endpoint::parse(&clean).ok()? {
        Endpoint::Root => return None,
        // The two that end in a slash.
        Endpoint::Base | Endpoint::Uploads { .. } => clean + "/",
        _ => clean,
    };
    (clean != path).then_some(clean)
}

/// An upload's path, and the query that was appended to it by `&`: scripts do so because `registry:2` gives a `Location`
/// that has a query already. No upload's id has that character.
pub fn split_query(path: &str) -> Option<(&str, &str)> {
    let (path, query) = path.split_once('&')?;
    matches!(Endpoint::parse(path), Ok(Endpoint::Upload { .. })).then_some((path, query))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn slashes_that_are_too_many_are_left_out() {
        for (path, meant) in [
            ("//v2/", "/v2/"),
            ("//v2", "/v2/"),
            ("/v2//", "/v2/"),
            ("/v2/_catalog/", "/v2/_catalog"),
            ("//v2/_catalog", "/v2/_catalog"),
            ("/v2/t/tags/list/", "/v2/t/tags/list"),
            ("/v2/t//tags/list", "/v2/t/tags/list"),
            ("/v2//t/tags//list//", "/v2/t/tags/list"),
            ("/v2/t/manifests/latest/", "/v2/t/manifests/latest"),
            ("/v2/t//manifests/latest", "/v2/t/manifests/latest"),
            ("/v2/t/blobs/uploads//", "/v2/t/blobs/uploads/"),
            ("/v2/t//blobs/uploads", "/v2/t/blobs/uploads/"),
            (&format!("/v2/a%2Fb//blobs/sha256:{HEX}"), &format!("/v2/a%2Fb/blobs/sha256:{HEX}")),
            (&format!("/v2/t/blobs/sha256:{HEX}/"), &format!("/v2/t/blobs/sha256:{HEX}")),
            (&format!("/v2/t/blobs/uploads/{ID}/"), &format!("/v2/t/blobs/uploads/{ID}")),
            (&format!("/v2/t/referrers/sha256:{HEX}/"), &format!("/v2/t/referrers/sha256:{HEX}")),
        ] {
            assert_eq!(clean(path).as_deref(), Some(meant), "{path}");
        }
    }

    #[test]
    fn what_is_an_endpoint_already_or_becomes_none_is_left_alone() {
        for path in [
            "",
            "/",
            "//",
            "/v2",
            "/v2/",
            "/v2/_catalog",
            "/v2/t/blobs/uploads/",
            "/v2/t/blobs/uploads",
            "//evil.example/v2/",
            "///evil.example//v2/_catalog/",
            "//evil.example/v2/t/tags/list",
            "/\\evil.example/v2/",
            "/v2/BAD//tags/list",
            "/v2/a/../b//tags/list",
            "/v2/unknown/",
            "/healthz/",
        ] {
            assert_eq!(clean(path), None, "{path}");
        }
    }

    #[test]
    fn a_query_is_split_from_an_upload_alone() {
        let upload = format!("/v2/t/blobs/uploads/{ID}");
        let appended = format!("{upload}&digest=sha256:{HEX}&x=1");
        assert_eq!(split_query(&appended), Some((&*upload, &*format!("digest=sha256:{HEX}&x=1"))));
        for path in [&*upload, "/v2/t/manifests/a&b=c", "/v2/t&x/tags/list", "/v2/t/blobs/uploads/x&digest=y"]
        {
            assert_eq!(split_query(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_cleaned_is_an_endpoint_of_this_registry(
            segments in prop::collection::vec(
                prop::sample::select(
                    vec!["", "", "v2", "t", "tags", "list", "blobs", "uploads", "_catalog", "manifests", "evil.example", "..", "%2F", "\\"],
                ),
                0..8,
            ),
        ) {
            let path = format!("/{}", segments.join("/"));
            if let Some(clean) = clean(&path) {
                prop_assert!(clean.starts_with("/v2/") && !clean.contains("//"), "{}", clean);
                prop_assert!(Endpoint::parse(&clean).is_ok(), "{}", clean);
                prop_assert_eq!(super::clean(&clean), None);
            }
        }

        #[test]
        fn no_text_makes_either_panic(text in any::<String>()) {
            let _ = clean(&text);
            let _ = split_query(&text);
        }
    }
}

//! Accepts paths that are not those of the API, but that clients of `registry:2` write.

use crate::Endpoint;

/// The endpoint's path for a path with superfluous slashes, such as `//v2/` or `/v2/_catalog/`; `registry:2` redirects
/// to it. `None` if the path already is an endpoint's, or if it is not an endpoint's without those slashes either.
///
/// The result begins with `/v2`. So a redirect to it never begins with two slashes, behind which a client would read a
/// host.
pub fn clean(path: &str) -> Option<String> {
    let is_clean = !path.contains("//") && (!path.ends_with('/') || Endpoint::parse(path).is_ok());
    if is_clean {
        return None;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let clean = format!("/{}", segments.join("/"));
    let clean = match Endpoint::parse(&clean).ok()? {
        Endpoint::Root => return None,
        // These are the two endpoints whose paths end in a slash.
        Endpoint::Base | Endpoint::Uploads { .. } => clean + "/",
        _ => clean,
    };
    (clean != path).then_some(clean)
}

/// Splits an upload's path from a query that was appended with `&`. Scripts append it so because the `Location` of
/// `registry:2` already has a query. No upload id contains `&`.
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
    fn superfluous_slashes_are_removed() {
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
    fn other_paths_are_left_alone() {
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
    fn a_query_is_split_only_from_an_upload() {
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
        fn a_cleaned_path_is_an_endpoint_of_this_registry(
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

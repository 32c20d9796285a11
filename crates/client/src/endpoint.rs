//! Parses an endpoint's address, and finds where the API begins in it.

use hythe_oci::RepositoryName;
use url::Url;

use crate::options::ConfigError;

/// The beginning of every path of the API.
const API: &str = "/v2";

/// Parses the address of an endpoint from the options.
pub(crate) fn parse(endpoint: &str) -> Result<Url, ConfigError> {
    let refuse =
        |reason: &str| ConfigError::Endpoint { endpoint: endpoint.to_owned(), reason: reason.to_owned() };
    let url: Url = endpoint.parse().map_err(|_| refuse("write it as `https://registry.example`"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refuse("it must begin with `https://` or `http://`, followed by a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // The error must not repeat the secret.
        let endpoint = url.host_str().unwrap_or_default().to_owned();
        let reason = "credentials do not belong in it; set them beside the endpoint".to_owned();
        return Err(ConfigError::Endpoint { endpoint, reason });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it must not contain `?` or `#`"));
    }
    Ok(url)
}

/// Splits an endpoint's path: into the part up to and including `/v2`, if it is written out, and the beginning of every
/// repository's name after that (`/v2/dockerhub`: a project of Harbor's, as with containerd's `override_path`).
fn split(endpoint: &Url) -> (&str, Option<&str>) {
    let path = endpoint.path().trim_end_matches('/');
    let ends = path.match_indices(API).map(|(at, _)| at + API.len());
    let mut ends = ends.filter(|end| path[*end..].is_empty() || path[*end..].starts_with('/'));
    match ends.next() {
        Some(end) => (&path[..end], Some(path[end..].trim_matches('/'))),
        None => (path, None),
    }
}

/// The URL of a path of the API at an endpoint.
pub(crate) fn at(endpoint: &Url, path: &str) -> Url {
    let (before, names) = split(endpoint);
    let within = names.and_then(|names| Some((names, path.strip_prefix(API)?)));
    let path = match within {
        // `/v2/` itself and the list of repositories belong to the whole registry, not to one project.
        Some(("", rest) | (_, rest @ ("/" | "/_catalog"))) => format!("{before}{rest}"),
        Some((names, rest)) => format!("{before}/{names}{rest}"),
        // A page outside the API is a sibling of `/v2`.
        None if names.is_some() => format!("{}{path}", before.trim_end_matches(API)),
        None => format!("{before}{path}"),
    };
    let mut url = endpoint.clone();
    url.set_path(&path);
    url
}

/// The name by which the registry at the endpoint knows a repository.
pub(crate) fn name_at(endpoint: &Url, repository: &RepositoryName) -> String {
    match split(endpoint).1 {
        None | Some("") => repository.to_string(),
        Some(names) => format!("{names}/{repository}"),
    }
}

/// The repository that the registry at the endpoint calls by this name; `None` if no request to the endpoint reaches it.
pub(crate) fn name_from<'a>(endpoint: &Url, name: &'a str) -> Option<&'a str> {
    match split(endpoint).1 {
        None | Some("") => Some(name),
        Some(names) => name.strip_prefix(names)?.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_may_have_a_path_before_the_api_or_begin_every_repositorys_name() {
        for (endpoint, manifest, ping, name) in [
            ("https://a.example", "/v2/acme/app/manifests/x", "/v2/", "acme/app"),
            ("https://a.example/", "/v2/acme/app/manifests/x", "/v2/", "acme/app"),
            (
                "https://a.example/proxy/hub",
                "/proxy/hub/v2/acme/app/manifests/x",
                "/proxy/hub/v2/",
                "acme/app",
            ),
            ("https://a.example/v2", "/v2/acme/app/manifests/x", "/v2/", "acme/app"),
            ("https://a.example/v2/", "/v2/acme/app/manifests/x", "/v2/", "acme/app"),
            ("https://a.example/v2/hub", "/v2/hub/acme/app/manifests/x", "/v2/", "hub/acme/app"),
            ("https://a.example/v2/a/b/", "/v2/a/b/acme/app/manifests/x", "/v2/", "a/b/acme/app"),
            ("https://a.example/x/v2/hub", "/x/v2/hub/acme/app/manifests/x", "/x/v2/", "hub/acme/app"),
            ("https://a.example/v2x/hub", "/v2x/hub/v2/acme/app/manifests/x", "/v2x/hub/v2/", "acme/app"),
            ("https://a.example/xv2", "/xv2/v2/acme/app/manifests/x", "/xv2/v2/", "acme/app"),
        ] {
            let endpoint = parse(endpoint).unwrap();
            assert_eq!(at(&endpoint, "/v2/acme/app/manifests/x").path(), manifest, "{endpoint}");
            assert_eq!(at(&endpoint, "/v2/").path(), ping, "{endpoint}");
            assert_eq!(at(&endpoint, "/v2/_catalog").path(), format!("{ping}_catalog"), "{endpoint}");
            assert_eq!(name_at(&endpoint, &"acme/app".parse().unwrap()), name, "{endpoint}");
            assert_eq!(name_from(&endpoint, name), Some("acme/app"), "{endpoint}");
        }
    }

    #[test]
    fn a_page_outside_the_api_is_a_sibling_of_v2() {
        let endpoint = parse("https://a.example/hythe").unwrap();
        assert_eq!(at(&endpoint, "/api/cache/copies").path(), "/hythe/api/cache/copies");
        let endpoint = parse("https://a.example/hythe/v2").unwrap();
        assert_eq!(at(&endpoint, "/api/cache/copies").path(), "/hythe/api/cache/copies");
    }
}

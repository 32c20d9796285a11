//! An endpoint of an upstream: the URL at which hythe contacts it.

use std::fmt;
use std::str::FromStr;

use hythe_oci::Authority;

use super::ValueError;

/// An endpoint: a URL of scheme, host, optional port and optional path, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    text: String,
    host: Authority,
}

impl Endpoint {
    /// The whole URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, with the port if the URL has one.
    pub fn host(&self) -> &Authority {
        &self.host
    }
}

impl FromStr for Endpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (scheme, rest) = text
            .split_once("://")
            .map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest))
            .filter(|(scheme, _)| scheme == "https" || scheme == "http")
            .ok_or_else(|| {
                ValueError::new(
                    "an endpoint must begin with https:// or http://, such as https://registry.example",
                )
            })?;
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if rest.contains('@') {
            return Err(ValueError::new(
                "an endpoint must not contain user and password: write them as fields of the upstream",
            ));
        }
        // A comma would end the endpoint where a list is written in one line.
        if rest.contains(['?', '#', ',']) || rest.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(ValueError::new("an endpoint must not contain `?`, `#`, a comma or a space"));
        }
        let path = path.trim_end_matches('/');
        let parsed = host.parse().map_err(|_| {
            ValueError::new(
                "an endpoint needs a host, with a port if needed, such as https://registry.example:5000",
            )
        })?;
        // The text keeps the host as written, because `Authority` drops port 443, which `http` needs.
        Ok(Self { text: format!("{scheme}://{}{path}", host.to_ascii_lowercase()), host: parsed })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_a_scheme_a_host_and_perhaps_a_port_and_a_path() {
        for (text, shown, host) in [
            ("https://registry-1.docker.io", "https://registry-1.docker.io", "registry-1.docker.io"),
            ("HTTPS://Mirror.gcr.io/", "https://mirror.gcr.io", "mirror.gcr.io"),
            ("http://127.0.0.1:5005", "http://127.0.0.1:5005", "127.0.0.1:5005"),
            ("http://hub.local:443", "http://hub.local:443", "hub.local"),
            ("http://[::1]:5005", "http://[::1]:5005", "[::1]:5005"),
            ("https://corp.example/Proxy/hub//", "https://corp.example/Proxy/hub", "corp.example"),
            ("https://corp.example/v2/hub/", "https://corp.example/v2/hub", "corp.example"),
            ("https://corp.example/v2", "https://corp.example/v2", "corp.example"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.as_str(), endpoint.host().to_string().as_str()), (shown, host));
            assert_eq!(shown.parse(), Ok(endpoint));
        }
    }

    #[test]
    fn an_endpoint_without_scheme_with_credentials_or_with_more_than_a_path_is_refused() {
        for text in [
            "",
            "registry.example",
            "ftp://registry.example",
            "https://",
            "https:///v2",
            "https://a b",
            "https://a/?q",
            "https://a/#f",
            "https://a,https://b",
            "https://a:0",
            "https://ada:hunter2@a",
            "https://ada:hun/ter2@a",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(!error.contains("hun"), "{text}: {error}");
        }
    }
}

//! An upstream's name: a registry's host, with its port if it has one.

use hythe_oci::Authority;

use super::ValueError;

/// Reads an upstream's name. The error does not repeat the text, because the text may contain a password before an `@`.
pub fn parse_name(text: &str) -> Result<Authority, ValueError> {
    text.parse().map_err(|_| {
        ValueError::new(if text.contains("://") {
            "a name must not have a scheme: write registry.example, or NAME=https://registry.example to set an endpoint"
        } else {
            "write a registry's host, with its port if it has one, such as docker.io or registry.example:5000"
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_host_with_or_without_a_port() {
        for (text, name) in
            [("docker.io", "docker.io"), ("GHCR.io:443", "ghcr.io"), ("hub.local:5000", "hub.local:5000")]
        {
            assert_eq!(parse_name(text).unwrap().to_string(), name);
        }
        for text in ["", "https://docker.io", "docker.io/library", "ada:hunter2@docker.io", "a b", "*"] {
            let error = parse_name(text).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && error.contains("write"), "{error}");
        }
    }
}

//! hythe's own file in Podman's and CRI-O's `registries.conf.d`.

use std::fmt::Write as _;

use super::Mirrors;
use crate::hosts::quoted;

/// The file's name in `registries.conf.d`. To remove hythe, the whole file is removed.
pub const PODMAN_FILE: &str = "hythe.conf";

/// The file's text. Podman reads it at each pull; CRI-O reads it on a reload (`systemctl reload crio`).
pub fn podman_file(mirrors: &Mirrors<'_>) -> String {
    let host = mirrors.endpoint.host();
    let insecure = mirrors.endpoint.is_plain();
    let mut text = "# Written by hythe; `hythe detach --client podman` removes it.\n".to_owned();
    // Writing to a string does not fail.
    let _ = write!(text, "\n[[registry]]\nlocation = {}\ninsecure = {insecure}\n", quoted(host));
    for upstream in mirrors.upstreams {
        let name = quoted(&upstream.to_string());
        // These clients do not tell a mirror which upstream they ask for, so the upstream is part of the path.
        let location = quoted(&format!("{host}/{}", upstream.folder()));
        let _ = write!(
            text,
            "\n[[registry]]\nprefix = {name}\nlocation = {name}\n\n[[registry.mirror]]\nlocation = {location}\n\
             insecure = {insecure}\n"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_upstream_has_a_mirror_at_its_own_path() {
        let upstreams = ["docker.io".parse().unwrap(), "reg.example:8443".parse().unwrap()];
        let endpoint = "http://localhost:5001".parse().unwrap();
        let text = podman_file(&Mirrors { endpoint: &endpoint, upstreams: &upstreams });
        let expected = r#"# Written by hythe; `hythe detach --client podman` removes it.

[[registry]]
location = "localhost:5001"
insecure = true

[[registry]]
prefix = "docker.io"
location = "docker.io"

[[registry.mirror]]
location = "localhost:5001/docker.io"
insecure = true

[[registry]]
prefix = "reg.example:8443"
location = "reg.example:8443"

[[registry.mirror]]
location = "localhost:5001/reg.example__8443"
insecure = true
"#;
        assert_eq!(text, expected);
        assert!(text.parse::<toml_edit::DocumentMut>().is_ok());
    }
}

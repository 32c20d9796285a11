//! The settings in containerd's own configuration that `hosts.toml` files replaced.

use std::net::IpAddr;

use hythe_oci::Authority;
use toml_edit::{Item, TableLike};

use super::{Capability, DEFAULT, Host, HostsFile, home};

/// The settings `registry.mirrors`, `registry.configs` and `registry.auths`, which cannot be combined with a
/// `config_path`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Legacy {
    /// Each registry (or `*`) with the endpoints that are asked for its images.
    mirrors: Vec<(String, Vec<String>)>,
    /// Each host with its TLS settings.
    tls: Vec<(String, Tls)>,
    /// Hosts with a user and password or a token. A `hosts.toml` cannot have those, so they stay in the configuration,
    /// where they keep working. containerd's recommendation is a Kubernetes secret (`imagePullSecrets`).
    pub credentials: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tls {
    skip_verify: bool,
    ca: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

/// A setting, as the file that replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The registry, or [`DEFAULT`].
    pub host: String,
    /// The settings for it.
    pub file: HostsFile,
}

impl Legacy {
    /// Reads the mirrors, the TLS settings and the hosts with credentials from the `registry` table of the CRI plugin.
    /// Values of a wrong kind count as absent. Keys that name no registry are left out. If two keys of `mirrors` name the
    /// same host, the one without a scheme counts.
    pub(crate) fn read(registry: &dyn TableLike) -> Self {
        let mut mirrors: Vec<(String, Vec<String>)> = Vec::new();
        let mut add = |key: &str, mirror: &dyn TableLike| {
            let Some(host) = registry_of(key).filter(|host| mirrors.iter().all(|(known, _)| known != host))
            else {
                return;
            };
            let endpoints = mirror.get("endpoint").and_then(Item::as_array);
            let endpoints = endpoints.into_iter().flatten().filter_map(|value| value.as_str());
            mirrors.push((host, endpoints.map(str::to_owned).collect()));
        };
        // A key without a scheme takes precedence over a key with one.
        for with_scheme in [false, true] {
            let keyed = children(registry, "mirrors").filter(|(key, _)| key.contains("://") == with_scheme);
            keyed.for_each(|(key, mirror)| add(key, mirror));
        }
        let tls = children(registry, "configs").filter_map(|(host, config)| {
            let tls = config.get("tls")?.as_table_like()?;
            let host = registry_of(host)?;
            let text = |key| tls.get(key).and_then(Item::as_str).filter(|text| !text.is_empty());
            Some((
                host,
                Tls {
                    skip_verify: tls.get("insecure_skip_verify").and_then(Item::as_bool).unwrap_or_default(),
                    ca: text("ca_file").map(str::to_owned),
                    certificate: text("cert_file").map(str::to_owned),
                    key: text("key_file").map(str::to_owned),
                },
            ))
        });
        let configured = children(registry, "configs").filter(|(_, config)| config.get("auth").is_some());
        let credentials = configured.chain(children(registry, "auths")).map(|(host, _)| host.to_owned());
        Self { mirrors, tls: tls.collect(), credentials: credentials.collect() }
    }

    /// Whether mirrors are set.
    pub fn has_mirrors(&self) -> bool {
        !self.mirrors.is_empty()
    }

    /// Whether a host has a table of TLS settings (`configs.HOST.tls`), even an empty one.
    pub fn has_tls(&self) -> bool {
        !self.tls.is_empty()
    }

    /// The equivalent `hosts.toml` files.
    pub fn to_files(&self) -> Vec<Moved> {
        let mut moved: Vec<_> =
            self.mirrors.iter().map(|(host, endpoints)| self.mirror(host, endpoints)).collect();
        for (host, _) in &self.tls {
            let host = if host == "registry-1.docker.io" { "docker.io" } else { host };
            if !moved.iter().any(|moved| moved.host == host) {
                moved.push(self.mirror(host, &[]));
            }
        }
        moved
    }

    fn mirror(&self, host: &str, endpoints: &[String]) -> Moved {
        let mut hosts: Vec<_> = endpoints
            .iter()
            .map(|endpoint| Host {
                capabilities: vec![Capability::Pull, Capability::Resolve],
                ..self.host(endpoint, true)
            })
            .collect();
        if host == "*" {
            return Moved { host: DEFAULT.to_owned(), file: HostsFile { hosts, server: Host::default() } };
        }
        let server = self.host(&default_endpoint(host), false);
        // containerd asked the registry itself last, even if the list did not name it. As `server` it comes last too.
        if hosts.last().is_some_and(|last| last.url.trim_end_matches('/') == server.url) {
            hosts.pop();
        }
        Moved { host: host.to_owned(), file: HostsFile { hosts, server } }
    }

    fn host(&self, endpoint: &str, with_path: bool) -> Host {
        let url = if endpoint.contains("://") {
            endpoint.to_owned()
        } else {
            format!("{}://{endpoint}", default_scheme(endpoint))
        };
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // TLS settings had no effect on an `http://` address; in a hosts.toml they would make containerd try HTTPS
        // first.
        let tls = self.tls.iter().find(|(host, _)| host == authority && scheme == "https");
        let tls = tls.map(|(_, tls)| tls.clone()).unwrap_or_default();
        Host {
            ca: tls.ca.into_iter().collect(),
            client: tls.certificate.map(|certificate| (certificate, tls.key)).into_iter().collect(),
            skip_verify: tls.skip_verify.then_some(true),
            // containerd took the path as the API's root and appended nothing.
            override_path: with_path && !matches!(path, "" | "/v2"),
            ..Host::at(url)
        }
    }
}

/// The registry that a key of `mirrors` or `configs` means: a host, or `*` for every registry. People also write URLs,
/// which containerd never accepted; their host is taken. A key with a path, or that is not a host, means no registry
/// and must not become a folder's name.
fn registry_of(key: &str) -> Option<String> {
    let host = key.split_once("://").map_or(key, |(_, host)| host).trim_end_matches('/');
    (host == "*" || host != DEFAULT && host.parse::<Authority>().is_ok()).then(|| host.to_owned())
}

fn children<'a>(parent: &'a dyn TableLike, key: &str) -> impl Iterator<Item = (&'a str, &'a dyn TableLike)> {
    let table = parent.get(key).and_then(Item::as_table_like);
    table
        .into_iter()
        .flat_map(|table| table.iter())
        .filter_map(|(key, item)| Some((key, item.as_table_like()?)))
}

fn default_scheme(host: &str) -> &'static str {
    let host = host.split('/').next().unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    if name == "localhost" || address.is_ok_and(|address| address.is_loopback()) { "http" } else { "https" }
}

/// The address at which containerd asks a registry without a file.
pub(crate) fn default_endpoint(host: &str) -> String {
    match host.parse() {
        Ok(registry) if default_scheme(host) == "https" => home(&registry),
        _ => format!("{}://{host}", default_scheme(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Author;
    use super::*;

    fn moved(registry: &str) -> (Vec<(String, String)>, Vec<String>) {
        let document: toml_edit::DocumentMut = registry.parse().unwrap();
        let legacy = Legacy::read(document.as_table());
        let text =
            |file: HostsFile| file.render(Author::Owner).lines().skip(1).collect::<Vec<_>>().join("\n");
        (
            legacy.to_files().into_iter().map(|moved| (moved.host, text(moved.file))).collect(),
            legacy.credentials,
        )
    }

    #[test]
    fn a_mirror_becomes_a_file_that_asks_the_same_hosts() {
        let table = [
            (
                "[mirrors.'docker.io']\nendpoint = ['http://m:5000', 'https://registry-1.docker.io']",
                "docker.io",
                "server = \"https://registry-1.docker.io\"\n\n[host.\"http://m:5000\"]\n  capabilities = [\"pull\", \"resolve\"]",
            ),
            (
                "[mirrors.'localhost:5001']\nendpoint = ['http://kind-registry:5000']",
                "localhost:5001",
                "server = \"http://localhost:5001\"\n\n[host.\"http://kind-registry:5000\"]\n  capabilities = [\"pull\", \"resolve\"]",
            ),
            (
                "[mirrors.'*']\nendpoint = ['https://m/proxy']",
                "_default",
                "\n[host.\"https://m/proxy\"]\n  capabilities = [\"pull\", \"resolve\"]\n  override_path = true",
            ),
            (
                "[mirrors.'reg.io']\nendpoint = ['m:5000']\n[configs.'m:5000'.tls]\ninsecure_skip_verify = true",
                "reg.io",
                "server = \"https://reg.io\"\n\n[host.\"https://m:5000\"]\n  capabilities = [\"pull\", \"resolve\"]\n  skip_verify = true",
            ),
        ];
        for (registry, host, text) in table {
            let (files, _) = moved(registry);
            assert_eq!(files.first(), Some(&(host.to_owned(), text.to_owned())), "{registry}");
        }
    }

    #[test]
    fn tls_settings_become_the_registrys_own_file() {
        let registry = "
[configs.'reg:8443'.tls]
ca_file = '/ca.crt'
cert_file = '/c.pem'
key_file = '/c.key'
[configs.'registry-1.docker.io'.tls]
ca_file = '/proxy.crt'
";
        let (files, _) = moved(registry);
        let server = |text: &str| text.split("\n\n").next().unwrap_or_default().to_owned();
        let files: Vec<_> = files.iter().map(|(host, text)| (host.as_str(), server(text))).collect();
        let expected = [
            (
                "reg:8443",
                "server = \"https://reg:8443\"\nca = [\"/ca.crt\"]\nclient = [[\"/c.pem\", \"/c.key\"]]"
                    .to_owned(),
            ),
            ("docker.io", "server = \"https://registry-1.docker.io\"\nca = [\"/proxy.crt\"]".to_owned()),
        ];
        assert_eq!(files, expected);
    }

    #[test]
    fn a_url_as_a_key_means_its_host_and_a_key_that_is_not_a_host_makes_no_folder() {
        let mirror = |key: &str| format!("[mirrors.'{key}']\nendpoint = ['http://m:5000']\n");
        for (key, host) in [
            ("https://r:5000", Some("r:5000")),
            ("http://r.io/", Some("r.io")),
            ("[::1]:5000", Some("[::1]:5000")),
            ("*", Some("_default")),
            ("_default", None),
            ("r.io/team", None),
            ("../../x", None),
            ("", None),
        ] {
            let hosts: Vec<_> = moved(&mirror(key)).0.into_iter().map(|(host, _)| host).collect();
            assert_eq!(hosts.first().map(String::as_str), host, "{key}");
        }
        let both = format!("{}[mirrors.'r:5000']\nendpoint = ['http://own']\n", mirror("https://r:5000"));
        let (files, _) = moved(&both);
        assert_eq!(files.len(), 1);
        assert!(files[0].1.contains("http://own"), "{}", files[0].1);
        let tls = "[configs.'https://r:5000'.tls]\ninsecure_skip_verify = true";
        assert_eq!(moved(tls).0[0].0, "r:5000");
    }

    #[test]
    fn credentials_cannot_move_to_a_file_and_are_listed() {
        let (files, credentials) = moved(
            "[configs.'reg:5000'.auth]\nusername = 'u'\n[auths.'https://x']\nauth = 'eA=='\n[mirrors]\n[configs.'y']\n",
        );
        assert_eq!((files, credentials), (vec![], vec!["reg:5000".to_owned(), "https://x".to_owned()]));
    }
}

//! Which hosts a node asks for an image, and in which order, by containerd's rules for its `hosts.toml` files.

use hythe_oci::ImageName;

use super::files::roots;
use crate::attach::Survey;
use crate::hosts::{Capability, Fault, HostsFile, default_endpoint, lookup};

/// The hosts that a node asks for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The `hosts.toml` file that applies to the image, if one does.
    pub(super) file: Option<String>,
    /// Why containerd ignores that file, if it does.
    pub(super) fault: Option<Fault>,
    /// The hosts, in the order in which the node asks them.
    pub(super) stops: Vec<Stop>,
}

/// A host that a node asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// The host's address, as the file has it.
    pub(super) host: String,
    /// The URL of the image's manifest at that host.
    pub(super) url: String,
    /// Whether the host is another one than the image's own registry.
    pub(super) is_mirror: bool,
}

impl Route {
    pub(super) fn of(image: &ImageName, survey: &Survey) -> Self {
        let roots = roots(survey);
        let host = image.registry().to_string();
        let found = lookup(&host, &roots);
        let text = found.as_ref().and_then(|found| found.directory.text());
        let file = found.as_ref().filter(|found| found.directory.text().is_some());
        let file = file.map(|found| format!("{}/{}/hosts.toml", found.root.path, found.directory.name));
        let parsed = text.zip(survey.version).map(|(text, version)| HostsFile::parse(text, version));
        let (asked, fault) = match parsed {
            Some(Ok(file)) => (file, None),
            Some(Err(fault)) => (HostsFile::default(), Some(fault)),
            None => (HostsFile::default(), None),
        };
        let stops =
            asked.asked_for(Capability::Resolve).map(|host| stop(image, &host.url, host.override_path));
        Self { file, fault, stops: stops.collect() }
    }
}

/// One host of the route. An empty address means the image's own registry.
fn stop(image: &ImageName, url: &str, is_root: bool) -> Stop {
    let own = image.registry().to_string();
    let base = match url {
        "" => default_endpoint(&own),
        url if url.contains("://") => url.trim_end_matches('/').to_owned(),
        url => format!("https://{}", url.trim_end_matches('/')),
    };
    let host = base.split("://").last().unwrap_or_default().split('/').next().unwrap_or_default();
    let is_hub = own == "docker.io" && host == "registry-1.docker.io";
    let is_mirror = host != own && !is_hub;
    let version = if is_root { "" } else { "/v2" };
    let query = if is_mirror { format!("?ns={}", hythe_oci::encode(&own)) } else { String::new() };
    let url = format!("{base}{version}/{}/manifests/{}{query}", image.repository(), image.reference());
    Stop { host: base, url, is_mirror }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::containerd::Version;
    use crate::hosts::{Directory, Root};
    use crate::runtime::Runtime;

    const READS: &str = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n";

    fn urls(image: &str, config: &str, files: &[(&str, &str)]) -> Vec<String> {
        let directories = files
            .iter()
            .map(|(name, text)| Directory { name: (*name).to_owned(), hosts_toml: Some((*text).to_owned()) });
        let path = "/etc/containerd/certs.d".to_owned();
        let root = Root { path: path.clone(), directories: directories.collect() };
        let survey = Survey {
            node: "w".to_owned(),
            runtime: Runtime::Containerd,
            version: Some(Version::new(2, 1, 0)),
            configs: Vec::new(),
            dump: Ok(config.to_owned()),
            roots: BTreeMap::from([(path, root)]),
            restart_due: false,
            environment: BTreeMap::new(),
            gone: std::collections::BTreeSet::new(),
        };
        Route::of(&image.parse().unwrap(), &survey).stops.into_iter().map(|stop| stop.url).collect()
    }

    #[test]
    fn a_node_asks_the_hosts_in_their_order_and_the_server_last() {
        let hub = "server = \"https://registry-1.docker.io\"\n[host.\"http://kind-registry:5000\"]\n";
        assert_eq!(
            urls("redis:7", READS, &[("docker.io", hub)]),
            [
                "http://kind-registry:5000/v2/library/redis/manifests/7?ns=docker.io",
                "https://registry-1.docker.io/v2/library/redis/manifests/7",
            ]
        );
        let push = "[host.\"http://a:5000\"]\ncapabilities = [\"pull\"]\n[host.\"http://b:5000/x\"]\noverride_path = true\n";
        assert_eq!(
            urls("ghcr.io/o/i:1", READS, &[("_default", push)]),
            ["http://b:5000/x/o/i/manifests/1?ns=ghcr.io", "https://ghcr.io/v2/o/i/manifests/1"]
        );
    }

    #[test]
    fn without_a_file_that_containerd_reads_a_node_asks_the_registry_itself() {
        let own = "server = \"http://kind-registry:5000\"\n";
        assert_eq!(
            urls("localhost:5001/a", READS, &[("localhost:5001", own)]),
            ["http://kind-registry:5000/v2/a/manifests/latest?ns=localhost%3A5001"]
        );
        let direct = ["http://localhost:5001/v2/a/manifests/latest"];
        assert_eq!(urls("localhost:5001/a", READS, &[]), direct);
        assert_eq!(urls("localhost:5001/a", "version = 2\n", &[("localhost:5001", own)]), direct);
        assert_eq!(urls("localhost:5001/a", READS, &[("localhost:5001", "[host")]), direct);
        assert_eq!(urls("ghcr.io/a/b", READS, &[]), ["https://ghcr.io/v2/a/b/manifests/latest"]);
    }
}

//! The files that hythe writes, and how every version of containerd reads them.

use proptest::prelude::*;

use super::*;
use crate::containerd_version::Version;

pub(crate) const VERSIONS: [Version; 10] = [
    Version::new(1, 6, 20),
    Version::new(1, 7, 13),
    Version::new(1, 7, 31),
    Version::new(1, 7, 34),
    Version::new(2, 0, 2),
    Version::new(2, 1, 4),
    Version::new(2, 2, 0),
    Version::new(2, 2, 7),
    Version::new(2, 3, 1),
    Version::new(2, 4, 2),
];

fn endpoint() -> Endpoint {
    "http://hythe:5000".parse().unwrap()
}

#[test]
fn the_registrys_own_names_lead_to_it_and_nowhere_else() {
    let text = HostsFile::own(&endpoint()).render(Author::Hythe("hythe"));
    let expected = "\
# Written by hythe for the registry `hythe`; `hythe detach CLUSTER` removes it.
server = \"http://hythe:5000\"

# Before 1.7.32 containerd takes a file without this table for a broken one.
[host]
";
    assert_eq!(text, expected);
}

#[test]
fn the_upstream_itself_is_asked_when_hythe_does_not_answer() {
    let table = [
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("reg.example:8443", "https://reg.example:8443"),
    ];
    for (upstream, server) in table {
        let file = HostsFile::mirror(&upstream.parse().unwrap(), &endpoint());
        let expected = format!(
            "\
# Written by hythe for the registry `hythe`; `hythe detach CLUSTER` removes it.
server = \"{server}\"

[host.\"http://hythe:5000\"]
  capabilities = [\"pull\", \"resolve\"]
  dial_timeout = \"3s\"
"
        );
        assert_eq!(file.render(Author::Hythe("hythe")), expected);
    }
}

#[test]
fn every_containerd_reads_what_was_written() {
    for version in VERSIONS {
        let own = HostsFile::own(&endpoint());
        assert_eq!(HostsFile::parse(&own.render(Author::Hythe("hythe")), version), Ok(own), "{version}");
        let mut mirror = HostsFile::mirror(&"quay.io".parse().unwrap(), &endpoint());
        let text = mirror.render(Author::Hythe("hythe"));
        if !version.knows_dial_timeout() {
            mirror.hosts[0].dial_timeout = None;
        }
        assert_eq!(HostsFile::parse(&text, version), Ok(mirror), "{version}");
    }
}

#[test]
fn a_push_goes_to_the_upstream_and_not_to_the_mirror() {
    let file = HostsFile::mirror(&"ghcr.io".parse().unwrap(), &endpoint());
    let asked = |capability| file.asked_for(capability).map(|host| host.url.as_str()).collect::<Vec<_>>();
    assert_eq!(asked(Capability::Resolve), ["http://hythe:5000", "https://ghcr.io"]);
    assert_eq!(asked(Capability::Push), ["https://ghcr.io"]);
}

#[test]
fn an_endpoint_is_a_scheme_and_a_host() {
    for text in ["http://hythe:5000", "https://172.18.0.5", "http://[fc00::5]:5001"] {
        assert_eq!(text.parse::<Endpoint>().map(|endpoint| endpoint.to_string()), Ok(text.to_owned()));
    }
    for text in ["hythe:5000", "http://", "http://hythe:5000/", "http://a b", "ftp://hythe", "http://a\"b"] {
        assert!(text.parse::<Endpoint>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn a_written_file_is_recognised_and_valid_for_every_version(
        registry in "[a-z][a-z0-9_.-]{0,20}",
        endpoint in "https?://([a-z]([a-z0-9-]{0,8}[a-z0-9])?|10\\.0\\.0\\.[1-9]|\\[fc00::[1-9]\\])(:[1-9][0-9]{0,3})?",
        upstream in "[a-z]{1,8}\\.(io|example)(:[1-9][0-9]{0,3})?",
    ) {
        let endpoint: Endpoint = endpoint.parse().unwrap();
        for file in [HostsFile::own(&endpoint), HostsFile::mirror(&upstream.parse().unwrap(), &endpoint)] {
            let text = file.render(Author::Hythe(&registry));
            prop_assert_eq!(written_by(&text), Some(registry.as_str()));
            for version in VERSIONS {
                prop_assert_eq!(judge(&text, &text, version), Judgement::Same);
                prop_assert_eq!(
                    judge(&format!("{text}\n"), &text, version),
                    Judgement::Differs { registry: registry.clone() }
                );
                let mut read = HostsFile::parse(&text, version).unwrap();
                if let Some(host) = read.hosts.first_mut().filter(|_| !version.knows_dial_timeout()) {
                    host.dial_timeout = file.hosts.first().and_then(|host| host.dial_timeout.clone());
                }
                prop_assert_eq!(&read, &file);
            }
        }
    }

    #[test]
    fn a_value_of_any_text_is_read_as_it_was(text in any::<String>()) {
        let file = HostsFile {
            hosts: vec![Host { ca: vec![text.clone()], ..Host::at(format!("http://{text}")) }],
            server: Host { client: vec![(text.clone(), Some(text.clone()))], ..Host::at(format!("https://{text}")) },
        };
        for version in VERSIONS {
            let read = HostsFile::parse(&file.render(Author::Owner), version);
            prop_assert_eq!(read.as_ref(), Ok(&file));
        }
    }
}
